import type { Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import { asCloudTrail } from './destinations.ts'
import { fail } from './operation.ts'
import type { TrailRecord } from './trail.ts'

/**
 * A KMS key to encrypt a store's events with: refused, in AWS's words if it is not there, not enabled or not the caller's to see.
 * Throws KmsKeyNotFoundException, KmsKeyDisabledException, InvalidKmsKeyIdException.
 */
export const refuseKey = async (ctx: Ctx, id: string): Promise<never> => {
  await enabledKey(ctx, id)
  throw notImplemented('encryption of events under a KMS key')
}

/**
 * ARN of the key that a trail's log files will be encrypted with, which must let CloudTrail encrypt for this trail ("Configure
 * AWS KMS key policies for CloudTrail"). Throws as above, and InsufficientEncryptionPolicyException.
 */
export const trailKey = async (ctx: Ctx, trail: Pick<TrailRecord, 'arn' | 'account' | 'region'>, id: string) => {
  const arn = await enabledKey(ctx, id)
  try {
    const EncryptionContext = encryptionContext(trail)
    await asCloudTrail(ctx, trail).kms.generateDataKey({
      KeyId: arn,
      KeySpec: 'AES_256',
      EncryptionContext,
      DryRun: true,
    })
  } catch (error) {
    if (error instanceof AwsError && error.code === 'DryRunOperationException') return arn
    if (!(error instanceof AwsError)) throw error
  }
  throw fail('InsufficientEncryptionPolicyException', `Insufficient permissions to access S3 bucket or KMS key ${id}.`)
}

/** What a trail's log files are bound to: key policies ask for it. */
export const encryptionContext = ({ arn }: Pick<TrailRecord, 'arn'>) => ({ 'aws:cloudtrail:arn': arn })

const enabledKey = async (ctx: Ctx, id: string): Promise<string> => {
  let key: { KeyState?: string | undefined; Arn?: string | undefined } | undefined
  try {
    key = (await ctx.as(ctx.principal).kms.describeKey({ KeyId: id })).KeyMetadata
  } catch (error) {
    if (!(error instanceof AwsError)) throw error
    if (error.code === 'ValidationException' || error.code === 'InvalidArnException')
      throw fail('InvalidKmsKeyIdException', `The KMS key ID ${id} is not valid.`)
    throw fail('KmsKeyNotFoundException', `The KMS key ${id} does not exist, or may not be used.`)
  }
  if (key?.KeyState !== 'Enabled' || key.Arn === undefined)
    throw fail('KmsKeyDisabledException', `The KMS key ${id} is not enabled.`)
  return key.Arn
}
