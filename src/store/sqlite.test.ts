import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { afterAll, describe, expect, test } from 'vitest'
import { fsBlobs } from '../blobs/fs.ts'
import { appendContract } from './append-contract.ts'
import { sqliteAppend } from './append-sqlite.ts'
import { storeContract } from './contract.ts'
import { Acknowledged } from './crash-table.ts'
import { LONGEST_LIST } from './row-cache.ts'
import { restoreSnapshot, saveSnapshot } from './snapshot.ts'
import { sqliteStore } from './sqlite.ts'
import { FolderInUseError, FolderUnusableError, type ListOptions, NewerDataError, table } from './store.ts'

const root = mkdtempSync(join(tmpdir(), 'drydock-store-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let count = 0
const newFolder = () => {
  count += 1
  return join(root, String(count))
}

const now = () => new Date('2026-01-01T00:00:00Z')
const place = { account: '111111111111', region: 'eu-west-1' }
const Thing = table<{ name: string }>('test.thing', { scope: 'region', key: ({ name }) => name })

storeContract('SQLite in memory', async (clock) => ({ store: sqliteStore({ memory: true, now: clock }) }), false)
storeContract('SQLite', async (clock) => {
  const folder = newFolder()
  const store = sqliteStore({ folder, now: clock })
  return {
    store,
    reopen: async () => {
      await store.close()
      return sqliteStore({ folder, now: clock })
    },
  }
})
appendContract('SQLite in memory', async () => ({ append: sqliteAppend({ memory: true }) }))
appendContract('SQLite', async () => {
  const folder = newFolder()
  const append = sqliteAppend({ folder })
  return {
    append,
    reopen: async () => {
      await append.close()
      return sqliteAppend({ folder })
    },
  }
})

describe('the data folder', () => {
  test('has one server at a time, and is free once that has closed', async () => {
    const folder = newFolder()
    const first = sqliteStore({ folder, now })
    expect(() => sqliteStore({ folder, now })).toThrow(FolderInUseError)
    await first.close()
    await sqliteStore({ folder, now }).close()
  })

  test.each(['rows.db', 'append.db'])('of a newer version is refused and left as it is: %s', async (file) => {
    const folder = newFolder()
    mkdirSync(folder)
    const newer = new Database(join(folder, file))
    newer.pragma('user_version = 99')
    newer.close()
    const open = () => (file === 'rows.db' ? sqliteStore({ folder, now }) : sqliteAppend({ folder }))
    expect(open).toThrow(NewerDataError)
    expect(open).toThrow(NewerDataError)
  })

  test('that cannot be made or read gives one clear sentence', () => {
    const file = newFolder()
    writeFileSync(file, 'a file, no folder')
    expect(() => sqliteStore({ folder: file, now })).toThrow(FolderUnusableError)
    const garbled = newFolder()
    mkdirSync(garbled)
    writeFileSync(join(garbled, 'rows.db'), 'this is no database at all, '.repeat(100))
    expect(() => sqliteStore({ folder: garbled, now })).toThrow(/cannot be used: file is not a database/)
    if (process.getuid?.() !== 0) {
      const locked = newFolder()
      mkdirSync(locked)
      chmodSync(locked, 0o500)
      expect(() => sqliteStore({ folder: locked, now })).toThrow(FolderUnusableError)
    }
  })

  test('a record of a newer version than the table is refused', async () => {
    const folder = newFolder()
    const store = sqliteStore({ folder, now })
    const Newer = table<{ name: string }>(Thing.name, {
      scope: 'region',
      key: Thing.key,
      version: 2,
      upgrade: () => ({ name: 'n' }),
    })
    await store.write(place, async (tx) => tx.put(Newer, { name: 'n' }))
    await store.close()
    const again = sqliteStore({ folder, now })
    await expect(again.read(place, (tx) => tx.get(Thing, 'n'))).rejects.toThrow(NewerDataError)
    await again.close()
  })
})

test('a snapshot brings back rows, entries, blobs and folders of its moment', async () => {
  const folder = newFolder()
  const files = join(folder, 'services')
  const parts = {
    store: sqliteStore({ folder, now }),
    append: sqliteAppend({ folder }),
    blobs: fsBlobs(join(folder, 'blobs')),
    folders: { services: files },
  }
  const { store, append, blobs } = parts
  const put = (name: string) => store.write(place, async (tx) => tx.put(Thing, { name }))
  const content = async () => ({
    rows: (await store.read(place, (tx) => tx.list(Thing))).map(({ name }) => name),
    entries: (await append.range('s')).map(({ body }) => body),
    blobs: (await Array.fromAsync(blobs.ids())).toSorted(),
    file: existsSync(join(files, 'repository')),
  })
  mkdirSync(files)
  writeFileSync(join(files, 'repository'), 'x')
  await put('kept')
  await append.append('s', [{ time: 1, body: 'kept' }])
  const lost = await blobs.put(Buffer.from('deleted later'))
  const before = await content()
  const saved = join(newFolder(), 'snapshots', 'one')
  saveSnapshot(parts, saved)
  saveSnapshot(parts, saved)

  await put('later')
  await store.write(place, async (tx) => tx.delete(Thing, 'kept'))
  await append.append('s', [{ time: 2, body: 'later' }])
  await blobs.delete(lost)
  await blobs.put(Buffer.from('later'))
  rmSync(files, { recursive: true })
  const open = store.read(place, async (tx) => {
    for (let i = 0; i < 20; i++) await tx.get(Thing, 'other')
    return (await tx.list(Thing)).length
  })
  restoreSnapshot(parts, saved)
  expect(await content()).toEqual(before)
  expect(await open).toBe(1)
  expect(Buffer.from(await blobs.get(lost)).toString()).toBe('deleted later')
  expect([...store.export()]).toEqual([{ table: 'test.thing', ...place, key: 'kept', record: { name: 'kept' } }])
  expect(() => restoreSnapshot(parts, join(root, 'none'))).toThrow('There is no snapshot')
  expect(await content()).toEqual(before)
  await store.close()
  await append.close()
})

test('SIGKILL: all that was acknowledged is there, and nothing by halves', { timeout: 30_000 }, async () => {
  const folder = newFolder()
  const acknowledged = new Set<string>()
  for (const round of ['1', '2', '3']) {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve('./crash-child.ts')), folder, round], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const died = new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)))
    const enough = 100 + Math.floor(Math.random() * 300)
    let seen = 0
    let partial = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (seen === 0) expect(() => sqliteStore({ folder, now })).toThrow(FolderInUseError)
      const lines = (partial + chunk).split('\n')
      partial = lines.pop()!
      for (const line of lines) acknowledged.add(line)
      seen += lines.length
      if (seen >= enough) child.kill('SIGKILL')
    })
    const ended = new Promise((resolve) => child.stdout.once('close', resolve))
    expect(await died).toBe('SIGKILL')
    await ended

    const store = sqliteStore({ folder, now })
    const append = sqliteAppend({ folder })
    const blobs = fsBlobs(join(folder, 'blobs'))
    const rows = await store.read(place, (tx) => tx.list(Acknowledged))
    const byName = new Map(rows.map((row) => [row.name, row]))
    const positions = new Map<string, unknown>()
    for (const stream of await append.streams('lane-'))
      for (const { position, body } of await append.range(stream, { limit: 1_000_000 }))
        positions.set(`${stream} ${position}`, body)
    for (const name of acknowledged) expect(byName.has(name), name).toBe(true)
    expect(byName.get('count')?.position).toBe(rows.length - 1)
    expect(await store.due(Number.MAX_SAFE_INTEGER)).toHaveLength(rows.length - 1)
    for (const { name, blob, position } of rows) {
      if (name === 'count') continue
      expect(positions.get(`lane-${name.split('-')[1]} ${position}`)).toBe(name)
      expect(
        Buffer.from(await blobs.get(blob))
          .toString()
          .startsWith(name),
      ).toBe(true)
    }
    const indexed = await store.read(place, (tx) => tx.list(Acknowledged, { index: 'blob' }))
    expect(indexed).toHaveLength(rows.length)
    await store.close()
    await append.close()
  }
  expect(acknowledged.size).toBeGreaterThan(300)
})

describe('rows kept in memory', () => {
  type Note = { name: string; kind: string; text: string }
  const Notes = table<Note>('test.note', {
    scope: 'region',
    key: ({ name }) => name,
    index: { kind: ({ kind }) => kind },
  })
  const note = (i: number): Note => ({ name: String(i).padStart(5, '0'), kind: `k${i % 3}`, text: `${i}` })

  test('a list too long to be kept has the same rows in the same order as its pages', async () => {
    const store = sqliteStore({ memory: true, now })
    const count = 2 * LONGEST_LIST + 10
    await store.write(place, async (tx) => {
      for (let i = 0; i < count; i++) tx.put(Notes, note(i))
    })
    const list = (options: ListOptions) => store.read(place, (tx) => tx.list(Notes, options))
    const all = Array.from({ length: count }, (_, i) => note(i))
    expect(await list({})).toEqual(all)
    expect(await list({ reverse: true })).toEqual(all.toReversed())
    expect(await list({ limit: LONGEST_LIST + 1, after: '00004' })).toEqual(all.slice(5, LONGEST_LIST + 6))
    const byKind = [0, 1, 2].flatMap((kind) => all.filter((_, i) => i % 3 === kind))
    expect(await list({ index: 'kind' })).toEqual(byKind)
    expect(await list({ index: 'kind', reverse: true, limit: count - 1 })).toEqual(byKind.toReversed().slice(0, -1))
    const own = await store.write(place, async (tx) => {
      tx.delete(Notes, '00001')
      tx.put(Notes, { ...note(0), text: 'new' })
      return tx.list(Notes)
    })
    expect(own).toEqual([{ ...note(0), text: 'new' }, ...all.slice(2)])
    expect(await list({})).toEqual(own)
    await store.close()
  })

  test('what is known of a row, and of its absence, ends with a commit, a reset and a restore; not with a failure', async () => {
    const folder = newFolder()
    const store = sqliteStore({ memory: true, now })
    const get = (name: string) => store.read(place, (tx) => tx.get(Notes, name))
    const put = (each: Note) => store.write(place, async (tx) => tx.put(Notes, each))
    await put(note(1))
    expect([await get('00001'), await get('00002')]).toEqual([note(1), undefined])
    store.save(folder)
    await put(note(2))
    await put({ ...note(1), text: 'new' })
    expect([await get('00001'), await get('00002')]).toEqual([{ ...note(1), text: 'new' }, note(2)])
    const refused = store.write(place, async (tx) => {
      tx.put(Notes, { ...note(1), text: 'refused' })
      tx.delete(Notes, '00002')
      throw new Error('refused')
    })
    await expect(refused).rejects.toThrow('refused')
    expect([await get('00001'), await get('00002')]).toEqual([{ ...note(1), text: 'new' }, note(2)])
    store.restore(folder)
    expect([await get('00001'), await get('00002')]).toEqual([note(1), undefined])
    await store.reset()
    expect([await get('00001'), await get('00002')]).toEqual([undefined, undefined])
    await store.close()
  })

  test('a table of a newer version reads them anew', async () => {
    const store = sqliteStore({ memory: true, now })
    await store.write(place, async (tx) => tx.put(Notes, note(1)))
    expect(await store.read(place, (tx) => tx.get(Notes, '00001'))).toEqual(note(1))
    const Newer = table<{ name: string; title: string }>(Notes.name, {
      scope: 'region',
      key: ({ name }) => name,
      version: 2,
      upgrade: () => ({ name: '00001', title: 'one' }),
    })
    expect(await store.read(place, (tx) => tx.get(Newer, '00001'))).toEqual({ name: '00001', title: 'one' })
    await expect(store.read(place, (tx) => tx.get(Notes, '00001'))).rejects.toThrow(NewerDataError)
    await store.close()
  })
})
