import { decimalOfFloat, decimalOfInteger, floatOfDecimal, parseDecimal, truncateDecimal } from './decimal.ts'
import { failure } from './failure.ts'
import type { CastType } from './syntax.ts'
import { parseTimestamp } from './timestamp.ts'
import { integer, isUnknown, kindOf, textOf, toDecimal, type Value } from './value.ts'

// CAST ("Conversion functions" and "Data types", SQL reference for Amazon S3 Select). A pure engine.

const toBool = (value: Value): boolean => {
  if (typeof value === 'boolean') return value
  if (typeof value === 'string') {
    const word = value.trim().toLowerCase()
    if (word === 'true' || word === 'false') return word === 'true'
    throw failure('CastFailed')
  }
  if (typeof value === 'bigint' || typeof value === 'number') return Number(value) !== 0
  if (!isUnknown(value) && 'unscaled' in value) return value.unscaled !== 0n
  throw failure('InvalidCast')
}

const toInt = (value: Value): bigint => {
  switch (typeof value) {
    case 'bigint':
      return value
    case 'number':
      return integer(BigInt(Math.trunc(value)))
    case 'boolean':
      return value ? 1n : 0n
    case 'string': {
      const text = value.trim()
      if (!/^[+-]?\d{1,40}$/.test(text)) throw failure('CastFailed')
      return integer(BigInt(text.replace(/^\+/, '')))
    }
    default:
      if (!isUnknown(value) && 'unscaled' in value) return integer(truncateDecimal(value))
      throw failure('InvalidCast')
  }
}

const toFloat = (value: Value): number => {
  switch (typeof value) {
    case 'number':
      return value
    case 'bigint':
    case 'boolean':
      return Number(value)
    case 'string': {
      const text = value.trim()
      const number = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN
      if (!Number.isFinite(number)) throw failure('CastFailed')
      return number
    }
    default:
      if (!isUnknown(value) && 'unscaled' in value) return floatOfDecimal(value)
      throw failure('InvalidCast')
  }
}

const toDecimalFrom = (value: Value) => {
  switch (typeof value) {
    case 'boolean':
      return decimalOfInteger(value ? 1n : 0n)
    case 'bigint':
      return decimalOfInteger(value)
    case 'number':
      return decimalOfFloat(value)
    case 'string': {
      const found = parseDecimal(value.trim())
      if (!found) throw failure('CastFailed')
      return found
    }
    default:
      if (!isUnknown(value) && 'unscaled' in value) return toDecimal(value)
      throw failure('InvalidCast')
  }
}

const toText = (value: Value): string => {
  const text = textOf(value)
  if (text === undefined) throw failure('InvalidCast')
  return text
}

const toTimestamp = (value: Value) => {
  if (typeof value === 'string') {
    const found = parseTimestamp(value.trim())
    if (!found) throw failure('CastFailed')
    return found
  }
  if (kindOf(value) === 'timestamp') return value
  throw failure('InvalidCast')
}

const casts: Readonly<Record<CastType, (value: Value) => Value>> = {
  bool: toBool,
  int: toInt,
  float: toFloat,
  decimal: toDecimalFrom,
  string: toText,
  timestamp: toTimestamp,
}

/** The value as another type; unknown values stay so. Throws CastFailed, InvalidCast, IntegerOverflow. */
export const cast = (value: Value, to: CastType): Value => (isUnknown(value) ? value : casts[to](value))
