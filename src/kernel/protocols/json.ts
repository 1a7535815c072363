import { AwsError } from '../errors.ts'
import { isJsonObject } from '../json-object.ts'
import type { Member, Shape, StructureShape } from '../model/shapes.ts'
import { perShape } from '../model/shapes.ts'
import { fromEpoch, parseTimestamp } from './timestamps.ts'

// JSON bodies of awsJson and restJson1, both ways, compiled per shape. Reading is strict about types, as AWS is; the
// sentences are those of AWS's own parser.

const maxDepth = 128

export const serialization = (message: string): AwsError =>
  new AwsError('SerializationException', message, { status: 400 })

/** Parses a JSON body; an empty one is an empty object. */
export const parseJson = (body: Uint8Array): unknown => {
  if (body.byteLength === 0) return {}
  const text = decodeUtf8(body)
  try {
    return JSON.parse(text)
  } catch {
    throw serialization('Unable to parse the request body as JSON.')
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Text of a body; SerializationException when it is no UTF-8. */
export const decodeUtf8 = (body: Uint8Array): string => {
  try {
    return utf8.decode(body)
  } catch {
    throw serialization('The request body is not valid UTF-8.')
  }
}

/** Sets a key that came from outside: `__proto__` is a key like any other. */
export const setKey = (into: Record<string, unknown>, key: string, value: unknown): void => {
  if (key === '__proto__')
    Object.defineProperty(into, key, { value, enumerable: true, writable: true, configurable: true })
  else into[key] = value
}

const tokenOf = (value: unknown): string => {
  switch (typeof value) {
    case 'number':
      return 'NUMBER_VALUE'
    case 'string':
      return 'STRING_VALUE'
    case 'boolean':
      return value ? 'TRUE_VALUE' : 'FALSE_VALUE'
    default:
      return value === null ? 'VALUE_NULL' : Array.isArray(value) ? 'START_ARRAY' : 'START_OBJECT'
  }
}

const wrongScalar = (value: unknown, wanted: string): AwsError => {
  if (Array.isArray(value)) return serialization('Start of list found where not expected')
  if (typeof value === 'object') return serialization('Start of structure or map found where not expected.')
  return serialization(`${tokenOf(value)} can not be converted to ${/^[AEIOU]/.test(wanted) ? 'an' : 'a'} ${wanted}`)
}

const wrongStructure = (value: unknown): AwsError =>
  Array.isArray(value)
    ? serialization('Start of list found where not expected')
    : serialization(`Unexpected value type in payload: ${tokenOf(value)}`)

type Read = (value: unknown, depth: number) => unknown

/** Bytes of base64 text; undefined when it is none. */
export const fromBase64 = (text: string): Uint8Array | undefined => {
  const bytes = Buffer.from(text, 'base64')
  const digits = text.length - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0)
  // Node passes over what is no digit of base64, and then has fewer bytes than the text says.
  if (digits % 4 === 1 || bytes.byteLength !== Math.floor((digits * 3) / 4)) return undefined
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export const toBase64 = (bytes: unknown): string => {
  if (typeof bytes === 'string') return Buffer.from(bytes).toString('base64')
  if (bytes instanceof Uint8Array)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  throw new TypeError('A blob member holds neither bytes nor text.')
}

const readString: Read = (value) => {
  if (typeof value === 'string') return value
  throw wrongScalar(value, 'String')
}

const notNumbers: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
}

const readNumber: Read = (value) => {
  if (typeof value === 'number') return value
  if (typeof value === 'string' && Object.hasOwn(notNumbers, value)) return notNumbers[value]
  throw wrongScalar(value, 'Number')
}

const readBoolean: Read = (value) => {
  if (typeof value === 'boolean') return value
  throw wrongScalar(value, 'Boolean')
}

const readBlob: Read = (value) => {
  if (typeof value !== 'string') throw wrongScalar(value, 'Blob')
  const bytes = fromBase64(value)
  if (bytes) return bytes
  throw serialization('Invalid base64 text in a blob member.')
}

const readTimestamp: Read = (value) => {
  const date =
    typeof value === 'number' ? fromEpoch(value) : typeof value === 'string' ? parseTimestamp(value) : undefined
  if (date) return date
  if (typeof value === 'object' || typeof value === 'boolean') throw wrongScalar(value, 'Timestamp')
  throw serialization('Unable to parse a timestamp member.')
}

const readDocument: Read = (value, depth) => {
  if (typeof value !== 'object' || value === null) return value
  deeper(depth)
  if (Array.isArray(value)) for (const item of value) readDocument(item, depth + 1)
  else for (const key of Object.keys(value)) readDocument((value as Record<string, unknown>)[key], depth + 1)
  return value
}

const deeper = (depth: number): void => {
  if (depth > maxDepth) throw serialization('The request body is nested too deeply.')
}

type Names = (member: Member) => string

const readerOf = (nameOf: Names) => {
  const reader = perShape<[value: unknown, depth: number], unknown>((shape: Shape): Read => {
    switch (shape.kind) {
      case 'string':
        return readString
      case 'number':
        return readNumber
      case 'boolean':
        return readBoolean
      case 'blob':
        return readBlob
      case 'timestamp':
        return readTimestamp
      case 'document':
        return readDocument
      case 'list': {
        const read = reader(shape.member.shape)
        return (value, depth) => {
          if (!Array.isArray(value))
            throw isJsonObject(value)
              ? wrongScalar(value, 'List')
              : serialization(`Unexpected value type in payload: ${tokenOf(value)}`)
          deeper(depth)
          // A null stays, for `validate` to name its place.
          return value.map((item) => (item === null ? null : read(item, depth + 1)))
        }
      }
      case 'map': {
        const read = reader(shape.value.shape)
        return (value, depth) => {
          if (!isJsonObject(value)) throw wrongStructure(value)
          deeper(depth)
          const map: Record<string, unknown> = {}
          for (const key of Object.keys(value))
            setKey(map, key, value[key] === null ? null : read(value[key], depth + 1))
          return map
        }
      }
      case 'structure': {
        const members = new Map(shape.members.map((member) => [nameOf(member), { name: member.name, member }]))
        const reads = new Map<string, Read>()
        const readOf = (key: string, member: Member): Read => {
          const read = reader(member.shape)
          reads.set(key, read)
          return read
        }
        return (value, depth) => {
          if (!isJsonObject(value)) throw wrongStructure(value)
          deeper(depth)
          const structure: Record<string, unknown> = {}
          for (const key in value) {
            const known = members.get(key)
            const raw = value[key]
            // Members the model does not know are passed over, as AWS does; null is the same as absent.
            if (known && raw !== null)
              structure[known.name] = (reads.get(key) ?? readOf(key, known.member))(raw, depth + 1)
          }
          return structure
        }
      }
    }
  })
  return reader
}

type Write = (value: unknown) => unknown

const same: Write = (value) => value

const writeNumber: Write = (value) =>
  typeof value === 'number'
    ? Number.isFinite(value)
      ? value
      : String(value)
    : typeof value === 'bigint'
      ? Number(value)
      : value

const asDate = (value: unknown): Date => {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value
  throw new TypeError('A timestamp member holds no valid Date.')
}

const writeEpoch: Write = (value) => asDate(value).getTime() / 1000

const writerOf = (nameOf: Names) => {
  const writer = perShape<[value: unknown], unknown>((shape: Shape): Write => {
    switch (shape.kind) {
      case 'number':
        return writeNumber
      case 'blob':
        return toBase64
      case 'timestamp':
        switch (shape.format) {
          case 'date-time':
            return (value) => asDate(value).toISOString()
          case 'http-date':
            return (value) => asDate(value).toUTCString()
          default:
            return writeEpoch
        }
      case 'list': {
        const write = writer(shape.member.shape)
        return (value) => {
          const items: unknown[] = []
          for (const item of value as Iterable<unknown>)
            if (item !== undefined && item !== null) items.push(write(item))
          return items
        }
      }
      case 'map': {
        const write = writer(shape.value.shape)
        return (value) => {
          const map: Record<string, unknown> = {}
          for (const [key, item] of Object.entries(value as object))
            if (item !== undefined && item !== null) setKey(map, key, write(item))
          return map
        }
      }
      case 'structure': {
        let members: (readonly [string, string, Write])[] | undefined
        return (value) => {
          members ??= shape.members.map((member) => [member.name, nameOf(member), writer(member.shape)] as const)
          const from = value as Readonly<Record<string, unknown>>
          const structure: Record<string, unknown> = {}
          for (const [name, wireName, write] of members) {
            const item = from[name]
            if (item !== undefined && item !== null) structure[wireName] = write(item)
          }
          return structure
        }
      }
      default:
        return same
    }
  })
  return writer
}

export type JsonCodec = {
  readonly read: (shape: Shape, value: unknown) => unknown
  /** A structure as JSON text. */
  readonly write: (shape: Shape, value: unknown) => string
  /** A structure as the plain value that JSON.stringify takes. */
  readonly plain: (shape: StructureShape, value: unknown) => Record<string, unknown>
}

const codec = (nameOf: Names): JsonCodec => {
  const reader = readerOf(nameOf)
  const writer = writerOf(nameOf)
  return {
    read: (shape, value) => reader(shape)(value, 0),
    write: (shape, value) => JSON.stringify(writer(shape)(value)),
    plain: (shape, value) => writer(shape)(value) as Record<string, unknown>,
  }
}

/** awsJson takes members' own names, restJson1 heeds the jsonName trait. */
export const awsJsonCodec: JsonCodec = codec((member) => member.name)
export const restJsonCodec: JsonCodec = codec((member) => member.traits.jsonName ?? member.name)
