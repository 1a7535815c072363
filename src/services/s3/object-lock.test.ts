import { CreateVirtualMFADeviceCommand, EnableMFADeviceCommand, IAMClient } from '@aws-sdk/client-iam'
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  type ObjectLockRetention,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { TOTP } from 'otpauth'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { maySet } from './retention.ts'

let drydock: Story
let s3: S3Client
const Bucket = 'vault'
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
  await s3.send(new CreateBucketCommand({ Bucket: 'plain' }))
})
afterAll(() => drydock.close())

const DAY = 86_400_000
const inDays = (days: number) => new Date(drydock.clock.now().getTime() + days * DAY)
const put = async (Key: string, more: Partial<PutObjectCommandInput> = {}) => {
  const { VersionId } = await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...more }))
  return { Bucket, Key, VersionId }
}
type Version = Awaited<ReturnType<typeof put>>
const remove = (version: Version, BypassGovernanceRetention?: boolean, by = s3) =>
  by.send(new DeleteObjectCommand({ ...version, BypassGovernanceRetention }))
const retain = (version: Version, Retention: ObjectLockRetention, BypassGovernanceRetention?: boolean, by = s3) =>
  by.send(new PutObjectRetentionCommand({ ...version, Retention, BypassGovernanceRetention }))
const protectedByLock = { name: 'AccessDenied', message: 'Access Denied because object protected by object lock.' }

test('a retained version stays until its time is over, a marker may hide it', async () => {
  const version = await put('compliance', { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: inDays(10) })
  expect(await s3.send(new HeadObjectCommand(version))).toMatchObject({
    ObjectLockMode: 'COMPLIANCE',
    ObjectLockRetainUntilDate: inDays(10),
  })
  await expect(remove(version)).rejects.toMatchObject(protectedByLock)
  await expect(remove(version, true)).rejects.toMatchObject(protectedByLock)
  const answer = await s3.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: version.Key, VersionId: version.VersionId }] } }),
  )
  expect(answer.Errors).toMatchObject([{ Code: 'AccessDenied', VersionId: version.VersionId }])
  expect((await s3.send(new DeleteObjectCommand({ Bucket, Key: 'compliance' }))).DeleteMarker).toBe(true)
  await expect(retain(version, { Mode: 'COMPLIANCE', RetainUntilDate: inDays(9) })).rejects.toMatchObject(
    protectedByLock,
  )
  await retain(version, { Mode: 'COMPLIANCE', RetainUntilDate: inDays(11) })
  await drydock.advance({ days: 10, hours: 12 })
  await expect(remove(version)).rejects.toMatchObject(protectedByLock)
  await drydock.advance({ days: 1 })
  await remove(version)
  await expect(s3.send(new HeadObjectCommand(version))).rejects.toMatchObject({ name: 'NotFound' })
})

test('governance is overruled by who may and says so', async () => {
  const version = await put('governed', { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: inDays(10) })
  const may = allow(['s3:DeleteObjectVersion', 's3:PutObjectRetention', 's3:GetObjectVersion'])
  const clerk = drydock.client(S3Client, await drydock.user('clerk', [may]))
  await expect(remove(version, true, clerk)).rejects.toMatchObject({
    message: expect.stringContaining('s3:BypassGovernanceRetention'),
  })
  await expect(remove(version, false, clerk)).rejects.toMatchObject(protectedByLock)
  await expect(retain(version, {}, false)).rejects.toMatchObject(protectedByLock)
  // Who may not see a lock is not shown it.
  expect((await clerk.send(new HeadObjectCommand(version))).ObjectLockMode).toBeUndefined()
  await retain(version, { Mode: 'GOVERNANCE', RetainUntilDate: inDays(1) }, true)
  await retain(version, { Mode: 'GOVERNANCE', RetainUntilDate: inDays(5) }, false, clerk)
  await remove(version, true)
  const other = await put('governed', { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: inDays(10) })
  await retain(other, {}, true)
  await expect(s3.send(new GetObjectRetentionCommand(other))).rejects.toMatchObject({
    name: 'NoSuchObjectLockConfiguration',
  })
  await remove(other)
})

test('a legal hold protects while it is on', async () => {
  const version = await put('held', { ObjectLockLegalHoldStatus: 'ON' })
  expect(await s3.send(new GetObjectLegalHoldCommand(version))).toMatchObject({ LegalHold: { Status: 'ON' } })
  await expect(remove(version, true)).rejects.toMatchObject(protectedByLock)
  await s3.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: 'OFF' } }))
  await remove(version)
})

test('a bucket gives its default to what names nothing, uploads in parts too', async () => {
  const bucket = 'by-default'
  await s3.send(new CreateBucketCommand({ Bucket: bucket }))
  const configure = (DefaultRetention: { Mode: 'GOVERNANCE'; Days?: number; Years?: number }) =>
    s3.send(
      new PutObjectLockConfigurationCommand({
        Bucket: bucket,
        ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention } },
      }),
    )
  await expect(configure({ Mode: 'GOVERNANCE', Days: 1 })).rejects.toMatchObject({ name: 'InvalidBucketState' })
  const version = (Status: 'Enabled' | 'Suspended') =>
    s3.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status } }))
  await version('Enabled')
  await expect(s3.send(new GetObjectLockConfigurationCommand({ Bucket: bucket }))).rejects.toMatchObject({
    name: 'ObjectLockConfigurationNotFoundError',
  })
  await expect(configure({ Mode: 'GOVERNANCE', Days: 1, Years: 1 })).rejects.toMatchObject({ name: 'MalformedXML' })
  await expect(configure({ Mode: 'GOVERNANCE', Days: 0 })).rejects.toMatchObject({ name: 'InvalidRetentionPeriod' })
  await configure({ Mode: 'GOVERNANCE', Days: 3 })
  expect((await s3.send(new GetObjectLockConfigurationCommand({ Bucket: bucket }))).ObjectLockConfiguration).toEqual({
    ObjectLockEnabled: 'Enabled',
    Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 3 } },
  })
  await expect(version('Suspended')).rejects.toMatchObject({ name: 'InvalidBucketState' })
  const one = await put('one', { Bucket: bucket })
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'two' }))
  const at = { Bucket: bucket, Key: 'two', UploadId }
  const { ETag } = await s3.send(new UploadPartCommand({ ...at, PartNumber: 1, Body: 'x' }))
  await s3.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }))
  for (const Key of [one.Key, 'two'])
    expect((await s3.send(new GetObjectRetentionCommand({ Bucket: bucket, Key }))).Retention).toEqual({
      Mode: 'GOVERNANCE',
      RetainUntilDate: inDays(3),
    })
})

test.each([
  [{ ObjectLockMode: 'GOVERNANCE' }, 'InvalidArgument'],
  [{ ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: new Date('2020-01-01') }, 'InvalidArgument'],
  [{ ObjectLockLegalHoldStatus: 'MAYBE' as 'ON' }, 'InvalidArgument'],
  [{ Bucket: 'plain', ObjectLockLegalHoldStatus: 'ON' }, 'InvalidRequest'],
] as const)('refused: %j', async (headers, name) => {
  await expect(put('refused', headers)).rejects.toMatchObject({ name })
})

test('a bucket without Object Lock has no locks to ask for', async () => {
  const { VersionId: _, ...version } = await put('x', { Bucket: 'plain' })
  const here = { ...version, Bucket: 'plain' }
  for (const call of [
    s3.send(new GetObjectRetentionCommand(here)),
    s3.send(new PutObjectLegalHoldCommand({ ...here, LegalHold: { Status: 'ON' } })),
  ])
    await expect(call).rejects.toMatchObject({ message: 'Bucket is missing Object Lock Configuration' })
})

test.each([
  ['GOVERNANCE', undefined, false, false],
  ['GOVERNANCE', undefined, true, true],
  ['GOVERNANCE', ['COMPLIANCE', 5], false, false],
  ['GOVERNANCE', ['COMPLIANCE', 5], true, true],
  ['COMPLIANCE', ['GOVERNANCE', 5], true, false],
  ['COMPLIANCE', ['COMPLIANCE', 4], true, true],
  ['COMPLIANCE', ['COMPLIANCE', 1], true, false],
] as const)('%s until 4 may become %j, overruled %s: %s', (mode, after, bypass, may) => {
  const to = after && { mode: after[0], until: after[1] }
  expect(maySet({ mode, until: 4 }, to, { now: 2, bypass })).toBe(may)
  expect(maySet({ mode, until: 4 }, to, { now: 4, bypass })).toBe(true)
})

test('MFA delete: the root user turns it on with his device; no version goes without a code of one’s own', async () => {
  const iam = drydock.client(IAMClient)
  const device = async (name: string, UserName: string) => {
    const { VirtualMFADevice } = await iam.send(new CreateVirtualMFADeviceCommand({ VirtualMFADeviceName: name }))
    const SerialNumber = VirtualMFADevice?.SerialNumber ?? ''
    const totp = new TOTP({ secret: Buffer.from(VirtualMFADevice?.Base32StringSeed ?? []).toString() })
    const codeAt = (steps: number) => totp.generate({ timestamp: drydock.clock.now().getTime() + steps * 30_000 })
    const codes = { AuthenticationCode1: codeAt(-1), AuthenticationCode2: codeAt(0) }
    await iam.send(new EnableMFADeviceCommand({ UserName, SerialNumber, ...codes }))
    return async () => {
      // Each code counts once.
      await drydock.advance({ seconds: 60 })
      return `${SerialNumber} ${codeAt(0)}`
    }
  }
  const rootCode = await device('root-account-mfa-device', 'root')
  const keys = await drydock.user('ops', [allow('s3:*')])
  const userCode = await device('ops', 'ops')
  const ops = drydock.client(S3Client, keys)

  const here = { Bucket: 'guarded', Key: 'k' }
  const needed = { name: 'AccessDenied', message: 'Mfa Authentication must be used for this request' }
  await s3.send(new CreateBucketCommand({ Bucket: here.Bucket }))
  const version = (MFADelete: 'Enabled' | 'Disabled' | undefined, MFA?: string, by = s3) =>
    by.send(new PutBucketVersioningCommand({ ...here, MFA, VersioningConfiguration: { Status: 'Enabled', MFADelete } }))
  await expect(version('Enabled', undefined, ops)).rejects.toMatchObject({ name: 'AccessDenied' })
  await expect(version('Enabled', await userCode(), ops)).rejects.toMatchObject({ name: 'AccessDenied' })
  await expect(version('Enabled')).rejects.toMatchObject(needed)
  await expect(version('Enabled', await userCode())).rejects.toMatchObject(needed)
  expect((await s3.send(new GetBucketVersioningCommand(here))).MFADelete).toBeUndefined()
  const spent = await rootCode()
  await version('Enabled', spent)
  expect(await s3.send(new GetBucketVersioningCommand(here))).toMatchObject({ Status: 'Enabled', MFADelete: 'Enabled' })

  const { VersionId } = await ops.send(new PutObjectCommand({ ...here, Body: 'kept' }))
  // A delete marker needs no code; deleting a version does, and so does changing what is kept.
  const { VersionId: marker } = await ops.send(new DeleteObjectCommand(here))
  const remove = (id: string | undefined, MFA?: string, by = s3) =>
    by.send(new DeleteObjectCommand({ ...here, VersionId: id, MFA }))
  const removeMany = (id: string | undefined, MFA?: string) =>
    s3.send(
      new DeleteObjectsCommand({ ...here, MFA, Delete: { Objects: [{ Key: here.Key, VersionId: id }], Quiet: true } }),
    )
  await expect(remove(marker)).rejects.toMatchObject(needed)
  await expect(removeMany(marker)).rejects.toMatchObject(needed)
  await expect(remove(VersionId, spent)).rejects.toMatchObject(needed)
  await expect(remove(VersionId, `${spent.split(' ')[0]} 000000`)).rejects.toMatchObject(needed)
  await expect(version(undefined)).rejects.toMatchObject(needed)
  await remove(marker, await userCode(), ops)
  expect(await (await s3.send(new GetObjectCommand(here))).Body?.transformToString()).toBe('kept')
  await removeMany(VersionId, await rootCode())
  await expect(s3.send(new GetObjectCommand(here))).rejects.toMatchObject({ name: 'NoSuchKey' })
  await version('Disabled', await rootCode())
  expect((await s3.send(new GetBucketVersioningCommand(here))).MFADelete).not.toBe('Enabled')
  const { VersionId: free } = await s3.send(new PutObjectCommand({ ...here, Body: 'free' }))
  await remove(free)
})
