import { parseDecimal } from './decimal.ts'
import { type Binding, isSame, memberOf } from './evaluate.ts'
import { failure } from './failure.ts'
import { longestRecord } from './lines.ts'
import type { FromStep } from './syntax.ts'
import { missing, type Scalar, type Value } from './value.ts'

// JSON, read as it comes: only what a path of FROM leads to is ever held, so a document may be of any size. A pure engine.

/** How deep values may lie in each other. */
const deepest = 500
/** Digits of a number. */
const longestNumber = 4096

/** A step of the path that children of a value are held against, or what is done with all of them. */
type Way = number | 'build' | 'skip'
type Frame = {
  readonly kind: 'object' | 'array'
  readonly way: Way
  /** What may come next. */
  awaits: 'key' | 'first' | 'colon' | 'value' | 'comma'
  key: string
  index: number
  /** The names that fitted the path's step; an element counts as one. */
  matched: string | undefined
  readonly fields: [string, Value][]
  readonly list: Value[]
}

const blanks = /[ \t\n\r]+/y
const numbers = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const words = /[a-z]+/y

const parsing = () => failure('JSONParsingError')

const numberOf = (text: string): Scalar => {
  if (text.length > longestNumber) throw failure('NumberFormatError')
  if (/^-?\d+$/.test(text)) {
    const number = BigInt(text)
    if (BigInt.asIntN(64, number) === number) return number
  }
  return parseDecimal(text) ?? null
}

const constants: Readonly<Record<string, Scalar>> = { true: true, false: false, null: null }

/** The string whose opening quote is at `at`, and where it ends; undefined when its end has not come. */
const stringAt = (text: string, at: number): { value: string; end: number } | undefined => {
  let end = at + 1
  for (;;) {
    end = text.indexOf('"', end)
    if (end < 0) return undefined
    let slashes = 0
    while (text.charAt(end - 1 - slashes) === '\\') slashes += 1
    if (slashes % 2 === 0) break
    end += 1
  }
  const raw = text.slice(at + 1, end)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is not allowed
  if (!/[\\\x00-\x1f]/.test(raw)) return { value: raw, end: end + 1 }
  try {
    return { value: JSON.parse(`"${raw}"`) as string, end: end + 1 }
  } catch {
    throw parsing()
  }
}

/**
 * Reads values one after the other and gives what the steps of a path lead to in each; `missing` where they lead nowhere.
 * Throws JSONParsingError, OverMaxRecordSize, AmbiguousFieldName, NumberFormatError.
 */
export const jsonReader = (steps: readonly FromStep[]) => {
  let held = ''
  let found: Value[] = []
  const stack: Frame[] = []
  /** How many characters of the value that is being built have been read. */
  let built = 0

  const onwards = (step: number): Way => (step === steps.length ? 'build' : step)

  const matches = (frame: Frame, step: FromStep): boolean => {
    if ('every' in step) return true
    if ('index' in step) return frame.index === step.index
    return isSame(step, frame.key)
  }

  /** What is to be done with the value that begins. */
  const wayIn = (frame: Frame | undefined): Way => {
    if (!frame) return onwards(0)
    if (typeof frame.way !== 'number') return frame.way
    const step = steps[frame.way]
    if (!step || !matches(frame, step)) return 'skip'
    if ('name' in step && frame.matched !== undefined && frame.matched !== frame.key)
      throw failure('AmbiguousFieldName')
    frame.matched = frame.key
    return onwards(frame.way + 1)
  }

  const add = (value: Value): void => {
    const frame = stack.at(-1)
    if (frame?.way !== 'build') found.push(value)
    else if (frame.kind === 'object') frame.fields.push([frame.key, value])
    else frame.list.push(value)
  }

  const ended = (): void => {
    const frame = stack.at(-1)
    if (!frame) return
    frame.awaits = 'comma'
    frame.index += 1
  }

  const scalar = (value: Scalar): void => {
    const way = wayIn(stack.at(-1))
    if (way === 'build') add(value)
    else if (way !== 'skip') found.push(missing)
    ended()
  }

  const begin = (kind: Frame['kind']): void => {
    if (stack.length >= deepest) throw parsing()
    let way = wayIn(stack.at(-1))
    if (typeof way === 'number') {
      const step = steps[way]
      const intoObject = step && ('name' in step || ('every' in step && step.every === 'member'))
      if (intoObject !== (kind === 'object')) {
        found.push(missing)
        way = 'skip'
      }
    }
    if (way === 'build' && stack.at(-1)?.way !== 'build') built = 0
    stack.push({ kind, way, awaits: 'first', key: '', index: 0, matched: undefined, fields: [], list: [] })
  }

  const close = (kind: Frame['kind']): void => {
    const frame = stack.pop()
    if (frame?.kind !== kind || (frame.awaits !== 'comma' && frame.awaits !== 'first')) throw parsing()
    if (typeof frame.way === 'number' && frame.matched === undefined) found.push(missing)
    if (frame.way === 'build') add(kind === 'object' ? { kind: 'struct', fields: frame.fields } : frame.list)
    ended()
  }

  const valueMayBegin = (frame: Frame | undefined): boolean =>
    !frame || frame.awaits === 'value' || (frame.kind === 'array' && frame.awaits === 'first')

  /** Reads one token at `at`. Returns where it ends, or undefined when more is needed. */
  const token = (text: string, at: number, isEnd: boolean): number | undefined => {
    const frame = stack.at(-1)
    const character = text.charAt(at)
    switch (character) {
      case '"': {
        const string = stringAt(text, at)
        if (!string) return undefined
        if (frame?.kind === 'object' && (frame.awaits === 'first' || frame.awaits === 'key')) {
          frame.key = string.value
          frame.awaits = 'colon'
        } else if (valueMayBegin(frame)) scalar(string.value)
        else throw parsing()
        return string.end
      }
      case ':':
        if (frame?.awaits !== 'colon') throw parsing()
        frame.awaits = 'value'
        return at + 1
      case ',':
        if (frame?.awaits !== 'comma') throw parsing()
        frame.awaits = frame.kind === 'object' ? 'key' : 'value'
        return at + 1
      case '}':
      case ']':
        close(character === '}' ? 'object' : 'array')
        return at + 1
    }
    if (!valueMayBegin(frame)) throw parsing()
    if (character === '{' || character === '[') {
      begin(character === '{' ? 'object' : 'array')
      return at + 1
    }
    const isNumber = /[-\d]/.test(character)
    const pattern = isNumber ? numbers : words
    pattern.lastIndex = at
    const match = pattern.exec(text)?.[0] ?? ''
    const end = at + match.length
    // It may go on in what has not come yet.
    if (!isEnd && text.length - end < 3 && text.length - at <= longestNumber) return undefined
    if (match === '' || /[\w.+-]/.test(text.charAt(end))) throw parsing()
    const constant = constants[match]
    if (!isNumber && constant === undefined) throw parsing()
    scalar(isNumber ? numberOf(match) : (constant ?? null))
    return end
  }

  const read = function* (isEnd: boolean): Generator<Value> {
    let at = 0
    for (;;) {
      blanks.lastIndex = at
      if (blanks.test(held)) at = blanks.lastIndex
      if (at >= held.length) break
      const end = token(held, at, isEnd)
      if (end === undefined) break
      if (stack.at(-1)?.way === 'build') {
        built += end - at
        if (built > longestRecord) throw failure('OverMaxRecordSize')
      }
      at = end
      if (found.length > 0) yield* taken()
    }
    held = held.slice(at)
    if (held.length > longestRecord) throw failure('OverMaxRecordSize')
  }

  const taken = (): Value[] => {
    const values = found
    found = []
    return values
  }

  return {
    /** Values that end in this text. */
    push: (text: string): Generator<Value> => {
      held += text
      return read(false)
    },
    /** The last values. Throws JSONParsingError when something is not at its end. */
    finish: function* (): Generator<Value> {
      yield* read(true)
      if (held !== '' || stack.length > 0) throw parsing()
    },
  }
}

export const jsonBinding: Binding<Value> = { whole: () => (row) => row, field: (name) => (row) => memberOf(row, name) }
