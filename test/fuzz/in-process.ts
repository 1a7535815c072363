import { Readable } from 'node:stream'
import { buildQueryString } from '@smithy/core/protocols'
import { HttpResponse } from '@smithy/core/transport'
import { identify } from '../../src/kernel/identify.ts'
import type { IdentifiedCall, WireRequest, WireResponse } from '../../src/kernel/wire.ts'

/** What an SDK client hands to its request handler. */
type SdkRequest = {
  method: string
  path: string
  query: Record<string, string | string[] | null>
  headers: Record<string, string>
  hostname: string
  body?: unknown
}

export const bytesOf = async (body: unknown): Promise<Uint8Array> => {
  if (body === undefined || body === null) return new Uint8Array()
  if (typeof body === 'string') return new Uint8Array(Buffer.from(body))
  if (body instanceof Uint8Array) return new Uint8Array(body)
  if (body instanceof Readable) return new Uint8Array(Buffer.concat(await body.toArray()))
  throw new TypeError('A body of an unknown kind.')
}

const wireRequest = async (request: SdkRequest): Promise<WireRequest> => {
  const body = await bytesOf(request.body)
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]),
  )
  return {
    method: request.method,
    path: request.path,
    query: buildQueryString(request.query),
    headers: { host: request.hostname, ...headers },
    bytes: async () => body,
    stream: () => Readable.from([body], { objectMode: false }),
  }
}

export type Answer = (call: IdentifiedCall, input: Record<string, unknown>) => WireResponse | Promise<WireResponse>

/** A request handler for SDK clients that identifies and decodes in this process and answers as told: no sockets. */
export const inProcess = (answer: Answer) => ({
  metadata: { handlerProtocol: 'http/1.1' },
  destroy() {},
  updateHttpClientConfig() {},
  httpHandlerConfigs: () => ({}),
  async handle(request: unknown): Promise<{ response: HttpResponse }> {
    const wire = await wireRequest(request as SdkRequest)
    const call = await identify(wire)
    const input = await call.protocol.decode(
      call,
      wire,
      call.operation.streamingInput ? wire.stream() : await wire.bytes(),
    )
    const { status, headers, body } = await answer(call, input)
    const bytes = await bytesOf(body)
    return {
      response: new HttpResponse({
        statusCode: status,
        headers: { ...headers },
        body: Readable.from(bytes.byteLength ? [bytes] : [], { objectMode: false }),
      }),
    }
  },
})
