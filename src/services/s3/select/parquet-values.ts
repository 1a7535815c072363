import { isUtf8 } from 'node:buffer'
import type { SchemaElement } from 'hyparquet'
import { decimal } from './decimal.ts'
import { failure } from './failure.ts'
import { longestRecord } from './lines.ts'
import { type Timestamp, timestampOfLocal } from './timestamp.ts'
import type { Value } from './value.ts'

// Values of Parquet's columns, one after the other as they lie in a page ("Encodings" and "Logical types", Apache Parquet). A
// pure engine. What reads beyond its bytes throws a RangeError.

/** Each call is the next value. */
export type Values = () => Value

/** A column's values lie as these bytes; what they mean is the schema's. */
type Raw = boolean | number | bigint | Buffer

const DAY = 86_400_000

/** An instant, in units of which a second has 10^`digits`. */
const timestamp = (units: bigint, digits: number, offset: number | undefined): Timestamp => {
  const scale = 10n ** BigInt(digits)
  const fraction = ((units % scale) + scale) % scale
  const local = Number(((units - fraction) / scale) * 1000n)
  return known(timestampOfLocal('second', local, String(fraction).padStart(digits, '0'), offset))
}

const known = <T>(value: T | undefined): T => {
  if (value === undefined) throw failure('ParquetParsingError')
  return value
}

/** Days since the Julian epoch and nanoseconds of the day. */
const int96 = (bytes: Buffer): Timestamp =>
  timestamp(BigInt(bytes.readUInt32LE(8) - 2_440_588) * BigInt(DAY) * 1_000_000n + bytes.readBigUInt64LE(0), 9, 0)

const bigEndian = (bytes: Buffer): bigint =>
  bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`))

const text = (bytes: Buffer): string => {
  if (!isUtf8(bytes)) throw failure('InvalidTextEncoding')
  return bytes.toString()
}

const uuid = (bytes: Buffer): string =>
  bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

const float16 = (bytes: Buffer): number => {
  const bits = bytes.readUInt16LE()
  const sign = bits >> 15 === 0 ? 1 : -1
  const [exponent, fraction] = [(bits >> 10) & 0x1f, (bits & 0x3ff) / 1024]
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (exponent === 0 ? 2 ** -14 * fraction : 2 ** (exponent - 15) * (1 + fraction))
}

const digitsOf = { MILLIS: 3, MICROS: 6, NANOS: 9 } as const
const unsupported = ['BSON', 'INTERVAL', 'TIME_MILLIS', 'TIME_MICROS', 'TIME', 'VARIANT', 'GEOMETRY', 'GEOGRAPHY']

const whole = (raw: Raw): bigint => (Buffer.isBuffer(raw) ? bigEndian(raw) : BigInt(raw))
const bytesOf = (raw: Raw): Buffer => {
  if (!Buffer.isBuffer(raw)) throw failure('ParquetParsingError')
  return raw
}

/** A number that the file gives; hostile ones give anything. Throws ParquetParsingError. */
export const natural = (given: unknown): number => {
  const number = typeof given === 'bigint' ? Number(given) : given
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0) throw failure('ParquetParsingError')
  return number
}

/** What a column's raw values mean. Throws UnsupportedParquetType. */
export const meaningOf = (element: SchemaElement): ((raw: Raw) => Value) => {
  const { type, converted_type: converted, logical_type: logical, scale } = element
  if (unsupported.includes(converted ?? '') || unsupported.includes(logical?.type ?? ''))
    throw failure('UnsupportedParquetType')
  if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') {
    const digits = natural(scale ?? (logical?.type === 'DECIMAL' ? logical.scale : 0))
    return (raw) => decimal(whole(raw), digits)
  }
  if (converted === 'DATE' || logical?.type === 'DATE')
    return (raw) => known(timestampOfLocal('day', Number(raw) * DAY, '', undefined))
  if (logical?.type === 'TIMESTAMP') {
    const offset = logical.isAdjustedToUTC ? 0 : undefined
    return (raw) => timestamp(whole(raw), digitsOf[logical.unit], offset)
  }
  if (converted === 'TIMESTAMP_MILLIS') return (raw) => timestamp(whole(raw), 3, 0)
  if (converted === 'TIMESTAMP_MICROS') return (raw) => timestamp(whole(raw), 6, 0)
  const unsigned = converted?.startsWith('UINT_') || (logical?.type === 'INTEGER' && !logical.isSigned)
  switch (type) {
    case 'BOOLEAN':
      return (raw) => raw === true
    case 'INT32':
      return (raw) => (unsigned ? BigInt.asUintN(32, whole(raw)) : whole(raw))
    case 'INT64':
      return (raw) => (unsigned ? BigInt.asUintN(64, whole(raw)) : whole(raw))
    case 'INT96':
      return (raw) => int96(bytesOf(raw))
    case 'FLOAT':
    case 'DOUBLE':
      return Number
    case 'FIXED_LEN_BYTE_ARRAY':
      if (logical?.type === 'UUID') return (raw) => uuid(bytesOf(raw))
      if (logical?.type === 'FLOAT16') return (raw) => float16(bytesOf(raw))
      return (raw) => text(bytesOf(raw))
    default:
      return (raw) => text(bytesOf(raw))
  }
}

/** So many bytes at `at`, which must all be there. */
export const sliceAt = (bytes: Buffer, at: number, length: number): Buffer => {
  if (length < 0 || at < 0 || at + length > bytes.length) throw new RangeError('beyond the page')
  return bytes.subarray(at, at + length)
}

const bounded = (length: number): number => {
  if (length > longestRecord) throw failure('OverMaxRecordSize')
  return length
}

/** How long a value of a type is, where all are of one length. */
export const widthOf = ({ type, type_length: length }: SchemaElement): number | undefined => {
  switch (type) {
    case 'INT32':
    case 'FLOAT':
      return 4
    case 'INT64':
    case 'DOUBLE':
      return 8
    case 'INT96':
      return 12
    case 'FIXED_LEN_BYTE_ARRAY':
      return bounded(natural(length))
    default:
      return undefined
  }
}

/** A value of fixed length out of its bytes. */
export const fixed = ({ type }: SchemaElement, bytes: Buffer): Raw => {
  switch (type) {
    case 'INT32':
      return bytes.readInt32LE()
    case 'INT64':
      return bytes.readBigInt64LE()
    case 'FLOAT':
      return bytes.readFloatLE()
    case 'DOUBLE':
      return bytes.readDoubleLE()
    default:
      return bytes
  }
}

/** PLAIN: the values as they are. */
export const plain = (bytes: Buffer, element: SchemaElement): (() => Raw) => {
  let at = 0
  if (element.type === 'BOOLEAN')
    return () => {
      const byte = bytes.readUInt8(at >> 3)
      const bit = (byte >> (at & 7)) & 1
      at += 1
      return bit === 1
    }
  const width = widthOf(element)
  return () => {
    const length = width ?? bounded(bytes.readUInt32LE(at))
    if (width === undefined) at += 4
    const value = sliceAt(bytes, at, length)
    at += length
    return width === undefined ? value : fixed(element, value)
  }
}

/** PLAIN, of which any value may be asked for. */
export const placesOf = (bytes: Buffer, count: number, element: SchemaElement): ((index: number) => Raw) => {
  const width = widthOf(element)
  if (width !== undefined) return (index) => fixed(element, sliceAt(bytes, index * width, width))
  if (element.type !== 'BYTE_ARRAY' || count > bytes.length / 4) throw failure('ParquetParsingError')
  const places = new Uint32Array(count)
  let at = 0
  for (let index = 0; index < count; index += 1) {
    places[index] = at
    at += 4 + bytes.readUInt32LE(at)
  }
  return (index) => {
    const place = places[index] ?? bytes.length
    return sliceAt(bytes, place + 4, bounded(bytes.readUInt32LE(place)))
  }
}
