import { RE2JS } from 're2js'

// Filter patterns ("Filter pattern syntax for metric filters, subscription filters, filter log events, and Live Tail"):
// terms, JSON `{ $.a = 1 }`, space-delimited `[ip, status = 4*, ...]`, each with `%regex%`. Text in, a predicate out.
// Regular expressions run in linear time (RE2), wildcards by walking, so no pattern can hang the server.

export type FilterPattern = (message: string) => boolean

/** The text is no filter pattern; the message says why. */
export class FilterPatternError extends Error {}

const refuse = (reason: string): never => {
  throw new FilterPatternError(reason)
}

/** Reads a filter pattern; the empty one matches everything. Throws `FilterPatternError`. */
export const parseFilterPattern = (pattern: string): FilterPattern => {
  const text = pattern.trim()
  if (text === '') return () => true
  if (text.startsWith('{')) return jsonPattern(text)
  if (text.startsWith('[')) return delimitedPattern(text)
  return termPattern(text)
}

// Terms

const termSyntax = /\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|%((?:[^%\\]|\\.)*)%|([^\s"]+))/suy

const termPattern = (text: string): FilterPattern => {
  const found: Record<'' | '?' | '-', FilterPattern[]> = { '': [], '?': [], '-': [] }
  termSyntax.lastIndex = 0
  while (termSyntax.lastIndex < text.length) {
    const match = termSyntax.exec(text)
    if (!match) return refuse('Invalid filter pattern')
    const [, sign = '', quoted, regex, bare] = match
    if (bare !== undefined && /[^\p{L}\p{M}\p{N}_]/u.test(bare)) refuse(`Invalid character(s) in term '${sign}${bare}'`)
    const term = quoted?.replaceAll(/\\(.)/gsu, '$1') ?? bare ?? ''
    found[sign as '' | '?' | '-'].push(regex === undefined ? (message) => message.includes(term) : regular(regex))
  }
  const { '': all, '?': any, '-': none } = found
  // AWS ignores optional terms beside required or excluded ones.
  if (all.length + none.length === 0) return (message) => any.some((has) => has(message))
  return (message) => all.every((has) => has(message)) && !none.some((has) => has(message))
}

/** The part of regular expressions that CloudWatch Logs takes: no groups, no other symbols than it lists. */
const regular = (source: string): FilterPattern => {
  if (!/^[A-Za-z0-9:_#=@/;,\-^$?[\]{}|\\*+.\s]*$/.test(source) || source === '') refuse('Invalid regular expression')
  let compiled: RE2JS
  try {
    compiled = RE2JS.compile(source)
  } catch {
    return refuse('Invalid regular expression')
  }
  return (text) => compiled.matcher(text).find()
}

/** Text with `*` for any run of characters. */
const wildcard = (text: string): FilterPattern => {
  const [first = '', ...rest] = text.split('*')
  const last = rest.pop()
  if (last === undefined) return (value) => value === text
  return (value) => {
    if (!value.startsWith(first)) return false
    let from = first.length
    for (const piece of rest) {
      const at = value.indexOf(piece, from)
      if (at < 0) return false
      from = at + piece.length
    }
    return value.length - from >= last.length && value.endsWith(last)
  }
}

// Conditions, shared by JSON and space-delimited patterns

type Operator = '=' | '!=' | '<' | '>' | '<=' | '>='
type Operand =
  | { readonly kind: 'regex' | 'quoted'; readonly text: string }
  | { readonly kind: 'bare'; readonly text: string; readonly number: number | undefined }
type Condition = (value: unknown) => boolean

const condition = (operator: Operator, operand: Operand): Condition => {
  if (operator === '=' || operator === '!=') {
    const equal = equality(operand)
    return (value) => isScalar(value) && equal(value) === (operator === '=')
  }
  const bound = operand.kind === 'bare' ? operand.number : undefined
  if (bound === undefined) return refuse(`Invalid operand for operator ${operator}`)
  return (value) => {
    const number = numberOf(value)
    if (number === undefined) return false
    if (operator === '<') return number < bound
    if (operator === '>') return number > bound
    return operator === '<=' ? number <= bound : number >= bound
  }
}

const isScalar = (value: unknown): boolean => /^(string|number|boolean)$/.test(typeof value)

const equality = (operand: Operand): Condition => {
  if (operand.kind === 'regex') {
    const find = regular(operand.text)
    return (value) => find(String(value))
  }
  const same = wildcard(operand.text)
  const wanted = operand.kind === 'bare' ? operand.number : undefined
  return (value) => (wanted !== undefined && numberOf(value) === wanted) || same(String(value))
}

const numberOf = (value: unknown): number | undefined => {
  if (typeof value === 'number') return value
  return typeof value === 'string' && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : undefined
}

// A reader of tokens for both structured forms

/** Regular expressions that one structured pattern may hold. */
const MOST_REGULAR = 2

class Reader {
  #at = 0
  #regular = 0
  readonly #text: string
  constructor(text: string) {
    this.#text = text
  }
  /** Takes what `syntax` (sticky) finds here, after white space. */
  take(syntax: RegExp): RegExpExecArray | undefined {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++
    syntax.lastIndex = this.#at
    const match = syntax.exec(this.#text)
    if (match) this.#at = syntax.lastIndex
    return match ?? undefined
  }
  is(word: string): boolean {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++
    if (!this.#text.startsWith(word, this.#at)) return false
    this.#at += word.length
    return true
  }
  need(word: string): void {
    if (!this.is(word)) refuse('Invalid filter pattern')
  }
  end(): void {
    if (this.take(/\S/suy)) refuse('Invalid filter pattern')
  }
  operand(bare: RegExp): Operand {
    const quoted = this.take(/"((?:[^"\\]|\\.)*)"/suy)
    if (quoted) return { kind: 'quoted', text: (quoted[1] ?? '').replaceAll(/\\(.)/gsu, '$1') }
    const regex = this.take(/%((?:[^%\\]|\\.)*)%/suy)
    if (regex) {
      if (++this.#regular > MOST_REGULAR) refuse('Too many regular expressions in filter pattern')
      return { kind: 'regex', text: regex[1] ?? '' }
    }
    const text = this.take(bare)?.[0] ?? refuse('Invalid filter pattern')
    return { kind: 'bare', text, number: numberOf(text) }
  }
  operator(): Operator {
    return (this.take(/!=|<=|>=|=|<|>/suy)?.[0] ?? refuse('Invalid filter pattern')) as Operator
  }
  /** `a && b || (c)`, where `one` reads the conditions in it; `&&` binds closer. */
  either<T>(one: () => (subject: T) => boolean): (subject: T) => boolean {
    const alternatives = [this.#both(one)]
    while (this.is('||')) alternatives.push(this.#both(one))
    return (subject) => alternatives.some((holds) => holds(subject))
  }
  #both<T>(one: () => (subject: T) => boolean): (subject: T) => boolean {
    const read = (): ((subject: T) => boolean) => {
      if (!this.is('(')) return one()
      const inner = this.either(one)
      this.need(')')
      return inner
    }
    const conditions = [read()]
    while (this.is('&&')) conditions.push(read())
    return (subject) => conditions.every((holds) => holds(subject))
  }
}

// JSON

const jsonPattern = (text: string): FilterPattern => {
  const reader = new Reader(text)
  reader.need('{')
  const holds = reader.either(() => jsonCondition(reader))
  reader.need('}')
  reader.end()
  return (message) => {
    const start = message.trimStart()[0]
    if (start !== '{' && start !== '[') return false
    try {
      return holds(JSON.parse(message))
    } catch {
      return false
    }
  }
}

const jsonCondition = (reader: Reader): ((json: unknown) => boolean) => {
  const steps = selector(reader)
  const check = jsonCheck(reader)
  return (json) => check(valuesAt(json, steps))
}

/** What the condition asks of the values that the selector found: one, none, or several after `[*]`. */
const jsonCheck = (reader: Reader): ((values: readonly unknown[]) => boolean) => {
  if (reader.take(/NOT\s+EXISTS\b/suy)) return (values) => values.length === 0
  const is = reader.take(/IS\s+(NULL|TRUE|FALSE)\b/suy)
  if (is) {
    const wanted: unknown = JSON.parse((is[1] ?? '').toLowerCase())
    return (values) => values.includes(wanted)
  }
  const check = condition(reader.operator(), reader.operand(/[^\s"%(){}&|=<>!]+/suy))
  return (values) => values.some(check)
}

const selector = (reader: Reader): (string | number)[] => {
  reader.need('$')
  const steps: (string | number)[] = []
  for (;;) {
    const match = reader.take(/\.?\[(?:(\d+)|(\*)|'([^']*)'|"([^"]*)")\]|\.(\*|[^\s.[\]=<>!(){}&|"']+)/suy)
    if (!match) break
    const [, index, every, single, double, name] = match
    steps.push(index === undefined ? (every ?? single ?? double ?? name ?? '') : Number(index))
  }
  return steps.length > 0 ? steps : refuse('Invalid filter pattern')
}

const valuesAt = (value: unknown, steps: readonly (string | number)[]): unknown[] => {
  const [first, ...rest] = steps
  if (first === undefined) return [value]
  if (typeof value !== 'object' || value === null) return []
  if (first === '*') return Object.values(value).flatMap((one) => valuesAt(one, rest))
  return Object.hasOwn(value, first) ? valuesAt((value as Record<string | number, unknown>)[first], rest) : []
}

// Space-delimited

type Fields = ReadonlyMap<string, string>

const delimitedPattern = (text: string): FilterPattern => {
  const reader = new Reader(text)
  reader.need('[')
  const fields: ('...' | { name: string; holds: (fields: Fields) => boolean })[] = []
  do {
    fields.push(reader.is('...') ? '...' : delimitedField(reader, fields.length))
  } while (reader.is(','))
  reader.need(']')
  reader.end()
  const ellipsis = fields.indexOf('...')
  if (ellipsis >= 0 && fields.includes('...', ellipsis + 1)) refuse('Invalid filter pattern')
  return (message) => {
    const words = split(message)
    if (ellipsis < 0 ? words.length !== fields.length : words.length < fields.length - 1) return false
    const named = new Map<string, string>()
    for (const [at, one] of fields.entries()) {
      if (one === '...') continue
      const place = ellipsis < 0 || at < ellipsis ? at : words.length - fields.length + at
      named.set(one.name, words[place] ?? '')
    }
    return fields.every((one) => one === '...' || one.holds(named))
  }
}

const delimitedField = (reader: Reader, position: number): { name: string; holds: (fields: Fields) => boolean } => {
  const name = reader.take(/[A-Za-z0-9_]+/suy)?.[0]
  if (name === undefined && !reader.take(/(?=[,\]])/suy)) return refuse('Invalid filter pattern')
  if (name === undefined) return { name: `#${position}`, holds: () => true }
  if (reader.take(/(?=[,\]])/suy)) return { name, holds: () => true }
  // The first condition's name is read already; the others name a field again, or this one by leaving it out.
  let first = true
  const holds = reader.either((): ((fields: Fields) => boolean) => {
    const subject = first ? name : (reader.take(/[A-Za-z0-9_]+(?=\s*(?:!=|<|>|=))/suy)?.[0] ?? name)
    first = false
    const check = condition(reader.operator(), reader.operand(/[^\s",[\]()&|%]+/suy))
    return (fields) => check(fields.get(subject))
  })
  return { name, holds }
}

/** Words between spaces; text in brackets or double quotes is one word, without them. */
const split = (message: string): string[] =>
  [...message.matchAll(/\[([^\]]*)\]|"([^"]*)"|(\S+)/gsu)].map(
    ([, bracketed, quoted, bare]) => bracketed ?? quoted ?? bare ?? '',
  )
