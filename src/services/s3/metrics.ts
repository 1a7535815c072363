import type { Ctx } from '../../kernel/context.ts'
import type { AnsweredCall } from '../../kernel/service.ts'
import { table } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { vendedMetrics } from '../capabilities.ts'
import { methodOf } from './access-log-line.ts'
import { accessPointArn, accessPointByArn, accessPointNamed } from './access-point.ts'
import { type AccessTier, accessTierOf } from './access-tier.ts'
import { Bucket, type BucketRecord } from './bucket.ts'
import { configurationSet, filterOf, fits } from './configuration-set.ts'
import { fail, type Input, type Operation, type Output } from './operation.ts'
import { storageClassOf } from './storage-class.ts'
import { checkTags } from './tags.ts'
import { Current, findCurrent, type ObjectRecord, Older } from './versions.ts'

// Metrics of buckets in CloudWatch ("Amazon S3 metrics and dimensions", S3 user guide).

type Document = Input<'PutBucketMetricsConfiguration'>['MetricsConfiguration']
const metrics = configurationSet<Document>('metrics')

const accessPointOf = ({ Filter: filter }: Document) => filter?.AccessPointArn ?? filter?.And?.AccessPointArn

export const PutBucketMetricsConfiguration: Operation<'PutBucketMetricsConfiguration'> = (ctx, input) => {
  const document = input.MetricsConfiguration
  checkTags(filterOf(document.Filter).tags, 'object')
  const accessPoint = accessPointOf(document)
  return metrics.set(ctx, input, document, async (tx, bucket) => {
    if (accessPoint === undefined) return
    const point = await accessPointByArn(tx, accessPoint)
    if (point?.bucket !== bucket.name)
      throw fail('InvalidArgument', 'The access point does not exist.', {
        ArgumentName: 'AccessPointArn',
        ArgumentValue: accessPoint,
      })
  })
}

export const GetBucketMetricsConfiguration: Operation<'GetBucketMetricsConfiguration'> = async (ctx, input) =>
  ({ MetricsConfiguration: await metrics.get(ctx, input) }) as Output<'GetBucketMetricsConfiguration'>

export const ListBucketMetricsConfigurations: Operation<'ListBucketMetricsConfigurations'> = async (ctx, input) => {
  const { shown, tail } = await metrics.page(ctx, input)
  return {
    ...tail,
    ...(shown.length > 0 ? { MetricsConfigurationList: shown } : {}),
  } as Output<'ListBucketMetricsConfigurations'>
}

export const DeleteBucketMetricsConfiguration: Operation<'DeleteBucketMetricsConfiguration'> = (ctx, input) =>
  metrics.drop(ctx, input)

const kindOf = (operation: string): string => {
  if (/^List(Objects|ObjectsV2|ObjectVersions|MultipartUploads|Parts)$/.test(operation)) return 'ListRequests'
  if (operation === 'SelectObjectContent') return 'SelectRequests'
  const names = {
    GET: 'GetRequests',
    PUT: 'PutRequests',
    POST: 'PostRequests',
    HEAD: 'HeadRequests',
    DELETE: 'DeleteRequests',
  }
  return names[methodOf(operation) as keyof typeof names] ?? 'GetRequests'
}

const concerns = async (ctx: Ctx, bucket: BucketRecord, document: Document, input: AnsweredCall['input']) => {
  const filter = filterOf(document.Filter)
  const accessPoint = accessPointOf(document)
  if (accessPoint !== undefined) {
    const point = typeof input.Bucket === 'string' ? await accessPointNamed(ctx, input.Bucket) : undefined
    if (!point || accessPointArn(point) !== accessPoint) return false
  }
  if (filter.prefix === '' && filter.tags.length === 0) return true
  const { Key: key } = input
  if (typeof key !== 'string' || !key.startsWith(filter.prefix)) return false
  if (filter.tags.length === 0) return true
  const record = await ctx.read((tx) => findCurrent(tx, bucket.name, key))
  return record !== undefined && fits(filter, record)
}

/** Events of a query that remember what the last of them told of it. */
type Counted = AsyncIterable<unknown> & { scanned: number; returned: number }
const isCounted = (payload: unknown): payload is Counted =>
  typeof payload === 'object' && payload !== null && 'scanned' in payload && 'returned' in payload

/** Has the events of a query count the bytes that it scans and returns. */
export const counting =
  (select: Operation<'SelectObjectContent'>): Operation<'SelectObjectContent'> =>
  async (ctx, input) => {
    const { Payload: events, ...output } = await select(ctx, input)
    if (!events) return output
    const iterator = events[Symbol.asyncIterator]()
    const Payload = {
      scanned: 0,
      returned: 0,
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          const result = await iterator.next()
          const told = result.done ? undefined : (result.value.Stats?.Details ?? result.value.Progress?.Details)
          Payload.scanned = told?.BytesScanned ?? Payload.scanned
          Payload.returned = told?.BytesReturned ?? Payload.returned
          return result
        },
        return: async () => iterator.return?.() ?? { done: true as const, value: undefined },
      }),
    }
    return { ...output, Payload }
  }

/** Counts a call in the request metrics that the bucket is configured with. */
export const countRequest = async (ctx: Ctx, bucket: BucketRecord, call: AnsweredCall): Promise<void> => {
  if (!bucket.configured?.includes('metrics')) return
  const documents = await ctx.read((tx) => metrics.list(tx, bucket))
  const { operation, input, output, status, bytes, took, total } = call
  const { headers, method } = ctx.request
  const uploaded = Number(headers['x-amz-decoded-content-length'] ?? headers['content-length'] ?? 0) || 0
  const time = ctx.now()
  for (const document of documents) {
    if (!(await concerns(ctx, bucket, document, input))) continue
    const dimensions = { BucketName: bucket.name, FilterId: document.Id ?? '' }
    const one = (name: string, value: number, unit = 'Count') => ({ name, dimensions, value, unit, time })
    await ctx
      .use(vendedMetrics)
      .put({ account: bucket.account, region: bucket.region }, 'AWS/S3', [
        one('AllRequests', 1),
        one(kindOf(operation), 1),
        one('4xxErrors', status >= 400 && status < 500 ? 1 : 0),
        one('5xxErrors', status >= 500 ? 1 : 0),
        ...(took === undefined ? [] : [one('FirstByteLatency', took, 'Milliseconds')]),
        ...(total === undefined ? [] : [one('TotalRequestLatency', total, 'Milliseconds')]),
        ...(uploaded > 0 ? [one('BytesUploaded', uploaded, 'Bytes')] : []),
        ...(bytes > 0 && method !== 'HEAD' ? [one('BytesDownloaded', bytes, 'Bytes')] : []),
        ...(isCounted(output?.Payload)
          ? [
              one('SelectBytesScanned', output.Payload.scanned, 'Bytes'),
              one('SelectBytesReturned', output.Payload.returned, 'Bytes'),
            ]
          : []),
      ])
  }
}

const DAY = 86_400_000
const rowsAtOnce = 2000

/** How far the present count of a bucket has come. */
type Count = {
  readonly bucket: string
  readonly phase: 'current' | 'older'
  readonly after?: string
  readonly objects: number
  readonly bytes: Readonly<Record<string, number>>
}
export const StorageCount = table<Count>('s3.storage-count', { scope: 'global', key: ({ bucket }) => bucket })

/** `StorageType` of a class ("Amazon S3 CloudWatch daily storage metrics for buckets"). */
const storageTypes: Readonly<Record<string, string>> = {
  STANDARD: 'StandardStorage',
  REDUCED_REDUNDANCY: 'ReducedRedundancyStorage',
  STANDARD_IA: 'StandardIAStorage',
  ONEZONE_IA: 'OneZoneIAStorage',
  GLACIER_IR: 'GlacierInstantRetrievalStorage',
  GLACIER: 'GlacierStorage',
  DEEP_ARCHIVE: 'DeepArchiveStorage',
}

const tierTypes: Readonly<Record<AccessTier, string>> = {
  FREQUENT: 'IntelligentTieringFAStorage',
  INFREQUENT: 'IntelligentTieringIAStorage',
  ARCHIVE_INSTANT_ACCESS: 'IntelligentTieringAIAStorage',
  ARCHIVE_ACCESS: 'IntelligentTieringAAStorage',
  DEEP_ARCHIVE_ACCESS: 'IntelligentTieringDAAStorage',
}

const storageTypeOf = (record: ObjectRecord, now: number): string => {
  const tier = accessTierOf(record, now)
  return tier ? tierTypes[tier] : (storageTypes[storageClassOf(record)] ?? 'StandardStorage')
}

/** Counts every bucket once a day after midnight UTC, a page of rows per step. The key is the bucket. */
export const countStorage: Reconciler = {
  name: 's3.storage-metrics',
  step: async (ctx, name) => {
    const looked = await ctx.read(async (tx) => {
      if (!(await tx.get(Bucket, name))) return undefined
      const count: Count = (await tx.get(StorageCount, name)) ?? {
        bucket: name,
        phase: 'current',
        objects: 0,
        bytes: {},
      }
      const table = count.phase === 'current' ? Current : Older
      const rows = await tx.list<Parameters<typeof Older.key>[0]>(table as typeof Older, {
        prefix: `${name}\0`,
        limit: rowsAtOnce,
        ...(count.after ? { after: count.after } : {}),
      })
      const bytes = { ...count.bytes }
      for (const row of rows) {
        if (row.marker) continue
        const type = storageTypeOf(row, ctx.now().getTime())
        bytes[type] = (bytes[type] ?? 0) + row.size
      }
      const last = rows.at(-1)
      const { after: _, ...rest } = { ...count, objects: count.objects + rows.length, bytes }
      const key =
        last && (count.phase === 'current' ? Current.key(last as Parameters<typeof Current.key>[0]) : Older.key(last))
      if (rows.length === rowsAtOnce && key !== undefined) return { next: { ...rest, after: key }, total: undefined }
      return count.phase === 'current'
        ? { next: { ...rest, phase: 'older' as const }, total: undefined }
        : { next: undefined, total: rest }
    })
    if (!looked) return done()
    const { next, total } = looked
    await ctx.write(async (tx) => {
      if (next) tx.put(StorageCount, next)
      else tx.delete(StorageCount, name)
    })
    if (!total) return again({ in: 0 })
    const now = ctx.now()
    const time = new Date(Math.floor(now.getTime() / DAY) * DAY)
    const one = (metric: string, type: string, value: number, unit: string) => ({
      name: metric,
      dimensions: { BucketName: name, StorageType: type },
      value,
      unit,
      time,
    })
    await ctx
      .use(vendedMetrics)
      .put(ctx.place, 'AWS/S3', [
        one('NumberOfObjects', 'AllStorageTypes', total.objects, 'Count'),
        ...Object.entries(total.bytes).map(([type, bytes]) => one('BucketSizeBytes', type, bytes, 'Bytes')),
      ])
    return again({ in: untilMidnight(now.getTime()) })
  },
}

/** Milliseconds until the next midnight UTC. */
export const untilMidnight = (now: number): number => DAY - (now % DAY)
