import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { Bucket, type BucketRecord } from './bucket.ts'
import { configurationSet } from './configuration-set.ts'
import {
  type Cell,
  type Column,
  columnsOf,
  inventoryCsv,
  inventoryOrc,
  inventoryParquet,
  isField,
  schemaOf,
} from './inventory-fields.ts'
import { lifecycle } from './lifecycle.ts'
import { rulesOf } from './lifecycle-rules.ts'
import { untilMidnight } from './metrics.ts'
import { type Input, malformedXml, type Operation, type Output } from './operation.ts'
import { bucketNameOf, checkDestination, deliverReport } from './report.ts'
import { Current, findCurrent, Older, sortable, type VersionRecord } from './versions.ts'

// Lists of all objects, made daily or weekly ("Cataloging and analyzing your data with S3 Inventory", S3 user guide).

type Document = Input<'PutBucketInventoryConfiguration'>['InventoryConfiguration']
const inventories = configurationSet<Document>('inventory')

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

const destinationOf = ({ Destination }: Document) => Destination?.S3BucketDestination

/** Throws MalformedXML, InvalidS3DestinationBucket, TooManyConfigurations. */
export const PutBucketInventoryConfiguration: Operation<'PutBucketInventoryConfiguration'> = (ctx, input) => {
  const document = input.InventoryConfiguration
  const { OptionalFields = [], Schedule, IncludedObjectVersions } = document
  const destination = destinationOf(document)
  if (
    !destination ||
    !/^(Daily|Weekly)$/.test(Schedule?.Frequency ?? '') ||
    !/^(All|Current)$/.test(IncludedObjectVersions ?? '') ||
    !/^(CSV|ORC|Parquet)$/.test(destination.Format ?? '') ||
    !OptionalFields.every(isField)
  )
    throw malformedXml()
  return inventories.set(ctx, input, document, async (tx, bucket) => {
    await checkDestination(tx, bucket, destination.Bucket, destination.AccountId)
    tx.wake(makeInventories.name, reportKey({ bucket: bucket.name, id: input.Id }), {
      in: untilMidnight(ctx.now().getTime()),
      at: { account: bucket.account, region: bucket.region },
    })
  })
}

export const GetBucketInventoryConfiguration: Operation<'GetBucketInventoryConfiguration'> = async (ctx, input) =>
  ({ InventoryConfiguration: await inventories.get(ctx, input) }) as Output<'GetBucketInventoryConfiguration'>

export const ListBucketInventoryConfigurations: Operation<'ListBucketInventoryConfigurations'> = async (ctx, input) => {
  const { shown, tail } = await inventories.page(ctx, input)
  return {
    ...tail,
    ...(shown.length > 0 ? { InventoryConfigurationList: shown } : {}),
  } as Output<'ListBucketInventoryConfigurations'>
}

export const DeleteBucketInventoryConfiguration: Operation<'DeleteBucketInventoryConfiguration'> = (ctx, input) =>
  inventories.drop(ctx, input, (tx, bucket) => {
    tx.delete(InventoryReport, reportKey({ bucket: bucket.name, id: input.Id }))
  })

const columnsFor = ({ IncludedObjectVersions, OptionalFields = [] }: Document): readonly Column[] =>
  columnsOf(IncludedObjectVersions === 'All', OptionalFields)

const readPage = async (tx: ReadTx, bucket: BucketRecord, document: Document, report: Report, now: number) => {
  const prefix = `${bucket.name}\0${sortable(document.Filter?.Prefix ?? '')}`
  const options = { prefix, limit: rowsAtOnce, ...(report.after ? { after: report.after } : {}) }
  const found = await lifecycle.find(tx, bucket)
  const around = { bucket, rules: found ? rulesOf(found) : [], now }
  const columns = columnsFor(document)
  const cellsOf = (version: VersionRecord, latest: boolean): readonly Cell[] =>
    columns.map(({ of }) => of(version, { ...around, latest, current: report.phase === 'current' }))
  if (report.phase === 'current') {
    const rows = await tx.list(Current, options)
    const last = rows.at(-1)
    return {
      cells: rows.map((row) => cellsOf(row, true)),
      after: last && Current.key(last),
      full: rows.length === rowsAtOnce,
    }
  }
  const rows = await tx.list(Older, options)
  let lastKey = report.lastKey
  const cells: (readonly Cell[])[] = []
  for (const row of rows) {
    // The newest of a key without a current object is the marker that hides it.
    const latest = row.key !== lastKey && !(await findCurrent(tx, bucket.name, row.key))
    cells.push(cellsOf(row, latest))
    lastKey = row.key
  }
  const last = rows.at(-1)
  return { cells, after: last && Older.key(last), lastKey, full: rows.length === rowsAtOnce }
}

type Delivery = { readonly ctx: Ctx; readonly bucket: BucketRecord; readonly document: Document }

const folderOf = ({ bucket, document }: Delivery): string => {
  const prefix = destinationOf(document)?.Prefix
  return `${prefix ? `${prefix}/` : ''}${bucket.name}/${document.Id}`
}

const encryptionOf = (document: Document) => {
  const asked = destinationOf(document)?.Encryption
  if (asked?.SSEKMS) return { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: asked.SSEKMS.KeyId }
  return asked?.SSES3 ? { ServerSideEncryption: 'AES256' as const } : {}
}

const deliver = ({ ctx, bucket, document }: Delivery, key: string, body: Buffer): Promise<void> =>
  deliverReport(ctx, bucket, destinationOf(document)?.Bucket, key, body, encryptionOf(document))

const compress = promisify(gzip)
const md5 = (bytes: Buffer | string): string => createHash('md5').update(bytes).digest('hex')

const fileOf = async (document: Document, cells: readonly (readonly Cell[])[]) => {
  const columns = columnsFor(document)
  const format = destinationOf(document)?.Format
  if (format === 'Parquet') return { bytes: await inventoryParquet(columns, cells), extension: 'parquet' }
  if (format === 'ORC') return { bytes: await inventoryOrc(columns, cells), extension: 'orc' }
  return { bytes: await compress(inventoryCsv(columns, cells)), extension: 'csv.gz' }
}

const finish = async (delivery: Delivery, { begun, files }: Report): Promise<void> => {
  const { bucket, document } = delivery
  const destination = destinationOf(document)
  const manifest = Buffer.from(
    JSON.stringify({
      sourceBucket: bucket.name,
      destinationBucket: destination?.Bucket,
      version: '2016-11-30',
      creationTimestamp: String(begun),
      fileFormat: destination?.Format,
      fileSchema: schemaOf(columnsFor(document), destination?.Format ?? ''),
      files,
    }),
  )
  const time = new Date(begun).toISOString()
  const folder = folderOf(delivery)
  const target = bucketNameOf(destination?.Bucket)
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
      return { bucket, document, report, page: await readPage(tx, bucket, document, report, now) }
    })
    if (!found) return done()
    const { bucket, document, report, page } = found
    const later = again({ in: untilMidnight(now) })
    const begins = report.after === undefined && report.phase === 'current'
    if (!document.IsEnabled || (begins && document.Schedule?.Frequency === 'Weekly' && !sunday(now))) return later
    const delivery = { ctx, bucket, document }
    try {
      const files = [...report.files]
      if (page.cells.length > 0) {
        const { bytes, extension } = await fileOf(document, page.cells)
        const unique = md5(`${report.begun} ${report.phase} ${report.after ?? ''}`).replace(
          /^(.{8})(.{4})(.{4})(.{4})/,
          '$1-$2-$3-$4-',
        )
        const file = `${folderOf(delivery)}/data/${unique}.${extension}`
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
