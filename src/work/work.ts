import type { Ctx, Logger } from '../kernel/context.ts'
import type { Place, Wake, WorkQueue } from '../store/store.ts'
import type { Clock, TurnableClock } from './clock.ts'
import { backoff, createDelivery } from './delivery.ts'
import type { DeliveredEvent } from './outbox.ts'
import type { Reconciler } from './reconciler.ts'

export type WorkParts = {
  readonly store: WorkQueue
  readonly clock: Clock & Partial<TurnableClock>
  readonly log: Logger
  readonly reconcilers: ReadonlyMap<string, Reconciler>
  readonly contextFor: (reconciler: string, place: Place) => Ctx
  /** Takes an event to everyone who listens; rejects when one of them failed, and is then called again later. */
  readonly deliver: (event: DeliveredEvent) => Promise<void>
  /** Most steps that run at the same time, of different keys; 64 unless told. */
  readonly limit?: number
}

export type Work = {
  /** Takes up what is due, what a killed process left behind included. */
  start(): Promise<void>
  /** Resolves when nothing is due at the clock's present time and no step or delivery is running. */
  settled(): Promise<void>
  /** Moves the clock forward, stopping whenever something is due on the way until that has settled. */
  advance(milliseconds: number): Promise<void>
  /** Lets running steps end (up to `grace` real milliseconds), runs `body`, then goes on from what the store holds. */
  pause<T>(body: () => Promise<T>, grace?: number): Promise<T>
  /** Starts nothing more and waits, up to `grace` real milliseconds, for what runs. What did not end is due again at the next start. */
  stop(grace?: number): Promise<void>
}

/** More stops than this on the way of one `advance` and the clock goes to its end in one go. */
const MOST_STOPS = 10_000

const idOf = ({ reconciler, place, key }: Pick<Wake, 'reconciler' | 'place' | 'key'>) =>
  `${reconciler}\0${place.account}\0${place.region}\0${key}`

/**
 * Runs reconcilers and delivers events. It is told of new work by the store's commits and of due work by one timer on
 * the clock, so waiting costs nothing, however much of it there is.
 */
export const createWork = (parts: WorkParts): Work => {
  const { store, clock, log, reconcilers, contextFor } = parts
  const limit = parts.limit ?? 64

  const ready = new Map<string, Wake>()
  const running = new Map<string, Promise<void>>()
  const failures = new Map<string, number>()
  /** Everything due up to here is in `ready`, running, or done. */
  let seenUntil = Number.MIN_SAFE_INTEGER
  let timer: { due: number; cancel: () => void } | undefined
  let loading = 0
  let pumping = false
  let state: 'new' | 'on' | 'paused' | 'stopped' = 'new'
  /** Raised by `pause`: what a step of an earlier epoch says counts no more. */
  let epoch = 0
  let waiters: (() => void)[] = []
  let unsubscribe = () => {}

  const nowMs = () => clock.now().getTime()

  const idle = () =>
    state !== 'paused' &&
    loading === 0 &&
    ready.size === 0 &&
    running.size === 0 &&
    delivery.idle() &&
    !(timer && timer.due <= nowMs())

  const rest = () => {
    if (waiters.length === 0 || !(state === 'stopped' || idle())) return
    const resolved = waiters
    waiters = []
    for (const resolve of resolved) resolve()
  }

  const delivery = createDelivery({ store, clock, log, deliver: parts.deliver, rest })

  const arm = (due: number | undefined) => {
    if (due === undefined || state === 'stopped' || (timer && timer.due <= due)) return
    timer?.cancel()
    const cancel = clock.at(new Date(due), () => {
      timer = undefined
      void load()
    })
    timer = { due, cancel }
  }

  const load = async () => {
    if (state !== 'on') return
    loading += 1
    try {
      const after = seenUntil
      const now = nowMs()
      seenUntil = Math.max(now, seenUntil)
      for (const wake of await store.due(now, after)) note(wake)
      arm(await store.nextDue(now))
    } catch (error) {
      log.error('due work could not be read', { error: String(error) })
    } finally {
      loading -= 1
      rest()
    }
  }

  /** A key is due: now, or once its present step has ended. */
  const note = (wake: Wake) => {
    const id = idOf(wake)
    const known = ready.get(id)
    ready.set(id, known ? { ...wake, due: Math.max(known.due, wake.due), seq: Math.max(known.seq, wake.seq) } : wake)
    pump()
  }

  /** Steps start in a turn of the event loop of their own, so that however much is due, requests are still answered. */
  const pump = () => {
    if (pumping || state !== 'on') return
    pumping = true
    setImmediate(() => {
      pumping = false
      if (state !== 'on') return
      for (const [id, wake] of ready) {
        if (running.size >= limit) break
        if (running.has(id)) continue
        ready.delete(id)
        const stepping = step(id, wake).then(() => {
          if (running.get(id) === stepping) running.delete(id)
          if (ready.size > 0) pump()
          rest()
        })
        running.set(id, stepping)
      }
      rest()
    })
  }

  const step = async (id: string, wake: Wake): Promise<void> => {
    const { reconciler: name, place, key } = wake
    const reconciler = reconcilers.get(name)
    if (!reconciler) {
      log.error('work for a reconciler that does not exist waits', { reconciler: name, key })
      return
    }
    const began = epoch
    let again: number | undefined
    try {
      const result = await reconciler.step(contextFor(name, place), key)
      failures.delete(id)
      if (!result.done) again = nowMs() + Math.max(0, result.in)
    } catch (error) {
      if (began !== epoch || state === 'stopped') return
      const count = (failures.get(id) ?? 0) + 1
      failures.set(id, count)
      again = nowMs() + backoff(count)
      log.warn('a step failed and will be tried again', {
        reconciler: name,
        ...place,
        key,
        attempt: count,
        in: backoff(count),
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      })
    }
    if (began !== epoch) return
    try {
      const next = await store.finish(wake, again)
      if (!next) return
      if (next.due <= seenUntil || next.due <= nowMs())
        note({ ...wake, due: Math.max(nowMs(), next.due), seq: next.seq })
      else arm(next.due)
    } catch (error) {
      if (state === 'stopped') return
      log.error('the end of a step could not be stored', { reconciler: name, key, error: String(error) })
    }
  }

  const ended = async (grace: number) => {
    let impatient: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<void>((resolve) => {
      impatient = setTimeout(resolve, grace)
    })
    await Promise.race([Promise.all([...running.values(), delivery.ended()]), late])
    clearTimeout(impatient)
  }

  /** Wakes what must be taken hold of again at start, however far away its next step is. */
  const takeHold = async () => {
    loading += 1
    try {
      for (const { name, atStart } of reconcilers.values())
        if (atStart) for (const wake of await store.waiting(name)) note(wake)
    } finally {
      loading -= 1
    }
  }

  const begin = async () => {
    state = 'on'
    seenUntil = Number.MIN_SAFE_INTEGER
    delivery.start()
    await takeHold()
    await load()
  }

  const settled = () =>
    new Promise<void>((resolve) => {
      waiters.push(resolve)
      if (timer && timer.due <= nowMs()) {
        timer.cancel()
        timer = undefined
        void load()
      }
      rest()
    })

  let pauses: Promise<unknown> = Promise.resolve()
  const pause = async <T>(body: () => Promise<T>, grace: number): Promise<T> => {
    const before = state
    state = before === 'on' ? 'paused' : before
    delivery.hold()
    await ended(grace)
    epoch += 1
    try {
      return await body()
    } finally {
      ready.clear()
      failures.clear()
      running.clear()
      timer?.cancel()
      timer = undefined
      delivery.forget()
      if (before === 'on' && state === 'paused') await begin()
      rest()
    }
  }

  return {
    async start() {
      if (state !== 'new') throw new Error('Work starts once.')
      unsubscribe = store.onCommit(({ wakes, events }) => {
        if (state !== 'on') return
        const now = nowMs()
        for (const wake of wakes) {
          if (wake.due <= seenUntil || wake.due <= now) note(wake)
          else arm(wake.due)
        }
        if (events > 0) delivery.wake()
      })
      await begin()
    },
    settled,
    async advance(milliseconds) {
      const target = nowMs() + milliseconds
      await settled()
      for (let stops = 0; stops < MOST_STOPS; stops++) {
        const next = clock.next?.()?.getTime()
        if (next === undefined || next > target) break
        clock.advance(Math.max(0, next - nowMs()))
        await settled()
      }
      clock.advance(Math.max(0, target - nowMs()))
      await settled()
    },
    pause(body, grace = 250) {
      const mine = pauses.then(() => pause(body, grace))
      pauses = mine.catch(() => undefined)
      return mine
    },
    async stop(grace = 5_000) {
      state = 'stopped'
      unsubscribe()
      timer?.cancel()
      timer = undefined
      delivery.hold()
      await ended(grace)
      delivery.forget()
      rest()
    },
  }
}
