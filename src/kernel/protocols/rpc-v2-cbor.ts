import type { LoadedService } from '../model/catalog.ts'
import { schemaOf } from '../model/catalog.ts'
import { unit } from '../model/shapes.ts'
import type { Protocol, WireResponse } from '../wire.ts'
import { readCbor, writeCbor } from './cbor.ts'
import { eventStream, eventStreamMember } from './event-stream.ts'
import { errorFacts, errorMembers } from './wire-errors.ts'

// Smithy RPC v2 CBOR: POST /service/<target>/operation/<operation>, one CBOR map each way. Clients refuse an answer
// without the `smithy-protocol` header.

const headers = (requestId: string): Record<string, string> => ({
  'content-type': 'application/cbor',
  'smithy-protocol': 'rpc-v2-cbor',
  'x-amzn-requestid': requestId,
})

export const rpcv2Cbor: Protocol = {
  name: 'rpcv2Cbor',
  async decode(call, _request, body) {
    return readCbor(schemaOf(call.operation).input, body as Uint8Array)
  },
  encode(call, output, requestId): WireResponse {
    const { output: shape } = schemaOf(call.operation)
    const events = eventStreamMember(shape)
    if (events) {
      const write = (of: Parameters<typeof writeCbor>[0], value: unknown): Uint8Array => writeCbor(of, value)
      return eventStream(shape, events, output, requestId, 'application/cbor', 'rpc', (of, value) =>
        of.kind === 'structure' ? write(of, value) : '',
      )
    }
    return { status: 200, headers: headers(requestId), body: writeCbor(shape, output) }
  },
  encodeError(call, error, requestId): WireResponse {
    const { name, queryCode, shape, status, fault } = errorFacts(call, error)
    const facts = (call.service as LoadedService | undefined)?.facts
    const members = shape ? errorMembers(shape, error) : {}
    const spoken = shape?.members.some(({ name }) => name.toLowerCase() === 'message')
    const type = shape ? `${shape.namespace}#${name}` : name
    return {
      status,
      headers: {
        ...headers(requestId),
        ...(facts?.queryCompatible && {
          'x-amzn-query-error': `${queryCode};${fault === 'server' ? 'Receiver' : 'Sender'}`,
        }),
        ...error.headers,
      },
      body: writeCbor(shape ?? unit, members, { __type: type, ...(!spoken && { message: error.message }) }),
    }
  },
}
