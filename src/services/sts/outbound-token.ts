import { createPrivateKey } from 'node:crypto'
import { identity } from '../../kernel/identity.ts'
import { organization } from '../../kernel/organization.ts'
import { outboundFederation } from '../capabilities.ts'
import { fail, invalid, type Operation, refuseTokens } from './operation.ts'
import { sessionTags } from './session-request.ts'

// IAM user guide, "Federating AWS identities to external services", "Understanding token claims".

const namespace = 'https://sts.amazonaws.com/'
const algorithms = ['RS256', 'ES384'] as const
const largestPayload = 8192

type WireTags = readonly { readonly Key: string; readonly Value: string }[] | undefined

/** Condition keys about the tags of a request. */
export const requestTags = (tags: WireTags): Record<string, string | readonly string[]> =>
  tags?.length
    ? {
        ...Object.fromEntries(tags.map(({ Key, Value }) => [`aws:RequestTag/${Key}`, Value])),
        'aws:TagKeys': tags.map(({ Key }) => Key),
      }
    : {}

/**
 * A token that tells others who calls, signed by the account's key and verifiable by the issuer's published key set.
 * Errors: OutboundWebIdentityFederationDisabledException, SessionDurationEscalationException,
 * JWTPayloadSizeExceededException.
 */
export const GetWebIdentityToken: Operation<'GetWebIdentityToken'> = async (ctx, input) => {
  const { principal } = ctx
  refuseTokens(ctx, 'GetWebIdentityToken')
  const algorithm = algorithms.find((name) => name === input.SigningAlgorithm)
  if (!algorithm)
    throw invalid(
      `1 validation error detected: Value '${input.SigningAlgorithm}' at 'signingAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [RS256, ES384]`,
    )
  const key = await ctx.use(outboundFederation).signingKey(ctx.account, algorithm)
  if (!key)
    throw fail(
      'OutboundWebIdentityFederationDisabledException',
      'The outbound web identity federation feature is not enabled for this account.',
    )
  const issued = Math.floor(ctx.now().getTime() / 1000)
  const expires = issued + (input.DurationSeconds ?? 300)
  if (principal.session && expires * 1000 > principal.session.expires)
    throw fail(
      'SessionDurationEscalationException',
      'The requested token duration would extend the session beyond its original expiration time.',
    )
  const request = sessionTags(input.Tags)
  const membership = await ctx.use(organization).membershipOf(ctx.account)
  const principalTags = await ctx.use(identity).tagsOf(principal)
  const [audience = '', ...more] = input.Audience
  const subject = principal.roleArn ?? principal.arn
  const claims = {
    iss: key.issuer,
    aud: more.length === 0 ? audience : input.Audience,
    sub: subject,
    iat: issued,
    exp: expires,
    jti: ctx.newId(),
    [namespace]: {
      aws_account: ctx.account,
      principal_id: subject,
      source_region: ctx.region,
      ...(membership?.id ? { org_id: membership.id, ou_path: [membership.path] } : {}),
      ...(principal.session
        ? { original_session_exp: `${new Date(principal.session.expires).toISOString().slice(0, 19)}Z` }
        : {}),
      ...(Object.keys(principalTags).length > 0 ? { principal_tags: principalTags } : {}),
      ...(Object.keys(request).length > 0 ? { request_tags: request } : {}),
    },
  }
  if (JSON.stringify(claims).length > largestPayload)
    throw fail(
      'JWTPayloadSizeExceededException',
      'The requested token payload size exceeds the maximum allowed size. Reduce the number of request tags.',
    )
  const { SignJWT } = await import('jose')
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: algorithm, kid: key.keyId, typ: 'JWT' })
    .sign(createPrivateKey(key.privateKey))
  return { WebIdentityToken: token, Expiration: new Date(expires * 1000) }
}
