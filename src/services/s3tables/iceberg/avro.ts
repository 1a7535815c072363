import { inflateRawSync } from 'node:zlib'
import { InvalidMetadataError } from './invalid.ts'

// Avro's object container files, in which Iceberg keeps its lists of files ("Apache Avro specification", binary encoding and
// object container files). What we write is not compressed; what we read may be by deflate.

export type AvroType =
  | string
  | readonly AvroType[]
  | { readonly type: AvroType; readonly [property: string]: unknown }
  | RecordType
export type RecordType = {
  readonly type: 'record'
  readonly name: string
  readonly fields: readonly { readonly name: string; readonly type: AvroType; readonly [property: string]: unknown }[]
}
export type AvroValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly AvroValue[]
  | { readonly [name: string]: AvroValue }
export type AvroRecord = { readonly [name: string]: AvroValue }

const magic = Buffer.from('Obj\x01', 'latin1')

// Writing.

const long = (value: number | bigint): Buffer => {
  let left = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  const bytes: number[] = []
  do {
    const low = Number(left & 0x7fn)
    left >>= 7n
    bytes.push(left > 0n ? low | 0x80 : low)
  } while (left > 0n)
  return Buffer.from(bytes)
}
const bytesOf = (bytes: Uint8Array): Buffer[] => [long(bytes.length), Buffer.from(bytes)]
const textOf = (value: string): Buffer[] => bytesOf(Buffer.from(value))

/** Only what Iceberg's lists are made of: records, and in them texts, whole numbers, and those that may be null. */
const encode = (type: AvroType, value: AvroValue | undefined, out: Buffer[]): void => {
  if (Array.isArray(type)) {
    const [, inner] = type as readonly AvroType[]
    out.push(long(value == null ? 0 : 1))
    if (value != null && inner !== undefined) encode(inner, value, out)
  } else if (typeof type === 'object' && 'fields' in type) {
    const record = value as AvroRecord
    for (const field of (type as RecordType).fields) encode(field.type, record[field.name], out)
  } else if (type === 'string') out.push(...textOf(String(value)))
  else if (type === 'int' || type === 'long') out.push(long(value as number | bigint))
  else throw new TypeError(`Avro values of type ${JSON.stringify(type)} are not written.`)
}

/** A container file of records. `sync`: 16 bytes, at random. */
export const writeAvro = (
  schema: RecordType,
  metadata: Readonly<Record<string, string>>,
  records: readonly AvroRecord[],
  sync: Uint8Array,
): Buffer => {
  const header = Object.entries({ 'avro.schema': JSON.stringify(schema), 'avro.codec': 'null', ...metadata })
  const body: Buffer[] = []
  for (const record of records) encode(schema, record, body)
  const block = Buffer.concat(body)
  return Buffer.concat([
    magic,
    long(header.length),
    ...header.flatMap(([key, value]) => [...textOf(key), ...textOf(value)]),
    long(0),
    sync,
    ...(records.length > 0 ? [long(records.length), long(block.length), block, sync] : []),
  ])
}

// Reading. Files come from whoever may write to a table: nothing in them is believed.

const broken = () => new InvalidMetadataError('A list of files is no Avro container file.')
/** Most bytes that a block may be when it is not compressed any more. */
const largestBlock = 64 * 1024 * 1024
/** Most values in a file. */
const mostValues = 5_000_000
/** Values for each byte: few take none, and those do not stand alone. */
const valuesAByte = 8

type Reader = { readonly bytes: Buffer; at: number; values: number; readonly most: number }

const take = (reader: Reader, length: number): Buffer => {
  const end = reader.at + length
  if (!Number.isSafeInteger(length) || length < 0 || end > reader.bytes.length) throw broken()
  const taken = reader.bytes.subarray(reader.at, end)
  reader.at = end
  return taken
}

const readLong = (reader: Reader): number | bigint => {
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = take(reader, 1)[0] ?? 0
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) {
      const decoded = BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
      const small = Number(decoded)
      return Number.isSafeInteger(small) ? small : decoded
    }
  }
  throw broken()
}
const readCount = (reader: Reader): number => {
  const count = readLong(reader)
  if (typeof count !== 'number') throw broken()
  return count
}
const readBytes = (reader: Reader): Buffer => take(reader, readCount(reader))

/** Blocks of items, each with its count before it: where that is negative, its size in bytes follows. */
const readBlocks = (reader: Reader, item: () => void): void => {
  for (let count = readCount(reader); count !== 0; count = readCount(reader)) {
    if (count < 0) readCount(reader)
    for (let i = 0; i < Math.abs(count); i++) item()
  }
}

type Names = Map<string, AvroType>

const decode = (reader: Reader, type: AvroType, names: Names, depth = 0): AvroValue => {
  if (++reader.values > reader.most || depth > 64) throw broken()
  if (Array.isArray(type)) {
    const chosen = (type as readonly AvroType[])[readCount(reader)]
    if (chosen === undefined) throw broken()
    return decode(reader, chosen, names, depth + 1)
  }
  if (typeof type === 'object') {
    const complex = type as Readonly<Record<string, unknown>> & { readonly type: AvroType }
    if (typeof complex.name === 'string') names.set(complex.name, type)
    switch (complex.type) {
      case 'record':
        if (!Array.isArray(complex.fields)) throw broken()
        return Object.fromEntries(
          (complex.fields as RecordType['fields']).map((field) => [
            field.name,
            decode(reader, field.type, names, depth + 1),
          ]),
        )
      case 'array': {
        const items: AvroValue[] = []
        readBlocks(reader, () => items.push(decode(reader, complex.items as AvroType, names, depth + 1)))
        return items
      }
      case 'map': {
        const entries: [string, AvroValue][] = []
        readBlocks(reader, () => {
          const key = readBytes(reader).toString()
          entries.push([key, decode(reader, complex.values as AvroType, names, depth + 1)])
        })
        return Object.fromEntries(entries)
      }
      case 'fixed':
        return take(reader, Number(complex.size))
      case 'enum':
        if (!Array.isArray(complex.symbols)) throw broken()
        return String(complex.symbols[readCount(reader)])
      default:
        return decode(reader, complex.type, names, depth + 1)
    }
  }
  switch (type) {
    case 'null':
      return null
    case 'boolean':
      return take(reader, 1)[0] === 1
    case 'int':
    case 'long':
      return readLong(reader)
    case 'float':
      return take(reader, 4).readFloatLE()
    case 'double':
      return take(reader, 8).readDoubleLE()
    case 'bytes':
      return readBytes(reader)
    case 'string':
      return readBytes(reader).toString()
    default: {
      const known = names.get(String(type))
      if (known === undefined) throw broken()
      return decode(reader, known, names, depth + 1)
    }
  }
}

const schemaIn = (text: string | undefined): AvroType => {
  try {
    return JSON.parse(text ?? '') as AvroType
  } catch {
    throw broken()
  }
}

const unpacked = (block: Buffer, codec: string): Buffer => {
  if (codec === 'null') return block
  if (codec !== 'deflate')
    throw new InvalidMetadataError(`A list of files is compressed by ${codec}, which is not read.`)
  try {
    return inflateRawSync(block, { maxOutputLength: largestBlock })
  } catch {
    throw broken()
  }
}

/** The records of a container file. Throws InvalidMetadataError. */
export const readAvro = (file: Uint8Array): readonly AvroRecord[] => {
  const reader: Reader = {
    bytes: Buffer.from(file.buffer, file.byteOffset, file.byteLength),
    at: 0,
    values: 0,
    most: mostValues,
  }
  if (!take(reader, magic.length).equals(magic)) throw broken()
  const header = new Map<string, string>()
  readBlocks(reader, () => {
    const key = readBytes(reader).toString()
    header.set(key, readBytes(reader).toString())
  })
  const sync = take(reader, 16)
  const schema = schemaIn(header.get('avro.schema'))
  const records: AvroRecord[] = []
  while (reader.at < reader.bytes.length) {
    const count = readCount(reader)
    const block = unpacked(readBytes(reader), header.get('avro.codec') ?? 'null')
    const most = Math.min(mostValues, reader.values + 1000 + valuesAByte * block.length)
    const inside: Reader = { bytes: block, at: 0, values: reader.values, most }
    for (let i = 0; i < count; i++) {
      const record = decode(inside, schema, new Map())
      if (typeof record !== 'object' || record === null || Array.isArray(record)) throw broken()
      records.push(record as AvroRecord)
    }
    reader.values = inside.values
    if (!take(reader, 16).equals(sync)) throw broken()
  }
  return records
}
