import { failure } from './failure.ts'
import type { Name } from './syntax.ts'
import type { Token } from './token.ts'
import type { Scalar } from './value.ts'

/** Where the parser stands among the tokens. Each `word()` takes the token if it is there. */
export type Reader = ReturnType<typeof reader>

const end: Token = { kind: 'end' }
const mostCalls = 1000

export const reader = (tokens: readonly Token[]) => {
  let position = 0
  let depth = 0
  let calls = 0
  const ahead = (by = 0): Token => tokens[position + by] ?? end
  const at = (kind: Token['kind'], text?: string): boolean => {
    const token = ahead()
    return token.kind === kind && (text === undefined || ('text' in token && token.text === text))
  }
  const take = (kind: Token['kind'], text: string): boolean => {
    if (!at(kind, text)) return false
    position += 1
    return true
  }
  /** `.*` is two tokens that mean one thing. */
  const dotStar = (): boolean => {
    const star = ahead(1)
    return at('symbol', '.') && star.kind === 'symbol' && star.text === '*'
  }
  return {
    at,
    /** Whether one of these keywords is behind the present token. */
    next: (...words: readonly string[]): boolean => {
      const token = ahead(1)
      return token.kind === 'keyword' && words.includes(token.text)
    },
    keyword: (text: string): boolean => take('keyword', text),
    symbol: (text: string): boolean => {
      if (text !== '.*') return (text !== '.' || !dotStar()) && take('symbol', text)
      if (!dotStar()) return false
      position += 2
      return true
    },
    symbolAhead: (): string | undefined => {
      const token = ahead()
      return token.kind === 'symbol' ? token.text : undefined
    },
    /** Whether a symbol is behind the present token. */
    symbolBehind: (text: string): boolean => {
      const token = ahead(1)
      return token.kind === 'symbol' && token.text === text
    },
    /** The present word in lower case, if it is a keyword or a name without quotes. */
    wordAhead: (): string | undefined => {
      const token = ahead()
      if (token.kind === 'keyword') return token.text
      return token.kind === 'name' && !token.quoted ? token.text.toLowerCase() : undefined
    },
    skip: (): void => {
      position += 1
    },
    expect: (text: string, otherwise: Parameters<typeof failure>[0]): void => {
      if (!take('symbol', text)) throw failure(otherwise)
    },
    name: (): Name | undefined => {
      const token = ahead()
      if (token.kind !== 'name') return undefined
      position += 1
      return { name: token.text, quoted: token.quoted }
    },
    literal: (): Scalar | undefined => {
      const token = ahead()
      if (token.kind !== 'literal') return undefined
      position += 1
      return token.value
    },
    /** Counts what reads whole texts: functions and LIKE. Throws MaxOperatorsExceeded. */
    call: (): void => {
      calls += 1
      if (calls > mostCalls) throw failure('MaxOperatorsExceeded')
    },
    /** Runs a part that lies inside of another. Throws MaxOperatorsExceeded. */
    nested: <T>(deepest: number, part: () => T): T => {
      depth += 1
      if (depth > deepest) throw failure('MaxOperatorsExceeded')
      const found = part()
      depth -= 1
      return found
    },
    size: (): number => tokens.length,
  }
}
