import {
  AddTagsCommand,
  CloudTrailClient,
  CreateTrailCommand,
  DeleteTrailCommand,
  DescribeTrailsCommand,
  GetTrailCommand,
  GetTrailStatusCommand,
  ListTagsCommand,
  ListTrailsCommand,
  PutEventSelectorsCommand,
  RemoveTagsCommand,
  StartLoggingCommand,
  StopLoggingCommand,
  UpdateTrailCommand,
} from '@aws-sdk/client-cloudtrail'
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  DeleteLogGroupCommand,
  FilterLogEventsCommand,
  PutResourcePolicyCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge'
import { CreateUserCommand, IAMClient } from '@aws-sdk/client-iam'
import { CreateKeyCommand, GetKeyPolicyCommand, KMSClient, PutKeyPolicyCommand } from '@aws-sdk/client-kms'
import {
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { arnOf, deliveredTo, errorOf, loggingTrail, trailBucket, trailBucketPolicy } from './story-bench.ts'

let drydock: Story
let trail: CloudTrailClient
beforeEach(async () => {
  drydock = await story()
  trail = drydock.client(CloudTrailClient)
})
afterEach(() => drydock.close())

const group = (logGroupName: string) =>
  drydock.client(CloudWatchLogsClient).send(new CreateLogGroupCommand({ logGroupName }))

test('a trail is created, described, changed and deleted', async () => {
  await trailBucket(drydock, 'audit-logs', 'audit')
  const created = await trail.send(
    new CreateTrailCommand({ Name: 'audit', S3BucketName: 'audit-logs', TagsList: [{ Key: 'team', Value: 'web' }] }),
  )
  expect(created).toMatchObject({
    Name: 'audit',
    S3BucketName: 'audit-logs',
    IncludeGlobalServiceEvents: true,
    IsMultiRegionTrail: false,
    TrailARN: arnOf('audit'),
    LogFileValidationEnabled: false,
    IsOrganizationTrail: false,
  })
  expect(await errorOf(trail.send(new CreateTrailCommand({ Name: 'audit', S3BucketName: 'audit-logs' })))).toBe(
    'TrailAlreadyExistsException',
  )
  const { Trail } = await trail.send(new GetTrailCommand({ Name: arnOf('audit') }))
  expect(Trail).toMatchObject({ HomeRegion: 'us-east-1', HasCustomEventSelectors: false, HasInsightSelectors: false })
  await trail.send(new UpdateTrailCommand({ Name: 'audit', IsMultiRegionTrail: true }))
  const far = drydock.client(CloudTrailClient, drydock.root, 'eu-west-1')
  const shadows = await far.send(new DescribeTrailsCommand({}))
  expect(shadows.trailList?.map(({ TrailARN }) => TrailARN)).toEqual([arnOf('audit')])
  expect((await far.send(new DescribeTrailsCommand({ includeShadowTrails: false }))).trailList).toEqual([])
  expect((await far.send(new ListTrailsCommand({}))).Trails).toEqual([
    { Name: 'audit', HomeRegion: 'us-east-1', TrailARN: arnOf('audit') },
  ])
  expect(await errorOf(far.send(new StartLoggingCommand({ Name: arnOf('audit') })))).toBe('InvalidHomeRegionException')
  await trail.send(new AddTagsCommand({ ResourceId: arnOf('audit'), TagsList: [{ Key: 'env', Value: 'prod' }] }))
  await trail.send(new RemoveTagsCommand({ ResourceId: arnOf('audit'), TagsList: [{ Key: 'team' }] }))
  const { ResourceTagList } = await trail.send(new ListTagsCommand({ ResourceIdList: [arnOf('audit')] }))
  expect(ResourceTagList).toEqual([{ ResourceId: arnOf('audit'), TagsList: [{ Key: 'env', Value: 'prod' }] }])
  await trail.send(new DeleteTrailCommand({ Name: 'audit' }))
  expect(await errorOf(trail.send(new GetTrailCommand({ Name: 'audit' })))).toBe('TrailNotFoundException')
})

test('names, buckets, keys and topics are refused as AWS refuses them', async () => {
  const create = (input: object) =>
    errorOf(trail.send(new CreateTrailCommand({ Name: 'audit', S3BucketName: 'audit-logs', ...input })))
  for (const Name of ['ab', '-abc', 'abc-', 'a--b', '192.168.1.1', 'a b c'])
    expect(await create({ Name }), Name).toBe('InvalidTrailNameException')
  expect(await create({ S3BucketName: 'None_Such' })).toBe('InvalidS3BucketNameException')
  expect(await create({})).toBe('S3BucketDoesNotExistException')
  await drydock.client(S3Client).send(new CreateBucketCommand({ Bucket: 'plain' }))
  expect(await create({ S3BucketName: 'plain' })).toBe('InsufficientS3BucketPolicyException')
  await trailBucket(drydock, 'audit-logs', 'other')
  expect(await create({})).toBe('InsufficientS3BucketPolicyException')
  await trailBucket(drydock, 'right', 'audit')
  expect(await create({ S3BucketName: 'right', S3KeyPrefix: 'elsewhere' })).toBe('InsufficientS3BucketPolicyException')
  expect(await create({ S3BucketName: 'right', KmsKeyId: 'alias/none' })).toBe('KmsKeyNotFoundException')
  expect(await create({ S3BucketName: 'right', SnsTopicName: 'none' })).toBe('InsufficientSnsTopicPolicyException')
  expect(await create({ S3BucketName: 'right', IsOrganizationTrail: true })).toBe('OrganizationsNotInUseException')
  expect(await create({ S3BucketName: 'right', IsMultiRegionTrail: true, IncludeGlobalServiceEvents: false })).toBe(
    'InvalidParameterCombinationException',
  )
  expect((await trail.send(new ListTrailsCommand({}))).Trails).toEqual([])
})

test('log files are encrypted under the trail’s key, which must let CloudTrail encrypt for this trail', async () => {
  await trailBucket(drydock, 'audit-logs', 'audit')
  const kms = drydock.client(KMSClient)
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
  const KmsKeyId = KeyMetadata?.KeyId ?? ''
  const create = () => trail.send(new CreateTrailCommand({ Name: 'audit', S3BucketName: 'audit-logs', KmsKeyId }))
  expect(await errorOf(create())).toBe('InsufficientEncryptionPolicyException')
  const { Policy = '' } = await kms.send(new GetKeyPolicyCommand({ KeyId: KmsKeyId }))
  const policy = JSON.parse(Policy)
  policy.Statement.push({
    Effect: 'Allow',
    Principal: { Service: 'cloudtrail.amazonaws.com' },
    Action: 'kms:GenerateDataKey*',
    Resource: '*',
    Condition: {
      StringEquals: { 'aws:SourceArn': arnOf('audit') },
      StringLike: { 'kms:EncryptionContext:aws:cloudtrail:arn': 'arn:aws:cloudtrail:*:000000000000:trail/*' },
    },
  })
  await kms.send(new PutKeyPolicyCommand({ KeyId: KmsKeyId, Policy: JSON.stringify(policy) }))
  expect(await create()).toMatchObject({ KmsKeyId: KeyMetadata?.Arn })
  await trail.send(new StartLoggingCommand({ Name: 'audit' }))
  await group('one')
  await drydock.advance({ minutes: 6 })
  const s3 = drydock.client(S3Client)
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'audit-logs' }))
  const [Key] = Contents.flatMap((object) => (object.Key?.endsWith('.json.gz') ? [object.Key] : []))
  expect(await s3.send(new HeadObjectCommand({ Bucket: 'audit-logs', Key }))).toMatchObject({
    ServerSideEncryption: 'aws:kms',
    SSEKMSKeyId: KeyMetadata?.Arn,
  })
  const reader = drydock.client(S3Client, await drydock.user('reader', [allow('s3:GetObject')]))
  await expect(reader.send(new GetObjectCommand({ Bucket: 'audit-logs', Key }))).rejects.toMatchObject({
    name: 'AccessDenied',
  })
  await trail.send(new UpdateTrailCommand({ Name: 'audit', KmsKeyId: '' }))
  expect((await trail.send(new GetTrailCommand({ Name: 'audit' }))).Trail).not.toHaveProperty('KmsKeyId')
})

test('log files come every five minutes, while it logs, and hold each call once', async () => {
  await loggingTrail(drydock, 'audit')
  await group('one')
  await drydock.advance({ minutes: 6 })
  await group('two')
  await drydock.client(IAMClient).send(new CreateUserCommand({ UserName: 'ana' }))
  await drydock.advance({ minutes: 6 })
  await trail.send(new StopLoggingCommand({ Name: 'audit' }))
  await drydock.advance({ minutes: 1 })
  await group('three')
  await drydock.advance({ minutes: 10 })
  const files = await deliveredTo(drydock, 'audit-logs')
  for (const { key } of files)
    expect(key).toMatch(
      /^AWSLogs\/000000000000\/CloudTrail\/us-east-1\/2026\/11\/23\/000000000000_CloudTrail_us-east-1_20261123T09\d\dZ_[A-Za-z0-9]{16}\.json\.gz$/,
    )
  const names = files.flatMap(({ records }) => records.map(({ eventName }) => eventName))
  expect(names.filter((name) => name === 'CreateLogGroup')).toHaveLength(2)
  expect(names.filter((name) => name === 'CreateUser')).toHaveLength(1)
  expect(names).not.toContain('PutObject')
  const ids = files.flatMap(({ records }) => records.map(({ eventID }) => eventID))
  expect(new Set(ids).size).toBe(ids.length)
  const status = await trail.send(new GetTrailStatusCommand({ Name: 'audit' }))
  expect(status).toMatchObject({ IsLogging: false, StartLoggingTime: new Date('2026-11-23T09:00:00Z') })
  expect(status.LatestDeliveryError).toBeUndefined()
  expect(status.StopLoggingTime).toEqual(new Date('2026-11-23T09:12:00Z'))
})

test('a bucket that refuses shows in the status, and gets everything once it takes it again', async () => {
  await loggingTrail(drydock, 'audit')
  const s3 = drydock.client(S3Client)
  await s3.send(new DeleteBucketPolicyCommand({ Bucket: 'audit-logs' }))
  await group('one')
  await drydock.advance({ minutes: 6 })
  expect(await trail.send(new GetTrailStatusCommand({ Name: 'audit' }))).toMatchObject({
    LatestDeliveryError: 'AccessDenied',
    LatestDeliveryAttemptSucceeded: '',
  })
  expect(await deliveredTo(drydock, 'audit-logs')).toEqual([])
  const Policy = JSON.stringify(trailBucketPolicy('audit-logs', arnOf('audit')))
  await s3.send(new PutBucketPolicyCommand({ Bucket: 'audit-logs', Policy }))
  await drydock.advance({ minutes: 11 })
  const names = (await deliveredTo(drydock, 'audit-logs')).flatMap(({ records }) =>
    records.map((record) => record.eventName),
  )
  expect(names).toContain('CreateLogGroup')
  expect((await trail.send(new GetTrailStatusCommand({ Name: 'audit' }))).LatestDeliveryError).toBeUndefined()
})

test('data events go only to who selects them', async () => {
  await loggingTrail(drydock, 'data')
  await loggingTrail(drydock, 'plain')
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'photos' }))
  await trail.send(
    new PutEventSelectorsCommand({
      TrailName: 'data',
      AdvancedEventSelectors: [
        {
          Name: 'writes to photos',
          FieldSelectors: [
            { Field: 'eventCategory', Equals: ['Data'] },
            { Field: 'resources.type', Equals: ['AWS::S3::Object'] },
            { Field: 'resources.ARN', StartsWith: ['arn:aws:s3:::photos/'] },
            { Field: 'readOnly', Equals: ['false'] },
          ],
        },
      ],
    }),
  )
  await s3.send(new PutObjectCommand({ Bucket: 'photos', Key: 'cat.jpg', Body: 'meow' }))
  await drydock.advance({ minutes: 6 })
  const [file, ...more] = await deliveredTo(drydock, 'data-logs')
  expect(more).toEqual([])
  expect(file?.records).toMatchObject([
    {
      eventName: 'PutObject',
      eventCategory: 'Data',
      managementEvent: false,
      requestParameters: { bucketName: 'photos', key: 'cat.jpg' },
      resources: [
        { type: 'AWS::S3::Object', ARN: 'arn:aws:s3:::photos/cat.jpg' },
        { type: 'AWS::S3::Bucket', ARN: 'arn:aws:s3:::photos', accountId: '000000000000' },
      ],
      additionalEventData: { SignatureVersion: 'SigV4', AuthenticationMethod: 'AuthHeader', bytesTransferredIn: 4 },
    },
  ])
  const plain = (await deliveredTo(drydock, 'plain-logs')).flatMap(({ records }) => records)
  expect(plain.filter(({ eventCategory }) => eventCategory === 'Data')).toEqual([])
  expect(plain.map(({ eventName }) => eventName)).toContain('CreateBucket')
})

test('CloudWatch Logs and EventBridge are told at once', async () => {
  const role = await drydock.role('trail-logs', 'cloudtrail.amazonaws.com', [
    allow(['logs:CreateLogStream', 'logs:PutLogEvents']),
  ])
  await group('trail')
  await trailBucket(drydock, 'audit-logs', 'audit')
  const logs = {
    CloudWatchLogsLogGroupArn: 'arn:aws:logs:us-east-1:000000000000:log-group:trail:*',
    CloudWatchLogsRoleArn: role,
  }
  const create = (input: object) =>
    trail.send(new CreateTrailCommand({ Name: 'audit', S3BucketName: 'audit-logs', ...input }))
  const stranger = await drydock.role('stranger', 'ec2.amazonaws.com')
  expect(await errorOf(create({ ...logs, CloudWatchLogsRoleArn: stranger }))).toBe(
    'InvalidCloudWatchLogsRoleArnException',
  )
  const none = 'arn:aws:logs:us-east-1:000000000000:log-group:none:*'
  expect(await errorOf(create({ ...logs, CloudWatchLogsLogGroupArn: none }))).toBe(
    'InvalidCloudWatchLogsLogGroupArnException',
  )
  await create(logs)
  await trail.send(new StartLoggingCommand({ Name: 'audit' }))
  await group('one')
  await drydock.advance({ seconds: 1 })
  const { events = [] } = await drydock
    .client(CloudWatchLogsClient)
    .send(new FilterLogEventsCommand({ logGroupName: 'trail', filterPattern: '{ $.eventName = "CreateLogGroup" }' }))
  expect(events.map(({ message = '' }) => JSON.parse(message).requestParameters.logGroupName)).toContain('one')
  expect(events[0]?.logStreamName).toBe('000000000000_CloudTrail_us-east-1')
  const told = drydock.events.filter((event) => event['detail-type'] === 'AWS API Call via CloudTrail')
  expect(told.findLast(({ detail }) => detail.eventName === 'CreateLogGroup')).toMatchObject({
    source: 'aws.logs',
    account: '000000000000',
    region: 'us-east-1',
    detail: { requestParameters: { logGroupName: 'one' } },
  })
  expect(told.filter(({ detail }) => detail.readOnly)).toEqual([])
  const status = await trail.send(new GetTrailStatusCommand({ Name: 'audit' }))
  expect(status.LatestCloudWatchLogsDeliveryError).toBeUndefined()
  expect(status.LatestCloudWatchLogsDeliveryTime).toBeDefined()
})

test('a log group that went away is tried again every minute, and gets what it missed', async () => {
  const role = await drydock.role('trail-logs', 'cloudtrail.amazonaws.com', [
    allow(['logs:CreateLogStream', 'logs:PutLogEvents']),
  ])
  const logs = drydock.client(CloudWatchLogsClient)
  await group('trail')
  await loggingTrail(drydock, 'audit', {
    CloudWatchLogsLogGroupArn: 'arn:aws:logs:us-east-1:000000000000:log-group:trail:*',
    CloudWatchLogsRoleArn: role,
  })
  await drydock.advance({ seconds: 1 })
  await logs.send(new DeleteLogGroupCommand({ logGroupName: 'trail' }))
  await group('one')
  await drydock.advance({ seconds: 30 })
  const status = () => trail.send(new GetTrailStatusCommand({ Name: 'audit' }))
  expect((await status()).LatestCloudWatchLogsDeliveryError).toBe('ResourceNotFoundException')
  await group('trail')
  await drydock.advance({ minutes: 2 })
  expect((await status()).LatestCloudWatchLogsDeliveryError).toBeUndefined()
  const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName: 'trail' }))
  const told = events.map(({ message = '' }) => JSON.parse(message))
  expect(told.filter(({ requestParameters }) => requestParameters?.logGroupName === 'one')).toHaveLength(1)
  expect(told.filter(({ eventName, errorCode }) => eventName === 'CreateLogStream' && errorCode).length).toBeLessThan(5)
})

test('a rule on all calls whose target is a log group comes to rest', async () => {
  const events = drydock.client(EventBridgeClient)
  await group('/aws/events/calls')
  const Resource = 'arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/calls:*'
  const policyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service: 'events.amazonaws.com' },
        Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        Resource,
      },
    ],
  })
  const logs = drydock.client(CloudWatchLogsClient)
  await logs.send(new PutResourcePolicyCommand({ policyName: 'events', policyDocument }))
  const EventPattern = JSON.stringify({ 'detail-type': ['AWS API Call via CloudTrail'] })
  await events.send(new PutRuleCommand({ Name: 'calls', EventPattern }))
  const Arn = 'arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/calls'
  await events.send(new PutTargetsCommand({ Rule: 'calls', Targets: [{ Id: 'logs', Arn }] }))
  await loggingTrail(drydock, 'audit')
  await group('one')
  await drydock.advance({ seconds: 5 })
  const { events: found = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName: '/aws/events/calls' }))
  const names = found.map(({ message = '' }) => JSON.parse(message).detail.eventName)
  expect(names).toContain('CreateLogGroup')
  expect(names).not.toContain('CreateLogStream')
})

test('a restart loses nothing and repeats nothing', async () => {
  await drydock.close()
  drydock = await story({ durable: true })
  await loggingTrail(drydock, 'audit')
  await group('one')
  drydock = await drydock.restart()
  await group('two')
  await drydock.advance({ minutes: 6 })
  drydock = await drydock.restart()
  await group('three')
  await drydock.advance({ minutes: 6 })
  const groups = (await deliveredTo(drydock, 'audit-logs'))
    .flatMap(({ records }) => records)
    .filter(({ eventName }) => eventName === 'CreateLogGroup')
    .map(({ requestParameters }) => (requestParameters as Record<string, unknown>).logGroupName)
  expect(groups.sort()).toEqual(['one', 'three', 'two'])
})
