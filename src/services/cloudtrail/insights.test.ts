import {
  CloudTrailClient,
  GetInsightSelectorsCommand,
  ListInsightsDataCommand,
  ListInsightsMetricDataCommand,
  LookupEventsCommand,
  PutInsightSelectorsCommand,
} from '@aws-sdk/client-cloudtrail'
import { CloudWatchLogsClient, CreateLogGroupCommand } from '@aws-sdk/client-cloudwatch-logs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { arnOf, deliveredTo, errorOf, loggingTrail } from './story-bench.ts'

let drydock: Story
let trail: CloudTrailClient
beforeEach(async () => {
  drydock = await story()
  trail = drydock.client(CloudTrailClient)
  await loggingTrail(drydock, 'audit')
})
afterEach(() => drydock.close())

let named = 0
const groups = async (count: number) => {
  const logs = drydock.client(CloudWatchLogsClient)
  for (let at = 0; at < count; at++) await logs.send(new CreateLogGroupCommand({ logGroupName: `g${named++}` }))
}

test('an unusual rate of calls begins and ends an insight', async () => {
  expect(await errorOf(trail.send(new GetInsightSelectorsCommand({ TrailName: 'audit' })))).toBe(
    'InsightNotEnabledException',
  )
  await trail.send(
    new PutInsightSelectorsCommand({ TrailName: 'audit', InsightSelectors: [{ InsightType: 'ApiCallRateInsight' }] }),
  )
  await groups(2)
  await drydock.advance({ hours: 30 })
  await groups(20)
  await drydock.advance({ minutes: 1 })
  await groups(1)
  await drydock.advance({ minutes: 10 })
  const { Events = [] } = await trail.send(new LookupEventsCommand({ EventCategory: 'insight' }))
  const details = Events.map(({ CloudTrailEvent = '' }) => JSON.parse(CloudTrailEvent))
  expect(details.map(({ insightDetails }) => insightDetails.state)).toEqual(['End', 'Start'])
  expect(new Set(details.map(({ sharedEventID }) => sharedEventID)).size).toBe(1)
  expect(details[1]).toMatchObject({
    eventType: 'AwsCloudTrailInsight',
    eventCategory: 'Insight',
    insightDetails: {
      eventName: 'CreateLogGroup',
      insightType: 'ApiCallRateInsight',
      insightContext: { statistics: { insight: { average: 20 }, insightDuration: 1 } },
    },
  })
  const files = await deliveredTo(drydock, 'audit-logs', 'AWSLogs/000000000000/CloudTrail-Insight/us-east-1/')
  expect(files.flatMap(({ records }) => records)).toHaveLength(2)
  const told = drydock.events.filter((event) => event['detail-type'] === 'AWS Insight via CloudTrail')
  expect(told.map(({ source }) => source)).toEqual(['aws.cloudtrail', 'aws.cloudtrail'])
  const data = await trail.send(
    new ListInsightsDataCommand({
      InsightSource: arnOf('audit'),
      DataType: 'InsightsEvents',
      Dimensions: { EventName: 'CreateLogGroup' },
    }),
  )
  expect(data.Events).toHaveLength(2)
})

test('counts per period, zeros filled in on request', async () => {
  await trail.send(
    new PutInsightSelectorsCommand({
      TrailName: 'audit',
      InsightSelectors: [{ InsightType: 'ApiCallRateInsight' }, { InsightType: 'ApiErrorRateInsight' }],
    }),
  )
  await groups(3)
  named -= 1
  await groups(1).catch(() => undefined)
  await drydock.advance({ minutes: 10 })
  const ask = { EventSource: 'logs.amazonaws.com', EventName: 'CreateLogGroup', Period: 300 }
  const calls = await trail.send(new ListInsightsMetricDataCommand({ ...ask, InsightType: 'ApiCallRateInsight' }))
  expect(calls.Values).toEqual([4])
  expect(calls.Timestamps).toEqual([new Date('2026-11-23T09:00:00Z')])
  const filled = await trail.send(
    new ListInsightsMetricDataCommand({
      ...ask,
      InsightType: 'ApiErrorRateInsight',
      ErrorCode: 'ResourceAlreadyExistsException',
      DataType: 'FillWithZeros',
      StartTime: new Date('2026-11-23T08:55:00Z'),
      EndTime: new Date('2026-11-23T09:10:00Z'),
    }),
  )
  expect(filled.Values).toEqual([0, 1, 0])
})
