import type { Event } from '@aws-sdk/client-cloudtrail'
import { notImplemented } from '../../kernel/errors.ts'
import { watch } from './follower.ts'
import { HISTORY } from './history.ts'
import { countsOf, type InsightEvent, insightStream, type Series } from './insights.ts'
import { fail, type Operation, page } from './operation.ts'
import { getOwnTrail, getTrail, Trail } from './trail.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

const trailOrStore = (input: { TrailName?: string | undefined; EventDataStore?: string | undefined }): string => {
  if (input.TrailName !== undefined && input.EventDataStore !== undefined)
    throw fail('InvalidParameterCombinationException', 'TrailName and EventDataStore cannot be given together.')
  if (input.EventDataStore !== undefined) throw notImplemented('Insights events of event data stores')
  if (input.TrailName === undefined)
    throw fail('InvalidParameterException', 'Either TrailName or EventDataStore is needed.')
  return input.TrailName
}

/** Which Insights a trail has; an empty list turns them off. In the home Region only. */
export const PutInsightSelectors: Operation<'PutInsightSelectors'> = async (ctx, input) => {
  const name = trailOrStore(input)
  const { InsightSelectors } = input
  if (input.InsightsDestination) throw notImplemented('Insights events of event data stores')
  for (const { InsightType, EventCategories } of InsightSelectors) {
    if (InsightType === undefined)
      throw fail('InvalidInsightSelectorsException', 'An Insights type is needed in each selector.')
    if (EventCategories?.includes('Data')) throw notImplemented('Insights on data events')
  }
  if (new Set(InsightSelectors.map(({ InsightType }) => InsightType)).size < InsightSelectors.length)
    throw fail('InvalidInsightSelectorsException', 'An Insights type can be given only once.')
  const arn = await ctx.write(async (tx) => {
    const trail = await getOwnTrail(ctx, tx, name)
    tx.put(Trail, { ...trail, insights: InsightSelectors })
    watch(tx)
    return trail.arn
  })
  return { TrailARN: arn, InsightSelectors }
}

export const GetInsightSelectors: Operation<'GetInsightSelectors'> = async (ctx, input) => {
  const name = trailOrStore(input)
  const { arn, insights } = await ctx.read((tx) => getTrail(ctx, tx, name))
  if (insights.length === 0)
    throw fail(
      'InsightNotEnabledException',
      `Trail ${arn} does not have Insights enabled. Edit the trail settings to enable Insights, and then try the operation again.`,
    )
  return { TrailARN: arn, InsightSelectors: [...insights] }
}

const PERIODS = [60, 300, 3600]
const MOST_VALUES = 21_600

/** Counts of one series per period, newest first as AWS has it; the last day unless told. */
export const ListInsightsMetricData: Operation<'ListInsightsMetricData'> = async (ctx, input) => {
  const { Period = 3600, DataType = 'NonZeroData', InsightType, ErrorCode, TrailName } = input
  const invalid = (message: string) => fail('InvalidParameterException', message)
  if (!PERIODS.includes(Period)) throw invalid(`Period must be one of ${PERIODS.join(', ')}.`)
  if (InsightType === 'ApiErrorRateInsight' && ErrorCode === undefined)
    throw invalid('ErrorCode is needed for the Insights type ApiErrorRateInsight.')
  if (InsightType === 'ApiCallRateInsight' && ErrorCode !== undefined)
    throw invalid('ErrorCode cannot be given for the Insights type ApiCallRateInsight.')
  const step = Period * 1000
  const whole = (time: number) => Math.floor(time / step) * step
  const to = whole(input.EndTime?.getTime() ?? ctx.now().getTime() + step)
  const from = whole(input.StartTime?.getTime() ?? to - DAY)
  if (from > to) throw invalid('StartTime must be before EndTime.')
  if (to - from > HISTORY + DAY) throw invalid('The time range is too long.')
  const stream = `audit/${ctx.account}/${ctx.region}`
  const series: Series = {
    stream,
    type: InsightType,
    source: input.EventSource,
    name: input.EventName,
    error: ErrorCode ?? '',
  }
  const { arn, counts } = await ctx.read(async (tx) => ({
    arn: TrailName === undefined ? undefined : (await getTrail(ctx, tx, TrailName)).arn,
    counts: await countsOf(tx, series, from, to),
  }))
  const sums = new Map<number, number>()
  if (DataType === 'FillWithZeros') {
    if ((to - from) / step > 200_000) throw invalid('The time range is too long for this period.')
    for (let time = from; time < to; time += step) sums.set(time, 0)
  }
  for (const [time, count] of counts) sums.set(whole(time), (sums.get(whole(time)) ?? 0) + count)
  const { items, ...more } = page(
    [...sums].sort(([a], [b]) => a - b),
    input.NextToken,
    input.MaxResults ?? MOST_VALUES,
  )
  return {
    TrailARN: arn,
    EventSource: input.EventSource,
    EventName: input.EventName,
    InsightType,
    ErrorCode,
    Timestamps: items.map(([time]) => new Date(time)),
    Values: items.map(([, count]) => count),
    ...more,
  }
}

export const toInsightEvent = (event: InsightEvent): Event => ({
  EventId: event.eventID,
  EventName: event.insightDetails.eventName,
  EventTime: new Date(event.eventTime),
  EventSource: event.insightDetails.eventSource,
  Resources: [],
  CloudTrailEvent: JSON.stringify(event),
})

/** Insights events of a trail in this Region, newest first. */
export const ListInsightsData: Operation<'ListInsightsData'> = async (ctx, input) => {
  const { Dimensions = {}, StartTime, EndTime, MaxResults = 50, NextToken } = input
  if (StartTime && EndTime && StartTime > EndTime)
    throw fail('InvalidParameterException', 'StartTime must be before EndTime.')
  const trail = await ctx
    .read((tx) => getTrail(ctx, tx, input.InsightSource))
    .catch(() => {
      throw fail('InvalidParameterException', 'InsightSource must be the ARN of a trail of this account.')
    })
  const entries = await ctx.append.range(insightStream(ctx), {
    from: StartTime?.getTime() ?? ctx.now().getTime() - HISTORY,
    ...(EndTime ? { to: EndTime.getTime() + 1 } : {}),
    limit: 10_000,
    reverse: true,
  })
  const types = trail.insights.map(({ InsightType }) => String(InsightType))
  const found = entries
    .map(({ body }) => body as InsightEvent)
    .filter(({ insightDetails }) => types.includes(insightDetails.insightType))
    .map(toInsightEvent)
    .filter((event) =>
      (['EventId', 'EventName', 'EventSource'] as const).every(
        (name) => Dimensions[name] === undefined || event[name] === Dimensions[name],
      ),
    )
  const { items, ...more } = page(found, NextToken, MaxResults)
  return { Events: items, ...more }
}
