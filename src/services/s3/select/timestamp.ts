import { failure } from './failure.ts'

// Timestamps as Ion has them: a precision from year to fractions of a second, and an offset from UTC ("Data types" and
// "Date functions", SQL reference for Amazon S3 Select). A pure engine.

const precisions = ['year', 'month', 'day', 'minute', 'second'] as const
export type Precision = (typeof precisions)[number]

export type Timestamp = {
  readonly kind: 'timestamp'
  readonly precision: Precision
  /** Local time, as a UTC date of the same fields: epoch milliseconds, whole seconds. */
  readonly local: number
  /** Digits behind the point of the seconds. */
  readonly fraction: string
  /** Minutes; undefined where it is not known. */
  readonly offset: number | undefined
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Epoch milliseconds of local fields; month from 1. Undefined where there is no such day or time. */
const localOf = (year: number, month = 1, day = 1, hour = 0, minute = 0, second = 0): number | undefined => {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  const same =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second
  return same && year >= 1 && year <= 9999 ? date.getTime() : undefined
}

/** The fields that a timestamp is made of. Undefined where there is no such time. */
export const timestampOf = (fields: {
  readonly year: number
  readonly month?: number | undefined
  readonly day?: number | undefined
  readonly hour?: number | undefined
  readonly minute?: number | undefined
  readonly second?: number | undefined
  readonly fraction?: string | undefined
  readonly offset?: number | undefined
}): Timestamp | undefined => {
  const { year, month, day, hour, minute, second, fraction = '', offset } = fields
  const local = localOf(year, month, day, hour, minute, second)
  if (local === undefined || (offset !== undefined && Math.abs(offset) >= 24 * 60)) return undefined
  const precision =
    second !== undefined
      ? 'second'
      : hour !== undefined
        ? 'minute'
        : day !== undefined
          ? 'day'
          : month !== undefined
            ? 'month'
            : 'year'
  return { kind: 'timestamp', precision, local, fraction, offset }
}

const pattern =
  /^(\d{4})(?:T|-(\d\d)(?:T|-(\d\d)(?:T?|T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,1000}))?)?(Z|[+-]\d\d:\d\d)?)))$/

const optional = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text))

/** `2007T`, `2007-02-23`, `2007-02-23T12:14:33.079-08:00`. Undefined for what is no timestamp. */
export const parseTimestamp = (text: string): Timestamp | undefined => {
  const [, year, month, day, hour, minute, second, fraction, zone] = pattern.exec(text) ?? []
  if (year === undefined) return undefined
  return timestampOf({
    year: Number(year),
    month: optional(month),
    day: optional(day),
    hour: optional(hour),
    minute: optional(minute),
    second: optional(second),
    fraction,
    offset: offsetOf(zone),
  })
}

/** Minutes of `Z`, `+08:00`, `-0830`, `+08`; `-00:00` is an offset nobody knows. */
export const offsetOf = (zone: string | undefined): number | undefined => {
  if (zone === undefined || zone === '-00:00') return undefined
  if (zone === 'Z') return 0
  const [, sign, hours, minutes = '0'] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? []
  const size = Number(hours) * 60 + Number(minutes)
  return sign === '-' ? -size : size
}

/** Local time in epoch milliseconds, whole seconds. Undefined where it lies in no year that there can be. */
export const timestampOfLocal = (
  precision: Precision,
  local: number,
  fraction: string,
  offset: number | undefined,
): Timestamp | undefined => {
  const year = new Date(local).getUTCFullYear()
  return year >= 1 && year <= 9999 ? { kind: 'timestamp', precision, local, fraction, offset } : undefined
}

export const timestampOfTime = (time: Date): Timestamp => ({
  kind: 'timestamp',
  precision: 'second',
  local: Math.floor(time.getTime() / 1000) * 1000,
  fraction: String(time.getUTCMilliseconds()).padStart(3, '0'),
  offset: 0,
})

const pad = (number: number, width = 2): string => String(number).padStart(width, '0')

export const zoneText = (offset: number | undefined, colon = ':'): string => {
  if (offset === undefined) return `-00${colon}00`
  const size = Math.abs(offset)
  return `${offset < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}${colon}${pad(size % 60)}`
}

/** Ion's text of a timestamp, as far as it is precise. */
export const timestampText = ({ precision, local, fraction, offset }: Timestamp): string => {
  const iso = new Date(local).toISOString()
  switch (precision) {
    case 'year':
      return `${iso.slice(0, 4)}T`
    case 'month':
      return `${iso.slice(0, 7)}T`
    case 'day':
      return `${iso.slice(0, 10)}T`
    case 'minute':
    case 'second': {
      const zone = offset === 0 ? 'Z' : zoneText(offset)
      return precision === 'minute'
        ? `${iso.slice(0, 16)}${zone}`
        : `${iso.slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}${zone}`
    }
  }
}

const instant = ({ local, offset = 0 }: Timestamp): number => local - offset * MINUTE

/** Less than, greater than, or equal to 0: which comes first in time. */
export const compareTimestamps = (a: Timestamp, b: Timestamp): number => {
  const seconds = instant(a) - instant(b)
  if (seconds !== 0) return seconds
  const width = Math.max(a.fraction.length, b.fraction.length)
  const [x, y] = [a.fraction.padEnd(width, '0'), b.fraction.padEnd(width, '0')]
  return x < y ? -1 : x > y ? 1 : 0
}

export const dateParts = ['year', 'month', 'day', 'hour', 'minute', 'second'] as const
export type DatePart = (typeof dateParts)[number]
export const extractParts = [...dateParts, 'timezone_hour', 'timezone_minute'] as const
export type ExtractPart = (typeof extractParts)[number]

const atLeast = (a: Precision, part: DatePart): Precision => {
  const b: Precision = part === 'hour' ? 'minute' : part
  return precisions.indexOf(a) < precisions.indexOf(b) ? b : a
}

const daysIn = (year: number, month: number): number => new Date(Date.UTC(year, month + 1, 0)).getUTCDate()

const addMonths = (local: number, months: number): number => {
  const date = new Date(local)
  const total = date.getUTCFullYear() * 12 + date.getUTCMonth() + months
  const [year, month] = [Math.floor(total / 12), total - Math.floor(total / 12) * 12]
  const day = Math.min(date.getUTCDate(), daysIn(year, month))
  date.setUTCFullYear(year, month, day)
  return date.getTime()
}

const lengths = { day: DAY, hour: HOUR, minute: MINUTE, second: 1000 }

/** A part moved by a quantity; gains precision where the part needs it. Throws ExternalEvalException beyond year 9999. */
export const addToDate = (part: DatePart, quantity: number, to: Timestamp): Timestamp => {
  const bounded = Math.max(-1e15, Math.min(1e15, quantity))
  const local =
    part === 'year' || part === 'month'
      ? addMonths(to.local, bounded * (part === 'year' ? 12 : 1))
      : to.local + bounded * lengths[part]
  const year = new Date(local).getUTCFullYear()
  if (!(year >= 1 && year <= 9999)) throw failure('ExternalEvalException')
  return { ...to, local, precision: atLeast(to.precision, part) }
}

/** How many whole parts lie between two timestamps; negative where the second comes first. */
export const dateDifference = (part: DatePart, from: Timestamp, to: Timestamp): number => {
  const backwards = compareTimestamps(from, to) > 0
  const [first, last] = backwards ? [to, from] : [from, to]
  const sign = backwards ? -1 : 1
  if (part !== 'year' && part !== 'month') {
    const borrowed = fractionOf(last) < fractionOf(first) ? 1000 : 0
    return sign * Math.floor((instant(last) - instant(first) - borrowed) / lengths[part])
  }
  const [a, b] = [new Date(instant(first)), new Date(instant(last))]
  let months = (b.getUTCFullYear() - a.getUTCFullYear()) * 12 + b.getUTCMonth() - a.getUTCMonth()
  if (addMonths(a.getTime(), months) > b.getTime()) months -= 1
  const count = part === 'month' ? months : Math.floor(months / 12)
  return count === 0 ? 0 : sign * count
}

const fractionOf = ({ fraction }: Timestamp): number => Number(`0.${fraction}0`)

/** A field of local time, as text of a number. */
export const extractFromDate = (part: ExtractPart, { local, fraction, offset = 0 }: Timestamp): string => {
  const date = new Date(local)
  switch (part) {
    case 'year':
      return String(date.getUTCFullYear())
    case 'month':
      return String(date.getUTCMonth() + 1)
    case 'day':
      return String(date.getUTCDate())
    case 'hour':
      return String(date.getUTCHours())
    case 'minute':
      return String(date.getUTCMinutes())
    case 'second':
      return `${date.getUTCSeconds()}${/[1-9]/.test(fraction) ? `.${fraction}` : ''}`
    case 'timezone_hour':
      return String(Math.trunc(offset / 60))
    case 'timezone_minute':
      return String(offset % 60)
  }
}
