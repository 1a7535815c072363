import { type KeyObject, randomBytes } from 'node:crypto'
import { ml_dsa44, ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js'

// ML-DSA over a message representative that the caller has computed (FIPS 204, section 6.2; MessageType EXTERNAL_MU), which
// Node's signers do not take.

const sets = { 'ML-DSA-44': ml_dsa44, 'ML-DSA-65': ml_dsa65, 'ML-DSA-87': ml_dsa87 } as const

const setOf = (key: KeyObject) => {
  const { alg, priv, pub } = key.export({ format: 'jwk' })
  if (typeof alg !== 'string' || !Object.hasOwn(sets, alg)) throw new TypeError(`No ML-DSA key: ${alg}.`)
  return { set: sets[alg as keyof typeof sets], seed: bytesOf(priv), publicKey: bytesOf(pub) }
}
const bytesOf = (text: unknown): Uint8Array => new Uint8Array(Buffer.from(String(text ?? ''), 'base64url'))

/** `mu`: 64 bytes. */
export const signMu = (key: KeyObject, mu: Uint8Array): Uint8Array => {
  const { set, seed } = setOf(key)
  const { secretKey } = set.keygen(seed)
  return set.internal.sign(new Uint8Array(mu), secretKey, {
    externalMu: true,
    extraEntropy: new Uint8Array(randomBytes(32)),
  })
}

export const verifyMu = (key: KeyObject, mu: Uint8Array, signature: Uint8Array): boolean => {
  const { set, publicKey } = setOf(key)
  try {
    return set.internal.verify(new Uint8Array(signature), new Uint8Array(mu), publicKey, { externalMu: true })
  } catch {
    return false
  }
}
