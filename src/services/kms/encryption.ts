import { constants, privateDecrypt, publicEncrypt, randomBytes } from 'node:crypto'
import type { EncryptionAlgorithmSpec } from '@aws-sdk/client-kms'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { ReadTx } from '../../store/store.ts'
import { type EncryptionContext, headerOf, open, seal } from './ciphertext.ts'
import { checkModifiers, dryRun, ignoresCiphertext, refuseRecipient } from './dry-run.ts'
import { openOutside, sealOutside } from './external-keys.ts'
import { checkTokens } from './grants.ts'
import { invalidInput } from './invalid-input.ts'
import {
  bytesOf,
  forAlgorithm,
  forUsage,
  getKey,
  Key,
  type KeyRecord,
  keyArn,
  privateKeyOf,
  publicKeyOf,
} from './key.ts'
import { fail, type Operation } from './operation.ts'

const hashes = { RSAES_OAEP_SHA_1: 'sha1', RSAES_OAEP_SHA_256: 'sha256' } as const

/** Most bytes that can be encrypted at once ("Encrypt", KMS API reference). */
const mostBytes = (key: KeyRecord, algorithm: EncryptionAlgorithmSpec): number => {
  if (algorithm === 'SYMMETRIC_DEFAULT') return 4096
  if (algorithm === 'SM2PKE') return 1024
  const modulus = Number(key.spec.slice('RSA_'.length)) / 8
  return modulus - 2 - 2 * (algorithm === 'RSAES_OAEP_SHA_1' ? 20 : 32)
}

/** `operation`: of KMS. Raises ValidationException, InvalidKeyUsageException; KMSInvalidStateException of an external key store. */
export const encrypt = async (
  ctx: Ctx,
  key: KeyRecord,
  algorithm: EncryptionAlgorithmSpec,
  plaintext: Uint8Array,
  context: EncryptionContext | undefined,
  operation: string,
): Promise<Uint8Array> => {
  forAlgorithm(key, 'encryption', algorithm)
  if (plaintext.length > mostBytes(key, algorithm))
    throw invalidInput(
      `Algorithm ${algorithm} and key spec ${key.spec} cannot encrypt data larger than ${mostBytes(key, algorithm)} bytes.`,
    )
  if (algorithm === 'SYMMETRIC_DEFAULT') {
    const { account, region, id, multiRegion, current = '' } = key
    const header = { account, ...(multiRegion ? {} : { region }), key: id, material: current }
    const blob = seal(bytesOf(ctx, key), header, plaintext, context ?? {})
    return key.external ? sealOutside(ctx, key, key.external, blob, context ?? {}, operation) : blob
  }
  if (context && Object.keys(context).length > 0)
    throw invalidInput('EncryptionContext is not supported for asymmetric keys.')
  if (algorithm === 'SM2PKE')
    return (await import('./sm2.ts')).sm2Encrypt(publicKeyOf(ctx, key), plaintext, randomBytes(48))
  return publicEncrypt(
    { key: publicKeyOf(ctx, key), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hashes[algorithm] },
    plaintext,
  )
}

/** Raises InvalidCiphertextException; KMSInvalidStateException of an external key store. */
const decrypt = async (
  ctx: Ctx,
  key: KeyRecord,
  algorithm: EncryptionAlgorithmSpec,
  blob: Uint8Array,
  context: EncryptionContext | undefined,
  operation: string,
): Promise<Uint8Array> => {
  forAlgorithm(key, 'encryption', algorithm)
  if (algorithm === 'SYMMETRIC_DEFAULT') {
    const { header } = headerOf(blob)
    const material = key.materials.find(({ id }) => id === header.material)
    if (!material || header.key !== key.id) throw fail('InvalidCiphertextException', '')
    const own = key.external ? await openOutside(ctx, key, key.external, blob, context ?? {}, operation) : blob
    return open(bytesOf(ctx, key, material), own, context ?? {})
  }
  if (algorithm === 'SM2PKE') return (await import('./sm2.ts')).sm2Decrypt(privateKeyOf(ctx, key), blob)
  try {
    return privateDecrypt(
      { key: privateKeyOf(ctx, key), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hashes[algorithm] },
      blob,
    )
  } catch {
    throw fail('InvalidCiphertextException', '')
  }
}

/**
 * The key with which a ciphertext is decrypted: the one named, which must be the one it was made with, or the one that a
 * symmetric ciphertext names itself; `unseen`: the one named, whatever the ciphertext. Raises InvalidCiphertextException, IncorrectKeyException, AccessDeniedException
 * where there is no such key.
 */
export const keyOfCiphertext = async (
  ctx: Pick<Ctx, 'place'>,
  tx: ReadTx,
  blob: Uint8Array | undefined,
  given: string | undefined,
  algorithm: EncryptionAlgorithmSpec,
  unseen = false,
): Promise<KeyRecord> => {
  const named = given === undefined ? undefined : await getKey(tx, ctx.place, given)
  if (unseen) {
    if (!named) throw invalidInput('A key must be named where the ciphertext is ignored.')
    return named
  }
  if (algorithm !== 'SYMMETRIC_DEFAULT') {
    if (!named) throw invalidInput('KeyId is required for asymmetric keys.')
    return named
  }
  if (named && named.spec !== 'SYMMETRIC_DEFAULT') return named
  const { header } = headerOf(blob ?? new Uint8Array())
  if (named) {
    if (named.id !== header.key || named.account !== header.account)
      throw fail(
        'IncorrectKeyException',
        'The key ID in the request does not identify a CMK that can perform this operation.',
      )
    return named
  }
  const region = header.region ?? ctx.place.region
  const found =
    region === ctx.place.region ? await tx.get(Key, header.key, { account: header.account, region }) : undefined
  if (!found)
    throw new AwsError(
      'AccessDeniedException',
      'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
      { status: 400 },
    )
  return found
}

export const Encrypt: Operation<'Encrypt'> = async (ctx, input) => {
  const algorithm = input.EncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT'
  const key = forUsage(await ctx.read((tx) => getKey(tx, ctx.place, input.KeyId)), 'ENCRYPT_DECRYPT', 'Encrypt')
  checkTokens(ctx, input.GrantTokens)
  const blob = await encrypt(ctx, key, algorithm, input.Plaintext, input.EncryptionContext, 'Encrypt')
  dryRun(input)
  return { CiphertextBlob: blob, KeyId: keyArn(key), EncryptionAlgorithm: algorithm }
}

const materialOfBlob = (algorithm: EncryptionAlgorithmSpec, blob: Uint8Array): { KeyMaterialId?: string } =>
  algorithm === 'SYMMETRIC_DEFAULT' ? { KeyMaterialId: headerOf(blob).header.material } : {}

export const Decrypt: Operation<'Decrypt'> = async (ctx, input) => {
  refuseRecipient(input)
  const algorithm = input.EncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT'
  const blob = input.CiphertextBlob
  checkModifiers(input)
  const unseen = ignoresCiphertext(input)
  const key = await ctx.read((tx) => keyOfCiphertext(ctx, tx, blob, input.KeyId, algorithm, unseen))
  forUsage(key, 'ENCRYPT_DECRYPT', 'Decrypt')
  checkTokens(ctx, input.GrantTokens)
  if (unseen) dryRun(input)
  if (!blob) throw invalidInput('CiphertextBlob is required.')
  const plaintext = await decrypt(ctx, key, algorithm, blob, input.EncryptionContext, 'Decrypt')
  dryRun(input)
  return {
    KeyId: keyArn(key),
    Plaintext: plaintext,
    EncryptionAlgorithm: algorithm,
    ...materialOfBlob(algorithm, blob),
  }
}

/** Decrypts and encrypts in one go: the plaintext never leaves. */
export const ReEncrypt: Operation<'ReEncrypt'> = async (ctx, input) => {
  const from = input.SourceEncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT'
  const to = input.DestinationEncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT'
  const blob = input.CiphertextBlob
  checkModifiers(input)
  const unseen = ignoresCiphertext(input)
  const { source, destination } = await ctx.read(async (tx) => ({
    source: await keyOfCiphertext(ctx, tx, blob, input.SourceKeyId, from, unseen),
    destination: await getKey(tx, ctx.place, input.DestinationKeyId),
  }))
  forUsage(source, 'ENCRYPT_DECRYPT', 'ReEncrypt')
  forUsage(destination, 'ENCRYPT_DECRYPT', 'ReEncrypt')
  checkTokens(ctx, input.GrantTokens)
  if (unseen) dryRun(input)
  if (!blob) throw invalidInput('CiphertextBlob is required.')
  const plaintext = await decrypt(ctx, source, from, blob, input.SourceEncryptionContext, 'ReEncrypt')
  const again = await encrypt(ctx, destination, to, plaintext, input.DestinationEncryptionContext, 'ReEncrypt')
  dryRun(input)
  return {
    CiphertextBlob: again,
    SourceKeyId: keyArn(source),
    KeyId: keyArn(destination),
    SourceEncryptionAlgorithm: from,
    DestinationEncryptionAlgorithm: to,
    ...(from === 'SYMMETRIC_DEFAULT' ? { SourceKeyMaterialId: headerOf(blob).header.material } : {}),
    ...(to === 'SYMMETRIC_DEFAULT' ? { DestinationKeyMaterialId: destination.current } : {}),
  }
}
