/** Line and column, from 1. */
type Position = { readonly Line: number; readonly Column: number }
export type Span = { readonly StartPosition: Position; readonly EndPosition: Position }

/**
 * Where the statements stand in a policy's text, as AWS tells it: from behind the token before (`[`, the statement
 * before, or, where there is no list, the statement's own brace) to behind the closing brace. A walk over valid JSON.
 */
export const statementSpans = (text: string): Span[] => {
  const spans: Span[] = []
  let depth = 0
  let line = 1
  let lineStart = 0
  let key = ''
  /** The depth at which statements lie, inside the top level's `Statement`. */
  let level: number | undefined
  let start: Position = { Line: 1, Column: 1 }
  const behind = (at: number): Position => ({ Line: line, Column: at - lineStart + 2 })
  for (let at = 0; at < text.length; at++) {
    const mark = text[at]
    if (mark === '\n') {
      line++
      lineStart = at + 1
    } else if (mark === '"') {
      const from = at
      for (at++; text[at] !== '"' && at < text.length; at++) if (text[at] === '\\') at++
      if (depth === 1) key = text.slice(from + 1, at)
    } else if (mark === '{' || mark === '[') {
      if (depth === 1 && key === 'Statement') {
        level = mark === '[' ? 2 : 1
        start = behind(at)
      }
      depth++
    } else if (mark === '}' || mark === ']') {
      depth--
      if (mark === '}' && depth === level) {
        spans.push({ StartPosition: start, EndPosition: behind(at) })
        start = behind(at)
      }
      if (depth === 1) level = undefined
    }
  }
  return spans
}
