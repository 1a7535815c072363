import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import {
  CreateBucketCommand,
  CreateBucketMetadataConfigurationCommand,
  CreateBucketMetadataTableConfigurationCommand,
  DeleteBucketMetadataConfigurationCommand,
  DeleteBucketMetadataTableConfigurationCommand,
  DeleteObjectCommand,
  GetBucketMetadataConfigurationCommand,
  GetBucketMetadataTableConfigurationCommand,
  GetObjectCommand,
  type MetadataConfiguration,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  UpdateBucketMetadataInventoryTableConfigurationCommand,
  UpdateBucketMetadataJournalTableConfigurationCommand,
} from '@aws-sdk/client-s3'
import {
  CreateNamespaceCommand,
  CreateTableBucketCommand,
  DeleteNamespaceCommand,
  DeleteTableCommand,
  GetTableCommand,
  GetTableEncryptionCommand,
  S3TablesClient,
} from '@aws-sdk/client-s3tables'
import { parquetReadObjects } from 'hyparquet'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
let tables: S3TablesClient
let names = 0
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  tables = drydock.client(S3TablesClient)
})
afterAll(() => drydock.close())

const newBucket = async (versioned = false, client = s3): Promise<string> => {
  const Bucket = `observed.${++names}-bucket`
  await client.send(new CreateBucketCommand({ Bucket }))
  const VersioningConfiguration = { Status: 'Enabled' as const }
  if (versioned) await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }))
  return Bucket
}
const journalOnly: MetadataConfiguration = {
  JournalTableConfiguration: { RecordExpiration: { Expiration: 'DISABLED' } },
}
const both: MetadataConfiguration = { ...journalOnly, InventoryTableConfiguration: { ConfigurationState: 'ENABLED' } }
const configure = (Bucket: string, MetadataConfiguration: MetadataConfiguration, client = s3) =>
  client.send(new CreateBucketMetadataConfigurationCommand({ Bucket, MetadataConfiguration }))
const configurationOf = async (Bucket: string, client = s3) => {
  const { GetBucketMetadataConfigurationResult: result } = await client.send(
    new GetBucketMetadataConfigurationCommand({ Bucket }),
  )
  return result?.MetadataConfigurationResult
}
const put = (Bucket: string, Key: string, more: object = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body: Key, ...more }))

const bytesOf = async (uri: string, client = s3): Promise<Uint8Array> => {
  const [, Bucket, Key] = /^s3:\/\/([^/]+)\/(.*)$/.exec(uri) ?? []
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
  return (await Body?.transformToByteArray()) ?? new Uint8Array()
}
type Row = Record<string, unknown>
type Iceberg = { readonly snapshots: readonly { 'manifest-list': string; summary: Record<string, string> }[] }

/** What a query of the table would give: the files that its last snapshot has. */
const rowsOf = async (tableArn: string | undefined, seen = { s3, tables }): Promise<Row[]> => {
  const { readAvro } = await import('../s3tables/iceberg/avro.ts')
  const { metadataLocation = '' } = await seen.tables.send(new GetTableCommand({ tableArn }))
  const metadata = JSON.parse(Buffer.from(await bytesOf(metadataLocation, seen.s3)).toString()) as Iceberg
  const snapshot = metadata.snapshots.at(-1)
  const rows: Row[] = []
  const lists = snapshot ? readAvro(await bytesOf(snapshot['manifest-list'], seen.s3)) : []
  for (const { manifest_path: manifest } of lists)
    for (const { status, data_file: file } of readAvro(await bytesOf(String(manifest), seen.s3))) {
      if (status === 2) continue
      const bytes = await bytesOf(String((file as { file_path: string }).file_path), seen.s3)
      const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
      rows.push(...((await parquetReadObjects({ file: buffer })) as Row[]))
    }
  return rows.toSorted((a, b) => (String(a.sequence_number) < String(b.sequence_number) ? -1 : 1))
}
const journalOf = async (Bucket: string) =>
  rowsOf((await configurationOf(Bucket))?.JournalTableConfigurationResult?.TableArn)
const inventoryOf = async (Bucket: string) =>
  rowsOf((await configurationOf(Bucket))?.InventoryTableConfigurationResult?.TableArn)

test('the journal has every change, each once, in order', async () => {
  const Bucket = await newBucket(true)
  await put(Bucket, 'before')
  await configure(Bucket, journalOnly)
  await drydock.settled()
  const { VersionId } = await put(Bucket, 'one', { StorageClass: 'STANDARD_IA', Metadata: { a: 'b' }, Tagging: 'x=1' })
  const TagSet = [{ Key: 'x', Value: '2' }]
  await s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'one', Tagging: { TagSet } }))
  const marker = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'one' }))
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'one', VersionId }))
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'one', VersionId: marker.VersionId }))
  await drydock.advance({ minutes: 2 })
  const state = await configurationOf(Bucket)
  expect(state).toMatchObject({
    DestinationResult: {
      TableBucketType: 'aws',
      TableBucketArn: `arn:aws:s3tables:us-east-1:${drydock.account}:bucket/aws-s3`,
      TableNamespace: `b_${Bucket.replace('.', '_')}`,
    },
    JournalTableConfigurationResult: { TableStatus: 'ACTIVE', TableName: 'journal' },
    InventoryTableConfigurationResult: { ConfigurationState: 'DISABLED' },
  })
  const rows = await journalOf(Bucket)
  expect(rows.map(({ record_type: type, is_delete_marker: marked }) => [type, marked])).toEqual([
    ['CREATE', false],
    ['UPDATE_METADATA', false],
    ['DELETE', true],
    ['DELETE', null],
    ['DELETE', null],
  ])
  expect(rows[0]).toMatchObject({
    bucket: Bucket,
    key: 'one',
    version_id: VersionId,
    size: 3n,
    storage_class: 'STANDARD_IA',
    is_multipart: false,
    encryption_status: 'SSE-S3',
    object_tags: { x: '1' },
    user_metadata: { a: 'b' },
    requester: drydock.account,
    source_ip_address: '127.0.0.1',
  })
  expect(rows[1]).toMatchObject({ object_tags: { x: '2' } })
  expect(rows[3]).toMatchObject({
    version_id: VersionId,
    size: null,
    requester: null,
    object_tags: null,
  })

  await put(Bucket, 'two')
  await drydock.advance({ minutes: 2 })
  expect((await journalOf(Bucket)).map(({ key }) => key)).toEqual(['one', 'one', 'one', 'one', 'one', 'two'])
})

test('many small files become one, and nothing is lost in it', async () => {
  const Bucket = await newBucket()
  await configure(Bucket, journalOnly)
  const keys = Array.from({ length: 4 }, (_, at) => `key-${at}`)
  for (const key of keys) {
    await put(Bucket, key, { Tagging: 'a=b', Metadata: { c: 'd' } })
    await drydock.advance({ minutes: 2 })
  }
  const before = await journalOf(Bucket)
  expect(before.map(({ key }) => key)).toEqual(keys)
  await drydock.advance({ days: 2 })
  expect(await journalOf(Bucket)).toEqual(before)
  const journal = (await configurationOf(Bucket))?.JournalTableConfigurationResult
  const { metadataLocation = '' } = await tables.send(new GetTableCommand({ tableArn: journal?.TableArn }))
  const { snapshots } = JSON.parse(Buffer.from(await bytesOf(metadataLocation)).toString()) as Iceberg
  expect(snapshots.at(-1)?.summary).toMatchObject({ 'total-data-files': '1', 'total-records': '4' })
})

test('changes that were not delivered yet are, after a restart, each once', async () => {
  let durable = await story({ durable: true })
  const client = durable.client(S3Client)
  const Bucket = 'lasting'
  await client.send(new CreateBucketCommand({ Bucket }))
  await configure(Bucket, both, client)
  for (const Key of ['one', 'two']) await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }))
  durable = await durable.restart()
  await durable.advance({ minutes: 30 })
  const state = await configurationOf(Bucket, durable.client(S3Client))
  const seen = { s3: durable.client(S3Client), tables: durable.client(S3TablesClient) }
  const keysOf = async (arn: string | undefined) => (await rowsOf(arn, seen)).map(({ key }) => key).toSorted()
  expect(await keysOf(state?.JournalTableConfigurationResult?.TableArn)).toEqual(['one', 'two'])
  expect(await keysOf(state?.InventoryTableConfigurationResult?.TableArn)).toEqual(['one', 'two'])
  await durable.close()
})

test('what S3 does by itself is in the journal under its own name', async () => {
  const Bucket = await newBucket(true)
  await configure(Bucket, journalOnly)
  await put(Bucket, 'old')
  const rule = { ID: 'gone', Status: 'Enabled' as const, Filter: { Prefix: '' }, Expiration: { Days: 1 } }
  await s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [rule] } }))
  await drydock.advance({ days: 3 })
  const rows = await journalOf(Bucket)
  expect(rows.at(-1)).toMatchObject({
    record_type: 'DELETE',
    is_delete_marker: true,
    requester: 's3.amazonaws.com',
    source_ip_address: null,
  })
})

test('the inventory is filled with what was there, and kept', async () => {
  const Bucket = await newBucket(true)
  await put(Bucket, 'a')
  await put(Bucket, 'b')
  await put(Bucket, 'b')
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'a' }))
  await configure(Bucket, both)
  await drydock.settled()
  const filled = await configurationOf(Bucket)
  expect(filled?.InventoryTableConfigurationResult).toMatchObject({
    ConfigurationState: 'ENABLED',
    TableStatus: 'ACTIVE',
    TableName: 'inventory',
  })
  const shown = async () =>
    (await inventoryOf(Bucket))
      .map(({ key, is_delete_marker: marker }) => `${key}${marker ? ' (marker)' : ''}`)
      .toSorted()
  expect(await shown()).toEqual(['a', 'a (marker)', 'b', 'b'])
  await put(Bucket, 'c\u{10000}\0d')
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'a' }))
  await drydock.advance({ minutes: 30 })
  expect(await shown()).toEqual(['a', 'a (marker)', 'a (marker)', 'b', 'b', 'c\u{10000}\0d'])
  const rows = await inventoryOf(Bucket)
  expect(rows.find(({ key }) => String(key).startsWith('c'))).toMatchObject({
    checksum_algorithm: 'CRC32',
    object_tags: {},
  })
  expect(Object.keys(rows[0] ?? {})).not.toContain('record_type')
})

test('an inventory can be had later, and given up', async () => {
  const Bucket = await newBucket()
  await put(Bucket, 'a')
  await configure(Bucket, journalOnly)
  const update = (ConfigurationState: 'ENABLED' | 'DISABLED') =>
    s3.send(
      new UpdateBucketMetadataInventoryTableConfigurationCommand({
        Bucket,
        InventoryTableConfiguration: { ConfigurationState },
      }),
    )
  await update('ENABLED')
  await drydock.settled()
  expect((await inventoryOf(Bucket)).map(({ key, version_id: version }) => [key, version])).toEqual([['a', null]])
  await update('DISABLED')
  await put(Bucket, 'b')
  await drydock.advance({ hours: 1 })
  expect((await inventoryOf(Bucket)).map(({ key }) => key)).toEqual(['a'])
  // The old table must be gone before there is another.
  await update('ENABLED')
  await drydock.settled()
  expect((await configurationOf(Bucket))?.InventoryTableConfigurationResult).toMatchObject({
    TableStatus: 'FAILED',
    Error: { ErrorCode: 'InventoryTableAlreadyExists' },
  })
  expect((await configurationOf(Bucket))?.JournalTableConfigurationResult).toMatchObject({ TableStatus: 'ACTIVE' })
  const { DestinationResult } = (await configurationOf(Bucket)) ?? {}
  const old = { tableBucketARN: DestinationResult?.TableBucketArn, namespace: DestinationResult?.TableNamespace }
  await tables.send(new DeleteTableCommand({ ...old, name: 'inventory' }))
  await update('DISABLED')
  await update('ENABLED')
  await drydock.settled()
  await put(Bucket, 'c')
  await drydock.advance({ hours: 1 })
  expect((await inventoryOf(Bucket)).map(({ key }) => key).toSorted()).toEqual(['a', 'b', 'c'])
})

test('records of the journal expire after their days', async () => {
  const Bucket = await newBucket()
  await configure(Bucket, journalOnly)
  await put(Bucket, 'early')
  await drydock.advance({ days: 5 })
  await put(Bucket, 'late')
  const keep = (Days: number | undefined, Expiration: 'ENABLED' | 'DISABLED' = 'ENABLED') =>
    s3.send(
      new UpdateBucketMetadataJournalTableConfigurationCommand({
        Bucket,
        JournalTableConfiguration: { RecordExpiration: { Expiration, Days } },
      }),
    )
  await expect(keep(6)).rejects.toMatchObject({ name: 'InvalidRequest' })
  await expect(keep(undefined)).rejects.toMatchObject({ name: 'InvalidRequest' })
  await keep(7)
  await drydock.advance({ days: 4 })
  expect((await journalOf(Bucket)).map(({ key }) => key)).toEqual(['late'])
  const state = await configurationOf(Bucket)
  expect(state?.JournalTableConfigurationResult?.RecordExpiration).toEqual({ Expiration: 'ENABLED', Days: 7 })
})

test('users read metadata tables, and only S3 writes them', async () => {
  const Bucket = await newBucket()
  await configure(Bucket, journalOnly)
  await drydock.settled()
  const { DestinationResult, JournalTableConfigurationResult: journal } = (await configurationOf(Bucket)) ?? {}
  const tableBucketARN = DestinationResult?.TableBucketArn
  const namespace = DestinationResult?.TableNamespace
  const table = await tables.send(new GetTableCommand({ tableArn: journal?.TableArn }))
  expect(table).toMatchObject({ type: 'aws', managedByService: 'metadata.s3.amazonaws.com', namespace: [namespace] })
  const store = table.warehouseLocation?.slice('s3://'.length)
  await expect(s3.send(new PutObjectCommand({ Bucket: store, Key: 'data/x', Body: 'x' }))).rejects.toMatchObject({
    name: 'AccessDenied',
  })
  const forbidden = { name: 'ForbiddenException' }
  await expect(tables.send(new CreateNamespaceCommand({ tableBucketARN, namespace: ['mine'] }))).rejects.toMatchObject(
    forbidden,
  )
  await expect(tables.send(new DeleteNamespaceCommand({ tableBucketARN, namespace: 'b_none' }))).rejects.toMatchObject(
    forbidden,
  )
  await expect(tables.send(new CreateTableBucketCommand({ name: 'aws-s3' }))).rejects.toMatchObject({
    name: 'BadRequestException',
  })

  // Deleted, it is told to be gone at the next change.
  await tables.send(new DeleteTableCommand({ tableBucketARN, namespace, name: 'journal' }))
  await put(Bucket, 'one')
  await drydock.advance({ minutes: 2 })
  expect((await configurationOf(Bucket))?.JournalTableConfigurationResult).toMatchObject({
    TableStatus: 'FAILED',
    Error: { ErrorCode: 'DestinationTableNotFound' },
  })
})

test('a configuration is one, goes, and comes again only once its tables are gone', async () => {
  const Bucket = await newBucket()
  await expect(configurationOf(Bucket)).rejects.toMatchObject({
    name: 'MetadataConfigurationNotFound',
    $metadata: { httpStatusCode: 404 },
  })
  await configure(Bucket, both)
  await expect(configure(Bucket, both)).rejects.toMatchObject({ $metadata: { httpStatusCode: 409 } })
  await drydock.settled()
  await s3.send(new DeleteBucketMetadataConfigurationCommand({ Bucket }))
  await configure(Bucket, both)
  await drydock.settled()
  expect(await configurationOf(Bucket)).toMatchObject({
    JournalTableConfigurationResult: { TableStatus: 'FAILED', Error: { ErrorCode: 'JournalTableAlreadyExists' } },
    InventoryTableConfigurationResult: { TableStatus: 'FAILED', Error: { ErrorCode: 'JournalTableNotAvailable' } },
  })
  for (const MetadataConfiguration of [
    { JournalTableConfiguration: { RecordExpiration: { Expiration: 'ENABLED' as const, Days: 3 } } },
    {
      JournalTableConfiguration: {
        RecordExpiration: { Expiration: 'DISABLED' as const },
        EncryptionConfiguration: { SseAlgorithm: 'aws:kms' as const },
      },
    },
  ])
    await expect(configure(await newBucket(), MetadataConfiguration)).rejects.toMatchObject({ name: 'InvalidRequest' })
  const annotated = { ...journalOnly, AnnotationTableConfiguration: { ConfigurationState: 'ENABLED' as const } }
  await expect(configure(await newBucket(), annotated)).rejects.toMatchObject({ $metadata: { httpStatusCode: 501 } })
})

test('tables are made with the rights of who asks, and written with S3 Metadata’s to the key', async () => {
  const Bucket = await newBucket()
  const configurer = await drydock.user('configurer', [allow('s3:CreateBucketMetadataTableConfiguration')])
  await configure(Bucket, journalOnly, drydock.client(S3Client, configurer))
  expect((await configurationOf(Bucket))?.JournalTableConfigurationResult).toMatchObject({
    TableStatus: 'FAILED',
    Error: { ErrorCode: 'AccessDeniedCreatingResources' },
  })

  const encrypted = async (Policy?: string) => {
    const { KeyMetadata } = await drydock.client(KMSClient).send(new CreateKeyCommand({ Policy }))
    const sealed = await newBucket()
    const EncryptionConfiguration = { SseAlgorithm: 'aws:kms' as const, KmsKeyArn: KeyMetadata?.Arn }
    await configure(sealed, {
      JournalTableConfiguration: { RecordExpiration: { Expiration: 'DISABLED' }, EncryptionConfiguration },
    })
    await put(sealed, 'one')
    await drydock.advance({ minutes: 2 })
    return { sealed, arn: KeyMetadata?.Arn, ...(await configurationOf(sealed)) }
  }
  const owner = { Effect: 'Allow', Principal: { AWS: drydock.account }, Action: 'kms:*', Resource: '*' }
  const service = {
    Effect: 'Allow',
    Principal: { Service: ['metadata.s3.amazonaws.com', 'maintenance.s3tables.amazonaws.com'] },
    Action: ['kms:GenerateDataKey', 'kms:Decrypt'],
    Resource: '*',
  }
  const shut = await encrypted()
  expect(shut.JournalTableConfigurationResult).toMatchObject({
    TableStatus: 'FAILED',
    Error: { ErrorCode: 'AccessDeniedWritingToTable' },
  })
  const open = await encrypted(JSON.stringify({ Version: '2012-10-17', Statement: [owner, service] }))
  expect(open.JournalTableConfigurationResult).toMatchObject({ TableStatus: 'ACTIVE' })
  expect((await journalOf(open.sealed)).map(({ key }) => key)).toEqual(['one'])
  const { encryptionConfiguration } = await tables.send(
    new GetTableEncryptionCommand({
      tableBucketARN: open.DestinationResult?.TableBucketArn,
      namespace: open.DestinationResult?.TableNamespace,
      name: 'journal',
    }),
  )
  expect(encryptionConfiguration).toEqual({ sseAlgorithm: 'aws:kms', kmsKeyArn: open.arn })
})

test('the first version keeps its table in a table bucket of one’s own', async () => {
  const Bucket = await newBucket()
  const { arn: TableBucketArn = '' } = await tables.send(new CreateTableBucketCommand({ name: 'my-metadata' }))
  const begin = (S3TablesDestination: { TableBucketArn: string; TableName: string }, bucket = Bucket) =>
    s3.send(
      new CreateBucketMetadataTableConfigurationCommand({
        Bucket: bucket,
        MetadataTableConfiguration: { S3TablesDestination },
      }),
    )
  await begin({ TableBucketArn, TableName: 'changes' })
  await put(Bucket, 'one')
  await drydock.advance({ minutes: 2 })
  const { GetBucketMetadataTableConfigurationResult: result } = await s3.send(
    new GetBucketMetadataTableConfigurationCommand({ Bucket }),
  )
  expect(result).toMatchObject({
    Status: 'ACTIVE',
    MetadataTableConfigurationResult: {
      S3TablesDestinationResult: { TableBucketArn, TableName: 'changes', TableNamespace: 'aws_s3_metadata' },
    },
  })
  expect((await configurationOf(Bucket))?.DestinationResult?.TableBucketType).toBe('customer')
  expect((await journalOf(Bucket)).map(({ key }) => key)).toEqual(['one'])

  const other = await newBucket()
  await begin({ TableBucketArn: `${TableBucketArn}-none`, TableName: 'changes' }, other)
  await drydock.settled()
  expect((await configurationOf(other))?.JournalTableConfigurationResult).toMatchObject({
    TableStatus: 'FAILED',
    Error: { ErrorCode: 'TableBucketNotFound' },
  })
  const notAllowed = { $metadata: { httpStatusCode: 405 } }
  const second = await newBucket()
  await configure(second, journalOnly)
  await expect(s3.send(new GetBucketMetadataTableConfigurationCommand({ Bucket: second }))).rejects.toMatchObject(
    notAllowed,
  )
  await expect(s3.send(new DeleteBucketMetadataTableConfigurationCommand({ Bucket: second }))).rejects.toMatchObject(
    notAllowed,
  )
  await s3.send(new DeleteBucketMetadataTableConfigurationCommand({ Bucket }))
  await expect(configurationOf(Bucket)).rejects.toMatchObject({ name: 'MetadataConfigurationNotFound' })
})
