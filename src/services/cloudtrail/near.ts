import type { AuditRecord } from '../../kernel/audit.ts'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Entry } from '../../store/append.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { Cursor, type CursorRecord, cursorKey } from './cursor.ts'
import { noteStatus, sinceOf, wantedBy } from './deliver.ts'
import { asTrailRole, logGroupName, logStreamName } from './destinations.ts'
import { countForInsights } from './insights.ts'
import { EventDataStore } from './lake/event-data-store.ts'
import { ingest } from './lake/ingest.ts'
import { coversPlace, placeOfStream, Status, Trail, type TrailRecord } from './trail.ts'

// What follows an event at once: EventBridge, CloudWatch Logs, event data stores, the counting for Insights.

/** Records one step takes in hand. */
const BATCH = 500
/** Milliseconds until a failed delivery to CloudWatch Logs is tried again. */
const RETRY = 60_000
/** Largest event that CloudWatch Logs and EventBridge are sent (256 KB). */
const LARGEST = 262_144
/** Bytes of one PutLogEvents. */
const LARGEST_BATCH = 1_000_000

/** EventBridge's name for who an event is about: `aws.s3`. */
const sourceOf = (eventSource: string): string => `aws.${eventSource.split('.')[0]}`

const detailTypeOf = ({ eventType }: AuditRecord): string =>
  eventType === 'AwsServiceEvent' ? 'AWS Service Event via CloudTrail' : 'AWS API Call via CloudTrail'

/** What EventBridge does to reach a target is no news to EventBridge: a rule on all calls would never come to rest. */
const byEventBridge = ({ userIdentity }: AuditRecord): boolean =>
  userIdentity.type === 'AWSService' && userIdentity.invokedBy === 'events.amazonaws.com'

const next = (at: Omit<CursorRecord, 'position'>, entries: readonly Entry[]): CursorRecord => ({
  ...at,
  position: entries.at(-1)?.position ?? 0,
})

/**
 * Events that some trail of the account logs go to the default bus, once however many trails log them, in the commit
 * that says how far it came. Read-only management events do not: no rule can ask for them here.
 */
const toEventBridge = async (ctx: Ctx, trails: readonly TrailRecord[], stream: string): Promise<boolean> => {
  const place = placeOfStream(stream)
  const at = { sink: 'events' as const, owner: stream, stream }
  const cursor = await ctx.read((tx) => tx.get(Cursor, cursorKey('events', stream, stream)))
  const since = Math.min(...trails.map(({ spans }) => spans[0]?.from ?? Number.MAX_SAFE_INTEGER))
  const entries = await ctx.append.range(stream, { ...sinceOf(cursor, since), limit: BATCH })
  if (entries.length === 0) return false
  const wanted = trails.map(wantedBy)
  const records = entries
    .filter((entry) => wanted.some((wants) => wants(entry)))
    .map(({ body }) => body as AuditRecord)
    .filter((record) => !(record.managementEvent && record.readOnly) && !byEventBridge(record))
  await ctx.write(async (tx) => {
    tx.put(Cursor, next(at, entries))
    for (const record of records) {
      const detail: Record<string, unknown> = { ...record }
      tx.emit({
        source: sourceOf(record.eventSource),
        'detail-type': detailTypeOf(record),
        ...place,
        time: record.eventTime,
        resources: [],
        detail,
      })
    }
  })
  return entries.length === BATCH
}

/** Batches that PutLogEvents takes: in order of time, below its size. */
function* logBatches(entries: readonly Entry[]): Generator<{ timestamp: number; message: string }[]> {
  let batch: { timestamp: number; message: string }[] = []
  let bytes = 0
  for (const { time, body } of [...entries].sort((a, b) => a.time - b.time)) {
    const message = JSON.stringify(body)
    const size = Buffer.byteLength(message) + 26
    if (size > LARGEST) continue
    if (batch.length > 0 && bytes + size > LARGEST_BATCH) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push({ timestamp: time, message })
    bytes += size
  }
  if (batch.length > 0) yield batch
}

/** One trail's log group, under its role. A server that dies between writing and noting may write a batch again. */
const toLogs = async (ctx: Ctx, trail: TrailRecord, stream: string): Promise<boolean> => {
  const { logGroupArn, logRoleArn } = trail
  const logGroup = logGroupName(logGroupArn ?? '')
  if (logGroup === undefined || logRoleArn === undefined) return false
  const at = { sink: 'logs' as const, owner: trail.arn, stream }
  const cursor = await ctx.read((tx) => tx.get(Cursor, cursorKey('logs', trail.arn, stream)))
  const entries = await ctx.append.range(stream, { ...sinceOf(cursor, trail.spans[0]?.from ?? 0), limit: BATCH })
  if (entries.length === 0) return false
  const wanted = entries.filter(wantedBy(trail))
  if (wanted.length > 0) {
    const { logs } = asTrailRole(ctx, { ...trail, logRoleArn })
    const target = { logGroupName: logGroup, logStreamName: logStreamName(placeOfStream(stream), trail.organization) }
    for (const logEvents of logBatches(wanted))
      await logs.putLogEvents({ ...target, logEvents }).catch(async (error: unknown) => {
        if (!(error instanceof AwsError && error.code === 'ResourceNotFoundException')) throw error
        await logs.createLogStream(target)
        await logs.putLogEvents({ ...target, logEvents })
      })
    await noteStatus(ctx, trail.arn, { logsDelivered: ctx.now().getTime(), logsError: undefined, logsRetry: undefined })
  }
  await ctx.write(async (tx) => {
    if (await tx.get(Trail, trail.arn)) tx.put(Cursor, next(at, entries))
  })
  return entries.length === BATCH
}

/**
 * A failed delivery waits its time, whatever comes meanwhile: the attempt itself is recorded, and would be the reason for
 * the next one. Returns when to try again, or that there is more.
 */
const logsUnlessFailed = async (ctx: Ctx, trail: TrailRecord, stream: string): Promise<number | 'more' | undefined> => {
  const now = ctx.now().getTime()
  const { logsRetry = 0 } = (await ctx.read((tx) => tx.get(Status, trail.arn))) ?? {}
  if (logsRetry > now) return logsRetry
  try {
    return (await toLogs(ctx, trail, stream)) ? 'more' : undefined
  } catch (error) {
    if (!(error instanceof AwsError)) throw error
    await noteStatus(ctx, trail.arn, { logsError: error.code, logsRetry: now + RETRY })
    return now + RETRY
  }
}

/** New records of one stream to all who want them at once. Key: the stream's name. */
export const near: Reconciler = {
  name: 'cloudtrail.near',
  step: async (ctx, stream) => {
    const place = placeOfStream(stream)
    const { allTrails, allStores } = await ctx.read(async (tx) => ({
      allTrails: await tx.list(Trail),
      allStores: await tx.list(EventDataStore),
    }))
    const trails: TrailRecord[] = []
    for (const trail of allTrails)
      if (trail.spans.length > 0 && (await coversPlace(ctx, trail, place))) trails.push(trail)
    const now = ctx.now().getTime()
    let more = false
    let retry: number | undefined
    if (trails.length > 0) more = await toEventBridge(ctx, trails, stream)
    for (const trail of trails) {
      if (trail.insights.length > 0) more = (await countForInsights(ctx, trail, stream)) || more
      const later = await logsUnlessFailed(ctx, trail, stream)
      if (later === 'more') more = true
      else if (later !== undefined) retry = Math.min(retry ?? later, later)
    }
    for (const store of allStores)
      if (store.status === 'ENABLED' && (await coversPlace(ctx, store, place)))
        more = (await ingest(ctx, store, stream)) || more
    if (more) return again({ in: 0 })
    return retry === undefined ? done() : again({ in: Math.max(0, retry - now) })
  },
}
