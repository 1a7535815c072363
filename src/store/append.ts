/** One line of an append-only stream. `position` rises strictly within a stream; `time` is in milliseconds since the epoch. */
export type Entry = { readonly position: number; readonly time: number; readonly body: unknown }

export type RangeOptions = {
  /** Earliest time, inclusive (ms). */
  from?: number
  /** Latest time, exclusive (ms). */
  to?: number
  /** Only entries beyond this position; with `reverse`, before it. */
  after?: number
  /** Most entries to return; 1,000 unless told. */
  limit?: number
  /** Newest first. */
  reverse?: boolean
}

/** Who follows streams. Both are called in the midst of other work: they must return at once and not throw. */
export type Follower = {
  /** Entries that one append added, once they are durable; in order of positions within a stream. */
  readonly appended: (stream: string, entries: readonly Entry[]) => void
  /** Nothing will come any more: the store was reset, restored or closed. */
  readonly ended: () => void
}

/**
 * Append-heavy data (log events, audit records, metric datapoints): batched writes, range reads, no row per put through
 * the transaction path. Entries list by position; `from` and `to` filter by time.
 */
export interface AppendStore {
  /** Resolves when the entries survive `kill -9`; calls of one moment share a commit. Returns the last position. */
  append(stream: string, entries: readonly { time: number; body: unknown }[]): Promise<number>
  range(stream: string, options?: RangeOptions): Promise<Entry[]>
  /** Forgets a stream, or its entries older than `before` (ms). */
  drop(stream: string, before?: number): Promise<void>
  /** Names of streams that start with `prefix`, in byte order. */
  streams(prefix: string, options?: { after?: string; limit?: number }): Promise<string[]>
  /** Tells of all appends from now on to streams whose names start with `prefix`. Returns what stops it. */
  follow(prefix: string, follower: Follower): () => void
  reset(): Promise<void>
  close(): Promise<void>
}
