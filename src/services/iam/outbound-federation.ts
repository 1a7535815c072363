import { generateKeyPair as generateKeys } from 'node:crypto'
import { promisify } from 'node:util'
import type { Ctx } from '../../kernel/context.ts'
import type { Route } from '../../kernel/service.ts'
import { type Place, table } from '../../store/store.ts'
import type { OutboundFederation } from '../capabilities.ts'
import { fail, type Operation } from './operation.ts'

// IAM user guide, "Getting started with outbound identity federation".

const generateKeyPair = promisify(generateKeys)

type Algorithm = 'RS256' | 'ES384'
type SigningKeyRecord = {
  readonly algorithm: Algorithm
  /** The public key as the issuer's key set has it. */
  readonly jwk: Readonly<Record<string, string>>
  /** PEM, sealed. */
  readonly privateKey: string
}
type OutboundFederationRecord = {
  readonly account: string
  /** In the issuer's URL: accounts are not to be guessed from it. */
  readonly id: string
  /** Where the issuer was when the feature was last enabled. */
  readonly issuer: string
  readonly enabled: boolean
  readonly keys: readonly SigningKeyRecord[]
}
/** Found by the issuer's id before the account is known. */
export const OutboundFederations = table<OutboundFederationRecord>('iam.outbound-federation', {
  scope: 'global',
  key: ({ id }) => id,
  index: { account: ({ account }) => account },
})

const folder = '/_tokens'

const makeKey = async (ctx: Ctx, algorithm: Algorithm): Promise<SigningKeyRecord> => {
  const { publicKey, privateKey } =
    algorithm === 'RS256'
      ? await generateKeyPair('rsa', { modulusLength: 2048 })
      : await generateKeyPair('ec', { namedCurve: 'P-384' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: ctx.newId(), alg: algorithm, use: 'sig' }
  return { algorithm, jwk: jwk as Record<string, string>, privateKey: ctx.seal(pem) }
}

const find = (ctx: Ctx, account: string): Promise<OutboundFederationRecord | undefined> =>
  ctx.read(async (tx) => (await tx.list(OutboundFederations, { index: 'account', equals: account, limit: 1 }))[0])

/** Keys and id are made once for an account, and stay. Errors: FeatureEnabled. */
const EnableOutboundWebIdentityFederation: Operation<'EnableOutboundWebIdentityFederation'> = async (ctx) => {
  const keys = (await find(ctx, ctx.account))?.keys ?? [await makeKey(ctx, 'RS256'), await makeKey(ctx, 'ES384')]
  const newId = ctx.newId()
  const { issuer } = await ctx.write(async (tx) => {
    const [found] = await tx.list(OutboundFederations, { index: 'account', equals: ctx.account, limit: 1 })
    if (found?.enabled)
      throw fail('FeatureEnabledException', 'Outbound identity federation is already enabled for your AWS account.')
    const id = found?.id ?? newId
    return tx.put(OutboundFederations, {
      account: ctx.account,
      id,
      issuer: `${ctx.request.endpoint}${folder}/${id}`,
      enabled: true,
      keys: found?.keys ?? keys,
    })
  })
  return { IssuerIdentifier: issuer }
}

const disabled = () =>
  fail('FeatureDisabledException', 'Outbound identity federation is not enabled for your AWS account.')

/** Tokens that were issued stay verifiable. Errors: FeatureDisabled. */
const DisableOutboundWebIdentityFederation: Operation<'DisableOutboundWebIdentityFederation'> = async (ctx) => {
  await ctx.write(async (tx) => {
    const [found] = await tx.list(OutboundFederations, { index: 'account', equals: ctx.account, limit: 1 })
    if (!found?.enabled) throw disabled()
    tx.put(OutboundFederations, { ...found, enabled: false })
  })
  return {}
}

/** Errors: FeatureDisabled, where it never was enabled. */
const GetOutboundWebIdentityFederationInfo: Operation<'GetOutboundWebIdentityFederationInfo'> = async (ctx) => {
  const found = await find(ctx, ctx.account)
  if (!found) throw disabled()
  return { IssuerIdentifier: found.issuer, JwtVendingEnabled: found.enabled }
}

export const outboundFederations = {
  EnableOutboundWebIdentityFederation,
  DisableOutboundWebIdentityFederation,
  GetOutboundWebIdentityFederationInfo,
}

export const outboundFederationProvider = (at: (place: Place) => Ctx): OutboundFederation => ({
  signingKey: async (account, algorithm) => {
    const ctx = at({ account, region: 'us-east-1' })
    const found = await find(ctx, account)
    const key = found?.keys.find((candidate) => candidate.algorithm === algorithm)
    if (!found?.enabled || !key) return undefined
    return { issuer: found.issuer, keyId: key.jwk.kid ?? '', privateKey: ctx.unseal(key.privateKey) }
  },
})

/** An issuer's discovery document and key set, for whoever verifies its tokens (OpenID Connect Discovery 1.0). */
export const issuerRoute: Route = {
  name: 'outbound-federation-issuer',
  method: 'GET',
  path: /\/_tokens\/(?<id>[0-9a-f-]{36})\/\.well-known\/(?<document>openid-configuration|jwks\.json)/,
  handle: async (ctx, { params, response }) => {
    const found = await ctx.read((tx) => tx.get(OutboundFederations, params.id ?? ''))
    if (!found) {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{}')
      return
    }
    const { issuer, keys } = found
    const body =
      params.document === 'jwks.json'
        ? { keys: keys.map(({ jwk }) => jwk) }
        : {
            issuer,
            jwks_uri: `${issuer}/.well-known/jwks.json`,
            response_types_supported: ['id_token'],
            subject_types_supported: ['public'],
            id_token_signing_alg_values_supported: keys.map(({ algorithm }) => algorithm),
            claims_supported: ['iss', 'sub', 'aud', 'iat', 'exp', 'jti', 'https://sts.amazonaws.com/'],
          }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  },
}
