import { StatementError } from './text.ts'
import { compare, keyOf, toNumber } from './value.ts'

/** One running aggregate: takes the arguments' values of each row. */
export type Accumulator = { readonly add: (values: readonly unknown[]) => void; readonly value: () => unknown }

/** Values that one DISTINCT, approx_distinct or array_agg remembers. */
const MOST_REMEMBERED = 200_000

const remembering = (size: number): void => {
  if (size > MOST_REMEMBERED)
    throw new StatementError(`An aggregate has more than ${MOST_REMEMBERED} values to remember.`)
}

const best = (better: (order: number) => boolean): Accumulator => {
  let found: unknown = null
  return {
    add: ([value]) => {
      if (value !== null && value !== undefined && (found === null || better(compare(value, found)))) found = value
    },
    value: () => found,
  }
}

const bestBy = (better: (order: number) => boolean): Accumulator => {
  let found: { value: unknown; by: unknown } | undefined
  return {
    add: ([value, by]) => {
      if (by !== null && by !== undefined && (!found || better(compare(by, found.by)))) found = { value, by }
    },
    value: () => found?.value ?? null,
  }
}

const distinctCount = (): Accumulator => {
  const seen = new Set<string>()
  return {
    add: (values) => {
      if (values.some((value) => value === null || value === undefined)) return
      seen.add(values.map(keyOf).join('\0'))
      remembering(seen.size)
    },
    value: () => seen.size,
  }
}

const sums = (result: (sum: number, count: number) => unknown): Accumulator => {
  let sum = 0
  let count = 0
  return {
    add: ([value]) => {
      const number = toNumber(value)
      if (number === null) return
      sum += number
      count += 1
    },
    value: () => (count === 0 ? null : result(sum, count)),
  }
}

const makers: Readonly<Record<string, () => Accumulator>> = {
  count: () => {
    let count = 0
    return {
      add: ([value]) => {
        if (value !== null && value !== undefined) count += 1
      },
      value: () => count,
    }
  },
  count_if: () => {
    let count = 0
    return {
      add: ([value]) => {
        if (value === true) count += 1
      },
      value: () => count,
    }
  },
  sum: () => sums((sum) => sum),
  avg: () => sums((sum, count) => sum / count),
  min: () => best((order) => order < 0),
  max: () => best((order) => order > 0),
  min_by: () => bestBy((order) => order < 0),
  max_by: () => bestBy((order) => order > 0),
  arbitrary: () => best(() => false),
  any_value: () => best(() => false),
  approx_distinct: distinctCount,
  array_agg: () => {
    const values: unknown[] = []
    return {
      add: ([value]) => {
        values.push(value ?? null)
        remembering(values.length)
      },
      value: () => values,
    }
  },
}

export const isAggregate = (name: string): boolean => Object.hasOwn(makers, name)

/** A maker of accumulators of one call. */
export const aggregateMaker = (name: string, distinct: boolean): (() => Accumulator) => {
  const make = makers[name]
  if (!make) throw new StatementError(`Function ${name} is not supported.`)
  if (!distinct) return make
  if (name === 'count') return distinctCount
  return () => {
    const seen = new Set<string>()
    const inner = make()
    return {
      add: (values) => {
        const key = values.map(keyOf).join('\0')
        if (seen.has(key)) return
        seen.add(key)
        remembering(seen.size)
        inner.add(values)
      },
      value: inner.value,
    }
  }
}
