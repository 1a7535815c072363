import type { IssueCode } from './catalogue.ts'
import type { Place, PolicyView } from './policy-view.ts'
import type { ServiceModel } from './service-models.ts'

export type PolicyType = 'IDENTITY_POLICY' | 'RESOURCE_POLICY' | 'SERVICE_CONTROL_POLICY' | 'RESOURCE_CONTROL_POLICY'

/** One finding, before it has positions. */
export type Issue = { readonly code: IssueCode; readonly details: string; readonly places: readonly Place[] }

export type Subject = {
  readonly text: string
  readonly view: PolicyView
  readonly policyType: PolicyType
  /** What the resource policy is attached to, where the caller said so. */
  readonly resourceType: string | undefined
  /** A role's trust policy: said to be one, or speaking of `sts` actions only and of no resource. */
  readonly trust: boolean
  /** Services that the policy mentions; absent ones do not exist. */
  readonly services: ReadonlyMap<string, ServiceModel>
  readonly report: (code: IssueCode, details: string, ...places: Place[]) => void
}

export type Check = (subject: Subject) => void

export const hasWildcard = (text: string): boolean => /[*?]/.test(text)
export const hasVariable = (text: string): boolean => text.includes('${')
