import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { filtered, page } from './filters.ts'
import { dryRun, fail, type Operation } from './operation.ts'

type Tag = { readonly resourceId: string; readonly key: string; readonly value: string }
export const Tag = table<Tag>('ec2.tag', { scope: 'region', key: ({ resourceId, key }) => `${resourceId}\0${key}` })

const kinds: Record<string, string> = {
  i: 'instance',
  vpc: 'vpc',
  subnet: 'subnet',
  sg: 'security-group',
  sgr: 'security-group-rule',
  key: 'key-pair',
  ami: 'image',
  eni: 'network-interface',
  igw: 'internet-gateway',
}
export const kindOf = (resourceId: string): string | undefined => kinds[resourceId.slice(0, resourceId.indexOf('-'))]

/** A resource's tags by key. */
export const tagsOf = async (tx: ReadTx, resourceId: string): Promise<Record<string, string>> =>
  Object.fromEntries((await tx.list(Tag, { prefix: `${resourceId}\0` })).map(({ key, value }) => [key, value]))

/** All tags of this region, by resource: one read for a Describe call. */
export const allTags = async (tx: ReadTx): Promise<(resourceId: string) => Record<string, string>> => {
  const byResource = new Map<string, Record<string, string>>()
  for (const { resourceId, key, value } of await tx.list(Tag)) {
    const tags = byResource.get(resourceId) ?? {}
    tags[key] = value
    byResource.set(resourceId, tags)
  }
  return (resourceId) => byResource.get(resourceId) ?? {}
}

export const toTags = (tags: Readonly<Record<string, string>>): { Key: string; Value: string }[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))

type WireTag = { readonly Key?: string | undefined; readonly Value?: string | undefined }

/** Checks tags by the rules of "Tag your Amazon EC2 resources". */
export const checkTags = (tags: readonly WireTag[]): void => {
  if (tags.length > 50) throw fail('TagLimitExceeded', 'The maximum number of Tags for a resource has been reached.')
  for (const { Key = '' } of tags) {
    if (Key === '') throw fail('InvalidParameterValue', 'Tag key cannot be null or empty.')
    if (/^aws:/i.test(Key))
      throw fail('InvalidParameterValue', `Tag keys starting with 'aws:' are reserved for internal use`)
  }
}

export const putTags = (tx: WriteTx, resourceId: string, tags: readonly WireTag[]): void => {
  for (const { Key = '', Value = '' } of tags) tx.put(Tag, { resourceId, key: Key, value: Value })
}

export const dropTags = async (tx: WriteTx, resourceId: string): Promise<void> => {
  for (const key of Object.keys(await tagsOf(tx, resourceId))) tx.delete(Tag, `${resourceId}\0${key}`)
}

/** The tags that a creating call gives to resources of one kind. */
export const specified = (
  specifications:
    | readonly { readonly ResourceType?: string | undefined; readonly Tags?: readonly WireTag[] | undefined }[]
    | undefined,
  kind: string,
): readonly WireTag[] => {
  const tags = (specifications ?? [])
    .filter(({ ResourceType }) => ResourceType === kind)
    .flatMap(({ Tags = [] }) => Tags)
  checkTags(tags)
  return tags
}

export const CreateTags: Operation<'CreateTags'> = (ctx, input) => {
  checkTags(input.Tags ?? [])
  dryRun(input)
  return ctx.write(async (tx) => {
    for (const resourceId of input.Resources ?? []) {
      if (!kindOf(resourceId)) throw fail('InvalidID', `The ID '${resourceId}' is not valid`)
      const present = await tagsOf(tx, resourceId)
      if (new Set([...Object.keys(present), ...(input.Tags ?? []).map(({ Key }) => Key)]).size > 50)
        throw fail('TagLimitExceeded', 'The maximum number of Tags for a resource has been reached.')
      putTags(tx, resourceId, input.Tags ?? [])
    }
    return {}
  })
}

export const DeleteTags: Operation<'DeleteTags'> = (ctx, input) => {
  dryRun(input)
  return ctx.write(async (tx) => {
    for (const resourceId of input.Resources ?? []) {
      const present = await tagsOf(tx, resourceId)
      const named = input.Tags?.length ? input.Tags : Object.keys(present).map((Key) => ({ Key, Value: undefined }))
      for (const { Key = '', Value } of named)
        if (Value === undefined || present[Key] === Value) tx.delete(Tag, `${resourceId}\0${Key}`)
    }
    return {}
  })
}

export const DescribeTags: Operation<'DescribeTags'> = (ctx, { Filters, MaxResults, NextToken }) =>
  ctx.read(async (tx) => {
    const rows = filtered(
      await tx.list(Tag),
      Filters,
      ['key', 'resource-id', 'resource-type', 'value'],
      ({ resourceId, key, value }) => ({
        facts: { key, value, 'resource-id': resourceId, 'resource-type': kindOf(resourceId) },
        tags: { [key]: value },
      }),
    )
    const { page: cut, ...more } = page(rows, MaxResults, NextToken)
    const Tags = cut.map(({ resourceId, key, value }) => ({
      ResourceId: resourceId,
      ResourceType: kindOf(resourceId),
      Key: key,
      Value: value,
    }))
    return { Tags: Tags as never, ...more }
  })
