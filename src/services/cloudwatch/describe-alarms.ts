import type { CompositeAlarm as WireComposite, MetricAlarm as WireMetric } from '@aws-sdk/client-cloudwatch'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import type { ReadTx } from '../../store/store.ts'
import { Alarm, AlarmMetric, type AlarmRecord, alarmArn, type MetricAlarm, parentsOf } from './alarm.ts'
import { toCompositeAlarm, toMetricAlarm } from './alarm-shapes.ts'
import { hashOf, metricId } from './metric.ts'
import { fail, type Input, type Operation } from './operation.ts'

const most = 50
const batch = 500

const exclusive = (one: string, other: string) =>
  fail(
    'InvalidParameterCombinationException',
    `The parameters ${one} and ${other} are mutually exclusive and you have specified both.`,
  )

/** Alarms by name, metric alarms only unless told. Errors: InvalidParameterCombination, InvalidNextToken. */
export const DescribeAlarms: Operation<'DescribeAlarms'> = async (ctx, input) => {
  if (input.AlarmTypes?.includes('LogAlarm')) throw notImplemented('log alarms')
  if (input.AlarmNames && input.AlarmNamePrefix !== undefined) throw exclusive('AlarmNames', 'AlarmNamePrefix')
  const family = input.ChildrenOfAlarmName ?? input.ParentsOfAlarmName
  if (family !== undefined) return relatives(ctx, input, family)
  const kinds = (input.AlarmTypes ?? ['MetricAlarm']).map((type) => (type === 'MetricAlarm' ? 'metric' : 'composite'))
  const fits = (alarm: AlarmRecord): boolean =>
    kinds.includes(alarm.kind) &&
    (input.StateValue === undefined || alarm.state.value === input.StateValue) &&
    (input.ActionPrefix === undefined ||
      Object.values(alarm.actions).some((actions) => actions.some((arn) => arn.startsWith(input.ActionPrefix ?? ''))))
  const after = tokenOf(input.NextToken)
  const size = input.MaxRecords ?? most
  const found = await ctx.read((tx) =>
    input.AlarmNames?.length
      ? named(tx, input.AlarmNames, after, fits)
      : listed(tx, input.AlarmNamePrefix, after, size, fits),
  )
  return answer(ctx, found, size)
}

const tokenOf = (token: string | undefined): string | undefined => {
  if (token === undefined) return undefined
  const name = Buffer.from(token, 'base64url').toString()
  if (name === '' || Buffer.from(name).toString('base64url') !== token)
    throw fail('InvalidNextToken', 'Invalid next token.')
  return name
}

const named = async (
  tx: ReadTx,
  names: readonly string[],
  after: string | undefined,
  fits: (alarm: AlarmRecord) => boolean,
): Promise<AlarmRecord[]> => {
  const found: AlarmRecord[] = []
  for (const name of [...new Set(names)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
    if (after !== undefined && Buffer.compare(Buffer.from(name), Buffer.from(after)) <= 0) continue
    const alarm = await tx.get(Alarm, name)
    if (alarm && fits(alarm)) found.push(alarm)
  }
  return found
}

const listed = async (
  tx: ReadTx,
  prefix: string | undefined,
  after: string | undefined,
  size: number,
  fits: (alarm: AlarmRecord) => boolean,
): Promise<AlarmRecord[]> => {
  const found: AlarmRecord[] = []
  let last = after
  for (;;) {
    const some = await tx.list(Alarm, {
      limit: batch,
      ...(prefix === undefined ? {} : { prefix }),
      ...(last === undefined ? {} : { after: last }),
    })
    found.push(...some.filter(fits))
    const end = some.at(-1)
    if (!end || some.length < batch || found.length > size) return found
    last = end.name
  }
}

const answer = (ctx: Ctx, found: readonly AlarmRecord[], size: number) => {
  const page = found.slice(0, size)
  const last = page.at(-1)
  return {
    MetricAlarms: page.flatMap((alarm): WireMetric[] => (alarm.kind === 'metric' ? [toMetricAlarm(ctx, alarm)] : [])),
    CompositeAlarms: page.flatMap((alarm): WireComposite[] =>
      alarm.kind === 'composite' ? [toCompositeAlarm(ctx, alarm)] : [],
    ),
    NextToken: found.length > size && last ? Buffer.from(last.name).toString('base64url') : undefined,
  }
}

const alone = ['AlarmNames', 'AlarmNamePrefix', 'AlarmTypes', 'StateValue', 'ActionPrefix'] as const

/** The alarms in a composite alarm's rule, or the composite alarms in whose rules an alarm is: with little told of each. */
const relatives = async (ctx: Ctx, input: Input<'DescribeAlarms'>, name: string) => {
  const asked = input.ChildrenOfAlarmName === undefined ? 'ParentsOfAlarmName' : 'ChildrenOfAlarmName'
  if (input.ChildrenOfAlarmName !== undefined && input.ParentsOfAlarmName !== undefined)
    throw exclusive('ChildrenOfAlarmName', 'ParentsOfAlarmName')
  const other = alone.find((parameter) => input[parameter] !== undefined)
  if (other) throw exclusive(asked, other)
  const after = tokenOf(input.NextToken)
  const found = await ctx.read(async (tx) => {
    const alarm = await tx.get(Alarm, name)
    if (!alarm) throw fail('ResourceNotFound', `Unknown alarm: ${name}`)
    if (asked === 'ChildrenOfAlarmName')
      return named(tx, alarm.kind === 'composite' ? alarm.children : [], after, () => true)
    return named(
      tx,
      await parentsOf(tx, name),
      after,
      (parent) => parent.kind === 'composite' && parent.children.includes(name),
    )
  })
  const full = answer(ctx, found, input.MaxRecords ?? most)
  const few = (alarm: WireMetric | WireComposite) => ({
    AlarmName: alarm.AlarmName,
    AlarmArn: alarmArn(ctx, alarm.AlarmName ?? ''),
    ...(asked === 'ChildrenOfAlarmName'
      ? { StateValue: alarm.StateValue, StateUpdatedTimestamp: alarm.StateUpdatedTimestamp }
      : {}),
  })
  return { ...full, MetricAlarms: full.MetricAlarms.map(few), CompositeAlarms: full.CompositeAlarms.map(few) }
}

/** The alarms on one metric, and if told on one statistic, period and unit of it. */
export const DescribeAlarmsForMetric: Operation<'DescribeAlarmsForMetric'> = async (ctx, input) => {
  if (input.Statistic !== undefined && input.ExtendedStatistic !== undefined)
    throw exclusive('Statistic', 'ExtendedStatistic')
  const statistic = input.Statistic ?? input.ExtendedStatistic
  const metric = hashOf(metricId(input.Namespace, input.MetricName, input.Dimensions))
  const fits = (alarm: MetricAlarm): boolean =>
    alarm.queries.some(
      (query) =>
        'stat' in query &&
        hashOf(query.stat.metric) === metric &&
        (statistic === undefined || query.stat.statistic === statistic) &&
        (input.Period === undefined || query.stat.period === input.Period) &&
        (input.Unit === undefined || query.stat.unit === input.Unit),
    )
  const alarms = await ctx.read(async (tx) => {
    const found: MetricAlarm[] = []
    for (const { alarm: name } of await tx.list(AlarmMetric, { prefix: `${metric}/` })) {
      const alarm = await tx.get(Alarm, name)
      if (alarm?.kind === 'metric' && fits(alarm)) found.push(alarm)
    }
    return found
  })
  return { MetricAlarms: alarms.map((alarm) => toMetricAlarm(ctx, alarm)) }
}
