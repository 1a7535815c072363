import type { AppliedPolicy } from '../policy/policy.ts'
import { capability } from './capability.ts'
import type { Principal } from './principal.ts'

export type AssumeRequest = {
  readonly roleArn: string
  readonly sessionName: string
  /**
   * Who assumes it: a service principal when a service acts under the role its user configured, one with `federation`
   * when an identity provider vouches for the caller.
   */
  readonly by: Principal
  readonly durationSeconds?: number
  /** The role's MaxSessionDuration holds, though a service asks. */
  readonly bounded?: boolean
  /** When the session ends at the latest, in epoch milliseconds: what the identity provider said. */
  readonly endsBy?: number
  readonly policies?: readonly string[]
  readonly policyArns?: readonly string[]
  readonly tags?: Readonly<Record<string, string>>
  readonly transitiveTagKeys?: readonly string[]
  readonly externalId?: string
  readonly sourceIdentity?: string
  /** Condition keys of the call itself, e.g. `aws:SourceArn`, `aws:SourceAccount`. */
  readonly context?: Readonly<Record<string, readonly string[]>>
  /** Condition keys that every call of the session will carry, e.g. `ec2:SourceInstanceArn`. */
  readonly sessionContext?: Readonly<Record<string, readonly string[]>>
  /** The request that asks for it: a denial is remembered under its id. */
  readonly requestId?: string
}

/** A call that somebody made or tried to make. */
export type Attempt = {
  /** `s3:CreateBucket` */
  readonly action: string
  readonly region: string
  /** Whether it is a management action: those are told one by one, all others by service. */
  readonly tracked: boolean
}

export type Bindings = { readonly policies: readonly AppliedPolicy[]; readonly tags: Readonly<Record<string, string>> }

/** What authentication and authorization need to know; the IAM service provides it. */
export interface Identity {
  /** A long-term access key that is active: its secret and whose it is. */
  accessKey(accessKeyId: string): Promise<{ secret: string; principal: Principal } | undefined>
  /** A request signed with this long-term key was verified: for GetAccessKeyLastUsed. */
  markUsed(accessKeyId: string, where: { readonly service: string; readonly region: string }): Promise<void>
  /** A call was attempted, allowed or not: for "last accessed" information. Costs next to nothing, and never throws. */
  used(principal: Principal, attempt: Attempt): void
  /**
   * Every policy that binds this principal: identity policies (inline, managed, group), boundary, session policies.
   * A role or user that was deleted since has none, so its sessions can do nothing.
   */
  policiesOf(principal: Principal): Promise<readonly AppliedPolicy[]>
  /** Checks the role's trust policy and makes the session's principal. Throws AccessDenied as sts:AssumeRole does. */
  assume(request: AssumeRequest): Promise<Principal>
  /** Principal tags (`aws:PrincipalTag/…`): of the user or role, session tags on top. */
  tagsOf(principal: Principal): Promise<Readonly<Record<string, string>>>
  /**
   * Whether this is the present code of an MFA device that is enabled for this principal. A code counts once.
   * `not-theirs`: there is no such device, or it is not this principal's.
   */
  verifyMfa(
    principal: Principal,
    serialNumber: string,
    tokenCode: string,
  ): Promise<'verified' | 'wrong-code' | 'not-theirs'>
  /** Both of them, as of one moment and in one look-up: what authorization needs of every request. */
  bindingsOf(principal: Principal): Promise<Bindings>
}

export const identity = capability<Identity>('identity')
