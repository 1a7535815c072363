import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { getApplication } from './applications.ts'
import { getGroup } from './deployment-groups.ts'
import { fail, type Operation } from './operation.ts'

type Tags = { readonly arn: string; readonly tags: Readonly<Record<string, string>> }
export const Tags = table<Tags>('codedeploy.tags', { scope: 'region', key: ({ arn }) => arn })

type WireTag = { readonly Key?: string | undefined; readonly Value?: string | undefined }

/** Limits of AWS's tags ("Tag naming limits and requirements", Tagging AWS Resources user guide). */
const [mostTags, longestKey, longestValue] = [50, 128, 256]

/** Adds tags to those a resource has. Throws InvalidTagsToAddException. */
export const putTags = async (tx: WriteTx, arn: string, tags: readonly WireTag[] | undefined): Promise<void> => {
  if (!tags?.length) return
  const refuse = (why: string) => fail('InvalidTagsToAddException', `The specified tags are not valid: ${why}`)
  const added = tags.map(({ Key = '', Value = '' }) => [Key, Value] as const)
  for (const [key, value] of added) {
    if (key === '' || key.length > longestKey) throw refuse(`a tag's key has 1 to ${longestKey} characters.`)
    if (value.length > longestValue) throw refuse(`the value of ${key} has more than ${longestValue} characters.`)
    if (/^aws:/i.test(key)) throw refuse(`the prefix aws: of ${key} is reserved.`)
  }
  if (new Set(added.map(([key]) => key)).size < added.length) throw refuse('a key is there twice.')
  const present = (await tx.get(Tags, arn))?.tags ?? {}
  const merged = { ...present, ...Object.fromEntries(added) }
  if (Object.keys(merged).length > mostTags) throw refuse(`a resource has ${mostTags} tags at most.`)
  tx.put(Tags, { arn, tags: merged })
}

/** A resource that has another name keeps its tags. */
export const moveTags = async (tx: WriteTx, from: string, to: string): Promise<void> => {
  const tags = await tx.get(Tags, from)
  if (!tags) return
  tx.delete(Tags, from)
  tx.put(Tags, { ...tags, arn: to })
}

/** Throws unless the ARN is that of an application or deployment group of this place. */
const check = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<void> => {
  const [, , service, region, account, kind, name = ''] = arn.split(':')
  if (service !== 'codedeploy' || region !== ctx.region || account !== ctx.account)
    throw fail('InvalidArnException', `The specified ARN is not in a valid format: ${arn}`)
  const [application = '', group] = name.split('/')
  if (kind === 'application') await getApplication(tx, application)
  else if (kind === 'deploymentgroup') await getGroup(tx, application, group ?? '')
  else throw fail('ArnNotSupportedException', `The specified ARN is not supported: ${arn}`)
}

const tagRequired = () => fail('TagRequiredException', 'A tag was not specified.')

export const TagResource: Operation<'TagResource'> = (ctx, { ResourceArn, Tags: tags }) =>
  ctx.write(async (tx) => {
    await check(ctx, tx, ResourceArn)
    if (tags.length === 0) throw tagRequired()
    await putTags(tx, ResourceArn, tags)
    return {}
  })

export const UntagResource: Operation<'UntagResource'> = (ctx, { ResourceArn, TagKeys }) =>
  ctx.write(async (tx) => {
    await check(ctx, tx, ResourceArn)
    if (TagKeys.length === 0) throw tagRequired()
    const present = (await tx.get(Tags, ResourceArn))?.tags ?? {}
    tx.put(Tags, {
      arn: ResourceArn,
      tags: Object.fromEntries(Object.entries(present).filter(([key]) => !TagKeys.includes(key))),
    })
    return {}
  })

export const ListTagsForResource: Operation<'ListTagsForResource'> = (ctx, { ResourceArn }) =>
  ctx.read(async (tx) => {
    await check(ctx, tx, ResourceArn)
    const tags = (await tx.get(Tags, ResourceArn))?.tags ?? {}
    return { Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) }
  })
