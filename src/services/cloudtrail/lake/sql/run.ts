import type { Expr, From, OrderByStatement, SelectFromStatement, Statement } from 'pgsql-ast-parser'
import type { AuditRecord } from '../../../../kernel/audit.ts'
import type { Accumulator } from './aggregate.ts'
import { eventColumn, eventColumns } from './columns.ts'
import {
  type AggregateCall,
  aggregates,
  compile,
  type Env,
  type Evaluate,
  looseNames,
  partsOf,
  resolve,
  type Scope,
  type Source,
  subqueriesIn,
} from './expression.ts'
import { scalarFunctions } from './functions.ts'
import { StatementError } from './text.ts'
import { compare, keyOf, type Row, toTimestamp } from './value.ts'

/** Where events come from; told how many were looked at. */
export type Events = (store: string, range: { from?: number; to?: number }) => AsyncIterable<readonly AuditRecord[]>

export type Result = { readonly columns: readonly string[]; readonly rows: readonly (readonly unknown[])[] }

/** Rows a result, a group by, a join's right side or a subquery may have. */
const MOST_ROWS = 100_000
/** Pairs of rows that joins without an equality look at. */
const MOST_PAIRS = 5_000_000

type Ctes = ReadonlyMap<string, Statement>
type Parts = {
  readonly events: Events
  readonly scope: Omit<Scope, 'sources' | 'subqueries' | 'aggregates'>
  readonly matched: (count: number) => void
}

const tooMany = (what: string) => new StatementError(`${what} has more than ${MOST_ROWS} rows.`)
const unsupported = (what: string) => new StatementError(`${what} is not supported.`)

/** Runs a parsed query. Throws StatementError; what `events` throws passes through. */
export const runQuery = (
  statement: Statement,
  events: Events,
  now: Date,
  matched: (count: number) => void,
): Promise<Result> => query(statement, { events, matched, scope: { functions: scalarFunctions(now), now } }, new Map())

const query = async (statement: Statement, parts: Parts, ctes: Ctes): Promise<Result> => {
  switch (statement.type) {
    case 'select':
      return select(statement, parts, ctes)
    case 'with': {
      const known = new Map(ctes)
      for (const { alias, statement: bound } of statement.bind) known.set(alias.name.toLowerCase(), bound)
      return query(statement.in, parts, known)
    }
    case 'union':
    case 'union all': {
      // The parser hangs an ORDER BY and a LIMIT at the end on the last query of the union; they are the union's.
      const right = statement.right
      const last = right.type === 'select' ? right : undefined
      const { orderBy, limit, ...bare } = last ?? { orderBy: undefined, limit: undefined }
      const first = await query(statement.left, parts, ctes)
      const second = await query(last ? (bare as SelectFromStatement) : right, parts, ctes)
      if (first.columns.length !== second.columns.length)
        throw new StatementError('UNION query has different number of fields.')
      let rows = [...first.rows, ...second.rows]
      if (rows.length > MOST_ROWS) throw tooMany('A union')
      if (statement.type === 'union') rows = distinct(rows)
      const keyed = rows.map((row) => ({
        row,
        keys: (orderBy ?? []).map(({ by }) => row[outputIndex(by, first.columns)]),
      }))
      return { columns: first.columns, rows: limited(sorted(keyed, orderBy ?? []), limit) }
    }
    default:
      throw unsupported(`A statement other than SELECT (${statement.type})`)
  }
}

const distinct = (rows: readonly (readonly unknown[])[]) => {
  const seen = new Set<string>()
  return rows.filter((row) => {
    const key = row.map(keyOf).join('\0')
    return !seen.has(key) && seen.add(key)
  })
}

const outputIndex = (by: Expr, columns: readonly string[]): number => {
  const at =
    by.type === 'integer'
      ? by.value - 1
      : by.type === 'ref'
        ? columns.findIndex((name) => name.toLowerCase() === by.name.toLowerCase())
        : -1
  if (at < 0 || at >= columns.length) throw new StatementError('ORDER BY of a union names a column of its result.')
  return at
}

type Keyed = { readonly row: readonly unknown[]; readonly keys: readonly unknown[] }

const sorted = (keyed: readonly Keyed[], order: readonly OrderByStatement[]): readonly (readonly unknown[])[] => {
  if (order.length === 0) return keyed.map(({ row }) => row)
  const directions = order.map(({ order: direction, nulls }) => ({
    sign: direction === 'DESC' ? -1 : 1,
    nullsFirst: nulls === 'FIRST',
  }))
  return [...keyed]
    .sort((a, b) => {
      for (const [at, { sign, nullsFirst }] of directions.entries()) {
        const [x, y] = [a.keys[at] ?? null, b.keys[at] ?? null]
        if (x === null || y === null) {
          if (x === y) continue
          return (x === null) === nullsFirst ? -1 : 1
        }
        const result = compare(x, y)
        if (result !== 0 && !Number.isNaN(result)) return sign * result
      }
      return 0
    })
    .map(({ row }) => row)
}

const constant = (expr: Expr | null | undefined): number | undefined => {
  if (!expr) return undefined
  if (expr.type !== 'integer') throw unsupported('A LIMIT or OFFSET that is no number')
  return expr.value
}

const limited = <T>(rows: readonly T[], limit: SelectFromStatement['limit']): readonly T[] => {
  const from = constant(limit?.offset) ?? 0
  const count = constant(limit?.limit)
  return rows.slice(from, count === undefined ? undefined : from + count)
}

// FROM

type Read = Source & {
  readonly rows: (range: { from?: number; to?: number }) => AsyncIterable<readonly (Row | AuditRecord)[]>
}

async function* once<T>(rows: readonly T[]): AsyncGenerator<readonly T[]> {
  yield rows
}

const derived = async (statement: Statement, alias: string | undefined, parts: Parts, ctes: Ctes): Promise<Read> => {
  const { columns, rows } = await query(statement, parts, ctes)
  const named = rows.map((row) => Object.fromEntries(columns.map((column, at) => [column, row[at]])))
  return { alias, columns, rows: () => once(named) }
}

const readFrom = async (from: From, parts: Parts, ctes: Ctes): Promise<Read> => {
  if (from.type === 'table') {
    const { name, alias = name } = from.name
    const bound = ctes.get(name.toLowerCase())
    if (bound) {
      // A query sees those before it, so that none goes round in circles.
      const before = new Map([...ctes].slice(0, [...ctes.keys()].indexOf(name.toLowerCase())))
      return derived(bound, alias, parts, before)
    }
    return { alias, columns: undefined, rows: (range) => parts.events(name.toLowerCase(), range) }
  }
  if (from.type === 'statement') return derived(from.statement, from.alias, parts, ctes)
  throw unsupported('UNNEST or a function in FROM')
}

const conjuncts = (expr: Expr | null | undefined): Expr[] =>
  !expr
    ? []
    : expr.type === 'binary' && expr.op === 'AND'
      ? [...conjuncts(expr.left), ...conjuncts(expr.right)]
      : [expr]

/** Bounds that WHERE sets on eventTime, so that a store is read no further than needed. Milliseconds. */
const timeRange = (where: Expr | null | undefined): { from?: number; to?: number } => {
  let from: number | undefined
  let to: number | undefined
  const isTime = (expr: Expr) => expr.type === 'ref' && partsOf(expr).at(-1)?.toLowerCase() === 'eventtime'
  const timeOf = (expr: Expr): number | undefined => {
    const text = expr.type === 'cast' ? expr.operand : expr
    return text.type === 'string' ? toTimestamp(text.value)?.getTime() : undefined
  }
  const bound = (op: string, time: number) => {
    if (op === '>' || op === '>=' || op === '=') from = Math.max(from ?? time, time)
    // Events are stored to the millisecond and shown to the second.
    if (op === '<' || op === '<=' || op === '=') to = Math.min(to ?? time + 1000, time + 1000)
  }
  for (const expr of conjuncts(where)) {
    if (expr.type === 'ternary' && expr.op === 'BETWEEN' && isTime(expr.value)) {
      const [low, high] = [timeOf(expr.lo), timeOf(expr.hi)]
      if (low !== undefined) bound('>=', low)
      if (high !== undefined) bound('<=', high)
    }
    if (expr.type !== 'binary') continue
    const turned = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '=': '=' }[String(expr.op)]
    const [right, left] = [timeOf(expr.right), timeOf(expr.left)]
    if (isTime(expr.left) && right !== undefined) bound(expr.op, right)
    else if (isTime(expr.right) && left !== undefined && turned) bound(turned, left)
  }
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
}

type Tuple = readonly (Row | AuditRecord | undefined)[]

/** Rows of a join: the left ones as they come, the right ones held. */
async function* joined(
  left: AsyncIterable<readonly Tuple[]>,
  right: Read,
  from: From,
  scope: Scope,
): AsyncGenerator<readonly Tuple[]> {
  const held: (Row | AuditRecord)[] = []
  for await (const chunk of right.rows({})) {
    held.push(...chunk)
    if (held.length > MOST_ROWS) throw tooMany('The right side of a join')
  }
  const at = scope.sources.length - 1
  const kind = from.join?.type ?? 'CROSS JOIN'
  if (kind !== 'INNER JOIN' && kind !== 'LEFT JOIN' && kind !== 'CROSS JOIN') throw unsupported(kind)
  const { equal, rest } = conditions(from, scope, at)
  const index = new Map<string, (Row | AuditRecord)[]>()
  if (equal) {
    const empty: undefined[] = Array.from({ length: at })
    for (const row of held) {
      const value = equal.right({ rows: [...empty, row] })
      if (value !== null) index.set(keyOf(value), [...(index.get(keyOf(value)) ?? []), row])
    }
  }
  let pairs = 0
  for await (const chunk of left) {
    const out: Tuple[] = []
    for (const tuple of chunk) {
      const value = equal?.left({ rows: tuple })
      const candidates = equal ? (value === null ? [] : (index.get(keyOf(value)) ?? [])) : held
      let found = false
      pairs += candidates.length
      if (pairs > MOST_PAIRS) throw new StatementError('The join looks at too many pairs of rows.')
      for (const row of candidates) {
        const both = [...tuple, row]
        if (rest && rest({ rows: both }) !== true) continue
        found = true
        out.push(both)
      }
      if (!found && kind === 'LEFT JOIN') out.push([...tuple, undefined])
    }
    if (out.length > MOST_ROWS * 10) throw tooMany('A join')
    yield out
  }
}

/** One equality between the sides to look rows up by, and what else must hold. */
const conditions = (from: From, scope: Scope, at: number) => {
  const using = from.join?.using?.map(({ name }): Expr => {
    const column = (alias: string | undefined): Expr => ({
      type: 'ref',
      name,
      ...(alias ? { table: { name: alias } } : {}),
    })
    return { type: 'binary', op: '=', left: column(scope.sources[0]?.alias), right: column(scope.sources[at]?.alias) }
  })
  const all = using ?? conjuncts(from.join?.on)
  const side = (expr: Expr): 'left' | 'right' | 'both' => {
    const sides = new Set(
      looseNames(expr, new Set()).map((ref) => (resolve(ref, scope.sources).at === at ? 'right' : 'left')),
    )
    return sides.size === 1 ? ([...sides][0] ?? 'both') : 'both'
  }
  const chosen = all.find(
    (expr) =>
      expr.type === 'binary' && expr.op === '=' && [side(expr.left), side(expr.right)].sort().join() === 'left,right',
  )
  const others = all.filter((expr) => expr !== chosen).map((expr) => compile(expr, scope))
  const rest = others.length === 0 ? undefined : (env: Env) => others.every((holds) => holds(env) === true)
  if (chosen?.type !== 'binary') return { equal: undefined, rest }
  const [left, right] = side(chosen.left) === 'left' ? [chosen.left, chosen.right] : [chosen.right, chosen.left]
  return { equal: { left: compile(left, scope), right: compile(right, scope) }, rest }
}

// SELECT

type Output = { readonly name: string; readonly expr: Expr }

const nameOf = (expr: Expr, at: number, sources: readonly Source[]): string => {
  if (expr.type !== 'ref') return `_col${at}`
  const { column, fields } = resolve(expr, sources)
  return fields.at(-1) ?? eventColumn(column) ?? column
}

/** The columns a SELECT gives, `*` spelt out. */
const outputsOf = (statement: SelectFromStatement, sources: readonly Source[]): Output[] =>
  (statement.columns ?? []).flatMap(({ expr, alias }, at): Output[] => {
    const star = expr.type === 'ref' && (expr.name === '*' || expr.name.endsWith('.*'))
    if (!star) return [{ name: alias?.name ?? nameOf(expr, at, sources), expr }]
    const of = expr.table?.name ?? (expr.name.length > 1 ? expr.name.slice(0, -2) : undefined)
    const chosen = sources.filter(({ alias: own }) => of === undefined || own?.toLowerCase() === of.toLowerCase())
    if (chosen.length === 0) throw new StatementError('SELECT * not allowed in queries without FROM clause')
    return chosen.flatMap((source) =>
      (source.columns ?? eventColumns).map((name) => ({
        name,
        expr: { type: 'ref' as const, name, ...(source.alias ? { table: { name: source.alias } } : {}) },
      })),
    )
  })

/** An expression of GROUP BY or ORDER BY that stands for an output: by its number or its alias. */
const standsFor = (expr: Expr, outputs: readonly Output[], sources: readonly Source[], clause: string): Expr => {
  if (expr.type === 'integer') {
    const output = outputs[expr.value - 1]
    if (!output) throw new StatementError(`${clause} position ${expr.value} is not in select list`)
    return output.expr
  }
  if (expr.type !== 'ref' || expr.table) return expr
  const output = outputs.find(({ name, expr: own }) => name.toLowerCase() === expr.name.toLowerCase() && own !== expr)
  if (!output) return expr
  if (clause === 'ORDER BY') return output.expr
  try {
    resolve(expr, sources)
    return expr
  } catch {
    return output.expr
  }
}

const select = async (statement: SelectFromStatement, parts: Parts, ctes: Ctes): Promise<Result> => {
  const froms = statement.from ?? []
  const reads: Read[] = []
  for (const from of froms) reads.push(await readFrom(from, parts, ctes))
  const sources: Source[] = reads.map(({ alias, columns }) => ({ alias, columns }))
  const outputs = outputsOf(statement, sources)
  const groups = (statement.groupBy ?? []).map((expr) => standsFor(expr, outputs, sources, 'GROUP BY'))
  const order = statement.orderBy ?? []
  const orders = order.map(({ by }) => standsFor(by, outputs, sources, 'ORDER BY'))
  const subqueries = new Map<object, Result['rows']>()
  for (const inner of subqueriesIn([
    outputs.map(({ expr }) => expr),
    statement.where,
    groups,
    statement.having,
    orders,
    froms.map(({ join }) => join?.on),
  ]))
    subqueries.set(inner, (await query(inner, parts, ctes)).rows)
  const scope: Scope = { ...parts.scope, sources, subqueries, aggregates: undefined }

  const tuples = fromTuples(froms, reads, scope, statement.where)
  const where = statement.where ? compile(statement.where, scope) : undefined
  const isGrouped =
    groups.length > 0 || statement.having || [...outputs.map(({ expr }) => expr), ...orders].some(aggregates)
  const columns = outputs.map(({ name }) => name)
  const facts = { statement, outputs, groups, orders, scope, where, matched: parts.matched }
  const keyed = isGrouped ? await grouped(tuples, facts) : await plain(tuples, facts)
  if (!statement.distinct) return { columns, rows: limited(sorted(keyed, order), statement.limit) }
  if (statement.distinct !== 'distinct') throw unsupported('DISTINCT ON')
  return { columns, rows: limited(distinct(sorted(keyed, order)), statement.limit) }
}

const fromTuples = (
  froms: readonly From[],
  reads: readonly Read[],
  scope: Scope,
  where: Expr | null | undefined,
): AsyncIterable<readonly Tuple[]> => {
  const [first, ...others] = reads
  if (!first) return once<Tuple>([[]])
  const range = reads.length === 1 && first.columns === undefined ? timeRange(where) : {}
  let tuples: AsyncIterable<readonly Tuple[]> = (async function* () {
    for await (const chunk of first.rows(range)) yield chunk.map((row) => [row])
  })()
  for (const [at, read] of others.entries()) {
    const from = froms[at + 1]
    if (from) tuples = joined(tuples, read, from, { ...scope, sources: scope.sources.slice(0, at + 2) })
  }
  return tuples
}

type Facts = {
  readonly statement: SelectFromStatement
  readonly outputs: readonly Output[]
  readonly groups: readonly Expr[]
  readonly orders: readonly Expr[]
  readonly scope: Scope
  readonly where: Evaluate | undefined
  readonly matched: (count: number) => void
}

const plain = async (tuples: AsyncIterable<readonly Tuple[]>, facts: Facts): Promise<Keyed[]> => {
  const { statement, scope, where } = facts
  const outputs = facts.outputs.map(({ expr }) => compile(expr, scope))
  const orders = facts.orders.map((expr) => compile(expr, scope))
  const wanted = (constant(statement.limit?.limit) ?? MOST_ROWS) + (constant(statement.limit?.offset) ?? 0)
  const enough = orders.length === 0 && !statement.distinct ? wanted : Number.MAX_SAFE_INTEGER
  let keyed: Keyed[] = []
  for await (const chunk of tuples) {
    for (const rows of chunk) {
      const env = { rows }
      if (where && where(env) !== true) continue
      facts.matched(1)
      keyed.push({ row: outputs.map((value) => value(env)), keys: orders.map((value) => value(env)) })
      if (keyed.length >= enough) return keyed
    }
    if (keyed.length <= MOST_ROWS) continue
    // Only the best so far are kept where the order says which those are.
    if (statement.distinct || statement.limit?.limit === undefined || wanted > MOST_ROWS / 2)
      throw tooMany('The result')
    const best = new Set(sorted(keyed, statement.orderBy ?? []).slice(0, wanted))
    keyed = keyed.filter(({ row }) => best.has(row))
  }
  return keyed
}

const grouped = async (tuples: AsyncIterable<readonly Tuple[]>, facts: Facts): Promise<Keyed[]> => {
  const { statement, where } = facts
  const covered = new Set(facts.groups.map((expr) => JSON.stringify(expr)))
  for (const expr of [
    ...facts.outputs.map((output) => output.expr),
    ...(statement.having ? [statement.having] : []),
    ...facts.orders,
  ]) {
    const [loose] = looseNames(expr, covered)
    if (loose)
      throw new StatementError(
        `'${partsOf(loose).join('.')}' must be an aggregate expression or appear in GROUP BY clause`,
      )
  }
  const calls: AggregateCall[] = []
  const scope: Scope = { ...facts.scope, aggregates: calls }
  const keys = facts.groups.map((expr) => compile(expr, facts.scope))
  const outputs = facts.outputs.map(({ expr }) => compile(expr, scope))
  const orders = facts.orders.map((expr) => compile(expr, scope))
  const having = statement.having ? compile(statement.having, scope) : undefined
  const found = new Map<string, { readonly rows: Tuple; readonly running: readonly Accumulator[] }>()
  const begin = (rows: Tuple) => ({ rows, running: calls.map(({ make }) => make()) })
  for await (const chunk of tuples)
    for (const rows of chunk) {
      const env = { rows }
      if (where && where(env) !== true) continue
      facts.matched(1)
      const key = keys.map((value) => keyOf(value(env) ?? null)).join('\0')
      let group = found.get(key)
      if (!group) {
        group = begin(rows)
        found.set(key, group)
        if (found.size > MOST_ROWS) throw tooMany('A grouping')
      }
      for (const [at, { args, filter }] of calls.entries())
        if (!filter || filter(env) === true) group.running[at]?.add(args.map((value) => value(env)))
    }
  if (found.size === 0 && keys.length === 0) found.set('', begin([]))
  const keyed: Keyed[] = []
  for (const { rows, running } of found.values()) {
    const env: Env = { rows, aggregates: running.map((accumulator) => accumulator.value()) }
    if (having && having(env) !== true) continue
    keyed.push({ row: outputs.map((value) => value(env)), keys: orders.map((value) => value(env)) })
  }
  return keyed
}

/** Names of the tables a statement reads that are no names of its own: event data stores. */
export const storesIn = (statement: Statement): string[] => {
  const own = new Set<string>()
  const found = new Set<string>()
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    if (Array.isArray(node)) {
      for (const item of node) walk(item)
      return
    }
    const { type, name, alias, statement: bound } = node as Record<string, unknown>
    if (type === 'table' && typeof name === 'object' && name !== null)
      found.add(String(Reflect.get(name, 'name')).toLowerCase())
    if (bound && typeof alias === 'object' && alias !== null) own.add(String(Reflect.get(alias, 'name')).toLowerCase())
    for (const value of Object.values(node)) walk(value)
  }
  walk(statement)
  return [...found].filter((name) => !own.has(name))
}

/** Compiles without reading anything: every name, function and clause of the statement is looked at. */
export const checkQuery = async (statement: Statement, now: Date): Promise<void> => {
  const nothing: Events = () => once([])
  await runQuery(statement, nothing, now, () => undefined)
}
