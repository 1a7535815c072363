import { failure } from './failure.ts'

// LIKE ("Operators", SQL reference for Amazon S3 Select): `%` stands for any text, `_` for one character. A pure engine whose
// time grows with the text's length, whatever the pattern.

/** `any` marks where a character may be any. */
const any = -1
type Segment = readonly number[]

const codePoints = (text: string): number[] => Array.from(text, (character) => character.codePointAt(0) ?? 0)

/** The pattern, cut at each `%`. Throws EvaluatorLikePatternInvalidEscapeSequence, LikeInvalidInputs. */
const segmentsOf = (pattern: string, mark: string | undefined): Segment[] => {
  if (mark !== undefined && [...mark].length !== 1) throw failure('LikeInvalidInputs')
  const segments: number[][] = [[]]
  let escaping = false
  for (const character of pattern) {
    const segment = segments.at(-1) ?? []
    if (escaping) {
      if (character !== '%' && character !== '_' && character !== mark)
        throw failure('EvaluatorLikePatternInvalidEscapeSequence')
      segment.push(character.codePointAt(0) ?? 0)
      escaping = false
    } else if (character === mark) escaping = true
    else if (character === '%') segments.push([])
    else segment.push(character === '_' ? any : (character.codePointAt(0) ?? 0))
  }
  if (escaping) throw failure('EvaluatorLikePatternInvalidEscapeSequence')
  return segments
}

/**
 * Finds a segment: bit i of a machine of as many bits as the segment is long says that its first i characters end here.
 * All bits move at once, 32 in a word.
 */
const finder = (segment: Segment) => {
  const words = Math.ceil(segment.length / 32)
  const wild = new Uint32Array(words)
  const masks = new Map<number, Uint32Array>()
  for (const [at, character] of segment.entries()) {
    const bit = (1 << (at % 32)) >>> 0
    if (character === any) wild[at >> 5] = (wild[at >> 5] ?? 0) | bit
    else {
      const mask = masks.get(character) ?? new Uint32Array(words)
      mask[at >> 5] = (mask[at >> 5] ?? 0) | bit
      masks.set(character, mask)
    }
  }
  for (const mask of masks.values())
    for (let word = 0; word < words; word += 1) mask[word] = (mask[word] ?? 0) | (wild[word] ?? 0)
  const last = (1 << ((segment.length - 1) % 32)) >>> 0
  /** Where the first occurrence in [from, to) ends, or -1. */
  return (text: readonly number[], from: number, to: number): number => {
    if (segment.length === 0) return from
    const state = new Uint32Array(words)
    for (let at = from; at < to; at += 1) {
      const mask = masks.get(text[at] ?? 0) ?? wild
      let carry = 1
      for (let word = 0; word < words; word += 1) {
        const before = state[word] ?? 0
        state[word] = ((before << 1) | carry) & (mask[word] ?? 0)
        carry = before >>> 31
      }
      if (((state[words - 1] ?? 0) & last) !== 0) return at + 1
    }
    return -1
  }
}

const fitsAt = (segment: Segment, text: readonly number[], from: number): boolean =>
  segment.every((character, at) => character === any || character === text[from + at])

/** Text without `_` is found by the engine's own search, as long as it is too short to slow that down. */
const longestSearched = 256

const plainMatcher = (segments: readonly string[]): ((text: string) => boolean) => {
  const [first = '', ...others] = segments
  const last = others.pop()
  if (last === undefined) return (text) => text === first
  return (text) => {
    const end = text.length - last.length
    if (end < first.length || !text.startsWith(first) || !text.endsWith(last)) return false
    let at = first.length
    for (const each of others) {
      const found = text.indexOf(each, at)
      if (found < 0 || found + each.length > end) return false
      at = found + each.length
    }
    return true
  }
}

/** A matcher of whole texts. Throws EvaluatorLikePatternInvalidEscapeSequence, LikeInvalidInputs. */
export const likeMatcher = (pattern: string, mark?: string): ((text: string) => boolean) => {
  const segments = segmentsOf(pattern, mark)
  const [first = [], ...others] = segments
  const last = others.pop()
  const plain = segments.every((segment) => segment.length <= longestSearched && !segment.includes(any))
  if (plain) return plainMatcher(segments.map((segment) => segment.map((each) => String.fromCodePoint(each)).join('')))
  const finders = others.map(finder)
  return (text) => {
    const characters = codePoints(text)
    if (!last) return characters.length === first.length && fitsAt(first, characters, 0)
    const end = characters.length - last.length
    if (end < first.length || !fitsAt(first, characters, 0) || !fitsAt(last, characters, end)) return false
    let at = first.length
    for (const find of finders) {
      at = find(characters, at, end)
      if (at < 0) return false
    }
    return true
  }
}
