import { Readable } from 'node:stream'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { Bucket, type BucketRecord, bucketArn } from './bucket.ts'
import { fail, type Input } from './operation.ts'

// Reports that S3 puts into a bucket: inventories and analyses ("Granting permissions for S3 Inventory and S3 analytics", S3
// user guide).

type Encryption = Pick<Input<'PutObject'>, 'ServerSideEncryption' | 'SSEKMSKeyId'>

export const bucketNameOf = (arn = ''): string => arn.replace(/^arn:aws:s3:::/, '')

/** Throws InvalidS3DestinationBucket for a bucket that is not there, not in the Region, or somebody else's than said. */
export const checkDestination = async (
  tx: ReadTx,
  from: BucketRecord,
  arn: string | undefined,
  account: string | undefined,
): Promise<void> => {
  const target = await tx.get(Bucket, bucketNameOf(arn))
  if (!target || target.region !== from.region || (account !== undefined && account !== target.account))
    throw fail('InvalidS3DestinationBucket', 'Invalid bucket ARN.', { DestinationBucket: arn })
}

/** Puts an object into the destination under S3's own name: the destination's policy must let it. */
export const deliverReport = async (
  ctx: Ctx,
  from: BucketRecord,
  to: string | undefined,
  Key: string,
  Body: Buffer,
  encryption: Encryption = {},
): Promise<void> => {
  const target = await ctx.read((tx) => tx.get(Bucket, bucketNameOf(to)))
  if (!target) throw fail('NoSuchBucket', 'The specified bucket does not exist')
  const context = { 'aws:SourceArn': [bucketArn(from.name)], 'aws:SourceAccount': [from.account] }
  await ctx.as(ctx.principal, { context, region: target.region }).s3.putObject({
    Bucket: target.name,
    Key,
    Body: Readable.from([Body], { objectMode: false }),
    ACL: 'bucket-owner-full-control',
    ...encryption,
  })
}
