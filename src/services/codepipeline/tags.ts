import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { CustomType } from './custom-type.ts'
import { fail, type Operation } from './operation.ts'
import { pageOf, positionOf } from './page.ts'
import { Pipeline, pipelineArn, type Tag } from './pipeline.ts'
import { checkTags } from './tag.ts'
import { Webhook } from './webhook.ts'

/** What has tags: a pipeline, an action type of the account's own, a webhook. */
type Tagged = { readonly tags: readonly Tag[]; readonly put: (tx: WriteTx, tags: readonly Tag[]) => void }

const named = /^[A-Za-z0-9.@_-]{1,100}$/

/** The resource whose ARN it is, by its place in the account and Region. `undefined` when it is not there. */
export const taggedAt = async (tx: ReadTx, resource: string): Promise<Tagged | undefined> => {
  const [kind, name = ''] = resource.split(':')
  if (kind === 'actiontype') {
    const type = await tx.get(CustomType, name)
    return type?.deleted
      ? undefined
      : type && { tags: type.tags, put: (tx, tags) => tx.put(CustomType, { ...type, tags }) }
  }
  if (kind === 'webhook') {
    const webhook = await tx.get(Webhook, name)
    return webhook && { tags: webhook.tags, put: (tx, tags) => tx.put(Webhook, { ...webhook, tags }) }
  }
  const pipeline = await tx.get(Pipeline, resource)
  return pipeline && { tags: pipeline.tags, put: (tx, tags) => tx.put(Pipeline, { ...pipeline, tags }) }
}

/** Raises InvalidArnException and ResourceNotFoundException. */
const taggedBy = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<Tagged> => {
  const prefix = pipelineArn(ctx, '')
  const resource = arn.startsWith(prefix) ? arn.slice(prefix.length) : ''
  const kinds = [named, /^actiontype:[\w-]+\/[\w-]+\/[\w-]+\/[\w-]+$/, /^webhook:[A-Za-z0-9.@_-]{1,100}$/]
  if (!kinds.some((kind) => kind.test(resource)))
    throw fail('InvalidArnException', `The ARN ${arn} is not the ARN of a pipeline, action type or webhook here`)
  const tagged = await taggedAt(tx, resource)
  if (tagged) return tagged
  const what = resource.includes(':') ? `the resource '${resource}'` : `a pipeline with the name '${resource}'`
  throw fail('ResourceNotFoundException', `The account with id '${ctx.account}' does not include ${what}`)
}

export const TagResource: Operation<'TagResource'> = (ctx, { resourceArn, tags }) =>
  ctx.write(async (tx) => {
    const tagged = await taggedBy(ctx, tx, resourceArn)
    checkTags(resourceArn, tags)
    const all = [...tagged.tags.filter(({ key }) => !tags.some((tag) => tag.key === key)), ...tags]
    checkTags(resourceArn, all)
    tagged.put(tx, all)
    return {}
  })

export const UntagResource: Operation<'UntagResource'> = (ctx, { resourceArn, tagKeys }) =>
  ctx.write(async (tx) => {
    const tagged = await taggedBy(ctx, tx, resourceArn)
    tagged.put(
      tx,
      tagged.tags.filter(({ key }) => !tagKeys.includes(key)),
    )
    return {}
  })

export const ListTagsForResource: Operation<'ListTagsForResource'> = (
  ctx,
  { resourceArn, maxResults = 100, nextToken },
) =>
  ctx.read(async (tx) => {
    const after = positionOf(nextToken)
    const { tags } = await taggedBy(ctx, tx, resourceArn)
    const sorted = tags
      .toSorted((a, b) => (a.key < b.key ? -1 : 1))
      .filter(({ key }) => after === undefined || key > after)
    const { page, ...rest } = pageOf(sorted, maxResults, ({ key }) => key)
    return { tags: [...page], ...rest }
  })
