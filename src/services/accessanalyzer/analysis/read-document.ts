import type { PolicyDocument, Statement } from '../../../policy/policy.ts'

/** Text that is no policy to reason about; the message says why. */
export class UnreadablePolicy extends Error {
  override readonly name = 'UnreadablePolicy'
}

type Json = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const toList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value])

const strings = (value: unknown, what: string) => {
  if (!toList(value).every((one) => typeof one === 'string'))
    throw new UnreadablePolicy(`The ${what} element is not valid.`)
}

/** More statements than the largest policy of any service holds. */
const MOST_STATEMENTS = 2000

/**
 * Reads a policy in the way of AWS's reasoning: its shape must be right, and what a service would demand beyond that
 * (a resource in a bucket policy, say) need not be there. Throws UnreadablePolicy.
 */
export const readDocument = (text: string, kind: 'identity' | 'resource'): PolicyDocument => {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    throw new UnreadablePolicy('The policy document is not valid JSON.')
  }
  if (!isObject(document) || document.Statement === undefined)
    throw new UnreadablePolicy('The policy document must have a Statement element.')
  const statements = toList(document.Statement)
  if (statements.length > MOST_STATEMENTS) throw new UnreadablePolicy('The policy document has too many statements.')
  for (const statement of statements) {
    if (!isObject(statement)) throw new UnreadablePolicy('A statement must be an object.')
    checkStatement(statement, kind)
  }
  return { ...document, Statement: statements as readonly Statement[] }
}

const checkStatement = (statement: Json, kind: 'identity' | 'resource') => {
  const { Effect, Action, NotAction, Resource, NotResource, Principal, NotPrincipal, Condition, Sid } = statement
  if (Effect !== 'Allow' && Effect !== 'Deny') throw new UnreadablePolicy('The Effect element must be Allow or Deny.')
  if (Sid !== undefined && typeof Sid !== 'string') throw new UnreadablePolicy('The Sid element is not valid.')
  if ((Action === undefined) === (NotAction === undefined))
    throw new UnreadablePolicy('A statement must have either an Action or a NotAction element.')
  strings(Action ?? NotAction, 'Action')
  if (Resource !== undefined && NotResource !== undefined)
    throw new UnreadablePolicy('A statement must not have both a Resource and a NotResource element.')
  if (Resource === undefined && NotResource === undefined && kind === 'identity')
    throw new UnreadablePolicy('A statement of an identity policy must have a Resource or NotResource element.')
  if (Resource !== undefined || NotResource !== undefined) strings(Resource ?? NotResource, 'Resource')
  const principal = Principal ?? NotPrincipal
  if (kind === 'resource') {
    if (principal === undefined || (Principal !== undefined && NotPrincipal !== undefined))
      throw new UnreadablePolicy('A statement of a resource policy must have a Principal or a NotPrincipal element.')
    if (principal !== '*' && !isObject(principal)) throw new UnreadablePolicy('The Principal element is not valid.')
    if (isObject(principal)) for (const value of Object.values(principal)) strings(value, 'Principal')
  } else if (principal !== undefined)
    throw new UnreadablePolicy('A statement of an identity policy must not have a Principal element.')
  if (Condition === undefined) return
  if (!isObject(Condition) || !Object.values(Condition).every(isObject))
    throw new UnreadablePolicy('The Condition element is not valid.')
  for (const keys of Object.values(Condition) as Json[])
    for (const values of Object.values(keys))
      if (!toList(values).every((one) => ['string', 'number', 'boolean'].includes(typeof one)))
        throw new UnreadablePolicy('The Condition element is not valid.')
}
