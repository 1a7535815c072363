import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import {
  CreateBucketCommand,
  DeleteBucketInventoryConfigurationCommand,
  DeleteObjectCommand,
  GetBucketInventoryConfigurationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type InventoryConfiguration,
  InventoryOptionalField,
  ListBucketInventoryConfigurationsCommand,
  ListObjectsV2Command,
  PutBucketInventoryConfigurationCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { parquetReadObjects } from 'hyparquet'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readOrc } from '../../../test/orc.ts'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
const Bucket = 'listed'
/** For the story of Parquet: the other one tells of all that is in its bucket. */
const Other = 'listed-too'
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  for (const name of [Bucket, Other, 'reports']) await s3.send(new CreateBucketCommand({ Bucket: name }))
  for (const name of [Bucket, Other])
    await s3.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration: { Status: 'Enabled' } }))
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service: 's3.amazonaws.com' },
        Action: 's3:PutObject',
        Resource: 'arn:aws:s3:::reports/*',
        Condition: {
          ArnLike: { 'aws:SourceArn': [Bucket, Other].map((name) => `arn:aws:s3:::${name}`) },
          StringEquals: { 'aws:SourceAccount': drydock.account, 's3:x-amz-acl': 'bucket-owner-full-control' },
        },
      },
    ],
  })
  await s3.send(new PutBucketPolicyCommand({ Bucket: 'reports', Policy }))
})
afterAll(() => drydock.close())

const configuration = (Id: string, more: Partial<InventoryConfiguration> = {}): InventoryConfiguration => ({
  Id,
  IsEnabled: true,
  IncludedObjectVersions: 'All',
  Schedule: { Frequency: 'Daily' },
  OptionalFields: ['Size', 'ETag', 'StorageClass', 'EncryptionStatus'],
  Destination: { S3BucketDestination: { Bucket: 'arn:aws:s3:::reports', Format: 'CSV', Prefix: 'inv' } },
  ...more,
})
const put = (Id: string, more?: Partial<InventoryConfiguration>, of = Bucket) =>
  s3.send(
    new PutBucketInventoryConfigurationCommand({ Bucket: of, Id, InventoryConfiguration: configuration(Id, more) }),
  )
const bytesOf = async (Key: string) => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'reports', Key }))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}

test('a report lists every version, in a file that a manifest names', async () => {
  const { VersionId } = await s3.send(new PutObjectCommand({ Bucket, Key: 'a b/é', Body: '12345' }))
  const { VersionId: marker } = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'a b/é' }))
  const { VersionId: other } = await s3.send(new PutObjectCommand({ Bucket, Key: 'c', Body: 'x' }))
  await put('daily')
  await drydock.advance({ days: 1 })
  const { Contents = [] } = await s3.send(
    new ListObjectsV2Command({ Bucket: 'reports', Prefix: `inv/${Bucket}/daily/` }),
  )
  const keys = Contents.map(({ Key = '' }) => Key)
  const manifestKey = keys.find((key) => key.endsWith('manifest.json')) ?? ''
  expect(manifestKey).toMatch(/^inv\/listed\/daily\/\d{4}-\d\d-\d\dT00-00Z\/manifest\.json$/)
  const text = await bytesOf(manifestKey)
  expect((await bytesOf(manifestKey.replace('.json', '.checksum'))).toString()).toBe(
    createHash('md5').update(text).digest('hex'),
  )
  const manifest = JSON.parse(text.toString()) as {
    files: { key: string; size: number; MD5checksum: string }[]
    fileSchema: string
  }
  expect(manifest).toMatchObject({
    sourceBucket: Bucket,
    destinationBucket: 'arn:aws:s3:::reports',
    fileFormat: 'CSV',
    fileSchema: 'Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag, StorageClass, EncryptionStatus',
  })
  const lines: string[] = []
  for (const { key, size, MD5checksum } of manifest.files) {
    const bytes = await bytesOf(key)
    expect([bytes.length, createHash('md5').update(bytes).digest('hex')]).toEqual([size, MD5checksum])
    lines.push(...gunzipSync(bytes).toString().trimEnd().split('\n'))
  }
  const md5 = (body: string) => createHash('md5').update(body).digest('hex')
  expect(lines).toEqual([
    `"listed","c","${other}","true","false","1","${md5('x')}","STANDARD","SSE-S3"`,
    `"listed","a+b/%C3%A9","${marker}","true","true","","","",""`,
    `"listed","a+b/%C3%A9","${VersionId}","false","false","5","${md5('12345')}","STANDARD","SSE-S3"`,
  ])
})

test('configurations come back and go; destinations that are not there are refused', async () => {
  await put('one', { IsEnabled: false })
  const get = () => s3.send(new GetBucketInventoryConfigurationCommand({ Bucket, Id: 'one' }))
  expect((await get()).InventoryConfiguration).toEqual(configuration('one', { IsEnabled: false }))
  const listed = await s3.send(new ListBucketInventoryConfigurationsCommand({ Bucket }))
  expect(listed.InventoryConfigurationList?.map(({ Id }) => Id)).toContain('one')
  await s3.send(new DeleteBucketInventoryConfigurationCommand({ Bucket, Id: 'one' }))
  await expect(get()).rejects.toMatchObject({ name: 'NoSuchConfiguration' })
  const nowhere = { S3BucketDestination: { Bucket: 'arn:aws:s3:::nothing', Format: 'CSV' as const } }
  await expect(put('two', { Destination: nowhere })).rejects.toMatchObject({ name: 'InvalidS3DestinationBucket' })
})

/** The rows of a report's files; keys are unique in the bucket. */
const manifestOf = async (id: string) => {
  const listed = await s3.send(new ListObjectsV2Command({ Bucket: 'reports', Prefix: `inv/${Other}/${id}/` }))
  const key = listed.Contents?.map(({ Key = '' }) => Key).findLast((each) => each.endsWith('manifest.json')) ?? ''
  return JSON.parse((await bytesOf(key)).toString()) as {
    files: { key: string }[]
    fileFormat: string
    fileSchema: string
  }
}

test('as Parquet, with every field there is, under a key of KMS that lets S3 use it', async () => {
  const kms = drydock.client(KMSClient)
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${drydock.account}:root` }, Action: 'kms:*', Resource: '*' },
      {
        Effect: 'Allow',
        Principal: { Service: 's3.amazonaws.com' },
        Action: 'kms:GenerateDataKey',
        Resource: '*',
        Condition: {
          StringEquals: { 'aws:SourceAccount': drydock.account },
          ArnLike: { 'aws:SourceArn': `arn:aws:s3:::${Other}` },
        },
      },
    ],
  })
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({ Policy }))
  await s3.send(
    new PutBucketLifecycleConfigurationCommand({
      Bucket: Other,
      LifecycleConfiguration: {
        Rules: [{ ID: 'old', Status: 'Enabled', Filter: { Prefix: 'parquet/' }, Expiration: { Days: 400 } }],
      },
    }),
  )
  const Key = 'parquet/ü 1'
  const StorageClass = 'INTELLIGENT_TIERING'
  const { VersionId } = await s3.send(
    new PutObjectCommand({ Bucket: Other, Key, Body: Buffer.alloc(200_000), StorageClass }),
  )
  const { LastModified } = await s3.send(new HeadObjectCommand({ Bucket: Other, Key }))
  const OptionalFields = Object.values(InventoryOptionalField)
  await put(
    'whole',
    {
      OptionalFields,
      Filter: { Prefix: 'parquet/' },
      Destination: {
        S3BucketDestination: {
          Bucket: 'arn:aws:s3:::reports',
          Format: 'Parquet',
          Prefix: 'inv',
          Encryption: { SSEKMS: { KeyId: KeyMetadata?.Arn } },
        },
      },
    },
    Other,
  )
  await drydock.advance({ days: 40 })
  const manifest = await manifestOf('whole')
  expect(manifest.fileFormat).toBe('Parquet')
  expect(manifest.fileSchema).toMatch(
    /^message s3\.inventory \{ required binary bucket \(UTF8\); required binary key \(UTF8\); optional binary version_id/,
  )
  expect(manifest.fileSchema).toContain('optional int64 last_modified_date (TIMESTAMP_MILLIS);')
  const [file] = manifest.files
  expect(file?.key).toMatch(/\.parquet$/)
  const { ServerSideEncryption, SSEKMSKeyId } = await s3.send(
    new HeadObjectCommand({ Bucket: 'reports', Key: file?.key ?? '' }),
  )
  expect([ServerSideEncryption, SSEKMSKeyId]).toEqual(['aws:kms', KeyMetadata?.Arn])
  const bytes = await bytesOf(file?.key ?? '')
  const [row] = await parquetReadObjects({
    file: new Uint8Array(bytes).buffer,
  })
  const { object_access_control_list: list, ...values } = row ?? {}
  expect(values).toMatchObject({
    bucket: Other,
    key: Key,
    version_id: VersionId,
    is_latest: true,
    is_delete_marker: false,
    size: 200_000n,
    last_modified_date: LastModified,
    storage_class: StorageClass,
    intelligent_tiering_access_tier: 'INFREQUENT',
    intelligent_tiering_reference_date: LastModified,
    is_multipart_uploaded: false,
    encryption_status: 'SSE-S3',
    object_lock_mode: null,
    object_lock_event_hold_status: null,
    object_lock_event_hold_duration: null,
    checksum_algorithm: 'CRC32',
    lifecycle_expiration_date: new Date((Math.ceil((LastModified?.getTime() ?? 0) / 86_400_000) + 400) * 86_400_000),
  })
  expect(JSON.parse(Buffer.from(String(list), 'base64').toString())).toEqual({
    version: '2022-11-10',
    status: 'AVAILABLE',
    grants: [{ canonicalId: values.object_owner, type: 'CanonicalUser', permission: 'FULL_CONTROL' }],
  })
})

test('as ORC', async () => {
  const Key = 'orc/ü 1'
  const { VersionId } = await s3.send(new PutObjectCommand({ Bucket: Other, Key, Body: '12345' }))
  const { LastModified } = await s3.send(new HeadObjectCommand({ Bucket: Other, Key }))
  await put(
    'orc',
    {
      OptionalFields: ['Size', 'LastModifiedDate', 'IsMultipartUploaded', 'ObjectLockMode'],
      Filter: { Prefix: 'orc/' },
      Destination: { S3BucketDestination: { Bucket: 'arn:aws:s3:::reports', Format: 'ORC', Prefix: 'inv' } },
    },
    Other,
  )
  await drydock.advance({ days: 1 })
  await s3.send(new DeleteBucketInventoryConfigurationCommand({ Bucket: Other, Id: 'orc' }))
  const { fileFormat, fileSchema, files } = await manifestOf('orc')
  expect(fileFormat).toBe('ORC')
  expect(fileSchema).toBe(
    'struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,size:bigint,last_modified_date:timestamp,is_multipart_uploaded:boolean,object_lock_mode:string>',
  )
  expect(files.map(({ key }) => key.replace(/.*\./, ''))).toEqual(['orc'])
  const { names, rows } = readOrc(await bytesOf(files[0]?.key ?? ''))
  expect(names).toEqual(
    fileSchema
      .slice(7, -1)
      .split(',')
      .map((field) => field.split(':')[0]),
  )
  expect(rows).toEqual([[Other, Key, VersionId, true, false, 5n, LastModified, false, undefined]])
})
