import { constants, createDecipheriv, createPrivateKey, privateDecrypt } from 'node:crypto'
import type { AlgorithmSpec, WrappingKeySpec } from '@aws-sdk/client-kms'
import type { Ctx } from '../../kernel/context.ts'
import { invalidInput } from './invalid-input.ts'
import {
  copiesOf,
  getCustomerKey,
  isWaiting,
  Key,
  type KeyRecord,
  keyArn,
  type Material,
  materialOf,
  placeOf,
  refuseStates,
} from './key.ts'
import { keySpecs, newPair, type SpecFacts } from './key-spec.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { wakeFor } from './upkeep.ts'

const DAY = 86_400_000
const pending = ['PendingDeletion', 'PendingReplicaDeletion']
const mark = 'kms-import '

type Token = {
  readonly key: string
  readonly algorithm: AlgorithmSpec
  readonly privateKey: string
  readonly until: number
}

const pairs: Readonly<Record<WrappingKeySpec, NonNullable<SpecFacts['pair']>>> = {
  RSA_2048: { type: 'rsa', options: { modulusLength: 2048 } },
  RSA_3072: { type: 'rsa', options: { modulusLength: 3072 } },
  RSA_4096: { type: 'rsa', options: { modulusLength: 4096 } },
  SM2: { type: 'ec', options: { namedCurve: 'SM2' } },
}

/** Raises UnsupportedOperationException. */
const external = (key: KeyRecord): KeyRecord => {
  if (key.origin !== 'EXTERNAL')
    throw fail(
      'UnsupportedOperationException',
      `${keyArn(key)} origin is ${key.origin} which is not valid for this operation.`,
    )
  return refuseStates(key, ...pending)
}

/** A wrapping key and a token for one import within a day. The token holds the private half, sealed: nothing is stored. */
export const GetParametersForImport: Operation<'GetParametersForImport'> = async (ctx, input) => {
  const key = external(await ctx.read((tx) => getCustomerKey(tx, ctx.place, input.KeyId)))
  if (input.WrappingAlgorithm === 'RSAES_PKCS1_V1_5')
    throw fail('UnsupportedOperationException', 'The RSAES_PKCS1_V1_5 wrapping algorithm is no longer supported.')
  if ((input.WrappingKeySpec === 'SM2') !== (input.WrappingAlgorithm === 'SM2PKE'))
    throw fail(
      'UnsupportedOperationException',
      `The ${input.WrappingAlgorithm} wrapping algorithm cannot be used with a wrapping key of spec ${input.WrappingKeySpec}.`,
    )
  const { publicKey, privateKey } = await newPair(pairs[input.WrappingKeySpec])
  const until = ctx.now().getTime() + DAY
  const token: Token = {
    key: key.id,
    algorithm: input.WrappingAlgorithm,
    privateKey: Buffer.from(privateKey).toString('base64'),
    until,
  }
  return {
    KeyId: keyArn(key),
    ImportToken: Buffer.from(ctx.seal(mark + JSON.stringify(token)), 'base64'),
    PublicKey: publicKey,
    ParametersValidTo: new Date(until),
  }
}

/** Raises InvalidImportTokenException, ExpiredImportTokenException. */
const openToken = (ctx: Ctx, key: KeyRecord, bytes: Uint8Array): Token => {
  let token: Token | undefined
  try {
    const text = ctx.unseal(Buffer.from(bytes).toString('base64'))
    if (text.startsWith(mark)) token = JSON.parse(text.slice(mark.length)) as Token
  } catch {
    // No token of ours.
  }
  if (token?.key !== key.id) throw fail('InvalidImportTokenException', 'The import token is invalid.')
  if (token.until <= ctx.now().getTime()) throw fail('ExpiredImportTokenException', 'The import token has expired.')
  return token
}

/** RFC 5649: AES key wrap with padding. */
const unwrapAes = (wrappingKey: Uint8Array, wrapped: Uint8Array): Buffer => {
  const decipher = createDecipheriv('id-aes256-wrap-pad', wrappingKey, Buffer.from('a65959a6', 'hex'))
  return Buffer.concat([decipher.update(wrapped), decipher.final()])
}

type Sm2 = typeof import('./sm2.ts')

/** Raises InvalidCiphertextException. */
const unwrap = ({ algorithm, privateKey }: Token, wrapped: Uint8Array, { sm2Decrypt }: Sm2): Buffer => {
  const key = createPrivateKey({ key: Buffer.from(privateKey, 'base64'), format: 'der', type: 'pkcs8' })
  if (algorithm === 'SM2PKE') return sm2Decrypt(key, wrapped)
  const oaepHash = algorithm.endsWith('SHA_1') ? 'sha1' : 'sha256'
  const oaep = (bytes: Uint8Array) =>
    privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, bytes)
  try {
    if (!algorithm.startsWith('RSA_AES_KEY_WRAP')) return oaep(wrapped)
    const size = (key.asymmetricKeyDetails?.modulusLength ?? 2048) / 8
    return unwrapAes(oaep(wrapped.subarray(0, size)), wrapped.subarray(size))
  } catch {
    throw fail('InvalidCiphertextException', '')
  }
}

/** The material must be what the key's spec is made of. Raises IncorrectKeyMaterialException. */
const checkMaterial = (key: KeyRecord, bytes: Buffer): Buffer => {
  const wrong = () => fail('IncorrectKeyMaterialException', `The key material is not valid for key spec ${key.spec}.`)
  const { bytes: lengths, pair } = keySpecs[key.spec]
  if (lengths) {
    if (bytes.length < lengths.least || bytes.length > lengths.most) throw wrong()
    return bytes
  }
  try {
    const given = createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' })
    const { namedCurve, modulusLength } = given.asymmetricKeyDetails ?? {}
    const wanted: { namedCurve?: string; modulusLength?: number } = pair?.options ?? {}
    if (
      given.asymmetricKeyType === pair?.type &&
      (wanted.namedCurve ?? namedCurve) === namedCurve &&
      (wanted.modulusLength ?? modulusLength) === modulusLength
    )
      return bytes
  } catch {
    throw wrong()
  }
  throw wrong()
}

/** When the material expires, as asked. Raises ValidationException. */
const expiryOf = (ctx: Ctx, { ExpirationModel, ValidTo }: Input<'ImportKeyMaterial'>): number | undefined => {
  if (ExpirationModel === 'KEY_MATERIAL_DOES_NOT_EXPIRE') {
    if (ValidTo) throw invalidInput('A validity date cannot be given for key material that does not expire.')
    return undefined
  }
  if (!ValidTo) throw invalidInput('A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES.')
  if (ValidTo <= ctx.now()) throw invalidInput('The validTo date must be in the future.')
  if (ValidTo.getTime() > ctx.now().getTime() + 365 * DAY)
    throw invalidInput('The validTo date must be within 365 days.')
  return ValidTo.getTime()
}

/**
 * Puts imported material into a key. What was imported once can only be imported again as it was; a further generation
 * (`ImportType` NEW_KEY_MATERIAL) waits for RotateKeyOnDemand. Raises IncorrectKeyMaterialException and those of the token.
 */
export const ImportKeyMaterial: Operation<'ImportKeyMaterial'> = async (ctx, input) => {
  const expires = expiryOf(ctx, input)
  if (input.KeyMaterialId !== undefined && input.ImportType === 'NEW_KEY_MATERIAL')
    throw invalidInput('KeyMaterialId cannot be given for new key material.')
  const sm2 = await import('./sm2.ts')
  const material = await ctx.write(async (tx) => {
    const key = external(await getCustomerKey(tx, ctx.place, input.KeyId))
    const bytes = checkMaterial(key, unwrap(openToken(ctx, key, input.ImportToken), input.EncryptedKeyMaterial, sm2))
    const made: Material = {
      ...materialOf(ctx, key.id, bytes, ctx.now().getTime()),
      ...(expires === undefined ? {} : { expires }),
      ...(input.KeyMaterialDescription === undefined ? {} : { description: input.KeyMaterialDescription }),
    }
    const replica = key.multiRegion !== undefined && key.multiRegion.primary !== key.region
    if (replica && input.ImportType === 'NEW_KEY_MATERIAL')
      throw fail(
        'UnsupportedOperationException',
        `${keyArn(key)} is a replica key; new key material is imported into its primary key first.`,
      )
    const known = key.materials.find(({ id }) => id === made.id)
    const further = input.ImportType === 'NEW_KEY_MATERIAL' && key.materials.length > 0
    if (!known && key.materials.length > 0 && (!further || key.spec !== 'SYMMETRIC_DEFAULT'))
      throw fail(
        'IncorrectKeyMaterialException',
        'The key material does not match the key material that was imported before.',
      )
    if (input.KeyMaterialId !== undefined && input.KeyMaterialId !== made.id)
      throw fail('IncorrectKeyMaterialException', 'The key material does not match the KeyMaterialId.')
    const again = known && { ...made, created: known.created, ...(known.rotated ? { rotated: known.rotated } : {}) }
    const materials = again ? key.materials.map((one) => (one.id === again.id ? again : one)) : [...key.materials, made]
    const next = { ...key, materials, current: key.current ?? made.id }
    wakeFor(ctx, tx, tx.put(Key, next))
    // Replicas take what their primary key has: they know of it, and have to be given it.
    const { sealed: _, expires: __, ...unsealed } = made
    if (!known)
      for (const copy of await copiesOf(tx, key))
        if (copy.region !== key.region)
          tx.put(Key, { ...copy, materials: [...copy.materials, unsealed] }, placeOf(copy))
    return { id: made.id, arn: keyArn(key) }
  })
  return { KeyId: material.arn, KeyMaterialId: material.id }
}

/**
 * The key is there still, and of no use until the same material is imported again. Material that waits for its rotation is
 * not the key's for good: it is gone, from the replicas too where their primary key loses it.
 */
export const DeleteImportedKeyMaterial: Operation<'DeleteImportedKeyMaterial'> = async (ctx, input) => {
  const answer = await ctx.write(async (tx) => {
    const key = external(await getCustomerKey(tx, ctx.place, input.KeyId))
    const id = input.KeyMaterialId ?? key.current
    if (input.KeyMaterialId !== undefined && !key.materials.some((one) => one.id === id))
      throw fail('NotFoundException', `Key material ${input.KeyMaterialId} is not found.`)
    const waiting = key.materials.find((one) => one.id === id && isWaiting(key, one))
    const replica = key.multiRegion !== undefined && key.multiRegion.primary !== key.region
    if (waiting && !replica) {
      for (const copy of await copiesOf(tx, key))
        tx.put(Key, { ...copy, materials: copy.materials.filter((one) => one.id !== id) }, placeOf(copy))
      return { KeyId: keyArn(key), KeyMaterialId: waiting.id }
    }
    const materials = key.materials.map((one) => {
      if (one.id !== id) return one
      const { sealed: _, expires: __, ...rest } = one
      return rest
    })
    tx.put(Key, { ...key, materials })
    return { KeyId: keyArn(key), ...(id === undefined ? {} : { KeyMaterialId: id }) }
  })
  return answer
}
