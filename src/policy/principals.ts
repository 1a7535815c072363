import type { PolicyPrincipal, PrincipalElement, RequestContext } from './policy.ts'

// IAM user guide, "AWS JSON policy elements: Principal" and "NotPrincipal".

/**
 * How a Principal element names the caller. `direct` (the user, the session, the federated user, the service, everyone) is
 * a grant in itself; `bearer` names the role of a session, or the user behind a federated user, and stays below boundary
 * and session policies; `account` only delegates to the account, whose own policies must then allow.
 */
export type Naming = 'direct' | 'bearer' | 'account'

/** `bounded`: the caller has a permissions boundary. */
export type PrincipalMatcher = (
  principal: PolicyPrincipal,
  context: RequestContext,
  bounded: boolean,
) => Naming | undefined

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
        return names.everyone ? 'direct' : undefined
      case 'service':
        return names.everyone || namesService(names, principal.arn, context) ? 'direct' : undefined
      case 'root':
        return names.everyone || namesAccount(names, principal.account) ? 'direct' : undefined
      default:
        if (names.everyone || names.aws.has(principal.arn) || names.federated.has(principal.arn)) return 'direct'
        if (principal.roleArn !== undefined && names.aws.has(principal.roleArn)) return 'bearer'
        return namesAccount(names, principal.account) ? 'account' : undefined
    }
  }
}

/**
 * NotPrincipal: everyone but those named. A caller is exempt when all that it is, account included, is named; naming
 * only a user, or only the account, does not exempt the user. A Deny exempts no one who has a permissions boundary.
 */
export const compileNotPrincipal = (element: PrincipalElement, options: { deny: boolean }): PrincipalMatcher => {
  const names = namesOf(element)
  return (principal, context, bounded) => {
    if (bounded && options.deny) return 'direct'
    if (names.everyone) return undefined
    switch (principal.kind) {
      case 'anonymous':
        return 'direct'
      case 'service':
        return namesService(names, principal.arn, context) ? undefined : 'direct'
      case 'root':
        return namesAccount(names, principal.account) ? undefined : 'direct'
      default: {
        const named = names.aws.has(principal.arn) || names.federated.has(principal.arn)
        const role = principal.roleArn === undefined || names.aws.has(principal.roleArn)
        return named && role && namesAccount(names, principal.account) ? undefined : 'direct'
      }
    }
  }
}
