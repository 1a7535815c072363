import { RE2JS } from 're2js'
import { ActionFailure, type TaskKind } from '../actions/action.ts'

const operators: Readonly<Record<string, (variable: string, value: string) => boolean>> = {
  EQ: (variable, value) => variable === value,
  NE: (variable, value) => variable !== value,
  CONTAINS: (variable, value) => variable.includes(value),
  MATCHES: (variable, value) => patternOf(value).matches(variable),
}

/** Java's syntax, without what would take exponential time. */
const patternOf = (text: string): RE2JS => {
  try {
    return RE2JS.compile(text)
  } catch {
    throw new ActionFailure('ConfigurationError', `The value ${text} is not a regular expression.`)
  }
}

/** "VariableCheck", rule reference of the CodePipeline user guide. */
export const variableCheck: TaskKind = {
  provider: 'VariableCheck',
  properties: [
    { name: 'Variable', required: true, description: 'The variable to check.' },
    { name: 'Value', required: true, description: 'The value to check against.' },
    { name: 'Operator', required: true, description: 'EQ, NE, CONTAINS or MATCHES (a regular expression).' },
  ],
  inputs: [0, 0],
  outputs: [0, 0],
  timeoutMinutes: 60,
  check: ({ configuration = {} }) => {
    const { Operator = '', Value = '' } = configuration
    if (!Object.hasOwn(operators, Operator)) return `Operator ${Operator} is not one of EQ, NE, CONTAINS, MATCHES`
    if (Operator !== 'MATCHES' || Value.includes('#{')) return undefined
    try {
      patternOf(Value)
    } catch {
      return `Value ${Value} is not a regular expression`
    }
    return undefined
  },
  start: async ({ configuration }) => {
    const { Variable = '', Value = '', Operator = '' } = configuration
    if (operators[Operator]?.(Variable, Value)) return { state: 'succeeded' }
    const message = `The variable's value ${Variable} does not pass the check ${Operator} ${Value}.`
    return { state: 'failed', code: 'JobFailed', message }
  },
}
