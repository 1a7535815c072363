import { inflateRawSync } from 'node:zlib'

// A small reader of ORC, for what the inventory's writer writes ("ORC Specification v1", Apache ORC).

type Cell = string | boolean | bigint | Date | undefined

const varintAt = (bytes: Buffer, at: number): { value: bigint; end: number } => {
  let value = 0n
  for (let end = at, shift = 0n; ; end += 1, shift += 7n) {
    const byte = bytes.readUInt8(end)
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return { value, end: end + 1 }
  }
}

/** The fields of a message of Protocol Buffers, by their numbers. */
const messageOf = (bytes: Buffer) => {
  const fields = new Map<number, (bigint | Buffer)[]>()
  for (let at = 0; at < bytes.length; ) {
    const tag = varintAt(bytes, at)
    const value = varintAt(bytes, tag.end)
    const hasLength = (tag.value & 7n) === 2n
    at = hasLength ? value.end + Number(value.value) : value.end
    const number = Number(tag.value >> 3n)
    fields.set(number, [...(fields.get(number) ?? []), hasLength ? bytes.subarray(value.end, at) : value.value])
  }
  const all = (number: number) => fields.get(number) ?? []
  return {
    numbers: (number: number) => all(number).map(Number),
    number: (number: number) => Number(all(number)[0] ?? 0),
    messages: (number: number) => all(number).map((each) => (Buffer.isBuffer(each) ? each : Buffer.alloc(0))),
    texts: (number: number) => all(number).map(String),
  }
}

const open = (bytes: Buffer): Buffer => {
  const blocks: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const header = bytes.readUIntLE(at, 3)
    const block = bytes.subarray(at + 3, at + 3 + (header >> 1))
    blocks.push(header & 1 ? block : inflateRawSync(block))
    at += 3 + (header >> 1)
  }
  return Buffer.concat(blocks)
}

/** Literals behind their counts. */
const unrolled = <T>(bytes: Buffer, read: (at: number) => { value: T; end: number }): T[] => {
  const values: T[] = []
  for (let at = 0; at < bytes.length; ) {
    const count = -bytes.readInt8(at)
    at += 1
    for (let left = count; left > 0; left -= 1) {
      const { value, end } = read(at)
      values.push(value)
      at = end
    }
  }
  return values
}
const unsigned = (bytes: Buffer) => unrolled(bytes, (at) => varintAt(bytes, at))
const signed = (bytes: Buffer) => unsigned(bytes).map((each) => (each & 1n ? -(each + 1n) / 2n : each / 2n))
const flags = (bytes: Buffer) =>
  unrolled(bytes, (at) => ({ value: bytes.readUInt8(at), end: at + 1 })).flatMap((byte) =>
    Array.from({ length: 8 }, (_, bit) => (byte & (0x80 >> bit)) !== 0),
  )

const timeOf = (seconds: bigint, nanoseconds: bigint): Date => {
  const zeros = nanoseconds & 7n
  const full = (nanoseconds >> 3n) * (zeros === 0n ? 1n : 10n ** (zeros + 1n))
  return new Date(Date.UTC(2015, 0, 1) + Number(seconds) * 1000 + Number(full / 1_000_000n))
}

/** Names, rows, and how many stripes and values per column there are. Throws where the file is not as it says. */
export const readOrc = (file: Buffer) => {
  const postscriptAt = file.length - 1 - file.readUInt8(file.length - 1)
  const postscript = messageOf(file.subarray(postscriptAt, -1))
  if (file.toString('latin1', 0, 3) !== 'ORC' || postscript.texts(8000)[0] !== 'ORC') throw new Error('no ORC')
  const footer = messageOf(open(file.subarray(postscriptAt - postscript.number(1), postscriptAt)))
  const [root, ...types] = footer.messages(4).map(messageOf)
  const kinds = types.map((type) => type.number(1))
  const stripes = footer.messages(3).map(messageOf)
  const rows = stripes.flatMap((stripe) => {
    const at = stripe.number(1)
    const footerAt = at + stripe.number(3)
    const listed = messageOf(open(file.subarray(footerAt, footerAt + stripe.number(4))))
    let next = at
    const streams = new Map<string, Buffer>()
    for (const stream of listed.messages(1).map(messageOf)) {
      const end = next + stream.number(3)
      streams.set(`${stream.number(2)} ${stream.number(1)}`, open(file.subarray(next, end)))
      next = end
    }
    if (next !== footerAt) throw new Error('streams do not fill their stripe')
    const columns = kinds.map((kind, index) => {
      const stream = (of: number) => streams.get(`${index + 1} ${of}`) ?? Buffer.alloc(0)
      const there = streams.has(`${index + 1} 0`) ? flags(stream(0)) : undefined
      const values = ((): Cell[] => {
        if (kind === 0) return flags(stream(1))
        if (kind === 4) return signed(stream(1))
        if (kind === 9) {
          const nanoseconds = unsigned(stream(5))
          return signed(stream(1)).map((seconds, row) => timeOf(seconds, nanoseconds[row] ?? 0n))
        }
        let from = 0
        return unsigned(stream(2)).map((length) => {
          from += Number(length)
          return stream(1).toString('utf8', from - Number(length), from)
        })
      })()
      return Array.from({ length: stripe.number(5) }, (_, row) => (there && !there[row] ? undefined : values.shift()))
    })
    return Array.from({ length: stripe.number(5) }, (_, row) => columns.map((column) => column[row]))
  })
  if (footer.number(6) !== rows.length) throw new Error('not as many rows as it says')
  return {
    names: root?.texts(3),
    rows,
    stripes: stripes.length,
    counts: footer.messages(7).map((each) => messageOf(each).number(1)),
  }
}
