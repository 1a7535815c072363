import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { Channel, getChannel } from './lake/channels.ts'
import { Dashboard, getDashboard } from './lake/dashboards.ts'
import { EventDataStore, getActiveStore } from './lake/event-data-store.ts'
import { fail, type Operation, page, readTags, type Tags, toTags } from './operation.ts'
import { getTrail, Trail } from './trail.ts'

/** What carries tags, by the kind in its ARN: how to read them and how to write others. */
const taggable = async (
  ctx: Ctx,
  tx: ReadTx,
  arn: string,
): Promise<{ tags: Tags; put: (tx: WriteTx, tags: Tags) => unknown }> => {
  const kind = /^arn:aws:cloudtrail:[a-z0-9-]+:\d{12}:([a-z]+)\//.exec(arn)?.[1]
  switch (kind) {
    case 'trail': {
      const trail = await getTrail(ctx, tx, arn).catch((error: unknown) => {
        if ((error as Error).name === 'TrailNotFoundException')
          throw fail('ResourceNotFoundException', `Unknown trail: ${arn} for the user: ${ctx.account}`)
        throw error
      })
      return { tags: trail.tags, put: (tx, tags) => tx.put(Trail, { ...trail, tags }) }
    }
    case 'eventdatastore': {
      const store = await getActiveStore(ctx, tx, arn)
      return { tags: store.tags, put: (tx, tags) => tx.put(EventDataStore, { ...store, tags }) }
    }
    case 'channel': {
      const channel = await getChannel(ctx, tx, arn)
      return { tags: channel.tags, put: (tx, tags) => tx.put(Channel, { ...channel, tags }) }
    }
    case 'dashboard': {
      const dashboard = await getDashboard(ctx, tx, arn)
      return { tags: dashboard.tags, put: (tx, tags) => tx.put(Dashboard, { ...dashboard, tags }) }
    }
    case undefined:
      throw fail('CloudTrailARNInvalidException', `The ARN ${arn} is not valid.`)
    default:
      throw fail('ResourceTypeNotSupportedException', `Resources of the kind ${kind} cannot be tagged.`)
  }
}

export const AddTags: Operation<'AddTags'> = async (ctx, { ResourceId, TagsList }) => {
  await ctx.write(async (tx) => {
    const { tags, put } = await taggable(ctx, tx, ResourceId)
    put(tx, readTags(TagsList, tags))
  })
  return {}
}

/** Removes tags by their keys; a value that is given must be the tag's. */
export const RemoveTags: Operation<'RemoveTags'> = async (ctx, { ResourceId, TagsList }) => {
  await ctx.write(async (tx) => {
    const { tags, put } = await taggable(ctx, tx, ResourceId)
    const gone = (key: string, value: string) =>
      TagsList.some(({ Key, Value }) => Key === key && (Value === undefined || Value === '' || Value === value))
    put(tx, Object.fromEntries(Object.entries(tags).filter(([key, value]) => !gone(key, value))))
  })
  return {}
}

/** Tags of up to 20 resources. */
export const ListTags: Operation<'ListTags'> = async (ctx, { ResourceIdList, NextToken }) => {
  const found = await ctx.read(async (tx) => {
    const list: { ResourceId: string; TagsList: { Key: string; Value: string }[] }[] = []
    for (const ResourceId of ResourceIdList.slice(0, 1000))
      list.push({ ResourceId, TagsList: toTags((await taggable(ctx, tx, ResourceId)).tags) })
    return list
  })
  const { items, ...more } = page(found, NextToken, 20, 'InvalidTokenException')
  return { ResourceTagList: items, ...more }
}

/** Tags of a resource for authorization; `undefined` where there is none. */
export const tagsOf = async (ctx: Ctx, arn: string): Promise<Tags | undefined> => {
  if (!/^arn:aws:cloudtrail:[a-z0-9-]+:\d{12}:(trail|eventdatastore|channel|dashboard)\/[^*]+$/.test(arn))
    return undefined
  return ctx
    .read((tx) => taggable(ctx, tx, arn))
    .then(
      ({ tags }) => tags,
      () => undefined,
    )
}
