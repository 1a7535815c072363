import { amzDate, type Scope, sha256, sign, signingKey, stringToSign } from '../src/kernel/signature.ts'

export type Keys = { readonly accessKeyId: string; readonly secretAccessKey: string }

export type Plain = {
  readonly method?: string
  readonly path?: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Instead of the body's SHA-256, e.g. `UNSIGNED-PAYLOAD`. */
  readonly payloadHash?: string
}

export type Signed = {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Signs a request as an SDK does; good for 15 minutes. */
export const signed = (endpoint: string, service: string, keys: Keys, plain: Plain, region = 'us-east-1'): Signed => {
  const { method = 'POST', path = '/', query = '', headers = {} } = plain
  const body = typeof plain.body === 'string' ? Buffer.from(plain.body) : (plain.body ?? new Uint8Array())
  const time = amzDate(Date.now())
  const payloadHash = plain.payloadHash ?? sha256(body)
  const all: Record<string, string> = {
    ...headers,
    host: new URL(endpoint).host,
    'x-amz-date': time,
    ...(service === 's3' ? { 'x-amz-content-sha256': payloadHash } : {}),
  }
  const scope: Scope = { date: time.slice(0, 8), region, service }
  const signedHeaders = Object.keys(all).sort()
  const text = stringToSign(
    { method, path, query, headers: all, payloadHash },
    { accessKeyId: keys.accessKeyId, scope, signedHeaders, signature: '', time },
    service === 's3',
  )
  const signature = sign(signingKey(keys.secretAccessKey, scope), text)
  all.authorization = `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope.date}/${region}/${service}/aws4_request, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`
  return { method, url: `${path}${query ? `?${query}` : ''}`, headers: all, body }
}

/** The request as it goes over the wire, in base64. */
export const raw = ({ method, url, headers, body }: Signed): string => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const agent = 'user-agent: drydock-bench\r\naccept: */*\r\n'
  const head = `${method} ${url} HTTP/1.1\r\n${lines.join('')}${agent}content-length: ${body.byteLength}\r\n\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), body]).toString('base64')
}

export const json = (target: string, input: object, version = '1.1'): Plain => ({
  headers: { 'content-type': `application/x-amz-json-${version}`, 'x-amz-target': target },
  body: JSON.stringify(input),
})

export const form = (action: string, version: string, parameters: Readonly<Record<string, string>> = {}): Plain => ({
  headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
  body: new URLSearchParams({ Action: action, Version: version, ...parameters }).toString(),
})
