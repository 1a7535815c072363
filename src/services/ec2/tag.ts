import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { fail } from './operation.ts'

type Tag = { readonly resourceId: string; readonly key: string; readonly value: string }
export const Tag = table<Tag>('ec2.tag', { scope: 'region', key: ({ resourceId, key }) => `${resourceId}\0${key}` })

const kinds = {
  i: 'instance',
  vpc: 'vpc',
  subnet: 'subnet',
  sg: 'security-group',
  sgr: 'security-group-rule',
  key: 'key-pair',
  ami: 'image',
  eni: 'network-interface',
} as const
type Kind = (typeof kinds)[keyof typeof kinds]

/** What a resource id names, by its prefix: an instance (`i-…`), a subnet … */
export const kindOf = (resourceId: string): Kind | undefined => {
  const [prefix = ''] = resourceId.split('-')
  return Object.hasOwn(kinds, prefix) ? kinds[prefix as keyof typeof kinds] : undefined
}

/** A resource's tags by key. */
export const tagsOf = async (tx: ReadTx, resourceId: string): Promise<Record<string, string>> =>
  Object.fromEntries((await tx.list(Tag, { prefix: `${resourceId}\0` })).map(({ key, value }) => [key, value]))

/** All tags of this region, by resource: one read for a Describe call. */
export const allTags = async (tx: ReadTx): Promise<(resourceId: string) => Record<string, string>> => {
  const byResource = Map.groupBy(await tx.list(Tag), ({ resourceId }) => resourceId)
  return (resourceId) => Object.fromEntries((byResource.get(resourceId) ?? []).map(({ key, value }) => [key, value]))
}

export const toTags = (tags: Readonly<Record<string, string>>): { Key: string; Value: string }[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))

export type WireTag = { readonly Key?: string | undefined; readonly Value?: string | undefined }

/** Checks tags by the rules of "Tag your Amazon EC2 resources". */
export const checkTags = (tags: readonly WireTag[]): void => {
  if (tags.length > mostTags) throw tooManyTags()
  const seen = new Set<string>()
  for (const { Key = '', Value = '' } of tags) {
    if (Key === '') throw fail('InvalidParameterValue', 'Tag key cannot be null or empty.')
    if (/^aws:/i.test(Key))
      throw fail('InvalidParameterValue', `Tag keys starting with 'aws:' are reserved for internal use`)
    if ([...Key].length > 127)
      throw fail('InvalidParameterValue', 'Tag key exceeds the maximum length of 127 characters')
    if ([...Value].length > 256)
      throw fail('InvalidParameterValue', 'Tag value exceeds the maximum length of 256 characters')
    if (seen.has(Key)) throw fail('InvalidParameterValue', `Duplicate tag key '${Key}' specified.`)
    seen.add(Key)
  }
}

export const mostTags = 50
export const tooManyTags = () => fail('TagLimitExceeded', 'The maximum number of Tags for a resource has been reached.')

export const putTags = (tx: WriteTx, resourceId: string, tags: readonly WireTag[]): void => {
  for (const { Key = '', Value = '' } of tags) tx.put(Tag, { resourceId, key: Key, value: Value })
}

export const dropTags = async (tx: WriteTx, resourceId: string): Promise<void> => {
  for (const key of Object.keys(await tagsOf(tx, resourceId))) tx.delete(Tag, `${resourceId}\0${key}`)
}

type Specifications =
  | readonly { readonly ResourceType?: string | undefined; readonly Tags?: readonly WireTag[] | undefined }[]
  | undefined

/**
 * The tags that a creating call gives to what it makes, by kind of resource. Throws for a kind that the call does not
 * make: its tags would be lost.
 */
export const specified = <K extends string>(specifications: Specifications, ...kinds: K[]): Record<K, WireTag[]> => {
  const tags = Object.fromEntries(kinds.map((kind) => [kind, []])) as unknown as Record<K, WireTag[]>
  for (const { ResourceType = '', Tags = [] } of specifications ?? []) {
    const kind = kinds.find((one) => one === ResourceType)
    if (kind) tags[kind].push(...Tags)
    else
      throw fail('InvalidParameterValue', `'${ResourceType}' is not a valid taggable resource type for this operation.`)
  }
  for (const kind of kinds) checkTags(tags[kind])
  return tags
}
