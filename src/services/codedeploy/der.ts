// As much of DER as certificates and signed messages need.

const tagged = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const hex = length.toString(16)
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length]), bytes, content])
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => tagged(0x30, ...parts)
export const set = (...parts: readonly Uint8Array[]): Buffer => tagged(0x31, ...parts)
/** `[number]`, constructed. */
export const context = (number: number, ...parts: readonly Uint8Array[]): Buffer => tagged(0xa0 | number, ...parts)
/** A positive integer, big-endian. */
export const integer = (bytes: Uint8Array): Buffer =>
  tagged(0x02, ...((bytes[0] ?? 0) >= 0x80 ? [Buffer.from([0])] : []), bytes)
export const boolean = (value: boolean): Buffer => tagged(0x01, Buffer.from([value ? 0xff : 0]))
export const nothing = (): Buffer => tagged(0x05)
export const octets = (bytes: Uint8Array): Buffer => tagged(0x04, bytes)
export const bits = (bytes: Uint8Array, unused = 0): Buffer => tagged(0x03, Buffer.from([unused]), bytes)
export const printable = (text: string): Buffer => tagged(0x13, Buffer.from(text, 'ascii'))
/** `YYMMDDHHMMSSZ`. */
export const time = (text: string): Buffer => tagged(0x17, Buffer.from(text, 'ascii'))

/** An object identifier from its dotted form. */
export const identifier = (dotted: string): Buffer => {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const part of rest) {
    const septets = [part & 0x7f]
    for (let left = part >>> 7; left > 0; left >>>= 7) septets.unshift(0x80 | (left & 0x7f))
    bytes.push(...septets)
  }
  return tagged(0x06, Buffer.from(bytes))
}

export const pem = (label: string, der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${(
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  ).join('\n')}\n-----END ${label}-----\n`
