import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { Connection } from './connection.ts'
import { Host } from './host.ts'
import { fail, type Operation } from './operation.ts'
import { checkedTags, type Tags } from './tag.ts'

/** Tags of a connection or host; `undefined` where there is none. */
export const tagsAt = async (tx: ReadTx, arn: string): Promise<Tags | undefined> =>
  (arn.includes(':host/') ? await tx.get(Host, arn) : await tx.get(Connection, arn))?.tags

const retag = async (ctx: Ctx, arn: string, change: (tags: Tags) => Tags): Promise<Record<string, never>> => {
  await ctx.write(async (tx) => {
    const [connection, host] = [await tx.get(Connection, arn), await tx.get(Host, arn)]
    if (connection) tx.put(Connection, { ...connection, tags: change(connection.tags) })
    else if (host) tx.put(Host, { ...host, tags: change(host.tags) })
    else throw notFound(arn)
  })
  return {}
}
const notFound = (arn: string) => fail('ResourceNotFoundException', `Resource ARN not found: ${arn}`)

export const TagResource: Operation<'TagResource'> = (ctx, { ResourceArn, Tags }) =>
  retag(ctx, ResourceArn, (tags) => checkedTags(Tags, tags))

export const UntagResource: Operation<'UntagResource'> = (ctx, { ResourceArn, TagKeys }) =>
  retag(ctx, ResourceArn, (tags) => Object.fromEntries(Object.entries(tags).filter(([key]) => !TagKeys.includes(key))))

export const ListTagsForResource: Operation<'ListTagsForResource'> = async (ctx, { ResourceArn }) => {
  const tags = await ctx.read((tx) => tagsAt(tx, ResourceArn))
  if (!tags) throw notFound(ResourceArn)
  return { Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) }
}
