import type { PolicyTargetSummary, PolicyType } from '@aws-sdk/client-organizations'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { asDelegate, asReader } from './caller.ts'
import { managedOf } from './managed.ts'
import { fail, invalid, type Operation, violates } from './operation.ts'
import { pageOf } from './page.ts'
import { getPolicy, toSummary } from './policies.ts'
import { policyTypes } from './policy-type.ts'
import { type AttachmentRecord, Attachments, change, type OrganizationRecord } from './records.ts'
import { findNode, getTarget } from './tree.ts'

/** What is attached to one root, unit or account, in the order in which it was. */
export const attachedTo = async (tx: ReadTx, target: string, type: PolicyType): Promise<AttachmentRecord[]> =>
  (await tx.list(Attachments, { index: 'target', equals: `${target} ${type}` })).toSorted((a, b) => a.order - b.order)

const attach = async (
  tx: WriteTx,
  ctx: Ctx,
  organization: OrganizationRecord,
  policy: { readonly id: string; readonly type: PolicyType },
  target: string,
) => {
  const present = await attachedTo(tx, target, policy.type)
  tx.put(Attachments, {
    organization: organization.id,
    policy: policy.id,
    type: policy.type,
    target,
    order: (present.at(-1)?.order ?? 0) + 1,
    at: ctx.now().getTime(),
  })
}

/** What is new in an organization has the policies that AWS attaches to everything. */
export const attachManaged = async (
  tx: WriteTx,
  ctx: Ctx,
  organization: OrganizationRecord,
  target: string,
  types: readonly PolicyType[] = organization.policyTypes,
): Promise<void> => {
  for (const type of types) {
    const policy = managedOf(type)
    if (policy) await attach(tx, ctx, organization, policy, target)
  }
}

/** What leaves an organization has no policies any more. */
export const detachAll = async (tx: WriteTx, target: string): Promise<void> => {
  for (const attachment of await tx.list(Attachments, { prefix: `${target} ` }))
    tx.delete(Attachments, Attachments.key(attachment))
}

/**
 * Errors: PolicyNotFoundException, TargetNotFoundException, PolicyTypeNotEnabledException,
 * DuplicatePolicyAttachmentException, ConstraintViolationException ("AttachPolicy").
 */
export const AttachPolicy: Operation<'AttachPolicy'> = (ctx, { PolicyId, TargetId }) =>
  change(ctx, async (tx) => {
    const organization = await asDelegate(tx, ctx)
    const policy = await getPolicy(tx, organization, PolicyId)
    await getTarget(tx, organization, TargetId)
    if (!organization.policyTypes.includes(policy.type))
      throw fail('PolicyTypeNotEnabledException', 'This operation can be performed only for enabled policy types.')
    const present = await attachedTo(tx, TargetId, policy.type)
    if (present.some((one) => one.policy === PolicyId))
      throw fail(
        'DuplicatePolicyAttachmentException',
        'A policy with the specified ID is already attached to the specified target.',
      )
    if (present.length >= policyTypes[policy.type].attached)
      throw violates(
        'MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED',
        'You have attached the maximum number of policies to the specified target.',
      )
    await attach(tx, ctx, organization, policy, TargetId)
    return {}
  })

/** Errors: PolicyNotFoundException, TargetNotFoundException, PolicyNotAttachedException, ConstraintViolationException. */
export const DetachPolicy: Operation<'DetachPolicy'> = (ctx, { PolicyId, TargetId }) =>
  change(ctx, async (tx) => {
    const organization = await asDelegate(tx, ctx)
    const { type } = await getPolicy(tx, organization, PolicyId)
    await getTarget(tx, organization, TargetId)
    const present = await attachedTo(tx, TargetId, type)
    const attachment = present.find(({ policy }) => policy === PolicyId)
    if (!attachment)
      throw fail('PolicyNotAttachedException', 'The specified policy is not attached to the specified target.')
    if (PolicyId === managedOf('RESOURCE_CONTROL_POLICY')?.id)
      throw invalid('NON_DETACHABLE_POLICY', 'You cannot detach the specified policy.')
    if (type === 'SERVICE_CONTROL_POLICY' && present.length === 1)
      throw violates(
        'MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED',
        'You cannot remove the last policy attached to the specified target. You must have at least one attached at all times.',
      )
    tx.delete(Attachments, Attachments.key(attachment))
    return {}
  })

/** Only what is attached to the target itself, not what it inherits. */
export const ListPoliciesForTarget: Operation<'ListPoliciesForTarget'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const organization = await asReader(tx, ctx)
    await getTarget(tx, organization, input.TargetId)
    const attached = await attachedTo(tx, input.TargetId, input.Filter)
    const { page, NextToken } = pageOf(attached, ({ policy }) => policy, input)
    const policies = await Promise.all(page.map(({ policy }) => getPolicy(tx, organization, policy)))
    return { Policies: policies.map((policy) => toSummary(organization, policy)), NextToken }
  })

export const ListTargetsForPolicy: Operation<'ListTargetsForPolicy'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const organization = await asReader(tx, ctx)
    const { id } = await getPolicy(tx, organization, input.PolicyId)
    const attached = await tx.list(Attachments, { index: 'policy', equals: `${organization.id} ${id}` })
    const { page, NextToken } = pageOf(attached, ({ target }) => target, input)
    const nodes = await Promise.all(page.map(({ target }) => findNode(tx, organization, target)))
    return {
      Targets: nodes.flatMap((node): PolicyTargetSummary[] =>
        node ? [{ TargetId: node.id, Arn: node.arn, Name: node.name, Type: node.type }] : [],
      ),
      NextToken,
    }
  })
