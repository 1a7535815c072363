import { accessTierOf, isTiered, referenceOf } from './access-tier.ts'
import { ownersAcl, toGrants } from './acl.ts'
import { type BucketRecord, canonicalId } from './bucket.ts'
import { expiryOf, type LifecycleRule } from './lifecycle-rules.ts'
import { orcWriter } from './orc.ts'
import { toReplicationStatus } from './replication.ts'
import { daysOf, heldFor, untilOf } from './retention.ts'
import { storageClassOf } from './storage-class.ts'
import type { ObjectRecord, VersionRecord } from './versions.ts'

// The columns of an inventory, and its files ("Amazon S3 Inventory list", S3 user guide). A pure engine.

export type Cell = string | boolean | bigint | Date | undefined
type Type = 'STRING' | 'BOOLEAN' | 'INT64' | 'TIMESTAMP'

/** Beside the version itself, what its values depend on. */
export type Surroundings = {
  readonly bucket: BucketRecord
  readonly rules: readonly LifecycleRule[]
  /** Epoch milliseconds. */
  readonly now: number
  readonly current: boolean
  readonly latest: boolean
}

export type Column = {
  readonly name: string
  /** In Parquet. */
  readonly column: string
  readonly type: Type
  readonly required?: true
  readonly of: (version: VersionRecord, around: Surroundings) => Cell
}

/** Delete markers have nothing but a time. */
const ofObject =
  (of: (record: ObjectRecord, around: Surroundings) => Cell): Column['of'] =>
  (version, around) =>
    version.marker ? undefined : of(version, around)

const encryptionNames: Readonly<Record<string, string>> = {
  AES256: 'SSE-S3',
  'aws:kms': 'SSE-KMS',
  'aws:kms:dsse': 'DSSE-KMS',
  customer: 'SSE-C',
}
const tierNames = {
  FREQUENT: 'FREQUENT',
  INFREQUENT: 'INFREQUENT',
  ARCHIVE_INSTANT_ACCESS: 'ARCHIVE_INSTANT_ACCESS',
  ARCHIVE_ACCESS: 'ARCHIVE',
  DEEP_ARCHIVE_ACCESS: 'DEEP',
} as const

/** "Working with the Object ACL field", S3 user guide: JSON, in base64. */
const listOf = ({ acl, owner }: ObjectRecord, { account }: BucketRecord): string => {
  const grants = toGrants(acl ?? ownersAcl(owner ?? account)).map(({ Grantee, Permission }) => ({
    ...(Grantee.URI === undefined ? { canonicalId: Grantee.ID } : { uri: Grantee.URI }),
    type: Grantee.Type,
    permission: Permission,
  }))
  return Buffer.from(JSON.stringify({ version: '2022-11-10', status: 'AVAILABLE', grants })).toString('base64')
}

const text = (name: string, column: string, of: (record: ObjectRecord, around: Surroundings) => Cell): Column => ({
  name,
  column,
  type: 'STRING',
  of: ofObject(of),
})

const optional: readonly Column[] = [
  { name: 'Size', column: 'size', type: 'INT64', of: ofObject(({ size }) => BigInt(size)) },
  {
    name: 'LastModifiedDate',
    column: 'last_modified_date',
    type: 'TIMESTAMP',
    of: ({ modified }) => new Date(modified),
  },
  text('ETag', 'e_tag', ({ etag }) => etag),
  text('StorageClass', 'storage_class', storageClassOf),
  {
    name: 'IsMultipartUploaded',
    column: 'is_multipart_uploaded',
    type: 'BOOLEAN',
    of: ofObject(({ parts }) => parts !== undefined),
  },
  text('ReplicationStatus', 'replication_status', (record) => toReplicationStatus(record).ReplicationStatus),
  text(
    'EncryptionStatus',
    'encryption_status',
    ({ encryption }) => encryptionNames[encryption?.mode ?? ''] ?? 'NOT-SSE',
  ),
  {
    name: 'ObjectLockRetainUntilDate',
    column: 'object_lock_retain_until_date',
    type: 'TIMESTAMP',
    of: ofObject(({ lock }, { now }) => (lock?.retention ? new Date(untilOf(lock.retention, now)) : undefined)),
  },
  text('ObjectLockMode', 'object_lock_mode', ({ lock }) => lock?.retention?.mode),
  text('ObjectLockLegalHoldStatus', 'object_lock_legal_hold_status', ({ lock }) =>
    lock?.legalHold === 'ON' ? 'On' : 'Off',
  ),
  text('ObjectLockEventHoldStatus', 'object_lock_event_hold_status', ({ lock: { retention } = {} }) =>
    retention?.hold === undefined ? undefined : heldFor(retention) ? 'ON' : 'OFF',
  ),
  {
    name: 'ObjectLockEventHoldDuration',
    column: 'object_lock_event_hold_duration',
    type: 'INT64',
    of: ofObject(({ lock: { retention } = {} }) => {
      const length = retention && heldFor(retention)
      return length && BigInt(daysOf(length))
    }),
  },
  text('IntelligentTieringAccessTier', 'intelligent_tiering_access_tier', (record, { now }) => {
    const tier = accessTierOf(record, now)
    return tier && tierNames[tier]
  }),
  text('BucketKeyStatus', 'bucket_key_status', ({ encryption }) =>
    encryption && 'wrapped' in encryption && encryption.wrapped ? 'ENABLED' : 'DISABLED',
  ),
  text('ChecksumAlgorithm', 'checksum_algorithm', ({ checksum }) => checksum.algorithm),
  text('ObjectAccessControlList', 'object_access_control_list', (record, { bucket }) => listOf(record, bucket)),
  text('ObjectOwner', 'object_owner', ({ owner }, { bucket }) => canonicalId(owner ?? bucket.account)),
  {
    name: 'LifecycleExpirationDate',
    column: 'lifecycle_expiration_date',
    type: 'TIMESTAMP',
    of: ofObject((record, { rules, current }) => {
      const expiry = current ? expiryOf(rules, record) : undefined
      return expiry && new Date(expiry.at)
    }),
  },
  {
    name: 'IntelligentTieringReferenceDate',
    column: 'intelligent_tiering_reference_date',
    type: 'TIMESTAMP',
    of: ofObject((record) => (isTiered(record) ? new Date(referenceOf(record)) : undefined)),
  },
]

const first: readonly Column[] = [
  { name: 'Bucket', column: 'bucket', type: 'STRING', required: true, of: (_, { bucket }) => bucket.name },
  { name: 'Key', column: 'key', type: 'STRING', required: true, of: ({ key }) => key },
]
const ofVersions: readonly Column[] = [
  {
    name: 'VersionId',
    column: 'version_id',
    type: 'STRING',
    of: ({ versionId }) => (versionId === 'null' ? '' : versionId),
  },
  { name: 'IsLatest', column: 'is_latest', type: 'BOOLEAN', of: (_, { latest }) => latest },
  { name: 'IsDeleteMarker', column: 'is_delete_marker', type: 'BOOLEAN', of: ({ marker }) => marker === true },
]

export const isField = (name: string): boolean => optional.some((column) => column.name === name)

/** The columns of a report, in order. */
export const columnsOf = (versions: boolean, fields: readonly string[]): readonly Column[] => [
  ...first,
  ...(versions ? ofVersions : []),
  ...fields.flatMap((name) => optional.filter((column) => column.name === name)),
]

const csvText = (name: string, cell: Cell): string => {
  if (cell === undefined) return ''
  if (cell instanceof Date) return cell.toISOString()
  return name === 'Key' ? encodeURIComponent(String(cell)).replaceAll('%2F', '/').replaceAll('%20', '+') : String(cell)
}

/** A line for each row. */
export const inventoryCsv = (columns: readonly Column[], rows: readonly (readonly Cell[])[]): string =>
  rows.map((row) => `${row.map((cell, at) => `"${csvText(columns[at]?.name ?? '', cell)}"`).join(',')}\n`).join('')

/** A Parquet file, compressed with Snappy. */
export const inventoryParquet = async (
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
): Promise<Buffer> => {
  // Few servers ever make one.
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const file = parquetWriteBuffer({
    columnData: columns.map(({ column, type, required }, at) => ({
      name: column,
      type,
      nullable: !required,
      data: rows.map((row) => row[at] ?? null),
    })),
    createdBy: 'Amazon S3 Inventory (Drydock)',
  })
  return Buffer.from(file)
}

/** Rows to a stripe. */
const stripeRows = 1000

/** A file of ORC, compressed with ZLIB. */
export const inventoryOrc = async (columns: readonly Column[], rows: readonly (readonly Cell[])[]): Promise<Buffer> => {
  const file = orcWriter(columns.map(({ column, type }) => ({ name: column, type })))
  const stripes: Buffer[] = []
  for (let at = 0; at < rows.length; at += stripeRows) stripes.push(await file.stripe(rows.slice(at, at + stripeRows)))
  return Buffer.concat([file.start, ...stripes, await file.end()])
}

const orcTypes: Readonly<Record<Type, string>> = {
  STRING: 'string',
  BOOLEAN: 'boolean',
  INT64: 'bigint',
  TIMESTAMP: 'timestamp',
}

const parquetTypes: Readonly<Record<Type, (column: string) => string>> = {
  STRING: (column) => `binary ${column} (UTF8)`,
  BOOLEAN: (column) => `boolean ${column}`,
  INT64: (column) => `int64 ${column}`,
  TIMESTAMP: (column) => `int64 ${column} (TIMESTAMP_MILLIS)`,
}

/** `fileSchema` of the manifest. */
export const schemaOf = (columns: readonly Column[], format: string): string => {
  if (format === 'CSV') return columns.map(({ name }) => name).join(', ')
  if (format === 'ORC') return `struct<${columns.map(({ column, type }) => `${column}:${orcTypes[type]}`).join(',')}>`
  const fields = columns.map(
    ({ column, type, required }) => `${required ? 'required' : 'optional'} ${parquetTypes[type](column)};`,
  )
  return `message s3.inventory { ${fields.join(' ')} }`
}
