import {
  CloudTrailClient,
  type LookupAttributeKey,
  LookupEventsCommand,
  type LookupEventsCommandInput,
} from '@aws-sdk/client-cloudtrail'
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  DeleteLogGroupCommand,
  DescribeLogGroupsCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import { CodeCommitClient, CreateRepositoryCommand, PutFileCommand } from '@aws-sdk/client-codecommit'
import { CreateUserCommand, IAMClient } from '@aws-sdk/client-iam'
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let trail: CloudTrailClient
let logs: CloudWatchLogsClient

beforeEach(async () => {
  drydock = await story()
  trail = drydock.client(CloudTrailClient)
  logs = drydock.client(CloudWatchLogsClient)
})
afterEach(() => drydock.close())

const lookup = async (input: Partial<LookupEventsCommandInput> = {}) => trail.send(new LookupEventsCommand(input))
const by = (AttributeKey: LookupAttributeKey, AttributeValue: string) => ({
  LookupAttributes: [{ AttributeKey, AttributeValue }],
})
const names = async (input: Partial<LookupEventsCommandInput>) =>
  (await lookup(input)).Events?.map(({ EventName }) => EventName)
const create = (logGroupName: string) => logs.send(new CreateLogGroupCommand({ logGroupName }))
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => (error as Error).name,
  )

test('finds calls with identity, parameters and errors, newest first', async () => {
  await create('a')
  await create('a').catch(() => undefined)
  const { Events = [] } = await lookup(by('EventSource', 'logs.amazonaws.com'))
  expect(Events.map(({ EventName }) => EventName)).toEqual(['CreateLogGroup', 'CreateLogGroup'])
  expect(Events[1]).toMatchObject({
    EventSource: 'logs.amazonaws.com',
    ReadOnly: 'false',
    Username: 'root',
    AccessKeyId: 'test',
    EventTime: new Date('2026-11-23T09:00:00Z'),
  })
  expect(JSON.parse(Events[0]?.CloudTrailEvent ?? '')).toMatchObject({
    eventName: 'CreateLogGroup',
    eventSource: 'logs.amazonaws.com',
    awsRegion: 'us-east-1',
    recipientAccountId: '000000000000',
    sourceIPAddress: '127.0.0.1',
    userIdentity: { type: 'Root', accountId: '000000000000' },
    requestParameters: { logGroupName: 'a' },
    errorCode: 'ResourceAlreadyExistsException',
    errorMessage: 'The specified log group already exists',
  })
})

test('by every attribute, one at a time', async () => {
  await create('a')
  await logs.send(new DescribeLogGroupsCommand({}))
  await logs.send(new DeleteLogGroupCommand({ logGroupName: 'a' }))
  expect(await names(by('EventName', 'CreateLogGroup'))).toEqual(['CreateLogGroup'])
  expect(await names({ ...by('ReadOnly', 'false') })).toEqual(['DeleteLogGroup', 'CreateLogGroup'])
  expect(await names(by('ResourceName', 'a'))).toEqual(['DeleteLogGroup', 'CreateLogGroup'])
  expect((await names(by('Username', 'root')))?.length).toBeGreaterThan(3)
  expect(await names(by('AccessKeyId', 'AKIANONE'))).toEqual([])
  const { Events } = await lookup(by('EventName', 'DeleteLogGroup'))
  expect(await names(by('EventId', Events?.[0]?.EventId ?? ''))).toEqual(['DeleteLogGroup'])
  const two = [...by('EventName', 'x').LookupAttributes, ...by('EventId', 'x').LookupAttributes]
  expect(await errorOf(lookup({ LookupAttributes: two }))).toBe('InvalidLookupAttributesException')
})

test('within times, back to 90 days', async () => {
  await create('a')
  await drydock.advance({ days: 1 })
  await create('b')
  const day = new Date('2026-11-24T00:00:00Z')
  const found = async (input: Partial<LookupEventsCommandInput>) =>
    (await lookup({ ...by('EventName', 'CreateLogGroup'), ...input })).Events?.length
  expect(await found({})).toBe(2)
  expect(await found({ StartTime: day })).toBe(1)
  expect(await found({ EndTime: day })).toBe(1)
  expect(await found({ StartTime: new Date('2026-11-23T09:00:00Z'), EndTime: new Date('2026-11-23T09:00:00Z') })).toBe(
    1,
  )
  expect(await errorOf(lookup({ StartTime: new Date('2026-11-25T00:00:00Z'), EndTime: day }))).toBe(
    'InvalidTimeRangeException',
  )
  await drydock.advance({ days: 89, hours: 1 })
  expect(await found({})).toBe(1)
})

test('what has left the history is forgotten', async () => {
  const audit = async () => (await drydock.server.kernel.append.range('audit/000000000000/us-east-1')).length
  const codecommit = drydock.client(CodeCommitClient)
  const repositoryName = 'web'
  await codecommit.send(new CreateRepositoryCommand({ repositoryName }))
  await codecommit.send(
    new PutFileCommand({ repositoryName, branchName: 'main', filePath: 'a', fileContent: Buffer.from('a') }),
  )
  await create('a')
  expect(await audit()).toBeGreaterThanOrEqual(2)
  await drydock.advance({ days: 92 })
  expect(await audit()).toBe(0)
})

test('in pages without a gap, the token bound to its question', async () => {
  for (let at = 0; at < 5; at++) await create(`g${at}`)
  const question = by('EventName', 'CreateLogGroup')
  const seen: string[] = []
  let token: string | undefined
  do {
    const page = await lookup({ ...question, MaxResults: 2, ...(token ? { NextToken: token } : {}) })
    for (const { CloudTrailEvent = '' } of page.Events ?? [])
      seen.push(JSON.parse(CloudTrailEvent).requestParameters.logGroupName)
    token = page.NextToken
  } while (token)
  expect(seen).toEqual(['g4', 'g3', 'g2', 'g1', 'g0'])
  const { NextToken } = await lookup({ ...question, MaxResults: 2 })
  expect(await errorOf(lookup({ NextToken: NextToken ?? '' }))).toBe('InvalidNextTokenException')
  expect(await errorOf(lookup({ NextToken: 'nonsense' }))).toBe('InvalidNextTokenException')
})

test('by the resources a call was about, not by what else it mentions', async () => {
  await create('a')
  await create('b')
  await logs.send(new CreateLogStreamCommand({ logGroupName: 'b', logStreamName: 'a' }))
  expect(await names(by('ResourceName', 'a'))).toEqual(['CreateLogGroup'])
  const { Events = [] } = await lookup(by('ResourceName', 'b'))
  expect(Events.map(({ EventName }) => EventName)).toEqual(['CreateLogStream', 'CreateLogGroup'])
  expect(Events[0]?.Resources).toEqual([{ ResourceType: 'AWS::Logs::LogGroup', ResourceName: 'b' }])
  const [{ CloudTrailEvent = '' } = {}] = Events
  expect(JSON.parse(CloudTrailEvent).resources).toEqual([
    {
      ARN: 'arn:aws:logs:us-east-1:000000000000:log-group:b:log-stream:a',
      accountId: '000000000000',
      type: 'AWS::Logs::LogGroup',
    },
  ])
  const reader = drydock.client(CloudWatchLogsClient, await drydock.user('reader'))
  await reader.send(new DeleteLogGroupCommand({ logGroupName: 'a' })).catch(() => undefined)
  expect(await names(by('ResourceName', 'a'))).toEqual(['DeleteLogGroup', 'CreateLogGroup'])
  expect(await names(by('ResourceType', 'AWS::IAM::User'))).toContain('CreateUser')
})

test('events of global services are in us-east-1, wherever they came from', async () => {
  const [here, far] = ['us-east-1', 'eu-west-1'].map((region) => drydock.client(CloudTrailClient, drydock.root, region))
  const iam = drydock.client(IAMClient, drydock.root, 'eu-west-1')
  const sts = drydock.client(STSClient, drydock.root, 'eu-west-1')
  await iam.send(new CreateUserCommand({ UserName: 'ana', Path: '/team/' }))
  await sts.send(new GetCallerIdentityCommand({}))
  const role = await drydock.role('builder', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: '000000000000' }, Action: 'sts:AssumeRole' }],
  })
  await sts.send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'session' })).catch(() => undefined)
  const found = async (client: CloudTrailClient | undefined, question: Partial<LookupEventsCommandInput>) =>
    (await client?.send(new LookupEventsCommand(question)))?.Events?.map(({ CloudTrailEvent = '' }) => {
      const { eventName, awsRegion } = JSON.parse(CloudTrailEvent)
      return `${eventName} ${awsRegion}`
    })
  expect(await found(here, by('ResourceName', 'ana'))).toEqual(['CreateUser us-east-1'])
  expect(await found(far, by('ResourceName', 'ana'))).toEqual([])
  expect(await found(far, by('EventName', 'GetCallerIdentity'))).toEqual(['GetCallerIdentity eu-west-1'])
  expect(await found(far, by('ResourceName', 'builder'))).toEqual(['AssumeRole eu-west-1'])
})

test('another region has a history of its own', async () => {
  await create('a')
  const elsewhere = drydock.client(CloudTrailClient, drydock.root, 'eu-west-1')
  const { Events } = await elsewhere.send(new LookupEventsCommand(by('EventName', 'CreateLogGroup')))
  expect(Events).toEqual([])
})
