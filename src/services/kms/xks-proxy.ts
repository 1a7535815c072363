import { createHash } from 'node:crypto'
import type { RequestOptions } from 'node:https'
import { isIP } from 'node:net'
import type { Ctx } from '../../kernel/context.ts'
import { jsonObject } from '../../kernel/json-object.ts'
import { isLocalhost, lookupElsewhere } from '../../kernel/own-addresses.ts'
import { amzDate, sameText, sha256, sign, signingKey, stringToSign } from '../../kernel/signature.ts'
import type { ProxySettings } from './key-store.ts'
import { failed, type ProxyFailure, refused } from './xks-failure.ts'
import { isHealth, type Measured, measured, putHealths } from './xks-metrics.ts'

// The client's side of the "AWS KMS External Key Store Proxy API Specification", version 1: POST of JSON over HTTPS, signed
// with Signature Version 4 as `kms-xks-proxy`.

/** AWS gives a proxy 250 ms. A laptop is given more, and the log says what would have failed. */
const timeout = 5_000
const timeoutOfAws = 250
const longest = 64 * 1024
/** Of what a proxy says beside an error's name. */
const longestComplaint = 512

type Asked = {
  readonly operation: string
  /** Of the request to KMS that this is for; the context's own unless told. */
  readonly requestId?: string
}

/** `requestMetadata`, which proxies log and may authorize by. */
const metadataOf = ({ principal, request }: Ctx, { operation }: Asked, keyArn?: string) => ({
  awsPrincipalArn: principal.kind === 'role' ? (principal.roleArn ?? principal.arn) : principal.arn,
  ...(keyArn === undefined ? {} : { kmsKeyArn: keyArn }),
  kmsOperation: operation,
  kmsRequestId: request.id,
  ...(request.invokedBy === undefined ? {} : { kmsViaService: request.invokedBy.split('.')[0] }),
})

/** Headers of a signed request. Proxies hold its time against their own clocks, so it is the true time, not the turned one. */
const signed = (ctx: Ctx, proxy: ProxySettings, path: string, host: string, body: string): Record<string, string> => {
  const time = amzDate(Date.now())
  const scope = { date: time.slice(0, 8), region: ctx.region, service: 'kms-xks-proxy' }
  const headers = { host, 'x-amz-date': time }
  const names = ['host', 'x-amz-date']
  const text = stringToSign(
    { method: 'POST', path, query: '', headers, payloadHash: sha256(body) },
    { accessKeyId: proxy.accessKeyId, scope, signedHeaders: names, signature: '', time },
    false,
  )
  const signature = sign(signingKey(ctx.unseal(proxy.secret), scope), text)
  const credential = `${proxy.accessKeyId}/${scope.date}/${scope.region}/${scope.service}/aws4_request`
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  }
}

/** Where the host is: where the user said (`hosts`), or where a resolver says, and that is never this machine. Throws ProxyFailure. */
const wayTo = (ctx: Ctx, host: string): RequestOptions => {
  const known = ctx.hosts.get(host)
  if (known)
    return {
      host: known.address,
      port: known.port,
      servername: host,
      ...(known.ca === undefined ? {} : { ca: known.ca }),
    }
  if (isIP(host) !== 0 || isLocalhost(host)) throw failed('unreachable')
  return { host, port: 443, servername: host, lookup: lookupElsewhere }
}

/** One request to a proxy, and what it answers. No redirect is followed. Throws ProxyFailure. */
const post = (ctx: Ctx, proxy: ProxySettings, path: string, payload: object): Promise<Record<string, unknown>> =>
  new Promise((resolve, reject) => {
    const body = JSON.stringify(payload)
    const host = new URL(proxy.endpoint).hostname
    const fullPath = proxy.path + path
    const started = performance.now()
    let reached: 'malformed' | 'unreachable' | 'untrusted' = 'unreachable'
    // Not imported: TLS takes its time to load, and few have key stores.
    const request = process.getBuiltinModule('node:https').request({
      ...wayTo(ctx, host),
      agent: false,
      method: 'POST',
      path: fullPath,
      headers: {
        ...signed(ctx, proxy, fullPath, host, body),
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        connection: 'close',
      },
    })
    const end = (failure: ProxyFailure) => {
      request.destroy()
      reject(failure)
    }
    const timer = setTimeout(() => end(failed(reached === 'unreachable' ? 'unreachable' : 'late')), timeout)
    request.on('close', () => clearTimeout(timer))
    request.on('socket', (socket) => {
      socket.on('connect', () => (reached = 'untrusted'))
      socket.on('secureConnect', () => (reached = 'malformed'))
    })
    request.on('error', () => end(failed(reached)))
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > longest) end(failed('malformed'))
        else chunks.push(chunk)
      })
      response.on('error', () => end(failed('malformed')))
      response.on('end', () => {
        const took = Math.round(performance.now() - started)
        if (took > timeoutOfAws)
          ctx.log.warn('an external key store proxy took longer than AWS would wait', { host, milliseconds: took })
        const answer = jsonObject(Buffer.concat(chunks).toString('utf8'))
        if (!answer) return end(failed('malformed'))
        if (response.statusCode === 200) return resolve(answer)
        const { errorName, errorMessage } = answer
        const complaint = [errorName, errorMessage].map((text) => String(text ?? '').slice(0, longestComplaint))
        ctx.log.warn('an external key store proxy refused a request', { host, path: fullPath, complaint })
        end(refused(errorName))
      })
    })
    request.end(body)
  })

/** A proxy, and of which store it is, where that is made already. */
type Proxy = ProxySettings & { readonly id?: string }

const askFor = (ctx: Ctx, proxy: Proxy, { operation }: Asked, xks: Measured['xks'], path: string, payload: object) =>
  measured(ctx, { ...(proxy.id === undefined ? {} : { store: proxy.id }), kms: operation, xks }, () =>
    post(ctx, proxy, path, payload),
  )

/** GetHealthStatus: the proxy is there, knows us, and some key manager behind it works. Throws ProxyFailure. */
export const checkHealth = async (ctx: Ctx, proxy: Proxy, asked: Asked): Promise<void> => {
  const answer = await askFor(ctx, proxy, asked, 'GetHealthStatus', '/health', {
    requestMetadata: { kmsRequestId: asked.requestId ?? ctx.request.id, kmsOperation: asked.operation },
  })
  const { ekmFleetDetails: fleet } = answer
  if (!Array.isArray(fleet) || fleet.length < 1 || fleet.length > 10) throw failed('malformed')
  const states = fleet.map((one: unknown) =>
    typeof one === 'object' && one !== null && 'healthStatus' in one ? one.healthStatus : undefined,
  )
  if (!states.every(isHealth)) throw failed('malformed')
  if (proxy.id !== undefined) await putHealths(ctx, proxy.id, states)
  if (states.every((state) => state === 'UNAVAILABLE')) throw failed('unavailable')
}

/** GetKeyMetadata: the external key is there and can do what a KMS key needs. Throws ProxyFailure. */
export const checkKey = async (ctx: Ctx, proxy: Proxy, key: string, asked: Asked): Promise<void> => {
  const { keySpec, keyUsage, keyStatus } = await askFor(ctx, proxy, asked, 'GetKeyMetadata', `/keys/${key}/metadata`, {
    requestMetadata: metadataOf(ctx, asked),
  })
  if (typeof keySpec !== 'string' || typeof keyStatus !== 'string' || !Array.isArray(keyUsage))
    throw failed('malformed')
  if (keySpec !== 'AES_256' || !keyUsage.includes('ENCRYPT') || !keyUsage.includes('DECRYPT'))
    throw failed('unsuitable')
  if (keyStatus !== 'ENABLED') throw refused('InvalidStateException')
}

/** What a proxy made of a plaintext: all of it is needed to get that back. */
export type Wrapped = {
  readonly ciphertext: Buffer
  readonly metadata: Buffer
  readonly iv: Buffer
  readonly tag: Buffer
}

/** Bytes in base64 of a length that may be. Throws ProxyFailure. */
const bytes = (value: unknown, fits: (length: number) => boolean): Buffer => {
  if (typeof value !== 'string') throw failed('malformed')
  const decoded = Buffer.from(value, 'base64')
  if (decoded.toString('base64') !== value || !fits(decoded.length)) throw failed('malformed')
  return decoded
}

/** The Ciphertext Data Integrity Value, base64 (appendix C). */
export const integrityValue = (aad: Uint8Array, { metadata, iv, ciphertext, tag }: Wrapped): string =>
  [aad, metadata, iv, ciphertext, tag].reduce((hash, part) => hash.update(part), createHash('sha256')).digest('base64')

type KeyAsked = Asked & { readonly keyArn: string; readonly aad: Uint8Array }

/** Encrypt, with AES-GCM; what comes back is checked for damage. `key` is the external key's id. Throws ProxyFailure. */
export const wrap = async (
  ctx: Ctx,
  proxy: Proxy,
  key: string,
  plaintext: Uint8Array,
  asked: KeyAsked,
): Promise<Wrapped> => {
  const answer = await askFor(ctx, proxy, asked, 'Encrypt', `/keys/${key}/encrypt`, {
    requestMetadata: metadataOf(ctx, asked, asked.keyArn),
    additionalAuthenticatedData: Buffer.from(asked.aad).toString('base64'),
    plaintext: Buffer.from(plaintext).toString('base64'),
    encryptionAlgorithm: 'AES_GCM',
    ciphertextDataIntegrityValueAlgorithm: 'SHA_256',
  })
  const wrapped: Wrapped = {
    ciphertext: bytes(answer.ciphertext, (length) => length === plaintext.length),
    metadata: bytes(answer.ciphertextMetadata ?? '', (length) => length <= 20),
    iv: bytes(answer.initializationVector, (length) => length === 12 || length === 16),
    tag: bytes(answer.authenticationTag, (length) => length === 16),
  }
  const { ciphertextDataIntegrityValue: value } = answer
  if (typeof value !== 'string' || !sameText(value, integrityValue(asked.aad, wrapped))) throw failed('malformed')
  return wrapped
}

/** Decrypt. Throws ProxyFailure. */
export const unwrap = async (
  ctx: Ctx,
  proxy: Proxy,
  key: string,
  wrapped: Wrapped,
  asked: KeyAsked,
): Promise<Buffer> => {
  const { ciphertext, metadata, iv, tag } = wrapped
  const { plaintext } = await askFor(ctx, proxy, asked, 'Decrypt', `/keys/${key}/decrypt`, {
    requestMetadata: metadataOf(ctx, asked, asked.keyArn),
    additionalAuthenticatedData: Buffer.from(asked.aad).toString('base64'),
    encryptionAlgorithm: 'AES_GCM',
    ciphertext: ciphertext.toString('base64'),
    ...(metadata.length > 0 ? { ciphertextMetadata: metadata.toString('base64') } : {}),
    initializationVector: iv.toString('base64'),
    authenticationTag: tag.toString('base64'),
  })
  return bytes(plaintext, (length) => length === ciphertext.length)
}
