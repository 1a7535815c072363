import { constants, createPrivateKey, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto'
import * as sdk from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { sm2Encrypt } from './sm2.ts'

let drydock: Story
let kms: sdk.KMSClient
beforeAll(async () => {
  drydock = await story()
  kms = drydock.client(sdk.KMSClient)
})
afterAll(() => drydock.close())

const create = async (input: sdk.CreateKeyCommandInput = {}) => {
  const { KeyMetadata } = await kms.send(new sdk.CreateKeyCommand(input))
  return KeyMetadata as sdk.KeyMetadata & { KeyId: string; Arn: string }
}
const text = (value: string) => Buffer.from(value)

describe('a symmetric key', () => {
  test('opens what it sealed, under the same encryption context only, and says with which material', async () => {
    const key = await create()
    const EncryptionContext = { app: 'shop', stage: 'prod' }
    const { CiphertextBlob, ...sealed } = await kms.send(
      new sdk.EncryptCommand({ KeyId: key.KeyId, Plaintext: text('secret'), EncryptionContext }),
    )
    expect(sealed).toMatchObject({ KeyId: key.Arn, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' })
    expect(Buffer.from(CiphertextBlob ?? []).includes('secret')).toBe(false)
    const open = (more: object) => kms.send(new sdk.DecryptCommand({ CiphertextBlob, EncryptionContext, ...more }))
    const opened = await open({ EncryptionContext: { stage: 'prod', app: 'shop' } })
    expect(Buffer.from(opened.Plaintext ?? []).toString()).toBe('secret')
    expect(opened).toMatchObject({ KeyId: key.Arn, KeyMaterialId: key.CurrentKeyMaterialId })
    await expect(open({ EncryptionContext: { app: 'shop' } })).rejects.toMatchObject({
      name: 'InvalidCiphertextException',
    })
    const changed = Uint8Array.from(CiphertextBlob ?? [])
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    await expect(open({ CiphertextBlob: changed })).rejects.toMatchObject({ name: 'InvalidCiphertextException' })
    await expect(open({ CiphertextBlob: text('nonsense') })).rejects.toMatchObject({
      name: 'InvalidCiphertextException',
    })
    const other = await create()
    await expect(open({ KeyId: other.KeyId })).rejects.toMatchObject({ name: 'IncorrectKeyException' })
  })

  test('data keys come in plain and sealed; a dry run makes none', async () => {
    const { KeyId } = await create()
    const both = await kms.send(new sdk.GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_128' }))
    const opened = await kms.send(new sdk.DecryptCommand({ CiphertextBlob: both.CiphertextBlob }))
    expect(opened.Plaintext).toEqual(both.Plaintext)
    expect(both.Plaintext).toHaveLength(16)
    const sealed = await kms.send(new sdk.GenerateDataKeyWithoutPlaintextCommand({ KeyId, NumberOfBytes: 64 }))
    expect(sealed).not.toHaveProperty('Plaintext')
    expect((await kms.send(new sdk.DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob }))).Plaintext).toHaveLength(
      64,
    )
    const pair = await kms.send(new sdk.GenerateDataKeyPairCommand({ KeyId, KeyPairSpec: 'ECC_NIST_P256' }))
    const half = createPrivateKey({ key: Buffer.from(pair.PrivateKeyPlaintext ?? []), format: 'der', type: 'pkcs8' })
    expect(createPublicKey(half).export({ format: 'der', type: 'spki' })).toEqual(Buffer.from(pair.PublicKey ?? []))
    await expect(
      kms.send(new sdk.GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', DryRun: true })),
    ).rejects.toMatchObject({ name: 'DryRunOperationException' })
    await expect(kms.send(new sdk.GenerateDataKeyCommand({ KeyId }))).rejects.toMatchObject({
      name: 'ValidationException',
    })
  })

  test('ReEncrypt moves a ciphertext to another key', async () => {
    const [from, to] = [await create(), await create()]
    const { CiphertextBlob } = await kms.send(new sdk.EncryptCommand({ KeyId: from.KeyId, Plaintext: text('x') }))
    const moved = await kms.send(
      new sdk.ReEncryptCommand({
        CiphertextBlob,
        DestinationKeyId: to.KeyId,
        DestinationEncryptionContext: { now: 'here' },
      }),
    )
    expect(moved).toMatchObject({ SourceKeyId: from.Arn, KeyId: to.Arn })
    const opened = await kms.send(
      new sdk.DecryptCommand({ CiphertextBlob: moved.CiphertextBlob, EncryptionContext: { now: 'here' } }),
    )
    expect(opened.KeyId).toBe(to.Arn)
  })

  test('at most 4096 bytes', async () => {
    const { KeyId } = await create()
    const encrypt = (size: number) => kms.send(new sdk.EncryptCommand({ KeyId, Plaintext: Buffer.alloc(size, 1) }))
    await expect(encrypt(4096)).resolves.toBeDefined()
    await expect(encrypt(4097)).rejects.toMatchObject({ name: 'ValidationException' })
  })
})

describe('asymmetric encryption', () => {
  test.each(['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'] as const)('%s, encrypted by others too', async (algorithm) => {
    const key = await create({ KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' })
    const { PublicKey } = await kms.send(new sdk.GetPublicKeyCommand({ KeyId: key.KeyId }))
    const outside = publicEncrypt(
      {
        key: createPublicKey({ key: Buffer.from(PublicKey ?? []), format: 'der', type: 'spki' }),
        padding: constants.RSA_PKCS1_OAEP_PADDING,
        oaepHash: algorithm === 'RSAES_OAEP_SHA_1' ? 'sha1' : 'sha256',
      },
      text('from outside'),
    )
    const inside = await kms.send(
      new sdk.EncryptCommand({ KeyId: key.KeyId, Plaintext: text('from outside'), EncryptionAlgorithm: algorithm }),
    )
    for (const CiphertextBlob of [outside, inside.CiphertextBlob]) {
      const opened = await kms.send(
        new sdk.DecryptCommand({ KeyId: key.KeyId, CiphertextBlob, EncryptionAlgorithm: algorithm }),
      )
      expect(Buffer.from(opened.Plaintext ?? []).toString()).toBe('from outside')
    }
    await expect(
      kms.send(new sdk.DecryptCommand({ CiphertextBlob: outside, EncryptionAlgorithm: algorithm })),
    ).rejects.toMatchObject({ name: 'ValidationException' })
    await expect(
      kms.send(
        new sdk.EncryptCommand({ KeyId: key.KeyId, Plaintext: Buffer.alloc(215), EncryptionAlgorithm: algorithm }),
      ),
    ).rejects.toMatchObject({ name: 'ValidationException' })
  })

  test('SM2PKE', async () => {
    const { KeyId } = await create({ KeySpec: 'SM2', KeyUsage: 'ENCRYPT_DECRYPT' })
    const Plaintext = text('a message of some length, longer than one block of SM3 is')
    const { CiphertextBlob } = await kms.send(
      new sdk.EncryptCommand({ KeyId, Plaintext, EncryptionAlgorithm: 'SM2PKE' }),
    )
    const open = (blob: Uint8Array | undefined) =>
      kms.send(new sdk.DecryptCommand({ KeyId, CiphertextBlob: blob, EncryptionAlgorithm: 'SM2PKE' }))
    expect(Buffer.from((await open(CiphertextBlob)).Plaintext ?? [])).toEqual(Plaintext)
    const changed = Uint8Array.from(CiphertextBlob ?? [])
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    await expect(open(changed)).rejects.toMatchObject({ name: 'InvalidCiphertextException' })
  })
})

describe('imported material', () => {
  const wrap = (publicKey: Uint8Array | undefined, material: Uint8Array) =>
    publicEncrypt(
      {
        key: createPublicKey({ key: Buffer.from(publicKey ?? []), format: 'der', type: 'spki' }),
        padding: constants.RSA_PKCS1_OAEP_PADDING,
        oaepHash: 'sha256',
      },
      material,
    )
  const parameters = (KeyId: string, client = kms) =>
    client.send(
      new sdk.GetParametersForImportCommand({
        KeyId,
        WrappingAlgorithm: 'RSAES_OAEP_SHA_256',
        WrappingKeySpec: 'RSA_2048',
      }),
    )
  const put = async (KeyId: string, material: Uint8Array, more: object = {}, client = kms) => {
    const { ImportToken, PublicKey } = await parameters(KeyId, client)
    return client.send(
      new sdk.ImportKeyMaterialCommand({
        KeyId,
        ImportToken,
        EncryptedKeyMaterial: wrap(PublicKey, material),
        ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
        ...more,
      }),
    )
  }
  const stateOf = async (KeyId: string) => (await kms.send(new sdk.DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyState

  test('comes wrapped for SM2 too', async () => {
    const { KeyId } = await create({ Origin: 'EXTERNAL' })
    const wrapping = { KeyId, WrappingAlgorithm: 'SM2PKE' } as const
    await expect(
      kms.send(new sdk.GetParametersForImportCommand({ ...wrapping, WrappingKeySpec: 'RSA_2048' })),
    ).rejects.toMatchObject({ name: 'UnsupportedOperationException' })
    const { ImportToken, PublicKey } = await kms.send(
      new sdk.GetParametersForImportCommand({ ...wrapping, WrappingKeySpec: 'SM2' }),
    )
    const publicKey = createPublicKey({ key: Buffer.from(PublicKey ?? []), format: 'der', type: 'spki' })
    const put = (EncryptedKeyMaterial: Uint8Array) =>
      kms.send(
        new sdk.ImportKeyMaterialCommand({
          KeyId,
          ImportToken,
          EncryptedKeyMaterial,
          ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
        }),
      )
    await expect(put(Buffer.alloc(100))).rejects.toMatchObject({ name: 'InvalidCiphertextException' })
    await put(sm2Encrypt(publicKey, Buffer.alloc(32, 7), randomBytes(48)))
    expect(await stateOf(KeyId)).toBe('Enabled')
  })

  test('waits for its material, loses it when told or when it expires, and takes only the same again', async () => {
    const { KeyId } = await create({ Origin: 'EXTERNAL' })
    const encrypt = () => kms.send(new sdk.EncryptCommand({ KeyId, Plaintext: text('x') }))
    expect(await stateOf(KeyId)).toBe('PendingImport')
    await expect(encrypt()).rejects.toMatchObject({ name: 'KMSInvalidStateException' })
    const material = Buffer.alloc(32, 7)
    await put(KeyId, material)
    const { CiphertextBlob } = await encrypt()
    await kms.send(new sdk.DeleteImportedKeyMaterialCommand({ KeyId }))
    await expect(kms.send(new sdk.DecryptCommand({ CiphertextBlob }))).rejects.toMatchObject({
      name: 'KMSInvalidStateException',
    })
    await expect(put(KeyId, Buffer.alloc(32, 8))).rejects.toMatchObject({ name: 'IncorrectKeyMaterialException' })
    await expect(put(KeyId, Buffer.alloc(31, 7))).rejects.toMatchObject({ name: 'IncorrectKeyMaterialException' })
    const ValidTo = new Date(drydock.clock.now().getTime() + 3_600_000)
    await put(KeyId, material, { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo })
    expect((await kms.send(new sdk.DecryptCommand({ CiphertextBlob }))).Plaintext).toEqual(Uint8Array.from(text('x')))
    await drydock.advance({ hours: 2 })
    expect(await stateOf(KeyId)).toBe('PendingImport')
    expect(drydock.events.some((event) => event['detail-type'] === 'KMS Imported Key Material Expiration')).toBe(true)
  })

  test('a further generation is imported in every Region before it is rotated to, and none is lost unnoticed', async () => {
    const west = drydock.client(sdk.KMSClient, drydock.root, 'us-west-2')
    const { KeyId } = await create({ Origin: 'EXTERNAL', MultiRegion: true })
    const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    await put(KeyId, first)
    await kms.send(new sdk.ReplicateKeyCommand({ KeyId, ReplicaRegion: 'us-west-2' }))
    await put(KeyId, first, {}, west)
    const further = { ImportType: 'NEW_KEY_MATERIAL' }
    await expect(put(KeyId, second, further, west)).rejects.toMatchObject({ name: 'UnsupportedOperationException' })
    const rotate = () => kms.send(new sdk.RotateKeyOnDemandCommand({ KeyId }))
    const states = async () => {
      const list = new sdk.ListKeyRotationsCommand({ KeyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' })
      return (await kms.send(list)).Rotations?.map(({ KeyMaterialState }) => KeyMaterialState)
    }
    const { KeyMaterialId } = await put(KeyId, second, further)
    expect(await states()).toEqual(['CURRENT', 'PENDING_MULTI_REGION_IMPORT_AND_ROTATION'])
    await expect(rotate()).rejects.toMatchObject({ name: 'KMSInvalidStateException' })
    await kms.send(new sdk.DeleteImportedKeyMaterialCommand({ KeyId, KeyMaterialId }))
    expect(await states()).toEqual(['CURRENT'])
    expect(await stateOf(KeyId)).toBe('Enabled')
    await put(KeyId, second, further)
    await put(KeyId, second, {}, west)
    expect(await states()).toEqual(['CURRENT', 'PENDING_ROTATION'])
    await rotate()
    expect(await states()).toEqual(['NON_CURRENT', 'CURRENT'])
    const { CiphertextBlob } = await kms.send(new sdk.EncryptCommand({ KeyId, Plaintext: text('x') }))
    expect((await west.send(new sdk.DecryptCommand({ CiphertextBlob }))).KeyMaterialId).toBe(KeyMaterialId)
    // What was current before is no generation that waits.
    await expect(rotate()).rejects.toMatchObject({ name: 'KMSInvalidStateException' })
    const { KeyMaterialId: older } = await put(KeyId, first)
    await kms.send(new sdk.DeleteImportedKeyMaterialCommand({ KeyId, KeyMaterialId: older }))
    expect(await stateOf(KeyId)).toBe('PendingImport')
    await put(KeyId, first)
    expect(await stateOf(KeyId)).toBe('Enabled')
    const ValidTo = new Date(drydock.clock.now().getTime() + 366 * 86_400_000)
    await expect(put(KeyId, first, { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo })).rejects.toMatchObject({
      name: 'ValidationException',
    })
  })

  test('a token is for its own key, and for a day', async () => {
    const [one, other] = [await create({ Origin: 'EXTERNAL' }), await create({ Origin: 'EXTERNAL' })]
    const { ImportToken, PublicKey } = await parameters(one.KeyId)
    const use = (KeyId: string) =>
      kms.send(
        new sdk.ImportKeyMaterialCommand({
          KeyId,
          ImportToken,
          EncryptedKeyMaterial: wrap(PublicKey, Buffer.alloc(32, 1)),
          ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
        }),
      )
    await expect(use(other.KeyId)).rejects.toMatchObject({ name: 'InvalidImportTokenException' })
    await drydock.advance({ hours: 25 })
    await expect(use(one.KeyId)).rejects.toMatchObject({ name: 'ExpiredImportTokenException' })
    await expect(parameters((await create()).KeyId)).rejects.toMatchObject({ name: 'UnsupportedOperationException' })
  })
})

test('what is on disk of a key opens nothing without the master key', async () => {
  const { KeyId } = await create()
  const { Plaintext } = await kms.send(new sdk.GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }))
  const store = drydock.server.kernel.store as unknown as { export(): Iterable<unknown> }
  const rows = JSON.stringify([...store.export()])
  expect(rows).toContain(KeyId)
  expect(rows).not.toContain(Buffer.from(Plaintext ?? []).toString('base64'))
})

test('what is no attestation document is refused as such; what may be one is not implemented', async () => {
  const random = (AttestationDocument: Uint8Array) =>
    kms.send(
      new sdk.GenerateRandomCommand({
        NumberOfBytes: 8,
        Recipient: { AttestationDocument, KeyEncryptionAlgorithm: 'RSAES_OAEP_SHA_256' },
      }),
    )
  await expect(random(Buffer.from('document'))).rejects.toMatchObject({ name: 'ValidationException' })
  await expect(random(Buffer.from([0x84, 0x44]))).rejects.toMatchObject({ name: 'NotImplemented' })
})
