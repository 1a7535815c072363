import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch'
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  FilterLogEventsCommand,
  PutResourcePolicyCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import {
  CreateEventBusCommand,
  DeleteEventBusCommand,
  DeleteRuleCommand,
  DescribeEventBusCommand,
  DescribeRuleCommand,
  DisableRuleCommand,
  EnableRuleCommand,
  EventBridgeClient,
  ListEventBusesCommand,
  ListRuleNamesByTargetCommand,
  ListRulesCommand,
  ListTagsForResourceCommand,
  ListTargetsByRuleCommand,
  PutEventsCommand,
  PutRuleCommand,
  type PutRuleCommandInput,
  PutTargetsCommand,
  RemoveTargetsCommand,
  TagResourceCommand,
  type Target,
  TestEventPatternCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-eventbridge'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let events: EventBridgeClient
let logs: CloudWatchLogsClient

const group = '/aws/events/seen'
const groupArn = `arn:aws:logs:us-east-1:000000000000:log-group:${group}`
const bus = (name: string) => `arn:aws:events:us-east-1:000000000000:event-bus/${name}`
const toGroup: Target = { Id: 'logs', Arn: groupArn }

beforeEach(async () => {
  drydock = await story()
  events = drydock.client(EventBridgeClient)
  logs = drydock.client(CloudWatchLogsClient)
})
afterEach(() => drydock.close())

/** A log group that EventBridge may write to. */
const openGroup = async () => {
  await logs.send(new CreateLogGroupCommand({ logGroupName: group }))
  const statement = {
    Effect: 'Allow',
    Principal: { Service: ['events.amazonaws.com', 'delivery.logs.amazonaws.com'] },
    Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    Resource: `arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/*:*`,
  }
  const policyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
  await logs.send(new PutResourcePolicyCommand({ policyName: 'events', policyDocument }))
}
const rule = (Name: string, pattern: unknown, more: Partial<PutRuleCommandInput> = {}) =>
  events.send(new PutRuleCommand({ Name, EventPattern: JSON.stringify(pattern), ...more }))
const target = (Rule: string, ...Targets: Target[]) => events.send(new PutTargetsCommand({ Rule, Targets }))
const send = (Source: string, detail: unknown, EventBusName?: string) =>
  events.send(
    new PutEventsCommand({
      Entries: [
        {
          Source,
          DetailType: 'Test',
          Detail: JSON.stringify(detail),
          Resources: ['arn:1'],
          ...(EventBusName ? { EventBusName } : {}),
        },
      ],
    }),
  )
const seen = async (): Promise<string[]> => {
  await drydock.settled()
  const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName: group }))
  return events.map(({ message = '' }) => message)
}
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => `${(error as Error).name}: ${(error as Error).message}`,
  )

describe('delivery', () => {
  beforeEach(openGroup)

  test('an event reaches the targets of the rules that match, in its envelope', async () => {
    await rule('orders', { source: ['shop'], detail: { total: [{ numeric: ['>', 10] }] } })
    await target('orders', toGroup)
    await send('shop', { total: 5 })
    const { Entries } = await send('shop', { total: 50 })
    const messages = await seen()
    expect(messages.map((message) => JSON.parse(message))).toEqual([
      {
        version: '0',
        id: Entries?.[0]?.EventId,
        'detail-type': 'Test',
        source: 'shop',
        account: '000000000000',
        time: `${drydock.clock.now().toISOString().slice(0, 19)}Z`,
        region: 'us-east-1',
        resources: ['arn:1'],
        detail: { total: 50 },
      },
    ])
  })

  test('targets get what they asked for: constant, part, template', async () => {
    await rule('all', { source: ['shop'] })
    await target(
      'all',
      { ...toGroup, Id: 'a', Input: '{"fixed":true}' },
      { ...toGroup, Id: 'b', InputPath: '$.detail.order' },
      {
        ...toGroup,
        Id: 'c',
        InputTransformer: {
          InputPathsMap: { order: '$.detail.order.id' },
          InputTemplate: '"Order <order> by <aws.events.rule-name>"',
        },
      },
      {
        ...toGroup,
        Id: 'd',
        InputTransformer: {
          InputPathsMap: { time: '$.time', order: '$.detail.order.id' },
          InputTemplate: '{"timestamp": <time>, "message": "worded <order>"}',
        },
      },
    )
    await send('shop', { order: { id: 7 } })
    expect((await seen()).toSorted()).toEqual(['"Order 7 by all"', 'worded 7', '{"fixed":true}', '{"id":7}'])
  })

  test('a rule switched off sees nothing until it is on again', async () => {
    await rule('off', { source: ['shop'] })
    await target('off', toGroup)
    await events.send(new DisableRuleCommand({ Name: 'off' }))
    await send('shop', { n: 1 })
    expect(await seen()).toEqual([])
    await events.send(new EnableRuleCommand({ Name: 'off' }))
    await send('shop', { n: 2 })
    expect(await seen()).toHaveLength(1)
  })

  test('buses keep events apart; a bus can be a target, one hop far', async () => {
    for (const Name of ['one', 'two', 'three']) await events.send(new CreateEventBusCommand({ Name }))
    for (const [from, to] of [
      ['one', 'two'],
      ['two', 'three'],
      ['three', 'one'],
    ] as const) {
      await rule('on', { source: ['shop'] }, { EventBusName: from })
      await events.send(
        new PutTargetsCommand({
          Rule: 'on',
          EventBusName: from,
          Targets: [
            { Id: 'bus', Arn: bus(to) },
            { ...toGroup, Input: `"on ${from}"` },
          ],
        }),
      )
    }
    await rule('default', { source: ['shop'] })
    await target('default', { ...toGroup, Input: '"on default"' })
    await send('shop', {}, 'one')
    expect((await seen()).toSorted()).toEqual(['"on one"', '"on two"'])
    await send('shop', {}, bus('three'))
    expect((await seen()).toSorted()).toEqual(['"on one"', '"on one"', '"on three"', '"on two"'])
  })

  test('a schedule fires on the clock, cron and rate, until it is switched off', async () => {
    const { RuleArn } = await events.send(new PutRuleCommand({ Name: 'often', ScheduleExpression: 'rate(5 minutes)' }))
    await target('often', toGroup)
    await drydock.advance({ minutes: 4 })
    expect(await seen()).toEqual([])
    await drydock.advance({ minutes: 7 })
    const messages = (await seen()).map((message) => JSON.parse(message))
    expect(messages).toHaveLength(2)
    expect(messages[0]).toMatchObject({
      'detail-type': 'Scheduled Event',
      source: 'aws.events',
      time: '2026-11-23T09:05:00Z',
      resources: [RuleArn],
      detail: {},
    })
    await events.send(new DisableRuleCommand({ Name: 'often' }))
    await events.send(new PutRuleCommand({ Name: 'noon', ScheduleExpression: 'cron(0 12 * * ? *)' }))
    await target('noon', { ...toGroup, Input: '"noon"' })
    await drydock.advance({ hours: 27 })
    expect((await seen()).slice(2)).toEqual(['"noon"', '"noon"'])
  })

  test('metrics tell what happened', async () => {
    await rule('counted', { source: ['shop'] })
    await target('counted', toGroup)
    await send('shop', {})
    await send('shop', {})
    await drydock.settled()
    const { Datapoints } = await drydock.client(CloudWatchClient).send(
      new GetMetricStatisticsCommand({
        Namespace: 'AWS/Events',
        MetricName: 'Invocations',
        Dimensions: [{ Name: 'RuleName', Value: 'counted' }],
        StartTime: new Date(drydock.clock.now().getTime() - 60_000),
        EndTime: new Date(drydock.clock.now().getTime() + 60_000),
        Period: 60,
        Statistics: ['Sum'],
      }),
    )
    expect(Datapoints?.[0]?.Sum).toBe(2)
  })
})

test('a target that EventBridge may not use gets nothing, and the log says why', async () => {
  await logs.send(new CreateLogGroupCommand({ logGroupName: group }))
  await rule('shut', { source: ['shop'] })
  await target('shut', toGroup)
  await send('shop', {})
  expect(await seen()).toEqual([])
  expect(drydock.logged.join()).toContain('EventBridge gave up delivering an event')
  expect(drydock.logged.join()).toContain('AccessDenied')
})

describe('PutEvents', () => {
  test('bad entries fail one by one', async () => {
    const { Entries, FailedEntryCount } = await events.send(
      new PutEventsCommand({
        Entries: [
          { DetailType: 'T', Detail: '{}' },
          { Source: 's', Detail: '{}' },
          { Source: 's', DetailType: 'T' },
          { Source: 's', DetailType: 'T', Detail: '[1]' },
          { Source: 's', DetailType: 'T', Detail: '{' },
          { Source: 'aws.ec2', DetailType: 'T', Detail: '{}' },
          { Source: 's', DetailType: 'T', Detail: `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}` },
          { Source: 's', DetailType: 'T', Detail: '{}' },
        ],
      }),
    )
    expect(FailedEntryCount).toBe(7)
    expect(Entries?.map(({ ErrorCode }) => ErrorCode)).toEqual([
      'InvalidArgument',
      'InvalidArgument',
      'InvalidArgument',
      'MalformedDetail',
      'MalformedDetail',
      'NotAuthorizedForSourceException',
      'MalformedDetail',
      undefined,
    ])
    expect(Entries?.[0]?.ErrorMessage).toBe('Parameter Source is not valid. Reason: Source is a required argument.')
    expect(Entries?.[7]?.EventId).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('a request over 1 MB is refused', async () => {
    const entry = { Source: 's', DetailType: 'T', Detail: JSON.stringify({ a: 'x'.repeat(600_000) }) }
    expect(await errorOf(events.send(new PutEventsCommand({ Entries: [entry, entry] })))).toBe(
      'ValidationException: Total size of the entries in the request is over the limit.',
    )
  })
})

describe('TestEventPattern', () => {
  const event = {
    id: '1',
    account: '1',
    source: 'a',
    time: 't',
    region: 'r',
    resources: [],
    'detail-type': 'd',
    detail: { a: 1 },
  }
  const ask = (pattern: string, Event = JSON.stringify(event)) =>
    events.send(new TestEventPatternCommand({ EventPattern: pattern, Event }))

  test('answers yes and no', async () => {
    expect((await ask('{"detail":{"a":[1]}}')).Result).toBe(true)
    expect((await ask('{"detail":{"a":[2]}}')).Result).toBe(false)
  })
  test('refuses what is no pattern and what is no event', async () => {
    expect(await errorOf(ask('{"a":"b"}'))).toBe(
      'InvalidEventPatternException: Event pattern is not valid. Reason: "a" must be an object or an array',
    )
    expect(await errorOf(ask('{"a":["b"]}', '{"id":"1"}'))).toContain(
      'ValidationException: Parameter Event is not valid.',
    )
  })
})

describe('rules and targets', () => {
  test('live their life', async () => {
    const put = await rule('r1', { source: ['a'] }, { Description: 'first', Tags: [{ Key: 'k', Value: 'v' }] })
    expect(put.RuleArn).toBe('arn:aws:events:us-east-1:000000000000:rule/r1')
    await rule('r2', { source: ['b'] }, { State: 'DISABLED' })
    expect(await events.send(new DescribeRuleCommand({ Name: 'r1' }))).toMatchObject({
      Name: 'r1',
      EventPattern: '{"source":["a"]}',
      State: 'ENABLED',
      Description: 'first',
      EventBusName: 'default',
    })
    const listed = await events.send(new ListRulesCommand({ Limit: 1 }))
    expect(listed.Rules?.map(({ Name }) => Name)).toEqual(['r1'])
    const rest = await events.send(new ListRulesCommand({ NextToken: listed.NextToken ?? '' }))
    expect(rest.Rules?.map(({ Name, State }) => [Name, State])).toEqual([['r2', 'DISABLED']])

    await target('r1', toGroup, { Id: 'bus', Arn: bus('default'), RetryPolicy: { MaximumRetryAttempts: 2 } })
    expect((await events.send(new ListTargetsByRuleCommand({ Rule: 'r1' }))).Targets).toEqual([
      { Id: 'bus', Arn: bus('default'), RetryPolicy: { MaximumRetryAttempts: 2 } },
      toGroup,
    ])
    expect((await events.send(new ListRuleNamesByTargetCommand({ TargetArn: groupArn }))).RuleNames).toEqual(['r1'])
    expect(await errorOf(events.send(new DeleteRuleCommand({ Name: 'r1' })))).toBe(
      "ValidationException: Rule can't be deleted since it has targets.",
    )
    await events.send(new RemoveTargetsCommand({ Rule: 'r1', Ids: ['logs', 'bus'] }))
    await events.send(new DeleteRuleCommand({ Name: 'r1' }))
    await events.send(new DeleteRuleCommand({ Name: 'r1' }))
    expect(await errorOf(events.send(new DescribeRuleCommand({ Name: 'r1' })))).toBe(
      'ResourceNotFoundException: Rule r1 does not exist on EventBus default.',
    )
  })

  test('tags', async () => {
    const { RuleArn: ResourceARN = '' } = await rule('tagged', { source: ['a'] }, { Tags: [{ Key: 'a', Value: '1' }] })
    await events.send(new TagResourceCommand({ ResourceARN, Tags: [{ Key: 'b', Value: '2' }] }))
    await events.send(new UntagResourceCommand({ ResourceARN, TagKeys: ['a'] }))
    expect((await events.send(new ListTagsForResourceCommand({ ResourceARN }))).Tags).toEqual([
      { Key: 'b', Value: '2' },
    ])
    expect(await errorOf(events.send(new ListTagsForResourceCommand({ ResourceARN: `${ResourceARN}x` })))).toContain(
      'ResourceNotFoundException',
    )
  })

  test('what AWS refuses is refused and stores nothing', async () => {
    await rule('r', { source: ['a'] })
    const pipeline = 'arn:aws:codepipeline:us-east-1:000000000000:p'
    // prettier-ignore
    const calls: [Promise<unknown>, string][] = [
      [
        events.send(new PutRuleCommand({ Name: 'x' })),
        'ValidationException: Parameter(s) EventPattern or ScheduleExpression must be specified.',
      ],
      [
        rule('x', {}),
        'InvalidEventPatternException: Event pattern is not valid. Reason: Empty objects are not allowed',
      ],
      [
        events.send(new PutRuleCommand({ Name: 'x', ScheduleExpression: 'rate(1 minutes)' })),
        'ValidationException: Parameter ScheduleExpression is not valid.',
      ],
      [
        rule('x', { source: ['a'] }, { EventBusName: 'none' }),
        'ResourceNotFoundException: Event bus none does not exist.',
      ],
      [target('none', toGroup), 'ResourceNotFoundException: Rule none does not exist on EventBus default.'],
      [
        target('r', { Id: 'a', Arn: 'nonsense' }),
        'ValidationException: Parameter Arn is not valid. Reason: Provided Arn is not in correct format.',
      ],
      [
        target('r', { Id: 'a', Arn: 'arn:aws:lambda:us-east-1:000000000000:function:f' }),
        'ValidationException: Parameter Arn is not valid. Reason: Drydock delivers events to CodePipeline pipelines, CodeBuild projects, CloudWatch Logs groups and event buses, not to arn:aws:lambda:us-east-1:000000000000:function:f.',
      ],
      [target('r', { Id: 'a', Arn: pipeline }), `ValidationException: RoleArn is required for target ${pipeline}.`],
      [
        target('r', toGroup, { ...toGroup, Id: 'a', Input: '{' }),
        'ValidationException: JSON syntax error in input for target a : {',
      ],
      [
        target('r', { ...toGroup, Input: '1', InputPath: '$' }),
        'ValidationException: Only one of Input, InputPath, or InputTransformer must be provided for target logs.',
      ],
      [
        target('r', { ...toGroup, InputTransformer: { InputTemplate: '"<x>"' } }),
        'ValidationException: InputTemplate for target logs contains invalid placeholder x.',
      ],
      [
        target('r', ...[1, 2, 3, 4, 5, 6].map((at) => ({ ...toGroup, Id: `${at}` }))),
        'LimitExceededException: The requested resource exceeds the maximum number allowed.',
      ],
    ]
    for (const [call, expected] of calls) expect(await errorOf(call)).toBe(expected)
    expect((await events.send(new ListTargetsByRuleCommand({ Rule: 'r' }))).Targets).toEqual([])
    expect((await events.send(new ListRulesCommand({}))).Rules).toHaveLength(1)
  })
})

test('buses live their life; the default bus is always there', async () => {
  expect((await events.send(new DescribeEventBusCommand({}))).Arn).toBe(bus('default'))
  await events.send(new CreateEventBusCommand({ Name: 'apps', Description: 'of apps' }))
  expect(await errorOf(events.send(new CreateEventBusCommand({ Name: 'apps' })))).toBe(
    'ResourceAlreadyExistsException: Event bus apps already exists.',
  )
  expect(await errorOf(events.send(new CreateEventBusCommand({ Name: 'default' })))).toContain(
    'ResourceAlreadyExistsException',
  )
  expect((await events.send(new ListEventBusesCommand({}))).EventBuses?.map(({ Name }) => Name)).toEqual([
    'apps',
    'default',
  ])
  await rule('r', { source: ['a'] }, { EventBusName: 'apps' })
  expect(await errorOf(events.send(new DeleteEventBusCommand({ Name: 'apps' })))).toBe(
    "ValidationException: Event bus can't be deleted since it has rules.",
  )
  await events.send(new DeleteRuleCommand({ Name: 'r', EventBusName: 'apps' }))
  await events.send(new DeleteEventBusCommand({ Name: 'apps' }))
  expect(await errorOf(events.send(new DescribeEventBusCommand({ Name: 'apps' })))).toBe(
    'ResourceNotFoundException: Event bus apps does not exist.',
  )
  expect(await errorOf(events.send(new DeleteEventBusCommand({ Name: 'default' })))).toBe(
    'ValidationException: Cannot delete event bus default.',
  )
})
