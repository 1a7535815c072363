// A Lake statement as the parser can read it. Lake's SQL names event data stores by unquoted UUIDs and fields by paths
// of any depth, and keeps the case of names; the parser knows none of that, so those tokens are quoted. What stands in
// text literals, quoted names and comments stays as it is.

/** A statement that is wrong or not supported: the sentence says what. */
export class StatementError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'StatementError'
  }
}

const MOST_DEPTH = 40
/** Words and signs of a statement: the parser's time grows with them. */
const MOST_TOKENS = 4_000

const token =
  /('(?:[^']|'')*')|("(?:[^"]|"")*")|(--[^\n]*|\/\*[\s\S]*?\*\/)|([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})|([A-Za-z_][A-Za-z0-9_$]*(?:\s*\.\s*(?:[A-Za-z_][A-Za-z0-9_$]*|"(?:[^"]|"")*"))*)|(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(\s+)|([\s\S])/gy

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
const literal = (text: string) => `'${text.replaceAll("'", "''")}'`

/**
 * The statement with UUIDs, paths and aliases quoted, and parameters in the place of `?`. Throws StatementError where
 * the parameters do not fit or something is nested beyond reason.
 */
export const readable = (statement: string, parameters: readonly string[] = []): string => {
  const waiting = [...parameters]
  let out = ''
  let depth = 0
  let tokens = 0
  let last = ''
  token.lastIndex = 0
  for (const match of statement.matchAll(token)) {
    const [all, , , comment, uuid, path, , space, other] = match
    if (comment !== undefined) {
      out += ' '
      continue
    }
    if (space !== undefined) {
      out += all
      continue
    }
    tokens += 1
    if (tokens > MOST_TOKENS) throw new StatementError('The statement is too long.')
    if (other === '(' || other === '[') depth += 1
    if (other === ')' || other === ']') depth -= 1
    if (depth > MOST_DEPTH) throw new StatementError('The statement is nested too deeply.')
    if (other === '.' && last === ']') {
      // The field of an element, `resources[1].arn`: the parser knows `resources[1]['arn']`.
      last = '].'
      continue
    }
    if (path !== undefined && last === '].') {
      for (const field of path.split('.')) out += `[${literal(field.trim())}]`
      last = ']'
      continue
    }
    if (other === '?') {
      const value = waiting.shift()
      if (value === undefined) throw new StatementError('There are more placeholders than query parameters.')
      out += literal(value)
    } else if (uuid !== undefined) out += quote(uuid.toLowerCase())
    else if (path !== undefined) out += wordOf(path, last, statement.slice(match.index + all.length))
    else if (other === ';' && statement.slice(match.index + 1).trim() !== '')
      throw new StatementError('A query has one statement.')
    else if (other !== ';') out += all
    last = path?.toLowerCase() ?? other ?? ''
  }
  if (waiting.length > 0) throw new StatementError('There are fewer placeholders than query parameters.')
  return out
}

const wordOf = (path: string, before: string, rest: string): string => {
  if (/^try_cast$/i.test(path)) return 'cast'
  const parts = path.split('.').map((part) => part.trim().replace(/^"(.*)"$/s, '$1'))
  if (before === 'as' && !/^\s*\(/.test(rest) && !types.test(path) && parts.length === 1) return quote(path)
  if (parts.length > 1 && !/^\s*\(/.test(rest)) return quote(parts.join('.'))
  return path
}

/** What stands behind AS in a cast. */
const types =
  /^(varchar|char|bigint|integer|int|smallint|tinyint|double|real|decimal|boolean|timestamp|date|json|text|varbinary|map|array|select)$/i
