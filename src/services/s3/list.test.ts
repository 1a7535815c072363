import {
  CreateBucketCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { afterPrefix, compareText } from '../../store/text-order.ts'
import { listPage, type Source, urlEncoded } from './listing.ts'

let drydock: Story
let s3: S3Client
const Bucket = 'listing'
const keys = ['asdf', 'boo/bar', 'boo/baz/xyzzy', 'cquux/bla', 'cquux/thud', 'd e+f', 'ä/1', 'ｚ', '🚢/2']
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket }))
  for (const Key of keys.toReversed()) await s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }))
})
afterAll(() => drydock.close())

const list = async (input: Partial<ListObjectsV2CommandInput> = {}) => {
  const { Contents = [], CommonPrefixes = [], ...rest } = await s3.send(new ListObjectsV2Command({ Bucket, ...input }))
  return { ...rest, keys: Contents.map(({ Key }) => Key), prefixes: CommonPrefixes.map(({ Prefix }) => Prefix) }
}

test('keys list in the order of their bytes', async () => {
  expect(await list()).toMatchObject({ keys, prefixes: [], KeyCount: keys.length, IsTruncated: false, MaxKeys: 1000 })
})

test('prefix, delimiter and start', async () => {
  expect(await list({ Delimiter: '/' })).toMatchObject({
    keys: ['asdf', 'd e+f', 'ｚ'],
    prefixes: ['boo/', 'cquux/', 'ä/', '🚢/'],
    KeyCount: 7,
    Delimiter: '/',
  })
  expect(await list({ Prefix: 'boo/', Delimiter: '/' })).toMatchObject({
    keys: ['boo/bar'],
    prefixes: ['boo/baz/'],
    Prefix: 'boo/',
  })
  expect(await list({ Prefix: 'boo' })).toMatchObject({ keys: ['boo/bar', 'boo/baz/xyzzy'] })
  expect(await list({ Prefix: 'nothing' })).toMatchObject({ keys: [], KeyCount: 0, IsTruncated: false })
  expect(await list({ StartAfter: 'cquux/thud', Delimiter: '/' })).toMatchObject({
    keys: ['d e+f', 'ｚ'],
    prefixes: ['ä/', '🚢/'],
  })
  expect(await list({ Delimiter: 'u' })).toMatchObject({ prefixes: ['cqu'] })
  expect(await list({ MaxKeys: 0 })).toMatchObject({ keys: [], IsTruncated: false, MaxKeys: 0 })
})

test.each([1, 2, 3])('pages of %i entries put together are the whole', async (pageSize) => {
  const seen: (string | undefined)[] = []
  for await (const page of paginateListObjectsV2({ client: s3, pageSize }, { Bucket, Delimiter: '/' })) {
    expect(page.KeyCount).toBeLessThanOrEqual(pageSize)
    seen.push(
      ...(page.Contents ?? []).map(({ Key }) => Key),
      ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix),
    )
  }
  expect(seen.toSorted()).toEqual(['asdf', 'boo/', 'cquux/', 'd e+f', 'ä/', 'ｚ', '🚢/'].toSorted())
})

/** What S3 lists, without pages: keys and what they roll up to, in order. */
const entriesOf = (
  all: readonly string[],
  { Prefix = '', Delimiter, StartAfter }: Partial<ListObjectsV2CommandInput>,
) => {
  const entries = all.toSorted(compareText).flatMap((key) => {
    if (!key.startsWith(Prefix)) return []
    const at = Delimiter ? key.indexOf(Delimiter, Prefix.length) : -1
    const entry = at < 0 ? key : key.slice(0, at + (Delimiter ?? '').length)
    return StartAfter && (compareText(key, StartAfter) <= 0 || entry === StartAfter) ? [] : [entry]
  })
  return [...new Set(entries)]
}

test('any prefix, delimiter, start and page size list the same entries, in both versions', async () => {
  const Bucket = 'any-listing'
  const few = ['a', 'b', '/', '//', 'é', '\u{1f6a2}', '\u0001', '&', '\n']
  const text = (most: number) => fc.array(fc.constantFrom(...few), { maxLength: most }).map((parts) => parts.join(''))
  const there = fc.sample(text(5), { numRuns: 60, seed: 7 }).filter((key) => key !== '')
  const all = [...new Set(there)]
  await s3.send(new CreateBucketCommand({ Bucket }))
  for (const Key of all) await s3.send(new PutObjectCommand({ Bucket, Key, Body: '' }))
  const asked = fc.record({
    Prefix: fc.oneof(text(2), fc.constantFrom(...all)),
    Delimiter: fc.constantFrom(undefined, '/', '//', 'ab', 'é', '\n'),
    StartAfter: fc.option(fc.oneof(text(3), fc.constantFrom(...all)), { nil: undefined }),
    MaxKeys: fc.constantFrom(1, 2, 5, 1000),
  })
  const paged = async (input: Partial<ListObjectsV2CommandInput>) => {
    const seen: string[] = []
    let ContinuationToken: string | undefined
    do {
      const page = await s3.send(
        new ListObjectsV2Command({
          Bucket,
          ...input,
          EncodingType: 'url',
          ...(ContinuationToken ? { ContinuationToken } : {}),
        }),
      )
      const plain = (name = '') => decodeURIComponent(name.replaceAll('+', ' '))
      const names = [
        ...(page.Contents ?? []).map(({ Key }) => plain(Key)),
        ...(page.CommonPrefixes ?? []).map(({ Prefix }) => plain(Prefix)),
      ]
      expect(names.length).toBe(page.KeyCount)
      expect(names.length).toBeLessThanOrEqual(input.MaxKeys ?? 1000)
      seen.push(...names.toSorted(compareText))
      ContinuationToken = page.NextContinuationToken
      expect(page.IsTruncated).toBe(ContinuationToken !== undefined)
    } while (ContinuationToken)
    return seen
  }
  const pagedV1 = async ({ StartAfter, ...input }: Partial<ListObjectsV2CommandInput>) => {
    const seen: string[] = []
    let Marker = StartAfter
    for (;;) {
      const page = await s3.send(new ListObjectsCommand({ Bucket, ...input, Marker, EncodingType: 'url' }))
      const plain = (name = '') => decodeURIComponent(name.replaceAll('+', ' '))
      const keys = (page.Contents ?? []).map(({ Key }) => plain(Key))
      const prefixes = (page.CommonPrefixes ?? []).map(({ Prefix }) => plain(Prefix))
      seen.push(...[...keys, ...prefixes].toSorted(compareText))
      if (!page.IsTruncated) return seen
      // The rule of the API reference: the next marker where there is a delimiter, else the last key.
      expect(page.NextMarker === undefined).toBe(input.Delimiter === undefined)
      Marker = page.NextMarker === undefined ? keys.at(-1) : plain(page.NextMarker)
    }
  }
  await fc.assert(
    fc.asyncProperty(asked, async (input) => {
      const expected = entriesOf(all, input)
      expect(await paged(input)).toEqual(expected)
      expect(await pagedV1(input)).toEqual(expected)
    }),
    { numRuns: 40 },
  )
}, 60_000)

test('no more than a thousand, and none where none are asked', async () => {
  expect(await list({ MaxKeys: 5000 })).toMatchObject({ MaxKeys: 1000, keys, IsTruncated: false })
  expect(await list({ MaxKeys: 1 })).toMatchObject({ MaxKeys: 1, KeyCount: 1, IsTruncated: true })
  const none = await s3.send(new ListObjectsCommand({ Bucket, MaxKeys: 0, Delimiter: '/' }))
  expect(none).toMatchObject({ IsTruncated: false, MaxKeys: 0 })
  expect(none.NextMarker).toBeUndefined()
})

test('url encoding', async () => {
  const listed = await s3.send(new ListObjectsV2Command({ Bucket, EncodingType: 'url', Prefix: 'd ' }))
  expect(listed).toMatchObject({ EncodingType: 'url', Prefix: 'd+', Contents: [{ Key: 'd+e%2Bf' }] })
  expect(urlEncoded("a/b c~(ü)!*'-_.")).toBe('a/b+c%7E%28%C3%BC%29%21*%27-_.')
})

test('a continuation token is one we gave, a size is a number', async () => {
  await expect(list({ ContinuationToken: 'nonsense' })).rejects.toMatchObject({ name: 'InvalidArgument' })
  await expect(list({ MaxKeys: -1 })).rejects.toMatchObject({ name: 'InvalidArgument' })
  await expect(list({ EncodingType: 'x' as 'url' })).rejects.toMatchObject({ name: 'InvalidArgument' })
})

test('owners when asked, and always in version 1', async () => {
  const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket, FetchOwner: true, MaxKeys: 1 }))
  expect(Contents?.[0]?.Owner?.ID).toMatch(/^[0-9a-f]{64}$/)
  const v1 = await s3.send(new ListObjectsCommand({ Bucket, MaxKeys: 2, Delimiter: '/' }))
  expect(v1).toMatchObject({
    IsTruncated: true,
    NextMarker: 'boo/',
    Contents: [{ Key: 'asdf', Owner: Contents?.[0]?.Owner }],
  })
  const next = await s3.send(new ListObjectsCommand({ Bucket, Marker: v1.NextMarker, Delimiter: '/', MaxKeys: 1 }))
  expect(next.CommonPrefixes).toEqual([{ Prefix: 'cquux/' }])
  const flat = await s3.send(new ListObjectsCommand({ Bucket, MaxKeys: 2 }))
  expect(flat.NextMarker).toBeUndefined()
  expect((await s3.send(new ListObjectsCommand({ Bucket, Marker: 'boo/bar', MaxKeys: 1 }))).Contents?.[0]?.Key).toBe(
    'boo/baz/xyzzy',
  )
})

test('a page is found without reading what rolls up', async () => {
  const many = Array.from({ length: 20_000 }, (_, i) => `deep/${String(i).padStart(6, '0')}`)
  const sorted = [...many, 'after', 'zz'].toSorted(compareText)
  let read = 0
  const source: Source<string> = {
    read: async (from, limit) => {
      const rows = sorted
        .filter(
          (key) => !from || ('after' in from ? compareText(key, from.after) > 0 : compareText(key, from.from) >= 0),
        )
        .slice(0, limit)
      read += rows.length
      return rows
    },
    keyOf: (key) => key,
    positionOf: (key) => key,
    beyond: afterPrefix,
  }
  expect(await listPage(source, { prefix: '', delimiter: '/', max: 1000 })).toMatchObject({
    items: ['after', 'zz'],
    prefixes: ['deep/'],
    truncated: false,
  })
  expect(read).toBeLessThan(1000)
})
