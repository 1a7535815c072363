import type { LiveTailSessionLogEvent, StartLiveTailResponseStream } from '@aws-sdk/client-cloudwatch-logs'
import type { Ctx } from '../../kernel/context.ts'
import type { Entry } from '../../store/append.ts'
import type { FilterPattern } from './filter-pattern.ts'
import { readPattern, type StoredEvent } from './log-events.ts'
import { getGroup, groupArn, type LogGroupRecord, nameOfIdentifier } from './log-groups.ts'
import { eventsOf, LogStream } from './log-streams.ts'
import { fail, type Operation } from './operation.ts'
import { sampler } from './sampler.ts'

/** Milliseconds: how long a session lasts, and how often it is told what is new. */
const SESSION = 3 * 3_600_000
const SECOND = 1000
const MOST_EVENTS = 500
/** Updates that wait for a slow reader; the oldest are dropped. */
const MOST_WAITING = 10

/** Which events a session shows. */
type Tail = {
  readonly groups: readonly LogGroupRecord[]
  readonly wanted: (streamName: string) => boolean
  readonly matches: FilterPattern
}

/**
 * A stream of what is ingested into up to ten groups from now on: one update each second, empty when nothing came, a
 * sample of 500 events when more matched. Ends when the client leaves, and after three hours with
 * SessionTimeoutException (API reference, StartLiveTail).
 */
export const StartLiveTail: Operation<'StartLiveTail'> = async (ctx, input) => {
  const { logGroupIdentifiers: identifiers, logStreamNames: names, logStreamNamePrefixes: prefixes } = input
  if (names && prefixes)
    throw fail(
      'InvalidParameterException',
      'logStreamNames and logStreamNamePrefixes are mutually exclusive parameters.',
    )
  if ((names || prefixes) && identifiers.length > 1)
    throw fail('InvalidParameterException', 'Log streams can be specified for a single log group only.')
  for (const identifier of identifiers)
    if (!identifier.startsWith('arn:') || identifier.endsWith('*'))
      throw fail('InvalidParameterException', 'Each log group must be specified by its ARN, which cannot end with *.')
  const matches = readPattern(input.logEventFilterPattern ?? '')
  const groupNames = new Set(identifiers.map((identifier) => nameOfIdentifier(ctx, identifier)))
  const groups = await ctx.read((tx) => Promise.all([...groupNames].map((name) => getGroup(tx, name))))
  const wanted = (stream: string) =>
    names ? names.includes(stream) : !prefixes || prefixes.some((prefix) => stream.startsWith(prefix))
  const start: StartLiveTailResponseStream = {
    sessionStart: {
      requestId: ctx.request.id,
      sessionId: ctx.newId(),
      logGroupIdentifiers: identifiers,
      logStreamNames: names,
      logStreamNamePrefixes: prefixes,
      logEventFilterPattern: input.logEventFilterPattern,
    },
  }
  return { responseStream: session(ctx, start, { groups, wanted, matches }) }
}

/** Begins when its first message is taken; ends, and lets go of everything, with the last one or when its reader returns. */
const session = (
  ctx: Ctx,
  start: StartLiveTailResponseStream,
  tail: Tail,
): AsyncIterableIterator<StartLiveTailResponseStream> => {
  type Message = StartLiveTailResponseStream
  const waiting: Message[] = []
  let reader: ((next: IteratorResult<Message>) => void) | undefined
  let state: 'new' | 'open' | 'over' = 'new'
  let stop = () => {}

  const send = (message: Message) => {
    if (reader) {
      reader({ value: message, done: false })
      reader = undefined
      return
    }
    waiting.push(message)
    if (waiting.length > MOST_WAITING) waiting.shift()
  }
  const end = (last?: Message) => {
    if (state === 'over') return
    if (last) send(last)
    state = 'over'
    stop()
    reader?.({ value: undefined, done: true })
    reader = undefined
  }
  const broken = () => end(sessionStreamingException())

  const begin = () => {
    state = 'open'
    const until = ctx.now().getTime() + SESSION
    const events = sampler<LiveTailSessionLogEvent>(MOST_EVENTS)
    const follow = following(ctx, tail, { found: events.add, broken })
    let cancel = () => {}
    const beat = () => {
      cancel = ctx.alarm(new Date(ctx.now().getTime() + SECOND), async () => {
        await follow.settled()
        if (state === 'over') return
        const { items, sampled } = events.take()
        send({ sessionUpdate: { sessionMetadata: { sampled }, sessionResults: items } })
        if (ctx.now().getTime() >= until) end(sessionTimeoutException())
        else beat()
      })
    }
    beat()
    stop = () => {
      cancel()
      follow.stop()
    }
  }

  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      if (state === 'new') {
        begin()
        return { value: start, done: false }
      }
      const message = waiting.shift()
      if (message) return { value: message, done: false }
      if (state === 'over') return { value: undefined, done: true }
      return new Promise((resolve) => {
        reader = resolve
      })
    },
    async return() {
      waiting.length = 0
      end()
      return { value: undefined, done: true }
    },
  }
}

/** Hears of a tail's events as they are stored. `settled` resolves when all that has been heard of has been looked at. */
const following = (
  ctx: Ctx,
  { groups, wanted, matches }: Tail,
  tell: { readonly found: (event: LiveTailSessionLogEvent) => void; readonly broken: () => void },
): { settled: () => Promise<void>; stop: () => void } => {
  /** Names of streams by id; `undefined` for those that are not wanted, or gone. */
  const names = new Map<string, string | undefined>()
  let looking = Promise.resolve()

  const nameOf = async (group: LogGroupRecord, id: string): Promise<string | undefined> => {
    if (!names.has(id)) {
      const [stream] = await ctx.read((tx) => tx.list(LogStream, { index: 'id', equals: id, limit: 1 }))
      names.set(id, stream && stream.groupId === group.id && wanted(stream.name) ? stream.name : undefined)
    }
    return names.get(id)
  }
  const look = async (group: LogGroupRecord, id: string, entries: readonly Entry[]) => {
    const logStreamName = await nameOf(group, id)
    if (logStreamName === undefined) return
    const logGroupIdentifier = groupArn(ctx, group.name)
    for (const { time: timestamp, body } of entries) {
      const { m: message, i: ingestionTime } = body as StoredEvent
      if (matches(message)) tell.found({ logGroupIdentifier, logStreamName, message, timestamp, ingestionTime })
    }
  }
  const stops = groups.map((group) => {
    const prefix = eventsOf(ctx, group.id)
    return ctx.append.follow(prefix, {
      appended: (stream, entries) => {
        looking = looking.then(() => look(group, stream.slice(prefix.length), entries)).catch(tell.broken)
      },
      ended: tell.broken,
    })
  })
  return {
    settled: () => looking,
    stop: () => {
      for (const stop of stops) stop()
    },
  }
}

const exception = <N extends string>(name: N, message: string) =>
  Object.assign(new Error(message), { name, $fault: 'client' as const, $metadata: {} })

const sessionTimeoutException = (): StartLiveTailResponseStream => ({
  SessionTimeoutException: exception('SessionTimeoutException', 'The session has been open for three hours.'),
})

const sessionStreamingException = (): StartLiveTailResponseStream => ({
  SessionStreamingException: exception('SessionStreamingException', 'The session cannot go on.'),
})
