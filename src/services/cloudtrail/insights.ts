import type { InsightType } from '@aws-sdk/client-cloudtrail'
import type { AuditRecord } from '../../kernel/audit.ts'
import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { Cursor, cursorKey } from './cursor.ts'
import { toText } from './operation.ts'
import { coversPlace, placeOfStream, Trail, type TrailRecord } from './trail.ts'

// Insights: calls and errors counted per minute, held against the seven days before ("Logging Insights events for
// trails"). AWS does not say when activity is unusual; here it is ten calls a minute and six standard deviations above
// the average of a baseline of at least one day.

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const BASELINE_MINUTES = 7 * 24 * 60
const LEAST_BASELINE = 24 * HOUR
const LEAST_RATE = 10
const DEVIATIONS = 6
const BATCH = 500
const MOST_ATTRIBUTES = 5

/** What is counted: calls of one operation at one place, or its errors of one code. */
export type Series = {
  readonly stream: string
  readonly type: InsightType
  readonly source: string
  readonly name: string
  readonly error: string
}

const seriesKey = ({ stream, type, source, name, error }: Series) => [stream, type, source, name, error].join('|')
const seriesOf = (key: string): Series => {
  const [stream = '', type = '', source = '', name = '', ...error] = key.split('|')
  return { stream, type: type as InsightType, source, name, error: error.join('|') }
}

type CounterRecord = Series & {
  /** Start of the hour; milliseconds since the epoch. */
  readonly hour: number
  /** Counts by minute of the hour. */
  readonly minutes: Readonly<Record<string, number>>
}
const counterKey = (series: Series, hour: number) => `${seriesKey(series)}|${String(hour).padStart(15, '0')}`
export const Counter = table<CounterRecord>('cloudtrail.insightCounter', {
  scope: 'global',
  key: (record) => counterKey(record, record.hour),
})

type InsightRecord = {
  /** The series; or a stream, for since when it is counted. */
  readonly key: string
  readonly since: number
  /** Last minute that was looked at. */
  readonly seen: number
  readonly active?: {
    readonly shared: string
    readonly start: number
    readonly baseline: number
    readonly total: number
  }
  /** Made and not yet told. */
  readonly pending?: InsightEvent
}
export const Insight = table<InsightRecord>('cloudtrail.insight', { scope: 'global', key: ({ key }) => key })

export type InsightEvent = {
  readonly eventVersion: string
  readonly eventTime: string
  readonly awsRegion: string
  readonly eventID: string
  readonly eventType: 'AwsCloudTrailInsight'
  readonly recipientAccountId: string
  readonly sharedEventID: string
  readonly insightDetails: {
    readonly state: 'Start' | 'End'
    readonly eventSource: string
    readonly eventName: string
    readonly insightType: string
    readonly errorCode?: string
    readonly insightContext: Readonly<Record<string, unknown>>
  }
  readonly eventCategory: 'Insight'
}

export const insightStream = ({ account, region }: { account: string; region: string }) =>
  `insight/${account}/${region}`

/** Series that a record counts for. */
const seriesOfRecord = (stream: string, record: AuditRecord, types: ReadonlySet<string>): Series[] => {
  if (!record.managementEvent) return []
  const of = (type: InsightType, error: string): Series => ({
    stream,
    type,
    source: record.eventSource,
    name: record.eventName,
    error,
  })
  return [
    ...(types.has('ApiCallRateInsight') && !record.readOnly ? [of('ApiCallRateInsight', '')] : []),
    ...(types.has('ApiErrorRateInsight') && record.errorCode !== undefined
      ? [of('ApiErrorRateInsight', record.errorCode)]
      : []),
  ]
}

/** Counts new records of a stream, in the commit that says how far it came. Returns whether there may be more. */
export const countForInsights = async (ctx: Ctx, trail: TrailRecord, stream: string): Promise<boolean> => {
  const at = { sink: 'insights' as const, owner: stream, stream }
  const types = new Set(trail.insights.map(({ InsightType: type }) => String(type)))
  const cursor = await ctx.read((tx) => tx.get(Cursor, cursorKey('insights', stream, stream)))
  const now = ctx.now().getTime()
  const since = trail.spans[0]?.from ?? now
  const entries = await ctx.append.range(stream, {
    ...(cursor ? { after: cursor.position } : { from: since }),
    limit: BATCH,
  })
  const last = entries.at(-1)
  if (!last) return false
  const counted = new Map<string, { series: Series; hour: number; minutes: Map<string, number> }>()
  for (const { time, body } of entries)
    for (const series of seriesOfRecord(stream, body as AuditRecord, types)) {
      const hour = Math.floor(time / HOUR) * HOUR
      const key = counterKey(series, hour)
      const found = counted.get(key) ?? { series, hour, minutes: new Map() }
      const minute = String(Math.floor((time - hour) / MINUTE))
      found.minutes.set(minute, (found.minutes.get(minute) ?? 0) + 1)
      counted.set(key, found)
    }
  await ctx.write(async (tx) => {
    tx.put(Cursor, { ...at, position: last.position })
    if (!(await tx.get(Insight, stream))) tx.put(Insight, { key: stream, since: now, seen: 0 })
    for (const [key, { series, hour, minutes }] of counted) {
      const known = await tx.get(Counter, key)
      const sums: Record<string, number> = { ...known?.minutes }
      for (const [minute, count] of minutes) sums[minute] = (sums[minute] ?? 0) + count
      tx.put(Counter, { ...series, hour, minutes: sums })
      tx.wake('cloudtrail.insight', seriesKey(series), { in: MINUTE - (now % MINUTE) })
    }
  })
  return entries.length === BATCH
}

/** Counts per minute of a series between two times (whole minutes), by minute. */
export const countsOf = async (tx: ReadTx, series: Series, from: number, to: number): Promise<Map<number, number>> => {
  const counts = new Map<number, number>()
  const first = counterKey(series, Math.floor(from / HOUR) * HOUR)
  for (const { hour, minutes } of await tx.list(Counter, { prefix: `${seriesKey(series)}|`, from: first }))
    for (const [minute, count] of Object.entries(minutes)) {
      const time = hour + Number(minute) * MINUTE
      if (time >= from && time < to) counts.set(time, count)
    }
  return counts
}

const statistics = (counts: Iterable<number>, minutes: number): { average: number; deviation: number } => {
  let sum = 0
  let squares = 0
  for (const count of counts) {
    sum += count
    squares += count * count
  }
  const average = sum / minutes
  return { average, deviation: Math.sqrt(Math.max(0, squares / minutes - average * average)) }
}

/** Who caused the calls of these minutes, most active first. */
const attributions = async (ctx: Ctx, series: Series, from: number, to: number): Promise<unknown[]> => {
  const tallies = {
    userIdentityArn: new Map<string, number>(),
    userAgent: new Map<string, number>(),
    errorCode: new Map<string, number>(),
  }
  const add = (tally: Map<string, number>, value: unknown) => {
    const name = typeof value === 'string' ? value : 'null'
    tally.set(name, (tally.get(name) ?? 0) + 1)
  }
  for (const { body } of await ctx.append.range(series.stream, { from, to, limit: 10_000 })) {
    const record = body as AuditRecord
    if (record.eventName !== series.name || record.eventSource !== series.source) continue
    add(tallies.userIdentityArn, record.userIdentity.arn)
    add(tallies.userAgent, record.userAgent)
    add(tallies.errorCode, record.errorCode)
  }
  const minutes = Math.max(1, (to - from) / MINUTE)
  return Object.entries(tallies).map(([attribute, tally]) => ({
    attribute,
    insight: [...tally]
      .sort(([, a], [, b]) => b - a)
      .slice(0, MOST_ATTRIBUTES)
      .map(([value, count]) => ({ value, average: count / minutes })),
    baseline: [],
  }))
}

const toInsightEvent = (
  ctx: Ctx,
  series: Series,
  facts: {
    state: 'Start' | 'End'
    shared: string
    time: number
    baseline: number
    insight: number
    minutes: number
    attributions: unknown[]
  },
): InsightEvent => {
  const { account, region } = placeOfStream(series.stream)
  return {
    eventVersion: '1.09',
    eventTime: toText(facts.time),
    awsRegion: region,
    eventID: ctx.newId(),
    eventType: 'AwsCloudTrailInsight',
    recipientAccountId: account,
    sharedEventID: facts.shared,
    insightDetails: {
      state: facts.state,
      eventSource: series.source,
      eventName: series.name,
      insightType: series.type,
      ...(series.error ? { errorCode: series.error } : {}),
      insightContext: {
        statistics: {
          baseline: { average: facts.baseline },
          insight: { average: facts.insight },
          insightDuration: facts.minutes,
          baselineDuration: BASELINE_MINUTES,
        },
        attributions: facts.attributions,
      },
    },
    eventCategory: 'Insight',
  }
}

/** Tells of an event that was made: to the history, once, and to EventBridge. */
const tell = async (ctx: Ctx, record: InsightRecord, series: Series, event: InsightEvent): Promise<void> => {
  const place = placeOfStream(series.stream)
  const stream = insightStream(place)
  const [last] = await ctx.append.range(stream, { reverse: true, limit: 1 })
  if ((last?.body as InsightEvent | undefined)?.eventID !== event.eventID)
    await ctx.append.append(stream, [{ time: ctx.now().getTime(), body: event }])
  const { pending: _, ...rest } = record
  await ctx.write(async (tx) => {
    tx.put(Insight, rest)
    tx.emit({
      source: 'aws.cloudtrail',
      'detail-type': 'AWS Insight via CloudTrail',
      ...place,
      time: event.eventTime,
      resources: [],
      detail: { ...event },
    })
  })
}

/** Whether the last whole minute of a series was unusual, or is usual again. Key: the series. */
export const insight: Reconciler = {
  name: 'cloudtrail.insight',
  step: async (ctx, key) => {
    const series = seriesOf(key)
    const place = placeOfStream(series.stream)
    const now = ctx.now().getTime()
    const end = Math.floor(now / MINUTE) * MINUTE
    const minute = end - MINUTE
    const { since, known, counts, trails } = await ctx.read(async (tx) => ({
      since: (await tx.get(Insight, series.stream))?.since ?? now,
      known: (await tx.get(Insight, key)) ?? { key, since: now, seen: 0 },
      counts: await countsOf(tx, series, minute - BASELINE_MINUTES * MINUTE, end),
      trails: (await tx.list(Trail)).filter(({ insights }) =>
        insights.some(({ InsightType: type }) => type === series.type),
      ),
    }))
    if (known.pending) await tell(ctx, known, series, known.pending)
    let enabled = false
    for (const trail of trails) enabled ||= await coversPlace(ctx, trail, place)
    if (!enabled || now - since < LEAST_BASELINE || known.seen >= minute) return done()
    const rate = counts.get(minute) ?? 0
    const { active } = known
    const before = active ? active.start : minute
    const minutes = Math.min(BASELINE_MINUTES, Math.max(1, (before - since) / MINUTE))
    const usual = statistics(
      [...counts].filter(([time]) => time < before).map(([, count]) => count),
      minutes,
    )
    const unusual = rate >= LEAST_RATE && rate > usual.average + DEVIATIONS * usual.deviation
    const save = async (record: InsightRecord) => {
      await ctx.write(async (tx) => tx.put(Insight, record))
      if (record.pending) await tell(ctx, record, series, record.pending)
    }
    if (!active && unusual) {
      const shared = ctx.newId()
      const facts = { shared, time: minute, baseline: usual.average, insight: rate, minutes: 1 }
      const pending = toInsightEvent(ctx, series, {
        ...facts,
        state: 'Start',
        attributions: await attributions(ctx, series, minute, end),
      })
      await save({
        ...known,
        seen: minute,
        active: { shared, start: minute, baseline: usual.average, total: rate },
        pending,
      })
      return again({ in: MINUTE - (now % MINUTE) })
    }
    if (active && unusual) {
      await save({ ...known, seen: minute, active: { ...active, total: active.total + rate } })
      return again({ in: MINUTE - (now % MINUTE) })
    }
    const { active: _, ...rest } = known
    if (!active) {
      await save({ ...rest, seen: minute })
      return done()
    }
    const lasted = Math.max(1, (minute - active.start) / MINUTE)
    const facts = {
      shared: active.shared,
      time: minute,
      baseline: active.baseline,
      insight: active.total / lasted,
      minutes: lasted,
    }
    const pending = toInsightEvent(ctx, series, {
      ...facts,
      state: 'End',
      attributions: await attributions(ctx, series, active.start, minute),
    })
    await save({ ...rest, seen: minute, pending })
    return done()
  },
}

/** Counters of more than the baseline ago, forgotten with the event history. */
export const forgetCounters = async (ctx: Ctx, before: number): Promise<void> =>
  ctx.write(async (tx) => {
    for (const counter of await tx.list(Counter)) if (counter.hour < before) tx.delete(Counter, Counter.key(counter))
  })
