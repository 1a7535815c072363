/** The only source of time. The system clock moves by itself and can be advanced; a manual clock moves only by `advance`. */
export interface Clock {
  now(): Date
  /** Calls `run` once the clock reaches `time` (soon, if it has). Returns what cancels it. */
  at(time: Date, run: () => void): () => void
  /** Moves the clock forward and fires what falls due, in order. */
  advance(milliseconds: number): void
}

/** A clock whose timers can be seen, so that whoever turns it can stop at each of them. */
export interface TurnableClock extends Clock {
  /** When the next timer is due, if there is any. */
  next(): Date | undefined
}

type Timer = { readonly time: number; readonly run: () => unknown }

/** Timers in order of their time; those of the same time in order of their setting. */
const timerQueue = () => {
  const timers: Timer[] = []
  return {
    first: (): Timer | undefined => timers[0],
    shift: (): Timer | undefined => timers.shift(),
    add: (timer: Timer) => {
      let low = 0
      let high = timers.length
      while (low < high) {
        const middle = (low + high) >> 1
        if (timers[middle]!.time <= timer.time) low = middle + 1
        else high = middle
      }
      timers.splice(low, 0, timer)
    },
    remove: (timer: Timer) => {
      const at = timers.indexOf(timer)
      if (at >= 0) timers.splice(at, 1)
    },
  }
}

/** The longest delay that setTimeout takes; longer ones fire at once there. */
const LONGEST_TIMEOUT = 2_147_483_647

/**
 * The machine's time plus an offset that `advance` raises. The caller keeps the offset over restarts: `onOffset` tells it
 * (milliseconds). Timers do not keep the process alive.
 */
export const systemClock = (
  options: { offset?: number; onOffset?: (offset: number) => void } = {},
): TurnableClock & { readonly offset: number } => {
  const timers = timerQueue()
  let offset = options.offset ?? 0
  let armed: ReturnType<typeof setTimeout> | undefined
  const nowMs = () => Date.now() + offset

  const arm = () => {
    clearTimeout(armed)
    const first = timers.first()
    if (!first) return
    armed = setTimeout(fire, Math.min(Math.max(first.time - nowMs(), 0), LONGEST_TIMEOUT))
    armed.unref()
  }
  const fire = () => {
    try {
      for (let first = timers.first(); first && first.time <= nowMs(); first = timers.first()) {
        timers.shift()
        first.run()
      }
    } finally {
      arm()
    }
  }

  return {
    get offset() {
      return offset
    },
    now: () => new Date(nowMs()),
    next: () => {
      const first = timers.first()
      return first && new Date(first.time)
    },
    at(time, run) {
      const timer = { time: time.getTime(), run }
      timers.add(timer)
      if (timers.first() === timer) arm()
      return () => timers.remove(timer)
    },
    advance(milliseconds) {
      if (!(milliseconds >= 0)) throw new RangeError('A clock moves forward only.')
      offset += milliseconds
      options.onOffset?.(offset)
      fire()
    },
  }
}

/** A clock for tests: it stands still until `advance`, and stops at every timer on the way, so `now()` is exact in each. */
export const manualClock = (start: Date | string | number = '2026-01-01T00:00:00.000Z'): TurnableClock => {
  const timers = timerQueue()
  let now = new Date(start).getTime()
  return {
    now: () => new Date(now),
    next: () => {
      const first = timers.first()
      return first && new Date(first.time)
    },
    at(time, run) {
      let cancelled = false
      const timer = { time: time.getTime(), run: () => !cancelled && run() }
      if (timer.time > now) timers.add(timer)
      else queueMicrotask(timer.run)
      return () => {
        cancelled = true
        timers.remove(timer)
      }
    },
    advance(milliseconds) {
      if (!(milliseconds >= 0)) throw new RangeError('A clock moves forward only.')
      const target = now + milliseconds
      for (let first = timers.first(); first && first.time <= target; first = timers.first()) {
        timers.shift()
        now = Math.max(now, first.time)
        first.run()
      }
      now = target
    },
  }
}
