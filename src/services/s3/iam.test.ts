import { get } from 'node:http'
import { text as textOf } from 'node:stream/consumers'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  DeletePublicAccessBlockCommand,
  GetBucketPolicyCommand,
  GetBucketPolicyStatusCommand,
  GetObjectCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
beforeAll(async () => {
  drydock = await story({ config: { auth: 'trust' } })
  s3 = drydock.client(S3Client)
})
afterAll(() => drydock.close())

const bucket = async (Bucket: string) => {
  await s3.send(new CreateBucketCommand({ Bucket }))
  return Bucket
}
const put = (Bucket: string, Key: string, Body = Key, client = s3) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body }))
const text = async (client: S3Client, Bucket: string, Key: string, VersionId?: string) =>
  (await client.send(new GetObjectCommand({ Bucket, Key, VersionId }))).Body?.transformToString()
const user = async (name: string, ...policies: object[]) => drydock.client(S3Client, await drydock.user(name, policies))
/** Root of another account. */
const stranger = () => drydock.client(S3Client, { accessKeyId: '111111111111', secretAccessKey: 'any' })
const anonymous = (path: string, method = 'GET', body?: string) =>
  fetch(`${drydock.endpoint}/${path}`, { method, ...(body ? { body } : {}) })
const byHost = (host: string, path: string) =>
  new Promise<string>((resolve, reject) => {
    get(`${drydock.endpoint}${path}`, { headers: { host } }, (response) => resolve(textOf(response))).on(
      'error',
      reject,
    )
  })
const setPolicy = (Bucket: string, ...Statement: object[]) =>
  s3.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }))
const denied = { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } }

test('a user may do what his policy says, and is told what it does not', async () => {
  const b = await bucket('for-users')
  await put(b, 'docs/a')
  await put(b, 'secret/a')
  const alice = await user('alice', allow('s3:GetObject', `arn:aws:s3:::${b}/docs/*`))
  expect(await text(alice, b, 'docs/a')).toBe('docs/a')
  await expect(text(alice, b, 'secret/a')).rejects.toMatchObject({
    ...denied,
    message: `User: arn:aws:iam::${drydock.account}:user/alice is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::${b}/secret/a" because no identity-based policy allows the s3:GetObject action`,
  })
  await expect(put(b, 'docs/b', 'x', alice)).rejects.toMatchObject(denied)
  await expect(alice.send(new ListBucketsCommand({}))).rejects.toMatchObject(denied)
  await expect(alice.send(new HeadBucketCommand({ Bucket: b }))).rejects.toMatchObject({
    $metadata: { httpStatusCode: 403 },
  })
})

test('a condition on a tag needs the right to read, one on being there does not', async () => {
  const b = await bucket('tagged-bucket')
  const cleaner = await user('cleaner', allow(['s3:DeleteObject', 's3:PutObject'], `arn:aws:s3:::${b}/*`))
  const needed = { ...denied, message: expect.stringContaining('s3:GetObject') }
  for (const Key of ['a', 'b']) await put(b, Key)
  await expect(cleaner.send(new DeleteObjectCommand({ Bucket: b, Key: 'a', IfMatch: '"x"' }))).rejects.toMatchObject(
    needed,
  )
  await expect(
    cleaner.send(new PutObjectCommand({ Bucket: b, Key: 'a', Body: 'x', IfMatch: '"x"' })),
  ).rejects.toMatchObject(needed)
  const { Errors } = await cleaner.send(
    new DeleteObjectsCommand({ Bucket: b, Delete: { Objects: [{ Key: 'b', ETag: '"x"' }] } }),
  )
  expect(Errors).toMatchObject([{ Key: 'b', Code: 'AccessDenied' }])
  await cleaner.send(new DeleteObjectCommand({ Bucket: b, Key: 'a', IfMatch: '*' }))
})

test('who may not list is not told what is missing', async () => {
  const b = await bucket('silent-bucket')
  const reader = await user('reader', allow('s3:GetObject', `arn:aws:s3:::${b}/*`))
  await expect(text(reader, b, 'absent')).rejects.toMatchObject({
    ...denied,
    message: expect.stringContaining('s3:ListBucket'),
  })
  await expect(reader.send(new HeadObjectCommand({ Bucket: b, Key: 'absent' }))).rejects.toMatchObject({
    $metadata: { httpStatusCode: 403 },
  })
  const lister = await user(
    'lister',
    allow('s3:GetObject', `arn:aws:s3:::${b}/*`),
    allow('s3:ListBucket', `arn:aws:s3:::${b}`),
  )
  await expect(text(lister, b, 'absent')).rejects.toMatchObject({ name: 'NoSuchKey' })
})

test('listing is limited by prefix', async () => {
  const b = await bucket('by-prefix')
  await put(b, 'home/bob/a')
  const bob = await user(
    'bob',
    allow('s3:ListBucket', `arn:aws:s3:::${b}`, { StringLike: { 's3:prefix': 'home/bob/*' } }),
  )
  expect((await bob.send(new ListObjectsV2Command({ Bucket: b, Prefix: 'home/bob/' }))).KeyCount).toBe(1)
  await expect(bob.send(new ListObjectsV2Command({ Bucket: b }))).rejects.toMatchObject(denied)
  await expect(bob.send(new ListObjectsV2Command({ Bucket: b, Prefix: 'home/' }))).rejects.toMatchObject(denied)
})

test('a version is an action of its own', async () => {
  const b = await bucket('versions-apart')
  await s3.send(new PutBucketVersioningCommand({ Bucket: b, VersioningConfiguration: { Status: 'Enabled' } }))
  const { VersionId } = await put(b, 'k')
  const carol = await user('carol', allow(['s3:GetObject', 's3:DeleteObject'], `arn:aws:s3:::${b}/*`))
  await expect(text(carol, b, 'k', VersionId)).rejects.toMatchObject(denied)
  await expect(carol.send(new DeleteObjectCommand({ Bucket: b, Key: 'k', VersionId }))).rejects.toMatchObject(denied)
  await carol.send(new DeleteObjectCommand({ Bucket: b, Key: 'k' }))
})

test('a copy reads its source and writes its target; tags need their own right', async () => {
  const b = await bucket('copies')
  await put(b, 'in/a')
  const writer = await user('careful-writer', allow('s3:PutObject', `arn:aws:s3:::${b}/out/*`))
  const copier = await user(
    'copier',
    allow('s3:PutObject', `arn:aws:s3:::${b}/out/*`),
    allow('s3:GetObject', `arn:aws:s3:::${b}/in/*`),
  )
  const copy = (client: S3Client, Key: string) =>
    client.send(new CopyObjectCommand({ Bucket: b, Key, CopySource: `${b}/in/a` }))
  await expect(copy(writer, 'out/a')).rejects.toMatchObject(denied)
  await copy(copier, 'out/a')
  await expect(copy(copier, 'in/b')).rejects.toMatchObject(denied)
  const tagged = new PutObjectCommand({ Bucket: b, Key: 'out/t', Body: 'x', Tagging: 'a=b' })
  await expect(writer.send(tagged)).rejects.toMatchObject({
    ...denied,
    message: expect.stringContaining('s3:PutObjectTagging'),
  })
  await writer.send(new CreateMultipartUploadCommand({ Bucket: b, Key: 'out/m' }))
  await expect(writer.send(new CreateMultipartUploadCommand({ Bucket: b, Key: 'in/m' }))).rejects.toMatchObject(denied)
})

test('the tags of an object decide who may read it, and go along only with the right to tag', async () => {
  const b = await bucket('by-tag')
  await s3.send(new PutObjectCommand({ Bucket: b, Key: 'open', Body: 'x', Tagging: 'level=public' }))
  await s3.send(new PutObjectCommand({ Bucket: b, Key: 'closed', Body: 'x', Tagging: 'level=secret' }))
  const condition = { StringEquals: { 's3:ExistingObjectTag/level': 'public' } }
  const grace = await user(
    'grace',
    allow('s3:GetObject', `arn:aws:s3:::${b}/*`, condition),
    allow('s3:PutObject', `arn:aws:s3:::${b}/*`),
  )
  expect(await text(grace, b, 'open')).toBe('x')
  await expect(text(grace, b, 'closed')).rejects.toMatchObject(denied)
  const copy = (TaggingDirective: 'COPY' | 'REPLACE') =>
    grace.send(new CopyObjectCommand({ Bucket: b, Key: 'copy', CopySource: `${b}/open`, TaggingDirective }))
  await expect(copy('COPY')).rejects.toMatchObject({
    ...denied,
    message: expect.stringContaining('s3:GetObjectTagging'),
  })
  await copy('REPLACE')
})

test('of many deletions each is allowed or denied by itself', async () => {
  const b = await bucket('many-deletions')
  for (const key of ['mine/a', 'yours/a']) await put(b, key)
  const dave = await user('dave', allow('s3:DeleteObject', `arn:aws:s3:::${b}/mine/*`))
  const { Deleted, Errors } = await dave.send(
    new DeleteObjectsCommand({ Bucket: b, Delete: { Objects: [{ Key: 'mine/a' }, { Key: 'yours/a' }] } }),
  )
  expect(Deleted).toEqual([{ Key: 'mine/a' }])
  expect(Errors).toMatchObject([
    { Key: 'yours/a', Code: 'AccessDenied', Message: expect.stringContaining('s3:DeleteObject') },
  ])
  expect(await text(s3, b, 'yours/a')).toBe('yours/a')
})

test('a bucket policy lets in and keeps out', async () => {
  const b = await bucket('with-policy')
  await put(b, 'k')
  const erin = await user('erin')
  await expect(s3.send(new GetBucketPolicyCommand({ Bucket: b }))).rejects.toMatchObject({ name: 'NoSuchBucketPolicy' })
  const AWS = `arn:aws:iam::${drydock.account}:user/erin`
  await setPolicy(b, { Effect: 'Allow', Principal: { AWS }, Action: 's3:GetObject', Resource: `arn:aws:s3:::${b}/*` })
  expect(await text(erin, b, 'k')).toBe('k')
  expect(JSON.parse((await s3.send(new GetBucketPolicyCommand({ Bucket: b }))).Policy ?? '')).toMatchObject({
    Statement: [{ Principal: { AWS } }],
  })
  expect((await s3.send(new GetBucketPolicyStatusCommand({ Bucket: b }))).PolicyStatus).toEqual({ IsPublic: false })
  const frank = await user('frank', allow('s3:*'))
  await setPolicy(b, { Effect: 'Deny', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${b}/*` })
  await expect(text(frank, b, 'k')).rejects.toMatchObject({
    ...denied,
    message: expect.stringContaining('explicit deny in a resource-based policy'),
  })
  await s3.send(new DeleteBucketPolicyCommand({ Bucket: b }))
  expect(await text(frank, b, 'k')).toBe('k')
  await expect(text(erin, b, 'k')).rejects.toMatchObject(denied)
})

test.each([
  ['not JSON', 'nonsense'],
  [
    'no principal',
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: 'arn:aws:s3:::malformed' }],
    }),
  ],
  [
    'another bucket',
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: 'arn:aws:s3:::other' }],
    }),
  ],
  [
    'another service',
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Deny', Principal: '*', Action: 'sqs:*', Resource: 'arn:aws:s3:::malformed' }],
    }),
  ],
  ...[
    ['an object’s action on the bucket', 's3:GetObject', ''],
    ['a bucket’s action on objects', 's3:ListBucket', '/*'],
    ['an action on no bucket', 's3:ListAllMyBuckets', ''],
  ].map(([what = '', Action, below]): [string, string] => [
    what,
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Deny', Principal: '*', Action, Resource: `arn:aws:s3:::malformed${below}` }],
    }),
  ]),
])('a policy with %s is malformed', async (_what, Policy) => {
  await bucket('malformed')
  await expect(s3.send(new PutBucketPolicyCommand({ Bucket: 'malformed', Policy }))).rejects.toMatchObject({
    name: 'MalformedPolicy',
  })
})

test('a policy that shuts out everybody leaves the root user of the owner a way back', async () => {
  const Bucket = await bucket('locked')
  await setPolicy(Bucket, { Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: `arn:aws:s3:::${Bucket}` })
  const admin = await user('admin', allow('s3:*'))
  await expect(s3.send(new ListObjectsV2Command({ Bucket }))).rejects.toMatchObject(denied)
  await expect(admin.send(new DeleteBucketPolicyCommand({ Bucket }))).rejects.toMatchObject(denied)
  await expect(s3.send(new GetBucketPolicyCommand({ Bucket }))).resolves.toBeDefined()
  await s3.send(new DeleteBucketPolicyCommand({ Bucket }))
  await expect(s3.send(new ListObjectsV2Command({ Bucket }))).resolves.toBeDefined()
})

test('another account needs both sides; names of buckets are taken for it too', async () => {
  const b = await bucket('shared')
  await put(b, 'k')
  await expect(text(stranger(), b, 'k')).rejects.toMatchObject(denied)
  await expect(stranger().send(new CreateBucketCommand({ Bucket: b }))).rejects.toMatchObject({
    name: 'BucketAlreadyExists',
    $metadata: { httpStatusCode: 409 },
  })
  await setPolicy(b, {
    Effect: 'Allow',
    Principal: { AWS: '111111111111' },
    Action: ['s3:GetObject', 's3:PutObject'],
    Resource: `arn:aws:s3:::${b}/*`,
  })
  expect(await text(stranger(), b, 'k')).toBe('k')
  await put(b, 'theirs', 'x', stranger())
  expect(await text(s3, b, 'theirs')).toBe('x')
  await expect(stranger().send(new ListObjectsV2Command({ Bucket: b }))).rejects.toMatchObject(denied)
  expect((await stranger().send(new ListBucketsCommand({}))).Buckets ?? []).toEqual([])
})

test('the public is kept out until both the block is lifted and a policy lets it in', async () => {
  const b = await bucket('public')
  await put(b, 'k')
  const open = {
    Effect: 'Allow',
    Principal: '*',
    Action: ['s3:GetObject', 's3:PutObject'],
    Resource: `arn:aws:s3:::${b}/*`,
  }
  expect((await anonymous(`${b}/k`)).status).toBe(403)
  expect((await s3.send(new GetPublicAccessBlockCommand({ Bucket: b }))).PublicAccessBlockConfiguration).toEqual({
    BlockPublicAcls: true,
    IgnorePublicAcls: true,
    BlockPublicPolicy: true,
    RestrictPublicBuckets: true,
  })
  await expect(setPolicy(b, open)).rejects.toMatchObject({
    ...denied,
    message: expect.stringContaining('BlockPublicPolicy'),
  })
  await s3.send(
    new PutPublicAccessBlockCommand({ Bucket: b, PublicAccessBlockConfiguration: { RestrictPublicBuckets: true } }),
  )
  await setPolicy(b, open)
  expect((await s3.send(new GetBucketPolicyStatusCommand({ Bucket: b }))).PolicyStatus).toEqual({ IsPublic: true })
  expect((await anonymous(`${b}/k`)).status).toBe(403)
  expect(await (await anonymous(`${b}/k`)).text()).toContain('<Message>Access Denied</Message>')
  await expect(text(stranger(), b, 'k')).rejects.toMatchObject(denied)
  await s3.send(new DeletePublicAccessBlockCommand({ Bucket: b }))
  expect(await (await anonymous(`${b}/k`)).text()).toBe('k')
  expect(await byHost(`${b}.s3.localhost`, '/k')).toBe('k')
  expect(await byHost(`${b}.s3.eu-west-1.amazonaws.com`, '/k')).toBe('k')
  expect((await anonymous(`${b}/from-no-one`, 'PUT', 'x')).status).toBe(200)
  expect(await text(s3, b, 'from-no-one')).toBe('x')
  expect((await anonymous(`${b}/k?response-content-type=a/b`)).status).toBe(400)
  expect((await anonymous(`${b}/absent`)).status).toBe(403)
  expect((await anonymous(b)).status).toBe(403)
})

test('conditional writes may be demanded of what makes an object, and not of the parts of one', async () => {
  const Bucket = await bucket('careful')
  const writer = await user('condition-writer', allow(['s3:PutObject'], 'arn:aws:s3:::careful/*'))
  await setPolicy(Bucket, {
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:PutObject',
    Resource: 'arn:aws:s3:::careful/*',
    Condition: { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
  })
  await expect(put(Bucket, 'one', 'x', writer)).rejects.toMatchObject(denied)
  await writer.send(new PutObjectCommand({ Bucket, Key: 'one', Body: 'x', IfNoneMatch: '*' }))
  const upload = { Bucket, Key: 'two' }
  const { UploadId } = await writer.send(new CreateMultipartUploadCommand(upload))
  const { ETag } = await writer.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: 'x' }))
  const complete = { ...upload, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }
  await expect(writer.send(new CompleteMultipartUploadCommand(complete))).rejects.toMatchObject(denied)
  await writer.send(new CompleteMultipartUploadCommand({ ...complete, IfNoneMatch: '*' }))
})

test('a bucket that is made with tags asks for the right to tag it', async () => {
  const arn = 'arn:aws:s3:::tagged'
  const maker = await user('bucket-maker', allow('s3:CreateBucket', arn))
  const input = { Bucket: 'tagged', CreateBucketConfiguration: { Tags: [{ Key: 'team', Value: 'blue' }] } }
  await expect(maker.send(new CreateBucketCommand(input))).rejects.toMatchObject({
    message: expect.stringContaining(`is not authorized to perform: s3:TagResource on resource: "${arn}"`),
  })
  const blue = allow(['s3:CreateBucket', 's3:TagResource'], arn, { StringEquals: { 'aws:RequestTag/team': 'blue' } })
  await (await user('blue-maker', blue)).send(new CreateBucketCommand(input))
})

test('a bucket policy names users and roles that are there', async () => {
  const b = await bucket('named')
  const allowed = (AWS: string) => ({
    Effect: 'Allow',
    Principal: { AWS },
    Action: 's3:GetObject',
    Resource: `arn:aws:s3:::${b}/*`,
  })
  await drydock.user('named')
  const role = await drydock.role('named-role', 'ec2.amazonaws.com')
  const user = `arn:aws:iam::${drydock.account}:user/named`
  for (const name of [user, role, drydock.account, `arn:aws:iam::${drydock.account}:root`])
    await setPolicy(b, allowed(name))
  for (const name of [`${user}s`, `${role}s`, 'arn:aws:iam::111122223333:user/named', 'AIDAAAAAAAAAAAAAAAAAA'])
    await expect(setPolicy(b, allowed(name))).rejects.toMatchObject({
      name: 'MalformedPolicy',
      message: 'Invalid principal in policy',
      Detail: name,
    })
})
