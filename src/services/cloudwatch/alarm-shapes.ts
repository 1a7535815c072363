import type {
  MetricDataQuery,
  StandardUnit,
  Statistic,
  CompositeAlarm as WireComposite,
  MetricAlarm as WireMetricAlarm,
} from '@aws-sdk/client-cloudwatch'
import type { Ctx } from '../../kernel/context.ts'
import type { DomainEvent } from '../../work/outbox.ts'
import {
  type AlarmRecord,
  type AlarmState,
  alarmArn,
  type CompositeAlarm,
  type MetricAlarm,
  type Query,
} from './alarm.ts'
import type { MetricId } from './metric.ts'

// Alarms as they are shown: by the API, in events, and in their history.

const plain = ['SampleCount', 'Average', 'Sum', 'Minimum', 'Maximum']

const dimensionsOf = ({ dimensions }: MetricId) => dimensions.map(([Name, Value]) => ({ Name, Value }))

const toQuery = (query: Query): MetricDataQuery => ({
  Id: query.id,
  Label: query.label,
  ReturnData: query.returned,
  ...('stat' in query
    ? {
        MetricStat: {
          Metric: {
            Namespace: query.stat.metric.namespace,
            MetricName: query.stat.metric.name,
            Dimensions: dimensionsOf(query.stat.metric),
          },
          Period: query.stat.period,
          Stat: query.stat.statistic,
          Unit: query.stat.unit as StandardUnit | undefined,
        },
      }
    : { Expression: query.expression, Period: query.period }),
})

const common = (ctx: Ctx, alarm: AlarmRecord) => ({
  AlarmName: alarm.name,
  AlarmArn: alarmArn(ctx, alarm.name),
  AlarmDescription: alarm.description,
  AlarmConfigurationUpdatedTimestamp: new Date(alarm.configured),
  ActionsEnabled: alarm.actionsEnabled,
  OKActions: [...alarm.actions.OK],
  AlarmActions: [...alarm.actions.ALARM],
  InsufficientDataActions: [...alarm.actions.INSUFFICIENT_DATA],
  StateValue: alarm.state.value,
  StateReason: alarm.state.reason,
  StateReasonData: alarm.state.reasonData,
  StateUpdatedTimestamp: new Date(alarm.state.updated),
  StateTransitionedTimestamp: new Date(alarm.state.transitioned),
})

/** The metric and statistic of an alarm that was given them by name, not as a list. */
const singleOf = ({ single, queries: [query] }: MetricAlarm) =>
  single && query && 'stat' in query ? query.stat : undefined

export const toMetricAlarm = (ctx: Ctx, alarm: MetricAlarm): WireMetricAlarm => {
  const stat = singleOf(alarm)
  return {
    ...common(ctx, alarm),
    ...(stat
      ? {
          MetricName: stat.metric.name,
          Namespace: stat.metric.namespace,
          ...(plain.includes(stat.statistic)
            ? { Statistic: stat.statistic as Statistic }
            : { ExtendedStatistic: stat.statistic }),
          Dimensions: dimensionsOf(stat.metric),
          Period: stat.period,
          Unit: stat.unit as StandardUnit | undefined,
        }
      : { Metrics: alarm.queries.map(toQuery) }),
    EvaluationPeriods: alarm.evaluationPeriods,
    DatapointsToAlarm: alarm.datapointsToAlarm,
    Threshold: alarm.threshold,
    ComparisonOperator: alarm.operator,
    TreatMissingData: alarm.treatMissing,
    EvaluateLowSampleCountPercentile: alarm.lowSamples,
  }
}

export const toCompositeAlarm = (ctx: Ctx, alarm: CompositeAlarm): WireComposite => ({
  ...common(ctx, alarm),
  AlarmRule: alarm.rule,
  ActionsSuppressor: alarm.suppressor?.given,
  ActionsSuppressorWaitPeriod: alarm.suppressor?.wait,
  ActionsSuppressorExtensionPeriod: alarm.suppressor?.extension,
  ActionsSuppressedBy: alarm.suppressed?.by,
  ActionsSuppressedReason: suppressedReason(alarm),
})

const suppressedReason = ({ suppressed }: CompositeAlarm): string | undefined =>
  suppressed && `Actions suppressed by ${suppressed.by}`

/** A time as CloudWatch's JSON writes it: `2019-10-02T17:04:40.989+0000`. */
export const stampOf = (time: number): string => new Date(time).toISOString().replace('Z', '+0000')

const eventQuery = (query: Query) => ({
  id: query.id,
  ...(query.label === undefined ? {} : { label: query.label }),
  ...('stat' in query
    ? {
        metricStat: {
          metric: {
            namespace: query.stat.metric.namespace,
            name: query.stat.metric.name,
            dimensions: Object.fromEntries(query.stat.metric.dimensions),
          },
          period: query.stat.period,
          stat: query.stat.statistic,
          ...(query.stat.unit === undefined ? {} : { unit: query.stat.unit }),
        },
      }
    : { expression: query.expression, ...(query.period === undefined ? {} : { period: query.period }) }),
  returnData: query.returned,
})

/** What an alarm watches, as both kinds of events tell it. */
const watched = (alarm: AlarmRecord) =>
  alarm.kind === 'metric'
    ? { metrics: alarm.queries.map(eventQuery) }
    : {
        alarmRule: alarm.rule,
        ...(alarm.suppressor
          ? {
              actionsSuppressor: alarm.suppressor.given,
              actionsSuppressorWaitPeriod: alarm.suppressor.wait,
              actionsSuppressorExtensionPeriod: alarm.suppressor.extension,
            }
          : {}),
      }

const description = ({ description }: AlarmRecord) => (description === undefined ? {} : { description })

export const configurationOf = (alarm: AlarmRecord) => ({
  ...(alarm.kind === 'metric'
    ? {
        evaluationPeriods: alarm.evaluationPeriods,
        ...(alarm.datapointsToAlarm === undefined ? {} : { datapointsToAlarm: alarm.datapointsToAlarm }),
        threshold: alarm.threshold,
        comparisonOperator: alarm.operator,
        ...(alarm.treatMissing === undefined ? {} : { treatMissingData: alarm.treatMissing }),
        ...(alarm.lowSamples === undefined ? {} : { evaluateLowSampleCountPercentile: alarm.lowSamples }),
      }
    : {}),
  ...watched(alarm),
  alarmName: alarm.name,
  ...description(alarm),
  actionsEnabled: alarm.actionsEnabled,
  timestamp: stampOf(alarm.configured),
  okActions: alarm.actions.OK,
  alarmActions: alarm.actions.ALARM,
  insufficientDataActions: alarm.actions.INSUFFICIENT_DATA,
})

const suppression = (alarm: AlarmRecord) =>
  alarm.kind === 'composite' && alarm.suppressed
    ? { actionsSuppressedBy: alarm.suppressed.by, actionsSuppressedReason: suppressedReason(alarm) }
    : {}

const stateOf = ({ value, reason, reasonData, updated }: AlarmState) => ({
  value,
  reason,
  ...(reasonData === undefined ? {} : { reasonData }),
  timestamp: stampOf(updated),
})

const event = (ctx: Ctx, { name }: AlarmRecord, type: string, detail: Record<string, unknown>): DomainEvent => ({
  source: 'aws.cloudwatch',
  'detail-type': type,
  account: ctx.account,
  region: ctx.region,
  resources: [alarmArn(ctx, name)],
  detail: { alarmName: name, ...detail },
})

/** `CloudWatch Alarm State Change` ("Alarm events and EventBridge", CloudWatch user guide). */
export const stateChanged = (ctx: Ctx, before: AlarmRecord, after: AlarmRecord): DomainEvent =>
  event(ctx, after, 'CloudWatch Alarm State Change', {
    configuration: { ...description(after), ...watched(after) },
    previousState: { ...suppression(before), ...stateOf(before.state) },
    state: { ...suppression(after), ...stateOf(after.state) },
  })

/** `CloudWatch Alarm Configuration Change`. */
export const configurationChanged = (
  ctx: Ctx,
  operation: 'create' | 'update' | 'delete',
  alarm: AlarmRecord,
  previous?: AlarmRecord,
): DomainEvent =>
  event(ctx, alarm, 'CloudWatch Alarm Configuration Change', {
    operation,
    state: { ...suppression(alarm), value: alarm.state.value, timestamp: stampOf(alarm.state.updated) },
    configuration: configurationOf(alarm),
    ...(previous ? { previousConfiguration: configurationOf(previous) } : {}),
  })
