import type { Encoding, SchemaElement } from 'hyparquet'
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js'
import { failure } from './failure.ts'
import { longestRecord } from './lines.ts'
import { fixed, meaningOf, placesOf, plain, sliceAt, type Values, widthOf } from './parquet-values.ts'
import type { Value } from './value.ts'

// The inside of a page of Parquet ("Encodings", Apache Parquet). A pure engine. Nothing is unrolled before it is asked for: a
// run of a few bytes may stand for billions of values. What reads beyond the page throws a RangeError.

/** Numbers of `width` bits, in runs or packed ("RLE/bit-packing hybrid"). Each call is the next one. */
export const hybrid = (bytes: Buffer, width: number): (() => number) => {
  let at = 0
  let left = 0
  let repeated: number | undefined
  /** Where the next packed number begins, in bits. */
  let bit = 0
  const begin = (): void => {
    let header = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.readUInt8(at)
      at += 1
      header += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) break
      if (shift > 28) throw new RangeError('no run is that long')
    }
    const count = Math.floor(header / 2)
    if (header % 2 === 1) {
      left = count * 8
      repeated = undefined
      bit = at * 8
      at += count * width
      return
    }
    left = count
    const length = (width + 7) >> 3
    repeated = length === 0 ? 0 : bytes.readUIntLE(at, length)
    at += length
  }
  const packed = (): number => {
    let value = 0
    for (let got = 0; got < width; ) {
      const taken = Math.min(8 - (bit & 7), width - got)
      const part = (bytes.readUInt8(bit >> 3) >> (bit & 7)) & ((1 << taken) - 1)
      value += part * 2 ** got
      got += taken
      bit += taken
    }
    return value
  }
  return () => {
    while (left === 0) begin()
    left -= 1
    return repeated ?? packed()
  }
}

/** Bytes that values take which are worked out all at once. */
export const unpackedSize = (encoding: Encoding | undefined, count: number): number =>
  encoding?.startsWith('DELTA_') ? count * 8 : 0

const deltas = (bytes: Buffer, count: number, type: 'INT32' | 'INT64') => {
  const numbers = type === 'INT32' ? new Int32Array(count) : new BigInt64Array(count)
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 }
  if (count > 0) deltaBinaryUnpack(reader, count, numbers)
  return { numbers, rest: sliceAt(bytes, reader.offset, bytes.length - reader.offset) }
}

const inTurn = <T>(of: { readonly [index: number]: T }): (() => T) => {
  let next = 0
  return () => {
    const value = of[next]
    if (value === undefined) throw new RangeError('no more values')
    next += 1
    return value
  }
}

const lengthsOf = (bytes: Buffer, count: number) => {
  const { numbers, rest } = deltas(bytes, count, 'INT32')
  return { next: inTurn<number | bigint>(numbers), rest }
}

const deltaLengths = (bytes: Buffer, count: number): (() => Buffer) => {
  const { next, rest } = lengthsOf(bytes, count)
  let at = 0
  return () => {
    const value = sliceAt(rest, at, Number(next()))
    at += value.length
    return value
  }
}

/** Each begins with so many bytes of the one before. */
const deltaPrefixes = (bytes: Buffer, count: number): (() => Buffer) => {
  const { next, rest } = lengthsOf(bytes, count)
  const suffix = deltaLengths(rest, count)
  let before: Buffer = Buffer.alloc(0)
  return () => {
    before = Buffer.concat([sliceAt(before, 0, Number(next())), suffix()])
    if (before.length > longestRecord) throw failure('OverMaxRecordSize')
    return before
  }
}

/** The first bytes of all values, then their second bytes, and so on. */
const streams = (bytes: Buffer, count: number, element: SchemaElement) => {
  const width = widthOf(element)
  if (width === undefined) throw failure('ParquetParsingError')
  let index = 0
  return () => {
    if (index >= count) throw new RangeError('no more values')
    const value = Buffer.from(Array.from({ length: width }, (_, each) => bytes.readUInt8(each * count + index)))
    index += 1
    return fixed(element, value)
  }
}

/** The values of a page, of which there are `count`. Throws ParquetParsingError for encodings that are none of a column's. */
export const valuesOf = (
  bytes: Buffer,
  count: number,
  encoding: Encoding | undefined,
  element: SchemaElement,
  dictionary: Dictionary | undefined,
): Values => {
  const mean = meaningOf(element)
  switch (encoding) {
    case 'PLAIN': {
      const next = plain(bytes, element)
      return () => mean(next())
    }
    case 'PLAIN_DICTIONARY':
    case 'RLE_DICTIONARY': {
      if (!dictionary) throw failure('ParquetParsingError')
      if (count === 0) return () => null
      const next = hybrid(sliceAt(bytes, 1, bytes.length - 1), bytes.readUInt8(0))
      return () => dictionary(next())
    }
    case 'RLE': {
      if (element.type !== 'BOOLEAN') throw failure('ParquetParsingError')
      if (count === 0) return () => null
      const next = hybrid(sliceAt(bytes, 4, bytes.readUInt32LE(0)), 1)
      return () => next() === 1
    }
    case 'DELTA_BINARY_PACKED': {
      if (element.type !== 'INT32' && element.type !== 'INT64') throw failure('ParquetParsingError')
      const next = inTurn<number | bigint>(deltas(bytes, count, element.type).numbers)
      return () => mean(next())
    }
    case 'DELTA_LENGTH_BYTE_ARRAY': {
      const next = deltaLengths(bytes, count)
      return () => mean(next())
    }
    case 'DELTA_BYTE_ARRAY': {
      const next = deltaPrefixes(bytes, count)
      return () => mean(next())
    }
    case 'BYTE_STREAM_SPLIT': {
      const next = streams(bytes, count, element)
      return () => mean(next())
    }
    default:
      throw failure('ParquetParsingError')
  }
}

/** The values that others of a chunk are named by. */
export type Dictionary = (index: number) => Value

/** How many values of a dictionary are kept once they were read. */
const mostKept = 10_000

/** Throws ParquetParsingError for columns that have none. */
export const dictionaryOf = (bytes: Buffer, count: number, element: SchemaElement): Dictionary => {
  const [rawAt, mean] = [placesOf(bytes, count, element), meaningOf(element)]
  const kept: (Value | undefined)[] = Array.from({ length: Math.min(count, mostKept) }, () => undefined)
  return (index) => {
    if (index >= count) throw new RangeError('beyond the dictionary')
    const before = kept[index]
    if (before !== undefined) return before
    const value = mean(rawAt(index))
    if (index < mostKept) kept[index] = value
    return value
  }
}
