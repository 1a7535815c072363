import { BlockList, isIP } from 'node:net'

// Event patterns ("Creating Amazon EventBridge event patterns", "Comparison operators"): JSON text in, a predicate out.
// Cost is linear in pattern and event whatever the pattern says: wildcards are matched piece by piece, never by
// backtracking, and `$or` is walked, not multiplied out.

/** A parsed pattern: does this event match? */
export type EventPattern = (event: unknown) => boolean

/** The pattern is not one; the message is the reason without EventBridge's preamble. */
export class PatternError extends Error {}

type Scalar = string | number | boolean | null
type Test = (value: Scalar) => boolean
type Leaf = {
  readonly kind: 'leaf'
  readonly tests: readonly Test[]
  readonly absent: boolean
  readonly path: string[]
}
type Branch = {
  readonly kind: 'branch'
  readonly fields: readonly (readonly [string, Leaf | Branch])[]
  readonly either: readonly (readonly Branch[])[]
}
type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isScalar = (value: unknown): value is Scalar => value === null || /^(string|number|boolean)$/.test(typeof value)
const field = (value: unknown, name: string): unknown =>
  isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined

const refuse = (reason: string): never => {
  throw new PatternError(reason)
}

/** Combinations of `$or` alternatives that one pattern may have ("Amazon EventBridge event patterns: $or matching"). */
const MOST_COMBINATIONS = 1000

/**
 * Reads the text of an event pattern. Throws `PatternError` for what is not one.
 * Numbers compare by value; a member that occurs twice counts with its last value.
 */
export const parsePattern = (text: string): EventPattern => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new PatternError(error instanceof Error ? error.message : 'Invalid JSON')
  }
  const root = isObject(json) ? branch(json, []) : refuse('Filter is not an object')
  if (combinations(root) > MOST_COMBINATIONS) refuse(`Rule has more than ${MOST_COMBINATIONS} combinations`)
  return (event) => matchBranch(root, event, event)
}

/** The exact strings that the field at `path` may have, when the pattern says nothing else about it. */
export const exactValues = (text: string, ...path: string[]): readonly string[] | undefined => {
  const values = path.reduce(field, JSON.parse(text) as unknown)
  return Array.isArray(values) && values.every((value) => typeof value === 'string') ? values : undefined
}

const branch = (json: Fields, path: string[]): Branch => {
  const fields: [string, Leaf | Branch][] = []
  const either: Branch[][] = []
  for (const [name, value] of Object.entries(json)) {
    if (name === '$or' && isOr(value)) {
      either.push(value.map((alternative) => branch(alternative, path)))
    } else if (Array.isArray(value)) {
      fields.push([name, leaf(value, [...path, name])])
    } else if (isObject(value)) {
      fields.push([name, branch(value, [...path, name])])
    } else {
      refuse(`"${name}" must be an object or an array`)
    }
  }
  if (fields.length + either.length === 0) refuse('Empty objects are not allowed')
  return { kind: 'branch', fields, either }
}

/** `$or` is a field's name like any other unless it holds two or more objects of fields. */
const isOr = (value: unknown): value is Fields[] =>
  Array.isArray(value) &&
  value.length >= 2 &&
  value.every((alternative) => isObject(alternative) && !Object.keys(alternative).some((key) => key in matchTypes))

const combinations = (node: Leaf | Branch): number => {
  if (node.kind === 'leaf') return 1
  const below = node.fields.reduce((product, [, child]) => product * combinations(child), 1)
  return node.either.reduce(
    (product, alternatives) => product * alternatives.reduce((sum, one) => sum + combinations(one), 0),
    below,
  )
}

const leaf = (values: readonly unknown[], path: string[]): Leaf => {
  if (values.length === 0) refuse('Empty arrays are not allowed')
  const absent = values.some((value) => isObject(value) && value.exists === false)
  return { kind: 'leaf', tests: values.map(test), absent, path }
}

const test = (value: unknown): Test => {
  if (isScalar(value)) return (actual) => actual === value
  if (!isObject(value)) return refuse('Match value must be String, number, true, false, or null')
  const [first, ...more] = Object.entries(value)
  if (!first) return refuse('Match expression name not found')
  if (more.length > 0) refuse('Only one key allowed in match expression')
  const [type, operand] = first
  const make = Object.hasOwn(matchTypes, type) ? matchTypes[type] : undefined
  return make ? make(operand) : refuse(`Unrecognized match type ${type}`)
}

const onString =
  (check: (value: string) => boolean): Test =>
  (value) =>
    typeof value === 'string' && check(value)

const string = (value: unknown, type: string): string =>
  typeof value === 'string' ? value : refuse(`${type} match pattern must be a string`)

/** `{"prefix": "x"}` or `{"prefix": {"equals-ignore-case": "x"}}`, and the same of suffixes. */
const affix =
  (type: 'prefix' | 'suffix') =>
  (operand: unknown): Test => {
    const has = (value: string, part: string) => (type === 'prefix' ? value.startsWith(part) : value.endsWith(part))
    if (!isObject(operand)) {
      const part = string(operand, type)
      return onString((value) => has(value, part))
    }
    const keys = Object.keys(operand)
    if (keys[0] !== 'equals-ignore-case') refuse(`Unsupported ${type} pattern: ${keys[0] ?? ''}`)
    if (keys.length > 1) refuse('Only one key allowed in match expression')
    const part = string(operand['equals-ignore-case'], 'equals-ignore-case').toLowerCase()
    return onString((value) => has(value.toLowerCase(), part))
  }

const equalsIgnoreCase = (operand: unknown): Test => {
  const wanted = string(operand, 'equals-ignore-case').toLowerCase()
  return onString((value) => value.toLowerCase() === wanted)
}

/** Splits at the asterisks that are not escaped, so that matching is a walk from piece to piece. */
const wildcardPieces = (text: string): string[] => {
  const pieces = ['']
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '\\') {
      const next = text[++at]
      if (next !== '*' && next !== '\\') refuse(`Invalid escape character at pos ${at - 1}`)
      pieces[pieces.length - 1] += next
    } else if (character === '*') {
      if (text[at + 1] === '*') refuse(`Consecutive wildcard characters at pos ${at}`)
      pieces.push('')
    } else {
      pieces[pieces.length - 1] += character
    }
  }
  return pieces
}

const wildcard = (operand: unknown): Test => {
  const [first = '', ...rest] = wildcardPieces(string(operand, 'wildcard'))
  const last = rest.pop()
  if (last === undefined) return (value) => value === first
  return onString((value) => {
    if (!value.startsWith(first)) return false
    let from = first.length
    for (const piece of rest) {
      const found = value.indexOf(piece, from)
      if (found < 0) return false
      from = found + piece.length
    }
    return value.length - from >= last.length && value.endsWith(last)
  })
}

const MOST_NUMERIC = 5e9
const comparisons: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  '=': (value, bound) => value === bound,
  '<': (value, bound) => value < bound,
  '<=': (value, bound) => value <= bound,
  '>': (value, bound) => value > bound,
  '>=': (value, bound) => value >= bound,
}

const numeric = (operand: unknown): Test => {
  if (!Array.isArray(operand)) return refuse('Value of numeric must be an array.')
  const limits: { operator: string; bound: number; holds: (value: number, bound: number) => boolean }[] = []
  for (let at = 0; at === 0 || at < operand.length; at += 2) {
    const operator: unknown = operand[at]
    const bound: unknown = operand[at + 1]
    if (typeof operator !== 'string') return refuse(`Invalid member in numeric match: ${String(operator ?? ']')}`)
    const holds = Object.hasOwn(comparisons, operator) ? comparisons[operator] : undefined
    if (!holds) return refuse(`Unrecognized numeric range operator: ${operator}`)
    if (typeof bound !== 'number') return refuse(`Value of ${operator === '=' ? 'equals' : operator} must be numeric`)
    if (Math.abs(bound) > MOST_NUMERIC) refuse('Value must be between -5.0E9 and 5.0E9, inclusive')
    limits.push({ operator, bound, holds })
  }
  const [low, high, extra] = limits
  if (extra || (high && !(low?.operator.startsWith('>') && high.operator.startsWith('<'))))
    refuse('Too many elements in numeric expression')
  if (low && high && low.bound >= high.bound) refuse('Bottom must be less than top')
  return (value) => typeof value === 'number' && limits.every(({ holds, bound }) => holds(value, bound))
}

const cidr = (operand: unknown): Test => {
  const [network = '', bits = '', ...more] = string(operand, 'cidr').split('/')
  if (more.length > 0 || !String(operand).includes('/')) refuse("Malformed CIDR, one '/' required")
  if (!/^\d{1,3}$/.test(bits)) refuse('Malformed CIDR, mask bits must be an integer')
  const family = isIP(network)
  if (family === 0) refuse(`Nonstandard IP address: ${network}`)
  if (Number(bits) > (family === 4 ? 32 : 128)) refuse('Malformed CIDR, too many mask bits')
  const version = family === 4 ? 'ipv4' : 'ipv6'
  const block = new BlockList()
  block.addSubnet(network, Number(bits), version)
  return onString((value) => isIP(value) === family && block.check(value, version))
}

/** One operand or a list of them, under `prefix`, `suffix`, `equals-ignore-case` or `wildcard`. */
const anythingBut = (operand: unknown): Test => {
  if (isObject(operand)) {
    const [first, ...more] = Object.entries(operand)
    if (!first) return refuse('Anything-But expression name not found')
    if (more.length > 0) refuse('Only one key allowed in match expression')
    const [type, value] = first
    const make = Object.hasOwn(excludable, type) ? excludable[type] : undefined
    if (!make) return refuse(`Unsupported anything-but pattern: ${type}`)
    const values: unknown[] = Array.isArray(value) ? value : [value]
    if (values.length === 0) refuse('Empty arrays are not allowed')
    if (values.includes('') && (type === 'prefix' || type === 'suffix')) refuse('Null prefix/suffix not allowed')
    const excluded = values.map((one) => make(string(one, type)))
    return (actual) => !excluded.some((matches) => matches(actual))
  }
  const values: unknown[] = Array.isArray(operand) ? operand : [operand]
  const kinds = new Set(values.map((value) => typeof value))
  if (!values.every((value) => typeof value === 'string' || typeof value === 'number'))
    refuse(
      Array.isArray(operand)
        ? 'Inside anything but list, start|null|boolean is not supported.'
        : 'Value of anything-but must be an array or single string/number value.',
    )
  if (kinds.size !== 1)
    refuse('Inside anything but list, either all values are number or string, mixed type is not supported')
  return (actual) => !values.includes(actual)
}

const excludable: Readonly<Record<string, (operand: unknown) => Test>> = {
  prefix: affix('prefix'),
  suffix: affix('suffix'),
  'equals-ignore-case': equalsIgnoreCase,
  wildcard,
}

const matchTypes: Readonly<Record<string, (operand: unknown) => Test>> = {
  exact: (operand) => {
    const wanted = string(operand, 'exact')
    return (value) => value === wanted
  },
  ...excludable,
  numeric,
  cidr,
  'anything-but': anythingBut,
  exists: (operand) =>
    typeof operand === 'boolean' ? () => operand : refuse('exists match pattern must be either true or false.'),
}

/** A nested pattern holds for an array when it holds for one of its elements as a whole ("array consistency"). */
const matchBranch = (node: Branch, value: unknown, event: unknown): boolean => {
  if (Array.isArray(value) && value.length > 0) return value.some((element) => matchBranch(node, element, event))
  return (
    node.fields.every(([name, child]) => {
      const below = field(value, name)
      return child.kind === 'leaf' ? matchLeaf(child, below, event) : matchBranch(child, below, event)
    }) && node.either.every((alternatives) => alternatives.some((one) => matchBranch(one, value, event)))
  )
}

const matchLeaf = (node: Leaf, value: unknown, event: unknown): boolean =>
  someScalar(value, (scalar) => node.tests.some((matches) => matches(scalar))) ||
  (node.absent && !hasScalar(event, node.path, 0))

const someScalar = (value: unknown, check: Test): boolean => {
  if (Array.isArray(value)) return value.some((element) => someScalar(element, check))
  return isScalar(value) && check(value)
}

/** `exists: false` asks the whole event: the field must be in no element of an array on its way. */
const hasScalar = (value: unknown, path: readonly string[], depth: number): boolean => {
  if (Array.isArray(value)) return value.some((element) => hasScalar(element, path, depth))
  const name = path[depth]
  return name === undefined ? isScalar(value) : hasScalar(field(value, name), path, depth + 1)
}
