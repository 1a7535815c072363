import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from 'node:crypto'

// AWS Signature Version 4, the verifying side ("AWS Signature Version 4 for API requests", IAM user guide).

export const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

export const sha256 = (data: string | Uint8Array): string => hash('sha256', data, 'hex')
const hmac = (key: string | Uint8Array, data: string): Buffer => createHmac('sha256', key).update(data).digest()

export type Scope = { readonly date: string; readonly region: string; readonly service: string }

/** What a signed request says of its signature. `time` is `YYYYMMDDTHHMMSSZ`. */
export type SignatureParts = {
  readonly accessKeyId: string
  readonly scope: Scope
  readonly signedHeaders: readonly string[]
  readonly signature: string
  readonly time: string
  /** Seconds, for presigned requests only. */
  readonly expires?: number
  readonly sessionToken?: string
}

const derived = new Map<string, Buffer>()

/** The signing key of a secret for one day, region and service. Remembered: deriving costs four HMACs. */
export const signingKey = (secret: string, scope: Scope): Buffer => {
  const name = `${scope.date}/${scope.region}/${scope.service}/${secret}`
  const known = derived.get(name)
  if (known) return known
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, scope.date), scope.region), scope.service), 'aws4_request')
  if (derived.size >= 1000) derived.clear()
  derived.set(name, key)
  return key
}

const unreservedEncode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The canonical query string; `X-Amz-Signature` does not sign itself. */
export const canonicalQuery = (query: string, leaveOut = 'X-Amz-Signature'): string =>
  query === ''
    ? ''
    : query
        .split('&')
        .filter((pair) => pair !== '')
        .map((pair) => {
          const at = pair.indexOf('=')
          const [name, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
          return [unreservedEncode(decode(name)), unreservedEncode(decode(value))] as const
        })
        .filter(([name]) => name !== leaveOut)
        .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0))
        .map(([name, value]) => `${name}=${value}`)
        .join('&')

/** S3 signs the path encoded once; everyone else encodes what is already encoded again. */
export const canonicalPath = (path: string, encodedOnce: boolean): string =>
  path
    .split('/')
    .map((segment) => unreservedEncode(encodedOnce ? decode(segment) : segment))
    .join('/')

export type SignedRequest = {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  readonly payloadHash: string
}

/** The text whose HMAC is the signature. */
export const stringToSign = (request: SignedRequest, parts: SignatureParts, pathEncodedOnce: boolean): string => {
  const headers = parts.signedHeaders.map(
    (name) => `${name}:${(request.headers[name] ?? '').trim().replace(/ {2,}/g, ' ')}\n`,
  )
  const canonical = [
    request.method,
    canonicalPath(request.path, pathEncodedOnce),
    canonicalQuery(request.query),
    headers.join(''),
    parts.signedHeaders.join(';'),
    request.payloadHash,
  ].join('\n')
  const { date, region, service } = parts.scope
  // A header is bytes, each of which Node gives as one character.
  const hash = sha256(Buffer.from(canonical, 'latin1'))
  return ['AWS4-HMAC-SHA256', parts.time, `${date}/${region}/${service}/aws4_request`, hash].join('\n')
}

/** A raw key costs Node several times the HMAC itself each time; made into a key object it does so once. */
const prepared = new WeakMap<Uint8Array, KeyObject>()

export const sign = (key: Uint8Array, text: string): string => {
  let object = prepared.get(key)
  if (!object) {
    object = createSecretKey(key)
    prepared.set(key, object)
  }
  return createHmac('sha256', object).update(text).digest('hex')
}

/** Compares two texts in a time that depends on their length only. */
export const sameText = (a: string, b: string): boolean => {
  const [x, y] = [Buffer.from(a), Buffer.from(b)]
  return x.length === y.length && timingSafeEqual(x, y)
}

/** `YYYYMMDDTHHMMSSZ` to epoch milliseconds; `NaN` when it is no such time. */
export const parseAmzDate = (text: string): number => {
  const m = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  return m ? Date.parse(`${m[1]}-${m[2]}-${m[3]}T${m[4]}:${m[5]}:${m[6]}Z`) : Number.NaN
}

/** Epoch milliseconds to `YYYYMMDDTHHMMSSZ`. */
export const amzDate = (milliseconds: number): string =>
  new Date(milliseconds).toISOString().replace(/[-:]|\.\d{3}/g, '')

/** S3's older presigned form (Signature Version 2, "Signing and authenticating REST requests"). */
export const signV2 = (secret: string, text: string): string => createHmac('sha1', secret).update(text).digest('base64')
