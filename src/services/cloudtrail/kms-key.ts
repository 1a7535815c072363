import type { Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import { fail } from './operation.ts'

/**
 * A KMS key to encrypt with: refused, in AWS's words if it is not there, not enabled or not the caller's to see.
 * Throws KmsKeyNotFoundException, KmsKeyDisabledException, InvalidKmsKeyIdException.
 */
export const refuseKey = async (ctx: Ctx, id: string): Promise<never> => {
  let state: string | undefined
  try {
    const { KeyMetadata } = await ctx.as(ctx.principal).kms.describeKey({ KeyId: id })
    state = KeyMetadata?.KeyState
  } catch (error) {
    if (!(error instanceof AwsError)) throw error
    if (error.code === 'ValidationException' || error.code === 'InvalidArnException')
      throw fail('InvalidKmsKeyIdException', `The KMS key ID ${id} is not valid.`)
    throw fail('KmsKeyNotFoundException', `The KMS key ${id} does not exist, or may not be used.`)
  }
  if (state !== 'Enabled') throw fail('KmsKeyDisabledException', `The KMS key ${id} is not enabled.`)
  throw notImplemented('encryption of log files and events under a KMS key')
}
