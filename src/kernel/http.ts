import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { DoorRequest } from '../compute/driver.ts'
import { auditRecord, auditStream } from './audit.ts'
import { authenticate, credentialOf } from './authenticate.ts'
import { callerError } from './call.ts'
import type { RequestFacts } from './context.ts'
import { AwsError } from './errors.ts'
import type { Kernel } from './kernel.ts'
import { serviceFacts } from './model/catalog.ts'
import { anonymous } from './principal.ts'
import { serve } from './request.ts'
import type { Exchange, Route, Service } from './service.ts'
import type { WireRequest, WireResponse } from './wire.ts'

/** Most bytes of a body that is read as a whole. Larger ones belong to operations that stream. */
const wholeBodyLimit = 64 * 1024 * 1024

export type Listener = (request: IncomingMessage, response: ServerResponse, from?: DoorRequest) => void

/** Turns Node's requests into journeys: odd doors first, by the routes services declare, then the way of an AWS call. */
export const httpListener = (kernel: Kernel): Listener => {
  const routes = [...kernel.services.values()].flatMap((service) =>
    service.routes.map((route) => ({ service, route, pattern: new RegExp(`^(?:${route.path.source})$`, route.path.flags) })),
  )

  const routeOf = (request: IncomingMessage, path: string, door: DoorRequest['door']) => {
    for (const { service, route, pattern } of routes) {
      if ((route.door ?? 'endpoint') !== door || (route.method && route.method !== request.method)) continue
      const match = pattern.exec(path)
      if (match) return { service, route, params: { ...match.groups } }
    }
    return undefined
  }

  return (request, response, from) => {
    const door = from?.door ?? 'endpoint'
    const [path = '/', query = ''] = split(request.url ?? '/')
    const facts = factsOf(kernel, request, path, query, from)
    const matched = routeOf(request, path, door)
    if (!matched && door !== 'endpoint') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end()
      return
    }
    const wire = wireRequest(request, response, path, query, facts.headers)
    const going = matched
      ? serveRoute(kernel, matched, { request, response, from, facts, wire })
      : serve(kernel, wire, facts).then((answer) => send(request, response, answer))
    going.catch((thrown) => {
      const error = callerError(thrown, kernel, facts.id, `${request.method} ${path.slice(0, 200)}`)
      if (response.headersSent) response.destroy()
      else
        response
          .writeHead(error.status ?? 400, { 'content-type': 'application/json', 'x-amzn-requestid': facts.id, ...error.headers })
          .end(JSON.stringify({ __type: error.code, message: error.message }))
      finishEarly(request, response)
    })
  }
}

/** An HTTP server around a listener, with limits on headers and slow clients. */
export const httpServer = (listener: Listener): Server => {
  const server = createServer({ maxHeaderSize: 64 * 1024, requestTimeout: 0, headersTimeout: 30_000, keepAliveTimeout: 65_000 })
  const accept = (request: IncomingMessage, response: ServerResponse) => listener(request, response)
  server.on('request', accept)
  server.on('checkContinue', accept)
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
  })
  return server
}

const split = (url: string): [string, string] => {
  const origin = url.startsWith('http://') || url.startsWith('https://') ? url.replace(/^https?:\/\/[^/?]*/, '') || '/' : url
  const at = origin.indexOf('?')
  return at < 0 ? [origin, ''] : [origin.slice(0, at), origin.slice(at + 1)]
}

/** What of the request contexts carry. */
export const factsOf = (kernel: Pick<Kernel, 'endpoint'>, request: IncomingMessage, path: string, query: string, from: DoorRequest | undefined): RequestFacts => {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(',') : value
  }
  return {
    id: randomUUID(),
    method: request.method ?? 'GET',
    path,
    query,
    headers,
    endpoint: headers.host ? `http://${headers.host}` : kernel.endpoint(),
    sourceIp: from?.address ?? (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    userAgent: headers['user-agent'] ?? '',
    secure: false,
    trailers: () => ({}),
  }
}

/** The request as the kernel's steps read it. */
export const wireRequest = (
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  query: string,
  headers: Readonly<Record<string, string>>,
): WireRequest => {
  let whole: Promise<Uint8Array> | undefined
  const goOn = () => {
    if (headers.expect?.toLowerCase() === '100-continue') response.writeContinue()
  }
  return {
    method: request.method ?? 'GET',
    path,
    query,
    headers,
    bytes: () => {
      if (!whole) {
        goOn()
        whole = readWhole(request)
      }
      return whole
    },
    stream: () => {
      goOn()
      return request
    },
  }
}

const nothing = new Uint8Array()

const readWhole = async (request: IncomingMessage): Promise<Uint8Array> => {
  if (request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined) return nothing
  const tooLarge = () => new AwsError('RequestEntityTooLargeException', 'Request size exceeded the limit.', { status: 413 })
  if (Number(request.headers['content-length']) > wholeBodyLimit) throw tooLarge()
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > wholeBodyLimit) throw tooLarge()
    chunks.push(chunk)
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size)
}

const send = async (request: IncomingMessage, response: ServerResponse, answer: WireResponse): Promise<void> => {
  const { status, headers, body } = answer
  finishEarly(request, response)
  if (body instanceof Readable) {
    response.writeHead(status, headers)
    if (request.method === 'HEAD') {
      body.destroy()
      response.end()
    } else await pipeline(body, response).catch(() => response.destroy())
    return
  }
  const length = body === undefined ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
  if (status !== 204 && status !== 304 && headers['content-length'] === undefined) headers['content-length'] = String(length)
  response.writeHead(status, headers)
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** A body nobody will read any more must not hold the connection: close it after the answer. */
const finishEarly = (request: IncomingMessage, response: ServerResponse): void => {
  if (request.complete || request.readableEnded) return
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined
  if (!hasBody || request.headers['content-length'] === '0') return
  if (!response.headersSent) response.setHeader('connection', 'close')
  response.once('finish', () => request.resume())
}

const serveRoute = async (
  kernel: Kernel,
  matched: { service: Service; route: Route; params: Record<string, string> },
  asked: { request: IncomingMessage; response: ServerResponse; from: DoorRequest | undefined; facts: RequestFacts; wire: WireRequest },
): Promise<void> => {
  const { facts, wire, from } = asked
  const { service } = matched
  const home = { account: kernel.account, region: kernel.region }
  const contextOf = (principal = anonymous, place = { ...home, ...(principal.account ? { account: principal.account } : {}) }) =>
    kernel.contextFor({ service, principal, place, request: facts })
  const exchange: Exchange = {
    request: asked.request,
    response: asked.response,
    params: matched.params,
    from,
    authenticate: async () => {
      const { principal, region } = await authenticate(kernel.credentials, wire, 'restJson1', { streams: false, mayBeUnsigned: false })
      return contextOf(principal, { account: principal.account || kernel.account, region: region || kernel.region })
    },
    actAs: contextOf,
    body: wire.bytes,
    credential: async (accessKeyId, sessionToken) => {
      const found = await credentialOf(kernel.credentials, accessKeyId, sessionToken)
      return typeof found === 'object' ? found : undefined
    },
    wallClock: kernel.credentials.wallClock,
    audit: async (ctx, call) => {
      const now = kernel.clock.now()
      const record = auditRecord({
        principal: ctx.principal,
        ...ctx.place,
        now,
        eventSource: serviceFacts(service.id).eventSource,
        request: facts,
        dataEvent: false,
        responseElements: undefined,
        ...call,
      })
      await kernel.append.append(auditStream(ctx.account, ctx.region), [{ time: now.getTime(), body: record }])
    },
  }
  await matched.route.handle(contextOf(), exchange)
}
