import { failure } from './failure.ts'

// Decompression of bzip2, by its format: blocks of up to 900 kB, each a Burrows-Wheeler transform under Huffman codes of
// move-to-front indices and run lengths. A pure engine; no block is given before its checksum holds.

/** A block takes no more than this, compressed: 20 bits a symbol at the most, and its tables. */
const largestBlock = 2.5 * 1024 * 1024
const blockMagic = 0x314159265359
const endMagic = 0x177245385090
const groupSize = 50
const longestCode = 20

const truncated = () => failure('TruncatedInput')

const table = new Uint32Array(256).map((_, index) => {
  let crc = index << 24
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1
  return crc >>> 0
})

const checksumOf = (bytes: Uint8Array): number => {
  let crc = 0xffffffff
  for (const byte of bytes) crc = ((crc << 8) ^ (table[((crc >>> 24) ^ byte) & 255] ?? 0)) >>> 0
  return ~crc >>> 0
}

type Bits = ReturnType<typeof bitsOf>

/** Bits from a place on, counted from the first byte. */
const bitsOf = (bytes: Uint8Array, from: number) => {
  let position = from
  const available = bytes.length * 8
  /** The next 24 bits; zeros behind the end. */
  const window = (): number => {
    const at = position >> 3
    const word =
      ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
    return (word << (position & 7)) >>> 8
  }
  const skip = (width: number): void => {
    position += width
    if (position > available) throw truncated()
  }
  const number = (width: number): number => {
    if (width > 24) return number(24) * 2 ** (width - 24) + number(width - 24)
    const found = window() >>> (24 - width)
    skip(width)
    return found
  }
  return {
    window,
    skip,
    bit: (): number => number(1),
    /** A number of up to 48 bits. */
    number,
    position: (): number => position,
  }
}

/** The bytes that a block uses, in order. */
const alphabetOf = (bits: Bits): Uint8Array => {
  const rows = bits.number(16)
  const used: number[] = []
  for (let row = 0; row < 16; row += 1) {
    if (!((rows >> (15 - row)) & 1)) continue
    const columns = bits.number(16)
    for (let column = 0; column < 16; column += 1) if ((columns >> (15 - column)) & 1) used.push(row * 16 + column)
  }
  return Uint8Array.from(used)
}

const moveToFront = (list: Uint8Array, index: number): number => {
  const found = list[index]
  if (found === undefined) throw truncated()
  list.copyWithin(1, 0, index)
  list[0] = found
  return found
}

/** Which code each group of symbols is under. */
const selectorsOf = (bits: Bits, codes: number): number[] => {
  const order = Uint8Array.from({ length: codes }, (_, index) => index)
  return Array.from({ length: bits.number(15) }, () => {
    let index = 0
    while (bits.bit()) index += 1
    return moveToFront(order, index)
  })
}

/** A canonical Huffman code: by length, the first code and its symbols. */
const codeOf = (bits: Bits, symbols: number) => {
  let length = bits.number(5)
  const lengths = Array.from({ length: symbols }, () => {
    while (bits.bit()) length += bits.bit() ? -1 : 1
    if (length < 1 || length > longestCode) throw truncated()
    return length
  })
  const bySize = Array.from({ length: longestCode + 1 }, (_, size) =>
    lengths.flatMap((each, symbol) => (each === size ? [symbol] : [])),
  )
  // Codes of a length are those below its limit, all as long as the window; `before` is what lies below the first of them.
  const sorted = Uint16Array.from(bySize.flat())
  const limits = new Float64Array(longestCode + 1)
  const before = new Float64Array(longestCode + 1)
  let [code, count] = [0, 0]
  for (let size = 1; size <= longestCode; size += 1) {
    const ofSize = bySize[size]?.length ?? 0
    code *= 2
    before[size] = code - count
    code += ofSize
    count += ofSize
    limits[size] = code * 2 ** (24 - size)
  }
  return (): number => {
    const window = bits.window()
    let size = 1
    while (size <= longestCode && window >= (limits[size] ?? 0)) size += 1
    const symbol = sorted[(window >>> (24 - size)) - (before[size] ?? 0)]
    if (symbol === undefined) throw truncated()
    bits.skip(size)
    return symbol
  }
}

/** The last column of the block's transform. */
const columnOf = (bits: Bits, capacity: number): Uint8Array => {
  const alphabet = alphabetOf(bits)
  const symbols = alphabet.length + 2
  const codes = bits.number(3)
  const selectors = selectorsOf(bits, codes)
  const decoders = Array.from({ length: codes }, () => codeOf(bits, symbols))
  const column = new Uint8Array(capacity)
  let [size, run, weight] = [0, 0, 1]
  for (const selector of selectors) {
    const decode = decoders[selector]
    if (decode === undefined) throw truncated()
    for (let count = 0; count < groupSize; count += 1) {
      const symbol = decode()
      if (symbol <= 1) {
        run += weight * (symbol + 1)
        weight *= 2
        if (run > capacity) throw truncated()
        continue
      }
      if (size + run > capacity) throw truncated()
      if (run > 0) column.fill(alphabet[0] ?? 0, size, size + run)
      size += run
      ;[run, weight] = [0, 1]
      if (symbol === symbols - 1) return column.subarray(0, size)
      if (size === capacity) throw truncated()
      column[size] = moveToFront(alphabet, symbol - 1)
      size += 1
    }
  }
  throw truncated()
}

const undoTransform = (column: Uint8Array, origin: number): Uint8Array => {
  const starts = new Uint32Array(256)
  for (const byte of column) starts[byte] = (starts[byte] ?? 0) + 1
  let sum = 0
  for (let byte = 0; byte < 256; byte += 1) {
    const count = starts[byte] ?? 0
    starts[byte] = sum
    sum += count
  }
  const next = new Uint32Array(column.length)
  for (const [at, byte] of column.entries()) {
    const place = starts[byte] ?? 0
    next[place] = at
    starts[byte] = place + 1
  }
  const bytes = new Uint8Array(column.length)
  let at = next[origin] ?? 0
  for (let count = 0; count < bytes.length; count += 1) {
    bytes[count] = column[at] ?? 0
    at = next[at] ?? 0
  }
  return bytes
}

/** Four equal bytes are followed by how many more there are. */
const undoRuns = (bytes: Uint8Array): Uint8Array => {
  let [total, run] = [0, 0]
  const each = (to: (byte: number, count: number) => void): void => {
    run = 0
    let last = -1
    for (const byte of bytes) {
      if (run === 4) {
        to(last, byte)
        run = 0
        last = -1
        continue
      }
      run = byte === last ? run + 1 : 1
      last = byte
      to(byte, 1)
    }
  }
  each((_, count) => {
    total += count
  })
  const out = new Uint8Array(total)
  let at = 0
  each((byte, count) => {
    out.fill(byte, at, at + count)
    at += count
  })
  return out
}

const blockOf = (bits: Bits, level: number): Uint8Array => {
  const checksum = bits.number(32)
  if (bits.bit()) throw failure('InvalidCompressionFormat')
  const origin = bits.number(24)
  const bytes = undoRuns(undoTransform(columnOf(bits, level * 100_000), origin))
  if (checksumOf(bytes) !== checksum) throw truncated()
  return bytes
}

/** What was compressed. Throws InvalidCompressionFormat for what is no bzip2, TruncatedInput for what is damaged. */
export async function* bunzip2(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held = Buffer.alloc(0)
  /** In bits. */
  let position = 0
  let level = 0
  let any = false
  const chunks = source[Symbol.asyncIterator]()
  let ended = false
  const fill = async (): Promise<void> => {
    held = held.subarray(position >> 3)
    position &= 7
    const more = [held]
    let size = held.length
    while (!ended && size < largestBlock) {
      const { value, done } = await chunks.next()
      if (done) ended = true
      else {
        more.push(Buffer.from(value))
        size += value.length
      }
    }
    held = Buffer.concat(more)
  }
  try {
    for (;;) {
      await fill()
      if (level === 0) {
        if (any && held.length === 0) return
        if (!/^BZh[1-9]$/.test(held.toString('latin1', 0, 4)))
          throw failure(any ? 'TruncatedInput' : 'InvalidCompressionFormat')
        level = Number(held.toString('latin1', 3, 4))
        any = true
        position = 32
      }
      const bits = bitsOf(held, position)
      const magic = bits.number(48)
      if (magic === blockMagic) yield blockOf(bits, level)
      else if (magic !== endMagic) throw truncated()
      else {
        // The checksum of the whole, from those of the blocks, which have been held against their bytes.
        bits.number(32)
        level = 0
      }
      position = level === 0 ? Math.ceil(bits.position() / 8) * 8 : bits.position()
    }
  } finally {
    await chunks.return?.()
  }
}
