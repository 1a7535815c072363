import {
  CreateOpenIDConnectProviderCommand,
  DisableOutboundWebIdentityFederationCommand,
  EnableOutboundWebIdentityFederationCommand,
  GetOutboundWebIdentityFederationInfoCommand,
  IAMClient,
  TagUserCommand,
} from '@aws-sdk/client-iam'
import * as sdk from '@aws-sdk/client-sts'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'

const account = '000000000000'
const namespace = 'https://sts.amazonaws.com/'

let drydock: Story
let iam: IAMClient
let issuer: string
let alice: Keys
const token = (keys: Keys, over: Partial<sdk.GetWebIdentityTokenCommandInput> = {}) =>
  drydock
    .client(sdk.STSClient, keys)
    .send(
      new sdk.GetWebIdentityTokenCommand({ Audience: ['https://api.example.com'], SigningAlgorithm: 'RS256', ...over }),
    )

beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(IAMClient)
  alice = await drydock.user('alice', [
    allow(['sts:GetWebIdentityToken', 'sts:TagGetWebIdentityToken', 'sts:AssumeRole']),
  ])
  await iam.send(new TagUserCommand({ UserName: 'alice', Tags: [{ Key: 'team', Value: 'blue' }] }))

  await expect(token(alice)).rejects.toMatchObject({ name: 'OutboundWebIdentityFederationDisabledException' })
  await expect(iam.send(new GetOutboundWebIdentityFederationInfoCommand({}))).rejects.toMatchObject({
    name: 'FeatureDisabledException',
  })
  const enabled = await iam.send(new EnableOutboundWebIdentityFederationCommand({}))
  issuer = enabled.IssuerIdentifier ?? ''
})
afterAll(() => drydock.close())

/** As a stranger does: from the issuer's discovery document to its keys to the signature. */
const verified = async (jwt: string | undefined) => {
  const discovery = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as Record<string, string>
  expect(discovery.issuer).toBe(issuer)
  return jwtVerify(jwt ?? '', createRemoteJWKSet(new URL(discovery.jwks_uri ?? '')), {
    issuer,
    audience: 'https://api.example.com',
    currentDate: drydock.clock.now(),
  })
}

describe('a token', () => {
  test.each(['RS256', 'ES384'])('signed by %s is verified with the published keys', async (SigningAlgorithm) => {
    const Tags = [{ Key: 'job', Value: '17' }]
    const { WebIdentityToken, Expiration } = await token(alice, { SigningAlgorithm, DurationSeconds: 600, Tags })
    const { payload, protectedHeader } = await verified(WebIdentityToken)
    const now = Math.floor(drydock.clock.now().getTime() / 1000)
    expect(protectedHeader.alg).toBe(SigningAlgorithm)
    expect(Expiration).toEqual(new Date((now + 600) * 1000))
    expect(payload).toEqual({
      iss: issuer,
      aud: 'https://api.example.com',
      sub: `arn:aws:iam::${account}:user/alice`,
      iat: now,
      exp: now + 600,
      jti: expect.any(String),
      [namespace]: {
        aws_account: account,
        principal_id: `arn:aws:iam::${account}:user/alice`,
        source_region: 'us-east-1',
        principal_tags: { team: 'blue' },
        request_tags: { job: '17' },
      },
    })
  })

  test('of a session names the role, and does not outlive it', async () => {
    const role = await drydock.role(
      'worker',
      {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { AWS: account }, Action: 'sts:AssumeRole' }],
      },
      [allow('sts:GetWebIdentityToken')],
    )
    const { Credentials } = await drydock
      .client(sdk.STSClient, alice)
      .send(new sdk.AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'night', DurationSeconds: 900 }))
    const keys = {
      accessKeyId: Credentials?.AccessKeyId ?? '',
      secretAccessKey: Credentials?.SecretAccessKey ?? '',
      sessionToken: Credentials?.SessionToken ?? '',
    }
    const { WebIdentityToken } = await token(keys, { Audience: ['https://api.example.com', 'other'] })
    const { payload } = await verified(WebIdentityToken)
    expect(payload.sub).toBe(role)
    expect(payload.aud).toEqual(['https://api.example.com', 'other'])
    expect(payload[namespace]).toMatchObject({
      original_session_exp: `${Credentials?.Expiration?.toISOString().slice(0, 19)}Z`,
    })
    await expect(token(keys, { DurationSeconds: 901 })).rejects.toMatchObject({
      name: 'SessionDurationEscalationException',
    })
  })

  test('needs permission: for the audience, the algorithm, the tags', async () => {
    const keys = await drydock.user('narrow', [
      allow('sts:GetWebIdentityToken', '*', {
        'ForAllValues:StringEquals': { 'sts:IdentityTokenAudience': 'https://api.example.com' },
        StringEquals: { 'sts:SigningAlgorithm': 'ES384' },
        NumericLessThanEquals: { 'sts:DurationSeconds': '300' },
      }),
    ])
    await expect(token(keys, { SigningAlgorithm: 'ES384' })).resolves.toBeDefined()
    const denied = { name: 'AccessDenied' }
    await expect(token(keys)).rejects.toMatchObject(denied)
    await expect(token(keys, { SigningAlgorithm: 'ES384', Audience: ['other'] })).rejects.toMatchObject(denied)
    await expect(token(keys, { SigningAlgorithm: 'ES384', DurationSeconds: 301 })).rejects.toMatchObject(denied)
    await expect(token(keys, { SigningAlgorithm: 'ES384', Tags: [{ Key: 'a', Value: 'b' }] })).rejects.toMatchObject({
      message: expect.stringContaining('sts:TagGetWebIdentityToken'),
    })
  })

  test('is not made of more than it can hold, nor by algorithms nobody asked for', async () => {
    const Tags = Array.from({ length: 50 }, (_, index) => ({ Key: `key-${index}`, Value: 'x'.repeat(256) }))
    await expect(token(alice, { Tags })).rejects.toMatchObject({ name: 'JWTPayloadSizeExceededException' })
    await expect(token(alice, { SigningAlgorithm: 'HS256' })).rejects.toMatchObject({ name: 'ValidationError' })
  })
})

test('the issuer stays when the feature goes and comes back, and tokens stay verifiable', async () => {
  const { WebIdentityToken } = await token(alice)
  await expect(iam.send(new EnableOutboundWebIdentityFederationCommand({}))).rejects.toMatchObject({
    name: 'FeatureEnabledException',
  })
  await iam.send(new DisableOutboundWebIdentityFederationCommand({}))
  await expect(iam.send(new DisableOutboundWebIdentityFederationCommand({}))).rejects.toMatchObject({
    name: 'FeatureDisabledException',
  })
  await expect(token(alice)).rejects.toMatchObject({ name: 'OutboundWebIdentityFederationDisabledException' })
  const info = await iam.send(new GetOutboundWebIdentityFederationInfoCommand({}))
  expect(info).toMatchObject({ IssuerIdentifier: issuer, JwtVendingEnabled: false })
  await expect(verified(WebIdentityToken)).resolves.toBeDefined()
  const again = await iam.send(new EnableOutboundWebIdentityFederationCommand({}))
  expect(again.IssuerIdentifier).toBe(issuer)
  const later = await token(alice)
  await expect(verified(later.WebIdentityToken)).resolves.toBeDefined()
  expect(decodeJwt(later.WebIdentityToken ?? '').jti).not.toBe(decodeJwt(WebIdentityToken ?? '').jti)
})

test('a token is for others, not for a way back into AWS', async () => {
  await iam.send(new CreateOpenIDConnectProviderCommand({ Url: issuer, ClientIDList: ['https://api.example.com'] }))
  const { WebIdentityToken } = await token(alice)
  const back = new sdk.AssumeRoleWithWebIdentityCommand({
    RoleArn: `arn:aws:iam::${account}:role/any`,
    RoleSessionName: 'back',
    WebIdentityToken,
  })
  await expect(drydock.client(sdk.STSClient, alice).send(back)).rejects.toMatchObject({
    name: 'InvalidIdentityTokenException',
    message: expect.stringContaining('GetWebIdentityToken'),
  })
})

test('an issuer that is none answers nothing', async () => {
  const response = await fetch(`${drydock.endpoint}/_tokens/${'0'.repeat(36)}/.well-known/jwks.json`)
  expect(response.status).toBe(404)
})
