/** Line and column, from 1. */
type Position = { readonly Line: number; readonly Column: number }
export type Span = { readonly StartPosition: Position; readonly EndPosition: Position }

/**
 * Where the statements stand in a policy's text: a walk over valid JSON that notes the objects of the top level's
 * `Statement`, in order.
 */
export const statementSpans = (text: string): Span[] => {
  const spans: Span[] = []
  const starts: (Position | undefined)[] = []
  let line = 1
  let lineStart = 0
  let key = ''
  let inStatement = false
  const here = (at: number, past = 0): Position => ({ Line: line, Column: at - lineStart + 1 + past })
  for (let at = 0; at < text.length; at++) {
    const mark = text[at]
    if (mark === '\n') {
      line++
      lineStart = at + 1
    } else if (mark === '"') {
      const from = at
      for (at++; text[at] !== '"' && at < text.length; at++) if (text[at] === '\\') at++
      if (starts.length === 1) key = text.slice(from + 1, at)
    } else if (mark === '{' || mark === '[') {
      if (starts.length === 1) inStatement = key === 'Statement'
      const depth = starts.length
      const isStatement = mark === '{' && inStatement && (depth === 1 || (depth === 2 && starts[1] === undefined))
      starts.push(isStatement ? here(at) : undefined)
    } else if (mark === '}' || mark === ']') {
      const start = starts.pop()
      if (start) spans.push({ StartPosition: start, EndPosition: here(at, 1) })
    }
  }
  return spans
}
