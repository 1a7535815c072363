import { identity } from '../../kernel/identity.ts'
import { defineService, provide } from '../../kernel/service.ts'
import { instanceProfiles as foundProfiles, gitCredentials } from '../capabilities.ts'
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
  },
  partial: {
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
