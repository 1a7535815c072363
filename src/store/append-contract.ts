import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AppendStore, Entry, RangeOptions } from './append.ts'

/** What every append store does. `reopen`, where it outlives its process, closes it and opens it again. */
export const appendContract = (
  name: string,
  open: () => Promise<{ append: AppendStore; reopen?: () => Promise<AppendStore> }>,
) => {
  describe(`${name}: append store`, () => {
    let store: AppendStore
    let reopen: (() => Promise<AppendStore>) | undefined
    beforeEach(async () => {
      const opened = await open()
      store = opened.append
      reopen = opened.reopen
    })
    afterEach(() => store.close())

    const bodies = async (stream: string, options?: RangeOptions) =>
      (await store.range(stream, options)).map(({ body }) => body)
    const fill = (stream: string, count: number, time = (i: number) => i) =>
      store.append(
        stream,
        Array.from({ length: count }, (_, i) => ({ time: time(i), body: i })),
      )

    test('appends of one moment keep their order; positions rise and are those answered', async () => {
      const answered = await Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          store.append('s', [
            { time: i, body: { i } },
            { time: i, body: [i] },
          ]),
        ),
      )
      const entries = await store.range('s')
      expect(entries).toHaveLength(200)
      expect(answered).toEqual(entries.filter((_, i) => i % 2 === 1).map(({ position }) => position))
      for (const [i, entry] of entries.entries())
        if (i > 0) expect(entry.position).toBeGreaterThan(entries[i - 1]!.position)
      expect(entries[4]).toMatchObject({ time: 2, body: { i: 2 } })
    })

    test('a range sees what was appended before it, committed or not', async () => {
      const pending = store.append('s', [{ time: 1, body: 'x' }])
      expect(await bodies('s')).toEqual(['x'])
      await pending
    })

    test('streams are apart, and list by prefix in byte order', async () => {
      for (const each of ['b', 'a/2', 'a/1', 'a/10', 'é']) await store.append(each, [{ time: 0, body: each }])
      expect(await bodies('a/1')).toEqual(['a/1'])
      expect(await bodies('none')).toEqual([])
      expect(await store.streams('')).toEqual(['a/1', 'a/10', 'a/2', 'b', 'é'])
      expect(await store.streams('a/')).toEqual(['a/1', 'a/10', 'a/2'])
      expect(await store.streams('a/', { after: 'a/1', limit: 1 })).toEqual(['a/10'])
    })

    test('a range ends at its limit, 1,000 unless told, and goes on after a position', async () => {
      await fill('s', 3_000)
      const first = await store.range('s')
      expect(first).toHaveLength(1_000)
      const second = await store.range('s', { after: first.at(-1)!.position, limit: 5 })
      expect(second.map(({ body }) => body)).toEqual([1000, 1001, 1002, 1003, 1004])
      expect(await bodies('s', { reverse: true, limit: 3 })).toEqual([2999, 2998, 2997])
      expect(await bodies('s', { reverse: true, after: second[2]!.position, limit: 3 })).toEqual([1001, 1000, 999])
    })

    test('dropping by time forgets what is older, also where times do not rise; dropping a stream forgets it', async () => {
      await fill('s', 3_000, (i) => (i * 7) % 3_000)
      await store.drop('s', 1_000)
      const left = await store.range('s', { limit: 5_000 })
      expect(left).toHaveLength(2_000)
      expect(Math.min(...left.map(({ time }) => time))).toBe(1_000)
      const last = await store.append('s', [{ time: 9, body: 'new' }])
      expect(last).toBeGreaterThan(left.at(-1)!.position)
      expect(await bodies('s', { to: 10 })).toEqual(['new'])
      await store.drop('s')
      expect([await bodies('s'), await store.streams('')]).toEqual([[], []])
      await store.drop('never there')
    })

    test('positions rise over a drop of everything by time, and over a restart', async () => {
      const before = await fill('s', 10)
      await store.drop('s', 1_000)
      if (reopen) store = await reopen()
      expect(await bodies('s')).toEqual([])
      expect(await store.append('s', [{ time: 1, body: 'x' }])).toBeGreaterThan(before)
    })

    test('reset forgets everything', async () => {
      await fill('s', 10)
      await store.reset()
      expect([await bodies('s'), await store.streams('')]).toEqual([[], []])
      await fill('s', 1)
      expect(await bodies('s')).toEqual([0])
    })

    test('followers hear of appends below their prefix, in order and as ranges show them, until they stop', async () => {
      await fill('a/1', 3)
      const heard: [string, readonly Entry[]][] = []
      const stop = store.follow('a/', { appended: (...told) => heard.push(told), ended: () => undefined })
      await Promise.all([fill('a/1', 2), store.append('b', [{ time: 0, body: 'b' }]), fill('a/2', 1), fill('a/1', 1)])
      expect(heard.map(([stream, entries]) => [stream, entries.length])).toEqual([
        ['a/1', 2],
        ['a/2', 1],
        ['a/1', 1],
      ])
      const told = heard.flatMap(([stream, entries]) => (stream === 'a/1' ? entries : []))
      expect(told).toEqual((await store.range('a/1')).slice(3))
      stop()
      stop()
      await fill('a/1', 1)
      expect(heard).toHaveLength(3)
    })

    test('followers hear once that a reset or the end of the store ends their following', async () => {
      const heard: string[] = []
      const follow = (name: string) =>
        store.follow('', { appended: () => heard.push(`${name} appended`), ended: () => heard.push(`${name} ended`) })
      follow('first')
      follow('stopped')()
      await store.reset()
      await fill('s', 1)
      follow('second')
      await store.close()
      await store.close()
      expect(heard).toEqual(['first ended', 'second ended'])
    })

    test('property: ranges agree with a filtered array', async () => {
      const bound = (max: number) => fc.option(fc.integer({ min: 0, max }), { nil: undefined })
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 0, max: 2_600 }),
          fc.integer({ min: 1, max: 50 }),
          fc.array(
            fc.record({
              from: bound(3_000),
              to: bound(3_000),
              after: bound(2_700),
              limit: bound(2_000),
              reverse: fc.boolean(),
            }),
            { maxLength: 8 },
          ),
          async (count, disorder, queries) => {
            await store.reset()
            await fill('s', count, (i) => i + ((i * 37) % disorder))
            const all = await store.range('s', { limit: count + 1 })
            for (const { from, to, after, limit, reverse } of queries) {
              const expected = (reverse ? all.toReversed() : all)
                .filter(({ time }) => (from === undefined || time >= from) && (to === undefined || time < to))
                .filter(({ position }) => after === undefined || (reverse ? position < after : position > after))
                .slice(0, limit ?? 1_000)
              expect(await store.range('s', { from, to, after, limit, reverse })).toEqual(expected)
            }
          },
        ),
        { numRuns: 30 },
      )
    })
  })
}
