import { createLocalJWKSet, decodeJwt, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import type { OidcProvider } from '../capabilities.ts'
import { fetchJson, Unreachable, Untrusted, Unusable } from './fetch-json.ts'
import { fail } from './operation.ts'

/** What STS signs of ("AssumeRoleWithWebIdentity", STS API reference): never `none`, never a shared secret. */
const algorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512']

/** How far the issuer's clock may be ahead, and how old a token may be, in seconds. */
const skew = 300
const oldest = 24 * 3600

export type Claims = {
  readonly subject: string
  /** Whom it was issued to, as `aud` in conditions: the authorized party where there is one. */
  readonly audiences: readonly string[]
  readonly payload: JWTPayload
}

const wrong = (message: string) => fail('InvalidIdentityTokenException', message)
const noKey = () =>
  wrong(
    "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements",
  )
const noToken = () =>
  wrong('The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)')

/** Who claims to have issued the token. Nothing of it is verified yet. Throws InvalidIdentityToken. */
export const issuerOf = (token: string): string => {
  const { iss } = decoded(token)
  if (iss === undefined) throw wrong('Missing a required claim: iss')
  return iss
}

const decoded = (token: string): JWTPayload => {
  try {
    const payload = decodeJwt(token)
    if (payload.iss !== undefined && typeof payload.iss !== 'string') throw noToken()
    return payload
  } catch {
    throw noToken()
  }
}

/**
 * The claims of a token that the provider really issued for one of its client ids and that is in force at `now`.
 * Throws InvalidIdentityToken, ExpiredTokenException, IDPCommunicationError.
 */
export const verifyToken = async (token: string, provider: OidcProvider, now: Date): Promise<Claims> => {
  const payload = await verifiedPayload(token, await keysOf(provider), provider, now)
  const { iat = 0, sub } = payload
  const seconds = Math.floor(now.getTime() / 1000)
  if (iat > seconds + skew) throw wrong('The token was issued in the future.')
  if (seconds - iat > oldest) throw fail('ExpiredTokenException', `Token too old: ${seconds - iat}`)
  if (typeof sub !== 'string' || sub === '') throw wrong('Missing a required claim: sub')
  return { subject: sub, audiences: audiencesOf(payload, provider), payload }
}

/** The authorized party counts where there is one; else any audience (observed: aws/aws-sdk-net issue 3071). */
const audiencesOf = ({ aud, azp }: JWTPayload, { clientIds }: OidcProvider): readonly string[] => {
  const audiences = azp === undefined ? [aud ?? []].flat() : [azp]
  if (!audiences.every((audience) => typeof audience === 'string')) throw noToken()
  const known = audiences.filter((audience) => clientIds.includes(audience))
  if (known.length === 0) throw wrong('Incorrect token audience')
  return [...known, ...audiences.filter((audience) => !known.includes(audience))]
}

const verifiedPayload = async (
  token: string,
  keys: JSONWebKeySet,
  { issuer }: OidcProvider,
  now: Date,
): Promise<JWTPayload> => {
  const options = { algorithms, issuer, currentDate: now, requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat'] }
  try {
    const keySet = createLocalJWKSet(keys)
    return (await jwtVerify(token, keySet, options)).payload
  } catch (error) {
    // Without a key id any key of the set may be the one.
    if (error instanceof errors.JWKSMultipleMatchingKeys)
      for await (const key of error)
        try {
          return (await jwtVerify(token, key, options)).payload
        } catch (inner) {
          if (!(inner instanceof errors.JWSSignatureVerificationFailed)) throw refusal(inner, now)
        }
    throw refusal(error, now)
  }
}

const refusal = (error: unknown, now: Date) => {
  if (error instanceof errors.JWTExpired)
    return fail(
      'ExpiredTokenException',
      `Token expired: current date/time ${Math.floor(now.getTime() / 1000)} must be before the expiration date/time${error.payload.exp}`,
    )
  if (error instanceof errors.JWTClaimValidationFailed)
    return wrong(
      error.reason === 'missing'
        ? `Missing a required claim: ${error.claim}`
        : `The token's ${error.claim} is not valid.`,
    )
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSInvalid) return noKey()
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported)
    return wrong('The token is not signed with one of RS256, RS384, RS512, ES256, ES384 and ES512.')
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSMultipleMatchingKeys)
    return wrong('The token signature is invalid.')
  // What else a token or a key may be made of: nothing that could be a right one.
  return noToken()
}

/** The provider's signing keys, as its discovery document tells where they are (OpenID Connect Discovery 1.0). */
const keysOf = async ({ issuer, thumbprints }: OidcProvider): Promise<JSONWebKeySet> => {
  const trust = { registered: new URL(issuer), thumbprints }
  try {
    const configuration = await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, trust)
    if (configuration.issuer !== issuer || typeof configuration.jwks_uri !== 'string') throw noKey()
    const { keys } = await fetchJson(configuration.jwks_uri, trust)
    if (!Array.isArray(keys)) throw noKey()
    return { keys: keys.filter((key) => typeof key === 'object' && key !== null && key.kty !== 'oct').slice(0, 100) }
  } catch (error) {
    if (error instanceof Unreachable)
      throw fail('IDPCommunicationErrorException', `Could not reach the identity provider: ${error.message}`)
    if (error instanceof Unusable) throw noKey()
    if (error instanceof Untrusted)
      throw wrong("OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint")
    throw error
  }
}
