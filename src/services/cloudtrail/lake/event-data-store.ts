import type { EventDataStoreStatus } from '@aws-sdk/client-cloudtrail'
import type { Ctx } from '../../../kernel/context.ts'
import { type ReadTx, table } from '../../../store/store.ts'
import { fail, type Tags } from '../operation.ts'
import type { Selectors } from '../selectors.ts'
import type { Span } from '../trail.ts'

export type EventDataStoreRecord = {
  readonly arn: string
  /** The UUID that queries name. */
  readonly id: string
  readonly name: string
  readonly account: string
  readonly region: string
  readonly multiRegion: boolean
  /** Id of the organization whose accounts it takes events of. */
  readonly organization?: string
  readonly status: EventDataStoreStatus
  readonly selectors: Selectors
  /** Days. */
  readonly retention: number
  readonly billing: 'EXTENDABLE_RETENTION_PRICING' | 'FIXED_RETENTION_PRICING'
  readonly protected: boolean
  /** When it took events in. */
  readonly spans: readonly Span[]
  readonly tags: Tags
  readonly created: number
  readonly updated: number
  /** When it is to be gone for good. */
  readonly expires?: number
}

export const EventDataStore = table<EventDataStoreRecord>('cloudtrail.eventDataStore', {
  scope: 'global',
  key: ({ id }) => id,
  index: { place: ({ account, region }) => `${account}/${region}` },
})

export const storeArn = ({ account, region }: { account: string; region: string }, id: string): string =>
  `arn:aws:cloudtrail:${region}:${account}:eventdatastore/${id}`

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Events of a store come from several streams, and are kept by those. */
export const storePrefix = ({ id }: Pick<EventDataStoreRecord, 'id'>): string => `lake/${id}/`

/** The id in an ARN or id. Throws EventDataStoreARNInvalidException. */
export const storeId = (arnOrId: string): string => {
  const id = /^arn:aws:cloudtrail:[a-z0-9-]+:\d{12}:eventdatastore\/(.+)$/.exec(arnOrId)?.[1] ?? arnOrId
  if (!uuid.test(id))
    throw fail('EventDataStoreARNInvalidException', `The event data store ARN ${arnOrId} is not valid.`)
  return id
}

/** The store of this account and Region. Throws EventDataStoreARNInvalidException, EventDataStoreNotFoundException. */
export const getStore = async (ctx: Ctx, tx: ReadTx, arnOrId: string): Promise<EventDataStoreRecord> => {
  const store = await tx.get(EventDataStore, storeId(arnOrId))
  const named = arnOrId.startsWith('arn:') ? store?.arn === arnOrId : store?.account === ctx.account
  if (!store || !named || store.region !== ctx.region)
    throw fail('EventDataStoreNotFoundException', `The event data store ${arnOrId} was not found.`)
  return store
}

/** The same, if it is not about to be deleted. Throws InactiveEventDataStoreException. */
export const getActiveStore = async (ctx: Ctx, tx: ReadTx, arnOrId: string): Promise<EventDataStoreRecord> => {
  const store = await getStore(ctx, tx, arnOrId)
  if (store.status === 'PENDING_DELETION')
    throw fail('InactiveEventDataStoreException', `The event data store ${store.arn} is inactive.`)
  return store
}
