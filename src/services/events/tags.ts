import type { Tag } from '@aws-sdk/client-eventbridge'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { Bus, busArn, findBus } from './buses.ts'
import { fail, type Operation } from './operation.ts'
import { Rule, ruleKey } from './rules.ts'

type Tags = Readonly<Record<string, string>>

const MOST_TAGS = 50

/** Tags of the wire as a map. Throws LimitExceededException for too many. */
export const readTags = (tags: readonly Tag[] = []): Tags =>
  checked(Object.fromEntries(tags.map(({ Key, Value }) => [Key ?? '', Value ?? ''])))

const checked = (tags: Tags): Tags => {
  if (Object.keys(tags).length > MOST_TAGS)
    throw fail('LimitExceededException', 'The requested resource exceeds the maximum number allowed.')
  return tags
}

type Tagged = { readonly tags: Tags; put(tx: WriteTx, tags: Tags): void }

/** The bus or rule that an ARN names, `undefined` when there is none. */
export const findTagged = async (tx: ReadTx, resource: string): Promise<Tagged | undefined> => {
  const [kind, ...path] = resource.split('/')
  if (kind === 'event-bus') {
    const bus = await findBus(tx, path.join('/'))
    return bus && { tags: bus.tags, put: (to, tags) => to.put(Bus, { ...bus, tags }) }
  }
  if (kind !== 'rule') return undefined
  const name = path.at(-1) ?? ''
  const rule = await tx.get(Rule, ruleKey(path.slice(0, -1).join('/') || 'default', name))
  return rule && { tags: rule.tags, put: (to, tags) => to.put(Rule, { ...rule, tags }) }
}

const getTagged = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<Tagged> => {
  const own = busArn(ctx, '').slice(0, -'event-bus/'.length)
  const found = arn.startsWith(own) ? await findTagged(tx, arn.slice(own.length)) : undefined
  if (!found) throw new AwsError('ResourceNotFoundException', `Resource ${arn} does not exist.`)
  return found
}

export const TagResource: Operation<'TagResource'> = async (ctx, { ResourceARN, Tags }) => {
  await ctx.write(async (tx) => {
    const { tags, put } = await getTagged(ctx, tx, ResourceARN)
    put(tx, checked({ ...tags, ...readTags(Tags) }))
  })
  return {}
}

export const UntagResource: Operation<'UntagResource'> = async (ctx, { ResourceARN, TagKeys }) => {
  await ctx.write(async (tx) => {
    const { tags, put } = await getTagged(ctx, tx, ResourceARN)
    put(tx, Object.fromEntries(Object.entries(tags).filter(([key]) => !TagKeys.includes(key))))
  })
  return {}
}

export const ListTagsForResource: Operation<'ListTagsForResource'> = async (ctx, { ResourceARN }) => {
  const { tags } = await ctx.read((tx) => getTagged(ctx, tx, ResourceARN))
  return { Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) }
}
