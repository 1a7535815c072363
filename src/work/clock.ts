/** The only source of time. The system clock moves by itself and can be advanced; a manual clock moves only by `advance`. */
export interface Clock {
  now(): Date
  /** Calls `run` once the clock reaches `time` (soon, if it has). Returns what cancels it. */
  at(time: Date, run: () => void): () => void
  /** Moves the clock forward and fires what falls due, in order. */
  advance(milliseconds: number): void
}
