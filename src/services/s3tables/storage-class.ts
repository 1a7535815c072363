import type { Operation } from './operation.ts'
import { getTable } from './table.ts'
import { getOwnTableBucket, getTableBucket, TableBucket } from './table-buckets.ts'

/** For new tables; those that are there stay as they are. */
export const PutTableBucketStorageClass: Operation<'PutTableBucketStorageClass'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const bucket = await getOwnTableBucket(ctx, tx, input.tableBucketARN)
    tx.put(TableBucket, { ...bucket, storageClass: input.storageClassConfiguration.storageClass })
    return {}
  })

export const GetTableBucketStorageClass: Operation<'GetTableBucketStorageClass'> = async (ctx, input) => {
  const { storageClass = 'STANDARD' } = await ctx.read((tx) => getTableBucket(ctx, tx, input.tableBucketARN))
  return { storageClassConfiguration: { storageClass } }
}

export const GetTableStorageClass: Operation<'GetTableStorageClass'> = async (ctx, input) => {
  const { storageClass = 'STANDARD' } = await ctx.read((tx) => getTable(ctx, tx, input))
  return { storageClassConfiguration: { storageClass } }
}
