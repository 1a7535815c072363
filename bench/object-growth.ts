import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { root } from './clients.ts'
import { type Figure, median, shown } from './figure.ts'
import { drydock, load, type Program } from './programs.ts'
import { type Plain, raw, signed } from './sign.ts'

// How S3's costs grow with the objects of a bucket: reading one, a page of a thousand, folders, a step of lifecycle rules, and
// starting on them. The objects are one object's row, written over and over under other keys: a million puts would take long.

type Sample = {
  readonly rows: number
  readonly get: number
  readonly put: number
  readonly first: number
  readonly middle: number
  readonly folders: number
  readonly step: number
  readonly start: number
}

const keyOf = (at: number) => `${String(Math.floor(at / 10_000)).padStart(4, '0')}/${String(at).padStart(8, '0')}`
const path = (key = '') => `/growing/${key}`

const call = async ({ endpoint }: Program, plain: Plain): Promise<number> => {
  const { method, url, headers, body } = signed(endpoint, 's3', root, plain)
  const { host: _, ...rest } = headers
  const sent = await fetch(`${endpoint}${url}`, { method, headers: rest, ...(body.length > 0 ? { body } : {}) })
  await sent.arrayBuffer()
  return sent.status
}

const latency = async ({ endpoint }: Program, plains: readonly Plain[]): Promise<number> => {
  const requests = plains.map((plain) => raw(signed(endpoint, 's3', root, plain)))
  await load(endpoint, { requests, connections: 1, duration: 200 })
  const { median, statuses } = await load(endpoint, { requests, connections: 1, duration: 1000 })
  if (Object.keys(statuses).join() !== '200') throw new Error(`S3 answered ${JSON.stringify(statuses)}`)
  return median
}

/** Copies the row of the object that was put, under other keys. */
const clone = (data: string, from: number, to: number): void => {
  const db = new Database(join(data, 'rows.db'))
  try {
    const found = db
      .prepare<[], { shelf: number; key: string; value: string; version: number }>(
        "SELECT shelf, key, value, version FROM row WHERE shelf IN (SELECT id FROM shelf WHERE kind = 's3.object') LIMIT 1",
      )
      .get()
    if (!found) throw new Error('There is no object to copy.')
    const record = JSON.parse(found.value) as { key: string }
    const insert = db.prepare('INSERT OR REPLACE INTO row (shelf, key, value, version) VALUES (?, ?, ?, ?)')
    db.transaction(() => {
      for (let at = from; at < to; at++) {
        const key = keyOf(at)
        insert.run(found.shelf, `growing\0${key}`, JSON.stringify({ ...record, key }), found.version)
      }
    })()
  } finally {
    db.close()
  }
}

/** Milliseconds of a pass of lifecycle rules over everything, in steps of a thousand rows: what lies last goes last. */
const lifecycleStep = async (program: Program, rows: number): Promise<number> => {
  await call(program, { method: 'PUT', path: path('zzz'), body: 'doomed' })
  const midnight = new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000).toISOString()
  const rule = `<Rule><ID>r</ID><Filter><Prefix>zzz</Prefix></Filter><Status>Enabled</Status><Expiration><Date>${midnight}</Date></Expiration></Rule>`
  const began = performance.now()
  const put = await call(program, {
    method: 'PUT',
    path: path(),
    query: 'lifecycle=',
    body: `<LifecycleConfiguration>${rule}</LifecycleConfiguration>`,
  })
  if (put !== 200) throw new Error(`PutBucketLifecycleConfiguration was answered ${put}`)
  while ((await call(program, { method: 'HEAD', path: path('zzz') })) === 200) await pause(5)
  const took = performance.now() - began
  await call(program, { method: 'DELETE', path: path(), query: 'lifecycle=' })
  return took / Math.max(1, rows / 1000)
}

const measure = async (program: Program, rows: number): Promise<Omit<Sample, 'rows' | 'start'>> => {
  const some = Array.from({ length: 200 }, (_, i) => keyOf(Math.floor((i * rows) / 200)))
  const list = (query: string): Plain => ({ method: 'GET', path: path(), query })
  return {
    get: await latency(
      program,
      some.map((key) => ({ method: 'GET', path: path(key) })),
    ),
    put: await latency(
      program,
      // Between the others, and none of them: they all have the same bytes.
      some.map((key) => ({ method: 'PUT', path: path(`${key}-too`), body: 'one more' })),
    ),
    first: await latency(program, [list('list-type=2')]),
    middle: await latency(program, [list(`list-type=2&start-after=${encodeURIComponent(keyOf(rows / 2))}`)]),
    folders: await latency(program, [list('delimiter=%2F&list-type=2&max-keys=1')]),
    step: await lifecycleStep(program, rows),
  }
}

export const objectGrowth = async (sizes: readonly number[]): Promise<readonly Figure[]> => {
  const data = mkdtempSync(join(tmpdir(), 'drydock-bench-'))
  const samples: Sample[] = []
  try {
    const empty = await drydock({ data })
    await call(empty, { method: 'PUT', path: path() })
    const made = await call(empty, { method: 'PUT', path: path(keyOf(0)), body: 'one of many' })
    await empty.stop()
    if (made !== 200) throw new Error(`PutObject was answered ${made}`)
    let there = 1
    for (const rows of sizes) {
      clone(data, there, rows)
      there = rows
      const starts: number[] = []
      let program: Program | undefined
      for (let i = 0; i < 3; i++) {
        await program?.stop()
        const began = performance.now()
        program = await drydock({ data })
        starts.push(performance.now() - began)
      }
      if (!program) continue
      try {
        samples.push({ rows, ...(await measure(program, rows)), start: median(starts) })
      } finally {
        await program.stop()
      }
    }
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
  const [first] = samples
  if (!first) return []
  const figure = (what: string, member: Exclude<keyof Sample, 'rows'>) =>
    samples.slice(1).map(
      (sample): Figure => ({
        name: `${what}, ${sample.rows.toLocaleString('en')} objects`,
        against: `${first.rows.toLocaleString('en')} objects`,
        value: sample[member] / first[member],
        unit: '×',
        aim: { atMost: 1.5 },
        detail: `${shown(sample[member])} ms against ${shown(first[member])} ms`,
      }),
    )
  return [
    ...figure('S3 GET', 'get'),
    ...figure('S3 PUT', 'put'),
    ...figure('first page of 1,000', 'first'),
    ...figure('page of 1,000 from the middle', 'middle'),
    ...figure('one folder of many', 'folders'),
    ...figure('lifecycle step of 1,000', 'step'),
    ...figure('start with a bucket', 'start'),
  ]
}
