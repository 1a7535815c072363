import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { type Encryption, encryptionOf } from './encryption.ts'
import { defaultRemoval, type FileRemoval } from './maintenance-settings.ts'
import { Namespace } from './namespaces.ts'
import { fail, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import { checkTags } from './tags.ts'

export type StorageClass = 'STANDARD' | 'INTELLIGENT_TIERING'

export type TableBucketRecord = {
  readonly arn: string
  readonly name: string
  readonly account: string
  readonly region: string
  readonly id: string
  /** `aws`: its tables are made by AWS's services, and only read by users. */
  readonly type: 'customer' | 'aws'
  /** Epoch milliseconds. */
  readonly created: number
  /** What new tables have when nothing else is said; AES256 and STANDARD where absent. */
  readonly encryption?: Encryption
  readonly storageClass?: StorageClass
  /** JSON text. */
  readonly policy?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly removal: FileRemoval
}

/** Names are unique within an account and Region, so the ARN is the key. */
export const TableBucket = table<TableBucketRecord>('s3tables.table-bucket', {
  scope: 'global',
  key: ({ arn }) => arn,
  index: { home: ({ account, region }) => `${account}\0${region}` },
})

export const tableBucketArn = ({ account, region }: Ctx['place'], name: string): string =>
  `arn:aws:s3tables:${region}:${account}:bucket/${name}`

/** Of the bucket in which AWS's services keep tables ("Working with AWS managed table buckets", S3 user guide). */
export const managedBucketName = 'aws-s3'

/** "Amazon S3 table bucket, table, and namespace naming rules", S3 user guide. */
const isTableBucketName = (name: string): boolean =>
  /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(name) &&
  !/^(xn--|sthree-|amzn-s3-demo-|aws)/.test(name) &&
  !/(-s3alias|--ol-s3|--x-s3|--table-s3)$/.test(name)

/** "S3 Tables AWS Regions, endpoints, and service quotas": of an account in a Region. */
const mostBuckets = 10

/** Throws NotFoundException, for a bucket of another Region too: an endpoint knows its own. */
export const getTableBucket = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<TableBucketRecord> => {
  const bucket = await tx.get(TableBucket, arn)
  if (!bucket || bucket.region !== ctx.region) throw fail('NotFoundException', 'The specified bucket does not exist.')
  return bucket
}

/** A bucket that users may change. Throws ForbiddenException for one that AWS's services manage. */
export const getOwnTableBucket = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<TableBucketRecord> => {
  const bucket = await getTableBucket(ctx, tx, arn)
  if (bucket.type === 'aws')
    throw fail('ForbiddenException', 'This operation is not allowed on an AWS managed table bucket.')
  return bucket
}

export const newTableBucket = (ctx: Ctx, name: string, type: TableBucketRecord['type']): TableBucketRecord => ({
  arn: tableBucketArn(ctx.place, name),
  name,
  account: ctx.account,
  region: ctx.region,
  id: ctx.newId(),
  type,
  created: ctx.now().getTime(),
  removal: defaultRemoval,
})

/** Throws BadRequestException for a name, tags or a key that may not be, ConflictException for a name that is taken. */
export const CreateTableBucket: Operation<'CreateTableBucket'> = async (ctx, input) => {
  const { name, encryptionConfiguration, storageClassConfiguration } = input
  if (!isTableBucketName(name)) throw fail('BadRequestException', 'The specified bucket name is not valid.')
  const tags = checkTags(input.tags ?? {})
  const bucket: TableBucketRecord = {
    ...newTableBucket(ctx, name, 'customer'),
    ...(encryptionConfiguration ? { encryption: await encryptionOf(ctx, encryptionConfiguration) } : {}),
    ...(storageClassConfiguration ? { storageClass: storageClassConfiguration.storageClass } : {}),
    ...(Object.keys(tags).length > 0 ? { tags } : {}),
  }
  await ctx.write(async (tx) => {
    if (await tx.get(TableBucket, bucket.arn))
      throw fail('ConflictException', 'The bucket that you tried to create already exists, and you own it.')
    const others = await listOwn(tx, ctx)
    if (others.filter(({ type }) => type === 'customer').length >= mostBuckets)
      throw fail('BadRequestException', 'You have attempted to create more buckets than allowed.')
    tx.put(TableBucket, bucket)
  })
  return { arn: bucket.arn }
}

const listOwn = (tx: ReadTx, { account, region }: Ctx) =>
  tx.list(TableBucket, { index: 'home', equals: `${account}\0${region}` })

const toSummary = ({ arn, name, account, created, id, type }: TableBucketRecord) => ({
  arn,
  name,
  ownerAccountId: account,
  createdAt: new Date(created),
  tableBucketId: id,
  type,
})

export const GetTableBucket: Operation<'GetTableBucket'> = async (ctx, input) =>
  toSummary(await ctx.read((tx) => getTableBucket(ctx, tx, input.tableBucketARN)))

export const ListTableBuckets: Operation<'ListTableBuckets'> = async (ctx, input) => {
  const { prefix = '', type, continuationToken: token, maxBuckets: limit } = input
  const all = await ctx.read((tx) => listOwn(tx, ctx))
  const found = all.filter((bucket) => bucket.name.startsWith(prefix) && (!type || bucket.type === type))
  const { items, ...tail } = pageOf(found, ({ name }) => name, { token, limit })
  return { tableBuckets: items.map(toSummary), ...tail }
}

/** Throws ConflictException while it has namespaces. */
export const DeleteTableBucket: Operation<'DeleteTableBucket'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { arn } = await getTableBucket(ctx, tx, input.tableBucketARN)
    if ((await tx.list(Namespace, { prefix: `${arn}\0`, limit: 1 })).length > 0)
      throw fail('ConflictException', 'The bucket that you tried to delete is not empty.')
    tx.delete(TableBucket, arn)
    return {}
  })
