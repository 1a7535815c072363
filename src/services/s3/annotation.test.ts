import { createHash, randomBytes } from 'node:crypto'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import {
  CopyObjectCommand,
  type CopyObjectCommandInput,
  CreateBucketCommand,
  DeleteObjectAnnotationCommand,
  DeleteObjectCommand,
  GetObjectAnnotationCommand,
  type GetObjectAnnotationCommandInput,
  HeadObjectCommand,
  ListObjectAnnotationsCommand,
  type ListObjectAnnotationsCommandInput,
  PutBucketEncryptionCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketRequestPaymentCommand,
  PutBucketVersioningCommand,
  PutObjectAnnotationCommand,
  type PutObjectAnnotationCommandInput,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { CreateAccessPointCommand } from '@aws-sdk/client-s3-control'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { s3Control } from '../../../test/s3-hosts.ts'
import { allow, type Story, story } from '../../../test/story.ts'
import { checksumOf } from './checksum.ts'
import { findCurrent, replaceVersion } from './versions.ts'

let drydock: Story
let s3: S3Client
const Bucket = 'notes'
beforeAll(async () => {
  drydock = await story({ config: { auth: 'trust' } })
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket,
      NotificationConfiguration: { EventBridgeConfiguration: {} },
    }),
  )
  await s3.send(new CreateBucketCommand({ Bucket: 'versions', ObjectLockEnabledForBucket: true }))
  await s3.send(
    new PutBucketEncryptionCommand({
      Bucket,
      ServerSideEncryptionConfiguration: {
        Rules: [
          {
            ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' },
            BlockedEncryptionTypes: { EncryptionType: ['NONE'] },
          },
        ],
      },
    }),
  )
})

/** A key that only the customer has. */
const customerKey = () => {
  const key = randomBytes(32)
  return {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: key.toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(key).digest('base64'),
  }
}
afterAll(() => drydock.close())

const make = async (Key: string, more: Partial<PutObjectCommandInput> = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body: `the object ${Key}`, ...more }))
const annotate = (
  Key: string,
  AnnotationName: string,
  AnnotationPayload: string | Uint8Array = AnnotationName,
  more: Partial<PutObjectAnnotationCommandInput> = {},
  client = s3,
) => client.send(new PutObjectAnnotationCommand({ Bucket, Key, AnnotationName, AnnotationPayload, ...more }))
const read = async (
  Key: string,
  AnnotationName: string,
  more: Partial<GetObjectAnnotationCommandInput> = {},
  client = s3,
) => {
  const found = await client.send(new GetObjectAnnotationCommand({ Bucket, Key, AnnotationName, ...more }))
  return { ...found, text: await found.AnnotationPayload?.transformToString() }
}
const list = (Key: string, more: Partial<ListObjectAnnotationsCommandInput> = {}, client = s3) =>
  client.send(new ListObjectAnnotationsCommand({ Bucket, Key, ...more }))
const names = async (Key: string, more: Partial<ListObjectAnnotationsCommandInput> = {}) =>
  (await list(Key, more)).Annotations?.map(({ AnnotationName }) => AnnotationName) ?? []
const remove = (Key: string, AnnotationName: string, more: { VersionId?: string; ObjectIfMatch?: string } = {}) =>
  s3.send(new DeleteObjectAnnotationCommand({ Bucket, Key, AnnotationName, ...more }))
const md5 = (text: string) => `"${createHash('md5').update(text).digest('hex')}"`
/** Blobs that are kept, once those that nobody names have gone. */
const blobs = async () => {
  await drydock.advance({ minutes: 20 })
  return Array.fromAsync(drydock.server.kernel.blobs.ids())
}

test('an annotation is put, told, put over and removed, and the object stays what it was', async () => {
  const { ETag } = await make('a')
  expect(await annotate('a', 'ml.sentiment', '{"mood":"good"}')).toMatchObject({
    Key: 'a',
    AnnotationName: 'ml.sentiment',
    ETag: md5('{"mood":"good"}'),
    ChecksumType: 'FULL_OBJECT',
    ServerSideEncryption: 'AES256',
  })
  await annotate('a', 'überschrift_1', 'Ein Titel')
  const found = await read('a', 'ml.sentiment')
  expect(found).toMatchObject({
    text: '{"mood":"good"}',
    ContentLength: 15,
    ETag: md5('{"mood":"good"}'),
    ServerSideEncryption: 'AES256',
    ChecksumCRC32: expect.any(String),
  })
  expect(found.ObjectVersionId).toBeUndefined()
  const listed = await list('a')
  expect(listed).toMatchObject({
    Bucket,
    Key: 'a',
    MaxAnnotationResults: 1000,
    AnnotationCount: 2,
    Annotations: [
      { AnnotationName: 'ml.sentiment', Size: 15, ETag: md5('{"mood":"good"}'), ChecksumAlgorithm: ['CRC32'] },
      { AnnotationName: 'überschrift_1', Size: 9 },
    ],
  })
  expect(listed.NextContinuationToken).toBeUndefined()
  await annotate('a', 'ml.sentiment', 'worse')
  expect((await read('a', 'ml.sentiment')).text).toBe('worse')
  await remove('a', 'ml.sentiment')
  await remove('a', 'ml.sentiment')
  await expect(read('a', 'ml.sentiment')).rejects.toMatchObject({
    name: 'NoSuchAnnotation',
    $metadata: { httpStatusCode: 404 },
  })
  expect(await names('a')).toEqual(['überschrift_1'])
  expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'a' }))).ETag).toBe(ETag)
})

test.each([
  ['AnnotationNameTooLong', 'ä'.repeat(257)],
  ['InvalidAnnotationName', 'aws.note'],
  ['InvalidAnnotationName', 'AWSome'],
  ['InvalidAnnotationName', 'S3-note'],
  ['InvalidAnnotationName', 'two words'],
  ['InvalidAnnotationName', ' '],
  ['InvalidAnnotationName', 'a/b'],
  ['InvalidAnnotationName', 'a\u0000b'],
])('%s: a name that is none', async (name, AnnotationName) => {
  await make('names')
  await expect(annotate('names', AnnotationName)).rejects.toMatchObject({
    name,
    $metadata: { httpStatusCode: 400 },
  })
  expect(await names('names')).toEqual([])
})

test('a payload is text of 1 byte to 1 MiB', async () => {
  await make('sizes')
  await annotate('sizes', 'ä'.repeat(256), 'x')
  const largest = 'ö'.repeat(512 * 1024)
  await annotate('sizes', 'largest', largest)
  expect((await read('sizes', 'largest')).text).toBe(largest)
  await expect(annotate('sizes', 'larger', `${largest}.`)).rejects.toMatchObject({ name: 'EntityTooLarge' })
  await expect(annotate('sizes', 'empty', '')).rejects.toMatchObject({ name: 'InvalidRequest' })
  const binary = Buffer.concat([Buffer.from('text'), randomBytes(200_000), Buffer.from([0xff])])
  for (const payload of [binary, Buffer.from('cut short: ä').subarray(0, -1), Buffer.from([0xc0, 0x80])])
    await expect(annotate('sizes', 'binary', payload)).rejects.toMatchObject({
      name: 'UnsupportedMediaType',
      $metadata: { httpStatusCode: 415 },
    })
  expect(await names('sizes')).toEqual(['largest', 'ä'.repeat(256)])
})

test.each([
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
  'SHA512',
  'MD5',
  'XXHASH64',
  'XXHASH3',
  'XXHASH128',
] as const)('%s of a payload is kept, and checked', async (algorithm) => {
  const Key = `sum-${algorithm}`
  const member = `Checksum${algorithm}` as const
  await make(Key)
  const sum = await checksumOf(algorithm, Buffer.from('text'))
  expect((await annotate(Key, 'note', 'text', { [member]: sum }))[member]).toBe(sum)
  await expect(annotate(Key, 'note', 'other', { [member]: sum })).rejects.toMatchObject({ name: 'BadDigest' })
  expect((await list(Key)).Annotations).toMatchObject([{ ChecksumAlgorithm: [algorithm], Size: 4 }])
  // The SDK refuses answers in the others.
  if (/^(CRC|SHA1|SHA256)/.test(algorithm)) expect((await read(Key, 'note'))[member]).toBe(sum)
})

test('names are listed by page and by prefix', async () => {
  await make('pages')
  for (const name of ['b.2', 'a', 'b.1', 'c', 'b.3']) await annotate('pages', name)
  const first = await list('pages', { MaxAnnotationResults: 2, AnnotationPrefix: 'b.' })
  expect(first).toMatchObject({ AnnotationPrefix: 'b.', AnnotationCount: 2, MaxAnnotationResults: 2 })
  expect(first.Annotations?.map(({ AnnotationName }) => AnnotationName)).toEqual(['b.1', 'b.2'])
  const { NextContinuationToken: ContinuationToken } = first
  const rest = await list('pages', { MaxAnnotationResults: 2, AnnotationPrefix: 'b.', ContinuationToken })
  expect(rest).toMatchObject({ ContinuationToken, Annotations: [{ AnnotationName: 'b.3' }] })
  expect(rest.NextContinuationToken).toBeUndefined()
  expect(await names('pages', { AnnotationPrefix: 'd' })).toEqual([])
  await expect(list('pages', { AnnotationPrefix: 'b/' })).rejects.toMatchObject({ name: 'InvalidPrefix' })
  for (const MaxAnnotationResults of [0, 1001])
    await expect(list('pages', { MaxAnnotationResults })).rejects.toMatchObject({ name: 'InvalidArgument' })
  await expect(list('pages', { ContinuationToken: 'AAAA' })).rejects.toMatchObject({ name: 'InvalidArgument' })
})

test('a version has a thousand annotations and no more', async () => {
  await make('many')
  await annotate('many', 'note')
  // A thousand requests would take too long: the version is told that it has them.
  const { store, account, region } = drydock.server.kernel
  await store.write({ account, region }, async (tx) => {
    const record = await findCurrent(tx, Bucket, 'many')
    if (record) await replaceVersion(tx, { ...record, annotations: 1000 })
  })
  await expect(annotate('many', 'one-more')).rejects.toMatchObject({ name: 'AnnotationLimitExceeded' })
  await annotate('many', 'note', 'again')
  await remove('many', 'note')
  await annotate('many', 'one-more')
})

test('what is to be changed may be required to be the object that was seen', async () => {
  const { ETag } = await make('seen')
  await annotate('seen', 'note', 'first', { ObjectIfMatch: ETag })
  await make('seen', { Body: 'another' })
  const failed = { name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } }
  await expect(annotate('seen', 'note', 'late', { ObjectIfMatch: ETag })).rejects.toMatchObject(failed)
  await annotate('seen', 'note', 'second')
  await expect(remove('seen', 'note', { ObjectIfMatch: ETag })).rejects.toMatchObject(failed)
  expect((await read('seen', 'note')).text).toBe('second')
})

test('nothing is attached to an object that is not there', async () => {
  const missing = { name: 'NoSuchKey', $metadata: { httpStatusCode: 404 } }
  await expect(annotate('absent', 'note')).rejects.toMatchObject(missing)
  await expect(read('absent', 'note')).rejects.toMatchObject(missing)
  await expect(list('absent')).rejects.toMatchObject(missing)
  await expect(remove('absent', 'note')).rejects.toMatchObject(missing)
  await expect(annotate('absent', 'note', 'x', { Bucket: 'no-such-notes' })).rejects.toMatchObject({
    name: 'NoSuchBucket',
  })
})

test('annotations go with their object, and so do their bytes', async () => {
  const before = await blobs()
  const text = 'large '.repeat(10_000)
  await make('gone')
  await annotate('gone', 'note', text)
  await annotate('gone', 'note', `${text}!`)
  expect((await blobs()).length).toBe(before.length + 1)
  await make('gone', { Body: 'another' })
  expect(await names('gone')).toEqual([])
  expect((await blobs()).toSorted()).toEqual(before.toSorted())
  await annotate('gone', 'note', text)
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'gone' }))
  await make('gone')
  expect(await names('gone')).toEqual([])
  await annotate('gone', 'note', text)
  await remove('gone', 'note')
  expect((await blobs()).toSorted()).toEqual(before.toSorted())
})

test('each version has annotations of its own', async () => {
  const place = { Bucket: 'versions' }
  const first = (await make('v', place)).VersionId
  expect((await annotate('v', 'note', 'of the first', place)).ObjectVersionId).toBe(first)
  const second = (await make('v', place)).VersionId
  expect(await names('v', place)).toEqual([])
  await annotate('v', 'note', 'of the second', place)
  const ofFirst = { ...place, VersionId: first }
  await annotate('v', 'other', 'of the first', ofFirst)
  expect(await names('v', ofFirst)).toEqual(['note', 'other'])
  expect(await read('v', 'note', ofFirst)).toMatchObject({ text: 'of the first', ObjectVersionId: first })
  await s3.send(new DeleteObjectCommand({ ...place, Key: 'v' }))
  await expect(read('v', 'note', place)).rejects.toMatchObject({ name: 'NoSuchKey' })
  expect((await read('v', 'note', { ...place, VersionId: second })).text).toBe('of the second')
  await s3.send(new DeleteObjectCommand({ ...place, Key: 'v', VersionId: second }))
  await expect(read('v', 'note', { ...place, VersionId: second })).rejects.toMatchObject({ name: 'NoSuchVersion' })
  expect((await read('v', 'note', ofFirst)).text).toBe('of the first')
})

test('what a lock protects keeps its annotations', async () => {
  const place = { Bucket: 'versions', Key: 'locked' }
  await make('locked', place)
  await annotate('locked', 'one', 'x', place)
  await annotate('locked', 'two', 'x', place)
  const until = new Date(drydock.clock.now().getTime() + 86_400_000)
  const retain = { Mode: 'GOVERNANCE', RetainUntilDate: until } as const
  await s3.send(new PutObjectRetentionCommand({ ...place, Retention: retain }))
  const Name = { ...place, AnnotationName: 'one' }
  const denied = { name: 'AccessDenied' }
  await expect(s3.send(new DeleteObjectAnnotationCommand(Name))).rejects.toMatchObject(denied)
  await annotate('locked', 'three', 'x', place)
  const bypassing = new DeleteObjectAnnotationCommand(Name)
  bypassing.middlewareStack.add(
    (next) => (args) => {
      Object.assign((args.request as { headers: object }).headers, { 'x-amz-bypass-governance-retention': 'true' })
      return next(args)
    },
    { step: 'build' },
  )
  const actions = ['s3:DeleteObjectAnnotation']
  const keeper = drydock.client(S3Client, await drydock.user('keeper', [allow(actions)]))
  await expect(keeper.send(bypassing)).rejects.toMatchObject({
    ...denied,
    message: expect.stringContaining('s3:BypassGovernanceRetention'),
  })
  await s3.send(bypassing)
  expect(await names('locked', place)).toEqual(['three', 'two'])
  await s3.send(new PutObjectLegalHoldCommand({ ...place, LegalHold: { Status: 'ON' } }))
  await expect(s3.send(bypassing)).rejects.toMatchObject(denied)
})

test('annotations are encrypted as their object is', async () => {
  const { KeyMetadata } = await drydock.client(KMSClient).send(new CreateKeyCommand({}))
  const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KeyMetadata?.Arn } as const
  const text = 'secret '.repeat(10_000)
  for (const [Key, more] of [
    ['kms', kms],
    ['bucket-key', { ...kms, BucketKeyEnabled: true }],
    ['dsse', { ...kms, ServerSideEncryption: 'aws:kms:dsse' }],
  ] as const) {
    await make(Key, more)
    expect((await annotate(Key, 'note', text)).ServerSideEncryption).toBe(more.ServerSideEncryption)
    expect(await read(Key, 'note')).toMatchObject({ text, ServerSideEncryption: more.ServerSideEncryption })
  }
  const keyless = drydock.client(
    S3Client,
    await drydock.user('keyless', [allow(['s3:GetObjectAnnotation', 's3:PutObjectAnnotation', 's3:ListBucket'])]),
  )
  await expect(read('kms', 'note', {}, keyless)).rejects.toMatchObject({
    name: 'AccessDenied',
    message: expect.stringContaining('kms:Decrypt'),
  })
  await expect(annotate('kms', 'note', 'x', {}, keyless)).rejects.toMatchObject({
    name: 'AccessDenied',
    message: expect.stringContaining('kms:GenerateDataKey'),
  })
  await make('mine', customerKey())
  await expect(annotate('mine', 'note')).rejects.toMatchObject({ name: 'InvalidRequest' })
  for await (const id of drydock.server.kernel.blobs.ids()) {
    const bytes = Buffer.concat(await Array.fromAsync(drydock.server.kernel.blobs.open(id)))
    expect(bytes.includes('secret secret')).toBe(false)
  }
})

test('a copy takes the annotations along, unless told otherwise', async () => {
  await make('original', { ServerSideEncryption: 'aws:kms' })
  await annotate('original', 'small', 'text', { ChecksumAlgorithm: 'SHA256' })
  await annotate('original', 'large', 'text '.repeat(10_000))
  const copy = (Key: string, more: Partial<CopyObjectCommandInput> = {}) =>
    s3.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/original`, ...more }))
  await copy('copy')
  expect(await names('copy')).toEqual(['large', 'small'])
  expect((await read('copy', 'large')).text).toBe('text '.repeat(10_000))
  expect(await read('copy', 'small')).toMatchObject({
    text: 'text',
    ChecksumSHA256: expect.any(String),
    ServerSideEncryption: 'AES256',
  })
  await copy('summed', { ChecksumAlgorithm: 'CRC32C', AnnotationDirective: 'COPY' })
  expect((await list('summed')).Annotations?.map(({ ChecksumAlgorithm }) => ChecksumAlgorithm)).toEqual([
    ['CRC32C'],
    ['CRC32C'],
  ])
  await copy('bare', { AnnotationDirective: 'EXCLUDE' })
  expect(await names('bare')).toEqual([])
  await expect(copy('bare', { AnnotationDirective: 'SOME' as never })).rejects.toMatchObject({
    name: 'InvalidArgument',
  })
  await copy('original', { MetadataDirective: 'REPLACE', Metadata: { a: 'b' } })
  expect((await read('original', 'large')).text).toBe('text '.repeat(10_000))
  const customer = customerKey()
  await expect(copy('mine-too', customer)).rejects.toMatchObject({ name: 'InvalidRequest' })
  await copy('mine-too', { ...customer, AnnotationDirective: 'EXCLUDE' })

  const copier = allow(['s3:GetObject', 's3:PutObject', 's3:GetObjectAnnotation'])
  const client = drydock.client(S3Client, await drydock.user('copier', [copier]))
  const asCopier = { Bucket, Key: 'by-copier', CopySource: `${Bucket}/copy` }
  await expect(client.send(new CopyObjectCommand(asCopier))).rejects.toMatchObject({
    name: 'AccessDenied',
    message: expect.stringContaining('s3:PutObjectAnnotation'),
  })
  await client.send(new CopyObjectCommand({ ...asCopier, AnnotationDirective: 'EXCLUDE' }))
})

test('rights to annotations are rights of their own', async () => {
  await make('rights')
  await annotate('rights', 'note')
  const arn = `arn:aws:s3:::${Bucket}/rights`
  const condition = {
    StringEquals: { 's3:annotation-prefix': 'n' },
    NumericLessThan: { 's3:max-annotation-results': 9 },
  }
  const policies = [allow('s3:GetObjectAnnotation', arn), allow('s3:ListObjectAnnotations', arn, condition)]
  const reader = drydock.client(S3Client, await drydock.user('reader', policies))
  expect((await read('rights', 'note', {}, reader)).text).toBe('note')
  await expect(read('rights', 'note', { VersionId: 'null' }, reader)).rejects.toMatchObject({
    message: expect.stringContaining('s3:GetObjectVersionAnnotation'),
  })
  await list('rights', { AnnotationPrefix: 'n', MaxAnnotationResults: 8 }, reader)
  await expect(list('rights', { AnnotationPrefix: 'n', MaxAnnotationResults: 9 }, reader)).rejects.toMatchObject({
    name: 'AccessDenied',
  })
  await expect(annotate('rights', 'note', 'x', {}, reader)).rejects.toMatchObject({
    message: expect.stringContaining('s3:PutObjectAnnotation'),
  })
})

test('events tell of annotations, and of copies whether they have any', async () => {
  await make('told')
  const { ETag } = await annotate('told', 'note', 'text')
  await s3.send(new CopyObjectCommand({ Bucket, Key: 'told-copy', CopySource: `${Bucket}/told` }))
  await remove('told', 'note')
  await drydock.settled()
  const of = (key: string) =>
    drydock.events.filter(({ detail }) => (detail as { object?: { key?: string } }).object?.key === key)
  const told = of('told').filter((event) => event['detail-type'].startsWith('Object Annotation'))
  expect(told).toMatchObject([
    {
      'detail-type': 'Object Annotation Created',
      detail: {
        reason: 'PutObjectAnnotation',
        'object-annotation': { name: 'note', size: 4, etag: ETag?.replaceAll('"', '') },
      },
    },
    {
      'detail-type': 'Object Annotation Removed',
      detail: { reason: 'DeleteObjectAnnotation', 'object-annotation': { name: 'note' } },
    },
  ])
  expect(of('told-copy')).toMatchObject([
    { 'detail-type': 'Object Created', detail: { reason: 'CopyObject', object: { 'has-object-annotation': true } } },
  ])
})

test('the requester pays where he must', async () => {
  const place = { Bucket: 'paid' }
  await s3.send(new CreateBucketCommand(place))
  await make('x', place)
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: {
      Effect: 'Allow',
      Principal: { AWS: '111111111111' },
      Action: ['s3:GetObjectAnnotation', 's3:PutObjectAnnotation'],
      Resource: 'arn:aws:s3:::paid/*',
    },
  })
  await s3.send(new PutBucketPolicyCommand({ ...place, Policy }))
  const RequestPaymentConfiguration = { Payer: 'Requester' } as const
  await s3.send(new PutBucketRequestPaymentCommand({ ...place, RequestPaymentConfiguration }))
  const other = drydock.client(S3Client, { accessKeyId: '111111111111', secretAccessKey: 'any' })
  const pays = { ...place, RequestPayer: 'requester' } as const
  await expect(annotate('x', 'note', 'text', place, other)).rejects.toMatchObject({ name: 'AccessDenied' })
  expect((await annotate('x', 'note', 'text', pays, other)).RequestCharged).toBe('requester')
  expect(await read('x', 'note', pays, other)).toMatchObject({ text: 'text', RequestCharged: 'requester' })
  expect((await read('x', 'note', place)).text).toBe('text')
})

test('access points lead to annotations', async () => {
  await make('through')
  const AccountId = drydock.account
  const { Alias } = await s3Control(drydock).send(new CreateAccessPointCommand({ AccountId, Name: 'door', Bucket }))
  const door = { Bucket: Alias }
  await annotate('through', 'note', 'text', door)
  await s3.send(new CopyObjectCommand({ Bucket, Key: 'came-through', CopySource: `${Alias}/through` }))
  expect((await read('came-through', 'note', door)).text).toBe('text')
  expect(await names('through', door)).toEqual(['note'])
})

test('objects in an archive are annotated as they are', async () => {
  await s3.send(new PutObjectCommand({ Bucket, Key: 'frozen', Body: 'x', StorageClass: 'DEEP_ARCHIVE' }))
  await annotate('frozen', 'note', 'cold')
  expect((await read('frozen', 'note')).text).toBe('cold')
})

test('null versions keep and lose theirs as they come and go', async () => {
  const place = { Bucket: 'suspended' }
  await s3.send(new CreateBucketCommand(place))
  await make('n', place)
  await annotate('n', 'note', 'of null', place)
  const versioning = (Status: 'Enabled' | 'Suspended') =>
    s3.send(new PutBucketVersioningCommand({ ...place, VersioningConfiguration: { Status } }))
  await versioning('Enabled')
  await make('n', place)
  expect((await read('n', 'note', { ...place, VersionId: 'null' })).text).toBe('of null')
  await versioning('Suspended')
  await make('n', place)
  expect(await names('n', { ...place, VersionId: 'null' })).toEqual([])
})
