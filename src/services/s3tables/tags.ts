import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { fail, type Operation } from './operation.ts'
import { getTableByArn, Table } from './table.ts'
import { getTableBucket, TableBucket } from './table-buckets.ts'

// Tags of table buckets and tables ("Using tags with S3 table buckets", S3 user guide).

export type Tags = Readonly<Record<string, string>>

const mostTags = 50
const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

/** Throws BadRequestException. */
export const checkTags = (tags: Tags): Tags => {
  const pairs = Object.entries(tags)
  if (pairs.length > mostTags)
    throw fail('BadRequestException', `The number of tags exceeds the limit of ${mostTags} tags.`)
  for (const [key, value] of pairs)
    if (!allowed.test(key) || !allowed.test(value) || /^aws:/i.test(key))
      throw fail('BadRequestException', 'The tag key or value that you provided is not valid.')
  return tags
}

type Tagged = { readonly tags: Tags; readonly put: (tx: WriteTx, tags: Tags) => void }

/** What an ARN names: a table, or a table bucket. Throws NotFoundException. */
const tagged = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<Tagged> => {
  if (arn.includes('/table/')) {
    const { tags = {}, ...table } = await getTableByArn(ctx, tx, arn)
    return { tags, put: (write, tags) => write.put(Table, { ...table, tags }) }
  }
  const { tags = {}, ...bucket } = await getTableBucket(ctx, tx, arn)
  return { tags, put: (write, tags) => write.put(TableBucket, { ...bucket, tags }) }
}

/** Adds tags, or gives them another value. */
export const TagResource: Operation<'TagResource'> = (ctx, input) => {
  checkTags(input.tags)
  return ctx.write(async (tx) => {
    const { tags, put } = await tagged(ctx, tx, input.resourceArn)
    put(tx, checkTags({ ...tags, ...input.tags }))
    return {}
  })
}

export const UntagResource: Operation<'UntagResource'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { tags, put } = await tagged(ctx, tx, input.resourceArn)
    put(tx, Object.fromEntries(Object.entries(tags).filter(([key]) => !input.tagKeys.includes(key))))
    return {}
  })

export const ListTagsForResource: Operation<'ListTagsForResource'> = async (ctx, input) => {
  const { tags } = await ctx.read((tx) => tagged(ctx, tx, input.resourceArn))
  return { tags: { ...tags } }
}
