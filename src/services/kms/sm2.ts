import { createHash, type KeyObject, randomBytes } from 'node:crypto'
import { weierstrass } from '@noble/curves/abstract/weierstrass.js'
import { fail } from './operation.ts'

// SM2 public key encryption (GM/T 0003.4, ciphertext in the ASN.1 form of GM/T 0009), which Node's OpenSSL binding has not.

const curve = weierstrass({
  p: 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn,
  n: 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n,
  h: 1n,
  a: 0xfffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffcn,
  b: 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n,
  Gx: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
  Gy: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
})
type Point = InstanceType<typeof curve>

const bytesOf = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`)
const sm3 = (...parts: readonly Uint8Array[]): Buffer => createHash('sm3').update(Buffer.concat(parts)).digest()

/** The key derivation function of GM/T 0003.4. */
const derive = (x: Buffer, y: Buffer, length: number): Buffer => {
  const blocks: Buffer[] = []
  for (let count = 1; blocks.length * 32 < length; count++) {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(count)
    blocks.push(sm3(x, y, counter))
  }
  return Buffer.concat(blocks).subarray(0, length)
}

const xor = (a: Uint8Array, b: Uint8Array): Buffer => Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)))

const der = (tag: number, body: Uint8Array): Buffer => {
  const { length } = body
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), body])
}
const derInteger = (value: bigint): Buffer => {
  let text = value.toString(16)
  if (text.length % 2) text = `0${text}`
  const bytes = Buffer.from(text, 'hex')
  return der(0x02, (bytes[0] ?? 0) >= 128 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)
}

/** The uncompressed point at the end of a SubjectPublicKeyInfo. */
const pointOf = (key: KeyObject): Point => {
  const spki = key.export({ type: 'spki', format: 'der' })
  return curve.fromBytes(Uint8Array.from(spki.subarray(-65)))
}
/** The 32 bytes after `02 01 01 04 20` in an EC private key. */
const scalarOf = (key: KeyObject): bigint => {
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
  const at = pkcs8.indexOf(Buffer.from([0x02, 0x01, 0x01, 0x04, 0x20]))
  return numberOf(pkcs8.subarray(at + 5, at + 37))
}

/** `random`: 40 bytes or more. */
export const sm2Encrypt = (publicKey: KeyObject, plaintext: Uint8Array, random: Uint8Array): Buffer => {
  const k = (numberOf(random) % (curve.Fn.ORDER - 1n)) + 1n
  const c1 = curve.BASE.multiply(k).toAffine()
  const shared = pointOf(publicKey).multiply(k).toAffine()
  const [x, y] = [bytesOf(shared.x), bytesOf(shared.y)]
  const c2 = xor(plaintext, derive(x, y, plaintext.length))
  const c3 = sm3(x, plaintext, y)
  return der(0x30, Buffer.concat([derInteger(c1.x), derInteger(c1.y), der(0x04, c3), der(0x04, c2)]))
}

const invalid = () => fail('InvalidCiphertextException', '')

const readDer = (bytes: Buffer, at: number, tag: number): { body: Buffer; next: number } => {
  if (bytes[at] !== tag) throw invalid()
  let length = bytes[at + 1] ?? 0
  let from = at + 2
  if (length === 0x81) {
    length = bytes[from] ?? 0
    from += 1
  } else if (length === 0x82) {
    length = ((bytes[from] ?? 0) << 8) | (bytes[from + 1] ?? 0)
    from += 2
  } else if (length > 127) throw invalid()
  if (from + length > bytes.length) throw invalid()
  return { body: bytes.subarray(from, from + length), next: from + length }
}

/** Raises InvalidCiphertextException. */
export const sm2Decrypt = (privateKey: KeyObject, ciphertext: Uint8Array): Buffer => {
  const { body } = readDer(Buffer.from(ciphertext), 0, 0x30)
  const x1 = readDer(body, 0, 0x02)
  const y1 = readDer(body, x1.next, 0x02)
  const c3 = readDer(body, y1.next, 0x04)
  const c2 = readDer(body, c3.next, 0x04)
  let point: Point
  try {
    point = curve.fromAffine({ x: numberOf(x1.body), y: numberOf(y1.body) })
    point.assertValidity()
  } catch {
    throw invalid()
  }
  const shared = point.multiply(scalarOf(privateKey)).toAffine()
  const [x, y] = [bytesOf(shared.x), bytesOf(shared.y)]
  const plaintext = xor(c2.body, derive(x, y, c2.body.length))
  if (!sm3(x, plaintext, y).equals(c3.body)) throw invalid()
  return plaintext
}

const modular = (value: bigint): bigint => {
  const rest = value % curve.Fn.ORDER
  return rest < 0n ? rest + curve.Fn.ORDER : rest
}

/** SM2 digital signature over SM3(Z || M) (GM/T 0003.2, section 6). */
export const signSm2Digest = (key: KeyObject, digest: Uint8Array): Buffer => {
  const d = scalarOf(key)
  const e = numberOf(digest)
  for (;;) {
    const k = (numberOf(randomBytes(48)) % (curve.Fn.ORDER - 1n)) + 1n
    const r = modular(e + curve.BASE.multiply(k).toAffine().x)
    if (r === 0n || r + k === curve.Fn.ORDER) continue
    const s = modular(curve.Fn.inv(1n + d) * modular(k - r * d))
    if (s !== 0n) return der(0x30, Buffer.concat([derInteger(r), derInteger(s)]))
  }
}

/** GM/T 0003.2, section 7. */
export const verifySm2Digest = (key: KeyObject, digest: Uint8Array, signature: Uint8Array): boolean => {
  try {
    const { body } = readDer(Buffer.from(signature), 0, 0x30)
    const first = readDer(body, 0, 0x02)
    const [r, s] = [numberOf(first.body), numberOf(readDer(body, first.next, 0x02).body)]
    const within = (value: bigint) => value > 0n && value < curve.Fn.ORDER
    const t = modular(r + s)
    if (!within(r) || !within(s) || t === 0n) return false
    const { x } = curve.BASE.multiply(s).add(pointOf(key).multiply(t)).toAffine()
    return modular(numberOf(digest) + x) === r
  } catch {
    return false
  }
}
