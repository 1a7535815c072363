import { randomUUID } from 'node:crypto'
import type { DeliveredEvent, DomainEvent } from '../work/outbox.ts'
import { conflictLog, type ListRead, type Reads, type Touch } from './conflicts.ts'
import { openSqlite, restoreSqlite, type Sqlite, type Statement, saveSqlite } from './open-sqlite.ts'
import { LONGEST_LIST, rowCache } from './row-cache.ts'
import {
  type CommitNews,
  type ListOptions,
  NewerDataError,
  type Place,
  type ReadTx,
  type Store,
  type Table,
  TransactionMisuseError,
  type Wake,
  type WorkQueue,
  type WriteTx,
} from './store.ts'
import { afterPrefix, compareText } from './text-order.ts'

const FILE = 'rows.db'
const VERSION = 1

// A shelf is one table in one place. A row keeps its index values beside it (`indexed`), so that what is taken out of
// `idx` is what was put there, whatever the index functions have become since.
const SCHEMA = `
  CREATE TABLE kind (name TEXT PRIMARY KEY, shape TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE shelf (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, UNIQUE (kind, account, region));
  CREATE TABLE row (shelf INTEGER, key TEXT, value TEXT NOT NULL, version INTEGER NOT NULL, indexed TEXT, PRIMARY KEY (shelf, key)) WITHOUT ROWID;
  CREATE TABLE idx (shelf INTEGER, name TEXT, value TEXT, key TEXT, PRIMARY KEY (shelf, name, value, key)) WITHOUT ROWID;
  CREATE TABLE event (seq INTEGER PRIMARY KEY, body TEXT NOT NULL);
  CREATE TABLE wake (seq INTEGER PRIMARY KEY, reconciler TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, key TEXT NOT NULL,
    due INTEGER NOT NULL, again INTEGER NOT NULL, UNIQUE (reconciler, account, region, key, due));
  CREATE INDEX wake_due ON wake (due);
`

/** How often a transaction runs optimistically before it gets the store for itself. */
const OPTIMISTIC_ATTEMPTS = 8

type AnyTable = Table<never>
type Shelf = {
  readonly id: number
  readonly kind: string
  readonly account: string
  readonly region: string
  stored: boolean
}
type StoredRow = { key: string; value: string; version: number }
type Indexed = Readonly<Record<string, string>>

/** A row as the transaction will leave it; `value` undefined: gone. */
type Written = {
  readonly home: string
  readonly table: AnyTable
  readonly place: Place
  readonly key: string
  readonly value: string | undefined
  readonly indexed: Indexed
}
type NewWake = { readonly reconciler: string; readonly place: Place; readonly key: string; readonly in: number }

type Transaction = Reads & {
  readonly place: Place
  readonly writes: Map<string, Written>
  readonly events: DomainEvent[]
  readonly wakes: NewWake[]
  fate: 'open' | 'ended' | 'misused'
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown }

export type SqliteStoreOptions = ({ folder: string } | { memory: true }) & {
  /** The clock's present, for the time of events and wakes. */
  now: () => Date
  /** Throws TransactionMisuseError when a callback awaits something other than its transaction. On unless told. */
  guard?: boolean
}

export interface SqliteStore extends Store, WorkQueue {
  /** Writes all rows, events and wakes of one moment into `folder`. */
  save(folder: string): void
  /** Replaces everything by what `save` wrote. Open transactions run again. */
  restore(folder: string): void
  /** Every row as it is stored, table by table, for people and other programs. */
  export(): IterableIterator<{ table: string; account: string; region: string; key: string; record: unknown }>
}

const placeOf = (table: { scope: Table<unknown>['scope'] }, { account, region }: Place): Place =>
  table.scope === 'region'
    ? { account, region }
    : table.scope === 'account'
      ? { account, region: '' }
      : { account: '', region: '' }

const homeOf = (table: { name: string; scope: Table<unknown>['scope'] }, place: Place): string =>
  table.scope === 'region'
    ? `${table.name}\0${place.account}\0${place.region}`
    : table.scope === 'account'
      ? `${table.name}\0${place.account}\0`
      : `${table.name}\0\0`

/** Lone surrogates have no UTF-8: SQLite would take them for another character than we do. */
const text = (key: string): string => (key.isWellFormed() ? key : key.toWellFormed())

const indexedOf = <R>(table: Table<R>, record: R): Indexed => {
  const indexed: Record<string, string> = {}
  for (const name in table.index) {
    const value = table.index[name]!(record)
    if (value !== undefined) indexed[name] = text(value)
  }
  return indexed
}

const assertPlain = (value: unknown, path: string): void => {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return
  if (typeof value === 'number' && Number.isFinite(value)) return
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) assertPlain(value[i], `${path}[${i}]`)
    return
  }
  if (typeof value === 'object') {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null) {
      for (const [name, member] of Object.entries(value))
        if (member !== undefined) assertPlain(member, `${path}.${name}`)
      return
    }
  }
  const what = typeof value === 'object' ? value.constructor.name : String(value)
  throw new TransactionMisuseError(`${path} is ${what}: a record is plain JSON.`)
}

/**
 * The store of one machine: SQLite in write-ahead mode. Transactions are optimistic: reads go to the committed state,
 * writes wait in memory until the callback has ended; if meanwhile something it read was changed, it runs again.
 * Throws FolderInUseError, NewerDataError or FolderUnusableError when the folder cannot be had.
 */
export const sqliteStore = (options: SqliteStoreOptions): SqliteStore => {
  const folder = 'folder' in options ? options.folder : undefined
  const guard = options.guard ?? true
  const db: Sqlite = openSqlite({ folder, file: FILE, version: VERSION, schema: SCHEMA })
  const conflicts = conflictLog()
  const cache = rowCache()
  const listeners = new Set<(news: CommitNews) => void>()
  let holder: { transaction: Transaction; released: Promise<void> } | undefined

  const shelves = new Map<string, Shelf>()
  const kinds = new Map<string, string>()
  let lastShelf = 0
  let lastSeq = 0
  const load = () => {
    cache.clear()
    shelves.clear()
    kinds.clear()
    for (const each of db.prepare<[], Omit<Shelf, 'stored'>>('SELECT id, kind, account, region FROM shelf').iterate()) {
      shelves.set(`${each.kind}\0${each.account}\0${each.region}`, { ...each, stored: true })
      lastShelf = Math.max(lastShelf, each.id)
    }
    for (const each of db.prepare<[], { name: string; shape: string }>('SELECT name, shape FROM kind').iterate())
      kinds.set(each.name, each.shape)
    for (const name of ['event', 'wake'])
      lastSeq = Math.max(
        lastSeq,
        db.prepare<[], { seq: number | null }>(`SELECT max(seq) AS seq FROM ${name}`).get()?.seq ?? 0,
      )
  }
  load()

  const sql = {
    get: db.prepare<[number, string], Omit<StoredRow, 'key'>>(
      'SELECT value, version FROM row WHERE shelf = ? AND key = ?',
    ),
    indexed: db.prepare<[number, string], { indexed: string | null }>(
      'SELECT indexed FROM row WHERE shelf = ? AND key = ?',
    ),
    put: db.prepare<[number, string, string, number, string | null]>(
      'INSERT INTO row (shelf, key, value, version, indexed) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value, version = excluded.version, indexed = excluded.indexed',
    ),
    delete: db.prepare<[number, string]>('DELETE FROM row WHERE shelf = ? AND key = ?'),
    index: db.prepare<[number, string, string, string]>(
      'INSERT OR IGNORE INTO idx (shelf, name, value, key) VALUES (?, ?, ?, ?)',
    ),
    unindex: db.prepare<[number, string, string, string]>(
      'DELETE FROM idx WHERE shelf = ? AND name = ? AND value = ? AND key = ?',
    ),
    shelf: db.prepare<[number, string, string, string]>(
      'INSERT INTO shelf (id, kind, account, region) VALUES (?, ?, ?, ?)',
    ),
    event: db.prepare<[number, string]>('INSERT INTO event (seq, body) VALUES (?, ?)'),
    wake: db.prepare<[number, string, string, string, string, number]>(
      'INSERT OR REPLACE INTO wake (seq, reconciler, account, region, key, due, again) VALUES (?, ?, ?, ?, ?, ?, 0)',
    ),
    // A wake for that very moment does as well, and stays when `again` is replaced.
    again: db.prepare<[number, string, string, string, string, number]>(
      'INSERT OR IGNORE INTO wake (seq, reconciler, account, region, key, due, again) VALUES (?, ?, ?, ?, ?, ?, 1)',
    ),
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    due: db.prepare<
      [number, number],
      { reconciler: string; account: string; region: string; key: string; due: number; seq: number }
    >(
      'SELECT reconciler, account, region, key, max(due) AS due, max(seq) AS seq FROM wake WHERE due > ? AND due <= ? GROUP BY reconciler, account, region, key ORDER BY min(due), min(seq)',
    ),
    waiting: db.prepare<[string], { account: string; region: string; key: string; due: number; seq: number }>(
      'SELECT account, region, key, max(due) AS due, max(seq) AS seq FROM wake WHERE reconciler = ? GROUP BY account, region, key ORDER BY min(seq)',
    ),
    nextDue: db.prepare<[number], { due: number | null }>('SELECT min(due) AS due FROM wake WHERE due > ?'),
    answered: db.prepare<[string, string, string, string, number, number]>(
      'DELETE FROM wake WHERE reconciler = ? AND account = ? AND region = ? AND key = ? AND (again = 1 OR (seq <= ? AND due <= ?))',
    ),
    nextOf: db.prepare<[string, string, string, string], { due: number | null }>(
      'SELECT min(due) AS due FROM wake WHERE reconciler = ? AND account = ? AND region = ? AND key = ?',
    ),
    events: db.prepare<[number, number], { seq: number; body: string }>(
      'SELECT seq, body FROM event WHERE seq > ? ORDER BY seq LIMIT ?',
    ),
    delivered: db.prepare<[number]>('DELETE FROM event WHERE seq = ?'),
  }

  /** All or nothing, in one synchronous piece. */
  const atomically = <T>(body: () => T): T => {
    sql.begin.run()
    try {
      const result = body()
      sql.commit.run()
      return result
    } catch (error) {
      if (db.inTransaction) sql.rollback.run()
      throw error
    }
  }

  const parse = <R>(table: Table<R>, row: Omit<StoredRow, 'key'>): R => {
    const record: unknown = JSON.parse(row.value)
    if (row.version === table.version) return record as R
    if (row.version > table.version) throw new NewerDataError(`A record of ${table.name}`)
    if (!table.upgrade)
      throw new Error(`${table.name} has records of version ${row.version} and no upgrade from there.`)
    return table.upgrade(record, row.version)
  }

  /** The first time a table is used: when its indexes or version have changed, its rows are brought up to date. */
  const meet = <R>(table: Table<R>) => {
    const shape = JSON.stringify([table.version, ...Object.keys(table.index).sort()])
    const known = kinds.get(table.name)
    if (known === shape) return
    cache.clear()
    atomically(() => {
      if (known !== undefined)
        for (const shelf of shelves.values()) {
          if (shelf.kind !== table.name) continue
          db.prepare('DELETE FROM idx WHERE shelf = ?').run(shelf.id)
          const page = db.prepare<[number, string], StoredRow>(
            'SELECT key, value, version FROM row WHERE shelf = ? AND key > ? ORDER BY key LIMIT 500',
          )
          let last = ''
          for (let rows = page.all(shelf.id, last); rows.length > 0; rows = page.all(shelf.id, last))
            for (const row of rows) {
              last = row.key
              const record = parse(table, row)
              const indexed = indexedOf(table, record)
              sql.put.run(shelf.id, row.key, JSON.stringify(record), table.version, indexedText(indexed))
              for (const name in indexed) sql.index.run(shelf.id, name, indexed[name]!, row.key)
            }
        }
      db.prepare('INSERT OR REPLACE INTO kind (name, shape) VALUES (?, ?)').run(table.name, shape)
    })
    kinds.set(table.name, shape)
  }
  const met = new WeakSet<object>()
  const knownTable = <R>(table: Table<R>): Table<R> => {
    if (!met.has(table)) {
      meet(table)
      met.add(table)
    }
    return table
  }

  const indexedText = (indexed: Indexed): string | null => {
    for (const _ in indexed) return JSON.stringify(indexed)
    return null
  }

  /** A committed row, from the cache if it is there. Frozen: others read it too. */
  const committed = <R>(table: Table<R>, shelf: number, id: string, key: string): R | undefined => {
    const known = cache.find(id, table)
    if (known) return known.record as R | undefined
    const row = sql.get.get(shelf, key)
    const record = row && parse(table, row)
    cache.keep(id, table, record, row?.value.length ?? 0)
    return record
  }

  const listSql = new Map<string, { keys: Statement<string>; rows: Statement<StoredRow> }>()
  /** The committed records of a list, with their keys. Most lists find theirs in the cache, given the keys. */
  const listed = <R>(table: Table<R>, { id: shelf }: Shelf, home: string, options: ListOptions, limit: number) => {
    const { index, equals, prefix, after, from, reverse } = options
    const where = index === undefined ? ['shelf = ?'] : ['shelf = ?', 'name = ?']
    const values: (string | number)[] = index === undefined ? [shelf] : [shelf, index]
    const bound = (condition: string, value: string) => {
      where.push(condition)
      values.push(text(value))
    }
    // The columns that prefix speaks of, and after and from.
    const column = index === undefined ? 'key' : 'value'
    const by = equals === undefined ? column : 'key'
    if (equals !== undefined) bound('value = ?', equals)
    // SQLite searches by one bound of each side and only filters by others, so no weaker one may stand beside a stronger.
    const stronger = (a: string | undefined, b: string) => a !== undefined && compareText(text(a), text(b)) >= 0
    const beyond = reverse ? undefined : after
    const end = prefix ? afterPrefix(text(prefix)) : undefined
    if (prefix && !(by === column && (stronger(from, prefix) || stronger(beyond, prefix))))
      bound(`${column} >= ?`, prefix)
    if (end !== undefined && !(by === column && reverse && after !== undefined && stronger(end, after)))
      bound(`${column} < ?`, end)
    if (from !== undefined && !stronger(beyond, from)) bound(`${by} >= ?`, from)
    if (after !== undefined) bound(`${by} ${reverse ? '<' : '>'} ?`, after)
    const direction = reverse ? 'DESC' : 'ASC'
    const order = index === undefined ? `key ${direction}` : `value ${direction}, key ${direction}`
    const chosen = `FROM ${index === undefined ? 'row' : 'idx'} WHERE ${where.join(' AND ')} ORDER BY ${order} LIMIT ?`
    let prepared = listSql.get(chosen)
    if (!prepared) {
      const rows =
        index === undefined
          ? `SELECT key, value, version ${chosen}`
          : `SELECT i.key, r.value, r.version FROM (SELECT shelf, key, value ${chosen}) i CROSS JOIN row r ON r.shelf = i.shelf AND r.key = i.key ORDER BY i.value ${direction}, i.key ${direction}`
      prepared = {
        keys: db.prepare<(string | number)[], string>(`SELECT key ${chosen}`).pluck(),
        rows: db.prepare<(string | number)[], StoredRow>(rows),
      }
      listSql.set(chosen, prepared)
    }
    const keys = prepared.keys.all(...values, Math.min(limit, LONGEST_LIST + 1))
    return keys.length <= LONGEST_LIST
      ? keys.map((key) => ({ key, record: committed(table, shelf, `${home}\0${key}`, key)! }))
      : prepared.rows.all(...values, limit).map((row) => ({ key: row.key, record: parse(table, row) }))
  }

  /** Whether a record that this transaction wrote belongs into the list; what the SQL says, said again for one row. */
  const belongs = (written: Written, { index, equals, prefix, after, from, reverse }: ListOptions): boolean => {
    if (written.value === undefined) return false
    const value = index === undefined ? written.key : written.indexed[index]
    if (value === undefined) return false
    if (equals !== undefined && index !== undefined && value !== text(equals)) return false
    if (prefix && !value.startsWith(text(prefix))) return false
    const by = equals !== undefined ? written.key : value
    if (from !== undefined && compareText(by, text(from)) < 0) return false
    if (after === undefined) return true
    const order = compareText(by, text(after))
    return reverse ? order < 0 : order > 0
  }

  const check = (transaction: Transaction) => {
    if (transaction.fate === 'open') return
    throw new TransactionMisuseError('A transaction was used after it had ended.')
  }

  const get = <R>(transaction: Transaction, table: Table<R>, key: string, at?: Place): R | undefined => {
    check(transaction)
    const home = homeOf(knownTable(table), at ?? transaction.place)
    const wellFormed = text(key)
    const id = `${home}\0${wellFormed}`
    const written = transaction.writes.get(id)
    if (written) return written.value === undefined ? undefined : (JSON.parse(written.value) as R)
    transaction.keys.add(id)
    const shelf = shelves.get(home)
    return shelf && committed(table, shelf.id, id, wellFormed)
  }

  const list = <R>(transaction: Transaction, table: Table<R>, options: ListOptions, at?: Place): R[] => {
    check(transaction)
    if (options.index !== undefined && !Object.hasOwn(table.index, options.index))
      throw new TransactionMisuseError(`${table.name} has no index ${options.index}.`)
    if (options.equals !== undefined && options.index === undefined)
      throw new TransactionMisuseError('A list with `equals` names its `index`.')
    const home = homeOf(knownTable(table), at ?? transaction.place)
    const read: ListRead = { home, index: options.index, equals: options.equals, prefix: options.prefix }
    transaction.lists.push(read)
    const limit = options.limit ?? Number.MAX_SAFE_INTEGER
    if (limit <= 0) return []
    const shelf = shelves.get(home)
    const own: Written[] = []
    for (const written of transaction.writes.values()) if (written.home === home) own.push(written)
    const rows = shelf ? listed(table, shelf, home, options, Math.min(limit + own.length, Number.MAX_SAFE_INTEGER)) : []
    if (own.length === 0) return rows.map(({ record }) => record)

    const sortValue = (record: R, key: string) => {
      const value = options.index === undefined ? undefined : table.index[options.index]!(record)
      return { record, key, value: value ?? '' }
    }
    const found = rows
      .filter(({ key }) => !transaction.writes.has(`${home}\0${key}`))
      .map(({ record, key }) => sortValue(record, key))
    for (const written of own)
      if (belongs(written, options)) found.push(sortValue(JSON.parse(written.value!) as R, written.key))
    const sign = options.reverse ? -1 : 1
    found.sort((a, b) => sign * (compareText(a.value, b.value) || compareText(a.key, b.key)))
    return found.slice(0, limit).map(({ record }) => record)
  }

  // A table's functions take its own records only; here they are kept by name, and given back only such records.
  const put = <R>(transaction: Transaction, table: Table<R>, record: R, at?: Place): R => {
    check(transaction)
    if (guard) assertPlain(record, table.name)
    const place = at ?? transaction.place
    const home = homeOf(knownTable(table), place)
    const key = text(table.key(record))
    transaction.writes.set(`${home}\0${key}`, {
      home,
      table: table as unknown as AnyTable,
      place,
      key,
      value: JSON.stringify(record),
      indexed: indexedOf(table, record),
    })
    return record
  }

  const remove = <R>(transaction: Transaction, table: Table<R>, key: string, at?: Place) => {
    check(transaction)
    const place = at ?? transaction.place
    const home = homeOf(knownTable(table), place)
    const wellFormed = text(key)
    transaction.writes.set(`${home}\0${wellFormed}`, {
      home,
      table: table as unknown as AnyTable,
      place,
      key: wellFormed,
      value: undefined,
      indexed: {},
    })
  }

  const shelfFor = (written: Written): Shelf => {
    const known = shelves.get(written.home)
    if (known) return known
    lastShelf += 1
    const shelf = { id: lastShelf, kind: written.table.name, ...placeOf(written.table, written.place), stored: false }
    shelves.set(written.home, shelf)
    return shelf
  }

  const apply = (transaction: Transaction): CommitNews => {
    const now = options.now()
    const touched: Touch[] = []
    const added: string[] = []
    const wakes: Wake[] = []
    try {
      atomically(() => {
        for (const [id, written] of transaction.writes) {
          // At once, so that it is right whatever becomes of this commit: nobody reads before it has ended.
          cache.drop(id)
          const shelf = shelfFor(written)
          if (!shelf.stored) {
            added.push(written.home)
            sql.shelf.run(shelf.id, shelf.kind, shelf.account, shelf.region)
            shelf.stored = true
          }
          const before = sql.indexed.get(shelf.id, written.key)?.indexed ?? null
          const after = indexedText(written.indexed)
          const old: Indexed = before === null ? {} : (JSON.parse(before) as Indexed)
          if (before !== after) {
            for (const name in old)
              if (written.indexed[name] !== old[name]) sql.unindex.run(shelf.id, name, old[name]!, written.key)
            for (const name in written.indexed)
              if (written.indexed[name] !== old[name])
                sql.index.run(shelf.id, name, written.indexed[name]!, written.key)
          }
          if (written.value === undefined) sql.delete.run(shelf.id, written.key)
          else sql.put.run(shelf.id, written.key, written.value, written.table.version, after)
          touched.push({ id, home: written.home, key: written.key, before: old, after: written.indexed })
        }
        for (const event of transaction.events) {
          const delivered: DeliveredEvent = { time: now.toISOString(), ...event, version: '0', id: randomUUID() }
          lastSeq += 1
          sql.event.run(lastSeq, JSON.stringify(delivered))
        }
        for (const { reconciler, place, key, in: delay } of transaction.wakes) {
          lastSeq += 1
          const due = now.getTime() + delay
          sql.wake.run(lastSeq, reconciler, place.account, place.region, key, due)
          wakes.push({ reconciler, place, key, due, seq: lastSeq })
        }
      })
    } catch (error) {
      for (const home of added) shelves.delete(home)
      throw error
    }
    conflicts.committed(touched)
    return { wakes, events: transaction.events.length }
  }

  /** Whether what the transaction read is still so; then its writes are applied. */
  const commit = (transaction: Transaction): boolean => {
    if (!conflicts.holds(transaction)) return false
    if (transaction.writes.size + transaction.events.length + transaction.wakes.length === 0) return true
    const news = apply(transaction)
    if (news.wakes.length + news.events > 0) for (const listener of listeners) listener(news)
    return true
  }

  const outcomeOf = <T>(running: Promise<T>): Promise<Outcome<T>> =>
    running.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    )

  // Everything a transaction may await is there at once, so after its microtasks it has ended, or it waits for something else.
  const watched = new Set<(error: Error) => void>()
  let watching = false
  const watch = <T>(transaction: Transaction, running: Promise<T>): Promise<Outcome<T>> =>
    new Promise((resolve) => {
      const refuse = (error: Error) => {
        transaction.fate = 'misused'
        resolve({ error })
      }
      watched.add(refuse)
      running.then(
        (value) => {
          watched.delete(refuse)
          resolve({ value })
        },
        (error: unknown) => {
          watched.delete(refuse)
          resolve({ error })
        },
      )
      if (watching) return
      watching = true
      setImmediate(() => {
        watching = false
        for (const each of watched)
          each(
            new TransactionMisuseError(
              'A transaction awaited something other than its transaction. Do that before or after it: the callback may be run again.',
            ),
          )
        watched.clear()
      })
    })

  const transact = async <T>(place: Place, body: (tx: WriteTx) => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      while (holder) await holder.released
      const transaction: Transaction = {
        place,
        began: conflicts.begin(),
        keys: new Set(),
        lists: [],
        writes: new Map(),
        events: [],
        wakes: [],
        fate: 'open',
      }
      let release: (() => void) | undefined
      if (attempt > OPTIMISTIC_ATTEMPTS) {
        const { promise, resolve } = Promise.withResolvers<void>()
        holder = { transaction, released: promise }
        release = () => {
          holder = undefined
          resolve()
        }
      }
      try {
        const running = body(handle(transaction))
        const outcome = await (guard ? watch(transaction, running) : outcomeOf(running))
        if (transaction.fate === 'open') transaction.fate = 'ended'
        while (holder && holder.transaction !== transaction) await holder.released
        if ('error' in outcome) {
          // What it threw counts only if what it saw was so.
          if (transaction.fate === 'misused' || conflicts.holds(transaction)) throw outcome.error
        } else if (commit(transaction)) return outcome.value
      } finally {
        conflicts.end(transaction.began)
        release?.()
      }
    }
  }

  const handle = (transaction: Transaction): WriteTx => ({
    get: async (table, key, at) => get(transaction, table, key, at),
    list: async (table, options = {}, at) => list(transaction, table, options, at),
    put: (table, record, at) => put(transaction, table, record, at),
    delete: (table, key, at) => remove(transaction, table, key, at),
    emit: (event) => {
      check(transaction)
      if (guard) assertPlain(event, 'event')
      transaction.events.push(event)
    },
    wake: (reconciler, key, { in: delay = 0, at = transaction.place } = {}) => {
      check(transaction)
      if (!Number.isFinite(delay)) throw new TransactionMisuseError(`wake in ${delay} ms`)
      transaction.wakes.push({ reconciler, place: at, key: text(key), in: Math.max(0, Math.round(delay)) })
    },
  })

  return {
    read: <T>(place: Place, body: (tx: ReadTx) => Promise<T>) => transact(place, body),
    write: (place, body) => transact(place, body),
    async places(table) {
      knownTable(table)
      return db
        .prepare<[string], Place>(
          'SELECT account, region FROM shelf WHERE kind = ? AND EXISTS (SELECT 1 FROM row WHERE row.shelf = shelf.id) ORDER BY account, region',
        )
        .all(table.name)
    },
    async reset() {
      atomically(() => db.exec('DELETE FROM row; DELETE FROM idx; DELETE FROM event; DELETE FROM wake'))
      cache.clear()
      conflicts.everything()
    },
    async close() {
      cache.clear()
      if (db.open) db.close()
    },
    save: (to) => saveSqlite(db, to, FILE),
    restore(from) {
      restoreSqlite(db, {
        folder: from,
        file: FILE,
        version: VERSION,
        tables: ['kind', 'shelf', 'row', 'idx', 'event', 'wake'],
      })
      load()
      conflicts.everything()
    },
    *export() {
      const rows = db.prepare<[number, string], StoredRow>(
        'SELECT key, value, version FROM row WHERE shelf = ? AND key > ? ORDER BY key LIMIT 500',
      )
      const all = [...shelves.values()].sort((a, b) => compareText(a.kind, b.kind) || a.id - b.id)
      for (const { id, kind, account, region } of all) {
        let last = ''
        for (let page = rows.all(id, last); page.length > 0; page = rows.all(id, last))
          for (const row of page) {
            last = row.key
            const record: unknown = JSON.parse(row.value)
            yield { table: kind, account, region, key: row.key, record }
          }
      }
    },

    onCommit(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    due: async (until, after = Number.MIN_SAFE_INTEGER) =>
      sql.due.all(after, until).map(({ account, region, ...wake }) => ({ ...wake, place: { account, region } })),
    waiting: async (reconciler) =>
      sql.waiting
        .all(reconciler)
        .map(({ account, region, ...wake }) => ({ ...wake, reconciler, place: { account, region } })),
    nextDue: async (after) => sql.nextDue.get(after)?.due ?? undefined,
    async finish({ reconciler, place: { account, region }, key, due, seq }, again) {
      return atomically(() => {
        sql.answered.run(reconciler, account, region, key, seq, due)
        if (again !== undefined) {
          lastSeq += 1
          sql.again.run(lastSeq, reconciler, account, region, key, Math.round(again))
        }
        const next = sql.nextOf.get(reconciler, account, region, key)?.due ?? undefined
        return next === undefined ? undefined : { due: next, seq: lastSeq }
      })
    },
    events: async (after, limit) =>
      sql.events.all(after, limit).map(({ seq, body }) => ({ seq, event: JSON.parse(body) as DeliveredEvent })),
    delivered: async (seq) => {
      sql.delivered.run(seq)
    },
  }
}
