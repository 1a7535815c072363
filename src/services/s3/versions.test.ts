import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
})
afterAll(() => drydock.close())

const versioning = (Bucket: string, Status: 'Enabled' | 'Suspended') =>
  s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }))
const bucket = async (Bucket: string, Status?: 'Enabled') => {
  await s3.send(new CreateBucketCommand({ Bucket }))
  if (Status) await versioning(Bucket, Status)
  return Bucket
}
const put = async (Bucket: string, Key: string, Body: string) =>
  (await s3.send(new PutObjectCommand({ Bucket, Key, Body }))).VersionId
const text = async (Bucket: string, Key: string, VersionId?: string) =>
  (await s3.send(new GetObjectCommand({ Bucket, Key, VersionId }))).Body?.transformToString()
const remove = (Bucket: string, Key: string, VersionId?: string) =>
  s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }))
/** `key@version`, with `*` for the latest and `-` for delete markers, in the order of the listing. */
const versions = async (Bucket: string) => {
  const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }))
  return {
    versions: Versions.map(({ Key, VersionId, IsLatest }) => `${Key}@${VersionId}${IsLatest ? '*' : ''}`),
    markers: DeleteMarkers.map(({ Key, VersionId, IsLatest }) => `${Key}@${VersionId}${IsLatest ? '*' : ''}`),
  }
}

test('every version stays until it is deleted by its id', async () => {
  const b = await bucket('every-version', 'Enabled')
  const [one, two] = [await put(b, 'k', 'one'), await put(b, 'k', 'two')]
  expect(one).not.toBe(two)
  expect(await text(b, 'k')).toBe('two')
  expect(await text(b, 'k', one)).toBe('one')
  const { DeleteMarker, VersionId: marker } = await remove(b, 'k')
  expect(DeleteMarker).toBe(true)
  await expect(text(b, 'k')).rejects.toMatchObject({
    name: 'NoSuchKey',
    $response: { headers: { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker } },
  })
  await expect(s3.send(new HeadObjectCommand({ Bucket: b, Key: 'k' }))).rejects.toMatchObject({
    $metadata: { httpStatusCode: 404 },
    $response: { headers: { 'x-amz-delete-marker': 'true' } },
  })
  await expect(text(b, 'k', marker)).rejects.toMatchObject({
    name: 'MethodNotAllowed',
    $metadata: { httpStatusCode: 405 },
  })
  expect((await s3.send(new ListObjectsV2Command({ Bucket: b }))).KeyCount).toBe(0)
  expect(await versions(b)).toEqual({ versions: [`k@${two}`, `k@${one}`], markers: [`k@${marker}*`] })
  await expect(s3.send(new DeleteBucketCommand({ Bucket: b }))).rejects.toMatchObject({ name: 'BucketNotEmpty' })

  expect(await remove(b, 'k', marker)).toMatchObject({ DeleteMarker: true, VersionId: marker })
  expect(await text(b, 'k')).toBe('two')
  await remove(b, 'k', two)
  expect(await text(b, 'k')).toBe('one')
  expect(await versions(b)).toEqual({ versions: [`k@${one}*`], markers: [] })
  await expect(text(b, 'k', two)).rejects.toMatchObject({ name: 'NoSuchVersion' })
  await remove(b, 'k', one)
  await remove(b, 'k', one)
  await s3.send(new DeleteBucketCommand({ Bucket: b }))
})

test('null versions: before versioning, and while it is suspended', async () => {
  const b = await bucket('null-versions')
  expect(await put(b, 'k', 'before')).toBeUndefined()
  await versioning(b, 'Enabled')
  expect((await s3.send(new HeadObjectCommand({ Bucket: b, Key: 'k' }))).VersionId).toBe('null')
  const kept = await put(b, 'k', 'kept')
  expect(await text(b, 'k', 'null')).toBe('before')
  await versioning(b, 'Suspended')
  expect(await put(b, 'k', 'suspended')).toBe('null')
  expect(await text(b, 'k', 'null')).toBe('suspended')
  expect(await put(b, 'k', 'suspended again')).toBe('null')
  expect(await versions(b)).toEqual({ versions: ['k@null*', `k@${kept}`], markers: [] })
  expect(await remove(b, 'k')).toMatchObject({ DeleteMarker: true, VersionId: 'null' })
  expect(await versions(b)).toEqual({ versions: [`k@${kept}`], markers: ['k@null*'] })
  await remove(b, 'k')
  expect(await versions(b)).toEqual({ versions: [`k@${kept}`], markers: ['k@null*'] })
  await put(b, 'k', 'over the marker')
  expect(await versions(b)).toEqual({ versions: ['k@null*', `k@${kept}`], markers: [] })
  await remove(b, 'k', 'null')
  expect(await text(b, 'k')).toBe('kept')
})

test('an old version is copied back, tagged and deleted among many', async () => {
  const b = await bucket('old-versions', 'Enabled')
  const one = await put(b, 'k', 'one')
  const two = await put(b, 'k', 'two')
  await s3.send(
    new PutObjectTaggingCommand({
      Bucket: b,
      Key: 'k',
      VersionId: one,
      Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] },
    }),
  )
  expect((await s3.send(new GetObjectTaggingCommand({ Bucket: b, Key: 'k' }))).TagSet).toEqual([])
  expect((await s3.send(new GetObjectTaggingCommand({ Bucket: b, Key: 'k', VersionId: one }))).TagSet).toHaveLength(1)
  const copy = await s3.send(new CopyObjectCommand({ Bucket: b, Key: 'k', CopySource: `${b}/k?versionId=${one}` }))
  expect(copy.CopySourceVersionId).toBe(one)
  expect(await text(b, 'k')).toBe('one')
  const { Deleted } = await s3.send(
    new DeleteObjectsCommand({
      Bucket: b,
      Delete: { Objects: [{ Key: 'k', VersionId: copy.VersionId }, { Key: 'k', VersionId: two }, { Key: 'k' }] },
    }),
  )
  expect(Deleted).toMatchObject([
    { Key: 'k', VersionId: copy.VersionId },
    { Key: 'k', VersionId: two },
    { Key: 'k', DeleteMarker: true, DeleteMarkerVersionId: expect.any(String) },
  ])
  expect((await versions(b)).versions).toEqual([`k@${one}`])
})

test('versions list by page, across keys, in one order', async () => {
  const b = await bucket('paged-versions', 'Enabled')
  for (const Key of ['a', 'b/1', 'b/2', 'c\u{ff00}', 'c\u{1f600}'])
    for (const body of ['one', 'two', 'three']) await put(b, Key, body)
  await remove(b, 'a')
  await remove(b, 'c\u{1f600}')
  const whole = await s3.send(new ListObjectVersionsCommand({ Bucket: b }))
  expect(whole.Versions).toHaveLength(15)
  const seen: string[] = []
  let markers: { KeyMarker?: string; VersionIdMarker?: string } = {}
  for (let pages = 0; ; pages++) {
    expect(pages).toBeLessThan(20)
    const page = await s3.send(new ListObjectVersionsCommand({ Bucket: b, MaxKeys: 2, ...markers }))
    const entries = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]
    seen.push(...entries.map(({ Key, VersionId, IsLatest }) => `${Key}@${VersionId}${IsLatest}`))
    if (!page.IsTruncated) break
    expect(entries).toHaveLength(2)
    markers = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker }
  }
  const all = [...(whole.Versions ?? []), ...(whole.DeleteMarkers ?? [])].map(
    ({ Key, VersionId, IsLatest }) => `${Key}@${VersionId}${IsLatest}`,
  )
  expect(seen.toSorted()).toEqual(all.toSorted())
  const rolled = await s3.send(new ListObjectVersionsCommand({ Bucket: b, Delimiter: '/' }))
  expect(rolled.CommonPrefixes).toEqual([{ Prefix: 'b/' }])
  expect(new Set(rolled.Versions?.map(({ Key }) => Key))).toEqual(new Set(['a', 'c\u{ff00}', 'c\u{1f600}']))
  const after = await s3.send(new ListObjectVersionsCommand({ Bucket: b, KeyMarker: 'b/2' }))
  expect(after.Versions?.every(({ Key }) => Key?.startsWith('c'))).toBe(true)
  for (const wrong of [{ VersionIdMarker: 'x' }, { KeyMarker: 'a', VersionIdMarker: '' }])
    await expect(s3.send(new ListObjectVersionsCommand({ Bucket: b, ...wrong }))).rejects.toMatchObject({
      name: 'InvalidArgument',
    })
})
