import { RE2JS } from 're2js'

// Patterns of triggers ("Working with glob patterns in syntax", CodePipeline user guide), by an engine that never backtracks.

/** The regular expression that a pattern stands for. */
const expressionOf = (pattern: string): string => {
  let expression = ''
  let braces = 0
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern[at] ?? ''
    const bracket = character === '[' ? pattern.indexOf(']', at + 2) : -1
    if (character === '*' && pattern[at + 1] === '*') {
      expression += '.*'
      while (pattern[at + 1] === '*') at += 1
    } else if (character === '*') expression += '[^/]*'
    else if (character === '?') expression += '[^/]'
    else if (character === '\\' && at + 1 < pattern.length) {
      at += 1
      expression += RE2JS.quote(pattern[at] ?? '')
    } else if (bracket > 0) {
      const inside = pattern
        .slice(at + 1, bracket)
        .replaceAll('\\', '\\\\')
        .replaceAll('[', '\\[')
      expression += `[${inside.replace(/^!/, '^')}]`
      at = bracket
    } else if (character === '{') {
      braces += 1
      expression += '(?:'
    } else if (character === '}' && braces > 0) {
      braces -= 1
      expression += ')'
    } else if (character === ',' && braces > 0) expression += '|'
    else expression += RE2JS.quote(character)
  }
  return expression
}

/**
 * Whether a branch, tag or path fits a pattern: `*` within a part between slashes, `**` across them, `?`, `[…]`, `{a,b}`. A
 * pattern that is none fits nothing.
 */
export const fitsGlob = (pattern: string, text: string): boolean => {
  try {
    return RE2JS.compile(expressionOf(pattern), RE2JS.DOTALL).matches(text)
  } catch {
    return false
  }
}
