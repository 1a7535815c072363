import type { Ctx } from '../../kernel/context.ts'
import { type Keys, requestKeys } from '../../kernel/s3-request-keys.ts'
import { Bucket } from './bucket.ts'
import { bucketTagKeys } from './bucket-abac.ts'

export { type Keys, requestKeys }

/** Those, whose the bucket is, and its tags where they count. */
export const bucketKeys = async (ctx: Ctx, name: string): Promise<Keys> => {
  const bucket = await ctx.read((tx) => tx.get(Bucket, name))
  return { ...requestKeys(ctx), ...bucketTagKeys(bucket), 's3:ResourceAccount': bucket?.account }
}

/** Keys that are there, for `ctx.authorize`. */
export const present = (keys: Keys): Record<string, readonly string[]> =>
  Object.fromEntries(Object.entries(keys).flatMap(([key, value]) => (value === undefined ? [] : [[key, [value]]])))
