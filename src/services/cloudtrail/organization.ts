import type { Ctx } from '../../kernel/context.ts'
import { organization } from '../../kernel/organization.ts'
import { fail } from './operation.ts'

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
