import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  DeleteLogGroupCommand,
  DeleteLogStreamCommand,
  DescribeLogGroupsCommand,
  DescribeLogStreamsCommand,
  FilterLogEventsCommand,
  type FilterLogEventsCommandInput,
  GetLogEventsCommand,
  type GetLogEventsCommandInput,
  PutLogEventsCommand,
  PutRetentionPolicyCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let logs: CloudWatchLogsClient
let now: number

const group = '/aws/codebuild/web'
const stream = 'build/1'

beforeEach(async () => {
  drydock = await story()
  logs = drydock.client(CloudWatchLogsClient)
  now = drydock.clock.now().getTime()
  await logs.send(new CreateLogGroupCommand({ logGroupName: group }))
  await logs.send(new CreateLogStreamCommand({ logGroupName: group, logStreamName: stream }))
})
afterEach(() => drydock.close())

const put = (lines: readonly [number, string][], logStreamName = stream) =>
  logs.send(
    new PutLogEventsCommand({
      logGroupName: group,
      logStreamName,
      logEvents: lines.map(([offset, message]) => ({ timestamp: now + offset, message })),
    }),
  )
const get = async (more: Partial<GetLogEventsCommandInput> = {}) => {
  const answer = await logs.send(new GetLogEventsCommand({ logGroupName: group, logStreamName: stream, ...more }))
  return {
    messages: (answer.events ?? []).map(({ message }) => message),
    forward: answer.nextForwardToken ?? '',
    backward: answer.nextBackwardToken ?? '',
  }
}
const filter = async (more: Partial<FilterLogEventsCommandInput> = {}) => {
  const answer = await logs.send(new FilterLogEventsCommand({ logGroupName: group, ...more }))
  return {
    messages: (answer.events ?? []).map(({ message }) => message),
    events: answer.events ?? [],
    next: answer.nextToken,
  }
}
const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => `${(error as Error).name}: ${(error as Error).message}`,
  )

describe('GetLogEvents', () => {
  test('pages forward from the head, gives the same token at the end, and goes on when more arrives', async () => {
    await put([0, 1, 2, 3, 4].map((at) => [at, `line ${at}`]))
    const first = await get({ startFromHead: true, limit: 2 })
    expect(first.messages).toEqual(['line 0', 'line 1'])
    const second = await get({ startFromHead: true, limit: 2, nextToken: first.forward })
    expect(second.messages).toEqual(['line 2', 'line 3'])
    const third = await get({ startFromHead: true, limit: 2, nextToken: second.forward })
    expect(third.messages).toEqual(['line 4'])
    const end = await get({ startFromHead: true, limit: 2, nextToken: third.forward })
    expect(end.messages).toEqual([])
    expect(end.forward).toBe(third.forward)
    await put([[5, 'line 5']])
    expect((await get({ startFromHead: true, nextToken: end.forward })).messages).toEqual(['line 5'])
    expect((await get({ nextToken: second.backward })).messages).toEqual(['line 0', 'line 1'])
  })

  test('starts with the newest unless told, pages backward to the beginning', async () => {
    await put([0, 1, 2, 3, 4].map((at) => [at, `line ${at}`]))
    const newest = await get({ limit: 2 })
    expect(newest.messages).toEqual(['line 3', 'line 4'])
    const older = await get({ limit: 2, nextToken: newest.backward })
    expect(older.messages).toEqual(['line 1', 'line 2'])
    const oldest = await get({ limit: 2, nextToken: older.backward })
    expect(oldest.messages).toEqual(['line 0'])
    const start = await get({ limit: 2, nextToken: oldest.backward })
    expect(start.messages).toEqual([])
    expect(start.backward).toBe(oldest.backward)
    expect((await get({ limit: 2, nextToken: start.forward })).messages).toEqual(['line 0', 'line 1'])
  })

  test('an empty stream can be followed from its tokens', async () => {
    const empty = await get({ startFromHead: true })
    expect(empty.messages).toEqual([])
    await put([[0, 'first']])
    expect((await get({ startFromHead: true, nextToken: empty.forward })).messages).toEqual(['first'])
  })

  test('keeps to the times asked for: start inclusive, end exclusive', async () => {
    await put([0, 1, 2, 3].map((at) => [at, `line ${at}`]))
    expect((await get({ startTime: now + 1, endTime: now + 3 })).messages).toEqual(['line 1', 'line 2'])
  })

  test('orders by time although later batches may be earlier', async () => {
    await put([[10, 'late']])
    await put([
      [5, 'early'],
      [10, 'late too'],
    ])
    expect((await get({ startFromHead: true })).messages).toEqual(['early', 'late', 'late too'])
    const first = await get({ startFromHead: true, limit: 1 })
    expect((await get({ startFromHead: true, nextToken: first.forward })).messages).toEqual(['late', 'late too'])
  })

  test('errors', async () => {
    expect(await codeOf(get({ logStreamName: 'none' }))).toBe(
      'ResourceNotFoundException: The specified log stream does not exist.',
    )
    expect(await codeOf(get({ logGroupName: 'none' }))).toBe(
      'ResourceNotFoundException: The specified log group does not exist.',
    )
    expect(await codeOf(get({ nextToken: 'x' }))).toBe('InvalidParameterException: The specified nextToken is invalid.')
  })
})

describe('PutLogEvents', () => {
  test('leaves out what is too old or too far ahead, and says so', async () => {
    const day = 86_400_000
    const old = await put([[-15 * day, 'older than 14 days']])
    expect(old.rejectedLogEventsInfo).toEqual({ tooOldLogEventEndIndex: 1 })
    const mixed = await put([
      [-day / 2, 'fine'],
      [1, 'fine too'],
      [2 * 3_600_000 + 1, 'too far ahead'],
    ])
    expect(mixed.rejectedLogEventsInfo).toEqual({ tooNewLogEventStartIndex: 2 })
    expect((await get({ startFromHead: true })).messages).toEqual(['fine', 'fine too'])
    await logs.send(new PutRetentionPolicyCommand({ logGroupName: group, retentionInDays: 1 }))
    expect((await put([[-2 * day, 'expired']])).rejectedLogEventsInfo).toEqual({ expiredLogEventEndIndex: 1 })
  })

  test('refuses batches that AWS refuses, and stores nothing of them', async () => {
    expect(
      await codeOf(
        put([
          [1, 'b'],
          [0, 'a'],
        ]),
      ),
    ).toBe('InvalidParameterException: Log events in a single PutLogEvents request must be in chronological order.')
    expect(
      await codeOf(
        put([
          [-86_400_001, 'a'],
          [0, 'b'],
        ]),
      ),
    ).toBe(
      'InvalidParameterException: The batch of log events in a single PutLogEvents request cannot span more than 24 hours.',
    )
    const half = 'x'.repeat(600_000)
    expect(
      await codeOf(
        put([
          [0, half],
          [0, half],
        ]),
      ),
    ).toBe('InvalidParameterException: Upload too large: 1200052 bytes exceeds limit of 1048576')
    expect(await codeOf(put([[0, 'a']], 'none'))).toBe(
      'ResourceNotFoundException: The specified log stream does not exist.',
    )
    expect((await get({ startFromHead: true })).messages).toEqual([])
  })
})

describe('FilterLogEvents', () => {
  const other = 'build/2'
  beforeEach(() => logs.send(new CreateLogStreamCommand({ logGroupName: group, logStreamName: other })))

  test('merges streams by time, filters, pages, and can be followed as `aws logs tail` does', async () => {
    await put([
      [0, 'a ERROR'],
      [2, 'b'],
      [4, 'c ERROR'],
    ])
    await put(
      [
        [1, 'd'],
        [3, 'e ERROR'],
      ],
      other,
    )
    expect((await filter()).messages).toEqual(['a ERROR', 'd', 'b', 'e ERROR', 'c ERROR'])
    expect((await filter({ filterPattern: 'ERROR' })).messages).toEqual(['a ERROR', 'e ERROR', 'c ERROR'])
    expect((await filter({ logStreamNames: [other] })).messages).toEqual(['d', 'e ERROR'])
    expect((await filter({ logStreamNamePrefix: 'build/1' })).messages).toEqual(['a ERROR', 'b', 'c ERROR'])
    expect((await filter({ startTime: now + 1, endTime: now + 3 })).messages).toEqual(['d', 'b', 'e ERROR'])
    const seen: (string | undefined)[] = []
    let next: string | undefined
    do {
      const page = await filter({ limit: 2, ...(next ? { nextToken: next } : {}) })
      seen.push(...page.messages)
      next = page.next
    } while (next)
    expect(seen).toEqual(['a ERROR', 'd', 'b', 'e ERROR', 'c ERROR'])
    const { events } = await filter()
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(5)
    expect(events[0]).toMatchObject({ logStreamName: stream, timestamp: now, ingestionTime: now })
    await put([[4, 'f']], other)
    const followed = await filter({ startTime: now + 4 })
    expect(followed.messages.toSorted()).toEqual(['c ERROR', 'f'])
  })

  test('events of one moment in several streams come once each, whatever the page', async () => {
    for (let at = 0; at < 12; at++) await put([[at % 2, `n${at}`]], at % 3 ? other : stream)
    for (const limit of [1, 2, 5]) {
      const seen: (string | undefined)[] = []
      let next: string | undefined
      do {
        const page = await filter({ limit, ...(next ? { nextToken: next } : {}) })
        seen.push(...page.messages)
        next = page.next
      } while (next)
      expect(seen).toHaveLength(12)
      expect(new Set(seen).size).toBe(12)
    }
  })

  test('many events come in pages without a gap or a double', async () => {
    for (let batch = 0; batch < 5; batch++)
      await put(
        Array.from({ length: 500 }, (_, at) => [batch * 500 + at, `n${batch * 500 + at}`] as [number, string]),
        batch % 2 ? other : stream,
      )
    const seen: (string | undefined)[] = []
    let next: string | undefined
    do {
      const page = await filter({ limit: 700, ...(next ? { nextToken: next } : {}) })
      seen.push(...page.messages)
      next = page.next
    } while (next)
    expect(seen).toEqual(Array.from({ length: 2500 }, (_, at) => `n${at}`))
  })

  test('errors', async () => {
    expect(await codeOf(filter({ filterPattern: 'a.b' }))).toBe(
      "InvalidParameterException: Invalid character(s) in term 'a.b'",
    )
    expect(await codeOf(filter({ logStreamNames: ['none'] }))).toBe(
      'ResourceNotFoundException: The specified log stream does not exist.',
    )
    expect(await codeOf(filter({ nextToken: 'zzz' }))).toContain('InvalidParameterException')
  })
})

test('retention really expires: hidden at once, removed by the sweep', async () => {
  await put([[0, 'monday']])
  await logs.send(new PutRetentionPolicyCommand({ logGroupName: group, retentionInDays: 3 }))
  await drydock.advance({ days: 2 })
  await put([[2 * 86_400_000, 'wednesday']])
  expect((await get({ startFromHead: true })).messages).toEqual(['monday', 'wednesday'])
  await drydock.advance({ days: 1, seconds: 1 })
  expect((await get({ startFromHead: true })).messages).toEqual(['wednesday'])
  await drydock.advance({ hours: 2 })
  const streams = await logs.send(new DescribeLogStreamsCommand({ logGroupName: group }))
  expect(streams.logStreams?.[0]?.firstEventTimestamp).toBe(now + 2 * 86_400_000)
  const groups = await logs.send(new DescribeLogGroupsCommand({}))
  expect(groups.logGroups?.[0]).toMatchObject({ retentionInDays: 3, storedBytes: 'wednesday'.length })
})

test('a group made again under its name starts empty, and so does a stream', async () => {
  await put([[0, 'gone']])
  await logs.send(new DeleteLogStreamCommand({ logGroupName: group, logStreamName: stream }))
  await logs.send(new CreateLogStreamCommand({ logGroupName: group, logStreamName: stream }))
  expect((await get({ startFromHead: true })).messages).toEqual([])
  await put([[0, 'gone too']])
  await logs.send(new DeleteLogGroupCommand({ logGroupName: group }))
  await logs.send(new CreateLogGroupCommand({ logGroupName: group }))
  await logs.send(new CreateLogStreamCommand({ logGroupName: group, logStreamName: stream }))
  await drydock.settled()
  expect((await get({ startFromHead: true })).messages).toEqual([])
})
