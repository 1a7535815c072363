import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { AuditRecord } from '../../kernel/audit.ts'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Entry } from '../../store/append.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { Cursor, type CursorRecord, cursorKey, Delivered } from './cursor.ts'
import { asCloudTrail, logsRoot } from './destinations.ts'
import { follower, INTERVAL } from './follower.ts'
import type { InsightEvent } from './insights.ts'
import { encryptionContext } from './kms-key.ts'
import { everyManagementEvent, type Matcher, matcher } from './selectors.ts'
import { coveredStreams, loggedAt, placeOfStream, Status, type StatusRecord, Trail, type TrailRecord } from './trail.ts'

/** Records that one object is made of, at most. */
const BATCH = 2_000

const compress = promisify(gzip)
const alphanumeric = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Services whose events a trail leaves out that includes no global service events. */
const globalSources = [
  'iam.amazonaws.com',
  'organizations.amazonaws.com',
  'cloudfront.amazonaws.com',
  'route53.amazonaws.com',
]

/** Which entries of streams a trail takes: while it logged, by its selectors. */
export const wantedBy = (trail: TrailRecord): ((entry: Entry) => boolean) => {
  const selected: Matcher = matcher(trail.selectors ?? everyManagementEvent)
  return ({ time, body }) => {
    if (!loggedAt(trail.spans, time)) return false
    const record = body as AuditRecord
    if (!trail.globalEvents && globalSources.includes(record.eventSource)) return false
    return selected(record)
  }
}

const insightWantedBy =
  (trail: TrailRecord) =>
  ({ time, body }: Entry): boolean => {
    const { insightType } = (body as InsightEvent).insightDetails
    return loggedAt(trail.spans, time) && trail.insights.some(({ InsightType: type }) => type === insightType)
  }

/** Where reading begins when nothing has been read: what is older than the trail is none of its business. */
export const sinceOf = (cursor: CursorRecord | undefined, since: number) =>
  cursor ? { after: cursor.position } : { from: since }

export const noteStatus = (ctx: Ctx, arn: string, facts: Partial<StatusRecord>): Promise<void> =>
  ctx.write(async (tx) => {
    const known = await tx.get(Status, arn)
    const merged = { ...known, arn, ...facts }
    if (known)
      tx.put(
        Status,
        Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined)) as StatusRecord,
      )
  })

/** `AWSLogs/…/CloudTrail/<region>/YYYY/MM/DD/…json.gz` ("Finding your CloudTrail log files"). */
const objectKey = (ctx: Ctx, trail: TrailRecord, stream: string): string => {
  const { account, region } = placeOfStream(stream)
  const kind = stream.startsWith('insight/') ? 'CloudTrail-Insight' : 'CloudTrail'
  const time = ctx.now().toISOString()
  const minute = `${time.slice(0, 16).replaceAll(/[-:]/g, '')}Z`
  const day = time.slice(0, 10).replaceAll('-', '/')
  const name = `${account}_${kind}_${region}_${minute}_${ctx.random(16, alphanumeric)}.json.gz`
  return `${logsRoot(trail, account)}/${kind}/${region}/${day}/${name}`
}

const underKey = (trail: TrailRecord, key: string) => ({
  ServerSideEncryption: 'aws:kms' as const,
  SSEKMSKeyId: key,
  SSEKMSEncryptionContext: Buffer.from(JSON.stringify(encryptionContext(trail))).toString('base64'),
})

/** Puts an object as CloudTrail does, so that the bucket's owner owns it. */
export const putAsCloudTrail = async (
  ctx: Ctx,
  trail: TrailRecord,
  object: { key: string; text: string; metadata?: Record<string, string> },
): Promise<void> => {
  await asCloudTrail(ctx, trail).s3.putObject({
    Bucket: trail.bucket,
    Key: object.key,
    Body: Readable.from([await compress(object.text)]),
    ACL: 'bucket-owner-full-control',
    ContentType: 'application/json',
    ContentEncoding: 'gzip',
    ...(object.metadata ? { Metadata: object.metadata } : {}),
    // Digest files, which carry their signature, are encrypted by S3 itself.
    ...(trail.kmsKey !== undefined && !object.metadata ? underKey(trail, trail.kmsKey) : {}),
  })
}

/** Delivers what comes next of one stream. Returns whether there may be more. */
const deliverNext = async (ctx: Ctx, trail: TrailRecord, stream: string): Promise<boolean> => {
  const key = cursorKey('s3', trail.arn, stream)
  const cursor = await ctx.read((tx) => tx.get(Cursor, key))
  const since = trail.spans[0]?.from ?? ctx.now().getTime()
  const entries = await ctx.append.range(stream, { ...sinceOf(cursor, since), limit: BATCH })
  const batch = cursor?.batch
  const read = batch ? entries.filter(({ position }) => position <= batch.to) : entries
  const to = read.at(-1)?.position
  if (to === undefined) return false
  const records = read.filter(stream.startsWith('insight/') ? insightWantedBy(trail) : wantedBy(trail))
  const at = { sink: 's3' as const, owner: trail.arn, stream }
  const now = ctx.now().getTime()
  if (records.length > 0) {
    const name = batch?.key ?? objectKey(ctx, trail, stream)
    if (!batch)
      await ctx.write(async (tx) =>
        tx.put(Cursor, { ...at, position: cursor?.position ?? 0, batch: { to, key: name } }),
      )
    const text = JSON.stringify({ Records: records.map(({ body }) => body) })
    await putAsCloudTrail(ctx, trail, { key: name, text })
    const times = records.map(({ body }) => (body as AuditRecord).eventTime).sort()
    await ctx.write(async (tx) => {
      if (!(await tx.get(Trail, trail.arn))) return
      tx.put(Cursor, { ...at, position: to })
      if (!trail.validation) return
      const { account, region } = placeOfStream(stream)
      tx.put(Delivered, {
        trail: trail.arn,
        place: `${account}/${region}`,
        bucket: trail.bucket,
        key: name,
        hash: createHash('sha256').update(text).digest('hex'),
        oldest: times[0] ?? '',
        newest: times.at(-1) ?? '',
        time: now,
      })
    })
    await noteStatus(ctx, trail.arn, { delivered: now, attempted: now, error: undefined })
  } else
    await ctx.write(async (tx) => {
      if (await tx.get(Trail, trail.arn)) tx.put(Cursor, { ...at, position: to })
    })
  return entries.length === BATCH
}

/** Log files of one trail: all that its streams hold beyond what was delivered. Key: the trail's ARN. */
export const deliver: Reconciler = {
  name: 'cloudtrail.deliver',
  step: async (ctx, arn) => {
    ctx.use(follower).delivering(arn)
    const trail = await ctx.read((tx) => tx.get(Trail, arn))
    if (!trail || trail.spans.length === 0) return done()
    const streams = await coveredStreams(ctx, trail)
    if (trail.insights.length > 0) streams.push(...(await coveredStreams(ctx, trail, 'insight')))
    try {
      for (const stream of streams) while (await deliverNext(ctx, trail, stream));
    } catch (error) {
      if (!(error instanceof AwsError)) throw error
      // As AWS does: it tries again for days, and the status says why nothing comes.
      await noteStatus(ctx, arn, { attempted: ctx.now().getTime(), error: error.code })
      return again({ in: INTERVAL })
    }
    return done()
  },
}
