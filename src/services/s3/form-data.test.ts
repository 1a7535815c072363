import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { boundaryOf, readForm } from './form-data.ts'

const form = (...parts: readonly [header: string, body: string | Buffer][]): Buffer =>
  Buffer.concat([
    ...parts.flatMap(([header, body]) => [
      Buffer.from(`--X\r\nContent-Disposition: form-data; ${header}\r\n\r\n`),
      Buffer.from(body),
      Buffer.from('\r\n'),
    ]),
    Buffer.from('--X--\r\n'),
  ])

async function* inPieces(bytes: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}
const read = async (bytes: Buffer, piece = 7) => {
  const found = await readForm(inPieces(bytes, piece), 'X')
  return { ...found, content: Buffer.concat(await Array.fromAsync(found.file.bytes)) }
}

test('fields and file come out whole, however the bytes come in', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 300 }), fc.nat(5000), async (piece, size) => {
      const content = Buffer.concat([randomBytes(size), Buffer.from('\r\n--Y\r\n--Z')])
      const { fields, file, ...found } = await read(
        form(
          ['name="Key"', 'a\r\nb'],
          ['name="x"', ''],
          ['name="file"; filename="C:\\\\dir\\\\ü \\"1\\".txt"', content],
          ['name="later"', 'no'],
        ),
        piece,
      )
      expect([...fields]).toEqual([
        ['key', 'a\r\nb'],
        ['x', ''],
      ])
      expect(file.name).toBe('ü "1".txt')
      expect(found.content.equals(content)).toBe(true)
    }),
    { numRuns: 50 },
  )
})

test.each([
  ['MalformedPOSTRequest', Buffer.from('hello')],
  ['MalformedPOSTRequest', Buffer.from('--X')],
  ['MalformedPOSTRequest', Buffer.from('--X\r\nContent-Disposition: form-data\r\n\r\nx\r\n--X--')],
  ['MalformedPOSTRequest', Buffer.from('--X\r\nContent-Disposition: form-data; name="a"\r\n\r\nx')],
  ['InvalidArgument', form(['name="key"', 'x'])],
  ['MaxPostPreDataLengthExceededError', form(['name="key"', 'x'.repeat(21_000)])],
  ['MaxPostPreDataLengthExceededError', Buffer.alloc(30_000, 'x')],
  ['IncompleteBody', Buffer.from('--X\r\nContent-Disposition: form-data; name="file"\r\n\r\nhalf')],
])('%s', async (code, bytes) => {
  await expect(read(bytes)).rejects.toMatchObject({ code })
})

test('the boundary is where the header says', () => {
  expect(boundaryOf('multipart/form-data; charset=utf-8; boundary="a b"')).toBe('a b')
  expect(boundaryOf('multipart/form-data;boundary=abc')).toBe('abc')
  expect(() => boundaryOf('multipart/form-data')).toThrow('not well-formed')
})
