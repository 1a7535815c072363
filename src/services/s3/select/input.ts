import { type CsvRow, csvBinding, csvParser } from './csv-input.ts'
import type { Binding } from './evaluate.ts'
import { failure } from './failure.ts'
import { jsonBinding, jsonReader } from './json-input.ts'
import { type LineReader, lineReader, type Scan } from './lines.ts'
import { type Result, type Running, startQuery } from './query.ts'
import type { TextFormat } from './settings.ts'
import type { Query } from './syntax.ts'
import type { Value } from './value.ts'

/** A query over bytes as they come; each step is a record looked at, with the result it gave. */
export type Selection = {
  readonly push: (bytes: Buffer) => Generator<Result | undefined>
  /** What is left when all bytes have come. */
  readonly finish: () => Generator<Result | undefined>
  /** The result of all records together. */
  readonly last: () => Result | undefined
  /** Nothing that is still to come can change the results. */
  readonly isOver: () => boolean
}

/** `header`: the first line, where a scan begins behind it. */
export const startSelection = (
  query: Query,
  format: TextFormat,
  now: Date,
  scan?: Scan,
  header?: string,
): Selection => {
  if (format.kind === 'csv') return csvSelection(query, format, now, scan, header)
  return format.type === 'LINES' ? linesSelection(query, now, scan) : documentSelection(query, now)
}

const csvSelection = (
  query: Query,
  { csv, header: use }: Extract<TextFormat, { kind: 'csv' }>,
  now: Date,
  scan: Scan | undefined,
  headerLine: string | undefined,
): Selection => {
  // Paths into the object are for JSON.
  if (query.from && query.from.length > 0) throw failure('InvalidKeyPath')
  const lines = lineReader(csv.recordDelimiter, scan)
  const parser = csvParser(csv)
  let names: CsvRow | undefined
  let awaited = use !== 'NONE' && (scan === undefined || scan.start === 0)
  let running: Running<CsvRow> | undefined
  const start = (binding: Binding<CsvRow>): Running<CsvRow> => {
    running ??= startQuery(query, binding, now)
    return running
  }
  if (use === 'USE' && headerLine !== undefined) names = csvParser(csv).line(headerLine)
  const each = function* (texts: Generator<string>): Generator<Result | undefined> {
    for (const text of texts) {
      const row = parser.line(text)
      if (!row) continue
      if (awaited) {
        awaited = false
        if (use === 'USE') names = row
        continue
      }
      yield start(csvBinding(names, false)).row(row)
      if (running?.isFull()) return
    }
  }
  return {
    push: (bytes) => each(lines.push(bytes)),
    finish: function* () {
      yield* each(lines.finish())
      parser.finish()
    },
    last: () => start(csvBinding(names, use === 'USE' && names === undefined)).last(),
    isOver: () => lines.isOver() || (running?.isFull() ?? query.limit === 0),
  }
}

const jsonQuery = (query: Query, now: Date): Running<Value> => startQuery(query, jsonBinding, now)

const linesSelection = (query: Query, now: Date, scan: Scan | undefined): Selection => {
  const lines: LineReader = lineReader('\n', scan)
  const running = jsonQuery(query, now)
  const reader = jsonReader(query.from ?? [])
  const each = function* (texts: Generator<string>): Generator<Result | undefined> {
    for (const text of texts) {
      for (const value of reader.push(text)) yield running.row(value)
      for (const value of reader.finish()) yield running.row(value)
      if (running.isFull()) return
    }
  }
  return {
    push: (bytes) => each(lines.push(bytes)),
    finish: () => each(lines.finish()),
    last: running.last,
    isOver: () => lines.isOver() || running.isFull(),
  }
}

const documentSelection = (query: Query, now: Date): Selection => {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const running = jsonQuery(query, now)
  const reader = jsonReader(query.from ?? [])
  const decode = (bytes: Buffer, stream: boolean): string => {
    try {
      return decoder.decode(bytes, { stream })
    } catch {
      throw failure('InvalidTextEncoding')
    }
  }
  const each = function* (values: Generator<Value>): Generator<Result | undefined> {
    for (const value of values) {
      yield running.row(value)
      if (running.isFull()) return
    }
  }
  return {
    push: (bytes) => each(reader.push(decode(bytes, true))),
    finish: function* () {
      yield* each(reader.push(decode(Buffer.alloc(0), false)))
      yield* each(reader.finish())
    },
    last: running.last,
    isOver: () => running.isFull(),
  }
}
