// References to variables in an action's configuration ("Working with variables", CodePipeline user guide).

/** `#{namespace.key}`. */
export type Reference = { readonly text: string; readonly namespace: string; readonly key: string }

const pattern = /#\{([^{}]*)\}/g

const parse = (text: string): Reference => {
  const dot = text.indexOf('.')
  return { text, namespace: dot < 0 ? '' : text.slice(0, dot), key: text.slice(dot + 1) }
}

/** Every reference in a text, in order. One without a period has an empty namespace. */
export const referencesIn = (text: string): Reference[] =>
  [...text.matchAll(pattern)].map((match) => parse(match[1] ?? ''))

export type Variables = Readonly<Record<string, Readonly<Record<string, string>>>>

/** A reference stands for nothing. */
export class UnresolvedVariableError extends Error {
  readonly reference: string
  constructor(reference: string) {
    super(`The variable ${reference} is not known.`)
    this.name = 'UnresolvedVariableError'
    this.reference = reference
  }
}

/** The text with what its references stand for; what they stand for is not looked at again. Throws UnresolvedVariableError. */
export const resolve = (text: string, variables: Variables): string =>
  text.replace(pattern, (_whole, inside: string) => {
    const { namespace, key } = parse(inside)
    const values = Object.hasOwn(variables, namespace) ? variables[namespace] : undefined
    const value = values && Object.hasOwn(values, key) ? values[key] : undefined
    if (value === undefined) throw new UnresolvedVariableError(inside)
    return value
  })
