import { compile } from './compile.ts'
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

/** What the policies of a request say, before they are weighed against each other. */
type Findings = {
  readonly matched: MatchedStatement[]
  readonly missing: Set<string>
  /** Kinds with a matching Deny. */
  readonly denied: Set<PolicyKind>
  /** Kinds with a policy that takes part at all, and with a matching Allow. */
  readonly present: Set<PolicyKind>
  readonly allowed: Set<PolicyKind>
  /** How the resource's policy names the caller where it allows. */
  readonly granted: Set<Naming>
  /** Control policies: every node of the organization must allow. */
  readonly levels: Map<string, { readonly kind: PolicyKind; allows: boolean }>
}

/**
 * Whether AWS would allow the request (IAM user guide, "Policy evaluation logic"): an explicit deny anywhere decides;
 * control policies must allow; within an account the resource's policy or the identity's suffices, limited by boundary
 * and session policies; across accounts both must allow. Enforcement and simulation share this function.
 */
export const evaluate = (request: AccessRequest): Decision => {
  const findings = find(request)
  const matched = findings.matched
  const missingContext = [...findings.missing]
  const deniedBy = order.find((kind) => findings.denied.has(kind))
  if (deniedBy) return { decision: 'explicitDeny', decidedBy: deniedBy, matched, missingContext }
  const lacking = lack(request, findings)
  if (lacking) return { decision: 'implicitDeny', decidedBy: lacking, matched, missingContext }
  return { decision: 'allowed', matched, missingContext }
}

const find = (request: AccessRequest): Findings => {
  const findings: Findings = {
    matched: [],
    missing: new Set(),
    denied: new Set(),
    present: new Set(),
    allowed: new Set(),
    granted: new Set(),
    levels: new Map(),
  }
  const action = request.action.toLowerCase()
  const resource = cutArn(request.resource)
  const bounded = request.policies.some(({ kind }) => kind === 'boundary')
  for (const policy of request.policies) {
    findings.present.add(policy.kind)
    const level = levelOf(policy, findings)
    for (const statement of compile(policy.document)) {
      if (!statement.action(action)) continue
      if (!statement.resource(resource, request.context)) continue
      const naming = namingIn(policy, statement.principal, request, bounded)
      if (!naming) continue
      if (!conditionsHold(statement.conditions, request.context, findings.missing)) continue
      findings.matched.push({
        kind: policy.kind,
        id: policy.id,
        index: statement.index,
        ...(statement.sid === undefined ? {} : { sid: statement.sid }),
        effect: statement.deny ? 'Deny' : 'Allow',
      })
      if (statement.deny) {
        findings.denied.add(policy.kind)
        continue
      }
      findings.allowed.add(policy.kind)
      if (policy.kind === 'resource') findings.granted.add(naming)
      if (level) level.allows = true
    }
  }
  return findings
}

const levelOf = (policy: AppliedPolicy, findings: Findings) => {
  if (policy.kind !== 'service-control' && policy.kind !== 'resource-control') return undefined
  const key = `${policy.kind} ${policy.level ?? ''}`
  const level = findings.levels.get(key) ?? { kind: policy.kind, allows: false }
  findings.levels.set(key, level)
  return level
}

/** Only policies of resources name principals; all others speak of whom they are attached to. */
const namingIn = (
  policy: AppliedPolicy,
  matcher: ReturnType<typeof compile>[number]['principal'],
  request: AccessRequest,
  bounded: boolean,
): Naming | undefined => {
  if (policy.kind !== 'resource' && policy.kind !== 'resource-control') return 'direct'
  return matcher?.(request.principal, request.context, bounded)
}

/** The first kind of policy that should have allowed and did not; `undefined` when nothing is lacking. */
const lack = (request: AccessRequest, findings: Findings): PolicyKind | undefined => {
  const { principal } = request
  const granted = findings.granted
  for (const kind of ['resource-control', 'service-control'] as const)
    for (const level of findings.levels.values()) if (level.kind === kind && !level.allows) return kind

  if (principal.kind === 'anonymous' || principal.kind === 'service') return granted.size > 0 ? undefined : 'resource'

  const identity = principal.kind === 'root' || findings.allowed.has('identity')
  // A federated user has what session policies say, or nothing.
  const narrowed = (['boundary', 'session'] as const).find(
    (kind) =>
      (findings.present.has(kind) || (kind === 'session' && principal.kind === 'federated')) &&
      !findings.allowed.has(kind),
  )
  const crossAccount = request.resourceAccount !== undefined && request.resourceAccount !== principal.account
  if ((crossAccount || request.needsResourcePolicy) && granted.size === 0) return 'resource'
  if (!crossAccount) {
    if (granted.has('direct')) return undefined
    if (granted.has('bearer')) return narrowed
  }
  return identity ? narrowed : 'identity'
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
