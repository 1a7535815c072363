import { createHash, randomBytes } from 'node:crypto'
import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { CreateKeyCommand, DisableKeyCommand, EnableKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetBucketEncryptionCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  HeadObjectCommand,
  PutBucketEncryptionCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
  type ServerSideEncryptionRule,
  UpdateObjectEncryptionCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { checkCustomerKey } from './encryption.ts'

let drydock: Story
let s3: S3Client
let kms: KMSClient
const Bucket = 'sealed'
/** Where customers' keys are allowed. */
const theirs = 'theirs'
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  kms = drydock.client(KMSClient)
  for (const name of [Bucket, theirs, 'defaults']) await s3.send(new CreateBucketCommand({ Bucket: name }))
  await encryptBy({ BlockedEncryptionTypes: { EncryptionType: ['NONE'] } }, theirs)
})
afterAll(() => drydock.close())

const put = (Key: string, Body: PutObjectCommandInput['Body'], more: Partial<PutObjectCommandInput> = {}, by = s3) =>
  by.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
const get = async (Key: string, more: Partial<GetObjectCommandInput> = {}, by = s3) => {
  const { Body, ...rest } = await by.send(new GetObjectCommand({ Bucket, Key, ...more }))
  return { ...rest, bytes: Buffer.from((await Body?.transformToByteArray()) ?? []) }
}
const newKey = async () => (await kms.send(new CreateKeyCommand({}))).KeyMetadata?.Arn ?? ''
const encryptBy = (rule: ServerSideEncryptionRule, bucket = Bucket) =>
  s3.send(new PutBucketEncryptionCommand({ Bucket: bucket, ServerSideEncryptionConfiguration: { Rules: [rule] } }))
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')
/** Everything that is on disk, as far as the server's parts keep it. */
const stored = async () => {
  const { blobs, store } = drydock.server.kernel
  const all: Buffer[] = []
  for await (const id of blobs.ids()) all.push(Buffer.from(await blobs.get(id)))
  for (const row of (store as unknown as { export(): Iterable<object> }).export()) {
    const { base64 } = (row as { record?: { base64?: string } }).record ?? {}
    all.push(Buffer.from(JSON.stringify(row)), Buffer.from(base64 ?? '', 'base64'))
  }
  return Buffer.concat(all)
}

test('what is put is nowhere on disk, and comes back', async () => {
  const large = Buffer.concat([Buffer.from('a large secret'), randomBytes(200_000), Buffer.from('a secret end')])
  expect(await put('small', 'a small secret')).toMatchObject({ ServerSideEncryption: 'AES256' })
  expect(await put('large', large)).toMatchObject({ ServerSideEncryption: 'AES256', ETag: `"${md5(large)}"` })
  const disk = await stored()
  for (const text of ['a small secret', 'a large secret', 'a secret end']) expect(disk.includes(text)).toBe(false)
  expect((await get('small')).bytes.toString()).toBe('a small secret')
  expect((await get('large')).bytes.equals(large)).toBe(true)
  const { bytes, ContentRange } = await get('large', { Range: 'bytes=65530-131080' })
  expect(bytes.equals(large.subarray(65530, 131081))).toBe(true)
  expect(ContentRange).toBe(`bytes 65530-131080/${large.length}`)
  expect((await get('large', { Range: 'bytes=-12' })).bytes.toString()).toBe('a secret end')
})

test.each([
  ['aws:kms', false],
  ['aws:kms', true],
  ['aws:kms:dsse', false],
] as const)(
  '%s, bucket key %s: under a KMS key, and only while it opens',
  async (ServerSideEncryption, BucketKeyEnabled) => {
    const SSEKMSKeyId = await newKey()
    const body = randomBytes(150_000)
    const headers = {
      ServerSideEncryption,
      SSEKMSKeyId,
      ...(BucketKeyEnabled ? { BucketKeyEnabled } : {}),
    }
    const { ETag } = await put('kms', body, headers)
    expect(ETag).not.toBe(`"${md5(body)}"`)
    const found = await get('kms', { ChecksumMode: 'ENABLED' })
    expect(found.bytes.equals(body)).toBe(true)
    expect(found).toMatchObject({ ETag, ...headers })
    expect(await s3.send(new HeadObjectCommand({ Bucket, Key: 'kms' }))).toMatchObject({ ETag, ...headers })
    expect((await get('kms', { Range: 'bytes=70000-70009' })).bytes.equals(body.subarray(70000, 70010))).toBe(true)

    await kms.send(new DisableKeyCommand({ KeyId: SSEKMSKeyId }))
    // A bucket key opens objects for a while without KMS.
    if (BucketKeyEnabled) {
      expect((await get('kms')).bytes.equals(body)).toBe(true)
      await drydock.advance({ minutes: 6 })
    }
    await expect(get('kms')).rejects.toMatchObject({ name: 'KMS.DisabledException' })
    await expect(put('other', 'x', headers)).rejects.toMatchObject({ name: 'KMS.DisabledException' })
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'kms' }))).ContentLength).toBe(150_000)
    await kms.send(new EnableKeyCommand({ KeyId: SSEKMSKeyId }))
    expect((await get('kms')).bytes.equals(body)).toBe(true)
  },
)

test('KMS is asked with the caller’s rights, through S3 and for this object only', async () => {
  const SSEKMSKeyId = await newKey()
  await put('mine', 'text', { ServerSideEncryption: 'aws:kms', SSEKMSKeyId })
  const objects = allow(['s3:GetObject', 's3:PutObject'])
  const without = drydock.client(S3Client, await drydock.user('without', [objects]))
  await expect(get('mine', {}, without)).rejects.toMatchObject({
    name: 'AccessDenied',
    message: expect.stringContaining('kms:Decrypt'),
  })
  await expect(put('theirs', 'x', { ServerSideEncryption: 'aws:kms', SSEKMSKeyId }, without)).rejects.toMatchObject({
    name: 'AccessDenied',
    message: expect.stringContaining('kms:GenerateDataKey'),
  })
  const via = allow(['kms:Decrypt', 'kms:GenerateDataKey'], SSEKMSKeyId, {
    StringEquals: {
      'kms:ViaService': 's3.us-east-1.amazonaws.com',
      'kms:EncryptionContext:aws:s3:arn': `arn:aws:s3:::${Bucket}/mine`,
    },
  })
  const reader = drydock.client(S3Client, await drydock.user('reader', [objects, via]))
  expect((await get('mine', {}, reader)).bytes.toString()).toBe('text')
  await expect(put('theirs', 'x', { ServerSideEncryption: 'aws:kms', SSEKMSKeyId }, reader)).rejects.toMatchObject({
    name: 'AccessDenied',
  })
  const { Events = [] } = await drydock
    .client(CloudTrailClient)
    .send(new LookupEventsCommand({ LookupAttributes: [{ AttributeKey: 'Username', AttributeValue: 'reader' }] }))
  expect(Events.map(({ EventName }) => EventName)).toContain('Decrypt')
})

test('without a key id it is the account’s alias/aws/s3; the caller’s own context comes along', async () => {
  const SSEKMSEncryptionContext = Buffer.from('{"team":"blue"}').toString('base64')
  const answer = await put('managed', 'x', { ServerSideEncryption: 'aws:kms', SSEKMSEncryptionContext })
  expect(answer).toMatchObject({
    SSEKMSEncryptionContext,
    SSEKMSKeyId: expect.stringMatching(/^arn:aws:kms:us-east-1:\d+:key\//),
  })
  expect((await get('managed')).bytes.toString()).toBe('x')
})

test.each([
  [{ ServerSideEncryption: 'ROT13' as 'aws:kms' }, 'InvalidArgument'],
  [{ SSEKMSKeyId: 'k' }, 'InvalidArgument'],
  [{ ServerSideEncryption: 'AES256', SSEKMSKeyId: 'k' }, 'InvalidArgument'],
  [{ ServerSideEncryption: 'aws:kms', SSEKMSEncryptionContext: '!' }, 'InvalidArgument'],
  [{ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: '00000000-0000-0000-0000-000000000000' }, 'KMS.NotFoundException'],
] as const)('refused: %j', async (headers, name) => {
  await expect(put('refused', 'x', headers)).rejects.toMatchObject({ name })
  await expect(get('refused')).rejects.toMatchObject({ name: 'NoSuchKey' })
})

const customer = (key: Buffer = randomBytes(32)) => ({
  SSECustomerAlgorithm: 'AES256',
  SSECustomerKey: key.toString('base64'),
  SSECustomerKeyMD5: createHash('md5').update(key).digest('base64'),
})

test('customers’ keys: blocked in new buckets, then needed for every read, and never kept', async () => {
  const raw = randomBytes(32)
  const key = { Bucket: theirs, ...customer(raw) }
  await expect(put('ours', 'x', { ...key, Bucket })).rejects.toMatchObject({ name: 'AccessDenied' })
  expect(
    (await s3.send(new GetBucketEncryptionCommand({ Bucket }))).ServerSideEncryptionConfiguration?.Rules?.[0]
      ?.BlockedEncryptionTypes,
  ).toEqual({ EncryptionType: ['SSE-C'] })
  const body = randomBytes(100_000)
  const told = { SSECustomerAlgorithm: 'AES256', SSECustomerKeyMD5: key.SSECustomerKeyMD5 }
  const answer = await put('ours', body, key)
  expect(answer).toMatchObject(told)
  expect(answer.ServerSideEncryption).toBeUndefined()
  const found = await get('ours', key)
  expect(found.bytes.equals(body)).toBe(true)
  expect(found).toMatchObject(told)
  const disk = await stored()
  for (const form of [raw, key.SSECustomerKey, raw.toString('hex'), key.SSECustomerKeyMD5])
    expect(disk.includes(form)).toBe(false)

  await expect(get('ours', { Bucket: theirs })).rejects.toMatchObject({
    name: 'InvalidRequest',
    message: /form of Server Side Encryption/,
  })
  await expect(get('ours', { Bucket: theirs, ...customer() })).rejects.toMatchObject({ name: 'AccessDenied' })
  expect(() => checkCustomerKey({}, { ...key, SSECustomerKeyMD5: customer().SSECustomerKeyMD5 })).toThrow(
    'The calculated MD5 hash of the key did not match the hash that was provided.',
  )
  await put('plain', 'x', { Bucket: theirs })
  await expect(get('plain', key)).rejects.toMatchObject({
    message: 'The encryption parameters are not applicable to this object.',
  })
  await expect(put('x', 'x', { ...key, ServerSideEncryption: 'AES256' })).rejects.toMatchObject({
    name: 'InvalidArgument',
  })
})

test('a copy reads by one key and writes by another', async () => {
  const SSEKMSKeyId = await newKey()
  const from = customer()
  const body = randomBytes(90_000)
  await put('from', body, { Bucket: theirs, ...from })
  const source = {
    CopySourceSSECustomerAlgorithm: from.SSECustomerAlgorithm,
    CopySourceSSECustomerKey: from.SSECustomerKey,
    CopySourceSSECustomerKeyMD5: from.SSECustomerKeyMD5,
  }
  const copy = (more: object) =>
    s3.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `${theirs}/from`, ...more }))
  await expect(copy({})).rejects.toMatchObject({ name: 'InvalidRequest' })
  expect(await copy({ ...source, ServerSideEncryption: 'aws:kms', SSEKMSKeyId })).toMatchObject({ SSEKMSKeyId })
  expect((await get('to')).bytes.equals(body)).toBe(true)
  const onto = await s3.send(
    new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `${Bucket}/to`, ServerSideEncryption: 'AES256' }),
  )
  expect(onto.CopyObjectResult?.ETag).toBe(`"${md5(body)}"`)
  expect((await get('to')).bytes.equals(body)).toBe(true)
})

test.each(['customer', 'aws:kms', 'aws:kms:dsse'] as const)('parts of an upload under %s', async (mode) => {
  const key = mode === 'customer' ? customer() : {}
  const begin = mode === 'customer' ? key : { ServerSideEncryption: mode, SSEKMSKeyId: await newKey() }
  const upload = await s3.send(new CreateMultipartUploadCommand({ Bucket: theirs, Key: 'parts', ...begin }))
  const { UploadId } = upload
  const first = randomBytes(5 * 1024 ** 2)
  await put('rest', Buffer.from('0123456789'))
  const at = { Bucket: theirs, Key: 'parts', UploadId }
  if (mode === 'customer') {
    await expect(s3.send(new UploadPartCommand({ ...at, PartNumber: 1, Body: 'x' }))).rejects.toMatchObject({
      name: 'InvalidRequest',
    })
    await expect(
      s3.send(new UploadPartCommand({ ...at, PartNumber: 1, Body: 'x', ...customer() })),
    ).rejects.toMatchObject({ name: 'InvalidRequest' })
  }
  const one = await s3.send(new UploadPartCommand({ ...at, PartNumber: 1, Body: first, ...key }))
  const two = await s3.send(
    new UploadPartCopyCommand({
      ...at,
      PartNumber: 2,
      CopySource: `${Bucket}/rest`,
      CopySourceRange: 'bytes=2-5',
      ...key,
    }),
  )
  const Parts = [
    { PartNumber: 1, ETag: one.ETag },
    { PartNumber: 2, ETag: two.CopyPartResult?.ETag },
  ]
  const done = await s3.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts } }))
  if (mode !== 'customer') expect(done).toMatchObject(begin)
  const whole = Buffer.concat([first, Buffer.from('2345')])
  expect((await get('parts', { Bucket: theirs, ...key })).bytes.equals(whole)).toBe(true)
  const range = await get('parts', { Bucket: theirs, ...key, Range: `bytes=${first.length - 3}-${first.length + 1}` })
  expect(range.bytes.equals(whole.subarray(first.length - 3, first.length + 2))).toBe(true)
})

test('the bucket’s default is what objects get that name nothing; a policy looks at what requests name', async () => {
  const at = { Bucket: 'defaults' }
  const SSEKMSKeyId = await newKey()
  await encryptBy(
    {
      ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: SSEKMSKeyId },
      BucketKeyEnabled: true,
    },
    at.Bucket,
  )
  expect(await put('default', 'x', at)).toMatchObject({
    ServerSideEncryption: 'aws:kms',
    SSEKMSKeyId,
    BucketKeyEnabled: true,
  })
  expect((await get('default', at)).bytes.toString()).toBe('x')
  await s3.send(
    new PutBucketPolicyCommand({
      ...at,
      Policy: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Deny',
            Principal: '*',
            Action: 's3:PutObject',
            Resource: `arn:aws:s3:::${at.Bucket}/*`,
            Condition: { StringNotEquals: { 's3:x-amz-server-side-encryption-aws-kms-key-id': SSEKMSKeyId } },
          },
        ],
      }),
    }),
  )
  const user = drydock.client(S3Client, await drydock.user('writer', [allow(['s3:PutObject', 'kms:GenerateDataKey'])]))
  await expect(put('policy', 'x', at, user)).rejects.toMatchObject({ name: 'AccessDenied' })
  expect(await put('policy', 'x', { ...at, ServerSideEncryption: 'aws:kms', SSEKMSKeyId }, user)).toMatchObject({
    SSEKMSKeyId,
  })
})

test('an object’s key moves under KMS, its content stays', async () => {
  const bucket = 'moving'
  await s3.send(new CreateBucketCommand({ Bucket: bucket }))
  const body = randomBytes(70_000)
  const at = { Bucket: bucket, Key: 'k' }
  const { ETag } = await s3.send(new PutObjectCommand({ ...at, Body: body }))
  const before = await stored()
  for (const BucketKeyEnabled of [false, true]) {
    const KMSKeyArn = await newKey()
    await s3.send(
      new UpdateObjectEncryptionCommand({ ...at, ObjectEncryption: { SSEKMS: { KMSKeyArn, BucketKeyEnabled } } }),
    )
    const found = await get('k', { Bucket: bucket })
    expect(found).toMatchObject({ ETag, ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KMSKeyArn })
    expect(found.BucketKeyEnabled).toBe(BucketKeyEnabled || undefined)
    expect(found.bytes.equals(body)).toBe(true)
    await kms.send(new DisableKeyCommand({ KeyId: KMSKeyArn }))
    await drydock.advance({ minutes: 6 })
    await expect(get('k', { Bucket: bucket })).rejects.toMatchObject({ name: 'KMS.DisabledException' })
    await kms.send(new EnableKeyCommand({ KeyId: KMSKeyArn }))
  }
  expect(before.length).toBeGreaterThan(70_000)
  await expect(
    s3.send(new UpdateObjectEncryptionCommand({ ...at, ObjectEncryption: { SSEKMS: { KMSKeyArn: 'alias/x' } } })),
  ).rejects.toMatchObject({ name: 'InvalidRequest' })
})
