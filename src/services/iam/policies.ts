import type { PolicyVersion, Policy as WirePolicy } from '@aws-sdk/client-iam'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { type AwsManagedPolicy, awsManagedPolicies, awsManagedPolicy } from './aws-managed.ts'
import { checkDocument, documentSize, encodeDocument } from './documents.ts'
import { stamp, uniqueId } from './ids.ts'
import { findLocal, policyArn } from './managed.ts'
import { fail, type Operation } from './operation.ts'
import { pageOfList, tail } from './page.ts'
import { checkQuota } from './quotas.ts'
import {
  Attachments,
  change,
  nameKey,
  Policy,
  type PolicyRecord,
  type PolicyVersionRecord,
  Role,
  User,
} from './records.ts'
import { toPolicy, type Usage } from './shapes.ts'
import { tagPage, toTags, withoutTags, withTags } from './tags.ts'

const usageOf = async (tx: ReadTx, arn: string): Promise<Usage> => ({
  attached: (await tx.list(Attachments, { prefix: `${arn} ` })).length,
  bounding:
    (await tx.list(User, { index: 'boundary', equals: arn })).length +
    (await tx.list(Role, { index: 'boundary', equals: arn })).length,
})

const toAwsPolicy = (policy: AwsManagedPolicy, usage: Usage): WirePolicy => ({
  PolicyName: policy.name,
  PolicyId: policy.id,
  Arn: policy.arn,
  Path: policy.path,
  DefaultVersionId: policy.version,
  AttachmentCount: usage.attached,
  PermissionsBoundaryUsageCount: usage.bounding,
  IsAttachable: true,
  CreateDate: new Date(policy.created),
  UpdateDate: new Date(policy.updated),
})

/** GetPolicy and CreatePolicy tell more than lists. */
const toFullPolicy = (account: string, policy: PolicyRecord, usage: Usage): WirePolicy => ({
  ...toPolicy(account, policy, usage),
  ...(policy.description === undefined ? {} : { Description: policy.description }),
  Tags: toTags(policy.tags),
})

const missing = (arn: string) => fail('NoSuchEntityException', `Policy ${arn} was not found.`)

const getLocal = async (tx: ReadTx, ctx: Ctx, arn: string): Promise<PolicyRecord> => {
  const found = await findLocal(tx, ctx.account, arn)
  if (!found) throw missing(arn)
  return found
}

const checkManaged = (text: string) => {
  checkDocument(text, 'managed')
  if (documentSize(text) > 6144) throw fail('LimitExceededException', 'Cannot exceed quota for PolicySize: 6144')
}

const CreatePolicy: Operation<'CreatePolicy'> = (ctx, input) => {
  checkManaged(input.PolicyDocument)
  return change(ctx, async (tx) => {
    if (await tx.get(Policy, nameKey(input.PolicyName)))
      throw fail(
        'EntityAlreadyExistsException',
        `A policy called ${input.PolicyName} already exists. Duplicate names are not allowed.`,
      )
    await checkQuota(tx, 'PoliciesPerAccount')
    const created = stamp(ctx)
    const policy: PolicyRecord = tx.put(Policy, {
      name: input.PolicyName,
      path: input.Path ?? '/',
      id: uniqueId(ctx, 'ANPA'),
      created,
      updated: created,
      tags: withTags({}, input.Tags),
      versions: [{ id: 'v1', document: input.PolicyDocument, created }],
      default: 'v1',
      last: 1,
      ...(input.Description === undefined ? {} : { description: input.Description }),
    })
    return { Policy: toFullPolicy(ctx.account, policy, { attached: 0, bounding: 0 }) }
  })
}

const GetPolicy: Operation<'GetPolicy'> = async (ctx, { PolicyArn }) => {
  const aws = await awsManagedPolicy(PolicyArn)
  return ctx.read(async (tx) => {
    const usage = await usageOf(tx, PolicyArn)
    if (aws) return { Policy: toAwsPolicy(aws, usage) }
    return { Policy: toFullPolicy(ctx.account, await getLocal(tx, ctx, PolicyArn), usage) }
  })
}

const ListPolicies: Operation<'ListPolicies'> = async (ctx, input) => {
  const aws = input.Scope === 'Local' ? [] : await awsManagedPolicies()
  return ctx.read(async (tx) => {
    const local = input.Scope === 'AWS' ? [] : await tx.list(Policy)
    const all = [
      ...aws.map((policy) => ({
        arn: policy.arn,
        path: policy.path,
        to: (usage: Usage) => toAwsPolicy(policy, usage),
      })),
      ...local.map((policy) => ({
        arn: policyArn(ctx.account, policy),
        path: policy.path,
        to: (usage: Usage) => toPolicy(ctx.account, policy, usage),
      })),
    ].filter(({ path }) => path.startsWith(input.PathPrefix ?? '/'))
    const attached = new Map<string, number>()
    for (const { policy } of await tx.list(Attachments)) attached.set(policy, (attached.get(policy) ?? 0) + 1)
    const bounding = new Map<string, number>()
    for (const { boundary } of [...(await tx.list(User)), ...(await tx.list(Role))])
      if (boundary !== undefined) bounding.set(boundary, (bounding.get(boundary) ?? 0) + 1)
    const usage = (arn: string): Usage => ({ attached: attached.get(arn) ?? 0, bounding: bounding.get(arn) ?? 0 })
    const kept = all.filter(({ arn }) => {
      const { attached, bounding } = usage(arn)
      if (input.OnlyAttached && attached + bounding === 0) return false
      if (input.PolicyUsageFilter === 'PermissionsPolicy') return attached > 0
      if (input.PolicyUsageFilter === 'PermissionsBoundary') return bounding > 0
      return true
    })
    const page = pageOfList(kept, ({ arn }) => arn, input)
    return { Policies: page.items.map(({ arn, to }) => to(usage(arn))), ...tail(page) }
  })
}

/** Only when attached nowhere, and its other versions are gone. */
const DeletePolicy: Operation<'DeletePolicy'> = async (ctx, { PolicyArn }) => {
  await change(ctx, async (tx) => {
    const policy = await getLocal(tx, ctx, PolicyArn)
    const { attached, bounding } = await usageOf(tx, PolicyArn)
    if (attached + bounding > 0) throw fail('DeleteConflictException', 'Cannot delete a policy attached to entities.')
    if (policy.versions.length > 1)
      throw fail(
        'DeleteConflictException',
        "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
      )
    tx.delete(Policy, nameKey(policy.name))
  })
  return {}
}

const toVersion = (policy: PolicyRecord, version: PolicyVersionRecord): PolicyVersion => ({
  VersionId: version.id,
  IsDefaultVersion: version.id === policy.default,
  CreateDate: new Date(version.created),
})

const getVersion = (policy: PolicyRecord, arn: string, id: string): PolicyVersionRecord => {
  const version = policy.versions.find((one) => one.id === id)
  if (!version) throw missingVersion(arn, id)
  return version
}

const missingVersion = (arn: string, id: string) =>
  fail('NoSuchEntityException', `Policy ${arn} version ${id} does not exist or is not attachable.`)

const CreatePolicyVersion: Operation<'CreatePolicyVersion'> = (ctx, input) => {
  checkManaged(input.PolicyDocument)
  return change(ctx, async (tx) => {
    const policy = await getLocal(tx, ctx, input.PolicyArn)
    if (policy.versions.length >= 5)
      throw fail(
        'LimitExceededException',
        'A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.',
      )
    const created = stamp(ctx)
    const version = { id: `v${policy.last + 1}`, document: input.PolicyDocument, created }
    const changed: PolicyRecord = tx.put(Policy, {
      ...policy,
      last: policy.last + 1,
      updated: created,
      versions: [...policy.versions, version],
      default: input.SetAsDefault ? version.id : policy.default,
    })
    return { PolicyVersion: toVersion(changed, version) }
  })
}

/** Of AWS managed policies there is the newest version only. */
const GetPolicyVersion: Operation<'GetPolicyVersion'> = async (ctx, { PolicyArn, VersionId }) => {
  const aws = await awsManagedPolicy(PolicyArn)
  if (aws) {
    if (aws.version !== VersionId) throw missingVersion(PolicyArn, VersionId)
    return { PolicyVersion: { ...toAwsVersion(aws), Document: encodeDocument(aws.document) } }
  }
  return ctx.read(async (tx) => {
    const policy = await getLocal(tx, ctx, PolicyArn)
    const version = getVersion(policy, PolicyArn, VersionId)
    return { PolicyVersion: { ...toVersion(policy, version), Document: encodeDocument(version.document) } }
  })
}

const toAwsVersion = (policy: AwsManagedPolicy): PolicyVersion => ({
  VersionId: policy.version,
  IsDefaultVersion: true,
  CreateDate: new Date(policy.updated),
})

/** Newest first. */
const ListPolicyVersions: Operation<'ListPolicyVersions'> = async (ctx, input) => {
  const aws = await awsManagedPolicy(input.PolicyArn)
  if (aws) return { Versions: [toAwsVersion(aws)], IsTruncated: false }
  const policy = await ctx.read((tx) => getLocal(tx, ctx, input.PolicyArn))
  const rank = ({ id }: PolicyVersionRecord) => String(1e9 - Number(id.slice(1)))
  const page = pageOfList(policy.versions, rank, input)
  return { Versions: page.items.map((version) => toVersion(policy, version)), ...tail(page) }
}

const DeletePolicyVersion: Operation<'DeletePolicyVersion'> = async (ctx, { PolicyArn, VersionId }) => {
  await change(ctx, async (tx) => {
    const policy = await getLocal(tx, ctx, PolicyArn)
    const version = getVersion(policy, PolicyArn, VersionId)
    if (version.id === policy.default)
      throw fail('DeleteConflictException', 'Cannot delete the default version of a policy.')
    tx.put(Policy, { ...policy, versions: policy.versions.filter((one) => one !== version) })
  })
  return {}
}

const SetDefaultPolicyVersion: Operation<'SetDefaultPolicyVersion'> = async (ctx, { PolicyArn, VersionId }) => {
  await change(ctx, async (tx) => {
    const policy = await getLocal(tx, ctx, PolicyArn)
    const version = getVersion(policy, PolicyArn, VersionId)
    tx.put(Policy, { ...policy, default: version.id, updated: stamp(ctx) })
  })
  return {}
}

const TagPolicy: Operation<'TagPolicy'> = async (ctx, { PolicyArn, Tags }) => {
  await change(ctx, async (tx) => {
    const policy = await getLocal(tx, ctx, PolicyArn)
    tx.put(Policy, { ...policy, tags: withTags(policy.tags, Tags) })
  })
  return {}
}

const UntagPolicy: Operation<'UntagPolicy'> = async (ctx, { PolicyArn, TagKeys }) => {
  await change(ctx, async (tx) => {
    const policy = await getLocal(tx, ctx, PolicyArn)
    tx.put(Policy, { ...policy, tags: withoutTags(policy.tags, TagKeys) })
  })
  return {}
}

const ListPolicyTags: Operation<'ListPolicyTags'> = async (ctx, input) =>
  tagPage((await ctx.read((tx) => getLocal(tx, ctx, input.PolicyArn))).tags, input)

export const policies = {
  CreatePolicy,
  GetPolicy,
  ListPolicies,
  DeletePolicy,
  CreatePolicyVersion,
  GetPolicyVersion,
  ListPolicyVersions,
  DeletePolicyVersion,
  SetDefaultPolicyVersion,
  TagPolicy,
  UntagPolicy,
  ListPolicyTags,
}
