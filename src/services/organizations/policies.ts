import type { PolicySummary, PolicyType, Policy as WirePolicy } from '@aws-sdk/client-organizations'
import type { ReadTx } from '../../store/store.ts'
import { asDelegate, asReader } from './caller.ts'
import { checkContent, resourceControlled } from './content.ts'
import { managedPolicyArn, newId, policyArn } from './ids.ts'
import { findManaged, managedOf } from './managed.ts'
import { fail, invalid, type Operation, violates } from './operation.ts'
import { pageOf } from './page.ts'
import { policyTypes } from './policy-type.ts'
import { Attachments, change, type OrganizationRecord, Policies, type PolicyRecord } from './records.ts'
import { withTags } from './tags.ts'

/** A policy of the organization or of AWS. */
export type AnyPolicy = Omit<PolicyRecord, 'organization' | 'tags' | 'updated'> & { readonly updated?: number }

export const findPolicy = async (
  tx: ReadTx,
  { id: organization }: OrganizationRecord,
  id: string,
): Promise<AnyPolicy | undefined> => {
  const found = await tx.get(Policies, id)
  return found?.organization === organization ? found : findManaged(id)
}

/** Throws PolicyNotFoundException. */
export const getPolicy = async (tx: ReadTx, organization: OrganizationRecord, id: string): Promise<AnyPolicy> => {
  const found = await findPolicy(tx, organization, id)
  if (!found) throw notFound()
  return found
}

const notFound = () => fail('PolicyNotFoundException', "You specified a policy that doesn't exist.")

/** A policy that may be changed. Throws PolicyNotFoundException, InvalidInputException. */
const getOwn = async (tx: ReadTx, { id: organization }: OrganizationRecord, id: string): Promise<PolicyRecord> => {
  if (findManaged(id)) throw invalid('IMMUTABLE_POLICY', 'You specified a policy that is managed by AWS.')
  const found = await tx.get(Policies, id)
  if (found?.organization !== organization) throw notFound()
  return found
}

export const toSummary = (organization: OrganizationRecord, policy: AnyPolicy): PolicySummary => {
  const AwsManaged = findManaged(policy.id) !== undefined
  return {
    Id: policy.id,
    Arn: AwsManaged ? managedPolicyArn(policy) : policyArn(organization, policy),
    Name: policy.name,
    Description: policy.description,
    Type: policy.type,
    AwsManaged,
  }
}

const toPolicy = (organization: OrganizationRecord, policy: AnyPolicy): WirePolicy => ({
  PolicySummary: toSummary(organization, policy),
  Content: policy.content,
})

const ofType = (tx: ReadTx, { id }: OrganizationRecord, type: PolicyType): Promise<PolicyRecord[]> =>
  tx.list(Policies, { index: 'type', equals: `${id} ${type}` })

const checkName = (others: readonly PolicyRecord[], type: PolicyType, name: string) => {
  if (others.some((other) => other.name === name) || managedOf(type)?.name === name)
    throw fail('DuplicatePolicyException', 'A policy with the specified name and type already exists.')
}

/** The content is kept as given. Errors: MalformedPolicyDocumentException, DuplicatePolicyException, ConstraintViolationException. */
export const CreatePolicy: Operation<'CreatePolicy'> = async (ctx, input) => {
  const { Content, Description, Name, Type } = input
  const controlled = await resourceControlled()
  const policy = await change(ctx, async (tx) => {
    const organization = await asDelegate(tx, ctx)
    if (organization.featureSet !== 'ALL')
      throw fail(
        'PolicyTypeNotAvailableForOrganizationException',
        "You can't use the specified policy type with the feature set currently enabled for this organization.",
      )
    checkContent(Type, Content, controlled)
    const others = await ofType(tx, organization, Type)
    checkName(others, Type, Name)
    if (others.length >= policyTypes[Type].held)
      throw violates(
        'POLICY_NUMBER_LIMIT_EXCEEDED',
        'You have exceeded the number of policies that you can have in an organization.',
      )
    const record = tx.put(Policies, {
      id: newId.policy(ctx),
      organization: organization.id,
      type: Type,
      name: Name,
      description: Description,
      content: Content,
      tags: withTags({}, input.Tags),
      updated: ctx.now().getTime(),
    })
    return toPolicy(organization, record)
  })
  return { Policy: policy }
}

export const UpdatePolicy: Operation<'UpdatePolicy'> = async (ctx, { PolicyId, Name, Description, Content }) => {
  const controlled = await resourceControlled()
  const policy = await change(ctx, async (tx) => {
    const organization = await asDelegate(tx, ctx)
    const policy = await getOwn(tx, organization, PolicyId)
    if (Content !== undefined) checkContent(policy.type, Content, controlled)
    if (Name !== undefined && Name !== policy.name)
      checkName(await ofType(tx, organization, policy.type), policy.type, Name)
    const record = tx.put(Policies, {
      ...policy,
      name: Name ?? policy.name,
      description: Description ?? policy.description,
      content: Content ?? policy.content,
      updated: ctx.now().getTime(),
    })
    return toPolicy(organization, record)
  })
  return { Policy: policy }
}

/** Errors: PolicyNotFoundException, PolicyInUseException, InvalidInputException for AWS's own. */
export const DeletePolicy: Operation<'DeletePolicy'> = (ctx, { PolicyId }) =>
  change(ctx, async (tx) => {
    const organization = await asDelegate(tx, ctx)
    const { id } = await getOwn(tx, organization, PolicyId)
    if ((await tx.list(Attachments, { index: 'policy', equals: `${organization.id} ${id}`, limit: 1 })).length > 0)
      throw fail(
        'PolicyInUseException',
        'The policy is attached to one or more entities. You must detach it from all roots, OUs, and accounts before performing this operation.',
      )
    tx.delete(Policies, id)
    return {}
  })

export const DescribePolicy: Operation<'DescribePolicy'> = (ctx, { PolicyId }) =>
  ctx.read(async (tx) => {
    const organization = await asReader(tx, ctx)
    return { Policy: toPolicy(organization, await getPolicy(tx, organization, PolicyId)) }
  })

export const ListPolicies: Operation<'ListPolicies'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const organization = await asReader(tx, ctx)
    const managed = managedOf(input.Filter)
    const all: AnyPolicy[] = [...(managed ? [managed] : []), ...(await ofType(tx, organization, input.Filter))]
    const { page, NextToken } = pageOf(all, ({ id }) => id, input)
    return { Policies: page.map((policy) => toSummary(organization, policy)), NextToken }
  })
