import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { Ctx, Logger } from '../kernel/context.ts'
import { sqliteStore } from '../store/sqlite.ts'
import type { Place } from '../store/store.ts'
import { manualClock } from './clock.ts'
import type { DeliveredEvent, DomainEvent } from './outbox.ts'
import { again, done, type Reconciler } from './reconciler.ts'
import { createWork } from './work.ts'

const here: Place = { account: '111111111111', region: 'eu-west-1' }
const START = Date.parse('2026-01-01T00:00:00Z')

const event = (detail: Record<string, unknown>, source = 'aws.test'): DomainEvent => ({
  source,
  'detail-type': 'Something Happened',
  ...here,
  resources: [],
  detail,
})

/** What a runner may do with its context here: the place it is at. */
const contextAt = (place: Place): Ctx => Object.freeze({ place }) as unknown as Ctx

const bench = (
  reconcilers: Reconciler[] = [],
  options: {
    folder?: string
    deliver?: (event: DeliveredEvent) => Promise<void>
    limit?: number
    clock?: ReturnType<typeof manualClock>
  } = {},
) => {
  const clock = options.clock ?? manualClock(START)
  const now = () => clock.now()
  const store = sqliteStore(options.folder === undefined ? { memory: true, now } : { folder: options.folder, now })
  const lines: string[] = []
  const say = (message: string) => {
    lines.push(message)
  }
  const log: Logger = { debug: say, info: say, warn: say, error: say }
  const work = createWork({
    store,
    clock,
    log,
    reconcilers: new Map(reconcilers.map((reconciler) => [reconciler.name, reconciler])),
    contextFor: (_name, place) => contextAt(place),
    deliver: options.deliver ?? (async () => {}),
    limit: options.limit,
  })
  const wake = (key: string, delay = 0, name = 'r') =>
    store.write(here, async (tx) => tx.wake(name, key, { in: delay }))
  const emit = (...events: DomainEvent[]) =>
    store.write(here, async (tx) => {
      for (const each of events) tx.emit(each)
    })
  cleanups.push(async () => {
    await work.stop(0)
    await store.close()
  })
  return { clock, store, work, lines, wake, emit }
}

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const temporaryFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-work-'))
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** For steps of one line. */
const having = <T>(_effect: unknown, result: T): T => result

/** A promise to be settled by hand. */
const gate = () => Promise.withResolvers<void>()

describe('reconcilers', () => {
  test('a wake runs the step at its place, once', async () => {
    const seen: unknown[] = []
    const { work, wake, store } = bench([
      { name: 'r', step: async (ctx, key) => having(seen.push([ctx.place, key]), done()) },
    ])
    await work.start()
    await wake('a')
    await wake('b')
    await work.settled()
    expect(seen).toEqual([
      [here, 'a'],
      [here, 'b'],
    ])
    expect(await store.due(Number.MAX_SAFE_INTEGER)).toEqual([])
  })

  test('a transaction that fails wakes nothing', async () => {
    const seen: string[] = []
    const { work, store } = bench([{ name: 'r', step: async (_ctx, key) => having(seen.push(key), done()) }])
    await work.start()
    await expect(
      store.write(here, async (tx) => {
        tx.wake('r', 'a')
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    await work.settled()
    expect(seen).toEqual([])
  })

  test('wakes in the future wait for the clock, and each of them is kept', async () => {
    const seen: number[] = []
    const { work, wake, clock } = bench([
      { name: 'r', step: async () => having(seen.push(clock.now().getTime() - START), done()) },
    ])
    await work.start()
    await wake('a', 60_000)
    await wake('a', 10_000)
    await work.settled()
    expect(seen).toEqual([])
    await work.advance(9_999)
    expect(seen).toEqual([])
    await work.advance(1)
    expect(seen).toEqual([10_000])
    await work.advance(3_600_000)
    expect(seen).toEqual([10_000, 60_000])
  })

  test('again runs every period while the clock is advanced', async () => {
    const seen: number[] = []
    const { work, wake, clock } = bench([
      {
        name: 'r',
        step: async () => {
          seen.push(clock.now().getTime() - START)
          return seen.length < 5 ? again({ in: 60_000 }) : done()
        },
      },
    ])
    await work.start()
    await wake('a')
    await work.advance(3_600_000)
    expect(seen).toEqual([0, 60_000, 120_000, 180_000, 240_000])
  })

  test('a wake comes before again, which then counts from there', async () => {
    const seen: number[] = []
    const { work, wake, clock } = bench([
      { name: 'r', step: async () => having(seen.push(clock.now().getTime() - START), again({ in: 60_000 })) },
    ])
    await work.start()
    await wake('a')
    await work.advance(30_000)
    await wake('a')
    await work.settled()
    await work.advance(59_999)
    expect(seen).toEqual([0, 30_000])
    await work.advance(1)
    expect(seen).toEqual([0, 30_000, 90_000])
  })

  test('steps of a key never overlap, and a wake during a step runs it once more', async () => {
    const first = gate()
    const started = gate()
    let runs = 0
    let atOnce = 0
    let most = 0
    const { work, wake } = bench([
      {
        name: 'r',
        step: async () => {
          runs += 1
          atOnce += 1
          most = Math.max(most, atOnce)
          if (runs === 1) {
            started.resolve()
            await first.promise
          }
          atOnce -= 1
          return done()
        },
      },
    ])
    await work.start()
    await wake('a')
    await started.promise
    await wake('a')
    await wake('a')
    first.resolve()
    await work.settled()
    expect({ runs, most }).toEqual({ runs: 2, most: 1 })
  })

  test('different keys run at the same time, up to the limit', async () => {
    const all = gate()
    const full = gate()
    let atOnce = 0
    let most = 0
    const { work, wake } = bench(
      [
        {
          name: 'r',
          step: async () => {
            atOnce += 1
            most = Math.max(most, atOnce)
            if (atOnce === 4) full.resolve()
            await all.promise
            atOnce -= 1
            return done()
          },
        },
      ],
      { limit: 4 },
    )
    await work.start()
    for (let i = 0; i < 20; i++) await wake(`k${i}`)
    await full.promise
    all.resolve()
    await work.settled()
    expect({ most, atOnce }).toEqual({ most: 4, atOnce: 0 })
  })

  test('a throw is logged and retried with growing delays', async () => {
    const seen: number[] = []
    const { work, wake, clock, lines } = bench([
      {
        name: 'r',
        step: async () => {
          seen.push(clock.now().getTime() - START)
          if (seen.length < 12) throw new Error('not yet')
          return done()
        },
      },
    ])
    await work.start()
    await wake('a')
    await work.advance(24 * 3_600_000)
    expect(seen.slice(0, 5)).toEqual([0, 1000, 3000, 7000, 15_000])
    expect(seen).toHaveLength(12)
    expect(seen[11]! - seen[10]!).toBe(300_000)
    expect(lines.filter((line) => line.includes('step failed'))).toHaveLength(11)
  })

  test('what was due or in a step when the process died runs at the next start', async () => {
    const folder = temporaryFolder()
    const clock = manualClock(START)
    const never = new Promise<never>(() => {})
    const began = gate()
    const first = bench([{ name: 'r', step: async () => having(began.resolve(), never) }], { folder, clock })
    await first.work.start()
    await first.wake('interrupted')
    await first.wake('later', 5_000)
    await began.promise
    await first.work.stop(0)
    await first.store.close()

    const seen: string[] = []
    const second = bench([{ name: 'r', step: async (_ctx, key) => having(seen.push(key), done()) }], { folder, clock })
    await second.work.start()
    await second.work.settled()
    expect(seen).toEqual(['interrupted'])
    await second.work.advance(5_000)
    expect(seen).toEqual(['interrupted', 'later'])
  })

  test('a reconciler that holds what outlives the server is woken at start, due or not', async () => {
    const folder = temporaryFolder()
    const clock = manualClock(START)
    const first = bench([], { folder, clock })
    await first.work.start()
    await first.wake('later', 5_000)
    await first.wake('elsewhere', 5_000, 's')
    await first.work.stop(0)
    await first.store.close()

    const seen: string[] = []
    const held = {
      name: 'r',
      atStart: true,
      step: async (_ctx: unknown, key: string) => having(seen.push(key), done()),
    }
    const other = { name: 's', step: async (_ctx: unknown, key: string) => having(seen.push(key), done()) }
    const second = bench([held, other], { folder, clock })
    await second.work.start()
    await second.work.settled()
    expect(seen).toEqual(['later'])
    await second.work.advance(5_000)
    expect(seen).toEqual(['later', 'elsewhere'])
  })

  test('pause waits for steps, then goes on from what the store holds', async () => {
    const seen: string[] = []
    const { work, wake, store } = bench([{ name: 'r', step: async (_ctx, key) => having(seen.push(key), done()) }])
    await work.start()
    await wake('future', 1_000)
    await work.pause(async () => {
      await store.reset()
      await wake('new')
    })
    await work.advance(10_000)
    expect(seen).toEqual(['new'])
  })

  test('10,000 wakes in the future hold one timer', async () => {
    const seen: string[] = []
    const { work, store, clock } = bench([{ name: 'r', step: async (_ctx, key) => having(seen.push(key), done()) }])
    await work.start()
    await store.write(here, async (tx) => {
      for (let i = 0; i < 10_000; i++) tx.wake('r', `k${i}`, { in: 1_000 + i })
    })
    expect(clock.next()?.getTime()).toBe(START + 1_000)
    clock.advance(100_000)
    await work.settled()
    expect(seen).toHaveLength(10_000)
  })
})

describe('events', () => {
  test('arrive in order of commit with a stable envelope, and leave the outbox', async () => {
    const seen: DeliveredEvent[] = []
    const { work, emit, store } = bench([], { deliver: async (each) => void seen.push(each) })
    await work.start()
    for (let i = 0; i < 50; i++) await emit(event({ i }), event({ i: i + 0.5 }))
    await work.settled()
    expect(seen.map(({ detail }) => detail.i)).toEqual(Array.from({ length: 100 }, (_, i) => i / 2))
    expect(seen[0]).toMatchObject({
      version: '0',
      time: '2026-01-01T00:00:00.000Z',
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    expect(await store.events(0, 10)).toEqual([])
  })

  test('a failed delivery is retried with the same id and holds up nothing else', async () => {
    const seen: [unknown, string, number][] = []
    let fail = true
    const { work, emit, clock, lines } = bench([], {
      deliver: async ({ detail, id }) => {
        seen.push([detail.name, id, clock.now().getTime() - START])
        if (detail.name === 'bad' && fail) throw new Error('listener broke')
      },
    })
    await work.start()
    await emit(event({ name: 'bad' }), event({ name: 'good' }))
    await work.settled()
    expect(seen.map(([name]) => name)).toEqual(['bad', 'good'])
    fail = false
    await work.advance(60_000)
    expect(seen.map(([name, , at]) => [name, at])).toEqual([
      ['bad', 0],
      ['good', 0],
      ['bad', 1000],
    ])
    expect(seen[2]![1]).toBe(seen[0]![1])
    expect(lines.join()).toContain('could not be delivered')
  })

  test('a slow listener of one source does not hold up another', async () => {
    const slow = gate()
    const other = gate()
    const { work, emit } = bench([], {
      deliver: async ({ source }) => {
        if (source === 'aws.slow') await slow.promise
        else other.resolve()
      },
    })
    await work.start()
    await emit(event({}, 'aws.slow'), event({}, 'aws.fast'))
    await other.promise
    slow.resolve()
    await work.settled()
  })

  test('what was not delivered when the process died arrives after the next start', async () => {
    const folder = temporaryFolder()
    const ids: string[] = []
    const began = gate()
    const first = bench([], {
      folder,
      deliver: ({ id }) => {
        ids.push(id)
        began.resolve()
        return new Promise(() => {})
      },
    })
    await first.work.start()
    await first.emit(event({ n: 1 }), event({ n: 2 }))
    await began.promise
    await first.work.stop(0)
    await first.store.close()

    const seen: DeliveredEvent[] = []
    const second = bench([], { folder, deliver: async (each) => void seen.push(each) })
    await second.work.start()
    await second.work.settled()
    expect(seen.map(({ detail }) => detail.n)).toEqual([1, 2])
    expect(seen[0]!.id).toBe(ids[0])
  })

  test('more events than fit in memory all arrive, in order', async () => {
    const seen: unknown[] = []
    const { work, store } = bench([], { deliver: async ({ detail }) => void seen.push(detail.i) })
    await store.write(here, async (tx) => {
      for (let i = 0; i < 3_500; i++) tx.emit(event({ i }))
    })
    await work.start()
    await work.settled()
    expect(seen).toEqual(Array.from({ length: 3_500 }, (_, i) => i))
  })

  test('events that steps emit, and steps that events wake, have all run when settled resolves', async () => {
    const trail: string[] = []
    const { work, wake, store } = bench(
      [
        {
          name: 'r',
          step: async (_ctx, key) => {
            trail.push(`step ${key}`)
            if (Number(key) < 5) await store.write(here, async (tx) => tx.emit(event({ next: Number(key) + 1 })))
            return done()
          },
        },
      ],
      {
        deliver: async ({ detail }) => {
          trail.push(`event ${detail.next}`)
          await store.write(here, async (tx) => tx.wake('r', String(detail.next)))
        },
      },
    )
    await work.start()
    await wake('1')
    await work.settled()
    expect(trail).toEqual([
      'step 1',
      'event 2',
      'step 2',
      'event 3',
      'step 3',
      'event 4',
      'step 4',
      'event 5',
      'step 5',
    ])
  })
})
