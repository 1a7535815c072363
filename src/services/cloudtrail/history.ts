import type { Ctx } from '../../kernel/context.ts'
import { table } from '../../store/store.ts'
import { again, type Reconciler } from '../../work/reconciler.ts'
import { forgetCounters } from './insights.ts'
import { EventDataStore, storePrefix } from './lake/event-data-store.ts'

/** How far event history goes back, in milliseconds. */
export const HISTORY = 90 * 86_400_000
const DAY = 86_400_000

/** That the daily trimming has been started. */
export const Trimming = table<{ readonly name: string }>('cloudtrail.trimming', {
  scope: 'global',
  key: ({ name }) => name,
})

/** Forgets records that have left the event history of any account and Region, or a store's retention, once a day. */
export const trim: Reconciler = {
  name: 'cloudtrail.trim',
  step: async (ctx) => {
    const before = ctx.now().getTime() - HISTORY
    for (const prefix of ['audit/', 'insight/'])
      for (const stream of await ctx.append.streams(prefix, { limit: 100_000 })) await ctx.append.drop(stream, before)
    await forgetCounters(ctx, before)
    for (const store of await ctx.read((tx) => tx.list(EventDataStore)))
      for (const stream of await ctx.append.streams(storePrefix(store)))
        await ctx.append.drop(stream, ctx.now().getTime() - store.retention * DAY)
    return again({ in: DAY })
  },
}

/** Starts the trimming with the first event, trail or store there is: a server where nothing happens has nothing to trim. */
export const startTrimming = async (ctx: Ctx): Promise<void> => {
  const name = 'history'
  if (await ctx.read((tx) => tx.get(Trimming, name))) return
  await ctx.write(async (tx) => {
    tx.put(Trimming, { name })
    tx.wake('cloudtrail.trim', name, { in: DAY })
  })
}
