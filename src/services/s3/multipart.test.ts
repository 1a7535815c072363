import { createHash } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  DeleteBucketCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { hasher } from './checksum.ts'

let drydock: Story
let s3: S3Client
const Bucket = 'multipart'
const MiB = 1024 ** 2
const one = Buffer.alloc(5 * MiB, 'one.')
const two = Buffer.alloc(5 * MiB + 7, 'second.')
const three = Buffer.from('the end')
const whole = Buffer.concat([one, two, three])
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket }))
})
afterAll(() => drydock.close())

const begin = async (Key: string, more: Partial<CreateMultipartUploadCommandInput> = {}) => {
  const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ...more }))
  return { Bucket, Key, UploadId }
}
type Upload = Awaited<ReturnType<typeof begin>>
const send = async (upload: Upload, PartNumber: number, Body: Buffer, more = {}) => {
  const {
    $metadata: _,
    ServerSideEncryption: __,
    ...part
  } = await s3.send(new UploadPartCommand({ ...upload, PartNumber, Body, ...more }))
  return { PartNumber, ...part }
}
const complete = (
  upload: Upload,
  Parts: NonNullable<CompleteMultipartUploadCommandInput['MultipartUpload']>['Parts'],
  more = {},
) => s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, ...more }))
const bytesOf = async (Key: string, more = {}) =>
  Buffer.from(
    (await (await s3.send(new GetObjectCommand({ Bucket, Key, ...more }))).Body?.transformToByteArray()) ?? [],
  )
const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest()
const sumOf = async (algorithm: 'CRC32' | 'CRC64NVME' | 'CRC32C' | 'SHA256', bytes: Buffer) => {
  const hash = await hasher(algorithm)
  hash.update(bytes)
  return hash.digest()
}

test('parts become one object', async () => {
  const upload = await begin('joined', { ContentType: 'text/x', Metadata: { a: 'b' }, Tagging: 'k=v' })
  await send(upload, 3, Buffer.from('an earlier try'))
  const parts = [await send(upload, 1, one), await send(upload, 2, two), await send(upload, 3, three)]
  const done = await complete(upload, parts)
  const etag = `"${createHash('md5')
    .update(Buffer.concat([one, two, three].map(md5)))
    .digest('hex')}-3"`
  expect(done).toMatchObject({ ETag: etag, Bucket, Key: 'joined', Location: `${drydock.endpoint}/${Bucket}/joined` })
  expect(await s3.send(new HeadObjectCommand({ Bucket, Key: 'joined' }))).toMatchObject({
    ETag: etag,
    ContentLength: whole.length,
    ContentType: 'text/x',
    Metadata: { a: 'b' },
  })
  expect((await bytesOf('joined')).equals(whole)).toBe(true)
  expect((await bytesOf('joined', { Range: `bytes=${5 * MiB - 3}-${5 * MiB + 3}` })).toString()).toBe('ne.seco')
  expect((await bytesOf('joined', { Range: 'bytes=-9' })).toString()).toBe(whole.subarray(-9).toString())
  const part = await s3.send(new GetObjectCommand({ Bucket, Key: 'joined', PartNumber: 3 }))
  expect(part).toMatchObject({
    PartsCount: 3,
    ContentLength: 7,
    ContentRange: `bytes ${whole.length - 7}-${whole.length - 1}/${whole.length}`,
  })
  expect(await part.Body?.transformToString()).toBe('the end')
  await expect(s3.send(new GetObjectCommand({ Bucket, Key: 'joined', PartNumber: 4 }))).rejects.toMatchObject({
    name: 'InvalidPartNumber',
  })
  expect(await complete(upload, parts)).toMatchObject({ ETag: etag, ChecksumCRC64NVME: done.ChecksumCRC64NVME })
  await s3.send(new PutObjectCommand({ Bucket, Key: 'joined', Body: 'newer' }))
  await expect(complete(upload, parts)).rejects.toMatchObject({
    name: 'NoSuchUpload',
    $metadata: { httpStatusCode: 404 },
  })
})

test('the caller chooses among the parts; the rest is forgotten', async () => {
  const upload = await begin('chosen')
  const parts = [await send(upload, 5, one), await send(upload, 9, two), await send(upload, 10_000, three)]
  await complete(upload, [parts[0]!, parts[2]!])
  expect((await bytesOf('chosen')).equals(Buffer.concat([one, three]))).toBe(true)
})

test.each(['CRC32', 'CRC32C'] as const)('%s of parts, composite and of the full object', async (ChecksumAlgorithm) => {
  const member = `Checksum${ChecksumAlgorithm}` as const
  const composite = await begin('composite', { ChecksumAlgorithm })
  const parts = [
    await send(composite, 1, one, { ChecksumAlgorithm }),
    await send(composite, 2, three, { ChecksumAlgorithm }),
  ]
  expect(parts[0]?.[member]).toBe(await sumOf(ChecksumAlgorithm, one))
  await expect(
    complete(
      composite,
      parts.map(({ ETag, PartNumber }) => ({ ETag, PartNumber })),
    ),
  ).rejects.toMatchObject({ name: 'InvalidRequest' })
  const done = await complete(composite, parts)
  const raw = Buffer.concat(
    await Promise.all([one, three].map(async (bytes) => Buffer.from(await sumOf(ChecksumAlgorithm, bytes), 'base64'))),
  )
  expect(done).toMatchObject({ [member]: `${await sumOf(ChecksumAlgorithm, raw)}-2`, ChecksumType: 'COMPOSITE' })
  const attributes = await s3.send(
    new GetObjectAttributesCommand({
      Bucket,
      Key: 'composite',
      ObjectAttributes: ['Checksum', 'ObjectParts'],
      MaxParts: 1,
    }),
  )
  expect(attributes).toMatchObject({
    Checksum: { ChecksumType: 'COMPOSITE' },
    ObjectParts: {
      TotalPartsCount: 2,
      IsTruncated: true,
      MaxParts: 1,
      NextPartNumberMarker: '1',
      Parts: [{ PartNumber: 1, Size: one.length, [member]: parts[0]?.[member] }],
    },
  })

  const full = await begin('full', { ChecksumAlgorithm, ChecksumType: 'FULL_OBJECT' })
  const fullParts = [await send(full, 1, one, { ChecksumAlgorithm }), await send(full, 2, three, { ChecksumAlgorithm })]
  const sum = await sumOf(ChecksumAlgorithm, Buffer.concat([one, three]))
  await expect(complete(full, fullParts, { [member]: await sumOf(ChecksumAlgorithm, one) })).rejects.toMatchObject({
    name: 'BadDigest',
  })
  expect(await complete(full, fullParts, { [member]: sum, ChecksumType: 'FULL_OBJECT' })).toMatchObject({
    [member]: sum,
    ChecksumType: 'FULL_OBJECT',
  })
})

test('CRC64NVME covers the full object, SHA256 the parts', async () => {
  const upload = await begin('crc64', { ChecksumAlgorithm: 'CRC64NVME' })
  const parts = [
    await send(upload, 1, one, { ChecksumAlgorithm: 'CRC64NVME' }),
    await send(upload, 2, three, { ChecksumAlgorithm: 'CRC64NVME' }),
  ]
  expect(await complete(upload, parts)).toMatchObject({
    ChecksumCRC64NVME: await sumOf('CRC64NVME', Buffer.concat([one, three])),
    ChecksumType: 'FULL_OBJECT',
  })
  await expect(begin('x', { ChecksumAlgorithm: 'SHA256', ChecksumType: 'FULL_OBJECT' })).rejects.toMatchObject({
    name: 'InvalidRequest',
  })
  const sha = await begin('sha', { ChecksumAlgorithm: 'SHA256' })
  await expect(send(sha, 1, three, { ChecksumAlgorithm: 'CRC32' })).rejects.toMatchObject({ name: 'InvalidRequest' })
  const part = await send(sha, 1, three, { ChecksumAlgorithm: 'SHA256' })
  expect((await complete(sha, [part])).ChecksumSHA256).toMatch(/-1$/)
  // Each part's own is told with the part, and with a range that is one.
  const parted = await begin('two', { ChecksumAlgorithm: 'SHA256' })
  const both = [
    await send(parted, 1, one, { ChecksumAlgorithm: 'SHA256' }),
    await send(parted, 2, three, { ChecksumAlgorithm: 'SHA256' }),
  ]
  await complete(parted, both)
  const asked = { Bucket, Key: 'two', ChecksumMode: 'ENABLED' } as const
  const own = await sumOf('SHA256', three)
  expect(await s3.send(new HeadObjectCommand({ ...asked, PartNumber: 2 }))).toMatchObject({ ChecksumSHA256: own })
  const Range = `bytes=${one.length}-`
  expect(await s3.send(new GetObjectCommand({ ...asked, Range }))).toMatchObject({ ChecksumSHA256: own })
  const more = `bytes=${one.length - 1}-`
  expect(await s3.send(new GetObjectCommand({ ...asked, Range: more }))).not.toHaveProperty('ChecksumSHA256')
})

test('a list of parts that is not right changes nothing', async () => {
  const upload = await begin('wrong')
  const parts = [await send(upload, 1, three), await send(upload, 2, three)]
  await expect(complete(upload, parts)).rejects.toMatchObject({
    name: 'EntityTooSmall',
    ProposedSize: '7',
    PartNumber: '1',
  })
  await expect(complete(upload, parts.toReversed())).rejects.toMatchObject({ name: 'InvalidPartOrder' })
  await expect(complete(upload, [{ PartNumber: 1, ETag: '"0123"' }])).rejects.toMatchObject({ name: 'InvalidPart' })
  await expect(complete(upload, [{ PartNumber: 7, ETag: parts[0]?.ETag }])).rejects.toMatchObject({
    name: 'InvalidPart',
  })
  await expect(complete(upload, [])).rejects.toMatchObject({ name: 'MalformedXML' })
  await expect(complete(upload, [parts[0]!], { MpuObjectSize: 8 })).rejects.toMatchObject({ name: 'InvalidRequest' })
  await expect(send(upload, 10_001, three)).rejects.toMatchObject({ name: 'InvalidArgument' })
  await expect(s3.send(new HeadObjectCommand({ Bucket, Key: 'wrong' }))).rejects.toMatchObject({ name: 'NotFound' })
  expect((await s3.send(new ListPartsCommand(upload))).Parts).toHaveLength(2)
  await complete(upload, [parts[1]!], { IfNoneMatch: '*' })
})

test('uploads and parts are listed, and end by being aborted', async () => {
  const Bucket = 'uploads'
  await s3.send(new CreateBucketCommand({ Bucket }))
  const created: Upload[] = []
  for (const Key of ['a', 'b/1', 'b/2', 'c', 'c']) {
    const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }))
    created.push({ Bucket, Key, UploadId })
    await drydock.advance({ seconds: 1 })
  }
  const all = await s3.send(new ListMultipartUploadsCommand({ Bucket }))
  expect(all.Uploads?.map(({ Key, UploadId }) => ({ Key, UploadId }))).toEqual(
    created.map(({ Key, UploadId }) => ({ Key, UploadId })),
  )
  expect(await s3.send(new ListMultipartUploadsCommand({ Bucket, Delimiter: '/', Prefix: 'b' }))).toMatchObject({
    CommonPrefixes: [{ Prefix: 'b/' }],
  })
  const first = await s3.send(new ListMultipartUploadsCommand({ Bucket, MaxUploads: 4 }))
  expect(first).toMatchObject({ IsTruncated: true, NextKeyMarker: 'c', NextUploadIdMarker: created[3]?.UploadId })
  const rest = await s3.send(
    new ListMultipartUploadsCommand({
      Bucket,
      KeyMarker: first.NextKeyMarker,
      UploadIdMarker: first.NextUploadIdMarker,
    }),
  )
  expect(rest.Uploads).toMatchObject([{ UploadId: created[4]?.UploadId }])

  const upload = created[0]!
  for (const number of [1, 2, 3]) await send(upload, number, three)
  const page = await s3.send(new ListPartsCommand({ ...upload, MaxParts: 2 }))
  expect(page).toMatchObject({
    IsTruncated: true,
    NextPartNumberMarker: '2',
    Parts: [{ PartNumber: 1, Size: 7, ETag: `"${md5(three).toString('hex')}"` }, { PartNumber: 2 }],
  })
  expect((await s3.send(new ListPartsCommand({ ...upload, PartNumberMarker: '2' }))).Parts).toMatchObject([
    { PartNumber: 3 },
  ])
  await s3.send(new AbortMultipartUploadCommand(upload))
  await expect(s3.send(new ListPartsCommand(upload))).rejects.toMatchObject({ name: 'NoSuchUpload' })
  await expect(send(upload, 1, three)).rejects.toMatchObject({ name: 'NoSuchUpload' })
  await expect(s3.send(new AbortMultipartUploadCommand(upload))).rejects.toMatchObject({ name: 'NoSuchUpload' })
  await s3.send(new DeleteBucketCommand({ Bucket }))
})

test('parts are copied from objects', async () => {
  await s3.send(new PutObjectCommand({ Bucket, Key: 'source', Body: one }))
  const upload = await begin('from-copies')
  const copy = async (PartNumber: number, CopySourceRange?: string) => {
    const { CopyPartResult } = await s3.send(
      new UploadPartCopyCommand({ ...upload, PartNumber, CopySource: `${Bucket}/source`, CopySourceRange }),
    )
    return { PartNumber, ETag: CopyPartResult?.ETag }
  }
  const parts = [await copy(1), await copy(2, 'bytes=1-3')]
  await expect(copy(3, 'bytes=1-')).rejects.toMatchObject({ name: 'InvalidArgument' })
  await expect(copy(3, `bytes=0-${one.length}`)).rejects.toMatchObject({ name: 'InvalidArgument' })
  await complete(upload, parts)
  expect((await bytesOf('from-copies')).equals(Buffer.concat([one, one.subarray(1, 4)]))).toBe(true)
})
