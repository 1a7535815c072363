import { createHash } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type QrCode, qrCode, qrPng } from './qr-code.ts'

const digest = (code: QrCode) =>
  createHash('sha256')
    .update(code.map((row) => row.map((dark) => (dark ? '#' : ' ')).join('')).join('\n'))
    .digest('hex')
    .slice(0, 16)

/** Text of this many bytes, every printable character in it. */
const sample = (length: number) =>
  Array.from({ length }, (_, at) => String.fromCharCode(33 + ((at * 7919 + length * 31) % 94))).join('')

// Each of these, and one for every version from 1 to 40, was read back by zbarimg 0.23 when this was written.
test.each([
  [1, 1, '28754d78208a8e93'],
  [14, 1, '3cb509a3639d389e'],
  [15, 2, '4ce0466f4e257627'],
  [106, 6, '2ee9505857996a13'],
  [122, 7, 'e63c813ccdaecc6e'],
  [181, 10, '593f175d4e7e5f65'],
  [1170, 28, '4c71eace44e80545'],
  [2331, 40, '64d7466a5d295b1e'],
])('%i bytes are version %i', (length, version, expected) => {
  const code = qrCode(sample(length))
  expect(code.length).toBe(17 + 4 * version)
  expect(digest(code)).toBe(expected)
})

test('more than version 40 holds is refused', () => {
  expect(() => qrCode(sample(2332))).toThrow(RangeError)
})

describe('as a picture', () => {
  /** Dark pixels of a PNG of one bit per pixel, by row. */
  const pixels = (png: Buffer): boolean[][] => {
    const side = png.readUInt32BE(16)
    const data = inflateSync(png.subarray(41, 41 + png.readUInt32BE(33)))
    const rowBytes = Math.ceil(side / 8) + 1
    return Array.from({ length: side }, (_, y) =>
      Array.from({ length: side }, (_, x) => ((data[y * rowBytes + 1 + (x >>> 3)]! >>> (7 - (x & 7))) & 1) === 0),
    )
  }

  test('every module is a square of pixels, with four light modules around', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 120 }), fc.integer({ min: 1, max: 3 }), (text, scale) => {
        const code = qrCode(text)
        const drawn = pixels(qrPng(code, scale))
        expect(drawn.length).toBe((code.length + 8) * scale)
        for (const [y, row] of drawn.entries())
          for (const [x, dark] of row.entries())
            if (dark !== (code[Math.floor(y / scale) - 4]?.[Math.floor(x / scale) - 4] ?? false))
              expect.fail(`pixel ${x}, ${y}`)
      }),
      { numRuns: 20 },
    )
  })
})
