import type { AuditRecord } from '../../../kernel/audit.ts'
import type { Ctx } from '../../../kernel/context.ts'
import { Cursor, cursorKey } from '../cursor.ts'
import { matcher } from '../selectors.ts'
import { loggedAt, placeOfStream } from '../trail.ts'
import { EventDataStore, type EventDataStoreRecord, storePrefix } from './event-data-store.ts'

/** An event of a store as its stream keeps it; `at`: where it stands in the stream it came from. */
export type StoredEvent = { readonly at?: number; readonly event: AuditRecord }

const BATCH = 500

/**
 * Takes new records of one stream into a store. The store's own stream says what it has, so that a server that dies
 * between the append and the note of it takes nothing in twice. Returns whether there may be more.
 */
export const ingest = async (ctx: Ctx, store: EventDataStoreRecord, stream: string): Promise<boolean> => {
  const { account, region } = placeOfStream(stream)
  const own = `${storePrefix(store)}${account}/${region}`
  const key = cursorKey('lake', store.arn, stream)
  const cursor = await ctx.read((tx) => tx.get(Cursor, key))
  const [last] = await ctx.append.range(own, { reverse: true, limit: 1 })
  const after = Math.max(cursor?.position ?? 0, (last?.body as StoredEvent | undefined)?.at ?? 0)
  const from = store.spans[0]?.from ?? ctx.now().getTime()
  const entries = await ctx.append.range(stream, { ...(after > 0 ? { after } : { from }), limit: BATCH })
  const to = entries.at(-1)?.position
  if (to === undefined) return false
  const selected = matcher(store.selectors)
  const wanted = entries.filter(({ time, body }) => loggedAt(store.spans, time) && selected(body as AuditRecord))
  await ctx.append.append(
    own,
    wanted.map(({ time, position, body }) => ({ time, body: { at: position, event: body } })),
  )
  await ctx.write(async (tx) => {
    if (await tx.get(EventDataStore, store.id)) tx.put(Cursor, { sink: 'lake', owner: store.arn, stream, position: to })
  })
  return entries.length === BATCH
}
