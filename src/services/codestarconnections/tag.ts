import { fail, invalid } from './operation.ts'

/** Most tags of a resource ("Quotas for connections", Developer Tools console user guide). */
const most = 200

export type Tags = Readonly<Record<string, string>>

/** Throws ValidationException for a key of AWS's own, LimitExceededException. */
export const checkedTags = (given: readonly { Key: string; Value: string }[] = [], before: Tags = {}): Tags => {
  if (given.some(({ Key }) => /^aws:/i.test(Key))) throw invalid('Tag keys must not begin with aws:')
  const tags = { ...before, ...Object.fromEntries(given.map(({ Key, Value }) => [Key, Value])) }
  if (Object.keys(tags).length > most)
    throw fail('LimitExceededException', `A resource cannot have more than ${most} tags.`)
  return tags
}
