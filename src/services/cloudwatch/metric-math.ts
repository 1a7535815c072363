import { notImplemented } from '../../kernel/errors.ts'
import { type Expression, namesIn, type Operator, parseExpression } from './metric-expression.ts'
import { invalid } from './operation.ts'

// Metric math over time series ("Using math expressions with CloudWatch metrics", CloudWatch user guide). Pure.

/** Values by the beginning of their periods (epoch milliseconds), in ascending order; what has no value is missing. */
export type Series = { readonly label: string; readonly points: ReadonlyMap<number, number> }

/** The times an answer is about: periods (milliseconds) from `start` up to `end`, exclusive. */
export type Grid = { readonly start: number; readonly end: number; readonly period: number }

type Value = number | string | Series | readonly Series[]

export type Scope = {
  readonly grid: Grid
  /** What ids stand for: the series of metrics, the results of other expressions. */
  readonly values: ReadonlyMap<string, readonly Series[] | Series>
  /** Ids of the metrics, in the order they were asked for. */
  readonly metrics: readonly string[]
}

const isArray = (value: Value): value is readonly Series[] => Array.isArray(value)
const isSeries = (value: Value): value is Series => typeof value === 'object' && !isArray(value)

const timesOf = ({ start, end, period }: Grid): number[] => {
  const times: number[] = []
  for (let time = start; time < end; time += period) times.push(time)
  return times
}

const operators: Readonly<Record<Operator, (left: number, right: number) => number>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '^': (left, right) => left ** right,
  '==': (left, right) => Number(left === right),
  '!=': (left, right) => Number(left !== right),
  '<': (left, right) => Number(left < right),
  '>': (left, right) => Number(left > right),
  '<=': (left, right) => Number(left <= right),
  '>=': (left, right) => Number(left >= right),
  '&&': (left, right) => Number(left !== 0 && right !== 0),
  '||': (left, right) => Number(left !== 0 || right !== 0),
}

/** Each value of a series changed; what is no finite number is missing. */
const mapped = (series: Series, change: (value: number, time: number) => number | undefined): Series => {
  const points = new Map<number, number>()
  for (const [time, value] of series.points) {
    const changed = change(value, time)
    if (changed !== undefined && Number.isFinite(changed)) points.set(time, changed)
  }
  return { label: series.label, points }
}

/** Each value beside the one before it. */
const stepwise = (
  series: Series,
  step: (now: [number, number], before: [number, number]) => number | undefined,
): Series => {
  let before: [number, number] | undefined
  return mapped(series, (value, time) => {
    const result = before && step([time, value], before)
    before = [time, value]
    return result
  })
}

const reducers: Readonly<Record<string, (values: readonly number[]) => number>> = {
  AVG: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
  SUM: (values) => values.reduce((sum, value) => sum + value, 0),
  MIN: (values) => values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY),
  MAX: (values) => values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY),
  DATAPOINT_COUNT: (values) => values.length,
  STDDEV: (values) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
  },
}

const elementwise: Readonly<Record<string, (series: Series, grid: Grid) => Series>> = {
  ABS: (series) => mapped(series, Math.abs),
  CEIL: (series) => mapped(series, Math.ceil),
  FLOOR: (series) => mapped(series, Math.floor),
  LOG: (series) => mapped(series, Math.log),
  LOG10: (series) => mapped(series, Math.log10),
  DIFF: (series) => stepwise(series, ([, now], [, before]) => now - before),
  DIFF_TIME: (series) => stepwise(series, ([now], [before]) => (now - before) / 1000),
  RATE: (series) => stepwise(series, ([at, now], [then, before]) => ((now - before) * 1000) / (at - then)),
  RUNNING_SUM: (series) => {
    let sum = 0
    return mapped(series, (value) => {
      sum += value
      return sum
    })
  },
}

/** Of each period of the range, whether there are data or not. */
const calendar: Readonly<Record<string, (date: Date) => number>> = {
  MINUTE: (date) => date.getUTCMinutes(),
  HOUR: (date) => date.getUTCHours(),
  DAY: (date) => date.getUTCDay() || 7,
  DATE: (date) => date.getUTCDate(),
  MONTH: (date) => date.getUTCMonth() + 1,
  YEAR: (date) => date.getUTCFullYear(),
  EPOCH: (date) => date.getTime() / 1000,
}

const absent = [
  'ANOMALY_DETECTION_BAND',
  'DB_PERF_INSIGHTS',
  'INSIGHT_RULE_METRIC',
  'LAMBDA',
  'SEARCH',
  'SERVICE_QUOTA',
]

/** Computes the expression of the query `id`. Throws ValidationError; NotImplemented for functions that look elsewhere. */
export const evaluate = (id: string, text: string, scope: Scope): Series | readonly Series[] => {
  const { grid } = scope
  const wrong = (what: string) => invalid(`Error in expression '${id}': ${what}.`)

  const value = (part: Expression): Value => {
    switch (part.kind) {
      case 'number':
        return part.value
      case 'text':
        return part.value
      case 'name': {
        const found = scope.values.get(part.name)
        if (!found) throw wrong(`${part.name} is the id of no query`)
        return found
      }
      case 'list':
        return part.items.flatMap((item) => arrayOf(value(item)))
      case 'negative':
        return combine('*', -1, value(part.of))
      case 'operation':
        return combine(part.operator, value(part.left), value(part.right))
      case 'call':
        return call(part.name, part.args)
    }
  }
  const arrayOf = (given: Value): readonly Series[] => {
    if (isArray(given)) return given
    if (isSeries(given)) return [given]
    throw wrong('a time series was expected')
  }
  const numberOf = (given: Value | undefined): number => {
    if (typeof given === 'number') return given
    throw wrong('a number was expected')
  }

  const combine = (operator: Operator, left: Value, right: Value): Value => {
    const apply = operators[operator]
    if (typeof left === 'string' || typeof right === 'string') throw wrong(`${operator} is not for text`)
    if (typeof left === 'number' && typeof right === 'number') return apply(left, right)
    if (isArray(left)) {
      if (isArray(right)) throw wrong(`${operator} is not for two arrays of time series`)
      return left.map((one) => combine(operator, one, right) as Series)
    }
    if (isArray(right)) return right.map((one) => combine(operator, left, one) as Series)
    if (typeof left === 'number') return mapped(right as Series, (number) => apply(left, number))
    if (typeof right === 'number') return mapped(left, (number) => apply(number, right))
    return mapped(left, (number, time) => {
      const other = right.points.get(time)
      return other === undefined ? undefined : apply(number, other)
    })
  }

  const call = (name: string, args: readonly Expression[]): Value => {
    if (absent.includes(name)) throw notImplemented(`the function ${name} of metric math`)
    const special = Object.hasOwn(specials, name) ? specials[name] : undefined
    if (special) return special(args)
    const given = args.map(value)
    const [first] = given
    if (first === undefined || given.length > 1) throw wrong(`${name} takes one argument`)
    const reduce = Object.hasOwn(reducers, name) ? reducers[name] : undefined
    if (reduce) return isArray(first) ? across(first, reduce) : reduce([...(arrayOf(first)[0]?.points.values() ?? [])])
    const each = Object.hasOwn(elementwise, name) ? elementwise[name] : undefined
    if (each) {
      const results = arrayOf(first).map((series) => each(series, grid))
      return isArray(first) ? results : (results[0] as Series)
    }
    const clock = Object.hasOwn(calendar, name) ? calendar[name] : undefined
    if (!clock) throw wrong(`there is no function ${name}`)
    const results = arrayOf(first).map(({ label }) => dense(label, (time) => clock(new Date(time))))
    return isArray(first) ? results : (results[0] as Series)
  }

  const dense = (label: string, of: (time: number) => number | undefined): Series => ({
    label,
    points: new Map(
      timesOf(grid).flatMap((time) => {
        const found = of(time)
        return found === undefined ? [] : [[time, found] as const]
      }),
    ),
  })
  /** Of several series one: at each time, of those that have a value then. */
  const across = (all: readonly Series[], reduce: (values: readonly number[]) => number): Series =>
    dense(id, (time) => {
      const values = all.flatMap(({ points }) => points.get(time) ?? [])
      return values.length === 0 ? undefined : reduce(values)
    })

  const word = (part: Expression | undefined, ...allowed: readonly string[]): string => {
    if (part?.kind === 'name' && allowed.includes(part.name)) return part.name
    throw wrong(`${allowed.join(' or ')} was expected`)
  }
  const at = (args: readonly Expression[], nth: number): Value => {
    const part = args[nth]
    if (!part) throw wrong('an argument is missing')
    return value(part)
  }

  const fill = (series: Series, by: Expression): Series => {
    if (by.kind === 'name' && by.name === 'REPEAT') {
      let last: number | undefined
      return dense(series.label, (time) => {
        last = series.points.get(time) ?? last
        return last
      })
    }
    if (by.kind === 'name' && by.name === 'LINEAR') {
      const known = [...series.points]
      let next = 0
      return dense(series.label, (time) => {
        while ((known[next]?.[0] ?? Number.POSITIVE_INFINITY) < time) next++
        const [before, after] = [known[next - 1], known[next]]
        if (after?.[0] === time) return after[1]
        return before && after && before[1] + ((after[1] - before[1]) * (time - before[0])) / (after[0] - before[0])
      })
    }
    const other = value(by)
    if (typeof other === 'number') return dense(series.label, (time) => series.points.get(time) ?? other)
    const [filler] = arrayOf(other)
    return dense(series.label, (time) => series.points.get(time) ?? filler?.points.get(time))
  }

  const choose = (condition: Value, yes: Value, no: Value): Value => {
    if (typeof condition === 'number') return condition !== 0 ? yes : no
    if (!isSeries(condition)) throw wrong('the condition of IF is a time series or a number')
    const pick = (from: Value, time: number): number | undefined => {
      if (typeof from === 'number') return from
      if (isSeries(from)) return from.points.get(time)
      throw wrong('IF takes time series and numbers')
    }
    return mapped({ ...condition, label: id }, (holds, time) => pick(holds !== 0 ? yes : no, time))
  }

  const specials: Readonly<Record<string, (args: readonly Expression[]) => Value>> = {
    FILL: (args) => {
      const [first, by] = [at(args, 0), args[1]]
      if (!by) throw wrong('FILL takes two arguments')
      return isArray(first) ? first.map((one) => fill(one, by)) : fill(arrayOf(first)[0] as Series, by)
    },
    FIRST: (args) => arrayOf(at(args, 0)).at(0) ?? { label: id, points: new Map() },
    LAST: (args) => arrayOf(at(args, 0)).at(-1) ?? { label: id, points: new Map() },
    IF: (args) => choose(at(args, 0), at(args, 1), at(args, 2)),
    METRICS: (args) => {
      const part = args.length === 0 ? '' : at(args, 0)
      if (typeof part !== 'string') throw wrong('METRICS takes text')
      return scope.metrics.filter((name) => name.includes(part)).flatMap((name) => scope.values.get(name) ?? [])
    },
    METRIC_COUNT: (args) => arrayOf(at(args, 0)).length,
    PERIOD: (args) => {
      arrayOf(at(args, 0))
      return grid.period / 1000
    },
    REMOVE_EMPTY: (args) => arrayOf(at(args, 0)).filter(({ points }) => points.size > 0),
    SLICE: (args) => {
      const [from, to] = [numberOf(at(args, 1)), args[2] ? numberOf(at(args, 2)) : undefined]
      return arrayOf(at(args, 0)).slice(from, to)
    },
    SORT: (args) => {
      const reduce = reducers[word(args[1], 'AVG', 'MIN', 'MAX', 'SUM')] ?? (() => 0)
      const sign = word(args[2], 'ASC', 'DESC') === 'ASC' ? 1 : -1
      const weighed = arrayOf(at(args, 0)).map((series) => ({ series, weight: reduce([...series.points.values()]) }))
      const sorted = weighed.toSorted((a, b) => (a.weight < b.weight ? -sign : a.weight > b.weight ? sign : 0))
      const found = sorted.map(({ series }) => series)
      return args[3] ? found.slice(0, numberOf(at(args, 3))) : found
    },
    TIME_SERIES: (args) => {
      const number = numberOf(at(args, 0))
      return dense(id, () => number)
    },
  }

  const result = value(parseExpression(id, text))
  if (typeof result === 'object') return result
  throw wrong('it is no time series')
}

type MathQuery = { readonly id: string } & ({ readonly expression: string } | { readonly stat: unknown })

/**
 * Expressions in an order in which each comes after those it is about; and of each, the ids of the metrics below it.
 * Throws ValidationError for unknown ids and for circles.
 */
export const plan = (queries: readonly MathQuery[]): { readonly id: string; readonly metrics: readonly string[] }[] => {
  const byId = new Map(queries.map((query) => [query.id, query]))
  const all = queries.filter((query) => 'stat' in query).map(({ id }) => id)
  const done = new Map<string, readonly string[]>()
  const visit = (id: string, path: readonly string[]): readonly string[] => {
    const known = done.get(id)
    if (known) return known
    const query = byId.get(id)
    if (!query) throw invalid(`Error in expression '${path.at(-1)}': ${id} is the id of no query.`)
    if (!('expression' in query)) return [id]
    if (path.includes(id)) throw invalid(`Error in expression '${id}': it is about itself.`)
    const { names, metrics } = namesIn(parseExpression(id, query.expression))
    const below = new Set(metrics ? all : [])
    for (const name of names) for (const metric of visit(name, [...path, id])) below.add(metric)
    const found = all.filter((metric) => below.has(metric))
    done.set(id, found)
    return found
  }
  for (const { id } of queries) visit(id, [])
  return [...done].map(([id, metrics]) => ({ id, metrics }))
}
