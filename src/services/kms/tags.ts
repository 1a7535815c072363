import { getCustomerKey, getOwnKey, Key, refuseStates, type Tags } from './key.ts'
import { fail, type Operation } from './operation.ts'
import { pageOf } from './page.ts'

const MOST = 50

/** Raises TagException. */
export const tagsOf = (given: readonly { TagKey: string; TagValue: string }[] | undefined): Tags => {
  const keys = new Set<string>()
  for (const { TagKey } of given ?? []) {
    if (TagKey.toLowerCase().startsWith('aws:'))
      throw fail('TagException', 'Tags beginning with aws: are reserved for AWS use.')
    if (keys.has(TagKey)) throw fail('TagException', 'Duplicate tag keys.')
    keys.add(TagKey)
  }
  if (keys.size > MOST) throw fail('TagException', 'Too many tags.')
  return Object.fromEntries((given ?? []).map(({ TagKey, TagValue }) => [TagKey, TagValue]))
}

export const toTags = (tags: Tags): { TagKey: string; TagValue: string }[] =>
  Object.entries(tags)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([TagKey, TagValue]) => ({ TagKey, TagValue }))

export const TagResource: Operation<'TagResource'> = async (ctx, { KeyId, Tags }) => {
  const more = tagsOf(Tags)
  await ctx.write(async (tx) => {
    const key = refuseStates(await getCustomerKey(tx, ctx.place, KeyId), 'PendingDeletion', 'PendingReplicaDeletion')
    const tags = { ...key.tags, ...more }
    if (Object.keys(tags).length > MOST) throw fail('TagException', 'Too many tags.')
    tx.put(Key, { ...key, tags })
  })
  return {}
}

export const UntagResource: Operation<'UntagResource'> = async (ctx, { KeyId, TagKeys }) => {
  await ctx.write(async (tx) => {
    const key = refuseStates(await getCustomerKey(tx, ctx.place, KeyId), 'PendingDeletion', 'PendingReplicaDeletion')
    tx.put(Key, {
      ...key,
      tags: Object.fromEntries(Object.entries(key.tags).filter(([name]) => !TagKeys.includes(name))),
    })
  })
  return {}
}

export const ListResourceTags: Operation<'ListResourceTags'> = async (ctx, input) => {
  const { tags } = await ctx.read((tx) => getOwnKey(tx, ctx.place, input.KeyId))
  const { items, tail } = pageOf(toTags(tags), input, ({ TagKey }) => TagKey, 50)
  return { Tags: [...items], ...tail }
}
