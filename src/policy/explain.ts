import { type CompiledStatement, compile } from './compile.ts'
import { evaluate, isBounded, namingIn } from './evaluate.ts'
import { cutArn, valuesOf } from './pattern.ts'
import type {
  AccessRequest,
  AppliedPolicy,
  Explanation,
  Mismatch,
  PrincipalElement,
  Statement,
  StatementExplanation,
} from './policy.ts'

/** The decision, and of every statement that was looked at whether it applies, or all that speaks against it. */
export const explain = (request: AccessRequest): Explanation => ({
  ...evaluate(request),
  policies: request.policies.map((policy) => ({
    kind: policy.kind,
    id: policy.id,
    ...(policy.level === undefined ? {} : { level: policy.level }),
    statements: compile(policy.document).map((compiled) => explainStatement(policy, compiled, request)),
  })),
})

const explainStatement = (
  policy: AppliedPolicy,
  compiled: CompiledStatement,
  request: AccessRequest,
): StatementExplanation => {
  const { index, sid, deny } = compiled
  const statement = [policy.document.Statement].flat()[index]!
  return {
    index,
    ...(sid === undefined ? {} : { sid }),
    effect: deny ? 'Deny' : 'Allow',
    mismatches: [
      ...actionMismatch(statement, compiled, request),
      ...resourceMismatch(statement, compiled, request),
      ...principalMismatch(policy, statement, compiled, request),
      ...conditionMismatches(compiled, request),
    ],
  }
}

const listOf = (value: string | readonly string[] | undefined): readonly string[] => [value ?? []].flat()

const actionMismatch = ({ Action, NotAction }: Statement, compiled: CompiledStatement, { action }: AccessRequest) => {
  if (compiled.action(action.toLowerCase())) return []
  const element = Action === undefined ? 'NotAction' : 'Action'
  return [{ element, wanted: listOf(Action ?? NotAction), given: action } as const]
}

const resourceMismatch = (
  { Resource, NotResource }: Statement,
  compiled: CompiledStatement,
  { resource, context }: AccessRequest,
) => {
  if (compiled.resource(cutArn(resource), context)) return []
  const element = Resource === undefined ? 'NotResource' : 'Resource'
  return [{ element, wanted: listOf(Resource ?? NotResource), given: resource } as const]
}

const principalMismatch = (
  policy: AppliedPolicy,
  { NotPrincipal, Principal }: Statement,
  compiled: CompiledStatement,
  request: AccessRequest,
) => {
  if (namingIn(policy, compiled, request, isBounded(request))) return []
  const element = Principal === undefined && NotPrincipal !== undefined ? 'NotPrincipal' : 'Principal'
  return [{ element, wanted: namesOf(Principal ?? NotPrincipal), given: request.principal.arn } as const]
}

const namesOf = (element: PrincipalElement | undefined): readonly string[] =>
  element === undefined ? [] : typeof element === 'string' ? [element] : Object.values(element).flatMap(listOf)

const conditionMismatches = ({ conditions }: CompiledStatement, { context }: AccessRequest): Mismatch[] =>
  conditions.flatMap(({ operator, name, key, wanted, holds }) => {
    const given = valuesOf(context, key)
    return holds(given, context) ? [] : [{ element: 'Condition' as const, operator, key: name, wanted, given }]
  })
