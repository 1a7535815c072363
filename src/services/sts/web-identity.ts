import { callerContext } from '../../kernel/authorize.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { identity } from '../../kernel/identity.ts'
import { federatedPrincipal } from '../../kernel/principal.ts'
import { identityProviders, type OidcProvider } from '../capabilities.ts'
import { fail, type Operation } from './operation.ts'
import { accountOfRole, packedSize, sessionPolicies, toCredentials } from './session-request.ts'
import { type Claims, issuerOf, verifyToken } from './token.ts'
import { sessionClaims } from './token-tags.ts'

/** Providers that AWS knows by itself; here only those that the account registered. */
const builtIn = /^(accounts\.google\.com|www\.amazon\.com|graph\.facebook\.com|cognito-identity\.amazonaws\.com)$/

/** Issuers of GetWebIdentityToken's tokens, which are for others ("Getting started with outbound identity federation"). */
const ownIssuer = /\/_tokens\/[0-9a-f-]{36}$/

/** Claims of GitHub's that conditions may ask for ("IAM and AWS STS condition context keys", IAM user guide). */
const githubClaims = [
  'actor',
  'actor_id',
  'job_workflow_ref',
  'repository',
  'repository_id',
  'workflow',
  'ref',
  'environment',
  'enterprise_id',
]

const listed = (claim: unknown): readonly string[] =>
  [claim].flat().flatMap((value) => (typeof value === 'string' ? [value] : []))

const hasGithubClaims = ({ name, issuer }: OidcProvider): boolean =>
  name === 'token.actions.githubusercontent.com' ||
  name.startsWith('token.actions.githubusercontent.com/') ||
  // An issuer on this machine stands for whichever the user tries out.
  issuer.startsWith('http:')

type Keys = Readonly<Record<string, readonly string[]>>

/** Condition keys of trust policies, in lower case. Those of `session` stay with the session. */
const conditionKeys = (provider: OidcProvider, claims: Claims): { session: Keys; assume: Keys } => {
  const key = (name: string) => `${provider.name}:${name}`.toLowerCase()
  const amr = listed(claims.payload.amr)
  const session = {
    [key('aud')]: claims.audiences,
    [key('sub')]: [claims.subject],
    ...(amr.length > 0 ? { [key('amr')]: amr } : {}),
    'aws:federatedprovider': [provider.arn],
  }
  const named = (hasGithubClaims(provider) ? githubClaims : []).flatMap((name) => {
    const values = listed(claims.payload[name])
    return values.length > 0 ? [[key(name), values] as const] : []
  })
  return { session, assume: { ...session, ...Object.fromEntries(named) } }
}

/**
 * Credentials of a role session for whom an OpenID Connect provider of the role's account vouches. Needs no AWS credentials.
 * Errors: InvalidIdentityToken, ExpiredTokenException, IDPCommunicationError, AccessDenied where the role does not trust it.
 */
export const AssumeRoleWithWebIdentity: Operation<'AssumeRoleWithWebIdentity'> = async (ctx, input) => {
  const account = accountOfRole(input.RoleArn)
  const asked = sessionPolicies(account, input)
  if (input.ProviderId !== undefined) throw notImplemented(`OAuth 2.0 access tokens of ${input.ProviderId}`)
  const issuer = issuerOf(input.WebIdentityToken)
  if (ownIssuer.test(issuer))
    throw fail('InvalidIdentityTokenException', 'Tokens of GetWebIdentityToken cannot be used to federate into AWS.')
  const provider = await ctx.use(identityProviders).oidc(account, issuer)
  if (!provider) {
    const host = issuer.replace(/^https:\/\//, '')
    if (builtIn.test(host))
      throw notImplemented(`tokens of ${host}, where no OpenID Connect provider is registered for it`)
    throw fail(
      'InvalidIdentityTokenException',
      `No OpenIDConnect provider found in your account for ${issuer.slice(0, 300)}`,
    )
  }
  const claims = await verifyToken(input.WebIdentityToken, provider, ctx.now())
  const { tags, transitiveTagKeys, sourceIdentity } = sessionClaims(claims.payload)
  const packed = packedSize(asked, tags)
  const keys = conditionKeys(provider, claims)
  const [audience = ''] = claims.audiences
  const caller = federatedPrincipal(account, {
    type: 'WebIdentityUser',
    provider: provider.arn,
    principalId: `${provider.arn}:${audience}:${claims.subject}`,
    userName: claims.subject,
    identityProvider: provider.arn,
  })
  ctx.response.caller = caller
  const known = ctx.use(identity)
  const principal = await known.assume({
    roleArn: input.RoleArn,
    sessionName: input.RoleSessionName,
    by: caller,
    ...asked,
    tags,
    transitiveTagKeys,
    context: { ...(await callerContext(known, ctx)), ...keys.assume },
    sessionContext: keys.session,
    requestId: ctx.request.id,
    ...(input.DurationSeconds === undefined ? {} : { durationSeconds: input.DurationSeconds }),
    ...(sourceIdentity === undefined ? {} : { sourceIdentity }),
  })
  return {
    Credentials: toCredentials(ctx.issue(principal)),
    SubjectFromWebIdentityToken: claims.subject,
    AssumedRoleUser: { AssumedRoleId: principal.id, Arn: principal.arn },
    Provider: provider.arn,
    Audience: audience,
    ...packed,
    ...(sourceIdentity === undefined ? {} : { SourceIdentity: sourceIdentity }),
  }
}
