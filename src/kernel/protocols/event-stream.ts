import { Readable } from 'node:stream'
import type { MessageHeaders } from '@smithy/eventstream-codec'
import { EventStreamCodec } from '@smithy/eventstream-codec'
import type { Member, Shape, StructureShape } from '../model/shapes.ts'
import { unit } from '../model/shapes.ts'
import type { WireResponse } from '../wire.ts'

// Answers that are a stream of events (StartLiveTail, SelectObjectContent, InvokeWithResponseStream): each event one
// message with its headers and payload, exceptions among them. RPC protocols send the other members first.

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'),
  (text) => new Uint8Array(Buffer.from(text, 'utf8')),
)

/** The member that is the stream, where the output has one. */
export const eventStreamMember = (output: StructureShape): Member | undefined =>
  output.members.find(({ shape, traits }) => shape.kind === 'structure' && (shape.streaming || traits.streaming === 1))

type WriteBody = (shape: Shape, value: unknown) => string | Uint8Array

/** The answer whose body is the events of `output[member]`, an async iterable of unions. */
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
  const events = output[member.name]
  const rest = { ...outputShape, members: outputShape.members.filter((other) => other !== member) }
  const messages = async function* (): AsyncGenerator<Uint8Array> {
    if (form === 'rpc') yield message({ ':event-type': 'initial-response' }, contentType, write(rest, output))
    if (isIterable(events)) for await (const event of events) yield encodeEvent(union, event, contentType, write)
  }
  return {
    status: 200,
    headers: { 'content-type': 'application/vnd.amazon.eventstream', 'x-amzn-requestid': requestId },
    body: Readable.from(messages(), { objectMode: false }),
  }
}

const isIterable = (value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> =>
  typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)

const message = (
  names: Readonly<Record<string, string>>,
  contentType: string | undefined,
  payload: string | Uint8Array,
  more: MessageHeaders = {},
): Uint8Array => {
  const headers: MessageHeaders = { ':message-type': { type: 'string', value: 'event' }, ...more }
  for (const [name, value] of Object.entries(names)) headers[name] = { type: 'string', value }
  if (contentType) headers[':content-type'] = { type: 'string', value: contentType }
  return codec.encode({ headers, body: typeof payload === 'string' ? new Uint8Array(Buffer.from(payload)) : payload })
}

const encodeEvent = (union: StructureShape, event: unknown, contentType: string, write: WriteBody): Uint8Array => {
  const members = event as Readonly<Record<string, unknown>>
  const chosen = union.members.find(({ name }) => members[name] !== undefined)
  if (!chosen) throw new TypeError(`An event of ${union.name} has none of its members.`)
  const shape = chosen.shape as StructureShape
  const value = members[chosen.name] as Readonly<Record<string, unknown>>
  const names: Record<string, string> = shape.error
    ? { ':message-type': 'exception', ':exception-type': chosen.name }
    : { ':event-type': chosen.name }
  const headers: MessageHeaders = {}
  for (const { name, traits, shape: target } of shape.members)
    if (traits.eventHeader && value[name] !== undefined) headers[name] = headerOf(target, value[name])
  const payload = shape.members.find(({ traits }) => traits.eventPayload)
  if (payload) {
    const body = value[payload.name]
    if (payload.shape.kind === 'blob')
      return message(names, 'application/octet-stream', body instanceof Uint8Array ? body : String(body ?? ''), headers)
    if (payload.shape.kind === 'string') return message(names, 'text/plain', String(body ?? ''), headers)
    return message(names, contentType, write(payload.shape, body ?? {}), headers)
  }
  const rest = shape.members.filter(({ traits }) => !traits.eventHeader)
  if (rest.length === 0 && shape.members.length > 0) return message(names, undefined, '', headers)
  return message(names, contentType, write(shape.members.length ? { ...shape, members: rest } : unit, value), headers)
}

const headerOf = (shape: Shape, value: unknown): MessageHeaders[string] => {
  if (value instanceof Uint8Array) return { type: 'binary', value }
  if (value instanceof Date) return { type: 'timestamp', value }
  if (typeof value === 'boolean') return { type: 'boolean', value }
  if (shape.kind === 'number') return { type: 'integer', value: Number(value) }
  return { type: 'string', value: String(value) }
}
