import type { EvaluationResult, ResourceSpecificResult, Statement as WireStatement } from '@aws-sdk/client-iam'
import { actionModel } from '../../kernel/actions.ts'
import { compile } from '../../policy/compile.ts'
import { evaluate } from '../../policy/evaluate.ts'
import { compileTemplate, matches } from '../../policy/pattern.ts'
import type { AppliedPolicy, Decision, PolicyDocument, PolicyKind, PolicyPrincipal } from '../../policy/policy.ts'
import { type Span, statementSpans } from './statement-spans.ts'

// The simulator is the engine that decides real requests (IAM user guide, "IAM policy testing with the IAM policy simulator").

/** A policy in a simulation, with its text where we have it: answers point into it. */
export type Simulated = AppliedPolicy & { readonly text?: string }

/** What is asked about every action: who asks, in which circumstances, under which policies. */
export type Simulation = {
  readonly caller: PolicyPrincipal
  readonly context: Readonly<Record<string, readonly string[]>>
  readonly policies: readonly Simulated[]
  /** Owner of resources whose ARN names none; the caller's account unless told. */
  readonly owner: string | undefined
  /** Control policies of the caller's organization; `undefined` where there is none. */
  readonly controls: readonly AppliedPolicy[] | undefined
  /** Every resource must be allowed for the whole to be. */
  readonly together: boolean
}

/** Stands in for an identity's policies where only what limits them is asked about. */
const unlimited: AppliedPolicy = {
  kind: 'identity',
  id: 'unlimited',
  document: { Version: '2012-10-17', Statement: { Effect: 'Allow', Action: '*', Resource: '*' } },
}

const sourceId = (id: string): string =>
  id.startsWith('arn:') ? id.slice(id.lastIndexOf('/') + 1) : id.replace(/^inline:/, '').replaceAll('/', '_')

const spans = new WeakMap<PolicyDocument, readonly Span[]>()

const spansOf = ({ document, text }: Simulated): readonly Span[] => {
  const found = spans.get(document) ?? (text === undefined ? [] : statementSpans(text))
  spans.set(document, found)
  return found
}

/** An explicit deny decides alone. Control policies are no input, and not told. */
const toStatements = (decision: Decision, policies: readonly Simulated[]): WireStatement[] =>
  decision.matched
    .filter(({ kind }) => kind !== 'service-control' && kind !== 'resource-control')
    .filter(({ effect }) => decision.decision !== 'explicitDeny' || effect === 'Deny')
    .map(({ id, index, kind }): object => {
      const policy = policies.find((one) => one.id === id && one.kind === kind)
      return {
        SourcePolicyId: sourceId(id),
        // AWS's own word, whatever the model's enumeration says.
        SourcePolicyType: kind === 'resource' ? 'Resource Policy' : 'IAM Policy',
        ...(policy && spansOf(policy)[index]),
      }
    }) as WireStatement[]

/** Condition keys and variables that a policy asks for, in its own spelling. */
export const keysOf = (policy: unknown): string[] => {
  const variables = [...JSON.stringify(policy).matchAll(/\$\{([A-Za-z0-9-]+:[^},]+?)\s*(?:,[^}]*)?\}/g)]
  const conditions = [(policy as PolicyDocument).Statement]
    .flat()
    .flatMap(({ Condition }) => Object.values(Condition ?? {}).flatMap(Object.keys))
  return [...conditions, ...variables.map(([, key]) => key!)]
}

/** What a policy asks for, read once: keys in its own spelling by their lower case, variables by statement. */
type Vocabulary = { readonly keys: ReadonlyMap<string, string>; readonly variables: readonly (readonly string[])[] }

const vocabularies = new WeakMap<PolicyDocument, Vocabulary>()

const vocabularyOf = (document: PolicyDocument): Vocabulary => {
  const known = vocabularies.get(document)
  if (known) return known
  const variables = [document.Statement]
    .flat()
    .map((statement) => keysOf({ Statement: { ...statement, Condition: {} } }).map((key) => key.toLowerCase()))
  const vocabulary = { keys: new Map(keysOf(document).map((key) => [key.toLowerCase(), key])), variables }
  vocabularies.set(document, vocabulary)
  return vocabulary
}

/** Keys that statements about this action asked for and nobody gave, as the policies spell them. */
const missingKeys = (
  action: string,
  decision: Decision,
  policies: readonly Simulated[],
  context: Simulation['context'],
): string[] => {
  const missing = new Set(decision.missingContext)
  for (const { document } of policies) {
    const { variables } = vocabularyOf(document)
    if (variables.every((keys) => keys.length === 0)) continue
    for (const statement of compile(document))
      if (statement.action(action.toLowerCase()))
        for (const key of variables[statement.index] ?? []) if (context[key] === undefined) missing.add(key)
  }
  return [...missing].flatMap((key) => {
    const speaking = policies.find(({ document }) => vocabularyOf(document).keys.has(key))
    return speaking ? [vocabularyOf(speaking.document).keys.get(key)!] : []
  })
}

type Result = Omit<Required<ResourceSpecificResult>, 'EvalDecisionDetails' | 'PermissionsBoundaryDecisionDetail'> &
  Pick<EvaluationResult, 'PermissionsBoundaryDecisionDetail' | 'EvalDecisionDetails' | 'OrganizationsDecisionDetail'>

const onResource = (simulation: Simulation, action: string, resource: string): Result => {
  const { caller, context, policies, owner, controls } = simulation
  const resourceAccount = resource.split(':')[4] || owner || caller.account
  const request = { principal: caller, action, resource, context }
  const decision = evaluate({ ...request, resourceAccount, policies: [...policies, ...(controls ?? [])] })
  /** What one kind of policy says by itself. */
  const alone = (kind: PolicyKind) => {
    const own = policies.filter((policy) => policy.kind === kind)
    return kind === 'resource'
      ? evaluate({ ...request, resourceAccount, policies: [unlimited, ...own] }).decision
      : evaluate({ ...request, policies: own.map((policy) => ({ ...policy, kind: 'identity' as const })) }).decision
  }
  const byOrganization = () =>
    evaluate({ ...request, policies: [unlimited, ...(controls ?? [])] }).decision === 'allowed'
  const organizations = controls && { AllowedByOrganizations: byOrganization() }
  const crossAccount = resource !== '*' && resourceAccount !== caller.account
  const details: Record<string, Decision['decision']> = crossAccount
    ? { 'IAM Policy': alone('identity'), 'Resource Policy': alone('resource') }
    : {}
  return {
    EvalResourceName: resource,
    EvalResourceDecision: decision.decision,
    MatchedStatements: toStatements(decision, policies),
    MissingContextValues: missingKeys(action, decision, policies, context),
    ...(organizations ? { OrganizationsDecisionDetail: organizations } : {}),
    ...(policies.some(({ kind }) => kind === 'boundary')
      ? { PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: alone('boundary') === 'allowed' } }
      : {}),
    // Where the organization denies, AWS looks no further.
    ...(resource === '*' || organizations?.AllowedByOrganizations === false ? {} : { EvalDecisionDetails: details }),
  }
}

const summed = (results: readonly Result[], together: boolean): Decision['decision'] => {
  const is = (decision: Decision['decision']) => (result: Result) => result.EvalResourceDecision === decision
  if (results.some(is('explicitDeny'))) return 'explicitDeny'
  return (together ? results.every(is('allowed')) : results.some(is('allowed'))) ? 'allowed' : 'implicitDeny'
}

/** The kind of resource that a result over several is about: the action's ARN template that fits the first of them. */
const kindOf = (templates: readonly { readonly arn: string }[], resource: string): string => {
  const arns = templates.map(({ arn }) => arn.replace('${Partition}', 'aws'))
  const fits = (arn: string) => {
    const { glob } = compileTemplate(arn.replaceAll(/\$\{\w+\}/g, '*'), { variables: false, wildcards: true })
    return glob !== undefined && matches(glob, resource)
  }
  return arns.find(fits) ?? arns[0] ?? '*'
}

/** One action on all resources. Actions that have no resource of their own are asked about `*`, as in a real request. */
export const simulateAction = async (
  simulation: Simulation,
  action: string,
  resources: readonly string[],
): Promise<EvaluationResult> => {
  const model = await actionModel(action)
  const named = resources.some((resource) => resource !== '*') && model?.templates.length !== 0
  const results = (named ? resources : ['*']).map((resource) => onResource(simulation, action, resource))
  const [first] = results
  const { EvalResourceName, EvalResourceDecision, OrganizationsDecisionDetail, ...facts } = first!
  if (!named)
    return {
      EvalActionName: action,
      EvalResourceName,
      EvalDecision: EvalResourceDecision,
      ...facts,
      ...(OrganizationsDecisionDetail ? { OrganizationsDecisionDetail } : {}),
    }
  const single = results.length === 1
  const decides = results.map(({ OrganizationsDecisionDetail: detail }) => detail?.AllowedByOrganizations)
  const bounds = results.map(({ PermissionsBoundaryDecisionDetail: detail }) => detail?.AllowedByPermissionsBoundary)
  return {
    EvalActionName: action,
    EvalResourceName: single ? EvalResourceName : kindOf(model?.templates ?? [], first!.EvalResourceName ?? '*'),
    EvalDecision: summed(results, simulation.together),
    MatchedStatements: single ? first!.MatchedStatements : [],
    MissingContextValues: [],
    ...(OrganizationsDecisionDetail
      ? { OrganizationsDecisionDetail: { AllowedByOrganizations: !decides.includes(false) } }
      : {}),
    ...(facts.PermissionsBoundaryDecisionDetail
      ? { PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: !bounds.includes(false) } }
      : {}),
    ...(single && facts.EvalDecisionDetails ? { EvalDecisionDetails: facts.EvalDecisionDetails } : {}),
    ResourceSpecificResults: results.map(({ OrganizationsDecisionDetail: _, EvalDecisionDetails, ...result }) => ({
      ...result,
      ...(EvalDecisionDetails && Object.keys(EvalDecisionDetails).length > 0 ? { EvalDecisionDetails } : {}),
    })),
  }
}
