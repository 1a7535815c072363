// The algebra of wildcard patterns: which texts two patterns share, and whether one says no more than others. `*` is any
// run of characters, `?` exactly one. Answers err to the cautious side only: `intersects` may say yes where a policy
// variable hides the truth, `coveredBy` may say no there, or when a bound is reached.

const RUN = -1
const ONE = -2
/** As the two above, but not over a colon: wildcards stay within a part of an ARN. */
const PART_RUN = -3
const PART_ONE = -4
const COLON = 58
/** Names of policy variables, above all characters: nothing matches one but itself and a run. */
const PRIVATE = 0x200000

/** A pattern as UTF-16 code units and wildcards, runs behind single wildcards. `loose` has variables as runs. */
export type Glob = { readonly text: string; readonly units: readonly number[]; readonly loose: readonly number[] }

const isRun = (unit: number) => unit === RUN || unit === PART_RUN
const isOne = (unit: number) => unit === ONE || unit === PART_ONE

/** `*?` and `?*` mean the same; one of them is written. */
const normalized = (units: readonly number[]): number[] => {
  const result: number[] = []
  let at = 0
  while (at < units.length) {
    const unit = units[at]!
    if (unit >= 0) {
      result.push(unit)
      at++
      continue
    }
    const part = unit === PART_RUN || unit === PART_ONE
    let run = false
    for (; at < units.length && units[at]! < 0 && (units[at] === PART_RUN || units[at] === PART_ONE) === part; at++)
      if (isRun(units[at]!)) run = true
      else result.push(part ? PART_ONE : ONE)
    if (run) result.push(part ? PART_RUN : RUN)
  }
  return result
}

const make = (text: string, units: readonly number[]): Glob => ({
  text,
  units: normalized(units),
  loose: normalized(units.flatMap((unit, at) => (unit < PRIVATE ? [unit] : units[at - 1]! < PRIVATE ? [RUN] : []))),
})

const unitsOf = (text: string): number[] => {
  const units: number[] = []
  for (let at = 0; at < text.length; at++) {
    const mark = text[at]
    const end = mark === '$' && text[at + 1] === '{' ? text.indexOf('}', at) : -1
    if (end > 0) {
      const name = text.slice(at + 2, end).toLowerCase()
      if (name === '*' || name === '?' || name === '$') units.push(name.charCodeAt(0))
      else for (const letter of `{${name}}`) units.push(PRIVATE + letter.charCodeAt(0))
      at = end
    } else units.push(mark === '*' ? RUN : mark === '?' ? ONE : text.charCodeAt(at))
  }
  return units
}

/** Reads a pattern. `${*}`, `${?}` and `${$}` are the characters themselves; other variables may be any text. */
export const globOf = (text: string): Glob => make(text, unitsOf(text))

/** Reads a pattern over ARNs: each of the first five parts is by itself, missing parts after a final `*` are `*`. */
export const arnGlobOf = (text: string): Glob => {
  if (!text.startsWith('arn:')) return globOf(text)
  const units = unitsOf(text)
  let colons = 0
  const cut = units.map((unit) => {
    if (unit === COLON) colons++
    if (colons >= 5) return unit
    return unit === RUN ? PART_RUN : unit === ONE ? PART_ONE : unit
  })
  if (cut.at(-1) === PART_RUN) {
    for (; colons < 4; colons++) cut.push(COLON, PART_RUN)
    cut.push(COLON, RUN)
  }
  return make(text, cut)
}

/** A text that stands for itself alone. */
export const literal = (text: string): Glob =>
  make(
    text,
    Array.from({ length: text.length }, (_, at) => text.charCodeAt(at)),
  )

export const everything: Glob = globOf('*')

/** Whether a wildcard may stand for this unit, itself no run. */
const eats = (wildcard: number, unit: number) => wildcard === RUN || wildcard === ONE || unit !== COLON

/** Whether some text fits both patterns. Costs the product of their lengths. */
export const intersects = (a: Glob, b: Glob): boolean => {
  const [one, other] = [a.loose, b.loose]
  // Fixed beginnings that differ decide most questions at once.
  for (let at = 0; at < one.length && at < other.length; at++) {
    if (isRun(one[at]!) || isRun(other[at]!)) break
    if (one[at]! >= 0 && other[at]! >= 0 && one[at] !== other[at]) return false
  }
  // reach[j]: the units of `one` so far and the first j of `other` can stand for the same text.
  let reach = new Uint8Array(other.length + 1)
  reach[0] = 1
  for (let j = 0; j < other.length && isRun(other[j]!); j++) reach[j + 1] = 1
  for (const unit of one) {
    const next = new Uint8Array(other.length + 1)
    const run = isRun(unit)
    if (run) next[0] = reach[0]!
    for (let j = 0; j < other.length; j++) {
      const facing = other[j]!
      const facingRun = isRun(facing)
      let met = 0
      if (run) met |= reach[j + 1]! | (facingRun || eats(unit, facing) ? next[j]! : 0)
      if (facingRun) met |= next[j]! | (run || eats(facing, unit) ? reach[j + 1]! : 0)
      if (!run && !facingRun) {
        const same = isOne(unit) ? eats(unit, facing) : isOne(facing) ? eats(facing, unit) : unit === facing
        if (same) met |= reach[j]!
      }
      next[j + 1] = met
    }
    reach = next
  }
  return reach[other.length] === 1
}

/** The same text may be read as an ARN or as plain text. */
const sameUnits = (a: Glob, b: Glob) =>
  a.units.length === b.units.length && a.units.every((unit, at) => unit === b.units[at])

/** States that a question may visit before the answer is the cautious one. */
const MOST_STATES = 20_000

/**
 * Whether every text that fits `inner` fits one of `outers`. Walks `inner` and all `outers` together as automata; where
 * `inner` leaves the character open, those that are hardest to match are tried: a colon, and one that no pattern names.
 */
export const coveredBy = (inner: Glob, outers: readonly Glob[]): boolean => {
  if (outers.some((outer) => outer === everything || (outer.text === inner.text && sameUnits(outer, inner))))
    return true
  const relevant = outers.filter((outer) => intersects(inner, outer))
  if (relevant.length === 0) return false
  // One automaton: a state per place in each pattern, patterns side by side.
  const places: number[] = []
  let accept = 0n
  let start = 0n
  const bit = (at: number) => 1n << BigInt(at)
  for (const { units } of relevant) {
    start |= bit(places.length)
    places.push(...units)
    accept |= bit(places.length)
    places.push(Number.NaN)
  }
  const maskOf = (wanted: (unit: number) => boolean) =>
    places.reduce((mask, unit, at) => (wanted(unit) ? mask | bit(at) : mask), 0n)
  const runs = maskOf(isRun)
  const wide = { run: maskOf((unit) => unit === RUN), one: maskOf((unit) => unit === ONE) }
  const all = { run: runs, one: maskOf(isOne) }
  const letters = new Map<number, bigint>()
  const letterMask = (letter: number): bigint => {
    const known = letters.get(letter)
    if (known !== undefined) return known
    const mask = maskOf((unit) => unit === letter)
    letters.set(letter, mask)
    return mask
  }
  const closed = (states: bigint) => {
    let reached = states
    for (;;) {
      const further = reached | ((reached & runs) << 1n)
      if (further === reached) return reached
      reached = further
    }
  }
  /** After one more character; ONE stands for a character that no pattern names. */
  const step = (states: bigint, letter: number): bigint => {
    const { run, one } = letter === COLON ? wide : all
    const named = letter === ONE ? 0n : letterMask(letter)
    const eaten = states & (letter >= PRIVATE ? named : one | named)
    return closed((eaten << 1n) | (states & run))
  }
  const seen = new Set<string>()
  const open: [number, bigint][] = [[0, closed(start)]]
  while (open.length > 0) {
    const [at, states] = open.pop()!
    if (states === 0n) return false
    const key = `${at} ${states.toString(36)}`
    if (seen.has(key)) continue
    seen.add(key)
    if (seen.size > MOST_STATES) return false
    if (at === inner.units.length) {
      if ((states & accept) === 0n) return false
      continue
    }
    const unit = inner.units[at]!
    if (unit >= 0) {
      open.push([at + 1, step(states, unit)])
      continue
    }
    const after = isRun(unit) ? at : at + 1
    if (isRun(unit)) open.push([at + 1, states])
    open.push([after, step(states, ONE)])
    if (unit === RUN || unit === ONE) open.push([after, step(states, COLON)])
  }
  return true
}

/** Whether `outer` says all that `inner` says. */
export const contains = (outer: Glob, inner: Glob): boolean => outer.text === inner.text || coveredBy(inner, [outer])
