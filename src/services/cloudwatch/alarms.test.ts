import {
  CloudWatchClient,
  DeleteAlarmsCommand,
  DescribeAlarmHistoryCommand,
  type DescribeAlarmHistoryCommandInput,
  DescribeAlarmsCommand,
  type DescribeAlarmsCommandInput,
  DescribeAlarmsForMetricCommand,
  DisableAlarmActionsCommand,
  EnableAlarmActionsCommand,
  ListTagsForResourceCommand,
  PutCompositeAlarmCommand,
  type PutCompositeAlarmCommandInput,
  PutMetricAlarmCommand,
  type PutMetricAlarmCommandInput,
  PutMetricDataCommand,
  SetAlarmStateCommand,
  TagResourceCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-cloudwatch'
import { DescribeImagesCommand, DescribeInstancesCommand, EC2Client, RunInstancesCommand } from '@aws-sdk/client-ec2'
import { GetRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'

let drydock: Story
let cloudwatch: CloudWatchClient

beforeEach(async () => {
  drydock = await story({ durable: true })
  cloudwatch = drydock.client(CloudWatchClient)
})
afterEach(() => drydock.close())

const put = (more: Partial<PutMetricAlarmCommandInput> = {}) =>
  cloudwatch.send(
    new PutMetricAlarmCommand({
      AlarmName: 'slow',
      Namespace: 'Shop',
      MetricName: 'Latency',
      Statistic: 'Average',
      Period: 60,
      EvaluationPeriods: 1,
      Threshold: 10,
      ComparisonOperator: 'GreaterThanThreshold',
      ...more,
    }),
  )
const composite = (more: Partial<PutCompositeAlarmCommandInput> & { AlarmRule: string }) =>
  cloudwatch.send(new PutCompositeAlarmCommand({ AlarmName: 'shop', ...more }))
const publish = (Value: number, more: { MetricName?: string; Timestamp?: Date; StorageResolution?: number } = {}) =>
  cloudwatch.send(
    new PutMetricDataCommand({ Namespace: 'Shop', MetricData: [{ MetricName: 'Latency', Value, ...more }] }),
  )
const set = (AlarmName: string, StateValue: 'OK' | 'ALARM' | 'INSUFFICIENT_DATA', more: object = {}) =>
  cloudwatch.send(new SetAlarmStateCommand({ AlarmName, StateValue, StateReason: 'a test', ...more }))
const describeAlarms = (input: DescribeAlarmsCommandInput = {}) => cloudwatch.send(new DescribeAlarmsCommand(input))
const both = ['MetricAlarm', 'CompositeAlarm'] as const
const states = async (...names: string[]) => {
  const { MetricAlarms = [], CompositeAlarms = [] } = await describeAlarms({ AlarmTypes: [...both] })
  const all = new Map([...MetricAlarms, ...CompositeAlarms].map((one) => [one.AlarmName, one.StateValue]))
  return names.map((name) => all.get(name))
}
const minute = (minutes = 1) => drydock.advance({ minutes })
const history = async (input: DescribeAlarmHistoryCommandInput = {}) =>
  (await cloudwatch.send(new DescribeAlarmHistoryCommand(input))).AlarmHistoryItems ?? []
const changes = (type = 'CloudWatch Alarm State Change') =>
  drydock.events.filter((event) => event['detail-type'] === type)
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => `${(error as Error).name}: ${(error as Error).message}`,
  )

describe('a metric alarm', () => {
  test('alarms when its metric crosses, and ends when it no longer does', async () => {
    await put({ AlarmDescription: 'The shop is slow', DatapointsToAlarm: 1, TreatMissingData: 'missing' })
    expect(await states('slow')).toEqual(['INSUFFICIENT_DATA'])
    await publish(12.5)
    await minute()
    const { MetricAlarms: [alarm] = [] } = await describeAlarms()
    expect(alarm).toMatchObject({
      AlarmName: 'slow',
      AlarmArn: `arn:aws:cloudwatch:us-east-1:${drydock.account}:alarm:slow`,
      StateValue: 'ALARM',
      StateReason:
        'Threshold Crossed: 1 out of the last 1 datapoints [12.5 (23/11/26 09:00:00)] was greater than the threshold (10.0) (minimum 1 datapoint for OK -> ALARM transition).',
      MetricName: 'Latency',
      Namespace: 'Shop',
      Statistic: 'Average',
      Dimensions: [],
      Period: 60,
      Threshold: 10,
    })
    expect(JSON.parse(alarm?.StateReasonData ?? '')).toEqual({
      version: '1.0',
      queryDate: '2026-11-23T09:01:00.000+0000',
      startDate: '2026-11-23T09:00:00.000+0000',
      statistic: 'Average',
      period: 60,
      recentDatapoints: [12.5],
      threshold: 10,
      evaluatedDatapoints: [{ timestamp: '2026-11-23T09:00:00.000+0000', sampleCount: 1, value: 12.5 }],
    })
    await publish(3)
    await minute()
    expect(await states('slow')).toEqual(['OK'])
    await minute(3)
    expect(await states('slow')).toEqual(['INSUFFICIENT_DATA'])
  })

  test('tells EventBridge what AWS tells it', async () => {
    await put({ AlarmDescription: 'The shop is slow', Dimensions: [{ Name: 'Page', Value: 'cart' }] })
    await set('slow', 'ALARM', { StateReasonData: '{"who":"me"}' })
    await drydock.settled()
    const [created] = changes('CloudWatch Alarm Configuration Change')
    expect(created).toMatchObject({
      source: 'aws.cloudwatch',
      resources: [`arn:aws:cloudwatch:us-east-1:${drydock.account}:alarm:slow`],
      detail: {
        alarmName: 'slow',
        operation: 'create',
        state: { value: 'INSUFFICIENT_DATA', timestamp: '2026-11-23T09:00:00.000+0000' },
        configuration: {
          evaluationPeriods: 1,
          threshold: 10,
          comparisonOperator: 'GreaterThanThreshold',
          metrics: [
            {
              metricStat: {
                metric: { namespace: 'Shop', name: 'Latency', dimensions: { Page: 'cart' } },
                period: 60,
                stat: 'Average',
              },
              returnData: true,
            },
          ],
          alarmName: 'slow',
          description: 'The shop is slow',
          actionsEnabled: true,
          timestamp: '2026-11-23T09:00:00.000+0000',
          okActions: [],
          alarmActions: [],
          insufficientDataActions: [],
        },
      },
    })
    const [changed] = changes()
    expect(changed?.detail).toMatchObject({
      alarmName: 'slow',
      configuration: { description: 'The shop is slow', metrics: [{ returnData: true }] },
      previousState: { reason: 'Unchecked: Initial alarm creation', value: 'INSUFFICIENT_DATA' },
      state: { reason: 'a test', reasonData: '{"who":"me"}', value: 'ALARM' },
    })
    await put({ Threshold: 80 })
    await cloudwatch.send(new DeleteAlarmsCommand({ AlarmNames: ['slow', 'nobody'] }))
    await drydock.settled()
    const [, updated, deleted] = changes('CloudWatch Alarm Configuration Change')
    expect(updated?.detail).toMatchObject({
      operation: 'update',
      state: { value: 'ALARM' },
      configuration: { threshold: 80 },
      previousConfiguration: { threshold: 10 },
    })
    expect(deleted?.detail).toMatchObject({ operation: 'delete', configuration: { threshold: 80 } })
    expect(await states('slow')).toEqual([undefined])
  })

  test('slides its window a minute at a time, and reads data that come late', async () => {
    await put({ Period: 300, EvaluationPeriods: 2, Statistic: 'Maximum' })
    await publish(50, { Timestamp: new Date(drydock.clock.now().getTime() - 9 * 60_000) })
    await publish(50)
    await minute()
    // 08:51 and 09:00 lie in [08:51, 08:56) and [08:56, 09:01).
    expect(await states('slow')).toEqual(['ALARM'])
  })

  test('of high resolution is evaluated every ten seconds', async () => {
    await put({ Period: 10, TreatMissingData: 'notBreaching' })
    await drydock.advance({ seconds: 3 })
    await publish(99, { StorageResolution: 1 })
    await drydock.advance({ seconds: 7 })
    expect(await states('slow')).toEqual(['ALARM'])
    await drydock.advance({ seconds: 40 })
    expect(await states('slow')).toEqual(['OK'])
  })

  test('that looks back more than a day is evaluated hourly', async () => {
    await put({ Period: 86_400, EvaluationPeriods: 2, DatapointsToAlarm: 1, Statistic: 'Sum' })
    await minute(5)
    await publish(11)
    await minute(50)
    expect(await states('slow')).toEqual(['INSUFFICIENT_DATA'])
    await minute(10)
    expect(await states('slow')).toEqual(['ALARM'])
  })

  test('returns from a state it was set to', async () => {
    await put({ TreatMissingData: 'notBreaching' })
    await minute(2)
    await set('slow', 'ALARM')
    await set('slow', 'ALARM', { StateReason: 'again' })
    expect((await describeAlarms()).MetricAlarms?.[0]).toMatchObject({ StateValue: 'ALARM', StateReason: 'a test' })
    await minute()
    expect(await states('slow')).toEqual(['OK'])
  })

  test('goes on after a restart', async () => {
    await put()
    await publish(20)
    drydock = await drydock.restart()
    cloudwatch = drydock.client(CloudWatchClient)
    await minute()
    expect(await states('slow')).toEqual(['ALARM'])
  })

  test('without data costs nothing, and is awake when data come', async () => {
    await put({ TreatMissingData: 'breaching', AlarmName: 'heartbeat', MetricName: 'Beat' })
    await minute()
    expect(await states('heartbeat')).toEqual(['ALARM'])
    expect(drydock.clock.next()?.getTime() ?? Number.POSITIVE_INFINITY).toBeGreaterThan(
      drydock.clock.now().getTime() + 3_600_000,
    )
    await publish(1, { MetricName: 'Beat' })
    await minute()
    expect(await states('heartbeat')).toEqual(['OK'])
    await minute(5)
    expect(await states('heartbeat')).toEqual(['ALARM'])
  })

  test('can be given its metric as a list', async () => {
    const metric = { Namespace: 'Shop', MetricName: 'Latency' }
    const Metrics = [{ Id: 'm', Label: 'slowness', MetricStat: { Metric: metric, Period: 60, Stat: 'p90' } }]
    await cloudwatch.send(
      new PutMetricAlarmCommand({
        AlarmName: 'listed',
        Metrics,
        EvaluationPeriods: 1,
        Threshold: 1,
        ComparisonOperator: 'LessThanThreshold',
      }),
    )
    await publish(0.5)
    await minute()
    const { MetricAlarms: [alarm] = [] } = await describeAlarms()
    expect(alarm).toMatchObject({ StateValue: 'ALARM', Metrics: [{ Id: 'm', Label: 'slowness', ReturnData: true }] })
    expect(alarm?.MetricName).toBeUndefined()
  })

  test('can watch an expression over metrics', async () => {
    const stat = (Id: string, MetricName: string) => ({
      Id,
      MetricStat: { Metric: { Namespace: 'Shop', MetricName }, Period: 60, Stat: 'Sum' },
      ReturnData: false,
    })
    const ratio = (Expression: string, more: object = {}) =>
      cloudwatch.send(
        new PutMetricAlarmCommand({
          AlarmName: 'ratio',
          Metrics: [
            stat('errors', 'Errors'),
            stat('calls', 'Calls'),
            { Id: 'rate', Expression, Label: 'Errors of a hundred' },
          ],
          EvaluationPeriods: 1,
          Threshold: 5,
          ComparisonOperator: 'GreaterThanThreshold',
          ...more,
        }),
      )
    await ratio('100 * errors / calls')
    await publish(3, { MetricName: 'Errors' })
    await publish(40, { MetricName: 'Calls' })
    await minute()
    const { MetricAlarms: [alarm] = [] } = await describeAlarms()
    expect(alarm).toMatchObject({
      StateValue: 'ALARM',
      StateReason: expect.stringContaining('[7.5 (23/11/26 09:00:00)]'),
    })
    expect(alarm?.Metrics?.[2]).toMatchObject({ Id: 'rate', Expression: '100 * errors / calls', ReturnData: true })
    await publish(1, { MetricName: 'Errors' })
    await publish(100, { MetricName: 'Calls' })
    await minute()
    expect(await states('ratio')).toEqual(['OK'])
    expect(await errorOf(ratio('errors /'))).toMatch(/^ValidationException: Error in expression 'rate'/)
    expect(await errorOf(ratio('METRICS()'))).toMatch(/^ValidationException: .*single time series/)
    expect(await errorOf(ratio('SEARCH("x", "Sum")'))).toMatch(/^NotImplemented: .*SEARCH/)
  })

  test('is found by its metric', async () => {
    await put()
    await put({ AlarmName: 'slower', ExtendedStatistic: 'p99', Statistic: undefined })
    await put({ AlarmName: 'other', MetricName: 'Orders' })
    const found = async (more = {}) =>
      (
        await cloudwatch.send(new DescribeAlarmsForMetricCommand({ Namespace: 'Shop', MetricName: 'Latency', ...more }))
      ).MetricAlarms?.map(({ AlarmName }) => AlarmName)
    expect(await found()).toEqual(['slow', 'slower'])
    expect(await found({ ExtendedStatistic: 'p99' })).toEqual(['slower'])
    expect(await found({ Period: 300 })).toEqual([])
    await put({ MetricName: 'Orders' })
    expect(await found()).toEqual(['slower'])
  })
})

test('alarms are refused for what AWS refuses, and for what is not here', async () => {
  const refusals: [Partial<PutMetricAlarmCommandInput>, RegExp][] = [
    [{ Period: 45 }, /^ValidationException: Period must be 10, 20, 30 or a multiple of 60$/],
    [{ Period: 300, EvaluationPeriods: 289 }, /^ValidationException: Metrics cannot be checked across more than/],
    [{ Period: 3600, EvaluationPeriods: 169 }, /^ValidationException: .*604800/],
    [{ DatapointsToAlarm: 2 }, /^ValidationException: DatapointsToAlarm/],
    [{ Statistic: undefined }, /^MissingRequiredParameterException/],
    [{ ExtendedStatistic: 'p9' }, /^InvalidParameterCombinationException/],
    [{ Statistic: undefined, ExtendedStatistic: 'p101' }, /^ValidationException: The value p101/],
    [{ TreatMissingData: 'maybe' }, /^ValidationException: .*TreatMissingData/],
    [{ AlarmName: 'a\nb' }, /^ValidationException: AlarmName/],
    [{ ThresholdMetricId: 'ad1' }, /^NotImplemented: .*anomaly detection/],
    [{ AlarmActions: ['arn:aws:sns:us-east-1:123456789012:ops'] }, /^NotImplemented: .*SNS topics/],
    [{ OKActions: ['arn:aws:lambda:us-east-1:123456789012:function:f'] }, /^NotImplemented: .*Lambda/],
    [{ OKActions: ['stop it'] }, /^ValidationException: Invalid arn syntax: stop it$/],
    [{ AlarmActions: ['arn:aws:automate:us-east-1:ec2:stop'] }, /^ValidationException: .*InstanceId/],
    [{ AlarmActions: ['arn:aws:automate:eu-west-1:ec2:stop'] }, /^ValidationException: Invalid region/],
  ]
  for (const [more, error] of refusals) expect(await errorOf(put(more))).toMatch(error)
  expect(await states('slow')).toEqual([undefined])
})

describe('an alarm on an instance', () => {
  const instance = async () => {
    const ec2 = drydock.client(EC2Client)
    const { Images } = await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }))
    const { Instances: [made] = [] } = await ec2.send(
      new RunInstancesCommand({ ImageId: Images?.[0]?.ImageId, MinCount: 1, MaxCount: 1 }),
    )
    await drydock.settled()
    const id = made?.InstanceId ?? ''
    const state = async () =>
      (await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))).Reservations?.[0]?.Instances?.[0]?.State
        ?.Name
    return { id, state }
  }

  test.each(['arn:aws:automate:us-east-1:ec2:stop', 'swf'])('stops it: %s', async (given) => {
    const { id, state } = await instance()
    const action =
      given === 'swf' ? `arn:aws:swf:us-east-1:${drydock.account}:action/actions/AWS_EC2.InstanceId.Stop/1.0` : given
    await put({ Dimensions: [{ Name: 'InstanceId', Value: id }], AlarmActions: [action] })
    expect(await state()).toBe('running')
    await set('slow', 'ALARM')
    await drydock.settled()
    expect(await state()).toBe('stopped')
    const [taken] = await history({ HistoryItemType: 'Action' })
    expect(taken?.HistorySummary).toBe(`Successfully executed action ${action}`)
    const role = await drydock
      .client(IAMClient)
      .send(new GetRoleCommand({ RoleName: 'AWSServiceRoleForCloudWatchEvents' }))
    expect(role.Role?.Path).toBe('/aws-service-role/events.amazonaws.com/')
  })

  test('notes what it could not do, and does nothing while its actions are disabled', async () => {
    const action = 'arn:aws:automate:us-east-1:ec2:reboot'
    await put({ Dimensions: [{ Name: 'InstanceId', Value: 'i-0123456789abcdef0' }], AlarmActions: [action] })
    await cloudwatch.send(new DisableAlarmActionsCommand({ AlarmNames: ['slow', 'nobody'] }))
    expect((await describeAlarms()).MetricAlarms?.[0]?.ActionsEnabled).toBe(false)
    await set('slow', 'ALARM')
    await drydock.settled()
    expect(await history({ HistoryItemType: 'Action' })).toEqual([])
    await cloudwatch.send(new EnableAlarmActionsCommand({ AlarmNames: ['slow'] }))
    await set('slow', 'OK')
    await set('slow', 'ALARM')
    await drydock.settled()
    const [failed] = await history({ HistoryItemType: 'Action' })
    expect(failed?.HistorySummary).toBe(`Failed to execute action ${action}`)
    expect(JSON.parse(failed?.HistoryData ?? '')).toMatchObject({ actionState: 'Failed', notificationResource: action })
  })
})

describe('a composite alarm', () => {
  beforeEach(async () => {
    for (const AlarmName of ['a', 'b', 'quiet'])
      await put({ AlarmName, MetricName: AlarmName, TreatMissingData: 'ignore' })
  })

  test('follows the states of its alarms at once, and those above follow it', async () => {
    await composite({ AlarmRule: 'ALARM(a) AND NOT ALARM("b")' })
    await composite({
      AlarmName: 'above',
      AlarmRule: `ALARM(arn:aws:cloudwatch:us-east-1:${drydock.account}:alarm:shop) OR FALSE`,
    })
    expect(await states('shop', 'above')).toEqual(['OK', 'OK'])
    await set('a', 'ALARM')
    expect(await states('shop', 'above')).toEqual(['ALARM', 'ALARM'])
    const { CompositeAlarms: [above] = [] } = await describeAlarms({
      AlarmNames: ['above'],
      AlarmTypes: ['CompositeAlarm'],
    })
    expect(above?.StateReason).toBe(
      `arn:aws:cloudwatch:us-east-1:${drydock.account}:alarm:shop transitioned to ALARM at Monday 23 November, 2026 09:00:00 UTC`,
    )
    expect(JSON.parse(above?.StateReasonData ?? '')).toMatchObject({
      triggeringAlarms: [{ arn: expect.stringMatching(/:alarm:shop$/), state: { value: 'ALARM' } }],
    })
    await set('b', 'ALARM')
    expect(await states('shop', 'above')).toEqual(['OK', 'OK'])
    await drydock.settled()
    expect(changes().map(({ detail }) => detail.alarmName)).toEqual([
      ...['shop', 'above', 'a', 'shop', 'above', 'b', 'shop', 'above'],
    ])
  })

  test('asks each alarm once, when all below it are settled', async () => {
    await composite({ AlarmName: 'left', AlarmRule: 'ALARM(a)' })
    await composite({ AlarmName: 'right', AlarmRule: 'NOT ALARM(a)' })
    await composite({ AlarmName: 'top', AlarmRule: 'ALARM(left) AND ALARM(right)' })
    await set('a', 'ALARM')
    await drydock.settled()
    expect(changes().filter(({ detail }) => detail.alarmName === 'top')).toHaveLength(1)
    expect(await states('left', 'right', 'top')).toEqual(['ALARM', 'OK', 'OK'])
  })

  test('comes to rest where alarms depend on each other in a circle', async () => {
    await composite({ AlarmName: 'one', AlarmRule: 'ALARM(a)' })
    await composite({ AlarmName: 'two', AlarmRule: 'NOT ALARM(one)' })
    await composite({ AlarmName: 'one', AlarmRule: 'ALARM(two)' })
    await set('a', 'ALARM')
    await set('two', 'OK')
    expect(await states('one', 'two')).toEqual([expect.any(String), 'OK'])
    expect(await errorOf(cloudwatch.send(new DeleteAlarmsCommand({ AlarmNames: ['one'] })))).toMatch(/depending on it/)
    await composite({ AlarmName: 'one', AlarmRule: 'FALSE' })
    await cloudwatch.send(new DeleteAlarmsCommand({ AlarmNames: ['two'] }))
    await cloudwatch.send(new DeleteAlarmsCommand({ AlarmNames: ['one'] }))
    expect(await states('one', 'two')).toEqual([undefined, undefined])
  })

  const suppressed = async () => {
    const { CompositeAlarms: [shop] = [] } = await describeAlarms({
      AlarmNames: ['shop'],
      AlarmTypes: ['CompositeAlarm'],
    })
    return shop?.ActionsSuppressedBy
  }
  const suppressor = {
    AlarmRule: 'ALARM(a)',
    ActionsSuppressor: 'quiet',
    ActionsSuppressorWaitPeriod: 60,
    ActionsSuppressorExtensionPeriod: 120,
  }

  test('holds its actions back while its suppressor alarms, and a while before and after', async () => {
    await composite(suppressor)
    await set('a', 'ALARM')
    expect(await suppressed()).toBe('WaitPeriod')
    await drydock.advance({ seconds: 30 })
    await set('quiet', 'ALARM')
    await drydock.advance({ seconds: 90 })
    expect(await suppressed()).toBe('Alarm')
    await set('quiet', 'OK')
    expect(await suppressed()).toBe('ExtensionPeriod')
    await drydock.advance({ seconds: 119 })
    expect(await suppressed()).toBe('ExtensionPeriod')
    await drydock.advance({ seconds: 1 })
    expect(await suppressed()).toBeUndefined()
    const told = changes().filter(({ detail }) => detail.alarmName === 'shop')
    expect(told.at(1)?.detail).toMatchObject({
      state: {
        value: 'ALARM',
        actionsSuppressedBy: 'WaitPeriod',
        actionsSuppressedReason: 'Actions suppressed by WaitPeriod',
      },
    })
  })

  test('waits for its suppressor no longer than told, and not at all for what is over', async () => {
    await composite(suppressor)
    await set('a', 'ALARM')
    await drydock.advance({ seconds: 60 })
    expect(await suppressed()).toBeUndefined()
    await set('a', 'OK')
    await set('a', 'ALARM')
    expect(await suppressed()).toBe('WaitPeriod')
    await set('a', 'OK')
    expect(await suppressed()).toBeUndefined()
  })

  test('shows its children and its parents', async () => {
    await composite({ ...suppressor, AlarmRule: 'ALARM(a) OR ALARM(b)' })
    const names = async (input: DescribeAlarmsCommandInput) => {
      const { MetricAlarms = [], CompositeAlarms = [] } = await describeAlarms(input)
      return [...MetricAlarms, ...CompositeAlarms].map(
        ({ AlarmName, AlarmRule: _, ...rest }: { AlarmName?: string; AlarmRule?: unknown; StateValue?: string }) =>
          `${AlarmName} ${rest.StateValue}`,
      )
    }
    expect(await names({ ChildrenOfAlarmName: 'shop' })).toEqual(['a INSUFFICIENT_DATA', 'b INSUFFICIENT_DATA'])
    expect(await names({ ParentsOfAlarmName: 'a' })).toEqual(['shop undefined'])
    expect(await names({ ParentsOfAlarmName: 'quiet' })).toEqual([])
    expect(await errorOf(describeAlarms({ ParentsOfAlarmName: 'a', AlarmNames: ['a'] }))).toMatch(
      /^InvalidParameterComb/,
    )
  })

  test('needs alarms that are there, and keeps them', async () => {
    expect(await errorOf(composite({ AlarmRule: 'ALARM(a) OR ALARM(gone)' }))).toBe(
      'ValidationException: Could not save the composite alarm as alarms [gone] in the alarm rule do not exist',
    )
    expect(await errorOf(composite({ AlarmRule: 'ALARM(a' }))).toMatch(/^ValidationException: AlarmRule is invalid/)
    expect(await errorOf(composite({ AlarmName: 'a', AlarmRule: 'TRUE' }))).toMatch(/^ValidationException/)
    expect(await errorOf(composite({ AlarmRule: 'TRUE', ActionsSuppressor: 'quiet' }))).toMatch(/^ValidationException/)
    expect(
      await errorOf(composite({ AlarmRule: 'TRUE', AlarmActions: ['arn:aws:automate:us-east-1:ec2:stop'] })),
    ).toMatch(/^ValidationException/)
    await composite({ AlarmRule: 'ALARM(a)' })
    expect(await errorOf(cloudwatch.send(new DeleteAlarmsCommand({ AlarmNames: ['b', 'a'] })))).toMatch(
      /^ValidationException/,
    )
    expect(await states('a', 'b')).toEqual(['INSUFFICIENT_DATA', 'INSUFFICIENT_DATA'])
  })
})

describe('alarms', () => {
  test('are listed by name, page by page, and by what is asked', async () => {
    for (const AlarmName of ['c', 'a', 'bb', 'b']) await put({ AlarmName, TreatMissingData: 'ignore' })
    await composite({ AlarmRule: 'ALARM(a)' })
    const page = async (input: DescribeAlarmsCommandInput) => {
      const { MetricAlarms = [], CompositeAlarms = [], NextToken } = await describeAlarms(input)
      return { names: [...MetricAlarms, ...CompositeAlarms].map(({ AlarmName }) => AlarmName), NextToken }
    }
    const first = await page({ MaxRecords: 3, AlarmTypes: [...both] })
    expect(first.names).toEqual(['a', 'b', 'bb'])
    const second = await page({ MaxRecords: 3, AlarmTypes: [...both], NextToken: first.NextToken })
    expect(second).toEqual({ names: ['c', 'shop'], NextToken: undefined })
    expect((await page({})).names).toEqual(['a', 'b', 'bb', 'c'])
    expect((await page({ AlarmNamePrefix: 'b' })).names).toEqual(['b', 'bb'])
    expect((await page({ AlarmNames: ['c', 'a', 'nobody'] })).names).toEqual(['a', 'c'])
    await set('b', 'ALARM')
    expect((await page({ StateValue: 'ALARM' })).names).toEqual(['b'])
    expect((await page({ ActionPrefix: 'arn:' })).names).toEqual([])
    expect(await errorOf(page({ AlarmNames: ['a'], AlarmNamePrefix: 'a' }))).toMatch(/^InvalidParameterCombination/)
    expect(await errorOf(page({ NextToken: '?' }))).toMatch(/^InvalidNextToken/)
  })

  test('have a history of 30 days that outlives them', async () => {
    await put({ TreatMissingData: 'ignore' })
    await set('slow', 'ALARM')
    await drydock.advance({ days: 1 })
    await cloudwatch.send(new DeleteAlarmsCommand({ AlarmNames: ['slow'] }))
    const told = async (input: DescribeAlarmHistoryCommandInput = {}) =>
      (await history(input)).map(({ HistorySummary }) => HistorySummary)
    expect(await told()).toEqual([
      'Alarm "slow" deleted',
      'Alarm updated from INSUFFICIENT_DATA to ALARM',
      'Alarm "slow" created',
    ])
    expect(await told({ AlarmName: 'slow', ScanBy: 'TimestampAscending', MaxRecords: 1 })).toEqual([
      'Alarm "slow" created',
    ])
    expect(await told({ HistoryItemType: 'StateUpdate' })).toEqual(['Alarm updated from INSUFFICIENT_DATA to ALARM'])
    expect(await told({ AlarmTypes: ['CompositeAlarm'] })).toEqual([])
    const [update] = await history({ HistoryItemType: 'StateUpdate' })
    expect(JSON.parse(update?.HistoryData ?? '')).toMatchObject({
      version: '1.0',
      oldState: { stateValue: 'INSUFFICIENT_DATA' },
      newState: { stateValue: 'ALARM', stateReason: 'a test' },
    })
    const one = await cloudwatch.send(new DescribeAlarmHistoryCommand({ MaxRecords: 2 }))
    const rest = await cloudwatch.send(new DescribeAlarmHistoryCommand({ MaxRecords: 2, NextToken: one.NextToken }))
    expect(rest.AlarmHistoryItems?.map(({ HistorySummary }) => HistorySummary)).toEqual(['Alarm "slow" created'])
    await drydock.advance({ days: 29, hours: 1 })
    expect(await told()).toEqual(['Alarm "slow" deleted'])
    await drydock.advance({ days: 3 })
    expect(await told()).toEqual([])
  })

  test('have tags that policies can ask for', async () => {
    await put({ Tags: [{ Key: 'team', Value: 'web' }] })
    const ResourceARN = `arn:aws:cloudwatch:us-east-1:${drydock.account}:alarm:slow`
    await cloudwatch.send(new TagResourceCommand({ ResourceARN, Tags: [{ Key: 'stage', Value: 'prod' }] }))
    await cloudwatch.send(new UntagResourceCommand({ ResourceARN, TagKeys: ['team'] }))
    await put({ Tags: [{ Key: 'ignored', Value: 'on updates' }] })
    expect((await cloudwatch.send(new ListTagsForResourceCommand({ ResourceARN }))).Tags).toEqual([
      { Key: 'stage', Value: 'prod' },
    ])
    const keys: Keys = await drydock.user('ann', [
      allow('cloudwatch:SetAlarmState', '*', { StringEquals: { 'aws:ResourceTag/stage': 'prod' } }),
    ])
    const hers = drydock.client(CloudWatchClient, keys)
    const change = (AlarmName: string) =>
      errorOf(hers.send(new SetAlarmStateCommand({ AlarmName, StateValue: 'ALARM', StateReason: 'she may' })))
    expect(await change('slow')).toBe('no error')
    await put({ AlarmName: 'other' })
    expect(await change('other')).toMatch(/not authorized to perform: cloudwatch:SetAlarmState/)
    expect(
      await errorOf(cloudwatch.send(new TagResourceCommand({ ResourceARN: `${ResourceARN}x`, Tags: [] }))),
    ).toMatch(/^ResourceNotFoundException/)
  })

  test('are set only by name, and with data that are JSON', async () => {
    expect(await errorOf(set('nobody', 'OK'))).toMatch(/^ResourceNotFound/)
    await put()
    expect(await errorOf(set('slow', 'OK', { StateReasonData: '{' }))).toMatch(/^InvalidFormat/)
  })
})
