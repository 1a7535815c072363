import { isIP } from 'node:net'

/** A range of addresses: its first one as a number, and how many bits are fixed. */
export type Cidr = { readonly family: 4 | 6; readonly base: bigint; readonly bits: number; readonly exact: boolean }

const widthOf = (family: 4 | 6) => (family === 4 ? 32 : 128)

const addressOf = (text: string, family: 4 | 6): bigint => {
  if (family === 4) return text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n)
  const mapped = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const plain = mapped
    ? `${mapped[1]}${[addressOf(mapped[2]!, 4) >> 16n, addressOf(mapped[2]!, 4) & 0xffffn].map((part) => part.toString(16)).join(':')}`
    : text
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length
  return [...left, ...Array<string>(zeros).fill('0'), ...right].reduce(
    (sum, part) => sum * 65536n + BigInt(`0x${part}`),
    0n,
  )
}

/** Reads an address or a range in CIDR notation; `exact` is false where bits after the mask are set. */
export const cidrOf = (text: string): Cidr | undefined => {
  const [address = '', prefix, more] = text.split('/')
  const family = isIP(address) as 0 | 4 | 6
  if (family === 0 || more !== undefined || address.includes('%')) return undefined
  const width = widthOf(family)
  if (prefix !== undefined && (!/^\d{1,3}$/.test(prefix) || Number(prefix) > width)) return undefined
  const bits = prefix === undefined ? width : Number(prefix)
  const value = addressOf(address, family)
  const rest = BigInt(width - bits)
  const base = (value >> rest) << rest
  return { family, base, bits, exact: base === value }
}

export const cidrContains = (outer: Cidr, inner: Cidr): boolean => {
  if (outer.family !== inner.family || outer.bits > inner.bits) return false
  const rest = BigInt(widthOf(outer.family) - outer.bits)
  return outer.base >> rest === inner.base >> rest
}

/** The range as CIDR notation, the bits after the mask cleared. */
export const cidrText = ({ family, base, bits }: Cidr): string => {
  const size = family === 4 ? 8n : 16n
  const count = family === 4 ? 4 : 8
  const parts = Array.from(
    { length: count },
    (_, at) => (base >> (size * BigInt(count - 1 - at))) & ((1n << size) - 1n),
  )
  return `${parts.map((part) => part.toString(family === 4 ? 10 : 16)).join(family === 4 ? '.' : ':')}/${bits}`
}

/** Ranges that never are the source of a request from outside (RFC 1918, 3927, 6598, 5735, 4193, 4291). */
const privateRanges = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '100.64.0.0/10',
  '127.0.0.0/8',
  'fc00::/7',
  'fe80::/10',
  '::1/128',
].map((text) => cidrOf(text)!)

export const isPrivate = (range: Cidr): boolean => privateRanges.some((outer) => cidrContains(outer, range))
