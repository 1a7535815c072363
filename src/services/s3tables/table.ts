import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table } from '../../store/store.ts'
import type { Encryption } from './encryption.ts'
import type { Compaction, SnapshotManagement } from './maintenance-settings.ts'
import { fail } from './operation.ts'
import { getTableBucket, type StorageClass, TableBucket, type TableBucketRecord } from './table-buckets.ts'

export type TableRecord = {
  /** ARN of the table bucket. */
  readonly bucket: string
  readonly namespace: string
  readonly name: string
  readonly id: string
  readonly account: string
  readonly region: string
  /** `aws`: made and written by an AWS service. */
  readonly type: 'customer' | 'aws'
  /** Epoch milliseconds. */
  readonly created: number
  readonly createdBy: string
  readonly modified: number
  readonly modifiedBy: string
  /** The bucket in S3 that holds its files. */
  readonly store: string
  readonly metadataLocation?: string
  /** Changes with every change of where the metadata are. */
  readonly versionToken: string
  readonly encryption?: Encryption
  readonly storageClass?: StorageClass
  /** JSON text. */
  readonly policy?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly compaction: Compaction
  readonly snapshots: SnapshotManagement
  /** How its maintenance went last, `at` when, epoch milliseconds. */
  readonly jobs?: { readonly snapshots?: JobRun; readonly removal?: JobRun }
}

type JobRun = { readonly status: 'Successful' | 'Failed'; readonly at: number; readonly message?: string }

const keyOf = (bucket: string, namespace: string, name: string) => `${bucket}\0${namespace}\0${name}`
export const tableArn = ({ bucket, id }: Pick<TableRecord, 'bucket' | 'id'>): string => `${bucket}/table/${id}`

export const Table = table<TableRecord>('s3tables.table', {
  scope: 'global',
  key: ({ bucket, namespace, name }) => keyOf(bucket, namespace, name),
  index: { arn: tableArn, store: ({ store }) => store },
})

export const warehouseOf = ({ store }: Pick<TableRecord, 'store'>): string => `s3://${store}`

/** As long as a bucket's name may be, the end telling what it is. */
export const newStoreName = (ctx: Ctx, id: string): string =>
  `${id.slice(0, 19)}${ctx.random(34, 'abcdefghijklmnopqrstuvwxyz0123456789')}--table-s3`

export const newVersionToken = (ctx: Ctx): string => ctx.random(20)

export type TableName = { readonly tableBucketARN: string; readonly namespace: string; readonly name: string }

export const findTable = (tx: ReadTx, { tableBucketARN, namespace, name }: TableName) =>
  tx.get(Table, keyOf(tableBucketARN, namespace, name))

export const noSuchTable = () => fail('NotFoundException', 'The specified table does not exist.')

/** Throws NotFoundException. */
export const getTable = async (ctx: Ctx, tx: ReadTx, named: TableName): Promise<TableRecord> => {
  await getTableBucket(ctx, tx, named.tableBucketARN)
  const found = await findTable(tx, named)
  if (!found) throw noSuchTable()
  return found
}

export const findTableByArn = async (tx: ReadTx, arn: string): Promise<TableRecord | undefined> =>
  (await tx.list(Table, { index: 'arn', equals: arn, limit: 1 }))[0]

/** Throws NotFoundException. */
export const getTableByArn = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<TableRecord> => {
  const found = await findTableByArn(tx, arn)
  if (found?.region !== ctx.region) throw noSuchTable()
  return found
}

/** A table that users may change. Throws NotFoundException; ForbiddenException for one that AWS's services write. */
export const getOwnTable = async (ctx: Ctx, tx: ReadTx, named: TableName): Promise<TableRecord> => {
  const found = await getTable(ctx, tx, named)
  if (found.type === 'aws')
    throw fail('ForbiddenException', 'This operation is not allowed on a table that an AWS service manages.')
  return found
}

/** A table and its table bucket, wherever they are. */
export const findWithBucket = async (
  tx: ReadTx,
  arn: string,
): Promise<{ table: TableRecord; bucket: TableBucketRecord } | undefined> => {
  const found = await findTableByArn(tx, arn)
  const bucket = found && (await tx.get(TableBucket, found.bucket))
  return bucket && { table: found, bucket }
}
