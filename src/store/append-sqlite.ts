import type { AppendStore, Entry, Follower, RangeOptions } from './append.ts'
import { openSqlite, restoreSqlite, saveSqlite } from './open-sqlite.ts'
import { afterPrefix } from './text-order.ts'

const FILE = 'append.db'
const VERSION = 1

/** Positions per span: a span knows the earliest and latest time in it, so that ranges by time skip what is elsewhere. */
const SPAN = 1024

const SCHEMA = `
  CREATE TABLE stream (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, last INTEGER NOT NULL);
  CREATE TABLE entry (stream INTEGER, position INTEGER, time INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (stream, position)) WITHOUT ROWID;
  CREATE TABLE span (stream INTEGER, number INTEGER, low INTEGER NOT NULL, high INTEGER NOT NULL, PRIMARY KEY (stream, number)) WITHOUT ROWID;
`

type Stream = { id: number; name: string; last: number }
type Queued = {
  readonly stream: string
  readonly entries: readonly { readonly time: number; readonly body: string }[]
  readonly done: (last: number) => void
  readonly failed: (error: unknown) => void
}

/** An entry whose body is parsed for who looks at it: many followers only want to know that something came. */
const readWhenAsked = (position: number, time: number, text: string): Entry => {
  let parsed: { readonly body: unknown } | undefined
  return {
    position,
    time,
    get body() {
      parsed ??= { body: JSON.parse(text) }
      return parsed.body
    },
  }
}

export interface SqliteAppend extends AppendStore {
  save(folder: string): void
  restore(folder: string): void
}

/**
 * Append streams in a SQLite file of their own. Appends wait for the end of the event loop's turn and share one commit;
 * ranges see them from the moment of the call.
 */
export const sqliteAppend = (options: { folder: string } | { memory: true }): SqliteAppend => {
  const folder = 'folder' in options ? options.folder : undefined
  const db = openSqlite({ folder, file: FILE, version: VERSION, schema: SCHEMA })
  const sql = {
    stream: db.prepare<[string], Stream>('SELECT id, name, last FROM stream WHERE name = ?'),
    newStream: db.prepare<[string], Stream>('INSERT INTO stream (name, last) VALUES (?, 0) RETURNING id, name, last'),
    last: db.prepare<[number, number]>('UPDATE stream SET last = ? WHERE id = ?'),
    entry: db.prepare<[number, number, number, string]>(
      'INSERT INTO entry (stream, position, time, body) VALUES (?, ?, ?, ?)',
    ),
    span: db.prepare<[number, number, number, number]>(
      'INSERT INTO span (stream, number, low, high) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET low = min(low, excluded.low), high = max(high, excluded.high)',
    ),
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
  }
  const atomically = (body: () => void) => {
    sql.begin.run()
    try {
      body()
      sql.commit.run()
    } catch (error) {
      if (db.inTransaction) sql.rollback.run()
      known.clear()
      throw error
    }
  }

  const known = new Map<string, Stream>()
  const find = (name: string): Stream | undefined => {
    const cached = known.get(name)
    if (cached) return cached
    const stream = sql.stream.get(name)
    if (!stream) return undefined
    if (known.size > 10_000) known.clear()
    known.set(name, stream)
    return stream
  }

  let queue: Queued[] = []
  let scheduled: ReturnType<typeof setImmediate> | undefined

  const write = (batch: readonly Queued[]): number[] => {
    const lasts: number[] = []
    const streams = new Map<string, Stream>()
    for (const { stream: name, entries } of batch) {
      let stream = streams.get(name)
      if (!stream) {
        stream = find(name) ?? sql.newStream.get(name)!
        streams.set(name, stream)
        known.set(name, stream)
      }
      let span = -1
      let low = 0
      let high = 0
      for (const { time, body } of entries) {
        stream.last += 1
        const number = Math.floor(stream.last / SPAN)
        if (number !== span) {
          if (span >= 0) sql.span.run(stream.id, span, low, high)
          span = number
          low = time
          high = time
        } else if (time < low) low = time
        else if (time > high) high = time
        sql.entry.run(stream.id, stream.last, time, body)
      }
      if (span >= 0) sql.span.run(stream.id, span, low, high)
      lasts.push(stream.last)
    }
    for (const stream of streams.values()) sql.last.run(stream.last, stream.id)
    return lasts
  }

  const flush = () => {
    if (scheduled) clearImmediate(scheduled)
    scheduled = undefined
    const batch = queue
    queue = []
    if (batch.length === 0) return
    let lasts: number[] = []
    try {
      atomically(() => {
        lasts = write(batch)
      })
    } catch (error) {
      for (const { failed } of batch) failed(error)
      return
    }
    for (const [i, { done }] of batch.entries()) done(lasts[i]!)
    if (followers.size > 0) for (const [i, appended] of batch.entries()) tell(appended, lasts[i]!)
  }

  type Following = { readonly prefix: string; readonly follower: Follower }
  const followers = new Set<Following>()

  const tell = ({ stream, entries }: Queued, last: number) => {
    const told = [...followers].filter(({ prefix }) => stream.startsWith(prefix))
    if (told.length === 0) return
    const first = last - entries.length + 1
    const added = entries.map(({ time, body }, i) => readWhenAsked(first + i, time, body))
    for (const { follower } of told) follower.appended(stream, added)
  }

  const endFollowing = () => {
    const told = [...followers]
    followers.clear()
    for (const { follower } of told) follower.ended()
  }

  const clauses = ({ from, to, after, reverse }: RangeOptions, stream: number) => {
    const where = ['s.stream = ?']
    const values = [stream]
    const bound = (condition: string, value: number) => {
      where.push(condition)
      values.push(value)
    }
    if (from !== undefined) bound('s.high >= ?', from)
    if (to !== undefined) bound('s.low < ?', to)
    if (after !== undefined) bound(`s.number ${reverse ? '<=' : '>='} ?`, Math.floor(after / SPAN))
    if (after !== undefined) bound(`e.position ${reverse ? '<' : '>'} ?`, after)
    if (from !== undefined) bound('e.time >= ?', from)
    if (to !== undefined) bound('e.time < ?', to)
    return { where: where.join(' AND '), values }
  }

  const prepared = new Map<string, ReturnType<typeof db.prepare<number[], Omit<Entry, 'body'> & { body: string }>>>()

  return {
    append(stream, entries) {
      if (entries.length === 0) return Promise.resolve(find(stream.toWellFormed())?.last ?? 0)
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      queue.push({
        stream: stream.toWellFormed(),
        entries: entries.map(({ time, body }) => ({ time: Math.round(time), body: JSON.stringify(body ?? null) })),
        done: resolve,
        failed: reject,
      })
      scheduled ??= setImmediate(flush)
      return promise
    },
    async range(name, options = {}) {
      flush()
      const stream = find(name.toWellFormed())
      if (!stream) return []
      const { where, values } = clauses(options, stream.id)
      const order = options.reverse ? 'DESC' : 'ASC'
      // The spans come in order and within each the entries do, so nothing is sorted and a limit ends the walk.
      const statement = `SELECT e.position, e.time, e.body FROM span s CROSS JOIN entry e
        ON e.stream = s.stream AND e.position >= s.number * ${SPAN} AND e.position < (s.number + 1) * ${SPAN}
        WHERE ${where} ORDER BY s.number ${order}, e.position ${order} LIMIT ?`
      let query = prepared.get(statement)
      if (!query) {
        query = db.prepare(statement)
        prepared.set(statement, query)
      }
      return query.all(...values, options.limit ?? 1000).map(({ position, time, body }) => {
        const parsed: unknown = JSON.parse(body)
        return { position, time, body: parsed }
      })
    },
    async drop(name, before) {
      flush()
      const stream = find(name.toWellFormed())
      if (!stream) return
      known.delete(stream.name)
      const { id } = stream
      atomically(() => {
        if (before === undefined) {
          for (const each of ['entry', 'span']) db.prepare(`DELETE FROM ${each} WHERE stream = ?`).run(id)
          db.prepare('DELETE FROM stream WHERE id = ?').run(id)
          return
        }
        const spans = db
          .prepare<[number, number], { number: number; high: number }>(
            'SELECT number, high FROM span WHERE stream = ? AND low < ?',
          )
          .all(id, before)
        const forget = db.prepare('DELETE FROM entry WHERE stream = ? AND position >= ? AND position < ? AND time < ?')
        for (const { number, high } of spans) {
          forget.run(id, number * SPAN, (number + 1) * SPAN, before)
          if (high < before) db.prepare('DELETE FROM span WHERE stream = ? AND number = ?').run(id, number)
          else db.prepare('UPDATE span SET low = ? WHERE stream = ? AND number = ?').run(before, id, number)
        }
      })
    },
    async streams(prefix, { after, limit } = {}) {
      flush()
      const end = afterPrefix(prefix.toWellFormed())
      const values: (string | number)[] = [prefix.toWellFormed()]
      if (end !== undefined) values.push(end)
      if (after !== undefined) values.push(after.toWellFormed())
      return db
        .prepare<(string | number)[], { name: string }>(
          `SELECT name FROM stream WHERE name >= ? ${end === undefined ? '' : 'AND name < ?'} ${after === undefined ? '' : 'AND name > ?'} ORDER BY name LIMIT ?`,
        )
        .all(...values, limit ?? Number.MAX_SAFE_INTEGER)
        .map(({ name }) => name)
    },
    follow(prefix, follower) {
      const following = { prefix: prefix.toWellFormed(), follower }
      followers.add(following)
      return () => {
        followers.delete(following)
      }
    },
    async reset() {
      flush()
      endFollowing()
      known.clear()
      atomically(() => db.exec('DELETE FROM entry; DELETE FROM span; DELETE FROM stream'))
    },
    async close() {
      if (!db.open) return
      flush()
      endFollowing()
      db.close()
    },
    save(to) {
      flush()
      saveSqlite(db, to, FILE)
    },
    restore(from) {
      flush()
      endFollowing()
      known.clear()
      restoreSqlite(db, { folder: from, file: FILE, version: VERSION, tables: ['stream', 'entry', 'span'] })
    },
  }
}
