import { failure } from './failure.ts'
import type { Aggregate } from './syntax.ts'
import { calculate, compare, isNumeric, isUnknown, toDecimal, type Value } from './value.ts'

// "Aggregate functions", SQL reference for Amazon S3 Select. A pure engine.

export type Accumulator = { readonly add: (value: Value) => void; readonly value: () => Value }

/** A function of all records, which skips unknown values. Throws ExternalEvalException for what is no number. */
export const accumulator = (name: Aggregate): Accumulator => {
  let count = 0n
  let kept: Value = null
  const number = (value: Value): Value => {
    if (!isNumeric(value)) throw failure('ExternalEvalException')
    return value
  }
  const step: Readonly<Record<Aggregate, (value: Value) => Value>> = {
    count: () => null,
    sum: (value) => calculate('+', kept ?? 0n, number(value)),
    avg: (value) => calculate('+', kept ?? 0n, typeof value === 'bigint' ? toDecimal(value) : number(value)),
    max: (value) => (kept === null || compare(number(value), kept) > 0 ? value : kept),
    min: (value) => (kept === null || compare(number(value), kept) < 0 ? value : kept),
  }
  return {
    add: (value) => {
      if (isUnknown(value)) return
      kept = step[name](value)
      count += 1n
    },
    value: () => {
      if (name === 'count') return count
      return name === 'avg' && count > 0n ? calculate('/', kept, count) : kept
    },
  }
}
