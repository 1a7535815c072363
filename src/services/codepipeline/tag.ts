import { fail } from './operation.ts'
import type { Tag } from './pipeline.ts'

const mostTags = 50

/** AWS's rules for tags. Raises InvalidTagsException and TooManyTagsException. */
export const checkTags = (arn: string, tags: readonly Tag[]): void => {
  const keys = tags.map(({ key }) => key)
  const system = keys.find((key) => key.toLowerCase().startsWith('aws:'))
  if (system !== undefined)
    throw fail(
      'InvalidTagsException',
      "Not allowed to modify system tags. System tags start with 'aws:'. msg=[Caller is an end user and not allowed to mutate system tags]",
    )
  if (new Set(keys).size < keys.length) throw fail('InvalidTagsException', 'Tag keys must be unique')
  if (tags.length > mostTags) throw fail('TooManyTagsException', `Tag limit exceeded for resource [${arn}].`)
}
