import { createCipheriv, createDecipheriv, createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { awsManagedKeys } from '../capabilities.ts'
import { fail, invalid } from './operation.ts'
import { placeOf, type SecretRecord, type SecretValue, secretArn } from './secret.ts'

const LARGEST = 65_536
export const defaultKey = 'alias/aws/secretsmanager'

export type Plain = { readonly bytes: Uint8Array; readonly binary: boolean }

/** The value of a request; `undefined` where it has none. Raises InvalidParameterException. */
export const plainOf = ({
  SecretString,
  SecretBinary,
}: {
  readonly SecretString?: string | undefined
  readonly SecretBinary?: Uint8Array | undefined
}): Plain | undefined => {
  if (SecretString !== undefined && SecretBinary !== undefined)
    throw invalid("You can't specify both a binary secret value and a string secret value in the same secret.")
  const bytes = SecretBinary ?? (SecretString === undefined ? undefined : Buffer.from(SecretString))
  if (bytes === undefined) return undefined
  if (bytes.length > LARGEST) throw invalid(`The secret value can't be more than ${LARGEST} bytes.`)
  return { bytes, binary: SecretBinary !== undefined }
}

/** KMS's refusals in this service's words; what the caller may not do there is a denial here too. */
const inOurWords = (error: unknown, code: 'EncryptionFailure' | 'DecryptionFailure'): unknown => {
  if (!(error instanceof AwsError)) return error
  if (/^AccessDenied/.test(error.code))
    return new AwsError('AccessDeniedException', 'Access to KMS is not allowed', { status: 400 })
  if (
    /^(NotFound|Disabled|KMSInvalidState|InvalidKeyUsage|InvalidArn|InvalidCiphertext|IncorrectKey)Exception$/.test(
      error.code,
    )
  )
    return fail(code, error.message)
  return error
}

const contextOf = (secret: Pick<SecretRecord, 'region' | 'account' | 'name' | 'suffix'>, version: string) => ({
  SecretARN: secretArn(secret),
  SecretVersionId: version,
})

/**
 * Encrypts a value under the secret's KMS key with the caller's own rights ("Secret encryption and decryption in AWS
 * Secrets Manager"). Raises EncryptionFailure, AccessDeniedException.
 */
export const encrypt = async (
  ctx: Ctx,
  secret: Pick<SecretRecord, 'region' | 'account' | 'name' | 'suffix' | 'keyId'>,
  version: string,
  { bytes, binary }: Plain,
): Promise<SecretValue> => {
  const place = { account: secret.account, region: secret.region }
  const KeyId = secret.keyId ?? (await ctx.use(awsManagedKeys).arnOf(place, 'secretsmanager'))
  const { kms } = ctx.as(ctx.principal, { region: secret.region })
  try {
    const EncryptionContext = contextOf(secret, version)
    const key = await kms.generateDataKey({ KeyId, KeySpec: 'AES_256', EncryptionContext })
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key.Plaintext ?? new Uint8Array(), iv)
    const body = Buffer.concat([cipher.update(bytes), cipher.final()])
    return {
      name: secret.name,
      version,
      binary,
      ciphertext: Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64'),
      dataKey: Buffer.from(key.CiphertextBlob ?? []).toString('base64'),
      digest: ctx.seal(createHash('sha256').update(bytes).digest('base64')),
    }
  } catch (error) {
    throw inOurWords(error, 'EncryptionFailure')
  }
}

/** Raises DecryptionFailure, AccessDeniedException. */
export const decrypt = async (ctx: Ctx, secret: SecretRecord, value: SecretValue): Promise<Plain> => {
  const { kms } = ctx.as(ctx.principal, { region: secret.region })
  try {
    const { Plaintext } = await kms.decrypt({
      CiphertextBlob: Buffer.from(value.dataKey, 'base64'),
      EncryptionContext: contextOf(secret, value.version),
    })
    const sealed = Buffer.from(value.ciphertext, 'base64')
    const decipher = createDecipheriv('aes-256-gcm', Plaintext ?? new Uint8Array(), sealed.subarray(0, 12))
    decipher.setAuthTag(sealed.subarray(12, 28))
    return { bytes: Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]), binary: value.binary }
  } catch (error) {
    throw inOurWords(error, 'DecryptionFailure')
  }
}

/**
 * The same value, its data key under the secret's present KMS key; `undefined` where the caller may not encrypt with that.
 * Raises DecryptionFailure, EncryptionFailure, AccessDeniedException.
 */
export const rewrap = async (ctx: Ctx, secret: SecretRecord, value: SecretValue): Promise<SecretValue | undefined> => {
  const { kms } = ctx.as(ctx.principal, { region: secret.region })
  const EncryptionContext = contextOf(secret, value.version)
  const KeyId = secret.keyId ?? (await ctx.use(awsManagedKeys).arnOf(placeOf(secret), 'secretsmanager'))
  let dataKey: Uint8Array | undefined
  try {
    const opened = await kms.decrypt({ CiphertextBlob: Buffer.from(value.dataKey, 'base64'), EncryptionContext })
    dataKey = opened.Plaintext
  } catch (error) {
    throw inOurWords(error, 'DecryptionFailure')
  }
  try {
    const wrapped = await kms.encrypt({ KeyId, Plaintext: dataKey ?? new Uint8Array(), EncryptionContext })
    return { ...value, dataKey: Buffer.from(wrapped.CiphertextBlob ?? []).toString('base64') }
  } catch (error) {
    if (error instanceof AwsError && /^AccessDenied/.test(error.code)) return undefined
    throw inOurWords(error, 'EncryptionFailure')
  }
}

/** Whether a value is the one that a version has already: the same request, made again. */
export const sameValue = (ctx: Pick<Ctx, 'unseal'>, { digest, binary }: SecretValue, plain: Plain): boolean => {
  const given = createHash('sha256').update(plain.bytes).digest()
  return binary === plain.binary && timingSafeEqual(Buffer.from(ctx.unseal(digest), 'base64'), given)
}

export const wireValue = ({ bytes, binary }: Plain): { SecretString?: string; SecretBinary?: Uint8Array } =>
  binary ? { SecretBinary: bytes } : { SecretString: Buffer.from(bytes).toString() }
