import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { AwsError } from '../../kernel/errors.ts'
import { fail } from './operation.ts'

// RSA public keys in the two forms IAM takes: an `ssh-rsa AAAA…` line (RFC 4253, section 6.6) and PEM.

/** A public key, its bytes as SSH sends them. */
export type SshKey = { readonly key: KeyObject; readonly bytes: Buffer }

const type = 'ssh-rsa'
const leastBits = 2048
/** The largest modulus that anything here has to compute with. */
const mostBits = 16_384

const invalid = () => fail('InvalidPublicKeyException', 'The public key is malformed or otherwise invalid.')
export const unrecognized = () =>
  fail('UnrecognizedPublicKeyEncodingException', 'The public key encoding format is unsupported or unrecognized.')

const field = (bytes: Uint8Array): Buffer => {
  const framed = Buffer.alloc(4 + bytes.length)
  framed.writeUInt32BE(bytes.length)
  framed.set(bytes, 4)
  return framed
}

/** An integer is signed in SSH: a leading zero keeps it positive. */
const integer = (base64url: string | undefined): Buffer => {
  const bytes = Buffer.from(base64url ?? '', 'base64url')
  return field((bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes)
}

const sshBytes = ({ e, n }: JsonWebKey): Buffer => Buffer.concat([field(Buffer.from(type)), integer(e), integer(n)])

const fieldsOf = (bytes: Buffer): Buffer[] => {
  const fields: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) throw invalid()
    const end = at + 4 + bytes.readUInt32BE(at)
    if (end > bytes.length) throw invalid()
    fields.push(bytes.subarray(at + 4, end))
    at = end
  }
  return fields
}

const keyOfLine = (line: string): KeyObject => {
  const [named, encoded = ''] = line.split(/\s+/, 3)
  if (named !== type) throw unrecognized()
  const [inside, e, n, ...more] = fieldsOf(Buffer.from(encoded, 'base64'))
  if (inside?.toString('latin1') !== type || !e || !n || more.length > 0) throw invalid()
  const jwk = { kty: 'RSA', e: e.toString('base64url'), n: n.toString('base64url') }
  return createPublicKey({ key: jwk, format: 'jwk' })
}

const keyOfPem = (pem: string): KeyObject => {
  // A private key or a certificate would do for OpenSSL as well.
  if (!/^-----BEGIN (RSA )?PUBLIC KEY-----/.test(pem)) throw invalid()
  return createPublicKey({ key: pem, format: 'pem' })
}

/** Reads a key in either form. Throws InvalidPublicKey (below 2048 bits, too), UnrecognizedPublicKeyEncoding. */
export const readSshKey = (body: string): SshKey => {
  const text = body.trim()
  let key: KeyObject
  try {
    key = text.startsWith('-----BEGIN ') ? keyOfPem(text) : keyOfLine(text)
  } catch (thrown) {
    throw thrown instanceof AwsError ? thrown : invalid()
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (key.asymmetricKeyType !== 'rsa' || bits < leastBits || bits > mostBits) throw invalid()
  return { key, bytes: sshBytes(key.export({ format: 'jwk' })) }
}

/** MD5 of the key's bytes, as `ssh-keygen -l -E md5` shows it. */
export const fingerprint = ({ bytes }: SshKey): string =>
  createHash('md5').update(bytes).digest('hex').match(/../g)!.join(':')

export const toSshLine = ({ bytes }: SshKey): string => `${type} ${bytes.toString('base64')}`

export const toPem = ({ key }: SshKey): string => key.export({ type: 'spki', format: 'pem' }).toString()
