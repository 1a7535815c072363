import { fail } from './operation.ts'
import { pageOfList, tail } from './page.ts'
import type { Tags } from './records.ts'

type WireTag = { Key: string; Value: string }

/** The tags with these added. Keys have no case: the one given last stays. Throws InvalidInput, LimitExceeded. */
export const withTags = (tags: Tags, given: readonly WireTag[] | undefined): Tags => {
  if (!given?.length) return tags
  const keys = new Set(given.map(({ Key }) => Key.toLowerCase()))
  if (keys.size < given.length)
    throw fail('InvalidInputException', 'Duplicate tag keys found. Please note that Tag keys are case insensitive.')
  for (const { Key } of given)
    if (/^aws:/i.test(Key))
      throw fail(
        'InvalidInputException',
        'One or more tags begin with the reserved prefix aws:. Remove it and try again.',
      )
  const kept = Object.entries(tags).filter(([key]) => !keys.has(key.toLowerCase()))
  const all = Object.fromEntries([...kept, ...given.map(({ Key, Value }) => [Key, Value] as const)])
  if (Object.keys(all).length > 50)
    throw fail('LimitExceededException', 'The number of tags has reached the maximum limit.')
  return all
}

export const withoutTags = (tags: Tags, keys: readonly string[]): Tags => {
  const gone = new Set(keys.map((key) => key.toLowerCase()))
  return Object.fromEntries(Object.entries(tags).filter(([key]) => !gone.has(key.toLowerCase())))
}

export const toTags = (tags: Tags): WireTag[] => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))

export const tagPage = (tags: Tags, asked: Parameters<typeof pageOfList>[2]) => {
  const page = pageOfList(toTags(tags), ({ Key }) => Key, asked)
  return { Tags: page.items, ...tail(page) }
}
