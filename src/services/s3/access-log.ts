import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { servicePrincipal } from '../../kernel/principal.ts'
import type { AnsweredCall } from '../../kernel/service.ts'
import { table } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { accessLogLine, methodOf, operationName } from './access-log-line.ts'
import { accessPointArn, accessPointNamed } from './access-point.ts'
import type { GrantHeaders } from './acl.ts'
import { Bucket, type BucketRecord, bucketArn, bucketOf, canonicalId } from './bucket.ts'
import { configuration } from './bucket-configuration.ts'
import { fail, type Input, malformedXml, type Operation, type Output } from './operation.ts'
import { ownedAs } from './ownership.ts'

// Server access logs ("Logging requests with server access logging", S3 user guide).

type Logging = NonNullable<Input<'PutBucketLogging'>['BucketLoggingStatus']['LoggingEnabled']>
const logging = configuration<Logging>('logging')

type Line = { readonly bucket: string; readonly id: string; readonly time: number; readonly line: string }
export const LogLine = table<Line>('s3.access-log-line', {
  scope: 'global',
  key: ({ bucket, time, id }) => `${bucket}\0${String(time).padStart(15, '0')}\0${id}`,
})

/** How long lines are gathered before an object is made of them, in milliseconds, and how many make one at most. */
const gathering = 5 * 60_000
const linesAtOnce = 5000
const DAY = 86_400_000

const logs = servicePrincipal('logging.s3.amazonaws.com')

export const PutBucketLogging: Operation<'PutBucketLogging'> = (ctx, input) => {
  const asked = input.BucketLoggingStatus.LoggingEnabled
  const grants = asked?.TargetGrants ?? []
  const { PartitionedPrefix, SimplePrefix } = asked?.TargetObjectKeyFormat ?? {}
  if (PartitionedPrefix && SimplePrefix) throw malformedXml()
  return ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    if (!asked) {
      tx.put(Bucket, await logging.remove(tx, bucket))
      return {}
    }
    const target = await tx.get(Bucket, asked.TargetBucket)
    if (!target)
      throw fail('InvalidTargetBucketForLogging', 'The target bucket for logging does not exist', {
        TargetBucket: asked.TargetBucket,
      })
    if (target.account !== bucket.account)
      throw fail(
        'InvalidTargetBucketForLogging',
        'The owner for the bucket to be logged and the target bucket must be the same.',
        { TargetBucket: asked.TargetBucket },
      )
    if (target.region !== bucket.region)
      throw fail('CrossLocationLoggingProhibitted', 'Cross S3 location logging not allowed.', {
        TargetBucketLocation: target.region,
      })
    if (grants.length > 0) await ownedAs(ctx, tx, target, grantHeaders(grants, target.account))
    tx.put(Bucket, logging.put(tx, bucket, asked))
    return {}
  })
}

/** Who may use the log's objects beside the target's owner, as headers of an upload. Throws MalformedXML. */
const grantHeaders = (grants: NonNullable<Logging['TargetGrants']>, owner: string): GrantHeaders => {
  if (grants.length === 0) return {}
  const to = (permission: string): string[] =>
    grants.flatMap(({ Grantee, Permission }) => {
      if (!Grantee || !/^(FULL_CONTROL|READ|WRITE)$/.test(Permission ?? '')) throw malformedXml()
      if (Permission !== permission) return []
      if (Grantee.URI !== undefined) return [`uri="${Grantee.URI}"`]
      return [Grantee.EmailAddress === undefined ? `id="${Grantee.ID}"` : `emailAddress="${Grantee.EmailAddress}"`]
    })
  const header = (all: readonly string[]) => (all.length > 0 ? all.join(', ') : undefined)
  return {
    GrantFullControl: header([`id="${canonicalId(owner)}"`, ...to('FULL_CONTROL')]),
    GrantRead: header(to('READ')),
    GrantWrite: header(to('WRITE')),
  }
}

export const GetBucketLogging: Operation<'GetBucketLogging'> = async (ctx, input) => {
  const found = await ctx.read(async (tx) => logging.find(tx, await bucketOf(ctx, tx, input)))
  return (found ? { LoggingEnabled: found } : {}) as Output<'GetBucketLogging'>
}

const textIn = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const numberIn = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

const requesterOf = ({ principal }: Ctx): string => {
  if (principal.kind === 'anonymous') return '-'
  return principal.kind === 'root' ? canonicalId(principal.account) : principal.arn
}

const lineOf = (
  ctx: Ctx,
  bucket: BucketRecord,
  accessPoint: string | undefined,
  { operation, input, output, error, status, bytes, took, total }: AnsweredCall,
) => {
  const { request } = ctx
  const { headers, query } = request
  const batched = operation.startsWith('BATCH.')
  const key = textIn(input.Key)
  const inQuery = /(^|&)(X-Amz-Signature|Signature)=/i.test(query)
  const path =
    request.path || `/${bucket.name}${key === undefined ? '' : `/${key.split('/').map(encodeURIComponent).join('/')}`}`
  const uri = `${request.method || methodOf(operation)} ${path}${query === '' ? '' : `?${query}`} HTTP/1.1`
  return accessLogLine({
    owner: canonicalId(bucket.account),
    bucket: bucket.name,
    time: ctx.now().getTime(),
    remoteIp: request.sourceIp,
    requester: requesterOf(ctx),
    requestId: request.id,
    operation: batched ? operation : operationName(operation),
    key,
    // A signature in the query opens the object to whoever reads the log.
    requestUri: batched
      ? undefined
      : uri.replace(/((?:X-Amz-Signature|Signature|X-Amz-Security-Token)=)[^& ]*/gi, '$1-'),
    status,
    error: error?.code,
    bytesSent: request.method === 'HEAD' ? undefined : bytes,
    objectSize:
      numberIn(output?.ContentLength) ??
      (operation === 'PutObject'
        ? numberIn(Number(headers['x-amz-decoded-content-length'] ?? headers['content-length'] ?? Number.NaN))
        : undefined),
    totalTime: total,
    turnAroundTime: took,
    referer: headers.referer,
    userAgent: request.userAgent,
    versionId: textIn(input.VersionId),
    signatureVersion: headers.authorization !== undefined || inQuery ? 'SigV4' : undefined,
    authType: inQuery ? 'QueryString' : headers.authorization === undefined ? undefined : 'AuthHeader',
    host: headers.host,
    accessPoint,
  })
}

/** Each object that DeleteObjects deleted has a line of its own. */
const deletions = ({ operation, output }: AnsweredCall): AnsweredCall[] => {
  if (operation !== 'DeleteObjects') return []
  const deleted = (output?.Deleted ?? []) as NonNullable<Output<'DeleteObjects'>['Deleted']>
  return deleted.map(({ Key, VersionId }) => ({
    operation: 'BATCH.DELETE.OBJECT',
    input: { Key, VersionId },
    output: undefined,
    error: undefined,
    status: 204,
    bytes: 0,
  }))
}

/** Keeps a line for a call to a bucket that is logged. Deliveries of logs are not logged themselves: they would never end. */
export const logAccess = async (ctx: Ctx, bucket: BucketRecord, call: AnsweredCall): Promise<void> => {
  if (!bucket.configured?.includes('logging') || ctx.principal.arn === logs.arn) return
  const point = await accessPointNamed(ctx, String(call.input.Bucket))
  const accessPoint = point && accessPointArn(point)
  const lines = [call, ...deletions(call)].map((each) => lineOf(ctx, bucket, accessPoint, each))
  await ctx.write(async (tx) => {
    for (const [at, line] of lines.entries())
      tx.put(LogLine, {
        bucket: bucket.name,
        id: at === 0 ? ctx.request.id : `${ctx.request.id}.${String(at).padStart(4, '0')}`,
        time: ctx.now().getTime(),
        line,
      })
    tx.wake(deliverLogs.name, bucket.name, { in: gathering, at: { account: bucket.account, region: bucket.region } })
  })
}

const two = (number: number): string => String(number).padStart(2, '0')

/** `YYYY-mm-DD-HH-MM-SS-UniqueString`, below folders by account, region, bucket and day where that is asked. */
const keyOf = (
  { TargetPrefix = '', TargetObjectKeyFormat: format }: Logging,
  bucket: BucketRecord,
  now: Date,
  first: Line,
) => {
  const byEvent = format?.PartitionedPrefix?.PartitionDateSource === 'EventTime'
  const date = byEvent ? new Date(Math.floor(first.time / DAY) * DAY) : now
  const day = [String(date.getUTCFullYear()), two(date.getUTCMonth() + 1), two(date.getUTCDate())]
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two)
  // The same lines make the same name: what was delivered before a kill is written over, not doubled.
  const unique = createHash('sha256').update(first.id).digest('hex').slice(0, 16).toUpperCase()
  const name = [...day, ...time, unique].join('-')
  if (!format?.PartitionedPrefix) return `${TargetPrefix}${name}`
  return `${TargetPrefix}${[bucket.account, bucket.region, bucket.name, ...day, name].join('/')}`
}

/** Makes an object of the lines gathered, under the log service's own name: the target's policy must let it. The key is the bucket. */
export const deliverLogs: Reconciler = {
  name: 's3.access-logs',
  step: async (ctx, name) => {
    const found = await ctx.read(async (tx) => {
      const bucket = await tx.get(Bucket, name)
      const lines = await tx.list(LogLine, { prefix: `${name}\0`, limit: linesAtOnce })
      return { bucket, lines, to: bucket && (await logging.find(tx, bucket)) }
    })
    const { bucket, to } = found
    const [first] = found.lines
    if (!first) return done()
    const day = Math.floor(first.time / DAY)
    const lines = found.lines.filter(({ time }) => Math.floor(time / DAY) === day)
    if (bucket && to) {
      const context = { 'aws:SourceArn': [bucketArn(name)], 'aws:SourceAccount': [bucket.account] }
      try {
        await ctx.as(logs, { context, account: bucket.account, region: bucket.region }).s3.putObject({
          Bucket: to.TargetBucket,
          Key: keyOf(to, bucket, ctx.now(), first),
          Body: Readable.from([Buffer.from(lines.map(({ line }) => `${line}\n`).join(''))], { objectMode: false }),
          ContentType: 'text/plain',
          ...grantHeaders(to.TargetGrants ?? [], bucket.account),
        })
      } catch (error) {
        if (!(error instanceof AwsError) || (error.status ?? 400) >= 500) throw error
        // As on AWS, nobody is told, and the lines are gone.
        ctx.log.warn('an access log could not be delivered', {
          bucket: name,
          to: to.TargetBucket,
          error: error.message,
        })
      }
    }
    await ctx.write(async (tx) => {
      for (const line of lines) tx.delete(LogLine, LogLine.key(line))
    })
    return again({ in: 0 })
  },
}
