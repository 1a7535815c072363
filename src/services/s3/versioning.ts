import type { Ctx } from '../../kernel/context.ts'
import { identity } from '../../kernel/identity.ts'
import { Bucket, type BucketRecord, bucketOf } from './bucket.ts'
import { fail, malformedXml, type Operation } from './operation.ts'

// Whether a bucket keeps versions, and whether deleting one for good takes a code of an MFA device ("Configuring MFA delete",
// S3 user guide).

/** Verifies `x-amz-mfa`: the serial number or ARN of a device of the caller's, and its present code. Throws AccessDenied. */
export const checkMfa = async (ctx: Ctx, bucket: Pick<BucketRecord, 'mfaDelete'>, header: string | undefined) => {
  if (!bucket.mfaDelete) return
  const [, device, code] = /^\s*(\S+)\s+(\d{6})\s*$/.exec(header ?? '') ?? []
  const verdict =
    device === undefined || code === undefined
      ? undefined
      : await ctx.use(identity).verifyMfa(ctx.principal, device, code)
  if (verdict !== 'verified') throw fail('AccessDenied', 'Mfa Authentication must be used for this request')
}

/** Changes versioning. MFA delete is the root user's alone to switch. Throws InvalidBucketState, AccessDenied, MalformedXML. */
export const PutBucketVersioning: Operation<'PutBucketVersioning'> = async (ctx, input) => {
  const { Status, MFADelete } = input.VersioningConfiguration
  if (Status !== 'Enabled' && Status !== 'Suspended') throw malformedXml()
  if (MFADelete !== undefined && MFADelete !== 'Enabled' && MFADelete !== 'Disabled') throw malformedXml()
  const before = await ctx.read((tx) => bucketOf(ctx, tx, input))
  const mfaDelete = MFADelete === undefined ? before.mfaDelete : MFADelete === 'Enabled' || undefined
  const { kind, account } = ctx.principal
  if (mfaDelete !== before.mfaDelete && (kind !== 'root' || account !== before.account))
    throw fail('AccessDenied', 'This operation may only be performed by the bucket owner')
  await checkMfa(ctx, { mfaDelete: before.mfaDelete || mfaDelete }, input.MFA)
  return ctx.write(async (tx) => {
    const { mfaDelete: _, ...bucket } = await bucketOf(ctx, tx, input)
    if (bucket.objectLock && Status === 'Suspended')
      throw fail(
        'InvalidBucketState',
        'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
      )
    if (Status === 'Suspended' && bucket.configured?.includes('replication'))
      throw fail(
        'InvalidBucketState',
        'A replication configuration is present on this bucket, so you cannot change the versioning state. To change the versioning state, first delete the replication configuration.',
      )
    tx.put(Bucket, { ...bucket, versioning: Status, ...(mfaDelete ? { mfaDelete } : {}) })
    return {}
  })
}

export const GetBucketVersioning: Operation<'GetBucketVersioning'> = async (ctx, input) => {
  const { versioning, mfaDelete } = await ctx.read((tx) => bucketOf(ctx, tx, input))
  return versioning ? { Status: versioning, ...(mfaDelete ? { MFADelete: 'Enabled' as const } : {}) } : {}
}
