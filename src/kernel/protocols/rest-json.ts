import { AwsError } from '../errors.ts'
import type { Protocol, WireResponse } from '../wire.ts'
import { bindingsOf, writeBindings } from './http-bindings.ts'
import { parseJson, restJsonCodec } from './json.ts'
import type { RestForm } from './rest.ts'
import { decodeRest, encodeRest } from './rest.ts'
import { errorFacts, errorMembers } from './wire-errors.ts'

// restJson1: operations by method and path, members in path, query, headers and a JSON body.

const form: RestForm = {
  contentType: 'application/json',
  requestIdHeader: 'x-amzn-requestid',
  readBody: (shape, body) => restJsonCodec.read(shape, parseJson(body)) as Record<string, unknown>,
  readPayload: (member, body) => restJsonCodec.read(member.shape, parseJson(body)),
  writeBody: (_call, shape, output) => restJsonCodec.write(shape, output),
  writePayload: (_call, member, value) => restJsonCodec.write(member.shape, value),
  writeEvent: restJsonCodec.write,
  invalid: (member, value) =>
    new AwsError('SerializationException', `Unable to convert '${value}' for the parameter ${member}.`, {
      status: 400,
    }),
}

export const restJson1: Protocol = {
  name: 'restJson1',
  decode: (call, request, body) => decodeRest(form, call, request, body),
  encode: (call, output, requestId) => encodeRest(form, call, output, requestId),
  encodeError(call, error, requestId): WireResponse {
    const { name, shape, status } = errorFacts(call, error)
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      'x-amzn-requestid': requestId,
      'x-amzn-errortype': name,
    }
    let members: Record<string, unknown> = {}
    if (shape) {
      const values = errorMembers(shape, error)
      writeBindings(shape, values, headers)
      members = restJsonCodec.plain(bindingsOf(shape).body.output, values)
    }
    if (!('message' in members) && !('Message' in members)) members.message = error.message
    return { status, headers: { ...headers, ...error.headers }, body: JSON.stringify(members) }
  },
}
