import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { Alarm, AlarmMetric, IdleAlarm, type MetricAlarm, type Query } from './alarm.ts'
import { decide, type Point, rangeOf } from './alarm-decision.ts'
import { stampOf } from './alarm-shapes.ts'
import { changeState } from './alarm-states.ts'
import { hashOf } from './metric.ts'
import { samplesOf } from './metric-data.ts'
import type { Series } from './metric-math.ts'
import { compute } from './metric-query.ts'
import { invalid } from './operation.ts'
import { type Samples, summary } from './statistics.ts'

const SECOND = 1000
const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 86_400_000

/** Seconds of an alarm's datapoints: what its expression names, or the longest of its metrics. */
export const periodOf = ({ queries }: Pick<MetricAlarm, 'queries'>): number =>
  Math.max(...queries.map((query) => ('stat' in query ? query.stat.period : (query.period ?? 0)))) || 60

/** How often an alarm is evaluated: every minute; ten seconds at high resolution; hourly if it looks back more than a day. */
const intervalOf = (alarm: MetricAlarm): number => {
  const period = periodOf(alarm) * SECOND
  if (period < MINUTE) return 10 * SECOND
  return period * alarm.evaluationPeriods > DAY ? HOUR : MINUTE
}

/** Milliseconds until this alarm is evaluated next. */
const untilNext = (alarm: MetricAlarm, now: number): number => {
  const interval = intervalOf(alarm)
  return interval - (now % interval)
}

type Seen = {
  /** Of the evaluation range, oldest first. */
  readonly points: readonly Point[]
  /** Whether there are data at all, in the range or to come. */
  readonly live: boolean
}

/** Functions whose values change with time alone. */
const timely = /\b(MINUTE|HOUR|DAY|DATE|MONTH|YEAR|EPOCH)\s*\(/

/** The periods that end when the present interval begins, and those before: the window slides. */
const look = async (ctx: Ctx, alarm: MetricAlarm, now: number): Promise<Seen> => {
  const interval = intervalOf(alarm)
  const period = periodOf(alarm) * SECOND
  const end = Math.floor(now / interval) * interval
  const start = end - rangeOf(alarm) * period
  let live = alarm.queries.some((query) => 'expression' in query && timely.test(query.expression))
  const samples = new Map<string, ReadonlyMap<number, Samples>>()
  const values = await compute(
    alarm.queries,
    async (stat) => {
      const span = { start, end: Number.MAX_SAFE_INTEGER, period: stat.period * SECOND }
      const found = await samplesOf(ctx, stat.metric, stat.unit, span)
      live ||= found.size > 0
      samples.set(hashOf(stat.metric), found)
      return found
    },
    (seconds) => ({ start, end, period: seconds * SECOND }),
  )
  const watched = alarm.queries.find(({ returned }) => returned)
  const [series] = [values.get(watched?.id ?? '') ?? []].flat() as Series[]
  const counted = watched && 'stat' in watched ? samples.get(hashOf(watched.stat.metric)) : undefined
  return {
    live,
    points: Array.from({ length: rangeOf(alarm) }, (_, nth) => {
      const time = start + nth * period
      const [value, some] = [series?.points.get(time), counted?.get(time)]
      return {
        time,
        ...(some === undefined ? {} : { samples: summary(some).count }),
        ...(value === undefined ? {} : { value }),
      }
    }),
  }
}

/**
 * Whether an alarm's queries can be computed, and to one time series. Throws ValidationError; NotImplemented for
 * functions that are not here.
 */
export const checkQueries = async (queries: readonly Query[]): Promise<void> => {
  const nothing = new Map<number, Samples>()
  const values = await compute(
    queries,
    async () => nothing,
    (seconds) => ({ start: 0, end: seconds * SECOND, period: seconds * SECOND }),
  )
  const watched = queries.filter(({ returned }) => returned)
  if (watched.length !== 1) throw invalid('Exactly one element of the metrics list should return data.')
  const result = values.get(watched[0]?.id ?? '')
  if (result && !('points' in result) && result.length !== 1)
    throw invalid('The metrics list must return a single time series.')
}

/** An explanation for machines ("StateReasonData"). */
const reasonDataOf = (alarm: MetricAlarm, { points }: Seen, decisive: readonly Point[], now: number): string => {
  const [query] = alarm.queries
  const stat = alarm.single && query && 'stat' in query ? query.stat : undefined
  const [oldest] = decisive
  const evaluated = decisive.length > 0 ? decisive : points.slice(-alarm.evaluationPeriods)
  return JSON.stringify({
    version: '1.0',
    queryDate: stampOf(now),
    ...(oldest ? { startDate: stampOf(oldest.time) } : {}),
    ...(stat?.unit === undefined ? {} : { unit: stat.unit }),
    ...(stat ? { statistic: stat.statistic } : {}),
    period: periodOf(alarm),
    recentDatapoints: decisive.map(({ value }) => value),
    threshold: alarm.threshold,
    evaluatedDatapoints: evaluated.toReversed().map(({ time, samples, value }) => ({
      timestamp: stampOf(time),
      ...(samples === undefined ? {} : { sampleCount: samples }),
      ...(value === undefined ? {} : { value }),
    })),
  })
}

const find = async (tx: ReadTx, name: string): Promise<MetricAlarm | undefined> => {
  const alarm = await tx.get(Alarm, name)
  return alarm?.kind === 'metric' ? alarm : undefined
}

/**
 * Evaluates a metric alarm for as long as there are data to look at. One without any is evaluated once and then left
 * idle until data are published. Key: the alarm's name.
 */
export const evaluation: Reconciler = {
  name: 'cloudwatch.alarm',
  step: async (ctx, name) => {
    const alarm = await ctx.read((tx) => find(tx, name))
    if (!alarm) return done()
    const now = ctx.now().getTime()
    const seen = await look(ctx, alarm, now)
    await ctx.write(async (tx) => {
      const present = await find(tx, name)
      // Configured anew meanwhile: another step is due.
      if (!present || present.configured !== alarm.configured) return
      const decision = decide(present, seen.points, present.state.value)
      if (!decision || decision.value === present.state.value) return
      const { value, reason, decisive } = decision
      await changeState(ctx, tx, present, { value, reason, reasonData: reasonDataOf(present, seen, decisive, now) })
    })
    if (seen.live) return again({ in: untilNext(alarm, now) })
    // Who publishes looks for idle alarms after the data are stored, so either sees the other.
    await ctx.write(async (tx) => void ((await find(tx, name)) && tx.put(IdleAlarm, { name })))
    if (!(await look(ctx, alarm, now)).live) return done()
    await ctx.write(async (tx) => tx.delete(IdleAlarm, name))
    return again({ in: untilNext(alarm, now) })
  },
}

/** Has an alarm evaluated at once. */
export const wakeAlarm = (tx: WriteTx, name: string): void => tx.wake('cloudwatch.alarm', name)

/** Has an alarm evaluated when its time comes next: it was set to a state that may not be its own. */
export const wakeLater = (ctx: Ctx, tx: WriteTx, alarm: MetricAlarm): void =>
  tx.wake('cloudwatch.alarm', alarm.name, { in: untilNext(alarm, ctx.now().getTime()) })

/** Wakes the idle alarms on metrics that have new data; `metrics` are their hashes. */
export const wakeIdle = async (ctx: Ctx, metrics: Iterable<string>): Promise<void> => {
  const idle = await ctx.read(async (tx) => {
    if ((await tx.list(IdleAlarm, { limit: 1 })).length === 0) return []
    const found = new Set<string>()
    for (const metric of metrics)
      for (const { alarm } of await tx.list(AlarmMetric, { prefix: `${metric}/` }))
        if (await tx.get(IdleAlarm, alarm)) found.add(alarm)
    return [...found]
  })
  if (idle.length === 0) return
  await ctx.write(async (tx) => {
    for (const name of idle) {
      const alarm = await find(tx, name)
      if (!alarm) continue
      tx.delete(IdleAlarm, name)
      wakeLater(ctx, tx, alarm)
    }
  })
}
