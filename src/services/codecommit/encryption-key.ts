import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { awsManagedKeys } from '../capabilities.ts'
import { fail, type Operation } from './operation.ts'
import { change, getRepository } from './repositories.ts'

/** What AWS says of a key that cannot be used (the exceptions of CreateRepository), by what KMS says. */
const refusals = {
  NotFoundException: ['EncryptionKeyNotFoundException', 'The encryption key was not found.'],
  AccessDeniedException: ['EncryptionKeyAccessDeniedException', 'The encryption key could not be accessed.'],
  DisabledException: ['EncryptionKeyDisabledException', 'The encryption key is disabled.'],
  KMSInvalidStateException: ['EncryptionKeyUnavailableException', 'The encryption key is not available.'],
  InvalidKeyUsageException: ['EncryptionKeyInvalidUsageException', 'The encryption key is not for encryption.'],
} as const

const isKnown = (code: string): code is keyof typeof refusals => Object.hasOwn(refusals, code)

/**
 * The ARN of a key that the caller may encrypt a repository with; without one, of AWS's own for CodeCommit (CodeCommit
 * user guide, "AWS KMS and encryption"). Raises the EncryptionKey… exceptions.
 */
export const keyFor = async (ctx: Ctx, repositoryId: string, keyId: string | undefined): Promise<string> => {
  if (keyId === undefined || /(^|:)alias\/aws\/codecommit$/.test(keyId))
    return ctx.use(awsManagedKeys).arnOf(ctx.place, 'codecommit')
  try {
    const { kms } = ctx.as(ctx.principal)
    const { KeyMetadata } = await kms.describeKey({ KeyId: keyId })
    const arn = KeyMetadata?.Arn ?? keyId
    const EncryptionContext = { 'aws:codecommit:id': repositoryId }
    await kms.generateDataKeyWithoutPlaintext({ KeyId: arn, KeySpec: 'AES_256', EncryptionContext })
    return arn
  } catch (thrown) {
    if (!(thrown instanceof AwsError)) throw thrown
    if (!isKnown(thrown.code))
      throw fail('EncryptionKeyInvalidIdException', `The encryption key ID ${keyId} is not valid.`)
    const [code, sentence] = refusals[thrown.code]
    throw fail(code, sentence)
  }
}

/** Raises the EncryptionKey… exceptions. */
export const UpdateRepositoryEncryptionKey: Operation<'UpdateRepositoryEncryptionKey'> = async (ctx, input) => {
  const repository = await ctx.read((tx) => getRepository(tx, input.repositoryName))
  const kmsKeyId = await keyFor(ctx, repository.id, input.kmsKeyId)
  return ctx.write(async (tx) => {
    const present = await getRepository(tx, input.repositoryName)
    change(ctx, tx, present, { kmsKeyId })
    return { repositoryId: present.id, kmsKeyId, originalKmsKeyId: present.kmsKeyId }
  })
}
