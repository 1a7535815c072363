import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { type MetricAlarm, operators, type Query, treatments } from './alarm.ts'
import { checkQueries, periodOf } from './alarm-evaluation.ts'
import { metricId } from './metric.ts'
import { fail, type Input, invalid } from './operation.ts'
import { parseStatistic } from './statistics.ts'

type Given = Input<'PutMetricAlarm'>
type Watch = Pick<
  MetricAlarm,
  | 'single'
  | 'queries'
  | 'evaluationPeriods'
  | 'datapointsToAlarm'
  | 'threshold'
  | 'operator'
  | 'treatMissing'
  | 'lowSamples'
>

const HOUR = 3600
const DAY = 86_400
const WEEK = 604_800

/** What a metric alarm watches, and when it alarms. Throws ValidationError, InvalidParameterCombination, MissingParameter. */
export const readMetricAlarm = async (ctx: Ctx, input: Given): Promise<Watch> => {
  refuse(input)
  const { EvaluationPeriods: evaluationPeriods, DatapointsToAlarm: datapointsToAlarm, Threshold: threshold } = input
  const operator = operators.find((one) => one === input.ComparisonOperator)
  if (input.ComparisonOperator === undefined) throw missing('ComparisonOperator')
  if (!operator) throw notImplemented('alarms on anomaly detection bands')
  if (evaluationPeriods === undefined) throw missing('EvaluationPeriods')
  if (threshold === undefined) throw missing('Threshold')
  if (!Number.isFinite(threshold)) throw invalid('The parameter Threshold must be a finite number.')
  if (datapointsToAlarm !== undefined && datapointsToAlarm > evaluationPeriods)
    throw invalid('DatapointsToAlarm must not be greater than EvaluationPeriods.')
  const queries = input.Metrics ? queriesOf(ctx, input) : [singleOf(ctx, input)]
  await checkQueries(queries)
  checkSpan(periodOf({ queries }), evaluationPeriods)
  return {
    single: !input.Metrics,
    queries,
    evaluationPeriods,
    ...(datapointsToAlarm === undefined ? {} : { datapointsToAlarm }),
    threshold,
    operator,
    ...treatmentOf(input),
    ...lowSamplesOf(input),
  }
}

const missing = (name: string) => fail('MissingRequiredParameterException', `The parameter ${name} is required.`)

const refuse = (input: Given): void => {
  if (input.EvaluationCriteria || input.EvaluationInterval !== undefined)
    throw notImplemented('alarms on PromQL queries')
  if (input.ThresholdMetricId !== undefined) throw notImplemented('alarms on anomaly detection bands')
  if (input.EvaluationWindow && 'WallClockWindow' in input.EvaluationWindow)
    throw notImplemented('alarms that are evaluated in wall clock windows')
  if (input.WarmUpConfiguration) throw notImplemented('warm-up periods of alarms')
}

const treatmentOf = ({ TreatMissingData: given }: Given): Pick<Watch, 'treatMissing'> => {
  if (given === undefined) return {}
  const treatMissing = treatments.find((one) => one === given)
  if (!treatMissing)
    throw invalid(`The value ${given} for parameter TreatMissingData is not in [${treatments.join(', ')}].`)
  return { treatMissing }
}

const lowSamplesOf = ({
  EvaluateLowSampleCountPercentile: given,
  ExtendedStatistic,
}: Given): Pick<Watch, 'lowSamples'> => {
  if (given === undefined) return {}
  if (given !== 'evaluate' && given !== 'ignore')
    throw invalid(`The value ${given} for parameter EvaluateLowSampleCountPercentile is not in [evaluate, ignore].`)
  if (!/^p[\d.]+$/i.test(ExtendedStatistic ?? ''))
    throw fail(
      'InvalidParameterCombinationException',
      'EvaluateLowSampleCountPercentile is for alarms on percentiles only.',
    )
  return { lowSamples: given }
}

const isPeriod = (seconds: number): boolean => [10, 20, 30].includes(seconds) || (seconds > 0 && seconds % 60 === 0)

const checkPeriod = (seconds: number): void => {
  if (!isPeriod(seconds)) throw invalid('Period must be 10, 20, 30 or a multiple of 60')
}

const checkSpan = (period: number, periods: number): void => {
  const total = period * periods
  if (period < HOUR ? total > DAY : total > WEEK)
    throw invalid(
      `Metrics cannot be checked across more than ${period < HOUR ? 'a day' : 'seven days'} (EvaluationPeriods * Period must be <= ${period < HOUR ? DAY : WEEK}).`,
    )
}

const singleOf = (ctx: Ctx, input: Given): Query => {
  const { MetricName, Namespace, Period, Statistic, ExtendedStatistic, Dimensions, Unit } = input
  if (MetricName === undefined) throw missing('MetricName')
  if (Namespace === undefined) throw missing('Namespace')
  if (Period === undefined) throw missing('Period')
  if (Statistic !== undefined && ExtendedStatistic !== undefined)
    throw fail(
      'InvalidParameterCombinationException',
      'The parameters Statistic and ExtendedStatistic are mutually exclusive.',
    )
  const statistic = Statistic ?? ExtendedStatistic
  if (statistic === undefined)
    throw fail(
      'MissingRequiredParameterException',
      'At least one of the parameters Statistic or ExtendedStatistic must be specified.',
    )
  checkStatistic(statistic, Statistic === undefined ? 'ExtendedStatistic' : 'Statistic')
  checkPeriod(Period)
  return {
    id: ctx.newId(),
    returned: true,
    stat: {
      metric: metricId(Namespace, MetricName, Dimensions),
      period: Period,
      statistic,
      ...(Unit === undefined ? {} : { unit: Unit }),
    },
  }
}

const checkStatistic = (name: string, parameter: string): void => {
  if (!parseStatistic(name)) throw invalid(`The value ${name} for parameter ${parameter} is not supported.`)
}

const ofSingle = ['MetricName', 'Namespace', 'Period', 'Statistic', 'ExtendedStatistic', 'Dimensions', 'Unit'] as const

const queriesOf = (ctx: Ctx, input: Given): Query[] => {
  const given = input.Metrics ?? []
  const other = ofSingle.find((name) => input[name] !== undefined)
  if (other)
    throw fail(
      'InvalidParameterCombinationException',
      `The parameters Metrics and ${other} are mutually exclusive and you have specified both.`,
    )
  if (given.length === 0) throw invalid('The collection Metrics must not be empty.')
  const queries = given.map(({ Id, Label, MetricStat, Expression, ReturnData, Period, AccountId }, at): Query => {
    const where = `Metrics.member.${at + 1}`
    if (!/^[a-z][a-zA-Z0-9_]*$/.test(Id))
      throw invalid(
        `The value ${Id} for parameter ${where}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.`,
      )
    if (given.findIndex((query) => query.Id === Id) !== at)
      throw invalid('The values for parameter id in Metrics are not unique.')
    if ((MetricStat === undefined) === (Expression === undefined))
      throw invalid(`Exactly one of the parameters ${where}.MetricStat, ${where}.Expression must be specified.`)
    if ((AccountId ?? ctx.account) !== ctx.account) throw notImplemented('alarms on metrics of other accounts')
    const common = { id: Id, ...(Label === undefined ? {} : { label: Label }), returned: ReturnData ?? true }
    if (!MetricStat)
      return { ...common, expression: Expression ?? '', ...(Period === undefined ? {} : { period: Period }) }
    const { Metric, Stat, Unit } = MetricStat
    if (Metric.MetricName === undefined) throw missing(`${where}.MetricStat.Metric.MetricName`)
    if (Metric.Namespace === undefined) throw missing(`${where}.MetricStat.Metric.Namespace`)
    checkStatistic(Stat, `${where}.MetricStat.Stat`)
    checkPeriod(MetricStat.Period)
    return {
      ...common,
      stat: {
        metric: metricId(Metric.Namespace, Metric.MetricName, Metric.Dimensions),
        period: MetricStat.Period,
        statistic: Stat,
        ...(Unit === undefined ? {} : { unit: Unit }),
      },
    }
  })
  if (given.some(({ Expression = '' }) => /^\s*SELECT\s/i.test(Expression)))
    throw notImplemented('alarms on Metrics Insights queries')
  return queries
}
