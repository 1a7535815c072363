import { invalid } from './operation.ts'

// Metric math's grammar ("Using math expressions with CloudWatch metrics", CloudWatch user guide). Pure.

export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  /** The id of a query, or a word that a function takes (`REPEAT`). */
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'negative'; readonly of: Expression }
  | { readonly kind: 'operation'; readonly operator: Operator; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] }

/** By how closely they bind, the loosest first. */
const levels = [
  ['||', 'OR'],
  ['&&', 'AND'],
  ['==', '!=', '<=', '>=', '<', '>'],
  ['+', '-'],
  ['*', '/'],
] as const
export type Operator = '||' | '&&' | '==' | '!=' | '<=' | '>=' | '<' | '>' | '+' | '-' | '*' | '/' | '^'

const token =
  /\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([A-Za-z_]\w*)|(\|\||&&|==|!=|<=|>=|[-+*/^<>(),[\]]))/y
const mostDepth = 50

type Token = { readonly kind: 'number' | 'text' | 'word' | 'sign'; readonly text: string }

const tokensOf = (text: string, wrong: (what: string) => Error): Token[] => {
  const tokens: Token[] = []
  const pattern = new RegExp(token)
  while (pattern.lastIndex < text.trimEnd().length) {
    const at = pattern.lastIndex
    const [, number, quoted, word, sign] = pattern.exec(text) ?? []
    if (number !== undefined) tokens.push({ kind: 'number', text: number })
    else if (quoted !== undefined) tokens.push({ kind: 'text', text: quoted.slice(1, -1).replace(/\\(.)/g, '$1') })
    else if (word !== undefined) tokens.push({ kind: 'word', text: word })
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign })
    else throw wrong(`'${text.slice(at, at + 10).trim()}' was not expected`)
  }
  return tokens
}

/** Reads the expression of the query `id`. Throws ValidationError. */
export const parseExpression = (id: string, text: string): Expression => {
  const wrong = (what: string) => invalid(`Error in expression '${id}': ${what}.`)
  const tokens = tokensOf(text, wrong)
  let next = 0
  let depth = 0
  const at = (...texts: readonly string[]): string | undefined => {
    const found = tokens[next]
    return found && found.kind !== 'text' && texts.includes(found.text) ? found.text : undefined
  }
  const expect = (sign: string): void => {
    if (!at(sign)) throw wrong(`'${sign}' was expected`)
    next++
  }
  const nested = <T>(read: () => T): T => {
    if (++depth > mostDepth) throw wrong('it is nested too deeply')
    const result = read()
    depth--
    return result
  }
  const binary = (level: number): Expression => {
    const operators = levels[level]
    if (!operators) return negative()
    let left = binary(level + 1)
    for (let sign = at(...operators); sign; sign = at(...operators)) {
      next++
      const operator = (sign === 'AND' ? '&&' : sign === 'OR' ? '||' : sign) as Operator
      left = { kind: 'operation', operator, left, right: binary(level + 1) }
    }
    return left
  }
  const negative = (): Expression => {
    if (!at('-')) return power()
    next++
    return { kind: 'negative', of: nested(negative) }
  }
  const power = (): Expression => {
    const left = operand()
    if (!at('^')) return left
    next++
    return { kind: 'operation', operator: '^', left, right: nested(negative) }
  }
  const list = (end: string): Expression[] => {
    const items: Expression[] = []
    if (!at(end))
      for (;;) {
        items.push(nested(() => binary(0)))
        if (!at(',')) break
        next++
      }
    expect(end)
    return items
  }
  const operand = (): Expression => {
    const found = tokens[next++]
    if (!found) throw wrong('it ends too early')
    if (found.kind === 'number') return { kind: 'number', value: Number(found.text) }
    if (found.kind === 'text') return { kind: 'text', value: found.text }
    if (found.text === '(') {
      const inner = nested(() => binary(0))
      expect(')')
      return inner
    }
    if (found.text === '[') return { kind: 'list', items: list(']') }
    if (found.kind !== 'word') throw wrong(`'${found.text}' was not expected`)
    if (!at('(')) return { kind: 'name', name: found.text }
    next++
    return { kind: 'call', name: found.text, args: list(')') }
  }
  const expression = binary(0)
  if (next < tokens.length) throw wrong(`'${tokens[next]?.text}' was not expected`)
  return expression
}

/** Ids of queries that an expression is about; whether it is about all metrics there are. */
export const namesIn = (expression: Expression): { readonly names: ReadonlySet<string>; readonly metrics: boolean } => {
  const names = new Set<string>()
  let metrics = false
  const walk = (part: Expression): void => {
    if (part.kind === 'name' && /^[a-z]/.test(part.name)) names.add(part.name)
    else if (part.kind === 'list') part.items.forEach(walk)
    else if (part.kind === 'negative') walk(part.of)
    else if (part.kind === 'operation') [part.left, part.right].forEach(walk)
    else if (part.kind === 'call') {
      metrics ||= part.name === 'METRICS'
      part.args.forEach(walk)
    }
  }
  walk(expression)
  return { names, metrics }
}
