import { createHash } from 'node:crypto'
import type { Event, LookupAttribute, LookupAttributeKey } from '@aws-sdk/client-cloudtrail'
import { type AuditRecord, auditStream } from '../../kernel/audit.ts'
import { namedResource } from '../../kernel/model/resource-types.ts'
import type { Present } from '../../kernel/types.ts'
import { HISTORY } from './history.ts'
import { toInsightEvent } from './insight-operations.ts'
import { type InsightEvent, insightStream } from './insights.ts'
import { fail, type Operation } from './operation.ts'

const PAGE = 50
const BATCH = 1000
/** Records that one call looks at before it answers with what it found and a token. */
const MOST_SCANNED = 100_000

/** Who called, as event history shows it: user or session name, `root`. */
const userName = ({ userIdentity }: AuditRecord): string | undefined => {
  const { type, userName: name, arn } = userIdentity
  if (type === 'Root') return 'root'
  if (typeof name === 'string') return name
  return typeof arn === 'string' ? arn.split('/').at(-1) : undefined
}

const toEvent = (record: AuditRecord): Event => {
  const { accessKeyId } = record.userIdentity
  return {
    EventId: record.eventID,
    EventName: record.eventName,
    ReadOnly: String(record.readOnly),
    AccessKeyId: typeof accessKeyId === 'string' ? accessKeyId : undefined,
    EventTime: new Date(record.eventTime),
    EventSource: record.eventSource,
    Username: userName(record),
    Resources: (record.resources ?? [])
      .map(({ ARN = '' }) => namedResource(ARN))
      .filter(({ ResourceName }) => ResourceName),
    CloudTrailEvent: JSON.stringify(record),
  }
}

const attributes: Readonly<Record<LookupAttributeKey, (event: Event, value: string) => boolean>> = {
  EventId: ({ EventId }, value) => EventId === value,
  EventName: ({ EventName }, value) => EventName === value,
  ReadOnly: ({ ReadOnly }, value) => ReadOnly === value,
  Username: ({ Username }, value) => Username === value,
  ResourceType: ({ Resources }, value) => Resources?.some(({ ResourceType }) => ResourceType === value) ?? false,
  ResourceName: ({ Resources }, value) => Resources?.some(({ ResourceName }) => ResourceName === value) ?? false,
  EventSource: ({ EventSource }, value) => EventSource === value,
  AccessKeyId: ({ AccessKeyId }, value) => AccessKeyId === value,
}

/** A token goes on only with the question it came from. */
const questionOf = (input: object): string =>
  createHash('sha256').update(JSON.stringify(input)).digest('hex').slice(0, 16)

/**
 * Management events, or Insights events, of the last 90 days in this account and region, newest first, by at most one
 * attribute. Data events (object-level calls) are in no event history, as on AWS.
 */
export const LookupEvents: Operation<'LookupEvents'> = async (ctx, input) => {
  const { LookupAttributes = [], StartTime, EndTime, MaxResults = PAGE, NextToken } = input
  if (LookupAttributes.length > 1)
    throw fail('InvalidLookupAttributesException', 'Only one lookup attribute can be specified.')
  if (StartTime && EndTime && StartTime > EndTime)
    throw fail('InvalidTimeRangeException', 'The start time must be before the end time.')
  const insights = input.EventCategory === 'insight'
  const question = questionOf({ LookupAttributes, StartTime, EndTime, ...(insights ? { insights } : {}) })
  const stream = insights ? insightStream(ctx) : auditStream(ctx.account, ctx.region)
  const [asked, position] =
    NextToken === undefined ? [question, undefined] : Buffer.from(NextToken, 'base64url').toString().split('/')
  if (asked !== question || (NextToken !== undefined && !/^\d+$/.test(position ?? '')))
    throw fail('InvalidNextTokenException', 'Invalid token.')

  const matches = predicate(LookupAttributes)
  const now = ctx.now().getTime()
  // Events are known to the second, so both ends are taken as whole seconds.
  const whole = (time: Date) => Math.floor(time.getTime() / 1000) * 1000
  const from = Math.max(now - HISTORY, StartTime ? whole(StartTime) : 0)
  const to = EndTime ? whole(EndTime) + 1000 : Number.MAX_SAFE_INTEGER
  const events: Event[] = []
  let before = position === undefined ? undefined : Number(position)
  let scanned = 0
  for (;;) {
    const range = { from, to, reverse: true, limit: BATCH, ...(before === undefined ? {} : { after: before }) }
    const entries = await ctx.append.range(stream, range)
    for (const entry of entries) {
      if (events.length === MaxResults) return { Events: events, NextToken: tokenOf(question, before) }
      const record = entry.body as AuditRecord
      before = entry.position
      if (!insights && !record.managementEvent) continue
      const event = insights ? toInsightEvent(entry.body as InsightEvent) : toEvent(record)
      if (matches(event)) events.push(event)
    }
    scanned += entries.length
    if (entries.length < BATCH) return { Events: events }
    if (scanned >= MOST_SCANNED) return { Events: events, NextToken: tokenOf(question, before) }
  }
}

const tokenOf = (question: string, position = 0): string => Buffer.from(`${question}/${position}`).toString('base64url')

const predicate = ([attribute]: readonly Present<LookupAttribute>[]): ((event: Event) => boolean) => {
  if (!attribute) return () => true
  const { AttributeKey, AttributeValue } = attribute
  return (event) => attributes[AttributeKey](event, AttributeValue)
}
