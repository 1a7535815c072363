import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { DomainEvent } from '../work/outbox.ts'
import {
  type ListOptions,
  type Place,
  type Store,
  type Table,
  TransactionMisuseError,
  table,
  type WorkQueue,
  type WriteTx,
} from './store.ts'

type Thing = {
  readonly name: string
  readonly owner?: string
  readonly count: number
  readonly tags?: readonly string[]
}

const Thing = table<Thing>('test.thing', {
  scope: 'region',
  key: ({ name }) => name,
  index: { owner: ({ owner }) => owner },
})
const Account = table<Thing>('test.account', { scope: 'account', key: ({ name }) => name })
const World = table<Thing>('test.world', { scope: 'global', key: ({ name }) => name })

const here: Place = { account: '111111111111', region: 'eu-west-1' }
const there: Place = { account: '111111111111', region: 'us-east-1' }
const elsewhere: Place = { account: '222222222222', region: 'eu-west-1' }

const NOW = Date.parse('2026-03-01T12:00:00Z')

const event = (name: string): DomainEvent => ({
  source: 'aws.test',
  'detail-type': 'Test',
  ...here,
  resources: [],
  detail: { name },
})

const byUtf8 = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

/**
 * What every store does. `open` makes an empty one whose transactions take `now` for the present; one that outlives its
 * process also gives `reopen`, which closes it and opens it again.
 */
export const storeContract = (
  name: string,
  open: (now: () => Date) => Promise<{ store: Store & WorkQueue; reopen?: () => Promise<Store & WorkQueue> }>,
  outlives = true,
) => {
  describe(`${name}: store`, () => {
    let store: Store & WorkQueue
    let reopen: (() => Promise<Store & WorkQueue>) | undefined
    let now = NOW
    beforeEach(async () => {
      now = NOW
      const opened = await open(() => new Date(now))
      store = opened.store
      reopen = opened.reopen
    })
    afterEach(() => store.close())

    const put = (...things: Thing[]) =>
      store.write(here, async (tx) => {
        for (const thing of things) tx.put(Thing, thing)
      })
    const get = (key: string, place = here) => store.read(place, (tx) => tx.get(Thing, key))
    const list = async (options: ListOptions = {}, place = here) =>
      (await store.read(place, (tx) => tx.list(Thing, options))).map((thing) => thing.name)

    test('a record comes back as it was put, and is a copy', async () => {
      const tags = ['a', 'ü', '😀', '\0']
      const thing = { name: 'n', count: 1, tags }
      await store.write(here, async (tx) => {
        expect(tx.put(Thing, thing)).toBe(thing)
        tags.push('later')
        expect((await tx.get(Thing, 'n'))?.tags).toHaveLength(4)
      })
      expect(await get('n')).toEqual({ name: 'n', count: 1, tags: ['a', 'ü', '😀', '\0'] })
    })

    test('whoever reads a record cannot change what others read', async () => {
      await put({ name: 'n', count: 1, tags: ['a'] })
      for (const read of [() => get('n'), async () => (await store.read(here, (tx) => tx.list(Thing)))[0]])
        for (const harm of [
          (thing: Thing) => Object.assign(thing.tags ?? [], { 0: 'b' }),
          (thing: Thing) => Object.assign(thing, { count: 2 }),
        ]) {
          const thing = await read()
          try {
            harm(thing!)
          } catch (error) {
            // A store may give away what cannot be changed.
            expect(error).toBeInstanceOf(TypeError)
          }
          expect(await get('n')).toEqual({ name: 'n', count: 1, tags: ['a'] })
          expect(await store.read(here, (tx) => tx.list(Thing))).toEqual([{ name: 'n', count: 1, tags: ['a'] }])
        }
    })

    test('an absent key is undefined; deleting it is no error', async () => {
      expect(await get('n')).toBeUndefined()
      await store.write(here, async (tx) => tx.delete(Thing, 'n'))
      await put({ name: 'n', count: 1 })
      await store.write(here, async (tx) => {
        tx.delete(Thing, 'n')
        expect(await tx.get(Thing, 'n')).toBeUndefined()
      })
      expect(await get('n')).toBeUndefined()
    })

    test('scopes: a place sees its own records only', async () => {
      await store.write(here, async (tx) => {
        for (const each of [Thing, Account, World]) tx.put(each, { name: 'n', count: 1 })
        tx.put(Thing, { name: 'n', count: 2 }, elsewhere)
      })
      const seen = (place: Place) =>
        store.read(place, async (tx) => [
          (await tx.get(Thing, 'n'))?.count,
          (await tx.get(Account, 'n'))?.count,
          (await tx.get(World, 'n'))?.count,
          (await tx.list(Thing)).length,
        ])
      expect(await seen(here)).toEqual([1, 1, 1, 1])
      expect(await seen(there)).toEqual([undefined, 1, 1, 0])
      expect(await seen(elsewhere)).toEqual([2, undefined, 1, 1])
      expect(await store.places(Thing)).toEqual([here, elsewhere])
      await store.write(here, async (tx) => tx.delete(Thing, 'n'))
      expect(await store.places(Thing)).toEqual([elsewhere])
    })

    test('lists are in byte order of UTF-8, by prefix, from, after, limit and backwards', async () => {
      const names = ['', 'a', 'a/1', 'a/2', 'a0', 'b', 'é', '\uffff', '😀', 'a/\u{10ffff}']
      await put(...names.map((each, count) => ({ name: each, count })))
      const sorted = names.toSorted(byUtf8)
      expect(await list()).toEqual(sorted)
      expect(await list({ reverse: true })).toEqual(sorted.toReversed())
      expect(await list({ prefix: 'a/' })).toEqual(['a/1', 'a/2', 'a/\u{10ffff}'])
      expect(await list({ prefix: 'a/\u{10ffff}' })).toEqual(['a/\u{10ffff}'])
      expect(await list({ after: 'a', limit: 2 })).toEqual(['a/1', 'a/2'])
      expect(await list({ from: 'a', limit: 2 })).toEqual(['a', 'a/1'])
      expect(await list({ after: 'a/2', reverse: true, limit: 2 })).toEqual(['a/1', 'a'])
      expect(await list({ prefix: 'a/', after: 'a/1' })).toEqual(['a/2', 'a/\u{10ffff}'])
      expect(await list({ prefix: '😀' })).toEqual(['😀'])
      expect(await list({ limit: 0 })).toEqual([])
    })

    test('an index lists by its value, follows changes, and leaves out what has none', async () => {
      await put(
        { name: '1', owner: 'bob', count: 0 },
        { name: '2', owner: 'alice', count: 0 },
        { name: '3', owner: 'bob', count: 0 },
        { name: '4', count: 0 },
      )
      expect(await list({ index: 'owner' })).toEqual(['2', '1', '3'])
      expect(await list({ index: 'owner', reverse: true })).toEqual(['3', '1', '2'])
      expect(await list({ index: 'owner', equals: 'bob' })).toEqual(['1', '3'])
      expect(await list({ index: 'owner', equals: 'bob', after: '1' })).toEqual(['3'])
      expect(await list({ index: 'owner', equals: 'bob', reverse: true, limit: 1 })).toEqual(['3'])
      expect(await list({ index: 'owner', prefix: 'al' })).toEqual(['2'])
      expect(await list({ index: 'owner', after: 'alice' })).toEqual(['1', '3'])
      await put({ name: '1', owner: 'carol', count: 0 }, { name: '3', count: 0 })
      await store.write(here, async (tx) => tx.delete(Thing, '2'))
      expect(await list({ index: 'owner' })).toEqual(['1'])
      expect(await list({ index: 'owner', equals: 'bob' })).toEqual([])
    })

    test('a transaction that throws leaves nothing behind', async () => {
      const failed = store.write(here, async (tx) => {
        tx.put(Thing, { name: 'n', count: 1 })
        tx.emit(event('e'))
        tx.wake('r', 'k')
        throw new Error('no')
      })
      await expect(failed).rejects.toThrow('no')
      expect(await list()).toEqual([])
      expect(await store.events(0, 10)).toEqual([])
      expect(await store.due(Number.MAX_SAFE_INTEGER)).toEqual([])
    })

    test('increments at the same time are all counted', async () => {
      await put({ name: 'n', count: 0 })
      const increment = () =>
        store.write(here, async (tx) => {
          const thing = (await tx.get(Thing, 'n'))!
          await tx.list(Thing, { limit: 3 })
          tx.put(Thing, { ...thing, count: thing.count + 1 })
        })
      await Promise.all(Array.from({ length: 200 }, increment))
      expect((await get('n'))?.count).toBe(200)
    })

    test.each([{}, { prefix: 'leader-' }, { index: 'owner', equals: 'nobody' }])(
      'a row that comes into a list read before makes the transaction run again: %j',
      async (options) => {
        const claim = (key: string) =>
          store.write(here, async (tx) => {
            if ((await tx.list(Thing, options)).length > 0) return false
            await tx.get(Thing, 'unrelated')
            tx.put(Thing, { name: `leader-${key}`, owner: 'nobody', count: 1 })
            return true
          })
        const claims = await Promise.all(['a', 'b', 'c'].map(claim))
        expect(claims.filter((each) => each)).toHaveLength(1)
        expect(await list()).toHaveLength(1)
      },
    )

    test('no write skew: of two that rely on each other, one sees the other', async () => {
      await put({ name: 'a', count: 1 }, { name: 'b', count: 1 })
      const leave = (mine: string, other: string) =>
        store.write(here, async (tx) => {
          if ((await tx.get(Thing, other))!.count === 0) return
          tx.put(Thing, { name: mine, count: 0 })
        })
      await Promise.all([leave('a', 'b'), leave('b', 'a')])
      expect((await get('a'))!.count + (await get('b'))!.count).toBe(1)
    })

    test('a read sees one committed state', async () => {
      await put({ name: 'a', count: 100 }, { name: 'b', count: 0 })
      const move = () =>
        store.write(here, async (tx) => {
          const [a, b] = [(await tx.get(Thing, 'a'))!, (await tx.get(Thing, 'b'))!]
          tx.put(Thing, { ...a, count: a.count - 1 })
          tx.put(Thing, { ...b, count: b.count + 1 })
        })
      const sum = () =>
        store.read(here, async (tx) => (await tx.get(Thing, 'a'))!.count + (await tx.get(Thing, 'b'))!.count)
      const results = await Promise.all(Array.from({ length: 50 }, async (_, i) => (i % 2 ? sum() : move().then(sum))))
      expect(new Set(results)).toEqual(new Set([100]))
    })

    test('an error thrown for a state that was changed meanwhile does not count', async () => {
      let runs = 0
      const careful = store.write(here, async (tx) => {
        runs += 1
        const missing = (await tx.get(Thing, 'n')) === undefined
        for (let i = 0; i < 20; i++) await tx.get(Thing, 'other')
        if (missing) throw new Error('there is no n')
        return 'found'
      })
      await put({ name: 'n', count: 1 })
      expect(await careful).toBe('found')
      expect(runs).toBe(2)
    })

    test('awaiting something else inside a transaction is refused', async () => {
      // It comes when the test says so: a timer could be due before anybody has looked, on a busy machine.
      const other = Promise.withResolvers<void>()
      const slow = store.write(here, async (tx) => {
        await other.promise
        expect(() => tx.put(Thing, { name: 'n', count: 1 })).toThrow(TransactionMisuseError)
      })
      await expect(slow).rejects.toThrow(TransactionMisuseError)
      other.resolve()
      await other.promise
      let kept: WriteTx | undefined
      await store.write(here, async (tx) => {
        kept = tx
      })
      expect(() => kept?.put(Thing, { name: 'n', count: 1 })).toThrow(TransactionMisuseError)
      expect(await list()).toEqual([])
    })

    test('what is not plain JSON is refused', async () => {
      const Loose = table<{ name: string; value: unknown }>('test.loose', { scope: 'global', key: (each) => each.name })
      for (const value of [new Date(), Number.NaN, new Map(), Buffer.from(''), () => 1, 1n]) {
        const refused = store.write(here, async (tx) => tx.put(Loose, { name: 'n', value: { deep: [value] } }))
        await expect(refused).rejects.toThrow('test.loose.value.deep[0]')
      }
    })

    test('reset empties everything, for open transactions too', async () => {
      await put({ name: 'n', owner: 'o', count: 1 })
      await store.write(here, async (tx) => {
        tx.emit(event('e'))
        tx.wake('r', 'k')
      })
      const seen = store.read(here, async (tx) => {
        await tx.get(Thing, 'n')
        for (let i = 0; i < 20; i++) await tx.get(Thing, 'other')
        return tx.get(Thing, 'n')
      })
      await store.reset()
      expect(await seen).toBeUndefined()
      expect([await list(), await list({ index: 'owner' }), await store.places(Thing)]).toEqual([[], [], []])
      expect([await store.events(0, 10), await store.due(Number.MAX_SAFE_INTEGER)]).toEqual([[], []])
      await put({ name: 'n', count: 2 })
      expect((await get('n'))?.count).toBe(2)
    })

    test('events come in order of commit with a lasting envelope', async () => {
      const news: number[] = []
      store.onCommit(({ events }) => news.push(events))
      await store.write(here, async (tx) => {
        tx.emit(event('1'))
        tx.emit({ ...event('2'), time: '2020-01-01T00:00:00Z' })
      })
      await store.write(here, async (tx) => tx.emit(event('3')))
      await put({ name: 'n', count: 1 })
      const events = await store.events(0, 2)
      expect(events.map((each) => each.event.detail.name)).toEqual(['1', '2'])
      expect(events.map((each) => each.event.time)).toEqual(['2026-03-01T12:00:00.000Z', '2020-01-01T00:00:00Z'])
      expect(await store.events(0, 2)).toEqual(events)
      expect((await store.events(events[1]!.seq, 9)).map((each) => each.event.detail.name)).toEqual(['3'])
      await store.delivered(events[0]!.seq)
      expect((await store.events(0, 9)).map((each) => each.event.detail.name)).toEqual(['2', '3'])
      expect(news).toEqual([2, 1])
    })

    test('wakes: one entry per key; finishing answers what was due and known, nothing else', async () => {
      const wake = (key: string, delay: number) => store.write(here, async (tx) => tx.wake('r', key, { in: delay }))
      await wake('a', 0)
      await wake('a', 500)
      await wake('b', 1_000)
      await store.write(here, async (tx) => tx.wake('r', 'a', { at: there }))
      expect((await store.due(NOW)).map(({ key, place }) => [key, place])).toEqual([
        ['a', here],
        ['a', there],
      ])
      expect(await store.nextDue(NOW)).toBe(NOW + 500)

      const [first] = await store.due(NOW)
      await wake('a', 0)
      const next = await store.finish(first!, NOW + 100)
      expect(next?.due).toBe(NOW)
      const second = (await store.due(NOW)).find(({ place }) => place.region === here.region)
      expect((await store.finish(second!))?.due).toBe(NOW + 500)
      expect((await store.due(NOW + 10_000)).map(({ key, due }) => [key, due - NOW])).toEqual([
        ['a', 0],
        ['a', 500],
        ['b', 1_000],
      ])
      expect((await store.waiting('r')).map(({ key, due }) => [key, due - NOW])).toEqual([
        ['a', 500],
        ['b', 1_000],
        ['a', 0],
      ])
      expect(await store.waiting('other')).toEqual([])
      const last = (await store.due(NOW + 500, NOW))[0]!
      expect(await store.finish(last)).toBeUndefined()
    })

    test('property: lists agree with a sorted map, committed or not', async () => {
      const key = fc.oneof(
        fc.constantFrom('a', 'a/', 'a/b', 'b', 'é', '😀', '\uffff'),
        fc.string({ unit: 'grapheme', maxLength: 3 }),
      )
      const change = fc.record({
        key,
        owner: fc.option(fc.constantFrom('x', 'xy', 'y'), { nil: undefined }),
        gone: fc.boolean(),
      })
      const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
      const query = fc.record({
        prefix: optional(key),
        after: optional(key),
        from: optional(key),
        limit: optional(fc.integer({ min: 0, max: 5 })),
        reverse: fc.boolean(),
        by: fc.constantFrom('key', 'index', 'equals'),
        equals: fc.constantFrom('x', 'xy', 'y'),
      })
      await fc.assert(
        fc.asyncProperty(
          fc.array(change),
          fc.array(change, { maxLength: 6 }),
          fc.array(query, { maxLength: 6 }),
          async (before, inside, queries) => {
            await store.reset()
            const model = new Map<string, Thing>()
            const perform = (tx: WriteTx, { key: name, owner, gone }: (typeof before)[number]) => {
              if (gone) {
                tx.delete(Thing, name)
                model.delete(name)
              } else model.set(name, tx.put(Thing, { name, count: 0, ...(owner === undefined ? {} : { owner }) }))
            }
            for (const each of before) await store.write(here, async (tx) => perform(tx, each))
            await store.write(here, async (tx) => {
              for (const each of inside) perform(tx, each)
              for (const { by, equals, ...rest } of queries) {
                const options: ListOptions = {
                  ...rest,
                  ...(by === 'key' ? {} : { index: 'owner' }),
                  ...(by === 'equals' ? { equals } : {}),
                }
                const sortedBy = (thing: Thing) => (by === 'index' ? thing.owner! : thing.name)
                const expected = [...model.values()]
                  .filter((thing) => by === 'key' || thing.owner !== undefined)
                  .filter((thing) => by !== 'equals' || thing.owner === equals)
                  .filter((thing) => (by === 'key' ? thing.name : thing.owner!).startsWith(rest.prefix ?? ''))
                  .filter((thing) => rest.from === undefined || byUtf8(sortedBy(thing), rest.from) >= 0)
                  .filter(
                    (thing) =>
                      rest.after === undefined || byUtf8(sortedBy(thing), rest.after) * (rest.reverse ? -1 : 1) > 0,
                  )
                  .toSorted(
                    (a, b) => (byUtf8(sortedBy(a), sortedBy(b)) || byUtf8(a.name, b.name)) * (rest.reverse ? -1 : 1),
                  )
                  .slice(0, rest.limit)
                expect(await tx.list(Thing, options)).toEqual(expected)
              }
            })
            expect(await list()).toEqual([...model.keys()].toSorted(byUtf8))
          },
        ),
        { numRuns: 60 },
      )
    })

    test('property: transactions at the same time are as if one came after the other, in the order of the outbox', async () => {
      const step = fc.record({ read: fc.boolean(), key: fc.integer({ min: 0, max: 3 }), listed: fc.boolean() })
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(step, { maxLength: 5 }), { minLength: 2, maxLength: 8 }),
          async (programs) => {
            await store.reset()
            // A program's writes depend on all it has read, so any wrong read shows in the end.
            const run = async (
              program: (typeof programs)[number],
              io: {
                get: (key: string) => Promise<number>
                sum: () => Promise<number>
                put: (key: string, count: number) => void
              },
            ) => {
              let seen = 1
              for (const { read, key, listed } of program) {
                if (listed) seen = (seen * 31 + (await io.sum())) % 100_003
                else if (read) seen = (seen * 31 + (await io.get(`k${key}`))) % 100_003
                else io.put(`k${key}`, seen + key)
              }
              return seen
            }
            const results = await Promise.all(
              programs.map((program, i) =>
                store.write(here, async (tx) => {
                  tx.emit(event(String(i)))
                  return run(program, {
                    get: async (key) => (await tx.get(Thing, key))?.count ?? 0,
                    sum: async () => (await tx.list(Thing)).reduce((sum, { count }) => sum + count, 0),
                    put: (key, count) => void tx.put(Thing, { name: key, count }),
                  })
                }),
              ),
            )
            const model = new Map<string, number>()
            for (const { event: committed } of await store.events(0, 100)) {
              const i = Number(committed.detail.name)
              const seen = await run(programs[i]!, {
                get: async (key) => model.get(key) ?? 0,
                sum: async () => [...model.values()].reduce((sum, count) => sum + count, 0),
                put: (key, count) => void model.set(key, count),
              })
              expect(results[i]).toBe(seen)
            }
            const left = await store.read(here, (tx) => tx.list(Thing))
            expect(new Map(left.map((thing) => [thing.name, thing.count]))).toEqual(model)
          },
        ),
        { numRuns: 100 },
      )
    })

    if (!outlives) return
    describe('over a restart', () => {
      const restart = async () => {
        store = await reopen!()
      }

      test('rows, indexes, events and wakes are there', async () => {
        await put({ name: 'n', owner: 'o', count: 1 })
        await store.write(here, async (tx) => {
          tx.emit(event('e'))
          tx.wake('r', 'k', { in: 5 })
        })
        const before = [await store.events(0, 9), await store.due(NOW + 5)]
        await restart()
        expect(await get('n')).toEqual({ name: 'n', owner: 'o', count: 1 })
        expect(await list({ index: 'owner', equals: 'o' })).toEqual(['n'])
        expect([await store.events(0, 9), await store.due(NOW + 5)]).toEqual(before)
        await store.write(here, async (tx) => tx.emit(event('f')))
        expect((await store.events(0, 9)).map((each) => each.event.detail.name)).toEqual(['e', 'f'])
      })

      test('records of an older version are upgraded, and a new index finds them', async () => {
        await put({ name: 'n', owner: 'o', count: 1 })
        await restart()
        type Newer = { name: string; holder: string }
        const Newer: Table<Newer> = table<Newer>(Thing.name, {
          scope: 'region',
          key: (each) => each.name,
          index: { holder: (each) => each.holder },
          version: 2,
          upgrade: (old, version) => {
            const { name: key, owner } = old as Thing
            return { name: key, holder: `${owner} of version ${version}` }
          },
        })
        const found = await store.read(here, (tx) => tx.list(Newer, { index: 'holder', prefix: 'o of' }))
        expect(found).toEqual([{ name: 'n', holder: 'o of version 1' }])
        expect(await store.read(here, (tx) => tx.get(Newer, 'n'))).toEqual(found[0])
      })
    })
  })
}
