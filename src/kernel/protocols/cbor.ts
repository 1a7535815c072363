import type { Shape, StructureShape } from '../model/shapes.ts'
import { perShape } from '../model/shapes.ts'
import { decodeUtf8, serialization, setKey } from './json.ts'
import { fromEpoch } from './timestamps.ts'

// CBOR (RFC 8949) as rpcv2Cbor uses it: definite and indefinite items in, definite ones out; tag 1 is a timestamp.

const maxDepth = 128

export type CborTag = { readonly tag: number; readonly value: unknown }
const isTag = (value: unknown): value is CborTag => value instanceof Tag
class Tag implements CborTag {
  readonly tag: number
  readonly value: unknown
  constructor(tag: number, value: unknown) {
    this.tag = tag
    this.value = value
  }
}

const bad = (what: string) => serialization(`Unable to parse the request body as CBOR: ${what}.`)

const half = (bits: number): number => {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  const sign = bits & 0x8000 ? -1 : 1
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

const breakCode = Symbol('break')

/** One CBOR item that fills the body; SerializationException otherwise. */
export const parseCbor = (body: Uint8Array): unknown => {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  let at = 0
  const need = (count: number): number => {
    const from = at
    if (count > body.byteLength - at) throw bad('it ends too early')
    at += count
    return from
  }
  const argument = (info: number): number => {
    if (info < 24) return info
    switch (info) {
      case 24:
        return view.getUint8(need(1))
      case 25:
        return view.getUint16(need(2))
      case 26:
        return view.getUint32(need(4))
      case 27:
        return Number(view.getBigUint64(need(8)))
      default:
        throw bad('an argument is reserved')
    }
  }
  const slice = (length: number): Uint8Array => {
    const from = need(length)
    return body.subarray(from, from + length)
  }
  const chunks = (major: number): Uint8Array => {
    const parts: Uint8Array[] = []
    for (;;) {
      const first = view.getUint8(need(1))
      if (first === 0xff) return Buffer.concat(parts)
      if (first >> 5 !== major || (first & 31) === 31) throw bad('a chunk is of another kind')
      parts.push(slice(argument(first & 31)))
    }
  }
  const item = (depth: number): unknown => {
    if (depth > maxDepth) throw bad('it is nested too deeply')
    const first = view.getUint8(need(1))
    const major = first >> 5
    const info = first & 31
    const endless = info === 31
    switch (major) {
      case 0:
        return argument(info)
      case 1:
        return -1 - argument(info)
      case 2:
        return new Uint8Array(endless ? chunks(2) : slice(argument(info)))
      case 3:
        return decodeUtf8(endless ? chunks(3) : slice(argument(info)))
      case 4: {
        const list: unknown[] = []
        const count = endless ? Number.POSITIVE_INFINITY : argument(info)
        for (let i = 0; i < count; i++) {
          const one = item(depth + 1)
          if (one === breakCode) {
            if (endless) break
            throw bad('a break stands where no item ends')
          }
          list.push(one)
        }
        return list
      }
      case 5: {
        const map: Record<string, unknown> = {}
        const count = endless ? Number.POSITIVE_INFINITY : argument(info)
        for (let i = 0; i < count; i++) {
          const key = item(depth + 1)
          if (key === breakCode && endless) break
          if (typeof key !== 'string') throw bad('a key is no text')
          const value = item(depth + 1)
          if (value === breakCode) throw bad('a break stands where no item ends')
          setKey(map, key, value)
        }
        return map
      }
      case 6: {
        const tag = argument(info)
        const value = item(depth + 1)
        if (value === breakCode) throw bad('a break stands where no item ends')
        return new Tag(tag, value)
      }
      default:
        switch (info) {
          case 20:
            return false
          case 21:
            return true
          case 22:
          case 23:
            return null
          case 25:
            return half(view.getUint16(need(2)))
          case 26:
            return view.getFloat32(need(4))
          case 27:
            return view.getFloat64(need(8))
          case 31:
            if (depth === 0) throw bad('a break stands where no item ends')
            return breakCode
          default:
            throw bad('a simple value is unknown')
        }
    }
  }
  const value = item(0)
  if (at !== body.byteLength) throw bad('it goes on after its end')
  return value
}

type Read = (value: unknown) => unknown

const wrong = (kind: Shape['kind']) => serialization(`A value can not be converted to a ${kind}.`)

const reader = perShape<[value: unknown], unknown>((shape: Shape): Read => {
  const { kind } = shape
  switch (kind) {
    case 'string':
    case 'number':
    case 'boolean':
      return (value) => {
        if (typeof value === kind) return value
        throw wrong(kind)
      }
    case 'blob':
      return (value) => {
        if (value instanceof Uint8Array) return value
        throw wrong(kind)
      }
    case 'timestamp':
      return (value) => {
        const seconds = isTag(value) && value.tag === 1 ? value.value : value
        const date = typeof seconds === 'number' ? fromEpoch(seconds) : undefined
        if (date) return date
        throw wrong(kind)
      }
    case 'document':
      return (value) => value
    case 'list':
      return (value) => {
        if (!Array.isArray(value)) throw wrong(kind)
        const read = reader(shape.member.shape)
        return value.map((item) => (item === null ? null : read(item)))
      }
    case 'map':
      return (value) => {
        if (!isMap(value)) throw wrong(kind)
        const read = reader(shape.value.shape)
        const map: Record<string, unknown> = {}
        for (const key of Object.keys(value)) setKey(map, key, value[key] === null ? null : read(value[key]))
        return map
      }
    case 'structure': {
      const members = new Map(shape.members.map((member) => [member.name, member]))
      return (value) => {
        if (!isMap(value)) throw wrong(kind)
        const structure: Record<string, unknown> = {}
        for (const key of Object.keys(value)) {
          const member = members.get(key)
          if (member && value[key] !== null) structure[key] = reader(member.shape)(value[key])
        }
        return structure
      }
    }
  }
})

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array) &&
  !isTag(value)

/** A structure from a CBOR body; an empty one is an empty structure. */
export const readCbor = (shape: StructureShape, body: Uint8Array): Record<string, unknown> =>
  body.byteLength === 0 ? {} : (reader(shape)(parseCbor(body)) as Record<string, unknown>)

class Sink {
  bytes = Buffer.allocUnsafe(1024)
  at = 0
  room(count: number): number {
    if (this.at + count > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + count))
      this.bytes.copy(larger, 0, 0, this.at)
      this.bytes = larger
    }
    const from = this.at
    this.at += count
    return from
  }
  byte(value: number): void {
    const at = this.room(1)
    this.bytes.writeUInt8(value, at)
  }
  head(major: number, argument: number): void {
    const kind = major << 5
    if (argument < 24) this.byte(kind | argument)
    else if (argument < 0x100) {
      this.byte(kind | 24)
      this.byte(argument)
    } else if (argument < 0x10000) {
      this.byte(kind | 25)
      const at = this.room(2)
      this.bytes.writeUInt16BE(argument, at)
    } else if (argument < 0x100000000) {
      this.byte(kind | 26)
      const at = this.room(4)
      this.bytes.writeUInt32BE(argument, at)
    } else {
      this.byte(kind | 27)
      const at = this.room(8)
      this.bytes.writeBigUInt64BE(BigInt(argument), at)
    }
  }
  text(value: string): void {
    const length = Buffer.byteLength(value)
    this.head(3, length)
    const at = this.room(length)
    this.bytes.write(value, at, 'utf8')
  }
  number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value >= 0) this.head(0, value)
      else this.head(1, -1 - value)
    } else {
      this.byte(0xfb)
      const at = this.room(8)
      this.bytes.writeDoubleBE(value, at)
    }
  }
}

type Write = (sink: Sink, value: unknown) => void

const present = (value: unknown): boolean => value !== undefined && value !== null

const writer = perShape<[sink: Sink, value: unknown], void>((shape: Shape): Write => {
  switch (shape.kind) {
    case 'number':
      return (sink, value) => sink.number(Number(value))
    case 'boolean':
      return (sink, value) => sink.byte(value ? 0xf5 : 0xf4)
    case 'blob':
      return (sink, value) => {
        const bytes = typeof value === 'string' ? Buffer.from(value) : (value as Uint8Array)
        sink.head(2, bytes.byteLength)
        const from = sink.room(bytes.byteLength)
        sink.bytes.set(bytes, from)
      }
    case 'timestamp':
      return (sink, value) => {
        sink.head(6, 1)
        sink.number((value as Date).getTime() / 1000)
      }
    case 'list': {
      return (sink, value) => {
        const write = writer(shape.member.shape)
        const items = [...(value as Iterable<unknown>)].filter(present)
        sink.head(4, items.length)
        for (const item of items) write(sink, item)
      }
    }
    case 'map': {
      return (sink, value) => {
        const write = writer(shape.value.shape)
        const entries = Object.entries(value as object).filter(([, item]) => present(item))
        sink.head(5, entries.length)
        for (const [key, item] of entries) {
          sink.text(key)
          write(sink, item)
        }
      }
    }
    case 'structure':
      return (sink, value) => {
        const from = value as Readonly<Record<string, unknown>>
        const members = shape.members.filter(({ name }) => present(from[name]))
        sink.head(5, members.length)
        for (const { name, shape: target } of members) {
          sink.text(name)
          writer(target)(sink, from[name])
        }
      }
    default:
      return (sink, value) => sink.text(String(value))
  }
})

/** A structure as CBOR. `more` are text members of its map beside the shape's own (`__type`). */
export const writeCbor = (
  shape: StructureShape,
  value: unknown,
  more: Readonly<Record<string, string>> = {},
): Uint8Array => {
  const sink = new Sink()
  const extra = Object.entries(more)
  if (extra.length === 0) writer(shape)(sink, value)
  else {
    const from = value as Readonly<Record<string, unknown>>
    const members = shape.members.filter(({ name }) => present(from[name]) && !Object.hasOwn(more, name))
    sink.head(5, members.length + extra.length)
    for (const [name, text] of extra) {
      sink.text(name)
      sink.text(text)
    }
    for (const { name, shape: target } of members) {
      sink.text(name)
      writer(target)(sink, from[name])
    }
  }
  return sink.bytes.subarray(0, sink.at)
}
