import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  type LiveTailSessionUpdate,
  PutLogEventsCommand,
  StartLiveTailCommand,
  type StartLiveTailCommandInput,
  type StartLiveTailResponseStream,
} from '@aws-sdk/client-cloudwatch-logs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'

let drydock: Story
let logs: CloudWatchLogsClient
/** How many live tail sessions the server's store tells of what is appended. */
let following: number

beforeEach(async () => {
  drydock = await story()
  logs = clientOf(drydock.root)
  following = 0
  const { append } = drydock.server.kernel
  const follow = append.follow.bind(append)
  append.follow = (...asked) => {
    const stop = follow(...asked)
    following++
    let stopped = false
    return () => {
      if (!stopped) following--
      stopped = true
      stop()
    }
  }
  drydock.server.kernel.forget()
})
afterEach(async () => {
  logs.destroy()
  await drydock.close()
})

const clientOf = (credentials: Keys) =>
  new CloudWatchLogsClient({
    endpoint: drydock.endpoint,
    region: 'us-east-1',
    credentials,
    maxAttempts: 1,
    // `stream-127.0.0.1` is no host.
    disableHostPrefix: true,
  })
const arn = (name: string) => `arn:aws:logs:us-east-1:000000000000:log-group:${name}`
const create = async (logGroupName: string, ...streams: string[]) => {
  await logs.send(new CreateLogGroupCommand({ logGroupName }))
  for (const logStreamName of streams) await stream(logGroupName, logStreamName)
}
const stream = (logGroupName: string, logStreamName: string) =>
  logs.send(new CreateLogStreamCommand({ logGroupName, logStreamName }))
const put = (logGroupName: string, logStreamName: string, ...messages: string[]) =>
  logs.send(
    new PutLogEventsCommand({
      logGroupName,
      logStreamName,
      logEvents: messages.map((message) => ({ timestamp: drydock.clock.now().getTime(), message })),
    }),
  )

const tail = async (input: Partial<StartLiveTailCommandInput>, keys = drydock.root) => {
  const client = clientOf(keys)
  const { responseStream } = await client.send(new StartLiveTailCommand({ logGroupIdentifiers: undefined, ...input }))
  if (!responseStream) throw new Error('no stream')
  const messages = responseStream[Symbol.asyncIterator]()
  const next = async (): Promise<StartLiveTailResponseStream | undefined> => (await messages.next()).value
  const start = await next()
  return {
    start: start?.sessionStart,
    next,
    leave: () => client.destroy(),
    /** What the next second brings. */
    second: async (): Promise<LiveTailSessionUpdate | undefined> => {
      await drydock.advance({ seconds: 1 })
      return (await next())?.sessionUpdate
    },
  }
}
const texts = (update: LiveTailSessionUpdate | undefined) => update?.sessionResults?.map(({ message }) => message)
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => `${(error as Error).name}: ${(error as Error).message}`,
  )
const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((turn) => setImmediate(turn))
}

test('tells each second what was ingested, of streams made later too', async () => {
  await create('a', 'one')
  await put('a', 'one', 'before')
  const session = await tail({ logGroupIdentifiers: [arn('a')] })
  expect(session.start).toMatchObject({ logGroupIdentifiers: [arn('a')], sessionId: expect.stringMatching(/.{36}/) })
  expect(await session.second()).toEqual({ sessionMetadata: { sampled: false }, sessionResults: [] })
  const now = drydock.clock.now().getTime()
  await put('a', 'one', 'first', 'second')
  await stream('a', 'two')
  await put('a', 'two', 'third')
  const update = await session.second()
  expect(texts(update)).toEqual(['first', 'second', 'third'])
  expect(update?.sessionResults?.[2]).toEqual({
    logGroupIdentifier: arn('a'),
    logStreamName: 'two',
    message: 'third',
    timestamp: now,
    ingestionTime: now,
  })
  session.leave()
})

test('only the groups, streams and messages asked for', async () => {
  await create('a', 'web/1', 'web/2', 'db')
  await create('b', 'web/1')
  await create('c', 'web/1')
  const sessions = {
    both: await tail({ logGroupIdentifiers: [arn('a'), arn('b')], logEventFilterPattern: 'ERROR' }),
    named: await tail({ logGroupIdentifiers: [arn('a')], logStreamNames: ['db', 'later'] }),
    prefixed: await tail({ logGroupIdentifiers: [arn('a')], logStreamNamePrefixes: ['web/', 'x'] }),
  }
  await stream('a', 'later')
  for (const [group, name] of [
    ['a', 'web/1'],
    ['a', 'web/2'],
    ['a', 'db'],
    ['a', 'later'],
    ['b', 'web/1'],
    ['c', 'web/1'],
  ] as const)
    await put(group, name, `ERROR ${group} ${name}`, `fine ${group} ${name}`)
  await drydock.advance({ seconds: 1 })
  expect(texts((await sessions.both.next())?.sessionUpdate)).toEqual([
    'ERROR a web/1',
    'ERROR a web/2',
    'ERROR a db',
    'ERROR a later',
    'ERROR b web/1',
  ])
  expect(texts((await sessions.named.next())?.sessionUpdate)).toEqual([
    'ERROR a db',
    'fine a db',
    'ERROR a later',
    'fine a later',
  ])
  expect(texts((await sessions.prefixed.next())?.sessionUpdate)).toEqual([
    'ERROR a web/1',
    'fine a web/1',
    'ERROR a web/2',
    'fine a web/2',
  ])
  for (const session of Object.values(sessions)) session.leave()
})

test('more than 500 events a second are sampled', async () => {
  await create('a', 'one')
  const session = await tail({ logGroupIdentifiers: [arn('a')] })
  await put('a', 'one', ...Array.from({ length: 1_200 }, (_, i) => `${i}`))
  const update = await session.second()
  expect(update?.sessionMetadata).toEqual({ sampled: true })
  expect(update?.sessionResults).toHaveLength(500)
  expect((await session.second())?.sessionMetadata).toEqual({ sampled: false })
  session.leave()
})

test('ends after three hours', async () => {
  await create('a', 'one')
  const session = await tail({ logGroupIdentifiers: [arn('a')] })
  drydock.clock.advance(3 * 3_600_000 - 1)
  expect((await session.next())?.sessionUpdate).toBeDefined()
  await put('a', 'one', 'last')
  expect(texts(await session.second())).toEqual(['last'])
  expect(await errorOf(session.next())).toContain('SessionTimeoutException')
  expect(following).toBe(0)
})

test('ends with its client, and with the state', async () => {
  await create('a', 'one')
  const [left, stayed] = [
    await tail({ logGroupIdentifiers: [arn('a')] }),
    await tail({ logGroupIdentifiers: [arn('a')] }),
  ]
  expect(following).toBe(2)
  left.leave()
  await until(() => following === 1)
  await drydock.server.reset()
  expect(await errorOf(stayed.next())).toContain('SessionStreamingException')
  expect(following).toBe(0)
  expect(drydock.logged).toEqual([])
})

test('does not hold up a server that closes', async () => {
  await create('a', 'one')
  const session = await tail({ logGroupIdentifiers: [arn('a')] })
  const waiting = errorOf(session.next())
  const before = performance.now()
  await drydock.server.close()
  expect(performance.now() - before).toBeLessThan(1_500)
  expect(await waiting).not.toBe('no error')
  expect(following).toBe(0)
})

test('what cannot be tailed, and who may not', async () => {
  await create('a', 'one')
  await create('b')
  const reader = await drydock.user('reader', [allow('logs:StartLiveTail', `${arn('a')}:*`)])
  // prettier-ignore
  const wrong: [Partial<StartLiveTailCommandInput>, string][] = [
    [{ logGroupIdentifiers: [arn('nobody')] }, 'ResourceNotFoundException: The specified log group does not exist.'],
    [{ logGroupIdentifiers: [`${arn('a')}:*`] }, 'InvalidParameterException'],
    [{ logGroupIdentifiers: ['a'] }, 'InvalidParameterException'],
    [{ logGroupIdentifiers: [] }, 'InvalidParameterException'],
    [{ logGroupIdentifiers: [arn('a'), arn('b')], logStreamNames: ['one'] }, 'InvalidParameterException'],
    [
      { logGroupIdentifiers: [arn('a')], logStreamNames: ['one'], logStreamNamePrefixes: ['o'] },
      'InvalidParameterException',
    ],
    [{ logGroupIdentifiers: [arn('a')], logEventFilterPattern: '{ $.x = ' }, 'InvalidParameterException'],
  ]
  for (const [input, expected] of wrong) expect(await errorOf(tail(input))).toContain(expected)
  expect(await errorOf(tail({ logGroupIdentifiers: [arn('a'), arn('b')] }, reader))).toContain('AccessDeniedException')
  const session = await tail({ logGroupIdentifiers: [arn('a')] }, reader)
  expect(await session.second()).toBeDefined()
  session.leave()
})
