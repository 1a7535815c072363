import { createPublicKey, timingSafeEqual, verify } from 'node:crypto'
import type { AuthContext } from 'ssh2'
import type { SshKeys } from '../capabilities.ts'

/**
 * Whether the user of this name, an SSH public key id, has the key that the client comes with: `known` as long as it only
 * asks for it, `signed` once it has signed with it (RFC 4252, section 7). Unknown users, inactive keys and keys of others
 * are not told apart; signatures over SHA-1 prove nothing.
 */
export const isProven = async (users: SshKeys, attempt: AuthContext): Promise<'known' | 'signed' | undefined> => {
  if (attempt.method !== 'publickey') return undefined
  const owner = await users.find(attempt.username)
  const { key, signature, blob, hashAlgo } = attempt
  if (!owner || !isSame(owner.publicKey, key.data)) return undefined
  if (!signature || !blob) return 'known'
  if (hashAlgo !== 'sha256' && hashAlgo !== 'sha512') return undefined
  const jwk = { kty: 'RSA', ...rsaOf(Buffer.from(owner.publicKey)) }
  return verify(hashAlgo, blob, createPublicKey({ key: jwk, format: 'jwk' }), signature) ? 'signed' : undefined
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)

/** Exponent and modulus of a key as SSH sends it (RFC 4253, section 6.6). */
const rsaOf = (bytes: Buffer): { e: string; n: string } => {
  const fields: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    fields.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  const [, e, n] = fields.map((field) => field.toString('base64url'))
  return { e: e ?? '', n: n ?? '' }
}
