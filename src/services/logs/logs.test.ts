import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  DeleteLogGroupCommand,
  DeleteResourcePolicyCommand,
  DeleteRetentionPolicyCommand,
  DescribeLogGroupsCommand,
  type DescribeLogGroupsCommandInput,
  DescribeLogStreamsCommand,
  type DescribeLogStreamsCommandInput,
  DescribeResourcePoliciesCommand,
  FilterLogEventsCommand,
  GetLogEventsCommand,
  ListTagsForResourceCommand,
  ListTagsLogGroupCommand,
  PutLogEventsCommand,
  PutLogGroupDeletionProtectionCommand,
  PutResourcePolicyCommand,
  PutRetentionPolicyCommand,
  TagLogGroupCommand,
  TagResourceCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let logs: CloudWatchLogsClient

beforeEach(async () => {
  drydock = await story()
  logs = drydock.client(CloudWatchLogsClient)
})
afterEach(() => drydock.close())

const own = (name: string) => `arn:aws:logs:us-east-1:000000000000:log-group:${name}`
const create = (...names: string[]) =>
  Promise.all(names.map((logGroupName) => logs.send(new CreateLogGroupCommand({ logGroupName }))))
const stream = (logGroupName: string, logStreamName: string) =>
  logs.send(new CreateLogStreamCommand({ logGroupName, logStreamName }))
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => `${(error as Error).name}: ${(error as Error).message}`,
  )

describe('log groups', () => {
  test('are made, listed by prefix, pattern and page, and deleted', async () => {
    await create('/app/a', '/app/b', '/web/APP', 'plain')
    const names = async (input: DescribeLogGroupsCommandInput) =>
      (await logs.send(new DescribeLogGroupsCommand(input))).logGroups?.map(({ logGroupName }) => logGroupName)
    expect(await names({})).toEqual(['/app/a', '/app/b', '/web/APP', 'plain'])
    expect(await names({ logGroupNamePrefix: '/app' })).toEqual(['/app/a', '/app/b'])
    await expect(names({ includeLinkedAccounts: true })).rejects.toMatchObject({ $metadata: { httpStatusCode: 501 } })
    expect(await names({ logGroupNamePattern: 'app' })).toEqual(['/app/a', '/app/b', '/web/APP'])
    const first = await logs.send(new DescribeLogGroupsCommand({ limit: 3 }))
    expect(first.logGroups?.[0]).toEqual({
      logGroupName: '/app/a',
      creationTime: drydock.clock.now().getTime(),
      metricFilterCount: 0,
      arn: `${own('/app/a')}:*`,
      logGroupArn: own('/app/a'),
      storedBytes: 0,
      logGroupClass: 'STANDARD',
      deletionProtectionEnabled: false,
    })
    expect(await names({ limit: 3, nextToken: first.nextToken ?? '' })).toEqual(['plain'])
    await logs.send(new DeleteLogGroupCommand({ logGroupName: 'plain' }))
    expect(await names({})).toHaveLength(3)
  })

  test('errors', async () => {
    await create('a')
    // prettier-ignore
    const calls: [Promise<unknown>, string][] = [
      [create('a'), 'ResourceAlreadyExistsException: The specified log group already exists'],
      [create('aws/x'), 'InvalidParameterException: Log groups starting with AWS/ are reserved for AWS.'],
      [create('a b'), 'InvalidParameterException'],
      [
        logs.send(new DeleteLogGroupCommand({ logGroupName: 'b' })),
        'ResourceNotFoundException: The specified log group does not exist.',
      ],
      [
        logs.send(new PutRetentionPolicyCommand({ logGroupName: 'a', retentionInDays: 2 })),
        "Value '2' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [1, 3, 5,",
      ],
      [
        logs.send(new PutRetentionPolicyCommand({ logGroupName: 'b', retentionInDays: 3 })),
        'ResourceNotFoundException',
      ],
      [
        logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: 'a', logGroupNamePattern: 'a' })),
        'InvalidParameterException: LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.',
      ],
      [
        logs.send(new DescribeLogGroupsCommand({ nextToken: '?' })),
        'InvalidParameterException: The specified nextToken is invalid.',
      ],
      [logs.send(new CreateLogGroupCommand({ logGroupName: 'k', kmsKeyId: own('key') })), 'NotImplemented'],
    ]
    for (const [call, expected] of calls) expect(await errorOf(call)).toContain(expected)
  })

  test('deletion protection', async () => {
    await create('a')
    const protect = (deletionProtectionEnabled: boolean) =>
      logs.send(new PutLogGroupDeletionProtectionCommand({ logGroupIdentifier: own('a'), deletionProtectionEnabled }))
    await protect(true)
    expect(await errorOf(logs.send(new DeleteLogGroupCommand({ logGroupName: 'a' })))).toContain('ValidationException')
    await protect(false)
    await logs.send(new DeleteLogGroupCommand({ logGroupName: 'a' }))
  })

  test('retention is set and taken away', async () => {
    await create('a')
    await logs.send(new PutRetentionPolicyCommand({ logGroupName: 'a', retentionInDays: 7 }))
    const shown = async () => (await logs.send(new DescribeLogGroupsCommand({}))).logGroups?.[0]?.retentionInDays
    expect(await shown()).toBe(7)
    await logs.send(new DeleteRetentionPolicyCommand({ logGroupName: 'a' }))
    expect(await shown()).toBeUndefined()
  })

  test('tags, by ARN and by name', async () => {
    await logs.send(new CreateLogGroupCommand({ logGroupName: 'a', tags: { one: '1' } }))
    await logs.send(new TagResourceCommand({ resourceArn: own('a'), tags: { two: '2' } }))
    await logs.send(new TagLogGroupCommand({ logGroupName: 'a', tags: { three: '3' } }))
    await logs.send(new UntagResourceCommand({ resourceArn: own('a'), tagKeys: ['one'] }))
    expect((await logs.send(new ListTagsForResourceCommand({ resourceArn: own('a') }))).tags).toEqual({
      two: '2',
      three: '3',
    })
    expect((await logs.send(new ListTagsLogGroupCommand({ logGroupName: 'a' }))).tags).toEqual({ two: '2', three: '3' })
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`k${at}`, '']))
    expect(await errorOf(logs.send(new TagResourceCommand({ resourceArn: own('a'), tags: many })))).toContain(
      'TooManyTagsException',
    )
  })
})

describe('log streams', () => {
  test('list by name and by last event, both ways, in pages', async () => {
    await create('g')
    const now = drydock.clock.now().getTime()
    for (const [name, offset] of [
      ['a', 3],
      ['b', 1],
      ['c', 2],
    ] as const) {
      await stream('g', name)
      await logs.send(
        new PutLogEventsCommand({
          logGroupName: 'g',
          logStreamName: name,
          logEvents: [{ timestamp: now + offset, message: 'm' }],
        }),
      )
    }
    await stream('g', 'empty')
    const names = async (input: Partial<DescribeLogStreamsCommandInput>) => {
      const seen: (string | undefined)[] = []
      let nextToken: string | undefined
      do {
        const page = await logs.send(
          new DescribeLogStreamsCommand({ logGroupName: 'g', limit: 2, ...input, ...(nextToken ? { nextToken } : {}) }),
        )
        seen.push(...(page.logStreams ?? []).map(({ logStreamName }) => logStreamName))
        nextToken = page.nextToken
      } while (nextToken)
      return seen.join()
    }
    expect(await names({})).toBe('a,b,c,empty')
    expect(await names({ descending: true })).toBe('empty,c,b,a')
    expect(await names({ orderBy: 'LastEventTime' })).toBe('empty,b,c,a')
    expect(await names({ orderBy: 'LastEventTime', descending: true })).toBe('a,c,b,empty')
    expect(await names({ logStreamNamePrefix: 'e' })).toBe('empty')
    expect(await errorOf(names({ orderBy: 'LastEventTime', logStreamNamePrefix: 'e' }))).toBe(
      'InvalidParameterException: Cannot order by LastEventTime with a logStreamNamePrefix.',
    )
    const { logStreams } = await logs.send(new DescribeLogStreamsCommand({ logGroupIdentifier: own('g'), limit: 1 }))
    expect(logStreams?.[0]).toMatchObject({
      arn: `${own('g')}:log-stream:a`,
      firstEventTimestamp: now + 3,
      lastEventTimestamp: now + 3,
      lastIngestionTime: now,
    })
    expect(await errorOf(stream('g', 'a'))).toBe(
      'ResourceAlreadyExistsException: The specified log stream already exists',
    )
    expect(await errorOf(stream('none', 'a'))).toBe(
      'ResourceNotFoundException: The specified log group does not exist.',
    )
  })
})

describe('who may', () => {
  test('policies name what is in a group with `:*`, as CodeBuild roles do', async () => {
    const alice = drydock.client(
      CloudWatchLogsClient,
      await drydock.user('alice', [
        allow(
          ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
          [own('/aws/codebuild/web'), `${own('/aws/codebuild/web')}:*`],
        ),
        allow('logs:GetLogEvents', `${own('/aws/codebuild/web')}:log-stream:mine`),
      ]),
    )
    const at = { logGroupName: '/aws/codebuild/web', logStreamName: 'mine' }
    await alice.send(new CreateLogGroupCommand({ logGroupName: at.logGroupName }))
    await alice.send(new CreateLogStreamCommand(at))
    await alice.send(
      new PutLogEventsCommand({ ...at, logEvents: [{ timestamp: drydock.clock.now().getTime(), message: 'm' }] }),
    )
    expect((await alice.send(new GetLogEventsCommand(at))).events).toHaveLength(1)
    expect(await errorOf(alice.send(new CreateLogGroupCommand({ logGroupName: 'other' })))).toBe(
      `AccessDeniedException: User: arn:aws:iam::000000000000:user/alice is not authorized to perform: logs:CreateLogGroup on resource: ${own('other')}:log-stream: because no identity-based policy allows the logs:CreateLogGroup action`,
    )
    await alice.send(new CreateLogStreamCommand({ ...at, logStreamName: 'other' }))
    expect(await errorOf(alice.send(new GetLogEventsCommand({ ...at, logStreamName: 'other' })))).toContain(
      'AccessDeniedException',
    )
    expect(await errorOf(alice.send(new FilterLogEventsCommand({ logGroupName: at.logGroupName })))).toContain(
      'AccessDeniedException',
    )
  })

  test('by tags of the group', async () => {
    await logs.send(new CreateLogGroupCommand({ logGroupName: 'red', tags: { team: 'red' } }))
    await logs.send(new CreateLogGroupCommand({ logGroupName: 'blue', tags: { team: 'blue' } }))
    const policy = allow('logs:FilterLogEvents', '*', { StringEquals: { 'aws:ResourceTag/team': 'red' } })
    const alice = drydock.client(CloudWatchLogsClient, await drydock.user('alice', [policy]))
    expect((await alice.send(new FilterLogEventsCommand({ logGroupName: 'red' }))).events).toEqual([])
    expect(await errorOf(alice.send(new FilterLogEventsCommand({ logGroupName: 'blue' })))).toContain(
      'AccessDeniedException',
    )
  })

  test('resource policies are kept, listed and deleted', async () => {
    const policyDocument = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'logs:*', Resource: '*' }],
    })
    await logs.send(new PutResourcePolicyCommand({ policyName: 'p', policyDocument }))
    expect((await logs.send(new DescribeResourcePoliciesCommand({}))).resourcePolicies).toMatchObject([
      { policyName: 'p', policyDocument },
    ])
    await logs.send(new DeleteResourcePolicyCommand({ policyName: 'p' }))
    expect(await errorOf(logs.send(new DeleteResourcePolicyCommand({ policyName: 'p' })))).toContain(
      'ResourceNotFoundException',
    )
    expect(await errorOf(logs.send(new PutResourcePolicyCommand({ policyName: 'p', policyDocument: '{' })))).toContain(
      'InvalidParameterException',
    )
  })
})
