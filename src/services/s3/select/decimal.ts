import { failure } from './failure.ts'

// Decimal numbers of at most 38 significant digits, rounded half to even. A pure engine.

/** `unscaled` × 10^-`scale`. */
export type Decimal = { readonly kind: 'decimal'; readonly unscaled: bigint; readonly scale: number }

const precision = 38
/** Powers of ten that are computed at all: exponents beyond are refused before they cost anything. */
const largestExponent = 10_000

const powers: bigint[] = [1n]
const powerOfTen = (exponent: number): bigint => {
  if (exponent > 3 * largestExponent) throw failure('NumberFormatError')
  if (exponent > 128) return 10n ** BigInt(exponent)
  for (let next = powers.length; next <= exponent; next += 1) powers.push((powers[next - 1] ?? 1n) * 10n)
  return powers[exponent] ?? 1n
}

const digitsOf = (number: bigint): number => String(number < 0n ? -number : number).length

const divideHalfEven = (numerator: bigint, divisor: bigint): bigint => {
  const quotient = numerator / divisor
  const rest = numerator % divisor
  const twice = 2n * (rest < 0n ? -rest : rest)
  const size = divisor < 0n ? -divisor : divisor
  if (twice < size || (twice === size && quotient % 2n === 0n)) return quotient
  return quotient + (numerator < 0n === divisor < 0n ? 1n : -1n)
}

/** Rounded to the precision. Throws NumberFormatError for exponents out of bounds. */
export const decimal = (unscaled: bigint, scale: number): Decimal => {
  if (Math.abs(scale) > largestExponent) throw failure('NumberFormatError')
  const excess = digitsOf(unscaled) - precision
  if (excess <= 0) return { kind: 'decimal', unscaled, scale }
  return decimal(divideHalfEven(unscaled, powerOfTen(excess)), scale - excess)
}

const pattern = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eEdD]([+-]?\d{1,6}))?$/

/** A number as it is written: `-1.50`, `2e3`. Undefined for what is none. */
export const parseDecimal = (text: string): Decimal | undefined => {
  const [, sign, whole = '', fraction = '', exponent = '0'] = pattern.exec(text) ?? []
  if (sign === undefined || whole + fraction === '') return undefined
  // Leading zeros and far more digits than count would only cost.
  const digits = `${whole}${fraction}`.replace(/^0+(?=\d)/, '')
  const dropped = Math.max(0, digits.length - 2 * precision)
  const unscaled = BigInt(digits.slice(0, digits.length - dropped))
  return decimal(sign === '-' ? -unscaled : unscaled, fraction.length - Number(exponent) - dropped)
}

export const decimalOfInteger = (number: bigint): Decimal => decimal(number, 0)
export const decimalOfFloat = (number: number): Decimal => {
  const found = parseDecimal(String(number))
  if (!found) throw failure('ExternalEvalException')
  return found
}

const aligned = (a: Decimal, b: Decimal): [bigint, bigint, number] => {
  const scale = Math.max(a.scale, b.scale)
  return [a.unscaled * powerOfTen(scale - a.scale), b.unscaled * powerOfTen(scale - b.scale), scale]
}

export const addDecimals = (a: Decimal, b: Decimal): Decimal => {
  const [x, y, scale] = aligned(a, b)
  return decimal(x + y, scale)
}
export const negateDecimal = (a: Decimal): Decimal => ({ ...a, unscaled: -a.unscaled })
export const multiplyDecimals = (a: Decimal, b: Decimal): Decimal => decimal(a.unscaled * b.unscaled, a.scale + b.scale)

/** The quotient, without more zeros behind the point than the operands had. Throws ExternalEvalException for zero. */
export const divideDecimals = (a: Decimal, b: Decimal): Decimal => {
  if (b.unscaled === 0n) throw failure('ExternalEvalException')
  const preferred = Math.max(0, a.scale - b.scale)
  const more = Math.max(0, precision + digitsOf(b.unscaled) - digitsOf(a.unscaled)) + 1
  let { unscaled, scale } = decimal(divideHalfEven(a.unscaled * powerOfTen(more), b.unscaled), a.scale - b.scale + more)
  while (scale > preferred && unscaled % 10n === 0n) {
    unscaled /= 10n
    scale -= 1
  }
  return { kind: 'decimal', unscaled, scale }
}

export const remainderOfDecimals = (a: Decimal, b: Decimal): Decimal => {
  if (b.unscaled === 0n) throw failure('ExternalEvalException')
  const [x, y, scale] = aligned(a, b)
  return decimal(x % y, scale)
}

/** Less than, greater than, or equal to 0. */
export const compareDecimals = (a: Decimal, b: Decimal): number => {
  const [x, y] = aligned(a, b)
  return x < y ? -1 : x > y ? 1 : 0
}

/** Towards zero. */
export const truncateDecimal = ({ unscaled, scale }: Decimal): bigint =>
  scale > 0 ? unscaled / powerOfTen(scale) : unscaled * powerOfTen(-scale)

export const floatOfDecimal = ({ unscaled, scale }: Decimal): number => Number(`${unscaled}e${-scale}`)

/** Without an exponent, unless it would take many zeros. */
export const decimalText = ({ unscaled, scale }: Decimal): string => {
  const sign = unscaled < 0n ? '-' : ''
  const digits = String(unscaled < 0n ? -unscaled : unscaled)
  if (scale === 0) return sign + digits
  if (scale < 0 && digits.length - scale <= precision) return sign + digits + '0'.repeat(-scale)
  if (scale > 0 && scale - digits.length <= precision) {
    const padded = digits.padStart(scale + 1, '0')
    return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`
  }
  return `${sign}${digits}e${-scale}`
}
