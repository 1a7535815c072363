import type { Logger } from '../kernel/context.ts'
import type { OutboxEntry, WorkQueue } from '../store/store.ts'
import type { Clock } from './clock.ts'
import type { DeliveredEvent } from './outbox.ts'

/** Delay before attempt `failures + 1`: 1 s, 2 s, 4 s … 5 minutes. */
export const backoff = (failures: number): number => Math.min(1000 * 2 ** Math.min(failures - 1, 20), 300_000)

/** As often as EventBridge tries before it gives an event up. */
const MOST_ATTEMPTS = 185

/** Most events held in memory while they wait for their turn. */
const WINDOW = 1_000

type Pending = OutboxEntry & { failures: number }

/**
 * Takes events from the outbox to their listeners: per account, region and source one after the other in order of
 * commit, different ones at the same time. One that fails steps aside and is tried again later, so that it holds up
 * nothing else; it may then arrive after its successors, as on AWS.
 */
export const createDelivery = (parts: {
  store: WorkQueue
  clock: Clock
  log: Logger
  deliver: (event: DeliveredEvent) => Promise<void>
  /** Called whenever something has ended. */
  rest: () => void
}) => {
  const { store, clock, log, rest } = parts
  const lanes = new Map<string, Pending[]>()
  const active = new Set<Promise<void>>()
  const retries = new Set<() => void>()
  let held = 0
  let loadedUpTo = 0
  let loading: Promise<void> | undefined
  let more = false
  let on = false
  let epoch = 0

  const queue = (pending: Pending) => {
    const { account, region, source } = pending.event
    const name = `${account}\0${region}\0${source}`
    const lane = lanes.get(name)
    held += 1
    if (lane) {
      lane.push(pending)
      return
    }
    const queued = [pending]
    lanes.set(name, queued)
    const draining = drain(name, queued).finally(() => {
      active.delete(draining)
      rest()
    })
    active.add(draining)
  }

  const drain = async (name: string, lane: Pending[]) => {
    const began = epoch
    // A turn of the event loop of its own: not inside the commit that made the event.
    await new Promise(setImmediate)
    while (on && began === epoch) {
      const pending = lane.shift()
      if (!pending) break
      await attempt(pending)
      if (began !== epoch) return
      held -= 1
      if (more && held < WINDOW / 2) wake()
    }
    if (began === epoch) lanes.delete(name)
  }

  const attempt = async (pending: Pending) => {
    const began = epoch
    const { seq, event } = pending
    try {
      await parts.deliver(event)
    } catch (error) {
      if (began !== epoch || !on) return
      pending.failures += 1
      const facts = {
        id: event.id,
        source: event.source,
        type: event['detail-type'],
        attempt: pending.failures,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }
      if (pending.failures < MOST_ATTEMPTS) {
        log.warn('an event could not be delivered and will be tried again', facts)
        const due = new Date(clock.now().getTime() + backoff(pending.failures))
        const cancel = clock.at(due, () => {
          retries.delete(cancel)
          queue(pending)
        })
        retries.add(cancel)
        return
      }
      log.error('an event could not be delivered and is given up', facts)
    }
    if (began !== epoch) return
    try {
      await store.delivered(seq)
    } catch (error) {
      if (on) log.error('a delivery could not be stored', { id: event.id, error: String(error) })
    }
  }

  const load = async () => {
    const began = epoch
    while (more && on && began === epoch && held < WINDOW) {
      more = false
      const room = WINDOW - held
      const entries = await store.events(loadedUpTo, room)
      if (began !== epoch) return
      if (entries.length === room) more = true
      for (const entry of entries) {
        loadedUpTo = entry.seq
        queue({ ...entry, failures: 0 })
      }
    }
  }

  const wake = () => {
    more = true
    if (loading || !on) return
    const mine = load()
      .catch((error: unknown) => {
        if (on) log.error('the outbox could not be read', { error: String(error) })
      })
      .finally(() => {
        loading = undefined
        // A wake during the load, or a load that `forget` made void.
        if (more && on && held < WINDOW) wake()
        rest()
      })
    loading = mine
  }

  return {
    /** Begins with the oldest undelivered event. */
    start() {
      on = true
      loadedUpTo = 0
      wake()
    },
    wake,
    idle: () => loading === undefined && active.size === 0,
    /** Starts no further delivery. */
    hold() {
      on = false
    },
    /** Resolves when no delivery is running. */
    ended: async () => {
      while (active.size > 0) await Promise.all(active)
    },
    /** Drops what is in memory: the store has it, or was emptied. */
    forget() {
      on = false
      epoch += 1
      for (const cancel of retries) cancel()
      retries.clear()
      lanes.clear()
      held = 0
      more = false
    },
  }
}
