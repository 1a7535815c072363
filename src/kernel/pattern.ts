import { RE2JS } from 're2js'

// Patterns of AWS's models are Java regular expressions meant to match the whole value. Values come from outside, so a
// pattern in which repetition stands inside repetition runs on an engine without backtracking.

/** Java's named classes that JavaScript does not have. */
const classes: Readonly<Record<string, string>> = {
  Alnum: 'a-zA-Z0-9',
  Alpha: 'a-zA-Z',
  ASCII: '\\x00-\\x7f',
  Blank: ' \\t',
  Cntrl: '\\x00-\\x1f\\x7f',
  Digit: '0-9',
  Graph: '\\x21-\\x7e',
  Lower: 'a-z',
  Print: '\\x20-\\x7e',
  Punct: '!-\\/:-@\\[-`{-~',
  Space: '\\s',
  Upper: 'A-Z',
  XDigit: '0-9a-fA-F',
  IsAlphabetic: '\\p{Alphabetic}',
  IsLetter: '\\p{L}',
  IsDigit: '\\p{Nd}',
  IsWhitespace: '\\s',
}

const syntax = /[\^$\\.*+?()[\]{}|/]/

/** Java's notation in JavaScript's with the `u` flag; undefined where there is none. */
const translate = (pattern: string): string | undefined => {
  let result = ''
  let inClass = false
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i]!
    const next = pattern[i + 1] ?? ''
    if (character === '\\') {
      i++
      if (next === 'p' || next === 'P') {
        const name = /^\{([^}]+)\}/.exec(pattern.slice(i + 1))
        const posix = name && Object.hasOwn(classes, name[1]!) ? classes[name[1]!] : undefined
        if (name && posix !== undefined) {
          if (next === 'P') return undefined
          result += inClass ? posix : `[${posix}]`
          i += name[0].length
        } else {
          result += `\\${next}{${name ? name[1] : pattern[i + 1]}}`
          i += name ? name[0].length : 1
        }
      } else if (next === 'A') result += '^'
      else if (next === 'z' || next === 'Z') result += '$'
      else if (next === 'h' && !inClass) result += '[ \\t\\u00a0]'
      else if (/[a-zA-Z0-9]/.test(next)) result += `\\${next}`
      else if (syntax.test(next) || (inClass && next === '-')) result += `\\${next}`
      else result += next
    } else if (inClass) {
      if (character === '&' && next === '&') return undefined
      if (character === '[') result += '\\['
      else {
        if (character === ']') inClass = false
        // A hyphen beside a class escape is itself; with the `u` flag it must say so.
        result +=
          character === '-' && (/\\[wdsWDS]$/.test(result) || /^\\[wdsWDSp]/.test(pattern.slice(i + 1)))
            ? '\\-'
            : character
      }
    } else if (character === '[') {
      inClass = true
      result += next === ']' ? '[\\]' : next === '^' && pattern[i + 2] === ']' ? '[^\\]' : '['
      if (next === ']') i++
      else if (next === '^' && pattern[i + 2] === ']') i += 2
    } else if (character === '{' && !/^\{\d+(?:,\d*)?\}/.test(pattern.slice(i))) result += '\\{'
    else if (character === '}' && !/\{\d+(?:,\d*)?$/.test(result)) result += '\\}'
    else if (character === ']') result += '\\]'
    // Possessive repetition only forbids to go back.
    else if (character === '+' && /[*+?}]$/.test(result) && !/\\[*+?}]$/.test(result)) continue
    else result += character
  }
  return result
}

/** Whether something that repeats without a small bound stands inside another such: the shape of exponential patterns. */
const nestedRepeats = (pattern: string): boolean => {
  const unbounded = (at: number): boolean => {
    if (/[*+]/.test(pattern[at] ?? '')) return true
    const counted = /^\{\d+,(\d*)\}/.exec(pattern.slice(at))
    return counted !== null && (counted[1] === '' || Number(counted[1]) > 16)
  }
  const groups: boolean[] = [false]
  let inClass = false
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i]
    if (character === '\\') i++
    else if (inClass) inClass = character !== ']'
    else if (character === '[') inClass = true
    else if (character === '(') groups.push(false)
    else if (character === ')') {
      const repeats = groups.pop() ?? false
      if (repeats && unbounded(i + 1)) return true
      if (repeats || unbounded(i + 1)) groups[groups.length - 1] = true
      continue
    }
    if (!inClass && character !== '(' && unbounded(i + 1)) groups[groups.length - 1] = true
  }
  return false
}

export type Pattern = (value: string) => boolean

/** A model's pattern as a test of the whole value; undefined for a pattern that cannot be carried over. */
export const compilePattern = (pattern: string): Pattern | undefined => {
  const flags = /^\(\?([is]+)\)/.exec(pattern)
  const source = translate(flags ? pattern.slice(flags[0].length) : pattern)
  if (source === undefined) return undefined
  try {
    // Without backtracking there is no looking ahead: those few patterns stay with the built-in engine.
    if (nestedRepeats(source) && !/\(\?[=!<]/.test(source)) {
      const options =
        (flags?.[1]?.includes('i') ? RE2JS.CASE_INSENSITIVE : 0) | (flags?.[1]?.includes('s') ? RE2JS.DOTALL : 0)
      const portable = source.replaceAll('\\/', '/').replace(/\\u([0-9a-fA-F]{4})/g, '\\x{$1}')
      const compiled = RE2JS.compile(`^(?:${portable})$`, options)
      return (value) => compiled.matcher(value).find()
    }
    const compiled = new RegExp(`^(?:${source})$`, `u${flags?.[1] ?? ''}`)
    return (value) => compiled.test(value)
  } catch {
    return undefined
  }
}
