// Committed rows as they were last parsed, so that a hot read costs neither SQLite nor JSON.

import { LRUCache } from 'lru-cache'

const MOST_ROWS = 20_000
/** In characters of JSON and keys; parsed, a row takes some three times as much. */
const MOST_TEXT = 16 * 1024 * 1024
/** A larger row is not kept. */
const LARGEST_ROW = 256 * 1024
/** Rows of a list of more than this many are not kept: one sweep would put out all the others. */
export const LONGEST_LIST = 2000

/** What was read of one row; `record` undefined: there is none. `by` is the table that read it: another may differ in version. */
type Entry = { readonly by: object; readonly record: unknown }

const freeze = (value: unknown): void => {
  if (typeof value !== 'object' || value === null) return
  for (const member of Object.values(value)) freeze(member)
  Object.freeze(value)
}

/**
 * A bounded cache of rows by their id (table, place and key), least recently used first to go. It holds what is committed
 * only: whoever commits a row drops it here. Its records are frozen, since all readers share them.
 */
export const rowCache = () => {
  const entries = new LRUCache<string, Entry>({ max: MOST_ROWS, maxSize: MOST_TEXT, maxEntrySize: LARGEST_ROW })
  return {
    /** `undefined` where nothing is known of the row. */
    find: (id: string, by: object): Entry | undefined => {
      const entry = entries.get(id)
      return entry?.by === by ? entry : undefined
    },
    /** `size`: characters of the row's JSON. */
    keep: (id: string, by: object, record: unknown, size: number): void => {
      freeze(record)
      entries.set(id, { by, record }, { size: id.length + size + 1 })
    },
    drop: (id: string): void => {
      entries.delete(id)
    },
    clear: (): void => entries.clear(),
  }
}
