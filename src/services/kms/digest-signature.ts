import { constants, createHash, type KeyObject, privateEncrypt, publicDecrypt, randomBytes } from 'node:crypto'
import { eddsa } from '@noble/curves/abstract/edwards.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'

// Signatures over a digest that the caller has computed (MessageType DIGEST). Node's signers always hash once more.

export type HashName = 'sha256' | 'sha384' | 'sha512'

/** DigestInfo prefixes (RFC 8017, section 9.2, note 1). */
const digestInfo: Readonly<Record<HashName, string>> = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
}

const pkcs1Block = (hash: HashName, digest: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(digestInfo[hash], 'hex'), digest])

export const signPkcs1 = (key: KeyObject, hash: HashName, digest: Uint8Array): Buffer =>
  privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, pkcs1Block(hash, digest))

export const verifyPkcs1 = (key: KeyObject, hash: HashName, digest: Uint8Array, signature: Uint8Array): boolean => {
  try {
    return publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature).equals(pkcs1Block(hash, digest))
  } catch {
    return false
  }
}

/** The mask generation function MGF1 (RFC 8017, appendix B.2.1). */
const mask = (hash: HashName, seed: Uint8Array, length: number): Buffer => {
  const blocks: Buffer[] = []
  for (let counter = 0; Buffer.concat(blocks).length < length; counter++) {
    const count = Buffer.alloc(4)
    count.writeUInt32BE(counter)
    blocks.push(createHash(hash).update(seed).update(count).digest())
  }
  return Buffer.concat(blocks).subarray(0, length)
}

const xor = (a: Uint8Array, b: Uint8Array): Buffer => Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)))
const saltedHash = (hash: HashName, digest: Uint8Array, salt: Uint8Array): Buffer =>
  createHash(hash).update(Buffer.alloc(8)).update(digest).update(salt).digest()
const modulusBytes = (key: KeyObject): number => (key.asymmetricKeyDetails?.modulusLength ?? 2048) / 8

/** EMSA-PSS-ENCODE with a salt as long as the digest (RFC 8017, section 9.1.1). Moduli here are whole bytes long. */
export const signPss = (key: KeyObject, hash: HashName, digest: Uint8Array): Buffer => {
  const length = modulusBytes(key)
  const salt = randomBytes(digest.length)
  const h = saltedHash(hash, digest, salt)
  const padding = Buffer.alloc(length - salt.length - h.length - 2)
  const block = Buffer.concat([padding, Buffer.from([1]), salt])
  const masked = xor(block, mask(hash, h, block.length))
  masked.writeUInt8(masked.readUInt8(0) & 0x7f, 0)
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, Buffer.concat([masked, h, Buffer.from([0xbc])]))
}

/** EMSA-PSS-VERIFY (RFC 8017, section 9.1.2). */
export const verifyPss = (key: KeyObject, hash: HashName, digest: Uint8Array, signature: Uint8Array): boolean => {
  let encoded: Buffer
  try {
    encoded = publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature)
  } catch {
    return false
  }
  const size = digest.length
  if (encoded.at(-1) !== 0xbc || (encoded.readUInt8(0) & 0x80) !== 0) return false
  const masked = encoded.subarray(0, encoded.length - size - 1)
  const h = encoded.subarray(encoded.length - size - 1, -1)
  const block = xor(masked, mask(hash, h, masked.length))
  block.writeUInt8(block.readUInt8(0) & 0x7f, 0)
  const start = block.length - size - 1
  if (block[start] !== 1 || block.subarray(0, start).some((byte) => byte !== 0)) return false
  return saltedHash(hash, digest, block.subarray(start + 1)).equals(h)
}

const curves = { prime256v1: p256, secp384r1: p384, secp521r1: p521, secp256k1 } as const
const plain = { prehash: false, lowS: false, format: 'der' } as const

const curveOf = (key: KeyObject) => {
  const name = key.asymmetricKeyDetails?.namedCurve ?? ''
  if (!Object.hasOwn(curves, name)) throw new TypeError(`No curve ${name}.`)
  return curves[name as keyof typeof curves]
}
const scalarOf = (key: KeyObject): Uint8Array =>
  new Uint8Array(Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url'))
const pointOf = (key: KeyObject): Uint8Array => {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  return new Uint8Array(Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]))
}

export const signEcdsa = (key: KeyObject, digest: Uint8Array): Uint8Array =>
  curveOf(key).sign(new Uint8Array(digest), scalarOf(key), plain)

export const verifyEcdsa = (key: KeyObject, digest: Uint8Array, signature: Uint8Array): boolean => {
  try {
    return curveOf(key).verify(new Uint8Array(signature), new Uint8Array(digest), pointOf(key), plain)
  } catch {
    return false
  }
}

const sha512 = Object.assign((message: Uint8Array) => new Uint8Array(createHash('sha512').update(message).digest()), {
  outputLen: 64,
})

/** Ed25519ph over a SHA-512 digest at hand (RFC 8032, section 5.1): the curve's own key clamping, a prefix that says "prehashed". */
const ed25519ph = eddsa(ed25519.Point, sha512, {
  adjustScalarBytes: (bytes: Uint8Array) => {
    bytes[0] = (bytes[0] ?? 0) & 248
    bytes[31] = ((bytes[31] ?? 0) & 127) | 64
    return bytes
  },
  domain: (data: Uint8Array, context: Uint8Array, prehashed: boolean) =>
    new Uint8Array(
      Buffer.concat([
        Buffer.from('SigEd25519 no Ed25519 collisions'),
        Buffer.from([prehashed ? 1 : 0, context.length]),
        context,
        data,
      ]),
    ),
  prehash: (digest: Uint8Array) => digest,
})

export const signEd25519ph = (key: KeyObject, digest: Uint8Array): Uint8Array =>
  ed25519ph.sign(new Uint8Array(digest), scalarOf(key))

export const verifyEd25519ph = (key: KeyObject, digest: Uint8Array, signature: Uint8Array): boolean => {
  try {
    const point = new Uint8Array(Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url'))
    return ed25519ph.verify(new Uint8Array(signature), new Uint8Array(digest), point)
  } catch {
    return false
  }
}
