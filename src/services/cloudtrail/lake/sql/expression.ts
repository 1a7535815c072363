import type { Expr, ExprBinary, ExprCall, ExprRef, ExprUnary, Statement } from 'pgsql-ast-parser'
import type { AuditRecord } from '../../../../kernel/audit.ts'
import { type Accumulator, aggregateMaker, isAggregate } from './aggregate.ts'
import { eventColumn, readEvent } from './columns.ts'
import type { Scalar } from './functions.ts'
import { elementAt } from './functions.ts'
import { StatementError } from './text.ts'
import { compare, keyOf, like, member, type Row, toNumber, toText, toTimestamp } from './value.ts'

/** What a name may be resolved in: events of a store, or rows with known columns. */
export type Source = {
  readonly alias: string | undefined
  /** `undefined`: events. */
  readonly columns: readonly string[] | undefined
}

/** One row of each source, and the aggregates of the group where there are any. */
export type Env = {
  readonly rows: readonly (Row | AuditRecord | undefined)[]
  readonly aggregates?: readonly unknown[]
}
export type Evaluate = (env: Env) => unknown

export type AggregateCall = {
  readonly make: () => Accumulator
  readonly args: readonly Evaluate[]
  readonly filter: Evaluate | undefined
}

export type Scope = {
  readonly sources: readonly Source[]
  readonly functions: Readonly<Record<string, Scalar>>
  readonly now: Date
  /** Results of subqueries, by their nodes. */
  readonly subqueries: ReadonlyMap<object, readonly (readonly unknown[])[]>
  /** Where aggregates are noted; `undefined` where none may be. */
  readonly aggregates: AggregateCall[] | undefined
}

const isNull = (value: unknown): value is null | undefined => value === null || value === undefined
const same = (a: string | undefined, b: string) => a?.toLowerCase() === b.toLowerCase()
const unsupported = (what: string) => new StatementError(`${what} is not supported.`)

/** The parts of a name: `userIdentity.arn` came as one quoted name. */
export const partsOf = (ref: ExprRef): string[] => [...(ref.table ? [ref.table.name] : []), ...ref.name.split('.')]

const columnOf = (source: Source, name: string): string | undefined =>
  source.columns ? source.columns.find((column) => same(column, name)) : eventColumn(name)

/** Which source and column a name means, and the fields below it. Throws StatementError. */
export const resolve = (ref: ExprRef, sources: readonly Source[]): { at: number; column: string; fields: string[] } => {
  const parts = partsOf(ref)
  const qualified = parts.length > 1 ? sources.findIndex(({ alias }) => same(alias, parts[0] ?? '')) : -1
  const [name = '', ...fields] = qualified >= 0 ? parts.slice(1) : parts
  const whole = ref.name
  const found = sources.flatMap((source, at) => {
    if (qualified >= 0 && at !== qualified) return []
    // A derived column may have a dot in its name.
    const exact = qualified < 0 && source.columns?.includes(whole) ? whole : undefined
    const column = exact ?? columnOf(source, name)
    return column === undefined ? [] : [{ at, column, fields: exact === undefined ? fields : [] }]
  })
  if (found.length > 1) throw new StatementError(`Column '${parts.join('.')}' is ambiguous.`)
  const [only] = found
  if (!only) throw new StatementError(`Column '${parts.join('.')}' cannot be resolved.`)
  return only
}

const refer = (ref: ExprRef, { sources }: Scope): Evaluate => {
  const { at, column, fields } = resolve(ref, sources)
  const events = sources[at]?.columns === undefined
  return ({ rows }) => {
    const row = rows[at]
    if (row === undefined) return null
    let value = events ? readEvent(row as AuditRecord, column) : ((row as Row)[column] ?? null)
    for (const field of fields) value = member(value, field)
    return value ?? null
  }
}

const arithmetic: Readonly<Record<string, (a: number, b: number) => number | null>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => {
    if (b === 0) throw new StatementError('Division by zero')
    return Number.isInteger(a) && Number.isInteger(b) ? Math.trunc(a / b) : a / b
  },
  '%': (a, b) => {
    if (b === 0) throw new StatementError('Division by zero')
    return a % b
  },
}

const comparisons: Readonly<Record<string, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '!=': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
}

const binary = (expr: ExprBinary, scope: Scope): Evaluate => {
  const { op } = expr
  if (op === 'IN' || op === 'NOT IN') return inList(expr, scope)
  const left = compile(expr.left, scope)
  const right = compile(expr.right, scope)
  if (op === 'AND')
    return (env) => {
      const a = left(env)
      if (a === false) return false
      const b = right(env)
      return b === false ? false : isNull(a) || isNull(b) ? null : true
    }
  if (op === 'OR')
    return (env) => {
      const a = left(env)
      if (a === true) return true
      const b = right(env)
      return b === true ? true : isNull(a) || isNull(b) ? null : false
    }
  const both =
    (compute: (a: unknown, b: unknown) => unknown): Evaluate =>
    (env) => {
      const a = left(env)
      if (isNull(a)) return null
      const b = right(env)
      return isNull(b) ? null : compute(a, b)
    }
  const holds = comparisons[op]
  if (holds)
    return both((a, b) => {
      const order = compare(a, b)
      return Number.isNaN(order) ? null : holds(order)
    })
  const computes = arithmetic[op]
  if (computes)
    return both((a, b) => {
      const [x, y] = [toNumber(a), toNumber(b)]
      return x === null || y === null ? null : computes(x, y)
    })
  switch (op) {
    case '||':
      return both((a, b) => toText(a) + toText(b))
    case 'LIKE':
      return both((a, b) => like(toText(a), toText(b)))
    case 'NOT LIKE':
      return both((a, b) => !like(toText(a), toText(b)))
    default:
      throw unsupported(`Operator ${op}`)
  }
}

const inList = ({ left, right, op }: ExprBinary, scope: Scope): Evaluate => {
  const value = compile(left, scope)
  const negated = op === 'NOT IN'
  const rows = scope.subqueries.get(right)
  const among = (found: boolean, hasNull: boolean) => (found ? !negated : hasNull ? null : negated)
  if (rows) {
    const keys = new Set(rows.map(([item]) => keyOf(item ?? null)))
    return (env) => {
      const wanted = value(env)
      return isNull(wanted) ? null : among(keys.has(keyOf(wanted)), keys.has('null'))
    }
  }
  // A list of one comes as that one.
  const items = (right.type === 'list' ? right.expressions : [right]).map((item) => compile(item, scope))
  return (env) => {
    const wanted = value(env)
    if (isNull(wanted)) return null
    const values = items.map((item) => item(env))
    const found = values.some((item) => !isNull(item) && compare(wanted, item) === 0)
    return among(found, values.some(isNull))
  }
}

const unary = ({ op, operand }: ExprUnary, scope: Scope): Evaluate => {
  const value = compile(operand, scope)
  switch (op) {
    case 'NOT':
      return (env) => {
        const found = value(env)
        return isNull(found) ? null : !found
      }
    case '-':
      return (env) => {
        const found = toNumber(value(env))
        return found === null ? null : -found
      }
    case '+':
      return value
    case 'IS NULL':
      return (env) => isNull(value(env))
    case 'IS NOT NULL':
      return (env) => !isNull(value(env))
    case 'IS TRUE':
      return (env) => value(env) === true
    case 'IS NOT TRUE':
      return (env) => value(env) !== true
    case 'IS FALSE':
      return (env) => value(env) === false
    case 'IS NOT FALSE':
      return (env) => value(env) !== false
    default:
      throw unsupported(`Operator ${op}`)
  }
}

const cast = (type: string, value: unknown): unknown => {
  if (isNull(value)) return null
  switch (type.toLowerCase()) {
    case 'varchar':
    case 'text':
    case 'char':
      return toText(value)
    case 'integer':
    case 'int':
    case 'bigint':
    case 'smallint':
    case 'tinyint': {
      const number = toNumber(value)
      return number === null ? null : Math.round(number)
    }
    case 'double':
    case 'double precision':
    case 'real':
    case 'decimal':
    case 'numeric':
      return toNumber(value)
    case 'boolean':
      return typeof value === 'boolean' ? value : /^(true|t|1)$/i.test(toText(value))
    case 'timestamp':
      return toTimestamp(value) ?? null
    case 'date': {
      const time = toTimestamp(value)
      return time ? new Date(Math.floor(time.getTime() / 86_400_000) * 86_400_000) : null
    }
    case 'json':
      return value
    default:
      throw unsupported(`A cast to ${type}`)
  }
}

/** Functions that see null arguments themselves. */
const lazy: Readonly<Record<string, (args: readonly Evaluate[]) => Evaluate>> = {
  coalesce: (args) => (env) => {
    for (const arg of args) {
      const value = arg(env)
      if (!isNull(value)) return value
    }
    return null
  },
  nullif:
    ([first = () => null, second = () => null]) =>
    (env) => {
      const [a, b] = [first(env), second(env)]
      return !isNull(a) && !isNull(b) && compare(a, b) === 0 ? null : a
    },
  if:
    ([condition = () => null, yes = () => null, no = () => null]) =>
    (env) =>
      condition(env) === true ? yes(env) : no(env),
}

const call = (expr: ExprCall, scope: Scope): Evaluate => {
  const name = expr.function.name.toLowerCase()
  if (expr.over) throw unsupported('A window function')
  if (name === 'exists') {
    const rows = scope.subqueries.get(expr.args[0] ?? {})
    if (!rows) throw unsupported('EXISTS over anything but a subquery')
    return () => rows.length > 0
  }
  if (isAggregate(name)) return aggregate(name, expr, scope)
  const args = expr.args.map((arg) => compile(arg, scope))
  const special = lazy[name]
  if (special && Object.hasOwn(lazy, name)) return special(args)
  const scalar = Object.hasOwn(scope.functions, name) ? scope.functions[name] : undefined
  if (!scalar) throw new StatementError(`Function '${name}' not registered`)
  return (env) => {
    const values = args.map((arg) => arg(env))
    return values.some(isNull) ? null : scalar(...values)
  }
}

const aggregate = (name: string, expr: ExprCall, scope: Scope): Evaluate => {
  const { aggregates } = scope
  if (!aggregates) throw new StatementError(`The aggregate function ${name} cannot be used here.`)
  const inside = { ...scope, aggregates: undefined }
  const [first] = expr.args
  const everything = first?.type === 'ref' && first.name === '*'
  const args = everything || !first ? [() => 1] : expr.args.map((arg) => compile(arg, inside))
  const filter = expr.filter ? compile(expr.filter, inside) : undefined
  const at = aggregates.push({ make: aggregateMaker(name, expr.distinct === 'distinct'), args, filter }) - 1
  return (env) => env.aggregates?.[at] ?? null
}

/** An expression as a function of rows. Throws StatementError for what is wrong or not supported. */
export const compile = (expr: Expr, scope: Scope): Evaluate => {
  switch (expr.type) {
    case 'ref':
      return refer(expr, scope)
    case 'string':
    case 'integer':
    case 'numeric':
    case 'boolean':
    case 'constant': {
      const { value } = expr
      return () => value
    }
    case 'null':
      return () => null
    case 'binary':
      return binary(expr, scope)
    case 'unary':
      return unary(expr, scope)
    case 'ternary': {
      const [value, low, high] = [expr.value, expr.lo, expr.hi].map((part) => compile(part, scope))
      const negated = expr.op === 'NOT BETWEEN'
      return (env) => {
        const [found, from, to] = [value?.(env), low?.(env), high?.(env)]
        if (isNull(found) || isNull(from) || isNull(to)) return null
        return (compare(found, from) >= 0 && compare(found, to) <= 0) !== negated
      }
    }
    case 'case': {
      const subject = expr.value ? compile(expr.value, scope) : undefined
      const whens = expr.whens.map(({ when, value }) => ({ when: compile(when, scope), value: compile(value, scope) }))
      const otherwise = expr.else ? compile(expr.else, scope) : () => null
      return (env) => {
        const wanted = subject?.(env)
        for (const { when, value } of whens) {
          const found = when(env)
          if (subject ? !isNull(wanted) && !isNull(found) && compare(wanted, found) === 0 : found === true)
            return value(env)
        }
        return otherwise(env)
      }
    }
    case 'cast': {
      const value = compile(expr.operand, scope)
      const type = 'name' in expr.to ? expr.to.name : 'array'
      cast(type, null)
      return (env) => cast(type, value(env))
    }
    case 'call':
      return call(expr, scope)
    case 'arrayIndex': {
      const [holder, index] = [compile(expr.array, scope), compile(expr.index, scope)]
      return (env) => {
        const [value, at] = [holder(env), index(env)]
        return elementAt(value, at) ?? (typeof at === 'string' ? member(value, at) : null)
      }
    }
    case 'member': {
      const holder = compile(expr.operand, scope)
      const name = String(expr.member)
      return (env) => member(holder(env), name)
    }
    case 'keyword':
      if (/^current_timestamp|localtimestamp$/.test(expr.keyword)) return () => scope.now
      if (expr.keyword === 'current_date') return () => cast('date', scope.now)
      throw unsupported(expr.keyword)
    case 'extract': {
      const value = compile(expr.from, scope)
      const part = scope.functions[expr.field.name.toLowerCase()]
      if (!part) throw unsupported(`EXTRACT of ${expr.field.name}`)
      return (env) => {
        const found = value(env)
        return isNull(found) ? null : part(found)
      }
    }
    case 'substring': {
      const value = compile(expr.value, scope)
      const from = expr.from ? compile(expr.from, scope) : () => 1
      const length = expr.for ? compile(expr.for, scope) : () => undefined
      return (env) => scope.functions.substr?.(value(env), from(env), length(env))
    }
    case 'select':
    case 'union':
    case 'union all':
    case 'with': {
      const rows = scope.subqueries.get(expr)
      if (!rows) throw unsupported('A subquery here')
      return () => {
        if (rows.length > 1) throw new StatementError('Scalar sub-query has returned multiple rows')
        return rows[0]?.[0] ?? null
      }
    }
    default:
      throw unsupported(`An expression of the kind ${expr.type}`)
  }
}

type Node = Readonly<Record<string, unknown>>
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null
const isQuery = (node: Node): boolean => /^(select|union|union all|with|with recursive|values)$/.test(String(node.type))

/** Subqueries in an expression, not those within them. */
export const subqueriesIn = (node: unknown): Statement[] => {
  if (!isNode(node)) return []
  if (isQuery(node)) return [node as unknown as Statement]
  return Object.values(node).flatMap(subqueriesIn)
}

/** Names in an expression outside of aggregates, subqueries and the expressions that `covered` holds. */
export const looseNames = (node: unknown, covered: ReadonlySet<string>): ExprRef[] => {
  if (!isNode(node) || isQuery(node) || covered.has(JSON.stringify(node))) return []
  if (node.type === 'ref') return [node as unknown as ExprRef]
  if (node.type === 'call' && isNode(node.function) && isAggregate(String(node.function.name).toLowerCase())) return []
  return Object.values(node).flatMap((inner) => looseNames(inner, covered))
}

/** Whether an expression has an aggregate of this query. */
export const aggregates = (node: unknown): boolean => {
  if (!isNode(node) || isQuery(node)) return false
  if (node.type === 'call' && isNode(node.function) && isAggregate(String(node.function.name).toLowerCase()))
    return true
  return Object.values(node).some(aggregates)
}
