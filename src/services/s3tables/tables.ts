import type { Ctx } from '../../kernel/context.ts'
import type { Principal } from '../../kernel/principal.ts'
import type { WriteTx } from '../../store/store.ts'
import { done, type Reconciler } from '../../work/reconciler.ts'
import { tableStores } from '../capabilities.ts'
import { encryptionOf } from './encryption.ts'
import { FiledData } from './filed-data.ts'
import { InvalidMetadataError } from './iceberg/invalid.ts'
import { type Asked, newMetadata } from './iceberg/new-table.ts'
import { type Metadata, toText } from './iceberg/table-metadata.ts'
import { maintain } from './maintain.ts'
import { defaultCompaction, defaultSnapshots } from './maintenance-settings.ts'
import { getNamespace, isName } from './namespaces.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import {
  findTable,
  findTableByArn,
  getOwnTable,
  getTable,
  getTableByArn,
  newStoreName,
  newVersionToken,
  Table,
  type TableName,
  type TableRecord,
  tableArn,
  warehouseOf,
} from './table.ts'
import { getOwnTableBucket, getTableBucket, type TableBucketRecord } from './table-buckets.ts'
import { checkTags } from './tags.ts'

/** "S3 Tables AWS Regions, endpoints, and service quotas": of a table bucket. */
const mostTables = 10_000

/** In milliseconds: by when a table that was begun is there, or its files are nobody's. */
const grace = 15 * 60_000

/** Deletes files that were made for a table that came to nothing, or is gone. The key is the name of their bucket. */
export const orphanStores: Reconciler = {
  name: 's3tables.orphan-stores',
  step: async (ctx, store) => {
    const used = await ctx.read((tx) => tx.list(Table, { index: 'store', equals: store, limit: 1 }))
    if (used.length === 0) await ctx.use(tableStores).remove(ctx.place, store)
    return done()
  },
}

/** Where a table's metadata go: `s3://STORE/metadata/00003-UUID.metadata.json`. */
const metadataKey = (ctx: Ctx, version: number): string =>
  `metadata/${String(version).padStart(5, '0')}-${ctx.newId()}.metadata.json`

export type NewTable = {
  readonly id?: string
  readonly bucket: TableBucketRecord
  readonly namespace: string
  readonly name: string
  readonly type: TableRecord['type']
  readonly encryption: TableRecord['encryption']
  readonly storageClass: TableRecord['storageClass']
  readonly tags?: TableRecord['tags']
}

/**
 * Makes a table: its place in S3, its first metadata there, and then its row. `as`: with whose rights KMS is asked. `check` runs in
 * the transaction. Killed half-way it leaves files that are found and deleted.
 */
export const makeTable = async (
  ctx: Ctx,
  { id = ctx.newId(), bucket, tags, encryption, storageClass, ...named }: NewTable,
  metadataAt: ((location: string) => Metadata) | undefined,
  as: Principal,
  check: (tx: WriteTx) => Promise<void>,
): Promise<TableRecord> => {
  const store = newStoreName(ctx, id)
  const now = ctx.now().getTime()
  const place = { account: bucket.account, region: bucket.region }
  const key = metadataAt && metadataKey(ctx, 0)
  const table: TableRecord = {
    ...named,
    bucket: bucket.arn,
    id,
    ...place,
    created: now,
    createdBy: ctx.account,
    modified: now,
    modifiedBy: ctx.account,
    store,
    versionToken: newVersionToken(ctx),
    compaction: defaultCompaction,
    snapshots: defaultSnapshots,
    ...(key === undefined ? {} : { metadataLocation: `s3://${store}/${key}` }),
    ...(encryption ? { encryption } : {}),
    ...(storageClass ? { storageClass } : {}),
    ...(tags && Object.keys(tags).length > 0 ? { tags } : {}),
  }
  const metadata = metadataAt?.(warehouseOf(table))
  const stores = ctx.use(tableStores)
  const kmsKey = encryption?.keyArn
  await ctx.write(async (tx) => {
    await check(tx)
    tx.wake(orphanStores.name, store, { in: grace, at: place })
  })
  await stores.create(place, { name: store, table: tableArn(table), ...(kmsKey === undefined ? {} : { kmsKey }) })
  try {
    if (key !== undefined && metadata) await stores.put(place, store, key, Buffer.from(toText(metadata)), as)
    await ctx.write(async (tx) => {
      await check(tx)
      tx.put(Table, table)
      tx.wake(maintain.name, tableArn(table), { in: 86_400_000, at: place })
    })
  } catch (error) {
    await stores.remove(place, store)
    throw error
  }
  return table
}

const asked = (input: Input<'CreateTable'>): Asked | undefined => {
  const iceberg = input.metadata?.iceberg
  if (!iceberg) return undefined
  const { schema, schemaV2, partitionSpec, writeOrder, properties } = iceberg
  if ((schema === undefined) === (schemaV2 === undefined))
    throw fail('BadRequestException', 'Exactly one of schema and schemaV2 must be specified.')
  return {
    schema: {
      type: 'struct',
      fields: (schemaV2 ?? schema)?.fields ?? [],
      ...(schemaV2?.identifierFieldIds ? { 'identifier-field-ids': schemaV2.identifierFieldIds } : {}),
    },
    ...(partitionSpec
      ? {
          spec: partitionSpec.fields.map(({ sourceId, transform, name, fieldId }) => ({
            'source-id': sourceId,
            transform,
            name,
            ...(fieldId === undefined ? {} : { 'field-id': fieldId }),
          })),
        }
      : {}),
    ...(writeOrder
      ? {
          order: writeOrder.fields.map(({ sourceId, transform, direction, nullOrder }) => ({
            'source-id': sourceId,
            transform,
            direction,
            'null-order': nullOrder,
          })),
        }
      : {}),
    properties: properties ?? {},
  }
}

/** The first metadata of a table, where they can be. Throws BadRequestException. */
const firstMetadata =
  (ctx: Ctx, wanted: Asked) =>
  (location: string): Metadata => {
    try {
      return newMetadata(wanted, { location, uuid: ctx.newId(), now: ctx.now().getTime() })
    } catch (error) {
      if (error instanceof InvalidMetadataError) throw fail('BadRequestException', error.message)
      throw error
    }
  }

/** Throws ConflictException for a name that is taken, and BadRequestException. */
export const checkNewName = async (tx: WriteTx, named: TableName): Promise<void> => {
  if (await findTable(tx, named))
    throw fail('ConflictException', 'A table with an identical name already exists in the namespace.')
  const others = await tx.list(Table, { prefix: `${named.tableBucketARN}\0`, limit: mostTables })
  if (others.length >= mostTables)
    throw fail('BadRequestException', 'You have attempted to create more tables than allowed.')
}

/**
 * Makes a table, with metadata where a schema is given. Throws NotFoundException for its bucket or namespace,
 * ConflictException, BadRequestException.
 */
export const CreateTable: Operation<'CreateTable'> = (ctx, input) => create(ctx, input, asked(input))

/** The same, with metadata as Iceberg's own clients say them. */
export const createIcebergTable = (
  ctx: Ctx,
  { metadata, ...input }: Omit<Input<'CreateTable'>, 'metadata'> & { readonly metadata: { readonly wanted: Asked } },
) => create(ctx, input, metadata.wanted)

const create = async (ctx: Ctx, input: Omit<Input<'CreateTable'>, 'metadata'>, wanted: Asked | undefined) => {
  const { tableBucketARN, namespace, name } = input
  if (!isName(name)) throw fail('BadRequestException', 'The specified table name is not valid.')
  const tags = checkTags(input.tags ?? {})
  const bucket = await ctx.read(async (tx) => {
    const bucket = await getOwnTableBucket(ctx, tx, tableBucketARN)
    await getNamespace(tx, bucket.arn, namespace)
    return bucket
  })
  const encryption = input.encryptionConfiguration
    ? await encryptionOf(ctx, input.encryptionConfiguration)
    : bucket.encryption
  const storageClass = input.storageClassConfiguration?.storageClass ?? bucket.storageClass
  const table = await makeTable(
    ctx,
    { bucket, namespace, name, type: 'customer', encryption, storageClass, tags },
    wanted && firstMetadata(ctx, wanted),
    ctx.principal,
    async (tx) => {
      await getNamespace(tx, bucket.arn, namespace)
      await checkNewName(tx, input)
    },
  )
  return { tableARN: tableArn(table), versionToken: table.versionToken }
}

const toSummary = (table: TableRecord) => ({
  namespace: [table.namespace],
  name: table.name,
  type: table.type,
  tableARN: tableArn(table),
  createdAt: new Date(table.created),
  modifiedAt: new Date(table.modified),
  ...(table.type === 'aws' ? { managedByService: 'metadata.s3.amazonaws.com' } : {}),
})

/** By its ARN, or by its bucket, namespace and name. Throws BadRequestException for neither, NotFoundException. */
export const GetTable: Operation<'GetTable'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { tableArn: arn, tableBucketARN, namespace, name } = input
    const byName = tableBucketARN !== undefined && namespace !== undefined && name !== undefined
    if ((arn === undefined) !== byName)
      throw fail(
        'BadRequestException',
        'Specify either the ARN of the table, or the ARN of its table bucket, its namespace and its name.',
      )
    const table =
      arn === undefined && byName
        ? await getTable(ctx, tx, { tableBucketARN, namespace, name })
        : await getTableByArn(ctx, tx, arn ?? '')
    const bucket = await getTableBucket(ctx, tx, table.bucket)
    const { id: namespaceId } = await getNamespace(tx, table.bucket, table.namespace)
    return {
      ...toSummary(table),
      namespaceId,
      tableBucketId: bucket.id,
      versionToken: table.versionToken,
      warehouseLocation: warehouseOf(table),
      ...(table.metadataLocation === undefined ? {} : { metadataLocation: table.metadataLocation }),
      createdBy: table.createdBy,
      modifiedBy: table.modifiedBy,
      ownerAccountId: table.account,
      format: 'ICEBERG',
    }
  })

export const ListTables: Operation<'ListTables'> = async (ctx, input) => {
  const { tableBucketARN, namespace, prefix = '', continuationToken: token, maxTables: limit } = input
  const all = await ctx.read(async (tx) => {
    const { arn } = await getTableBucket(ctx, tx, tableBucketARN)
    if (namespace !== undefined) await getNamespace(tx, arn, namespace)
    return tx.list(Table, { prefix: namespace === undefined ? `${arn}\0` : `${arn}\0${namespace}\0${prefix}` })
  })
  const { items, ...tail } = pageOf(
    all.filter(({ name }) => name.startsWith(prefix)),
    ({ namespace: within, name }) => `${within}\0${name}`,
    { token, limit },
  )
  return { tables: items.map(toSummary), ...tail }
}

/** Throws ConflictException for a token that is not the present one's. */
export const checkToken = (table: TableRecord, token: string | undefined): void => {
  if (token !== undefined && token !== table.versionToken)
    throw fail('ConflictException', "The version token that you provided does not match the table's version token.")
}

/** Its files go with it. */
export const DeleteTable: Operation<'DeleteTable'> = async (ctx, input) => {
  const table = await ctx.write(async (tx) => {
    const table = await getTable(ctx, tx, input)
    checkToken(table, input.versionToken)
    tx.delete(Table, Table.key(table))
    for (const file of await tx.list(FiledData, { prefix: `${tableArn(table)}\0` }))
      tx.delete(FiledData, FiledData.key(file))
    tx.wake(orphanStores.name, table.store, { at: { account: table.account, region: table.region } })
    return table
  })
  await ctx.use(tableStores).remove({ account: table.account, region: table.region }, table.store)
  return {}
}

/** Another name, another namespace, or both. */
export const RenameTable: Operation<'RenameTable'> = (ctx, input) => {
  const { newName, newNamespaceName } = input
  if (newName === undefined && newNamespaceName === undefined)
    throw fail('BadRequestException', 'A new name or a new namespace must be specified.')
  if (newName !== undefined && !isName(newName))
    throw fail('BadRequestException', 'The specified table name is not valid.')
  return ctx.write(async (tx) => {
    const table = await getOwnTable(ctx, tx, input)
    checkToken(table, input.versionToken)
    const renamed = { ...table, name: newName ?? table.name, namespace: newNamespaceName ?? table.namespace }
    await getNamespace(tx, table.bucket, renamed.namespace)
    await checkNewName(tx, { ...renamed, tableBucketARN: table.bucket })
    tx.delete(Table, Table.key(table))
    tx.put(Table, { ...renamed, ...changed(ctx) })
    return {}
  })
}

export const changed = (ctx: Ctx) => ({
  modified: ctx.now().getTime(),
  modifiedBy: ctx.account,
  versionToken: newVersionToken(ctx),
})

export const GetTableMetadataLocation: Operation<'GetTableMetadataLocation'> = async (ctx, input) => {
  const table = await ctx.read((tx) => getTable(ctx, tx, input))
  const { versionToken, metadataLocation } = table
  return {
    versionToken,
    warehouseLocation: warehouseOf(table),
    ...(metadataLocation === undefined ? {} : { metadataLocation }),
  }
}

/** Where a location within a table's warehouse is; `undefined` for one that is not. */
export const keyWithin = (table: TableRecord, location: string): string | undefined => {
  const prefix = `${warehouseOf(table)}/`
  return location.startsWith(prefix) && location.length > prefix.length ? location.slice(prefix.length) : undefined
}

/** Writes what a table says next, under the number that follows; `as`: with whose rights KMS is asked. */
export const writeMetadata = async (
  ctx: Ctx,
  table: TableRecord,
  metadata: Metadata,
  as: Principal,
): Promise<{ location: string; forget: () => Promise<void> }> => {
  const stores = ctx.use(tableStores)
  const version = Number(/\/metadata\/(\d+)-[^/]*$/.exec(table.metadataLocation ?? '')?.[1] ?? -1)
  const key = metadataKey(ctx, version + 1)
  const place = { account: table.account, region: table.region }
  await stores.put(place, table.store, key, Buffer.from(toText(metadata)), as)
  return {
    location: `s3://${table.store}/${key}`,
    forget: () => stores.delete(place, table.store, [key]),
  }
}

/** Points a table to other metadata, if nobody has been faster. Returns the table as it is now; `undefined` where somebody was. */
export const moveMetadata = (
  ctx: Ctx,
  arn: string,
  metadataLocation: string,
  versionToken: string,
): Promise<TableRecord | undefined> =>
  ctx.write(async (tx) => {
    const table = await findTableByArn(tx, arn)
    return table?.versionToken === versionToken
      ? tx.put(Table, { ...table, ...changed(ctx), metadataLocation })
      : undefined
  })

/** Throws ConflictException for another version than the token's, BadRequestException for metadata that are not the table's. */
export const UpdateTableMetadataLocation: Operation<'UpdateTableMetadataLocation'> = async (ctx, input) => {
  const { metadataLocation, versionToken } = input
  const table = await ctx.read((tx) => getOwnTable(ctx, tx, input))
  checkToken(table, versionToken)
  const key = keyWithin(table, metadataLocation)
  if (key === undefined || !/\.metadata\.json(\.gz)?$/.test(key))
    throw fail('BadRequestException', 'The specified metadata location is not valid.')
  const place = { account: table.account, region: table.region }
  if (!(await ctx.use(tableStores).has(place, table.store, key)))
    throw fail('BadRequestException', 'The specified metadata location does not exist.')
  const moved = await moveMetadata(ctx, tableArn(table), metadataLocation, versionToken)
  if (!moved) throw fail('ConflictException', 'The table was changed by another request. Try again.')
  return {
    name: moved.name,
    tableARN: tableArn(moved),
    namespace: [moved.namespace],
    versionToken: moved.versionToken,
    metadataLocation,
  }
}
