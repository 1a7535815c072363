import { type CompiledConditions, compileConditions } from './condition.ts'
import { type ArnTemplate, type CutArn, compileResource, compileTemplate, matches, matchesArn } from './pattern.ts'
import type { PolicyDocument, RequestContext, Statement } from './policy.ts'
import { compileNotPrincipal, compilePrincipal, type PrincipalMatcher } from './principals.ts'

export type CompiledStatement = {
  readonly index: number
  readonly sid: string | undefined
  readonly deny: boolean
  readonly principal: PrincipalMatcher | undefined
  readonly action: (action: string) => boolean
  readonly resource: (resource: CutArn, context: RequestContext) => boolean
  readonly conditions: CompiledConditions
}

const compiled = new WeakMap<PolicyDocument, readonly CompiledStatement[]>()

/** The document's statements, compiled once per document object. */
export const compile = (document: PolicyDocument): readonly CompiledStatement[] => {
  const known = compiled.get(document)
  if (known) return known
  const variables = document.Version === '2012-10-17'
  const statements = toList(document.Statement).map((statement, index) =>
    compileStatement(statement, index, { variables }),
  )
  compiled.set(document, statements)
  return statements
}

/** How many actions a document remembers: more than one of its holders does over and over. */
const MOST_ACTIONS = 64

const speaking = new WeakMap<PolicyDocument, Map<string, readonly CompiledStatement[]>>()

/** The statements that speak of the action, given in lower case. */
export const compileFor = (document: PolicyDocument, action: string): readonly CompiledStatement[] => {
  const known = speaking.get(document) ?? new Map<string, readonly CompiledStatement[]>()
  const remembered = known.get(action)
  if (remembered) return remembered
  const found = compile(document).filter((statement) => statement.action(action))
  if (known.size >= MOST_ACTIONS) known.clear()
  known.set(action, found)
  speaking.set(document, known)
  return found
}

const toList = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as T]

const compileStatement = (statement: Statement, index: number, options: { variables: boolean }): CompiledStatement => ({
  index,
  sid: statement.Sid,
  deny: statement.Effect === 'Deny',
  principal:
    statement.Principal !== undefined
      ? compilePrincipal(statement.Principal)
      : statement.NotPrincipal !== undefined
        ? compileNotPrincipal(statement.NotPrincipal, { deny: statement.Effect === 'Deny' })
        : undefined,
  action: compileAction(statement),
  resource: compileResources(statement, options),
  conditions: compileConditions(statement.Condition, options),
})

/** Actions have no case. */
const compileAction = (statement: Statement): CompiledStatement['action'] => {
  const globs = toList(statement.Action ?? statement.NotAction).map(
    (action) => compileTemplate(action.toLowerCase(), { variables: false, wildcards: true }).glob!,
  )
  const wanted = statement.Action !== undefined
  return (action) => globs.some((glob) => matches(glob, action)) === wanted
}

/** Trust policies have no Resource: they speak of the role they are attached to. */
const compileResources = (statement: Statement, options: { variables: boolean }): CompiledStatement['resource'] => {
  if (statement.Resource === undefined && statement.NotResource === undefined) return () => true
  const patterns: readonly ArnTemplate[] = toList(statement.Resource ?? statement.NotResource).map((pattern) =>
    compileResource(pattern, options),
  )
  if (statement.Resource !== undefined)
    return (resource, context) => patterns.some((pattern) => matchesArn(pattern, resource, context) === true)
  // A variable without a value leaves open what is excepted: nothing is, for a Deny; all may be, for an Allow.
  const unresolvedExcepts = statement.Effect === 'Allow'
  return (resource, context) => !patterns.some((pattern) => matchesArn(pattern, resource, context) ?? unresolvedExcepts)
}
