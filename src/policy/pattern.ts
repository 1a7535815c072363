import type { RequestContext } from './policy.ts'

/** A compiled pattern: `*` is any run of characters, `?` exactly one. `pieces` are what stands between the runs. */
export type Glob =
  | { readonly kind: 'any' }
  | { readonly kind: 'exact'; readonly text: string }
  | { readonly kind: 'prefix'; readonly text: string }
  | { readonly kind: 'pieces'; readonly pieces: readonly Piece[] }

/** UTF-16 code units, with ONE for `?`; `text` where there is none. */
type Piece = { readonly units: readonly number[]; readonly text: string | undefined }

const RUN = -1
const ONE = -2

const any: Glob = { kind: 'any' }

/** UTF-16 code units, with RUN and ONE for the wildcards: a literal `*` can stand beside a wildcard. */
const globOf = (units: readonly number[]): Glob => {
  if (units.length === 1 && units[0] === RUN) return any
  const wild = units.findIndex((unit) => unit < 0)
  if (wild < 0) return { kind: 'exact', text: textOfUnits(units) }
  if (wild === units.length - 1 && units[wild] === RUN) return { kind: 'prefix', text: textOfUnits(units.slice(0, -1)) }
  const pieces: number[][] = [[]]
  for (const unit of units) {
    if (unit === RUN) pieces.push([])
    else pieces.at(-1)!.push(unit)
  }
  return { kind: 'pieces', pieces: pieces.map(pieceOf) }
}

const pieceOf = (units: readonly number[]): Piece => ({
  units,
  text: units.includes(ONE) ? undefined : textOfUnits(units),
})

const textOfUnits = (units: readonly number[]) => units.map((unit) => String.fromCharCode(unit)).join('')

/** Whether the whole text fits. Each character is looked at a constant number of times for every piece of the pattern. */
export const matches = (glob: Glob, text: string): boolean => {
  switch (glob.kind) {
    case 'any':
      return true
    case 'exact':
      return glob.text === text
    case 'prefix':
      return text.startsWith(glob.text)
    case 'pieces':
      return matchPieces(glob.pieces, text)
  }
}

/** The first and the last piece stand at the ends; the others fit where they first can, one after the other. */
const matchPieces = (pieces: readonly Piece[], text: string): boolean => {
  const [first, last] = [pieces[0]!, pieces[pieces.length - 1]!]
  let at = first.units.length
  if (pieces.length === 1) return at === text.length && fitsAt(first, text, 0)
  const until = text.length - last.units.length
  if (at > until || !fitsAt(first, text, 0) || !fitsAt(last, text, until)) return false
  for (let index = 1; index < pieces.length - 1; index++) {
    at = endOf(pieces[index]!, text, at, until)
    if (at < 0) return false
  }
  return true
}

const fitsAt = ({ text: piece, units }: Piece, text: string, at: number): boolean =>
  piece === undefined
    ? units.every((unit, index) => unit === ONE || unit === text.charCodeAt(at + index))
    : text.startsWith(piece, at)

/** Where the piece ends at its first fit between the two places; -1 when it fits nowhere. */
const endOf = ({ text: piece, units }: Piece, text: string, from: number, until: number): number => {
  if (piece === undefined) return endOfUnits(units, text, from, until)
  const found = text.indexOf(piece, from)
  return found < 0 || found + piece.length > until ? -1 : found + piece.length
}

/**
 * By shift and mask (Baeza-Yates and Gonnet): bit `i` of the state says that the last `i + 1` characters fit the first
 * `i + 1` units. Trying each place anew would let patterns and texts of some thousand characters take seconds.
 */
const endOfUnits = (units: readonly number[], text: string, from: number, until: number): number => {
  if (units.length > 31) return endOfManyUnits(units, text, from, until)
  const masks = new Map<number, number>()
  let ones = 0
  for (const [index, unit] of units.entries()) {
    if (unit === ONE) ones |= 1 << index
    else masks.set(unit, (masks.get(unit) ?? 0) | (1 << index))
  }
  const whole = 1 << (units.length - 1)
  let state = 0
  for (let at = from; at < until; at++) {
    state = ((state << 1) | 1) & ((masks.get(text.charCodeAt(at)) ?? 0) | ones)
    if (state & whole) return at + 1
  }
  return -1
}

/** The same, of more units than a number has bits. */
const endOfManyUnits = (units: readonly number[], text: string, from: number, until: number): number => {
  const masks = new Map<number, bigint>()
  let ones = 0n
  for (const [index, unit] of units.entries()) {
    if (unit === ONE) ones |= 1n << BigInt(index)
    else masks.set(unit, (masks.get(unit) ?? 0n) | (1n << BigInt(index)))
  }
  const whole = 1n << BigInt(units.length - 1)
  let state = 0n
  for (let at = from; at < until; at++) {
    state = ((state << 1n) | 1n) & ((masks.get(text.charCodeAt(at)) ?? 0n) | ones)
    if (state & whole) return at + 1
  }
  return -1
}

/** A policy variable: `${key}` or `${key, 'default'}`. */
type Variable = { readonly key: string; readonly fallback: string | undefined }
type Part = number | Variable

/**
 * Text of a policy that may hold wildcards and variables, compiled once. `glob` is there when nothing is variable; `plain`
 * when no wildcard is, but perhaps a `*` at the end (`run`): most patterns with variables are such.
 */
export type Template = {
  readonly parts: readonly Part[]
  readonly glob: Glob | undefined
  readonly plain: { readonly pieces: readonly (string | Variable)[]; readonly run: boolean } | undefined
}

const variableText = /^\$\{([^{},]+?)\s*(?:,\s*'([^']*)'\s*)?\}/

/**
 * Compiles text of a policy. `variables` only where the policy's Version is 2012-10-17; `${*}`, `${?}` and `${$}` stand
 * for the characters themselves (IAM user guide, "IAM policy elements: Variables and tags").
 */
export const compileTemplate = (
  text: string,
  options: { variables: boolean; wildcards: boolean; variablesFrom?: number },
): Template => {
  const variablesFrom = options.variables ? (options.variablesFrom ?? 0) : Number.POSITIVE_INFINITY
  const parts: Part[] = []
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (options.wildcards && character === '*') {
      if (parts.at(-1) !== RUN) parts.push(RUN)
      continue
    }
    if (options.wildcards && character === '?') {
      parts.push(ONE)
      continue
    }
    // A key is at most a prefix and a tag name: bounding the look-ahead keeps hostile text linear.
    const found = at >= variablesFrom && character === '$' ? variableText.exec(text.slice(at, at + 1024)) : null
    if (found) {
      const key = found[1]!.trim()
      if (key === '*' || key === '?' || key === '$') parts.push(key.charCodeAt(0))
      else parts.push({ key: key.toLowerCase(), fallback: found[2] })
      at += found[0].length - 1
    } else parts.push(text.charCodeAt(at))
  }
  return templateOf(parts)
}

const templateOf = (parts: readonly Part[]): Template => {
  const isConstant = parts.every((part) => typeof part === 'number')
  return isConstant
    ? { parts, glob: globOf(parts as readonly number[]), plain: undefined }
    : { parts, glob: undefined, plain: plainOf(parts) }
}

const plainOf = (parts: readonly Part[]): Template['plain'] => {
  const run = parts.at(-1) === RUN
  const pieces: (string | Variable)[] = []
  for (const part of run ? parts.slice(0, -1) : parts) {
    if (part === RUN || part === ONE) return undefined
    const last = pieces.at(-1)
    if (typeof part !== 'number') pieces.push(part)
    else if (typeof last === 'string') pieces[pieces.length - 1] = last + String.fromCharCode(part)
    else pieces.push(String.fromCharCode(part))
  }
  return { pieces, run }
}

/** A context key's values; not what objects inherit, whatever a policy names its keys. */
export const valuesOf = (context: RequestContext, key: string): readonly string[] | undefined =>
  Object.hasOwn(context, key) ? context[key] : undefined

/**
 * The pattern for this request. Values of variables are literal, wildcards in them too. `undefined` when a variable
 * has no single value and no default: nothing matches then.
 */
export const resolve = (template: Template, context: RequestContext): Glob | undefined => {
  if (template.glob) return template.glob
  if (template.plain) {
    let text = ''
    for (const piece of template.plain.pieces) {
      const value = typeof piece === 'string' ? piece : textOf(piece, context)
      if (value === undefined) return undefined
      text += value
    }
    return { kind: template.plain.run ? 'prefix' : 'exact', text }
  }
  const units: number[] = []
  for (const part of template.parts) {
    if (typeof part === 'number') {
      units.push(part)
      continue
    }
    const value = textOf(part, context)
    if (value === undefined) return undefined
    for (let index = 0; index < value.length; index++) units.push(value.charCodeAt(index))
  }
  return globOf(units)
}

const textOf = ({ key, fallback }: Variable, context: RequestContext): string | undefined => {
  const values = valuesOf(context, key)
  return values?.length === 1 ? values[0] : fallback
}

const COLON = 58

/** The parts cut at the first five colons. */
const cutParts = (parts: readonly Part[]): Part[][] => {
  const segments: Part[][] = [[]]
  for (const part of parts) {
    if (part === COLON && segments.length < 6) segments.push([])
    else segments.at(-1)!.push(part)
  }
  return segments
}

/** A pattern over ARNs: each of the first five colon-separated parts is matched by itself, the rest as one. */
export type ArnTemplate = { readonly whole: Template; readonly segments: readonly Template[] | undefined }

/**
 * A pattern of the ARN condition operators. Missing segments count as `*` after a final one (`arn:aws:sns:*`); what is no
 * ARN (`*`) is matched as a whole.
 */
export const compileArn = (text: string, options: { variables: boolean }): ArnTemplate => {
  const whole = compileTemplate(text, { ...options, wildcards: true })
  if (!text.startsWith('arn:')) return { whole, segments: undefined }
  const segments = cutParts(whole.parts)
  if (segments.length < 6 && segments.at(-1)!.at(-1) === RUN) while (segments.length < 6) segments.push([RUN])
  return { whole, segments: segments.map(templateOf) }
}

/**
 * A pattern of a Resource element. Variables stand after the fifth colon only; a `*` at the end of a segment reaches over
 * the colons that follow, one within a segment does not (IAM user guide, "IAM JSON policy elements: Resource").
 */
export const compileResource = (text: string, options: { variables: boolean }): ArnTemplate => {
  if (!text.startsWith('arn:')) return compileArn(text, options)
  const whole = compileTemplate(text, { ...options, wildcards: true, variablesFrom: resourcePart(text) })
  const segments = cutParts(whole.parts)
  const head = segments.slice(0, 5)
  const literal = segments.length === 6 && !head.flat().some((part) => part === RUN || part === ONE)
  const reaching = head.some((segment) => segment.at(-1) === RUN)
  return { whole, segments: literal || reaching ? undefined : segments.map(templateOf) }
}

/** Where the sixth part of an ARN begins. */
const resourcePart = (text: string): number => {
  let at = -1
  for (let colons = 0; colons < 5; colons++) {
    at = text.indexOf(':', at + 1)
    if (at < 0) return Number.POSITIVE_INFINITY
  }
  return at + 1
}

/** An ARN (or other resource text) cut once for many matches. */
export type CutArn = { readonly text: string; readonly segments: readonly string[] | undefined }

export const cutArn = (text: string): CutArn => {
  if (!text.startsWith('arn:')) return { text, segments: undefined }
  const segments: string[] = []
  let from = 0
  while (segments.length < 5) {
    const colon = text.indexOf(':', from)
    if (colon < 0) return { text, segments: undefined }
    segments.push(text.slice(from, colon))
    from = colon + 1
  }
  segments.push(text.slice(from))
  return { text, segments }
}

/** `undefined` when a variable of the pattern has no value. */
export const matchesArn = (pattern: ArnTemplate, arn: CutArn, context: RequestContext): boolean | undefined => {
  if (!pattern.segments || !arn.segments) {
    const glob = resolve(pattern.whole, context)
    return glob && matches(glob, arn.text)
  }
  if (pattern.segments.length !== 6) return false
  // The resource part differs most often: look there first.
  for (let index = 5; index >= 0; index--) {
    const glob = resolve(pattern.segments[index]!, context)
    if (!glob) return undefined
    if (!matches(glob, arn.segments[index]!)) return false
  }
  return true
}
