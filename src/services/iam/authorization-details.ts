import type { AttachedPolicy, ManagedPolicyDetail, PolicyDetail } from '@aws-sdk/client-iam'
import type { ReadTx } from '../../store/store.ts'
import { accessNotes } from './access-notes.ts'
import { awsManagedPolicy, isAwsManaged } from './aws-managed.ts'
import { encodeDocument } from './documents.ts'
import { policyArn } from './managed.ts'
import type { Operation } from './operation.ts'
import { pageOfList, tail } from './page.ts'
import {
  Attachments,
  findById,
  Group,
  type GroupRecord,
  InstanceProfiles,
  Memberships,
  Policy,
  type PolicyRecord,
  Role,
  type RoleRecord,
  User,
  type UserRecord,
} from './records.ts'
import { boundaryOf, toGroup, toLastUsed, toPolicy, toProfile, toRole, toUser } from './shapes.ts'
import { toTags } from './tags.ts'

const inlineOf = ({ inline }: { inline: Readonly<Record<string, string>> }): PolicyDetail[] =>
  Object.entries(inline).map(([PolicyName, text]) => ({ PolicyName, PolicyDocument: encodeDocument(text) }))

const attachedOf = async (tx: ReadTx, id: string): Promise<AttachedPolicy[]> =>
  (await tx.list(Attachments, { index: 'entity', equals: id })).map(({ policy }) => ({
    PolicyName: policy.slice(policy.lastIndexOf('/') + 1),
    PolicyArn: policy,
  }))

type Item =
  | { readonly type: 'User'; readonly user: UserRecord }
  | { readonly type: 'Group'; readonly group: GroupRecord }
  | { readonly type: 'Role'; readonly role: RoleRecord }
  | { readonly type: 'LocalManagedPolicy'; readonly policy: PolicyRecord }
  | { readonly type: 'AWSManagedPolicy'; readonly arn: string }

const keyOf = (item: Item): string => {
  switch (item.type) {
    case 'User':
      return `1 ${item.user.name}`
    case 'Group':
      return `2 ${item.group.name}`
    case 'Role':
      return `3 ${item.role.name}`
    case 'LocalManagedPolicy':
      return `4 ${item.policy.name}`
    case 'AWSManagedPolicy':
      return `5 ${item.arn}`
  }
}

/** Everything about who may do what in the account; of AWS managed policies those in use. */
const GetAccountAuthorizationDetails: Operation<'GetAccountAuthorizationDetails'> = async (ctx, input) => {
  const { account } = ctx
  const wanted = input.Filter?.length ? new Set<string>(input.Filter) : undefined
  await ctx.use(accessNotes).written()
  const found = await ctx.read(async (tx) => {
    const attachments = await tx.list(Attachments)
    const counts = new Map<string, number>()
    for (const { policy } of attachments) counts.set(policy, (counts.get(policy) ?? 0) + 1)
    const users = await tx.list(User)
    const roles = await tx.list(Role)
    const bounds = new Map<string, number>()
    for (const { boundary } of [...users, ...roles])
      if (boundary !== undefined) bounds.set(boundary, (bounds.get(boundary) ?? 0) + 1)
    const usage = (arn: string) => ({ attached: counts.get(arn) ?? 0, bounding: bounds.get(arn) ?? 0 })
    const items: Item[] = [
      ...users.map((user) => ({ type: 'User' as const, user })),
      ...(await tx.list(Group)).map((group) => ({ type: 'Group' as const, group })),
      ...roles.map((role) => ({ type: 'Role' as const, role })),
      ...(await tx.list(Policy)).map((policy) => ({ type: 'LocalManagedPolicy' as const, policy })),
      ...[...new Set([...counts.keys(), ...bounds.keys()])]
        .filter(isAwsManaged)
        .map((arn) => ({ type: 'AWSManagedPolicy' as const, arn })),
    ]
    const page = pageOfList(
      items.filter(({ type }) => wanted === undefined || wanted.has(type)),
      keyOf,
      input,
    )
    const pick = <T extends Item['type']>(type: T) =>
      page.items.filter((item): item is Extract<Item, { type: T }> => item.type === type)
    const UserDetailList = await Promise.all(
      pick('User').map(async ({ user }) => ({
        ...toUser(account, user),
        ...boundaryOf(user),
        UserPolicyList: inlineOf(user),
        AttachedManagedPolicies: await attachedOf(tx, user.id),
        GroupList: (
          await Promise.all(
            (
              await tx.list(Memberships, { index: 'user', equals: user.id })
            ).map(({ group }) => findById(tx, Group, group)),
          )
        ).flatMap((group) => (group ? [group.name] : [])),
        Tags: toTags(user.tags),
      })),
    )
    const GroupDetailList = await Promise.all(
      pick('Group').map(async ({ group }) => ({
        ...toGroup(account, group),
        GroupPolicyList: inlineOf(group),
        AttachedManagedPolicies: await attachedOf(tx, group.id),
      })),
    )
    const RoleDetailList = await Promise.all(
      pick('Role').map(async ({ role }) => {
        const { Description: _, MaxSessionDuration: __, ...shape } = toRole(account, role)
        const profiles = await tx.list(InstanceProfiles, { index: 'role', equals: role.id })
        return {
          ...shape,
          ...boundaryOf(role),
          RoleLastUsed: await toLastUsed(tx, role, ctx.now()),
          RolePolicyList: inlineOf(role),
          AttachedManagedPolicies: await attachedOf(tx, role.id),
          InstanceProfileList: await Promise.all(profiles.map((profile) => toProfile(tx, account, profile))),
          Tags: toTags(role.tags),
        }
      }),
    )
    const local: ManagedPolicyDetail[] = pick('LocalManagedPolicy').map(({ policy }) => ({
      ...toPolicy(account, policy, usage(policyArn(account, policy))),
      PolicyVersionList: policy.versions.map((version) => ({
        Document: encodeDocument(version.document),
        VersionId: version.id,
        IsDefaultVersion: version.id === policy.default,
        CreateDate: new Date(version.created),
      })),
    }))
    const aws = pick('AWSManagedPolicy').map(({ arn }) => ({ arn, ...usage(arn) }))
    return { UserDetailList, GroupDetailList, RoleDetailList, local, aws, rest: tail(page) }
  })
  const managed = await Promise.all(
    found.aws.map(async ({ arn, attached, bounding }): Promise<ManagedPolicyDetail[]> => {
      const policy = await awsManagedPolicy(arn)
      if (!policy) return []
      const version = {
        Document: encodeDocument(policy.document),
        VersionId: policy.version,
        IsDefaultVersion: true,
        CreateDate: new Date(policy.updated),
      }
      return [
        {
          PolicyName: policy.name,
          PolicyId: policy.id,
          Arn: arn,
          Path: policy.path,
          DefaultVersionId: policy.version,
          AttachmentCount: attached,
          PermissionsBoundaryUsageCount: bounding,
          IsAttachable: true,
          CreateDate: new Date(policy.created),
          UpdateDate: new Date(policy.updated),
          PolicyVersionList: [version],
        },
      ]
    }),
  )
  const { UserDetailList, GroupDetailList, RoleDetailList, local, rest } = found
  return { UserDetailList, GroupDetailList, RoleDetailList, Policies: [...local, ...managed.flat()], ...rest }
}

export const authorizationDetails = { GetAccountAuthorizationDetails }
