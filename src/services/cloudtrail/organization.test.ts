import {
  CloudTrailClient,
  CreateTrailCommand,
  DeregisterOrganizationDelegatedAdminCommand,
  LookupEventsCommand,
  PutEventSelectorsCommand,
  RegisterOrganizationDelegatedAdminCommand,
  StartLoggingCommand,
} from '@aws-sdk/client-cloudtrail'
import { CloudWatchLogsClient, CreateLogGroupCommand } from '@aws-sdk/client-cloudwatch-logs'
import {
  CreateOrganizationCommand,
  DescribeOrganizationCommand,
  EnableAWSServiceAccessCommand,
  ListDelegatedAdministratorsCommand,
  OrganizationsClient,
} from '@aws-sdk/client-organizations'
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createAccount, enter } from '../../../test/member-accounts.ts'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'
import { arnOf, deliveredTo, errorOf, loggingTrail, trailBucket, trailBucketPolicy } from './story-bench.ts'

let drydock: Story
let trail: CloudTrailClient
let member: string
let keys: Keys
beforeEach(async () => {
  drydock = await story()
  trail = drydock.client(CloudTrailClient)
  const organizations = drydock.client(OrganizationsClient)
  await organizations.send(new CreateOrganizationCommand({ FeatureSet: 'ALL' }))
  member = await createAccount(drydock, 'member')
  keys = await enter(drydock, await drydock.user('visitor', [allow('sts:AssumeRole')]), member)
})
afterEach(() => drydock.close())

test('an organization trail has the events of every member', async () => {
  const organizations = drydock.client(OrganizationsClient)
  const { Organization } = await organizations.send(new DescribeOrganizationCommand({}))
  await trailBucket(drydock, 'org-logs', 'org')
  const create = (client: CloudTrailClient) =>
    client.send(
      new CreateTrailCommand({
        Name: 'org',
        S3BucketName: 'org-logs',
        IsOrganizationTrail: true,
        IsMultiRegionTrail: true,
      }),
    )
  expect(await errorOf(create(drydock.client(CloudTrailClient, keys)))).toBe('NotOrganizationMasterAccountException')
  expect(await create(trail)).toMatchObject({ IsOrganizationTrail: true })
  await trail.send(new StartLoggingCommand({ Name: 'org' }))
  await drydock
    .client(CloudWatchLogsClient, keys, 'eu-west-1')
    .send(new CreateLogGroupCommand({ logGroupName: 'of-member' }))
  await drydock.advance({ minutes: 6 })
  const root = `AWSLogs/${Organization?.Id}/${member}/CloudTrail/eu-west-1/`
  const records = (await deliveredTo(drydock, 'org-logs', root)).flatMap((file) => file.records)
  expect(records).toMatchObject([{ eventName: 'CreateLogGroup', recipientAccountId: member }])
  const own = (await deliveredTo(drydock, 'org-logs', `AWSLogs/${Organization?.Id}/000000000000/`)).length
  expect(own).toBeGreaterThan(0)
})

test('a call on another account’s resource is recorded in both', async () => {
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'shared' }))
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: member },
        Action: 's3:*',
        Resource: ['arn:aws:s3:::shared', 'arn:aws:s3:::shared/*'],
      },
    ],
  })
  await s3.send(new PutBucketPolicyCommand({ Bucket: 'shared', Policy }))
  await loggingTrail(drydock, 'data')
  await trail.send(
    new PutEventSelectorsCommand({
      TrailName: 'data',
      EventSelectors: [
        {
          ReadWriteType: 'All',
          IncludeManagementEvents: false,
          DataResources: [{ Type: 'AWS::S3::Object', Values: ['arn:aws:s3:::shared/'] }],
        },
      ],
    }),
  )
  const theirs = drydock.client(S3Client, keys)
  await theirs.send(new PutObjectCommand({ Bucket: 'shared', Key: 'gift', Body: 'x' }))
  await (await theirs.send(new GetObjectCommand({ Bucket: 'shared', Key: 'gift' }))).Body?.transformToString()
  await drydock.advance({ minutes: 6 })
  const records = (await deliveredTo(drydock, 'data-logs')).flatMap((file) => file.records)
  expect(records.map(({ eventName }) => eventName)).toEqual(['PutObject', 'GetObject'])
  for (const record of records)
    expect(record).toMatchObject({
      userIdentity: { type: 'AWSAccount', accountId: member },
      recipientAccountId: '000000000000',
      sharedEventID: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
  const { Events = [] } = await drydock.client(CloudTrailClient, keys).send(new LookupEventsCommand({}))
  const assumed = JSON.parse(Events.find(({ EventName }) => EventName === 'AssumeRole')?.CloudTrailEvent ?? '{}')
  expect(assumed.recipientAccountId).toBe(member)
  expect(assumed.sharedEventID).toBeDefined()
})

test('log files in another account’s bucket are that account’s data events only', async () => {
  const s3 = drydock.client(S3Client, keys)
  await s3.send(new CreateBucketCommand({ Bucket: 'central' }))
  const Policy = JSON.stringify(trailBucketPolicy('central', arnOf('audit')))
  await s3.send(new PutBucketPolicyCommand({ Bucket: 'central', Policy }))
  await trail.send(new CreateTrailCommand({ Name: 'audit', S3BucketName: 'central' }))
  await trail.send(new StartLoggingCommand({ Name: 'audit' }))
  await drydock.client(CloudWatchLogsClient).send(new CreateLogGroupCommand({ logGroupName: 'g' }))
  await drydock.advance({ minutes: 6 })
  const puts = async (account: string) =>
    (await drydock.server.kernel.append.range(`audit/${account}/us-east-1`, { limit: 10_000 }))
      .map(
        ({ body }) => body as { eventName: string; userIdentity: { invokedBy?: string }; recipientAccountId: string },
      )
      .filter(
        ({ eventName, userIdentity }) =>
          eventName === 'PutObject' && userIdentity.invokedBy === 'cloudtrail.amazonaws.com',
      )
      .map(({ recipientAccountId }) => recipientAccountId)
  expect(await puts(member)).toEqual([member])
  expect(await puts('000000000000')).toEqual([])
})

test('a delegated administrator is registered in Organizations', async () => {
  const organizations = drydock.client(OrganizationsClient)
  await organizations.send(new EnableAWSServiceAccessCommand({ ServicePrincipal: 'cloudtrail.amazonaws.com' }))
  const register = (MemberAccountId: string) =>
    errorOf(trail.send(new RegisterOrganizationDelegatedAdminCommand({ MemberAccountId })))
  expect(await register('000000000000')).toBe('CannotDelegateManagementAccountException')
  expect(await register('999999999999')).toBe('AccountNotFoundException')
  expect(await register(member)).toBe('no error')
  expect(await register(member)).toBe('AccountRegisteredException')
  const listed = () =>
    organizations.send(new ListDelegatedAdministratorsCommand({ ServicePrincipal: 'cloudtrail.amazonaws.com' }))
  expect((await listed()).DelegatedAdministrators?.map(({ Id }) => Id)).toEqual([member])
  await trail.send(new DeregisterOrganizationDelegatedAdminCommand({ DelegatedAdminAccountId: member }))
  expect((await listed()).DelegatedAdministrators).toEqual([])
})
