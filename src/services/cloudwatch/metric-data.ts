import type { Datapoint, MetricDataResult, StandardUnit } from '@aws-sdk/client-cloudwatch'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import type { Query } from './alarm.ts'
import { datapointsOf, type MetricId, metricId, type StoredDatum } from './metric.ts'
import type { Series } from './metric-math.ts'
import { compute } from './metric-query.ts'
import { fail, type Input, invalid, type Operation } from './operation.ts'
import { noSamples, parseStatistic, type Samples } from './statistics.ts'

const SECOND = 1000
const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 86_400_000
const BATCH = 10_000

/** What of a metric is asked: from `start`, buckets of `period` milliseconds each, up to `end` (exclusive). */
export type Span = { readonly start: number; readonly end: number; readonly period: number }

/** Begins where CloudWatch begins: the older the start, the coarser it is rounded down; sub-minute periods round to themselves. */
const spanOf = (ctx: Ctx, start: Date, end: Date, seconds: number): Span => {
  const age = ctx.now().getTime() - start.getTime()
  const grain = age > 63 * DAY ? HOUR : age > 15 * DAY ? 5 * MINUTE : seconds < 60 ? seconds * SECOND : MINUTE
  return { start: Math.floor(start.getTime() / grain) * grain, end: end.getTime(), period: seconds * SECOND }
}

/** Fine data are gone sooner than coarse ones ("Metrics retention"): the earliest time that this period can be asked for. */
const earliest = (ctx: Ctx, period: number): number => {
  const kept = period < MINUTE ? 3 * HOUR : period < 5 * MINUTE ? 15 * DAY : period < HOUR ? 63 * DAY : 455 * DAY
  return ctx.now().getTime() - kept
}

const isPeriod = (seconds: number): boolean => [1, 5, 10, 20, 30].includes(seconds) || seconds % 60 === 0

/** The samples of each bucket that has any, by unit; buckets by their start. */
const collect = async (
  ctx: Ctx,
  id: MetricId,
  { start, end, period }: Span,
): Promise<Map<string, Map<number, Samples>>> => {
  const units = new Map<string, Map<number, Samples>>()
  const from = Math.max(start, earliest(ctx, period))
  let after = 0
  for (;;) {
    const entries = await ctx.append.range(datapointsOf(ctx, id), { from, to: end, after, limit: BATCH })
    for (const { time, body } of entries) {
      const datum = body as StoredDatum
      const buckets = units.get(datum.u) ?? new Map<number, Samples>()
      units.set(datum.u, buckets)
      const bucket = start + Math.floor((time - start) / period) * period
      const samples = buckets.get(bucket) ?? noSamples()
      buckets.set(bucket, samples)
      add(samples, datum)
    }
    const last = entries.at(-1)
    if (!last || entries.length < BATCH) return units
    after = last.position
  }
}

const add = (samples: Samples, datum: StoredDatum): void => {
  if ('s' in datum) {
    const [count, sum, min, max] = datum.s
    samples.sets.push({ count, sum, min, max })
    return
  }
  for (const [at, value] of datum.v.entries())
    samples.values.set(value, (samples.values.get(value) ?? 0) + (datum.c?.[at] ?? 1))
}

/** Buckets of one unit, or of all together where none is asked for. */
const ofUnit = (units: Map<string, Map<number, Samples>>, unit: string | undefined): Map<number, Samples> => {
  if (unit !== undefined) return units.get(unit) ?? new Map()
  const [only, ...others] = units.values()
  if (!only || others.length === 0) return only ?? new Map()
  const all = new Map<number, Samples>()
  for (const buckets of units.values())
    for (const [time, { values, sets }] of buckets) {
      const samples = all.get(time) ?? noSamples()
      all.set(time, samples)
      for (const [value, count] of values) samples.values.set(value, (samples.values.get(value) ?? 0) + count)
      samples.sets.push(...sets)
    }
  return all
}

/** The samples of each bucket of a metric that has any, of one unit or of all together. */
export const samplesOf = async (
  ctx: Ctx,
  id: MetricId,
  unit: string | undefined,
  span: Span,
): Promise<Map<number, Samples>> => ofUnit(await collect(ctx, id, span), unit)

const MOST_DATAPOINTS = 1440

/** Statistics of one metric, a datapoint per period and unit that has data. */
export const GetMetricStatistics: Operation<'GetMetricStatistics'> = async (ctx, input) => {
  const { Statistics: plain = [], ExtendedStatistics: extended = [], Period: seconds } = input
  if (plain.length === 0 && extended.length === 0)
    throw fail(
      'MissingRequiredParameterException',
      'At least one of the parameters Statistics or ExtendedStatistics must be specified.',
    )
  if (plain.length > 0 && extended.length > 0)
    throw fail('InvalidParameterCombinationException', 'Specify either Statistics or ExtendedStatistics, but not both.')
  if (input.StartTime >= input.EndTime)
    throw fail('InvalidParameterValueException', 'The parameter StartTime must be less than the parameter EndTime.')
  if (!isPeriod(seconds))
    throw fail('InvalidParameterValueException', 'The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.')
  const wrong = [...plain, ...extended].find((name) => !parseStatistic(name))
  if (wrong !== undefined)
    throw fail(
      'InvalidParameterValueException',
      `The value ${wrong} for parameter ExtendedStatistics.member.1 is invalid.`,
    )
  const span = spanOf(ctx, input.StartTime, input.EndTime, seconds)
  const asked = Math.ceil((span.end - span.start) / span.period)
  if (asked > MOST_DATAPOINTS)
    throw fail(
      'InvalidParameterCombinationException',
      `You have requested up to ${asked} datapoints, which exceeds the limit of 1,440. You may reduce the datapoints requested by increasing Period, or decreasing the time range.`,
    )
  const units = await collect(ctx, metricId(input.Namespace, input.MetricName, input.Dimensions), span)
  const points: Datapoint[] = []
  for (const [unit, buckets] of units) {
    if (input.Unit !== undefined && input.Unit !== unit) continue
    for (const [time, samples] of buckets) {
      const point: Datapoint = { Timestamp: new Date(time), Unit: unit as StandardUnit }
      for (const name of plain) point[name] = parseStatistic(name)?.(samples)
      if (extended.length > 0) {
        const values = extended.flatMap((name) => {
          const value = parseStatistic(name)?.(samples)
          return value === undefined ? [] : [[name, value] as const]
        })
        if (values.length === 0) continue
        point.ExtendedStatistics = Object.fromEntries(values)
      }
      points.push(point)
    }
  }
  return { Label: input.MetricName, Datapoints: points }
}

const MOST_PAGED = 100_800
const MOST_QUERIES = 500

const toQuery = ({
  Id,
  Label,
  ReturnData,
  MetricStat,
  Expression = '',
  Period,
}: Input<'GetMetricData'>['MetricDataQueries'][number]): Query => ({
  id: Id,
  ...(Label === undefined ? {} : { label: Label }),
  returned: ReturnData ?? true,
  ...(MetricStat
    ? {
        stat: {
          metric: metricId(
            MetricStat.Metric.Namespace ?? '',
            MetricStat.Metric.MetricName ?? '',
            MetricStat.Metric.Dimensions,
          ),
          period: MetricStat.Period,
          statistic: MetricStat.Stat,
          ...(MetricStat.Unit === undefined ? {} : { unit: MetricStat.Unit }),
        },
      }
    : { expression: Expression, ...(Period === undefined ? {} : { period: Period }) }),
})

/** Datapoints of several metrics and expressions at once, newest first unless told. */
export const GetMetricData: Operation<'GetMetricData'> = async (ctx, input) => {
  const queries = input.MetricDataQueries
  if (queries.length === 0 || queries.length > MOST_QUERIES)
    throw invalid(`The collection MetricDataQueries must have a size between 1 and ${MOST_QUERIES}.`)
  if (input.StartTime >= input.EndTime)
    throw invalid('The parameter StartTime must be less than the parameter EndTime.')
  for (const [at, { Id, MetricStat, Expression, Label, AccountId }] of queries.entries()) {
    const where = `MetricDataQueries.member.${at + 1}`
    if (!/^[a-z][a-zA-Z0-9_]*$/.test(Id))
      throw invalid(
        `The value ${Id} for parameter ${where}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.`,
      )
    if (queries.findIndex((query) => query.Id === Id) !== at)
      throw invalid(`The values for parameter id in MetricDataQueries are not unique.`)
    if ((MetricStat === undefined) === (Expression === undefined))
      throw invalid(`Exactly one of the parameters ${where}.MetricStat, ${where}.Expression must be specified.`)
    if (Expression !== undefined && /^\s*SELECT\s/i.test(Expression))
      throw notImplemented('Metrics Insights queries in GetMetricData')
    if (Label?.includes('${')) throw notImplemented('dynamic labels in GetMetricData')
    if ((AccountId ?? ctx.account) !== ctx.account) throw notImplemented('GetMetricData of other accounts')
    if (MetricStat && !isPeriod(MetricStat.Period))
      throw invalid(`The value ${MetricStat.Period} for parameter ${where}.MetricStat.Period is invalid.`)
    if (MetricStat && !parseStatistic(MetricStat.Stat))
      throw invalid(`The value ${MetricStat.Stat} for parameter ${where}.MetricStat.Stat is not supported.`)
  }
  const limit = input.MaxDatapoints ?? MOST_PAGED
  const skip = input.NextToken === undefined ? 0 : offsetOf(input.NextToken)
  const ascending = input.ScanBy === 'TimestampAscending'
  const asked = queries.map(toQuery)
  const spanAt = (seconds: number) => spanOf(ctx, input.StartTime, input.EndTime, seconds)
  const values = await compute(
    asked,
    ({ metric, unit, period }) => samplesOf(ctx, metric, unit, spanAt(period)),
    (period) => spanAt(period),
  )
  const series = asked
    .filter(({ returned }) => returned)
    .flatMap(({ id }) => [values.get(id) ?? []].flat().map((one: Series) => ({ id, ...one })))
  const results: MetricDataResult[] = []
  let seen = 0
  let left = 0
  for (const { id: Id, label: Label, points: found } of series) {
    const points = [...found]
      .map(([time, value]) => ({ time, value }))
      .sort((a, b) => (ascending ? a.time - b.time : b.time - a.time))
    const from = Math.min(points.length, Math.max(0, skip - seen))
    const page = points.slice(from, Math.max(from, skip + limit - seen))
    seen += points.length
    const rest = points.length - from - page.length
    left += rest
    results.push({
      Id,
      Label,
      Timestamps: page.map(({ time }) => new Date(time)),
      Values: page.map(({ value }) => value),
      StatusCode: rest > 0 ? 'PartialData' : 'Complete',
    })
  }
  return {
    MetricDataResults: results,
    Messages: [],
    NextToken: left > 0 ? Buffer.from(String(skip + limit)).toString('base64url') : undefined,
  }
}

const offsetOf = (token: string): number => {
  const text = Buffer.from(token, 'base64url').toString()
  if (!/^\d{1,12}$/.test(text)) throw fail('InvalidNextToken', 'Invalid next token.')
  return Number(text)
}
