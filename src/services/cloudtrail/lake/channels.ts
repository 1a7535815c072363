import type { Destination } from '@aws-sdk/client-cloudtrail'
import type { Ctx } from '../../../kernel/context.ts'
import { notImplemented } from '../../../kernel/errors.ts'
import type { Present } from '../../../kernel/types.ts'
import { type ReadTx, table } from '../../../store/store.ts'
import { fail, type Operation, page, readTags, type Tags, toTags } from '../operation.ts'
import { getActiveStore } from './event-data-store.ts'
import { categoryOf } from './stores.ts'

export type ChannelRecord = {
  readonly arn: string
  readonly name: string
  readonly source: string
  /** ARNs of event data stores. */
  readonly destinations: readonly string[]
  readonly tags: Tags
}
/** Where applications outside of AWS would bring their events. */
export const Channel = table<ChannelRecord>('cloudtrail.channel', { scope: 'region', key: ({ arn }) => arn })

const MOST_CHANNELS = 25

const toChannel = ({ arn, name, source, destinations }: ChannelRecord) => ({
  ChannelArn: arn,
  Name: name,
  Source: source,
  Destinations: destinations.map((Location) => ({ Type: 'EVENT_DATA_STORE' as const, Location })),
})

/** By ARN or id. Throws ChannelARNInvalidException, ChannelNotFoundException. */
export const getChannel = async (ctx: Ctx, tx: ReadTx, arnOrId: string): Promise<ChannelRecord> => {
  const arn = arnOrId.startsWith('arn:') ? arnOrId : ctx.arn(`channel/${arnOrId}`)
  if (!/^arn:aws:cloudtrail:[a-z0-9-]+:\d{12}:channel\/[0-9a-f-]{36}$/.test(arn))
    throw fail('ChannelARNInvalidException', `The channel ARN ${arnOrId} is not valid.`)
  const channel = await tx.get(Channel, arn)
  if (!channel) throw fail('ChannelNotFoundException', `The channel ${arn} was not found.`)
  return channel
}

const checkDestinations = async (
  ctx: Ctx,
  tx: ReadTx,
  destinations: readonly Present<Destination>[],
): Promise<string[]> => {
  const arns: string[] = []
  for (const { Type, Location } of destinations) {
    if (Type !== 'EVENT_DATA_STORE') throw notImplemented('channels to AWS services')
    const store = await getActiveStore(ctx, tx, Location)
    if (categoryOf(store) !== 'ActivityAuditLog')
      throw fail(
        'InvalidEventDataStoreCategoryException',
        'The event data store of a channel must have the category ActivityAuditLog.',
      )
    arns.push(store.arn)
  }
  return arns
}

/** A channel of a custom source. What it would carry comes by PutAuditEvents of another service, which is not here. */
export const CreateChannel: Operation<'CreateChannel'> = async (ctx, input) => {
  if (input.Source !== 'Custom') {
    if (/^[A-Z]/.test(input.Source)) throw notImplemented(`channels of the partner ${input.Source.slice(0, 100)}`)
    throw fail('InvalidSourceException', `The source ${input.Source} is not valid.`)
  }
  const tags = readTags(input.Tags)
  const channel = await ctx.write(async (tx) => {
    const known = await tx.list(Channel)
    if (known.some(({ name }) => name === input.Name))
      throw fail('ChannelAlreadyExistsException', `The channel ${input.Name} already exists.`)
    if (known.length >= MOST_CHANNELS)
      throw fail('ChannelMaxLimitExceededException', `There can be no more than ${MOST_CHANNELS} channels.`)
    const destinations = await checkDestinations(ctx, tx, input.Destinations)
    return tx.put(Channel, {
      arn: ctx.arn(`channel/${ctx.newId()}`),
      name: input.Name,
      source: input.Source,
      destinations,
      tags,
    })
  })
  return { ...toChannel(channel), Tags: toTags(channel.tags) }
}

export const GetChannel: Operation<'GetChannel'> = async (ctx, { Channel: arn }) =>
  toChannel(await ctx.read((tx) => getChannel(ctx, tx, arn)))

export const ListChannels: Operation<'ListChannels'> = async (ctx, { NextToken, MaxResults = 100 }) => {
  const { items, ...more } = page(await ctx.read((tx) => tx.list(Channel)), NextToken, MaxResults)
  return { Channels: items.map(({ arn, name }) => ({ ChannelArn: arn, Name: name })), ...more }
}

export const UpdateChannel: Operation<'UpdateChannel'> = async (ctx, input) => {
  const channel = await ctx.write(async (tx) => {
    const known = await getChannel(ctx, tx, input.Channel)
    const taken = (await tx.list(Channel)).some(({ arn, name }) => arn !== known.arn && name === input.Name)
    if (taken) throw fail('ChannelAlreadyExistsException', `The channel ${input.Name} already exists.`)
    const destinations = input.Destinations ? await checkDestinations(ctx, tx, input.Destinations) : known.destinations
    return tx.put(Channel, { ...known, name: input.Name ?? known.name, destinations })
  })
  return toChannel(channel)
}

export const DeleteChannel: Operation<'DeleteChannel'> = async (ctx, { Channel: arn }) => {
  await ctx.write(async (tx) => tx.delete(Channel, (await getChannel(ctx, tx, arn)).arn))
  return {}
}
