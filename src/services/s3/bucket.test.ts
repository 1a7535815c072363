import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketEncryptionCommand,
  DeleteBucketTaggingCommand,
  GetBucketAclCommand,
  GetBucketCorsCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketLocationCommand,
  GetBucketNotificationConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketRequestPaymentCommand,
  GetBucketTaggingCommand,
  GetBucketVersioningCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutBucketAclCommand,
  PutBucketEncryptionCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketTaggingCommand,
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

test('a bucket is created, found, listed and deleted', async () => {
  const created = await s3.send(new CreateBucketCommand({ Bucket: 'a-bucket' }))
  expect(created).toMatchObject({ Location: '/a-bucket', BucketArn: 'arn:aws:s3:::a-bucket' })
  expect(await s3.send(new HeadBucketCommand({ Bucket: 'a-bucket' }))).toMatchObject({ BucketRegion: 'us-east-1' })
  const { Buckets, Owner } = await s3.send(new ListBucketsCommand({ Prefix: 'a-buc' }))
  expect(Buckets).toMatchObject([{ Name: 'a-bucket', BucketRegion: 'us-east-1', CreationDate: drydock.clock.now() }])
  expect(Owner?.ID).toMatch(/^[0-9a-f]{64}$/)
  await s3.send(new DeleteBucketCommand({ Bucket: 'a-bucket' }))
  await expect(s3.send(new HeadBucketCommand({ Bucket: 'a-bucket' }))).rejects.toMatchObject({ name: 'NotFound' })
  await expect(s3.send(new DeleteBucketCommand({ Bucket: 'a-bucket' }))).rejects.toMatchObject({
    name: 'NoSuchBucket',
    message: 'The specified bucket does not exist',
    $metadata: { httpStatusCode: 404 },
  })
})

test('buckets list by page', async () => {
  for (const Bucket of ['page-1', 'page-2', 'page-3']) await s3.send(new CreateBucketCommand({ Bucket }))
  const first = await s3.send(new ListBucketsCommand({ Prefix: 'page-', MaxBuckets: 2 }))
  expect(first.Buckets?.map(({ Name }) => Name)).toEqual(['page-1', 'page-2'])
  const second = await s3.send(
    new ListBucketsCommand({ Prefix: 'page-', MaxBuckets: 2, ContinuationToken: first.ContinuationToken }),
  )
  expect(second.Buckets?.map(({ Name }) => Name)).toEqual(['page-3'])
  expect(second.ContinuationToken).toBeUndefined()
})

test.each(['Upper', 'ab', 'a_b', 'dot..dot', '-start', 'end-', '192.168.1.1', 'xn--x', 'a-s3alias', 'a'.repeat(64)])(
  'the name %s is refused',
  async (Bucket) => {
    await expect(s3.send(new CreateBucketCommand({ Bucket }))).rejects.toMatchObject({
      name: 'InvalidBucketName',
      $metadata: { httpStatusCode: 400 },
    })
  },
)

test('names are unique over accounts; creating one again depends on the region', async () => {
  await s3.send(new CreateBucketCommand({ Bucket: 'taken' }))
  await s3.send(new PutObjectCommand({ Bucket: 'taken', Key: 'kept', Body: 'x' }))
  await s3.send(new CreateBucketCommand({ Bucket: 'taken' }))
  expect((await s3.send(new ListObjectsV2Command({ Bucket: 'taken' }))).KeyCount).toBe(1)
  const west = drydock.client(S3Client, drydock.root, 'eu-west-1')
  const here = { CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } } as const
  await west.send(new CreateBucketCommand({ Bucket: 'taken-west', ...here }))
  await expect(west.send(new CreateBucketCommand({ Bucket: 'taken-west', ...here }))).rejects.toMatchObject({
    name: 'BucketAlreadyOwnedByYou',
    $metadata: { httpStatusCode: 409 },
  })
})

test('a bucket belongs to a region, and a signature for another one is refused with the right one named', async () => {
  const west = drydock.client(S3Client, drydock.root, 'eu-west-1')
  await expect(west.send(new CreateBucketCommand({ Bucket: 'west' }))).resolves.toBeDefined()
  expect(await west.send(new GetBucketLocationCommand({ Bucket: 'west' }))).toMatchObject({
    LocationConstraint: 'eu-west-1',
  })
  expect((await s3.send(new GetBucketLocationCommand({ Bucket: 'west' }))).LocationConstraint).toBe('eu-west-1')
  await expect(s3.send(new ListObjectsV2Command({ Bucket: 'west' }))).rejects.toMatchObject({
    name: 'PermanentRedirect',
    $metadata: { httpStatusCode: 301 },
    $response: { headers: { 'x-amz-bucket-region': 'eu-west-1' } },
  })
  const following = new S3Client({
    endpoint: drydock.endpoint,
    region: 'us-east-1',
    credentials: drydock.root,
    forcePathStyle: true,
    followRegionRedirects: true,
  })
  expect((await following.send(new ListObjectsV2Command({ Bucket: 'west' }))).KeyCount).toBe(0)
  await expect(
    west.send(
      new CreateBucketCommand({
        Bucket: 'elsewhere',
        CreateBucketConfiguration: { LocationConstraint: 'eu-central-1' },
      }),
    ),
  ).rejects.toMatchObject({ name: 'IllegalLocationConstraintException' })
  await expect(
    s3.send(
      new CreateBucketCommand({
        Bucket: 'nowhere',
        CreateBucketConfiguration: { LocationConstraint: 'moon' as 'eu-west-1' },
      }),
    ),
  ).rejects.toMatchObject({ name: 'InvalidLocationConstraint' })
  await s3.send(
    new CreateBucketCommand({ Bucket: 'from-afar', CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } }),
  )
  expect((await west.send(new HeadBucketCommand({ Bucket: 'from-afar' }))).BucketRegion).toBe('eu-west-1')
})

test('only an empty bucket is deleted', async () => {
  await s3.send(new CreateBucketCommand({ Bucket: 'full' }))
  await s3.send(new PutObjectCommand({ Bucket: 'full', Key: 'k', Body: 'x' }))
  await expect(s3.send(new DeleteBucketCommand({ Bucket: 'full' }))).rejects.toMatchObject({
    name: 'BucketNotEmpty',
    $metadata: { httpStatusCode: 409 },
  })
})

test('another expected owner is denied', async () => {
  await s3.send(new CreateBucketCommand({ Bucket: 'mine' }))
  await s3.send(new HeadBucketCommand({ Bucket: 'mine', ExpectedBucketOwner: drydock.account }))
  await expect(
    s3.send(new ListObjectsV2Command({ Bucket: 'mine', ExpectedBucketOwner: '999999999999' })),
  ).rejects.toMatchObject({ name: 'AccessDenied', $metadata: { httpStatusCode: 403 } })
})

test('tags', async () => {
  const Bucket = 'tagged'
  await s3.send(new CreateBucketCommand({ Bucket }))
  await expect(s3.send(new GetBucketTaggingCommand({ Bucket }))).rejects.toMatchObject({ name: 'NoSuchTagSet' })
  const TagSet = [
    { Key: 'team', Value: 'shop' },
    { Key: '1', Value: '' },
  ]
  await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }))
  expect((await s3.send(new GetBucketTaggingCommand({ Bucket }))).TagSet).toEqual(TagSet)
  await expect(
    s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [...TagSet, ...TagSet] } })),
  ).rejects.toMatchObject({ name: 'InvalidTag', message: 'Cannot provide multiple Tags with the same key' })
  await expect(
    s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [{ Key: 'aws:x', Value: '' }] } })),
  ).rejects.toMatchObject({ name: 'InvalidTag' })
  expect((await s3.send(new GetBucketTaggingCommand({ Bucket }))).TagSet).toEqual(TagSet)
  await s3.send(new DeleteBucketTaggingCommand({ Bucket }))
  await expect(s3.send(new GetBucketTaggingCommand({ Bucket }))).rejects.toMatchObject({ name: 'NoSuchTagSet' })
})

test('settings are answered as they are, and what is not done is refused', async () => {
  const Bucket = 'settings'
  await s3.send(new CreateBucketCommand({ Bucket }))
  expect((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBeUndefined()
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Suspended' } }))
  expect((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBe('Suspended')
  const rules = async () =>
    (await s3.send(new GetBucketEncryptionCommand({ Bucket }))).ServerSideEncryptionConfiguration?.Rules
  expect(await rules()).toEqual([
    {
      ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' },
      BucketKeyEnabled: false,
      BlockedEncryptionTypes: { EncryptionType: ['SSE-C'] },
    },
  ])
  const encrypt = (SSEAlgorithm: 'AES256', BucketKeyEnabled: boolean) =>
    s3.send(
      new PutBucketEncryptionCommand({
        Bucket,
        ServerSideEncryptionConfiguration: {
          Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm }, BucketKeyEnabled }],
        },
      }),
    )
  await encrypt('AES256', true)
  expect(await rules()).toMatchObject([{ BucketKeyEnabled: true }])
  await s3.send(new DeleteBucketEncryptionCommand({ Bucket }))
  expect(await rules()).toMatchObject([{ BucketKeyEnabled: false }])

  const notification = async () => {
    const { $metadata: _, ...configuration } = await s3.send(new GetBucketNotificationConfigurationCommand({ Bucket }))
    return configuration
  }
  expect(await notification()).toEqual({})
  await s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket,
      NotificationConfiguration: { EventBridgeConfiguration: {} },
    }),
  )
  expect(await notification()).toEqual({ EventBridgeConfiguration: {} })
  await expect(
    s3.send(
      new PutBucketNotificationConfigurationCommand({
        Bucket,
        NotificationConfiguration: {
          QueueConfigurations: [{ QueueArn: 'arn:aws:sqs:us-east-1:000000000000:q', Events: ['s3:ObjectCreated:*'] }],
        },
      }),
    ),
  ).rejects.toMatchObject({
    name: 'InvalidArgument',
    message: 'Unable to validate the following destination configurations',
  })
  expect(await notification()).toEqual({ EventBridgeConfiguration: {} })

  const acl = await s3.send(new GetBucketAclCommand({ Bucket }))
  expect(acl.Grants).toEqual([{ Grantee: { Type: 'CanonicalUser', ID: acl.Owner?.ID }, Permission: 'FULL_CONTROL' }])
  await expect(s3.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read' }))).rejects.toMatchObject({
    name: 'AccessControlListNotSupported',
  })
  expect((await s3.send(new GetBucketOwnershipControlsCommand({ Bucket }))).OwnershipControls?.Rules).toEqual([
    { ObjectOwnership: 'BucketOwnerEnforced' },
  ])
  await expect(s3.send(new CreateBucketCommand({ Bucket: 'open', ACL: 'public-read' }))).rejects.toMatchObject({
    name: 'InvalidBucketAclWithObjectOwnership',
  })
  await expect(s3.send(new GetBucketCorsCommand({ Bucket }))).rejects.toMatchObject({ name: 'NoSuchCORSConfiguration' })
  await expect(s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).rejects.toMatchObject({
    name: 'NoSuchLifecycleConfiguration',
  })
  expect((await s3.send(new GetBucketRequestPaymentCommand({ Bucket }))).Payer).toBe('BucketOwner')
})
