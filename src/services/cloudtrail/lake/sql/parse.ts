import { parse as parseSql, type Statement } from 'pgsql-ast-parser'
import { readable, StatementError } from './text.ts'

const readOnly = new Set(['select', 'union', 'union all', 'with'])

/** Levels of a statement's tree: what reads it goes down level by level. */
const MOST_LEVELS = 1_000

/** Throws StatementError for a tree that is deeper than what reads it can go. */
const checkDepth = (root: unknown): void => {
  let level: unknown[] = [root]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MOST_LEVELS) throw new StatementError('The statement is nested too deeply.')
    level = level.flatMap((node) => (typeof node === 'object' && node !== null ? Object.values(node) : []))
  }
}

/** A Lake statement, parameters in their places. Throws StatementError with what is wrong with it. */
export const parseStatement = (statement: string, parameters: readonly string[] = []): Statement => {
  const text = readable(statement, parameters)
  let parsed: readonly Statement[]
  try {
    parsed = parseSql(text)
  } catch (error) {
    if (error instanceof RangeError) throw new StatementError('The statement is nested too deeply.')
    const [first = ''] = String((error as Error).message).split('\n')
    throw new StatementError(`The query could not be parsed: ${first.slice(0, 200)}`)
  }
  const [only, ...more] = parsed
  if (!only || more.length > 0) throw new StatementError('A query has one statement.')
  if (!readOnly.has(only.type)) throw new StatementError('Only SELECT statements are supported.')
  checkDepth(only)
  return only
}
