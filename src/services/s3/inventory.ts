import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { Bucket, type BucketRecord, bucketArn, bucketOf, canonicalId } from './bucket.ts'
import { configuration, noSuchConfiguration, pageOfConfigurations } from './bucket-configuration.ts'
import { untilMidnight } from './metrics.ts'
import { fail, type Input, malformedXml, type Operation, type Output } from './operation.ts'
import { toReplicationStatus } from './replication.ts'
import { storageClassOf } from './storage-class.ts'
import { Current, findCurrent, type ObjectRecord, Older, type VersionRecord } from './versions.ts'

// Lists of all objects, made daily or weekly ("Cataloging and analyzing your data with S3 Inventory", S3 user guide).

type Document = Input<'PutBucketInventoryConfiguration'>['InventoryConfiguration']
const inventories = configuration<Document>('inventory')

/** The optional fields, and what an object has in each. */
const fields: Readonly<Record<string, (record: ObjectRecord, bucket: BucketRecord) => string>> = {
  Size: ({ size }) => String(size),
  LastModifiedDate: ({ modified }) => new Date(modified).toISOString(),
  StorageClass: storageClassOf,
  ETag: ({ etag }) => etag,
  IsMultipartUploaded: ({ parts }) => String(parts !== undefined),
  ReplicationStatus: (record) => toReplicationStatus(record).ReplicationStatus ?? '',
  EncryptionStatus: ({ encryption }) => encryptionNames[encryption?.mode ?? ''] ?? 'NOT-SSE',
  ObjectLockRetainUntilDate: ({ lock }) =>
    lock?.retention === undefined ? '' : new Date(lock.retention.until).toISOString(),
  ObjectLockMode: ({ lock }) => lock?.retention?.mode ?? '',
  ObjectLockLegalHoldStatus: ({ lock }) => (lock?.legalHold === 'ON' ? 'On' : 'Off'),
  BucketKeyStatus: ({ encryption }) =>
    encryption && 'wrapped' in encryption && encryption.wrapped ? 'ENABLED' : 'DISABLED',
  ChecksumAlgorithm: ({ checksum }) => checksum.algorithm,
  ObjectOwner: ({ owner }, bucket) => canonicalId(owner ?? bucket.account),
}
const encryptionNames: Readonly<Record<string, string>> = {
  AES256: 'SSE-S3',
  'aws:kms': 'SSE-KMS',
  'aws:kms:dsse': 'DSSE-KMS',
  customer: 'SSE-C',
}

/** How far a report has come. */
type Report = {
  readonly bucket: string
  readonly id: string
  /** Epoch milliseconds. */
  readonly begun: number
  readonly phase: 'current' | 'older'
  readonly after?: string
  readonly lastKey?: string
  readonly files: readonly { readonly key: string; readonly size: number; readonly MD5checksum: string }[]
}
const reportKey = ({ bucket, id }: Pick<Report, 'bucket' | 'id'>) => `${bucket}\0${id}`
export const InventoryReport = table<Report>('s3.inventory-report', { scope: 'global', key: reportKey })

/** Lines of a file, and of a step. */
const rowsAtOnce = 5000
const mostConfigurations = 1000

export const PutBucketInventoryConfiguration: Operation<'PutBucketInventoryConfiguration'> = (ctx, input) => {
  const document = input.InventoryConfiguration
  const { Id, Destination, OptionalFields = [], Schedule, IncludedObjectVersions } = document
  const destination = Destination?.S3BucketDestination
  if (Id !== input.Id || !/^[A-Za-z0-9._-]{1,64}$/.test(input.Id))
    throw fail('InvalidConfigurationId', 'The specified configuration ID is invalid.')
  if (
    !destination ||
    !/^(Daily|Weekly)$/.test(Schedule?.Frequency ?? '') ||
    !/^(All|Current)$/.test(IncludedObjectVersions ?? '')
  )
    throw malformedXml()
  if (!/^(CSV|ORC|Parquet)$/.test(destination.Format ?? '')) throw malformedXml()
  if (destination.Format !== 'CSV') throw notImplemented(`S3 inventories as ${destination.Format}`)
  if (destination.Encryption?.SSEKMS) throw notImplemented('S3 inventories under KMS keys')
  const odd = OptionalFields.find((name) => fields[name] === undefined)
  if (odd !== undefined) throw notImplemented(`the field ${odd} of S3 inventories`)
  return ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    const target = await tx.get(Bucket, nameOf(destination.Bucket))
    if (!target || (destination.AccountId !== undefined && destination.AccountId !== target.account))
      throw fail('InvalidS3DestinationBucket', 'Invalid bucket ARN.', { DestinationBucket: destination.Bucket })
    const before = await inventories.find(tx, bucket, input.Id)
    if (!before && (await inventories.list(tx, bucket)).length >= mostConfigurations)
      throw fail(
        'TooManyConfigurations',
        'You are attempting to create a new configuration but have already reached the 1,000-configuration limit.',
      )
    tx.put(Bucket, inventories.put(tx, bucket, document, input.Id))
    tx.wake(makeInventories.name, reportKey({ bucket: bucket.name, id: input.Id }), {
      in: untilMidnight(ctx.now().getTime()),
      at: { account: bucket.account, region: bucket.region },
    })
    return {}
  })
}

const nameOf = (arn = ''): string => arn.replace(/^arn:aws:s3:::/, '')

export const GetBucketInventoryConfiguration: Operation<'GetBucketInventoryConfiguration'> = async (ctx, input) => {
  const found = await ctx.read(async (tx) => inventories.find(tx, await bucketOf(ctx, tx, input), input.Id))
  if (!found) throw noSuchConfiguration()
  return { InventoryConfiguration: found } as Output<'GetBucketInventoryConfiguration'>
}

export const ListBucketInventoryConfigurations: Operation<'ListBucketInventoryConfigurations'> = async (ctx, input) => {
  const { shown, tail } = await pageOfConfigurations(input, (after, limit) =>
    ctx.read(async (tx) => inventories.list(tx, await bucketOf(ctx, tx, input), after, limit)),
  )
  return {
    ...tail,
    ...(shown.length > 0 ? { InventoryConfigurationList: shown } : {}),
  } as Output<'ListBucketInventoryConfigurations'>
}

export const DeleteBucketInventoryConfiguration: Operation<'DeleteBucketInventoryConfiguration'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    if (!(await inventories.find(tx, bucket, input.Id))) throw noSuchConfiguration()
    tx.put(Bucket, await inventories.remove(tx, bucket, input.Id))
    tx.delete(InventoryReport, reportKey({ bucket: bucket.name, id: input.Id }))
    return {}
  })

const schemaOf = ({ IncludedObjectVersions, OptionalFields = [] }: Document): string[] => [
  'Bucket',
  'Key',
  ...(IncludedObjectVersions === 'All' ? ['VersionId', 'IsLatest', 'IsDeleteMarker'] : []),
  ...OptionalFields,
]

const lineOf = (document: Document, bucket: BucketRecord, version: VersionRecord, latest: boolean): string => {
  const versions =
    document.IncludedObjectVersions === 'All'
      ? [version.versionId === 'null' ? '' : version.versionId, String(latest), String(version.marker === true)]
      : []
  const optional = (document.OptionalFields ?? []).map((name) => {
    if (version.marker) return name === 'LastModifiedDate' ? new Date(version.modified).toISOString() : ''
    return fields[name]?.(version, bucket) ?? ''
  })
  const key = encodeURIComponent(version.key).replaceAll('%2F', '/').replaceAll('%20', '+')
  return `${[bucket.name, key, ...versions, ...optional].map((value) => `"${value}"`).join(',')}\n`
}

const readPage = async (tx: ReadTx, bucket: BucketRecord, document: Document, report: Report) => {
  const prefix = `${bucket.name}\0${document.Filter?.Prefix ?? ''}`
  const options = { prefix, limit: rowsAtOnce, ...(report.after ? { after: report.after } : {}) }
  if (report.phase === 'current') {
    const rows = await tx.list(Current, options)
    const last = rows.at(-1)
    return {
      lines: rows.map((row) => lineOf(document, bucket, row, true)),
      after: last && Current.key(last),
      full: rows.length === rowsAtOnce,
    }
  }
  const rows = await tx.list(Older, options)
  let lastKey = report.lastKey
  const lines: string[] = []
  for (const row of rows) {
    // The newest of a key without a current object is the marker that hides it.
    const latest = row.key !== lastKey && !(await findCurrent(tx, bucket.name, row.key))
    lines.push(lineOf(document, bucket, row, latest))
    lastKey = row.key
  }
  const last = rows.at(-1)
  return { lines, after: last && Older.key(last), lastKey, full: rows.length === rowsAtOnce }
}

type Delivery = { readonly ctx: Ctx; readonly bucket: BucketRecord; readonly document: Document }

const folderOf = ({ bucket, document }: Delivery): string => {
  const prefix = document.Destination?.S3BucketDestination?.Prefix
  return `${prefix ? `${prefix}/` : ''}${bucket.name}/${document.Id}`
}

/** Puts an object into the destination under S3's own name: the destination's policy must let it. */
const deliver = async ({ ctx, bucket, document }: Delivery, Key: string, Body: Buffer): Promise<void> => {
  const destination = document.Destination?.S3BucketDestination
  const target = await ctx.read((tx) => tx.get(Bucket, nameOf(destination?.Bucket)))
  if (!target) throw fail('NoSuchBucket', 'The specified bucket does not exist')
  const context = { 'aws:SourceArn': [bucketArn(bucket.name)], 'aws:SourceAccount': [bucket.account] }
  await ctx.as(ctx.principal, { context, region: target.region }).s3.putObject({
    Bucket: target.name,
    Key,
    Body: Readable.from([Body], { objectMode: false }),
    ACL: 'bucket-owner-full-control',
    ...(destination?.Encryption?.SSES3 ? { ServerSideEncryption: 'AES256' } : {}),
  })
}

const compress = promisify(gzip)
const md5 = (bytes: Buffer | string): string => createHash('md5').update(bytes).digest('hex')

const finish = async (delivery: Delivery, { begun, files }: Report): Promise<void> => {
  const { bucket, document } = delivery
  const manifest = Buffer.from(
    JSON.stringify({
      sourceBucket: bucket.name,
      destinationBucket: document.Destination?.S3BucketDestination?.Bucket,
      version: '2016-11-30',
      creationTimestamp: String(begun),
      fileFormat: 'CSV',
      fileSchema: schemaOf(document).join(', '),
      files,
    }),
  )
  const time = new Date(begun).toISOString()
  const folder = folderOf(delivery)
  const target = nameOf(document.Destination?.S3BucketDestination?.Bucket)
  const links = files.map(({ key }) => `s3://${target}/${key}`).join('\n')
  const at = `${time.slice(0, 10)}-${time.slice(11, 16).replace(':', '-')}`
  await deliver(delivery, `${folder}/hive/dt=${at}/symlink.txt`, Buffer.from(links))
  const stamp = `${time.slice(0, 13)}-${time.slice(14, 16)}Z`
  await deliver(delivery, `${folder}/${stamp}/manifest.json`, manifest)
  await deliver(delivery, `${folder}/${stamp}/manifest.checksum`, Buffer.from(md5(manifest)))
}

const DAY = 86_400_000
const sunday = (now: number): boolean => new Date(now).getUTCDay() === 0

/** Makes the reports of a configuration, a file per step. The key is bucket and id. A file made before a kill is made again under its name. */
export const makeInventories: Reconciler = {
  name: 's3.inventory',
  step: async (ctx, key) => {
    const [name = '', id = ''] = key.split('\0')
    const now = ctx.now().getTime()
    const found = await ctx.read(async (tx) => {
      const bucket = await tx.get(Bucket, name)
      const document = bucket && (await inventories.find(tx, bucket, id))
      if (!bucket || !document) return undefined
      const report = (await tx.get(InventoryReport, key)) ?? {
        bucket: name,
        id,
        begun: Math.floor(now / DAY) * DAY,
        phase: 'current' as const,
        files: [],
      }
      return { bucket, document, report, page: await readPage(tx, bucket, document, report) }
    })
    if (!found) return done()
    const { bucket, document, report, page } = found
    const later = again({ in: untilMidnight(now) })
    const begins = report.after === undefined && report.phase === 'current'
    if (!document.IsEnabled || (begins && document.Schedule?.Frequency === 'Weekly' && !sunday(now))) return later
    const delivery = { ctx, bucket, document }
    try {
      const files = [...report.files]
      if (page.lines.length > 0) {
        const bytes = await compress(page.lines.join(''))
        const unique = md5(`${report.begun} ${report.phase} ${report.after ?? ''}`).replace(
          /^(.{8})(.{4})(.{4})(.{4})/,
          '$1-$2-$3-$4-',
        )
        const file = `${folderOf(delivery)}/data/${unique}.csv.gz`
        await deliver(delivery, file, bytes)
        files.push({ key: file, size: bytes.length, MD5checksum: md5(bytes) })
      }
      const { after: _, lastKey: __, ...rest } = { ...report, files }
      const onwards =
        page.full && page.after !== undefined
          ? { ...rest, after: page.after, ...(page.lastKey ? { lastKey: page.lastKey } : {}) }
          : undefined
      const next =
        onwards ??
        (report.phase === 'current' && document.IncludedObjectVersions === 'All'
          ? { ...rest, phase: 'older' as const }
          : undefined)
      if (!next) await finish(delivery, rest)
      await ctx.write(async (tx) => {
        if (next) tx.put(InventoryReport, next)
        else tx.delete(InventoryReport, key)
      })
      return next ? again({ in: 0 }) : later
    } catch (error) {
      if (!(error instanceof AwsError) || (error.status ?? 400) >= 500) throw error
      ctx.log.warn('an inventory could not be delivered', { bucket: name, id, error: error.message })
      await ctx.write(async (tx) => tx.delete(InventoryReport, key))
      return later
    }
  },
}
