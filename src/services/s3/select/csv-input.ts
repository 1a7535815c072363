import type { Binding } from './evaluate.ts'
import { isSame } from './evaluate.ts'
import { failure } from './failure.ts'
import { longestRecord } from './lines.ts'
import type { Name } from './syntax.ts'
import { missing, type Value } from './value.ts'

// Records of CSV ("CSVInput", S3 API reference). A pure engine.

export type CsvSettings = {
  readonly fieldDelimiter: string
  readonly recordDelimiter: string
  /** Empty: nothing is quoted. */
  readonly quote: string
  readonly quoteEscape: string
  /** Empty: there are no comments. */
  readonly comment: string
  readonly quotedRecordDelimiters: boolean
}

export type CsvRow = readonly string[]

/** Takes lines, gives records: a record whose quotes are still open goes on in the next line. */
export const csvParser = (settings: CsvSettings) => {
  const { fieldDelimiter, recordDelimiter, quote, quoteEscape, comment, quotedRecordDelimiters } = settings
  const carriageReturns = recordDelimiter === '\n'
  let fields: string[] = []
  /** What is read already of a field whose quote is open. */
  let open: string | undefined
  let length = 0

  const plain = (text: string): string => (carriageReturns && text.endsWith('\r') ? text.slice(0, -1) : text)

  /** Reads on from `at`, behind the opening quote. Returns where the field ends, or undefined when it is still open. */
  const quoted = (text: string, from: number): number | undefined => {
    let at = from
    let value = open ?? ''
    const escapes = quoteEscape !== quote && quoteEscape !== ''
    let closing = text.indexOf(quote, at)
    let escaping = escapes ? text.indexOf(quoteEscape, at) : -1
    for (let piece = at; ; ) {
      // Looked for again only once it is passed: a line is read once, whatever is in it.
      if (closing >= 0 && closing < at) closing = text.indexOf(quote, at)
      if (escaping >= 0 && escaping < at) escaping = text.indexOf(quoteEscape, at)
      if (escaping >= 0 && (closing < 0 || escaping < closing)) {
        const next = text.charAt(escaping + 1)
        const escaped = next === quote || next === quoteEscape
        if (escaped) {
          value += text.slice(piece, escaping) + next
          piece = escaping + 2
        }
        at = escaping + (escaped ? 2 : 1)
      } else if (closing < 0) {
        open = value + text.slice(piece)
        return undefined
      } else if (quoteEscape === quote && text.charAt(closing + 1) === quote) {
        value += text.slice(piece, closing + 1)
        piece = closing + 2
        at = piece
      } else {
        fields.push(value + text.slice(piece, closing))
        open = undefined
        return closing + 1
      }
    }
  }

  const behindQuote = (text: string, at: number): number => {
    if (at === text.length || (carriageReturns && text.slice(at) === '\r')) return text.length + 1
    if (!text.startsWith(fieldDelimiter, at)) throw failure('CSVUnescapedQuote')
    return at + fieldDelimiter.length
  }

  /** The record that ends with this line; undefined for comments, empty lines and records that go on. */
  const line = (text: string): CsvRow | undefined => {
    length += text.length
    if (length > longestRecord) throw failure('OverMaxRecordSize')
    if (open === undefined) {
      length = text.length
      if (text === '' || (carriageReturns && text === '\r')) return undefined
      if (comment !== '' && text.startsWith(comment)) return undefined
      if (quote === '' || !text.includes(quote)) return plain(text).split(fieldDelimiter)
      fields = []
    }
    let at = 0
    if (open !== undefined) {
      open += recordDelimiter
      const end = quoted(text, 0)
      if (end === undefined) return undefined
      at = behindQuote(text, end)
    }
    while (at <= text.length) {
      if (text.startsWith(quote, at) && at < text.length) {
        const end = quoted(text, at + quote.length)
        if (end === undefined) {
          if (!quotedRecordDelimiters) throw failure('CSVEscapingRecordDelimiter')
          return undefined
        }
        at = behindQuote(text, end)
        continue
      }
      const end = text.indexOf(fieldDelimiter, at)
      fields.push(end < 0 ? plain(text.slice(at)) : text.slice(at, end))
      at = end < 0 ? text.length + 1 : end + fieldDelimiter.length
    }
    return fields
  }
  return {
    line,
    /** Throws CSVUnescapedQuote when a quote is open at the end. */
    finish: (): void => {
      if (open !== undefined) throw failure('CSVUnescapedQuote')
    },
  }
}

const column = (index: number) => (row: CsvRow) => row[index] ?? missing

const positionOf = ({ name }: Name): number | undefined => {
  const [, digits] = /^_(\d{1,9})$/.exec(name) ?? []
  return digits === undefined ? undefined : Number(digits)
}

/**
 * What columns are called. `header` where the first line names them; `empty`: it would, but the object has none.
 * Throws MissingHeaders, AmbiguousFieldName, InvalidColumnIndex.
 */
export const csvBinding = (header: CsvRow | undefined, empty: boolean): Binding<CsvRow> => ({
  whole:
    () =>
    (row): Value => ({
      kind: 'struct',
      fields: row.map((value, index) => [header?.[index] ?? `_${index + 1}`, value]),
    }),
  field: (name) => {
    const found = header?.flatMap((each, index) => (isSame(name, each) ? [index] : [])) ?? []
    const [first] = found
    if (found.length > 1) throw failure('AmbiguousFieldName')
    if (first !== undefined) return column(first)
    const position = positionOf(name)
    if (position === 0) throw failure('InvalidColumnIndex')
    if (position !== undefined) return column(position - 1)
    if (empty) return () => missing
    throw failure('MissingHeaders')
  },
})
