import { crc32, deflateSync } from 'node:zlib'

// QR codes by ISO/IEC 18004: byte mode, error correction level M, versions 1 to 40.

/** A square of modules, `true` where dark; without the quiet zone around it. */
export type QrCode = readonly (readonly boolean[])[]

/** Level M (ISO/IEC 18004, table 9): error correction codewords per block and number of blocks, by version. */
const checkWords = [
  10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26, 26, 28, 28, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28,
]
const blockCounts = [
  1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16, 17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35,
  37, 38, 40, 43, 45, 47, 49,
]

const sizeOf = (version: number) => 17 + 4 * version

/** Centres of the alignment patterns along one axis: 6, then evenly spaced back from the far edge. */
const alignmentCentres = (version: number): number[] => {
  if (version === 1) return []
  const count = Math.floor(version / 7) + 2
  const step = version === 32 ? 26 : Math.ceil((4 * version + 4) / (2 * count - 2)) * 2
  const last = sizeOf(version) - 7
  return [6, ...Array.from({ length: count - 1 }, (_, index) => last - step * (count - 2 - index))]
}

/** Codewords of a version, data and error correction together: every module that no pattern or format takes, by eights. */
const codewordsOf = (version: number): number => {
  const centres = alignmentCentres(version).length
  const alignment = centres === 0 ? 0 : 25 * (centres ** 2 - 3) - 10 * (centres - 2)
  const fixed = 3 * 64 + 2 * (sizeOf(version) - 16) + 31 + alignment + (version >= 7 ? 36 : 0)
  return Math.floor((sizeOf(version) ** 2 - fixed) / 8)
}

const dataWordsOf = (version: number): number =>
  codewordsOf(version) - checkWords[version - 1]! * blockCounts[version - 1]!

/** Multiplication in GF(2⁸) modulo x⁸+x⁴+x³+x²+1. */
const multiply = (a: number, b: number): number => {
  let product = 0
  for (let bit = 7; bit >= 0; bit--) product = (product << 1) ^ ((product >>> 7) * 0x11d) ^ (((b >>> bit) & 1) * a)
  return product
}

/** Coefficients of (x-1)(x-2)(x-4)…, the leading one left out. */
const generator = (degree: number): number[] => {
  const result = [...Array<number>(degree - 1).fill(0), 1]
  let root = 1
  for (let turn = 0; turn < degree; turn++) {
    for (let at = 0; at < degree; at++) result[at] = multiply(result[at]!, root) ^ (result[at + 1] ?? 0)
    root = multiply(root, 2)
  }
  return result
}

const remainder = (data: readonly number[], divisor: readonly number[]): number[] => {
  const result: number[] = divisor.map(() => 0)
  for (const word of data) {
    const factor = word ^ result.shift()!
    result.push(0)
    for (const [at, coefficient] of divisor.entries()) result[at]! ^= multiply(coefficient, factor)
  }
  return result
}

/** Mode, length, bytes, terminator and padding. */
const dataWords = (bytes: Uint8Array, version: number): number[] => {
  const bits: number[] = []
  const put = (value: number, length: number) => {
    for (let bit = length - 1; bit >= 0; bit--) bits.push((value >>> bit) & 1)
  }
  const capacity = dataWordsOf(version) * 8
  put(0b0100, 4)
  put(bytes.length, version < 10 ? 8 : 16)
  for (const byte of bytes) put(byte, 8)
  put(0, Math.min(4, capacity - bits.length))
  put(0, (8 - (bits.length % 8)) % 8)
  for (let pad = 0xec; bits.length < capacity; pad ^= 0xec ^ 0x11) put(pad, 8)
  return Array.from({ length: bits.length / 8 }, (_, at) =>
    bits.slice(at * 8, at * 8 + 8).reduce((word, bit) => (word << 1) | bit, 0),
  )
}

/** Data and error correction of all blocks, column by column. The last blocks may be one word longer. */
const interleaved = (data: readonly number[], version: number): number[] => {
  const [check, count] = [checkWords[version - 1]!, blockCounts[version - 1]!]
  const short = Math.floor(data.length / count)
  const longer = data.length % count
  const divisor = generator(check)
  const blocks: number[][] = []
  for (let at = 0, index = 0; index < count; index++) {
    const length = short + (index < count - longer ? 0 : 1)
    blocks.push(data.slice(at, at + length))
    at += length
  }
  const checks = blocks.map((block) => remainder(block, divisor))
  const columns = (of: readonly number[][], length: number) =>
    Array.from({ length }, (_, at) => of.flatMap((block) => (at < block.length ? [block[at]!] : []))).flat()
  return [...columns(blocks, short + 1), ...columns(checks, check)]
}

const masks: readonly ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
]

/** Modules by row, `undefined` where data will be. */
type Grid = (boolean | undefined)[][]

/** A value followed by its BCH remainder of `degree` bits. */
const withBch = (value: number, polynomial: number, degree: number): number => {
  let rest = value
  for (let turn = 0; turn < degree; turn++) rest = (rest << 1) ^ ((rest >>> (degree - 1)) * polynomial)
  return (value << degree) | rest
}

const drawFormat = (grid: Grid, mask: number): void => {
  const size = grid.length
  // Level M is 00, so the mask alone is the value.
  const bits = withBch(mask, 0x537, 10) ^ 0x5412
  const bit = (index: number) => ((bits >>> index) & 1) === 1
  const along = [0, 1, 2, 3, 4, 5, 7, 8]
  for (const [index, at] of along.entries()) {
    grid[at]![8] = bit(index)
    grid[8]![size - 1 - index] = bit(index)
  }
  for (let index = 8; index < 15; index++) {
    grid[8]![index === 8 ? 7 : 14 - index] = bit(index)
    grid[size - 15 + index]![8] = bit(index)
  }
  grid[size - 8]![8] = true
}

const drawPatterns = (version: number): Grid => {
  const size = sizeOf(version)
  const grid: Grid = Array.from({ length: size }, () => Array<boolean | undefined>(size).fill(undefined))
  for (let at = 0; at < size; at++) {
    grid[6]![at] = at % 2 === 0
    grid[at]![6] = at % 2 === 0
  }
  /** Concentric squares around a centre, dark unless the ring is among `light`. */
  const rings = (x: number, y: number, reach: number, light: readonly number[]) => {
    for (let dy = -reach; dy <= reach; dy++)
      for (let dx = -reach; dx <= reach; dx++)
        if (grid[y + dy] && x + dx >= 0 && x + dx < size)
          grid[y + dy]![x + dx] = !light.includes(Math.max(Math.abs(dx), Math.abs(dy)))
  }
  for (const [x, y] of [
    [3, 3],
    [size - 4, 3],
    [3, size - 4],
  ] as const)
    rings(x, y, 4, [2, 4])
  const centres = alignmentCentres(version)
  const far = centres.at(-1)
  for (const y of centres)
    for (const x of centres) {
      const onFinder = (x === 6 && y === 6) || (x === 6 && y === far) || (x === far && y === 6)
      if (!onFinder) rings(x, y, 2, [1])
    }
  if (version >= 7) {
    const bits = withBch(version, 0x1f25, 12)
    for (let index = 0; index < 18; index++) {
      const dark = ((bits >>> index) & 1) === 1
      const [across, down] = [size - 11 + (index % 3), Math.floor(index / 3)]
      grid[down]![across] = dark
      grid[across]![down] = dark
    }
  }
  drawFormat(grid, 0)
  return grid
}

/** Lays the words out in columns of two, from the lower right corner up and down, around what is drawn already. */
const filled = (patterns: Grid, words: readonly number[], mask: number): boolean[][] => {
  const size = patterns.length
  const grid = patterns.map((row) => [...row])
  let at = 0
  for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right = 5
    for (let step = 0; step < size; step++) {
      const y = up ? size - 1 - step : step
      for (const x of [right, right - 1]) {
        if (patterns[y]![x] !== undefined) continue
        const dark = ((words[at >>> 3] ?? 0) >>> (7 - (at & 7))) & 1
        grid[y]![x] = (dark === 1) !== masks[mask]!(x, y)
        at++
      }
    }
  }
  drawFormat(grid, mask)
  return grid as boolean[][]
}

const finderLike = [true, false, true, true, true, false, true]
const light = [false, false, false, false]
const lookalikes = [
  [...light, ...finderLike],
  [...finderLike, ...light],
]

/** How hard a symbol is to read (ISO/IEC 18004, "Evaluation of data masking results"). */
const penalty = (grid: readonly (readonly boolean[])[]): number => {
  const size = grid.length
  let score = 0
  const lines = [...grid, ...grid.map((_, x) => grid.map((row) => row[x]!))]
  for (const line of lines) {
    let run = 0
    for (let at = 0; at < size; at++) {
      run = at > 0 && line[at] === line[at - 1] ? run + 1 : 1
      if (run === 5) score += 3
      else if (run > 5) score++
      if (lookalikes.some((pattern) => pattern.every((dark, ahead) => line[at + ahead] === dark))) score += 40
    }
  }
  for (let y = 1; y < size; y++)
    for (let x = 1; x < size; x++) {
      const corner = grid[y]![x]
      if (corner === grid[y - 1]![x] && corner === grid[y]![x - 1] && corner === grid[y - 1]![x - 1]) score += 3
    }
  const dark = grid.flat().filter(Boolean).length
  return score + 10 * Math.floor(Math.abs((dark / size ** 2) * 20 - 10))
}

/** The smallest symbol that holds this text as UTF-8 bytes. Throws RangeError beyond 2331 bytes, what version 40 holds at level M. */
export const qrCode = (text: string): QrCode => {
  const bytes = new TextEncoder().encode(text)
  const version =
    blockCounts.findIndex((_, index) => 4 + (index < 9 ? 8 : 16) + bytes.length * 8 <= dataWordsOf(index + 1) * 8) + 1
  if (version === 0) throw new RangeError(`${bytes.length} bytes are too many for a QR code.`)
  const words = interleaved(dataWords(bytes, version), version)
  const patterns = drawPatterns(version)
  return masks
    .map((_, mask) => filled(patterns, words, mask))
    .map((grid) => ({ grid, score: penalty(grid) }))
    .reduce((best, next) => (next.score < best.score ? next : best)).grid
}

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const framed = Buffer.alloc(body.length + 8)
  framed.writeUInt32BE(data.length, 0)
  body.copy(framed, 4)
  framed.writeUInt32BE(crc32(body), body.length + 4)
  return framed
}

/** A QR code as a PNG: one bit per pixel, `scale` pixels per module, the quiet zone of four modules around it. */
export const qrPng = (code: QrCode, scale = 4): Buffer => {
  const side = (code.length + 8) * scale
  const rowBytes = Math.ceil(side / 8)
  const pixels = Buffer.alloc((rowBytes + 1) * side, 0xff)
  for (let y = 0; y < side; y++) {
    const start = y * (rowBytes + 1)
    pixels[start] = 0
    const row = code[Math.floor(y / scale) - 4]
    for (let x = 0; x < side; x++)
      if (row?.[Math.floor(x / scale) - 4]) pixels[start + 1 + (x >>> 3)]! &= ~(0x80 >>> (x & 7))
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header[8] = 1
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(pixels)),
    chunk('IEND', new Uint8Array()),
  ])
}
