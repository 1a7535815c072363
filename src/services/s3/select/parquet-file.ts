import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import {
  type ColumnMetaData,
  type FileMetaData,
  type PageHeader,
  parquetMetadata,
  type SchemaElement,
  snappyUncompress,
} from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { AwsError } from '../../../kernel/errors.ts'
import { failure } from './failure.ts'
import { longestRecord } from './lines.ts'
import { type Dictionary, dictionaryOf, hybrid, unpackedSize, valuesOf } from './parquet-page.ts'
import { natural, sliceAt } from './parquet-values.ts'
import { checkThrift } from './thrift.ts'
import type { Value } from './value.ts'

// Files of Parquet, of which only what is asked for is read: the footer, then pages of the columns that a query names
// ("File format", Apache Parquet).

/** The bytes of an object, read where they are asked for; `end` is exclusive. */
export type Source = { readonly size: number; readonly read: (start: number, end: number) => Promise<Buffer> }

/** What reading has taken, in bytes: of the object, of pages before they were compressed, and of those that are open now. */
export type Taken = { read: number; opened: number; held: number }

const readFrom = ({ read }: Source, taken: Taken, start: number, end: number): Promise<Buffer> => {
  taken.read += end - start
  return read(start, end)
}

/** A part of the schema: a column, or a group of them. */
export type Field = {
  readonly name: string
  readonly element: SchemaElement
  readonly children: readonly Field[]
  /** From which definition level on it is there. */
  readonly defined: number
  /** How many fields on the way to it are repeated. */
  readonly repeated: number
  /** Leaves: the place among a row group's columns. */
  readonly column: number
}

export type ParquetFile = {
  readonly fields: readonly Field[]
  readonly groups: readonly RowGroup[]
}
export type RowGroup = {
  /** Its first byte in the file. */
  readonly start: number
  readonly rows: number
  readonly columns: readonly (ColumnMetaData | undefined)[]
}

const parsing = () => failure('ParquetParsingError')

/** What a hostile or broken file makes the reader throw is the file's error. */
export const ofFile = <T>(read: () => T): T => {
  try {
    return read()
  } catch (error) {
    throw error instanceof AwsError ? error : parsing()
  }
}

/** Bytes of a row group before it was compressed ("Requirements and limits", S3 user guide). */
const largestGroup = 512 * 1024 * 1024
const largestFooter = 8 * 1024 * 1024
const mostInFooter = 1_000_000
/** A page is worked at in one go. */
const largestPage = 128 * 1024 * 1024
const magic = 'PAR1'
const firstRead = 64 * 1024

/** Reads the footer. Throws ParquetParsingError, OverMaxParquetBlockSize. */
export const openParquet = async (source: Source, taken: Taken): Promise<ParquetFile> => {
  const { size } = source
  if (size < 12) throw parsing()
  let tail = await source.read(Math.max(0, size - firstRead), size)
  if (tail.toString('latin1', tail.length - 4) !== magic) throw parsing()
  const length = tail.readUInt32LE(tail.length - 8) + 8
  if (length > Math.min(size - 4, largestFooter)) throw parsing()
  if (length > tail.length) tail = Buffer.concat([await source.read(size - length, size - tail.length), tail])
  const footer = tail.subarray(tail.length - length)
  taken.read += length
  return ofFile(() => {
    checkThrift(footer, mostInFooter)
    const metadata = parquetMetadata(footer, { geoparquet: false, parsers: noStatistics })
    return { fields: fieldsOf(metadata.schema), groups: metadata.row_groups.map(groupOf) }
  })
}

const unread = () => undefined
/** Nobody asks for them, and they need not be what their column says. */
const noStatistics = {
  timestampFromMilliseconds: unread,
  timestampFromMicroseconds: unread,
  timestampFromNanoseconds: unread,
  dateFromDays: unread,
  stringFromBytes: unread,
}

const groupOf = (group: FileMetaData['row_groups'][number]): RowGroup => {
  const sizes = group.columns.map(({ meta_data: chunk }) => natural(chunk?.total_uncompressed_size ?? 0))
  if (sizes.reduce((sum, each) => sum + each, 0) > largestGroup) throw failure('OverMaxParquetBlockSize')
  // Columns in other files, and those that are encrypted, are not there.
  const columns = group.columns.map(({ file_path: path, meta_data: chunk }) => (path ? undefined : chunk))
  return { start: columns[0] ? startOf(columns[0]) : 0, rows: natural(group.num_rows), columns }
}

/** The first byte of a column's pages. Not every writer says where its dictionary is, and some say 0. */
const startOf = ({ dictionary_page_offset: dictionary, data_page_offset: data }: ColumnMetaData): number =>
  Math.min(...[dictionary, data].map((offset) => Number(offset ?? 0)).filter((offset) => offset > 0))

const deepest = 100

const fieldsOf = (schema: readonly SchemaElement[]): readonly Field[] => {
  let next = 1
  let column = 0
  const children = (count: number, above: Pick<Field, 'defined' | 'repeated'>, depth: number): Field[] => {
    if (depth > deepest || count > schema.length - next) throw parsing()
    return Array.from({ length: count }, () => {
      const element = schema[next]
      if (!element) throw parsing()
      next += 1
      const { name, repetition_type: repetition, num_children: count } = element
      if (typeof name !== 'string') throw parsing()
      const levels = {
        defined: above.defined + (repetition === 'REQUIRED' ? 0 : 1),
        repeated: above.repeated + (repetition === 'REPEATED' ? 1 : 0),
      }
      const inner = element.type === undefined ? children(natural(count), levels, depth + 1) : []
      const own = element.type === undefined ? -1 : column
      if (element.type !== undefined) column += 1
      return { name, element, children: inner, ...levels, column: own }
    })
  }
  return children(natural(schema[0]?.num_children), { defined: 0, repeated: 0 }, 0)
}

/** The value that a row has in a column, and how far on the way to it there is something. */
export type Cell = { readonly defined: number; readonly value: Value }

/** Each call is the next row's; of a repeated field the last ("Requirements and limits", S3 user guide). */
export type Cells = () => Cell | Promise<Cell>

const inflate = promisify(gunzip)

const decompress = async (bytes: Buffer, size: number, codec: ColumnMetaData['codec']): Promise<Buffer> => {
  switch (codec) {
    case 'UNCOMPRESSED':
      return bytes
    case 'GZIP':
      try {
        return await inflate(bytes, { maxOutputLength: Math.max(size, 1) })
      } catch {
        throw parsing()
      }
    case 'SNAPPY': {
      const page = Buffer.alloc(size)
      ofFile(() => snappyUncompress(bytes, page))
      return page
    }
    default:
      throw failure('ParquetUnsupportedCompressionCodec')
  }
}

/** Counts bytes of a row group that are in memory. */
const hold = (taken: Taken, size: number): void => {
  taken.held += size
  if (size > largestPage || taken.held > largestGroup) throw failure('OverMaxParquetBlockSize')
}

const opened = async (bytes: Buffer, size: number, codec: ColumnMetaData['codec'], taken: Taken): Promise<Buffer> => {
  hold(taken, size)
  taken.opened += size
  const page = size === 0 ? Buffer.alloc(0) : await decompress(bytes, size, codec)
  if (page.length !== size) throw parsing()
  return page
}

/** How much is read at a time, of all columns together and of one. */
const readOfAll = 64 * 1024 * 1024
const readOfOne = { least: 4 * 1024, most: 256 * 1024 }
const largestHeader = 1024 * 1024

/** The chunk's bytes from its first page on, as they are asked for. */
const chunkReader = (chunk: ColumnMetaData, source: Source, taken: Taken, columns: number) => {
  const atOnce = Math.min(readOfOne.most, Math.max(readOfOne.least, Math.floor(readOfAll / columns)))
  let at = startOf(chunk)
  const end = at + natural(chunk.total_compressed_size)
  if (!(at >= 4 && end >= at && end <= source.size)) throw parsing()
  let held: Buffer = Buffer.alloc(0)
  /** Has so many bytes at hand, if there are so many. */
  const have = async (length: number): Promise<void> => {
    const missing = length - held.length
    if (missing <= 0 || at >= end) return
    const upTo = Math.min(end, at + Math.max(missing, atOnce))
    held = Buffer.concat([held, await readFrom(source, taken, at, upTo)])
    at = upTo
  }
  const take = async (length: number): Promise<Buffer> => {
    if (length > largestPage) throw failure('OverMaxParquetBlockSize')
    await have(length)
    const taken = ofFile(() => sliceAt(held, 0, length))
    held = held.subarray(length)
    return taken
  }
  return {
    isOver: () => held.length === 0 && at >= end,
    take,
    header: async () => {
      for (let length = 4096; ; length *= 8) {
        await have(length)
        const reader = { view: new DataView(held.buffer, held.byteOffset, held.length), offset: 0 }
        try {
          const header = parquetHeader(reader)
          held = held.subarray(reader.offset)
          return header
        } catch {
          // More of it may be to come.
          if (at >= end || length > largestHeader) throw parsing()
        }
      }
    },
  }
}

type Page = {
  readonly size: number
  left: number
  readonly repetition: () => number
  readonly definition: () => number
  readonly value: () => Value
}

type Present<Kind extends keyof PageHeader> = NonNullable<PageHeader[Kind]>

const bitsFor = (level: number): number => 32 - Math.clz32(level)

/** Levels of a page of the first version, which say how long they are. */
const levels = (bytes: Buffer, highest: number) => {
  if (highest === 0) return { next: () => 0, rest: bytes }
  const own = sliceAt(bytes, 4, bytes.readUInt32LE(0))
  return { next: hybrid(own, bitsFor(highest)), rest: bytes.subarray(4 + own.length) }
}

/**
 * The cells of a row group's column, read a page at a time beside so many `columns`. Throws ParquetParsingError,
 * ParquetUnsupportedCompressionCodec, UnsupportedParquetType, OverMaxParquetBlockSize, OverMaxRecordSize.
 */
export const openColumn = (
  field: Field,
  chunk: ColumnMetaData | undefined,
  source: Source,
  taken: Taken,
  columns: number,
): Cells => {
  if (!chunk || chunk.type !== field.element.type) throw parsing()
  const { element, defined, repeated } = field
  const { codec } = chunk
  if (codec !== 'UNCOMPRESSED' && codec !== 'SNAPPY' && codec !== 'GZIP')
    throw failure('ParquetUnsupportedCompressionCodec')
  const bytes = chunkReader(chunk, source, taken, columns)
  let dictionary: Dictionary | undefined
  let page: Page | undefined
  /** The first value of the row after the one that is being read. */
  let ahead: Cell | undefined

  const readDictionary = async (
    { num_values: count }: Present<'dictionary_page_header'>,
    body: Buffer,
    size: number,
  ): Promise<void> => {
    if (dictionary) throw parsing()
    const open = await opened(body, size, codec, taken)
    dictionary = ofFile(() => dictionaryOf(open, natural(count), element))
  }

  const readPage = async (header: Present<'data_page_header'>, body: Buffer, size: number): Promise<Page> => {
    const open = await opened(body, size, codec, taken)
    const count = natural(header.num_values)
    const unpacked = unpackedSize(header.encoding, count)
    hold(taken, unpacked)
    return ofFile(() => {
      const repetition = levels(open, repeated)
      const definition = levels(repetition.rest, defined)
      const value = valuesOf(definition.rest, count, header.encoding, element, dictionary)
      return { size: size + unpacked, left: count, repetition: repetition.next, definition: definition.next, value }
    })
  }

  /** Pages of the second version have their levels outside of what is compressed. */
  const readSecond = async (header: Present<'data_page_header_v2'>, body: Buffer, size: number): Promise<Page> => {
    const own = natural(header.repetition_levels_byte_length)
    const others = natural(header.definition_levels_byte_length)
    const [all, nulls] = [natural(header.num_values), natural(header.num_nulls)]
    const packed = ofFile(() => sliceAt(body, own + others, body.length - own - others))
    const open = await opened(
      packed,
      natural(size - own - others),
      header.is_compressed ? codec : 'UNCOMPRESSED',
      taken,
    )
    const count = natural(all - nulls)
    const unpacked = unpackedSize(header.encoding, count)
    hold(taken, unpacked)
    return ofFile(() => ({
      size: open.length + unpacked,
      left: all,
      repetition: repeated === 0 ? () => 0 : hybrid(sliceAt(body, 0, own), bitsFor(repeated)),
      definition: defined === 0 ? () => 0 : hybrid(sliceAt(body, own, others), bitsFor(defined)),
      value: valuesOf(open, count, header.encoding, element, dictionary),
    }))
  }

  const nextPage = async (): Promise<Page | undefined> => {
    taken.held -= page?.size ?? 0
    while (!bytes.isOver()) {
      const found = await readNext()
      if (found && found.left > 0) return found
      taken.held -= found?.size ?? 0
    }
    return undefined
  }

  const readNext = async (): Promise<Page | undefined> => {
    const header = await bytes.header()
    const size = natural(header.uncompressed_page_size)
    const body = await bytes.take(natural(header.compressed_page_size))
    if (header.data_page_header) return readPage(header.data_page_header, body, size)
    if (header.data_page_header_v2) return readSecond(header.data_page_header_v2, body, size)
    if (header.dictionary_page_header) await readDictionary(header.dictionary_page_header, body, size)
    return undefined
  }

  const cellOf = (page: Page): Cell => {
    page.left -= 1
    const level = page.definition()
    return { defined: level, value: level === defined ? page.value() : null }
  }

  const takeFlat = (): Cell | Promise<Cell> => {
    const at = page
    return at && at.left > 0 ? ofFile(() => cellOf(at)) : takeFromNext()
  }
  const takeFromNext = async (): Promise<Cell> => {
    page = await nextPage()
    if (!page) throw parsing()
    return takeFlat()
  }

  const takeRepeated = async (): Promise<Cell> => {
    let last = ahead
    ahead = undefined
    for (let count = 0; ; count += 1) {
      // Each is a character of the record at least.
      if (count > longestRecord) throw failure('OverMaxRecordSize')
      const at = page
      if (!at || at.left === 0) {
        page = await nextPage()
        if (page) continue
        if (!last) throw parsing()
        return last
      }
      const goesOn = ofFile(at.repetition) > 0
      const cell = ofFile(() => cellOf(at))
      if (!goesOn && last) {
        ahead = cell
        return last
      }
      last = cell
    }
  }
  return repeated === 0 ? takeFlat : takeRepeated
}
