import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketOwnershipControlsCommand,
  DeleteObjectCommand,
  DeletePublicAccessBlockCommand,
  GetBucketAclCommand,
  GetBucketOwnershipControlsCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  type ObjectOwnership,
  PutBucketAclCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutPublicAccessBlockCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
/** Root of another account. */
let other: S3Client
let ownId: string
let otherId: string
beforeAll(async () => {
  drydock = await story({ config: { auth: 'trust' } })
  s3 = drydock.client(S3Client)
  other = drydock.client(S3Client, { accessKeyId: '111111111111', secretAccessKey: 'any' })
  ownId = (await s3.send(new ListBucketsCommand({}))).Owner?.ID ?? ''
  otherId = (await other.send(new ListBucketsCommand({}))).Owner?.ID ?? ''
})
afterAll(() => drydock.close())

const make = async (Bucket: string, ObjectOwnership: ObjectOwnership = 'ObjectWriter', open = false) => {
  await s3.send(new CreateBucketCommand({ Bucket, ObjectOwnership }))
  if (open) await s3.send(new DeletePublicAccessBlockCommand({ Bucket }))
  return Bucket
}
const put = (Bucket: string, Key: string, more: Partial<PutObjectCommandInput> = {}, client = s3) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: Key, ...more }))
const read = async (client: S3Client, Bucket: string, Key: string) =>
  (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()
const open = async (Bucket: string, path = '') => (await fetch(`${drydock.endpoint}/${Bucket}${path}`)).status
const denied = { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } }

test('an object’s list lets in the public, or those with an account, or one account', async () => {
  const Bucket = await make('lists', 'ObjectWriter', true)
  await put(Bucket, 'public', { ACL: 'public-read' })
  await put(Bucket, 'members', { ACL: 'authenticated-read' })
  await put(Bucket, 'other', { GrantRead: `id="${otherId}"` })
  await put(Bucket, 'own')
  for (const [key, anyone, member] of [
    ['public', 200, true],
    ['members', 403, true],
    ['other', 403, true],
    ['own', 403, false],
  ] as const) {
    expect(await open(Bucket, `/${key}`)).toBe(anyone)
    if (member) expect(await read(other, Bucket, key)).toBe(key)
    else await expect(read(other, Bucket, key)).rejects.toMatchObject(denied)
  }
  await s3.send(new PutObjectAclCommand({ Bucket, Key: 'own', ACL: 'public-read' }))
  expect(await open(Bucket, '/own')).toBe(200)
  expect((await s3.send(new GetObjectAclCommand({ Bucket, Key: 'own' }))).Grants).toEqual([
    { Grantee: { Type: 'CanonicalUser', ID: ownId }, Permission: 'FULL_CONTROL' },
    { Grantee: { Type: 'Group', URI: 'http://acs.amazonaws.com/groups/global/AllUsers' }, Permission: 'READ' },
  ])
  // A copy has a list of its own.
  await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/own` }))
  expect(await open(Bucket, '/copy')).toBe(403)

  await s3.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: { IgnorePublicAcls: true } }))
  expect(await open(Bucket, '/own')).toBe(403)
  expect(await read(other, Bucket, 'other')).toBe('other')
  await s3.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: { BlockPublicAcls: true } }))
  expect(await open(Bucket, '/own')).toBe(200)
  await expect(put(Bucket, 'more', { ACL: 'public-read' })).rejects.toMatchObject(denied)
  await expect(s3.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read' }))).rejects.toMatchObject(denied)
})

test('a bucket’s list: reading is listing, writing is putting new objects', async () => {
  const Bucket = await make('bucket-lists')
  await put(Bucket, 'own')
  const list = () => other.send(new ListObjectsV2Command({ Bucket, FetchOwner: true }))
  await expect(list()).rejects.toMatchObject(denied)
  await s3.send(
    new PutBucketAclCommand({
      Bucket,
      AccessControlPolicy: {
        Owner: { ID: ownId },
        Grants: [
          { Grantee: { Type: 'CanonicalUser', ID: ownId }, Permission: 'FULL_CONTROL' },
          { Grantee: { Type: 'CanonicalUser', ID: otherId }, Permission: 'READ' },
          { Grantee: { Type: 'CanonicalUser', ID: otherId }, Permission: 'WRITE' },
        ],
      },
    }),
  )
  await put(Bucket, 'theirs', {}, other)
  expect((await list()).Contents?.map(({ Key, Owner }) => [Key, Owner?.ID])).toEqual([
    ['own', ownId],
    ['theirs', otherId],
  ])
  await expect(read(other, Bucket, 'own')).rejects.toMatchObject(denied)
  await expect(other.send(new GetBucketAclCommand({ Bucket }))).rejects.toMatchObject(denied)
  await expect(other.send(new DeleteObjectCommand({ Bucket, Key: 'own' }))).rejects.toMatchObject(denied)
  await other.send(new DeleteObjectCommand({ Bucket, Key: 'theirs' }))
})

test('who uploads owns, but for what he hands over; the bucket’s owner may only delete it', async () => {
  const Bucket = await make('uploads')
  await s3.send(new PutBucketAclCommand({ Bucket, GrantWrite: `id=${otherId}`, GrantFullControl: `id="${ownId}"` }))
  await put(Bucket, 'theirs', {}, other)
  expect(await read(other, Bucket, 'theirs')).toBe('theirs')
  await expect(read(s3, Bucket, 'theirs')).rejects.toMatchObject(denied)
  // A policy of the bucket allows nothing on it, even to the owner's own users.
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: drydock.account },
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${Bucket}/*`,
      },
    ],
  })
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
  await expect(read(s3, Bucket, 'theirs')).rejects.toMatchObject(denied)
  await put(Bucket, 'shared', { ACL: 'bucket-owner-full-control' }, other)
  expect(await read(s3, Bucket, 'shared')).toBe('shared')
  expect((await s3.send(new GetObjectAclCommand({ Bucket, Key: 'shared' }))).Owner?.ID).toBe(otherId)
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'theirs' }))

  const rule = (ObjectOwnership: ObjectOwnership) =>
    s3.send(new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls: { Rules: [{ ObjectOwnership }] } }))
  await rule('BucketOwnerPreferred')
  await put(Bucket, 'given', { ACL: 'bucket-owner-full-control' }, other)
  expect((await s3.send(new GetObjectAclCommand({ Bucket, Key: 'given' }))).Owner?.ID).toBe(ownId)
  await expect(rule('BucketOwnerEnforced')).rejects.toMatchObject({ name: 'InvalidBucketAclWithObjectOwnership' })
  await s3.send(new PutBucketAclCommand({ Bucket, ACL: 'private' }))
  await rule('BucketOwnerEnforced')
  // Now everything is the bucket's owner's.
  await put(Bucket, 'late')
  expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'shared' }))).ContentLength).toBe(6)
  await expect(put(Bucket, 'x', { ACL: 'authenticated-read' })).rejects.toMatchObject({
    name: 'AccessControlListNotSupported',
  })
})

test('within an account users still need what their policies say', async () => {
  const Bucket = await make('users', 'ObjectWriter', true)
  await put(Bucket, 'k')
  await put(Bucket, 'open', { ACL: 'public-read' })
  const alice = drydock.client(S3Client, await drydock.user('alice', [allow('s3:ListAllMyBuckets')]))
  await expect(read(alice, Bucket, 'k')).rejects.toMatchObject(denied)
  expect(await read(alice, Bucket, 'open')).toBe('open')
})

test('controls come back, and go', async () => {
  const Bucket = await make('controls', 'BucketOwnerPreferred')
  const get = () => s3.send(new GetBucketOwnershipControlsCommand({ Bucket }))
  expect((await get()).OwnershipControls?.Rules).toEqual([{ ObjectOwnership: 'BucketOwnerPreferred' }])
  await s3.send(new DeleteBucketOwnershipControlsCommand({ Bucket }))
  await expect(get()).rejects.toMatchObject({ name: 'OwnershipControlsNotFoundError' })
  await expect(
    s3.send(new CreateBucketCommand({ Bucket: 'too-open', ObjectOwnership: 'ObjectWriter', ACL: 'public-read' })),
  ).rejects.toMatchObject({ name: 'InvalidBucketAclWithBlockPublicAccessError' })
})

test.each<[string, Partial<PutObjectCommandInput>]>([
  ['InvalidArgument', { ACL: 'everyone' as 'private' }],
  ['InvalidRequest', { ACL: 'private', GrantRead: 'id="x"' }],
  ['InvalidArgument', { GrantRead: 'id="x"' }],
  ['InvalidArgument', { GrantRead: 'uri="http://example.com"' }],
  ['InvalidArgument', { GrantRead: 'nonsense' }],
  ['MethodNotAllowed', { GrantRead: 'emailAddress="a@example.com"' }],
])('%s for %j', async (name, more) => {
  const Bucket = await make(`bad-${Math.random().toString(36).slice(2)}`)
  await expect(put(Bucket, 'k', more)).rejects.toMatchObject({ name })
})
