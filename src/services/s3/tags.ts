import { fail } from './operation.ts'

export type Tag = { readonly key: string; readonly value: string }

type WireTag = { Key?: string | undefined; Value?: string | undefined }

const limits = { object: 10, bucket: 50 } as const

/** Checks a tag set ("Categorizing your objects using tags", S3 user guide). Throws InvalidTag, BadRequest. */
export const checkTags = (set: readonly WireTag[], kind: keyof typeof limits): Tag[] => {
  if (set.length > limits[kind])
    throw fail(
      'BadRequest',
      `${kind === 'object' ? 'Object' : 'Bucket'} tag count cannot be greater than ${limits[kind]}`,
    )
  const seen = new Set<string>()
  return set.map(({ Key: key = '', Value: value = '' }) => {
    if (seen.has(key)) throw fail('InvalidTag', 'Cannot provide multiple Tags with the same key', { TagKey: key })
    seen.add(key)
    if (key.length < 1 || key.length > 128 || !allowed.test(key))
      throw fail('InvalidTag', 'The TagKey you have provided is invalid', { TagKey: key })
    if (value.length > 256 || !allowed.test(value))
      throw fail('InvalidTag', 'The TagValue you have provided is invalid', { TagKey: key, TagValue: value })
    if (/^aws:/i.test(key))
      throw fail('InvalidTag', 'System tags cannot be added/updated by requester', { TagKey: key })
    return { key, value }
  })
}

const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

/** The `x-amz-tagging` header: a query string. */
export const parseTagging = (header: string | undefined): Tag[] => {
  if (!header) return []
  return checkTags(
    [...new URLSearchParams(header)].map(([Key, Value]) => ({ Key, Value })),
    'object',
  )
}

export const toTagSet = (tags: readonly Tag[] | undefined): { Key: string; Value: string }[] =>
  (tags ?? []).map(({ key, value }) => ({ Key: key, Value: value }))
