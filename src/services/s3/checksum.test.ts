import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  type ChecksumAlgorithm,
  checksumOf,
  compositeChecksum,
  hasher,
  isChecksum,
  joinedChecksum,
} from './checksum.ts'

const digest = async (algorithm: ChecksumAlgorithm, ...texts: string[]) => {
  const hash = await hasher(algorithm)
  for (const text of texts) hash.update(Buffer.from(text))
  return hash.digest()
}
const base64 = (hex: string) => Buffer.from(hex, 'hex').toString('base64')

test.each<[ChecksumAlgorithm, string]>([
  ['CRC32', 'cbf43926'],
  ['CRC32C', 'e3069283'],
  ['CRC64NVME', 'ae8b14860a799888'],
  ['SHA1', createHash('sha1').update('123456789').digest('hex')],
  ['SHA512', createHash('sha512').update('123456789').digest('hex')],
  ['MD5', '25f9e794323b453885f5181f1b624d0b'],
  ['XXHASH64', '8cb841db40e6ae83'],
  ['SHA256', createHash('sha256').update('123456789').digest('hex')],
])('%s of the standard vector, whole and in pieces', async (algorithm, hex) => {
  expect(await digest(algorithm, '123456789')).toBe(base64(hex))
  expect(await digest(algorithm, '123', '', '456789')).toBe(base64(hex))
  expect(await checksumOf(algorithm, Buffer.from('123456789'))).toBe(base64(hex))
  const long = 'long '.repeat(5000)
  expect(await checksumOf(algorithm, Buffer.from(long))).toBe(await digest(algorithm, long))
  expect(isChecksum(algorithm, base64(hex))).toBe(true)
  expect(isChecksum(algorithm, base64(hex.slice(2)))).toBe(false)
})

test.each<[ChecksumAlgorithm, string]>([
  ['XXHASH64', 'ef46db3751d8e999'],
  ['XXHASH3', '2d06800538d394c2'],
  ['XXHASH128', '99aa06d3014798d86001c324468d497f'],
])('%s of nothing, and of a text in pieces', async (algorithm, hex) => {
  expect(await digest(algorithm)).toBe(base64(hex))
  expect(await digest(algorithm, 'a', 'b'.repeat(500))).toBe(await digest(algorithm, `a${'b'.repeat(500)}`))
  expect(isChecksum(algorithm, base64(hex))).toBe(true)
})

test.each<ChecksumAlgorithm>(['CRC32', 'CRC32C', 'CRC64NVME'])(
  '%s of the whole from those of its parts',
  async (algorithm) => {
    const parts = ['a'.repeat(1000), '', 'bc', 'd'.repeat(12_345), 'a'.repeat(1000)]
    const known = await Promise.all(
      parts.map(async (part) => ({ checksum: await digest(algorithm, part), size: part.length })),
    )
    expect(joinedChecksum(algorithm, known)).toBe(await digest(algorithm, parts.join('')))
  },
)

test('a composite checksum is that of the raw checksums and carries their number', async () => {
  const parts = [await digest('SHA256', 'one'), await digest('SHA256', 'two')]
  const raw = Buffer.concat(parts.map((part) => Buffer.from(part, 'base64')))
  expect(await compositeChecksum('SHA256', parts)).toBe(`${createHash('sha256').update(raw).digest('base64')}-2`)
})
