import {
  constants,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  verify,
} from 'node:crypto'
import * as sdk from '@aws-sdk/client-kms'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let kms: sdk.KMSClient
beforeAll(async () => {
  drydock = await story()
  kms = drydock.client(sdk.KMSClient)
})
afterAll(() => drydock.close())

const create = async (KeySpec: sdk.KeySpec, KeyUsage: sdk.KeyUsageType) => {
  const { KeyMetadata } = await kms.send(new sdk.CreateKeyCommand({ KeySpec, KeyUsage }))
  return KeyMetadata as sdk.KeyMetadata & { KeyId: string }
}
const publicKey = async (KeyId: string) => {
  const { PublicKey } = await kms.send(new sdk.GetPublicKeyCommand({ KeyId }))
  return createPublicKey({ key: Buffer.from(PublicKey ?? []), format: 'der', type: 'spki' })
}

const message = Buffer.from('what is signed')

const cases: readonly (readonly [sdk.KeySpec, sdk.SigningAlgorithmSpec, string | null])[] = [
  ...(['256', '384', '512'] as const).flatMap((size) => [
    ['RSA_2048', `RSASSA_PKCS1_V1_5_SHA_${size}`, `sha${size}`] as const,
    ['RSA_2048', `RSASSA_PSS_SHA_${size}`, `sha${size}`] as const,
  ]),
  ['ECC_NIST_P256', 'ECDSA_SHA_256', 'sha256'],
  ['ECC_NIST_P384', 'ECDSA_SHA_384', 'sha384'],
  ['ECC_NIST_P521', 'ECDSA_SHA_512', 'sha512'],
  ['ECC_SECG_P256K1', 'ECDSA_SHA_256', 'sha256'],
  ['SM2', 'SM2DSA', 'sm3'],
]

test.each(cases)('%s signs by %s, whole messages and digests, for anyone to verify', async (spec, algorithm, hash) => {
  const { KeyId } = await create(spec, 'SIGN_VERIFY')
  const key = await publicKey(KeyId)
  const options = algorithm.includes('PSS')
    ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(algorithm.slice(-3)) / 8 }
    : { key }
  const kinds: readonly [sdk.MessageType, Uint8Array][] = [['RAW', message]]
  // Who gives SM2 a digest has hashed what identifies the signer into it, which Node's verifier does by itself.
  const digest = createHash(hash ?? '')
    .update(message)
    .digest()
  for (const [MessageType, Message] of [...kinds, ['DIGEST', digest] as const]) {
    const asked = { KeyId, Message, MessageType, SigningAlgorithm: algorithm }
    const { Signature } = await kms.send(new sdk.SignCommand(asked))
    if (spec !== 'SM2' || MessageType === 'RAW')
      expect(verify(hash, message, options, Signature ?? new Uint8Array())).toBe(true)
    const verified = await kms.send(new sdk.VerifyCommand({ ...asked, Signature }))
    expect(verified).toMatchObject({ SignatureValid: true, SigningAlgorithm: algorithm })
    const other = { ...asked, Message: MessageType === 'RAW' ? Buffer.from('another') : Buffer.alloc(digest.length, 1) }
    await expect(kms.send(new sdk.VerifyCommand({ ...other, Signature }))).rejects.toMatchObject({
      name: 'KMSInvalidSignatureException',
    })
  }
  await expect(
    kms.send(
      new sdk.SignCommand({ KeyId, Message: Buffer.alloc(5), MessageType: 'DIGEST', SigningAlgorithm: algorithm }),
    ),
  ).rejects.toMatchObject({ name: 'ValidationException' })
})

test('Ed25519 signs messages, Ed25519ph digests', async () => {
  const { KeyId } = await create('ECC_NIST_EDWARDS25519', 'SIGN_VERIFY')
  const { Signature } = await kms.send(
    new sdk.SignCommand({ KeyId, Message: message, SigningAlgorithm: 'ED25519_SHA_512' }),
  )
  expect(verify(null, message, await publicKey(KeyId), Signature ?? new Uint8Array())).toBe(true)
  const asked = {
    KeyId,
    Message: createHash('sha512').update(message).digest(),
    MessageType: 'DIGEST',
    SigningAlgorithm: 'ED25519_PH_SHA_512',
  } as const
  const prehashed = await kms.send(new sdk.SignCommand(asked))
  await expect(kms.send(new sdk.VerifyCommand({ ...asked, Signature: prehashed.Signature }))).resolves.toMatchObject({
    SignatureValid: true,
  })
  await expect(kms.send(new sdk.VerifyCommand({ ...asked, Signature }))).rejects.toMatchObject({
    name: 'KMSInvalidSignatureException',
  })
  await expect(kms.send(new sdk.SignCommand({ ...asked, MessageType: 'RAW' }))).rejects.toMatchObject({
    name: 'ValidationException',
  })
})

test.each(['ML_DSA_44', 'ML_DSA_65', 'ML_DSA_87'] as const)('%s', async (spec) => {
  const { KeyId } = await create(spec, 'SIGN_VERIFY')
  const asked = { KeyId, Message: message, SigningAlgorithm: 'ML_DSA_SHAKE_256' } as const
  const { Signature } = await kms.send(new sdk.SignCommand(asked))
  expect(verify(null, message, await publicKey(KeyId), Signature ?? new Uint8Array())).toBe(true)
  await expect(kms.send(new sdk.VerifyCommand({ ...asked, Signature }))).resolves.toMatchObject({
    SignatureValid: true,
  })
  // FIPS 204, algorithm 7: what RAW hashes by itself, hashed by the caller.
  const { pub = '' } = (await publicKey(KeyId)).export({ format: 'jwk' })
  const shake = (...parts: Uint8Array[]) =>
    createHash('shake256', { outputLength: 64 }).update(Buffer.concat(parts)).digest()
  const mu = shake(shake(Buffer.from(String(pub), 'base64url')), Buffer.from([0, 0]), message)
  const byMu = { ...asked, Message: mu, MessageType: 'EXTERNAL_MU' } as const
  const signed = await kms.send(new sdk.SignCommand(byMu))
  expect(verify(null, message, await publicKey(KeyId), signed.Signature ?? new Uint8Array())).toBe(true)
  expect(await kms.send(new sdk.VerifyCommand({ ...byMu, Signature }))).toMatchObject({ SignatureValid: true })
  await expect(kms.send(new sdk.VerifyCommand({ ...byMu, Message: shake(mu), Signature }))).rejects.toMatchObject({
    name: 'KMSInvalidSignatureException',
  })
  await expect(kms.send(new sdk.SignCommand({ ...byMu, Message: message }))).rejects.toMatchObject({
    name: 'ValidationException',
  })
})

test.each([
  ['HMAC_224', 'HMAC_SHA_224'],
  ['HMAC_256', 'HMAC_SHA_256'],
  ['HMAC_384', 'HMAC_SHA_384'],
  ['HMAC_512', 'HMAC_SHA_512'],
] as const)('%s', async (spec, MacAlgorithm) => {
  const { KeyId } = await create(spec, 'GENERATE_VERIFY_MAC')
  const { Mac } = await kms.send(new sdk.GenerateMacCommand({ KeyId, Message: message, MacAlgorithm }))
  expect(Mac).toHaveLength(createHmac(`sha${spec.slice(-3)}`, 'k').digest().length)
  await expect(
    kms.send(new sdk.VerifyMacCommand({ KeyId, Message: message, MacAlgorithm, Mac })),
  ).resolves.toMatchObject({ MacValid: true })
  await expect(
    kms.send(new sdk.VerifyMacCommand({ KeyId, Message: Buffer.from('no'), MacAlgorithm, Mac })),
  ).rejects.toMatchObject({ name: 'KMSInvalidMacException' })
  await expect(kms.send(new sdk.GetPublicKeyCommand({ KeyId }))).rejects.toMatchObject({
    name: 'UnsupportedOperationException',
  })
})

test('a shared secret is what the other side derives', async () => {
  const { KeyId } = await create('ECC_NIST_P256', 'KEY_AGREEMENT')
  const other = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const derive = (PublicKey: Uint8Array) =>
    kms.send(new sdk.DeriveSharedSecretCommand({ KeyId, KeyAgreementAlgorithm: 'ECDH', PublicKey }))
  const { SharedSecret } = await derive(other.publicKey.export({ format: 'der', type: 'spki' }))
  const theirs = diffieHellman({ privateKey: other.privateKey, publicKey: await publicKey(KeyId) })
  expect(Buffer.from(SharedSecret ?? [])).toEqual(theirs)
  const wrong = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey
  await expect(derive(wrong.export({ format: 'der', type: 'spki' }))).rejects.toMatchObject({
    name: 'ValidationException',
  })
})

test('a secret is encapsulated under a public key', async () => {
  const { KeyId } = await create('ML_KEM_768', 'ENCAPSULATE_DECAPSULATE')
  const asked = { KeyId, EncapsulationAlgorithm: 'ML_KEM' } as const
  const { SharedSecret, SharedSecretCiphertextBlob } = await kms.send(new sdk.EncapsulateCommand(asked))
  const opened = await kms.send(new sdk.DecapsulateCommand({ ...asked, SharedSecretCiphertextBlob }))
  expect(opened.SharedSecret).toEqual(SharedSecret)
})

test('a key is for its one usage and the algorithms of its spec', async () => {
  const { KeyId } = await create('RSA_2048', 'SIGN_VERIFY')
  await expect(
    kms.send(new sdk.EncryptCommand({ KeyId, Plaintext: message, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' })),
  ).rejects.toMatchObject({
    name: 'InvalidKeyUsageException',
    message: expect.stringContaining('key usage is SIGN_VERIFY which is not valid for Encrypt.'),
  })
  await expect(
    kms.send(new sdk.SignCommand({ KeyId, Message: message, SigningAlgorithm: 'ECDSA_SHA_256' })),
  ).rejects.toMatchObject({ name: 'InvalidKeyUsageException' })
  await expect(create('HMAC_256', 'SIGN_VERIFY')).rejects.toMatchObject({ name: 'UnsupportedOperationException' })
})
