import type { PolicyPrincipal, PrincipalElement, RequestContext } from './policy.ts'

// IAM user guide, "AWS JSON policy elements: Principal" and "NotPrincipal".

/**
 * How a Principal element names the caller. `account` only delegates to the account, whose own policies must then
 * allow; `role` and `everyone` stay below a role's boundary and session policies; `exact` (the user, the session, the
 * federated user, the service) is a grant in itself.
 */
export type Naming = 'exact' | 'role' | 'everyone' | 'account'

export type PrincipalMatcher = (principal: PolicyPrincipal, context: RequestContext) => Naming | undefined

type Names = { everyone: boolean; aws: Set<string>; service: Set<string>; federated: Set<string> }

const namesOf = (element: PrincipalElement): Names => {
  const names: Names = { everyone: element === '*', aws: new Set(), service: new Set(), federated: new Set() }
  if (typeof element === 'string') return names
  for (const [type, value] of Object.entries(element)) {
    const values = typeof value === 'string' ? [value] : value
    if (type === 'AWS') for (const one of values) names.aws.add(one)
    if (type === 'Service') for (const one of values) names.service.add(one.toLowerCase())
    if (type === 'Federated') for (const one of values) names.federated.add(one)
  }
  if (names.aws.has('*')) names.everyone = true
  return names
}

const accountArn = (account: string) => `arn:aws:iam::${account}:root`

const namesAccount = (names: Names, account: string) => names.aws.has(account) || names.aws.has(accountArn(account))

/** `logs.us-east-1.amazonaws.com` names the service in that region only. */
const namesService = (names: Names, host: string, context: RequestContext) => {
  if (names.service.has('*') || names.service.has(host.toLowerCase())) return true
  const region = context['aws:requestedregion']?.[0]
  const [name, ...rest] = host.toLowerCase().split('.')
  return region !== undefined && names.service.has([name, region, ...rest].join('.'))
}

export const compilePrincipal = (element: PrincipalElement): PrincipalMatcher => {
  const names = namesOf(element)
  return (principal, context) => {
    switch (principal.kind) {
      case 'anonymous':
        return names.everyone ? 'everyone' : undefined
      case 'service':
        if (namesService(names, principal.arn, context)) return 'exact'
        return names.everyone ? 'everyone' : undefined
      case 'root':
        if (namesAccount(names, principal.account)) return 'exact'
        return names.everyone ? 'everyone' : undefined
      default:
        if (names.aws.has(principal.arn) || names.federated.has(principal.arn)) return 'exact'
        if (principal.roleArn !== undefined && names.aws.has(principal.roleArn)) return 'role'
        if (names.everyone) return 'everyone'
        return namesAccount(names, principal.account) ? 'account' : undefined
    }
  }
}

/**
 * NotPrincipal: everyone but those named. A caller is exempt when all that it is, account included, is named; naming
 * only a user, or only the account, does not exempt the user.
 */
export const compileNotPrincipal = (element: PrincipalElement): PrincipalMatcher => {
  const names = namesOf(element)
  return (principal, context) => {
    if (names.everyone) return undefined
    switch (principal.kind) {
      case 'anonymous':
        return 'everyone'
      case 'service':
        return namesService(names, principal.arn, context) ? undefined : 'everyone'
      case 'root':
        return namesAccount(names, principal.account) ? undefined : 'everyone'
      default: {
        const named = names.aws.has(principal.arn) || names.federated.has(principal.arn)
        const role = principal.roleArn === undefined || names.aws.has(principal.roleArn)
        return named && role && namesAccount(names, principal.account) ? undefined : 'everyone'
      }
    }
  }
}
