import type { Ctx } from '../../kernel/context.ts'
import { type Keys, requestKeys } from '../../kernel/s3-request-keys.ts'
import { Bucket } from './bucket.ts'

export { type Keys, requestKeys }

/** Those, and whose the bucket is. */
export const bucketKeys = async (ctx: Ctx, bucket: string): Promise<Keys> => ({
  ...requestKeys(ctx),
  's3:ResourceAccount': (await ctx.read((tx) => tx.get(Bucket, bucket)))?.account,
})

/** Keys that are there, for `ctx.authorize`. */
export const present = (keys: Keys): Record<string, readonly string[]> =>
  Object.fromEntries(Object.entries(keys).flatMap(([key, value]) => (value === undefined ? [] : [[key, [value]]])))
