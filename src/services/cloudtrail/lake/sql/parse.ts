import { parse as parseSql, type Statement } from 'pgsql-ast-parser'
import { readable, StatementError } from './text.ts'

const readOnly = new Set(['select', 'union', 'union all', 'with'])

/** A Lake statement, parameters in their places. Throws StatementError with what is wrong with it. */
export const parseStatement = (statement: string, parameters: readonly string[] = []): Statement => {
  const text = readable(statement, parameters)
  let parsed: readonly Statement[]
  try {
    parsed = parseSql(text)
  } catch (error) {
    const [first = ''] = String((error as Error).message).split('\n')
    throw new StatementError(`The query could not be parsed: ${first.slice(0, 200)}`)
  }
  const [only, ...more] = parsed
  if (!only || more.length > 0) throw new StatementError('A query has one statement.')
  if (!readOnly.has(only.type)) throw new StatementError('Only SELECT statements are supported.')
  return only
}
