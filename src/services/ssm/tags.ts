import { fail, invalid, type Operation } from './operation.ts'
import { Parameter, type ParameterRecord } from './parameter.ts'

const MOST = 50

/** Raises ValidationException, TooManyTagsError. */
export const tagsOf = (given: readonly { Key: string; Value: string }[] | undefined): Record<string, string> => {
  const tags = Object.fromEntries((given ?? []).map(({ Key, Value }) => [Key, Value]))
  if (Object.keys(tags).length < (given?.length ?? 0)) throw invalid('Duplicate tag keys.')
  for (const key of Object.keys(tags)) if (/^aws:/i.test(key)) throw invalid('Tag keys must not begin with aws:')
  return within(tags)
}

const within = (tags: Record<string, string>): Record<string, string> => {
  if (Object.keys(tags).length > MOST)
    throw fail(
      'TooManyTagsError',
      `The Targets parameter includes too many tags. Remove one or more tags and try the command again.`,
    )
  return tags
}

/** Only parameters are here to be tagged. Raises InvalidResourceType. */
const onlyParameters = (type: string): void => {
  if (type !== 'Parameter') throw fail('InvalidResourceType', `${type} is not a type of resource that is here.`)
}

const invalidId = (id: string) => fail('InvalidResourceId', `The resource ID isn't valid: ${id}`)

const retagged =
  <I extends { ResourceType: string; ResourceId: string }>(
    change: (parameter: ParameterRecord, input: I) => Record<string, string>,
  ) =>
  async (ctx: Parameters<Operation<'AddTagsToResource'>>[0], input: I): Promise<Record<string, never>> => {
    onlyParameters(input.ResourceType)
    await ctx.write(async (tx) => {
      const parameter = await tx.get(Parameter, input.ResourceId)
      if (!parameter) throw invalidId(input.ResourceId)
      tx.put(Parameter, { ...parameter, tags: within(change(parameter, input)) })
    })
    return {}
  }

export const AddTagsToResource: Operation<'AddTagsToResource'> = retagged(({ tags }, { Tags }) => ({
  ...tags,
  ...tagsOf(Tags),
}))

export const RemoveTagsFromResource: Operation<'RemoveTagsFromResource'> = retagged(({ tags }, { TagKeys }) =>
  Object.fromEntries(Object.entries(tags).filter(([key]) => !TagKeys.includes(key))),
)

export const ListTagsForResource: Operation<'ListTagsForResource'> = async (ctx, input) => {
  onlyParameters(input.ResourceType)
  const { tags } = await ctx.read(async (tx) => {
    const found = await tx.get(Parameter, input.ResourceId)
    if (!found) throw invalidId(input.ResourceId)
    return found
  })
  return { TagList: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) }
}
