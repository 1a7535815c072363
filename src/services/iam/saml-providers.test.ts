import { generateKeyPairSync } from 'node:crypto'
import * as sdk from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as idp from '../../../test/saml-idp.ts'
import { type Story, story } from '../../../test/story.ts'

const account = '000000000000'

let drydock: Story
let iam: sdk.IAMClient
beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(sdk.IAMClient)
})
afterAll(() => drydock.close())

const create = (Name: string, over: Partial<sdk.CreateSAMLProviderCommandInput> = {}) =>
  iam.send(new sdk.CreateSAMLProviderCommand({ Name, SAMLMetadataDocument: idp.metadata(), ...over }))
const arnOf = (name: string) => `arn:aws:iam::${account}:saml-provider/${name}`
const read = (name: string) => iam.send(new sdk.GetSAMLProviderCommand({ SAMLProviderArn: arnOf(name) }))
const update = (name: string, over: Partial<sdk.UpdateSAMLProviderCommandInput>) =>
  iam.send(new sdk.UpdateSAMLProviderCommand({ SAMLProviderArn: arnOf(name), ...over }))

test('a provider is made, read, changed, listed and deleted', async () => {
  const made = await create('corp', { Tags: [{ Key: 'team', Value: 'it' }] })
  expect(made).toMatchObject({ SAMLProviderArn: arnOf('corp'), Tags: [{ Key: 'team', Value: 'it' }] })
  await expect(create('corp')).rejects.toMatchObject({ name: 'EntityAlreadyExistsException' })
  expect(await read('corp')).toMatchObject({
    SAMLMetadataDocument: idp.metadata(),
    SAMLProviderUUID: expect.stringMatching(/^[A-Z0-9]{22,64}$/),
    CreateDate: drydock.clock.now(),
    // Metadata that does not say how long it is good is good for a hundred years.
    ValidUntil: new Date('2126-11-23T09:00:00Z'),
    Tags: [{ Key: 'team', Value: 'it' }],
  })
  const document = idp.metadata({ attributes: 'validUntil="2030-01-01T00:00:00Z"' })
  await update('corp', { SAMLMetadataDocument: document })
  expect(await read('corp')).toMatchObject({ SAMLMetadataDocument: document, ValidUntil: new Date('2030-01-01') })

  const of = { SAMLProviderArn: arnOf('corp') }
  await iam.send(new sdk.TagSAMLProviderCommand({ ...of, Tags: [{ Key: 'env', Value: 'prod' }] }))
  await iam.send(new sdk.UntagSAMLProviderCommand({ ...of, TagKeys: ['team'] }))
  expect((await iam.send(new sdk.ListSAMLProviderTagsCommand(of))).Tags).toEqual([{ Key: 'env', Value: 'prod' }])
  const { SAMLProviderList } = await iam.send(new sdk.ListSAMLProvidersCommand({}))
  expect(SAMLProviderList?.find(({ Arn }) => Arn === of.SAMLProviderArn)).toEqual({
    Arn: of.SAMLProviderArn,
    CreateDate: drydock.clock.now(),
    ValidUntil: new Date('2030-01-01'),
  })
  await iam.send(new sdk.DeleteSAMLProviderCommand(of))
  await expect(read('corp')).rejects.toMatchObject({
    name: 'NoSuchEntityException',
    message: `Manifest not found for arn ${of.SAMLProviderArn}`,
  })
})

describe('a metadata document is refused that', () => {
  const padding = `<!-- ${'x'.repeat(1000)} -->`
  test.each([
    ['is no XML', `hello ${padding}`],
    ['does not end', idp.metadata().replace('</EntityDescriptor>', padding)],
    ['has a document type', idp.metadata({ start: `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>` })],
    ['is of a service provider', idp.metadata({ body: `<SPSSODescriptor/>${padding}` })],
    ['has no certificate', idp.metadata({ body: `<IDPSSODescriptor/>${padding}` })],
    ['has a broken certificate', idp.metadata().replace(/<ds:X509Certificate>MII/, '<ds:X509Certificate>AAA')],
    ['has a key for encryption only', idp.metadata().replace('use="signing"', 'use="encryption"')],
    ['names nobody', idp.metadata().replace(/entityID="[^"]*"/, '')],
    ['ends at no time', idp.metadata({ attributes: 'validUntil="soon"' })],
    ['is of another namespace', idp.metadata().replace('SAML:2.0:metadata', 'SAML:1.1:metadata')],
    ['is deep', idp.metadata({ body: '<a>'.repeat(20_000) + '</a>'.repeat(20_000) })],
  ])('%s', async (_, SAMLMetadataDocument) => {
    await expect(create('hostile', { SAMLMetadataDocument })).rejects.toMatchObject({
      name: 'InvalidInputException',
      message: expect.stringMatching(/^Could not parse metadata/),
    })
  })
})

describe('keys to decrypt assertions', () => {
  const pem = () =>
    generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

  test('are two at most, can be rotated, and are not given out', async () => {
    await create('sealed')
    await expect(update('sealed', { AssertionEncryptionMode: 'Required' })).rejects.toMatchObject({
      message: 'Unable to set assertion encryption mode to Required because no private key is provided.',
    })
    const key = pem()
    await update('sealed', { AssertionEncryptionMode: 'Required', AddPrivateKey: key })
    const { PrivateKeyList = [], AssertionEncryptionMode } = await read('sealed')
    expect(AssertionEncryptionMode).toBe('Required')
    const [first] = PrivateKeyList
    expect(first).toEqual({ KeyId: expect.stringMatching(/^[A-Z0-9]{22,64}$/), Timestamp: drydock.clock.now() })
    await expect(update('sealed', { RemovePrivateKey: first?.KeyId })).rejects.toMatchObject({
      message: 'Failed to remove private key.',
    })
    await update('sealed', { AddPrivateKey: pem() })
    await expect(update('sealed', { AddPrivateKey: pem() })).rejects.toMatchObject({
      name: 'LimitExceededException',
      message: 'Private key limit of 2 is reached.',
    })
    await update('sealed', { RemovePrivateKey: first?.KeyId })
    expect((await read('sealed')).PrivateKeyList).toHaveLength(1)
    const records = await drydock.server.kernel.append.range('audit/000000000000/us-east-1')
    expect(JSON.stringify(records)).not.toContain(key.split('\n')[1])
  })

  test('are refused when they are none, or asked for badly', async () => {
    await create('odd')
    const refused = (message: string) => ({ name: 'InvalidInputException', message })
    await expect(update('odd', { AddPrivateKey: 'no key' })).rejects.toMatchObject(refused('Invalid private key.'))
    await expect(update('odd', {})).rejects.toMatchObject(
      refused('Unable to update identity provider. No updates are defined for metadata or encryption assertion.'),
    )
    const RemovePrivateKey = 'SAMLPKAAAAAAAAAAAAAAAAAAAA'
    await expect(update('odd', { AddPrivateKey: pem(), RemovePrivateKey })).rejects.toMatchObject(
      refused(
        'Unable to add and remove private keys in the same request. Set a value for only one of the two parameters.',
      ),
    )
    await expect(update('odd', { RemovePrivateKey })).rejects.toMatchObject(
      refused('Failed to remove private key because the Key ID does not match a private key.'),
    )
  })
})
