import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { fail, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import { Table } from './table.ts'
import { getOwnTableBucket, getTableBucket, type TableBucketRecord } from './table-buckets.ts'

export type NamespaceRecord = {
  /** ARN of the table bucket. */
  readonly bucket: string
  readonly name: string
  readonly id: string
  /** Epoch milliseconds. */
  readonly created: number
  readonly createdBy: string
}

const keyOf = (bucket: string, name: string) => `${bucket}\0${name}`
export const Namespace = table<NamespaceRecord>('s3tables.namespace', {
  scope: 'global',
  key: ({ bucket, name }) => keyOf(bucket, name),
})

/** "Amazon S3 table bucket, table, and namespace naming rules", S3 user guide. */
export const isName = (name: string): boolean => /^[a-z0-9](?:[0-9a-z_]{0,253}[a-z0-9])?$/.test(name)

export const findNamespace = (tx: ReadTx, bucket: string, name: string) => tx.get(Namespace, keyOf(bucket, name))

/** Throws NotFoundException. */
export const getNamespace = async (tx: ReadTx, bucket: string, name: string): Promise<NamespaceRecord> => {
  const found = await findNamespace(tx, bucket, name)
  if (!found) throw fail('NotFoundException', 'The specified namespace does not exist.')
  return found
}

export const newNamespace = (ctx: Ctx, bucket: string, name: string): NamespaceRecord => ({
  bucket,
  name,
  id: ctx.newId(),
  created: ctx.now().getTime(),
  createdBy: ctx.account,
})

/** "Table namespaces", S3 user guide: of a table bucket. */
const mostNamespaces = 10_000

/** Throws BadRequestException for a name that may not be, ConflictException for one that is taken. */
export const CreateNamespace: Operation<'CreateNamespace'> = (ctx, input) => {
  const [name = ''] = input.namespace
  // Those are for AWS's own services.
  if (!isName(name) || name.startsWith('aws'))
    throw fail('BadRequestException', 'The specified namespace name is not valid.')
  return ctx.write(async (tx) => {
    const { arn } = await getOwnTableBucket(ctx, tx, input.tableBucketARN)
    if (await findNamespace(tx, arn, name))
      throw fail('ConflictException', 'A namespace with an identical name already exists in the bucket.')
    if ((await tx.list(Namespace, { prefix: `${arn}\0`, limit: mostNamespaces })).length >= mostNamespaces)
      throw fail('BadRequestException', 'You have attempted to create more namespaces than allowed.')
    tx.put(Namespace, newNamespace(ctx, arn, name))
    return { tableBucketARN: arn, namespace: [name] }
  })
}

const toSummary = ({ name, id, created, createdBy }: NamespaceRecord, bucket: TableBucketRecord) => ({
  namespace: [name],
  createdAt: new Date(created),
  createdBy,
  ownerAccountId: bucket.account,
  namespaceId: id,
  tableBucketId: bucket.id,
})

export const GetNamespace: Operation<'GetNamespace'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const bucket = await getTableBucket(ctx, tx, input.tableBucketARN)
    return toSummary(await getNamespace(tx, bucket.arn, input.namespace), bucket)
  })

export const ListNamespaces: Operation<'ListNamespaces'> = async (ctx, input) => {
  const { tableBucketARN, prefix = '', continuationToken: token, maxNamespaces: limit } = input
  const { bucket, all } = await ctx.read(async (tx) => {
    const bucket = await getTableBucket(ctx, tx, tableBucketARN)
    return { bucket, all: await tx.list(Namespace, { prefix: keyOf(bucket.arn, prefix) }) }
  })
  const { items, ...tail } = pageOf(all, ({ name }) => name, { token, limit })
  return { namespaces: items.map((namespace) => toSummary(namespace, bucket)), ...tail }
}

/** Throws ConflictException while it has tables. */
export const DeleteNamespace: Operation<'DeleteNamespace'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { arn } = await getOwnTableBucket(ctx, tx, input.tableBucketARN)
    const namespace = await getNamespace(tx, arn, input.namespace)
    if ((await tx.list(Table, { prefix: `${keyOf(arn, namespace.name)}\0`, limit: 1 })).length > 0)
      throw fail('ConflictException', 'The namespace that you tried to delete is not empty.')
    tx.delete(Namespace, Namespace.key(namespace))
    return {}
  })
