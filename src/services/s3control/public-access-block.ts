import { accountBlocks } from '../capabilities.ts'
import { accountOf, fail, type Operation } from './operation.ts'

// The public access block of a whole account ("Configuring block public access settings for your account", S3 user guide).

export const PutPublicAccessBlock: Operation<'PutPublicAccessBlock'> = async (ctx, input) => {
  const { BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets } =
    input.PublicAccessBlockConfiguration
  await ctx.use(accountBlocks).put(accountOf(ctx, input), {
    blockPublicAcls: BlockPublicAcls ?? false,
    ignorePublicAcls: IgnorePublicAcls ?? false,
    blockPublicPolicy: BlockPublicPolicy ?? false,
    restrictPublicBuckets: RestrictPublicBuckets ?? false,
  })
  return {}
}

export const GetPublicAccessBlock: Operation<'GetPublicAccessBlock'> = async (ctx, input) => {
  const block = await ctx.use(accountBlocks).find(accountOf(ctx, input))
  if (!block) throw fail('NoSuchPublicAccessBlockConfiguration', 'The public access block configuration was not found')
  return {
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: block.blockPublicAcls,
      IgnorePublicAcls: block.ignorePublicAcls,
      BlockPublicPolicy: block.blockPublicPolicy,
      RestrictPublicBuckets: block.restrictPublicBuckets,
    },
  }
}

export const DeletePublicAccessBlock: Operation<'DeletePublicAccessBlock'> = async (ctx, input) => {
  await ctx.use(accountBlocks).delete(accountOf(ctx, input))
  return {}
}
