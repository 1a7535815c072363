import { failure } from './failure.ts'
import { longestRecord } from './lines.ts'
import type { Result } from './query.ts'
import { isUnknown, jsonOfFields, missing, textOf } from './value.ts'

// Results as they are sent ("CSVOutput", "JSONOutput", S3 API reference). A pure engine.

export type CsvOutput = {
  readonly fieldDelimiter: string
  readonly recordDelimiter: string
  readonly quote: string
  readonly quoteEscape: string
  readonly quoteAll: boolean
}

const bounded = (text: string): string => {
  if (text.length > longestRecord) throw failure('OverMaxRecordSize')
  return text
}

/** A result as JSON; what is missing is left out. Throws OverMaxRecordSize. */
export const jsonWriter =
  (recordDelimiter: string) =>
  (result: Result): string =>
    bounded(jsonOfFields(result, { left: longestRecord })) + recordDelimiter

/** A result as CSV. Throws UnsupportedSqlOperation for lists and structs, OverMaxRecordSize. */
export const csvWriter = ({ fieldDelimiter, recordDelimiter, quote, quoteEscape, quoteAll }: CsvOutput) => {
  const field = (text: string): string => {
    if (quote === '') return text
    const needed =
      quoteAll ||
      text.includes(quote) ||
      text.includes(fieldDelimiter) ||
      text.includes(recordDelimiter) ||
      /[\r\n]/.test(text)
    return needed ? quote + text.replaceAll(quote, () => quoteEscape + quote) + quote : text
  }
  return (result: Result): string => {
    let left = longestRecord
    const texts = result.map(([, value]) => {
      if (isUnknown(value)) return value === missing || !quoteAll ? '' : field('')
      const text = textOf(value)
      // Nested data take JSON.
      if (text === undefined) throw failure('UnsupportedSqlOperation')
      left -= text.length
      if (left < 0) throw failure('OverMaxRecordSize')
      return field(text)
    })
    return bounded(texts.join(fieldDelimiter)) + recordDelimiter
  }
}
