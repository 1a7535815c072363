import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { fail, type Operation } from './operation.ts'
import { getTable } from './table.ts'
import { getOwnTableBucket, getTableBucket, TableBucket } from './table-buckets.ts'

// How the files of tables are encrypted ("Using server-side encryption with AWS KMS keys (SSE-KMS) in table buckets", S3
// user guide): by S3 itself, or under a customer's KMS key.

export type Encryption = { readonly algorithm: 'AES256' | 'aws:kms'; readonly keyArn?: string }

type Asked = { readonly sseAlgorithm: 'AES256' | 'aws:kms'; readonly kmsKeyArn?: string | undefined }

/** Checks what is asked for: the caller must be able to use the key. Throws BadRequestException, ForbiddenException. */
export const encryptionOf = async (ctx: Ctx, { sseAlgorithm, kmsKeyArn }: Asked): Promise<Encryption> => {
  if (sseAlgorithm === 'AES256') {
    if (kmsKeyArn !== undefined)
      throw fail('BadRequestException', 'A KMS key cannot be specified when the encryption algorithm is AES256.')
    return { algorithm: sseAlgorithm }
  }
  if (kmsKeyArn === undefined)
    throw fail('BadRequestException', 'A KMS key must be specified when the encryption algorithm is aws:kms.')
  const region = kmsKeyArn.split(':')[3] ?? ctx.region
  if (region !== ctx.region) throw fail('BadRequestException', 'The specified KMS key is in another Region.')
  try {
    await ctx.as(ctx.principal).kms.generateDataKeyWithoutPlaintext({ KeyId: kmsKeyArn, KeySpec: 'AES_256' })
  } catch (error) {
    if (!(error instanceof AwsError)) throw error
    throw fail(/^AccessDenied/.test(error.code) ? 'ForbiddenException' : 'BadRequestException', error.message)
  }
  return { algorithm: sseAlgorithm, keyArn: kmsKeyArn }
}

export const toEncryption = ({ algorithm, keyArn }: Encryption = { algorithm: 'AES256' }) => ({
  sseAlgorithm: algorithm,
  ...(keyArn === undefined ? {} : { kmsKeyArn: keyArn }),
})

/** For new tables; those that are there stay as they are. */
export const PutTableBucketEncryption: Operation<'PutTableBucketEncryption'> = async (ctx, input) => {
  await ctx.read((tx) => getTableBucket(ctx, tx, input.tableBucketARN))
  const encryption = await encryptionOf(ctx, input.encryptionConfiguration)
  return ctx.write(async (tx) => {
    tx.put(TableBucket, { ...(await getOwnTableBucket(ctx, tx, input.tableBucketARN)), encryption })
    return {}
  })
}

export const GetTableBucketEncryption: Operation<'GetTableBucketEncryption'> = async (ctx, input) => {
  const { encryption } = await ctx.read((tx) => getTableBucket(ctx, tx, input.tableBucketARN))
  if (!encryption) throw fail('NotFoundException', 'The specified bucket does not have an encryption configuration.')
  return { encryptionConfiguration: toEncryption(encryption) }
}

export const DeleteTableBucketEncryption: Operation<'DeleteTableBucketEncryption'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { encryption: _, ...bucket } = await getOwnTableBucket(ctx, tx, input.tableBucketARN)
    tx.put(TableBucket, bucket)
    return {}
  })

export const GetTableEncryption: Operation<'GetTableEncryption'> = async (ctx, input) => {
  const { encryption } = await ctx.read((tx) => getTable(ctx, tx, input))
  return { encryptionConfiguration: toEncryption(encryption) }
}
