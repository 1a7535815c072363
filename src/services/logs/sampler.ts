/** Gathers items and gives at most `most` of them, spread evenly over all that came; never holds more than twice as many. */
export const sampler = <T>(most: number) => {
  let kept: T[] = []
  let seen = 0
  let stride = 1
  return {
    add: (item: T): void => {
      if (seen++ % stride === 0) kept.push(item)
      if (kept.length < 2 * most) return
      kept = kept.filter((_, i) => i % 2 === 0)
      stride *= 2
    },
    /** What was gathered since the last time, in order; `sampled` when it is not all. */
    take: (): { items: T[]; sampled: boolean } => {
      const items = kept.length <= most ? kept : evenly(kept, most)
      const sampled = seen > most
      kept = []
      seen = 0
      stride = 1
      return { items, sampled }
    },
  }
}

const evenly = <T>(items: readonly T[], most: number): T[] => {
  const step = items.length / most
  return items.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step))
}
