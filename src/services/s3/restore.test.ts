import {
  CopyObjectCommand,
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  RestoreObjectCommand,
  type RestoreRequest,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
const Bucket = 'archive'
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket,
      NotificationConfiguration: { EventBridgeConfiguration: {} },
    }),
  )
})
afterAll(() => drydock.close())

const put = (Key: string, StorageClass: PutObjectCommandInput['StorageClass']) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body: Key, StorageClass }))
const textOf = async (Key: string) => (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()
const head = (Key: string) => s3.send(new HeadObjectCommand({ Bucket, Key }))
const restore = async (Key: string, RestoreRequest: RestoreRequest) =>
  (await s3.send(new RestoreObjectCommand({ Bucket, Key, RestoreRequest }))).$metadata.httpStatusCode
const archived = { name: 'InvalidObjectState', StorageClass: 'GLACIER' }

test('an archived object is read once it is restored, for as long as it stays', async () => {
  await put('g', 'GLACIER')
  expect((await head('g')).StorageClass).toBe('GLACIER')
  await expect(textOf('g')).rejects.toMatchObject(archived)
  const copy = new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/g` })
  await expect(s3.send(copy)).rejects.toMatchObject({ name: 'InvalidObjectState' })

  expect(await restore('g', { Days: 2, GlacierJobParameters: { Tier: 'Bulk' } })).toBe(202)
  expect((await head('g')).Restore).toBe('ongoing-request="true"')
  await expect(restore('g', { Days: 2, GlacierJobParameters: { Tier: 'Bulk' } })).rejects.toMatchObject({
    name: 'RestoreAlreadyInProgress',
  })
  // A faster tier hurries it.
  expect(await restore('g', { Days: 2, GlacierJobParameters: { Tier: 'Expedited' } })).toBe(202)
  await expect(textOf('g')).rejects.toMatchObject(archived)
  await drydock.advance({ minutes: 6 })
  expect(await textOf('g')).toBe('g')
  const midnight = new Date((Math.floor(drydock.clock.now().getTime() / 86_400_000) + 3) * 86_400_000)
  const expiry = `ongoing-request="false", expiry-date="${midnight.toUTCString()}"`
  expect(await head('g')).toMatchObject({ Restore: expiry, StorageClass: 'GLACIER' })
  const { Contents } = await s3.send(
    new ListObjectsV2Command({ Bucket, Prefix: 'g', OptionalObjectAttributes: ['RestoreStatus'] }),
  )
  expect(Contents?.[0]?.RestoreStatus).toEqual({ IsRestoreInProgress: false, RestoreExpiryDate: midnight })

  expect(await restore('g', { Days: 5 })).toBe(200)
  await drydock.advance({ days: 4 })
  expect(await textOf('g')).toBe('g')
  await s3.send(copy)
  expect(await textOf('copy')).toBe('g')
  await drydock.advance({ days: 2 })
  await expect(textOf('g')).rejects.toMatchObject(archived)
  expect((await head('g')).Restore).toBeUndefined()
  expect(drydock.events.map((event) => event['detail-type'])).toEqual(
    expect.arrayContaining(['Object Restore Initiated', 'Object Restore Completed', 'Object Restore Expired']),
  )
})

test('what is not archived, or cannot be had so, is refused', async () => {
  await put('s', 'STANDARD_IA')
  expect(await textOf('s')).toBe('s')
  await expect(restore('s', { Days: 1 })).rejects.toMatchObject({ name: 'InvalidObjectState' })
  await put('d', 'DEEP_ARCHIVE')
  await expect(restore('d', { Days: 1, GlacierJobParameters: { Tier: 'Expedited' } })).rejects.toMatchObject({
    name: 'InvalidArgument',
  })
  await expect(restore('d', {})).rejects.toMatchObject({ name: 'MalformedXML' })
  await expect(put('x', 'OUTPOSTS')).rejects.toMatchObject({ name: 'InvalidStorageClass' })
})
