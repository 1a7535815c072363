import {
  CreateBucketCommand,
  GetBucketAccelerateConfigurationCommand,
  GetObjectCommand,
  ListBucketsCommand,
  PutBucketAccelerateConfigurationCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { s3ByHost } from '../../../test/s3-hosts.ts'
import { type Story, story } from '../../../test/story.ts'
import { Bucket } from './bucket.ts'

let drydock: Story
let s3: S3Client
beforeAll(async () => {
  drydock = await story({ config: { auth: 'trust' } })
  s3 = drydock.client(S3Client)
})
afterAll(() => drydock.close())

const made = async (name: string) => {
  await s3.send(new CreateBucketCommand({ Bucket: name }))
  await s3.send(new PutObjectCommand({ Bucket: name, Key: 'k', Body: 'x' }))
  return name
}
const text = async (client: S3Client, name: string) =>
  (await client.send(new GetObjectCommand({ Bucket: name, Key: 'k' }))).Body?.transformToString()

test('AWS’s host names name the bucket', async () => {
  const name = await made('by-host')
  expect(await text(s3ByHost(S3Client, drydock), name)).toBe('x')
  expect(await text(s3ByHost(S3Client, drydock, drydock.root, { useDualstackEndpoint: true }), name)).toBe('x')
  expect(await text(s3ByHost(S3Client, drydock, drydock.root, { host: 's3.localhost' }), name)).toBe('x')
})

test('the accelerated host name works where the bucket has acceleration on', async () => {
  const name = await made('fast')
  const fast = s3ByHost(S3Client, drydock, drydock.root, { useAccelerateEndpoint: true })
  const refused = (message: string) =>
    expect(text(fast, name)).rejects.toMatchObject({
      name: 'InvalidRequest',
      message: expect.stringContaining(message),
    })
  const turn = (Status: 'Enabled' | 'Suspended', of = name) =>
    s3.send(new PutBucketAccelerateConfigurationCommand({ Bucket: of, AccelerateConfiguration: { Status } }))
  const status = async () => (await s3.send(new GetBucketAccelerateConfigurationCommand({ Bucket: name }))).Status
  await refused('is not configured')
  await turn('Suspended')
  expect(await status()).toBeUndefined()
  await turn('Enabled')
  expect(await status()).toBe('Enabled')
  expect(await text(fast, name)).toBe('x')
  await turn('Suspended')
  expect(await status()).toBe('Suspended')
  await refused('is disabled')
  expect(await text(s3, name)).toBe('x')
  await s3.send(new CreateBucketCommand({ Bucket: 'with.dots' }))
  await expect(turn('Enabled', 'with.dots')).rejects.toMatchObject({ name: 'InvalidRequest' })
})

test('buckets are listed by page, prefix and Region', async () => {
  const keys = { accessKeyId: '222222222222', secretAccessKey: 'x' }
  const mine = drydock.client(S3Client, keys)
  const west = drydock.client(S3Client, keys, 'us-west-2')
  for (const name of ['list-a', 'list-b', 'other']) await mine.send(new CreateBucketCommand({ Bucket: name }))
  const CreateBucketConfiguration = { LocationConstraint: 'us-west-2' as const }
  await west.send(new CreateBucketCommand({ Bucket: 'list-west', CreateBucketConfiguration }))
  const names = async (client: S3Client, input: object) =>
    ((await client.send(new ListBucketsCommand(input))).Buckets ?? []).map(({ Name }) => Name)
  const first = await mine.send(new ListBucketsCommand({ MaxBuckets: 2, Prefix: 'list-' }))
  expect(first).toMatchObject({ Prefix: 'list-', Buckets: [{ Name: 'list-a' }, { Name: 'list-b' }] })
  const { ContinuationToken } = first
  expect(await names(mine, { MaxBuckets: 2, Prefix: 'list-', ContinuationToken })).toEqual(['list-west'])
  expect(await names(mine, { BucketRegion: 'us-east-1' })).toEqual(['list-a', 'list-b', 'other'])
  expect(await names(west, { BucketRegion: 'us-west-2' })).toEqual(['list-west'])
  await expect(names(mine, { BucketRegion: 'us-west-2' })).rejects.toMatchObject({ name: 'InvalidArgument' })
  await expect(names(mine, { ContinuationToken: '!' })).rejects.toMatchObject({ name: 'InvalidArgument' })
})

test('an account’s own names are made by it, and said to be', async () => {
  const name = `mine-${drydock.account}-us-east-1-an`
  const create = (Bucket: string, BucketNamespace?: 'account-regional' | 'global', client = s3) =>
    client.send(new CreateBucketCommand({ Bucket, BucketNamespace }))
  await expect(create(name)).rejects.toMatchObject({ name: 'InvalidBucketName' })
  await expect(create('mine-for-me', 'account-regional')).rejects.toMatchObject({ name: 'InvalidBucketName' })
  const other = drydock.client(S3Client, { accessKeyId: '333333333333', secretAccessKey: 'x' })
  await expect(create(name, 'account-regional', other)).rejects.toMatchObject({ name: 'InvalidBucketName' })
  await create(name, 'account-regional')
  await made('plan-an')
})

test('an account has 10,000 buckets at most', async () => {
  const account = '444444444444'
  const place = { account, region: 'us-east-1' }
  await drydock.server.kernel.store.write(place, async (tx) => {
    for (let i = 0; i < 10_000; i++)
      tx.put(Bucket, { name: `many-${String(i).padStart(5, '0')}`, account, region: 'us-east-1', created: 0 })
  })
  const full = drydock.client(S3Client, { accessKeyId: account, secretAccessKey: 'x' })
  await expect(full.send(new CreateBucketCommand({ Bucket: 'one-more' }))).rejects.toMatchObject({
    name: 'TooManyBuckets',
  })
  const page = await full.send(new ListBucketsCommand({ MaxBuckets: 3 }))
  expect(page.Buckets).toHaveLength(3)
})
