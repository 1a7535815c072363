import type { DomainEvent } from '../work/outbox.ts'

/** Where rows live: every record belongs to an account and a region. A table's scope says which of the two count. */
export type Place = { readonly account: string; readonly region: string }

export type Scope = 'region' | 'account' | 'global'

/** A kind of record with a declared home. Records are plain JSON; nothing derivable is stored. Make one with `table`. */
export type Table<R> = {
  readonly name: string
  readonly scope: Scope
  /** The primary key: unique in its place; rows list in its byte order (UTF-8). */
  readonly key: (record: R) => string
  /** Named secondary indexes: records found by this value, listed by value, then by key. `undefined` leaves a record out. */
  readonly index: Readonly<Record<string, (record: R) => string | undefined>>
  /** Shape of the record; raised with an `upgrade` that reads older ones. */
  readonly version: number
  readonly upgrade: ((record: unknown, version: number) => R) | undefined
}

export const table = <R>(
  name: string,
  options: {
    scope: Scope
    key: (record: R) => string
    index?: Record<string, (record: R) => string | undefined>
    version?: number
    upgrade?: (record: unknown, version: number) => R
  },
): Table<R> => ({ index: {}, version: 1, upgrade: undefined, ...options, name })

export type ListOptions = {
  /** Only keys (with `index`: index values) that start with this. */
  prefix?: string
  /** Only keys greater than this (exclusive); with `reverse`, smaller. With `index` and `equals`: the primary key. */
  after?: string
  /** Only keys greater than or equal to this (inclusive). */
  from?: string
  limit?: number
  reverse?: boolean
  /** Go by this secondary index instead of the primary key. */
  index?: string
  /** With `index`: only records whose index value is exactly this; ordered by primary key. */
  equals?: string
}

/**
 * Reads see one committed state. Inside the callback nothing may be awaited but the transaction itself: the callback
 * may be run again when another transaction got in between, so it must have no effect but on `tx`.
 */
export interface ReadTx {
  get<R>(table: Table<R>, key: string, at?: Place): Promise<R | undefined>
  list<R>(table: Table<R>, options?: ListOptions, at?: Place): Promise<R[]>
}

export interface WriteTx extends ReadTx {
  /** Creates or replaces the row with this record's key. Returns the record. */
  put<R>(table: Table<R>, record: R, at?: Place): R
  delete<R>(table: Table<R>, key: string, at?: Place): void
  /** Puts an event into the outbox in the same commit; delivered at least once after it. */
  emit(event: DomainEvent): void
  /** Has the reconciler of this name run for this key, `in` milliseconds of the clock from now (0 unless told), after the commit. */
  wake(reconciler: string, key: string, options?: { in?: number; at?: Place }): void
}

/** Rows of all tables, all places. Serializable transactions; what `write` resolved survives `kill -9`. */
export interface Store {
  read<T>(place: Place, body: (tx: ReadTx) => Promise<T>): Promise<T>
  write<T>(place: Place, body: (tx: WriteTx) => Promise<T>): Promise<T>
  /** Every place that holds a row of this table, for work that spans accounts. */
  places<R>(table: Table<R>): Promise<Place[]>
  /** Empties every table. */
  reset(): Promise<void>
  close(): Promise<void>
}
