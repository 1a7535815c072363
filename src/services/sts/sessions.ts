import { callerContext } from '../../kernel/authorize.ts'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { identity } from '../../kernel/identity.ts'
import type { Principal } from '../../kernel/principal.ts'
import { type Operation, refused, refuseTokens } from './operation.ts'
import {
  accountOfRole,
  checkTransitive,
  packedSize,
  sessionPolicies,
  sessionTags,
  toCredentials,
} from './session-request.ts'

type MfaInput = { readonly SerialNumber?: string | undefined; readonly TokenCode?: string | undefined }

/** Whether the caller proved to hold an MFA device: `false` when neither device nor code is given. Throws AccessDenied. */
const provedMfa = async (ctx: Ctx, { SerialNumber, TokenCode }: MfaInput): Promise<boolean> => {
  if (SerialNumber === undefined && TokenCode === undefined) return false
  if (SerialNumber === undefined || TokenCode === undefined)
    throw refused('MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.')
  const verdict = await ctx.use(identity).verifyMfa(ctx.principal, SerialNumber, TokenCode)
  if (verdict === 'not-theirs')
    throw refused(
      'MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.',
    )
  if (verdict === 'wrong-code') throw refused('MultiFactorAuthentication failed with invalid MFA one time pass code. ')
  return true
}

/**
 * Credentials of a role session. Allowed by the role's trust policy, and by the caller's own policies where the trust
 * policy names the caller's account or the role is another account's.
 */
export const AssumeRole: Operation<'AssumeRole'> = async (ctx, input) => {
  refuseTokens(ctx, 'AssumeRole')
  const asked = sessionPolicies(accountOfRole(input.RoleArn), input)
  const tags = sessionTags(input.Tags)
  checkTransitive(input.TransitiveTagKeys ?? [], tags)
  const packed = packedSize(asked, tags)
  if (input.ProvidedContexts?.length)
    throw notImplemented('trusted identity propagation (ProvidedContexts) in AssumeRole')
  const provider = ctx.use(identity)
  // The code speaks for this call only: what the role's session does later is not said to be done with MFA.
  const mfa: Record<string, readonly string[]> = (await provedMfa(ctx, input))
    ? { 'aws:MultiFactorAuthPresent': ['true'], 'aws:MultiFactorAuthAge': ['0'] }
    : {}
  const principal = await provider.assume({
    roleArn: input.RoleArn,
    sessionName: input.RoleSessionName,
    by: ctx.principal,
    ...asked,
    tags,
    transitiveTagKeys: input.TransitiveTagKeys ?? [],
    context: { ...(await callerContext(provider, ctx)), ...mfa },
    requestId: ctx.request.id,
    ...(input.DurationSeconds === undefined ? {} : { durationSeconds: input.DurationSeconds }),
    ...(input.ExternalId === undefined ? {} : { externalId: input.ExternalId }),
    ...(input.SourceIdentity === undefined ? {} : { sourceIdentity: input.SourceIdentity }),
  })
  const sourceIdentity = principal.session?.sourceIdentity
  return {
    Credentials: toCredentials(ctx.issue(principal)),
    AssumedRoleUser: { AssumedRoleId: principal.id, Arn: principal.arn },
    ...packed,
    ...(sourceIdentity === undefined ? {} : { SourceIdentity: sourceIdentity }),
  }
}

/** Temporary credentials of the calling user (or the root user). No permission is needed; a session cannot have another. */
export const GetSessionToken: Operation<'GetSessionToken'> = async (ctx, input) => {
  const { principal } = ctx
  if (principal.session) throw refused('Cannot call GetSessionToken with session credentials')
  if (principal.kind !== 'user' && principal.kind !== 'root')
    throw refused('Cannot call GetSessionToken with these credentials')
  const mfa = await provedMfa(ctx, input)
  const longest = principal.kind === 'root' ? 3600 : 129_600
  const duration = Math.min(input.DurationSeconds ?? 43_200, longest)
  const issued = ctx.now().getTime()
  const { accessKeyId: _, ...caller } = principal
  return {
    Credentials: toCredentials(
      ctx.issue({
        ...caller,
        session: {
          issued,
          expires: issued + duration * 1000,
          policies: [],
          policyArns: [],
          tags: {},
          transitiveTagKeys: [],
          mfa,
          ...(mfa ? { mfaAt: issued } : {}),
        },
      }),
    ),
  }
}

/**
 * Credentials of a federated user: what the calling user may do, narrowed by the session policies; without any, only what
 * resources' policies grant.
 */
export const GetFederationToken: Operation<'GetFederationToken'> = (ctx, input) => {
  const { principal } = ctx
  if (principal.session || (principal.kind !== 'user' && principal.kind !== 'root'))
    throw refused('Cannot call GetFederationToken with session credentials')
  const longest = principal.kind === 'root' ? 3600 : 129_600
  const asked = sessionPolicies(principal.account, input)
  const tags = sessionTags(input.Tags)
  const packed = packedSize(asked, tags)
  const issued = ctx.now().getTime()
  const federated: Principal = {
    kind: 'federated',
    account: principal.account,
    arn: `arn:aws:sts::${principal.account}:federated-user/${input.Name}`,
    // Resources' policies may name the user whose session it is, below its session policies.
    roleArn: principal.arn,
    id: `${principal.account}:${input.Name}`,
    name: input.Name,
    session: {
      issued,
      expires: issued + Math.min(input.DurationSeconds ?? 43_200, longest) * 1000,
      ...asked,
      tags,
      transitiveTagKeys: Object.keys(tags),
      mfa: false,
    },
  }
  return {
    Credentials: toCredentials(ctx.issue(federated)),
    FederatedUser: { FederatedUserId: federated.id, Arn: federated.arn },
    ...packed,
  }
}
