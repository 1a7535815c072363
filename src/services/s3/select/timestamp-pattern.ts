import { failure } from './failure.ts'
import { offsetOf, type Timestamp, timestampOf, zoneText } from './timestamp.ts'

// Format patterns of TO_STRING and TO_TIMESTAMP ("Date functions", SQL reference for Amazon S3 Select). A pure engine.

type Field = 'year' | 'month' | 'day' | 'half' | 'hour12' | 'hour' | 'minute' | 'second' | 'fraction' | 'offset'
type Piece = { readonly literal: string } | { readonly symbol: string }

const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]
const short = months.map((name) => name.slice(0, 3))

/** The field of each symbol, and how long it may be. */
const symbols: Readonly<Record<string, { field: Field; widths: readonly number[] | 'any' }>> = {
  y: { field: 'year', widths: [1, 2, 4] },
  M: { field: 'month', widths: [1, 2, 3, 4, 5] },
  d: { field: 'day', widths: [1, 2] },
  a: { field: 'half', widths: [1] },
  h: { field: 'hour12', widths: [1, 2] },
  H: { field: 'hour', widths: [1, 2] },
  m: { field: 'minute', widths: [1, 2] },
  s: { field: 'second', widths: [1, 2] },
  S: { field: 'fraction', widths: 'any' },
  n: { field: 'fraction', widths: [1] },
  X: { field: 'offset', widths: [1, 2, 3, 4, 5] },
  x: { field: 'offset', widths: [1, 2, 3, 4, 5] },
}
const longest = 1000

const symbolOf = (piece: { symbol: string }) => symbols[piece.symbol.charAt(0)]

/** A pattern taken apart. Throws EvaluatorInvalidTimestampFormatPatternSymbol, …Token, EvaluatorUnterminatedTimestampFormatPatternToken. */
const parsePattern = (pattern: string): readonly Piece[] => {
  if (pattern.length > longest) throw failure('EvaluatorInvalidTimestampFormatPattern')
  const pieces: Piece[] = []
  for (let at = 0; at < pattern.length; ) {
    const character = pattern.charAt(at)
    if (character === "'") {
      const [whole, text = ''] = /^'((?:[^']|'')*)'/.exec(pattern.slice(at)) ?? []
      if (whole === undefined) throw failure('EvaluatorUnterminatedTimestampFormatPatternToken')
      pieces.push({ literal: text === '' ? "'" : text.replaceAll("''", "'") })
      at += whole.length
    } else if (/[A-Za-z]/.test(character)) {
      let end = at
      while (pattern.charAt(end) === character) end += 1
      const known = symbols[character]
      if (!known) throw failure('EvaluatorInvalidTimestampFormatPatternSymbol')
      if (known.widths !== 'any' && !known.widths.includes(end - at))
        throw failure('EvaluatorInvalidTimestampFormatPatternToken')
      pieces.push({ symbol: pattern.slice(at, end) })
      at = end
    } else {
      pieces.push({ literal: character })
      at += 1
    }
  }
  return pieces
}

const padded = (number: number, symbol: string): string => String(number).padStart(symbol.length, '0')

const formatOffset = (symbol: string, offset: number | undefined): string => {
  if (symbol.startsWith('X') && offset === 0) return 'Z'
  const width = symbol.length
  const text = zoneText(offset ?? 0, width === 3 || width === 5 ? ':' : '')
  return width === 1 && text.endsWith('00') ? text.slice(0, 3) : text
}

const formatSymbol = (symbol: string, { local, fraction, offset }: Timestamp): string => {
  const date = new Date(local)
  const month = date.getUTCMonth()
  const hour = date.getUTCHours()
  switch (symbolOf({ symbol })?.field) {
    case 'year':
      return symbol === 'yy'
        ? String(date.getUTCFullYear()).slice(-2).padStart(2, '0')
        : padded(date.getUTCFullYear(), symbol)
    case 'month': {
      if (symbol.length <= 2) return padded(month + 1, symbol)
      const name = months[month] ?? ''
      return symbol.length === 3 ? name.slice(0, 3) : symbol.length === 4 ? name : name.slice(0, 1)
    }
    case 'day':
      return padded(date.getUTCDate(), symbol)
    case 'half':
      return hour < 12 ? 'AM' : 'PM'
    case 'hour12':
      return padded(hour % 12 === 0 ? 12 : hour % 12, symbol)
    case 'hour':
      return padded(hour, symbol)
    case 'minute':
      return padded(date.getUTCMinutes(), symbol)
    case 'second':
      return padded(date.getUTCSeconds(), symbol)
    case 'fraction':
      return symbol === 'n'
        ? String(Number(fraction.slice(0, 9).padEnd(9, '0')))
        : fraction.slice(0, symbol.length).padEnd(symbol.length, '0')
    default:
      return formatOffset(symbol, offset)
  }
}

/** What writes timestamps by a pattern. Throws the errors of patterns. */
export const timestampFormat = (pattern: string): ((time: Timestamp) => string) => {
  const pieces = parsePattern(pattern)
  return (time) =>
    pieces.map((piece) => ('literal' in piece ? piece.literal : formatSymbol(piece.symbol, time))).join('')
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')

const source = (symbol: string): string => {
  const width = symbol.length
  switch (symbolOf({ symbol })?.field) {
    case 'year':
      return width === 1 ? '(\\d{1,4})' : `(\\d{${width}})`
    case 'month':
      return width === 3 ? `(${short.join('|')})` : width === 4 ? `(${months.join('|')})` : `(\\d{${width},2})`
    case 'half':
      return '(AM|PM)'
    case 'fraction':
      return symbol === 'n' ? '(\\d{1,9})' : `(\\d{${width}})`
    case 'offset':
      return width === 1 ? '(Z|[+-]\\d\\d)' : width === 3 || width === 5 ? '(Z|[+-]\\d\\d:\\d\\d)' : '(Z|[+-]\\d{4})'
    default:
      return `(\\d{${width},2})`
  }
}

const numberOf = (field: Field, symbol: string, text: string): number => {
  if (field === 'month' && symbol.length > 2)
    return short.findIndex((name) => name.toLowerCase() === text.slice(0, 3).toLowerCase()) + 1
  if (field === 'year' && symbol === 'yy') return Number(text) + (Number(text) >= 70 ? 1900 : 2000)
  return Number(text)
}

/** Each of these needs the ones before it. */
const order = [['year'], ['month'], ['day'], ['hour', 'hour12'], ['minute'], ['second'], ['fraction']] as const

const checkFields = (fields: readonly Field[]): void => {
  if (new Set(fields).size < fields.length || (fields.includes('hour') && fields.includes('hour12')))
    throw failure('EvaluatorTimestampFormatPatternDuplicateFields')
  if (fields.includes('hour12') !== fields.includes('half'))
    throw failure('EvaluatorTimestampFormatPatternHourClockAmPmMismatch')
  const there = order.map((names) => names.some((name) => fields.includes(name)))
  const complete = there.every((present, at) => !present || at === 0 || there[at - 1])
  const hours = fields.includes('hour') || fields.includes('hour12')
  if (!there[0] || !complete || (hours && !fields.includes('minute')) || (fields.includes('offset') && !hours))
    throw failure('EvaluatorInvalidTimestampFormatPattern')
}

/**
 * What reads timestamps by a pattern; undefined for text that does not fit. Throws the errors of patterns, and those of
 * patterns that cannot be read by.
 */
export const timestampReader = (pattern: string): ((text: string) => Timestamp | undefined) => {
  const pieces = parsePattern(pattern)
  const found = pieces.flatMap((piece) => ('symbol' in piece ? [piece.symbol] : []))
  if (found.includes('MMMMM')) throw failure('EvaluatorInvalidTimestampFormatPatternSymbolForParsing')
  const fields = found.map((symbol) => symbolOf({ symbol })?.field ?? 'offset')
  checkFields(fields)
  const whole = new RegExp(
    `^${pieces.map((piece) => ('literal' in piece ? escaped(piece.literal) : source(piece.symbol))).join('')}$`,
    'i',
  )
  return (text) => {
    const match = whole.exec(text)
    if (!match) return undefined
    const texts = new Map(fields.map((field, at) => [field, { symbol: found[at] ?? '', text: match[at + 1] ?? '' }]))
    const number = (field: Field): number | undefined => {
      const piece = texts.get(field)
      return piece && numberOf(field, piece.symbol, piece.text)
    }
    const hour12 = number('hour12')
    const half = texts.get('half')?.text.toUpperCase() === 'PM' ? 12 : 0
    if (hour12 !== undefined && (hour12 < 1 || hour12 > 12)) return undefined
    const fraction = texts.get('fraction')
    return timestampOf({
      year: number('year') ?? 0,
      month: number('month'),
      day: number('day'),
      hour: hour12 === undefined ? number('hour') : (hour12 % 12) + half,
      minute: number('minute'),
      second: number('second'),
      fraction: fraction?.symbol === 'n' ? fraction.text.padStart(9, '0') : fraction?.text,
      offset: offsetOf(texts.get('offset')?.text.toUpperCase()),
    })
  }
}
