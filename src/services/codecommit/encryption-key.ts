import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { awsManagedKeys } from '../capabilities.ts'
import { fail, type Operation } from './operation.ts'
import { change, getRepository, type Repository } from './repositories.ts'

/** What AWS says of a key that cannot be used (the exceptions of CreateRepository), by what KMS says. */
const refusals = {
  NotFoundException: ['EncryptionKeyNotFoundException', 'The encryption key was not found.'],
  AccessDeniedException: ['EncryptionKeyAccessDeniedException', 'The encryption key could not be accessed.'],
  DisabledException: ['EncryptionKeyDisabledException', 'The encryption key is disabled.'],
  KMSInvalidStateException: ['EncryptionKeyUnavailableException', 'The encryption key is not available.'],
  KeyUnavailableException: ['EncryptionKeyUnavailableException', 'The encryption key is not available.'],
  InvalidKeyUsageException: ['EncryptionKeyInvalidUsageException', 'The encryption key is not for encryption.'],
  InvalidCiphertextException: ['EncryptionIntegrityChecksFailedException', 'An encryption integrity check failed.'],
  IncorrectKeyException: ['EncryptionIntegrityChecksFailedException', 'An encryption integrity check failed.'],
} as const

const isKnown = (code: string): code is keyof typeof refusals => Object.hasOwn(refusals, code)

/** Asks KMS under the caller's rights. Raises the EncryptionKey… exceptions for what it refuses. */
const asking = async <T>(ask: () => Promise<T>): Promise<T> => {
  try {
    return await ask()
  } catch (thrown) {
    if (!(thrown instanceof AwsError) || !isKnown(thrown.code)) throw thrown
    const [code, sentence] = refusals[thrown.code]
    throw fail(code, sentence)
  }
}

/** Ties a data key to its repository (CodeCommit user guide, "AWS KMS and encryption", "Encryption context"). */
const contextOf = (repositoryId: string) => ({ 'aws:codecommit:id': repositoryId })

/** What a repository is encrypted with: the key's ARN, and under a customer's key a data key of its own, encrypted. */
export type Encryption = Pick<Repository, 'kmsKeyId' | 'dataKey'>

const isAwsManaged = (keyId: string | undefined): keyId is undefined =>
  keyId === undefined || /(^|:)alias\/aws\/codecommit$/.test(keyId)

/**
 * A key that the caller may encrypt a repository with, and a data key under it; without one, AWS's own for CodeCommit
 * (CodeCommit user guide, "AWS KMS and encryption"). Raises the EncryptionKey… exceptions.
 */
export const encryptionOf = async (ctx: Ctx, repositoryId: string, keyId: string | undefined): Promise<Encryption> => {
  const managed = await ctx.use(awsManagedKeys).arnOf(ctx.place, 'codecommit')
  if (isAwsManaged(keyId) || keyId === managed) return { kmsKeyId: managed }
  const kmsKeyId = await keyArn(ctx, keyId)
  const EncryptionContext = contextOf(repositoryId)
  const { CiphertextBlob } = await asking(() =>
    ctx
      .as(ctx.principal)
      .kms.generateDataKeyWithoutPlaintext({ KeyId: kmsKeyId, KeySpec: 'AES_256', EncryptionContext }),
  )
  return { kmsKeyId, dataKey: Buffer.from(CiphertextBlob ?? []).toString('base64') }
}

const keyArn = async (ctx: Ctx, keyId: string): Promise<string> => {
  try {
    const { KeyMetadata } = await asking(() => ctx.as(ctx.principal).kms.describeKey({ KeyId: keyId }))
    return KeyMetadata?.Arn ?? keyId
  } catch (thrown) {
    if (!(thrown instanceof AwsError) || thrown.code.startsWith('Encryption')) throw thrown
    throw fail('EncryptionKeyInvalidIdException', `The encryption key ID ${keyId} is not valid.`)
  }
}

/**
 * Has KMS open the repository's data key for the caller, as every access to its contents does on AWS: a key that is
 * disabled or deleted, or that the caller may not use, keeps them shut. Under AWS's own key there is nothing to refuse.
 * Raises EncryptionKeyDisabledException, …AccessDenied…, …NotFound…, …Unavailable… and EncryptionIntegrityChecksFailed….
 */
export const openKey = async (ctx: Ctx, { id, kmsKeyId, dataKey }: Repository): Promise<void> => {
  if (dataKey === undefined || kmsKeyId === undefined) return
  await asking(() =>
    ctx.as(ctx.principal).kms.decrypt({
      KeyId: kmsKeyId,
      CiphertextBlob: Buffer.from(dataKey, 'base64'),
      EncryptionContext: contextOf(id),
    }),
  )
}

/** The caller must be able to open the repository under its present key, too. Raises the EncryptionKey… exceptions. */
export const UpdateRepositoryEncryptionKey: Operation<'UpdateRepositoryEncryptionKey'> = async (ctx, input) => {
  const repository = await ctx.read((tx) => getRepository(tx, input.repositoryName))
  await openKey(ctx, repository)
  const encryption = await encryptionOf(ctx, repository.id, input.kmsKeyId)
  return ctx.write(async (tx) => {
    const { dataKey: _, ...present } = await getRepository(tx, input.repositoryName)
    change(ctx, tx, present, encryption)
    return { repositoryId: present.id, kmsKeyId: encryption.kmsKeyId, originalKmsKeyId: present.kmsKeyId }
  })
}
