import { type Capability, capability } from '../../kernel/capability.ts'
import type { Ctx } from '../../kernel/context.ts'
import type { Place, WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { startTrimming } from './history.ts'
import { EventDataStore } from './lake/event-data-store.ts'
import { coversPlace, placeOfStream, Trail } from './trail.ts'

const DAY = 86_400_000
/** A trail delivers about this long after an event (milliseconds). */
export const INTERVAL = 300_000

/** Hears of records as they become durable, and wakes what delivers them. In memory: a start wakes everything anyway. */
export interface Follower {
  /** Takes hold of the streams, once; whatever they hold by now is looked at. */
  start(): Promise<void>
  stop(): void
  /** A trail's delivery has begun: what comes from now on needs another. */
  delivering(trail: string): void
}
export const follower: Capability<Follower> = capability<Follower>('cloudtrail.follower')

/** Something wants records: the follower starts, now and at every start of the server. */
export const watch = (tx: WriteTx): void => tx.wake('cloudtrail.follow', 'streams', { at: home })

const home: Place = { account: '', region: '' }

export const makeFollower = (at: (place: Place) => Ctx): Follower => {
  const ctx = at(home)
  const dirty = new Set<string>()
  /** Trails whose delivery is to come: what is appended meanwhile goes along. */
  const armed = new Set<string>()
  let unfollow: (() => void) | undefined
  let flushing = false

  const flush = async () => {
    while (dirty.size > 0) {
      const streams = [...dirty]
      dirty.clear()
      const { trails, stores } = await ctx.read(async (tx) => ({
        trails: (await tx.list(Trail)).filter(({ logging }) => logging),
        stores: (await tx.list(EventDataStore)).filter(({ status }) => status === 'ENABLED'),
      }))
      const near: string[] = []
      const deliver = new Map<string, Place>()
      for (const stream of streams) {
        const place = placeOfStream(stream)
        let wanted = false
        for (const trail of trails) {
          if (!(await coversPlace(ctx, trail, place))) continue
          wanted = true
          if (!armed.has(trail.arn)) deliver.set(trail.arn, { account: trail.account, region: trail.region })
        }
        for (const store of stores) wanted ||= await coversPlace(ctx, store, place)
        if (wanted && stream.startsWith('audit/')) near.push(stream)
      }
      if (near.length === 0 && deliver.size === 0) continue
      for (const trail of deliver.keys()) armed.add(trail)
      await ctx.write(async (tx) => {
        for (const stream of near) tx.wake('cloudtrail.near', stream, { at: placeOfStream(stream) })
        for (const [trail, place] of deliver) tx.wake('cloudtrail.deliver', trail, { in: INTERVAL, at: place })
      })
    }
  }
  const soon = () => {
    if (flushing) return
    flushing = true
    void flush()
      .catch((error: unknown) => ctx.log.warn('CloudTrail could not be told of new events', { error: String(error) }))
      .finally(() => {
        flushing = false
        if (dirty.size > 0 && unfollow) soon()
      })
  }

  return {
    start: async () => {
      if (unfollow) return
      const stops = ['audit/', 'insight/'].map((prefix) =>
        ctx.append.follow(prefix, {
          appended: (stream) => {
            dirty.add(stream)
            soon()
          },
          ended: () => {
            unfollow = undefined
          },
        }),
      )
      unfollow = () => {
        for (const stop of stops) stop()
      }
      for (const prefix of ['audit/', 'insight/'])
        for (const stream of await ctx.append.streams(prefix)) dirty.add(stream)
      await flush()
    },
    stop: () => {
      unfollow?.()
      unfollow = undefined
    },
    delivering: (trail) => {
      armed.delete(trail)
    },
  }
}

/** Keeps the follower at work while there is a trail or an event data store. */
export const follow: Reconciler = {
  name: 'cloudtrail.follow',
  atStart: true,
  step: async (ctx) => {
    const wanted = await ctx.read(
      async (tx) =>
        (await tx.list(Trail, { limit: 1 })).length + (await tx.list(EventDataStore, { limit: 1 })).length > 0,
    )
    if (!wanted) {
      ctx.use(follower).stop()
      return done()
    }
    await startTrimming(ctx)
    await ctx.use(follower).start()
    // Only so that there is something that waits at the next start.
    return again({ in: DAY })
  },
}
