import type { RequestContext } from './policy.ts'

/** A compiled pattern: `*` is any run of characters, `?` exactly one. Matching never backtracks beyond the last `*`. */
export type Glob =
  | { readonly kind: 'any' }
  | { readonly kind: 'exact'; readonly text: string }
  | { readonly kind: 'prefix'; readonly text: string }
  | { readonly kind: 'units'; readonly units: readonly number[] }

const RUN = -1
const ONE = -2

const any: Glob = { kind: 'any' }

/** UTF-16 code units, with RUN and ONE for the wildcards: a literal `*` can stand beside a wildcard. */
const globOf = (units: readonly number[]): Glob => {
  if (units.length === 1 && units[0] === RUN) return any
  const wild = units.findIndex((unit) => unit < 0)
  const text = (until: number) => units.slice(0, until).map((unit) => String.fromCharCode(unit)).join('') // biome-ignore format: one thought
  if (wild < 0) return { kind: 'exact', text: text(units.length) }
  if (wild === units.length - 1 && units[wild] === RUN) return { kind: 'prefix', text: text(wild) }
  return { kind: 'units', units }
}

/** Whether the whole text fits. At worst the product of both lengths in steps, whatever the pattern. */
export const matches = (glob: Glob, text: string): boolean => {
  switch (glob.kind) {
    case 'any':
      return true
    case 'exact':
      return glob.text === text
    case 'prefix':
      return text.startsWith(glob.text)
    case 'units':
      return matchUnits(glob.units, text)
  }
}

const matchUnits = (units: readonly number[], text: string): boolean => {
  let at = 0
  let unit = 0
  let lastRun = -1
  let resume = 0
  while (at < text.length) {
    const want = units[unit]
    if (want === RUN) {
      lastRun = unit++
      resume = at
    } else if (want === ONE || want === text.charCodeAt(at)) {
      unit++
      at++
    } else if (lastRun >= 0) {
      unit = lastRun + 1
      at = ++resume
    } else return false
  }
  while (units[unit] === RUN) unit++
  return unit === units.length
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
