import type { Member, Shape, StructureShape } from '../../src/kernel/model/shapes.ts'

/** A generator of numbers in [0, 1) that gives the same row for the same seed (mulberry32). */
export type Random = {
  (): number
  below(limit: number): number
  pick<T>(from: readonly T[]): T
  chance(probability: number): boolean
}

export const seeded = (seed: number): Random => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return Object.assign(next, {
    below,
    pick: <T>(from: readonly T[]): T => from[below(from.length)]!,
    chance: (probability: number): boolean => next() < probability,
  })
}

/** A seed of its own for each name, so that one case can be run again alone. */
export const seedOf = (base: number, name: string): number => {
  let hash = base >>> 0
  for (const character of name) hash = (Math.imul(hash, 31) + character.codePointAt(0)!) >>> 0
  return hash
}

const plain = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.'
const tricky = [
  '&',
  '<',
  '>',
  '"',
  "'",
  '=',
  '+',
  '%',
  '%41',
  ' ',
  '\n',
  '\t',
  '/',
  '?',
  '#',
  ';',
  ',',
  ':',
  '\\',
  'ä',
  '日本',
  '🚢',
  ']]>',
  '{}',
  '&amp;',
]

/** Where a value travels: some places cannot hold everything. */
export type Place = 'body' | 'header' | 'label' | 'query'

/** What `Taste.member` gives for a member that must not be there. */
export const omit = Symbol('omit')

export type Taste = {
  /** Empty lists and maps, where the protocol can say them. */
  readonly empties: boolean
  /** Numbers with a fraction. */
  readonly fractions: boolean
  /** Milliseconds in timestamps of the body. */
  readonly milliseconds: boolean
  /** Text that only round-trips where the form can hold it: control characters and the like. */
  readonly tricky: boolean
  /** What the test knows of one member that must look a certain way; it is then always there. */
  readonly member?: (member: Member, random: Random, operation: string) => unknown
}

const text = (random: Random, place: Place, taste: Taste): string => {
  const length = 1 + random.below(12)
  let result = ''
  for (let i = 0; i < length; i++) result += plain[random.below(plain.length)]
  if (place === 'body' || place === 'query') {
    if (taste.tricky && random.chance(0.4)) {
      const at = random.below(result.length)
      result = `${result.slice(0, at)}${random.pick(tricky)}${result.slice(at)}x`
    }
    if (place === 'body' && taste.empties && random.chance(0.05)) return ''
  }
  return result
}

const wholeSeconds = (random: Random): number => random.below(4_000_000_000)

const scalar = (shape: Shape, random: Random, place: Place, taste: Taste): unknown => {
  switch (shape.kind) {
    case 'string':
      return text(random, place, taste)
    case 'number':
      return taste.fractions && random.chance(0.2) ? random.below(100_000) / 64 : random.below(100_000)
    case 'boolean':
      return random.chance(0.5)
    case 'blob':
      return Uint8Array.from({ length: 1 + random.below(40) }, () => random.below(256))
    case 'timestamp': {
      const fraction = taste.milliseconds && place === 'body' && shape.format !== 'http-date' ? random.below(1000) : 0
      return new Date(wholeSeconds(random) * 1000 + fraction)
    }
    default:
      return { a: [1, 'x', true, { b: text(random, 'body', taste) }] }
  }
}

const placeOf = ({ traits }: Member, direction: 'input' | 'output'): Place =>
  traits.httpHeader !== undefined || traits.httpPrefixHeaders !== undefined
    ? 'header'
    : direction === 'output'
      ? 'body'
      : traits.httpLabel
        ? 'label'
        : traits.httpQuery !== undefined || traits.httpQueryParams
          ? 'query'
          : 'body'

/** A random value of a shape. */
export const randomValue = (
  shape: Shape,
  random: Random,
  taste: Taste,
  direction: 'input' | 'output',
  operation: string,
  place: Place = 'body',
  depth = 0,
): unknown => {
  switch (shape.kind) {
    case 'list': {
      if (!taste.empties && hollow(shape.member.shape)) return undefined
      const count = taste.empties && place === 'body' && random.chance(0.1) ? 0 : 1 + random.below(depth > 4 ? 1 : 3)
      return Array.from({ length: count }, () =>
        randomValue(shape.member.shape, random, taste, direction, operation, place, depth + 1),
      ).filter((item) => item !== undefined)
    }
    case 'map': {
      const map: Record<string, unknown> = {}
      const count = taste.empties && place === 'body' && random.chance(0.1) ? 0 : 1 + random.below(depth > 4 ? 1 : 3)
      for (let i = 0; i < count; i++) {
        const key = `${text(random, place, taste)}${i}`
        const value = randomValue(shape.value.shape, random, taste, direction, operation, place, depth + 1)
        if (value !== undefined) map[place === 'header' ? key.toLowerCase().replace(/[^a-z0-9-]/g, '') : key] = value
      }
      return taste.empties || Object.keys(map).length > 0 ? map : undefined
    }
    case 'structure':
      if (!taste.empties && depth > 0 && hollow(shape)) return undefined
      return randomStructure(shape, random, taste, direction, operation, depth)
    default:
      return scalar(shape, random, place, taste)
  }
}

/** Nothing inside that a form could say. */
const hollow = (shape: Shape): boolean =>
  shape.kind === 'structure' &&
  shape.members.every(({ shape: { kind } }) => kind === 'structure' || kind === 'list' || kind === 'map')

/** Members by chance, fewer the deeper; labels and required ones always; of a union exactly one. */
export const randomStructure = (
  shape: StructureShape,
  random: Random,
  taste: Taste,
  direction: 'input' | 'output',
  operation: string,
  depth = 0,
): Record<string, unknown> => {
  const result: Record<string, unknown> = {}
  const isDeep = ({ shape: { kind } }: Member): boolean => kind === 'structure' || kind === 'list' || kind === 'map'
  const members = shape.union
    ? [
        random.pick(
          depth > 6 ? shape.members.filter((member) => !isDeep(member)).concat(shape.members[0]!) : shape.members,
        ),
      ]
    : shape.members
  members.forEach((member, i) => {
    // Clients make up a token where there is none, and a stream cannot be absent.
    const given = (member.traits.idempotencyToken && direction === 'input') || isStream(member)
    const known = taste.member?.(member, random, operation)
    if (known === omit) return
    const must =
      known !== undefined || shape.union || member.traits.httpLabel || given || (depth < 8 && i < shape.required)
    const likely = depth === 0 ? 0.7 : depth < 3 ? 0.5 : isDeep(member) ? (depth > 6 ? 0 : 0.15) : 0.4
    if (!must && !random.chance(likely)) return
    const place = placeOf(member, direction)
    const value = known ?? randomValue(member.shape, random, taste, direction, operation, place, depth + 1)
    if (value !== undefined) result[member.name] = value
  })
  // Forms and the like cannot say that an empty structure is there.
  if (depth > 0 && !taste.empties && !shape.union && Object.keys(result).length === 0) {
    const member = shape.members.find((candidate) => !isDeep(candidate))
    if (member)
      result[member.name] = randomValue(
        member.shape,
        random,
        taste,
        direction,
        operation,
        placeOf(member, direction),
        depth + 1,
      )
  }
  return result
}

const isStream = ({ shape, traits }: Member): boolean =>
  traits.eventPayload === 1 || (shape.kind === 'blob' && (shape.streaming || traits.streaming === 1))
