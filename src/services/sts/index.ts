import { identity } from '../../kernel/identity.ts'
import { organization } from '../../kernel/organization.ts'
import { defineService } from '../../kernel/service.ts'
import { identityProviders, outboundFederation, rootAccess } from '../capabilities.ts'
import { DecodeAuthorizationMessage } from './authorization-message.ts'
import { GetAccessKeyInfo, GetCallerIdentity } from './caller.ts'
import type { NS } from './operation.ts'
import { GetWebIdentityToken, requestTags } from './outbound-token.ts'
import { AssumeRoot, rootArn } from './root-session.ts'
import { AssumeRole, GetFederationToken, GetSessionToken } from './sessions.ts'

export const service = defineService<NS>()({
  id: 'sts',
  tables: [],
  operations: {
    AssumeRole,
    // Their libraries for XML and tokens are loaded when the first federated user comes.
    AssumeRoleWithSAML: async (ctx, input) => (await import('./saml.ts')).AssumeRoleWithSAML(ctx, input),
    AssumeRoleWithWebIdentity: async (ctx, input) =>
      (await import('./web-identity.ts')).AssumeRoleWithWebIdentity(ctx, input),
    AssumeRoot,
    DecodeAuthorizationMessage,
    GetAccessKeyInfo,
    GetCallerIdentity,
    GetFederationToken,
    GetSessionToken,
    GetWebIdentityToken,
  },
  partial: {
    GetWebIdentityToken:
      'Of the session’s context (an instance, a function, an identity provider) nothing is told in the token.',
    AssumeRole: 'Provided contexts are refused.',
    AssumeRoot:
      'The session is real, and S3 does not let the root user past a bucket policy that denies everybody; there are no queues to unlock.',
    AssumeRoleWithWebIdentity:
      'Only for OpenID Connect providers that the account registered: tokens of Google, Amazon, Facebook and Amazon Cognito are refused with NotImplemented where it did not.',
  },
  // The global endpoint's calls are recorded where it is; those of a Region's own endpoint in that Region.
  eventRegion: ({ headers }) => (/^sts\.amazonaws\.com(:|$)/.test(headers.host ?? '') ? 'us-east-1' : undefined),
  access: {
    operations: {
      GetFederationToken: ({ Name }, ctx) => ({ resources: [`arn:aws:sts::${ctx.account}:federated-user/${Name}`] }),
      GetAccessKeyInfo: () => ({ resources: ['*'] }),
      DecodeAuthorizationMessage: () => ({ resources: ['*'] }),
      AssumeRoot: ({ TargetPrincipal, TaskPolicyArn }) => ({
        resources: [rootArn(TargetPrincipal)],
        context: { 'sts:TaskPolicyArn': TaskPolicyArn.arn },
      }),
      GetWebIdentityToken: (input) => {
        const context = {
          'sts:IdentityTokenAudience': input.Audience,
          'sts:DurationSeconds': String(input.DurationSeconds ?? 300),
          'sts:SigningAlgorithm': input.SigningAlgorithm,
          ...requestTags(input.Tags),
        }
        const needed = (name: string) => ({ action: `sts:${name}`, resources: ['*'], context })
        return [needed('GetWebIdentityToken'), ...(input.Tags?.length ? [needed('TagGetWebIdentityToken')] : [])]
      },
    },
    // A root user is nobody's resource: what counts are the caller's policies, though the account is another one.
    resourcePolicy: async (ctx, arn) =>
      /^arn:aws:iam::\d{12}:root$/.test(arn) ? { account: ctx.principal.account } : undefined,
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
  uses: [identity, identityProviders, outboundFederation, rootAccess, organization],
})
