import { failure } from './failure.ts'
import { argumentsUpTo, expressionOf } from './parser.ts'
import type { Reader } from './reader.ts'
import type { Aggregate, CastType, Expression } from './syntax.ts'
import { dateParts, extractParts } from './timestamp.ts'

// Calls, each with a grammar of its own ("SQL functions", SQL reference for Amazon S3 Select). A pure engine.

const aggregates = ['avg', 'count', 'max', 'min', 'sum']
const special = ['cast', 'extract', 'substring', 'trim', 'date_add', 'date_diff', ...aggregates]
/** Functions and how many arguments they take. */
const functions: Readonly<Record<string, readonly [least: number, most: number]>> = {
  char_length: [1, 1],
  character_length: [1, 1],
  coalesce: [1, Number.POSITIVE_INFINITY],
  lower: [1, 1],
  nullif: [2, 2],
  to_string: [2, 2],
  to_timestamp: [1, 2],
  upper: [1, 1],
  utcnow: [0, 0],
}

/** Whether a call is next: a function's name, or any name before a parenthesis. */
export const startsCall = (read: Reader): boolean => {
  const word = read.wordAhead()
  if (word === undefined) return false
  return read.symbolBehind('(') ? read.at('name') || isCallable(word) : read.at('keyword') && isCallable(word)
}
const isCallable = (word: string): boolean => special.includes(word) || functions[word] !== undefined

/** The call that is next. Throws UnsupportedFunction, EvaluatorInvalidArguments, and the errors of calls. */
export const callOf = (read: Reader): Expression => {
  const name = read.wordAhead() ?? ''
  read.skip()
  read.call()
  if (!isCallable(name)) throw failure('UnsupportedFunction')
  if (!read.symbol('('))
    throw failure(name === 'cast' ? 'ParseExpectedLeftParenAfterCast' : 'ParseExpectedLeftParenBuiltinFunctionCall')
  switch (name) {
    case 'cast':
      return castOf(read)
    case 'extract':
      return extractOf(read)
    case 'substring':
      return substringOf(read)
    case 'trim':
      return trimOf(read)
    case 'date_add':
    case 'date_diff':
      return dateCallOf(read, name)
    default:
      return aggregates.includes(name) ? aggregateOf(read, name as Aggregate) : plainCallOf(read, name)
  }
}

const closing = 'ParseExpectedRightParenBuiltinFunctionCall'

const plainCallOf = (read: Reader, name: string): Expression => {
  const args = argumentsUpTo(read, ')')
  const [least, most] = functions[name] ?? [0, 0]
  if (args.length < least || args.length > most) throw failure('EvaluatorInvalidArguments')
  return { kind: 'call', name: name === 'character_length' ? 'char_length' : name, args }
}

const aggregateOf = (read: Reader, name: Aggregate): Expression => {
  if (read.at('keyword', 'distinct') || read.at('keyword', 'all')) throw failure('ParseUnsupportedSyntax')
  if (read.symbol('*')) {
    if (name !== 'count') throw failure('ParseUnsupportedCallWithStar')
    read.expect(')', closing)
    return { kind: 'aggregate', name }
  }
  const [of, ...others] = argumentsUpTo(read, ')')
  if (!of || others.length > 0) throw failure('ParseNonUnaryAgregateFunctionCall')
  return { kind: 'aggregate', name, of }
}

const types: Readonly<Record<string, CastType>> = {
  bool: 'bool',
  boolean: 'bool',
  int: 'int',
  integer: 'int',
  float: 'float',
  double: 'float',
  real: 'float',
  string: 'string',
  varchar: 'string',
  char: 'string',
  decimal: 'decimal',
  dec: 'decimal',
  numeric: 'decimal',
  timestamp: 'timestamp',
}
/** Names of types that nothing can be cast to. */
const otherTypes =
  /^(date|time|symbol|clob|blob|list|struct|tuple|bag|sexp|null|missing|smallint|bit|interval|any|nchar|character)$/

const castOf = (read: Reader): Expression => {
  const of = expressionOf(read)
  if (read.at('symbol', ',')) throw failure('ParseCastArity')
  if (!read.keyword('as')) throw failure('ParseExpectedKeyword')
  const word = read.wordAhead() ?? ''
  const to = types[word]
  if (!to) throw failure(otherTypes.test(word) ? 'InvalidDataType' : 'ParseExpectedTypeName')
  read.skip()
  if (word === 'double') read.keyword('precision')
  if (read.symbol('(')) {
    // Precision and scale are read over, as S3 does.
    const most = to === 'decimal' ? 2 : to === 'string' || to === 'float' ? 1 : 0
    let count = 0
    do {
      count += 1
      if (typeof read.literal() !== 'bigint' || count > most) throw failure('ParseInvalidTypeParam')
    } while (read.symbol(','))
    read.expect(')', closing)
  }
  read.expect(')', closing)
  return { kind: 'cast', of, to }
}

const partOf = (read: Reader, parts: readonly string[]): string => {
  const part = read.wordAhead() ?? ''
  if (!parts.includes(part)) throw failure('ParseExpectedDatePart')
  read.skip()
  return part
}

const extractOf = (read: Reader): Expression => {
  const part = partOf(read, extractParts)
  if (!read.keyword('from')) throw failure('ParseExpectedKeyword')
  const of = expressionOf(read)
  read.expect(')', closing)
  return { kind: 'call', name: 'extract', args: [of], part }
}

const dateCallOf = (read: Reader, name: string): Expression => {
  const part = partOf(read, dateParts)
  if (!read.symbol(',')) throw failure('ParseExpectedArgumentDelimiter')
  const args = argumentsUpTo(read, ')')
  if (args.length !== 2) throw failure('EvaluatorInvalidArguments')
  return { kind: 'call', name, args, part }
}

const substringOf = (read: Reader): Expression => {
  const args = [expressionOf(read)]
  if (read.keyword('from')) {
    args.push(expressionOf(read))
    if (read.keyword('for')) args.push(expressionOf(read))
  } else while (read.symbol(',')) args.push(expressionOf(read))
  if (args.length === 1 || args.length > 3) throw failure('EvaluatorInvalidArguments')
  if (!read.symbol(')')) throw failure('ParseExpectedArgumentDelimiter')
  return { kind: 'call', name: 'substring', args }
}

const trimOf = (read: Reader): Expression => {
  const part = (['leading', 'trailing', 'both'] as const).find((word) => read.keyword(word))
  const args: Expression[] = []
  if (!read.at('keyword', 'from')) args.push(expressionOf(read))
  if (read.keyword('from')) args.unshift(expressionOf(read))
  else if (part) throw failure('ParseExpectedKeyword')
  read.expect(')', closing)
  if (args.length === 0) throw failure('EvaluatorInvalidArguments')
  return { kind: 'call', name: 'trim', args, part: part ?? 'both' }
}
