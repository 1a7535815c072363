import type { Ctx } from '../../kernel/context.ts'
import { Bucket, type BucketRecord, bucketOf } from './bucket.ts'
import { fail, type Operation } from './operation.ts'
import { checkTags, toTagSet } from './tags.ts'

type Addressed = Parameters<typeof bucketOf>[2]

/** Where tags decide on access, those with the right to tag resources set them. Throws InvalidRequest. */
const checkTaggable = ({ abac }: BucketRecord): void => {
  if (abac)
    throw fail(
      'InvalidRequest',
      'The bucket has attribute-based access control enabled. Use the TagResource and UntagResource operations to manage its tags.',
    )
}

const present = (ctx: Ctx, input: Addressed): Promise<BucketRecord> => ctx.read((tx) => bucketOf(ctx, tx, input))

const change = (
  ctx: Ctx,
  input: Addressed,
  to: (bucket: BucketRecord) => BucketRecord,
): Promise<Record<string, never>> =>
  ctx.write(async (tx) => {
    tx.put(Bucket, to(await bucketOf(ctx, tx, input)))
    return {}
  })

export const PutBucketTagging: Operation<'PutBucketTagging'> = async (ctx, input) => {
  const tags = checkTags(input.Tagging.TagSet, 'bucket')
  ctx.response.status = 204
  return change(ctx, input, (bucket) => {
    checkTaggable(bucket)
    return { ...bucket, tags }
  })
}

export const GetBucketTagging: Operation<'GetBucketTagging'> = async (ctx, input) => {
  const { name, tags } = await present(ctx, input)
  if (!tags?.length) throw fail('NoSuchTagSet', 'The TagSet does not exist', { BucketName: name })
  return { TagSet: toTagSet(tags) }
}

export const DeleteBucketTagging: Operation<'DeleteBucketTagging'> = (ctx, input) =>
  change(ctx, input, ({ tags: _, ...bucket }) => {
    checkTaggable(bucket)
    return bucket
  })
