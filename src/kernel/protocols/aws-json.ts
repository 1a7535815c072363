import type { Readable } from 'node:stream'
import type { LoadedService } from '../model/catalog.ts'
import { schemaOf } from '../model/catalog.ts'
import type { IdentifiedCall, Protocol, UnidentifiedCall, WireError, WireRequest, WireResponse } from '../wire.ts'
import { eventStream, eventStreamMember } from './event-stream.ts'
import { awsJsonCodec, parseJson } from './json.ts'
import { errorFacts, errorMembers } from './wire-errors.ts'

// awsJson 1.0 and 1.1: POST /, `X-Amz-Target: Service.Operation`, one JSON object each way.

const awsJson = (name: 'awsJson1_0' | 'awsJson1_1', contentType: string): Protocol => ({
  name,
  async decode(call: IdentifiedCall, _request: WireRequest, body: Uint8Array | Readable) {
    const { input } = schemaOf(call.operation)
    return awsJsonCodec.read(input, parseJson(body as Uint8Array)) as Record<string, unknown>
  },
  encode(call, output, requestId): WireResponse {
    const schema = schemaOf(call.operation)
    const events = eventStreamMember(schema.output)
    if (events) return eventStream(schema.output, events, output, requestId, contentType, 'rpc', awsJsonCodec.write)
    return {
      status: 200,
      headers: { 'content-type': contentType, 'x-amzn-requestid': requestId },
      body: awsJsonCodec.write(schema.output, output),
    }
  },
  encodeError: (call, error, requestId) => encodeError(call, error, requestId, contentType),
})

const encodeError = (
  call: IdentifiedCall | UnidentifiedCall,
  error: WireError,
  requestId: string,
  contentType: string,
): WireResponse => {
  const { name, queryCode, shape, fault } = errorFacts(call, error)
  const facts = (call.service as LoadedService | undefined)?.facts
  const members = shape ? awsJsonCodec.plain(shape, errorMembers(shape, error)) : {}
  // Clients look for `message` in lower case even where the model spells it otherwise or has none.
  if (!('message' in members) && !('Message' in members)) members.message = error.message
  const type = facts?.queryCompatible && shape ? `${shape.namespace}#${name}` : name
  return {
    // The JSON front ends answer 400 to every client error whatever status the model has for the REST form.
    status: error.status ?? (fault === 'server' ? 500 : 400),
    headers: {
      'content-type': contentType,
      'x-amzn-requestid': requestId,
      'x-amzn-errortype': name,
      ...(facts?.queryCompatible && {
        'x-amzn-query-error': `${queryCode};${fault === 'server' ? 'Receiver' : 'Sender'}`,
      }),
      ...error.headers,
    },
    body: JSON.stringify({ __type: type, ...members }),
  }
}

export const awsJson1_0: Protocol = awsJson('awsJson1_0', 'application/x-amz-json-1.0')
export const awsJson1_1: Protocol = awsJson('awsJson1_1', 'application/x-amz-json-1.1')
