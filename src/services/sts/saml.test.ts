import { createCipheriv, createHmac, generateKeyPairSync, publicEncrypt, randomBytes } from 'node:crypto'
import {
  CreateSAMLProviderCommand,
  DeleteSAMLProviderCommand,
  GetSAMLProviderCommand,
  IAMClient,
  ListUsersCommand,
} from '@aws-sdk/client-iam'
import * as sdk from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as idp from '../../../test/saml-idp.ts'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'
import { type AuditRecord, auditStream } from '../../kernel/audit.ts'

const account = '000000000000'
const providerArn = `arn:aws:iam::${account}:saml-provider/corp`

let drydock: Story
let iam: IAMClient
let role: string

const trust = (
  condition: object = {},
  actions: string | string[] = 'sts:AssumeRoleWithSAML',
  provider = providerArn,
) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Federated: provider }, Action: actions, Condition: condition }],
})

beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(IAMClient)
  await iam.send(new CreateSAMLProviderCommand({ Name: 'corp', SAMLMetadataDocument: idp.metadata() }))
  role = await drydock.role('staff', trust({ StringEquals: { 'saml:aud': 'https://signin.aws.amazon.com/saml' } }), [
    allow('iam:ListUsers'),
  ])
})
afterAll(() => drydock.close())

const now = () => drydock.clock.now()
const later = (seconds: number) => new Date(now().getTime() + seconds * 1000)

const assume = (SAMLAssertion: string, over: Partial<sdk.AssumeRoleWithSAMLCommandInput> = {}) =>
  new sdk.STSClient({
    endpoint: drydock.endpoint,
    region: 'us-east-1',
    maxAttempts: 1,
    credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
  }).send(new sdk.AssumeRoleWithSAMLCommand({ RoleArn: role, PrincipalArn: providerArn, SAMLAssertion, ...over }))

const usual = (roleArn = role, provider = providerArn) => ({
  Role: [`arn:aws:iam::${account}:role/other,${provider}`, `${roleArn}, ${provider}`],
  RoleSessionName: ['alice@example.com'],
})
/** An assertion with the attributes AWS asks for, and these facts. */
const made = (facts: idp.AssertionFacts = {}) =>
  idp.assertion(now(), { ...facts, attributes: { ...usual(), ...facts.attributes } })
const sent = (facts: idp.AssertionFacts = {}) => idp.encoded(idp.signed(idp.response(made(facts))))

const keysOf = ({ Credentials }: { Credentials?: sdk.Credentials | undefined }): Keys => ({
  accessKeyId: Credentials?.AccessKeyId ?? '',
  secretAccessKey: Credentials?.SecretAccessKey ?? '',
  sessionToken: Credentials?.SessionToken ?? '',
})

const invalid = (message: RegExp | string) => ({
  name: 'InvalidIdentityTokenException',
  message: typeof message === 'string' ? message : expect.stringMatching(message),
})

describe('a signed assertion', () => {
  test('gives the role’s credentials, and tells whose they are', async () => {
    const answer = await assume(sent(), { DurationSeconds: 900 })
    expect(answer).toMatchObject({
      AssumedRoleUser: { Arn: `arn:aws:sts::${account}:assumed-role/staff/alice@example.com` },
      Subject: 'alice',
      SubjectType: 'persistent',
      Issuer: idp.entityId,
      Audience: 'https://signin.aws.amazon.com/saml',
    })
    // BASE64(SHA1("https://idp.example.com/saml" + "000000000000" + "/corp")), as the API reference tells.
    expect(answer.NameQualifier).toMatch(/^[A-Za-z0-9+/]{27}=$/)
    expect(answer.Credentials?.Expiration).toEqual(later(900))
    await expect(drydock.client(IAMClient, keysOf(answer)).send(new ListUsersCommand({}))).resolves.toBeDefined()
  })

  test.each([['Assertion'], ['Response']] as const)('counts when it is the %s that is signed', async (name) => {
    await expect(assume(idp.encoded(idp.signed(idp.response(made()), name)))).resolves.toBeDefined()
  })

  test('counts when both are', async () => {
    const twice = idp.signed(idp.signed(idp.response(made())), 'Response')
    await expect(assume(idp.encoded(twice))).resolves.toBeDefined()
  })

  test('may be used again within its five minutes, as clients do for several roles', async () => {
    const assertion = sent()
    await assume(assertion)
    await expect(assume(assertion)).resolves.toBeDefined()
  })

  test('can shorten the session, and not extend it', async () => {
    const shorter = await assume(sent({ attributes: { SessionDuration: ['1800'] } }))
    expect(shorter.Credentials?.Expiration).toEqual(later(1800))
    const ending = await assume(sent({ sessionEnds: later(1000) }))
    expect(ending.Credentials?.Expiration).toEqual(later(1000))
    const longer = await assume(sent({ attributes: { SessionDuration: ['43200'] } }))
    expect(longer.Credentials?.Expiration).toEqual(later(3600))
    await expect(assume(sent(), { DurationSeconds: 7200 })).rejects.toMatchObject({ name: 'ValidationError' })
  })

  test('brings tags, source identity and condition keys', async () => {
    const tagged = await drydock.role(
      'tagged',
      trust(
        {
          StringEquals: {
            'saml:iss': idp.entityId,
            'saml:sub': 'bob',
            'saml:sub_type': 'transient',
            'saml:doc': `${account}/corp`,
            'aws:RequestTag/Project': 'Drydock',
          },
          'ForAnyValue:StringEquals': { 'saml:edupersonaffiliation': 'staff' },
        },
        ['sts:AssumeRoleWithSAML', 'sts:TagSession', 'sts:SetSourceIdentity'],
      ),
      [allow('iam:ListUsers', '*', { StringEquals: { 'saml:sub': 'bob', 'aws:PrincipalTag/Project': 'Drydock' } })],
    )
    const facts = {
      nameId: 'bob',
      format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
      attributes: {
        ...usual(tagged),
        'PrincipalTag:Project': ['Drydock'],
        TransitiveTagKeys: ['Project'],
        SourceIdentity: ['bob'],
        'urn:oid:1.3.6.1.4.1.5923.1.1.1.1': ['member', 'staff'],
      },
    }
    const answer = await assume(sent(facts), { RoleArn: tagged })
    expect(answer.SourceIdentity).toBe('bob')
    expect(answer.PackedPolicySize).toBeGreaterThan(0)
    await expect(drydock.client(IAMClient, keysOf(answer)).send(new ListUsersCommand({}))).resolves.toBeDefined()
    await expect(assume(sent({ ...facts, nameId: 'eve' }), { RoleArn: tagged })).rejects.toMatchObject({
      name: 'AccessDenied',
      message: 'Not authorized to perform sts:AssumeRoleWithSAML',
    })
  })

  test('is in the audit log by its subject, the assertion itself not', async () => {
    const assertion = sent({ nameId: 'carol' })
    await assume(assertion)
    const entries = await drydock.server.kernel.append.range(auditStream(account, 'us-east-1'))
    const records = entries.map(({ body }) => body as AuditRecord)
    expect(records.findLast(({ eventName }) => eventName === 'AssumeRoleWithSAML')?.userIdentity).toEqual({
      type: 'SAMLUser',
      principalId: expect.stringMatching(/^[\w+/]+=:carol$/),
      userName: 'carol',
      identityProvider: expect.stringMatching(/^[\w+/]+=$/),
    })
    expect(JSON.stringify(records)).not.toContain(assertion.slice(0, 100))
  })
})

describe('an assertion is refused that', () => {
  test.each<[string, () => string, object]>([
    ['is not signed', () => idp.encoded(idp.response(made())), invalid('Response signature invalid')],
    [
      'is of another issuer',
      () => sent({ issuer: 'https://evil.example.com' }),
      invalid('Issuer not present in specified provider'),
    ],
    [
      'is six minutes old',
      () => sent({ issued: later(-360) }),
      { name: 'ExpiredTokenException', message: 'Token must be redeemed within 5 minutes of issuance' },
    ],
    ['has expired', () => sent({ ends: later(0) }), { name: 'ExpiredTokenException' }],
    ['is of the future', () => sent({ issued: later(600) }), invalid(/IssueInstant/)],
    [
      'is for another audience',
      () => sent({ audience: 'https://other.example.com' }),
      invalid('Response does not contain the required audience.'),
    ],
    ['is for another recipient', () => sent({ recipient: 'https://evil.example.com/saml' }), invalid(/Recipient/)],
    [
      'is for a likely recipient',
      () => sent({ recipient: 'https://signin.aws.amazon.com.evil.example/saml' }),
      invalid(/Recipient/),
    ],
    [
      'is for another provider’s recipient',
      () => sent({ recipient: 'https://us-east-1.signin.aws.amazon.com/saml/acs/SAMLSPOTHER' }),
      invalid(/Recipient/),
    ],
    ['names no session', () => sent({ attributes: { RoleSessionName: [] } }), invalid(/RoleSessionName/)],
    [
      'names a session badly',
      () => sent({ attributes: { RoleSessionName: ['John Doe'] } }),
      invalid('RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}'),
    ],
    [
      'names another role',
      () => sent({ attributes: { Role: [`arn:aws:iam::${account}:role/other,${providerArn}`] } }),
      { name: 'AccessDenied' },
    ],
    [
      'names another provider',
      () => sent({ attributes: { Role: [`${role},${providerArn}2`] } }),
      { name: 'AccessDenied' },
    ],
    [
      'has an odd source identity',
      () => sent({ attributes: { SourceIdentity: ['a b'] } }),
      invalid(/Source Identity must match/),
    ],
    ['has a tag of two values', () => sent({ attributes: { 'PrincipalTag:A': ['1', '2'] } }), invalid(/one value/)],
    [
      'says that nobody signed in',
      () => idp.encoded(idp.signed(idp.response(made(), 'Requester'))),
      { name: 'IDPRejectedClaimException' },
    ],
    ['is no XML', () => idp.encoded('hello there'), invalid(/invalid SAML response/)],
    ['is no base64', () => '%%%%%%%%', invalid(/invalid SAML response/)],
    ['is another document', () => idp.encoded(idp.metadata()), invalid(/no Response/)],
  ])('%s', async (_, assertion, error) => {
    await expect(assume(assertion())).rejects.toMatchObject(error)
  })

  test('is signed by another key', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const xml = idp.signed(idp.response(made()), 'Assertion', { key })
    await expect(assume(idp.encoded(xml))).rejects.toMatchObject(invalid('Response signature invalid'))
  })

  test('is signed with SHA-1', async () => {
    const xml = idp.signed(idp.response(made()), 'Assertion', { algorithm: 'sha1' })
    await expect(assume(idp.encoded(xml))).rejects.toMatchObject(invalid('Response signature invalid'))
  })

  test('is signed with the certificate as a shared secret', async () => {
    const xml = idp.signed(idp.response(made()))
    const hmac = xml.replace(
      'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
      'http://www.w3.org/2000/09/xmldsig#hmac-sha1',
    )
    const value = createHmac('sha1', idp.idpKey).update('x').digest('base64')
    const forged = hmac.replace(/<ds:SignatureValue>[^<]*/, `<ds:SignatureValue>${value}`)
    await expect(assume(idp.encoded(forged))).rejects.toMatchObject(invalid('Response signature invalid'))
  })

  test('was changed after it was signed', async () => {
    const xml = idp.signed(idp.response(made())).replace('>alice<', '>admin<')
    await expect(assume(idp.encoded(xml))).rejects.toMatchObject(invalid('Response signature invalid'))
  })

  test('has entities', async () => {
    const start = '<!DOCTYPE r [<!ENTITY who SYSTEM "file:///etc/passwd">]>'
    const xml = idp.response(made({ nameId: '&who;' }), 'Success', start)
    await expect(assume(idp.encoded(xml))).rejects.toMatchObject(invalid(/invalid SAML response/))
    const bomb = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    await expect(assume(idp.encoded(idp.response(made(), 'Success', bomb)))).rejects.toMatchObject(
      invalid(/invalid SAML response/),
    )
  })

  test('is deeper than anybody needs', async () => {
    const deep = `${'<a>'.repeat(5000)}${'</a>'.repeat(5000)}`
    await expect(assume(idp.encoded(idp.response(`${made()}${deep}`)))).rejects.toMatchObject(
      invalid(/invalid SAML response/),
    )
  })
})

describe('wrapped around a signed assertion of somebody else’s', () => {
  const honest = () => idp.signed(idp.response(made()))
  const part = (xml: string, name: string) => new RegExp(`<${name}[ >].*</${name}>`, 's').exec(xml)?.[0] ?? ''
  const evil = (id: string, content = '') =>
    made({ id, nameId: 'admin' }).replace('</saml:Assertion>', `${content}</saml:Assertion>`)

  test.each<[string, (signedAssertion: string, signature: string) => string]>([
    ['before it', (original) => idp.response(`${evil('_evil')}${original}`)],
    ['after it', (original) => idp.response(`${original}${evil('_evil')}`)],
    ['with its signature', (_, signature) => idp.response(evil('_evil', signature))],
    ['with its signature and its id', (_, signature) => idp.response(evil('_assertion', signature))],
    ['with it inside', (original) => idp.response(evil('_evil', original))],
    [
      'with it inside the signature',
      (original, signature) =>
        idp.response(
          evil(
            '_evil',
            signature.replace(
              '</ds:Signature>',
              `<ds:Object>${original.replace(signature, '')}</ds:Object></ds:Signature>`,
            ),
          ),
        ),
    ],
    [
      'with it in an extension',
      (original, signature) =>
        idp.response(
          `<samlp:Extensions>${original.replace(signature, '')}</samlp:Extensions>${evil('_evil', signature)}`,
        ),
    ],
    [
      'of the same id',
      (original, signature) =>
        idp.response(
          `<samlp:Extensions>${original.replace(signature, '')}</samlp:Extensions>${evil('_assertion', signature)}`,
        ),
    ],
  ])('another one is not believed: %s', async (_, wrap) => {
    const original = part(honest(), 'saml:Assertion')
    const wrapped = wrap(original, part(original, 'ds:Signature'))
    expect(wrapped).toContain('admin')
    await expect(assume(idp.encoded(wrapped))).rejects.toMatchObject({ name: 'InvalidIdentityTokenException' })
  })

  test('a comment in a name does not cut it', async () => {
    const xml = idp.signed(idp.response(made({ nameId: 'admin<!-- -->@evil.example' })))
    expect(xml).toContain('<!-- -->')
    expect((await assume(idp.encoded(xml))).Subject).toBe('admin@evil.example')
    // A comment that came in later changes nothing of what was signed.
    const later = idp.signed(idp.response(made({ nameId: 'admin@evil.example' })))
    const cut = later.replace('admin@evil', 'admin<!-- -->@evil')
    expect((await assume(idp.encoded(cut))).Subject).toBe('admin@evil.example')
  })
})

describe('a provider', () => {
  test('that is not there, or of another account, vouches for nobody', async () => {
    for (const PrincipalArn of [`${providerArn}2`, 'arn:aws:iam::111122223333:saml-provider/corp'])
      await expect(assume(sent(), { PrincipalArn })).rejects.toMatchObject(invalid("Specified provider doesn't exist"))
  })

  test('whose metadata has expired vouches for nobody', async () => {
    const brief = await iam.send(
      new CreateSAMLProviderCommand({
        Name: 'brief',
        SAMLMetadataDocument: idp.metadata({ attributes: `validUntil="${later(-1).toISOString()}"` }),
      }),
    )
    await expect(assume(sent(), { PrincipalArn: brief.SAMLProviderArn })).rejects.toMatchObject(
      invalid(/not valid any more/),
    )
    await iam.send(new DeleteSAMLProviderCommand({ SAMLProviderArn: brief.SAMLProviderArn }))
  })

  test('of which the role knows nothing does not help', async () => {
    const provider = `arn:aws:iam::${account}:saml-provider/second`
    await iam.send(new CreateSAMLProviderCommand({ Name: 'second', SAMLMetadataDocument: idp.metadata() }))
    const attributes = usual(role, provider)
    await expect(assume(sent({ attributes }), { PrincipalArn: provider })).rejects.toMatchObject({
      name: 'AccessDenied',
      message: 'Not authorized to perform sts:AssumeRoleWithSAML',
    })
  })
})

describe('encrypted assertions', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const provider = `arn:aws:iam::${account}:saml-provider/sealed`
  let sealedRole: string
  let uuid: string
  beforeAll(async () => {
    await iam.send(
      new CreateSAMLProviderCommand({
        Name: 'sealed',
        SAMLMetadataDocument: idp.metadata(),
        AssertionEncryptionMode: 'Required',
        AddPrivateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      }),
    )
    uuid = (await iam.send(new GetSAMLProviderCommand({ SAMLProviderArn: provider }))).SAMLProviderUUID ?? ''
    sealedRole = await drydock.role('sealed', trust({}, 'sts:AssumeRoleWithSAML', provider))
  })
  const over = () => ({ RoleArn: sealedRole, PrincipalArn: provider })
  const assertion = () =>
    idp.signed(
      idp.assertion(now(), {
        recipient: `https://us-east-1.signin.aws.amazon.com/saml/acs/${uuid}`,
        attributes: usual(sealedRole, provider),
      }),
    )
  const encrypted = (text: string, mode: 'cbc' | 'gcm') => {
    const secret = randomBytes(32)
    const iv = randomBytes(mode === 'gcm' ? 12 : 16)
    const gcm = mode === 'gcm' ? createCipheriv('aes-256-gcm', secret, iv) : undefined
    const cipher = gcm ?? createCipheriv('aes-256-cbc', secret, iv)
    const body = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), gcm?.getAuthTag() ?? Buffer.alloc(0)])
    const algorithm =
      mode === 'gcm' ? 'http://www.w3.org/2009/xmlenc11#aes256-gcm' : 'http://www.w3.org/2001/04/xmlenc#aes256-cbc'
    const value = (bytes: Buffer) =>
      `<xenc:CipherData><xenc:CipherValue>${bytes.toString('base64')}</xenc:CipherValue></xenc:CipherData>`
    const key = publicEncrypt({ key: publicKey, oaepHash: 'sha1' }, secret)
    return [
      '<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">',
      `<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"><xenc:EncryptionMethod Algorithm="${algorithm}"/>`,
      '<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey>',
      '<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"/>',
      `${value(key)}</xenc:EncryptedKey></ds:KeyInfo>${value(body)}</xenc:EncryptedData></saml:EncryptedAssertion>`,
    ].join('')
  }

  test.each(['cbc', 'gcm'] as const)('are read with the provider’s key: %s', async (mode) => {
    const xml = idp.response(encrypted(assertion(), mode))
    const answer = await assume(idp.encoded(xml), over())
    expect(answer.Subject).toBe('alice')
  })

  test('need a signature like any other', async () => {
    const unsigned = idp.assertion(now(), { attributes: usual(sealedRole, provider) })
    const xml = idp.response(encrypted(unsigned, 'gcm'))
    await expect(assume(idp.encoded(xml), over())).rejects.toMatchObject(invalid('Response signature invalid'))
    await expect(assume(idp.encoded(idp.signed(xml, 'Response')), over())).resolves.toBeDefined()
  })

  test('are not read with another key, and broken ones not at all', async () => {
    const xml = idp.response(encrypted(assertion(), 'gcm'))
    await expect(assume(idp.encoded(xml))).rejects.toMatchObject(invalid(/could not be decrypted/))
    const broken = idp.response(encrypted('x', 'cbc'))
    await expect(assume(idp.encoded(broken), over())).rejects.toMatchObject({ name: 'InvalidIdentityTokenException' })
  })

  test('are demanded where the provider says so', async () => {
    const plain = idp.encoded(idp.response(assertion()))
    await expect(assume(plain, over())).rejects.toMatchObject(invalid('The SAML assertion must be encrypted.'))
  })
})
