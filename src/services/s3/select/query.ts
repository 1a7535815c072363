import { type Binding, type Compiling, compile, type Evaluator } from './evaluate.ts'
import { failure } from './failure.ts'
import { scalarFunctions } from './functions.ts'
import type { Expression, Item, Query } from './syntax.ts'
import { isStruct, isUnknown, missing, type Value } from './value.ts'

// A query made into a function of its rows. A pure engine.

/** Names and values of a result, in order. */
export type Result = readonly (readonly [name: string, value: Value])[]

export type Running<Row> = {
  /** What a row adds to the results. */
  readonly row: (row: Row) => Result | undefined
  /** What there is to say after the last row. */
  readonly last: () => Result | undefined
  /** As many results as were asked for have been given: no further row counts. */
  readonly isFull: () => boolean
}

const parts = (expression: Expression): readonly Expression[] => {
  switch (expression.kind) {
    case 'list':
    case 'and':
    case 'or':
      return expression.of
    case 'chain':
      return [expression.first, ...expression.rest.map(({ by }) => by)]
    case 'compare':
      return [expression.left, expression.right]
    case 'between':
      return [expression.of, expression.low, expression.high]
    case 'in':
      return [expression.of, ...expression.among]
    case 'case':
      return [
        ...(expression.of ? [expression.of] : []),
        ...expression.when.flatMap(({ condition, result }) => [condition, result]),
        ...(expression.otherwise ? [expression.otherwise] : []),
      ]
    case 'call':
      return expression.args
    case 'step':
    case 'not':
    case 'negate':
    case 'positive':
    case 'is':
    case 'like':
    case 'cast':
      return [expression.of]
    default:
      return []
  }
}

const aggregates = (expression: Expression): boolean =>
  expression.kind === 'aggregate' || parts(expression).some(aggregates)

/** Whether a query asks for all records together instead of each. */
export const isAggregating = ({ items }: Query): boolean =>
  items?.some((item) => item.kind === 'expression' && aggregates(item.expression)) ?? false

/** A row as a result: its members, or itself where it has none. */
const resultOf = (value: Value): Result => {
  if (value === missing) return []
  return !isUnknown(value) && isStruct(value) ? value.fields : [['_1', value]]
}

/** Makes a query ready for rows of one kind. Throws UnsupportedSqlStructure, and what `compile` throws. */
export const startQuery = <Row>(query: Query, binding: Binding<Row>, now: Date): Running<Row> => {
  const base: Compiling<Row> = {
    binding,
    alias: query.alias,
    now,
    functions: scalarFunctions(),
    aggregates: undefined,
    rows: true,
  }
  const where = query.where ? compile(query.where, base) : undefined
  const limit = query.limit ?? Number.POSITIVE_INFINITY
  const passes = (row: Row): boolean => {
    if (!where) return true
    const found = where(row)
    if (!isUnknown(found) && typeof found !== 'boolean') throw failure('ExternalEvalException')
    return found === true
  }
  const items = query.items
  if (items && isAggregating(query)) return aggregating(items, base, passes, limit)
  const project = items ? projection(items, base) : everything(binding)
  let given = 0
  return {
    row: (row) => {
      if (given >= limit || !passes(row)) return undefined
      given += 1
      return project(row)
    },
    last: () => undefined,
    isFull: () => given >= limit,
  }
}

const everything = <Row>(binding: Binding<Row>): ((row: Row) => Result) => {
  const whole = binding.whole()
  return (row) => resultOf(whole(row))
}

const projection = <Row>(items: readonly Item[], how: Compiling<Row>): ((row: Row) => Result) => {
  const compiled = items.map((item) => ({
    name: item.kind === 'expression' ? item.name : undefined,
    of: compile(item.kind === 'expression' ? item.expression : item.of, how),
  }))
  return (row) =>
    compiled.flatMap(({ name, of }): Result => {
      const value = of(row)
      return name === undefined ? resultOf(value) : [[name, value]]
    })
}

const aggregating = <Row>(
  items: readonly Item[],
  base: Compiling<Row>,
  passes: (row: Row) => boolean,
  limit: number,
): Running<Row> => {
  const gathered: NonNullable<Compiling<Row>['aggregates']> = []
  const results = items.map((item): [string, Evaluator<Row>] => {
    if (item.kind !== 'expression') throw failure('UnsupportedSqlStructure')
    return [item.name, compile(item.expression, { ...base, aggregates: gathered, rows: false })]
  })
  return {
    row: (row) => {
      if (passes(row)) for (const { of, into } of gathered) into.add(of(row))
      return undefined
    },
    last: () => (limit === 0 ? undefined : results.map(([name, of]) => [name, of(undefined as Row)])),
    isFull: () => limit === 0,
  }
}
