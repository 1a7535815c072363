import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { filtered, page } from './filters.ts'
import { taskImage } from './images.ts'
import { getInstance } from './instance.ts'
import { getKeyPairById } from './key-pairs.ts'
import { getInterface } from './network-interfaces.ts'
import { dryRun, fail, type Operation } from './operation.ts'
import { getRule } from './security-group-rules.ts'
import { getGroup } from './security-groups.ts'
import { checkTags, dropTags, kindOf, mostTags, putTags, Tag, tagsOf, tooManyTags } from './tag.ts'
import { getSubnet, getVpc } from './vpcs.ts'

/** Throws the resource's own NotFound unless it exists. */
const mustExist = async (ctx: Ctx, tx: ReadTx, id: string): Promise<void> => {
  switch (kindOf(id)) {
    case 'instance':
      await getInstance(tx, id)
      return
    case 'security-group':
      await getGroup(tx, id)
      return
    case 'security-group-rule':
      await getRule(tx, id)
      return
    case 'vpc':
      await getVpc(tx, id)
      return
    case 'subnet':
      await getSubnet(tx, id)
      return
    case 'key-pair':
      await getKeyPairById(tx, id)
      return
    case 'network-interface':
      await getInterface(tx, id)
      return
    case 'image':
      taskImage(ctx, id)
      return
    default:
      ctx.log.debug('tags for an id of no kind', { id })
      throw fail('InvalidID', `The ID '${id}' is not valid`)
  }
}

/** Puts tags on resources, over those of the same key. All or nothing. Errors: the resources' NotFound, TagLimitExceeded. */
export const CreateTags: Operation<'CreateTags'> = (ctx, input) => {
  const tags = input.Tags ?? []
  checkTags(tags)
  dryRun(input)
  return ctx.write(async (tx) => {
    for (const id of input.Resources ?? []) {
      await mustExist(ctx, tx, id)
      const present = Object.keys(await tagsOf(tx, id))
      if (new Set([...present, ...tags.map(({ Key = '' }) => Key)]).size > mostTags) throw tooManyTags()
      putTags(tx, id, tags)
    }
    return {}
  })
}

/** Takes tags off: by key, or by key and value; all of them where none is named. */
export const DeleteTags: Operation<'DeleteTags'> = (ctx, input) => {
  dryRun(input)
  return ctx.write(async (tx) => {
    for (const id of input.Resources ?? []) {
      if (!kindOf(id)) throw fail('InvalidID', `The ID '${id}' is not valid`)
      if (!input.Tags?.length) await dropTags(tx, id)
      const present = await tagsOf(tx, id)
      for (const { Key = '', Value } of input.Tags ?? [])
        if (Value === undefined || present[Key] === Value) tx.delete(Tag, `${id}\0${Key}`)
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
    return { Tags, ...more }
  })
