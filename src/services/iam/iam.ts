import { requestTags } from '../../kernel/authorize.ts'
import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules, Requirement } from '../../kernel/service.ts'
import type { ReadTx } from '../../store/store.ts'
import { isAwsManaged } from './aws-managed.ts'
import { MfaDevices, PasswordPolicies, ServerCertificates } from './credential-records.ts'
import { iamArn, nameInArn } from './ids.ts'
import { findLocal } from './managed.ts'
import { deviceKey } from './mfa-codes.ts'
import { OidcProviders, oidcProviderArn } from './oidc-providers.ts'
import type { NS } from './operation.ts'
import { selfService } from './password-policy.ts'
import {
  AccessKeys,
  findById,
  Group,
  InstanceProfiles,
  nameKey,
  Role,
  ServiceCredentials,
  type Tags,
  User,
} from './records.ts'
import { SamlProviders, samlProviderArn } from './saml-providers.ts'

// IAM's ARNs hold paths, which inputs do not: they are looked up. What is not there yet has the path it asks for.

type Named = { readonly name: string; readonly path: string }

const arnOf = async (
  ctx: Ctx,
  type: string,
  name: string,
  path: string | undefined,
  find: (tx: ReadTx) => Promise<Named | undefined>,
): Promise<string> => iamArn(ctx.account, type, (await ctx.read(find)) ?? { name, path: path ?? '/' })

const user = async (ctx: Ctx, name: string | undefined, path?: string): Promise<string> => {
  if (name !== undefined) return arnOf(ctx, 'user', name, path, (tx) => tx.get(User, nameKey(name)))
  if (ctx.principal.kind === 'root') return ctx.principal.arn
  const caller = await ctx.read((tx) => findById(tx, User, ctx.principal.id))
  return caller ? iamArn(ctx.account, 'user', caller) : `arn:aws:iam::${ctx.account}:user/`
}
const group = (ctx: Ctx, name: string, path?: string): Promise<string> =>
  arnOf(ctx, 'group', name, path, (tx) => tx.get(Group, nameKey(name)))
const role = (ctx: Ctx, name: string, path?: string): Promise<string> =>
  arnOf(ctx, 'role', name, path, (tx) => tx.get(Role, nameKey(name)))
const instanceProfile = (ctx: Ctx, name: string, path?: string): Promise<string> =>
  arnOf(ctx, 'instance-profile', name, path, (tx) => tx.get(InstanceProfiles, nameKey(name)))

type Rule<I> = AccessRule<I>

const onUser: Rule<{
  UserName?: string | undefined
  Path?: string | undefined
  PermissionsBoundary?: string | undefined
}> = async ({ UserName, Path, PermissionsBoundary }, ctx) => ({
  resources: [await user(ctx, UserName, Path)],
  context: { 'iam:PermissionsBoundary': PermissionsBoundary ?? (await boundaryOf(ctx, User, UserName)) },
})

const onGroup: Rule<{ GroupName: string; Path?: string | undefined }> = async ({ GroupName, Path }, ctx) => ({
  resources: [await group(ctx, GroupName, Path)],
})

const onRole: Rule<{ RoleName: string; Path?: string | undefined; PermissionsBoundary?: string | undefined }> = async (
  { RoleName, Path, PermissionsBoundary },
  ctx,
) => ({
  resources: [await role(ctx, RoleName, Path)],
  context: { 'iam:PermissionsBoundary': PermissionsBoundary ?? (await boundaryOf(ctx, Role, RoleName)) },
})

const onProfile: Rule<{ InstanceProfileName: string; Path?: string | undefined }> = async (input, ctx) => ({
  resources: [await instanceProfile(ctx, input.InstanceProfileName, input.Path)],
})

const onPolicy: Rule<{ PolicyArn: string }> = ({ PolicyArn }) => ({ resources: [PolicyArn] })

const onOidcProvider: Rule<{ OpenIDConnectProviderArn: string }> = ({ OpenIDConnectProviderArn }) => ({
  resources: [OpenIDConnectProviderArn],
})

const onSamlProvider: Rule<{ SAMLProviderArn: string }> = ({ SAMLProviderArn }) => ({ resources: [SAMLProviderArn] })

const boundaryOf = (ctx: Ctx, of: typeof User | typeof Role, name: string | undefined): Promise<string | undefined> =>
  ctx.read(async (tx) =>
    name === undefined ? undefined : (await tx.get<{ boundary?: string }>(of as never, nameKey(name)))?.boundary,
  )

const serverCertificate = (ctx: Ctx, name: string, path?: string): Promise<string> =>
  arnOf(ctx, 'server-certificate', name, path, (tx) => tx.get(ServerCertificates, nameKey(name)))

const onCertificate: Rule<{ ServerCertificateName: string; Path?: string | undefined }> = async (input, ctx) => ({
  resources: [await serverCertificate(ctx, input.ServerCertificateName, input.Path)],
})

/** Renaming needs permission on what it is and on what it becomes. */
const onRenamed: Rule<{
  ServerCertificateName: string
  NewServerCertificateName?: string | undefined
  NewPath?: string | undefined
}> = async ({ ServerCertificateName: old, NewServerCertificateName, NewPath }, ctx) => {
  const { resources = [] } = (await onCertificate({ ServerCertificateName: old }, ctx)) as { resources?: string[] }
  const present = await ctx.read((tx) => tx.get(ServerCertificates, nameKey(old)))
  const becomes = { name: NewServerCertificateName ?? old, path: NewPath ?? present?.path ?? '/' }
  return { resources: [...new Set([...resources, iamArn(ctx.account, 'server-certificate', becomes)])] }
}

/** A serial number is the device's ARN. */
const onDevice: Rule<{ SerialNumber: string }> = ({ SerialNumber }, ctx) => ({
  resources: [
    SerialNumber.startsWith('arn:') ? SerialNumber : iamArn(ctx.account, 'mfa', { name: SerialNumber, path: '/' }),
  ],
})

/** Attaching tells which policy: `iam:PolicyARN`. */
const withPolicy =
  <I>(rule: Rule<I>): Rule<I & { PolicyArn: string }> =>
  async (input, ctx) => {
    const given = (await rule(input, ctx)) as { resources: string[]; context?: Record<string, string | undefined> }
    return { ...given, context: { ...given.context, 'iam:PolicyARN': input.PolicyArn } }
  }

/** Tags given while a resource is made need the right to tag it too ("Tagging IAM resources"). */
const creating =
  <I>(action: string, tag: string, rule: Rule<I>): Rule<I & { Tags?: readonly unknown[] | undefined }> =>
  async (input, ctx): Promise<Requirement[]> => {
    const { resources, context } = (await rule(input, ctx)) as Omit<Requirement, 'action'>
    const told = { ...requestTags(input), ...context }
    const tagged = (input.Tags ?? []).length > 0 ? [tag] : []
    return [action, ...tagged].map((one) => ({ action: `iam:${one}`, resources, context: told }))
  }

/** A credential that exists tells which service it is for. */
const onCredential: Rule<{ UserName?: string | undefined; ServiceSpecificCredentialId: string }> = async (
  { UserName, ServiceSpecificCredentialId: id },
  ctx,
) => {
  const credential = await ctx.read((tx) => tx.get(ServiceCredentials, id))
  return {
    resources: [await user(ctx, UserName)],
    context: { 'iam:ServiceSpecificCredentialServiceName': credential?.service },
  }
}

/** A key is its user's: the one who has it, as long as anyone does. */
const onKey: Rule<{ AccessKeyId: string }> = async ({ AccessKeyId }, ctx) => {
  const owner = await ctx.read(async (tx) => {
    const key = await tx.get(AccessKeys, AccessKeyId)
    return key?.account === ctx.account ? findById(tx, User, key.user) : undefined
  })
  return { resources: [owner ? iamArn(ctx.account, 'user', owner) : '*'] }
}

/** Lists are authorized on the account's whole kind: `arn:aws:iam::123456789012:user/`. */
const onAll =
  (type: string): Rule<{ PathPrefix?: string | undefined }> =>
  ({ PathPrefix }, ctx) => ({ resources: [`arn:aws:iam::${ctx.account}:${type}${PathPrefix ?? '/'}`] })

export const access: AccessRules<NS> = {
  operations: {
    CreateUser: creating('CreateUser', 'TagUser', onUser),
    ...{ GetUser: onUser, UpdateUser: onUser, DeleteUser: onUser, ListUsers: onAll('user') },
    ...{ TagUser: onUser, UntagUser: onUser, ListUserTags: onUser },
    ...{ PutUserPermissionsBoundary: onUser, DeleteUserPermissionsBoundary: onUser },
    ...{ PutUserPolicy: onUser, GetUserPolicy: onUser, DeleteUserPolicy: onUser, ListUserPolicies: onUser },
    ...{ AttachUserPolicy: withPolicy(onUser), DetachUserPolicy: withPolicy(onUser), ListAttachedUserPolicies: onUser },
    ...{ ListGroupsForUser: onUser },
    ...{ CreateAccessKey: onUser, ListAccessKeys: onUser, UpdateAccessKey: onUser, DeleteAccessKey: onUser },
    CreateServiceSpecificCredential: async ({ UserName, ServiceName, CredentialAgeDays }, ctx) => ({
      resources: [await user(ctx, UserName)],
      context: {
        'iam:ServiceSpecificCredentialServiceName': ServiceName,
        'iam:ServiceSpecificCredentialAgeDays': CredentialAgeDays === undefined ? undefined : String(CredentialAgeDays),
      },
    }),
    ListServiceSpecificCredentials: onUser,
    ...{ UpdateServiceSpecificCredential: onCredential, ResetServiceSpecificCredential: onCredential },
    DeleteServiceSpecificCredential: onCredential,
    ...{ UploadSSHPublicKey: onUser, GetSSHPublicKey: onUser, ListSSHPublicKeys: onUser },
    ...{ UpdateSSHPublicKey: onUser, DeleteSSHPublicKey: onUser },
    ...{ ListMFADevices: onUser, ListSigningCertificates: onUser, GetLoginProfile: onUser, DeleteLoginProfile: onUser },
    ...{ UploadSigningCertificate: onUser, UpdateSigningCertificate: onUser, DeleteSigningCertificate: onUser },
    UploadServerCertificate: creating('UploadServerCertificate', 'TagServerCertificate', onCertificate),
    GetServerCertificate: onCertificate,
    ...{ DeleteServerCertificate: onCertificate, UpdateServerCertificate: onRenamed },
    ...{ TagServerCertificate: onCertificate, UntagServerCertificate: onCertificate },
    ...{ ListServerCertificateTags: onCertificate, ListServerCertificates: onAll('server-certificate') },
    ...{ CreateLoginProfile: onUser, UpdateLoginProfile: onUser },
    ChangePassword: (_, ctx) => onUser({}, ctx),
    ...{ EnableMFADevice: onUser, DeactivateMFADevice: onUser, ResyncMFADevice: onUser, GetMFADevice: onUser },
    CreateVirtualMFADevice: creating<{ VirtualMFADeviceName: string; Path?: string | undefined }>(
      'CreateVirtualMFADevice',
      'TagMFADevice',
      ({ VirtualMFADeviceName, Path }, ctx) => ({
        resources: [iamArn(ctx.account, 'mfa', { name: VirtualMFADeviceName, path: Path ?? '/' })],
      }),
    ),
    ...{ DeleteVirtualMFADevice: onDevice, TagMFADevice: onDevice },
    ...{ UntagMFADevice: onDevice, ListMFADeviceTags: onDevice },

    ...{
      CreateGroup: onGroup,
      GetGroup: onGroup,
      UpdateGroup: onGroup,
      DeleteGroup: onGroup,
      ListGroups: onAll('group'),
    },
    ...{ AddUserToGroup: onGroup, RemoveUserFromGroup: onGroup },
    ...{ PutGroupPolicy: onGroup, GetGroupPolicy: onGroup, DeleteGroupPolicy: onGroup, ListGroupPolicies: onGroup },
    ...{ AttachGroupPolicy: withPolicy(onGroup), DetachGroupPolicy: withPolicy(onGroup) },
    ...{ ListAttachedGroupPolicies: onGroup },

    CreateRole: creating('CreateRole', 'TagRole', onRole),
    ...{ GetRole: onRole, UpdateRole: onRole, DeleteRole: onRole, ListRoles: onAll('role') },
    ...{ UpdateRoleDescription: onRole, UpdateAssumeRolePolicy: onRole },
    ...{ TagRole: onRole, UntagRole: onRole, ListRoleTags: onRole },
    ...{ PutRolePermissionsBoundary: onRole, DeleteRolePermissionsBoundary: onRole },
    ...{ PutRolePolicy: onRole, GetRolePolicy: onRole, DeleteRolePolicy: onRole, ListRolePolicies: onRole },
    ...{ AttachRolePolicy: withPolicy(onRole), DetachRolePolicy: withPolicy(onRole), ListAttachedRolePolicies: onRole },
    ...{ ListInstanceProfilesForRole: onRole, DeleteServiceLinkedRole: onRole },
    CreateServiceLinkedRole: ({ AWSServiceName }, ctx) => ({
      resources: [`arn:aws:iam::${ctx.account}:role/aws-service-role/${AWSServiceName}/*`],
      context: { 'iam:AWSServiceName': AWSServiceName },
    }),
    GetServiceLinkedRoleDeletionStatus: ({ DeletionTaskId }, ctx) => ({
      resources: [`arn:aws:iam::${ctx.account}:role/${DeletionTaskId.split('/').slice(1, 4).join('/')}`],
    }),

    CreatePolicy: creating<{ PolicyName: string; Path?: string | undefined }>(
      'CreatePolicy',
      'TagPolicy',
      ({ PolicyName, Path }, ctx) => ({
        resources: [iamArn(ctx.account, 'policy', { name: PolicyName, path: Path ?? '/' })],
      }),
    ),
    ...{ GetPolicy: onPolicy, DeletePolicy: onPolicy, ListEntitiesForPolicy: onPolicy },
    ...{ CreatePolicyVersion: onPolicy, GetPolicyVersion: onPolicy, ListPolicyVersions: onPolicy },
    ...{ DeletePolicyVersion: onPolicy, SetDefaultPolicyVersion: onPolicy },
    ...{ TagPolicy: onPolicy, UntagPolicy: onPolicy, ListPolicyTags: onPolicy },
    // No ARN, so only `*` covers it: denials name it so.
    ListPolicies: ({ PathPrefix }) => ({ resources: [`policy path ${PathPrefix ?? '/'}`] }),

    CreateInstanceProfile: creating('CreateInstanceProfile', 'TagInstanceProfile', onProfile),
    ...{ GetInstanceProfile: onProfile, DeleteInstanceProfile: onProfile },
    ...{ AddRoleToInstanceProfile: onProfile, RemoveRoleFromInstanceProfile: onProfile },
    ...{ TagInstanceProfile: onProfile, UntagInstanceProfile: onProfile, ListInstanceProfileTags: onProfile },
    ListInstanceProfiles: onAll('instance-profile'),

    CreateOpenIDConnectProvider: creating<{ Url: string }>(
      'CreateOpenIDConnectProvider',
      'TagOpenIDConnectProvider',
      ({ Url }, ctx) => ({ resources: [oidcProviderArn(ctx.account, Url.replace(/^https?:\/\//, ''))] }),
    ),
    ...{ GetOpenIDConnectProvider: onOidcProvider, DeleteOpenIDConnectProvider: onOidcProvider },
    ...{ AddClientIDToOpenIDConnectProvider: onOidcProvider, RemoveClientIDFromOpenIDConnectProvider: onOidcProvider },
    ...{ UpdateOpenIDConnectProviderThumbprint: onOidcProvider, ListOpenIDConnectProviderTags: onOidcProvider },
    ...{ TagOpenIDConnectProvider: onOidcProvider, UntagOpenIDConnectProvider: onOidcProvider },
    ListOpenIDConnectProviders: (_, ctx) => ({ resources: [oidcProviderArn(ctx.account, '*')] }),
    CreateSAMLProvider: creating<{ Name: string }>('CreateSAMLProvider', 'TagSAMLProvider', ({ Name }, ctx) => ({
      resources: [samlProviderArn(ctx.account, Name)],
    })),
    ...{ GetSAMLProvider: onSamlProvider, UpdateSAMLProvider: onSamlProvider, DeleteSAMLProvider: onSamlProvider },
    ...{ TagSAMLProvider: onSamlProvider, UntagSAMLProvider: onSamlProvider, ListSAMLProviderTags: onSamlProvider },
    ListSAMLProviders: (_, ctx) => ({ resources: [samlProviderArn(ctx.account, '*')] }),

    GenerateOrganizationsAccessReport: ({ OrganizationsPolicyId }) => ({
      context: { 'iam:OrganizationsPolicyId': OrganizationsPolicyId },
    }),
    SimulatePrincipalPolicy: ({ PolicySourceArn }) => ({ resources: [PolicySourceArn] }),
    GetContextKeysForPrincipalPolicy: ({ PolicySourceArn }) => ({ resources: [PolicySourceArn] }),

    GetAccessKeyLastUsed: onKey,
  },

  resourcePolicy: async (ctx, arn) => {
    // AWS's own policies are every account's.
    if (isAwsManaged(arn)) return { account: ctx.principal.account }
    if (ctx.principal.kind !== 'user' || (arn !== '*' && arn !== ctx.principal.arn)) return undefined
    const policy = await ctx.read((tx) => tx.get(PasswordPolicies, 'policy'))
    return policy?.usersMayChange ? { account: ctx.account, document: selfService } : undefined
  },

  resourceTags: async (ctx, arn): Promise<Tags | undefined> => {
    const oidc = oidcProviderArn(ctx.account, '')
    if (arn.startsWith(oidc)) return ctx.read(async (tx) => (await tx.get(OidcProviders, arn.slice(oidc.length)))?.tags)
    const type = /^arn:aws:iam::\d+:([a-z-]+)\//.exec(arn)?.[1] ?? ''
    const name = nameInArn(arn, ctx.account, type)
    if (name === undefined) return undefined
    return ctx.read(async (tx) => {
      if (type === 'user') return (await tx.get(User, nameKey(name)))?.tags
      if (type === 'role') return (await tx.get(Role, nameKey(name)))?.tags
      if (type === 'policy') return (await findLocal(tx, ctx.account, arn))?.tags
      if (type === 'mfa') return (await tx.get(MfaDevices, deviceKey(ctx.account, arn) ?? ''))?.tags
      if (type === 'server-certificate') return (await tx.get(ServerCertificates, nameKey(name)))?.tags
      if (type === 'saml-provider') return (await tx.get(SamlProviders, name))?.tags
      if (type === 'instance-profile') return (await tx.get(InstanceProfiles, nameKey(name)))?.tags
      return undefined
    })
  },
}
