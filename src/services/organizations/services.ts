import type { DelegatedAdministrator } from '@aws-sdk/client-organizations'
import { toMember } from './accounts.ts'
import { asManagement, asReader } from './caller.ts'
import { fail, invalid, type Operation, violates } from './operation.ts'
import { pageOf } from './page.ts'
import { policyTypes } from './policy-type.ts'
import { Accounts, change, type OrganizationRecord, Organizations } from './records.ts'
import { mostAdministrators } from './service-principals.ts'
import { getMember, type Member, membersOf } from './tree.ts'

// Trusted access of services, and member accounts that administer them for the whole organization.

/** Throws InvalidInputException for what is no service that works with Organizations. */
const check = (service: string): number => {
  const most = mostAdministrators(service)
  if (most === undefined)
    throw invalid('UNRECOGNIZED_SERVICE_PRINCIPAL', 'You specified an unrecognized service principal.')
  return most
}

const needsAllFeatures = ({ featureSet }: OrganizationRecord) => {
  if (featureSet !== 'ALL')
    throw violates(
      'ORGANIZATION_NOT_IN_ALL_FEATURES_MODE',
      'To perform this operation, the organization must support all features.',
    )
}

/** Again is no error, and keeps the date. The service makes its roles itself, when it needs them. */
export const EnableAWSServiceAccess: Operation<'EnableAWSServiceAccess'> = (ctx, { ServicePrincipal }) =>
  ctx.write(async (tx) => {
    const organization = await asManagement(tx, ctx)
    needsAllFeatures(organization)
    check(ServicePrincipal)
    tx.put(Organizations, {
      ...organization,
      trusted: { [ServicePrincipal]: ctx.now().getTime(), ...organization.trusted },
    })
    return {}
  })

export const DisableAWSServiceAccess: Operation<'DisableAWSServiceAccess'> = (ctx, { ServicePrincipal }) =>
  ctx.write(async (tx) => {
    const organization = await asManagement(tx, ctx)
    needsAllFeatures(organization)
    check(ServicePrincipal)
    if ((await administratorsOf(await membersOf(tx, organization), ServicePrincipal)).length > 0)
      throw violates(
        'DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE',
        'You must deregister all delegated administrators for this service before you disable service access.',
      )
    if (organization.policyTypes.some((type) => policyTypes[type].needs === ServicePrincipal))
      throw violates(
        'POLICY_TYPE_ENABLED_FOR_THIS_SERVICE',
        'You must disable the policy type of this service before you disable service access.',
      )
    const { [ServicePrincipal]: _gone, ...trusted } = organization.trusted
    tx.put(Organizations, { ...organization, trusted })
    return {}
  })

export const ListAWSServiceAccessForOrganization: Operation<'ListAWSServiceAccessForOrganization'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { trusted } = await asReader(tx, ctx)
    const all = Object.entries(trusted).map(([ServicePrincipal, at]) => ({
      ServicePrincipal,
      DateEnabled: new Date(at),
    }))
    const { page, NextToken } = pageOf(all, ({ ServicePrincipal }) => ServicePrincipal, input)
    return { EnabledServicePrincipals: page, NextToken }
  })

const administratorsOf = (members: readonly Member[], service?: string): Member[] =>
  members.filter(({ joined: { administers } }) =>
    service === undefined ? Object.keys(administers).length > 0 : Object.hasOwn(administers, service),
  )

/** Errors: AccountNotFoundException, AccountAlreadyRegisteredException, InvalidInputException, ConstraintViolationException. */
export const RegisterDelegatedAdministrator: Operation<'RegisterDelegatedAdministrator'> = (
  ctx,
  { AccountId, ServicePrincipal },
) =>
  change(ctx, async (tx) => {
    const organization = await asManagement(tx, ctx)
    needsAllFeatures(organization)
    const most = check(ServicePrincipal)
    if (most === 0)
      throw invalid('UNRECOGNIZED_SERVICE_PRINCIPAL', 'You specified a service that has no delegated administrators.')
    const member = await getMember(tx, organization, AccountId)
    if (AccountId === organization.management)
      throw violates(
        'CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR',
        'You cannot register master account/yourself as delegated administrator for your organization.',
      )
    if (member.state !== 'ACTIVE')
      throw violates(
        'CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR',
        'You cannot register a suspended account as a delegated administrator.',
      )
    if (!Object.hasOwn(organization.trusted, ServicePrincipal))
      throw violates(
        'SERVICE_ACCESS_NOT_ENABLED',
        'You must enable service access before you delegate an administrator for this service. Call the AWS API EnableAWSServiceAccess first.',
      )
    if (Object.hasOwn(member.joined.administers, ServicePrincipal))
      throw fail(
        'AccountAlreadyRegisteredException',
        'The provided account is already a delegated administrator for your organization.',
      )
    const present = administratorsOf(await membersOf(tx, organization), ServicePrincipal)
    if (present.length >= most)
      throw most === 1
        ? violates(
            'DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE',
            'The service already has a delegated administrator.',
          )
        : violates(
            'MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED',
            'You attempted to register more delegated administrators than allowed for the service principal.',
          )
    const administers = { ...member.joined.administers, [ServicePrincipal]: ctx.now().getTime() }
    tx.put(Accounts, { ...member, joined: { ...member.joined, administers } })
    return {}
  })

const notRegistered = () =>
  fail(
    'AccountNotRegisteredException',
    'The provided account is not a registered delegated administrator for your organization.',
  )

export const DeregisterDelegatedAdministrator: Operation<'DeregisterDelegatedAdministrator'> = (
  ctx,
  { AccountId, ServicePrincipal },
) =>
  change(ctx, async (tx) => {
    const organization = await asManagement(tx, ctx)
    check(ServicePrincipal)
    const member = await getMember(tx, organization, AccountId)
    if (!Object.hasOwn(member.joined.administers, ServicePrincipal)) throw notRegistered()
    const { [ServicePrincipal]: _gone, ...administers } = member.joined.administers
    tx.put(Accounts, { ...member, joined: { ...member.joined, administers } })
    return {}
  })

const toAdministrator = (
  organization: OrganizationRecord,
  member: Member,
  service: string | undefined,
): DelegatedAdministrator => {
  const { administers } = member.joined
  const since = service === undefined ? Math.min(...Object.values(administers)) : administers[service]!
  return { ...toMember(organization, member), DelegationEnabledDate: new Date(since) }
}

export const ListDelegatedAdministrators: Operation<'ListDelegatedAdministrators'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const organization = await asReader(tx, ctx)
    const { ServicePrincipal } = input
    if (ServicePrincipal !== undefined) check(ServicePrincipal)
    const all = administratorsOf(await membersOf(tx, organization), ServicePrincipal)
    const { page, NextToken } = pageOf(all, ({ id }) => id, input)
    return {
      DelegatedAdministrators: page.map((member) => toAdministrator(organization, member, ServicePrincipal)),
      NextToken,
    }
  })

export const ListDelegatedServicesForAccount: Operation<'ListDelegatedServicesForAccount'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const organization = await asReader(tx, ctx)
    const { joined } = await getMember(tx, organization, input.AccountId)
    const all = Object.entries(joined.administers).map(([ServicePrincipal, at]) => ({
      ServicePrincipal,
      DelegationEnabledDate: new Date(at),
    }))
    if (all.length === 0) throw notRegistered()
    const { page, NextToken } = pageOf(all, ({ ServicePrincipal }) => ServicePrincipal, input)
    return { DelegatedServices: page, NextToken }
  })
