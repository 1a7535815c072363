import type { DeliveredEvent, DomainEvent } from '../work/outbox.ts'

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
 * A record that was read is never changed, only replaced by `put`: others may have been given the same object.
 */
export interface ReadTx {
  get<R>(table: Table<R>, key: string, at?: Place): Promise<R | undefined>
  list<R>(table: Table<R>, options?: ListOptions, at?: Place): Promise<R[]>
}

export interface WriteTx extends ReadTx {
  /** Creates or replaces the row with this record's key. Returns the record. */
  put<R>(table: Table<R>, record: NoInfer<R>, at?: Place): R
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

/** A reconciler's key that is to be stepped. `seq` rises with every wake, so a step knows which wakes it has answered. */
export type Wake = {
  readonly reconciler: string
  readonly place: Place
  readonly key: string
  /** Milliseconds since the epoch. */
  readonly due: number
  readonly seq: number
}

/** An event of the outbox. `seq` rises in the order of commits; id and time of the event stay over redeliveries. */
export type OutboxEntry = { readonly seq: number; readonly event: DeliveredEvent }

/** What a commit left behind for the work runner. */
export type CommitNews = { readonly wakes: readonly Wake[]; readonly events: number }

/** The store as the work runner sees it: wakes and events are in the same commits as the rows they are about. */
export interface WorkQueue {
  /** Calls `listener` right after each commit that woke something or emitted something. Returns what ends that. */
  onCommit(listener: (news: CommitNews) => void): () => void
  /** One entry per key that has a wake in (`after`, `until`] (ms), earliest first; `seq` is the latest of its wakes. */
  due(until: number, after?: number): Promise<Wake[]>
  /** One entry per key of this reconciler that has a wake, whenever it is due. */
  waiting(reconciler: string): Promise<Wake[]>
  /** When the first wake later than `after` (ms) is due. */
  nextDue(after: number): Promise<number | undefined>
  /**
   * Ends a step: the key's wakes up to `wake.seq` that were due at `wake.due` are answered, an earlier "again" is
   * replaced by one at `again` (ms) or by none. Returns when the key is due next because of other wakes or `again`,
   * and the latest `seq` there is.
   */
  finish(wake: Wake, again?: number): Promise<{ due: number; seq: number } | undefined>
  /** Undelivered events beyond `after`, in order of commit. */
  events(after: number, limit: number): Promise<OutboxEntry[]>
  delivered(seq: number): Promise<void>
}

/** Another server works on this data folder. */
export class FolderInUseError extends Error {
  constructor(folder: string) {
    super(`The data folder ${folder} is in use by another server. Stop that one, or choose another folder with --data.`)
    this.name = 'FolderInUseError'
  }
}

/** The data were written by a newer version than this one. */
export class NewerDataError extends Error {
  constructor(what: string) {
    super(`${what} was written by a newer version of Drydock. Use that version, or another folder with --data.`)
    this.name = 'NewerDataError'
  }
}

/** The data folder cannot be created, read or written. */
export class FolderUnusableError extends Error {
  constructor(folder: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause)
    super(`The data folder ${folder} cannot be used: ${why}.`, { cause })
    this.name = 'FolderUnusableError'
  }
}

/** A transaction's callback awaited something other than its transaction, or a record is not plain JSON: a bug of the caller. */
export class TransactionMisuseError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'TransactionMisuseError'
  }
}
