import { createHash } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  paginateListParts,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { copyRange } from './multipart.ts'
import { findPart, Part } from './upload.ts'

// The limits of multipart uploads ("Amazon S3 multipart upload limits", S3 user guide).

let drydock: Story
let s3: S3Client
const Bucket = 'edges'
const MiB = 1024 ** 2
const GiB = 1024 ** 3
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket }))
})
afterAll(() => drydock.close())

const begin = async (Key: string) => {
  const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }))
  return { Bucket, Key, UploadId }
}
type Upload = Awaited<ReturnType<typeof begin>>
type Parts = NonNullable<CompleteMultipartUploadCommandInput['MultipartUpload']>['Parts']
const send = async (upload: Upload, PartNumber: number, Body: Buffer | string) => {
  const { ETag } = await s3.send(new UploadPartCommand({ ...upload, PartNumber, Body }))
  return { PartNumber, ETag }
}
const complete = (upload: Upload, Parts: Parts) =>
  s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }))
const isThere = (Key: string) =>
  s3.send(new HeadObjectCommand({ Bucket, Key })).then(
    () => true,
    () => false,
  )

test('ten thousand parts become one object', async () => {
  const upload = await begin('ten-thousand')
  const first = await send(upload, 1, Buffer.alloc(5 * MiB, 'part.'))
  // The parts between have the first one's bytes: fifty gigabytes that take five megabytes of disk.
  const { kernel } = drydock.server
  const service = kernel.services.get('s3')
  if (!service) throw new Error('There is no S3.')
  const ctx = kernel.ownContext(service, { account: drydock.account, region: drydock.region })
  await ctx.write(async (tx) => {
    const part = await findPart(tx, upload.UploadId, 1)
    for (let number = 2; part && number < 10_000; number++) tx.put(Part, { ...part, number })
  })
  const last = await send(upload, 10_000, 'the end')

  const listed: number[] = []
  for await (const { Parts = [] } of paginateListParts({ client: s3 }, upload))
    listed.push(...Parts.map(({ PartNumber = 0 }) => PartNumber))
  expect(listed).toEqual(Array.from({ length: 10_000 }, (_, at) => at + 1))

  const parts = listed.map((PartNumber) => ({ ...(PartNumber === 10_000 ? last : first), PartNumber }))
  const { ETag } = await complete(upload, parts)
  const md5s = parts.map((part) => Buffer.from(part.ETag?.slice(1, -1) ?? '', 'hex'))
  expect(ETag).toBe(`"${createHash('md5').update(Buffer.concat(md5s)).digest('hex')}-10000"`)
  const size = 9_999 * 5 * MiB + 7
  expect(await s3.send(new HeadObjectCommand({ Bucket, Key: upload.Key }))).toMatchObject({ ContentLength: size })
  const read = async (asked: object) => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: upload.Key, ...asked }))
    return Body?.transformToString()
  }
  expect(await read({ PartNumber: 10_000 })).toBe('the end')
  expect(await read({ Range: `bytes=${size - 12}-${size - 5}` })).toBe('part.the')
  expect((await complete(upload, parts)).ETag).toBe(ETag)
  await expect(complete(upload, parts.slice(1))).rejects.toMatchObject({ name: 'InvalidPart' })
}, 60_000)

test('an object of one empty part', async () => {
  const upload = await begin('empty')
  const part = await send(upload, 1, '')
  const { ETag } = await complete(upload, [part])
  expect(ETag).toMatch(/-1"$/)
  expect(await s3.send(new HeadObjectCommand({ Bucket, Key: 'empty' }))).toMatchObject({ ContentLength: 0 })
  const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'empty', PartNumber: 1 }))
  expect(got).toMatchObject({ ContentLength: 0, PartsCount: 1 })
})

test('only the last part may be small, empty ones too', async () => {
  const upload = await begin('small')
  const whole = await send(upload, 1, Buffer.alloc(5 * MiB))
  const short = await send(upload, 2, Buffer.alloc(5 * MiB - 1))
  const empty = await send(upload, 3, '')
  await expect(complete(upload, [whole, short, empty])).rejects.toMatchObject({
    name: 'EntityTooSmall',
    message: 'Your proposed upload is smaller than the minimum allowed size',
    ProposedSize: String(5 * MiB - 1),
    MinSizeAllowed: String(5 * MiB),
    PartNumber: '2',
    ETag: short.ETag?.slice(1, -1),
  })
  await complete(upload, [whole, empty])
  expect(await s3.send(new HeadObjectCommand({ Bucket, Key: 'small' }))).toMatchObject({ ContentLength: 5 * MiB })
})

test('a part that is sent again takes the place of the first; its old tag is no part any more', async () => {
  const upload = await begin('again')
  const before = await send(upload, 1, 'before')
  const after = await send(upload, 1, 'after')
  await expect(complete(upload, [before])).rejects.toMatchObject({ name: 'InvalidPart', PartNumber: '1' })
  await complete(upload, [{ ...after, ETag: after.ETag?.slice(1, -1) }])
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: 'again' }))
  expect(await Body?.transformToString()).toBe('after')
})

test.each<[name: string, parts: (there: { PartNumber: number; ETag: string | undefined }[]) => Parts]>([
  ['MalformedXML', () => []],
  ['MalformedXML', ([one]) => [{ ETag: one?.ETag }]],
  ['MalformedXML', () => [{ PartNumber: 1 }]],
  ['InvalidPartOrder', ([one, two]) => [two!, one!]],
  ['InvalidPartOrder', ([one]) => [one!, one!]],
  ['InvalidPart', ([one]) => [{ ...one, PartNumber: 0 }]],
  ['InvalidPart', ([one]) => [{ ...one, PartNumber: 10_001 }]],
  ['InvalidPart', ([one]) => [one!, { ...one, PartNumber: 7 }]],
  ['InvalidPart', ([one, two]) => [{ ...one, ETag: two?.ETag }]],
  ['InvalidPart', ([one]) => [{ ...one, ETag: 'nonsense' }]],
])('%s: %s completes nothing', async (name, parts) => {
  const upload = await begin('wrong')
  const there = [await send(upload, 1, 'one'), await send(upload, 2, 'two')]
  await expect(complete(upload, parts(there))).rejects.toMatchObject({ name })
  expect(await isThere('wrong')).toBe(false)
  expect((await s3.send(new ListPartsCommand(upload))).Parts).toHaveLength(2)
})

test('an upload has a key; another key, or an aborted upload, has none', async () => {
  const upload = await begin('mine')
  const part = await send(upload, 1, 'x')
  const noSuchUpload = { name: 'NoSuchUpload', $metadata: { httpStatusCode: 404 } }
  const other = { ...upload, Key: 'theirs' }
  await expect(complete(other, [part])).rejects.toMatchObject(noSuchUpload)
  await expect(s3.send(new AbortMultipartUploadCommand(other))).rejects.toMatchObject(noSuchUpload)
  const [late] = await Promise.all([
    send(upload, 2, Buffer.alloc(3 * MiB)).then(
      () => 'stored',
      (error: Error) => error.name,
    ),
    s3.send(new AbortMultipartUploadCommand(upload)),
  ])
  // Whichever came first, nothing of it is left.
  expect(['stored', 'NoSuchUpload']).toContain(late)
  await expect(s3.send(new ListPartsCommand(upload))).rejects.toMatchObject(noSuchUpload)
  expect(await isThere('mine')).toBe(false)
})

test.each<[range: string | undefined, size: number, result: { start: number; end: number } | string]>([
  [undefined, 10, { start: 0, end: 10 }],
  ['bytes=0-9', 10, { start: 0, end: 10 }],
  ['bytes=9-9', 10, { start: 9, end: 10 }],
  ['bytes=0-10', 10, 'InvalidArgument'],
  ['bytes=10-10', 10, 'InvalidArgument'],
  ['bytes=-5', 10, 'InvalidArgument'],
  ['bytes=5-', 10, 'InvalidArgument'],
  ['bytes=5-4', 10, 'InvalidArgument'],
  ['bytes=0-1,3-4', 10, 'InvalidArgument'],
  ['0-1', 10, 'InvalidArgument'],
  [undefined, 5 * GiB, { start: 0, end: 5 * GiB }],
  [undefined, 5 * GiB + 1, 'InvalidRequest'],
  [`bytes=1-${5 * GiB}`, 6 * GiB, { start: 1, end: 5 * GiB + 1 }],
  [`bytes=0-${5 * GiB}`, 6 * GiB, 'InvalidRequest'],
])('a part copied by the range %s of %i bytes', (range, size, result) => {
  if (typeof result === 'object') expect(copyRange(range, size)).toEqual(result)
  else expect(() => copyRange(range, size)).toThrow(expect.objectContaining({ code: result }))
})

test('uploads are listed by page, with prefix, delimiter, markers and encoding', async () => {
  const Bucket = 'pages'
  await s3.send(new CreateBucketCommand({ Bucket }))
  const ids: string[] = []
  for (const Key of ['a/1', 'a/2', 'b c', 'b c', 'z\u0001']) {
    const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }))
    ids.push(UploadId)
    await drydock.advance({ seconds: 1 })
  }
  const list = (input: object) =>
    s3.send(new ListMultipartUploadsCommand({ Bucket, EncodingType: 'url', Delimiter: '/', ...input }))
  const first = await list({ MaxUploads: 2 })
  expect(first).toMatchObject({
    CommonPrefixes: [{ Prefix: 'a/' }],
    Uploads: [{ Key: 'b+c', UploadId: ids[2] }],
    IsTruncated: true,
    NextKeyMarker: 'b+c',
    NextUploadIdMarker: ids[2],
  })
  expect(await list({ KeyMarker: 'b c', UploadIdMarker: ids[2] })).toMatchObject({
    Uploads: [{ UploadId: ids[3] }, { Key: 'z%01' }],
    IsTruncated: false,
  })
  expect((await list({ KeyMarker: 'b c' })).Uploads).toMatchObject([{ UploadId: ids[4] }])
  expect((await list({ KeyMarker: 'a/' })).CommonPrefixes).toBeUndefined()
  expect(await list({ Prefix: 'a/', MaxUploads: 1 })).toMatchObject({ NextKeyMarker: 'a/1', IsTruncated: true })
  // Without a key marker that of an upload is ignored.
  expect((await list({ UploadIdMarker: ids[4] })).Uploads).toHaveLength(3)
  expect(await list({ MaxUploads: 0 })).toMatchObject({ IsTruncated: false })
  await expect(list({ MaxUploads: -1 })).rejects.toMatchObject({ name: 'InvalidArgument' })
})

test('parts are listed by page', async () => {
  const upload = await begin('listed')
  for (const number of [3, 1, 10_000]) await send(upload, number, String(number))
  const list = (input: object) => s3.send(new ListPartsCommand({ ...upload, ...input }))
  const numbers = async (input: object) => (await list(input)).Parts?.map(({ PartNumber }) => PartNumber)
  expect(await numbers({})).toEqual([1, 3, 10_000])
  expect(await list({ MaxParts: 1, PartNumberMarker: '1' })).toMatchObject({
    PartNumberMarker: '1',
    NextPartNumberMarker: '3',
    IsTruncated: true,
    MaxParts: 1,
  })
  expect(await numbers({ PartNumberMarker: '2' })).toEqual([3, 10_000])
  expect(await numbers({ PartNumberMarker: '10000' })).toBeUndefined()
  expect(await list({ MaxParts: 0 })).toMatchObject({ IsTruncated: false })
  expect(await list({ MaxParts: 1001 })).toMatchObject({ MaxParts: 1000 })
  for (const PartNumberMarker of ['-1', 'x', '2147483648'])
    await expect(list({ PartNumberMarker })).rejects.toMatchObject({
      name: 'InvalidArgument',
      ArgumentName: 'part-number-marker',
    })
  await expect(list({ MaxParts: -1 })).rejects.toMatchObject({ name: 'InvalidArgument', ArgumentName: 'max-parts' })
})

test('an object may be put while it is uploaded in parts', async () => {
  const upload = await begin('both')
  const part = await send(upload, 1, 'in parts')
  await s3.send(new PutObjectCommand({ Bucket, Key: 'both', Body: 'at once' }))
  await complete(upload, [part])
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: 'both' }))
  expect(await Body?.transformToString()).toBe('in parts')
})
