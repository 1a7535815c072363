import { createHash } from 'node:crypto'
import { finished, type Readable, Transform } from 'node:stream'
import { accountOfAccessKey } from './access-key-id.ts'
import { type Family, familyOf, refuse } from './authentication-failure.ts'
import { decodeAwsChunked } from './aws-chunked.ts'
import { AwsError } from './errors.ts'
import type { Identity } from './identity.ts'
import { anonymous, type Principal, rootOf } from './principal.ts'
import { isRegion } from './region.ts'
import type { Vault } from './session.ts'
import {
  amzDate,
  emptyHash,
  parseAmzDate,
  type SignatureParts,
  sameText,
  sha256,
  sign,
  signingKey,
  signV2,
  stringToSign,
} from './signature.ts'
import type { Protocol, WireRequest } from './wire.ts'

/** Where credentials are known from. */
export type CredentialSource = {
  readonly identity: () => Identity
  readonly vault: Vault
  readonly root: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly account: string }
  readonly trust: boolean
  /** The server's own Region: it may bear any name. */
  readonly region: string
  /** The turned clock: by it sessions expire. Signatures carry the client's wall clock, so they are held against ours. */
  readonly now: () => number
  readonly wallClock: () => number
}

/**
 * The same without the root user: for requests that come out of a machine or task. Its key is well known on a loopback
 * server, and what runs inside must not be root by knowing it.
 */
export const withoutRoot = (source: CredentialSource): CredentialSource => ({
  ...source,
  // No header can hold this.
  root: { ...source.root, accessKeyId: '\0' },
})

export type Authenticated = {
  readonly principal: Principal
  /** Region of the credential scope; absent for anonymous and Signature Version 2 requests. */
  readonly region?: string
  readonly body: Uint8Array | Readable
  /** Trailing headers; complete once the body has been read. */
  readonly trailers: () => Readonly<Record<string, string>>
}

const skewAllowed = 15 * 60_000

const pairsOf = (query: string): Map<string, string> => {
  const pairs = new Map<string, string>()
  for (const pair of query.split('&')) {
    const at = pair.indexOf('=')
    if (at < 0) pairs.set(pair, '')
    else pairs.set(pair.slice(0, at), safeDecode(pair.slice(at + 1)))
  }
  return pairs
}
const safeDecode = (text: string): string => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

const scopeOf = (credential: string) => {
  const parts = credential.split('/')
  if (parts.length < 5 || parts.at(-1) !== 'aws4_request') return undefined
  const [date, region, service] = parts.slice(-4) as [string, string, string, string]
  return { accessKeyId: parts.slice(0, -4).join('/'), scope: { date, region, service } }
}

const fields = {
  credential: /[\s,]Credential=([^,\s]*)/,
  signedHeaders: /[\s,]SignedHeaders=([^,\s]*)/,
  signature: /[\s,]Signature=([^,\s]*)/,
}

/** Reads the signature a request carries: in its header or in its query. `undefined`: it carries none. */
export const signatureOf = (
  request: Pick<WireRequest, 'headers' | 'query'>,
  family: Family = 'json',
): SignatureParts | undefined => {
  const header = request.headers.authorization
  if (header?.startsWith('AWS4-HMAC-SHA256')) {
    const credential = scopeOf(fields.credential.exec(header)?.[1] ?? '')
    const [signed, signature] = [fields.signedHeaders.exec(header)?.[1], fields.signature.exec(header)?.[1]]
    const time =
      request.headers['x-amz-date'] ?? (request.headers.date ? amzDate(Date.parse(request.headers.date) || 0) : '')
    if (!credential || !signed || !signature || !time)
      throw refuse(
        family,
        'incomplete',
        lacking({ Credential: credential, Signature: signature, SignedHeaders: signed }, time),
      )
    const sessionToken = request.headers['x-amz-security-token']
    return {
      ...credential,
      signedHeaders: signed.split(';'),
      signature,
      time,
      ...(sessionToken ? { sessionToken } : {}),
    }
  }
  if (!/(?:^|&)X-Amz-(?:Signature|Credential|Algorithm)=/.test(request.query)) return undefined
  const pairs = pairsOf(request.query)
  const credential = scopeOf(pairs.get('X-Amz-Credential') ?? '')
  const [signed, signature, time] = [
    pairs.get('X-Amz-SignedHeaders'),
    pairs.get('X-Amz-Signature'),
    pairs.get('X-Amz-Date'),
  ]
  const expires = Number(pairs.get('X-Amz-Expires') ?? '300')
  if (!credential || !signed || !signature || !time)
    throw family === 's3' ? incompleteQuery() : refuse(family, 'incomplete')
  if (!Number.isInteger(expires) || expires < 0 || expires > 604_800)
    throw new AwsError(
      'AuthorizationQueryParametersError',
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    )
  const sessionToken = pairs.get('X-Amz-Security-Token')
  return {
    ...credential,
    signedHeaders: signed.split(';'),
    signature,
    time,
    expires,
    ...(sessionToken ? { sessionToken } : {}),
  }
}

const lacking = (parameters: Readonly<Record<string, unknown>>, time: string): string =>
  [
    ...Object.entries(parameters).flatMap(([name, value]) =>
      value ? [] : [`Authorization header requires '${name}' parameter.`],
    ),
    ...(time ? [] : ["Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."]),
  ].join(' ')

const incompleteQuery = () =>
  new AwsError(
    'AuthorizationQueryParametersError',
    'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
  )

/** Headers of AWS's own that proxies and clients add after signing. */
const addedLater = new Set(['x-amz-user-agent', 'x-amz-security-token', 'x-amz-cf-id'])

/** What a signature does not cover anyone on the way could have put there: the host and AWS's own headers must be covered. */
const unsignedHeader = ({ headers }: WireRequest, { signedHeaders }: SignatureParts): string | undefined => {
  if (!signedHeaders.includes('host') && !signedHeaders.includes(':authority')) return 'host'
  for (const name in headers)
    if (name.startsWith('x-amz-') && !addedLater.has(name) && !signedHeaders.includes(name)) return name
  return undefined
}

const notSigned = (family: Family, name: string): AwsError => {
  if (family === 's3')
    return new AwsError('AccessDenied', 'There were headers present in the request which were not signed', {
      status: 403,
      members: { HeadersNotSigned: name },
    })
  const shown = name === 'host' ? "'Host' or ':authority'" : `'${name}'`
  return refuse(
    family,
    'mismatch',
    family === 'ec2' ? undefined : `${shown} must be a 'SignedHeader' in the AWS Authorization.`,
  )
}

const wrongService = (family: Family, wanted: string): AwsError => {
  if (family === 's3')
    return new AwsError(
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; incorrect service. This endpoint belongs to "${wanted}".`,
    )
  return refuse(
    family,
    'mismatch',
    family === 'ec2' ? undefined : `Credential should be scoped to correct service: '${wanted}'. `,
  )
}

/** Another name would be a Region of its own, where nobody ever looks for what a typing error made. */
const wrongRegion = (family: Family, { scope, expires }: SignatureParts, Region: string): AwsError => {
  if (family !== 's3')
    return refuse(family, 'mismatch', family === 'ec2' ? undefined : 'Credential should be scoped to a valid region.')
  const wrong = `the region '${scope.region}' is wrong; expecting '${Region}'`
  return expires === undefined
    ? new AwsError('AuthorizationHeaderMalformed', `The authorization header is malformed; ${wrong}`, {
        members: { Region },
      })
    : new AwsError('AuthorizationQueryParametersError', `Error parsing the X-Amz-Credential parameter; ${wrong}`, {
        members: { Region },
      })
}

/** Secret and owner of an access key, temporary or not. `undefined`: nobody's. `'expired'`: the session is over. */
export const credentialOf = async (
  source: CredentialSource,
  accessKeyId: string,
  sessionToken: string | undefined,
): Promise<{ secret: string | undefined; principal: Principal } | 'badToken' | 'expired' | undefined> => {
  if (sessionToken !== undefined) {
    const session = source.vault.open(accessKeyId, sessionToken)
    if (session) return (session.principal.session?.expires ?? 0) <= source.now() ? 'expired' : session
    if (!source.trust || accessKeyId.startsWith('ASIA')) return 'badToken'
  }
  if (accessKeyId === source.root.accessKeyId)
    return {
      secret: source.trust ? undefined : source.root.secretAccessKey,
      principal: rootOf(source.root.account, accessKeyId),
    }
  const known = await source.identity().accessKey(accessKeyId)
  if (known) return known
  const account = accountOfAccessKey(accessKeyId)
  const root = account === undefined ? undefined : source.vault.rootKey(account)
  if (root?.accessKeyId === accessKeyId && account !== undefined)
    return { secret: root.secretAccessKey, principal: rootOf(account, accessKeyId) }
  if (!source.trust) return undefined
  // Said loudly at start and in the health answer: in this mode an unknown key is believed.
  return {
    secret: undefined,
    principal: rootOf(/^\d{12}$/.test(accessKeyId) ? accessKeyId : source.root.account, accessKeyId),
  }
}

/**
 * Verifies who sent a request. `streams`: the operation takes its body as it comes; then the body's own signature or
 * hash is checked while it is read, and a wrong one makes the stream fail before its end.
 */
export const authenticate = async (
  source: CredentialSource,
  request: WireRequest,
  protocol: Protocol['name'],
  options: { streams: boolean; mayBeUnsigned: boolean; signingNames?: readonly string[] },
): Promise<Authenticated> => {
  const family = familyOf[protocol]
  const noTrailers = () => ({})
  const body = async () => (options.streams ? request.stream() : await request.bytes())
  const parts = signatureOf(request, family)

  if (!parts) {
    if (family === 's3') {
      const principal = await authenticateV2(source, request)
      if (principal) return { principal, body: await body(), trailers: noTrailers }
    }
    if (request.headers.authorization)
      throw family === 's3'
        ? new AwsError(
            'InvalidRequest',
            'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
          )
        : refuse(family, 'incomplete')
    if (family !== 's3' && !options.mayBeUnsigned) throw refuse(family, 'missing')
    const plain = await body()
    const chunked = request.headers['content-encoding']?.includes('aws-chunked') && !(plain instanceof Uint8Array)
    return chunked
      ? { principal: anonymous, ...unsignedChunks(request, plain) }
      : { principal: anonymous, body: plain, trailers: noTrailers }
  }

  const credential = await credentialOf(source, parts.accessKeyId, parts.sessionToken)
  if (!credential) throw refuse(family, 'unknownKey')
  if (credential === 'badToken') throw refuse(family, 'badToken')
  if (credential === 'expired') throw refuse(family, 'expiredToken')
  if (!isRegion(parts.scope.region) && parts.scope.region !== source.region)
    throw wrongRegion(family, parts, source.region)
  checkTime(family, parts, source.wallClock())
  if (family === 's3' && request.headers.authorization && /(?:^|&)(?:X-Amz-Signature|Signature)=/.test(request.query))
    throw new AwsError(
      'InvalidArgument',
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
    )

  const declared =
    request.headers['x-amz-content-sha256'] ??
    (parts.expires !== undefined && family === 's3' ? 'UNSIGNED-PAYLOAD' : undefined)
  const isHash = declared !== undefined && /^[0-9a-f]{64}$/.test(declared)
  // What the headers do not say of the body has to be read first; otherwise only who has shown his signature is listened to.
  let bytes = declared === undefined ? await request.bytes() : undefined
  const payloadHash = declared ?? (bytes?.length ? sha256(bytes) : emptyHash)

  const principal = { ...credential.principal, accessKeyId: parts.accessKeyId }
  const facts = { principal, region: parts.scope.region }
  const { secret } = credential
  if (secret !== undefined) {
    if (options.signingNames && !options.signingNames.includes(parts.scope.service))
      throw wrongService(family, options.signingNames[0] ?? '')
    const uncovered = unsignedHeader(request, parts)
    if (uncovered) throw notSigned(family, uncovered)
    const key = signingKey(secret, parts.scope)
    const expected = sign(key, stringToSign({ ...request, payloadHash }, parts, parts.scope.service === 's3'))
    if (parts.time.slice(0, 8) !== parts.scope.date || !sameText(expected, parts.signature))
      throw refuse(family, 'mismatch')
    if (!options.streams) bytes ??= await request.bytes()
    if (bytes && isHash && sha256(bytes) !== declared) throw refuse(family, 'payload')
    if (principal.kind === 'user' && !principal.session) {
      const { service, region } = parts.scope
      await source.identity().markUsed(parts.accessKeyId, { service, region })
    }
    if (bytes) return { ...facts, body: bytes, trailers: noTrailers }
    const stream = request.stream()
    if (declared?.startsWith('STREAMING-AWS4-HMAC-SHA256-PAYLOAD')) {
      const { date, region, service } = parts.scope
      const scope = `${date}/${region}/${service}/aws4_request`
      const signed = { signingKey: key, seedSignature: parts.signature, timestamp: parts.time, scope }
      return { ...facts, ...decodeAwsChunked(stream, { signed, ...decodedLength(request) }) }
    }
    if (declared === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') return { ...facts, ...unsignedChunks(request, stream) }
    if (declared === 'UNSIGNED-PAYLOAD' || declared === undefined)
      return { ...facts, body: stream, trailers: noTrailers }
    if (!isHash)
      throw new AwsError(
        'InvalidArgument',
        `x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 value.`,
        { status: 400 },
      )
    return { ...facts, body: guarded(stream, declared, () => refuse(family, 'payload')), trailers: noTrailers }
  }
  if (!options.streams) bytes ??= await request.bytes()
  if (bytes) return { ...facts, body: bytes, trailers: noTrailers }
  const stream = request.stream()
  if (declared?.startsWith('STREAMING-')) return { ...facts, ...unsignedChunks(request, stream) }
  return { ...facts, body: stream, trailers: noTrailers }
}

const decodedLength = (request: WireRequest): { decodedLength?: number } => {
  const length = Number(request.headers['x-amz-decoded-content-length'])
  return request.headers['x-amz-decoded-content-length'] !== undefined && Number.isSafeInteger(length)
    ? { decodedLength: length }
    : {}
}
const unsignedChunks = (request: WireRequest, stream: Readable) => decodeAwsChunked(stream, decodedLength(request))

/** Passes bytes through and fails at their end when their SHA-256 is not what the signature covered. */
const hashGuard = (expected: string, error: () => AwsError): Transform => {
  const hash = createHash('sha256')
  return new Transform({
    transform(chunk: Uint8Array, _encoding, next) {
      hash.update(chunk)
      next(null, chunk)
    },
    flush(next) {
      next(sameText(hash.digest('hex'), expected) ? null : error())
    },
  })
}

/** The stream behind a hash guard. It breaks off when the stream does, and leaves it open when its reader has had enough. */
const guarded = (stream: Readable, expected: string, error: () => AwsError): Readable => {
  const guard = hashGuard(expected, error)
  // Refused calls leave their body unread: nobody hears then that it was wrong, and nobody has to.
  guard.on('error', () => undefined)
  finished(stream, { writable: false }, (broken) => {
    if (broken) guard.destroy(broken)
  })
  return stream.pipe(guard)
}

const checkTime = (family: Family, parts: SignatureParts, now: number): void => {
  const signed = parseAmzDate(parts.time)
  if (Number.isNaN(signed))
    throw refuse(family, 'incomplete', `Date must be in ISO-8601 'basic format'. Got '${parts.time.slice(0, 40)}'.`)
  if (parts.expires !== undefined) {
    if (signed - now > skewAllowed) throw refuse(family, 'expiredUrl', 'Request is not valid yet')
    if (now > signed + parts.expires * 1000) throw refuse(family, 'expiredUrl')
    return
  }
  if (Math.abs(now - signed) <= skewAllowed) return
  if (family === 's3' || family === 'ec2') throw refuse(family, 'skewed')
  const [ours, theirs] = [amzDate(now), parts.time]
  throw refuse(
    family,
    'skewed',
    now > signed
      ? `Signature expired: ${theirs} is now earlier than ${amzDate(now - skewAllowed)} (${ours} - 15 min.)`
      : `Signature not yet current: ${theirs} is still later than ${amzDate(now + skewAllowed)} (${ours} + 15 min.)`,
  )
}

const subresources = new Set(
  'acl cors delete lifecycle location logging notification partNumber policy requestPayment response-cache-control response-content-disposition response-content-encoding response-content-language response-content-type response-expires restore tagging torrent uploadId uploads versionId versioning versions website'.split(
    ' ',
  ),
)

/** S3 presigned URLs of Signature Version 2, which boto3 still makes by default in us-east-1. */
const authenticateV2 = async (source: CredentialSource, request: WireRequest): Promise<Principal | undefined> => {
  const pairs = pairsOf(request.query)
  const [accessKeyId, signature, expires] = [pairs.get('AWSAccessKeyId'), pairs.get('Signature'), pairs.get('Expires')]
  if (accessKeyId === undefined || signature === undefined || expires === undefined) return undefined
  const credential = await credentialOf(source, accessKeyId, pairs.get('x-amz-security-token'))
  if (!credential) throw refuse('s3', 'unknownKey')
  if (credential === 'badToken') throw refuse('s3', 'badToken')
  if (credential === 'expired') throw refuse('s3', 'expiredToken')
  if (!/^\d+$/.test(expires) || source.wallClock() > Number(expires) * 1000) throw refuse('s3', 'expiredUrl')
  const amz = Object.entries(request.headers)
    .filter(([name]) => name.startsWith('x-amz-'))
    .concat(
      pairs.has('x-amz-security-token') ? [['x-amz-security-token', pairs.get('x-amz-security-token') ?? '']] : [],
    )
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value.trim()}\n`)
    .join('')
  const query = [...pairs]
    .filter(([name]) => subresources.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => (request.query.split('&').includes(name) ? name : `${name}=${value}`))
    .join('&')
  const resource = `${virtualHostBucket(request.headers.host ?? '')}${request.path}${query ? `?${query}` : ''}`
  const text = `${request.method}\n${request.headers['content-md5'] ?? ''}\n${request.headers['content-type'] ?? ''}\n${expires}\n${amz}${resource}`
  if (credential.secret !== undefined && !sameText(signV2(credential.secret, text), signature))
    throw refuse('s3', 'mismatch')
  return { ...credential.principal, accessKeyId }
}

const virtualHostBucket = (host: string): string => {
  const bucket = /^(.+)\.s3[.-]/.exec(host)?.[1]
  return bucket ? `/${bucket}` : ''
}
