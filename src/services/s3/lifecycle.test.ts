import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketLifecycleCommand,
  DeleteObjectCommand,
  GetBucketLifecycleConfigurationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type LifecycleRule,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
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

const make = async (Bucket: string, versioned = false) => {
  await s3.send(new CreateBucketCommand({ Bucket }))
  if (versioned)
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
}
const rules = (Bucket: string, ...Rules: LifecycleRule[]) =>
  s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }))
const put = (Bucket: string, Key: string, Body: string | Uint8Array = Key, Tagging?: string) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, Tagging }))
const midnightAfter = (days: number) =>
  new Date((Math.floor(drydock.clock.now().getTime() / 86_400_000) + days + 1) * 86_400_000)
const keys = async (Bucket: string) =>
  ((await s3.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ Key }) => Key)
const versions = async (Bucket: string) => {
  const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }))
  return { versions: Versions.map(({ VersionId }) => VersionId), markers: DeleteMarkers.map(({ Key }) => Key) }
}

test('objects expire at the midnight after their days, where the filter matches', async () => {
  const Bucket = 'expiring'
  await make(Bucket)
  await s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket,
      NotificationConfiguration: { EventBridgeConfiguration: {} },
    }),
  )
  await rules(
    Bucket,
    { ID: 'tmp files', Status: 'Enabled', Filter: { Prefix: 'tmp/' }, Expiration: { Days: 2 } },
    {
      ID: 'both',
      Status: 'Enabled',
      Filter: { And: { Prefix: 'log/', Tags: [{ Key: 'keep', Value: 'no' }], ObjectSizeGreaterThan: 3 } },
      Expiration: { Days: 1 },
    },
    { ID: 'off', Status: 'Disabled', Filter: { Prefix: '' }, Expiration: { Days: 1 } },
  )
  expect((await put(Bucket, 'tmp/a')).Expiration).toBe(
    `expiry-date="${midnightAfter(2).toUTCString()}", rule-id="tmp%20files"`,
  )
  await put(Bucket, 'log/big', 'long', 'keep=no')
  await put(Bucket, 'log/small', 'abc', 'keep=no')
  await put(Bucket, 'log/other', 'long', 'keep=yes')
  expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'log/big' }))).Expiration).toContain('rule-id="both"')
  expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'log/small' }))).Expiration).toBeUndefined()

  await drydock.advance({ hours: 38 })
  expect(await keys(Bucket)).toEqual(['log/big', 'log/other', 'log/small', 'tmp/a'])
  await drydock.advance({ hours: 2 })
  expect(await keys(Bucket)).toEqual(['log/other', 'log/small', 'tmp/a'])
  await drydock.advance({ days: 1 })
  expect(await keys(Bucket)).toEqual(['log/other', 'log/small'])
  const gone = drydock.events.filter(({ 'detail-type': type }) => type === 'Object Deleted').map(({ detail }) => detail)
  expect(gone).toMatchObject([
    { object: { key: 'log/big' }, reason: 'Lifecycle Expiration', 'deletion-type': 'Permanently Deleted' },
    { object: { key: 'tmp/a' }, reason: 'Lifecycle Expiration', requester: 's3.amazonaws.com' },
  ])
})

test('in a versioned bucket a marker hides what expires; versions go by age and number; lone markers go', async () => {
  const Bucket = 'versioned-expiry'
  await make(Bucket, true)
  const ids: (string | undefined)[] = []
  for (const body of ['1', '2', '3', '4']) {
    ids.unshift((await put(Bucket, 'doc', body)).VersionId)
    await drydock.advance({ seconds: 2 })
  }
  await rules(Bucket, {
    ID: 'versions',
    Status: 'Enabled',
    Filter: { Prefix: '' },
    NoncurrentVersionExpiration: { NoncurrentDays: 3, NewerNoncurrentVersions: 1 },
    Expiration: { Days: 10 },
  })
  await drydock.advance({ days: 3 })
  expect((await versions(Bucket)).versions).toEqual(ids)
  await drydock.advance({ days: 1 })
  expect((await versions(Bucket)).versions).toEqual(ids.slice(0, 2))
  await drydock.advance({ days: 7 })
  expect(await keys(Bucket)).toEqual([])
  expect(await versions(Bucket)).toEqual({ versions: ids.slice(0, 1), markers: ['doc'] })

  await rules(Bucket, {
    ID: 'all',
    Status: 'Enabled',
    Filter: { Prefix: '' },
    NoncurrentVersionExpiration: { NoncurrentDays: 1 },
    Expiration: { ExpiredObjectDeleteMarker: true },
  })
  await drydock.advance({ days: 3 })
  expect(await versions(Bucket)).toEqual({ versions: [], markers: [] })
})

test('objects move to colder classes, small ones only where the filter says so; archived bytes are not at hand', async () => {
  const Bucket = 'moving'
  await make(Bucket)
  await put(Bucket, 'big', new Uint8Array(140_000))
  await put(Bucket, 'small', 'small')
  await rules(Bucket, {
    ID: 'colder',
    Status: 'Enabled',
    Filter: { Prefix: '' },
    Transitions: [
      { Days: 30, StorageClass: 'STANDARD_IA' },
      { Days: 60, StorageClass: 'GLACIER' },
    ],
  })
  const classes = async () =>
    ((await s3.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ StorageClass }) => StorageClass)
  await drydock.advance({ days: 31 })
  expect(await classes()).toEqual(['STANDARD_IA', 'STANDARD'])
  expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'big' }))).StorageClass).toBe('STANDARD_IA')
  expect(
    (await (await s3.send(new GetObjectCommand({ Bucket, Key: 'big' }))).Body?.transformToByteArray())?.length,
  ).toBe(140_000)
  await drydock.advance({ days: 30 })
  expect(await classes()).toEqual(['GLACIER', 'STANDARD'])
  await expect(s3.send(new GetObjectCommand({ Bucket, Key: 'big' }))).rejects.toMatchObject({
    name: 'InvalidObjectState',
    StorageClass: 'GLACIER',
  })
  await rules(Bucket, {
    ID: 'small',
    Status: 'Enabled',
    Filter: { ObjectSizeLessThan: 10 },
    Transitions: [{ Days: 0, StorageClass: 'DEEP_ARCHIVE' }],
  })
  await drydock.settled()
  expect(await classes()).toEqual(['GLACIER', 'DEEP_ARCHIVE'])
})

test('unfinished uploads are aborted, and say when', async () => {
  const Bucket = 'unfinished'
  await make(Bucket)
  await rules(Bucket, {
    ID: 'abort',
    Status: 'Enabled',
    Filter: { Prefix: '' },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
  })
  const begun = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'half' }))
  expect(begun).toMatchObject({ AbortDate: midnightAfter(1), AbortRuleId: 'abort' })
  await drydock.advance({ days: 2 })
  expect((await s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads).toBeUndefined()
})

test('a page at a time: more objects than one step looks at', async () => {
  const Bucket = 'many'
  await make(Bucket, true)
  for (let at = 0; at < 1100; at += 50)
    await Promise.all(Array.from({ length: 50 }, (_, i) => put(Bucket, `key-${String(at + i).padStart(5, '0')}`, 'x')))
  for (const Key of ['key-00000', 'key-01099']) await s3.send(new DeleteObjectCommand({ Bucket, Key }))
  await rules(Bucket, { ID: 'all', Status: 'Enabled', Filter: { Prefix: '' }, Expiration: { Days: 1 } })
  await drydock.advance({ days: 2 })
  expect(await keys(Bucket)).toEqual([])
  await rules(Bucket, {
    ID: 'all',
    Status: 'Enabled',
    Filter: { Prefix: '' },
    Expiration: { ExpiredObjectDeleteMarker: true },
    NoncurrentVersionExpiration: { NoncurrentDays: 1 },
  })
  await drydock.advance({ days: 3 })
  expect(await versions(Bucket)).toEqual({ versions: [], markers: [] })
}, 60_000)

test('rules come back as they were put, and go', async () => {
  const Bucket = 'configured'
  await make(Bucket)
  await expect(s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).rejects.toMatchObject({
    name: 'NoSuchLifecycleConfiguration',
  })
  const rule: LifecycleRule = {
    ID: 'dated',
    Status: 'Enabled',
    Prefix: 'old/',
    Expiration: { Date: new Date('2027-01-01T00:00:00Z') },
    Transitions: [{ Date: new Date('2026-12-25T00:00:00Z'), StorageClass: 'GLACIER' }],
  }
  await rules(Bucket, rule)
  expect(await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).toMatchObject({
    Rules: [rule],
    TransitionDefaultMinimumObjectSize: 'all_storage_classes_128K',
  })
  await s3.send(new DeleteBucketLifecycleCommand({ Bucket }))
  await expect(s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).rejects.toMatchObject({
    name: 'NoSuchLifecycleConfiguration',
  })
})

const all = { Status: 'Enabled', Filter: { Prefix: '' } } as const
test.each<[string, LifecycleRule[]]>([
  ['InvalidRequest', [all]],
  ['InvalidArgument', [{ ...all, Expiration: { Days: 0 } }]],
  ['InvalidArgument', [{ ...all, Expiration: { Date: new Date('2027-01-01T00:00:01Z') } }]],
  ['MalformedXML', [{ ...all, Expiration: { Days: 1, ExpiredObjectDeleteMarker: true } }]],
  ['MalformedXML', [{ Status: 'Enabled', Expiration: { Days: 1 } }]],
  ['MalformedXML', [{ ...all, Prefix: 'a', Expiration: { Days: 1 } }]],
  ['InvalidArgument', [{ ...all, Transitions: [{ Days: 29, StorageClass: 'STANDARD_IA' }] }]],
  ['InvalidArgument', [{ ...all, Expiration: { Days: 40 }, Transitions: [{ Days: 40, StorageClass: 'GLACIER' }] }]],
  ...[
    [60, 'STANDARD_IA', 50, 'GLACIER'] as const,
    [30, 'STANDARD_IA', 59, 'DEEP_ARCHIVE'] as const,
    [90, 'GLACIER', 90, 'DEEP_ARCHIVE'] as const,
  ].flatMap(([Days, StorageClass, later, colder]): [string, LifecycleRule[]][] => [
    [
      'InvalidArgument',
      [
        {
          ...all,
          Transitions: [
            { Days: later, StorageClass: colder },
            { Days, StorageClass },
          ],
        },
      ],
    ],
    [
      'InvalidArgument',
      [
        {
          ...all,
          NoncurrentVersionTransitions: [
            { NoncurrentDays: Days, StorageClass },
            { NoncurrentDays: later, StorageClass: colder },
          ],
        },
      ],
    ],
  ]),
  [
    'InvalidArgument',
    [
      { ...all, ID: 'a', Expiration: { Days: 1 } },
      { ...all, ID: 'a', Expiration: { Days: 2 } },
    ],
  ],
  [
    'InvalidRequest',
    [{ ...all, Filter: { Tag: { Key: 'a', Value: 'b' } }, Expiration: { ExpiredObjectDeleteMarker: true } }],
  ],
  [
    'InvalidRequest',
    [{ ...all, Filter: { Tag: { Key: 'a', Value: 'b' } }, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } }],
  ],
  [
    'InvalidRequest',
    [{ ...all, Filter: { And: { ObjectSizeGreaterThan: 5, ObjectSizeLessThan: 5 } }, Expiration: { Days: 1 } }],
  ],
])('%s for rules that cannot be', async (name, Rules) => {
  await expect(rules('configured', ...Rules)).rejects.toMatchObject({ name })
})
