import type { Ctx } from '../../kernel/context.ts'
import { fail, type Operation } from './operation.ts'
import { change, getRepository } from './repositories.ts'

type Tags = Readonly<Record<string, string>>

/** The name in a repository's ARN. Raises InvalidResourceArnException; names in other regions or accounts are not here. */
export const nameInArn = (ctx: Ctx, arn: string): string => {
  const prefix = ctx.arn('')
  const name = arn.startsWith(prefix) ? arn.slice(prefix.length) : ''
  if (!/^[\w.-]+$/.test(name)) throw fail('InvalidResourceArnException', `The resource ARN ${arn} is not valid.`)
  return name
}

/** AWS's rules for tags (AWS General Reference, "Tagging AWS resources"). */
export const checkTags = (tags: Tags): void => {
  const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u
  for (const [key, value] of Object.entries(tags)) {
    if (key.toLowerCase().startsWith('aws:'))
      throw fail('InvalidSystemTagUsageException', 'Tag keys that begin with aws: are reserved for system use.')
    if (key.length < 1 || key.length > 128 || value.length > 256 || !allowed.test(key) || !allowed.test(value))
      throw fail('InvalidTagsMapException', 'The map of tags is not valid.')
  }
  if (Object.keys(tags).length > 50)
    throw fail('TooManyTagsException', 'The maximum number of tags for a repository is 50.')
}

export const TagResource: Operation<'TagResource'> = (ctx, { resourceArn, tags }) =>
  ctx.write(async (tx) => {
    const repository = await getRepository(tx, nameInArn(ctx, resourceArn))
    const all = { ...repository.tags, ...tags }
    checkTags(all)
    change(ctx, tx, repository, { tags: all })
    return {}
  })

export const UntagResource: Operation<'UntagResource'> = (ctx, { resourceArn, tagKeys }) =>
  ctx.write(async (tx) => {
    if (tagKeys.length === 0) throw fail('TagKeysListRequiredException', 'A list of tag keys is required.')
    const repository = await getRepository(tx, nameInArn(ctx, resourceArn))
    const left = Object.entries(repository.tags).filter(([key]) => !tagKeys.includes(key))
    change(ctx, tx, repository, { tags: Object.fromEntries(left) })
    return {}
  })

export const ListTagsForResource: Operation<'ListTagsForResource'> = (ctx, { resourceArn }) =>
  ctx.read(async (tx) => ({ tags: { ...(await getRepository(tx, nameInArn(ctx, resourceArn))).tags } }))
