import { request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { amzDate, sha256, sign, signingKey, stringToSign } from '../../src/kernel/signature.ts'
import type { Keys } from '../story.ts'

// Requests made by hand: what no SDK would send, or would not let us spoil.

export type RawRequest = {
  readonly method: string
  /** As it goes on the wire: percent escapes and all. */
  readonly path: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

export type RawAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** AWS's error code, whatever the protocol says it by. */
  readonly code: string | undefined
}

/** The code of an error answer in any of the protocols' forms. */
export const codeOf = (headers: Readonly<Record<string, string>>, text: string): string | undefined =>
  headers['x-amzn-errortype']?.split(':')[0] ??
  /<Code>([^<]+)<\/Code>/.exec(text)?.[1] ??
  /"__type":\s*"(?:[^"#]*#)?([^"]+)"/.exec(text)?.[1]

/** Sends exactly this, over a connection of its own. */
export const send = (endpoint: string, { method, path, query, headers = {}, body }: RawRequest): Promise<RawAnswer> =>
  new Promise((resolve, reject) => {
    const url = new URL(endpoint)
    const options = {
      host: url.hostname,
      port: url.port,
      method,
      path: path + (query ? `?${query}` : ''),
      headers,
      agent: false,
    }
    const asked = httpRequest(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const flat = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
        resolve({ status: response.statusCode ?? 0, headers: flat, text, code: codeOf(flat, text) })
      })
    })
    asked.on('error', reject)
    asked.end(body)
  })

export type Signing = {
  readonly keys: Keys
  readonly service: string
  readonly region?: string
  /** Epoch milliseconds; now unless told. */
  readonly time?: number
  /** `x-amz-content-sha256`; left out when `null`. The body's own hash unless told. */
  readonly payload?: string | null
  /** Headers that stay outside the signature. */
  readonly uncovered?: readonly string[]
}

/** The request with Signature Version 4 in its headers. */
export const signed = (
  endpoint: string,
  request: RawRequest,
  { keys, service, region = 'us-east-1', time = Date.now(), payload, uncovered = [] }: Signing,
): RawRequest => {
  const stamp = amzDate(time)
  const hash = sha256(request.body ?? '')
  const headers: Record<string, string> = {
    ...request.headers,
    host: request.headers?.host ?? new URL(endpoint).host,
    'x-amz-date': stamp,
    ...(payload === null ? {} : { 'x-amz-content-sha256': payload ?? hash }),
    ...(keys.sessionToken ? { 'x-amz-security-token': keys.sessionToken } : {}),
  }
  const scope = { date: stamp.slice(0, 8), region, service }
  const signedHeaders = Object.keys(headers)
    .filter((name) => !uncovered.includes(name))
    .toSorted()
  const parts = { accessKeyId: keys.accessKeyId, scope, signedHeaders, signature: '', time: stamp }
  const text = stringToSign(
    { ...request, query: request.query ?? '', headers, payloadHash: payload ?? hash },
    parts,
    service === 's3',
  )
  const signature = sign(signingKey(keys.secretAccessKey, scope), text)
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope.date}/${region}/${service}/aws4_request, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`
  return { ...request, headers }
}

/** The request with Signature Version 4 in its query: a presigned URL. */
export const presigned = (
  endpoint: string,
  request: RawRequest,
  { keys, service, region = 'us-east-1', time = Date.now(), expires = 300 }: Signing & { expires?: number },
): RawRequest => {
  const stamp = amzDate(time)
  const scope = { date: stamp.slice(0, 8), region, service }
  const headers = { ...request.headers, host: new URL(endpoint).host }
  const parts = {
    accessKeyId: keys.accessKeyId,
    scope,
    signedHeaders: Object.keys(headers).toSorted(),
    signature: '',
    time: stamp,
  }
  const credential = encodeURIComponent(`${keys.accessKeyId}/${scope.date}/${region}/${service}/aws4_request`)
  const query = [
    ...(request.query ? [request.query] : []),
    `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${credential}&X-Amz-Date=${stamp}&X-Amz-Expires=${expires}&X-Amz-SignedHeaders=${encodeURIComponent(parts.signedHeaders.join(';'))}`,
    ...(keys.sessionToken ? [`X-Amz-Security-Token=${encodeURIComponent(keys.sessionToken)}`] : []),
  ].join('&')
  const text = stringToSign({ ...request, query, headers, payloadHash: 'UNSIGNED-PAYLOAD' }, parts, service === 's3')
  return {
    ...request,
    headers,
    query: `${query}&X-Amz-Signature=${sign(signingKey(keys.secretAccessKey, scope), text)}`,
  }
}

/** A bare connection: write what you like, read what comes until it closes or `enough` says so. */
export const wire = async (
  endpoint: string,
): Promise<{ socket: Socket; read: (enough?: (text: string) => boolean) => Promise<string> }> => {
  const url = new URL(endpoint)
  const socket = connect(Number(url.port), url.hostname)
  let text = ''
  let over = false
  const listeners = new Set<() => void>()
  const tell = () => {
    for (const listener of listeners) listener()
  }
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    tell()
  })
  socket.on('error', tell)
  socket.on('close', () => {
    over = true
    tell()
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve())
    socket.once('error', reject)
  })
  return {
    socket,
    read: (enough = () => false) =>
      new Promise((resolve) => {
        const look = () => {
          if (!over && !enough(text)) return
          listeners.delete(look)
          resolve(text)
        }
        listeners.add(look)
        look()
      }),
  }
}
