import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  FilterLogEventsCommand,
  PutResourcePolicyCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import {
  BatchGetBuildsCommand,
  CodeBuildClient,
  CreateProjectCommand,
  ListBuildsForProjectCommand,
} from '@aws-sdk/client-codebuild'
import { CodeCommitClient, CreateRepositoryCommand } from '@aws-sdk/client-codecommit'
import {
  CreateEventBusCommand,
  DescribeEventBusCommand,
  EventBridgeClient,
  PutEventsCommand,
  PutPermissionCommand,
  PutRuleCommand,
  PutTargetsCommand,
  RemovePermissionCommand,
} from '@aws-sdk/client-eventbridge'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let events: EventBridgeClient

beforeEach(async () => {
  drydock = await story()
  events = drydock.client(EventBridgeClient)
})
afterEach(() => drydock.close())

const group = '/aws/events/seen'
const arn = (service: string, resource: string) => `arn:aws:${service}:us-east-1:000000000000:${resource}`
const rule = (Name: string, pattern: unknown) =>
  events.send(new PutRuleCommand({ Name, EventPattern: JSON.stringify(pattern) }))
const send = (client: EventBridgeClient, Source: string, EventBusName?: string) =>
  client.send(
    new PutEventsCommand({ Entries: [{ Source, DetailType: 'Test', Detail: '{"branch":"main"}', EventBusName }] }),
  )
const openGroup = async (story: Story) => {
  const logs = story.client(CloudWatchLogsClient)
  await logs.send(new CreateLogGroupCommand({ logGroupName: group }))
  const policyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'logs:*', Resource: '*' }],
  })
  await logs.send(new PutResourcePolicyCommand({ policyName: 'events', policyDocument }))
}
const seen = async (story: Story) => {
  await story.settled()
  const { events: found = [] } = await story
    .client(CloudWatchLogsClient)
    .send(new FilterLogEventsCommand({ logGroupName: group }))
  return found.map(({ message = '' }) => message)
}
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => `${(error as Error).name}: ${(error as Error).message}`,
  )

const project = async () => {
  const codebuild = drydock.client(CodeBuildClient)
  const serviceRole = await drydock.role('build', 'codebuild.amazonaws.com', [allow('logs:*')])
  await codebuild.send(
    new CreateProjectCommand({
      name: 'web',
      serviceRole,
      source: { type: 'NO_SOURCE', buildspec: 'version: 0.2\nphases:\n  build:\n    commands: ["true"]' },
      artifacts: { type: 'NO_ARTIFACTS' },
      environment: {
        type: 'LINUX_CONTAINER',
        image: 'aws/codebuild/standard:7.0',
        computeType: 'BUILD_GENERAL1_SMALL',
      },
    }),
  )
  return async () => {
    await drydock.settled()
    const { ids = [] } = await codebuild.send(new ListBuildsForProjectCommand({ projectName: 'web' }))
    return ids.length === 0 ? [] : ((await codebuild.send(new BatchGetBuildsCommand({ ids }))).builds ?? [])
  }
}

test('an event starts a build under the role of the target, once, with the input it words', async () => {
  const builds = await project()
  const RoleArn = await drydock.role('start', 'events.amazonaws.com', [
    allow('codebuild:StartBuild', arn('codebuild', 'project/web')),
  ])
  await rule('build', { source: ['shop'] })
  const InputTransformer = {
    InputPathsMap: { branch: '$.detail.branch' },
    InputTemplate: '{"environmentVariablesOverride": [{"name": "BRANCH", "value": <branch>}]}',
  }
  await events.send(
    new PutTargetsCommand({
      Rule: 'build',
      Targets: [{ Id: 'web', Arn: arn('codebuild', 'project/web'), RoleArn, InputTransformer }],
    }),
  )
  await send(events, 'shop')
  const started = await builds()
  expect(started).toHaveLength(1)
  expect(started[0]?.initiator).toContain('start')
  expect(started[0]?.environment?.environmentVariables).toMatchObject([{ name: 'BRANCH', value: 'main' }])
})

test('a role that may not start the build, or does not trust EventBridge, starts none; the log names the denial', async () => {
  const builds = await project()
  const powerless = await drydock.role('powerless', 'events.amazonaws.com')
  const stranger = await drydock.role('stranger', 'ec2.amazonaws.com', [allow('codebuild:StartBuild')])
  await rule('build', { source: ['shop'] })
  const Arn = arn('codebuild', 'project/web')
  const Targets = [
    { Id: 'a', Arn, RoleArn: powerless },
    { Id: 'b', Arn, RoleArn: stranger },
  ]
  await events.send(new PutTargetsCommand({ Rule: 'build', Targets }))
  await send(events, 'shop')
  expect(await builds()).toEqual([])
  expect(drydock.logged.join('\n')).toMatch(/gave up.*not authorized to perform: codebuild:StartBuild/)
  expect(drydock.logged.join('\n')).toMatch(/gave up.*sts:AssumeRole/)
})

test('naming a role needs iam:PassRole', async () => {
  const RoleArn = await drydock.role('start', 'events.amazonaws.com')
  await rule('build', { source: ['shop'] })
  const alice = drydock.client(EventBridgeClient, await drydock.user('alice', [allow('events:*')]))
  const put = new PutTargetsCommand({
    Rule: 'build',
    Targets: [{ Id: 'a', Arn: arn('codebuild', 'project/web'), RoleArn }],
  })
  expect(await errorOf(alice.send(put))).toMatch(
    /AccessDenied.*not authorized to perform: iam:PassRole on resource: .*role\/start/,
  )
  const condition = { StringEquals: { 'iam:PassedToService': 'events.amazonaws.com' } }
  const policies = [allow('events:*'), allow('iam:PassRole', RoleArn, condition)]
  const bob = drydock.client(EventBridgeClient, await drydock.user('bob', policies))
  await bob.send(put)
})

test('events of services take the same way', async () => {
  await openGroup(drydock)
  await rule('all', { source: [{ prefix: 'aws.' }] })
  await events.send(
    new PutTargetsCommand({ Rule: 'all', Targets: [{ Id: 'a', Arn: arn('logs', `log-group:${group}`) }] }),
  )
  const builds = await project()
  await drydock.client(CodeCommitClient).send(new CreateRepositoryCommand({ repositoryName: 'web' }))
  const RoleArn = await drydock.role('start', 'events.amazonaws.com', [allow('codebuild:StartBuild')])
  await rule('build', { source: ['shop'] })
  await events.send(
    new PutTargetsCommand({ Rule: 'build', Targets: [{ Id: 'a', Arn: arn('codebuild', 'project/web'), RoleArn }] }),
  )
  await send(events, 'shop')
  expect(await builds()).toHaveLength(1)
  const states = (await seen(drydock))
    .map((message) => JSON.parse(message))
    .filter((event) => event['detail-type'] === 'CodeBuild Build State Change')
  expect(states[0]).toMatchObject({
    version: '0',
    'detail-type': 'CodeBuild Build State Change',
    account: '000000000000',
    region: 'us-east-1',
  })
})

test('who may put which events on a bus', async () => {
  await openGroup(drydock)
  await rule('in', { source: ['shop'] })
  await events.send(
    new PutTargetsCommand({ Rule: 'in', Targets: [{ Id: 'a', Arn: arn('logs', `log-group:${group}`) }] }),
  )
  await events.send(new CreateEventBusCommand({ Name: 'shut' }))
  const alice = drydock.client(
    EventBridgeClient,
    await drydock.user('alice', [
      allow('events:PutEvents', arn('events', 'event-bus/default'), { StringEquals: { 'events:source': 'shop' } }),
    ]),
  )
  await send(alice, 'shop')
  expect(await errorOf(send(alice, 'other'))).toContain('not authorized to perform: events:PutEvents')
  expect(await errorOf(send(alice, 'shop', 'shut'))).toContain('not authorized to perform: events:PutEvents')
  expect(await seen(drydock)).toHaveLength(1)
})

test('a bus policy admits another account, whose event keeps its own', async () => {
  const trusting = await story({ config: { auth: 'trust' } })
  try {
    await openGroup(trusting)
    const own = trusting.client(EventBridgeClient)
    const partner = trusting.client(EventBridgeClient, { accessKeyId: '111111111111', secretAccessKey: 'x' })
    await own.send(new PutRuleCommand({ Name: 'in', EventPattern: '{"source":["shop"]}' }))
    await own.send(
      new PutTargetsCommand({ Rule: 'in', Targets: [{ Id: 'a', Arn: arn('logs', `log-group:${group}`) }] }),
    )
    const bus = arn('events', 'event-bus/default')
    expect(await errorOf(send(partner, 'shop', bus))).toContain('not authorized to perform: events:PutEvents')
    await own.send(
      new PutPermissionCommand({ Action: 'events:PutEvents', Principal: '111111111111', StatementId: 'partner' }),
    )
    await send(partner, 'shop', bus)
    await partner.send(new PutRuleCommand({ Name: 'out', EventPattern: '{"source":["forward"]}' }))
    await partner.send(new PutTargetsCommand({ Rule: 'out', Targets: [{ Id: 'bus', Arn: bus }] }))
    await own.send(new PutRuleCommand({ Name: 'in', EventPattern: '{"source":["shop", "forward"]}' }))
    await send(partner, 'forward')
    const accounts = (await seen(trusting))
      .map((message) => JSON.parse(message))
      .map(({ source, account }) => `${source} ${account}`)
    expect(accounts.toSorted()).toEqual(['forward 111111111111', 'shop 111111111111'])
  } finally {
    await trusting.close()
  }
})

test('permissions of a bus are shown and taken away', async () => {
  await events.send(
    new PutPermissionCommand({ Action: 'events:PutEvents', Principal: '111111111111', StatementId: 'partner' }),
  )
  const { Policy = '' } = await events.send(new DescribeEventBusCommand({}))
  expect(JSON.parse(Policy).Statement).toEqual([
    {
      Sid: 'partner',
      Effect: 'Allow',
      Principal: { AWS: 'arn:aws:iam::111111111111:root' },
      Action: 'events:PutEvents',
      Resource: arn('events', 'event-bus/default'),
    },
  ])
  await events.send(new RemovePermissionCommand({ StatementId: 'partner' }))
  expect((await events.send(new DescribeEventBusCommand({}))).Policy).toBeUndefined()
  expect(await errorOf(events.send(new RemovePermissionCommand({ StatementId: 'partner' })))).toContain(
    'ResourceNotFoundException',
  )
})

test('a log group may admit one rule only', async () => {
  await openGroup(drydock)
  const policyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service: 'events.amazonaws.com' },
        Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        Resource: arn('logs', `log-group:${group}:*`),
        Condition: { ArnEquals: { 'aws:SourceArn': arn('events', 'rule/good') } },
      },
    ],
  })
  await drydock
    .client(CloudWatchLogsClient)
    .send(new PutResourcePolicyCommand({ policyName: 'events', policyDocument }))
  for (const name of ['good', 'bad']) {
    await rule(name, { source: ['shop'] })
    const Targets = [{ Id: 'a', Arn: arn('logs', `log-group:${group}`), Input: `"${name}"` }]
    await events.send(new PutTargetsCommand({ Rule: name, Targets }))
  }
  await send(events, 'shop')
  expect(await seen(drydock)).toEqual(['"good"'])
})

test('what was accepted is delivered after a restart', async () => {
  let durable = await story({ durable: true })
  try {
    await openGroup(durable)
    const client = durable.client(EventBridgeClient)
    await client.send(new PutRuleCommand({ Name: 'r', EventPattern: '{"source":["shop"]}' }))
    await client.send(
      new PutTargetsCommand({ Rule: 'r', Targets: [{ Id: 'a', Arn: arn('logs', `log-group:${group}`) }] }),
    )
    await Promise.all(Array.from({ length: 20 }, () => send(client, 'shop')))
    durable = await durable.restart()
    const ids = new Set((await seen(durable)).map((message) => JSON.parse(message).id))
    expect(ids.size).toBe(20)
  } finally {
    await durable.close()
  }
})
