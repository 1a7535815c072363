import {
  addDecimals,
  compareDecimals,
  type Decimal,
  decimalOfFloat,
  decimalOfInteger,
  decimalText,
  divideDecimals,
  floatOfDecimal,
  multiplyDecimals,
  negateDecimal,
  remainderOfDecimals,
} from './decimal.ts'
import { failure } from './failure.ts'
import { compareTimestamps, type Timestamp, timestampText } from './timestamp.ts'

// What an expression can come to ("Data types", SQL reference for Amazon S3 Select). A pure engine.

/** Nothing there at all, as against null. */
export const missing: unique symbol = Symbol('missing')

/** An object of JSON. Names may come twice. */
export type Struct = { readonly kind: 'struct'; readonly fields: readonly (readonly [name: string, value: Value])[] }
/** Integers are bigint, floats are number. */
export type Scalar = null | boolean | bigint | number | string | Decimal | Timestamp
export type Value = Scalar | typeof missing | Struct | readonly Value[]

export type Kind =
  | 'null'
  | 'missing'
  | 'bool'
  | 'int'
  | 'float'
  | 'string'
  | 'decimal'
  | 'timestamp'
  | 'struct'
  | 'list'

const isList = (value: Value): value is readonly Value[] => Array.isArray(value)

export const kindOf = (value: Value): Kind => {
  switch (typeof value) {
    case 'symbol':
      return 'missing'
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'float'
    case 'string':
      return 'string'
    default:
      return value === null ? 'null' : isList(value) ? 'list' : value.kind
  }
}

export const isUnknown = (value: Value): value is null | typeof missing => value === null || value === missing

type Numeric = bigint | number | Decimal
export const isNumeric = (value: Value): value is Numeric =>
  typeof value === 'bigint' || typeof value === 'number' || (!isUnknown(value) && kindOf(value) === 'decimal')

export const toDecimal = (value: Numeric): Decimal =>
  typeof value === 'bigint' ? decimalOfInteger(value) : typeof value === 'number' ? decimalOfFloat(value) : value
const toFloat = (value: Numeric): number => (typeof value === 'object' ? floatOfDecimal(value) : Number(value))

/** An integer of 8 bytes. Throws IntegerOverflow. */
export const integer = (value: bigint): bigint => {
  if (BigInt.asIntN(64, value) !== value) throw failure('IntegerOverflow')
  return value
}

const float = (value: number): number => {
  if (!Number.isFinite(value)) throw failure('NumberFormatError')
  return value
}

export type Operator = '+' | '-' | '*' | '/' | '%'

const nonZero = <T extends bigint | number>(value: T): T => {
  if (value === 0n || value === 0) throw failure('ExternalEvalException')
  return value
}

const onIntegers: Readonly<Record<Operator, (a: bigint, b: bigint) => bigint>> = {
  '+': (a, b) => integer(a + b),
  '-': (a, b) => integer(a - b),
  '*': (a, b) => integer(a * b),
  '/': (a, b) => integer(a / nonZero(b)),
  '%': (a, b) => a % nonZero(b),
}
const onFloats: Readonly<Record<Operator, (a: number, b: number) => number>> = {
  '+': (a, b) => float(a + b),
  '-': (a, b) => float(a - b),
  '*': (a, b) => float(a * b),
  '/': (a, b) => float(a / nonZero(b)),
  '%': (a, b) => float(a % nonZero(b)),
}
const onDecimals: Readonly<Record<Operator, (a: Decimal, b: Decimal) => Decimal>> = {
  '+': addDecimals,
  '-': (a, b) => addDecimals(a, negateDecimal(b)),
  '*': multiplyDecimals,
  '/': divideDecimals,
  '%': remainderOfDecimals,
}

/** Integers stay integers; with a decimal it is a decimal, with a float a float. Throws IntegerOverflow, ExternalEvalException. */
export const calculate = (operator: Operator, a: Value, b: Value): Value => {
  if (a === missing || b === missing) return missing
  if (a === null || b === null) return null
  if (!isNumeric(a) || !isNumeric(b)) throw failure('ExternalEvalException')
  if (typeof a === 'bigint' && typeof b === 'bigint') return onIntegers[operator](a, b)
  if (typeof a === 'object' || typeof b === 'object') return onDecimals[operator](toDecimal(a), toDecimal(b))
  return onFloats[operator](toFloat(a), toFloat(b))
}

export const negate = (value: Value): Value => {
  if (isUnknown(value)) return value
  if (typeof value === 'bigint') return integer(-value)
  if (typeof value === 'number') return -value
  if (!isNumeric(value)) throw failure('ExternalEvalException')
  return negateDecimal(value)
}

const compareNumbers = (a: Numeric, b: Numeric): number => {
  if (typeof a === 'bigint' && typeof b === 'bigint') return a < b ? -1 : a > b ? 1 : 0
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return compareDecimals(toDecimal(a), toDecimal(b))
}

const compareText = (a: string, b: string): number => {
  if (a === b) return 0
  // By code point: surrogates would sort before U+E000 and up.
  for (let at = 0; at < a.length && at < b.length; at += 1) {
    if (a.charCodeAt(at) === b.charCodeAt(at)) continue
    const start = at > 0 && /[\udc00-\udfff]/.test(a.charAt(at)) ? at - 1 : at
    return (a.codePointAt(start) ?? 0) - (b.codePointAt(start) ?? 0)
  }
  return a.length - b.length
}

const isTimestamp = (value: Value): value is Timestamp => kindOf(value) === 'timestamp'

/** Which of two known values is less. Throws ExternalEvalException for values that have no order. */
export const compare = (a: Value, b: Value): number => {
  if (isNumeric(a) && isNumeric(b)) return compareNumbers(a, b)
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  if (isTimestamp(a) && isTimestamp(b)) return compareTimestamps(a, b)
  throw failure('ExternalEvalException')
}

/** Whether two known values are the same; values of different kinds are not. */
export const areEqual = (a: Value, b: Value): boolean => {
  if (typeof a === 'string' || typeof b === 'string') return a === b
  if (isUnknown(a) || isUnknown(b)) return a === b
  if (isNumeric(a) && isNumeric(b)) return compareNumbers(a, b) === 0
  const kind = kindOf(a)
  if (kind !== kindOf(b)) return false
  if (isList(a) && isList(b)) return a.length === b.length && a.every((each, at) => areEqual(each, b[at] ?? missing))
  if (isStruct(a) && isStruct(b)) {
    const others = new Map(b.fields)
    return (
      a.fields.length === b.fields.length &&
      a.fields.every(([name, each]) => areEqual(each, others.get(name) ?? missing))
    )
  }
  return compare(a, b) === 0
}

export const isStruct = (value: Value): value is Struct => kindOf(value) === 'struct'

/** Text of a scalar as it is written into results; undefined for null, missing, lists and structs. */
export const textOf = (value: Value): string | undefined => {
  if (typeof value === 'string') return value
  if (isUnknown(value) || isList(value)) return undefined
  if (typeof value !== 'object') return String(value)
  switch (value.kind) {
    case 'decimal':
      return decimalText(value)
    case 'timestamp':
      return timestampText(value)
    case 'struct':
      return undefined
  }
}

/** How many characters may still be written. */
export type Budget = { left: number }

const spend = (text: string, budget: Budget): string => {
  budget.left -= text.length
  if (budget.left < 0) throw failure('OverMaxRecordSize')
  return text
}

/** JSON of a value; missing members and elements are left out. Throws OverMaxRecordSize before it is made. */
export const jsonOf = (value: Value, budget: Budget): string => {
  if (typeof value === 'string') return spend(JSON.stringify(value), budget)
  // JSON has no word for what is no number.
  if (isUnknown(value) || Number.isNaN(value) || value === Infinity || value === -Infinity) return spend('null', budget)
  if (isList(value)) {
    const parts = value.filter((each) => each !== missing).map((each) => jsonOf(each, budget))
    return `[${parts.join(',')}]`
  }
  if (isStruct(value)) return jsonOfFields(value.fields, budget)
  const text = textOf(value) ?? 'null'
  return spend(isTimestamp(value) ? JSON.stringify(text) : text, budget)
}

export const jsonOfFields = (fields: Struct['fields'], budget: Budget): string => {
  const parts = fields.flatMap(([name, value]) =>
    value === missing ? [] : [`${spend(JSON.stringify(name), budget)}:${jsonOf(value, budget)}`],
  )
  return `{${parts.join(',')}}`
}
