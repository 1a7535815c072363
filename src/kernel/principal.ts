import type { PolicyPrincipal } from '../policy/policy.ts'

/** How an identity provider of an account vouched for somebody without AWS credentials; names are CloudTrail's. */
export type Federation = {
  readonly type: 'WebIdentityUser' | 'SAMLUser'
  /** ARN of the IAM identity provider. */
  readonly provider: string
  readonly principalId: string
  readonly userName: string
  readonly identityProvider: string
}

/** Who makes a call, after authentication. Session facts are there for temporary credentials only. */
export type Principal = PolicyPrincipal & {
  /** The unique id, as `aws:userid` and GetCallerIdentity show it: `AIDA…`, `AROA…:session`, the account id for root. */
  readonly id: string
  /** User name, or the role's name for a session. */
  readonly name?: string
  readonly sessionName?: string
  readonly accessKeyId?: string
  /** Who asks for a role's credentials on the word of an identity provider. Sessions have it in `session`. */
  readonly federation?: Federation
  readonly session?: {
    /** Epoch milliseconds. */
    readonly issued: number
    readonly expires: number
    /** Session policy documents as JSON text; they only narrow. */
    readonly policies: readonly string[]
    readonly policyArns: readonly string[]
    readonly tags: Readonly<Record<string, string>>
    readonly transitiveTagKeys: readonly string[]
    readonly sourceIdentity?: string
    readonly mfa: boolean
    /** When the MFA code was verified. Epoch milliseconds. */
    readonly mfaAt?: number
    /** The service that assumed the role, e.g. `codebuild.amazonaws.com`. */
    readonly invokedBy?: string
    /** Condition keys that every call of the session carries: of the identity provider, of the instance it was given to. */
    readonly context?: Readonly<Record<string, readonly string[]>>
    /** The identity provider on whose word it began. */
    readonly federation?: Federation
  }
}

/** The root user of an account. */
export const rootOf = (account: string, accessKeyId?: string): Principal => ({
  kind: 'root',
  account,
  arn: `arn:aws:iam::${account}:root`,
  id: account,
  ...(accessKeyId ? { accessKeyId } : {}),
})

/** Whom an identity provider vouches for: to trust policies, the provider. */
export const federatedPrincipal = (account: string, federation: Federation): Principal => ({
  kind: 'federated',
  account,
  arn: federation.provider,
  id: federation.principalId,
  federation,
})

/** An AWS service acting on its own behalf; `host` as in `codebuild.amazonaws.com`. */
export const servicePrincipal = (host: string): Principal => ({ kind: 'service', account: '', arn: host, id: host })

export const anonymous: Principal = { kind: 'anonymous', account: '', arn: 'anonymous', id: 'anonymous' }
