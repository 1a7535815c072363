// Values of Lake's SQL: texts, numbers, booleans, timestamps (Date), maps and rows (objects), arrays, null.

export type Row = Readonly<Record<string, unknown>>

const timestampForm = /^(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?\s*(?:Z|UTC)?$/

/** A timestamp out of a text such as `2026-11-23 09:00:00`, in UTC; `undefined` if it is none. */
export const toTimestamp = (value: unknown): Date | undefined => {
  if (value instanceof Date) return value
  if (typeof value !== 'string') return undefined
  const match = timestampForm.exec(value.trim())
  if (!match) return undefined
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '0'] = match
  const milliseconds = Math.floor(Number(`0.${fraction}`) * 1000)
  const time = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
    milliseconds,
  )
  return Number.isNaN(time) ? undefined : new Date(time)
}

export const toNumber = (value: unknown): number | null => {
  if (typeof value === 'number') return value
  if (typeof value === 'boolean') return Number(value)
  if (typeof value !== 'string' || value.trim() === '') return null
  const number = Number(value)
  return Number.isNaN(number) ? null : number
}

/** As a result shows it: rows as `{name=value}`, maps too with what is nested as JSON, lists as `[a, b]`, timestamps with milliseconds. */
export const toText = (value: unknown): string => {
  if (value === null || value === undefined) return ''
  if (value instanceof Date) return value.toISOString().replace('T', ' ').replace('Z', '')
  if (Array.isArray(value)) return `[${value.map(toText).join(', ')}]`
  if (typeof value === 'object') {
    const isMap = Object.getPrototypeOf(value) === null
    const members = Object.entries(value).map(([name, member]) => {
      if (member === null) return `${isMap ? name : name.toLowerCase()}=null`
      if (!isMap) return `${name.toLowerCase()}=${toText(member)}`
      return `${name}=${typeof member === 'string' ? member : JSON.stringify(member)}`
    })
    return `{${members.join(', ')}}`
  }
  return String(value)
}

/** What groups, joins and DISTINCT go by. */
export const keyOf = (value: unknown): string =>
  value instanceof Date ? `@${value.getTime()}` : (JSON.stringify(value) ?? 'null')

/** Order of two values that are not null; timestamps and texts that look like them compare as timestamps. */
export const compare = (a: unknown, b: unknown): number => {
  if (a instanceof Date || b instanceof Date) {
    const [left, right] = [toTimestamp(a)?.getTime(), toTimestamp(b)?.getTime()]
    if (left === undefined || right === undefined) return Number.NaN
    return left - right
  }
  if (typeof a === 'number' || typeof b === 'number') {
    const [left, right] = [toNumber(a), toNumber(b)]
    return left === null || right === null ? Number.NaN : left - right
  }
  const [left, right] = typeof a === 'object' || typeof b === 'object' ? [keyOf(a), keyOf(b)] : [String(a), String(b)]
  return left < right ? -1 : left > right ? 1 : 0
}

/** A field of a row or an entry of a map by its name, in any case; null where there is none. */
export const member = (value: unknown, name: string): unknown => {
  if (typeof value !== 'object' || value === null) return null
  if (Object.hasOwn(value, name)) return Reflect.get(value, name)
  const wanted = name.toLowerCase()
  const found = Object.keys(value).find((key) => key.toLowerCase() === wanted)
  return found === undefined ? null : Reflect.get(value, found)
}

/** LIKE without regular expressions, so that no pattern takes long. `%` any text, `_` any character. */
export const like = (text: string, pattern: string): boolean => {
  let [at, p, star, mark] = [0, 0, -1, 0]
  while (at < text.length) {
    if (p < pattern.length && (pattern[p] === '_' || (pattern[p] !== '%' && pattern[p] === text[at]))) {
      at += 1
      p += 1
    } else if (pattern[p] === '%') {
      star = p
      mark = at
      p += 1
    } else if (star >= 0) {
      p = star + 1
      mark += 1
      at = mark
    } else return false
  }
  while (pattern[p] === '%') p += 1
  return p === pattern.length
}
