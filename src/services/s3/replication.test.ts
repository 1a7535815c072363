import { randomBytes } from 'node:crypto'
import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch'
import { DeleteRolePolicyCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import {
  CreateBucketCommand,
  type CreateBucketCommandInput,
  DeleteObjectCommand,
  GetBucketReplicationCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketReplicationCommand,
  PutBucketVersioningCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  type ReplicationRule,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
let west: S3Client
let other: S3Client
let Role: string
const rights = allow([
  's3:GetReplicationConfiguration',
  's3:ListBucket',
  's3:GetObjectVersionForReplication',
  's3:GetObjectVersionAcl',
  's3:GetObjectVersionTagging',
  's3:ReplicateObject',
  's3:ReplicateDelete',
  's3:ReplicateTags',
  's3:ObjectOwnerOverrideToBucketOwner',
])
beforeAll(async () => {
  drydock = await story({ config: { auth: 'trust' } })
  s3 = drydock.client(S3Client)
  west = drydock.client(S3Client, drydock.root, 'us-west-2')
  other = drydock.client(S3Client, { accessKeyId: '111111111111', secretAccessKey: 'any' })
  Role = await drydock.role('replicator', 's3.amazonaws.com', [rights])
})
afterAll(() => drydock.close())

const make = async (Bucket: string, client = s3, more: Partial<CreateBucketCommandInput> = {}) => {
  await client.send(new CreateBucketCommand({ Bucket, ...more }))
  await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  return Bucket
}
const inWest = { CreateBucketConfiguration: { LocationConstraint: 'us-west-2' } } as const
const replicate = (Bucket: string, ...Rules: ReplicationRule[]) =>
  s3.send(new PutBucketReplicationCommand({ Bucket, ReplicationConfiguration: { Role, Rules } }))
const rule = (to: string, more: Partial<ReplicationRule> = {}): ReplicationRule => ({
  ID: `to-${to}`,
  Priority: 1,
  Status: 'Enabled',
  Filter: { Prefix: '' },
  DeleteMarkerReplication: { Status: 'Disabled' },
  Destination: { Bucket: `arn:aws:s3:::${to}` },
  ...more,
})
const put = (Bucket: string, Key: string, Body: string | Uint8Array = Key, Tagging?: string, client = s3) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, Tagging, Metadata: { a: 'b' } }))
const status = async (Bucket: string, Key: string, client = s3) =>
  (await client.send(new HeadObjectCommand({ Bucket, Key }))).ReplicationStatus
const versions = async (Bucket: string, client = s3) => {
  const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }))
  return [Versions.map(({ VersionId }) => VersionId), DeleteMarkers.map(({ VersionId }) => VersionId)]
}

test('new objects go to another region, with their ids, bytes, metadata and tags', async () => {
  const from = await make('from')
  const to = await make('to-west', west, inWest)
  await put(from, 'before')
  await replicate(from, rule(to))
  const bytes = randomBytes(200_000)
  const { VersionId, ReplicationStatus } = { ReplicationStatus: undefined, ...(await put(from, 'k', bytes, 'a=b')) }
  expect(ReplicationStatus).toBeUndefined()
  await put(from, 'k', 'second')
  await drydock.settled()
  expect(await status(from, 'k')).toBe('COMPLETED')
  expect(await status(from, 'before')).toBeUndefined()
  expect(await versions(to, west)).toEqual([(await versions(from))[0]?.slice(1), []])
  const replica = await west.send(new GetObjectCommand({ Bucket: to, Key: 'k', VersionId }))
  expect(Buffer.from((await replica.Body?.transformToByteArray()) ?? []).equals(bytes)).toBe(true)
  expect(replica).toMatchObject({ ReplicationStatus: 'REPLICA', Metadata: { a: 'b' }, TagCount: 1 })

  // A change of tags follows.
  await s3.send(
    new PutObjectTaggingCommand({ Bucket: from, Key: 'k', Tagging: { TagSet: [{ Key: 'x', Value: 'y' }] } }),
  )
  await drydock.settled()
  expect((await west.send(new GetObjectTaggingCommand({ Bucket: to, Key: 'k' }))).TagSet).toEqual([
    { Key: 'x', Value: 'y' },
  ])
})

test('filters, priorities and delete markers', async () => {
  const from = await make('filtered')
  const [first, second] = [await make('first'), await make('second')]
  await replicate(
    from,
    rule(first, { ID: 'a', Filter: { Prefix: 'a/' }, DeleteMarkerReplication: { Status: 'Enabled' } }),
    rule(second, { ID: 'b', Priority: 2, Filter: { And: { Prefix: 'a/', Tags: [{ Key: 'go', Value: 'yes' }] } } }),
    rule(second, { ID: 'c', Priority: 3, Status: 'Disabled' }),
  )
  await put(from, 'a/1')
  await put(from, 'a/2', 'x', 'go=yes')
  await put(from, 'b')
  await drydock.settled()
  expect((await versions(first))[0]).toHaveLength(2)
  expect((await versions(second))[0]).toHaveLength(1)
  expect(await status(from, 'b')).toBeUndefined()
  await s3.send(new DeleteObjectCommand({ Bucket: from, Key: 'a/2' }))
  await drydock.settled()
  expect((await versions(first))[1]).toEqual((await versions(from))[1])
  expect((await versions(second))[1]).toEqual([])
})

test('lifecycle rules wait for what could not be replicated', async () => {
  const from = await make('held-back')
  const to = await make('held-back-to')
  await replicate(from, rule(to, { Filter: { Prefix: 'r/' } }))
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Deny', Principal: '*', Action: 's3:ReplicateObject', Resource: `arn:aws:s3:::${to}/*` }],
  })
  await s3.send(new PutBucketPolicyCommand({ Bucket: to, Policy }))
  await put(from, 'r/waits')
  await put(from, 'goes')
  await drydock.settled()
  expect(await status(from, 'r/waits')).toBe('FAILED')
  const Rules = [{ Status: 'Enabled' as const, Filter: { Prefix: '' }, Expiration: { Days: 1 } }]
  await s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket: from, LifecycleConfiguration: { Rules } }))
  await drydock.advance({ days: 3 })
  const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: from }))
  expect(Contents?.map(({ Key }) => Key)).toEqual(['r/waits'])
})

test('both ways without a loop; changes of replicas go back where rules say so', async () => {
  const [a, b] = [await make('pair-a'), await make('pair-b')]
  const sync = { SourceSelectionCriteria: { ReplicaModifications: { Status: 'Enabled' as const } } }
  await replicate(a, rule(b, sync))
  await replicate(b, rule(a, sync))
  await put(a, 'k')
  await put(b, 'l')
  await drydock.settled()
  expect(await versions(a)).toEqual(await versions(b))
  await s3.send(new PutObjectTaggingCommand({ Bucket: b, Key: 'k', Tagging: { TagSet: [{ Key: 'x', Value: 'y' }] } }))
  await drydock.settled()
  expect((await s3.send(new GetObjectTaggingCommand({ Bucket: a, Key: 'k' }))).TagSet).toHaveLength(1)
  expect(await status(b, 'k')).toBe('REPLICA')
})

test('to another account both sides must allow; ownership may be handed over', async () => {
  const from = await make('across')
  const to = await make('theirs', other, { ObjectOwnership: 'ObjectWriter' })
  await replicate(from, rule(to))
  await put(from, 'denied')
  await drydock.settled()
  expect(await status(from, 'denied')).toBe('FAILED')
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: Role },
        Action: ['s3:ReplicateObject', 's3:ObjectOwnerOverrideToBucketOwner'],
        Resource: `arn:aws:s3:::${to}/*`,
      },
    ],
  })
  await other.send(new PutBucketPolicyCommand({ Bucket: to, Policy }))
  await put(from, 'k')
  await drydock.settled()
  expect(await status(from, 'k')).toBe('COMPLETED')
  await expect(other.send(new GetObjectCommand({ Bucket: to, Key: 'k' }))).rejects.toMatchObject({
    name: 'AccessDenied',
  })
  await replicate(
    from,
    rule(to, {
      Destination: {
        Bucket: `arn:aws:s3:::${to}`,
        Account: '111111111111',
        AccessControlTranslation: { Owner: 'Destination' },
        StorageClass: 'STANDARD_IA',
      },
    }),
  )
  await put(from, 'handed')
  await drydock.settled()
  const { Body, StorageClass } = await other.send(new GetObjectCommand({ Bucket: to, Key: 'handed' }))
  expect(await Body?.transformToString()).toBe('handed')
  expect(StorageClass).toBe('STANDARD_IA')
  expect((await other.send(new GetObjectAclCommand({ Bucket: to, Key: 'handed' }))).Grants).toHaveLength(1)
})

test('objects under KMS keys go where rules ask for them, under the role’s rights on both keys', async () => {
  const [from, to, plain] = [await make('sealed'), await make('sealed-to'), await make('not-sealed-to')]
  const kms = drydock.client(KMSClient)
  const key = async () => (await kms.send(new CreateKeyCommand({}))).KeyMetadata?.Arn ?? ''
  const [ours, theirs] = [await key(), await key()]
  const selected = rule(to, {
    ID: 'sealed',
    SourceSelectionCriteria: { SseKmsEncryptedObjects: { Status: 'Enabled' } },
    Destination: { Bucket: `arn:aws:s3:::${to}`, EncryptionConfiguration: { ReplicaKmsKeyID: theirs } },
  })
  await replicate(from, selected, rule(plain, { ID: 'plain', Priority: 2 }))
  const sealed = (Key: string, ServerSideEncryption: 'aws:kms' | 'aws:kms:dsse' = 'aws:kms') =>
    s3.send(new PutObjectCommand({ Bucket: from, Key, Body: Key, ServerSideEncryption, SSEKMSKeyId: ours }))
  await sealed('denied')
  await drydock.settled()
  expect(await status(from, 'denied')).toBe('FAILED')
  const iam = drydock.client(IAMClient)
  const grant = (...statements: object[]) =>
    iam.send(
      new PutRolePolicyCommand({
        RoleName: 'replicator',
        PolicyName: 'keys',
        PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: statements }),
      }),
    )
  const decrypt = { Effect: 'Allow', Action: 'kms:Decrypt', Resource: ours }
  await grant(decrypt)
  await sealed('half')
  await drydock.settled()
  expect(await status(from, 'half')).toBe('FAILED')
  await grant(decrypt, { Effect: 'Allow', Action: ['kms:Encrypt', 'kms:GenerateDataKey'], Resource: theirs })
  await sealed('k')
  await sealed('twice', 'aws:kms:dsse')
  await put(from, 'open')
  await drydock.settled()
  for (const [Key, mode] of [
    ['k', 'aws:kms'],
    ['twice', 'aws:kms:dsse'],
  ] as const) {
    expect(await status(from, Key)).toBe('COMPLETED')
    const replica = await s3.send(new GetObjectCommand({ Bucket: to, Key }))
    expect(replica).toMatchObject({ ServerSideEncryption: mode, SSEKMSKeyId: theirs, ReplicationStatus: 'REPLICA' })
    expect(await replica.Body?.transformToString()).toBe(Key)
  }
  // A rule that does not ask for them passes them by; what is under S3's own key goes by either.
  expect((await versions(plain))[0]).toHaveLength(1)
  expect(await (await s3.send(new GetObjectCommand({ Bucket: plain, Key: 'open' }))).Body?.transformToString()).toBe(
    'open',
  )
  await iam.send(new DeleteRolePolicyCommand({ RoleName: 'replicator', PolicyName: 'keys' }))
})

test('lists and locks follow their objects; a lock needs its own rights, and is not loosened from afar', async () => {
  const lockable = { ObjectLockEnabledForBucket: true, ObjectOwnership: 'ObjectWriter' } as const
  const [from, to] = [await make('locked', s3, lockable), await make('locked-to', s3, lockable)]
  await replicate(from, rule(to))
  const [here, there] = [
    { Bucket: from, Key: 'k' },
    { Bucket: to, Key: 'k' },
  ]
  await put(from, 'k')
  const { Owner } = await other.send(new ListBucketsCommand({}))
  await s3.send(new PutObjectAclCommand({ ...here, GrantRead: `id="${Owner?.ID}"` }))
  await drydock.settled()
  expect((await s3.send(new GetObjectAclCommand(there))).Grants).toMatchObject([
    { Grantee: { ID: Owner?.ID }, Permission: 'READ' },
  ])
  const hold = (Status: 'ON' | 'OFF') => s3.send(new PutObjectLegalHoldCommand({ ...here, LegalHold: { Status } }))
  await hold('ON')
  await drydock.settled()
  expect(await status(from, 'k')).toBe('FAILED')

  const iam = drydock.client(IAMClient)
  const PolicyDocument = JSON.stringify(allow(['s3:GetObjectRetention', 's3:GetObjectLegalHold']))
  await iam.send(new PutRolePolicyCommand({ RoleName: 'replicator', PolicyName: 'locks', PolicyDocument }))
  await hold('ON')
  const retain = (days: number, where: object = here) =>
    s3.send(
      new PutObjectRetentionCommand({
        ...here,
        ...where,
        Retention: {
          Mode: 'COMPLIANCE',
          RetainUntilDate: new Date(drydock.clock.now().getTime() + days * 86_400_000),
        },
      }),
    )
  await retain(1)
  await drydock.settled()
  expect(await status(from, 'k')).toBe('COMPLETED')
  const replica = await s3.send(new HeadObjectCommand(there))
  expect(replica).toMatchObject({ ObjectLockLegalHoldStatus: 'ON', ObjectLockMode: 'COMPLIANCE' })
  await retain(9, there)
  await retain(2)
  await drydock.settled()
  const { ObjectLockRetainUntilDate: until } = await s3.send(new HeadObjectCommand(there))
  expect(until?.getTime()).toBeGreaterThan(drydock.clock.now().getTime() + 8 * 86_400_000)
  await iam.send(new DeleteRolePolicyCommand({ RoleName: 'replicator', PolicyName: 'locks' }))
})

test('a configuration comes back; who puts it must pass the role; versioning stays', async () => {
  const from = await make('configured')
  const to = await make('configured-to')
  await replicate(from, rule(to))
  expect((await s3.send(new GetBucketReplicationCommand({ Bucket: from }))).ReplicationConfiguration).toEqual({
    Role,
    Rules: [rule(to)],
  })
  await expect(
    s3.send(new PutBucketVersioningCommand({ Bucket: from, VersioningConfiguration: { Status: 'Suspended' } })),
  ).rejects.toMatchObject({ name: 'InvalidBucketState' })
  const alice = drydock.client(S3Client, await drydock.user('alice', [allow('s3:*')]))
  await expect(
    alice.send(
      new PutBucketReplicationCommand({ Bucket: from, ReplicationConfiguration: { Role, Rules: [rule(to)] } }),
    ),
  ).rejects.toMatchObject({ name: 'AccessDenied', message: expect.stringContaining('iam:PassRole') })
  await s3.send(new CreateBucketCommand({ Bucket: 'plain' }))
  await expect(replicate('plain', rule(to))).rejects.toMatchObject({ name: 'InvalidRequest' })
  await expect(replicate(from, rule('plain'))).rejects.toMatchObject({ name: 'InvalidRequest' })
  await expect(replicate(from, rule('nothing-there'))).rejects.toMatchObject({ name: 'InvalidRequest' })
  await expect(
    replicate(
      from,
      rule(to, { Filter: { Tag: { Key: 'a', Value: 'b' } }, DeleteMarkerReplication: { Status: 'Enabled' } }),
    ),
  ).rejects.toMatchObject({ name: 'InvalidRequest' })
  await expect(
    replicate(from, rule(to, { Filter: { Prefix: 'a', Tag: { Key: 'a', Value: 'b' } } })),
  ).rejects.toMatchObject({ name: 'MalformedXML' })
  const StorageClass = 'CHEAP' as 'GLACIER'
  await expect(
    replicate(from, rule(to, { Destination: { Bucket: `arn:aws:s3:::${to}`, StorageClass } })),
  ).rejects.toMatchObject({ name: 'MalformedXML' })
  await expect(replicate(from, rule(to, { ExistingObjectReplication: { Status: 'Enabled' } }))).rejects.toMatchObject({
    name: 'NotImplemented',
  })
})

test('replication time control is of 15 minutes and comes with metrics, which tell what waits, fails and how long it took', async () => {
  const [from, to] = [await make('timed-from'), await make('timed-to')]
  const Destination = (more: object) => ({ Bucket: `arn:aws:s3:::${to}`, ...more })
  const time = (Minutes: number) => ({ Status: 'Enabled' as const, Time: { Minutes } })
  const metrics = (Minutes: number) => ({ Status: 'Enabled' as const, EventThreshold: { Minutes } })
  const timed = (more: object) => replicate(from, rule(to, { Destination: Destination(more) }))
  await expect(timed({ ReplicationTime: time(15) })).rejects.toMatchObject({ name: 'InvalidRequest' })
  await expect(timed({ ReplicationTime: time(30), Metrics: metrics(15) })).rejects.toMatchObject({
    name: 'InvalidArgument',
  })
  await expect(timed({ Metrics: metrics(5) })).rejects.toMatchObject({ name: 'InvalidArgument' })
  const control = { ReplicationTime: time(15), Metrics: metrics(15) }
  await timed(control)
  const { ReplicationConfiguration } = await s3.send(new GetBucketReplicationCommand({ Bucket: from }))
  expect(ReplicationConfiguration?.Rules?.[0]?.Destination).toEqual(Destination(control))
  const since = drydock.clock.now()
  await put(from, 'a', 'abc')
  await drydock.settled()
  expect(await status(from, 'a')).toBe('COMPLETED')
  await s3.send(new PutBucketVersioningCommand({ Bucket: to, VersioningConfiguration: { Status: 'Suspended' } }))
  await put(from, 'b')
  await drydock.settled()
  expect(await status(from, 'b')).toBe('FAILED')
  const statistic = async (MetricName: string) => {
    const { Datapoints = [] } = await drydock.client(CloudWatchClient).send(
      new GetMetricStatisticsCommand({
        Namespace: 'AWS/S3',
        MetricName,
        Dimensions: [
          { Name: 'SourceBucket', Value: from },
          { Name: 'DestinationBucket', Value: to },
          { Name: 'RuleId', Value: `to-${to}` },
        ],
        StartTime: new Date(since.getTime() - 120_000),
        EndTime: new Date(since.getTime() + 3_600_000),
        Period: 60,
        Statistics: ['Sum', 'Maximum', 'Minimum'],
      }),
    )
    const of = (name: 'Sum' | 'Maximum' | 'Minimum') => Datapoints.map((point) => point[name] ?? 0)
    return {
      sum: of('Sum').reduce((a, b) => a + b, 0),
      maximum: Math.max(...of('Maximum')),
      minimum: Math.min(...of('Minimum')),
    }
  }
  expect(await statistic('OperationsPendingReplication')).toMatchObject({ maximum: 1, minimum: 0 })
  expect(await statistic('BytesPendingReplication')).toMatchObject({ maximum: 3, minimum: 0 })
  expect(await statistic('OperationsFailedReplication')).toMatchObject({ sum: 1 })
  expect((await statistic('ReplicationLatency')).maximum).toBeLessThan(60)
})
