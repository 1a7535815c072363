import { randomBytes } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { servicePrincipal } from '../../kernel/principal.ts'
import type { Place } from '../../store/store.ts'
import { type ManagedTable, type ManagedTables, tableStores } from '../capabilities.ts'
import { type Filed, FiledData } from './filed-data.ts'
import { readDataFile, writeDataFile } from './iceberg/data-file.ts'
import { type Changes, type DataFile, writeManifest, writeManifestList } from './iceberg/manifest.ts'
import { newMetadata } from './iceberg/new-table.ts'
import { currentSchema, type Metadata, parseMetadata, type Snapshot } from './iceberg/table-metadata.ts'
import { filesToMerge } from './managed-merging.ts'
import { findNamespace, Namespace, newNamespace } from './namespaces.ts'
import { findTable, findTableByArn, Table, type TableRecord, tableArn } from './table.ts'
import {
  managedBucketName,
  newTableBucket,
  TableBucket,
  type TableBucketRecord,
  tableBucketArn,
} from './table-buckets.ts'
import { changed, keyWithin, makeTable, writeMetadata } from './tables.ts'

// Tables that an AWS service fills: each change is a snapshot with one manifest, made from what rows here say of its files.

/** Whose rights KMS is asked with ("Permission requirements for S3 Tables SSE-KMS encryption", S3 user guide). */
const writer = servicePrincipal('metadata.s3.amazonaws.com')

const toFile = ({ path, records, size, snapshot, sequence }: Filed): DataFile => ({
  path,
  records,
  size,
  snapshot: BigInt(snapshot),
  sequence: BigInt(sequence),
})

const bucketFor = (ctx: Ctx, wanted: ManagedTable): Promise<TableBucketRecord | undefined> =>
  ctx.write(async (tx) => {
    const arn = wanted.bucket ?? tableBucketArn(ctx.place, managedBucketName)
    const found = await tx.get(TableBucket, arn)
    if (wanted.bucket !== undefined && (found?.type !== 'customer' || found.account !== ctx.account)) return undefined
    const bucket = found ?? tx.put(TableBucket, newTableBucket(ctx, managedBucketName, 'aws'))
    if (bucket.region !== ctx.region) return undefined
    if (!(await findNamespace(tx, bucket.arn, wanted.namespace)))
      tx.put(Namespace, newNamespace(ctx, bucket.arn, wanted.namespace))
    return bucket
  })

/** Columns get ids in their order; what is inside one comes behind. */
const schemaOf = ({ columns }: ManagedTable) => ({
  type: 'struct',
  fields: columns.map(({ name, type, required = false }, at) => ({
    id: at + 1,
    name,
    required,
    type:
      type === 'map'
        ? {
            type,
            'key-id': columns.length + 2 * at + 1,
            key: 'string',
            'value-id': columns.length + 2 * at + 2,
            value: 'string',
            'value-required': false,
          }
        : type,
  })),
})

const make = async (ctx: Ctx, wanted: ManagedTable): ReturnType<ManagedTables['make']> => {
  const bucket = await bucketFor(ctx, wanted)
  if (!bucket) return { error: 'TableBucketNotFound' }
  const { id, namespace, name, kmsKey } = wanted
  const named = { tableBucketARN: bucket.arn, namespace, name }
  const there = await ctx.read((tx) => findTable(tx, named))
  if (there && there.id !== id) return { error: 'TableAlreadyExists' }
  const made =
    there ??
    (await makeTable(
      ctx,
      {
        ...{ id, bucket, namespace, name, type: 'aws', storageClass: undefined },
        encryption: kmsKey === undefined ? bucket.encryption : { algorithm: 'aws:kms', keyArn: kmsKey },
      },
      (location) =>
        newMetadata(
          { schema: schemaOf(wanted), properties: {} },
          { location, uuid: ctx.newId(), now: ctx.now().getTime() },
        ),
      writer,
      async (tx) => {
        if (await findTable(tx, named)) throw new Error(`The table ${name} was made by somebody else meanwhile.`)
      },
    ))
  return { arn: tableArn(made), bucket: bucket.arn }
}

/** A snapshot id: positive, and beyond what has been. */
const newSnapshotId = (): bigint => randomBytes(8).readBigUInt64BE() >> 1n

/** "Metadata table limitations and restrictions", S3 user guide: snapshots stay for a day, the last one always. */
const snapshotLife = 86_400_000

const sums = (files: readonly DataFile[]) => ({
  files: String(files.length),
  records: String(files.reduce((sum, { records }) => sum + records, 0)),
})

const withSnapshot = (metadata: Metadata, snapshot: Snapshot, file: string, now: number): Metadata => {
  const id = snapshot['snapshot-id']
  const snapshots = metadata.snapshots.filter((each) => Number(each['timestamp-ms']) > now - snapshotLife)
  const ids = new Set([...snapshots.map((each) => each['snapshot-id']), id])
  const log = metadata['snapshot-log'].filter((entry) => ids.has(entry['snapshot-id']))
  const entry = { 'timestamp-ms': metadata['last-updated-ms'], 'metadata-file': file }
  return {
    ...metadata,
    'last-sequence-number': snapshot['sequence-number'] ?? 0,
    'last-updated-ms': now,
    'current-snapshot-id': id,
    snapshots: [...snapshots, snapshot],
    refs: { main: { 'snapshot-id': id, type: 'branch' } },
    'snapshot-log': [...log, { 'timestamp-ms': now, 'snapshot-id': id }],
    'metadata-log': [...metadata['metadata-log'], entry].slice(-100),
  }
}

type New = { readonly tag: string; readonly newest: number; readonly rows: Parameters<typeof writeDataFile>[1] }

/** Writes a snapshot in which some files are no more and others are new, and has the table be it. */
const commit = async (
  ctx: Ctx,
  arn: string,
  files: readonly New[],
  leaves: (file: Filed) => boolean,
): Promise<boolean> => {
  const found = await ctx.read(async (tx) => {
    const table = await findTableByArn(tx, arn)
    return table && { table, filed: await tx.list(FiledData, { prefix: `${arn}\0` }) }
  })
  if (!found) return false
  const { table, filed } = found
  const deleted = filed.filter(leaves)
  if (deleted.length === 0 && files.length === 0) return true
  const stores = ctx.use(tableStores)
  const place = { account: table.account, region: table.region }
  const put = async (key: string, bytes: Buffer) => {
    await stores.put(place, table.store, key, bytes, writer)
    return { path: `s3://${table.store}/${key}`, size: bytes.length }
  }
  const { metadata, location } = await present(ctx, table)
  const now = ctx.now().getTime()
  const schema = currentSchema(metadata)
  const id = newSnapshotId()
  const sequence = BigInt(metadata['last-sequence-number']) + 1n
  const added: Filed[] = []
  for (const { tag, newest, rows } of files) {
    const written = await put(`data/${ctx.newId()}.parquet`, await writeDataFile(schema, rows))
    const own = { table: arn, tag, newest, records: rows.length }
    added.push({ ...written, ...own, snapshot: String(id), sequence: String(sequence) })
  }
  const changes: Changes = {
    existing: filed.filter((file) => !leaves(file)).map(toFile),
    added: added.map(toFile),
    deleted: deleted.map(toFile),
  }
  const manifest = await put(`metadata/${ctx.newId()}-m0.avro`, writeManifest(changes, schema, id, randomBytes(16)))
  const parent = metadata['current-snapshot-id'] === -1 ? undefined : (metadata['current-snapshot-id'] ?? undefined)
  const list = await put(
    `metadata/snap-${id}-1-${ctx.newId()}.avro`,
    writeManifestList(
      { path: manifest.path, length: manifest.size },
      changes,
      { id, parent, sequence },
      randomBytes(16),
    ),
  )
  const snapshot = {
    'snapshot-id': id,
    ...(parent === undefined ? {} : { 'parent-snapshot-id': parent }),
    'sequence-number': sequence,
    'timestamp-ms': now,
    'manifest-list': list.path,
    summary: summaryOf(changes),
    'schema-id': schema['schema-id'],
  }
  const next = await writeMetadata(ctx, table, withSnapshot(metadata, snapshot, location, now), writer)
  await ctx.write(async (tx) => {
    const same = await findTableByArn(tx, arn)
    if (!same) return
    if (same.versionToken !== table.versionToken) throw new Error('A managed table has had another writer.')
    tx.put(Table, { ...same, ...changed(ctx), metadataLocation: next.location })
    for (const file of deleted) tx.delete(FiledData, FiledData.key(file))
    for (const file of added) tx.put(FiledData, file)
  })
  return true
}

const summaryOf = ({ existing, added, deleted }: Changes): Record<string, string> => {
  const total = sums([...existing, ...added])
  return {
    operation: deleted.length === 0 ? 'append' : added.length === 0 ? 'delete' : 'overwrite',
    'added-data-files': sums(added).files,
    'added-records': sums(added).records,
    'deleted-data-files': sums(deleted).files,
    'deleted-records': sums(deleted).records,
    'total-data-files': total.files,
    'total-records': total.records,
  }
}

const present = async (ctx: Ctx, table: TableRecord): Promise<{ metadata: Metadata; location: string }> => {
  const location = table.metadataLocation ?? ''
  const place = { account: table.account, region: table.region }
  const key = keyWithin(table, location)
  const bytes = key === undefined ? undefined : await ctx.use(tableStores).get(place, table.store, key, writer)
  if (!bytes) throw new Error(`The metadata of ${tableArn(table)} are gone.`)
  return { metadata: parseMetadata(bytes), location }
}

/** Makes one of many small files, where there are. */
const merge = async (ctx: Ctx, arn: string): Promise<boolean> => {
  const found = await ctx.read(async (tx) => {
    const table = await findTableByArn(tx, arn)
    return table && { table, filed: await tx.list(FiledData, { prefix: `${arn}\0` }) }
  })
  const run = found ? filesToMerge(found.filed, ctx.now().getTime()) : []
  const [first] = run
  if (!found || !first) return false
  const { table } = found
  const place = { account: table.account, region: table.region }
  const rows: New['rows'][number][] = []
  for (const { path } of run) {
    const key = keyWithin(table, path)
    const bytes = key === undefined ? undefined : await ctx.use(tableStores).get(place, table.store, key, writer)
    if (!bytes) throw new Error(`The data file ${path} is gone.`)
    rows.push(...(await readDataFile(bytes)))
  }
  const gone = new Set(run.map(({ path }) => path))
  const merged = { tag: first.tag, newest: Math.max(...run.map(({ newest }) => newest)), rows }
  return commit(ctx, arn, [merged], ({ path }) => gone.has(path))
}

export const makeManagedTables = (at: (place: Place) => Ctx): ManagedTables => ({
  make: (place, wanted) => make(at(place), wanted),
  write: (place, arn, { from, before, files }) =>
    commit(at(place), arn, files, ({ tag }) => tag >= from && tag < before),
  merge: (place, arn) => merge(at(place), arn),
  expire: (place, arn, before) => commit(at(place), arn, [], ({ newest }) => newest < before),
})
