import { X509Certificate } from 'node:crypto'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { checkServerIdentity, TLSSocket } from 'node:tls'
import { jsonObject } from '../../kernel/json-object.ts'
import { isLocalhost, isOwnAddress, lookupElsewhere } from '../../kernel/own-addresses.ts'

/** The document could not be had: nobody answered in time, or in a way that may pass. */
export class Unreachable extends Error {}
/** Somebody answered, and not with what was asked for. */
export class Unusable extends Error {}
/** The certificate is neither publicly trusted nor one that the provider's thumbprints name. */
export class Untrusted extends Error {}

const timeout = 5_000
const longest = 256 * 1024

const bare = (hostname: string) => hostname.replace(/^\[(.*)\]$/, '$1')

const isLocal = (hostname: string) =>
  isLocalhost(hostname) || (isIP(bare(hostname)) !== 0 && isOwnAddress(bare(hostname)))

/** As `lookupElsewhere`, and `localhost` without asking anybody. */
const guardedLookup: LookupFunction = (hostname, options, callback) => {
  if (!isLocalhost(hostname)) lookupElsewhere(hostname, options, callback)
  else if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
  else callback(null, '127.0.0.1', 4)
}

/**
 * A JSON object by GET. No redirect is followed, nothing longer than 256 KiB is read, and five seconds must do. Addresses of
 * this machine and of metadata services are asked only where the URL names the host that the user registered himself
 * (`registered`). Throws Unreachable, Unusable, Untrusted.
 */
export const fetchJson = (
  address: string,
  { registered, thumbprints }: { registered: URL; thumbprints: readonly string[] },
): Promise<Record<string, unknown>> =>
  new Promise((resolve, reject) => {
    const url = URL.canParse(address) ? new URL(address) : undefined
    const registeredHost = url?.hostname === registered.hostname
    if (!url || (url.protocol !== 'https:' && !(url.protocol === 'http:' && registered.protocol === 'http:')))
      return reject(new Unusable('Its keys are not at an https URL.'))
    if (!registeredHost && isLocal(url.hostname)) return reject(new Unusable('Its keys are at an address of ours.'))
    if (url.protocol === 'http:' && !registeredHost) return reject(new Unusable('Its keys are not at an https URL.'))

    const secure = url.protocol === 'https:'
    const request = (secure ? httpsRequest : httpRequest)(url, {
      agent: false,
      headers: { accept: 'application/json', connection: 'close' },
      lookup: guardedLookup,
      // Who answers is judged when the answer is there: the question holds no secret.
      ...(secure ? { rejectUnauthorized: false } : {}),
    })
    const fail = (error: Error) => {
      request.destroy()
      reject(error)
    }
    const timer = setTimeout(() => fail(new Unreachable('No answer in time.')), timeout)
    request.on('close', () => clearTimeout(timer))
    request.on('error', (error) => fail(new Unreachable(error.message)))
    request.on('response', (response) => {
      if (secure && !isTrusted(response, bare(url.hostname), thumbprints)) return fail(new Untrusted('certificate'))
      const { statusCode = 0 } = response
      if (statusCode >= 500) return fail(new Unreachable(`Status ${statusCode}.`))
      if (statusCode !== 200) return fail(new Unusable(`Status ${statusCode}.`))
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > longest) fail(new Unusable('The answer is too long.'))
        else chunks.push(chunk)
      })
      response.on('error', (error) => fail(new Unreachable(error.message)))
      response.on('end', () => {
        const found = jsonObject(Buffer.concat(chunks).toString('utf8'))
        if (found) resolve(found)
        else reject(new Unusable('The answer is no JSON object.'))
      })
    })
    request.end()
  })

/** Publicly trusted, or vouched for by a certificate of the chain whose thumbprint the provider lists. */
const isTrusted = ({ socket }: IncomingMessage, hostname: string, thumbprints: readonly string[]): boolean => {
  if (!(socket instanceof TLSSocket)) return false
  if (socket.authorized) return true
  const peer = socket.getPeerCertificate(true)
  if (!peer.raw || checkServerIdentity(hostname, peer)) return false
  let link = peer
  let certificate = new X509Certificate(link.raw)
  for (let depth = 0; depth < 10; depth += 1) {
    if (!isValidNow(certificate)) return false
    if (thumbprints.includes(certificate.fingerprint.replaceAll(':', '').toLowerCase())) return true
    const next = link.issuerCertificate
    if (!next?.raw || next.raw.equals(link.raw)) return false
    const issuer = new X509Certificate(next.raw)
    // A thumbprint further up counts only if each certificate below is really signed by the next.
    if (!issuer.ca || !certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) return false
    link = next
    certificate = issuer
  }
  return false
}

const isValidNow = ({ validFrom, validTo }: X509Certificate): boolean => {
  const now = Date.now()
  return Date.parse(validFrom) <= now && now < Date.parse(validTo)
}
