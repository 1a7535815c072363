import { callerContext } from '../../kernel/authorize.ts'
import type { Credentials, Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import { identity } from '../../kernel/identity.ts'
import type { Principal } from '../../kernel/principal.ts'
import { PolicyFinding, parsePolicy } from '../../policy/parse.ts'
import { fail, invalid, type Operation, refused } from './operation.ts'

const toCredentials = ({ accessKeyId, secretAccessKey, sessionToken, expiration }: Credentials) => ({
  AccessKeyId: accessKeyId,
  SecretAccessKey: secretAccessKey,
  SessionToken: sessionToken,
  Expiration: expiration,
})

/** Session policies only narrow. Throws MalformedPolicyDocument, PackedPolicyTooLarge. */
const checkSessionPolicy = (text: string | undefined): readonly string[] => {
  if (text === undefined) return []
  if (text.length > 2048)
    throw fail(
      'PackedPolicyTooLargeException',
      'Packed policy consumes 101% of allotted space, please use smaller policy.',
    )
  try {
    parsePolicy(text, 'session')
  } catch (thrown) {
    if (thrown instanceof PolicyFinding) throw fail('MalformedPolicyDocumentException', thrown.message)
    throw thrown
  }
  return [text]
}

/** How much of the space for session policies and tags is used, in percent, as AWS's own packing would be near to. */
const packedSize = (texts: readonly string[]): { PackedPolicySize?: number } => {
  const size = texts.reduce((sum, text) => sum + text.length, 0)
  return size === 0 ? {} : { PackedPolicySize: Math.max(1, Math.ceil((size / 2048) * 50)) }
}

type WireTag = { Key: string; Value: string }

const sessionTags = (tags: readonly WireTag[] | undefined): Record<string, string> => {
  const keys = new Set(tags?.map(({ Key }) => Key.toLowerCase()))
  if (keys.size < (tags?.length ?? 0))
    throw new AwsError(
      'InvalidParameterValue',
      'Duplicate tag keys found. Please note that Tag keys are case insensitive.',
      { status: 400 },
    )
  return Object.fromEntries((tags ?? []).map(({ Key, Value }) => [Key, Value]))
}

/** The managed policies of a session must be there. Throws ValidationError as AWS does for what is no policy. */
const policyArns = (account: string, given: readonly { arn?: string | undefined }[] | undefined) => {
  const arns = (given ?? []).flatMap(({ arn }) => (arn === undefined ? [] : [arn]))
  for (const arn of arns) {
    if (!/^arn:aws:iam::(aws|\d{12}):policy\/./.test(arn)) throw invalid(`ARN ${arn} is not valid.`)
    const owner = arn.split(':')[4]
    if (owner !== 'aws' && owner !== account) throw invalid(`Policy ${arn} is not in the account of the role or user.`)
  }
  return arns
}

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
  if (!/^arn:[\w-]+:iam::\d{12}:role\/./.test(input.RoleArn)) throw invalid(`${input.RoleArn} is invalid`)
  const policies = checkSessionPolicy(input.Policy)
  const account = input.RoleArn.split(':')[4] ?? ''
  const tags = sessionTags(input.Tags)
  for (const key of input.TransitiveTagKeys ?? [])
    if (!Object.hasOwn(tags, key))
      throw new AwsError(
        'InvalidParameterValue',
        `The transitive tag key ${key} must be one of the requested session tags.`,
        { status: 400 },
      )
  if (input.ProvidedContexts?.length)
    throw notImplemented('trusted identity propagation (ProvidedContexts) in AssumeRole')
  const managedPolicies = policyArns(account, input.PolicyArns)
  const provider = ctx.use(identity)
  // The code speaks for this call only: what the role's session does later is not said to be done with MFA.
  const mfa: Record<string, readonly string[]> = (await provedMfa(ctx, input))
    ? { 'aws:MultiFactorAuthPresent': ['true'], 'aws:MultiFactorAuthAge': ['0'] }
    : {}
  const principal = await provider.assume({
    roleArn: input.RoleArn,
    sessionName: input.RoleSessionName,
    by: ctx.principal,
    policies,
    policyArns: managedPolicies,
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
    ...packedSize([...policies, ...Object.entries(tags).flat()]),
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
  if (principal.kind === 'root') throw notImplemented('sts:GetFederationToken for the root user')
  const policies = checkSessionPolicy(input.Policy)
  const tags = sessionTags(input.Tags)
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
      expires: issued + (input.DurationSeconds ?? 43_200) * 1000,
      policies,
      policyArns: policyArns(principal.account, input.PolicyArns),
      tags,
      transitiveTagKeys: Object.keys(tags),
      mfa: false,
    },
  }
  return {
    Credentials: toCredentials(ctx.issue(federated)),
    FederatedUser: { FederatedUserId: federated.id, Arn: federated.arn },
    ...packedSize([...policies, ...Object.entries(tags).flat()]),
  }
}
