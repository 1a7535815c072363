import type { ConditionBlock } from '../../../policy/policy.ts'
import { arnGlobOf, coveredBy, type Glob, globOf, intersects, literal } from './globs.ts'
import { cidrContains, cidrOf } from './ip-ranges.ts'

// What conditions say of each other, without a request: whether one implies another, whether two cannot both hold. A
// "yes" is proven; "no" may be for want of proof.

/** One operator on one key. All keys and operators of a block must hold. */
export type Condition = {
  /** In lower case, set operator and `IfExists` cut off. */
  readonly operator: string
  readonly set: 'forallvalues' | 'foranyvalue' | undefined
  readonly ifExists: boolean
  readonly key: string
  readonly values: readonly string[]
}

export const conditionsOf = (block: ConditionBlock | undefined): Condition[] =>
  Object.entries(block ?? {}).flatMap(([text, keys]) => {
    const [, set, base = '', ifExists] =
      /^(?:(forallvalues|foranyvalue):)?(.*?)(ifexists)?$/.exec(text.toLowerCase()) ?? []
    return Object.entries(keys).map(([key, value]) => ({
      operator: base,
      set: set as Condition['set'],
      ifExists: ifExists !== undefined,
      key: key.toLowerCase(),
      values: (Array.isArray(value) ? value : [value]).map(String),
    }))
  })

export const isNegated = ({ operator }: Condition): boolean => operator.includes('not')

/** It does not hold when the key is absent from the request. */
const needsKey = (condition: Condition): boolean => {
  if (condition.ifExists || condition.operator === 'null') return false
  if (condition.set) return condition.set === 'foranyvalue'
  return !isNegated(condition)
}

type Family = 'string' | 'arn' | 'ip' | 'bool' | 'numeric' | 'date' | 'null' | 'binary'
const familyOf = ({ operator }: Condition): Family | undefined =>
  (['string', 'arn', 'numeric', 'date', 'bool', 'binary', 'null'] as const).find((start) =>
    operator.startsWith(start),
  ) ?? (operator.endsWith('ipaddress') ? 'ip' : undefined)

const ignoresCase = ({ operator }: Condition) => operator.endsWith('ignorecase')

/** Whether each value that this condition names is among those that the other names; undefined: not comparable. */
const valuesWithin = (inner: Condition, outer: Condition): boolean => {
  const family = familyOf(inner)
  if (family === undefined || family !== familyOf(outer)) return false
  if (family === 'ip') {
    const outers = outer.values.map(cidrOf)
    return inner.values.every((value) => {
      const range = cidrOf(value)
      return range !== undefined && outers.some((one) => one !== undefined && cidrContains(one, range))
    })
  }
  if (family !== 'string' && family !== 'arn') {
    const known = new Set(outer.values.map((value) => value.toLowerCase()))
    return inner.values.every((value) => known.has(value.toLowerCase()))
  }
  if (ignoresCase(inner) && !ignoresCase(outer)) return false
  const fold = ignoresCase(outer)
  const outers = outer.values.map((value) => patternOf(outer, value, fold))
  return inner.values.every((value) => coveredBy(patternOf(inner, value, fold), outers))
}

const patternOf = (condition: Condition, value: string, fold = false): Glob => {
  const text = fold ? value.toLowerCase() : value
  if (condition.operator.startsWith('arn')) return arnGlobOf(text)
  return condition.operator.endsWith('like')
    ? globOf(text)
    : text.includes('${')
      ? globOf(text.replaceAll(/(?<!\{)[*?]/g, '${$&}'))
      : literal(text)
}

const valuesApart = (a: Condition, b: Condition): boolean => {
  const family = familyOf(a)
  if (family !== familyOf(b)) return false
  if (family === 'bool')
    return !a.values.some((value) => b.values.some((other) => other.toLowerCase() === value.toLowerCase()))
  if (family !== 'string' && family !== 'arn') return false
  const fold = ignoresCase(a) || ignoresCase(b)
  const others = b.values.map((value) => patternOf(b, value, fold))
  return !a.values.some((value) => others.some((other) => intersects(patternOf(a, value, fold), other)))
}

type Interval = { readonly from: number; readonly to: number; readonly open: boolean }

/** Numbers or times that an ordering operator lets through. */
const intervalOf = (condition: Condition): Interval | undefined => {
  const family = familyOf(condition)
  const read = (value: string) => (family === 'date' && !/^\d+$/.test(value) ? Date.parse(value) / 1000 : Number(value))
  const values = condition.values.map(read)
  if (values.length === 0 || values.some(Number.isNaN)) return undefined
  const { operator } = condition
  if (operator.endsWith('lessthan') || operator.endsWith('lessthanequals'))
    return { from: Number.NEGATIVE_INFINITY, to: Math.max(...values), open: operator.endsWith('than') }
  if (operator.endsWith('greaterthan') || operator.endsWith('greaterthanequals'))
    return { from: Math.min(...values), to: Number.POSITIVE_INFINITY, open: operator.endsWith('than') }
  return undefined
}

const intervalWithin = (inner: Condition, outer: Condition): boolean => {
  const [a, b] = [intervalOf(inner), intervalOf(outer)]
  if (!a || !b || familyOf(inner) !== familyOf(outer)) return false
  const edge = (x: number, y: number) => x !== y || a.open || !b.open
  return a.from >= b.from && a.to <= b.to && edge(a.from, b.from) && edge(a.to, b.to)
}

const impliesOne = (given: Condition, wanted: Condition): boolean => {
  if (given.key !== wanted.key || given.set !== wanted.set) return false
  if (needsKey(wanted) && !needsKey(given)) return false
  if (given.operator === wanted.operator && given.values.join('\n') === wanted.values.join('\n')) return true
  const family = familyOf(wanted)
  if (family === 'null' || family === undefined) return false
  if ((family === 'numeric' || family === 'date') && !wanted.operator.endsWith('equals'))
    return intervalWithin(given, wanted)
  if (family === 'numeric' || family === 'date')
    return wanted.operator.includes('than') ? intervalWithin(given, wanted) : false
  if (isNegated(given) && isNegated(wanted)) return valuesWithin(wanted, given)
  if (!isNegated(given) && !isNegated(wanted)) return valuesWithin(given, wanted)
  return !isNegated(given) && !given.set && !isMultivalued(given.key) && valuesApart(given, wanted)
}

/** Whether the given conditions, all of them holding, make the wanted one hold. */
export const implies = (given: readonly Condition[], wanted: Condition): boolean =>
  given.some((one) => impliesOne(one, wanted)) ||
  // A key that is asked for by a positive condition is present.
  (wanted.operator === 'null' &&
    wanted.values.every((value) => value.toLowerCase() === 'false') &&
    given.some((one) => one.key === wanted.key && needsKey(one)))

/** Keys that a request may carry with several values: two different ones can both match. */
const isMultivalued = (key: string) => /^aws:(tagkeys|calledvia|principalservicenameslist|.*orgpaths)$/.test(key)

/** Whether no request can make both lists hold. */
export const exclude = (a: readonly Condition[], b: readonly Condition[]): boolean =>
  a.some((one) =>
    b.some((other) => {
      if (one.key !== other.key || one.set || other.set || isMultivalued(one.key)) return false
      if (!needsKey(one) && !needsKey(other)) return false
      for (const [x, y] of [
        [one, other],
        [other, one],
      ] as const) {
        if (x.operator === 'null' && x.values.every((value) => value.toLowerCase() === 'true') && needsKey(y))
          return true
        if (isNegated(x) && !isNegated(y) && needsKey(y) && valuesWithin(y, x)) return true
      }
      return !isNegated(one) && !isNegated(other) && valuesApart(one, other)
    }),
  )
