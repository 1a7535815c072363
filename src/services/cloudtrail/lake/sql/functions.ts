import { RE2JS } from 're2js'
import { StatementError } from './text.ts'
import { compare, keyOf, like, toNumber, toText, toTimestamp } from './value.ts'

// The scalar functions of Lake's SQL (Trino's), as far as they are here. A null argument gives null unless told.

export type Scalar = (...values: unknown[]) => unknown

const DAY = 86_400_000
const units: Readonly<Record<string, number>> = {
  millisecond: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: DAY,
  week: 7 * DAY,
}

const text = (value: unknown): string => (typeof value === 'string' ? value : toText(value))
const numeric =
  (compute: (...values: number[]) => number): Scalar =>
  (...values) => {
    const numbers = values.map(toNumber)
    return numbers.some((number) => number === null) ? null : compute(...(numbers as number[]))
  }
const ofTime =
  (compute: (time: Date) => unknown): Scalar =>
  (value) => {
    const time = toTimestamp(value)
    return time === undefined ? null : compute(time)
  }

/** The beginning of the unit a time is in. */
const truncated = (unit: string, time: Date): Date => {
  const [year, month, day] = [time.getUTCFullYear(), time.getUTCMonth(), time.getUTCDate()]
  switch (unit.toLowerCase()) {
    case 'year':
      return new Date(Date.UTC(year, 0))
    case 'quarter':
      return new Date(Date.UTC(year, month - (month % 3)))
    case 'month':
      return new Date(Date.UTC(year, month))
    case 'week':
      return new Date(Date.UTC(year, month, day - ((time.getUTCDay() + 6) % 7)))
    default: {
      const size = units[unit.toLowerCase()]
      if (size === undefined) throw new StatementError(`${unit} is not a valid unit of time.`)
      return new Date(Math.floor(time.getTime() / size) * size)
    }
  }
}

const added = (unit: string, count: number, time: Date): Date => {
  const months = { month: 1, quarter: 3, year: 12 }[unit.toLowerCase()]
  if (months !== undefined) {
    const moved = new Date(time)
    moved.setUTCMonth(moved.getUTCMonth() + months * count)
    return moved
  }
  const size = units[unit.toLowerCase()]
  if (size === undefined) throw new StatementError(`${unit} is not a valid unit of time.`)
  return new Date(time.getTime() + size * count)
}

const parsed = (value: unknown): unknown => {
  if (typeof value !== 'string') return value
  try {
    return JSON.parse(value)
  } catch {
    return undefined
  }
}

/** A path of names and indexes below `$`. Throws StatementError for any other JSONPath. */
const extracted = (value: unknown, path: string): unknown => {
  const steps = /^\$((?:\.[A-Za-z_][\w-]*|\[\d+\]|\["[^"]*"\]|\['[^']*'\])*)$/.exec(path)?.[1]
  if (steps === undefined) throw new StatementError(`Invalid JSON path: ${path}`)
  let found = parsed(value)
  for (const [, name, index, double, single] of steps.matchAll(
    /\.([A-Za-z_][\w-]*)|\[(\d+)\]|\["([^"]*)"\]|\['([^']*)'\]/g,
  )) {
    if (found === null || typeof found !== 'object') return null
    const key = name ?? double ?? single
    found =
      index !== undefined ? (Array.isArray(found) ? found[Number(index)] : undefined) : Reflect.get(found, key ?? '')
  }
  return found ?? null
}

const expressions = new WeakMap<object, Map<string, RE2JS>>()
const regex = (cache: object, pattern: string): RE2JS => {
  const known = expressions.get(cache) ?? new Map<string, RE2JS>()
  expressions.set(cache, known)
  try {
    const found = known.get(pattern) ?? RE2JS.compile(pattern)
    if (known.size < 100) known.set(pattern, found)
    return found
  } catch {
    throw new StatementError(`Invalid regular expression: ${pattern.slice(0, 100)}`)
  }
}

/** `element_at`: an entry of a map as text, as Lake's maps hold them, or an element of a list, from 1 or from the end. */
export const elementAt: Scalar = (holder, key) => {
  if (Array.isArray(holder)) {
    const index = toNumber(key)
    if (index === null || index === 0) return null
    return holder[index > 0 ? index - 1 : holder.length + index] ?? null
  }
  const value =
    typeof holder === 'object' && holder !== null && Object.hasOwn(holder, text(key))
      ? Reflect.get(holder, text(key))
      : null
  return value === null || typeof value === 'string' ? value : JSON.stringify(value)
}

/** Made anew for each query: what it remembers of regular expressions goes with it. */
export const scalarFunctions = (now: Date): Readonly<Record<string, Scalar>> => {
  const cache = {}
  const substr: Scalar = (value, from, length) => {
    const whole = text(value)
    const start = toNumber(from) ?? 1
    const begin = start > 0 ? start - 1 : whole.length + start
    return whole.slice(begin, length === undefined ? undefined : begin + (toNumber(length) ?? 0))
  }
  return {
    lower: (value) => text(value).toLowerCase(),
    upper: (value) => text(value).toUpperCase(),
    length: (value) => text(value).length,
    trim: (value) => text(value).trim(),
    ltrim: (value) => text(value).trimStart(),
    rtrim: (value) => text(value).trimEnd(),
    reverse: (value) => [...text(value)].reverse().join(''),
    substr,
    substring: substr,
    concat: (...values) => values.map(text).join(''),
    replace: (value, search, by = '') => text(value).replaceAll(text(search), text(by)),
    split: (value, by) => text(value).split(text(by)),
    split_part: (value, by, index) => text(value).split(text(by))[(toNumber(index) ?? 1) - 1] ?? null,
    strpos: (value, part) => text(value).indexOf(text(part)) + 1,
    starts_with: (value, part) => text(value).startsWith(text(part)),
    ends_with: (value, part) => text(value).endsWith(text(part)),
    abs: numeric(Math.abs),
    ceil: numeric(Math.ceil),
    ceiling: numeric(Math.ceil),
    floor: numeric(Math.floor),
    sqrt: numeric(Math.sqrt),
    power: numeric((a = 0, b = 0) => a ** b),
    mod: numeric((a = 0, b = 1) => a % b),
    round: numeric((value = 0, digits = 0) => Math.round(value * 10 ** digits) / 10 ** digits),
    greatest: (...values) => values.reduce((a, b) => (compare(a, b) >= 0 ? a : b)),
    least: (...values) => values.reduce((a, b) => (compare(a, b) <= 0 ? a : b)),
    now: () => now,
    date: ofTime((time) => truncated('day', time)),
    date_trunc: (unit, value) => ofTime((time) => truncated(text(unit), time))(value),
    date_add: (unit, count, value) => ofTime((time) => added(text(unit), toNumber(count) ?? 0, time))(value),
    date_diff: (unit, from, to) => {
      const [a, b] = [toTimestamp(from), toTimestamp(to)]
      const size = units[text(unit).toLowerCase()]
      if (size === undefined) throw new StatementError(`${text(unit)} is not a supported unit of date_diff.`)
      return a && b ? Math.trunc((b.getTime() - a.getTime()) / size) : null
    },
    from_iso8601_timestamp: ofTime((time) => time),
    to_iso8601: ofTime((time) => time.toISOString()),
    from_unixtime: (value) => new Date((toNumber(value) ?? 0) * 1000),
    to_unixtime: ofTime((time) => time.getTime() / 1000),
    year: ofTime((time) => time.getUTCFullYear()),
    month: ofTime((time) => time.getUTCMonth() + 1),
    day: ofTime((time) => time.getUTCDate()),
    hour: ofTime((time) => time.getUTCHours()),
    minute: ofTime((time) => time.getUTCMinutes()),
    second: ofTime((time) => time.getUTCSeconds()),
    day_of_week: ofTime((time) => time.getUTCDay() || 7),
    element_at: elementAt,
    cardinality: (value) => (typeof value === 'object' && value !== null ? Object.keys(value).length : null),
    contains: (list, value) => Array.isArray(list) && list.some((item) => keyOf(item) === keyOf(value)),
    map_keys: (value) => (typeof value === 'object' && value !== null ? Object.keys(value) : null),
    map_values: (value) => (typeof value === 'object' && value !== null ? Object.values(value) : null),
    array_join: (list, by) => (Array.isArray(list) ? list.map(text).join(text(by)) : null),
    json_parse: (value) => parsed(value) ?? null,
    json_format: (value) => JSON.stringify(value),
    json_extract: (value, path) => {
      const found = extracted(value, text(path))
      return found === null ? null : JSON.stringify(found)
    },
    json_extract_scalar: (value, path) => {
      const found = extracted(value, text(path))
      return found === null || typeof found === 'object' ? null : String(found)
    },
    regexp_like: (value, pattern) => regex(cache, text(pattern)).matcher(text(value)).find(),
    regexp_extract: (value, pattern, group) => {
      const matcher = regex(cache, text(pattern)).matcher(text(value))
      return matcher.find() ? (matcher.group(toNumber(group ?? 0) ?? 0) ?? null) : null
    },
    regexp_replace: (value, pattern, by = '') => regex(cache, text(pattern)).matcher(text(value)).replaceAll(text(by)),
    like: (value, pattern) => like(text(value), text(pattern)),
  }
}
