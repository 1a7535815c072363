import type { Ctx } from '../../kernel/context.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import type { StoredEvent } from './log-events.ts'
import { DAY, LogGroup, type LogGroupRecord } from './log-groups.ts'
import { eventsOf, LogStream } from './log-streams.ts'

/** How often at most a group is swept: reads hide expired events anyway. */
const SWEEP = 3_600_000

/** Events before this time have expired; 0 where the group keeps them for ever. */
export const expiredBefore = (ctx: Ctx, { retentionDays }: LogGroupRecord): number =>
  retentionDays === undefined ? 0 : ctx.now().getTime() - retentionDays * DAY

/** Removes a group's expired events, and comes back when the next ones expire. Key: the group's name. */
export const retention: Reconciler = {
  name: 'logs.retention',
  step: async (ctx, name) => {
    const group = await ctx.read((tx) => tx.get(LogGroup, name))
    if (group?.retentionDays === undefined) return done()
    const before = expiredBefore(ctx, group)
    const streams = await ctx.read((tx) => tx.list(LogStream, { prefix: `${group.id}/` }))
    let oldest = Number.POSITIVE_INFINITY
    for (const stream of streams) {
      const events = eventsOf(ctx, group.id, stream.id)
      if ((stream.firstEvent ?? before) < before) {
        const bytes = await bytesBefore(ctx, events, before)
        await ctx.append.drop(events, before)
        const [first] = await ctx.append.range(events, { limit: 1 })
        await ctx.write(async (tx) => {
          const now = await tx.get(LogStream, `${group.id}/${stream.name}`)
          const owner = await tx.get(LogGroup, name)
          if (!now || !owner) return
          const { firstEvent: _, ...rest } = now
          tx.put(LogStream, first ? { ...rest, firstEvent: stream.disordered ? before : first.time } : rest)
          tx.put(LogGroup, { ...owner, bytes: Math.max(0, owner.bytes - bytes) })
        })
        if (first) oldest = Math.min(oldest, first.time)
      } else if (stream.firstEvent !== undefined) oldest = Math.min(oldest, stream.firstEvent)
    }
    return oldest === Number.POSITIVE_INFINITY ? done() : again({ in: Math.max(SWEEP, oldest - before) })
  },
}

const bytesBefore = async (ctx: Ctx, events: string, to: number): Promise<number> => {
  let bytes = 0
  let after = 0
  for (;;) {
    const some = await ctx.append.range(events, { to, after })
    for (const { body } of some) bytes += Buffer.byteLength((body as StoredEvent).m)
    const last = some.at(-1)
    if (!last) return bytes
    after = last.position
  }
}

/** Forgets the events of a deleted stream or group. Key: group id, slash, stream id or nothing. */
export const forget: Reconciler = {
  name: 'logs.forget',
  step: async (ctx, key) => {
    const [groupId = '', streamId = ''] = key.split('/')
    const gone = await ctx.append.streams(eventsOf(ctx, groupId, streamId), { limit: 500 })
    for (const stream of gone) await ctx.append.drop(stream)
    return gone.length === 500 ? again({ in: 0 }) : done()
  },
}
