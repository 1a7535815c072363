import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { DoorRequest } from '../compute/driver.ts'
import { authenticate, credentialOf } from './authenticate.ts'
import { callerError } from './call.ts'
import type { RequestFacts } from './context.ts'
import { AwsError, incompleteBody } from './errors.ts'
import type { Kernel } from './kernel.ts'
import { serve } from './request.ts'
import type { Exchange, Route, Service } from './service.ts'
import type { Sockets } from './sockets.ts'
import { visitOf } from './visit.ts'
import type { WireRequest, WireResponse } from './wire.ts'

// Not imported: an import of `node:http` also loads the WebSocket client that the module offers, a fifth of our start.
const { createServer } = process.getBuiltinModule('node:http')

/** Most bytes of a body that is read as a whole. Larger ones belong to operations that stream. */
const wholeBodyLimit = 64 * 1024 * 1024
/** Longest pause within a body, and longest time that the rest of an unwanted body is listened to (ms). */
const bodyPause = 60_000
const lingering = 10_000

export type Listener = (request: IncomingMessage, response: ServerResponse, from?: DoorRequest) => void

/** Turns Node's requests into journeys: odd doors first, by the routes services declare, then the way of an AWS call. */
export const httpListener = (kernel: Kernel): Listener => {
  const routes = [...kernel.services.values()].flatMap((service) =>
    service.routes.map((route) => ({
      service,
      route,
      pattern: new RegExp(`^(?:${route.path.source})$`, route.path.flags),
      hosts: route.host && new RegExp(`^(?:${route.host.source})$`, route.host.flags),
    })),
  )

  const routeOf = (request: IncomingMessage, path: string, door: DoorRequest['door']) => {
    const host = (request.headers.host ?? '').toLowerCase().replace(/:\d+$/, '')
    for (const { service, route, pattern, hosts } of routes) {
      if ((route.door ?? 'endpoint') !== door || (route.method && route.method !== request.method)) continue
      if (route.target && !String(request.headers['x-amz-target'] ?? '').startsWith(route.target)) continue
      if (route.mediaType && route.mediaType !== mediaTypeOf(request)) continue
      if (route.signingName && route.signingName !== scopeOf(request)) continue
      const named = hosts ? hosts.exec(host) : undefined
      const match = named === null ? undefined : pattern.exec(path)
      if (match) return { service, route, params: { ...named?.groups, ...match.groups } }
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
    const what = `${request.method} ${path.slice(0, 200)}`
    response.on('error', (error) =>
      kernel.log.warn('an answer could not be sent', { what, requestId: facts.id, error: error.message }),
    )
    const going = matched
      ? serveRoute(kernel, matched, { request, response, from, facts, wire })
      : serve(kernel, wire, facts).then((answer) =>
          send(kernel, request, response, answer, { what, requestId: facts.id }),
        )
    going.catch((thrown) => {
      const broken = wire.broken?.() && !(thrown instanceof AwsError)
      const error = broken ? incompleteBody() : callerError(thrown, kernel, facts.id, what)
      if (response.headersSent) response.destroy()
      else
        sendJson(
          request,
          response,
          facts.id,
          error.status ?? 400,
          { __type: error.code, message: error.message },
          error.headers,
        )
    })
  }
}

/** An answer that no protocol of AWS's gives its form to. */
export const sendJson = (
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void => {
  finishEarly(request, response)
  const text = `${JSON.stringify(body, null, 2)}\n`
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'x-amzn-requestid': requestId,
    ...headers,
  })
  response.end(request.method === 'HEAD' ? undefined : text)
}

/** What Node's parser refuses before there is a request. */
const refusals: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** An HTTP server around a listener, with limits on headers and slow clients: `headersTimeout` (ms) for all headers to arrive. */
export const httpServer = (
  listener: Listener,
  { headersTimeout = 30_000, sockets }: { headersTimeout?: number; sockets?: Sockets } = {},
): Server => {
  const server = createServer({
    maxHeaderSize: 64 * 1024,
    requestTimeout: 0,
    headersTimeout,
    connectionsCheckingInterval: Math.min(headersTimeout, 5_000),
    keepAliveTimeout: 65_000,
    shouldUpgradeCallback: (request: IncomingMessage) => sockets?.wanted(request) ?? false,
  })
  if (sockets) server.on('upgrade', sockets.open)
  const accept = (request: IncomingMessage, response: ServerResponse) => listener(request, response)
  server.on('request', accept)
  server.on('checkContinue', accept)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const status = refusals[error.code ?? ''] ?? '400 Bad Request'
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    else socket.destroy()
  })
  return server
}

const scopeOf = ({ headers }: IncomingMessage): string | undefined =>
  /Credential=[^,\s]+\/([^/,\s]+)\/aws4_request/.exec(headers.authorization ?? '')?.[1]

const mediaTypeOf = ({ headers }: IncomingMessage): string =>
  (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? ''

/** Path and query of a request's URL. */
export const split = (url: string): [string, string] => {
  const origin =
    url.startsWith('http://') || url.startsWith('https://') ? url.replace(/^https?:\/\/[^/?]*/, '') || '/' : url
  const at = origin.indexOf('?')
  return at < 0 ? [origin, ''] : [origin.slice(0, at), origin.slice(at + 1)]
}

/** What of the request contexts carry. */
export const factsOf = (
  kernel: Pick<Kernel, 'endpoint' | 'credentials'>,
  request: IncomingMessage,
  path: string,
  query: string,
  from: DoorRequest | undefined,
): RequestFacts => {
  const headers: Record<string, string> = {}
  const received = request.headers
  for (const name in received) {
    const value = received[name]
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
    ...(from ? { inside: true } : {}),
    received: kernel.credentials.wallClock(),
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
  let waits = expectsContinue(request)
  let listens = false
  const goOn = () => {
    if (!listens) limitPauses(request)
    listens = true
    if (waits) response.writeContinue()
    waits = false
    toldToGoOn.add(response)
  }
  return {
    method: request.method ?? 'GET',
    path,
    query,
    headers,
    bytes: () => {
      whole ??= readWhole(request, goOn)
      return whole
    },
    stream: () => request,
    goOn,
    broken: () => request.destroyed && !request.complete,
  }
}

const toldToGoOn = new WeakSet<ServerResponse>()

const expectsContinue = (request: IncomingMessage): boolean => request.headers.expect?.toLowerCase() === '100-continue'

/** A client that stops in the middle of its body does not hold a connection for ever. */
const limitPauses = (request: IncomingMessage): void => {
  if (request.complete) return
  request.socket.setTimeout(bodyPause)
  request.once('end', () => request.socket.setTimeout(0))
}

const nothing = new Uint8Array()

const readWhole = async (request: IncomingMessage, goOn: () => void): Promise<Uint8Array> => {
  if (request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined)
    return nothing
  const tooLarge = () =>
    new AwsError('RequestEntityTooLargeException', 'Request size exceeded the limit.', { status: 413 })
  if (Number(request.headers['content-length']) > wholeBodyLimit) throw tooLarge()
  goOn()
  const chunks: Uint8Array[] = []
  let size = 0
  // Leaving early must not destroy the connection before the error is answered.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > wholeBodyLimit) throw tooLarge()
    chunks.push(chunk)
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size)
}

const send = async (
  kernel: Kernel,
  request: IncomingMessage,
  response: ServerResponse,
  answer: WireResponse,
  facts: { what: string; requestId: string },
): Promise<void> => {
  const { status, headers, body, through } = answer
  finishEarly(request, response)
  if (body instanceof Readable) {
    if (request.method === 'HEAD' || response.destroyed) {
      body.destroy()
      response.writeHead(status, headers).end()
      through?.(0)
      return
    }
    response.writeHead(status, headers)
    let sent = 0
    if (through)
      body.on('data', (chunk: Uint8Array) => {
        sent += chunk.length
      })
    // A client that went away takes the answer down first, and is no failure.
    let failed: Error | undefined
    body.once('error', (error) => {
      if (!response.destroyed) failed = error
    })
    try {
      await pipeline(body, response)
    } catch {
      // The status is out: all that can be told is that the answer is not complete.
      response.destroy()
      if (failed) kernel.log.error('an answer broke off', { ...facts, error: String(failed) })
    }
    through?.(sent)
    return
  }
  const length = body === undefined ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
  if (status !== 204 && status !== 304 && headers['content-length'] === undefined)
    headers['content-length'] = String(length)
  response.writeHead(status, headers)
  response.end(request.method === 'HEAD' ? undefined : body)
}

/**
 * A body nobody reads any more: a client that still waits to be told to send it is not told, and one that sends it is
 * listened to for a while, since closing at once could take the answer from under its eyes.
 */
const finishEarly = (request: IncomingMessage, response: ServerResponse): void => {
  if (request.complete || request.readableEnded) return
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined
  if (!hasBody || request.headers['content-length'] === '0') return
  if (expectsContinue(request) && !toldToGoOn.has(response)) {
    if (!response.headersSent) response.setHeader('connection', 'close')
    return
  }
  response.once('finish', () => {
    // Whoever stopped reading half-way would hold back the rest, and with it the connection's next request.
    request.unpipe()
    request.removeAllListeners('readable')
    request.resume()
    const late = setTimeout(() => {
      if (!request.complete) request.socket.destroy()
    }, lingering)
    late.unref()
    request.once('end', () => clearTimeout(late))
  })
}

const serveRoute = async (
  kernel: Kernel,
  matched: { service: Service; route: Route; params: Record<string, string> },
  asked: {
    request: IncomingMessage
    response: ServerResponse
    from: DoorRequest | undefined
    facts: RequestFacts
    wire: WireRequest
  },
): Promise<void> => {
  const { facts, wire, from } = asked
  const { ctx, ...visit } = visitOf(kernel, matched.service, facts)
  const exchange: Exchange = {
    ...visit,
    request: asked.request,
    response: asked.response,
    params: matched.params,
    from,
    authenticate: async () => {
      const { principal, region } = await authenticate(kernel.credentialsFor(facts), wire, 'restJson1', {
        streams: false,
        mayBeUnsigned: false,
      })
      const place = { account: principal.account || kernel.account, region: region || kernel.region }
      return visit.actAs(principal, place)
    },
    body: wire.bytes,
    credential: async (accessKeyId, sessionToken) => {
      const found = await credentialOf(kernel.credentialsFor(facts), accessKeyId, sessionToken)
      return typeof found === 'object' ? found : undefined
    },
    wallClock: kernel.credentials.wallClock,
  }
  // A route reads its body as it likes, so a client that asks is told to send it.
  wire.goOn?.()
  await matched.route.handle(ctx, exchange)
}
