import { MfaDevices, Preferences, ServerCertificates } from './credential-records.ts'
import { OidcProviders } from './oidc-providers.ts'
import { fail, type Operation } from './operation.ts'
import { quotas } from './quotas.ts'
import { Aliases, Group, InstanceProfiles, Policy, Role, User } from './records.ts'
import { SamlProviders } from './saml-providers.ts'

/** One alias per account: a new one takes the old one's place. */
const CreateAccountAlias: Operation<'CreateAccountAlias'> = async (ctx, { AccountAlias }) => {
  await ctx.write(async (tx) => {
    const taken = await tx.get(Aliases, AccountAlias)
    if (taken) throw fail('EntityAlreadyExistsException', `The account alias ${AccountAlias} already exists.`)
    for (const { alias } of await tx.list(Aliases, { index: 'account', equals: ctx.account })) tx.delete(Aliases, alias)
    tx.put(Aliases, { alias: AccountAlias, account: ctx.account })
  })
  return {}
}

const DeleteAccountAlias: Operation<'DeleteAccountAlias'> = async (ctx, { AccountAlias }) => {
  await ctx.write(async (tx) => {
    const found = await tx.get(Aliases, AccountAlias)
    if (found?.account !== ctx.account)
      throw fail('NoSuchEntityException', `The account alias ${AccountAlias} cannot be found.`)
    tx.delete(Aliases, AccountAlias)
  })
  return {}
}

const ListAccountAliases: Operation<'ListAccountAliases'> = async (ctx) => {
  const own = await ctx.read((tx) => tx.list(Aliases, { index: 'account', equals: ctx.account }))
  return { AccountAliases: own.map(({ alias }) => alias), IsTruncated: false }
}

/** Counts, and the quotas that are enforced here. */
const GetAccountSummary: Operation<'GetAccountSummary'> = (ctx) =>
  ctx.read(async (tx) => {
    const policies = await tx.list(Policy)
    const devices = await tx.list(MfaDevices)
    return {
      SummaryMap: {
        Users: (await tx.list(User)).length,
        UsersQuota: quotas.UsersPerAccount,
        Groups: (await tx.list(Group)).length,
        GroupsQuota: quotas.GroupsPerAccount,
        Roles: (await tx.list(Role)).length,
        RolesQuota: quotas.RolesPerAccount,
        InstanceProfiles: (await tx.list(InstanceProfiles)).length,
        InstanceProfilesQuota: quotas.InstanceProfilesPerAccount,
        Policies: policies.length,
        PoliciesQuota: quotas.PoliciesPerAccount,
        PolicyVersionsInUse: policies.reduce((sum, { versions }) => sum + versions.length, 0),
        PolicyVersionsInUseQuota: 10_000,
        VersionsPerPolicyQuota: 5,
        PolicySizeQuota: 6144,
        UserPolicySizeQuota: 2048,
        GroupPolicySizeQuota: 5120,
        RolePolicySizeQuota: 10_240,
        AssumeRolePolicySizeQuota: 2048,
        GroupsPerUserQuota: 10,
        AccessKeysPerUserQuota: 2,
        SigningCertificatesPerUserQuota: 2,
        AttachedPoliciesPerUserQuota: 10,
        AttachedPoliciesPerGroupQuota: 10,
        AttachedPoliciesPerRoleQuota: 10,
        MFADevices: devices.length,
        MFADevicesInUse: devices.filter(({ user }) => user !== undefined).length,
        AccountMFAEnabled: devices.some(({ user }) => user === ctx.account) ? 1 : 0,
        AccountAccessKeysPresent: 1,
        AccountPasswordPresent: 0,
        AccountSigningCertificatesPresent: 0,
        ServerCertificates: (await tx.list(ServerCertificates)).length,
        ServerCertificatesQuota: 20,
        Providers: (await tx.list(OidcProviders)).length + (await tx.list(SamlProviders)).length,
        GlobalEndpointTokenVersion: (await tx.get(Preferences, 'preferences'))?.globalTokenVersion ?? 1,
      },
    }
  })

/** Which version the tokens of the global STS endpoint have: told by the account's summary. */
const SetSecurityTokenServicePreferences: Operation<'SetSecurityTokenServicePreferences'> = async (ctx, input) => {
  const globalTokenVersion = input.GlobalEndpointTokenVersion === 'v2Token' ? 2 : 1
  await ctx.write(async (tx) => {
    tx.put(Preferences, { globalTokenVersion })
  })
  return {}
}

export const account = {
  CreateAccountAlias,
  DeleteAccountAlias,
  ListAccountAliases,
  GetAccountSummary,
  SetSecurityTokenServicePreferences,
}
