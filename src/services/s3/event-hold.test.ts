import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  type ObjectLockRetention,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { type Asked, arrived, changed, maySet, type Retention, untilOf } from './retention.ts'

const DAY = 86_400_000

describe('what a hold makes of a retention', () => {
  const now = 1000 * DAY
  const mode = 'COMPLIANCE' as const
  const held: Retention = { mode, hold: { days: 30 } }
  test.each<[string, Retention | undefined, Omit<Asked, 'mode'>, Retention | undefined]>([
    ['a hold alone', undefined, { hold: { days: 30 } }, held],
    [
      'a hold with a date',
      undefined,
      { hold: { years: 1 }, until: now + 5 },
      { mode, until: now + 5, hold: { years: 1 } },
    ],
    ['released', held, { hold: 'OFF' }, { mode, until: now + 30 * DAY, hold: 'OFF' }],
    ['released to later', held, { hold: 'OFF', until: now + 40 * DAY }, { mode, until: now + 40 * DAY, hold: 'OFF' }],
    ['released to earlier', held, { hold: 'OFF', until: now + DAY }, { mode, until: now + 30 * DAY, hold: 'OFF' }],
    ['released without one', undefined, { hold: 'OFF' }, undefined],
    ['released twice', { mode, until: now + DAY, hold: 'OFF' }, { hold: 'OFF' }, undefined],
    ['shortened', held, { hold: { days: 1 } }, { mode, until: now + 30 * DAY, hold: { days: 1 } }],
    [
      'put on what has a date',
      { mode, until: now + DAY },
      { hold: { days: 30 } },
      { mode, until: now + DAY, hold: { days: 30 } },
    ],
    ['a date while held', held, { until: now + 90 * DAY }, { mode, until: now + 90 * DAY, hold: { days: 30 } }],
  ])('%s', (_, before, asked, after) => {
    expect(changed(before, { mode, ...asked }, now)).toEqual(after)
    if (after) expect(maySet(before, after, { now, bypass: false })).toBe(true)
  })

  test('its date moves with time; a replica counts from when the release arrives', () => {
    expect([untilOf(held, now), untilOf(held, now + DAY)]).toEqual([now + 30 * DAY, now + 31 * DAY])
    expect(maySet(held, undefined, { now, bypass: true })).toBe(false)
    const released: Retention = { mode, until: now + 30 * DAY, hold: 'OFF' }
    expect(arrived(held, released, now + 2 * DAY)).toEqual({ ...released, until: now + 32 * DAY })
    expect(arrived(undefined, released, now)).toEqual(released)
    expect(arrived(released, held, now)).toEqual(held)
  })
})

let drydock: Story
let s3: S3Client
const Bucket = 'events'
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
})
afterAll(() => drydock.close())

const inDays = (days: number) => new Date(Math.floor(drydock.clock.now().getTime()) + days * DAY)
const put = async (Key: string, more: Partial<PutObjectCommandInput> = {}, of = Bucket) => {
  const { VersionId } = await s3.send(new PutObjectCommand({ Bucket: of, Key, Body: 'x', ...more }))
  return { Bucket: of, Key, VersionId }
}
type Version = Awaited<ReturnType<typeof put>>
const remove = (version: Version) => s3.send(new DeleteObjectCommand(version))
const retain = (version: Version, Retention: ObjectLockRetention, by = s3) =>
  by.send(new PutObjectRetentionCommand({ ...version, Retention }))
const retentionOf = async (version: Version) => (await s3.send(new GetObjectRetentionCommand(version))).Retention
const protectedByLock = { name: 'AccessDenied', message: 'Access Denied because object protected by object lock.' }

test('a version stays while it is held, and for the hold’s time after its release', async () => {
  const version = await put('contract')
  await retain(version, { Mode: 'COMPLIANCE', EventHold: 'ON', EventHoldDuration: { Days: 30 } })
  await drydock.advance({ days: 100 })
  expect(await retentionOf(version)).toEqual({
    Mode: 'COMPLIANCE',
    RetainUntilDate: inDays(30),
    EventHold: 'ON',
    EventHoldDuration: { Days: 30 },
  })
  await expect(remove(version)).rejects.toMatchObject(protectedByLock)
  await expect(retain(version, {})).rejects.toMatchObject(protectedByLock)
  await retain(version, { Mode: 'COMPLIANCE', EventHold: 'OFF' })
  const released = { Mode: 'COMPLIANCE', RetainUntilDate: inDays(30), EventHold: 'OFF' }
  expect(await retentionOf(version)).toEqual(released)
  await drydock.advance({ days: 29 })
  expect(await retentionOf(version)).toEqual(released)
  await expect(remove(version)).rejects.toMatchObject(protectedByLock)
  await drydock.advance({ days: 2 })
  await remove(version)
})

test('uploads bring holds, in headers', async () => {
  const held = { ObjectLockMode: 'GOVERNANCE', ObjectLockEventHold: 'ON', ObjectLockEventHoldDurationYears: 1 } as const
  const version = await put('upload', held)
  expect(await s3.send(new HeadObjectCommand(version))).toMatchObject({
    ...held,
    ObjectLockRetainUntilDate: inDays(365),
  })
  const at = { Bucket, Key: 'parts' }
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...at, ...held }))
  const { ETag } = await s3.send(new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: 'x' }))
  await s3.send(
    new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }),
  )
  expect(await s3.send(new HeadObjectCommand(at))).toMatchObject(held)
  for (const wrong of [
    { ObjectLockEventHold: 'ON', ObjectLockEventHoldDurationDays: 1 },
    { ObjectLockMode: 'GOVERNANCE', ObjectLockEventHold: 'ON' },
    { ...held, ObjectLockEventHoldDurationDays: 1 },
    { ...held, ObjectLockEventHoldDurationYears: 101 },
    { ObjectLockMode: 'GOVERNANCE', ObjectLockEventHold: 'OFF' },
    { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: inDays(1), ObjectLockEventHoldDurationDays: 1 },
  ] as const)
    await expect(put('wrong', wrong)).rejects.toMatchObject({ name: 'InvalidArgument' })
})

test('a bucket gives holds to what brings no lock of its own', async () => {
  const bucket = 'held-by-default'
  await s3.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }))
  const ObjectLockConfiguration = {
    ObjectLockEnabled: 'Enabled' as const,
    Rule: { DefaultRetention: { Mode: 'GOVERNANCE' as const, Days: 60, DefaultEventHold: { Days: 7 } } },
  }
  await s3.send(new PutObjectLockConfigurationCommand({ Bucket: bucket, ObjectLockConfiguration }))
  expect(await s3.send(new GetObjectLockConfigurationCommand({ Bucket: bucket }))).toMatchObject({
    ObjectLockConfiguration,
  })
  const version = await put('k', {}, bucket)
  expect(await retentionOf(version)).toEqual({
    Mode: 'GOVERNANCE',
    RetainUntilDate: inDays(60),
    EventHold: 'ON',
    EventHoldDuration: { Days: 7 },
  })
  const own = await put('own', { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: inDays(1) }, bucket)
  expect(await retentionOf(own)).toEqual({ Mode: 'GOVERNANCE', RetainUntilDate: inDays(1) })
  const empty = { ObjectLockEnabled: 'Enabled' as const, Rule: { DefaultRetention: { Mode: 'GOVERNANCE' as const } } }
  await expect(
    s3.send(new PutObjectLockConfigurationCommand({ Bucket: bucket, ObjectLockConfiguration: empty })),
  ).rejects.toMatchObject({ name: 'MalformedXML' })
})

test.each<[string, ObjectLockRetention]>([
  ['no mode', { EventHold: 'ON', EventHoldDuration: { Days: 1 } }],
  ['no duration', { Mode: 'COMPLIANCE', EventHold: 'ON' }],
  ['two durations', { Mode: 'COMPLIANCE', EventHold: 'ON', EventHoldDuration: { Days: 1, Years: 1 } }],
  ['a duration with a release', { Mode: 'COMPLIANCE', EventHold: 'OFF', EventHoldDuration: { Days: 1 } }],
  ['a release of nothing', { Mode: 'COMPLIANCE', EventHold: 'OFF' }],
])('%s is refused', async (_, retention) => {
  await expect(retain(await put('malformed'), retention)).rejects.toMatchObject({ name: 'MalformedXML' })
})

test('policies decide who releases holds, and how long they are', async () => {
  const bucket = 'two-persons'
  await s3.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }))
  const deny = (Condition: object) => ({
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:PutObjectRetention',
    Resource: `arn:aws:s3:::${bucket}/*`,
    Condition,
  })
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      deny({
        StringEquals: { 's3:object-lock-event-hold': 'OFF' },
        ArnNotLike: { 'aws:PrincipalArn': '*user/releaser' },
      }),
      deny({ NumericLessThan: { 's3:object-lock-event-hold-duration-days': '90' } }),
    ],
  })
  await s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
  const version = await put('k', {}, bucket)
  const hold = (EventHoldDuration: { Days?: number; Years?: number }) =>
    retain(version, { Mode: 'COMPLIANCE', EventHold: 'ON', EventHoldDuration })
  await expect(hold({ Days: 89 })).rejects.toMatchObject({ name: 'AccessDenied' })
  await hold({ Years: 1 })
  await expect(retain(version, { Mode: 'COMPLIANCE', EventHold: 'OFF' })).rejects.toMatchObject({
    name: 'AccessDenied',
  })
  const releaser = drydock.client(S3Client, await drydock.user('releaser', [allow('s3:PutObjectRetention')]))
  await retain(version, { Mode: 'COMPLIANCE', EventHold: 'OFF' }, releaser)
  expect(await retentionOf(version)).toMatchObject({ EventHold: 'OFF', RetainUntilDate: inDays(365) })
})
