// A reader of JSON that remembers where each value stands, for findings that point into a policy's text. Strict as RFC
// 8259; bounded in depth, so that hostile text costs no more than its length.

/** Offsets are UTF-16 code units from 0; `end` is the first one after the value. */
type Placed = { readonly start: number; readonly end: number }
export type Member = { readonly key: string; readonly place: Placed; readonly value: JsonNode }
export type JsonNode = Placed &
  (
    | { readonly kind: 'object'; readonly members: readonly Member[] }
    | { readonly kind: 'array'; readonly items: readonly JsonNode[] }
    | { readonly kind: 'string'; readonly text: string }
    | { readonly kind: 'number'; readonly text: string }
    | { readonly kind: 'boolean'; readonly text: string }
    | { readonly kind: 'null'; readonly text: string }
  )
export type ObjectNode = Extract<JsonNode, { kind: 'object' }>
export type StringNode = Extract<JsonNode, { kind: 'string' }>

/** Deeper than any policy, and shallow enough for recursion. */
const DEEPEST = 64

/** The text is no JSON; `offset` is where reading had to stop. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError'
  readonly offset: number
  constructor(offset: number) {
    super(`JSON syntax error at offset ${offset}`)
    this.offset = offset
  }
}

const numberText = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings
const plainText = /[^"\\\u0000-\u001f]*/y
const space = /[ \t\r\n]*/y
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}
const words = { true: 'boolean', false: 'boolean', null: 'null' } as const

/** Reads one JSON value that is the whole text. Throws JsonSyntaxError. */
export const readPositioned = (text: string): JsonNode => {
  let at = 0
  const wrong = (offset = at) => new JsonSyntaxError(Math.min(offset, text.length))
  const run = (pattern: RegExp): string => {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0] ?? ''
    at += found.length
    return found
  }
  const skip = () => run(space)
  const expect = (mark: string) => {
    if (text[at] !== mark) throw wrong()
    at++
  }

  const readText = (): string => {
    expect('"')
    let result = ''
    for (;;) {
      result += run(plainText)
      const mark = text[at]
      if (mark === '"') {
        at++
        return result
      }
      if (mark !== '\\') throw wrong()
      const escaped = text[at + 1] ?? ''
      if (escaped === 'u') {
        const code = /^[0-9a-fA-F]{4}$/.exec(text.slice(at + 2, at + 6))?.[0]
        if (code === undefined) throw wrong()
        result += String.fromCharCode(Number.parseInt(code, 16))
        at += 6
      } else {
        if (!Object.hasOwn(escapes, escaped)) throw wrong()
        result += escapes[escaped]
        at += 2
      }
    }
  }

  const readObject = (depth: number): JsonNode => {
    const start = at++
    const members: Member[] = []
    skip()
    if (text[at] !== '}')
      for (;;) {
        const from = at
        const key = readText()
        const place = { start: from, end: at }
        skip()
        expect(':')
        members.push({ key, place, value: readValue(depth) })
        if (text[at] !== ',') break
        at++
        skip()
      }
    expect('}')
    return { kind: 'object', members, start, end: at }
  }

  const readArray = (depth: number): JsonNode => {
    const start = at++
    const items: JsonNode[] = []
    skip()
    if (text[at] !== ']')
      for (;;) {
        items.push(readValue(depth))
        if (text[at] !== ',') break
        at++
      }
    expect(']')
    return { kind: 'array', items, start, end: at }
  }

  const readScalar = (): JsonNode => {
    const start = at
    if (text[at] === '"') return { kind: 'string', text: readText(), start, end: at }
    for (const [word, kind] of Object.entries(words))
      if (text.startsWith(word, at)) {
        at += word.length
        return { kind, text: word, start, end: at }
      }
    const number = run(numberText)
    if (number === '') throw wrong()
    return { kind: 'number', text: number, start, end: at }
  }

  const readValue = (depth: number): JsonNode => {
    skip()
    if (depth > DEEPEST) throw wrong()
    const mark = text[at]
    const value = mark === '{' ? readObject(depth + 1) : mark === '[' ? readArray(depth + 1) : readScalar()
    skip()
    return value
  }

  const value = readValue(0)
  if (at < text.length) throw wrong()
  return value
}

/** Line from 1, column and offset from 0 (Access Analyzer API reference, "Position"). */
export type Position = { readonly line: number; readonly column: number; readonly offset: number }

/** Turns offsets of this text into positions. */
export const positionsIn = (text: string): ((offset: number) => Position) => {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (starts[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - starts[low]!, offset }
  }
}

/** The last member of this name, which is the one that counts. */
export const memberOf = (node: ObjectNode, key: string): Member | undefined =>
  node.members.findLast((member) => member.key === key)

/** The plain value. */
export const plainValueOf = (node: JsonNode): unknown => {
  switch (node.kind) {
    case 'object':
      return Object.fromEntries(node.members.map(({ key, value }) => [key, plainValueOf(value)]))
    case 'array':
      return node.items.map(plainValueOf)
    case 'string':
      return node.text
    default:
      return JSON.parse(node.text)
  }
}
