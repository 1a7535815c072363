import {
  CloudWatchClient,
  GetMetricDataCommand,
  type GetMetricDataCommandInput,
  GetMetricStatisticsCommand,
  type GetMetricStatisticsCommandInput,
  ListMetricsCommand,
  type ListMetricsCommandInput,
  type MetricDatum,
  PutMetricDataCommand,
} from '@aws-sdk/client-cloudwatch'
import { AwsQueryProtocol, AwsSmithyRpcV2CborProtocol } from '@aws-sdk/core/protocols'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let cloudwatch: CloudWatchClient
let now: number

beforeEach(async () => {
  drydock = await story()
  cloudwatch = drydock.client(CloudWatchClient)
  now = drydock.clock.now().getTime()
})
afterEach(() => drydock.close())

const MINUTE = 60_000
const at = (minutes: number) => new Date(now + minutes * MINUTE)
const put = (...MetricData: MetricDatum[]) =>
  cloudwatch.send(new PutMetricDataCommand({ Namespace: 'Shop', MetricData }))
const statistics = async (more: Partial<GetMetricStatisticsCommandInput> = {}) => {
  const answer = await cloudwatch.send(
    new GetMetricStatisticsCommand({
      Namespace: 'Shop',
      MetricName: 'Latency',
      StartTime: at(-10),
      EndTime: at(10),
      Period: 60,
      Statistics: ['SampleCount', 'Sum', 'Average', 'Minimum', 'Maximum'],
      ...more,
    }),
  )
  return (answer.Datapoints ?? []).toSorted((a, b) => (a.Timestamp?.getTime() ?? 0) - (b.Timestamp?.getTime() ?? 0))
}
const data = (more: Partial<GetMetricDataCommandInput> = {}, Stat = 'Sum', Period = 60) =>
  cloudwatch.send(
    new GetMetricDataCommand({
      MetricDataQueries: [
        { Id: 'm', MetricStat: { Metric: { Namespace: 'Shop', MetricName: 'Latency' }, Period, Stat } },
      ],
      StartTime: at(-10),
      EndTime: at(10),
      ...more,
    }),
  )
const list = async (input: ListMetricsCommandInput) =>
  (await cloudwatch.send(new ListMetricsCommand(input))).Metrics?.map(
    ({ Namespace, MetricName, Dimensions = [] }) =>
      `${Namespace}/${MetricName}${Dimensions.map(({ Name, Value }) => `,${Name}=${Value}`).join('')}`,
  )
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => `${(error as Error).name}: ${(error as Error).message}`,
  )

describe('statistics', () => {
  test('over values, counts and statistic sets of a period', async () => {
    await put({ MetricName: 'Latency', Value: 4, Unit: 'Milliseconds' })
    await put(
      { MetricName: 'Latency', Values: [1, 2], Counts: [3, 1], Unit: 'Milliseconds' },
      {
        MetricName: 'Latency',
        StatisticValues: { SampleCount: 2, Sum: 11, Minimum: 5, Maximum: 6 },
        Unit: 'Milliseconds',
      },
      { MetricName: 'Latency', Value: 100, Unit: 'Milliseconds', Timestamp: at(2) },
    )
    expect(await statistics()).toEqual([
      { Timestamp: at(0), Unit: 'Milliseconds', SampleCount: 7, Sum: 20, Average: 20 / 7, Minimum: 1, Maximum: 6 },
      { Timestamp: at(2), Unit: 'Milliseconds', SampleCount: 1, Sum: 100, Average: 100, Minimum: 100, Maximum: 100 },
    ])
    expect(await statistics({ Period: 600, Statistics: ['Sum'] })).toEqual([
      { Timestamp: at(0), Unit: 'Milliseconds', Sum: 120 },
    ])
  })

  test('percentiles', async () => {
    await put({ MetricName: 'Latency', Values: Array.from({ length: 100 }, (_, value) => value + 1) })
    const [point] = await statistics({ Statistics: undefined, ExtendedStatistics: ['p50', 'p99', 'tm50'] })
    expect(point?.ExtendedStatistics).toEqual({ p50: 50, p99: 99, tm50: 25.5 })
  })

  test('units and dimensions are kept apart', async () => {
    await put(
      { MetricName: 'Latency', Value: 1, Unit: 'Seconds' },
      { MetricName: 'Latency', Value: 2, Unit: 'Count' },
      {
        MetricName: 'Latency',
        Value: 3,
        Unit: 'Count',
        Dimensions: [
          { Name: 'b', Value: '2' },
          { Name: 'a', Value: '1' },
        ],
      },
    )
    expect((await statistics({ Statistics: ['Sum'] })).map(({ Unit, Sum }) => [Unit, Sum]).toSorted()).toEqual([
      ['Count', 2],
      ['Seconds', 1],
    ])
    expect(await statistics({ Statistics: ['Sum'], Unit: 'Seconds' })).toHaveLength(1)
    const Dimensions = [
      { Name: 'a', Value: '1' },
      { Name: 'b', Value: '2' },
    ]
    expect((await statistics({ Statistics: ['Sum'], Dimensions }))[0]?.Sum).toBe(3)
    expect(await statistics({ Dimensions: Dimensions.slice(1) })).toEqual([])
  })

  test('high resolution data have seconds, others minutes', async () => {
    const Timestamp = new Date(now + 34_567)
    await put(
      { MetricName: 'Latency', Value: 1, Timestamp, StorageResolution: 1 },
      { MetricName: 'Latency', Value: 2, Timestamp },
    )
    const { MetricDataResults } = await data({ ScanBy: 'TimestampAscending' }, 'Sum', 1)
    expect(MetricDataResults?.[0]).toMatchObject({ Timestamps: [at(0), new Date(now + 34_000)], Values: [2, 1] })
  })

  test('what AWS refuses', async () => {
    // prettier-ignore
    const calls: [Promise<unknown>, string][] = [
      [statistics({ Statistics: undefined }), 'MissingRequiredParameter'],
      [statistics({ ExtendedStatistics: ['p9'] }), 'InvalidParameterCombination'],
      [statistics({ StartTime: at(10), EndTime: at(0) }), 'InvalidParameterValue'],
      [statistics({ Period: 7 }), 'InvalidParameterValue'],
      [statistics({ Statistics: undefined, ExtendedStatistics: ['q9'] }), 'InvalidParameterValue'],
      [
        statistics({ StartTime: at(-2000) }),
        'You have requested up to 2010 datapoints, which exceeds the limit of 1,440.',
      ],
    ]
    for (const [call, expected] of calls) expect(await errorOf(call)).toContain(expected)
  })
})

describe('GetMetricData', () => {
  test('newest first, in pages', async () => {
    for (const minute of [0, 1, 2, 3, 4]) await put({ MetricName: 'Latency', Value: minute, Timestamp: at(minute) })
    const first = await data({ MaxDatapoints: 2 })
    expect(first.MetricDataResults).toEqual([
      { Id: 'm', Label: 'Latency', Timestamps: [at(4), at(3)], Values: [4, 3], StatusCode: 'PartialData' },
    ])
    const second = await data({ MaxDatapoints: 3, NextToken: first.NextToken ?? '' })
    expect(second.MetricDataResults?.[0]).toMatchObject({ Values: [2, 1, 0], StatusCode: 'Complete' })
    expect(second.NextToken).toBeUndefined()
  })

  test('refuses what it does not do instead of an answer', async () => {
    for (const Expression of ['SELECT MAX(x) FROM y', 'SEARCH("x", "Sum")'])
      expect(await errorOf(data({ MetricDataQueries: [{ Id: 'e', Expression }] }))).toContain('NotImplemented')
    expect(await errorOf(data({}, 'Median'))).toContain(
      'The value Median for parameter MetricDataQueries.member.1.MetricStat.Stat',
    )
    expect(await errorOf(data({ NextToken: 'x' }))).toContain('InvalidNextToken')
  })
})

describe('PutMetricData', () => {
  test('refuses what AWS refuses, and stores nothing of such a call', async () => {
    // prettier-ignore
    const wrong: [MetricDatum, string][] = [
      [{ MetricName: 'Latency' }, 'MissingRequiredParameter'],
      [{ MetricName: 'Latency', Value: 1, Values: [1] }, 'InvalidParameterCombination'],
      [
        { MetricName: 'Latency', Value: Number.NaN },
        'The value NaN for parameter MetricData.member.2.Value is invalid.',
      ],
      [{ MetricName: 'Latency', Value: Number.POSITIVE_INFINITY }, 'InvalidParameterValue'],
      [{ MetricName: 'Latency', Values: [1, 2], Counts: [1] }, 'must be of the same size'],
      [{ MetricName: 'Latency', Value: 1, Timestamp: at(121) }, 'no more than two hours in the future'],
      [{ MetricName: 'Latency', Value: 1, Timestamp: at(-15 * 1440) }, 'no more than two weeks in the past'],
      [{ MetricName: 'Latency', Value: 1, StorageResolution: 5 }, 'StorageResolution is invalid'],
    ]
    for (const [datum, expected] of wrong)
      expect(await errorOf(put({ MetricName: 'Latency', Value: 1 }, datum))).toContain(expected)
    const own = new PutMetricDataCommand({ Namespace: 'AWS/EC2', MetricData: [{ MetricName: 'CPU', Value: 1 }] })
    expect(await errorOf(cloudwatch.send(own))).toContain('The value AWS/EC2 for parameter Namespace is invalid.')
    expect(await statistics()).toEqual([])
  })

  test('IAM can bind it to a namespace', async () => {
    const policy = allow('cloudwatch:PutMetricData', '*', { StringEquals: { 'cloudwatch:namespace': 'Shop' } })
    const alice = drydock.client(CloudWatchClient, await drydock.user('alice', [policy]))
    const send = (Namespace: string) =>
      alice.send(new PutMetricDataCommand({ Namespace, MetricData: [{ MetricName: 'm', Value: 1 }] }))
    await send('Shop')
    expect(await errorOf(send('Other'))).toContain('is not authorized to perform: cloudwatch:PutMetricData')
  })
})

test('ListMetrics filters, and shows what had data lately', async () => {
  await put(
    { MetricName: 'Latency', Value: 1 },
    { MetricName: 'Latency', Value: 1, Dimensions: [{ Name: 'Page', Value: 'home' }] },
    { MetricName: 'Errors', Value: 1, Dimensions: [{ Name: 'Page', Value: 'cart' }] },
  )
  expect((await list({ Namespace: 'Shop' }))?.toSorted()).toEqual([
    'Shop/Errors,Page=cart',
    'Shop/Latency',
    'Shop/Latency,Page=home',
  ])
  expect(await list({ Namespace: 'Shop', MetricName: 'Latency', Dimensions: [{ Name: 'Page' }] })).toEqual([
    'Shop/Latency,Page=home',
  ])
  expect(await list({ Dimensions: [{ Name: 'Page', Value: 'cart' }] })).toEqual(['Shop/Errors,Page=cart'])
  expect(await list({ Namespace: 'None' })).toEqual([])
  await drydock.advance({ hours: 4 })
  expect(await list({ Namespace: 'Shop', RecentlyActive: 'PT3H' })).toEqual([])
  expect(await list({ Namespace: 'Shop', MetricName: 'Errors' })).toHaveLength(1)
  await drydock.advance({ days: 15 })
  expect(await list({ Namespace: 'Shop' })).toEqual([])
  await drydock.advance({ days: 441 })
  expect(await statistics({ Period: 3600, StartTime: at(-60), EndTime: at(60) })).toEqual([])
})

test.each([
  ['query', AwsQueryProtocol],
  ['CBOR', AwsSmithyRpcV2CborProtocol],
] as const)('clients that speak %s are served', async (_, protocol) => {
  const client = new CloudWatchClient({
    endpoint: drydock.endpoint,
    region: drydock.region,
    credentials: drydock.root,
    protocol,
    protocolSettings: {
      defaultNamespace: 'com.amazonaws.cloudwatch',
      xmlNamespace: 'http://monitoring.amazonaws.com/doc/2010-08-01/',
      version: '2010-08-01',
      serviceTarget: 'GraniteServiceVersion20100801',
    },
  })
  const MetricData = [
    { MetricName: 'Latency', Values: [1, 2.5], Counts: [2, 1], Dimensions: [{ Name: 'a', Value: 'b' }] },
  ]
  await client.send(new PutMetricDataCommand({ Namespace: 'Shop', MetricData }))
  const { Metrics } = await client.send(new ListMetricsCommand({ Namespace: 'Shop' }))
  expect(Metrics).toEqual([{ Namespace: 'Shop', MetricName: 'Latency', Dimensions: [{ Name: 'a', Value: 'b' }] }])
  const [point] = await statistics({ Dimensions: [{ Name: 'a', Value: 'b' }] })
  expect(point).toMatchObject({ SampleCount: 3, Sum: 4.5 })
  const wrong = client.send(new PutMetricDataCommand({ Namespace: 'AWS/X', MetricData }))
  expect(await errorOf(wrong)).toBe(
    'InvalidParameterValueException: The value AWS/X for parameter Namespace is invalid.',
  )
})
