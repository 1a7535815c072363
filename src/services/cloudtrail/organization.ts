import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { organization } from '../../kernel/organization.ts'
import { fail, type Operation } from './operation.ts'

/**
 * Id of the organization whose management account calls. Throws OrganizationsNotInUseException,
 * NotOrganizationMasterAccountException.
 */
export const ownOrganization = async (ctx: Ctx): Promise<string> => {
  const membership = await ctx.use(organization).membershipOf(ctx.account)
  if (!membership) throw fail('OrganizationsNotInUseException', 'Your account is not a member of an organization.')
  if (!membership.management)
    throw fail(
      'NotOrganizationMasterAccountException',
      'The caller must be the management account of its organization.',
    )
  return membership.id
}

const PRINCIPAL = 'cloudtrail.amazonaws.com'

/** Errors of Organizations in CloudTrail's words. */
const translated = (error: unknown): unknown => {
  if (!(error instanceof AwsError)) return error
  const { code, message } = error
  if (code === 'AWSOrganizationsNotInUseException') return fail('OrganizationsNotInUseException', message)
  if (code === 'AccountNotFoundException') return fail('AccountNotFoundException', message)
  if (code === 'AccountAlreadyRegisteredException') return fail('AccountRegisteredException', message)
  if (code === 'AccountNotRegisteredException') return fail('AccountNotRegisteredException', message)
  if (code === 'ConstraintViolationException') return fail('CloudTrailAccessNotEnabledException', message)
  if (code === 'AccessDeniedException') return fail('InsufficientDependencyServiceAccessPermissionException', message)
  return error
}

const checkManagement = async (ctx: Ctx): Promise<void> => {
  const membership = await ctx.use(organization).membershipOf(ctx.account)
  if (!membership) throw fail('OrganizationsNotInUseException', 'Your account is not a member of an organization.')
  if (!membership.management)
    throw fail(
      'NotOrganizationManagementAccountException',
      'The caller must be the management account of its organization.',
    )
}

/** Makes a member account CloudTrail's delegated administrator, by the caller's rights in Organizations. */
export const RegisterOrganizationDelegatedAdmin: Operation<'RegisterOrganizationDelegatedAdmin'> = async (
  ctx,
  input,
) => {
  await checkManagement(ctx)
  if (input.MemberAccountId === ctx.account)
    throw fail(
      'CannotDelegateManagementAccountException',
      'The management account cannot be a delegated administrator.',
    )
  try {
    await ctx
      .as(ctx.principal, { region: 'us-east-1' })
      .organizations.registerDelegatedAdministrator({ AccountId: input.MemberAccountId, ServicePrincipal: PRINCIPAL })
  } catch (error) {
    throw translated(error)
  }
  return {}
}

export const DeregisterOrganizationDelegatedAdmin: Operation<'DeregisterOrganizationDelegatedAdmin'> = async (
  ctx,
  input,
) => {
  await checkManagement(ctx)
  try {
    await ctx.as(ctx.principal, { region: 'us-east-1' }).organizations.deregisterDelegatedAdministrator({
      AccountId: input.DelegatedAdminAccountId,
      ServicePrincipal: PRINCIPAL,
    })
  } catch (error) {
    throw translated(error)
  }
  return {}
}
