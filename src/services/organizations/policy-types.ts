import type { PolicyType, Root } from '@aws-sdk/client-organizations'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { attachManaged } from './attachments.ts'
import { asDelegate, asReader } from './caller.ts'
import { rootArn } from './ids.ts'
import { managedOf } from './managed.ts'
import { fail, type Operation, violates } from './operation.ts'
import { pageOf } from './page.ts'
import { policyTypes } from './policy-type.ts'
import { Attachments, change, type OrganizationRecord, Organizations, Units } from './records.ts'
import { membersOf } from './tree.ts'

const toRoot = (organization: OrganizationRecord): Root => ({
  Id: organization.root,
  Arn: rootArn(organization),
  Name: 'Root',
  PolicyTypes: organization.policyTypes.map((Type) => ({ Type, Status: 'ENABLED' })),
})

export const ListRoots: Operation<'ListRoots'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { page, NextToken } = pageOf([await asReader(tx, ctx)], ({ root }) => root, input)
    return { Roots: page.map(toRoot), NextToken }
  })

const asked = async (tx: ReadTx, ctx: Ctx, root: string): Promise<OrganizationRecord> => {
  const organization = await asDelegate(tx, ctx)
  if (root !== organization.root) throw fail('RootNotFoundException', "You specified a root that doesn't exist.")
  return organization
}

/** Control policies begin with AWS's own on everything there is. At once, where AWS needs a while. */
export const EnablePolicyType: Operation<'EnablePolicyType'> = (ctx, { RootId, PolicyType }) =>
  change(ctx, async (tx) => {
    const organization = await asked(tx, ctx, RootId)
    if (organization.featureSet !== 'ALL')
      throw fail(
        'PolicyTypeNotAvailableForOrganizationException',
        "You can't use the specified policy type with the feature set currently enabled for this organization.",
      )
    if (organization.policyTypes.includes(PolicyType))
      throw fail('PolicyTypeAlreadyEnabledException', 'The specified policy type is already enabled.')
    const { needs } = policyTypes[PolicyType]
    if (needs !== undefined && !Object.hasOwn(organization.trusted, needs))
      throw violates(
        'SERVICE_ACCESS_NOT_ENABLED',
        'You must enable service access before you enable this policy type. Call the AWS API EnableAWSServiceAccess first.',
      )
    const enabled = tx.put(Organizations, { ...organization, policyTypes: [...organization.policyTypes, PolicyType] })
    if (managedOf(PolicyType))
      for (const target of await everything(tx, organization))
        await attachManaged(tx, ctx, organization, target, [PolicyType])
    return { Root: toRoot(enabled) }
  })

const everything = async (tx: ReadTx, organization: OrganizationRecord): Promise<string[]> => {
  const units = await tx.list(Units, { index: 'organization', equals: organization.id })
  const members = await membersOf(tx, organization)
  return [organization.root, ...units.map(({ id }) => id), ...members.map(({ id }) => id)]
}

/** Every attachment of the type ends, and does not come back when it is enabled again ("Disabling a policy type"). */
export const DisablePolicyType: Operation<'DisablePolicyType'> = (ctx, { RootId, PolicyType }) =>
  change(ctx, async (tx) => {
    const organization = await asked(tx, ctx, RootId)
    if (!organization.policyTypes.includes(PolicyType))
      throw fail('PolicyTypeNotEnabledException', 'This operation can be performed only for enabled policy types.')
    await detachType(tx, organization, PolicyType)
    const disabled = tx.put(Organizations, {
      ...organization,
      policyTypes: organization.policyTypes.filter((type) => type !== PolicyType),
    })
    return { Root: toRoot(disabled) }
  })

const detachType = async (tx: WriteTx, { id }: OrganizationRecord, type: PolicyType): Promise<void> => {
  for (const attachment of await tx.list(Attachments, { index: 'type', equals: `${id} ${type}` }))
    tx.delete(Attachments, Attachments.key(attachment))
}
