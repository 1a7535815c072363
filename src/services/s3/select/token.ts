import { parseDecimal } from './decimal.ts'
import { failure } from './failure.ts'
import { parseTimestamp } from './timestamp.ts'
import { integer, type Scalar } from './value.ts'

// The words of an expression ("SQL reference for Amazon S3 Select"). A pure engine.

export type Token =
  | { readonly kind: 'keyword'; readonly text: string }
  | { readonly kind: 'name'; readonly text: string; readonly quoted: boolean }
  | { readonly kind: 'literal'; readonly value: Scalar }
  | { readonly kind: 'symbol'; readonly text: string }
  | { readonly kind: 'end' }

/** "Reserved keywords", SQL reference for Amazon S3 Select. */
const reserved = new Set(
  `absolute action add all allocate alter and any are as asc assertion at authorization avg bag begin between bit bit_length
  blob bool boolean both by cascade cascaded case cast catalog char char_length character character_length check clob close
  coalesce collate collation column commit connect connection constraint constraints continue convert corresponding count
  create cross current current_date current_time current_timestamp current_user cursor date day deallocate dec decimal declare
  default deferrable deferred delete desc describe descriptor diagnostics disconnect distinct domain double drop else end
  escape except exception exec execute exists external extract false fetch first float for foreign found from full get global
  go goto grant group having hour identity immediate in indicator initially inner input insensitive insert int integer
  intersect interval into is isolation join key language last leading left level like limit list local lower match max min
  minute missing module month names national natural nchar next no not null nullif numeric octet_length of on only open option
  or order outer output overlaps pad partial pivot position precision prepare preserve primary prior privileges procedure
  public read real references relative restrict revoke right rollback rows schema scroll second section select session
  session_user set sexp size smallint some space sql sqlcode sqlerror sqlstate string struct substring sum symbol system_user
  table temporary then time timestamp timezone_hour timezone_minute to trailing transaction translate translation trim true
  tuple union unique unknown unpivot update upper usage user using value values varchar varying view when whenever where with
  work write year zone`.split(/\s+/),
)

const spaces = /(?:\s|--[^\n]*(?:\n|$))+/y
const words = /[\p{L}_$][\p{L}\p{N}_$]*/uy
const numbers = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y
const strings = /'((?:[^']|'')*)'/y
const quotedNames = /"((?:[^"]|"")*)"/y
const ionLiterals = /`([^`]*)`/y
const symbolsOf = /<>|<=|>=|!=|\|\||[-+*/%=<>().,[\]:;@{}?!|&^~#]/y

const numberOf = (text: string): Scalar => {
  if (/^\d+$/.test(text)) {
    if (text.length > 4096) throw failure('NumberFormatError')
    try {
      return integer(BigInt(text))
    } catch {
      throw failure('NumberFormatError')
    }
  }
  const value = parseDecimal(text)
  if (!value) throw failure('LexerInvalidLiteral')
  return value
}

/** A literal in backquotes: a timestamp, number, string, truth value or null of Ion. */
const ionOf = (text: string): Scalar => {
  const ion = text.trim()
  const time = parseTimestamp(ion)
  if (time) return time
  if (/^-?(0|[1-9]\d*)$/.test(ion)) return ion.startsWith('-') ? integer(-BigInt(ion.slice(1))) : integer(BigInt(ion))
  if (/^-?\d+(\.\d*)?[eE][+-]?\d+$/.test(ion)) return Number(ion)
  const number = /^-?\d/.test(ion) ? parseDecimal(ion) : undefined
  if (number) return number
  if (/^"(?:[^"\\]|\\.)*"$/.test(ion)) {
    try {
      return JSON.parse(ion) as Scalar
    } catch {
      throw failure('LexerInvalidIONLiteral')
    }
  }
  if (ion === 'true' || ion === 'false') return ion === 'true'
  if (ion === 'null') return null
  throw failure('LexerInvalidIONLiteral')
}

/** The tokens of an expression, in order. Throws LexerInvalidChar, LexerInvalidLiteral, LexerInvalidIONLiteral, NumberFormatError. */
export const tokensOf = (expression: string): Token[] => {
  const tokens: Token[] = []
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    const match = pattern.exec(expression)
    if (!match) return undefined
    at = pattern.lastIndex
    return match
  }
  while (at < expression.length) {
    if (take(spaces)) continue
    const text = take(words)?.[0]
    if (text !== undefined) {
      const word = text.toLowerCase()
      tokens.push(reserved.has(word) ? { kind: 'keyword', text: word } : { kind: 'name', text, quoted: false })
      continue
    }
    const character = expression.charAt(at)
    if (/[\d.]/.test(character)) {
      const number = take(numbers)
      if (number) {
        if (take(words)) throw failure('LexerInvalidLiteral')
        tokens.push({ kind: 'literal', value: numberOf(number[0]) })
        continue
      }
    }
    if (character === "'" || character === '"' || character === '`') {
      const pattern = character === "'" ? strings : character === '"' ? quotedNames : ionLiterals
      const content = take(pattern)?.[1]
      if (content === undefined) throw failure('LexerInvalidLiteral')
      if (character === "'") tokens.push({ kind: 'literal', value: content.replaceAll("''", "'") })
      else if (character === '"') tokens.push({ kind: 'name', text: content.replaceAll('""', '"'), quoted: true })
      else tokens.push({ kind: 'literal', value: ionOf(content) })
      continue
    }
    const symbol = take(symbolsOf)?.[0]
    if (symbol === undefined) throw failure('LexerInvalidChar')
    if (symbol === '!' || symbol === '|') throw failure('LexerInvalidOperator')
    tokens.push({ kind: 'symbol', text: symbol })
  }
  return tokens
}
