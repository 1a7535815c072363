import { bucketOf } from './bucket.ts'
import { find, missing } from './object.ts'
import { fail, type Operation } from './operation.ts'

// What only directory buckets can do, of which there are none here, and what S3 has ceased to do.

const notAllowed = () => fail('MethodNotAllowed', 'The specified method is not allowed against this resource.')

/** Sessions are for directory buckets. Throws NoSuchBucket, MethodNotAllowed. */
export const CreateSession: Operation<'CreateSession'> = async (ctx, input) => {
  await ctx.read((tx) => bucketOf(ctx, tx, input))
  throw notAllowed()
}

/** Renames are for directory buckets. Throws NoSuchBucket, MethodNotAllowed. */
export const RenameObject: Operation<'RenameObject'> = async (ctx, input) => {
  await ctx.read((tx) => bucketOf(ctx, tx, input))
  throw notAllowed()
}

/** BitTorrent ended in April 2022 (S3's notice of April 29, 2021). Throws NoSuchKey, MethodNotAllowed. */
export const GetObjectTorrent: Operation<'GetObjectTorrent'> = async (ctx, input) => {
  const found = await ctx.read((tx) => find(ctx, tx, input))
  if (!found.record) throw await missing(ctx, found, input)
  throw notAllowed()
}
