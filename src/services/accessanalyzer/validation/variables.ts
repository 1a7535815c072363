import type { StringNode } from '../analysis/positioned-json.ts'
import type { Check } from './check.ts'
import { isText, itemsOf, partOf, type Spot } from './policy-view.ts'

// Policy variables: where they may stand, and their own grammar (IAM user guide, "IAM policy elements: Variables and tags").

type Found = { readonly start: number; readonly text: string; readonly closed: boolean }

const variablesIn = (text: string): Found[] => {
  const found: Found[] = []
  for (let at = text.indexOf('${'); at >= 0; at = text.indexOf('${', at + 2)) {
    const end = text.indexOf('}', at)
    const next = text.indexOf('${', at + 2)
    const closed = end >= 0 && (next < 0 || end < next)
    found.push({ start: at, closed, text: text.slice(at, closed ? end + 1 : next < 0 ? text.length : next) })
  }
  return found
}

const elsewhere: Check = ({ view, report }) => {
  const refuse = (spot: Spot<StringNode>) => {
    for (const { start, text } of variablesIn(spot.node.text))
      report(
        'VARIABLE_UNSUPPORTED_IN_ELEMENT',
        `Policy variables are supported in the Resource and Condition elements. Remove the policy variable ${text} from this element.`,
        partOf(spot, start, text.length),
      )
  }
  for (const { sid, actions, principals } of view.statements) {
    if (sid) refuse(sid)
    for (const action of actions) refuse(action)
    for (const { spot } of principals) refuse(spot)
  }
}

const grammar: Check = ({ view, report }) => {
  const check = (spot: Spot<StringNode>) => {
    for (const { start, text, closed } of variablesIn(spot.node.text)) {
      const place = partOf(spot, start, text.length)
      if (!closed) {
        report(
          'MISSING_BRACE_IN_VARIABLE',
          'The policy variable is missing a closing curly brace. Add } after the variable text.',
          place,
        )
        continue
      }
      const inside = text.slice(2, -1)
      if (inside === '*' || inside === '?' || inside === '$') continue
      if (inside.trim() === '') {
        report(
          'EMPTY_VARIABLE',
          'Empty policy variable. Remove the ${ } variable structure or provide a variable within the structure.',
          place,
        )
        continue
      }
      const comma = inside.indexOf(',')
      const name = comma < 0 ? inside : inside.slice(0, comma)
      // Tag keys may have spaces in them.
      if (/\s/.test(name) && !name.includes('/'))
        report(
          'UNSUPPORTED_SPACE_IN_VARIABLE',
          'A space is not supported within the policy variable text. Remove the space.',
          place,
        )
      if (comma >= 0 && !/^'.*'$/.test(inside.slice(comma + 1).trim()))
        report(
          'MISSING_QUOTE_IN_VARIABLE',
          'The policy variable default value must begin and end with a single quote. Add the missing quote.',
          place,
        )
      if (view.version !== '2012-10-17')
        report(
          'VARIABLE_UNSUPPORTED_IN_VERSION',
          'To include variables in your policy, use the policy version 2012-10-17 or later.',
          place,
        )
    }
  }
  for (const { resources, conditions } of view.statements) {
    for (const resource of resources) check(resource)
    for (const condition of conditions) {
      for (const value of condition.values) if (isText(value)) check(value)
      if (/^(string|arn)/i.test(condition.base)) continue
      for (const value of itemsOf(condition.value))
        if (isText(value) && variablesIn(value.node.text).length > 0)
          report(
            'INVALID_VARIABLE_FOR_OPERATOR',
            'Policy variables can only be used with String and ARN operators.',
            value,
          )
    }
  }
}

export const variableChecks: readonly Check[] = [elsewhere, grammar]
