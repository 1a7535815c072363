import {
  CreateBucketCommand,
  CreateSessionCommand,
  DeleteBucketTaggingCommand,
  GetBucketAbacCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectTorrentCommand,
  PutBucketAbacCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  RenameObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
})
afterAll(() => drydock.close())

const tagged = async (Bucket: string, Value: string) => {
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [{ Key: 'team', Value }] } }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))
}
const abac = (Bucket: string, Status: 'Enabled' | 'Disabled') =>
  s3.send(new PutBucketAbacCommand({ Bucket, AbacStatus: { Status } }))

test.each(['aws:ResourceTag/team', 's3:BucketTag/team'])('tags of a bucket count once ABAC is on: %s', async (key) => {
  const name = key.slice(0, 2)
  const [blue, red] = [`${name}-blue`, `${name}-red`]
  await tagged(blue, 'blue')
  await tagged(red, 'red')
  const policy = allow(['s3:GetObject', 's3:GetBucketVersioning'], '*', { StringEquals: { [key]: 'blue' } })
  const reader = drydock.client(S3Client, await drydock.user(`${name}-reader`, [policy]))
  const get = (Bucket: string) => reader.send(new GetObjectCommand({ Bucket, Key: 'k' }))
  const look = (Bucket: string) => reader.send(new GetBucketVersioningCommand({ Bucket }))
  const denied = { name: 'AccessDenied' }
  await expect(get(blue)).rejects.toMatchObject(denied)
  await expect(look(blue)).rejects.toMatchObject(denied)
  for (const bucket of [blue, red]) await abac(bucket, 'Enabled')
  await get(blue)
  await look(blue)
  await expect(get(red)).rejects.toMatchObject(denied)
  await expect(look(red)).rejects.toMatchObject(denied)
  await abac(blue, 'Disabled')
  await expect(get(blue)).rejects.toMatchObject(denied)
})

test('the status is told; with it on, tags are set by TagResource only', async () => {
  const Bucket = 'status'
  await tagged(Bucket, 'blue')
  const status = async () => (await s3.send(new GetBucketAbacCommand({ Bucket }))).AbacStatus?.Status
  expect(await status()).toBe('Disabled')
  await abac(Bucket, 'Enabled')
  expect(await status()).toBe('Enabled')
  const refused = { name: 'InvalidRequest' }
  await expect(
    s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } })),
  ).rejects.toMatchObject(refused)
  await expect(s3.send(new DeleteBucketTaggingCommand({ Bucket }))).rejects.toMatchObject(refused)
  await expect(abac(Bucket, 'On' as 'Enabled')).rejects.toMatchObject({ name: 'MalformedXML' })
})

test('what directory buckets do, and torrents, are refused', async () => {
  const Bucket = 'general'
  await tagged(Bucket, 'blue')
  const refused = { name: 'MethodNotAllowed', $metadata: { httpStatusCode: 405 } }
  const key = { Bucket, Key: 'k' }
  await expect(
    s3.send(new RenameObjectCommand({ Bucket, Key: 'new', RenameSource: `${Bucket}/k` })),
  ).rejects.toMatchObject(refused)
  await expect(s3.send(new CreateSessionCommand({ Bucket }))).rejects.toMatchObject(refused)
  await expect(s3.send(new GetObjectTorrentCommand(key))).rejects.toMatchObject(refused)
  await expect(s3.send(new GetObjectTorrentCommand({ Bucket, Key: 'none' }))).rejects.toMatchObject({
    name: 'NoSuchKey',
  })
})
