import { type CompiledStatement, compileFor } from './compile.ts'
import { conditionsHold } from './condition.ts'
import { cutArn } from './pattern.ts'
import type { AccessRequest, AppliedPolicy, Decision, MatchedStatement, PolicyKind } from './policy.ts'
import type { Naming } from './principals.ts'

/** The order in which AWS's enforcement looks at the kinds of policy, and so the kind a denial names. */
const order: readonly PolicyKind[] = [
  'resource-control',
  'service-control',
  'resource',
  'identity',
  'boundary',
  'session',
]

/** Kinds as bits: a decision is made for every request, and sets of kinds are most of it. */
const bits: Readonly<Record<PolicyKind, number>> = {
  'resource-control': 1,
  'service-control': 2,
  resource: 4,
  identity: 8,
  boundary: 16,
  session: 32,
}

/** What the policies of a request say, before they are weighed against each other. */
type Findings = {
  readonly matched: MatchedStatement[]
  readonly missing: string[]
  /** Kinds with a policy that takes part at all, with a matching Deny, and with a matching Allow. */
  present: number
  denied: number
  allowed: number
  /** How the resource's policy names the caller where it allows: the most direct way. */
  granted: Naming | undefined
  /** Control policies: every node of the organization must allow. */
  levels: Map<string, { readonly kind: PolicyKind; allows: boolean }> | undefined
}

/**
 * Whether AWS would allow the request (IAM user guide, "Policy evaluation logic"): an explicit deny anywhere decides;
 * control policies must allow; within an account the resource's policy or the identity's suffices, limited by boundary
 * and session policies; across accounts both must allow. Enforcement and simulation share this function.
 */
export const evaluate = (request: AccessRequest): Decision => {
  const findings = find(request)
  const { matched, missing: missingContext } = findings
  const deniedBy = findings.denied === 0 ? undefined : order.find((kind) => findings.denied & bits[kind])
  if (deniedBy) return { decision: 'explicitDeny', decidedBy: deniedBy, matched, missingContext }
  const lacking = lack(request, findings)
  if (lacking) return { decision: 'implicitDeny', decidedBy: lacking, matched, missingContext }
  return { decision: 'allowed', matched, missingContext }
}

const find = (request: AccessRequest): Findings => {
  const findings: Findings = {
    matched: [],
    missing: [],
    present: 0,
    denied: 0,
    allowed: 0,
    granted: undefined,
    levels: undefined,
  }
  const action = request.action.toLowerCase()
  const resource = cutArn(request.resource)
  const bounded = isBounded(request)
  for (const policy of request.policies) {
    const bit = bits[policy.kind]
    findings.present |= bit
    const level = levelOf(policy, findings)
    for (const statement of compileFor(policy.document, action)) {
      if (!statement.resource(resource, request.context)) continue
      const naming = namingIn(policy, statement, request, bounded)
      if (!naming) continue
      if (!conditionsHold(statement.conditions, request.context, findings.missing)) continue
      findings.matched.push(matchedStatement(policy, statement))
      if (statement.deny) {
        findings.denied |= bit
        continue
      }
      findings.allowed |= bit
      if (policy.kind === 'resource') findings.granted = moreDirect(findings.granted, naming)
      if (level) level.allows = true
    }
  }
  return findings
}

const matchedStatement = ({ kind, id }: AppliedPolicy, { index, sid, deny }: CompiledStatement): MatchedStatement => {
  const effect = deny ? 'Deny' : 'Allow'
  return sid === undefined ? { kind, id, index, effect } : { kind, id, index, sid, effect }
}

const moreDirect = (one: Naming | undefined, other: Naming): Naming =>
  one === 'direct' || other === 'account' ? (one ?? other) : other

const levelOf = (policy: AppliedPolicy, findings: Findings) => {
  if (policy.kind !== 'service-control' && policy.kind !== 'resource-control') return undefined
  const key = `${policy.kind} ${policy.level ?? ''}`
  findings.levels ??= new Map()
  const level = findings.levels.get(key) ?? { kind: policy.kind, allows: false }
  findings.levels.set(key, level)
  return level
}

/** Whether the caller has a permissions boundary. */
export const isBounded = ({ policies }: AccessRequest): boolean => policies.some(({ kind }) => kind === 'boundary')

/** Only policies of resources name principals; all others speak of whom they are attached to. */
export const namingIn = (
  { kind }: AppliedPolicy,
  { principal }: CompiledStatement,
  request: AccessRequest,
  bounded: boolean,
): Naming | undefined =>
  kind !== 'resource' && kind !== 'resource-control'
    ? 'direct'
    : principal?.(request.principal, request.context, bounded)

/** The first kind of policy that should have allowed and did not; `undefined` when nothing is lacking. */
const lack = (request: AccessRequest, findings: Findings): PolicyKind | undefined => {
  const { principal } = request
  const { granted, levels } = findings
  if (levels)
    for (const kind of ['resource-control', 'service-control'] as const)
      for (const level of levels.values()) if (level.kind === kind && !level.allows) return kind

  if (principal.kind === 'anonymous' || principal.kind === 'service') return granted ? undefined : 'resource'

  const crossAccount = request.resourceAccount !== undefined && request.resourceAccount !== principal.account
  if ((crossAccount || request.needsResourcePolicy) && !granted) return 'resource'
  if (!crossAccount && granted === 'direct') return undefined
  const isGranted =
    principal.kind === 'root' || (!crossAccount && granted === 'bearer') || (findings.allowed & bits.identity) !== 0
  return isGranted ? narrowedBy(request, findings) : 'identity'
}

/** Boundary, then session policies; a federated user has what its session policies say, or nothing. */
const narrowedBy = ({ principal }: AccessRequest, { present, allowed }: Findings): PolicyKind | undefined => {
  const narrowing = present | (principal.kind === 'federated' ? bits.session : 0)
  const lacking = narrowing & ~allowed
  return lacking & bits.boundary ? 'boundary' : lacking & bits.session ? 'session' : undefined
}

const words: Readonly<Record<PolicyKind, { readonly denied: string; readonly lacking: string }>> = {
  identity: { denied: 'an identity-based policy', lacking: 'identity-based policy' },
  resource: { denied: 'a resource-based policy', lacking: 'resource-based policy' },
  boundary: { denied: 'a permissions boundary', lacking: 'permissions boundary' },
  session: { denied: 'a session policy', lacking: 'session policy' },
  'service-control': { denied: 'a service control policy', lacking: 'service control policy' },
  'resource-control': { denied: 'a resource control policy', lacking: 'resource control policy' },
}

/** AWS's sentence for a denial (IAM user guide, "Troubleshoot access denied error messages"). */
export const denialMessage = (request: AccessRequest, decision: Decision): string => {
  const kind = words[decision.decidedBy ?? 'identity']
  const because =
    decision.decision === 'explicitDeny'
      ? `with an explicit deny in ${kind.denied}`
      : `because no ${kind.lacking} allows the ${request.action} action`
  return `User: ${request.principal.arn} is not authorized to perform: ${request.action} on resource: ${request.resource} ${because}`
}
