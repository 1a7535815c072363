import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { accessPoints, buckets } from '../capabilities.ts'
import { accessPointArn, noSuchAccessPoint } from './access-points.ts'
import { findGrantsResource, grantsPattern } from './grants/tagged.ts'
import { accessDenied, accountOf, type Operation, refuse } from './operation.ts'

// Tags of buckets, access points, and access grants ("Tagging S3 resources", S3 user guide).

export type Tag = { readonly key: string; readonly value: string }
type WireTag = { readonly Key: string; readonly Value: string }

const mostTags = 50

/** Throws InvalidTag, TooManyTags. */
export const checkTags = (set: readonly WireTag[]): Tag[] => {
  const tags = set.map(({ Key, Value }) => ({ key: Key, value: Value }))
  if (tags.length > mostTags) throw refuse('TooManyTags', `The number of tags must not exceed ${mostTags}.`)
  if (new Set(tags.map(({ key }) => key)).size < tags.length)
    throw refuse('InvalidTag', 'Cannot provide multiple Tags with the same key')
  if (tags.some(({ key }) => /^aws:/i.test(key)))
    throw refuse('InvalidTag', 'System tags cannot be added/updated by requester')
  return tags
}

export const toTags = (tags: readonly Tag[] = []): { Key: string; Value: string }[] =>
  tags.map(({ key, value }) => ({ Key: key, Value: value }))

export type Tagged = {
  readonly read: () => Promise<readonly Tag[]>
  readonly write: (tags: readonly Tag[]) => Promise<void>
}

/** What an ARN names that can have tags. Throws NoSuchBucket, NoSuchAccessPoint, AccessDenied; 501 for other kinds. */
const tagged = async (ctx: Ctx, account: string, arn: string): Promise<Tagged> => {
  const [, bucket] = /^arn:aws:s3:::([^/:]+)$/.exec(arn) ?? []
  if (bucket !== undefined) {
    const found = await ctx.use(buckets).find(bucket)
    if (!found) throw refuse('NoSuchBucket', 'The specified bucket does not exist', { BucketName: bucket })
    if (found.account !== account) throw accessDenied()
    return { read: async () => found.tags, write: (tags) => ctx.use(buckets).tag(bucket, tags) }
  }
  if (grantsPattern.test(arn)) return findGrantsResource(ctx, account, arn)
  const [, region = '', owner, name = ''] =
    /^arn:aws:s3:([a-z0-9-]+):(\d{12}):accesspoint\/([a-z0-9-]+)$/.exec(arn) ?? []
  if (owner === undefined) throw notImplemented(`tags of ${arn.split(':').slice(5).join(':').split('/')[0] ?? arn}`)
  if (owner !== account) throw accessDenied()
  const points = ctx.use(accessPoints)
  const point = await points.find(owner, region, name)
  if (!point) throw noSuchAccessPoint(name)
  return {
    read: async () => point.tags ?? [],
    write: async (tags) => {
      const put = await points.change(owner, region, name, (present) => ({ ...present, tags }))
      if (!put) throw noSuchAccessPoint(accessPointArn(point))
    },
  }
}

/** Adds tags, or gives them another value. */
export const TagResource: Operation<'TagResource'> = async (ctx, input) => {
  const added = checkTags(input.Tags)
  const resource = await tagged(ctx, accountOf(ctx, input), input.ResourceArn)
  const kept = (await resource.read()).filter((tag) => !added.some(({ key }) => key === tag.key))
  await resource.write(checkTags(toTags([...kept, ...added])))
  ctx.response.status = 204
  return {}
}

export const UntagResource: Operation<'UntagResource'> = async (ctx, input) => {
  const resource = await tagged(ctx, accountOf(ctx, input), input.ResourceArn)
  await resource.write((await resource.read()).filter(({ key }) => !input.TagKeys.includes(key)))
  ctx.response.status = 204
  return {}
}

export const ListTagsForResource: Operation<'ListTagsForResource'> = async (ctx, input) => {
  const resource = await tagged(ctx, accountOf(ctx, input), input.ResourceArn)
  return { Tags: toTags(await resource.read()) }
}
