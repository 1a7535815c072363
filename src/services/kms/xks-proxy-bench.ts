import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// An external key store proxy with its key manager, as the "AWS KMS External Key Store Proxy API Specification" has it:
// HTTPS, Signature Version 4, AES-GCM. Its certificate is for xks.example.com, by an authority that nobody trusts publicly.

const authority = `-----BEGIN CERTIFICATE-----
MIIBRDCB7KADAgECAgEBMAoGCCqGSM49BAMCMCExHzAdBgNVBAMMFkRyeWRvY2sg
dGVzdCBhdXRob3JpdHkwIBcNMjAwMTAxMDAwMDAwWhgPMjEwMDAxMDEwMDAwMDBa
MCExHzAdBgNVBAMMFkRyeWRvY2sgdGVzdCBhdXRob3JpdHkwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAARiYKiX60beq7tS3iqmLVnXg/skfbC1ip8Rt4id9LS4ADoq
c5KZ9Fg/HtDVcuda98DY0ZKa++ymUNdgVqx4gs0UoxMwETAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0cAMEQCIB16VFD1WEd4sJTQFUf8JV2DWnkqdbHEt6cw
USZgVyG3AiBzT/ysWu2S75gfpMmEY2uyXXf/MSbYxPQF/F9a5v9VEA==
-----END CERTIFICATE-----`
const cert = `-----BEGIN CERTIFICATE-----
MIIBSTCB8KADAgECAgECMAoGCCqGSM49BAMCMCExHzAdBgNVBAMMFkRyeWRvY2sg
dGVzdCBhdXRob3JpdHkwIBcNMjAwMTAxMDAwMDAwWhgPMjEwMDAxMDEwMDAwMDBa
MBoxGDAWBgNVBAMMD3hrcy5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49
AwEHA0IABJ478TxKiJQNIGLVPNbn8I5yyCObrNczI/ZMc3tY0VKpP21QqmuANPFv
yRtbvnMqen0RsD3AKKPv4XYixQlyjLSjHjAcMBoGA1UdEQQTMBGCD3hrcy5leGFt
cGxlLmNvbTAKBggqhkjOPQQDAgNIADBFAiAkgKLtnbyrhPl7yJuTKDy7w4EwkVxW
Z5CL5bu1aDgn+gIhANJH8qXu9jRqIHlIidAmP+obR61h3gqiplwviBvmGOug
-----END CERTIFICATE-----`
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLRGLPkm1G4qKoA/Q
QWVkk2rS0bfMeQYzwpYU4hge82ehRANCAASeO/E8SoiUDSBi1TzW5/COcsgjm6zX
MyP2THN7WNFSqT9tUKprgDTxb8kbW75zKnp9EbA9wCij7+F2IsUJcoy0
-----END PRIVATE KEY-----`

export const host = 'xks.example.com'
export const credential = {
  AccessKeyId: 'ABCDEFGHIJKLMNOPQRST',
  RawSecretAccessKey: `secret/of+the/proxy=${'x'.repeat(30)}`,
}

type Body = Readonly<Record<string, unknown>>
type Answer = { readonly status: number; readonly body: unknown }
const refusal = (status: number, errorName: string): Answer => ({
  status,
  body: { errorName, errorMessage: 'as the test wants it' },
})

export type XksProxy = {
  /** What the server is told in its configuration to find it. */
  readonly hosts: Readonly<Record<string, { port: number; ca: string }>>
  /** Bytes of each external key by its id. */
  readonly keys: Map<string, Buffer>
  /** What was asked, authenticated: oldest first. */
  readonly asked: { readonly path: string; readonly body: Body }[]
  /** Answers in place of the proxy while it is set; `undefined` leaves the request without an answer. */
  instead: ((path: string) => Answer | undefined) | undefined
  /** What the proxy says of its key managers. */
  healths: string[]
  close(): Promise<void>
}

const hmac = (secret: string | Buffer, text: string) => createHmac('sha256', secret).update(text).digest()
const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex')

/** Signature Version 4 from the verifying side, for POST requests without a query. */
const isAuthentic = ({ headers, url = '' }: IncomingMessage, body: Buffer): boolean => {
  const found =
    /^AWS4-HMAC-SHA256 Credential=(\w+)\/(\d{8})\/([\w-]+)\/(kms-xks-proxy)\/aws4_request, SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    )
  if (!found) return false
  const [, id, date = '', region = '', service = '', names = '', signature = ''] = found
  const time = String(headers['x-amz-date'])
  const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  const recent = Math.abs(Date.now() - at) < 5 * 60_000
  if (id !== credential.AccessKeyId || !recent || !time.startsWith(date)) return false
  if (!['host', 'x-amz-date'].every((name) => names.split(';').includes(name))) return false
  const lines = names.split(';').map((name) => `${name}:${String(headers[name])}\n`)
  const canonical = ['POST', url, '', lines.join(''), names, sha256(body)].join('\n')
  const text = ['AWS4-HMAC-SHA256', time, `${date}/${region}/${service}/aws4_request`, sha256(canonical)].join('\n')
  const signingKey = hmac(
    hmac(hmac(hmac(`AWS4${credential.RawSecretAccessKey}`, date), region), service),
    'aws4_request',
  )
  return timingSafeEqual(hmac(signingKey, text), Buffer.from(signature, 'hex'))
}

const bytes = (value: unknown) => Buffer.from(String(value ?? ''), 'base64')

/** The key manager's own data go into the tag too, each with its length. */
const associated = (body: Body, metadata: Buffer): Buffer => {
  const aad = bytes(body.additionalAuthenticatedData)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(aad.length)
  return Buffer.concat([length, aad, Buffer.from([metadata.length]), metadata])
}

const encrypt = (secret: Buffer, body: Body): Answer => {
  const [iv, metadata] = [randomBytes(12), Buffer.from('version=1')]
  const cipher = createCipheriv('aes-256-gcm', secret, iv).setAAD(associated(body, metadata))
  const ciphertext = Buffer.concat([cipher.update(bytes(body.plaintext)), cipher.final()])
  const tag = cipher.getAuthTag()
  const value = sha256(Buffer.concat([bytes(body.additionalAuthenticatedData), metadata, iv, ciphertext, tag]))
  return {
    status: 200,
    body: {
      ciphertext: ciphertext.toString('base64'),
      ciphertextMetadata: metadata.toString('base64'),
      initializationVector: iv.toString('base64'),
      authenticationTag: tag.toString('base64'),
      ciphertextDataIntegrityValue: Buffer.from(value, 'hex').toString('base64'),
    },
  }
}

const decrypt = (secret: Buffer, body: Body): Answer => {
  try {
    const decipher = createDecipheriv('aes-256-gcm', secret, bytes(body.initializationVector))
    decipher.setAAD(associated(body, bytes(body.ciphertextMetadata))).setAuthTag(bytes(body.authenticationTag))
    const plaintext = Buffer.concat([decipher.update(bytes(body.ciphertext)), decipher.final()])
    return { status: 200, body: { plaintext: plaintext.toString('base64') } }
  } catch {
    return refusal(400, 'InvalidCiphertextException')
  }
}

/** A proxy on a free port of this machine that serves below this path. */
export const startXksProxy = async (base = '/kms/xks/v1'): Promise<XksProxy> => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-xks-'))
  const ca = join(folder, 'ca.pem')
  writeFileSync(ca, authority)

  const answer = (path: string, body: Body): Answer => {
    if (path === `${base}/health`)
      return {
        status: 200,
        body: {
          xksProxyFleetSize: 1,
          xksProxyVendor: 'Drydock',
          xksProxyModel: 'bench',
          ekmVendor: 'Drydock',
          ekmFleetDetails: proxy.healths.map((healthStatus, id) => ({ id: String(id), model: 'bench', healthStatus })),
        },
      }
    const found = /^\/keys\/([\w.-]+)\/(metadata|encrypt|decrypt)$/.exec(
      path.startsWith(base) ? path.slice(base.length) : '',
    )
    if (!found) return refusal(404, 'InvalidUriPathException')
    const secret = proxy.keys.get(found[1] ?? '')
    if (!secret) return refusal(404, 'KeyNotFoundException')
    if (found[2] === 'metadata')
      return {
        status: 200,
        body: { keySpec: 'AES_256', keyUsage: ['ENCRYPT', 'DECRYPT', 'WRAP'], keyStatus: 'ENABLED' },
      }
    return found[2] === 'encrypt' ? encrypt(secret, body) : decrypt(secret, body)
  }

  const server = createServer({ key, cert }, async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const raw = Buffer.concat(chunks)
    const path = request.url ?? ''
    const give = ({ status, body }: Answer) =>
      response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(typeof body === 'string' ? body : JSON.stringify(body))
    if (!isAuthentic(request, raw)) return void give(refusal(401, 'AuthenticationFailedException'))
    const body = JSON.parse(raw.toString()) as Body
    proxy.asked.push({ path, body })
    const given = proxy.instead ? proxy.instead(path) : answer(path, body)
    if (given) give(given)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const proxy: XksProxy = {
    hosts: { [host]: { port, ca } },
    keys: new Map(['one', 'two', 'three'].map((id) => [id, randomBytes(32)])),
    asked: [],
    instead: undefined,
    healths: ['ACTIVE'],
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return proxy
}
