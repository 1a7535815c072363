import type { FeatureType } from '@aws-sdk/client-iam'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { organization } from '../../kernel/organization.ts'
import { rootOf } from '../../kernel/principal.ts'
import { fail, type Operation } from './operation.ts'
import { OrganizationFeatures, type OrganizationFeaturesRecord } from './root-access.ts'

// Centralized root access (IAM user guide, "Centrally manage root access for member accounts"). What is enabled is for
// STS and IAM to look at, by the capability `rootAccess`.

const host = 'iam.amazonaws.com'

/** A service learns of the account's organization by the account's own right; who called was asked about the IAM action. */
const organizationsOf = (ctx: Ctx) => ctx.as(rootOf(ctx.account)).organizations

const isTrusted = async (ctx: Ctx): Promise<boolean> => {
  let NextToken: string | undefined
  do {
    const page = await organizationsOf(ctx).listAWSServiceAccessForOrganization({ NextToken })
    if (page.EnabledServicePrincipals?.some(({ ServicePrincipal }) => ServicePrincipal === host)) return true
    NextToken = page.NextToken
  } while (NextToken !== undefined)
  return false
}

/** Organizations tells the services that an account administers to administrators only: all others are denied. */
const isAdministrator = async (ctx: Ctx): Promise<boolean> => {
  let NextToken: string | undefined
  try {
    do {
      const page = await organizationsOf(ctx).listDelegatedServicesForAccount({ AccountId: ctx.account, NextToken })
      if (page.DelegatedServices?.some(({ ServicePrincipal }) => ServicePrincipal === host)) return true
      NextToken = page.NextToken
    } while (NextToken !== undefined)
  } catch (thrown) {
    if (!(thrown instanceof AwsError) || !/^(AccessDenied|AccountNotRegistered)/.test(thrown.code)) throw thrown
  }
  return false
}

/** The id of the organization that this account may manage root access for. Throws what the API reference lists. */
const managed = async (ctx: Ctx, rule: { managementOnly: boolean }): Promise<string> => {
  const membership = await ctx.use(organization).membershipOf(ctx.account)
  if (!membership) throw fail('OrganizationNotFoundException', 'No organization is associated with your account.')
  if (!membership.management) {
    if (!(await isAdministrator(ctx)))
      throw fail(
        'AccountNotManagementOrDelegatedAdministratorException',
        'The account making the request is not the management account or delegated administrator account for centralized root access.',
      )
    if (rule.managementOnly)
      throw fail(
        'CallerIsNotManagementAccountException',
        'The account making the request is not the management account for the organization.',
      )
  }
  const { Organization: facts } = await organizationsOf(ctx).describeOrganization({})
  if (facts?.FeatureSet !== 'ALL')
    throw fail('OrganizationNotInAllFeaturesModeException', 'Your organization does not have All features enabled.')
  if (!(await isTrusted(ctx)))
    throw fail('ServiceAccessNotEnabledException', 'Trusted access is not enabled for IAM in Organizations.')
  return membership.id
}

const nothing = (id: string): OrganizationFeaturesRecord => ({
  organization: id,
  sessions: false,
  credentialsManagement: false,
})

const toFeatures = (record: OrganizationFeaturesRecord) => ({
  OrganizationId: record.organization,
  EnabledFeatures: [
    ...(record.credentialsManagement ? (['RootCredentialsManagement'] as const) : []),
    ...(record.sessions ? (['RootSessions'] as const) : []),
  ] satisfies FeatureType[],
})

const change = async (ctx: Ctx, feature: 'sessions' | 'credentialsManagement', enabled: boolean) => {
  const id = await managed(ctx, { managementOnly: enabled })
  return ctx.write(async (tx) => {
    const record = (await tx.get(OrganizationFeatures, id)) ?? nothing(id)
    return toFeatures(tx.put(OrganizationFeatures, { ...record, [feature]: enabled }))
  })
}

const ListOrganizationsFeatures: Operation<'ListOrganizationsFeatures'> = async (ctx) => {
  const id = await managed(ctx, { managementOnly: false })
  return toFeatures((await ctx.read((tx) => tx.get(OrganizationFeatures, id))) ?? nothing(id))
}

const EnableOrganizationsRootCredentialsManagement: Operation<'EnableOrganizationsRootCredentialsManagement'> = (ctx) =>
  change(ctx, 'credentialsManagement', true)
const DisableOrganizationsRootCredentialsManagement: Operation<'DisableOrganizationsRootCredentialsManagement'> = (
  ctx,
) => change(ctx, 'credentialsManagement', false)
const EnableOrganizationsRootSessions: Operation<'EnableOrganizationsRootSessions'> = (ctx) =>
  change(ctx, 'sessions', true)
const DisableOrganizationsRootSessions: Operation<'DisableOrganizationsRootSessions'> = (ctx) =>
  change(ctx, 'sessions', false)

export const organizationFeatures = {
  ListOrganizationsFeatures,
  EnableOrganizationsRootCredentialsManagement,
  DisableOrganizationsRootCredentialsManagement,
  EnableOrganizationsRootSessions,
  DisableOrganizationsRootSessions,
}
