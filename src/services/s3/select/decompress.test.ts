import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { type Compression, decompressed } from './decompress.ts'

/** Made with the reference program: 40 lines; 280,000 bytes in blocks of 100,000; 300 times x; nothing. */
const bzip2 = {
  rows: 'QlpoOTFBWSZTWcEIFkwAAD9ZgAAQQAR/4AAAkIAgAIQiaY9RqjQCSqftqpMALkuMVICAIAAocAAGAD5mbTbqOHHheI3vqVjuswyIWD0rp0rrja4d9S2nmZwgkcXCCRxcIJMasPyrBVLaW2230CHgEPQIfC7kinChIYIQLJg=',
  blocks:
    'QlpoMTFBWSZTWUMdDfMAfYjdAAAQAAQgACAAJiMgAJAgBgJqqGTT1PUoExKBNJQJyKBNJQJtKBNRQJ9FAmRQJzaUCZFAm0oE9igTEoE/MUFZJlNZkBEzugAN810AABAABCAAIAAmIyAAkCAGAmqppkPUz1KBNaSgTcUCepQJ3FAnIoE2lAnyUCYlAm0oExKBNxQJxKBMigT8xQVkmU1mRajxoAG+o3QAAEAAEIAAgACYjIACQIAYCaqh6g9TxJKLUkosSSi9SSixJKLtJKLEkovkkotSSixJKLUkosSSi7SSi1JKL8XckU4UJC9PGzQA',
  run: 'QlpoOTFBWSZTWfYaTFcAAANQgIAQACAAQAAIIAAhIaDNNLgXBxdyRThQkPYaTFc=',
  nothing: 'QlpoORdyRThQkAAAAAA=',
}
const bytesOf = (name: keyof typeof bzip2): Buffer => Buffer.from(bzip2[name], 'base64')

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** What was compressed, or the error's code. */
const open = async (bytes: Uint8Array, compression: Compression, size = 10): Promise<string> => {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of decompressed(inPieces(bytes, size), compression)) pieces.push(piece)
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code)
    throw error
  }
  return Buffer.concat(pieces).toString()
}

test('bzip2', async () => {
  expect(await open(bytesOf('rows'), 'BZIP2')).toBe(
    Array.from({ length: 40 }, (_, row) => `${row},row ${row % 7}\n`).join(''),
  )
  expect(await open(bytesOf('blocks'), 'BZIP2')).toBe('id,name\n1,Ann\n'.repeat(20_000))
  expect(await open(bytesOf('run'), 'BZIP2')).toBe(`${'x'.repeat(300)}\n`)
  expect(await open(bytesOf('nothing'), 'BZIP2')).toBe('')
})

test('streams that follow one another are one', async () => {
  const both = Buffer.concat([bytesOf('run'), bytesOf('nothing'), bytesOf('run')])
  expect(await open(both, 'BZIP2', 1)).toBe(`${'x'.repeat(300)}\n`.repeat(2))
  expect(await open(Buffer.concat([gzipSync('a'), gzipSync('b')]), 'GZIP')).toBe('ab')
})

test('what is cut off, damaged or another format is told apart', async () => {
  const gzip = gzipSync('some text that is long enough')
  expect(await open(gzip.subarray(0, -12), 'GZIP')).toBe('TruncatedInput')
  expect(await open(Buffer.from('plain'), 'GZIP')).toBe('InvalidCompressionFormat')
  expect(await open(Buffer.from('plain'), 'BZIP2')).toBe('InvalidCompressionFormat')
  expect(await open(Buffer.from('plain'), 'NONE')).toBe('plain')
  const rows = bytesOf('rows')
  for (let length = 4; length < rows.length; length += 1)
    expect(await open(rows.subarray(0, length), 'BZIP2')).toBe('TruncatedInput')
  for (let at = 4; at < rows.length - 4; at += 1) {
    const damaged = Buffer.from(rows)
    damaged[at] = (damaged[at] ?? 0) ^ 0x10
    // The checksum of the whole, behind the last block, is not looked at.
    const found = await open(damaged, 'BZIP2')
    if (at < rows.length - 12) expect(found).toMatch(/^(TruncatedInput|InvalidCompressionFormat)$/)
  }
})

test('an error of the source is that of the result', async () => {
  const failing = async function* (): AsyncGenerator<Uint8Array> {
    yield gzipSync('some text').subarray(0, 10)
    throw new RangeError('damaged')
  }
  for (const compression of ['GZIP', 'NONE'] as const)
    await expect(async () => {
      for await (const _ of decompressed(failing(), compression));
    }).rejects.toThrow('damaged')
})
