/** A policy document as JSON has it (IAM JSON policy elements reference). Parsed and checked by `parsePolicy`. */
export type PolicyDocument = {
  readonly Version?: string
  readonly Id?: string
  readonly Statement: Statement | readonly Statement[]
}
type OneOrMany<T> = T | readonly T[]
export type PrincipalElement = '*' | Readonly<Record<string, OneOrMany<string>>>
export type ConditionBlock = Readonly<Record<string, Readonly<Record<string, OneOrMany<string | number | boolean>>>>>
export type Statement = {
  readonly Sid?: string
  readonly Effect: 'Allow' | 'Deny'
  readonly Principal?: PrincipalElement
  readonly NotPrincipal?: PrincipalElement
  readonly Action?: OneOrMany<string>
  readonly NotAction?: OneOrMany<string>
  readonly Resource?: OneOrMany<string>
  readonly NotResource?: OneOrMany<string>
  readonly Condition?: ConditionBlock
}

/** The part a policy plays in a decision (IAM user guide, "Policy evaluation logic"). */
export type PolicyKind = 'identity' | 'boundary' | 'session' | 'resource' | 'service-control' | 'resource-control'

/** A policy that takes part, and the name by which an answer can point at it (an ARN, or `inline:NAME`). */
export type AppliedPolicy = {
  readonly kind: PolicyKind
  readonly id: string
  readonly document: PolicyDocument
  /** Service and resource control policies: the node of the organization it is attached to. Every node must allow. */
  readonly level?: string
}

/** Condition keys in lower case; a key that is absent is absent, not empty. Multi-valued keys have several values. */
export type RequestContext = Readonly<Record<string, readonly string[]>>

/** Who asks, as policies name them. */
export type PolicyPrincipal = {
  readonly kind: 'root' | 'user' | 'role' | 'federated' | 'service' | 'anonymous'
  /** Account id; empty for services and anonymous callers. */
  readonly account: string
  /** The caller's ARN: user, assumed-role session, root; a service's host name for a service. */
  readonly arn: string
  /** For an assumed role the role's ARN, for a federated user the user's behind it: `Principal` elements name them too. */
  readonly roleArn?: string
}

export type AccessRequest = {
  readonly principal: PolicyPrincipal
  readonly action: string
  readonly resource: string
  /** The account that owns the resource; the caller's own unless told. Differing ones need both sides to allow. */
  readonly resourceAccount?: string
  /** The resource's own policy must allow as well, in the same account too: role trust policies, KMS keys. */
  readonly needsResourcePolicy?: boolean
  readonly context: RequestContext
  readonly policies: readonly AppliedPolicy[]
}

export type MatchedStatement = {
  readonly kind: PolicyKind
  readonly id: string
  readonly index: number
  readonly sid?: string
  readonly effect: 'Allow' | 'Deny'
}

export type Decision = {
  readonly decision: 'allowed' | 'explicitDeny' | 'implicitDeny'
  /** The kind of policy that decided a denial: the one that denied, or the first one that did not allow. */
  readonly decidedBy?: PolicyKind
  readonly matched: readonly MatchedStatement[]
  /** Keys that conditions asked for and the request did not carry. */
  readonly missingContext: readonly string[]
}

/** Why a statement says nothing about a request: an element of it that speaks of something else. */
export type Mismatch =
  | {
      readonly element: 'Action' | 'NotAction' | 'Resource' | 'NotResource' | 'Principal' | 'NotPrincipal'
      /** As the policy has it; nothing where a resource's policy has no Principal. */
      readonly wanted: readonly string[]
      readonly given: string
    }
  | {
      readonly element: 'Condition'
      readonly operator: string
      readonly key: string
      readonly wanted: readonly string[]
      /** The request's values; `undefined` where it does not carry the key. */
      readonly given: readonly string[] | undefined
    }

export type StatementExplanation = Omit<MatchedStatement, 'kind' | 'id'> & {
  /** Nothing: the statement applies. */
  readonly mismatches: readonly Mismatch[]
}

export type PolicyExplanation = Pick<AppliedPolicy, 'kind' | 'id' | 'level'> & {
  readonly statements: readonly StatementExplanation[]
}

export type Explanation = Decision & { readonly policies: readonly PolicyExplanation[] }
