import { BlockList, isIP } from 'node:net'
import {
  type ArnTemplate,
  compileArn,
  compileTemplate,
  cutArn,
  matches,
  matchesArn,
  resolve,
  type Template,
  valuesOf,
} from './pattern.ts'
import type { ConditionBlock, RequestContext } from './policy.ts'

// IAM user guide, "IAM JSON policy elements: Condition operators" and "Set operators for multivalued context keys".

/** Whether one value of the request fits one or more values of the policy. */
type Test = (value: string, context: RequestContext) => boolean

type Condition = {
  /** Operator and key as the policy has them. */
  readonly operator: string
  readonly name: string
  /** In lower case. */
  readonly key: string
  readonly wanted: readonly string[]
  readonly holds: (values: readonly string[] | undefined, context: RequestContext) => boolean
}

export type CompiledConditions = readonly Condition[]

type Family = (values: readonly string[], options: { variables: boolean }) => Test

const strings =
  (prepare: (text: string) => string, wildcards: boolean): Family =>
  (values, options) => {
    const templates: Template[] = values.map((value) => compileTemplate(prepare(value), { ...options, wildcards }))
    return (value, context) => {
      const prepared = prepare(value)
      return templates.some((template) => {
        const glob = resolveFolded(template, context, prepare)
        return glob !== undefined && matches(glob, prepared)
      })
    }
  }

const same = (text: string) => text
const folded = (text: string) => text.toLowerCase()

/** Values of variables must be folded too where case does not count. */
const resolveFolded = (template: Template, context: RequestContext, prepare: (text: string) => string) => {
  if (template.glob || prepare === same) return resolve(template, context)
  const keys = template.parts.flatMap((part) => (typeof part === 'number' ? [] : [part.key]))
  const entries = keys.flatMap((key) => {
    const values = valuesOf(context, key)
    return values ? [[key, values.map(prepare)] as const] : []
  })
  return resolve(template, Object.fromEntries(entries))
}

const comparing =
  <T>(read: (text: string) => T | undefined, holds: (request: T, policy: T) => boolean): Family =>
  (values) => {
    const wanted = values.map(read)
    return (value) => {
      const given = read(value)
      return given !== undefined && wanted.some((want) => want !== undefined && holds(given, want))
    }
  }

/** An integer or decimal; not what else JavaScript reads as a number (`0x10`, blanks). */
const number = (text: string): number | undefined => {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$/.test(text)) return undefined
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}

const isoDate = /^\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/

/** Epoch seconds, or one of W3C's profiles of ISO 8601; milliseconds since the epoch. */
const date = (text: string): number | undefined => {
  const seconds = number(text)
  // "2019" is a year in ISO 8601, and no one means 33 minutes past the epoch.
  if (seconds !== undefined && !/^\d{4}$/.test(text)) return seconds * 1000
  if (!isoDate.test(text)) return undefined
  const time = Date.parse(/T\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(text) ? `${text}Z` : text)
  return Number.isNaN(time) ? undefined : time
}

const truth = (text: string): boolean | undefined => {
  const lower = text.toLowerCase()
  return lower === 'true' ? true : lower === 'false' ? false : undefined
}

/** Variables are taken here, as in strings ("Condition operators": "Boolean condition operators"). */
const truths: Family = (values, options) => {
  const templates = values.map((value) => compileTemplate(value, { ...options, wildcards: false }))
  return (value, context) => {
    const given = truth(value)
    return given !== undefined && templates.some((template) => truth(textOf(template, context)) === given)
  }
}

const textOf = (template: Template, context: RequestContext): string => {
  const glob = resolve(template, context)
  return glob?.kind === 'exact' ? glob.text : ''
}

const bytes = (text: string): string | undefined =>
  /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, 'base64').toString('base64') : undefined

const addresses: Family = (values) => {
  const list = new BlockList()
  for (const value of values) {
    const [address = '', prefix] = value.split('/')
    const family = isIP(address)
    const size = prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix)
    if (!family || !/^\d{1,3}$/.test(prefix ?? '0') || size > (family === 4 ? 32 : 128)) continue
    list.addSubnet(address, size, family === 4 ? 'ipv4' : 'ipv6')
  }
  return (value) => {
    const family = isIP(value)
    return family !== 0 && list.check(value, family === 4 ? 'ipv4' : 'ipv6')
  }
}

const arns: Family = (values, options) => {
  const patterns: ArnTemplate[] = values.map((value) => compileArn(value, options))
  return (value, context) => {
    const arn = cutArn(value)
    return patterns.some((pattern) => matchesArn(pattern, arn, context) === true)
  }
}

const equal = <T>(a: T, b: T) => a === b
const less = (a: number, b: number) => a < b
const lessOrEqual = (a: number, b: number) => a <= b
const greater = (a: number, b: number) => a > b
const greaterOrEqual = (a: number, b: number) => a >= b

type Operator = { readonly family: Family; readonly negated: boolean }

const is = (family: Family): Operator => ({ family, negated: false })
const not = (family: Family): Operator => ({ family, negated: true })

const operators: ReadonlyMap<string, Operator> = new Map(
  Object.entries({
    StringEquals: is(strings(same, false)),
    StringNotEquals: not(strings(same, false)),
    StringEqualsIgnoreCase: is(strings(folded, false)),
    StringNotEqualsIgnoreCase: not(strings(folded, false)),
    StringLike: is(strings(same, true)),
    StringNotLike: not(strings(same, true)),
    NumericEquals: is(comparing(number, equal)),
    NumericNotEquals: not(comparing(number, equal)),
    NumericLessThan: is(comparing(number, less)),
    NumericLessThanEquals: is(comparing(number, lessOrEqual)),
    NumericGreaterThan: is(comparing(number, greater)),
    NumericGreaterThanEquals: is(comparing(number, greaterOrEqual)),
    DateEquals: is(comparing(date, equal)),
    DateNotEquals: not(comparing(date, equal)),
    DateLessThan: is(comparing(date, less)),
    DateLessThanEquals: is(comparing(date, lessOrEqual)),
    DateGreaterThan: is(comparing(date, greater)),
    DateGreaterThanEquals: is(comparing(date, greaterOrEqual)),
    Bool: is(truths),
    BinaryEquals: is(comparing(bytes, equal)),
    IpAddress: is(addresses),
    NotIpAddress: not(addresses),
    ArnEquals: is(arns),
    ArnLike: is(arns),
    ArnNotEquals: not(arns),
    ArnNotLike: not(arns),
  }),
)

const operatorText = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/

type ParsedOperator = { readonly set: string | undefined; readonly base: string; readonly ifExists: boolean }

const parseOperator = (text: string): ParsedOperator | undefined => {
  const found = operatorText.exec(text)
  if (!found) return undefined
  const base = found[2]!
  // Null asks for existence itself, so it has no IfExists form.
  if (base === 'Null') return found[3] ? undefined : { set: found[1], base, ifExists: false }
  return operators.has(base) ? { set: found[1], base, ifExists: found[3] !== undefined } : undefined
}

/** Whether AWS knows a condition operator of this name, set prefix and `IfExists` included. */
export const isConditionOperator = (text: string): boolean => parseOperator(text) !== undefined

const toList = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T])

/** Compiles a Condition block: all of it must hold. What is no operator never holds (`parsePolicy` refuses it). */
export const compileConditions = (
  block: ConditionBlock | undefined,
  options: { variables: boolean },
): CompiledConditions =>
  Object.entries(block ?? {}).flatMap(([text, keys]) => {
    const operator = parseOperator(text)
    return Object.entries(keys).map(([key, value]) => {
      const wanted = toList(value).map(String)
      const holds = operator ? compileOne(operator, wanted, options) : () => false
      return { operator: text, name: key, key: key.toLowerCase(), wanted, holds }
    })
  })

const compileOne = (
  { set, base, ifExists }: ParsedOperator,
  wanted: readonly string[],
  options: { variables: boolean },
): Condition['holds'] => {
  if (base === 'Null') {
    const absent = wanted.map(truth)
    return (values) => absent.includes(values === undefined || values.length === 0)
  }
  const { family, negated } = operators.get(base)!
  const fits = family(wanted, options)
  return (values, context) => {
    if (values === undefined || values.length === 0) {
      if (ifExists) return true
      if (set) return set === 'ForAllValues'
      return negated
    }
    // Empty text is a null data set: nothing to compare, so all of it fits and none of it does.
    if (set && values.every((value) => value === '')) return set === 'ForAllValues'
    if (set === 'ForAllValues') return values.every((value) => fits(value, context) !== negated)
    if (set === 'ForAnyValue') return values.some((value) => fits(value, context) !== negated)
    return values.some((value) => fits(value, context)) !== negated
  }
}

/** Whether every condition holds; keys that were asked for and are not in the request are added to `missing`, once. */
export const conditionsHold = (conditions: CompiledConditions, context: RequestContext, missing: string[]): boolean => {
  let hold = true
  for (const condition of conditions) {
    const values = valuesOf(context, condition.key)
    if ((values === undefined || values.length === 0) && !missing.includes(condition.key)) missing.push(condition.key)
    if (hold && !condition.holds(values, context)) hold = false
  }
  return hold
}
