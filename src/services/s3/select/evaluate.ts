import { type Accumulator, accumulator } from './aggregate.ts'
import { cast } from './cast.ts'
import { failure } from './failure.ts'
import type { scalarFunctions } from './functions.ts'
import { likeMatcher } from './like.ts'
import type { Comparison, Expression, Name, Step } from './syntax.ts'
import { areEqual, calculate, compare, isStruct, isUnknown, missing, negate, type Struct, type Value } from './value.ts'

// Expressions made into functions of a row, once per query. A pure engine.

export type Evaluator<Row> = (row: Row) => Value

/** How a kind of input says what is in a row. */
export type Binding<Row> = {
  /** The whole row. */
  readonly whole: () => Evaluator<Row>
  /** A column or member. Throws MissingHeaders, EvaluatorBindingDoesNotExist, AmbiguousFieldName where that is known beforehand. */
  readonly field: (name: Name) => Evaluator<Row>
}

export type Compiling<Row> = {
  readonly binding: Binding<Row>
  readonly alias: Name
  readonly now: Date
  readonly functions: ReturnType<typeof scalarFunctions>
  /** Where aggregate functions gather; undefined where there may be none. */
  readonly aggregates: { readonly of: Evaluator<Row>; readonly into: Accumulator }[] | undefined
  /** Whether rows may be asked here: not beside aggregate functions. */
  readonly rows: boolean
}

/** Whether a name without quotes means another one: case does not count. */
export const isSame = ({ name, quoted }: Name, other: string): boolean =>
  quoted ? name === other : name.toLowerCase() === other.toLowerCase()

/** Members by name without case, of the structs that were asked already. */
const indexes = new WeakMap<Struct, Map<string, Struct['fields'][number][]>>()

/** An expression may ask for many members of a record with many: it is gone through once. */
const indexOf = (struct: Struct) => {
  const known = indexes.get(struct)
  if (known) return known
  const made = new Map<string, Struct['fields'][number][]>()
  for (const field of struct.fields) {
    const name = field[0].toLowerCase()
    const same = made.get(name)
    if (same) same.push(field)
    else made.set(name, [field])
  }
  indexes.set(struct, made)
  return made
}

/** Below this, going through all is faster. */
const fewFields = 12

/** A member of a struct. Throws AmbiguousFieldName. */
export const memberOf = (value: Value, name: Name): Value => {
  if (isUnknown(value) || !isStruct(value)) return missing
  const candidates =
    value.fields.length <= fewFields ? value.fields : (indexOf(value).get(name.name.toLowerCase()) ?? [])
  const found = candidates.filter(([other]) => isSame(name, other))
  if (found.length > 1 && new Set(found.map(([other]) => other)).size > 1) throw failure('AmbiguousFieldName')
  return found.at(-1)?.[1] ?? missingUnlessNull(found.length)
}
const missingUnlessNull = (count: number): Value => (count > 0 ? null : missing)

export const stepInto = (value: Value, step: Step): Value => {
  if ('name' in step) return memberOf(value, step)
  return Array.isArray(value) ? ((value as readonly Value[])[step.index] ?? elementAt(value, step.index)) : missing
}
const elementAt = (list: readonly Value[], index: number): Value => (index < list.length ? null : missing)

const orders: Readonly<Record<Comparison, (a: Value, b: Value) => boolean>> = {
  '=': areEqual,
  '<>': (a, b) => !areEqual(a, b),
  '<': (a, b) => compare(a, b) < 0,
  '<=': (a, b) => compare(a, b) <= 0,
  '>': (a, b) => compare(a, b) > 0,
  '>=': (a, b) => compare(a, b) >= 0,
}

const compareKnown = (operator: Comparison, a: Value, b: Value): Value => {
  if (a === missing || b === missing) return missing
  return a === null || b === null ? null : orders[operator](a, b)
}

const truth = (value: Value): boolean | undefined => {
  if (isUnknown(value)) return undefined
  if (typeof value !== 'boolean') throw failure('ExternalEvalException')
  return value
}

const concatenate = (a: Value, b: Value): Value => {
  if (a === missing || b === missing) return missing
  if (a === null || b === null) return null
  if (typeof a !== 'string' || typeof b !== 'string') throw failure('ExternalEvalException')
  // Of its own output too: texts must not double without end.
  if (a.length + b.length > longestText) throw failure('OverMaxRecordSize')
  return a + b
}
const longestText = 1024 * 1024

/** All must be so (or, with `until` true, one of them): unknown where an unknown one could have decided. */
const junction = <Row>(parts: readonly Evaluator<Row>[], until: boolean): Evaluator<Row> => {
  return (row) => {
    let unknown = false
    for (const part of parts) {
      const found = truth(part(row))
      if (found === until) return until
      if (found === undefined) unknown = true
    }
    return unknown ? null : !until
  }
}

/** An expression as a function. Throws what `Binding.field` throws, UnsupportedSqlStructure, and the errors of patterns. */
export const compile = <Row>(expression: Expression, how: Compiling<Row>): Evaluator<Row> => {
  const of = (part: Expression): Evaluator<Row> => compile(part, how)
  switch (expression.kind) {
    case 'literal': {
      const { value } = expression
      return () => value
    }
    case 'missing':
      return () => missing
    case 'list': {
      const parts = expression.of.map(of)
      return (row) => parts.map((part) => part(row))
    }
    case 'path':
      return compilePath(expression, how)
    case 'step': {
      const { steps } = expression
      const inner = of(expression.of)
      return (row) => steps.reduce(stepInto, inner(row))
    }
    case 'not': {
      const inner = of(expression.of)
      return (row) => {
        const found = truth(inner(row))
        return found === undefined ? null : !found
      }
    }
    case 'negate': {
      const inner = of(expression.of)
      return (row) => negate(inner(row))
    }
    case 'positive': {
      const inner = of(expression.of)
      return (row) => calculate('+', 0n, inner(row))
    }
    case 'and':
    case 'or':
      return junction(expression.of.map(of), expression.kind === 'or')
    case 'chain': {
      const first = of(expression.first)
      const rest = expression.rest.map(({ operator, by }) => ({ operator, by: of(by) }))
      return (row) => {
        let value = first(row)
        for (const { operator, by } of rest)
          value = operator === '||' ? concatenate(value, by(row)) : calculate(operator, value, by(row))
        return value
      }
    }
    case 'compare': {
      const { operator } = expression
      const [left, right] = [of(expression.left), of(expression.right)]
      return (row) => compareKnown(operator, left(row), right(row))
    }
    case 'between': {
      const [value, low, high] = [of(expression.of), of(expression.low), of(expression.high)]
      return junction(
        [(row) => compareKnown('>=', value(row), low(row)), (row) => compareKnown('<=', value(row), high(row))],
        false,
      )
    }
    case 'in':
      return compileIn(of(expression.of), expression.among, of)
    case 'like':
      return compileLike(expression, of)
    case 'is':
      return compileIs(of(expression.of), expression.what)
    case 'case':
      return compileCase(expression, of)
    case 'cast': {
      const { to } = expression
      const inner = of(expression.of)
      return (row) => cast(inner(row), to)
    }
    case 'aggregate':
      return compileAggregate(expression, how)
    case 'call': {
      const { name, part = '' } = expression
      const args = expression.args.map(of)
      const call = how.functions[name]
      if (!call) throw failure('UnsupportedFunction')
      return (row) =>
        call(
          args.map((arg) => arg(row)),
          part,
          how.now,
        )
    }
  }
}

const compilePath = <Row>(
  { root, steps }: Extract<Expression, { kind: 'path' }>,
  { binding, alias, rows }: Compiling<Row>,
): Evaluator<Row> => {
  if (!rows) throw failure('UnsupportedSqlStructure')
  const [first, ...others] = steps
  const named = isSame(root, alias.name)
  const start =
    !named || (first && 'name' in first)
      ? binding.field(named && first && 'name' in first ? first : root)
      : binding.whole()
  const rest = !named || !(first && 'name' in first) ? steps : others
  return rest.length === 0 ? start : (row) => rest.reduce(stepInto, start(row))
}

const compileIn = <Row>(
  value: Evaluator<Row>,
  among: readonly Expression[],
  of: (part: Expression) => Evaluator<Row>,
): Evaluator<Row> => {
  const texts = among.flatMap((each) => (each.kind === 'literal' && typeof each.value === 'string' ? [each.value] : []))
  const set = new Set(texts)
  const others = among.filter((each) => each.kind !== 'literal' || typeof each.value !== 'string').map(of)
  return (row) => {
    const wanted = value(row)
    if (isUnknown(wanted)) return wanted
    if (typeof wanted === 'string' && set.has(wanted)) return true
    let unknown = false
    for (const other of others) {
      const found = other(row)
      if (isUnknown(found)) unknown = true
      else if (areEqual(wanted, found)) return true
    }
    return unknown ? null : false
  }
}

const compileLike = <Row>(
  { of: value, pattern, escape: escaping }: Extract<Expression, { kind: 'like' }>,
  of: (part: Expression) => Evaluator<Row>,
): Evaluator<Row> => {
  const parts = [value, pattern, ...(escaping ? [escaping] : [])].map(of)
  let known: { readonly key: string; readonly matches: (text: string) => boolean } | undefined
  return (row) => {
    const found = parts.map((part) => part(row))
    if (found.some(isUnknown)) return found.includes(missing) ? missing : null
    const [text, form, mark] = found
    if (typeof text !== 'string' || typeof form !== 'string' || (mark !== undefined && typeof mark !== 'string'))
      throw failure('LikeInvalidInputs')
    const key = `${mark ?? ''} ${form}`
    if (known?.key !== key) known = { key, matches: likeMatcher(form, mark) }
    return known.matches(text)
  }
}

const compileIs =
  <Row>(value: Evaluator<Row>, what: 'null' | 'missing' | 'true' | 'false'): Evaluator<Row> =>
  (row) => {
    const found = value(row)
    if (what === 'null') return isUnknown(found)
    return what === 'missing' ? found === missing : found === (what === 'true')
  }

const compileCase = <Row>(
  { of: subject, when, otherwise }: Extract<Expression, { kind: 'case' }>,
  of: (part: Expression) => Evaluator<Row>,
): Evaluator<Row> => {
  const value = subject ? of(subject) : undefined
  const cases = when.map(({ condition, result }) => ({ condition: of(condition), result: of(result) }))
  const last: Evaluator<Row> = otherwise ? of(otherwise) : () => null
  return (row) => {
    const compared = value?.(row)
    for (const { condition, result } of cases) {
      const found = condition(row)
      const holds = compared === undefined ? truth(found) === true : compareKnown('=', compared, found) === true
      if (holds) return result(row)
    }
    return last(row)
  }
}

const compileAggregate = <Row>(
  { name, of }: Extract<Expression, { kind: 'aggregate' }>,
  how: Compiling<Row>,
): Evaluator<Row> => {
  if (!how.aggregates) throw failure('UnsupportedSqlStructure')
  const into = accumulator(name)
  const value: Evaluator<Row> = of ? compile(of, { ...how, aggregates: undefined, rows: true }) : () => true
  how.aggregates.push({ of: value, into })
  return into.value
}
