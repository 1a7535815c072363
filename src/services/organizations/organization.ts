import type { Organization } from '@aws-sdk/client-organizations'
import type { ReadTx } from '../../store/store.ts'
import { accountOf, join, part } from './accounts.ts'
import { detachAll } from './attachments.ts'
import { asManagement, asMember } from './caller.ts'
import { closeHandshake, isPending } from './handshake.ts'
import { accountArn, newId, organizationArn, unnamed } from './ids.ts'
import { makeLinkedRole } from './linked-role.ts'
import { fail, type Operation, violates } from './operation.ts'
import { policyTypes } from './policy-type.ts'
import {
  Accounts,
  Creations,
  change,
  Handshakes,
  type OrganizationRecord,
  Organizations,
  Policies,
  Units,
} from './records.ts'
import { isUnderWay, transfersOf } from './transfer.ts'
import { membersOf } from './tree.ts'

const toOrganization = async (tx: ReadTx, organization: OrganizationRecord): Promise<Organization> => ({
  Id: organization.id,
  Arn: organizationArn(organization),
  FeatureSet: organization.featureSet,
  MasterAccountArn: accountArn(organization, organization.management),
  MasterAccountId: organization.management,
  MasterAccountEmail: ((await tx.get(Accounts, organization.management)) ?? unnamed(organization.management)).email,
  // Of old, and only this one, whatever else there is: ListRoots knows.
  AvailablePolicyTypes:
    organization.featureSet === 'ALL' ? [{ Type: 'SERVICE_CONTROL_POLICY', Status: 'ENABLED' }] : [],
})

const alreadyIn = () =>
  fail('AlreadyInOrganizationException', 'The AWS account is already a member of an organization.')

/**
 * The caller's account becomes the management account. No policy type is enabled yet.
 * Errors: AlreadyInOrganizationException, AccessDeniedForDependencyException.
 */
export const CreateOrganization: Operation<'CreateOrganization'> = async (ctx, { FeatureSet = 'ALL' }) => {
  const inOne = await ctx.read(async (tx) => (await tx.get(Accounts, ctx.account))?.joined)
  if (inOne) throw alreadyIn()
  await makeLinkedRole(ctx.as(ctx.principal))
  return change(ctx, async (tx) => {
    const account = await accountOf(tx, ctx, ctx.account)
    if (account.joined) throw alreadyIn()
    const organization = tx.put(Organizations, {
      id: newId.organization(ctx),
      root: newId.root(ctx),
      rootTags: {},
      management: ctx.account,
      featureSet: FeatureSet,
      policyTypes: [],
      trusted: {},
    })
    await join(tx, ctx, organization, account, { method: 'INVITED', tags: {} })
    return { Organization: await toOrganization(tx, organization) }
  })
}

export const DescribeOrganization: Operation<'DescribeOrganization'> = (ctx) =>
  ctx.read(async (tx) => {
    const { organization } = await asMember(tx, ctx)
    return { Organization: await toOrganization(tx, organization) }
  })

/** Only when the management account is alone. Errors: OrganizationNotEmptyException, ConstraintViolationException. */
export const DeleteOrganization: Operation<'DeleteOrganization'> = (ctx) =>
  change(ctx, async (tx) => {
    const organization = await asManagement(tx, ctx)
    const { id, management, root } = organization
    const members = await membersOf(tx, organization)
    const creations = await tx.list(Creations, { index: 'organization', equals: id })
    if (members.length > 1 || creations.some(({ state }) => state === 'IN_PROGRESS'))
      throw fail(
        'OrganizationNotEmptyException',
        'To delete an organization you must first remove all member accounts (except the master).',
      )
    if ((await transfersOf(tx, management)).some(isUnderWay))
      throw violates(
        'ACTIVE_RESPONSIBILITY_TRANSFER_PROCESS',
        'You cannot delete organization due to an ongoing responsibility transfer process.',
      )
    for (const member of members) await part(tx, member)
    await detachAll(tx, root)
    for (const unit of await tx.list(Units, { index: 'organization', equals: id })) {
      await detachAll(tx, unit.id)
      tx.delete(Units, unit.id)
    }
    for (const type of Object.keys(policyTypes))
      for (const policy of await tx.list(Policies, { index: 'type', equals: `${id} ${type}` }))
        tx.delete(Policies, policy.id)
    for (const creation of creations) tx.delete(Creations, creation.id)
    for (const handshake of await tx.list(Handshakes, { index: 'organization', equals: id }))
      if (isPending(handshake)) closeHandshake(tx, ctx, handshake, 'CANCELED')
    tx.delete(Organizations, id)
    return {}
  })
