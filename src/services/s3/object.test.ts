import { createHash, createHmac } from 'node:crypto'
import { request } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  DeleteObjectTaggingCommand,
  GetObjectAclCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectTaggingCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { checksumOf } from './checksum.ts'

let drydock: Story
let s3: S3Client
/** A client that adds no checksum of its own. */
let plain: S3Client
const Bucket = 'objects'
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  plain = new S3Client({
    endpoint: drydock.endpoint,
    region: 'us-east-1',
    credentials: drydock.root,
    maxAttempts: 1,
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  await s3.send(new CreateBucketCommand({ Bucket }))
})
afterAll(() => drydock.close())

const put = (Key: string, Body: PutObjectCommandInput['Body'], more: Partial<PutObjectCommandInput> = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
const get = (Key: string, more: Partial<GetObjectCommandInput> = {}) =>
  s3.send(new GetObjectCommand({ Bucket, Key, ...more }))
const textOf = async (Key: string, more?: Partial<GetObjectCommandInput>) =>
  (await get(Key, more)).Body?.transformToString()
const md5 = (text: string | Buffer) => createHash('md5').update(text).digest('hex')

test('bytes, metadata and headers come back as they were put', async () => {
  const Expires = new Date('2030-01-02T03:04:05Z')
  const headers = {
    ContentType: 'text/plain; charset=utf-8',
    CacheControl: 'max-age=60',
    ContentDisposition: 'attachment; filename="x.txt"',
    ContentEncoding: 'identity',
    ContentLanguage: 'de',
    WebsiteRedirectLocation: '/other',
  }
  const { ETag, ...stored } = await put('all', 'hello', {
    ...headers,
    Expires,
    Metadata: { Color: 'red', 'x-y': 'a, b' },
  })
  expect(ETag).toBe(`"${md5('hello')}"`)
  expect(stored).toMatchObject({
    ServerSideEncryption: 'AES256',
    ChecksumCRC32: 'NhCmhg==',
    ChecksumType: 'FULL_OBJECT',
  })
  expect(stored.VersionId).toBeUndefined()
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'all' }))
  expect(head).toMatchObject({
    ...headers,
    ETag,
    ContentLength: 5,
    AcceptRanges: 'bytes',
    Metadata: { color: 'red', 'x-y': 'a, b' },
    LastModified: drydock.clock.now(),
    ExpiresString: Expires.toUTCString(),
  })
  expect(head.ChecksumCRC32).toBeUndefined()
  expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'all', ChecksumMode: 'ENABLED' }))).ChecksumCRC32).toBe(
    'NhCmhg==',
  )
  const got = await get('all', {
    ResponseContentType: 'a/b',
    ResponseCacheControl: 'no-cache',
    ResponseExpires: new Date(0),
  })
  expect(got).toMatchObject({
    ContentType: 'a/b',
    CacheControl: 'no-cache',
    ContentLanguage: 'de',
    ExpiresString: new Date(0).toUTCString(),
  })
  expect(await got.Body?.transformToString()).toBe('hello')
})

test.each([0, 1, 16 * 1024, 16 * 1024 + 1, 70_000, 3_000_000])('%i bytes, and any range of them', async (size) => {
  const bytes = Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz0123456789')
  const Key = `size-${size}`
  expect((await put(Key, bytes)).ETag).toBe(`"${md5(bytes)}"`)
  const whole = await get(Key)
  expect(whole.ContentLength).toBe(size)
  expect(Buffer.from((await whole.Body?.transformToByteArray()) ?? []).equals(bytes)).toBe(true)
  if (size < 100) return
  const part = await get(Key, { Range: 'bytes=10-49' })
  expect(part).toMatchObject({
    ContentRange: `bytes 10-49/${size}`,
    ContentLength: 40,
    $metadata: { httpStatusCode: 206 },
  })
  expect(await part.Body?.transformToString()).toBe(bytes.toString('latin1', 10, 50))
  expect(await textOf(Key, { Range: 'bytes=-7' })).toBe(bytes.toString('latin1', size - 7))
  expect(await textOf(Key, { Range: `bytes=${size - 3}-` })).toBe(bytes.toString('latin1', size - 3))
})

test('a range beyond the end is not satisfiable', async () => {
  await put('short', 'hello')
  await expect(get('short', { Range: 'bytes=5-' })).rejects.toMatchObject({
    name: 'InvalidRange',
    ActualObjectSize: '5',
    $metadata: { httpStatusCode: 416 },
  })
  expect((await get('short', { Range: 'bytes=1-2,3-4' })).$metadata.httpStatusCode).toBe(200)
  await expect(get('short', { Range: 'bytes=0-1', PartNumber: 1 })).rejects.toMatchObject({ name: 'InvalidRequest' })
})

test.each([
  'ünïcödé/日本語/🚢',
  'two//slashes///',
  'etc/../passwd',
  '.',
  'plus+and space&amp;=?#%41%',
  '/leading',
  'tab\tand"quotes\'<>',
  '\u{10ffff}',
  'k'.repeat(1024),
])('the key %j is only a name', async (Key) => {
  await put(Key, `bytes of ${Key}`)
  expect(await textOf(Key)).toBe(`bytes of ${Key}`)
  await s3.send(
    new CopyObjectCommand({ Bucket, Key: 'copy-of-odd', CopySource: `${Bucket}/${encodeURIComponent(Key)}` }),
  )
  expect(await textOf('copy-of-odd')).toBe(`bytes of ${Key}`)
  await s3.send(new DeleteObjectCommand({ Bucket, Key }))
  await expect(get(Key)).rejects.toMatchObject({ name: 'NoSuchKey' })
})

test('a key of more than 1,024 bytes is too long, for whatever is asked of it', async () => {
  const Key = `${'ü'.repeat(512)}x`
  const tooLong = { name: 'KeyTooLongError', Size: '1025', MaxSizeAllowed: '1024', $metadata: { httpStatusCode: 400 } }
  await expect(put(Key, 'x')).rejects.toMatchObject(tooLong)
  await expect(get(Key)).rejects.toMatchObject(tooLong)
  await expect(s3.send(new DeleteObjectCommand({ Bucket, Key }))).rejects.toMatchObject(tooLong)
  await expect(s3.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/x` }))).rejects.toMatchObject(
    tooLong,
  )
  await expect(s3.send(new CreateMultipartUploadCommand({ Bucket, Key }))).rejects.toMatchObject(tooLong)
  const { Errors } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key }] } }))
  expect(Errors).toMatchObject([{ Code: 'KeyTooLongError' }])
})

test.each<[key: string, there: boolean]>([
  ['..', false],
  ['../x', false],
  ['videos/../../video1.wmv', false],
  ['videos/../../2014/video1.wmv', false],
  ['a/./../..', false],
  ['videos/2014/../../video1.wmv', true],
  ['./x', true],
  ['a/..', true],
  ['a..b/..c', true],
])('a key does not lead above its bucket: %s', async (Key, there) => {
  if (there) {
    await put(Key, 'x')
    expect(await textOf(Key)).toBe('x')
  } else {
    await expect(put(Key, 'x')).rejects.toMatchObject({ name: 'InvalidURI', $metadata: { httpStatusCode: 400 } })
    await expect(get(Key)).rejects.toMatchObject({ name: 'InvalidURI' })
  }
})

test('what is not there', async () => {
  await expect(get('absent')).rejects.toMatchObject({
    name: 'NoSuchKey',
    message: 'The specified key does not exist.',
    Key: 'absent',
  })
  await expect(s3.send(new HeadObjectCommand({ Bucket, Key: 'absent' }))).rejects.toMatchObject({ name: 'NotFound' })
  await expect(s3.send(new GetObjectCommand({ Bucket: 'no-such-bucket', Key: 'x' }))).rejects.toMatchObject({
    name: 'NoSuchBucket',
  })
  await expect(get('absent', { VersionId: 'nonsense' })).rejects.toMatchObject({
    name: 'InvalidArgument',
    message: 'Invalid version id specified',
  })
  await expect(get('absent', { VersionId: 'null' })).rejects.toMatchObject({ name: 'NoSuchVersion' })
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'absent' }))
})

test('conditional reads', async () => {
  const { ETag = '' } = await put('conditional', 'hello')
  const at = drydock.clock.now()
  const later = new Date(at.getTime() + 10_000)
  const earlier = new Date(at.getTime() - 10_000)
  const failed = { name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } }
  const unchanged = { $metadata: { httpStatusCode: 304 }, $response: { headers: { etag: ETag } } }
  await get('conditional', { IfMatch: ETag })
  await expect(get('conditional', { IfMatch: '"x"' })).rejects.toMatchObject({ ...failed, Condition: 'If-Match' })
  await expect(get('conditional', { IfNoneMatch: ETag })).rejects.toMatchObject(unchanged)
  await expect(get('conditional', { IfModifiedSince: later })).rejects.toMatchObject(unchanged)
  await get('conditional', { IfModifiedSince: earlier })
  await expect(get('conditional', { IfUnmodifiedSince: earlier })).rejects.toMatchObject({
    ...failed,
    Condition: 'If-Unmodified-Since',
  })
  await expect(s3.send(new HeadObjectCommand({ Bucket, Key: 'conditional', IfMatch: '"x"' }))).rejects.toMatchObject({
    $metadata: { httpStatusCode: 412 },
  })
})

test('conditional writes', async () => {
  const failed = { name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } }
  const { ETag } = await put('once', 'first', { IfNoneMatch: '*' })
  await expect(put('once', 'second', { IfNoneMatch: '*' })).rejects.toMatchObject(failed)
  await expect(put('once', 'second', { IfMatch: '"x"' })).rejects.toMatchObject(failed)
  expect(await textOf('once')).toBe('first')
  await put('once', 'third', { IfMatch: ETag })
  expect(await textOf('once')).toBe('third')
  await expect(put('never', 'x', { IfMatch: '"x"' })).rejects.toMatchObject({ name: 'NoSuchKey' })
  await expect(s3.send(new DeleteObjectCommand({ Bucket, Key: 'once', IfMatch: ETag }))).rejects.toMatchObject(failed)
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'once', IfMatch: '*' }))
  await expect(get('once')).rejects.toMatchObject({ name: 'NoSuchKey' })
})

test('of many conditional writers at once, one wins', async () => {
  const tried = await Promise.allSettled(
    Array.from({ length: 8 }, (_, i) => put('race', `writer ${i}`, { IfNoneMatch: '*' })),
  )
  expect(tried.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)(
  '%s is checked, kept and answered',
  async (algorithm) => {
    const member = `Checksum${algorithm}` as const
    const Key = `sum-${algorithm}`
    const value = (await put(Key, 'hello', { ChecksumAlgorithm: algorithm }))[member]
    expect(value).toMatch(/=$/)
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }))
    expect(head).toMatchObject({ [member]: value, ChecksumType: 'FULL_OBJECT' })
    await plain.send(new PutObjectCommand({ Bucket, Key, Body: 'hello', [member]: value }))
    await expect(
      plain.send(new PutObjectCommand({ Bucket, Key, Body: 'hallo', [member]: value })),
    ).rejects.toMatchObject({
      name: 'BadDigest',
      message: `The ${algorithm} you specified did not match the calculated checksum.`,
    })
    await expect(
      plain.send(new PutObjectCommand({ Bucket, Key, Body: 'hallo', [member]: 'AAA=' })),
    ).rejects.toMatchObject({
      name: 'InvalidRequest',
      message: `Value for x-amz-checksum-${algorithm.toLowerCase()} header is invalid.`,
    })
    expect(await textOf(Key)).toBe('hello')
  },
)

test.each(['SHA512', 'MD5', 'XXHASH64', 'XXHASH3', 'XXHASH128'] as const)(
  '%s, which clients compute by themselves',
  async (algorithm) => {
    const member = `Checksum${algorithm}` as const
    const at = { Bucket, Key: `sum-${algorithm}` }
    const send = (body: string, value: string) =>
      plain.send(new PutObjectCommand({ ...at, Body: body, [member]: value }))
    const value = await checksumOf(algorithm, Buffer.from('hello'))
    expect(await send('hello', value)).toMatchObject({ [member]: value, ChecksumType: 'FULL_OBJECT' })
    await expect(send('hallo', value)).rejects.toMatchObject({ name: 'BadDigest' })
    const { Checksum } = await s3.send(new GetObjectAttributesCommand({ ...at, ObjectAttributes: ['Checksum'] }))
    expect(Checksum).toEqual({ [member]: value, ChecksumType: 'FULL_OBJECT' })
  },
)

test('a streamed body carries its checksum behind it', async () => {
  const { Readable } = await import('node:stream')
  const bytes = Buffer.alloc(300_000, 'abc')
  const sent = await put('streamed', Readable.from([bytes.subarray(0, 99_999), bytes.subarray(99_999)]), {
    ContentLength: bytes.length,
    ChecksumAlgorithm: 'SHA256',
  })
  expect(sent.ChecksumSHA256).toBe(createHash('sha256').update(bytes).digest('base64'))
  const got = await get('streamed')
  expect(got.ContentEncoding).toBeUndefined()
  expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(bytes)).toBe(true)
})

/** A presigned PUT with these parameters besides, as the SDK's presigner puts headers into the query. */
const presignedPut = (Key: string, more: Readonly<Record<string, string>>) => {
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${now.slice(0, 8)}/us-east-1/s3/aws4_request`
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const { host } = new URL(drydock.endpoint)
  const query = Object.entries({
    ...more,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${drydock.root.accessKeyId}/${scope}`,
    'X-Amz-Date': now,
    'X-Amz-Expires': '60',
    'X-Amz-SignedHeaders': 'host',
  })
    .map((pair) => pair.map(encodeURIComponent).join('='))
    .toSorted()
    .join('&')
  const canonical = ['PUT', `/${Bucket}/${Key}`, query, `host:${host}`, '', 'host', 'UNSIGNED-PAYLOAD'].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', now, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${drydock.root.secretAccessKey}`)
  return `${drydock.endpoint}/${Bucket}/${Key}?${query}&X-Amz-Signature=${hmac(key, toSign).toString('hex')}`
}

test('a presigned URL carries headers in its query, and no checksum of a body it does not know', async () => {
  const url = presignedPut('presigned', {
    'x-amz-meta-color': 'red',
    'x-amz-tagging': 'a=b',
    'x-amz-checksum-crc32': 'AAAAAA==',
    'x-amz-sdk-checksum-algorithm': 'CRC32',
  })
  expect((await fetch(url, { method: 'PUT', body: 'hello' })).status).toBe(200)
  expect(await get('presigned')).toMatchObject({ Metadata: { color: 'red' }, TagCount: 1 })
  expect((await fetch(url.replace('color=red', 'color=blue'), { method: 'PUT', body: 'hello' })).status).toBe(403)
  const kms = await fetch(presignedPut('presigned', { 'x-amz-server-side-encryption': 'aws:kms' }), {
    method: 'PUT',
    body: 'x',
  })
  expect(kms.status).toBe(200)
  expect(kms.headers.get('x-amz-server-side-encryption')).toBe('aws:kms')
})

/** A PUT in chunks that are signed one by one, as the AWS SDK for Java sends it. */
const putSigned = async (Key: string, chunks: readonly string[], change = (body: string) => body) => {
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${now.slice(0, 8)}/us-east-1/s3/aws4_request`
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const sha = (text: string) => createHash('sha256').update(text).digest('hex')
  const signingKey = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${drydock.root.secretAccessKey}`)
  const headers: Record<string, string> = {
    'content-encoding': 'aws-chunked',
    host: new URL(drydock.endpoint).host,
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    'x-amz-date': now,
    'x-amz-decoded-content-length': String(chunks.join('').length),
    'x-amz-trailer': 'x-amz-checksum-sha256',
  }
  const names = Object.keys(headers).toSorted()
  const canonical = [
    'PUT',
    `/${Bucket}/${Key}`,
    '',
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    headers['x-amz-content-sha256'],
  ].join('\n')
  const sign = (...lines: string[]) => hmac(signingKey, lines.join('\n')).toString('hex')
  let previous = sign('AWS4-HMAC-SHA256', now, scope, sha(canonical))
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${drydock.root.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${previous}`
  let body = ''
  for (const chunk of [...chunks, '']) {
    previous = sign('AWS4-HMAC-SHA256-PAYLOAD', now, scope, previous, sha(''), sha(chunk))
    body += `${chunk.length.toString(16)};chunk-signature=${previous}\r\n${chunk}${chunk ? '\r\n' : ''}`
  }
  const trailer = `x-amz-checksum-sha256:${createHash('sha256').update(chunks.join('')).digest('base64')}\n`
  body += `${trailer}\r\nx-amz-trailer-signature:${sign('AWS4-HMAC-SHA256-TRAILER', now, scope, previous, sha(trailer))}\r\n\r\n`
  return new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const sent = request(`${drydock.endpoint}/${Bucket}/${Key}`, { method: 'PUT', headers }, async (response) =>
      resolve({ status: response.statusCode, text: await readText(response) }),
    )
    sent.on('error', reject)
    sent.end(change(body))
  })
}

test('every chunk and the trailer are verified where they are signed', async () => {
  const chunks = ['a'.repeat(70_000), 'b'.repeat(9_000)]
  expect(await putSigned('signed', chunks)).toEqual({ status: 200, text: '' })
  expect(await textOf('signed')).toBe(chunks.join(''))
  const refused = async (change: (body: string) => string) => (await putSigned('forged', chunks, change)).text
  expect(await refused((body) => body.replace('aaa', 'aba'))).toContain('<Code>SignatureDoesNotMatch</Code>')
  expect(await refused((body) => body.replace(/x-amz-checksum-sha256:./, 'x-amz-checksum-sha256:0'))).toContain(
    '<Code>SignatureDoesNotMatch</Code>',
  )
  expect(await refused((body) => body.slice(0, 70_000))).toContain('<Code>IncompleteBody</Code>')
  await expect(get('forged')).rejects.toMatchObject({ name: 'NoSuchKey' })
})

test('Content-MD5, and CRC64NVME where the caller gives nothing', async () => {
  const right = createHash('md5').update('hello').digest('base64')
  const send = (ContentMD5?: string) =>
    plain.send(new PutObjectCommand({ Bucket, Key: 'md5', Body: 'hello', ...(ContentMD5 ? { ContentMD5 } : {}) }))
  expect(await send(right)).toMatchObject({ ChecksumCRC64NVME: expect.any(String), ChecksumType: 'FULL_OBJECT' })
  await expect(send(createHash('md5').update('x').digest('base64'))).rejects.toMatchObject({ name: 'BadDigest' })
  await expect(send('nonsense')).rejects.toMatchObject({ name: 'InvalidDigest' })
})

test('what is not done is refused, not ignored', async () => {
  await expect(put('x', 'x', { StorageClass: 'CHEAP' as 'GLACIER' })).rejects.toMatchObject({
    name: 'InvalidStorageClass',
  })
  await expect(put('x', 'x', { ServerSideEncryption: 'ROT13' as 'aws:kms' })).rejects.toMatchObject({
    name: 'InvalidArgument',
  })
  await expect(put('x', 'x', { ObjectLockLegalHoldStatus: 'ON' })).rejects.toMatchObject({ name: 'InvalidRequest' })
  await expect(put('x', 'x', { ACL: 'public-read' })).rejects.toMatchObject({ name: 'AccessControlListNotSupported' })
  await expect(put('x', 'x', { Metadata: { big: 'x'.repeat(2048) } })).rejects.toMatchObject({
    name: 'MetadataTooLarge',
  })
  await expect(put('x', 'x', { WebsiteRedirectLocation: 'elsewhere' })).rejects.toMatchObject({
    name: 'InvalidRedirectLocation',
  })
  await expect(get('x')).rejects.toMatchObject({ name: 'NoSuchKey' })
  await put('x', 'x', { ServerSideEncryption: 'AES256', StorageClass: 'STANDARD', ACL: 'bucket-owner-full-control' })
  await expect(s3.send(new PutObjectAclCommand({ Bucket, Key: 'x', ACL: 'public-read' }))).rejects.toMatchObject({
    name: 'AccessControlListNotSupported',
  })
  expect((await s3.send(new GetObjectAclCommand({ Bucket, Key: 'x' }))).Grants).toHaveLength(1)
})

test('copies take bytes and metadata along, or replace them', async () => {
  await put('from', 'x'.repeat(50_000), {
    ContentType: 'text/x',
    Metadata: { a: '1' },
    Tagging: 'k=v&l=',
    ChecksumAlgorithm: 'SHA1',
  })
  const copy = await s3.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `/${Bucket}/from` }))
  expect(copy.CopyObjectResult).toMatchObject({
    ETag: `"${md5('x'.repeat(50_000))}"`,
    ChecksumSHA1: expect.any(String),
  })
  expect(await get('to')).toMatchObject({
    ContentType: 'text/x',
    Metadata: { a: '1' },
    TagCount: 2,
    ContentLength: 50_000,
  })
  await s3.send(
    new CopyObjectCommand({
      Bucket,
      Key: 'to',
      CopySource: `${Bucket}/from`,
      MetadataDirective: 'REPLACE',
      Metadata: { b: '2' },
      TaggingDirective: 'REPLACE',
      Tagging: 'm=n',
    }),
  )
  expect(await get('to')).toMatchObject({ ContentType: 'binary/octet-stream', Metadata: { b: '2' }, TagCount: 1 })
  await expect(
    s3.send(new CopyObjectCommand({ Bucket, Key: 'from', CopySource: `${Bucket}/from` })),
  ).rejects.toMatchObject({ name: 'InvalidRequest' })
  await s3.send(
    new CopyObjectCommand({
      Bucket,
      Key: 'from',
      CopySource: `${Bucket}/from`,
      MetadataDirective: 'REPLACE',
      Metadata: { c: '3' },
    }),
  )
  expect(await textOf('from')).toBe('x'.repeat(50_000))
  await expect(
    s3.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `${Bucket}/absent` })),
  ).rejects.toMatchObject({ name: 'NoSuchKey' })
  await expect(s3.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: Bucket }))).rejects.toMatchObject({
    name: 'InvalidArgument',
  })
  await expect(
    s3.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `${Bucket}/from`, CopySourceIfMatch: '"x"' })),
  ).rejects.toMatchObject({ name: 'PreconditionFailed' })
})

test('object tags', async () => {
  await put('tagged', 'x', { Tagging: 'color=dark%20red&empty=' })
  const tags = async () => (await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'tagged' }))).TagSet
  expect(await tags()).toEqual([
    { Key: 'color', Value: 'dark red' },
    { Key: 'empty', Value: '' },
  ])
  await s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'tagged', Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } }))
  expect(await tags()).toEqual([{ Key: 'a', Value: 'b' }])
  await s3.send(new DeleteObjectTaggingCommand({ Bucket, Key: 'tagged' }))
  expect(await tags()).toEqual([])
  await expect(
    put('tagged', 'x', { Tagging: Array.from({ length: 11 }, (_, i) => `k${i}=v`).join('&') }),
  ).rejects.toMatchObject({ name: 'BadRequest' })
  await expect(s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'absent' }))).rejects.toMatchObject({
    name: 'NoSuchKey',
  })
})

test('attributes', async () => {
  await put('attributes', 'hello', { ChecksumAlgorithm: 'SHA256' })
  const found = await s3.send(
    new GetObjectAttributesCommand({
      Bucket,
      Key: 'attributes',
      ObjectAttributes: ['ETag', 'Checksum', 'ObjectSize', 'StorageClass', 'ObjectParts'],
    }),
  )
  expect(found).toMatchObject({
    ETag: md5('hello'),
    ObjectSize: 5,
    StorageClass: 'STANDARD',
    Checksum: { ChecksumSHA256: createHash('sha256').update('hello').digest('base64'), ChecksumType: 'FULL_OBJECT' },
  })
  expect(found.ObjectParts).toBeUndefined()
})

test('many are deleted at once, each with its own result', async () => {
  await put('many-1', 'x')
  const { Deleted, Errors } = await s3.send(
    new DeleteObjectsCommand({
      Bucket,
      Delete: { Objects: [{ Key: 'many-1' }, { Key: 'many-absent' }, { Key: 'many-2', VersionId: 'nonsense' }] },
    }),
  )
  expect(Deleted).toEqual([{ Key: 'many-1' }, { Key: 'many-absent' }])
  expect(Errors).toMatchObject([{ Key: 'many-2', VersionId: 'nonsense', Code: 'InvalidArgument' }])
  await expect(get('many-1')).rejects.toMatchObject({ name: 'NoSuchKey' })
  await put('many-3', 'x')
  const quiet = await s3.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'many-3' }], Quiet: true } }),
  )
  expect(quiet.Deleted).toBeUndefined()
})

test('events go to EventBridge once that is switched on', async () => {
  const Bucket = 'with-events'
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'silent', Body: 'x' }))
  await s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket,
      NotificationConfiguration: { EventBridgeConfiguration: {} },
    }),
  )
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  const { VersionId, ETag } = await s3.send(new PutObjectCommand({ Bucket, Key: 'a b', Body: 'hello' }))
  await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/a%20b` }))
  const marker = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'a b' }))
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'a b', VersionId }))
  await drydock.settled()
  const events = drydock.events.filter(
    ({ source, resources }) => source === 'aws.s3' && resources[0] === `arn:aws:s3:::${Bucket}`,
  )
  expect(events.map((event) => [event['detail-type'], event.detail.reason, event.detail['deletion-type']])).toEqual([
    ['Object Created', 'PutObject', undefined],
    ['Object Created', 'CopyObject', undefined],
    ['Object Deleted', 'DeleteObject', 'Delete Marker Created'],
    ['Object Deleted', 'DeleteObject', 'Permanently Deleted'],
  ])
  expect(events[0]).toMatchObject({
    account: drydock.account,
    region: 'us-east-1',
    detail: {
      version: '0',
      'event-version': '1.1',
      bucket: { name: Bucket },
      object: {
        key: 'a b',
        size: 5,
        etag: ETag?.replaceAll('"', ''),
        'version-id': VersionId,
        sequencer: expect.stringMatching(/^[0-9A-F]+$/),
      },
      requester: drydock.account,
      'source-ip-address': '127.0.0.1',
      'request-id': expect.any(String),
    },
  })
  expect(events[2]?.detail).toMatchObject({ object: { 'version-id': marker.VersionId } })
})
