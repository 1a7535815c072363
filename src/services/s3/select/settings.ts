import type { Input } from '../operation.ts'
import type { CsvSettings } from './csv-input.ts'
import type { Compression } from './decompress.ts'
import { failure } from './failure.ts'
import type { Scan } from './lines.ts'
import { csvWriter, jsonWriter } from './output.ts'
import type { Result } from './query.ts'

// What a request says of its input and output, checked ("SelectObjectContent", S3 API reference).

type SelectInput = Input<'SelectObjectContent'>

/** Read from its first byte to its last. */
export type TextFormat =
  | { readonly kind: 'csv'; readonly csv: CsvSettings; readonly header: 'USE' | 'IGNORE' | 'NONE' }
  | { readonly kind: 'json'; readonly type: 'DOCUMENT' | 'LINES' }
export type InputFormat = TextFormat | { readonly kind: 'parquet' }

const oneOf = <T extends string>(value: unknown, among: readonly T[], otherwise: Parameters<typeof failure>[0]): T => {
  const found = among.find((each) => each === value)
  if (found === undefined) throw failure(otherwise)
  return found
}

/** One character (or as many as said); empty only where that means something. */
const character = (
  value: string | undefined,
  standard: string,
  { longest = 1, empty = false }: { longest?: number; empty?: boolean } = {},
): string => {
  const text = value ?? standard
  const { length } = [...text]
  if (length > longest || (length === 0 && !empty)) throw failure('InvalidRequestParameter')
  return text
}

/** Throws MissingRequiredParameter, ObjectSerializationConflict, InvalidFileHeaderInfo, InvalidJsonType, InvalidRequestParameter. */
export const inputFormat = ({
  CSV,
  JSON: json,
  Parquet,
}: NonNullable<SelectInput['InputSerialization']>): InputFormat => {
  const given = [CSV, json, Parquet].filter((each) => each !== undefined)
  if (given.length === 0) throw failure('InvalidDataSource')
  if (given.length > 1) throw failure('ObjectSerializationConflict')
  if (Parquet) return { kind: 'parquet' }
  if (json) return { kind: 'json', type: oneOf(json.Type, ['DOCUMENT', 'LINES'], 'InvalidJsonType') }
  const quote = character(CSV?.QuoteCharacter, '"', { empty: true })
  return {
    kind: 'csv',
    header: oneOf(CSV?.FileHeaderInfo ?? 'NONE', ['USE', 'IGNORE', 'NONE'], 'InvalidFileHeaderInfo'),
    csv: {
      fieldDelimiter: character(CSV?.FieldDelimiter, ','),
      recordDelimiter: character(CSV?.RecordDelimiter, '\n', { longest: 2 }),
      quote,
      quoteEscape: character(CSV?.QuoteEscapeCharacter, quote, { empty: true }),
      comment: character(CSV?.Comments, '#', { empty: true }),
      quotedRecordDelimiters: CSV?.AllowQuotedRecordDelimiter ?? false,
    },
  }
}

/** Objects of Parquet are compressed column by column, never as a whole. Throws InvalidCompressionFormat, InvalidRequestParameter. */
export const compressionOf = (input: NonNullable<SelectInput['InputSerialization']>): Compression => {
  const compression = oneOf(input.CompressionType ?? 'NONE', ['NONE', 'GZIP', 'BZIP2'], 'InvalidCompressionFormat')
  if (input.Parquet && compression !== 'NONE') throw failure('InvalidRequestParameter')
  return compression
}

/** Throws MissingRequiredParameter, ObjectSerializationConflict, InvalidQuoteFields, InvalidRequestParameter. */
export const outputWriter = ({
  CSV,
  JSON: json,
}: NonNullable<SelectInput['OutputSerialization']>): ((result: Result) => string) => {
  if (CSV && json) throw failure('ObjectSerializationConflict')
  if (json) return jsonWriter(json.RecordDelimiter ?? '\n')
  if (!CSV) throw failure('MissingRequiredParameter')
  const quote = character(CSV.QuoteCharacter, '"', { empty: true })
  return csvWriter({
    fieldDelimiter: CSV.FieldDelimiter ?? ',',
    recordDelimiter: CSV.RecordDelimiter ?? '\n',
    quote,
    quoteEscape: character(CSV.QuoteEscapeCharacter, quote, { empty: true }),
    quoteAll: oneOf(CSV.QuoteFields ?? 'ASNEEDED', ['ALWAYS', 'ASNEEDED'], 'InvalidQuoteFields') === 'ALWAYS',
  })
}

/** The range of a scan over an object of `size` bytes. Throws InvalidScanRange, UnsupportedScanRangeInput. */
export const scanOf = (
  range: SelectInput['ScanRange'],
  size: number,
  format: InputFormat,
  compression: Compression,
): Scan | undefined => {
  if (!range) return undefined
  const { Start: start, End: end } = range
  if (start === undefined && end === undefined) throw failure('InvalidScanRange')
  if (
    compression !== 'NONE' ||
    (format.kind === 'csv' && format.csv.quotedRecordDelimiters) ||
    (format.kind === 'json' && format.type === 'DOCUMENT')
  )
    throw failure('UnsupportedScanRangeInput')
  // Only an end: so many bytes from the end.
  const scan =
    start === undefined
      ? { start: Math.max(0, size - (end ?? 0)), end: size - 1 }
      : { start, end: Math.min(end ?? size - 1, Math.max(0, size - 1)) }
  const given = [start ?? 0, end ?? 0]
  if (given.some((each) => !Number.isSafeInteger(each) || each < 0)) throw failure('InvalidScanRange')
  if (end === 0 && start === undefined) throw failure('InvalidScanRange')
  if (scan.start > scan.end && size > 0) throw failure('InvalidScanRange')
  return scan
}
