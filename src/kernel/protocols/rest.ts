import { Readable } from 'node:stream'
import type { AwsError } from '../errors.ts'
import { schemaOf } from '../model/catalog.ts'
import type { Member, OperationSchema, StructureShape } from '../model/shapes.ts'
import type { IdentifiedCall, WireRequest, WireResponse } from '../wire.ts'
import { eventStream, eventStreamMember } from './event-stream.ts'
import { parseForm } from './form.ts'
import { bindingsOf, readBindings, writeBindings } from './http-bindings.ts'
import { decodeUtf8 } from './json.ts'

/** What tells restJson1 from restXml. */
export type RestForm = {
  readonly contentType: string
  readonly requestIdHeader: string
  /** The members of the body; `body` is not empty. */
  readonly readBody: (shape: StructureShape, body: Uint8Array) => Record<string, unknown>
  readonly readPayload: (member: Member, body: Uint8Array) => unknown
  readonly writeBody: (call: IdentifiedCall, shape: StructureShape, output: Readonly<Record<string, unknown>>) => string
  readonly writePayload: (call: IdentifiedCall, member: Member, value: unknown) => string
  readonly writeEvent: (shape: Member['shape'], value: unknown) => string
  readonly invalid: (member: string, value: string) => AwsError
}

export const decodeRest = async (
  form: RestForm,
  call: IdentifiedCall,
  request: WireRequest,
  body: Uint8Array | Readable,
): Promise<Record<string, unknown>> => {
  const { input: shape } = schemaOf(call.operation)
  const found = bindingsOf(shape)
  const needsQuery = found.query.length > 0 || found.queryParams !== undefined
  const parameters =
    needsQuery && request.query ? freeParameters(schemaOf(call.operation), parseForm(request.query)) : []
  const input = readBindings(shape, call, request, parameters, form.invalid)
  if (found.payload) {
    const value = readPayload(form, found.payload, body)
    if (value !== undefined) input[found.payload.name] = value
  } else if (found.body.input.members.length > 0 && !(body instanceof Readable) && body.byteLength > 0)
    Object.assign(input, form.readBody(found.body.input, body))
  return input
}

/** Query parameters that the operation's URI does not fix (`mode=import`). */
const freeParameters = ({ traits }: OperationSchema, parameters: [string, string][]): [string, string][] => {
  const [, fixed] = traits.http?.[1].split('?') ?? []
  if (!fixed) return parameters
  const names = new Set(fixed.split('&').map((part) => part.split('=')[0]))
  return parameters.filter(([name]) => !names.has(name) && name !== 'x-id')
}

const readPayload = (form: RestForm, member: Member, body: Uint8Array | Readable): unknown => {
  const { shape, traits } = member
  if (shape.kind === 'blob') {
    // A stream stays one; a handler may count on it.
    if (traits.streaming === 1 || shape.streaming)
      return body instanceof Readable ? body : Readable.from([body], { objectMode: false })
    return body instanceof Readable || body.byteLength === 0 ? undefined : body
  }
  if (body instanceof Readable || body.byteLength === 0) return undefined
  return shape.kind === 'string' ? decodeUtf8(body) : form.readPayload(member, body)
}

export const encodeRest = (
  form: RestForm,
  call: IdentifiedCall,
  output: Record<string, unknown>,
  requestId: string,
): WireResponse => {
  const { output: shape, traits } = schemaOf(call.operation)
  const found = bindingsOf(shape)
  const headers: Record<string, string> = {}
  const asked = writeBindings(shape, output, headers)
  const status = asked ?? traits.http?.[2] ?? 200
  headers[form.requestIdHeader] = requestId
  const events = eventStreamMember(shape)
  if (events) {
    const response = eventStream(shape, events, output, requestId, form.contentType, 'rest', form.writeEvent)
    return { ...response, status, headers: { ...headers, ...response.headers } }
  }
  // Where the output has the content type as a member, a client would read back as that member what we make up.
  const typed = found.headers.some(([name]) => name === 'content-type')
  const type = (contentType: string): void => {
    if (!typed) headers['content-type'] = contentType
  }
  if (found.payload) {
    const value = output[found.payload.name]
    if (value === undefined || value === null) return { status, headers, body: undefined }
    const { kind } = found.payload.shape
    if (kind === 'blob' || kind === 'string') {
      type(kind === 'blob' ? 'application/octet-stream' : 'text/plain')
      return { status, headers, body: value as string | Uint8Array | Readable }
    }
    type(form.contentType)
    return { status, headers, body: form.writePayload(call, found.payload, value) }
  }
  const body = found.body.output
  if (body.members.length === 0 || status === 204 || status === 304) return { status, headers, body: undefined }
  type(form.contentType)
  return { status, headers, body: form.writeBody(call, body, output) }
}
