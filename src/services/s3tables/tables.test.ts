import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { CreateAccessPointCommand } from '@aws-sdk/client-s3-control'
import {
  CreateNamespaceCommand,
  CreateTableBucketCommand,
  CreateTableCommand,
  DeleteNamespaceCommand,
  DeleteTableBucketCommand,
  DeleteTableBucketEncryptionCommand,
  DeleteTableCommand,
  DeleteTablePolicyCommand,
  GetNamespaceCommand,
  GetTableBucketCommand,
  GetTableBucketEncryptionCommand,
  GetTableCommand,
  GetTableEncryptionCommand,
  GetTableMetadataLocationCommand,
  GetTablePolicyCommand,
  GetTableStorageClassCommand,
  ListNamespacesCommand,
  ListTableBucketsCommand,
  ListTablesCommand,
  ListTagsForResourceCommand,
  PutTableBucketEncryptionCommand,
  PutTableBucketPolicyCommand,
  PutTableBucketStorageClassCommand,
  PutTablePolicyCommand,
  RenameTableCommand,
  S3TablesClient,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateTableMetadataLocationCommand,
} from '@aws-sdk/client-s3tables'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { s3Control } from '../../../test/s3-hosts.ts'
import { allow, type Story, story } from '../../../test/story.ts'
import { amzDate, sign, signingKey } from '../../kernel/signature.ts'

let drydock: Story
let tables: S3TablesClient
let s3: S3Client
let names = 0
beforeAll(async () => {
  drydock = await story()
  tables = drydock.client(S3TablesClient)
  s3 = drydock.client(S3Client)
})
afterAll(() => drydock.close())

/** A table bucket of this test's own, gone when it is over: an account has ten. */
const inBucket = async (run: (arn: string) => Promise<void>): Promise<void> => {
  const { arn = '' } = await tables.send(new CreateTableBucketCommand({ name: `lake-${++names}` }))
  await run(arn)
  for (const { namespace = [], name } of (await tables.send(new ListTablesCommand({ tableBucketARN: arn }))).tables ??
    [])
    await tables.send(new DeleteTableCommand({ tableBucketARN: arn, namespace: namespace[0], name }))
  const { namespaces = [] } = await tables.send(new ListNamespacesCommand({ tableBucketARN: arn }))
  for (const { namespace = [] } of namespaces)
    await tables.send(new DeleteNamespaceCommand({ tableBucketARN: arn, namespace: namespace[0] }))
  await tables.send(new DeleteTableBucketCommand({ tableBucketARN: arn }))
}
const namespaceIn = (tableBucketARN: string, name = 'sales') =>
  tables.send(new CreateNamespaceCommand({ tableBucketARN, namespace: [name] }))
const fields = [
  { name: 'id', type: 'long', required: true },
  { name: 'price', type: 'decimal(9,2)' },
]
const tableIn = (tableBucketARN: string, name = 'orders', more: object = {}) =>
  tables.send(
    new CreateTableCommand({
      ...{ tableBucketARN, namespace: 'sales', name, format: 'ICEBERG' },
      metadata: { iceberg: { schema: { fields } } },
      ...more,
    }),
  )
const storeOf = async (tableArn: string | undefined) =>
  (await tables.send(new GetTableCommand({ tableArn }))).warehouseLocation?.slice('s3://'.length) ?? ''
const text = async (Bucket: string, Key: string, client = s3) =>
  (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()

/** Uploads by a signed HTML form; its answer. */
const postForm = async (bucket: string): Promise<string> => {
  const time = amzDate(Date.now())
  const scope = { date: time.slice(0, 8), region: drydock.region, service: 's3' }
  const signing = {
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${drydock.root.accessKeyId}/${scope.date}/${scope.region}/s3/aws4_request`,
    'X-Amz-Date': time,
  }
  const conditions = [{ bucket }, ['starts-with', '$key', ''], ...Object.entries(signing).map(([k, v]) => ({ [k]: v }))]
  const expiration = new Date(Date.now() + 600_000).toISOString()
  const Policy = Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64')
  const signature = sign(signingKey(drydock.root.secretAccessKey, scope), Policy)
  const form = new FormData()
  for (const [name, value] of Object.entries({ key: 'data/x', ...signing, Policy, 'X-Amz-Signature': signature }))
    form.append(name, value)
  form.append('file', new Blob(['rows']), 'x')
  return (await fetch(`${drydock.endpoint}/${bucket}`, { method: 'POST', body: form })).text()
}

test('table buckets are made, found and deleted; names are an account’s in a Region', () =>
  inBucket(async (arn) => {
    const { name, type, ownerAccountId, tableBucketId } = await tables.send(
      new GetTableBucketCommand({ tableBucketARN: arn }),
    )
    expect({ type, ownerAccountId }).toEqual({ type: 'customer', ownerAccountId: drydock.account })
    expect(tableBucketId).toMatch(/^[0-9a-f-]{36}$/)
    await expect(tables.send(new CreateTableBucketCommand({ name }))).rejects.toMatchObject({
      name: 'ConflictException',
      $metadata: { httpStatusCode: 409 },
    })
    for (const wrong of ['aws-lake', '-lake', 'lake--table-s3'])
      await expect(tables.send(new CreateTableBucketCommand({ name: wrong }))).rejects.toMatchObject({
        name: 'BadRequestException',
      })
    const elsewhere = drydock.client(S3TablesClient, undefined, 'eu-west-1')
    const there = await elsewhere.send(new CreateTableBucketCommand({ name }))
    expect(there.arn).toContain(':eu-west-1:')
    await expect(elsewhere.send(new GetTableBucketCommand({ tableBucketARN: arn }))).rejects.toMatchObject({
      name: 'NotFoundException',
      message: 'The specified bucket does not exist.',
    })
    const { tableBuckets } = await elsewhere.send(new ListTableBucketsCommand({ prefix: 'lake-' }))
    expect(tableBuckets?.map((each) => each.arn)).toEqual([there.arn])
    await elsewhere.send(new DeleteTableBucketCommand({ tableBucketARN: there.arn }))
  }))

test('namespaces hold tables, and go only when they are empty', () =>
  inBucket(async (tableBucketARN) => {
    await namespaceIn(tableBucketARN)
    await expect(namespaceIn(tableBucketARN)).rejects.toMatchObject({ name: 'ConflictException' })
    await expect(namespaceIn(tableBucketARN, 'aws_s3_metadata')).rejects.toMatchObject({ name: 'BadRequestException' })
    await expect(namespaceIn(tableBucketARN, 'sales_')).rejects.toMatchObject({ name: 'BadRequestException' })
    await tableIn(tableBucketARN)
    const found = await tables.send(new GetNamespaceCommand({ tableBucketARN, namespace: 'sales' }))
    expect(found).toMatchObject({ namespace: ['sales'], createdBy: drydock.account })
    await expect(tables.send(new DeleteNamespaceCommand({ tableBucketARN, namespace: 'sales' }))).rejects.toMatchObject(
      { name: 'ConflictException' },
    )
    await expect(tables.send(new DeleteTableBucketCommand({ tableBucketARN }))).rejects.toMatchObject({
      name: 'ConflictException',
    })
    await namespaceIn(tableBucketARN, 'stock')
    const { namespaces, continuationToken } = await tables.send(
      new ListNamespacesCommand({ tableBucketARN, maxNamespaces: 1 }),
    )
    expect(namespaces?.map(({ namespace }) => namespace)).toEqual([['sales']])
    const rest = await tables.send(new ListNamespacesCommand({ tableBucketARN, continuationToken }))
    expect(rest.namespaces?.map(({ namespace }) => namespace)).toEqual([['stock']])
    await expect(
      tables.send(new ListNamespacesCommand({ tableBucketARN, continuationToken: 'no token' })),
    ).rejects.toMatchObject({ name: 'BadRequestException' })
  }))

test('a table begins with real metadata in its own place in S3', () =>
  inBucket(async (tableBucketARN) => {
    await namespaceIn(tableBucketARN)
    const { tableARN, versionToken } = await tableIn(tableBucketARN, 'orders', {
      metadata: {
        iceberg: {
          schemaV2: {
            type: 'struct',
            fields: [
              { id: 7, name: 'id', type: 'long', required: true },
              {
                id: 8,
                name: 'lines',
                required: false,
                type: { type: 'list', 'element-id': 9, element: 'string', 'element-required': false },
              },
            ],
          },
          partitionSpec: { fields: [{ sourceId: 7, transform: 'bucket[16]', name: 'id_bucket' }] },
          writeOrder: {
            orderId: 1,
            fields: [{ sourceId: 7, transform: 'identity', direction: 'desc', nullOrder: 'nulls-last' }],
          },
          properties: { owner: 'sales' },
        },
      },
    })
    const table = await tables.send(new GetTableCommand({ tableArn: tableARN }))
    expect(table).toMatchObject({
      name: 'orders',
      namespace: ['sales'],
      type: 'customer',
      versionToken,
      format: 'ICEBERG',
    })
    const { warehouseLocation = '', metadataLocation = '' } = table
    expect(warehouseLocation).toMatch(/^s3:\/\/[a-z0-9-]{53}--table-s3$/)
    const metadata = await text(await storeOf(tableARN), metadataLocation.slice(warehouseLocation.length + 1))
    expect(JSON.parse(metadata ?? '')).toMatchObject({
      'format-version': 2,
      location: warehouseLocation,
      schemas: [
        {
          fields: [
            { id: 1, name: 'id', required: true },
            { id: 2, type: { 'element-id': 3 } },
          ],
        },
      ],
      'partition-specs': [{ fields: [{ 'source-id': 1, 'field-id': 1000, transform: 'bucket[16]' }] }],
      'sort-orders': [{ 'order-id': 1, fields: [{ 'source-id': 1, direction: 'desc' }] }],
      properties: { owner: 'sales' },
    })
    const bare = await tableIn(tableBucketARN, 'bare', { metadata: undefined })
    expect((await tables.send(new GetTableCommand({ tableArn: bare.tableARN }))).metadataLocation).toBeUndefined()
    const wrong = { iceberg: { schema: { fields: [{ name: 'id', type: 'number' }] } } }
    await expect(tableIn(tableBucketARN, 'wrong', { metadata: wrong })).rejects.toMatchObject({
      name: 'BadRequestException',
    })
    await expect(tableIn(tableBucketARN, 'orders')).rejects.toMatchObject({ name: 'ConflictException' })
    const { tables: listed } = await tables.send(new ListTablesCommand({ tableBucketARN, prefix: 'b' }))
    expect(listed?.map(({ name }) => name)).toEqual(['bare'])
  }))

test('tables move by name and namespace; a token that is not the present one’s changes nothing', () =>
  inBucket(async (tableBucketARN) => {
    await namespaceIn(tableBucketARN)
    await namespaceIn(tableBucketARN, 'archive')
    const { tableARN, versionToken } = await tableIn(tableBucketARN)
    const named = { tableBucketARN, namespace: 'sales', name: 'orders' }
    await expect(
      tables.send(new RenameTableCommand({ ...named, newName: 'bills', versionToken: 'another' })),
    ).rejects.toMatchObject({ name: 'ConflictException' })
    await tables.send(new RenameTableCommand({ ...named, newName: 'bills', newNamespaceName: 'archive', versionToken }))
    const moved = await tables.send(new GetTableCommand({ tableArn: tableARN }))
    expect(moved).toMatchObject({ namespace: ['archive'], name: 'bills' })
    expect(moved.versionToken).not.toBe(versionToken)
    await expect(tables.send(new GetTableCommand(named))).rejects.toMatchObject({
      name: 'NotFoundException',
      message: 'The specified table does not exist.',
    })
    await expect(tables.send(new GetTableCommand({ ...named, tableArn: tableARN }))).rejects.toMatchObject({
      name: 'BadRequestException',
    })
    const now = { tableBucketARN, namespace: 'archive', name: 'bills' }
    await expect(tables.send(new DeleteTableCommand({ ...now, versionToken }))).rejects.toMatchObject({
      name: 'ConflictException',
    })
  }))

test('metadata move to a file of the table’s own, one writer at a time', () =>
  inBucket(async (tableBucketARN) => {
    await namespaceIn(tableBucketARN)
    const { tableARN } = await tableIn(tableBucketARN)
    const named = { tableBucketARN, namespace: 'sales', name: 'orders' }
    const Bucket = await storeOf(tableARN)
    const { versionToken } = await tables.send(new GetTableMetadataLocationCommand(named))
    const move = (metadataLocation: string, token = versionToken) =>
      tables.send(new UpdateTableMetadataLocationCommand({ ...named, metadataLocation, versionToken: token }))
    const location = `s3://${Bucket}/metadata/mine.metadata.json`
    await expect(move(location)).rejects.toMatchObject({ name: 'BadRequestException' })
    await s3.send(new PutObjectCommand({ Bucket, Key: 'metadata/mine.metadata.json', Body: '{}' }))
    for (const wrong of ['s3://elsewhere/metadata/mine.metadata.json', `s3://${Bucket}/metadata/mine.json`])
      await expect(move(wrong)).rejects.toMatchObject({ name: 'BadRequestException' })
    const moved = await move(location)
    expect(moved).toMatchObject({ name: 'orders', metadataLocation: location })
    await expect(move(location)).rejects.toMatchObject({ name: 'ConflictException' })
    expect(await tables.send(new GetTableMetadataLocationCommand(named))).toMatchObject({
      metadataLocation: location,
      versionToken: moved.versionToken,
    })
  }))

test('rights to a table’s data open its files, and few operations reach them', () =>
  inBucket(async (tableBucketARN) => {
    await namespaceIn(tableBucketARN)
    const { tableARN = '' } = await tableIn(tableBucketARN)
    const Bucket = await storeOf(tableARN)
    const object = { Bucket, Key: 'data/one.parquet' }
    const clientOf = async (name: string, ...policies: object[]) =>
      drydock.client(S3Client, await drydock.user(`${name}-${names}`, policies))
    const reader = await clientOf('reader', allow('s3tables:GetTableData', tableARN))
    const writer = await clientOf(
      'writer',
      allow('s3tables:PutTableData', `${tableBucketARN}/table/*`, { StringEquals: { 's3tables:tableName': 'orders' } }),
    )
    // Rights to S3's objects do not open tables.
    const outsider = await clientOf('outsider', allow('s3:*'))
    await writer.send(new PutObjectCommand({ ...object, Body: 'rows' }))
    expect(await text(Bucket, object.Key, reader)).toBe('rows')
    expect(await reader.send(new HeadObjectCommand(object))).toMatchObject({ ContentLength: 4 })
    for (const refused of [
      writer.send(new GetObjectCommand(object)),
      reader.send(new PutObjectCommand({ ...object, Body: 'x' })),
      outsider.send(new GetObjectCommand(object)),
    ])
      await expect(refused).rejects.toMatchObject({ name: 'AccessDenied', $metadata: { httpStatusCode: 403 } })

    const { UploadId } = await writer.send(new CreateMultipartUploadCommand({ ...object, Key: 'data/two' }))
    const part = { Bucket, Key: 'data/two', UploadId, PartNumber: 1 }
    const { ETag } = await writer.send(new UploadPartCommand({ ...part, Body: 'parts' }))
    await writer.send(
      new CompleteMultipartUploadCommand({ ...part, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }),
    )
    expect(await text(Bucket, 'data/two')).toBe('parts')
    const begun = await writer.send(new CreateMultipartUploadCommand({ ...object, Key: 'data/three' }))
    await writer.send(new AbortMultipartUploadCommand({ Bucket, Key: 'data/three', UploadId: begun.UploadId }))

    const root = [
      s3.send(new ListObjectsV2Command({ Bucket })),
      s3.send(new DeleteObjectCommand(object)),
      s3.send(new PutBucketPolicyCommand({ Bucket, Policy: '{}' })),
      s3.send(new CopyObjectCommand({ Bucket: 'anywhere', Key: 'x', CopySource: `${Bucket}/data/two` })),
    ]
    for (const refused of await Promise.allSettled(root))
      expect(refused).toMatchObject({ status: 'rejected', reason: { name: 'MethodNotAllowed' } })
    expect((await s3.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).not.toContain(Bucket)

    await expect(reader.send(new GetObjectCommand({ Bucket, Key: 'data/none' }))).rejects.toMatchObject({
      name: 'AccessDenied',
    })
    await expect(s3.send(new GetObjectCommand({ Bucket, Key: 'data/none' }))).rejects.toMatchObject({
      name: 'NoSuchKey',
    })
    // Neither do other doors lead there.
    const point = { AccountId: drydock.account, Name: `door-${names}`, Bucket }
    await expect(s3Control(drydock).send(new CreateAccessPointCommand(point))).rejects.toMatchObject({
      name: 'InvalidRequest',
    })
    expect(await postForm(Bucket)).toContain('<Code>AccessDenied</Code>')

    await tables.send(new DeleteTableCommand({ tableBucketARN, namespace: 'sales', name: 'orders' }))
    await expect(s3.send(new GetObjectCommand(object))).rejects.toMatchObject({ name: 'NoSuchBucket' })
  }))

test('policies of buckets and tables decide, those of the bucket over its tables too', () =>
  inBucket(async (tableBucketARN) => {
    await namespaceIn(tableBucketARN)
    const { tableARN = '' } = await tableIn(tableBucketARN)
    const named = { tableBucketARN, namespace: 'sales', name: 'orders' }
    const guest = drydock.client(S3TablesClient, await drydock.user(`guest-${names}`))
    const Principal = { AWS: `arn:aws:iam::${drydock.account}:user/guest-${names}` }
    const policy = (statement: object) =>
      JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal, ...statement }] })
    const look = () => guest.send(new GetTableCommand(named))
    await expect(look()).rejects.toMatchObject({ name: 'AccessDeniedException' })
    const resourcePolicy = policy({ Action: 's3tables:GetTable', Resource: tableARN })
    await tables.send(new PutTablePolicyCommand({ ...named, resourcePolicy }))
    expect(await look()).toMatchObject({ name: 'orders' })
    expect(await tables.send(new GetTablePolicyCommand(named))).toMatchObject({ resourcePolicy })
    await tables.send(new DeleteTablePolicyCommand(named))
    await expect(tables.send(new GetTablePolicyCommand(named))).rejects.toMatchObject({ name: 'NotFoundException' })
    await expect(look()).rejects.toMatchObject({ name: 'AccessDeniedException' })
    const ofTables = policy({ Action: 's3tables:GetTable', Resource: `${tableBucketARN}/table/*` })
    await tables.send(new PutTableBucketPolicyCommand({ tableBucketARN, resourcePolicy: ofTables }))
    expect(await look()).toMatchObject({ name: 'orders' })
    for (const wrong of [
      'no JSON',
      policy({ Action: 's3:GetObject', Resource: tableARN }),
      policy({ Action: 's3tables:GetTable', Resource: 'arn:aws:s3tables:us-east-1:1:bucket/other' }),
      policy({ Action: 's3tables:GetTable', Resource: tableARN, Principal: undefined }),
    ])
      await expect(tables.send(new PutTablePolicyCommand({ ...named, resourcePolicy: wrong }))).rejects.toMatchObject({
        name: 'BadRequestException',
      })
  }))

test('what a bucket says of encryption and storage class is for new tables', () =>
  inBucket(async (tableBucketARN) => {
    await namespaceIn(tableBucketARN)
    await expect(tables.send(new GetTableBucketEncryptionCommand({ tableBucketARN }))).rejects.toMatchObject({
      name: 'NotFoundException',
    })
    await tableIn(tableBucketARN, 'before')
    const { KeyMetadata } = await drydock.client(KMSClient).send(new CreateKeyCommand({}))
    const kms = { sseAlgorithm: 'aws:kms' as const, kmsKeyArn: KeyMetadata?.Arn }
    await tables.send(new PutTableBucketEncryptionCommand({ tableBucketARN, encryptionConfiguration: kms }))
    await tables.send(
      new PutTableBucketStorageClassCommand({
        tableBucketARN,
        storageClassConfiguration: { storageClass: 'INTELLIGENT_TIERING' },
      }),
    )
    const { tableARN } = await tableIn(tableBucketARN, 'after')
    const encryption = async (name: string) =>
      (await tables.send(new GetTableEncryptionCommand({ tableBucketARN, namespace: 'sales', name })))
        .encryptionConfiguration
    expect(await encryption('before')).toEqual({ sseAlgorithm: 'AES256' })
    expect(await encryption('after')).toEqual(kms)
    const named = { tableBucketARN, namespace: 'sales', name: 'after' }
    expect((await tables.send(new GetTableStorageClassCommand(named))).storageClassConfiguration).toEqual({
      storageClass: 'INTELLIGENT_TIERING',
    })
    const Bucket = await storeOf(tableARN)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'data/one', Body: 'rows' }))
    expect(await s3.send(new HeadObjectCommand({ Bucket, Key: 'data/one' }))).toMatchObject({
      ServerSideEncryption: 'aws:kms',
      SSEKMSKeyId: KeyMetadata?.Arn,
    })
    await tables.send(new DeleteTableBucketEncryptionCommand({ tableBucketARN }))
    for (const wrong of [
      { sseAlgorithm: 'AES256' as const, kmsKeyArn: KeyMetadata?.Arn },
      { sseAlgorithm: 'aws:kms' as const },
      {
        sseAlgorithm: 'aws:kms' as const,
        kmsKeyArn: `${KeyMetadata?.Arn?.slice(0, -36)}00000000-0000-0000-0000-000000000000`,
      },
    ])
      await expect(
        tables.send(new PutTableBucketEncryptionCommand({ tableBucketARN, encryptionConfiguration: wrong })),
      ).rejects.toMatchObject({ name: 'BadRequestException' })
  }))

test('tags are kept, and are condition keys', () =>
  inBucket(async (tableBucketARN) => {
    await namespaceIn(tableBucketARN)
    const { tableARN = '' } = await tableIn(tableBucketARN, 'orders', { tags: { team: 'blue' } })
    await tables.send(new TagResourceCommand({ resourceArn: tableARN, tags: { stage: 'test' } }))
    await tables.send(new TagResourceCommand({ resourceArn: tableBucketARN, tags: { unit: 'sales' } }))
    const tagsOf = async (resourceArn: string) =>
      (await tables.send(new ListTagsForResourceCommand({ resourceArn }))).tags
    expect(await tagsOf(tableARN)).toEqual({ team: 'blue', stage: 'test' })
    const blue = drydock.client(
      S3TablesClient,
      await drydock.user(`blue-${names}`, [
        allow('s3tables:GetTable', '*', {
          StringEquals: { 'aws:ResourceTag/team': 'blue', 's3tables:TableBucketTag/unit': 'sales' },
        }),
      ]),
    )
    expect(await blue.send(new GetTableCommand({ tableArn: tableARN }))).toMatchObject({ name: 'orders' })
    await tables.send(new UntagResourceCommand({ resourceArn: tableARN, tagKeys: ['team'] }))
    expect(await tagsOf(tableARN)).toEqual({ stage: 'test' })
    await expect(blue.send(new GetTableCommand({ tableArn: tableARN }))).rejects.toMatchObject({
      name: 'AccessDeniedException',
    })
    await expect(
      tables.send(new TagResourceCommand({ resourceArn: tableARN, tags: { 'aws:mine': 'x' } })),
    ).rejects.toMatchObject({ name: 'BadRequestException' })
  }))
