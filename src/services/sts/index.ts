import { identity } from '../../kernel/identity.ts'
import { defineService } from '../../kernel/service.ts'
import { GetAccessKeyInfo, GetCallerIdentity } from './caller.ts'
import { AssumeRoleWithSAML, AssumeRoleWithWebIdentity } from './federation.ts'
import type { NS } from './operation.ts'
import { AssumeRole, GetFederationToken, GetSessionToken } from './sessions.ts'

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
    AssumeRoleWithSAML: 'Always refused: there are no SAML providers.',
    AssumeRoleWithWebIdentity: 'Always refused: there are no OpenID Connect providers.',
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
  uses: [identity],
})
