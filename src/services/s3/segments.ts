import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import type { ByteRange } from './conditions.ts'

// Encryption of content at rest: AES-256-GCM over segments of fixed length, each with its own tag, so that any range can be
// read, and trusted, without the rest. A pure engine.

/** The key of an object's content. Two layers for DSSE-KMS: each content is encrypted twice, under keys of its own. */
export type ObjectKey = { readonly bytes: Uint8Array; readonly layers: 1 | 2 }

/** Bytes of plaintext in a segment; the last one of a content may be shorter. */
export const segmentSize = 64 * 1024
const tagSize = 16

/**
 * Keys of one content, the inner layer's first. Since no two contents share one, a segment's number is nonce enough, and a
 * content cannot stand in for another.
 */
const layerKeys = ({ bytes, layers }: ObjectKey, contentId: string): KeyObject[] => {
  // Raw keys cost Node several times the cipher itself.
  const key = createSecretKey(bytes)
  return Array.from({ length: layers }, (_, layer) =>
    createSecretKey(createHmac('sha256', key).update(`content ${layer} ${contentId}`).digest()),
  )
}

const nonceOf = (segment: number): Buffer => {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32BE(segment, 8)
  return nonce
}

/** Encrypts a content as it comes. */
export const sealer = (key: ObjectKey, contentId: string) => {
  const keys = layerKeys(key, contentId)
  let segment = 0
  let filled = 0
  let ciphers: ReturnType<typeof newCipher>[] | undefined
  const through = (bytes: Uint8Array): Uint8Array =>
    (ciphers ?? []).reduce((inner: Uint8Array, cipher) => cipher.update(inner), bytes)
  const endSegment = (): Buffer => {
    let tail: Buffer = Buffer.alloc(0)
    for (const cipher of ciphers ?? []) tail = Buffer.concat([cipher.update(tail), cipher.final(), cipher.getAuthTag()])
    ciphers = undefined
    segment += 1
    filled = 0
    return tail
  }
  return {
    /** The encrypted bytes that are ready, in order. */
    update: (bytes: Uint8Array): Uint8Array[] => {
      const out: Uint8Array[] = []
      for (let at = 0; at < bytes.length; ) {
        ciphers ??= keys.map((layer) => newCipher(layer, segment))
        const piece = bytes.subarray(at, at + segmentSize - filled)
        out.push(through(piece))
        at += piece.length
        filled += piece.length
        if (filled === segmentSize) out.push(endSegment())
      }
      return out
    },
    final: (): Uint8Array[] => (ciphers ? [endSegment()] : []),
  }
}

const newCipher = (key: KeyObject, segment: number) => createCipheriv('aes-256-gcm', key, nonceOf(segment))

/** Bytes at hand, encrypted. */
export const sealBytes = (key: ObjectKey, contentId: string, bytes: Uint8Array): Buffer => {
  const seal = sealer(key, contentId)
  return Buffer.concat([...seal.update(bytes), ...seal.final()])
}

const storedSegment = ({ layers }: ObjectKey): number => segmentSize + tagSize * layers

/** Where the segments are stored that hold a range of a content of `size` bytes. */
export const storedRange = (key: ObjectKey, size: number, { start, end }: ByteRange): ByteRange => {
  const last = Math.ceil(end / segmentSize)
  const whole = Math.floor(size / segmentSize)
  const rest = size % segmentSize
  const stored = whole * storedSegment(key) + (rest > 0 ? rest + tagSize * key.layers : 0)
  return {
    start: Math.floor(start / segmentSize) * storedSegment(key),
    end: Math.min(last * storedSegment(key), stored),
  }
}

/** Content on disk is not what was written there. */
export class DamagedContentError extends Error {
  constructor(contentId: string, cause?: unknown) {
    super(`The content ${contentId} is damaged.`, { cause })
    this.name = 'DamagedContentError'
  }
}

const openSegment = (keys: readonly KeyObject[], segment: number, stored: Buffer): Buffer => {
  let bytes = stored
  for (const key of keys.toReversed()) {
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(segment))
    decipher.setAuthTag(bytes.subarray(-tagSize))
    const inner = decipher.update(bytes.subarray(0, -tagSize))
    decipher.final()
    bytes = inner
  }
  return bytes
}

/**
 * The bytes of a range out of the stored bytes of its segments (`storedRange`); none before it is proved to be what was put.
 * Throws DamagedContentError.
 */
export async function* openSegments(
  key: ObjectKey,
  contentId: string,
  size: number,
  { start, end }: ByteRange,
  stored: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  if (start >= end) return
  const keys = layerKeys(key, contentId)
  let segment = Math.floor(start / segmentSize)
  let held: Buffer = Buffer.alloc(0)
  for await (const chunk of stored) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    let at = 0
    for (;;) {
      const from = segment * segmentSize
      const length = Math.min(segmentSize, size - from)
      const storedLength = length + tagSize * keys.length
      if (length <= 0 || held.length - at < storedLength) break
      let bytes: Buffer
      try {
        bytes = openSegment(keys, segment, held.subarray(at, at + storedLength))
      } catch (error) {
        throw new DamagedContentError(contentId, error)
      }
      yield bytes.subarray(Math.max(start - from, 0), Math.min(end - from, length))
      at += storedLength
      segment += 1
    }
    held = held.subarray(at)
  }
  if (segment < Math.ceil(end / segmentSize)) throw new DamagedContentError(contentId)
}

/** The range of bytes that are stored in one piece. Throws DamagedContentError. */
export const openBytes = (key: ObjectKey, contentId: string, stored: Buffer): Buffer => {
  try {
    return openSegment(layerKeys(key, contentId), 0, stored)
  } catch (error) {
    throw new DamagedContentError(contentId, error)
  }
}
