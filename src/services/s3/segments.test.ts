import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  DamagedContentError,
  type ObjectKey,
  openBytes,
  openSegments,
  sealBytes,
  sealer,
  segmentSize,
  storedRange,
} from './segments.ts'

const keyOf = (layers: 1 | 2): ObjectKey => ({ bytes: randomBytes(32), layers })

async function* piecesOf(bytes: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

const read = async (
  key: ObjectKey,
  id: string,
  size: number,
  stored: Buffer,
  start: number,
  end: number,
  piece = 9973,
) => {
  const { start: from, end: to } = storedRange(key, size, { start, end })
  const parts: Buffer[] = []
  const source = piecesOf(stored.subarray(from, to), piece)
  for await (const bytes of openSegments(key, id, size, { start, end }, source)) parts.push(bytes)
  return Buffer.concat(parts)
}

test('any range of any size comes back, whatever the pieces in which it went in and comes out', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 * segmentSize + 5 }),
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 500, max: 100_000 }),
      fc.constantFrom<1 | 2>(1, 2),
      async (size, one, other, piece, layers) => {
        const key = keyOf(layers)
        const bytes = randomBytes(size)
        const seal = sealer(key, 'id')
        const stored: Uint8Array[] = []
        for (let at = 0; at < size; at += piece) stored.push(...seal.update(bytes.subarray(at, at + piece)))
        const all = Buffer.concat([...stored, ...seal.final()])
        expect(all.equals(sealBytes(key, 'id', bytes))).toBe(true)
        const [start, last] = [one % size, other % size].sort((a, b) => a - b) as [number, number]
        const found = await read(key, 'id', size, all, start, last + 1, piece)
        expect(found.equals(bytes.subarray(start, last + 1))).toBe(true)
      },
    ),
    { numRuns: 60 },
  )
})

test('the bytes on disk show nothing, and no change of them goes unseen', async () => {
  const key = keyOf(1)
  const bytes = Buffer.alloc(segmentSize * 2 + 10, 'secret ')
  const stored = sealBytes(key, 'a', bytes)
  expect(stored.includes('secret')).toBe(false)
  const whole = (changed: Buffer, id = 'a') => read(key, id, bytes.length, changed, 0, bytes.length)
  expect((await whole(stored)).equals(bytes)).toBe(true)
  const flipped = Buffer.from(stored)
  flipped[70_000]! ^= 1
  const swapped = Buffer.concat([
    stored.subarray(segmentSize + 16, 2 * (segmentSize + 16)),
    stored.subarray(0, segmentSize + 16),
    stored.subarray(2 * (segmentSize + 16)),
  ])
  for (const changed of [flipped, swapped, stored.subarray(0, -1), stored.subarray(0, segmentSize + 16)])
    await expect(whole(changed)).rejects.toThrow(DamagedContentError)
  await expect(whole(stored, 'b')).rejects.toThrow(DamagedContentError)
  await expect(read(keyOf(1), 'a', bytes.length, stored, 0, 5)).rejects.toThrow(DamagedContentError)
  // What is not asked for is not read.
  expect((await read(key, 'a', bytes.length, flipped, 0, 5)).toString()).toBe('secre')
  expect(() => openBytes(key, 'a', Buffer.alloc(40))).toThrow(DamagedContentError)
})
