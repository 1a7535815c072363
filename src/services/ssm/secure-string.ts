import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { awsManagedKeys } from '../capabilities.ts'
import { fail } from './operation.ts'
import type { Sealed, Version } from './parameter.ts'

/** What KMS encrypts at once. */
const LARGEST_DIRECT = 4096
const defaultKey = 'alias/aws/ssm'

/** KMS's refusals in this service's words; what the caller may not do there he is told as KMS says it. */
const inOurWords = (error: unknown): unknown => {
  if (!(error instanceof AwsError)) return error
  if (/^(NotFound|Disabled|KMSInvalidState|InvalidKeyUsage|InvalidArn)Exception$/.test(error.code))
    return fail('InvalidKeyId', error.message)
  return error
}

const askKms = async <T>(call: Promise<T>): Promise<T> => {
  try {
    return await call
  } catch (error) {
    throw inOurWords(error)
  }
}

/**
 * Encrypts under KMS with the caller's own rights, bound to the parameter ("How AWS Systems Manager Parameter Store uses
 * AWS KMS"). Raises InvalidKeyId, and what KMS denies.
 */
export const seal = async (ctx: Ctx, arn: string, keyId: string | undefined, value: string): Promise<Sealed> => {
  if (keyId === undefined || keyId === defaultKey) await ctx.use(awsManagedKeys).arnOf(ctx.place, 'ssm')
  const { kms } = ctx.as(ctx.principal)
  const KeyId = keyId ?? defaultKey
  const EncryptionContext = { PARAMETER_ARN: arn }
  const plaintext = Buffer.from(value)
  if (plaintext.length <= LARGEST_DIRECT) {
    const { CiphertextBlob } = await askKms(kms.encrypt({ KeyId, Plaintext: plaintext, EncryptionContext }))
    return { ciphertext: Buffer.from(CiphertextBlob ?? []).toString('base64') }
  }
  const key = await askKms(kms.generateDataKey({ KeyId, KeySpec: 'AES_256', EncryptionContext }))
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key.Plaintext ?? new Uint8Array(), iv)
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return {
    ciphertext: Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64'),
    dataKey: Buffer.from(key.CiphertextBlob ?? []).toString('base64'),
  }
}

const open = async (ctx: Ctx, arn: string, { ciphertext, dataKey }: Sealed): Promise<string> => {
  const { kms } = ctx.as(ctx.principal)
  const EncryptionContext = { PARAMETER_ARN: arn }
  const blob = Buffer.from(dataKey ?? ciphertext, 'base64')
  const { Plaintext } = await askKms(kms.decrypt({ CiphertextBlob: blob, EncryptionContext }))
  if (dataKey === undefined) return Buffer.from(Plaintext ?? []).toString()
  const bytes = Buffer.from(ciphertext, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', Plaintext ?? new Uint8Array(), bytes.subarray(0, 12))
  decipher.setAuthTag(bytes.subarray(12, 28))
  return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString()
}

/** The value as the caller gets it: a SecureString that is not to be decrypted as its ciphertext. */
export const revealed = async (
  ctx: Ctx,
  arn: string,
  version: Version,
  decrypt: boolean | undefined,
): Promise<string> => {
  const { sealed, value = '' } = version
  if (!sealed) return value
  return decrypt ? open(ctx, arn, sealed) : sealed.ciphertext
}
