import { identity } from '../../kernel/identity.ts'
import { defineService, provide } from '../../kernel/service.ts'
import { instanceProfiles as foundProfiles, gitCredentials } from '../capabilities.ts'
import * as absent from './absent.ts'
import * as accessKeys from './access-keys.ts'
import * as account from './account.ts'
import * as attachments from './attachments.ts'
import * as authorizationDetails from './authorization-details.ts'
import * as boundaries from './boundaries.ts'
import { instanceProfilesProvider } from './found-profiles.ts'
import * as groups from './groups.ts'
import { access } from './iam.ts'
import { gitCredentialsProvider, identityProvider } from './identity.ts'
import * as inlinePolicies from './inline-policies.ts'
import * as instanceProfiles from './instance-profiles.ts'
import type { NS } from './operation.ts'
import * as policies from './policies.ts'
import { tables } from './records.ts'
import * as roles from './roles.ts'
import * as serviceCredentials from './service-credentials.ts'
import * as serviceLinked from './service-linked.ts'
import * as simulate from './simulate.ts'
import * as sshKeys from './ssh-keys.ts'
import * as users from './users.ts'

export const service = defineService<NS>()({
  id: 'iam',
  tables,
  operations: {
    ...users,
    ...groups,
    ...roles,
    ...policies,
    ...inlinePolicies,
    ...attachments,
    ...boundaries,
    ...accessKeys,
    ...instanceProfiles,
    ...serviceLinked,
    ...serviceCredentials,
    ...sshKeys,
    ...account,
    ...authorizationDetails,
    ...simulate,
    ...absent,
  },
  partial: {
    DeleteLoginProfile: 'There are no passwords: nobody has a login profile.',
    GetLoginProfile: 'There are no passwords: nobody has a login profile.',
    GetAccountPasswordPolicy: 'There are no passwords, and so no policy for them.',
    ListMFADevices: 'There are no MFA devices.',
    ListOpenIDConnectProviders: 'Providers cannot be made yet: the list is empty.',
    ListSAMLProviders: 'Providers cannot be made yet: the list is empty.',
    ListServerCertificates: 'Server certificates cannot be uploaded: the list is empty.',
    ListSigningCertificates: 'Signing certificates cannot be uploaded: the list is empty.',
    ListVirtualMFADevices: 'There are no MFA devices.',
    GetRole: 'RoleLastUsed is not kept.',
    GetUser: 'PasswordLastUsed is not kept: there are no passwords.',
    CreateServiceLinkedRole: 'For the services of its table; other names are refused.',
    SimulateCustomPolicy: 'ResourceHandlingOption is not looked at.',
    SimulatePrincipalPolicy: 'ResourceHandlingOption is not looked at.',
    CreateServiceSpecificCredential: 'Only for CodeCommit; other services are refused.',
    GetPolicyVersion: 'Of AWS managed policies only the newest version is known.',
    ListPolicyVersions: 'Of AWS managed policies only the newest version is known.',
    ListPolicies: 'AWS managed policies have ids and usage of this server, not those of AWS.',
  },
  access,
  provides: [
    provide(identity, identityProvider),
    provide(gitCredentials, gitCredentialsProvider),
    provide(foundProfiles, instanceProfilesProvider),
  ],
})
