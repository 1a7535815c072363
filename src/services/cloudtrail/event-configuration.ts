import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import type { ReadTx } from '../../store/store.ts'
import { getActiveStore } from './lake/event-data-store.ts'
import { fail, type Operation } from './operation.ts'
import { getOwnTrail, getTrail } from './trail.ts'

type Asked = { readonly TrailName?: string | undefined; readonly EventDataStore?: string | undefined }

const named = async (ctx: Ctx, tx: ReadTx, { TrailName, EventDataStore }: Asked, find: typeof getTrail) => {
  if (TrailName !== undefined && EventDataStore !== undefined)
    throw fail('InvalidParameterCombinationException', 'TrailName and EventDataStore cannot be given together.')
  if (TrailName !== undefined) return { TrailARN: (await find(ctx, tx, TrailName)).arn }
  if (EventDataStore !== undefined) return { EventDataStoreArn: (await getActiveStore(ctx, tx, EventDataStore)).arn }
  throw fail('InvalidParameterException', 'Either TrailName or EventDataStore is needed.')
}

const standard = { MaxEventSize: 'Standard' as const, ContextKeySelectors: [], AggregationConfigurations: [] }

/** Every trail and store takes events of the standard size, without context and without aggregation. */
export const GetEventConfiguration: Operation<'GetEventConfiguration'> = async (ctx, input) => ({
  ...(await ctx.read((tx) => named(ctx, tx, input, getTrail))),
  ...standard,
})

export const PutEventConfiguration: Operation<'PutEventConfiguration'> = async (ctx, input) => {
  const found = await ctx.read((tx) => named(ctx, tx, input, getOwnTrail))
  if (input.ContextKeySelectors?.length) throw notImplemented('event context of trails and event data stores')
  if (input.AggregationConfigurations?.length) throw notImplemented('aggregation of events')
  if (input.MaxEventSize === 'Large') throw notImplemented('events of the size Large')
  return { ...found, ...standard }
}
