import type { Ctx } from '../../kernel/context.ts'
import { Bucket, bucketOf } from './bucket.ts'
import { fail, malformedXml, type Operation } from './operation.ts'

// "Using Requester Pays general purpose buckets for storage transfers and usage", S3 user guide.

export const PutBucketRequestPayment: Operation<'PutBucketRequestPayment'> = (ctx, input) => {
  const payer = input.RequestPaymentConfiguration.Payer
  if (payer !== 'Requester' && payer !== 'BucketOwner') throw malformedXml()
  return ctx.write(async (tx) => {
    const { requesterPays: _, ...bucket } = await bucketOf(ctx, tx, input)
    tx.put(Bucket, payer === 'Requester' ? { ...bucket, requesterPays: true } : bucket)
    return {}
  })
}

export const GetBucketRequestPayment: Operation<'GetBucketRequestPayment'> = async (ctx, input) => {
  const { requesterPays } = await ctx.read((tx) => bucketOf(ctx, tx, input))
  return { Payer: requesterPays ? 'Requester' : 'BucketOwner' }
}

/** Whoever is not of the owner's account says that he pays, and cannot be nobody. Throws AccessDenied. */
export const checkPayer = async (ctx: Ctx, name: string): Promise<void> => {
  const bucket = await ctx.read((tx) => tx.get(Bucket, name))
  const { principal, request } = ctx
  if (!bucket?.requesterPays || principal.account === bucket.account || principal.kind === 'service') return
  const says =
    request.headers['x-amz-request-payer'] === 'requester' ||
    /(^|&)x-amz-request-payer=requester(&|$)/i.test(request.query)
  if (principal.kind === 'anonymous' || !says) throw fail('AccessDenied', 'Access Denied')
  ctx.response.headers['x-amz-request-charged'] = 'requester'
}
