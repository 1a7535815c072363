import { promisify } from 'node:util'
import { deflateRaw } from 'node:zlib'

// Writes files of ORC: a struct of plain columns, a stripe at a time ("ORC Specification v1", Apache ORC). Integers are run
// length encoded of the first version, always as literals: what repeats is left to the compression, ZLIB as S3 has it.

export type OrcType = 'BOOLEAN' | 'INT64' | 'STRING' | 'TIMESTAMP'
export type OrcColumn = { readonly name: string; readonly type: OrcType }
export type OrcCell = string | boolean | bigint | Date | undefined

const kinds: Readonly<Record<OrcType, number>> = { BOOLEAN: 0, INT64: 4, STRING: 7, TIMESTAMP: 9 }
const struct = 12
/** Kinds of streams. */
const [present, data, length, secondary] = [0, 1, 2, 5]

/** Numbers in groups of seven bits, the lowest first. */
const varint = (number: bigint): number[] => {
  const bytes: number[] = []
  let rest = number
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return [...bytes, Number(rest)]
}

/** A field of a message of Protocol Buffers: a number, or what has a length. */
const field = (number: number, value: number | string | Uint8Array): Buffer => {
  const tag = (wire: number) => varint(BigInt(number * 8 + wire))
  if (typeof value === 'number') return Buffer.from([...tag(0), ...varint(BigInt(value))])
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([...tag(2), ...varint(BigInt(bytes.length))]), bytes])
}
const packed = (numbers: readonly number[]): Uint8Array =>
  Uint8Array.from(numbers.flatMap((each) => varint(BigInt(each))))

/** How many literals may follow one control byte. */
const mostLiterals = 128

const literals = (each: readonly (readonly number[])[]): Buffer => {
  const bytes: number[] = []
  for (let at = 0; at < each.length; at += mostLiterals) {
    const some = each.slice(at, at + mostLiterals)
    bytes.push(256 - some.length, ...some.flat())
  }
  return Buffer.from(bytes)
}

const zigzag = (number: bigint): bigint => (number < 0n ? -2n * number - 1n : 2n * number)
const signed = (numbers: readonly bigint[]): Buffer => literals(numbers.map((each) => varint(zigzag(each))))
const unsigned = (numbers: readonly bigint[]): Buffer => literals(numbers.map(varint))

/** Eight to a byte, the first is the highest. */
const bits = (flags: readonly boolean[]): Buffer => {
  const bytes = new Uint8Array(Math.ceil(flags.length / 8))
  for (const [index, flag] of flags.entries())
    if (flag) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (0x80 >> (index & 7))
  return literals([...bytes].map((byte) => [byte]))
}

/** Timestamps count from here. */
const epoch = Date.UTC(2015, 0, 1)

/** Milliseconds of a second as nanoseconds, the zeros at their end counted instead of written. */
const nanoseconds = (milliseconds: number): bigint => {
  if (milliseconds === 0) return 0n
  const zeros = 6 + (/0*$/.exec(String(milliseconds))?.[0].length ?? 0)
  return ((BigInt(milliseconds) * 1_000_000n) / 10n ** BigInt(zeros)) * 8n + BigInt(zeros - 1)
}

type Stream = readonly [kind: number, bytes: Buffer]

const streamsOf = (type: OrcType, cells: readonly Exclude<OrcCell, undefined>[]): readonly Stream[] => {
  switch (type) {
    case 'BOOLEAN':
      return [[data, bits(cells.map((cell) => cell === true))]]
    case 'INT64':
      return [[data, signed(cells.map((cell) => BigInt(Number(cell))))]]
    case 'STRING': {
      const texts = cells.map((cell) => Buffer.from(String(cell)))
      return [
        [data, Buffer.concat(texts)],
        [length, unsigned(texts.map((text) => BigInt(text.length)))],
      ]
    }
    case 'TIMESTAMP': {
      const times = cells.map((cell) => Number(cell) - epoch)
      const seconds = times.map((time) => Math.floor(time / 1000))
      return [
        [data, signed(seconds.map(BigInt))],
        [secondary, unsigned(times.map((time, index) => nanoseconds(time - (seconds[index] ?? 0) * 1000)))],
      ]
    }
  }
}

const deflate = promisify(deflateRaw)
const blockSize = 256 * 1024

/** Blocks of ZLIB, each with its length; those that would grow stay as they are. */
const compress = async (bytes: Buffer): Promise<Buffer> => {
  const blocks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += blockSize) {
    const original = bytes.subarray(at, at + blockSize)
    const small = await deflate(original)
    const grows = small.length >= original.length
    const block = grows ? original : small
    const header = Buffer.alloc(3)
    header.writeUIntLE(block.length * 2 + (grows ? 1 : 0), 0, 3)
    blocks.push(header, block)
  }
  return Buffer.concat(blocks)
}

/**
 * Makes a file piece by piece: `start`, then stripes of as many rows as one likes to hold, then `end`. Cells are in the order
 * of the columns; undefined is null.
 */
export const orcWriter = (columns: readonly OrcColumn[]) => {
  const start = Buffer.from('ORC')
  const stripes: Buffer[] = []
  const values = columns.map(() => 0)
  let [offset, total] = [start.length, 0]

  const stripe = async (rows: readonly (readonly OrcCell[])[]): Promise<Buffer> => {
    const pieces: Buffer[] = []
    const listed: Buffer[] = []
    for (const [index, { type }] of columns.entries()) {
      const cells = rows.map((row) => row[index])
      const known = cells.filter((cell) => cell !== undefined)
      values[index] = (values[index] ?? 0) + known.length
      const nulls: Stream[] =
        known.length < cells.length ? [[present, bits(cells.map((cell) => cell !== undefined))]] : []
      for (const [kind, bytes] of [...nulls, ...streamsOf(type, known)]) {
        const piece = await compress(bytes)
        pieces.push(piece)
        listed.push(field(1, Buffer.concat([field(1, kind), field(2, index + 1), field(3, piece.length)])))
      }
    }
    const size = pieces.reduce((sum, piece) => sum + piece.length, 0)
    const direct = [undefined, ...columns].map(() => field(2, field(1, 0)))
    const footer = await compress(Buffer.concat([...listed, ...direct, field(3, 'UTC')]))
    const numbers = [offset, 0, size, footer.length, rows.length]
    stripes.push(field(3, Buffer.concat(numbers.map((number, at) => field(at + 1, number)))))
    offset += size + footer.length
    total += rows.length
    return Buffer.concat([...pieces, footer])
  }

  const end = async (): Promise<Buffer> => {
    const root = [
      field(1, struct),
      field(2, packed(columns.map((_, index) => index + 1))),
      ...columns.map(({ name }) => field(3, name)),
    ]
    const types = [Buffer.concat(root), ...columns.map(({ type }) => field(1, kinds[type]))]
    const statistics = [total, ...values].map((count) =>
      Buffer.concat([field(1, count), field(10, count < total ? 1 : 0)]),
    )
    const footer = await compress(
      Buffer.concat([
        field(1, start.length),
        field(2, offset - start.length),
        ...stripes,
        ...types.map((type) => field(4, type)),
        field(6, total),
        ...statistics.map((each) => field(7, each)),
        // No indexes into stripes.
        field(8, 0),
      ]),
    )
    const postscript = Buffer.concat([
      field(1, footer.length),
      // ZLIB
      field(2, 1),
      field(3, blockSize),
      field(4, packed([0, 12])),
      field(5, 0),
      field(8000, 'ORC'),
    ])
    return Buffer.concat([footer, postscript, Buffer.from([postscript.length])])
  }
  return { start, stripe, end }
}
