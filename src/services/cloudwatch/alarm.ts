import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { hashOf, type MetricId } from './metric.ts'
import { fail } from './operation.ts'

export type StateValue = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA'

/** A state, why, and since when. Times are epoch milliseconds. */
export type AlarmState = {
  readonly value: StateValue
  readonly reason: string
  /** JSON. */
  readonly reasonData?: string
  readonly updated: number
  readonly transitioned: number
}

/** One of the time series of an alarm: a metric's statistic. Periods are seconds. */
export type Query = { readonly id: string; readonly label?: string; readonly returned: boolean } & (
  | { readonly stat: MetricStat }
  | { readonly expression: string; readonly period?: number }
)

export type MetricStat = {
  readonly metric: MetricId
  readonly period: number
  readonly statistic: string
  readonly unit?: string
}

export const operators = [
  'GreaterThanOrEqualToThreshold',
  'GreaterThanThreshold',
  'LessThanThreshold',
  'LessThanOrEqualToThreshold',
] as const
export type Operator = (typeof operators)[number]

export const treatments = ['missing', 'ignore', 'breaching', 'notBreaching'] as const
export type Treatment = (typeof treatments)[number]

/** What every alarm has. */
type Common = {
  readonly name: string
  readonly description?: string
  readonly actionsEnabled: boolean
  readonly actions: Readonly<Record<StateValue, readonly string[]>>
  readonly tags: Readonly<Record<string, string>>
  /** When it was last configured, in epoch milliseconds. */
  readonly configured: number
  readonly state: AlarmState
}

export type MetricAlarm = Common & {
  readonly kind: 'metric'
  /** Given as MetricName and so on, not as Metrics: shown so again. */
  readonly single: boolean
  readonly queries: readonly Query[]
  readonly evaluationPeriods: number
  readonly datapointsToAlarm?: number
  readonly threshold: number
  readonly operator: Operator
  readonly treatMissing?: Treatment
  readonly lowSamples?: 'evaluate' | 'ignore'
}

export type CompositeAlarm = Common & {
  readonly kind: 'composite'
  readonly rule: string
  /** Names of the alarms in the rule, each once. */
  readonly children: readonly string[]
  /** Periods are seconds. */
  readonly suppressor?: {
    readonly given: string
    readonly name: string
    readonly wait: number
    readonly extension: number
  }
  /** Why actions are held back at present, and until when (epoch milliseconds) unless the suppressor says otherwise. */
  readonly suppressed?: { readonly by: 'WaitPeriod' | 'ExtensionPeriod' | 'Alarm'; readonly until?: number }
  /** The state whose actions were taken last. */
  readonly acted: StateValue
}

export type AlarmRecord = MetricAlarm | CompositeAlarm

export const Alarm = table<AlarmRecord>('cloudwatch.alarm', { scope: 'region', key: ({ name }) => name })

/** Which alarms look at a metric, found by the metric. */
export const AlarmMetric = table<{ readonly metric: string; readonly alarm: string }>('cloudwatch.alarm-metric', {
  scope: 'region',
  key: ({ metric, alarm }) => `${metric}/${alarm}`,
})

/** Which composite alarms depend on an alarm, by their rule or as its actions' suppressor, found by that alarm. */
export const AlarmParent = table<{ readonly child: string; readonly parent: string }>('cloudwatch.alarm-parent', {
  scope: 'region',
  key: ({ child, parent }) => `${child}\n${parent}`,
})

/** An alarm that has no data and has drawn its conclusions from that: nothing looks at it until data come. */
export const IdleAlarm = table<{ readonly name: string }>('cloudwatch.idle-alarm', {
  scope: 'region',
  key: ({ name }) => name,
})

export const alarmArn = (ctx: Pick<Ctx, 'arn'>, name: string): string => ctx.arn(`alarm:${name}`)

/** The name in an alarm's ARN of this place; any other text is a name itself. `undefined` for ARNs of elsewhere. */
export const alarmNameOf = (ctx: Pick<Ctx, 'arn'>, nameOrArn: string): string | undefined => {
  if (!nameOrArn.startsWith('arn:')) return nameOrArn
  const prefix = alarmArn(ctx, '')
  return nameOrArn.startsWith(prefix) ? nameOrArn.slice(prefix.length) : undefined
}

/** Throws ResourceNotFound. */
export const getAlarm = async (tx: ReadTx, name: string): Promise<AlarmRecord> => {
  const alarm = await tx.get(Alarm, name)
  if (!alarm) throw fail('ResourceNotFound', `Unknown alarm: ${name}`)
  return alarm
}

const metricsOf = (alarm: AlarmRecord): string[] =>
  alarm.kind === 'metric' ? alarm.queries.flatMap((query) => ('stat' in query ? [hashOf(query.stat.metric)] : [])) : []

const dependsOn = (alarm: AlarmRecord): string[] =>
  alarm.kind === 'composite' ? [...alarm.children, ...(alarm.suppressor ? [alarm.suppressor.name] : [])] : []

/** Puts an alarm's record, and the rows by which it is found in place of those of its `former` self. */
export const putAlarm = (tx: WriteTx, alarm: AlarmRecord, former?: AlarmRecord): void => {
  if (former) forget(tx, former)
  tx.put(Alarm, alarm)
  for (const metric of metricsOf(alarm)) tx.put(AlarmMetric, { metric, alarm: alarm.name })
  for (const child of dependsOn(alarm)) tx.put(AlarmParent, { child, parent: alarm.name })
}

export const deleteAlarm = (tx: WriteTx, alarm: AlarmRecord): void => {
  forget(tx, alarm)
  tx.delete(Alarm, alarm.name)
}

const forget = (tx: WriteTx, alarm: AlarmRecord): void => {
  for (const metric of metricsOf(alarm)) tx.delete(AlarmMetric, AlarmMetric.key({ metric, alarm: alarm.name }))
  for (const child of dependsOn(alarm)) tx.delete(AlarmParent, AlarmParent.key({ child, parent: alarm.name }))
  tx.delete(IdleAlarm, alarm.name)
}

/** Names of the composite alarms that depend on this one. */
export const parentsOf = async (tx: ReadTx, name: string): Promise<string[]> =>
  (await tx.list(AlarmParent, { prefix: `${name}\n` })).map(({ parent }) => parent)
