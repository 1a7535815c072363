import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { sqliteStore } from '../../store/sqlite.ts'
import type { ManagedTables } from '../capabilities.ts'
import { backfill, nextDue, refresh, touch } from './metadata-inventory.ts'
import { placeOf } from './place.ts'
import { Current, Older, type VersionRecord } from './versions.ts'

const bucket = { name: 'b', account: '111111111111', region: 'us-east-1' }
const place = { account: bucket.account, region: bucket.region }
const configuration = 'c'

/** Tables whose writer is killed now and then once he has written. */
const makeTables = () => {
  const files = new Map<string, readonly string[]>()
  let doomed = false
  const write: ManagedTables['write'] = async (_, __, { from, before, files: added }) => {
    for (const tag of [...files.keys()]) if (tag >= from && tag < before) files.delete(tag)
    for (const { tag, rows } of added) {
      if (files.has(tag)) throw new Error(`There is a file ${tag}.`)
      files.set(
        tag,
        rows.map((row) => `${String(row.key)} ${String(row.version_id)}`),
      )
    }
    if (doomed) {
      doomed = false
      throw new Error('killed')
    }
    return true
  }
  return { files, tables: { write }, doom: () => (doomed = true) }
}

const versionOf = (key: string, sequence: number): VersionRecord => ({
  ...{ bucket: bucket.name, key, versionId: `v${sequence}`, sequence, modified: 0, size: 1, etag: 'e' },
  ...{ headers: { contentType: 'x' }, metadata: {} },
  checksum: { algorithm: 'CRC32', type: 'FULL_OBJECT', value: '' },
})

const key = fc.constantFrom('a', 'a\0', 'a\0b', 'a\x01', 'a/b', 'b', 'z', '\uffff', '\u{10000}', '\u{10000}x')
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant('put' as const), key }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('delete' as const), key }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('refresh' as const), killed: fc.boolean() }) },
)

test('the inventory has all there is, each once, whatever happens and whenever it is killed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 5 }),
      fc.array(key, { maxLength: 25 }),
      fc.array(step, { maxLength: 40 }),
      async (rows, before, steps) => {
        let now = 1_000_000
        const store = sqliteStore({ memory: true, now: () => new Date(now) })
        const ctx = {
          read: <T>(body: Parameters<typeof store.read<T>>[1]) => store.read(place, body),
          write: <T>(body: Parameters<typeof store.write<T>>[1]) => store.write(place, body),
          now: () => new Date(now),
        }
        const { files, tables, doom } = makeTables()
        const target = { ctx, tables, bucket, configuration, arn: 'arn', rows }
        const there = new Map<string, number[]>()
        let sequence = 0
        // The newest of a key is its current object, the others are older.
        const put = (key: string) =>
          ctx.write(async (tx) => {
            const current = there.get(key)?.at(-1)
            if (current !== undefined) tx.put(Older, versionOf(key, current))
            sequence += 1
            const version = versionOf(key, sequence)
            if (!version.marker) tx.put(Current, version)
            there.set(key, [...(there.get(key) ?? []), sequence])
          })
        const remove = (key: string) =>
          ctx.write(async (tx) => {
            const [oldest, ...others] = there.get(key) ?? []
            if (oldest === undefined) return
            if (others.length > 0) tx.delete(Older, Older.key(versionOf(key, oldest)))
            else tx.delete(Current, placeOf(bucket.name, key))
            there.set(key, others)
          })
        const refreshAll = async (killed: boolean) => {
          now += 3_600_000
          if (killed) doom()
          for (let due = await ctx.read((tx) => nextDue(tx, configuration)); due; ) {
            const segment = due
            await refresh(target, segment).catch((error: Error) => expect(error.message).toBe('killed'))
            due = await ctx.read((tx) => nextDue(tx, configuration))
          }
        }
        for (const each of before) await put(each)
        for (let from: string | undefined = ''; from !== undefined; ) {
          const reached = await backfill(target, from)
          from = typeof reached === 'object' ? reached.next : undefined
        }
        for (const each of steps) {
          if (each.what === 'refresh') await refreshAll(each.killed)
          else {
            await (each.what === 'put' ? put(each.key) : remove(each.key))
            await ctx.write((tx) => touch(ctx, tx, configuration, each.key))
          }
        }
        await refreshAll(false)
        const shown = [...files.values()].flat().toSorted()
        const expected = [...there].flatMap(([name, all]) => all.map((number) => `${name} v${number}`)).toSorted()
        expect(shown).toEqual(expected)
        await store.close()
      },
    ),
    { numRuns: 150 },
  )
})
