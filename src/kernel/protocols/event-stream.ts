import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { AwsError } from '../errors.ts'
import type { Member, Shape, StructureShape } from '../model/shapes.ts'
import { unit } from '../model/shapes.ts'
import type { WireResponse } from '../wire.ts'

// Answers that are a stream of events (StartLiveTail, SelectObjectContent, InvokeWithResponseStream): each event one
// message with its headers and payload, exceptions among them. RPC protocols send the other members first.

/** The member that is the stream, where the output has one. */
export const eventStreamMember = (output: StructureShape): Member | undefined =>
  output.members.find(({ shape, traits }) => shape.kind === 'structure' && (shape.streaming || traits.streaming === 1))

type WriteBody = (shape: Shape, value: unknown) => string | Uint8Array

/** The answer whose body is the events of `output[member]`, an iterable of unions, asynchronous or not. */
export const eventStream = (
  outputShape: StructureShape,
  member: Member,
  output: Readonly<Record<string, unknown>>,
  requestId: string,
  contentType: string,
  form: 'rpc' | 'rest',
  write: WriteBody,
): WireResponse => {
  const union = member.shape as StructureShape
  const events = iteratorOf(output[member.name])
  const messages = async function* (): AsyncGenerator<Uint8Array> {
    if (form === 'rpc') {
      const first = write(
        only(outputShape, (other) => other !== member),
        output,
      )
      yield message(
        [text(':message-type', 'event'), text(':event-type', 'initial-response'), text(':content-type', contentType)],
        first,
      )
    }
    try {
      for (let next = await events?.next(); next && !next.done; next = await events?.next())
        yield encodeEvent(union, next.value, contentType, write)
    } catch (error) {
      // The status is on its way already: an error that the union has no member for is a message of its own kind.
      if (!(error instanceof AwsError)) throw error
      yield message(
        [text(':message-type', 'error'), text(':error-code', error.code), text(':error-message', error.message)],
        '',
      )
    }
  }
  const sent = messages()
  // A generator that waits for the next event cannot be left, so the events themselves are told when their reader goes.
  const body = {
    [Symbol.asyncIterator]: () => ({
      next: () => sent.next(),
      return: async () => {
        await events?.return?.()
        return sent.return(undefined)
      },
    }),
  }
  return {
    status: 200,
    headers: { 'content-type': 'application/vnd.amazon.eventstream', 'x-amzn-requestid': requestId },
    body: Readable.from(body, { objectMode: false, highWaterMark: 65_536 }),
  }
}

type Events = {
  next(): PromiseLike<IteratorResult<unknown>> | IteratorResult<unknown>
  return?(): unknown
}

const iteratorOf = (value: unknown): Events | undefined => {
  if (typeof value !== 'object' || value === null) return undefined
  if (Symbol.asyncIterator in value) return (value as AsyncIterable<unknown>)[Symbol.asyncIterator]()
  return Symbol.iterator in value ? (value as Iterable<unknown>)[Symbol.iterator]() : undefined
}

const parts = new WeakMap<StructureShape, StructureShape>()

/** A structure of some of a shape's members; the same one each time, so that its codec is compiled once. */
const only = (shape: StructureShape, wanted: (member: Member) => boolean): StructureShape => {
  const known = parts.get(shape)
  if (known) return known
  const made = { ...shape, members: shape.members.filter(wanted) }
  parts.set(shape, made)
  return made
}

const encodeEvent = (union: StructureShape, event: unknown, contentType: string, write: WriteBody): Uint8Array => {
  const from = event as Readonly<Record<string, unknown>>
  const chosen = union.members.find(({ name }) => from[name] !== undefined)
  if (!chosen) throw new TypeError(`An event of ${union.name} has none of its members.`)
  const shape = chosen.shape as StructureShape
  const value = from[chosen.name] as Readonly<Record<string, unknown>>
  const headers = shape.error
    ? [text(':message-type', 'exception'), text(':exception-type', chosen.name)]
    : [text(':message-type', 'event'), text(':event-type', chosen.name)]
  for (const { name, traits } of shape.members)
    if (traits.eventHeader && value[name] !== undefined) headers.push(header(name, value[name]))
  const payload = shape.members.find(({ traits }) => traits.eventPayload)
  if (payload) {
    const body = value[payload.name]
    switch (payload.shape.kind) {
      case 'blob':
        headers.push(text(':content-type', 'application/octet-stream'))
        return message(headers, body instanceof Uint8Array ? body : String(body ?? ''))
      case 'string':
        headers.push(text(':content-type', 'text/plain'))
        return message(headers, String(body ?? ''))
      default:
        headers.push(text(':content-type', contentType))
        return message(headers, write(payload.shape, body ?? {}))
    }
  }
  const body = shape.members.length === 0 ? unit : only(shape, ({ traits }) => !traits.eventHeader)
  if (body.members.length === 0 && shape.members.length > 0) return message(headers, '')
  headers.push(text(':content-type', contentType))
  return message(headers, write(body, value))
}

// The framing (vnd.amazon.eventstream): lengths, checksum, headers, payload, checksum.

const named = (name: string, type: number, value: Buffer): Buffer =>
  Buffer.concat([Buffer.from([Buffer.byteLength(name)]), Buffer.from(name), Buffer.from([type]), value])

const sized = (bytes: Uint8Array): Buffer => {
  const size = Buffer.alloc(2)
  size.writeUInt16BE(bytes.byteLength)
  return Buffer.concat([size, bytes])
}

const text = (name: string, value: string): Buffer => named(name, 7, sized(Buffer.from(value)))

const header = (name: string, value: unknown): Buffer => {
  if (value instanceof Uint8Array) return named(name, 6, sized(value))
  if (typeof value === 'boolean') return named(name, value ? 0 : 1, Buffer.alloc(0))
  if (value instanceof Date) {
    const time = Buffer.alloc(8)
    time.writeBigInt64BE(BigInt(value.getTime()))
    return named(name, 8, time)
  }
  if (typeof value === 'number') {
    const number = Buffer.alloc(4)
    number.writeInt32BE(value)
    return named(name, 4, number)
  }
  return text(name, String(value))
}

const message = (headers: readonly Buffer[], payload: string | Uint8Array): Uint8Array => {
  const head = Buffer.concat(headers)
  const body = typeof payload === 'string' ? Buffer.from(payload) : payload
  const frame = Buffer.alloc(12 + head.byteLength + body.byteLength + 4)
  frame.writeUInt32BE(frame.byteLength, 0)
  frame.writeUInt32BE(head.byteLength, 4)
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8)
  frame.set(head, 12)
  frame.set(body, 12 + head.byteLength)
  frame.writeUInt32BE(crc32(frame.subarray(0, frame.byteLength - 4)), frame.byteLength - 4)
  return frame
}
