import { requestTags } from '../../kernel/authorize.ts'
import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules, Requirement } from '../../kernel/service.ts'
import type { Input, NS } from './operation.ts'
import { resourcePolicy, resourceTags } from './policies.ts'
import { findTable, findTableByArn, type TableName, type TableRecord, tableArn } from './table.ts'
import { TableBucket, tableBucketArn } from './table-buckets.ts'

// Actions, resources and condition keys ("Actions, resources, and condition keys for Amazon S3 Tables", service
// authorization reference).

type Context = NonNullable<Requirement['context']>

/** Inputs are not validated yet: they may lack anything. */
type Loose<T> = { readonly [K in keyof T]?: T[K] | undefined }

const bucketTags = (ctx: Ctx, arn: string): Promise<Context> =>
  ctx.read(async (tx) => {
    const tags = Object.entries((await tx.get(TableBucket, arn))?.tags ?? {})
    return Object.fromEntries(tags.map(([key, value]) => [`s3tables:TableBucketTag/${key}`, value]))
  })

const bucketOf = (arn: string | undefined): string => arn?.replace(/\/table\/.*$/, '') ?? '*'

type OfBucket = Loose<{ tableBucketARN: string; namespace: string | readonly string[] }>

const onBucket =
  (action: string): AccessRule<OfBucket> =>
  async ({ tableBucketARN = '*', namespace }, ctx) => [
    {
      action: `s3tables:${action}`,
      resources: [tableBucketARN],
      context: {
        ...(await bucketTags(ctx, tableBucketARN)),
        's3tables:namespace': typeof namespace === 'string' ? namespace : undefined,
      },
    },
  ]

/** What is asked for may not be there: then it is some table of the bucket. */
const requirementOf = async (
  ctx: Ctx,
  action: string,
  table: TableRecord | undefined,
  named: Loose<TableName>,
): Promise<Requirement> => ({
  action: `s3tables:${action}`,
  resources: [table ? tableArn(table) : `${named.tableBucketARN ?? '*'}/table/*`],
  context: {
    ...(await bucketTags(ctx, bucketOf(table?.bucket ?? named.tableBucketARN))),
    's3tables:namespace': table?.namespace ?? named.namespace,
    's3tables:tableName': table?.name ?? named.name,
  },
})

const onTable =
  (action: string): AccessRule<Loose<TableName>> =>
  async (named, ctx) => {
    const { tableBucketARN = '', namespace = '', name = '' } = named
    const table = await ctx.read((tx) => findTable(tx, { tableBucketARN, namespace, name }))
    return [await requirementOf(ctx, action, table, named)]
  }

const gettingTable: AccessRule<Input<'GetTable'>> = async (input, ctx) => {
  const { tableArn: arn } = input
  if (arn === undefined) return onTable('GetTable')(input, ctx)
  const table = await ctx.read((tx) => findTableByArn(tx, arn))
  return table
    ? [await requirementOf(ctx, 'GetTable', table, {})]
    : [{ action: 's3tables:GetTable', resources: [arn], context: await bucketTags(ctx, bucketOf(arn)) }]
}

const onTagged =
  (action: string): AccessRule<Loose<{ resourceArn: string }>> =>
  async (input, ctx) => {
    const { resourceArn = '*' } = input
    const table = await ctx.read((tx) => findTableByArn(tx, resourceArn))
    const keys = table ? (await requirementOf(ctx, action, table, {})).context : await bucketTags(ctx, resourceArn)
    return [{ action: `s3tables:${action}`, resources: [resourceArn], context: { ...keys, ...requestTags(input) } }]
  }

type Encrypting = { readonly encryptionConfiguration?: Loose<{ sseAlgorithm: string; kmsKeyArn: string }> | undefined }
const encryptionKeys = ({ encryptionConfiguration: asked }: Encrypting): Context => ({
  's3tables:SSEAlgorithm': asked?.sseAlgorithm,
  's3tables:KMSKeyArn': asked?.kmsKeyArn,
})

type Storing = { readonly storageClassConfiguration?: Loose<{ storageClass: string }> | undefined }
const storageKeys = ({ storageClassConfiguration: asked }: Storing): Context => ({
  's3tables:StorageClass': asked?.storageClass,
})

const hasTags = ({ tags }: { readonly tags?: object | undefined }): boolean => Object.keys(tags ?? {}).length > 0

/** What is said of encryption, storage class and tags needs the right to that as well. */
const creatingBucket: AccessRule<Input<'CreateTableBucket'>> = (input, ctx) => {
  const resources = [tableBucketArn(ctx.place, input.name ?? '*')]
  const context = { ...encryptionKeys(input), ...storageKeys(input), ...requestTags(input) }
  return [
    'CreateTableBucket',
    ...(input.encryptionConfiguration ? ['PutTableBucketEncryption'] : []),
    ...(input.storageClassConfiguration ? ['PutTableBucketStorageClass'] : []),
    ...(hasTags(input) ? ['TagResource'] : []),
  ].map((action) => ({ action: `s3tables:${action}`, resources, context }))
}

const creatingTable: AccessRule<Input<'CreateTable'>> = async (input, ctx) => {
  const { tableBucketARN = '*', namespace, name } = input
  const context = {
    ...(await bucketTags(ctx, tableBucketARN)),
    ...encryptionKeys(input),
    ...storageKeys(input),
    ...requestTags(input),
    's3tables:namespace': namespace,
  }
  const onNew = { resources: [`${tableBucketARN}/table/*`], context: { ...context, 's3tables:tableName': name } }
  return [
    { action: 's3tables:CreateTable', resources: [tableBucketARN], context },
    ...[
      ...(input.metadata ? ['PutTableData'] : []),
      ...(input.encryptionConfiguration ? ['PutTableEncryption'] : []),
      ...(input.storageClassConfiguration ? ['PutTableStorageClass'] : []),
      ...(hasTags(input) ? ['TagResource'] : []),
    ].map((action) => ({ action: `s3tables:${action}`, ...onNew })),
  ]
}

const withKeys =
  (action: string, keys: (input: Encrypting & Storing) => Context): AccessRule<OfBucket & Encrypting & Storing> =>
  async (input, ctx) => {
    const [requirement] = (await onBucket(action)(input, ctx)) as readonly Requirement[]
    return requirement ? [{ ...requirement, context: { ...requirement.context, ...keys(input) } }] : []
  }

export const access: AccessRules<NS> = {
  operations: {
    CreateTableBucket: creatingBucket,
    GetTableBucket: onBucket('GetTableBucket'),
    ListTableBuckets: () => [{ action: 's3tables:ListTableBuckets', resources: ['*'] }],
    DeleteTableBucket: onBucket('DeleteTableBucket'),
    GetTableBucketEncryption: onBucket('GetTableBucketEncryption'),
    PutTableBucketEncryption: withKeys('PutTableBucketEncryption', encryptionKeys),
    DeleteTableBucketEncryption: onBucket('DeleteTableBucketEncryption'),
    GetTableBucketStorageClass: onBucket('GetTableBucketStorageClass'),
    PutTableBucketStorageClass: withKeys('PutTableBucketStorageClass', storageKeys),
    GetTableBucketPolicy: onBucket('GetTableBucketPolicy'),
    PutTableBucketPolicy: onBucket('PutTableBucketPolicy'),
    DeleteTableBucketPolicy: onBucket('DeleteTableBucketPolicy'),

    GetTableBucketMaintenanceConfiguration: onBucket('GetTableBucketMaintenanceConfiguration'),
    PutTableBucketMaintenanceConfiguration: onBucket('PutTableBucketMaintenanceConfiguration'),

    CreateNamespace: onBucket('CreateNamespace'),
    GetNamespace: onBucket('GetNamespace'),
    ListNamespaces: onBucket('ListNamespaces'),
    DeleteNamespace: onBucket('DeleteNamespace'),

    CreateTable: creatingTable,
    GetTable: gettingTable,
    ListTables: onBucket('ListTables'),
    DeleteTable: onTable('DeleteTable'),
    RenameTable: onTable('RenameTable'),
    GetTableMetadataLocation: onTable('GetTableMetadataLocation'),
    UpdateTableMetadataLocation: onTable('UpdateTableMetadataLocation'),
    GetTableEncryption: onTable('GetTableEncryption'),
    GetTableStorageClass: onTable('GetTableStorageClass'),
    GetTableMaintenanceConfiguration: onTable('GetTableMaintenanceConfiguration'),
    PutTableMaintenanceConfiguration: onTable('PutTableMaintenanceConfiguration'),
    GetTableMaintenanceJobStatus: onTable('GetTableMaintenanceJobStatus'),
    GetTablePolicy: onTable('GetTablePolicy'),
    PutTablePolicy: onTable('PutTablePolicy'),
    DeleteTablePolicy: onTable('DeleteTablePolicy'),

    TagResource: onTagged('TagResource'),
    UntagResource: onTagged('UntagResource'),
    ListTagsForResource: onTagged('ListTagsForResource'),
  },
  resourcePolicy,
  resourceTags,
}

/** Throws AccessDenied unless the caller may read, or write, the files of a table. */
export const authorizeData = async (
  ctx: Ctx,
  action: 'GetTableData' | 'PutTableData' | 'UpdateTableMetadataLocation',
  table: TableRecord,
): Promise<void> => {
  const { action: name, resources, context = {} } = await requirementOf(ctx, action, table, {})
  const keys = Object.entries(context).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, typeof value === 'string' ? [value] : value] as const],
  )
  for (const resource of resources) await ctx.authorize(name, resource, Object.fromEntries(keys))
}
