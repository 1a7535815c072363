import { table, type WriteTx } from '../../store/store.ts'

/**
 * How far a receiver has come in a stream of records. What it wants to deliver is named before it is delivered
 * (`batch`), so that a server that dies in between delivers the same under the same name, and nothing twice.
 */
export type CursorRecord = {
  readonly sink: 's3' | 'logs' | 'events' | 'insights' | 'lake'
  /** ARN of the trail or event data store; the stream itself where all trails share one. */
  readonly owner: string
  readonly stream: string
  /** Of the last record that is done with. */
  readonly position: number
  readonly batch?: { readonly to: number; readonly key: string }
}

export const cursorKey = (sink: CursorRecord['sink'], owner: string, stream: string): string =>
  `${sink}|${owner}|${stream}`

export const Cursor = table<CursorRecord>('cloudtrail.cursor', {
  scope: 'global',
  key: ({ sink, owner, stream }) => cursorKey(sink, owner, stream),
  index: { owner: ({ owner }) => owner },
})

/** A log file that waits for its digest. */
export type DeliveredRecord = {
  readonly trail: string
  /** `account/region`. */
  readonly place: string
  readonly bucket: string
  readonly key: string
  /** SHA-256 of the uncompressed content, in hexadecimal. */
  readonly hash: string
  readonly oldest: string
  readonly newest: string
  /** Milliseconds since the epoch. */
  readonly time: number
}
export const Delivered = table<DeliveredRecord>('cloudtrail.delivered', {
  scope: 'global',
  key: ({ trail, place, time, key }) => `${trail}|${place}|${String(time).padStart(15, '0')}|${key}`,
})

/** The digest files of one trail at one place: each names the one before. */
export type ChainRecord = {
  readonly trail: string
  readonly place: string
  /** End of the last digest; milliseconds since the epoch. */
  readonly end: number
  readonly previous?: {
    readonly bucket: string
    readonly key: string
    readonly hash: string
    readonly signature: string
  }
}
export const Chain = table<ChainRecord>('cloudtrail.chain', {
  scope: 'global',
  key: ({ trail, place }) => `${trail}|${place}`,
})

/** When a trail's next digest files are due. */
export type DigestDueRecord = { readonly trail: string; readonly since: number; readonly due: number }
export const DigestDue = table<DigestDueRecord>('cloudtrail.digestDue', { scope: 'global', key: ({ trail }) => trail })

/** A trail is gone: so is how far it had come. */
export const stopOwner = async (tx: WriteTx, owner: string): Promise<void> => {
  for (const cursor of await tx.list(Cursor, { index: 'owner', equals: owner })) tx.delete(Cursor, Cursor.key(cursor))
  for (const record of await tx.list(Delivered, { prefix: `${owner}|` })) tx.delete(Delivered, Delivered.key(record))
  for (const chain of await tx.list(Chain, { prefix: `${owner}|` })) tx.delete(Chain, Chain.key(chain))
  tx.delete(DigestDue, owner)
}
