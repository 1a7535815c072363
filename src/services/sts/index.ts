import { identity } from '../../kernel/identity.ts'
import { defineService } from '../../kernel/service.ts'
import { identityProviders } from '../capabilities.ts'
import { GetAccessKeyInfo, GetCallerIdentity } from './caller.ts'
import type { NS } from './operation.ts'
import { AssumeRoleWithSAML } from './saml.ts'
import { AssumeRole, GetFederationToken, GetSessionToken } from './sessions.ts'
import { AssumeRoleWithWebIdentity } from './web-identity.ts'

export const service = defineService<NS>()({
  id: 'sts',
  tables: [],
  operations: {
    AssumeRole,
    AssumeRoleWithSAML,
    AssumeRoleWithWebIdentity,
    GetAccessKeyInfo,
    GetCallerIdentity,
    GetFederationToken,
    GetSessionToken,
  },
  partial: {
    AssumeRole: 'Provided contexts are refused.',
    AssumeRoleWithWebIdentity:
      'Only for OpenID Connect providers that the account registered: tokens of Google, Amazon, Facebook and Amazon Cognito are refused with NotImplemented where it did not.',
    GetFederationToken: 'Not for the root user, who is refused with NotImplemented.',
  },
  // The global endpoint's calls are recorded where it is; those of a Region's own endpoint in that Region.
  eventRegion: ({ headers }) => (/^sts\.amazonaws\.com(:|$)/.test(headers.host ?? '') ? 'us-east-1' : undefined),
  access: {
    operations: {
      GetFederationToken: ({ Name }, ctx) => ({ resources: [`arn:aws:sts::${ctx.account}:federated-user/${Name}`] }),
      GetAccessKeyInfo: () => ({ resources: ['*'] }),
    },
    // AssumeRole decides by itself, on both sides: the role's trust policy and the caller's policies.
    unauthorized: [
      'AssumeRole',
      'AssumeRoleWithSAML',
      'AssumeRoleWithWebIdentity',
      'GetCallerIdentity',
      'GetSessionToken',
    ],
    unsigned: ['AssumeRoleWithSAML', 'AssumeRoleWithWebIdentity'],
  },
  uses: [identity, identityProviders],
})
