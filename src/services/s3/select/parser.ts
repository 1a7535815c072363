import { failure } from './failure.ts'
import { callOf, startsCall } from './parser-calls.ts'
import { type Reader, reader } from './reader.ts'
import type { Comparison, Expression, FromStep, Item, Name, Query, Step } from './syntax.ts'
import { tokensOf } from './token.ts'
import type { Operator } from './value.ts'

// The grammar ("SELECT command" and "Operators", SQL reference for Amazon S3 Select). A pure engine.

/** Bytes of an expression. */
const longestExpression = 256 * 1024
/** How deep parts may lie in each other, and how many of the same level may follow each other. */
const deepest = 200

/**
 * The query of an expression; `tables`: what FROM may call the object, in lower case. Throws the errors of the list that begin
 * with Lexer and Parse, ExpressionTooLong, MaxOperatorsExceeded.
 */
export const parseQuery = (expression: string, tables: readonly string[] = ['s3object']): Query => {
  if (Buffer.byteLength(expression) > longestExpression) throw failure('ExpressionTooLong')
  const read = reader(tokensOf(expression))
  if (!read.keyword('select')) throw failure('ParseUnsupportedSyntax')
  if (read.at('keyword', 'distinct') || read.at('keyword', 'all')) throw failure('ParseUnsupportedSelect')
  if (read.at('keyword', 'from') || read.at('end')) throw failure('ParseEmptySelect')
  const items = selectList(read)
  if (!read.keyword('from')) throw failure(items ? selectWithout(read) : 'ParseSelectMissingFrom')
  const { from, alias } = fromClause(read, tables)
  const where = read.keyword('where') ? expressionOf(read) : undefined
  if (read.at('keyword', 'group')) throw failure('ParseExpectedIdentForGroupName')
  if (read.at('keyword', 'order') || read.at('keyword', 'having')) throw failure('ParseUnsupportedSyntax')
  const limit = read.keyword('limit') ? limitOf(read) : undefined
  read.symbol(';')
  if (!read.at('end')) throw unexpected(read)
  return {
    items,
    from,
    alias,
    ...(where ? { where } : {}),
    ...(limit === undefined ? {} : { limit }),
    size: read.size(),
  }
}

const unexpected = (read: Reader) => failure(read.at('keyword') ? 'ParseUnExpectedKeyword' : 'ParseUnexpectedToken')

const selectWithout = (read: Reader) => (read.at('end') ? 'ParseSelectMissingFrom' : 'ParseUnexpectedToken')

const selectList = (read: Reader): Item[] | undefined => {
  if (read.symbol('*')) {
    if (read.at('symbol', ',')) throw failure('ParseAsteriskIsNotAloneInSelectList')
    return undefined
  }
  const items: Item[] = []
  do {
    if (read.at('symbol', '*')) throw failure('ParseAsteriskIsNotAloneInSelectList')
    items.push(itemOf(read, items.length + 1))
  } while (read.symbol(','))
  return items
}

const itemOf = (read: Reader, position: number): Item => {
  const expression = expressionOf(read)
  if (read.symbol('.*')) {
    if (expression.kind !== 'path') throw failure('ParseInvalidContextForWildcardInSelectList')
    if (expression.steps.some((step) => 'index' in step)) throw failure('ParseCannotMixSqbAndWildcardInSelectList')
    return { kind: 'all', of: expression }
  }
  const alias = read.keyword('as') ? aliasOf(read) : read.name()
  return { kind: 'expression', expression, name: alias?.name ?? nameOf(expression) ?? `_${position}` }
}

const aliasOf = (read: Reader): Name => {
  const name = read.name()
  if (!name) throw failure('ParseExpectedIdentForAlias')
  return name
}

/** What a column is called that is given no name: the last name of its path. */
const nameOf = (expression: Expression): string | undefined => {
  if (expression.kind !== 'path') return undefined
  const last = expression.steps.at(-1) ?? expression.root
  return 'name' in last ? last.name : undefined
}

const fromClause = (read: Reader, tables: readonly string[]): Pick<Query, 'from' | 'alias'> => {
  const table = read.name()
  if (!table) throw failure(read.at('keyword') ? 'ParseUnExpectedKeyword' : 'ParseExpectedExpression')
  if (!tables.includes(table.name.toLowerCase())) throw failure('EvaluatorBindingDoesNotExist')
  const steps: FromStep[] = []
  for (let step = fromStep(read); step; step = fromStep(read)) steps.push(step)
  const [first] = steps
  if (first && !('every' in first && first.every === 'element')) throw failure('InvalidKeyPath')
  const last = steps.at(-1)
  const implied: Name = last === undefined ? table : 'name' in last ? last : { name: '_1', quoted: false }
  const alias = read.keyword('as') ? aliasOf(read) : read.name()
  if (read.at('keyword', 'at')) throw failure('ParseUnsupportedSyntax')
  if (read.at('symbol', ',')) throw failure('MultipleDataSourcesUnsupported')
  if (['join', 'inner', 'left', 'right', 'full', 'cross', 'natural'].some((word) => read.at('keyword', word)))
    throw failure('ParseMalformedJoin')
  return { from: first ? steps.slice(1) : undefined, alias: alias ?? implied }
}

const fromStep = (read: Reader): FromStep | undefined => {
  if (read.symbol('.*')) return { every: 'member' }
  if (read.symbol('.')) return memberOf(read)
  if (!read.symbol('[')) return undefined
  const step: FromStep = read.symbol('*') ? { every: 'element' } : indexOf(read)
  read.expect(']', 'ParseInvalidPathComponent')
  return step
}

const memberOf = (read: Reader): Name => {
  const name = read.name()
  if (!name) throw failure('ParseInvalidPathComponent')
  return name
}

const indexOf = (read: Reader): Step => {
  const literal = read.literal()
  if (typeof literal === 'string') return { name: literal, quoted: true }
  if (typeof literal !== 'bigint' || literal > 2_147_483_647n) throw failure('ParseInvalidPathComponent')
  return { index: Number(literal) }
}

const limitOf = (read: Reader): number => {
  const negative = read.symbol('-')
  const literal = read.literal()
  if (typeof literal !== 'bigint') throw failure('ParseExpectedNumber')
  if (negative && literal > 0n) throw failure('EvaluatorNegativeLimit')
  return Number(literal)
}

const level = (read: Reader, keyword: 'and' | 'or', next: (read: Reader) => Expression): Expression => {
  const first = next(read)
  const all = [first]
  while (read.keyword(keyword)) all.push(next(read))
  return all.length === 1 ? first : { kind: keyword, of: all }
}

/** One expression. Its nesting is bounded. */
export const expressionOf = (read: Reader): Expression =>
  read.nested(deepest, () => level(read, 'or', (read) => level(read, 'and', negation)))

const negation = (read: Reader): Expression =>
  read.keyword('not') ? { kind: 'not', of: read.nested(deepest, () => negation(read)) } : comparison(read)

const comparisons: Readonly<Record<string, Comparison>> = {
  '=': '=',
  '<>': '<>',
  '!=': '<>',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
}

const comparison = (read: Reader): Expression => {
  let left = predicate(read)
  for (let count = 0; ; count += 1) {
    const operator = comparisons[read.symbolAhead() ?? '']
    if (!operator) return left
    if (count > deepest) throw failure('MaxOperatorsExceeded')
    read.skip()
    left = { kind: 'compare', operator, left, right: predicate(read) }
  }
}

const predicate = (read: Reader): Expression => {
  let left = additive(read)
  for (let count = 0; ; count += 1) {
    if (count > deepest) throw failure('MaxOperatorsExceeded')
    const negated = read.at('keyword', 'not') && read.next('in', 'between', 'like')
    if (negated) read.skip()
    const found = oneOfPredicates(read, left)
    if (!found) return left
    left = negated ? { kind: 'not', of: found } : found
  }
}

const oneOfPredicates = (read: Reader, of: Expression): Expression | undefined => {
  if (read.keyword('in')) return { kind: 'in', of, among: listOf(read) }
  if (read.keyword('between')) {
    const low = additive(read)
    if (!read.keyword('and')) throw failure('ParseExpectedKeyword')
    return { kind: 'between', of, low, high: additive(read) }
  }
  if (read.keyword('like')) {
    read.call()
    const pattern = additive(read)
    return read.keyword('escape')
      ? { kind: 'like', of, pattern, escape: additive(read) }
      : { kind: 'like', of, pattern }
  }
  if (!read.keyword('is')) return undefined
  const negated = read.keyword('not')
  for (const what of ['null', 'missing', 'true', 'false'] as const)
    if (read.keyword(what)) return negated ? { kind: 'not', of: { kind: 'is', of, what } } : { kind: 'is', of, what }
  throw failure('ParseUnsupportedSyntax')
}

const listOf = (read: Reader): Expression[] => {
  const closing = read.symbol('(') ? ')' : read.symbol('[') ? ']' : undefined
  if (!closing) throw failure('ParseExpectedLeftParenValueConstructor')
  return argumentsUpTo(read, closing)
}

/** Expressions up to the closing bracket. */
export const argumentsUpTo = (read: Reader, closing: ')' | ']'): Expression[] => {
  const all: Expression[] = []
  if (read.symbol(closing)) return all
  do all.push(expressionOf(read))
  while (read.symbol(','))
  if (!read.symbol(closing)) throw failure('ParseExpectedArgumentDelimiter')
  return all
}

const chained = (read: Reader, operators: readonly string[], next: (read: Reader) => Expression): Expression => {
  const first = next(read)
  const rest: { operator: Operator | '||'; by: Expression }[] = []
  for (let operator = read.symbolAhead(); operator && operators.includes(operator); operator = read.symbolAhead()) {
    read.skip()
    rest.push({ operator: operator as Operator | '||', by: next(read) })
  }
  return rest.length === 0 ? first : { kind: 'chain', first, rest }
}

const additive = (read: Reader): Expression =>
  chained(read, ['+', '-', '||'], (read) => chained(read, ['*', '/', '%'], signed))

const signed = (read: Reader): Expression => {
  if (read.symbol('-')) {
    const of = read.nested(deepest, () => signed(read))
    return { kind: 'negate', of }
  }
  if (read.symbol('+')) return { kind: 'positive', of: read.nested(deepest, () => signed(read)) }
  return withSteps(read, primary(read))
}

const withSteps = (read: Reader, of: Expression): Expression => {
  const steps: Step[] = []
  for (;;) {
    if (read.symbol('.')) steps.push(memberOf(read))
    else if (read.symbol('[')) {
      if (read.at('symbol', '*')) throw failure('ParseInvalidContextForWildcardInSelectList')
      steps.push(indexOf(read))
      read.expect(']', 'ParseInvalidPathComponent')
    } else break
  }
  if (steps.length === 0) return of
  return of.kind === 'path' ? { ...of, steps } : { kind: 'step', of, steps }
}

const primary = (read: Reader): Expression => {
  if (startsCall(read)) return callOf(read)
  const name = read.name()
  if (name) return { kind: 'path', root: name, steps: [] }
  if (read.at('literal')) return { kind: 'literal', value: read.literal() ?? null }
  if (read.keyword('null')) return { kind: 'literal', value: null }
  if (read.keyword('true')) return { kind: 'literal', value: true }
  if (read.keyword('false')) return { kind: 'literal', value: false }
  if (read.keyword('missing')) return { kind: 'missing' }
  if (read.keyword('case')) return caseOf(read)
  if (read.symbol('(')) {
    if (read.at('keyword', 'select')) throw failure('ParseUnsupportedSelect')
    const of = expressionOf(read)
    read.expect(')', 'ParseExpectedTokenType')
    return of
  }
  if (read.symbol('[')) return { kind: 'list', of: argumentsUpTo(read, ']') }
  if (read.at('keyword')) throw failure('ParseUnExpectedKeyword')
  throw failure(read.at('end') ? 'ParseExpectedExpression' : 'ParseUnexpectedToken')
}

const caseOf = (read: Reader): Expression => {
  const of = read.at('keyword', 'when') ? undefined : expressionOf(read)
  const when: { condition: Expression; result: Expression }[] = []
  while (read.keyword('when')) {
    const condition = expressionOf(read)
    if (!read.keyword('then')) throw failure('ParseExpectedKeyword')
    when.push({ condition, result: expressionOf(read) })
  }
  if (when.length === 0) throw failure('ParseExpectedWhenClause')
  const otherwise = read.keyword('else') ? expressionOf(read) : undefined
  if (!read.keyword('end')) throw failure('ParseExpectedKeyword')
  return { kind: 'case', ...(of ? { of } : {}), when, ...(otherwise ? { otherwise } : {}) }
}
