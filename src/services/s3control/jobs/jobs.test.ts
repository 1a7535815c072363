import { gzipSync } from 'node:zlib'
import {
  CreateBucketCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectRetentionCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketReplicationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import {
  CreateJobCommand,
  type CreateJobCommandInput,
  DeleteJobTaggingCommand,
  DescribeJobCommand,
  GetJobTaggingCommand,
  type JobManifestLocation,
  type JobManifestSpec,
  ListJobsCommand,
  PutJobTaggingCommand,
  UpdateJobPriorityCommand,
  UpdateJobStatusCommand,
} from '@aws-sdk/client-s3-control'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { s3Control } from '../../../../test/s3-hosts.ts'
import { allow, type Keys, type Story, story } from '../../../../test/story.ts'
import { auditStream } from '../../../kernel/audit.ts'

let drydock: Story
let s3: S3Client
let AccountId: string
let role: string
const trusted = 'batchoperations.s3.amazonaws.com'
beforeAll(async () => {
  drydock = await story({ durable: true })
  s3 = drydock.client(S3Client)
  AccountId = drydock.account
  role = await drydock.role('batch', trusted, [allow('s3:*')])
})
afterAll(() => drydock.close())

const control = (keys?: Keys) => s3Control(drydock, keys)
let count = 0
const bucket = async (options: object = {}) => {
  const Bucket = `batch-${++count}`
  await s3.send(new CreateBucketCommand({ Bucket, ...options }))
  return Bucket
}
const put = async (Bucket: string, Key: string, Body = Key, options: object = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, ...options }))
const text = async (Bucket: string, Key: string) =>
  (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()
const listed = async (Bucket: string, Prefix?: string) =>
  ((await s3.send(new ListObjectsV2Command({ Bucket, Prefix }))).Contents ?? []).map(({ Key = '' }) => Key)

const manifest = async (Bucket: string, lines: readonly string[], Fields = ['Bucket', 'Key']) => {
  const { ETag = '' } = await put(Bucket, 'manifest.csv', lines.map((line) => `${line}\n`).join(''))
  return {
    Spec: { Format: 'S3BatchOperations_CSV_20180820', Fields },
    Location: { ObjectArn: `arn:aws:s3:::${Bucket}/manifest.csv`, ETag },
  } as { Spec: JobManifestSpec; Location: JobManifestLocation }
}
const create = async (members: Partial<CreateJobCommandInput>, keys?: Keys) =>
  (
    await control(keys).send(
      new CreateJobCommand({
        AccountId,
        Operation: { S3PutObjectTagging: { TagSet: [{ Key: 'seen', Value: 'yes' }] } },
        Report: { Enabled: false },
        Priority: 1,
        RoleArn: role,
        ConfirmationRequired: false,
        ...members,
      }),
    )
  ).JobId ?? ''
const describe = async (JobId: string) => (await control().send(new DescribeJobCommand({ AccountId, JobId }))).Job
/** Runs a job to its end. */
const run = async (members: Partial<CreateJobCommandInput>) => {
  const JobId = await create(members)
  await drydock.settled()
  return describe(JobId)
}
const done = (tasks: number, failed = 0) => ({
  Status: 'Complete',
  ProgressSummary: {
    TotalNumberOfTasks: tasks,
    NumberOfTasksSucceeded: tasks - failed,
    NumberOfTasksFailed: failed,
  },
})

test('a job tags the objects of a manifest and reports what became of each', async () => {
  const Bucket = await bucket()
  for (const Key of ['a', 'with space', 'c']) await put(Bucket, Key)
  const lines = [`${Bucket},a`, `${Bucket},with+space`, `"${Bucket}","none"`]
  const job = await run({
    Manifest: await manifest(Bucket, lines),
    Report: {
      Enabled: true,
      Bucket: `arn:aws:s3:::${Bucket}`,
      Format: 'Report_CSV_20180820',
      Prefix: 'reports',
      ReportScope: 'AllTasks',
    },
    Description: 'tags',
    Tags: [{ Key: 'team', Value: 'blue' }],
  })
  expect(job).toMatchObject({ ...done(3, 1), Description: 'tags', Priority: 1, RoleArn: role, FailureReasons: [] })
  expect(job?.TerminationDate).toEqual(drydock.clock.now())
  for (const Key of ['a', 'with space']) {
    const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket, Key }))
    expect(TagSet).toEqual([{ Key: 'seen', Value: 'yes' }])
  }
  const folder = `reports/job-${job?.JobId}`
  const told = JSON.parse((await text(Bucket, `${folder}/manifest.json`)) ?? '')
  expect(told).toMatchObject({
    Format: 'Report_CSV_20180820',
    ReportSchema: 'Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage',
    Results: [
      { TaskExecutionStatus: 'succeeded', Bucket },
      { TaskExecutionStatus: 'failed', Bucket },
    ],
  })
  const results = await Promise.all(told.Results.map(({ Key }: { Key: string }) => text(Bucket, Key)))
  expect(results).toEqual([
    `${Bucket},a,,succeeded,,200,Successful\n${Bucket},with+space,,succeeded,,200,Successful\n`,
    `${Bucket},none,,failed,NoSuchKey,404,The specified key does not exist.\n`,
  ])
  const stream = auditStream(AccountId, drydock.region)
  const records = await drydock.server.kernel.append.range(stream, { limit: 1000, reverse: true })
  const events = records
    .map(({ body }) => body as { eventName: string; serviceEventDetails?: { jobId: string; status: string } })
    .filter(({ serviceEventDetails: details }) => details?.jobId === job?.JobId)
    .map(({ eventName, serviceEventDetails }) => `${eventName} ${serviceEventDetails?.status}`)
  expect(events.toReversed()).toEqual([
    'JobCreated New',
    'JobStatusChanged Preparing',
    'JobStatusChanged Ready',
    'JobStatusChanged Active',
    'JobStatusChanged Completing',
    'JobStatusChanged Complete',
  ])
})

test('objects are copied, with what the job says of them', async () => {
  const [from, to] = [await bucket(), await bucket()]
  await put(from, 'in/a', 'one', { Metadata: { old: '1' }, Tagging: 'k=v', ContentType: 'text/plain' })
  await put(from, 'in/b', 'two')
  const Manifest = await manifest(from, [`${from},in/a`, `${from},in%2Fb`])
  const copy = { TargetResource: `arn:aws:s3:::${to}`, StorageClass: 'STANDARD_IA' as const }
  expect(await run({ Manifest, Operation: { S3PutObjectCopy: { ...copy, TargetKeyPrefix: 'old' } } })).toMatchObject(
    done(2),
  )
  expect(await listed(to)).toEqual(['old/in/a', 'old/in/b'])
  expect(await s3.send(new HeadObjectCommand({ Bucket: to, Key: 'old/in/a' }))).toMatchObject({
    StorageClass: 'STANDARD_IA',
    Metadata: { old: '1' },
    ContentType: 'text/plain',
    TagCount: 1,
  })
  const renewed = {
    TargetResource: `arn:aws:s3:::${to}`,
    NewObjectMetadata: { UserMetadata: { new: '2' }, ContentType: 'text/html' },
    NewObjectTagging: [],
    ModifiedSinceConstraint: new Date('2020-01-01'),
  }
  const job = await run({ Manifest, Operation: { S3PutObjectCopy: renewed } })
  expect(job).toMatchObject({ ...done(2), Operation: { S3PutObjectCopy: renewed } })
  const head = await s3.send(new HeadObjectCommand({ Bucket: to, Key: 'in/a' }))
  expect(head).toMatchObject({ Metadata: { new: '2' }, ContentType: 'text/html' })
  expect(head.TagCount).toBeUndefined()
})

test('locks, lists, tags and archives are set by jobs', async () => {
  const locked = await bucket({ ObjectLockEnabledForBucket: true })
  await put(locked, 'a')
  const Manifest = await manifest(locked, [`${locked},a`])
  const until = new Date('2040-03-01T00:00:00Z')
  const retention = { Retention: { Mode: 'GOVERNANCE' as const, RetainUntilDate: until } }
  expect(await run({ Manifest, Operation: { S3PutObjectRetention: retention } })).toMatchObject(done(1))
  expect(await run({ Manifest, Operation: { S3PutObjectLegalHold: { LegalHold: { Status: 'ON' } } } })).toMatchObject(
    done(1),
  )
  const at = { Bucket: locked, Key: 'a' }
  expect(await s3.send(new GetObjectRetentionCommand(at))).toMatchObject(retention)
  expect(await s3.send(new GetObjectLegalHoldCommand(at))).toMatchObject({ LegalHold: { Status: 'ON' } })

  const Bucket = await bucket({ ObjectOwnership: 'BucketOwnerPreferred' })
  await put(Bucket, 'cold', 'x', { StorageClass: 'GLACIER', Tagging: 'a=b' })
  const cold = await manifest(Bucket, [`${Bucket},cold`])
  const restore = { ExpirationInDays: 2, GlacierJobTier: 'STANDARD' as const }
  expect(await run({ Manifest: cold, Operation: { S3InitiateRestoreObject: restore } })).toMatchObject(done(1))
  expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'cold' }))).Restore).toContain('ongoing-request="true"')
  expect(await run({ Manifest: cold, Operation: { S3DeleteObjectTagging: {} } })).toMatchObject(done(1))
  expect((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'cold' }))).TagSet).toEqual([])
  const { Owner } = await s3.send(new GetObjectAclCommand({ Bucket, Key: 'cold' }))
  const Grantee = { TypeIdentifier: 'id' as const, Identifier: Owner?.ID }
  const AccessControlList = { Owner: { ID: Owner?.ID }, Grants: [{ Grantee, Permission: 'READ' as const }] }
  const acl = { AccessControlPolicy: { AccessControlList } }
  expect(await run({ Manifest: cold, Operation: { S3PutObjectAcl: acl } })).toMatchObject(done(1))
  expect((await s3.send(new GetObjectAclCommand({ Bucket, Key: 'cold' }))).Grants).toMatchObject([
    { Permission: 'READ' },
  ])
})

test('versions of a manifest are the ones that are changed; an inventory is a manifest', async () => {
  const Bucket = await bucket()
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  const { VersionId = '' } = await put(Bucket, 'a', 'old')
  await put(Bucket, 'a', 'new')
  const data = gzipSync(`"${Bucket}","a","${VersionId}","false"\n`)
  await s3.send(new PutObjectCommand({ Bucket, Key: 'data/1.csv.gz', Body: data }))
  const { ETag = '' } = await put(
    Bucket,
    'inventory/manifest.json',
    JSON.stringify({
      sourceBucket: Bucket,
      destinationBucket: `arn:aws:s3:::${Bucket}`,
      fileFormat: 'CSV',
      fileSchema: 'Bucket, Key, VersionId, IsLatest',
      files: [{ key: 'data/1.csv.gz' }],
    }),
  )
  const Location = { ObjectArn: `arn:aws:s3:::${Bucket}/inventory/manifest.json`, ETag }
  const job = await run({ Manifest: { Spec: { Format: 'S3InventoryReport_CSV_20161130' }, Location } })
  expect(job).toMatchObject(done(1))
  expect((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'a', VersionId }))).TagSet).toHaveLength(1)
  expect((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'a' }))).TagSet).toEqual([])
})

test('a list is made of what a filter selects, and put where it is asked for', async () => {
  const Bucket = await bucket()
  for (const Key of ['logs/a.txt', 'logs/b.csv', 'other/c.txt']) await put(Bucket, Key)
  await put(Bucket, 'logs/large.txt', 'x'.repeat(1000))
  const job = await run({
    ManifestGenerator: {
      S3JobManifestGenerator: {
        SourceBucket: `arn:aws:s3:::${Bucket}`,
        EnableManifestOutput: true,
        ManifestOutputLocation: {
          Bucket: `arn:aws:s3:::${Bucket}`,
          ManifestPrefix: 'made',
          ManifestFormat: 'S3InventoryReport_CSV_20211130',
        },
        Filter: {
          KeyNameConstraint: { MatchAnyPrefix: ['logs/'], MatchAnySuffix: ['.txt', '.md'] },
          ObjectSizeLessThanBytes: 500,
          CreatedAfter: new Date('2026-01-01'),
        },
      },
    },
  })
  expect(job).toMatchObject({
    ...done(1),
    ManifestGenerator: { S3JobManifestGenerator: { Filter: { CreatedAfter: new Date('2026-01-01') } } },
    GeneratedManifestDescriptor: {
      Format: 'S3InventoryReport_CSV_20211130',
      Location: { ObjectArn: `arn:aws:s3:::${Bucket}/made/manifest-${job?.JobId}/manifest.json` },
    },
  })
  expect((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'logs/a.txt' }))).TagSet).toHaveLength(1)
  // The list is a manifest for another job.
  const Location = job?.GeneratedManifestDescriptor?.Location
  const again = await run({
    Manifest: { Spec: { Format: 'S3InventoryReport_CSV_20161130' }, Location: Location ?? { ObjectArn: '', ETag: '' } },
  })
  expect(again).toMatchObject(done(1))
  const Filter = { KeyNameConstraint: { MatchAnySubstring: ['nowhere'] } }
  const SourceBucket = `arn:aws:s3:::${Bucket}`
  const S3JobManifestGenerator = { SourceBucket, EnableManifestOutput: false, Filter }
  expect(await run({ ManifestGenerator: { S3JobManifestGenerator } })).toMatchObject({ Status: 'Failed' })
})

test('objects that were there before the rules are replicated, each version in its place', async () => {
  const [source, target] = [await bucket(), await bucket()]
  for (const Bucket of [source, target])
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  const versions: (string | undefined)[] = []
  for (const Body of ['one', 'two']) {
    versions.push((await put(source, 'a', Body)).VersionId)
    await drydock.advance({ seconds: 5 })
  }
  const replicator = await drydock.role(`replicator-${count}`, 's3.amazonaws.com', [allow('s3:*')])
  const rule = (ID: string, Prefix: string) => ({
    ID,
    Status: 'Enabled' as const,
    Priority: 1,
    Filter: { Prefix },
    DeleteMarkerReplication: { Status: 'Disabled' as const },
    Destination: { Bucket: `arn:aws:s3:::${target}` },
  })
  await s3.send(
    new PutBucketReplicationCommand({
      Bucket: source,
      ReplicationConfiguration: { Role: replicator, Rules: [rule('all', '')] },
    }),
  )
  versions.push((await put(source, 'a', 'three')).VersionId)
  await drydock.settled()
  expect(await text(target, 'a')).toBe('three')
  const generate = (Filter: object) => ({
    S3JobManifestGenerator: { SourceBucket: `arn:aws:s3:::${source}`, EnableManifestOutput: false, Filter },
  })
  const job = await run({
    ManifestGenerator: generate({ EligibleForReplication: true, ObjectReplicationStatuses: ['NONE'] }),
    Operation: { S3ReplicateObject: {} },
  })
  expect(job).toMatchObject(done(2))
  const { Versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket: target }))
  expect(Versions.map(({ VersionId }) => VersionId)).toEqual(versions.toReversed())
  expect(await text(target, 'a')).toBe('three')
  const at = { Bucket: source, Key: 'a', VersionId: versions[0] }
  expect(await s3.send(new HeadObjectCommand(at))).toMatchObject({ ReplicationStatus: 'COMPLETED' })
  const none = await run({
    ManifestGenerator: generate({ ObjectReplicationStatuses: ['NONE', 'FAILED'] }),
    Operation: { S3ReplicateObject: {} },
  })
  expect(none).toMatchObject({ Status: 'Failed', ProgressSummary: { TotalNumberOfTasks: 0 } })
  // What no rule is about cannot be replicated, and the role must be allowed to begin it.
  const other = await bucket()
  await put(other, 'x')
  const Manifest = await manifest(other, [`${other},x`])
  expect(await run({ Manifest, Operation: { S3ReplicateObject: {} } })).toMatchObject(done(1, 1))
})

test('a job that asks for confirmation waits for it, can be confirmed or cancelled, and ends in 30 days without', async () => {
  const Bucket = await bucket()
  await put(Bucket, 'a')
  const Manifest = await manifest(Bucket, [`${Bucket},a`])
  const suspended = async () => {
    const JobId = await create({ Manifest, ConfirmationRequired: true })
    await drydock.settled()
    expect(await describe(JobId)).toMatchObject({
      Status: 'Suspended',
      SuspendedCause: 'AwaitingConfirmation',
      ProgressSummary: { TotalNumberOfTasks: 1 },
    })
    return JobId
  }
  const ask = (JobId: string, RequestedJobStatus: 'Ready' | 'Cancelled') =>
    control().send(
      new UpdateJobStatusCommand({ AccountId, JobId, RequestedJobStatus, StatusUpdateReason: 'looked at it' }),
    )
  const confirmed = await suspended()
  expect(await ask(confirmed, 'Ready')).toMatchObject({ Status: 'Ready', StatusUpdateReason: 'looked at it' })
  await drydock.settled()
  expect(await describe(confirmed)).toMatchObject({ ...done(1), StatusUpdateReason: 'looked at it' })
  await expect(ask(confirmed, 'Cancelled')).rejects.toMatchObject({ name: 'JobStatusException' })
  const cancelled = await suspended()
  await ask(cancelled, 'Cancelled')
  await drydock.settled()
  expect(await describe(cancelled)).toMatchObject({ Status: 'Cancelled' })
  const forgotten = await suspended()
  await drydock.advance({ days: 31 })
  expect(await describe(forgotten)).toMatchObject({ Status: 'Failed' })
  await drydock.advance({ days: 91 })
  await expect(describe(forgotten)).rejects.toMatchObject({ name: 'NotFoundException' })
})

test('jobs are listed by status and page, get another priority, and tags', async () => {
  const Bucket = await bucket()
  await put(Bucket, 'a')
  const Manifest = await manifest(Bucket, [`${Bucket},a`])
  const ids: string[] = []
  for (let i = 0; i < 3; i++)
    ids.push(await create({ Manifest, ConfirmationRequired: true, ClientRequestToken: `t${i}-${Bucket}` }))
  await drydock.settled()
  const shown: (string | undefined)[] = []
  let NextToken: string | undefined
  do {
    const input = { AccountId, MaxResults: 2, NextToken, JobStatuses: ['Suspended' as const] }
    const page = await control().send(new ListJobsCommand(input))
    expect(page.Jobs?.length).toBeLessThanOrEqual(2)
    shown.push(...(page.Jobs ?? []).map(({ JobId }) => JobId))
    NextToken = page.NextToken
  } while (NextToken)
  expect(shown).toEqual(expect.arrayContaining(ids))
  const [JobId = ''] = ids
  await control().send(new UpdateJobPriorityCommand({ AccountId, JobId, Priority: 9 }))
  expect(await describe(JobId)).toMatchObject({ Priority: 9 })
  await control().send(new PutJobTaggingCommand({ AccountId, JobId, Tags: [{ Key: 'a', Value: 'b' }] }))
  const tags = async () => (await control().send(new GetJobTaggingCommand({ AccountId, JobId }))).Tags
  expect(await tags()).toEqual([{ Key: 'a', Value: 'b' }])
  await control().send(new DeleteJobTaggingCommand({ AccountId, JobId }))
  expect(await tags()).toEqual([])
  // The same request again is the same job; another under its token is refused.
  const ClientRequestToken = `t0-${Bucket}`
  expect(await create({ Manifest, ConfirmationRequired: true, ClientRequestToken })).toBe(JobId)
  await expect(create({ Manifest, ClientRequestToken })).rejects.toMatchObject({ name: 'IdempotencyException' })
  for (const each of ids)
    await control().send(new UpdateJobStatusCommand({ AccountId, JobId: each, RequestedJobStatus: 'Cancelled' }))
  await drydock.settled()
  await expect(control().send(new UpdateJobPriorityCommand({ AccountId, JobId, Priority: 1 }))).rejects.toMatchObject({
    name: 'BadRequestException',
  })
})

test('what a manifest or role lacks fails the job, with the reason', async () => {
  const Bucket = await bucket()
  await put(Bucket, 'a')
  const Manifest = await manifest(Bucket, [`${Bucket},a`])
  const failed = async (members: Partial<CreateJobCommandInput>, FailureCode: string) =>
    expect(await run({ Manifest, ...members })).toMatchObject({ Status: 'Failed', FailureReasons: [{ FailureCode }] })
  await failed({ Manifest: { ...Manifest, Location: { ...Manifest.Location, ETag: 'other' } } }, 'ManifestETagMismatch')
  await failed(
    { Manifest: { ...Manifest, Spec: { ...Manifest.Spec, Fields: ['Bucket', 'Key', 'Ignore'] } } },
    'InvalidManifestContent',
  )
  for (const body of ['null', '[]', 'no JSON', '{"fileFormat":"CSV"}']) {
    const { ETag } = await put(Bucket, 'inventory.json', body)
    const Location = { ObjectArn: `arn:aws:s3:::${Bucket}/inventory.json`, ETag }
    const Spec = { Format: 'S3InventoryReport_CSV_20161130' } as const
    await failed({ Manifest: { Spec, Location } }, 'InvalidManifestContent')
  }
  const nowhere = { ...Manifest.Location, ObjectArn: `arn:aws:s3:::${Bucket}/none` }
  await failed({ Manifest: { ...Manifest, Location: nowhere } }, 'NoSuchKey')
  await failed(
    { RoleArn: await drydock.role(`untrusting-${count}`, 'ec2.amazonaws.com', [allow('s3:*')]) },
    'AccessDenied',
  )
  const reader = await drydock.role(`reader-${count}`, trusted, [allow('s3:GetObject')])
  const Report = {
    Enabled: true,
    Bucket: `arn:aws:s3:::${Bucket}`,
    Format: 'Report_CSV_20180820' as const,
    ReportScope: 'AllTasks' as const,
  }
  // Its tasks fail one by one for want of the right; that the report cannot be written fails the job.
  expect(await run({ Manifest, RoleArn: reader })).toMatchObject(done(1, 1))
  await failed({ RoleArn: reader, Report }, 'AccessDenied')
})

test.each<[string, Partial<CreateJobCommandInput>, string]>([
  ['two operations', { Operation: { S3DeleteObjectTagging: {}, S3ReplicateObject: {} } }, 'BadRequestException'],
  ['no operation', { Operation: {} }, 'BadRequestException'],
  [
    'a function',
    { Operation: { LambdaInvoke: { FunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:f' } } },
    'NotImplemented',
  ],
  ['no manifest', { Manifest: undefined }, 'BadRequestException'],
  ['a report nowhere', { Report: { Enabled: true } }, 'BadRequestException'],
])('a job of %s is refused', async (_, members, name) => {
  const Manifest = {
    Spec: { Format: 'S3BatchOperations_CSV_20180820' as const, Fields: ['Bucket' as const, 'Key' as const] },
    Location: { ObjectArn: 'arn:aws:s3:::none/manifest.csv', ETag: 'x' },
  }
  await expect(create({ Manifest, ...members })).rejects.toMatchObject({ name })
})

test('who makes a job must be allowed to pass its role', async () => {
  const keys = await drydock.user('maker', [allow('s3:CreateJob')])
  const Bucket = await bucket()
  const Manifest = await manifest(Bucket, [`${Bucket},a`])
  await expect(create({ Manifest }, keys)).rejects.toMatchObject({
    name: 'AccessDenied',
    message: expect.stringContaining('iam:PassRole'),
  })
})

test('a job goes on after the server was gone', async () => {
  const Bucket = await bucket()
  const keys = Array.from({ length: 60 }, (_, i) => `k${i}`)
  for (const Key of keys) await put(Bucket, Key)
  const JobId = await create({
    Manifest: await manifest(
      Bucket,
      keys.map((key) => `${Bucket},${key}`),
    ),
  })
  drydock = await drydock.restart()
  s3 = drydock.client(S3Client)
  await drydock.settled()
  expect(await describe(JobId)).toMatchObject(done(60))
  for (const Key of ['k0', 'k59'])
    expect((await s3.send(new GetObjectTaggingCommand({ Bucket, Key }))).TagSet).toHaveLength(1)
})
