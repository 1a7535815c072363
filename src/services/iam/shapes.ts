import type {
  AttachedPermissionsBoundary,
  InstanceProfile,
  RoleLastUsed,
  Group as WireGroup,
  Policy as WirePolicy,
  Role as WireRole,
  User as WireUser,
} from '@aws-sdk/client-iam'
import type { ReadTx } from '../../store/store.ts'
import { accessesOf, latest } from './access-notes.ts'
import { encodeDocument } from './documents.ts'
import { iamArn } from './ids.ts'
import { policyArn } from './managed.ts'
import {
  findById,
  type GroupRecord,
  type InstanceProfileRecord,
  type PolicyRecord,
  Role,
  type RoleRecord,
  type UserRecord,
} from './records.ts'
import { toTags } from './tags.ts'

// Records in the words of the wire.

export const userArn = (account: string, user: UserRecord): string => iamArn(account, 'user', user)

export const toUser = (account: string, user: UserRecord): WireUser => ({
  Path: user.path,
  UserName: user.name,
  UserId: user.id,
  Arn: userArn(account, user),
  CreateDate: new Date(user.created),
})

export const boundaryOf = ({
  boundary,
}: UserRecord | RoleRecord): { PermissionsBoundary?: AttachedPermissionsBoundary } =>
  boundary === undefined
    ? {}
    : {
        PermissionsBoundary: { PermissionsBoundaryType: 'PermissionsBoundaryPolicy', PermissionsBoundaryArn: boundary },
      }

export const groupArn = (account: string, group: GroupRecord): string => iamArn(account, 'group', group)

export const toGroup = (account: string, group: GroupRecord): WireGroup => ({
  Path: group.path,
  GroupName: group.name,
  GroupId: group.id,
  Arn: groupArn(account, group),
  CreateDate: new Date(group.created),
})

export const roleArn = (account: string, role: RoleRecord): string => iamArn(account, 'role', role)

export const toRole = (account: string, role: RoleRecord): WireRole => ({
  Path: role.path,
  RoleName: role.name,
  RoleId: role.id,
  Arn: roleArn(account, role),
  CreateDate: new Date(role.created),
  AssumeRolePolicyDocument: encodeDocument(role.trust),
  ...(role.description === undefined ? {} : { Description: role.description }),
  MaxSessionDuration: role.maxSessionDuration,
})

/** Where and when a role was last used; empty when it never was. */
export const toLastUsed = async (tx: ReadTx, role: RoleRecord, now: Date): Promise<RoleLastUsed> => {
  const last = latest(await accessesOf(tx, role.id, now))
  return last ? { LastUsedDate: new Date(last.at), Region: last.region } : {}
}

export const toProfile = async (
  tx: ReadTx,
  account: string,
  profile: InstanceProfileRecord,
): Promise<InstanceProfile> => {
  const role = profile.role === undefined ? undefined : await findById(tx, Role, profile.role)
  return {
    Path: profile.path,
    InstanceProfileName: profile.name,
    InstanceProfileId: profile.id,
    Arn: iamArn(account, 'instance-profile', profile),
    CreateDate: new Date(profile.created),
    Roles: role ? [toRole(account, role)] : [],
    Tags: toTags(profile.tags),
  }
}

/** How many entities a managed policy is attached to, and how many it bounds. */
export type Usage = { readonly attached: number; readonly bounding: number }

export const toPolicy = (account: string, policy: PolicyRecord, usage: Usage): WirePolicy => ({
  PolicyName: policy.name,
  PolicyId: policy.id,
  Arn: policyArn(account, policy),
  Path: policy.path,
  DefaultVersionId: policy.default,
  AttachmentCount: usage.attached,
  PermissionsBoundaryUsageCount: usage.bounding,
  IsAttachable: true,
  CreateDate: new Date(policy.created),
  UpdateDate: new Date(policy.updated),
})
