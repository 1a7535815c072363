import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import { emitTagsChanged } from './events.ts'
import { type Found, find, missing, versionIdOf } from './object.ts'
import type { Operation } from './operation.ts'
import { replicatingChange } from './replication.ts'
import { checkTags, type Tag, toTagSet } from './tags.ts'
import { type ObjectRecord, replaceVersion } from './versions.ts'

type Addressed = Parameters<typeof find>[2]

const retag = async (ctx: Ctx, input: Addressed, tags: readonly Tag[]) => {
  const found = await ctx.write(async (tx): Promise<Found> => {
    const found = await find(ctx, tx, input)
    if (found.record) await replaceTags(ctx, tx, found, found.record, tags)
    return found
  })
  if (!found.record) throw await missing(ctx, found, input)
  return versionIdOf(found.bucket, found.record)
}

const replaceTags = async (
  ctx: Ctx,
  tx: WriteTx,
  { bucket }: Found,
  record: ObjectRecord,
  tags: readonly Tag[],
): Promise<void> => {
  const { tags: before, ...untagged } = record
  const retagged = tags.length > 0 ? { ...untagged, tags } : untagged
  await replaceVersion(tx, retagged)
  await replicatingChange(tx, bucket, retagged)
  if (tags.length > 0) await emitTagsChanged(ctx, tx, bucket, retagged, 'Added')
  else if (before) await emitTagsChanged(ctx, tx, bucket, retagged, 'Deleted')
}

export const PutObjectTagging: Operation<'PutObjectTagging'> = async (ctx, input) =>
  retag(ctx, input, checkTags(input.Tagging.TagSet, 'object'))

export const DeleteObjectTagging: Operation<'DeleteObjectTagging'> = (ctx, input) => retag(ctx, input, [])

export const GetObjectTagging: Operation<'GetObjectTagging'> = async (ctx, input) => {
  const found = await ctx.read((tx) => find(ctx, tx, input))
  if (!found.record) throw await missing(ctx, found, input)
  return { TagSet: toTagSet(found.record.tags), ...versionIdOf(found.bucket, found.record) }
}
