import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import * as sdk from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let iam: sdk.IAMClient
beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(sdk.IAMClient)
})
afterAll(() => drydock.close())

const rsa = (modulusLength = 2048) => generateKeyPairSync('rsa', { modulusLength })
const pemOf = ({ publicKey }: ReturnType<typeof rsa>, type: 'spki' | 'pkcs1' = 'spki') =>
  publicKey.export({ type, format: 'pem' }).toString()

/** As `ssh-keygen` writes it (RFC 4253, section 6.6). */
const lineOf = ({ publicKey }: ReturnType<typeof rsa>) => {
  const { e = '', n = '' } = publicKey.export({ format: 'jwk' })
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, bytes.length >> 8, bytes.length & 255]), bytes])
  const modulus = Buffer.concat([Buffer.from([0]), Buffer.from(n, 'base64url')])
  const bytes = Buffer.concat([Buffer.from('ssh-rsa'), Buffer.from(e, 'base64url'), modulus].map(field))
  const print = createHash('md5').update(bytes).digest('hex').match(/../g)?.join(':')
  return { line: `ssh-rsa ${bytes.toString('base64')}`, print }
}

const upload = async (UserName: string, SSHPublicKeyBody: string) =>
  (await iam.send(new sdk.UploadSSHPublicKeyCommand({ UserName, SSHPublicKeyBody }))).SSHPublicKey
const get = async (UserName: string, SSHPublicKeyId: string | undefined, Encoding: sdk.EncodingType) =>
  (await iam.send(new sdk.GetSSHPublicKeyCommand({ UserName, SSHPublicKeyId, Encoding }))).SSHPublicKey

test('a key is uploaded in either form, and told in either, with one fingerprint', async () => {
  const UserName = 'ssh-user'
  await iam.send(new sdk.CreateUserCommand({ UserName }))
  const pair = rsa()
  const { line, print } = lineOf(pair)
  const commented = `${line} someone@somewhere`
  const key = await upload(UserName, commented)
  expect(key).toEqual({
    UserName,
    SSHPublicKeyId: expect.stringMatching(/^APKA[A-Z2-7]{16}$/),
    SSHPublicKeyBody: commented,
    Fingerprint: print,
    Status: 'Active',
    UploadDate: drydock.clock.now(),
  })
  expect((await get(UserName, key?.SSHPublicKeyId, 'SSH'))?.SSHPublicKeyBody).toBe(commented)
  expect((await get(UserName, key?.SSHPublicKeyId, 'PEM'))?.SSHPublicKeyBody).toBe(pemOf(pair))
  await expect(upload(UserName, pemOf(pair)), 'the same key').rejects.toMatchObject({
    name: 'DuplicateSSHPublicKeyException',
  })
  for (const type of ['spki', 'pkcs1'] as const) {
    const other = rsa()
    const uploaded = await upload(UserName, pemOf(other, type))
    expect(uploaded?.Fingerprint).toBe(lineOf(other).print)
    expect((await get(UserName, uploaded?.SSHPublicKeyId, 'SSH'))?.SSHPublicKeyBody).toBe(lineOf(other).line)
    const pem = (await get(UserName, uploaded?.SSHPublicKeyId, 'PEM'))?.SSHPublicKeyBody ?? ''
    expect(createPublicKey(pem).equals(other.publicKey)).toBe(true)
  }
  await expect(get(UserName, key?.SSHPublicKeyId, 'DER' as sdk.EncodingType)).rejects.toMatchObject({
    $metadata: { httpStatusCode: 400 },
  })
})

test('a user has five at most, each switched off and deleted by itself', async () => {
  const UserName = 'ssh-many'
  await iam.send(new sdk.CreateUserCommand({ UserName }))
  for (let index = 0; index < 5; index++) await upload(UserName, lineOf(rsa()).line)
  await expect(upload(UserName, lineOf(rsa()).line)).rejects.toMatchObject({
    name: 'LimitExceededException',
    message: 'Cannot exceed quota for SSHPublicKeysPerUser: 5',
  })
  const list = async () => (await iam.send(new sdk.ListSSHPublicKeysCommand({ UserName }))).SSHPublicKeys ?? []
  const [first] = await list()
  const SSHPublicKeyId = first?.SSHPublicKeyId
  const set = (Status: sdk.StatusType) =>
    iam.send(new sdk.UpdateSSHPublicKeyCommand({ UserName, SSHPublicKeyId, Status }))
  await set('Inactive')
  await expect(set('Expired')).rejects.toMatchObject({ name: 'InvalidInputException' })
  expect((await list())[0]?.Status).toBe('Inactive')
  await expect(iam.send(new sdk.DeleteUserCommand({ UserName }))).rejects.toMatchObject({
    message: 'Cannot delete entity, must delete SSH public keys first.',
  })
  for (const key of await list())
    await iam.send(new sdk.DeleteSSHPublicKeyCommand({ UserName, SSHPublicKeyId: key.SSHPublicKeyId }))
  await expect(get(UserName, SSHPublicKeyId, 'SSH')).rejects.toMatchObject({
    name: 'NoSuchEntityException',
    message: `The SSH Public Key with id ${SSHPublicKeyId} cannot be found.`,
  })
})

test('what is no RSA key of 2048 bits is refused', async () => {
  const UserName = 'ssh-bad'
  await iam.send(new sdk.CreateUserCommand({ UserName }))
  const invalid = { name: 'InvalidPublicKeyException' }
  const unrecognized = { name: 'UnrecognizedPublicKeyEncodingException' }
  const pair = rsa()
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  const cases: [string, object][] = [
    [lineOf(rsa(1024)).line, invalid],
    [pemOf(rsa(1024)), invalid],
    ['ssh-rsa AAAA', invalid],
    ['ssh-rsa', invalid],
    [lineOf(pair).line.slice(0, 200), invalid],
    [elliptic.export({ type: 'spki', format: 'pem' }).toString(), invalid],
    [pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), invalid],
    [pemOf(pair).replaceAll('A', ''), invalid],
    ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA', unrecognized],
    ['nonsense', unrecognized],
  ]
  for (const [body, failure] of cases) await expect(upload(UserName, body), body).rejects.toMatchObject(failure)
  expect((await iam.send(new sdk.ListSSHPublicKeysCommand({ UserName }))).SSHPublicKeys).toEqual([])
})
