import { createHash } from 'node:crypto'
import { crc32, crc32c } from '@node-rs/crc32'

// Checksums of objects ("Checking object integrity in Amazon S3", S3 user guide). A pure engine.

export const checksumAlgorithms = [
  ...(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256', 'SHA512', 'MD5'] as const),
  ...(['XXHASH64', 'XXHASH3', 'XXHASH128'] as const),
] as const
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number]
export type ChecksumType = 'COMPOSITE' | 'FULL_OBJECT'

/** The input and output member of an algorithm: `ChecksumCRC32`. */
export const memberOf = (algorithm: ChecksumAlgorithm): `Checksum${ChecksumAlgorithm}` => `Checksum${algorithm}`
/** Its header or trailer: `x-amz-checksum-crc32`. */
export const headerOf = (algorithm: ChecksumAlgorithm): string => `x-amz-checksum-${algorithm.toLowerCase()}`

/** Length of the raw checksum in bytes. */
const lengths: Record<ChecksumAlgorithm, number> = {
  ...{ CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32, SHA512: 64, MD5: 16 },
  ...{ XXHASH64: 8, XXHASH3: 8, XXHASH128: 16 },
}

/** Whether `text` is base64 of a checksum of this algorithm's length. */
export const isChecksum = (algorithm: ChecksumAlgorithm, text: string): boolean => {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === lengths[algorithm] && bytes.toString('base64') === text
}

export interface Hasher {
  update(bytes: Uint8Array): void
  /** Base64. */
  digest(): string
}

const crcHasher = (crc: (bytes: Uint8Array, before?: number) => number): Hasher => {
  let state = 0
  return {
    update: (bytes) => {
      state = crc(bytes, state)
    },
    digest: () => {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(state >>> 0)
      return bytes.toString('base64')
    },
  }
}

/** The CRC-64/NVME of each byte alone, in halves. */
const crc64Table = () => {
  const table = { low: new Int32Array(256), high: new Int32Array(256) }
  for (let byte = 0; byte < 256; byte++) {
    let [low, high] = [byte, 0]
    for (let bit = 0; bit < 8; bit++) {
      const odd = low & 1
      low = (low >>> 1) | (high << 31)
      high >>>= 1
      if (odd) {
        low ^= 0xac4bc9b5
        high ^= 0x9a6c9329
      }
    }
    table.low[byte] = low
    table.high[byte] = high
  }
  return table
}
let crc64: ReturnType<typeof crc64Table> | undefined

/** The CRC-64/NVME of few bytes, where setting up the fast one would take longer than hashing. */
const shortCrc64 = (bytes: Uint8Array): string => {
  crc64 ??= crc64Table()
  let low = -1
  let high = -1
  for (const byte of bytes) {
    const index = (low ^ byte) & 255
    low = ((low >>> 8) | (high << 24)) ^ (crc64.low[index] ?? 0)
    high = (high >>> 8) ^ (crc64.high[index] ?? 0)
  }
  const result = Buffer.alloc(8)
  result.writeUInt32BE(~high >>> 0)
  result.writeUInt32BE(~low >>> 0, 4)
  return result.toString('base64')
}

type Wasm = typeof import('hash-wasm')

const inWasm = async (create: (wasm: Wasm) => ReturnType<Wasm['createXXHash3']>): Promise<Hasher> => {
  const hash = await create(await import('hash-wasm'))
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => Buffer.from(hash.digest('binary')).toString('base64'),
  }
}

export const hasher = async (algorithm: ChecksumAlgorithm): Promise<Hasher> => {
  switch (algorithm) {
    case 'CRC32':
      return crcHasher(crc32)
    case 'CRC32C':
      return crcHasher(crc32c)
    case 'CRC64NVME':
      return inWasm(({ createCRC64 }) => createCRC64('9a6c9329ac4bc9b5'))
    case 'XXHASH64':
      return inWasm(({ createXXHash64 }) => createXXHash64())
    case 'XXHASH3':
      return inWasm(({ createXXHash3 }) => createXXHash3())
    case 'XXHASH128':
      return inWasm(({ createXXHash128 }) => createXXHash128())
    case 'MD5':
    case 'SHA1':
    case 'SHA256':
    case 'SHA512': {
      const hash = createHash(algorithm.toLowerCase())
      return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('base64') }
    }
  }
}

const short = 8 * 1024

/** The checksum of bytes at hand, in base64. */
export const checksumOf = async (algorithm: ChecksumAlgorithm, bytes: Uint8Array): Promise<string> => {
  if (algorithm === 'CRC64NVME' && bytes.length <= short) return shortCrc64(bytes)
  const hash = await hasher(algorithm)
  hash.update(bytes)
  return hash.digest()
}

/** What an upload's checksum is when the caller names an algorithm but no type. */
export const defaultType = (algorithm: ChecksumAlgorithm): ChecksumType =>
  algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE'

/** The types a multipart upload may have, by algorithm. */
export const allowsType = (algorithm: ChecksumAlgorithm, type: ChecksumType): boolean =>
  type === 'COMPOSITE' ? algorithm !== 'CRC64NVME' : algorithm.startsWith('CRC')

/** The checksum of the parts' checksums, with their number: `…=-3`. */
export const compositeChecksum = async (algorithm: ChecksumAlgorithm, parts: readonly string[]): Promise<string> => {
  const raw = Buffer.concat(parts.map((part) => Buffer.from(part, 'base64')))
  return `${await checksumOf(algorithm, raw)}-${parts.length}`
}

/** Reflected polynomials; bit `width - 1` stands for x⁰. */
const polynomials: Partial<Record<ChecksumAlgorithm, { width: bigint; polynomial: bigint }>> = {
  CRC32: { width: 32n, polynomial: 0xedb88320n },
  CRC32C: { width: 32n, polynomial: 0x82f63b78n },
  CRC64NVME: { width: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
}

/**
 * The CRC of the parts joined, from their CRCs and sizes alone: crc(AB) = crc(A) · x^(8·|B|) + crc(B) over GF(2),
 * which also holds with the ones-complement before and after that all three CRCs have.
 */
export const joinedChecksum = (
  algorithm: ChecksumAlgorithm,
  parts: readonly { readonly checksum: string; readonly size: number }[],
): string => {
  const field = polynomials[algorithm]
  if (!field) throw new Error(`${algorithm} checksums of parts cannot be joined.`)
  const { width, polynomial } = field
  const one = 1n << (width - 1n)
  const multiply = (a: bigint, b: bigint): bigint => {
    let product = 0n
    for (let bit = one; bit > 0n; bit >>= 1n) {
      if (a & bit) product ^= b
      b = b & 1n ? (b >> 1n) ^ polynomial : b >> 1n
    }
    return product
  }
  const shifts = new Map<number, bigint>()
  /** x^(8·size) */
  const shiftBy = (size: number): bigint => {
    const known = shifts.get(size)
    if (known !== undefined) return known
    let result = one
    let power = one >> 8n
    for (let rest = BigInt(size); rest > 0n; rest >>= 1n) {
      if (rest & 1n) result = multiply(result, power)
      power = multiply(power, power)
    }
    shifts.set(size, result)
    return result
  }
  let crc = 0n
  for (const { checksum, size } of parts)
    crc = multiply(shiftBy(size), crc) ^ BigInt(`0x${Buffer.from(checksum, 'base64').toString('hex')}`)
  return Buffer.from(crc.toString(16).padStart(Number(width) / 4, '0'), 'hex').toString('base64')
}
