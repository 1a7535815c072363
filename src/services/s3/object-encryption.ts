import { keepUnderKms, openKey } from './encryption.ts'
import { journal } from './metadata-journal.ts'
import { type Found, find, missing } from './object.ts'
import { fail, type Operation } from './operation.ts'
import { isStill, replaceVersion } from './versions.ts'

/**
 * Moves an object's key under a KMS key of the bucket owner's: no byte of the content is touched. Throws InvalidRequest
 * ("UpdateObjectEncryption", S3 API reference).
 */
export const UpdateObjectEncryption: Operation<'UpdateObjectEncryption'> = async (ctx, input) => {
  const asked = input.ObjectEncryption.SSEKMS
  if (!asked)
    throw fail(
      'InvalidRequest',
      'Requests that modify an object encryption configuration require a valid new encryption type. Valid values are SSEKMS. Modify the request to specify SSE-KMS for the updated encryption type, and then try again.',
    )
  const owner = /^arn:aws[-a-z0-9]*:kms:[-a-z0-9]*:(\d{12}):key\/.+$/.exec(asked.KMSKeyArn)?.[1]
  if (owner === undefined)
    throw fail(
      'InvalidRequest',
      "Requests that modify an object's encryption type to SSE-KMS require an AWS KMS key Amazon Resource Name (ARN). Modify the request to specify a KMS key ARN, and then try again.",
    )
  const found = await ctx.read((tx) => find(ctx, tx, input))
  const { bucket, record } = found
  if (!record) throw await missing(ctx, found, input)
  if (!record.encryption)
    throw fail(
      'InvalidRequest',
      "The UpdateObjectEncryption operation doesn't supported unencrypted source objects. Only source objects encrypted with SSE-S3 or SSE-KMS are supported.",
    )
  if (record.encryption.mode === 'customer' || record.encryption.mode === 'aws:kms:dsse')
    throw fail(
      'InvalidRequest',
      "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or SSE-C. Only source objects encrypted with SSE-S3 or SSE-KMS are supported.",
    )
  if (owner !== bucket.account)
    throw fail('AccessDenied', "The KMS key must be owned by the bucket owner's AWS account.")
  const key = await openKey(ctx, record, {})
  if (!key) throw new TypeError('An encrypted object has no key.')
  const encryption = await keepUnderKms(ctx, bucket, record, key.bytes, {
    kmsKey: asked.KMSKeyArn,
    bucketKey: asked.BucketKeyEnabled ?? false,
  })
  const changed = await ctx.write(async (tx): Promise<Found> => {
    const now = await find(ctx, tx, {
      ...input,
      VersionId: record.versionId === 'null' ? input.VersionId : record.versionId,
    })
    // Its content may have been replaced meanwhile: the new one has a key of its own.
    if (isStill(now.record, record)) {
      const reencrypted = { ...now.record, encryption }
      await replaceVersion(tx, reencrypted)
      await journal(ctx, tx, now.bucket, reencrypted, 'UPDATE_METADATA')
    }
    return now
  })
  if (!changed.record) throw await missing(ctx, changed, input)
  return {}
}
