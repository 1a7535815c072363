import { randomBytes } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { dryRun, refuseRecipient } from './dry-run.ts'
import { encrypt } from './encryption.ts'
import { checkTokens } from './grants.ts'
import { invalidInput } from './invalid-input.ts'
import { forUsage, getKey, type KeyRecord, keyArn } from './key.ts'
import { keySpecs, newPair } from './key-spec.ts'
import { getStore } from './key-store.ts'
import { fail, type Input, type Operation } from './operation.ts'

/** Length of the data key in bytes. Raises ValidationException. */
const lengthOf = ({ KeySpec, NumberOfBytes }: Pick<Input<'GenerateDataKey'>, 'KeySpec' | 'NumberOfBytes'>): number => {
  if ((KeySpec === undefined) === (NumberOfBytes === undefined))
    throw invalidInput('Please specify either number of bytes or key spec.')
  return NumberOfBytes ?? (KeySpec === 'AES_128' ? 16 : 32)
}

/** A symmetric key that data keys can be encrypted under. Raises InvalidKeyUsageException. */
const wrappingKey = async (ctx: Ctx, keyId: string, operation: string): Promise<KeyRecord> => {
  const key = forUsage(await ctx.read((tx) => getKey(tx, ctx.place, keyId)), 'ENCRYPT_DECRYPT', operation)
  if (key.spec !== 'SYMMETRIC_DEFAULT')
    throw fail(
      'InvalidKeyUsageException',
      `${keyArn(key)} key spec is ${key.spec} which is not valid for ${operation}.`,
    )
  return key
}

const dataKey = async (ctx: Ctx, input: Input<'GenerateDataKeyWithoutPlaintext'>, operation: string) => {
  const plaintext = randomBytes(lengthOf(input))
  const key = await wrappingKey(ctx, input.KeyId, operation)
  checkTokens(ctx, input.GrantTokens)
  dryRun(input)
  const blob = await encrypt(ctx, key, 'SYMMETRIC_DEFAULT', plaintext, input.EncryptionContext, operation)
  return { plaintext, answer: { CiphertextBlob: blob, KeyId: keyArn(key), KeyMaterialId: key.current } }
}

export const GenerateDataKey: Operation<'GenerateDataKey'> = async (ctx, input) => {
  refuseRecipient(input)
  const { plaintext, answer } = await dataKey(ctx, input, 'GenerateDataKey')
  return { ...answer, Plaintext: plaintext }
}

export const GenerateDataKeyWithoutPlaintext: Operation<'GenerateDataKeyWithoutPlaintext'> = async (ctx, input) =>
  (await dataKey(ctx, input, 'GenerateDataKeyWithoutPlaintext')).answer

const dataKeyPair = async (ctx: Ctx, input: Input<'GenerateDataKeyPairWithoutPlaintext'>, operation: string) => {
  const key = await wrappingKey(ctx, input.KeyId, operation)
  if (key.external)
    throw fail('UnsupportedOperationException', `${operation} does not support KMS keys in custom key stores.`)
  checkTokens(ctx, input.GrantTokens)
  dryRun(input)
  const { pair } = keySpecs[input.KeyPairSpec]
  if (!pair) throw invalidInput(`KeyPairSpec ${input.KeyPairSpec} is not supported.`)
  const { publicKey, privateKey } = await newPair(pair)
  return {
    privateKey,
    answer: {
      PrivateKeyCiphertextBlob: await encrypt(
        ctx,
        key,
        'SYMMETRIC_DEFAULT',
        privateKey,
        input.EncryptionContext,
        operation,
      ),
      PublicKey: publicKey,
      KeyId: keyArn(key),
      KeyPairSpec: input.KeyPairSpec,
      KeyMaterialId: key.current,
    },
  }
}

export const GenerateDataKeyPair: Operation<'GenerateDataKeyPair'> = async (ctx, input) => {
  refuseRecipient(input)
  const { privateKey, answer } = await dataKeyPair(ctx, input, 'GenerateDataKeyPair')
  return { ...answer, PrivateKeyPlaintext: privateKey }
}

export const GenerateDataKeyPairWithoutPlaintext: Operation<'GenerateDataKeyPairWithoutPlaintext'> = async (
  ctx,
  input,
) => (await dataKeyPair(ctx, input, 'GenerateDataKeyPairWithoutPlaintext')).answer

export const GenerateRandom: Operation<'GenerateRandom'> = async (ctx, input) => {
  refuseRecipient(input)
  const { CustomKeyStoreId: store } = input
  if (store !== undefined) {
    await ctx.read((tx) => getStore(tx, store))
    throw fail('UnsupportedOperationException', 'GenerateRandom does not support external key stores.')
  }
  if (input.NumberOfBytes === undefined) throw invalidInput('NumberOfBytes is required.')
  return { Plaintext: randomBytes(input.NumberOfBytes) }
}
