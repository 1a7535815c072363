import { parseDecimal } from './decimal.ts'
import { failure } from './failure.ts'
import {
  addToDate,
  type DatePart,
  dateDifference,
  type ExtractPart,
  extractFromDate,
  parseTimestamp,
  type Timestamp,
  timestampOfTime,
} from './timestamp.ts'
import { timestampFormat, timestampReader } from './timestamp-pattern.ts'
import { areEqual, isUnknown, kindOf, missing, type Value } from './value.ts'

// Scalar functions ("SQL functions", SQL reference for Amazon S3 Select). A pure engine.

export type ScalarFunction = (args: readonly Value[], part: string, now: Date) => Value

const text = (value: Value | undefined): string => {
  if (typeof value !== 'string') throw failure('IncorrectSqlFunctionArgumentType')
  return value
}
const whole = (value: Value | undefined): number => {
  if (typeof value !== 'bigint') throw failure('IncorrectSqlFunctionArgumentType')
  return Number(value)
}
const isTime = (value: Value | undefined): value is Timestamp => value !== undefined && kindOf(value) === 'timestamp'
const time = (value: Value | undefined): Timestamp => {
  if (!isTime(value)) throw failure('IncorrectSqlFunctionArgumentType')
  return value
}

/** Unknown arguments make an unknown result. */
const strict =
  (of: ScalarFunction): ScalarFunction =>
  (args, part, now) => {
    if (args.includes(missing)) return missing
    return args.includes(null) ? null : of(args, part, now)
  }

/** The last pattern compiled: a query has few. */
const remembered = <T>(compile: (pattern: string) => T) => {
  const known = new Map<string, T>()
  return (pattern: string): T => {
    const found = known.get(pattern) ?? compile(pattern)
    if (known.size < 16) known.set(pattern, found)
    return found
  }
}

const substring = (of: string, start: number, length: number | undefined): string => {
  if (length !== undefined && length < 0) throw failure('IllegalSqlFunctionArgument')
  const characters = hasSurrogates(of) ? Array.from(of) : of
  const from = Math.max(start, 1) - 1
  const end = length === undefined ? characters.length : Math.max(0, start + length - 1)
  const part = characters.slice(from, Math.max(from, end))
  return typeof part === 'string' ? part : part.join('')
}

const hasSurrogates = (of: string): boolean => /[\ud800-\udfff]/.test(of)

const trim = (of: string, part: string, remove: string): string => {
  const characters = Array.from(of)
  const removed = new Set(Array.from(remove))
  let [start, end] = [0, characters.length]
  if (part !== 'trailing') while (start < end && removed.has(characters[start] ?? '')) start += 1
  if (part !== 'leading') while (end > start && removed.has(characters[end - 1] ?? '')) end -= 1
  return characters.slice(start, end).join('')
}

/** The functions of one query. */
export const scalarFunctions = (): Readonly<Record<string, ScalarFunction>> => {
  const format = remembered(timestampFormat)
  const read = remembered(timestampReader)
  return {
    char_length: strict(([of]) => BigInt(hasSurrogates(text(of)) ? Array.from(text(of)).length : text(of).length)),
    lower: strict(([of]) => text(of).toLowerCase()),
    upper: strict(([of]) => text(of).toUpperCase()),
    substring: strict(([of, start, length]) =>
      substring(text(of), whole(start), length === undefined ? undefined : whole(length)),
    ),
    trim: strict(([of, remove = ' '], part) => trim(text(of), part, text(remove))),
    coalesce: (args) => args.find((value) => !isUnknown(value)) ?? null,
    nullif: ([a = null, b = null]) => {
      if (isUnknown(a)) return null
      return !isUnknown(b) && areEqual(a, b) ? null : a
    },
    utcnow: (_, __, now) => timestampOfTime(now),
    to_timestamp: strict(([of, pattern]) => {
      const found = pattern === undefined ? parseTimestamp(text(of)) : read(text(pattern))(text(of))
      if (!found) throw failure('ValueParseFailure')
      return found
    }),
    to_string: strict(([of, pattern]) => format(text(pattern))(time(of))),
    extract: strict(([of], part) => {
      const number = extractFromDate(part as ExtractPart, time(of))
      return number.includes('.') ? (parseDecimal(number) ?? null) : BigInt(number)
    }),
    date_add: strict(([quantity, of], part) => addToDate(part as DatePart, whole(quantity), time(of))),
    date_diff: strict(([from, to], part) => BigInt(dateDifference(part as DatePart, time(from), time(to)))),
  }
}
