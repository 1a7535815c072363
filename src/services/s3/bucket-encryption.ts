import { Bucket, type BucketRecord, bucketOf } from './bucket.ts'
import { fail, malformedXml, type Operation } from './operation.ts'

// What objects of a bucket are encrypted with unless their requests say otherwise ("Setting default server-side encryption
// behavior for Amazon S3 buckets", S3 user guide).

/** Replaces the default; SSE-C is allowed only where `BlockedEncryptionTypes` says `NONE`. Throws MalformedXML, InvalidArgument. */
export const PutBucketEncryption: Operation<'PutBucketEncryption'> = (ctx, input) => {
  const [rule, ...others] = input.ServerSideEncryptionConfiguration.Rules
  if (!rule || others.length > 0) throw malformedXml()
  const { SSEAlgorithm: algorithm = 'AES256', KMSMasterKeyID: keyId } = rule.ApplyServerSideEncryptionByDefault ?? {}
  if (algorithm !== 'AES256' && algorithm !== 'aws:kms' && algorithm !== 'aws:kms:dsse') throw malformedXml()
  if (algorithm === 'AES256' && keyId !== undefined)
    throw fail(
      'InvalidArgument',
      'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
    )
  const blocked = rule.BlockedEncryptionTypes?.EncryptionType
  if (blocked && (blocked.length !== 1 || !/^(NONE|SSE-C)$/.test(blocked[0] ?? ''))) throw malformedXml()
  return ctx.write(async (tx) => {
    const { encryption: _, customerKeys, ...bucket }: BucketRecord = await bucketOf(ctx, tx, input)
    const allowed = blocked ? blocked[0] === 'NONE' : customerKeys === 'allowed'
    tx.put(Bucket, {
      ...bucket,
      bucketKey: rule.BucketKeyEnabled ?? false,
      ...(algorithm === 'AES256' ? {} : { encryption: { algorithm, ...(keyId === undefined ? {} : { keyId }) } }),
      ...(allowed ? { customerKeys: 'allowed' } : {}),
    })
    return {}
  })
}

export const GetBucketEncryption: Operation<'GetBucketEncryption'> = async (ctx, input) => {
  const { encryption, bucketKey, customerKeys } = await ctx.read((tx) => bucketOf(ctx, tx, input))
  return {
    ServerSideEncryptionConfiguration: {
      Rules: [
        {
          ApplyServerSideEncryptionByDefault: {
            SSEAlgorithm: encryption?.algorithm ?? 'AES256',
            KMSMasterKeyID: encryption?.keyId,
          },
          BucketKeyEnabled: bucketKey ?? false,
          ...(customerKeys === 'allowed' ? {} : { BlockedEncryptionTypes: { EncryptionType: ['SSE-C'] } }),
        },
      ],
    },
  }
}

/** Back to what every bucket has. */
export const DeleteBucketEncryption: Operation<'DeleteBucketEncryption'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { bucketKey: _, encryption: __, customerKeys: ___, ...bucket } = await bucketOf(ctx, tx, input)
    tx.put(Bucket, bucket)
    return {}
  })
