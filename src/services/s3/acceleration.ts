import type { Ctx } from '../../kernel/context.ts'
import { bucketOfHost, isAccelerated } from '../../kernel/s3-address.ts'
import { Bucket, bucketOf } from './bucket.ts'
import { fail, malformedXml, type Operation } from './operation.ts'

// Transfer Acceleration ("Configuring fast, secure file transfers using Amazon S3 Transfer Acceleration", S3 user guide): here it is
// the host name only, which works where the bucket has it on.

export const PutBucketAccelerateConfiguration: Operation<'PutBucketAccelerateConfiguration'> = (ctx, input) => {
  const { Status: status } = input.AccelerateConfiguration
  if (status !== 'Enabled' && status !== 'Suspended') throw malformedXml()
  return ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    if (bucket.name.includes('.'))
      throw fail(
        'InvalidRequest',
        'S3 Transfer Acceleration is not supported for buckets with periods (.) in their names',
      )
    // What was never on is not suspended.
    if (bucket.acceleration !== undefined || status === 'Enabled') tx.put(Bucket, { ...bucket, acceleration: status })
    return {}
  })
}

export const GetBucketAccelerateConfiguration: Operation<'GetBucketAccelerateConfiguration'> = async (ctx, input) => {
  const { acceleration } = await ctx.read((tx) => bucketOf(ctx, tx, input))
  return acceleration === undefined ? {} : { Status: acceleration }
}

const hostOf = ({ request }: Ctx): string => (request.headers.host ?? '').toLowerCase().replace(/:\d+$/, '')

/** Throws InvalidRequest where a request came by the accelerated host name and may not. */
export const checkAcceleration = async (ctx: Ctx, name: string | undefined): Promise<void> => {
  if (!isAccelerated(hostOf(ctx))) return
  if (name === undefined || bucketOfHost(hostOf(ctx)) === undefined)
    throw fail('InvalidRequest', 'S3 Transfer Acceleration endpoint only supports virtual style requests')
  const bucket = await ctx.read((tx) => tx.get(Bucket, name))
  if (!bucket) return
  if (bucket.acceleration === undefined)
    throw fail('InvalidRequest', 'S3 Transfer Acceleration is not configured on this bucket')
  if (bucket.acceleration === 'Suspended')
    throw fail('InvalidRequest', 'S3 Transfer Acceleration is disabled on this bucket')
}
