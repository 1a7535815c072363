import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketIntelligentTieringConfigurationCommand,
  GetBucketIntelligentTieringConfigurationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type IntelligentTieringConfiguration,
  ListBucketIntelligentTieringConfigurationsCommand,
  PutBucketIntelligentTieringConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  RestoreObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { accessTierOf, archiveDue } from './access-tier.ts'

let drydock: Story
let s3: S3Client
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
})
afterAll(() => drydock.close())

const make = async (Bucket: string) => {
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket,
      NotificationConfiguration: { EventBridgeConfiguration: {} },
    }),
  )
}
const large = Buffer.alloc(128 * 1024, 'x')
const put = (Bucket: string, Key: string, Body = large, Tagging?: string) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, Tagging, StorageClass: 'INTELLIGENT_TIERING' }))
const configure = (Bucket: string, configuration: Omit<IntelligentTieringConfiguration, 'Id'>, Id = 'archive') =>
  s3.send(
    new PutBucketIntelligentTieringConfigurationCommand({
      Bucket,
      Id,
      IntelligentTieringConfiguration: { Id, ...configuration },
    }),
  )
const archive = { AccessTier: 'ARCHIVE_ACCESS', Days: 90 } as const
const deep = { AccessTier: 'DEEP_ARCHIVE_ACCESS', Days: 180 } as const
const head = (Bucket: string, Key: string) => s3.send(new HeadObjectCommand({ Bucket, Key }))
const get = async (Bucket: string, Key: string) =>
  (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToByteArray()

test('objects nobody asks for are archived, tier by tier, where the filter fits', async () => {
  const Bucket = 'idle'
  await make(Bucket)
  for (const key of ['logs/read', 'logs/old', 'docs/old']) await put(Bucket, key)
  await put(Bucket, 'logs/small', Buffer.from('small'))
  await configure(Bucket, { Status: 'Enabled', Filter: { Prefix: 'logs/' }, Tierings: [archive, deep] })
  await drydock.advance({ days: 60 })
  await get(Bucket, 'logs/read')
  await drydock.advance({ days: 31 })
  expect(await head(Bucket, 'logs/old')).toMatchObject({
    StorageClass: 'INTELLIGENT_TIERING',
    ArchiveStatus: 'ARCHIVE_ACCESS',
  })
  for (const key of ['logs/read', 'logs/small', 'docs/old'])
    expect((await head(Bucket, key)).ArchiveStatus).toBeUndefined()
  await expect(get(Bucket, 'logs/old')).rejects.toMatchObject({
    name: 'InvalidObjectState',
    StorageClass: 'INTELLIGENT_TIERING',
    AccessTier: 'ARCHIVE_ACCESS',
  })
  await expect(
    s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/logs/old` })),
  ).rejects.toMatchObject({ name: 'InvalidObjectState' })
  await drydock.advance({ days: 90 })
  expect((await head(Bucket, 'logs/old')).ArchiveStatus).toBe('DEEP_ARCHIVE_ACCESS')
  expect((await head(Bucket, 'logs/read')).ArchiveStatus).toBe('ARCHIVE_ACCESS')
  const tiers = drydock.events.filter(
    (event) =>
      event['detail-type'] === 'Object Access Tier Changed' &&
      (event.detail as { bucket: { name: string } }).bucket.name === Bucket,
  )
  expect(tiers.map(({ detail }) => detail)).toMatchObject([
    { object: { key: 'logs/old' }, 'destination-access-tier': 'ARCHIVE_ACCESS' },
    { object: { key: 'logs/read' }, 'destination-access-tier': 'ARCHIVE_ACCESS' },
    { object: { key: 'logs/old' }, 'destination-access-tier': 'DEEP_ARCHIVE_ACCESS' },
  ])
})

test('what is archived comes back into the frequent tier, after as long as its tier takes', async () => {
  const Bucket = 'back'
  await make(Bucket)
  await put(Bucket, 'one')
  await configure(Bucket, { Status: 'Enabled', Tierings: [archive] })
  const restore = (RestoreRequest: object) => s3.send(new RestoreObjectCommand({ Bucket, Key: 'one', RestoreRequest }))
  await expect(restore({})).rejects.toMatchObject({ name: 'InvalidObjectState' })
  await drydock.advance({ days: 91 })
  await expect(restore({ Days: 1 })).rejects.toMatchObject({ name: 'InvalidArgument' })
  await restore({})
  expect((await head(Bucket, 'one')).Restore).toBe('ongoing-request="true"')
  await expect(restore({})).rejects.toMatchObject({ name: 'RestoreAlreadyInProgress' })
  await restore({ GlacierJobParameters: { Tier: 'Expedited' } })
  await drydock.advance({ minutes: 6 })
  const back = await head(Bucket, 'one')
  expect([back.ArchiveStatus, back.Restore, back.StorageClass]).toEqual([undefined, undefined, 'INTELLIGENT_TIERING'])
  expect((await get(Bucket, 'one'))?.length).toBe(large.length)
  await drydock.advance({ days: 80 })
  expect((await head(Bucket, 'one')).ArchiveStatus).toBeUndefined()
  await drydock.advance({ days: 20 })
  expect((await head(Bucket, 'one')).ArchiveStatus).toBe('ARCHIVE_ACCESS')
})

test('configurations are checked, come back and go', async () => {
  const Bucket = 'configured'
  await make(Bucket)
  const whole = {
    Status: 'Disabled' as const,
    Filter: { And: { Prefix: 'a/', Tags: [{ Key: 'team', Value: 'blue' }] } },
    Tierings: [{ AccessTier: 'ARCHIVE_ACCESS' as const, Days: 125 }],
  }
  await configure(Bucket, whole, 'b')
  await configure(Bucket, { Status: 'Enabled', Tierings: [deep] }, 'a')
  const read = (Id: string) => s3.send(new GetBucketIntelligentTieringConfigurationCommand({ Bucket, Id }))
  expect((await read('b')).IntelligentTieringConfiguration).toEqual({ Id: 'b', ...whole })
  const list = await s3.send(new ListBucketIntelligentTieringConfigurationsCommand({ Bucket }))
  expect(list.IntelligentTieringConfigurationList?.map(({ Id }) => Id)).toEqual(['a', 'b'])
  await s3.send(new DeleteBucketIntelligentTieringConfigurationCommand({ Bucket, Id: 'b' }))
  await expect(read('b')).rejects.toMatchObject({ name: 'NoSuchConfiguration' })
  const wrong: [Partial<IntelligentTieringConfiguration>, string][] = [
    [{ Tierings: [{ AccessTier: 'ARCHIVE_ACCESS', Days: 89 }] }, 'InvalidArgument'],
    [{ Tierings: [{ AccessTier: 'DEEP_ARCHIVE_ACCESS', Days: 179 }] }, 'InvalidArgument'],
    [{ Tierings: [{ AccessTier: 'DEEP_ARCHIVE_ACCESS', Days: 731 }] }, 'InvalidArgument'],
    [{ Tierings: [] }, 'MalformedXML'],
    [{ Tierings: [archive, archive] }, 'MalformedXML'],
    [{ Filter: { Prefix: 'a', Tag: { Key: 'a', Value: 'b' } } }, 'MalformedXML'],
  ]
  for (const [more, name] of wrong)
    await expect(configure(Bucket, { Status: 'Enabled', Tierings: [archive], ...more })).rejects.toMatchObject({ name })
})

test.each([
  [0, undefined, 'FREQUENT'],
  [29, undefined, 'FREQUENT'],
  [30, undefined, 'INFREQUENT'],
  [90, undefined, 'ARCHIVE_INSTANT_ACCESS'],
  [200, 'ARCHIVE_ACCESS', 'ARCHIVE_ACCESS'],
  [200, 'DEEP_ARCHIVE_ACCESS', 'DEEP_ARCHIVE_ACCESS'],
] as const)('after %d days in archive %s an object is in %s', (days, tier, expected) => {
  const DAY = 86_400_000
  const record = {
    storageClass: 'INTELLIGENT_TIERING',
    size: 200_000,
    modified: 0,
    ...(tier ? { archive: tier } : {}),
  }
  expect(accessTierOf(record, days * DAY)).toBe(expected)
  expect(accessTierOf({ ...record, accessed: days * DAY }, days * DAY)).toBe(tier ?? 'FREQUENT')
  expect(accessTierOf({ ...record, storageClass: 'STANDARD' }, days * DAY)).toBeUndefined()
  const due = archiveDue(record, [{ tier: 'DEEP_ARCHIVE_ACCESS', days: 180 }], days * DAY)
  expect(due).toBe(days === 200 && tier !== 'DEEP_ARCHIVE_ACCESS' ? 'DEEP_ARCHIVE_ACCESS' : undefined)
})
