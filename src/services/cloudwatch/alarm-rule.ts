import type { StateValue } from './alarm.ts'
import { invalid } from './operation.ts'

// The rule of a composite alarm ("PutCompositeAlarm", API reference): ALARM(…), OK(…), INSUFFICIENT_DATA(…), TRUE, FALSE
// under AND, OR, NOT and parentheses. Pure.

export type Rule =
  | { readonly is: StateValue; readonly alarm: string }
  | { readonly constant: boolean }
  | { readonly not: Rule }
  | { readonly and: readonly [Rule, Rule] }
  | { readonly or: readonly [Rule, Rule] }

const mostChildren = 100
const mostElements = 500
const mostDepth = 100

type Token = { readonly text: string; readonly quoted?: string; readonly at: number }

const wrong = (at: number, what: string) => invalid(`AlarmRule is invalid: ${what} at position ${at}.`)

/** Words, parentheses and quoted names; a name without quotes reaches to its closing parenthesis. */
const tokensOf = (text: string): Token[] => {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    const char = text.charAt(at)
    if (/\s/.test(char)) {
      at++
      continue
    }
    if (char === '(' || char === ')') {
      tokens.push({ text: char, at })
      at++
      const before = tokens.at(-2)?.text.toUpperCase()
      if (char === '(' && before !== undefined && isState(before)) {
        const name = nameAt(text, at)
        tokens.push({ text: '', quoted: name.name, at })
        at = name.end
      }
      continue
    }
    const word = /^[A-Za-z_]+/.exec(text.slice(at, at + 40))?.[0]
    if (!word) throw wrong(at, `'${char}' was not expected`)
    tokens.push({ text: word, at })
    at += word.length
  }
  return tokens
}

const nameAt = (text: string, from: number): { name: string; end: number } => {
  let at = from
  while (/\s/.test(text.charAt(at))) at++
  if (text.charAt(at) === '"') {
    let name = ''
    for (at++; at < text.length && text.charAt(at) !== '"'; at++) {
      if (text.charAt(at) === '\\') at++
      name += text.charAt(at)
    }
    if (at >= text.length) throw wrong(from, 'a quotation mark is not closed')
    return { name, end: at + 1 }
  }
  const end = text.indexOf(')', at)
  if (end < 0) throw wrong(from, 'a parenthesis is not closed')
  const name = text.slice(at, end).trim()
  if (name === '') throw wrong(at, 'a name is missing')
  return { name, end }
}

const isState = (word: string): word is StateValue => word === 'ALARM' || word === 'OK' || word === 'INSUFFICIENT_DATA'

/** Reads a rule. Throws ValidationError with the place of the first mistake. */
export const parseRule = (text: string): Rule => {
  const tokens = tokensOf(text)
  let next = 0
  let depth = 0
  const peek = () => tokens[next]?.text.toUpperCase() ?? ''
  const position = () => tokens[next]?.at ?? text.length
  const expect = (what: string): void => {
    if (peek() !== what || tokens[next]?.quoted !== undefined) throw wrong(position(), `'${what}' was expected`)
    next++
  }
  const either = (): Rule => {
    let rule = both()
    while (peek() === 'OR') {
      next++
      rule = { or: [rule, both()] }
    }
    return rule
  }
  const both = (): Rule => {
    let rule = negated()
    while (peek() === 'AND') {
      next++
      rule = { and: [rule, negated()] }
    }
    return rule
  }
  const negated = (): Rule => {
    if (peek() !== 'NOT') return operand()
    next++
    return nested(() => ({ not: negated() }))
  }
  const nested = (read: () => Rule): Rule => {
    if (++depth > mostDepth) throw invalid('AlarmRule is nested too deeply.')
    const rule = read()
    depth--
    return rule
  }
  const operand = (): Rule => {
    const word = peek()
    if (word === 'TRUE' || word === 'FALSE') {
      next++
      return { constant: word === 'TRUE' }
    }
    if (word === '(') {
      next++
      const rule = nested(either)
      expect(')')
      return rule
    }
    if (!isState(word)) throw wrong(position(), 'a function, TRUE or FALSE was expected')
    next++
    expect('(')
    const name = tokens[next]?.quoted
    if (name === undefined) throw wrong(position(), 'the name of an alarm was expected')
    next++
    expect(')')
    return { is: word, alarm: name }
  }
  const rule = either()
  if (next < tokens.length) throw wrong(position(), 'AND, OR or the end was expected')
  const alarms = alarmsOf(rule)
  if (alarms.length > mostChildren) throw invalid(`AlarmRule must not have more than ${mostChildren} alarms.`)
  const elements = tokens.filter(({ text: word }) => /^(ALARM|OK|INSUFFICIENT_DATA|TRUE|FALSE|\(|\))$/i.test(word))
  // Parentheses around a function's name belong to the function.
  if (elements.length - 2 * elements.filter(({ text: word }) => isState(word.toUpperCase())).length > mostElements)
    throw invalid(`AlarmRule must not have more than ${mostElements} elements.`)
  return rule
}

/** Names or ARNs in a rule, each once. */
export const alarmsOf = (rule: Rule): string[] => {
  const found = new Set<string>()
  const walk = (part: Rule): void => {
    if ('is' in part) found.add(part.alarm)
    else if ('not' in part) walk(part.not)
    else if ('and' in part) part.and.forEach(walk)
    else if ('or' in part) part.or.forEach(walk)
  }
  walk(rule)
  return [...found]
}

/** Whether the rule holds, by the states of its alarms. */
export const holds = (rule: Rule, stateOf: (alarm: string) => StateValue | undefined): boolean => {
  if ('constant' in rule) return rule.constant
  if ('is' in rule) return stateOf(rule.alarm) === rule.is
  if ('not' in rule) return !holds(rule.not, stateOf)
  if ('and' in rule) return rule.and.every((part) => holds(part, stateOf))
  return rule.or.some((part) => holds(part, stateOf))
}
