import type { FilteredLogEvent, OutputLogEvent } from '@aws-sdk/client-cloudwatch-logs'
import type { Ctx } from '../../kernel/context.ts'
import type { Entry } from '../../store/append.ts'
import { type FilterPattern, FilterPatternError, parseFilterPattern } from './filter-pattern.ts'
import { DAY, getGroup, groupName, LogGroup, type LogGroupRecord } from './log-groups.ts'
import { eventsOf, getStream, LogStream, type LogStreamRecord } from './log-streams.ts'
import { fail, type Operation } from './operation.ts'
import { expiredBefore } from './retention.ts'

/** An event as the append store keeps it: message and time of ingestion. */
export type StoredEvent = { readonly m: string; readonly i: number }

/** Where an event stands in its stream. */
type Mark = { readonly time: number; readonly position: number }
type Event = Mark & { readonly message: string; readonly ingestion: number }

const HOUR = 3_600_000
const EVENT_OVERHEAD = 26
const LARGEST_EVENT = 1_048_576
const LARGEST_BATCH = 1_048_576
const LARGEST_ANSWER = 1_048_576
const MOST_EVENTS = 10_000
/** Events one FilterLogEvents call looks at before it answers with a token, so that no call takes long. */
const MOST_SCANNED = 200_000

const toEvent = ({ time, position, body }: Entry): Event => {
  const { m, i } = body as StoredEvent
  return { time, position, message: m, ingestion: i }
}

/**
 * Stores a batch. Events that are too old, expired or too far ahead are left out and reported; sequence tokens are
 * ignored. InvalidParameterException for a batch out of order, over 24 hours long or too large (API reference, PutLogEvents).
 */
export const PutLogEvents: Operation<'PutLogEvents'> = async (ctx, { logGroupName, logStreamName, logEvents }) => {
  const now = ctx.now().getTime()
  checkBatch(logEvents)
  const { group, stream } = await ctx.read(async (tx) => {
    const group = await getGroup(tx, logGroupName)
    return { group, stream: await getStream(tx, group, logStreamName) }
  })
  const count = (holds: (time: number) => boolean) => logEvents.filter(({ timestamp }) => holds(timestamp)).length
  const expired = count((time) => time < expiredBefore(ctx, group))
  const old = count((time) => time < now - 14 * DAY)
  const early = logEvents.length - count((time) => time > now + 2 * HOUR)
  const kept = logEvents.slice(Math.max(expired, old), early)
  const rejected = {
    ...(expired > 0 ? { expiredLogEventEndIndex: expired } : {}),
    ...(old > 0 ? { tooOldLogEventEndIndex: old } : {}),
    ...(early < logEvents.length ? { tooNewLogEventStartIndex: early } : {}),
  }
  const position = kept.length > 0 ? await store(ctx, group, stream, kept, now) : stream.position
  return {
    nextSequenceToken: digits({ time: now, position }),
    ...(Object.keys(rejected).length > 0 ? { rejectedLogEventsInfo: rejected } : {}),
  }
}

type InputEvent = { readonly timestamp: number; readonly message: string }

const checkBatch = (events: readonly InputEvent[]): void => {
  let size = 0
  for (const [at, { timestamp, message }] of events.entries()) {
    const bytes = Buffer.byteLength(message) + EVENT_OVERHEAD
    size += bytes
    if (bytes > LARGEST_EVENT)
      throw fail('InvalidParameterException', `Log event too large: ${bytes} bytes exceeds limit of ${LARGEST_EVENT}`)
    if (timestamp < (events[at - 1]?.timestamp ?? 0))
      throw fail(
        'InvalidParameterException',
        'Log events in a single PutLogEvents request must be in chronological order.',
      )
  }
  if (size > LARGEST_BATCH)
    throw fail('InvalidParameterException', `Upload too large: ${size} bytes exceeds limit of ${LARGEST_BATCH}`)
  if ((events.at(-1)?.timestamp ?? 0) - (events[0]?.timestamp ?? 0) > DAY)
    throw fail(
      'InvalidParameterException',
      'The batch of log events in a single PutLogEvents request cannot span more than 24 hours.',
    )
}

/** Appends the events, then tells the rows about them: a crash in between loses no event, only a summary. */
const store = async (
  ctx: Ctx,
  group: LogGroupRecord,
  stream: LogStreamRecord,
  events: readonly InputEvent[],
  now: number,
): Promise<number> => {
  const position = await ctx.append.append(
    eventsOf(ctx, group.id, stream.id),
    events.map(({ timestamp, message }) => ({ time: timestamp, body: { m: message, i: now } satisfies StoredEvent })),
  )
  const first = events[0]?.timestamp ?? now
  const last = events.at(-1)?.timestamp ?? now
  const bytes = events.reduce((sum, { message }) => sum + Buffer.byteLength(message), 0)
  await ctx.write(async (tx) => {
    const row = await tx.get(LogStream, `${group.id}/${stream.name}`)
    const owner = await tx.get(LogGroup, group.name)
    if (!row || owner?.id !== group.id)
      throw fail('ResourceNotFoundException', 'The specified log stream does not exist.')
    tx.put(LogStream, {
      ...row,
      firstEvent: Math.min(row.firstEvent ?? first, first),
      lastEvent: Math.max(row.lastEvent ?? last, last),
      lastIngestion: now,
      position: Math.max(row.position, position),
      disordered: row.disordered || position < row.position || first < (row.lastEvent ?? 0),
    })
    tx.put(LogGroup, { ...owner, bytes: owner.bytes + bytes })
    if (owner.retentionDays !== undefined && row.firstEvent === undefined) tx.wake('logs.retention', group.name)
  })
  return position
}

// Marks as text: 56 digits as AWS shows them, so that event ids and page tokens look and sort alike.

const digits = ({ time, position }: Mark, suffix = '0'): string =>
  String(Math.max(0, time)).padStart(17, '0') +
  String(Math.max(0, position)).padStart(15, '0') +
  suffix.padStart(24, '0')

const markOf = (text: string): Mark => ({ time: Number(text.slice(0, 17)), position: Number(text.slice(17, 32)) })

const before = (a: Mark, b: Mark): boolean => a.time < b.time || (a.time === b.time && a.position < b.position)

const eventId = (stream: LogStreamRecord, event: Mark): string =>
  digits(event, (BigInt(`0x${stream.id.replaceAll('-', '')}`) % 10n ** 24n).toString())

const badToken = () => fail('InvalidParameterException', 'The specified nextToken is invalid.')

type Span = { readonly from: number; readonly to: number }

/** What of a stream a caller may ask for: not before retention's end, `endTime` exclusive. */
const spanOf = (ctx: Ctx, group: LogGroupRecord, startTime = 0, endTime: number = Number.MAX_SAFE_INTEGER): Span => ({
  from: Math.max(startTime, expiredBefore(ctx, group)),
  to: endTime,
})

/** Events on one side of a mark, nearest first, in order of time. In an ordered stream that is the order of positions. */
const read = async (
  ctx: Ctx,
  stream: LogStreamRecord,
  span: Span,
  side: { after?: Mark; before?: Mark },
  limit: number,
): Promise<Event[]> => {
  const name = eventsOf(ctx, stream.groupId, stream.id)
  const reverse = side.before !== undefined
  if (stream.disordered) {
    const all = (await everything(ctx, name, span)).sort((a, b) => (before(a, b) ? -1 : 1))
    const chosen = all.filter((event) =>
      side.before ? before(event, side.before) : !side.after || before(side.after, event),
    )
    return reverse ? chosen.reverse().slice(0, limit) : chosen.slice(0, limit)
  }
  const after = side.before?.position ?? side.after?.position
  const entries = await ctx.append.range(name, { ...span, reverse, limit, ...(after === undefined ? {} : { after }) })
  return entries.map(toEvent)
}

const everything = async (ctx: Ctx, name: string, span: Span): Promise<Event[]> => {
  const events: Event[] = []
  let after = 0
  for (;;) {
    const some = await ctx.append.range(name, { ...span, after, limit: MOST_EVENTS })
    events.push(...some.map(toEvent))
    const last = some.at(-1)
    if (!last || some.length < MOST_EVENTS) return events
    after = last.position
  }
}

/** Keeps what fits an answer of 1 MB; at least one event. */
const fitting = (events: readonly Event[]): readonly Event[] => {
  let size = 0
  const end = events.findIndex(({ message }, at) => {
    size += Buffer.byteLength(message) + EVENT_OVERHEAD
    return at > 0 && size > LARGEST_ANSWER
  })
  return end < 0 ? events : events.slice(0, end)
}

const newest: Mark = { time: Number.MAX_SAFE_INTEGER, position: Number.MAX_SAFE_INTEGER }

/**
 * A page of one stream, oldest first: the newest events unless `startFromHead`. Both tokens always lead on; at an end
 * of the stream the token given comes back (API reference, GetLogEvents).
 */
export const GetLogEvents: Operation<'GetLogEvents'> = async (ctx, input) => {
  const name = groupName(ctx, input)
  const { group, stream } = await ctx.read(async (tx) => {
    const group = await getGroup(tx, name)
    return { group, stream: await getStream(tx, group, input.logStreamName) }
  })
  const token = input.nextToken === undefined ? undefined : /^([fb])\/(\d{56})\/s$/.exec(input.nextToken)
  if (token === null) throw badToken()
  const mark = token && markOf(token[2] ?? '')
  const forward = token ? token[1] === 'f' : (input.startFromHead ?? false)
  const side = forward ? (mark ? { after: mark } : {}) : { before: mark ?? newest }
  const span = spanOf(ctx, group, input.startTime, input.endTime)
  const found = fitting(await read(ctx, stream, span, side, input.limit ?? MOST_EVENTS))
  const events = forward ? found : found.toReversed()
  const here = mark ?? { time: 0, position: 0 }
  const first = events[0] ?? { time: here.time, position: here.position + (forward ? 1 : 0) }
  const last = events.at(-1) ?? { time: here.time, position: here.position - (forward ? 0 : 1) }
  return {
    events: events.map(
      ({ time, message, ingestion }): OutputLogEvent => ({ timestamp: time, message, ingestionTime: ingestion }),
    ),
    nextForwardToken: `f/${digits(last)}/s`,
    nextBackwardToken: `b/${digits(first)}/s`,
  }
}

/** InvalidParameterException for text that is no filter pattern. */
export const readPattern = (text: string): FilterPattern => {
  try {
    return parseFilterPattern(text)
  } catch (error) {
    if (error instanceof FilterPatternError) throw fail('InvalidParameterException', error.message)
    throw error
  }
}

/** Where a search over streams stands: everything up to this event of this stream has been looked at. */
type Cursor = Mark & { readonly stream: string }

const cursorOf = (token: string): Cursor => {
  const text = Buffer.from(token, 'base64url').toString()
  const match = /^(\d+)\/(\d+)\/([0-9a-f-]+)$/.exec(text)
  if (!match) throw badToken()
  return { time: Number(match[1]), position: Number(match[2]), stream: match[3] ?? '' }
}

const toToken = ({ time, position, stream }: Cursor): string =>
  Buffer.from(`${time}/${position}/${stream}`).toString('base64url')

const passed = (event: Mark, stream: string, { time, position, stream: at }: Cursor): boolean => {
  if (event.time !== time) return event.time < time
  return stream === at ? event.position <= position : stream < at
}

/**
 * Searches the group's streams, or some of them, in order of time. A page ends at `limit`, at 1 MB, or where enough has
 * been looked at; it may be empty and still have a token, as on AWS.
 */
export const FilterLogEvents: Operation<'FilterLogEvents'> = async (ctx, input) => {
  const name = groupName(ctx, input)
  const { logStreamNames: names, logStreamNamePrefix: prefix = '' } = input
  if (names && prefix !== '')
    throw fail('InvalidParameterException', 'logStreamNames and logStreamNamePrefix are mutually exclusive parameters.')
  const matches = readPattern(input.filterPattern ?? '')
  const cursor = input.nextToken === undefined ? undefined : cursorOf(input.nextToken)
  const { group, streams } = await ctx.read(async (tx) => {
    const group = await getGroup(tx, name)
    if (!names) return { group, streams: await tx.list(LogStream, { prefix: `${group.id}/${prefix}` }) }
    const streams: LogStreamRecord[] = []
    for (const one of new Set(names)) streams.push(await getStream(tx, group, one))
    return { group, streams }
  })
  // FilterLogEvents takes `endTime` inclusive, unlike GetLogEvents.
  const span = spanOf(ctx, group, input.startTime, input.endTime === undefined ? undefined : input.endTime + 1)
  const limit = input.limit ?? MOST_EVENTS
  const events: FilteredLogEvent[] = []
  let size = 0
  let scanned = 0
  let next: Cursor | undefined
  for await (const { stream, event } of inOrder(ctx, streams, span, cursor)) {
    if (events.length >= limit || scanned >= MOST_SCANNED || size >= LARGEST_ANSWER)
      return { events, searchedLogStreams: [], nextToken: next && toToken(next) }
    scanned++
    next = { time: event.time, position: event.position, stream: stream.id }
    if (!matches(event.message)) continue
    size += Buffer.byteLength(event.message) + EVENT_OVERHEAD
    events.push({
      logStreamName: stream.name,
      timestamp: event.time,
      message: event.message,
      ingestionTime: event.ingestion,
      eventId: eventId(stream, event),
    })
  }
  return { events, searchedLogStreams: [] }
}

/** Events of one stream held at a time; fewer where many streams are merged. */
const BATCH = 1000
const HELD = 50_000

/** The events of several streams merged by time, those up to the cursor left out. */
async function* inOrder(
  ctx: Ctx,
  streams: readonly LogStreamRecord[],
  span: Span,
  cursor: Cursor | undefined,
): AsyncGenerator<{ stream: LogStreamRecord; event: Event }> {
  const from = Math.max(span.from, cursor?.time ?? 0)
  const batch = Math.max(10, Math.min(BATCH, Math.floor(HELD / Math.max(1, streams.length))))
  const heads: { stream: LogStreamRecord; events: Event[]; more: boolean }[] = []
  for (const stream of streams) {
    if (stream.lastEvent === undefined || stream.lastEvent < from || (stream.firstEvent ?? 0) >= span.to) continue
    const events = await read(ctx, stream, { ...span, from }, {}, stream.disordered ? Number.MAX_SAFE_INTEGER : batch)
    heads.push({ stream, events, more: !stream.disordered && events.length === batch })
  }
  for (;;) {
    let least: (typeof heads)[number] | undefined
    for (const head of heads) {
      const last = head.events[0]
      const best = least?.events[0]
      if (!last) continue
      if (!best || !least || last.time < best.time || (last.time === best.time && head.stream.id < least.stream.id))
        least = head
    }
    const event = least?.events.shift()
    if (!least || !event) return
    if (least.events.length === 0 && least.more) {
      least.events = await read(ctx, least.stream, span, { after: event }, batch)
      least.more = least.events.length === batch
    }
    if (!cursor || !passed(event, least.stream.id, cursor)) yield { stream: least.stream, event }
  }
}
