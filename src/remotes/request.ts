import type { ClientRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { addressOf, type Reach, RemoteError } from './reach.ts'

// Not imported: an import of `node:http` also loads the WebSocket client that the module offers.
const { request: httpRequest } = process.getBuiltinModule('node:http')

/** Milliseconds that an answer may take. */
const patience = 15_000
/** Most bytes of an answer. */
const longest = 8 * 1024 ** 2

export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Parsed JSON; `undefined` where there is none. */
  readonly body: unknown
}

/**
 * One request for JSON. No redirect is followed, the address is the one that was looked at. Throws RemoteError when nobody
 * answers in time, or with too much.
 */
export const askJson = async (
  method: string,
  url: URL,
  { headers, body, reach }: { headers: Readonly<Record<string, string>>; body?: unknown; reach: Reach },
): Promise<Answer> => {
  const address = await addressOf(url, reach)
  const text = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const fail = (message: string) => {
      reject(new RemoteError(`${url.host}: ${message}`))
      request.destroy()
    }
    const request: ClientRequest = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method,
      agent: false,
      headers: {
        accept: 'application/json',
        'user-agent': 'drydock',
        ...(text === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        ...headers,
      },
      lookup: (_host, options, found) => {
        const family = isIP(address)
        if (options.all) found(null, [{ address, family }])
        else found(null, address, family)
      },
    })
    const timer = setTimeout(() => fail('no answer in time'), patience)
    request.on('close', () => clearTimeout(timer))
    request.on('error', (error) => fail(error.message))
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > longest) fail('the answer is too long')
        else chunks.push(chunk)
      })
      response.on('error', (error) => fail(error.message))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: parsed(Buffer.concat(chunks)) }),
      )
    })
    request.end(text)
  })
}

const parsed = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
