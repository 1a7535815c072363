import { createHmac, type webcrypto } from 'node:crypto'
import {
  CreateOpenIDConnectProviderCommand,
  DeleteOpenIDConnectProviderCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  IAMClient,
  ListUsersCommand,
} from '@aws-sdk/client-iam'
import * as sdk from '@aws-sdk/client-sts'
import { exportSPKI, generateKeyPair, importJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type OidcIssuer, oidcIssuer } from '../../../test/oidc-issuer.ts'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'
import { type AuditRecord, auditStream } from '../../kernel/audit.ts'

const account = '000000000000'

let drydock: Story
let issuer: OidcIssuer
let providerArn: string
let iam: IAMClient

beforeAll(async () => {
  drydock = await story()
  issuer = await oidcIssuer(() => drydock.clock.now())
  iam = drydock.client(IAMClient)
  const made = await iam.send(
    new CreateOpenIDConnectProviderCommand({ Url: issuer.url, ClientIDList: ['sts.amazonaws.com', 'shop'] }),
  )
  providerArn = made.OpenIDConnectProviderArn ?? ''
})
afterAll(async () => {
  await issuer.close()
  await drydock.close()
})

const trust = (condition: object, actions: string | string[] = 'sts:AssumeRoleWithWebIdentity') => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Federated: providerArn }, Action: actions, Condition: condition }],
})

/** A client without credentials: the call is not signed. */
const anybody = () =>
  new sdk.STSClient({
    endpoint: drydock.endpoint,
    region: 'us-east-1',
    maxAttempts: 1,
    credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
  })

const assume = (RoleArn: string, WebIdentityToken: string, over: object = {}) =>
  anybody().send(
    new sdk.AssumeRoleWithWebIdentityCommand({ RoleArn, RoleSessionName: 'run-17', WebIdentityToken, ...over }),
  )

const keysOf = ({ Credentials }: { Credentials?: sdk.Credentials | undefined }): Keys => ({
  accessKeyId: Credentials?.AccessKeyId ?? '',
  secretAccessKey: Credentials?.SecretAccessKey ?? '',
  sessionToken: Credentials?.SessionToken ?? '',
})

const records = async () => {
  const found = await drydock.server.kernel.append.range(auditStream(account, 'us-east-1'))
  return found.map(({ body }) => body as AuditRecord)
}

describe('a GitHub Actions workflow', () => {
  const claims = {
    sub: 'repo:octo-org/shop:ref:refs/heads/main',
    repository: 'octo-org/shop',
    ref: 'refs/heads/main',
    actor: 'mona',
    job_workflow_ref: 'octo-org/shop/.github/workflows/deploy.yml@refs/heads/main',
  }
  let role: string
  beforeAll(async () => {
    role = await drydock.role(
      'deploy',
      trust({
        StringEquals: { [`${issuer.name}:aud`]: 'sts.amazonaws.com' },
        StringLike: { [`${issuer.name}:sub`]: 'repo:octo-org/shop:*' },
      }),
      [allow('iam:ListUsers')],
    )
  })

  test('gets the role’s credentials for its token', async () => {
    const answer = await assume(role, await issuer.token(claims), { DurationSeconds: 900 })
    expect(answer).toMatchObject({
      SubjectFromWebIdentityToken: claims.sub,
      Audience: 'sts.amazonaws.com',
      Provider: providerArn,
      AssumedRoleUser: {
        Arn: `arn:aws:sts::${account}:assumed-role/deploy/run-17`,
        AssumedRoleId: expect.stringMatching(/^AROA[A-Z0-9]{17}:run-17$/),
      },
    })
    expect(answer.Credentials?.Expiration?.getTime()).toBe(drydock.clock.now().getTime() + 900_000)
    const keys = keysOf(answer)
    await expect(drydock.client(IAMClient, keys).send(new ListUsersCommand({}))).resolves.toBeDefined()
    const me = await drydock.client(sdk.STSClient, keys).send(new sdk.GetCallerIdentityCommand({}))
    expect(me.Arn).toBe(`arn:aws:sts::${account}:assumed-role/deploy/run-17`)
  })

  test('of another repository does not', async () => {
    const token = await issuer.token({ ...claims, sub: 'repo:evil-org/shop:ref:refs/heads/main' })
    await expect(assume(role, token)).rejects.toMatchObject({
      name: 'AccessDenied',
      message: 'Not authorized to perform sts:AssumeRoleWithWebIdentity',
    })
  })

  test('is told apart by GitHub’s own claims', async () => {
    const guarded = await drydock.role(
      'guarded',
      trust({
        StringEquals: {
          [`${issuer.name}:repository`]: 'octo-org/shop',
          [`${issuer.name}:job_workflow_ref`]: claims.job_workflow_ref,
        },
      }),
    )
    await expect(assume(guarded, await issuer.token(claims))).resolves.toBeDefined()
    const other = await issuer.token({ ...claims, job_workflow_ref: 'octo-org/shop/.github/workflows/pr.yml@main' })
    await expect(assume(guarded, other)).rejects.toMatchObject({ name: 'AccessDenied' })
  })

  test('is in the audit log, its token not', async () => {
    const token = await issuer.token(claims)
    const answer = await assume(role, token)
    await drydock.client(IAMClient, keysOf(answer)).send(new ListUsersCommand({}))
    const written = await records()
    expect(written.findLast(({ eventName }) => eventName === 'AssumeRoleWithWebIdentity')).toMatchObject({
      userIdentity: {
        type: 'WebIdentityUser',
        principalId: `${providerArn}:sts.amazonaws.com:${claims.sub}`,
        userName: claims.sub,
        identityProvider: providerArn,
      },
      recipientAccountId: account,
    })
    expect(written.findLast(({ eventName }) => eventName === 'ListUsers')).toMatchObject({
      userIdentity: {
        type: 'AssumedRole',
        sessionContext: { webIdFederationData: { federatedProvider: providerArn, attributes: {} } },
      },
    })
    expect(JSON.stringify(written)).not.toContain(token.split('.')[2])
  })
})

describe('a session', () => {
  test('carries tags and source identity of the token where the trust policy lets it', async () => {
    const claims = {
      sub: 'alice',
      'https://aws.amazon.com/tags': {
        principal_tags: { Project: ['Drydock'], Team: ['Blue'] },
        transitive_tag_keys: ['Project'],
      },
      'https://aws.amazon.com/source_identity': 'alice@example.com',
    }
    const plain = await drydock.role('untagged', trust({}))
    await expect(assume(plain, await issuer.token(claims))).rejects.toMatchObject({
      message: 'Not authorized to perform sts:TagSession',
    })
    const role = await drydock.role(
      'tagged',
      trust({ StringEquals: { 'aws:RequestTag/Project': 'Drydock' } }, [
        'sts:AssumeRoleWithWebIdentity',
        'sts:TagSession',
        'sts:SetSourceIdentity',
      ]),
      [
        allow('iam:ListUsers', '*', {
          StringEquals: {
            'aws:PrincipalTag/Team': 'Blue',
            'aws:SourceIdentity': 'alice@example.com',
            [`${issuer.name}:sub`]: 'alice',
            'aws:FederatedProvider': providerArn,
          },
        }),
      ],
    )
    const answer = await assume(role, await issuer.token(claims))
    expect(answer.SourceIdentity).toBe('alice@example.com')
    expect(answer.PackedPolicySize).toBeGreaterThan(0)
    await expect(drydock.client(IAMClient, keysOf(answer)).send(new ListUsersCommand({}))).resolves.toBeDefined()
    const flattened = await issuer.token({
      sub: 'alice',
      'https://aws.amazon.com/tags/principal_tags/Project': 'Drydock',
      'https://aws.amazon.com/tags/transitive_tag_keys': ['Project'],
    })
    await expect(assume(role, flattened)).resolves.toBeDefined()
  })

  test('is narrowed by its session policy, and ends with its role', async () => {
    const role = await drydock.role('short-lived', trust({}), [allow(['iam:ListUsers', 'iam:ListRoles'])])
    const answer = await assume(role, await issuer.token({ sub: 'bob' }), {
      Policy: JSON.stringify(allow('iam:ListRoles')),
    })
    const session = drydock.client(IAMClient, keysOf(answer))
    await expect(session.send(new ListUsersCommand({}))).rejects.toMatchObject({ name: 'AccessDenied' })
    await iam.send(new DeleteRolePolicyCommand({ RoleName: 'short-lived', PolicyName: 'policy-0' }))
    await iam.send(new DeleteRoleCommand({ RoleName: 'short-lived' }))
    await expect(session.send(new ListUsersCommand({}))).rejects.toMatchObject({ name: 'AccessDenied' })
  })

  test('lasts no longer than the role allows', async () => {
    const role = await drydock.role('hourly', trust({}))
    await expect(assume(role, await issuer.token({ sub: 'bob' }), { DurationSeconds: 3601 })).rejects.toMatchObject({
      message: 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
    })
  })
})

describe('a token', () => {
  let role: string
  beforeAll(async () => {
    role = await drydock.role('any', trust({}))
  })
  const seconds = () => Math.floor(drydock.clock.now().getTime() / 1000)
  const sign = async (claims: object, alg: string, key: webcrypto.CryptoKey, kid = 'key-1') =>
    new SignJWT({ iss: issuer.url, aud: 'shop', sub: 'mallory', iat: seconds(), exp: seconds() + 60, ...claims })
      .setProtectedHeader({ alg, kid })
      .sign(key)
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const usual = () => ({ iss: issuer.url, aud: 'shop', sub: 'mallory', iat: seconds(), exp: seconds() + 60 })

  test.each<[string, () => Promise<string>, string, RegExp]>([
    ['expired', () => issuer.token({ sub: 'a', exp: seconds() - 1 }), 'ExpiredTokenException', /^Token expired/],
    [
      'two days old',
      () => issuer.token({ sub: 'a', iat: seconds() - 172_800 }),
      'ExpiredTokenException',
      /^Token too old/,
    ],
    ['not valid yet', () => issuer.token({ sub: 'a', nbf: seconds() + 60 }), 'InvalidIdentityToken', /nbf/],
    [
      'of the future',
      () => issuer.token({ sub: 'a', iat: seconds() + 900, exp: seconds() + 990 }),
      'InvalidIdentityToken',
      /future/,
    ],
    [
      'without an end',
      () => issuer.token({ sub: 'a', exp: undefined }),
      'InvalidIdentityToken',
      /Missing a required claim: exp/,
    ],
    ['without a subject', () => issuer.token({}), 'InvalidIdentityToken', /Missing a required claim: sub/],
    [
      'for somebody else',
      () => issuer.token({ sub: 'a', aud: 'other' }),
      'InvalidIdentityToken',
      /^Incorrect token audience$/,
    ],
    [
      'authorized to a stranger',
      () => issuer.token({ sub: 'a', aud: 'shop', azp: 'other' }),
      'InvalidIdentityToken',
      /^Incorrect token audience$/,
    ],
    [
      'of an unknown issuer',
      () => issuer.token({ sub: 'a', iss: 'https://evil.example.com' }),
      'InvalidIdentityToken',
      /No OpenIDConnect provider found in your account for https:\/\/evil/,
    ],
    [
      'of a likely name',
      () => issuer.token({ sub: 'a', iss: issuer.url.replace('http:', 'https:') }),
      'InvalidIdentityToken',
      /No OpenIDConnect provider/,
    ],
    ['that is none', async () => 'not-a-token', 'InvalidIdentityToken', /not a valid JWT/],
    ['of five parts', async () => 'a.b.c.d.e', 'InvalidIdentityToken', /not a valid JWT/],
    [
      'not signed',
      async () => `${encoded({ alg: 'none' })}.${encoded(usual())}.`,
      'InvalidIdentityToken',
      /not signed with one of/,
    ],
    [
      'signed by another key',
      async () => sign({}, 'RS256', (await generateKeyPair('RS256')).privateKey),
      'InvalidIdentityToken',
      /signature is invalid/,
    ],
    [
      'with an unknown key id',
      () => issuer.token({ sub: 'a' }, { kid: 'key-2' }),
      'InvalidIdentityToken',
      /Couldn't retrieve verification key/,
    ],
    [
      'with an odd tag',
      () => issuer.token({ sub: 'a', 'https://aws.amazon.com/tags': { principal_tags: { A: ['1', '2'] } } }),
      'InvalidIdentityToken',
      /must have one value/,
    ],
    [
      'with an odd source identity',
      () => issuer.token({ sub: 'a', 'https://aws.amazon.com/source_identity': 'a b' }),
      'InvalidIdentityToken',
      /Source Identity must match/,
    ],
  ])('%s is refused', async (_, token, name, message) => {
    await expect(assume(role, await token())).rejects.toMatchObject({
      name: name === 'InvalidIdentityToken' ? 'InvalidIdentityTokenException' : name,
      message: expect.stringMatching(message),
    })
  })

  test('signed with the public key as a shared secret is refused', async () => {
    const key = (await importJWK(issuer.jwk, 'RS256', { extractable: true })) as webcrypto.CryptoKey
    const body = `${encoded({ alg: 'HS256', kid: 'key-1' })}.${encoded(usual())}`
    for (const secret of [await exportSPKI(key), JSON.stringify(issuer.jwk)]) {
      const forged = `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`
      await expect(assume(role, forged)).rejects.toMatchObject({
        message: expect.stringMatching(/not signed with one/),
      })
    }
  })

  test('changed after it was signed is refused', async () => {
    const [header, , signature] = (await issuer.token({ sub: 'alice' })).split('.')
    await expect(assume(role, `${header}.${encoded(usual())}.${signature}`)).rejects.toMatchObject({
      name: 'InvalidIdentityTokenException',
      message: 'The token signature is invalid.',
    })
  })

  test('without a key id is tried with every key', async () => {
    const { publicKey } = await generateKeyPair('RS256', { extractable: true })
    const { exportJWK } = await import('jose')
    const other = { ...(await exportJWK(publicKey)), alg: 'RS256', use: 'sig' }
    issuer.answers.set('/keys', { status: 200, body: JSON.stringify({ keys: [other, issuer.jwk] }) })
    await expect(assume(role, await issuer.token({ sub: 'alice' }, {}))).resolves.toBeDefined()
    issuer.answers.clear()
  })

  test('with several audiences is for the one that is registered', async () => {
    const answer = await assume(role, await issuer.token({ sub: 'alice', aud: ['other', 'shop'] }))
    expect(answer.Audience).toBe('shop')
  })
})

describe('an issuer', () => {
  let role: string
  beforeAll(async () => {
    role = await drydock.role('distant', trust({}))
  })
  const answering = async (
    path: string,
    answer: { status: number; headers?: Record<string, string>; body: string },
  ) => {
    issuer.answers.set(path, answer)
    issuer.asked.length = 0
    const outcome = assume(role, await issuer.token({ sub: 'alice' }))
    await outcome.catch(() => undefined)
    issuer.answers.clear()
    return outcome
  }
  const configuration = (over: object) => () => ({
    status: 200,
    body: JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys`, ...over }),
  })
  const noKey = { name: 'InvalidIdentityTokenException', message: expect.stringContaining('retrieve verification key') }

  test('that redirects is not followed', async () => {
    await expect(
      answering('/keys', { status: 302, headers: { location: `${issuer.url}/elsewhere` }, body: '' }),
    ).rejects.toMatchObject(noKey)
    expect(issuer.asked).not.toContain('/elsewhere')
  })

  test.each([
    ['the metadata service', 'http://169.254.169.254/keys'],
    ['another name of this machine', 'http://127.0.0.1:1/keys'],
    ['this machine in other clothes', 'https://[::ffff:127.0.0.1]/keys'],
    ['a file', 'file:///etc/passwd'],
  ])('that says its keys are at %s is not believed', async (_, jwks_uri) => {
    await expect(answering('/.well-known/openid-configuration', configuration({ jwks_uri })())).rejects.toMatchObject(
      noKey,
    )
  })

  test.each([
    ['of another name', configuration({ issuer: 'https://evil.example.com' })],
    ['endless', () => ({ status: 200, body: `{"a":"${'x'.repeat(300_000)}"}` })],
    ['no JSON', () => ({ status: 200, body: '<html>' })],
    ['missing', () => ({ status: 404, body: '{}' })],
  ])('whose configuration is %s is refused', async (_, answer) => {
    await expect(answering('/.well-known/openid-configuration', answer())).rejects.toMatchObject(noKey)
  })

  test('that fails is told apart, so that clients try again', async () => {
    await expect(answering('/keys', { status: 503, body: '' })).rejects.toMatchObject({
      name: 'IDPCommunicationErrorException',
    })
  })

  test('that the account does not trust any more vouches for nobody', async () => {
    const brief = await oidcIssuer(() => drydock.clock.now())
    const { OpenIDConnectProviderArn } = await iam.send(
      new CreateOpenIDConnectProviderCommand({ Url: brief.url, ClientIDList: ['shop'] }),
    )
    const Statement = [
      { Effect: 'Allow', Principal: { Federated: OpenIDConnectProviderArn }, Action: 'sts:AssumeRoleWithWebIdentity' },
    ]
    const brieflyTrusting = await drydock.role('brief', { Version: '2012-10-17', Statement })
    const token = await brief.token({ sub: 'alice', aud: 'shop' })
    await expect(assume(brieflyTrusting, token)).resolves.toBeDefined()
    await expect(assume(role, token)).rejects.toMatchObject({ name: 'AccessDenied' })
    await iam.send(new DeleteOpenIDConnectProviderCommand({ OpenIDConnectProviderArn }))
    await expect(assume(brieflyTrusting, token)).rejects.toMatchObject({ name: 'InvalidIdentityTokenException' })
    await brief.close()
  })
})

test('providers that AWS knows by itself are refused as not done', async () => {
  await expect(
    assume(`arn:aws:iam::${account}:role/any`, 'whatever', { ProviderId: 'graph.facebook.com' }),
  ).rejects.toMatchObject({ name: 'NotImplemented' })
  const google = await issuer.token({ sub: 'a', iss: 'https://accounts.google.com' })
  await expect(assume(`arn:aws:iam::${account}:role/any`, google)).rejects.toMatchObject({ name: 'NotImplemented' })
})
