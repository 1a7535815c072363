import type { AdvancedEventSelector, BillingMode } from '@aws-sdk/client-cloudtrail'
import type { Ctx } from '../../../kernel/context.ts'
import { notImplemented } from '../../../kernel/errors.ts'
import type { ReadTx, WriteTx } from '../../../store/store.ts'
import { done, type Reconciler } from '../../../work/reconciler.ts'
import { stopOwner } from '../cursor.ts'
import { watch } from '../follower.ts'
import { refuseKey } from '../kms-key.ts'
import { fail, type Operation, page, readTags, toTags } from '../operation.ts'
import { ownOrganization } from '../organization.ts'
import { advancedSelectors, everyManagementEventOfStore, type Selectors } from '../selectors.ts'
import { Channel } from './channels.ts'
import {
  EventDataStore,
  type EventDataStoreRecord,
  getActiveStore,
  getStore,
  storeArn,
  storePrefix,
} from './event-data-store.ts'
import { Import } from './imports.ts'

/** Stores per Region that are not about to be deleted (service quota). */
const MOST_STORES = 10
/** How long a deleted store can be restored, in milliseconds. */
const PENDING = 7 * 86_400_000
const longest: Readonly<Record<BillingMode, number>> = {
  EXTENDABLE_RETENTION_PRICING: 3653,
  FIXED_RETENTION_PRICING: 2557,
}
const usual: Readonly<Record<BillingMode, number>> = {
  EXTENDABLE_RETENTION_PRICING: 366,
  FIXED_RETENTION_PRICING: 2557,
}

const toStore = (store: EventDataStoreRecord) => ({
  EventDataStoreArn: store.arn,
  Name: store.name,
  Status: store.status,
  AdvancedEventSelectors: store.selectors.selectors as AdvancedEventSelector[],
  MultiRegionEnabled: store.multiRegion,
  OrganizationEnabled: store.organization !== undefined,
  RetentionPeriod: store.retention,
  TerminationProtectionEnabled: store.protected,
  CreatedTimestamp: new Date(store.created),
  UpdatedTimestamp: new Date(store.updated),
  BillingMode: store.billing,
})

/** The category of events that all selectors of a store name. */
export const categoryOf = ({ selectors }: Pick<EventDataStoreRecord, 'selectors'>): string =>
  selectors.kind === 'advanced'
    ? (selectors.selectors[0]?.FieldSelectors?.find(({ Field }) => Field === 'eventCategory')?.Equals?.[0] ?? '')
    : ''

/** Stores take what trails take, or what channels bring; what other services send them is refused. */
const storeSelectors = (given: readonly AdvancedEventSelector[] | undefined): Selectors => {
  if (!given?.length) return everyManagementEventOfStore
  const categories = given.map(
    ({ FieldSelectors }) => FieldSelectors?.find(({ Field }) => Field === 'eventCategory')?.Equals?.[0],
  )
  const [only] = categories
  if (only === 'ActivityAuditLog' && categories.length === 1) return { kind: 'advanced', selectors: given }
  for (const category of categories)
    if (category === 'Insight' || category === 'ConfigurationItem' || category === 'Evidence')
      throw notImplemented(`event data stores of the category ${category}`)
  return advancedSelectors(given)
}

const checkRetention = (days: number, billing: BillingMode): void => {
  if (days > longest[billing])
    throw fail('InvalidParameterException', `The maximum retention period for ${billing} is ${longest[billing]} days.`)
}

const ownStores = (ctx: Ctx, tx: ReadTx): Promise<EventDataStoreRecord[]> =>
  tx.list(EventDataStore, { index: 'place', equals: `${ctx.account}/${ctx.region}` })

const checkFree = async (ctx: Ctx, tx: ReadTx, name: string): Promise<void> => {
  const own = (await ownStores(ctx, tx)).filter(({ status }) => status !== 'PENDING_DELETION')
  if (own.some((store) => store.name === name))
    throw fail('EventDataStoreAlreadyExistsException', `The event data store ${name} already exists.`)
  if (own.length >= MOST_STORES)
    throw fail(
      'EventDataStoreMaxLimitExceededException',
      `Your account has used the maximum number of ${MOST_STORES} event data stores.`,
    )
}

/** A store that takes events in from now on, unless it is told to wait. */
export const CreateEventDataStore: Operation<'CreateEventDataStore'> = async (ctx, input) => {
  const { BillingMode: billing = 'EXTENDABLE_RETENTION_PRICING' } = input
  if (input.KmsKeyId) await refuseKey(ctx, input.KmsKeyId)
  const retention = input.RetentionPeriod ?? usual[billing]
  checkRetention(retention, billing)
  const organization = input.OrganizationEnabled ? await ownOrganization(ctx) : undefined
  const now = ctx.now().getTime()
  const id = ctx.newId()
  const store: EventDataStoreRecord = {
    arn: storeArn(ctx.place, id),
    id,
    name: input.Name,
    account: ctx.account,
    region: ctx.region,
    multiRegion: input.MultiRegionEnabled ?? true,
    ...(organization === undefined ? {} : { organization }),
    status: input.StartIngestion === false ? 'STOPPED_INGESTION' : 'ENABLED',
    selectors: storeSelectors(input.AdvancedEventSelectors),
    retention,
    billing,
    protected: input.TerminationProtectionEnabled ?? true,
    spans: input.StartIngestion === false ? [] : [{ from: now }],
    tags: readTags(input.TagsList),
    created: now,
    updated: now,
  }
  await ctx.write(async (tx) => {
    await checkFree(ctx, tx, store.name)
    tx.put(EventDataStore, store)
    watch(tx)
  })
  return { ...toStore(store), TagsList: toTags(store.tags) }
}

export const GetEventDataStore: Operation<'GetEventDataStore'> = async (ctx, { EventDataStore: arn }) => ({
  ...toStore(await ctx.read((tx) => getStore(ctx, tx, arn))),
  PartitionKeys: [{ Name: 'calendarday', Type: 'string' }],
})

/** Stores of this account and Region, those about to be deleted included. */
export const ListEventDataStores: Operation<'ListEventDataStores'> = async (ctx, { NextToken, MaxResults = 100 }) => {
  const { items, ...more } = page(await ctx.read((tx) => ownStores(ctx, tx)), NextToken, MaxResults)
  return { EventDataStores: items.map(({ arn, name }) => ({ EventDataStoreArn: arn, Name: name })), ...more }
}

/** Changes what is given. From extendable to fixed retention there is no way. */
export const UpdateEventDataStore: Operation<'UpdateEventDataStore'> = async (ctx, input) => {
  if (input.KmsKeyId) await refuseKey(ctx, input.KmsKeyId)
  const selectors = input.AdvancedEventSelectors ? storeSelectors(input.AdvancedEventSelectors) : undefined
  const organization = input.OrganizationEnabled ? await ownOrganization(ctx) : undefined
  const updated = await ctx.write(async (tx) => {
    const { organization: known, ...store } = await getActiveStore(ctx, tx, input.EventDataStore)
    const billing = input.BillingMode ?? store.billing
    if (billing === 'FIXED_RETENTION_PRICING' && store.billing === 'EXTENDABLE_RETENTION_PRICING')
      throw fail('InvalidParameterException', 'The billing mode cannot be changed to FIXED_RETENTION_PRICING.')
    const retention = input.RetentionPeriod ?? Math.min(store.retention, longest[billing])
    checkRetention(retention, billing)
    if (input.Name !== undefined && input.Name !== store.name) await checkFree(ctx, tx, input.Name)
    const kept = input.OrganizationEnabled === undefined ? known : organization
    watch(tx)
    return tx.put(EventDataStore, {
      ...store,
      name: input.Name ?? store.name,
      multiRegion: input.MultiRegionEnabled ?? store.multiRegion,
      ...(kept === undefined ? {} : { organization: kept }),
      selectors: selectors ?? store.selectors,
      retention,
      billing,
      protected: input.TerminationProtectionEnabled ?? store.protected,
      updated: ctx.now().getTime(),
    })
  })
  return toStore(updated)
}

const closed = (store: EventDataStoreRecord, now: number) => store.spans.map((span) => ({ to: now, ...span }))

/** Puts a store aside for seven days, in which it can be restored; then it is gone with its events. */
export const DeleteEventDataStore: Operation<'DeleteEventDataStore'> = async (ctx, { EventDataStore: arn }) => {
  await ctx.write(async (tx) => {
    const store = await getActiveStore(ctx, tx, arn)
    if (store.protected)
      throw fail(
        'EventDataStoreTerminationProtectedException',
        'The event data store cannot be deleted because termination protection is enabled for it.',
      )
    const channels = await tx.list(Channel)
    if (channels.some(({ destinations }) => destinations.includes(store.arn)))
      throw fail('ChannelExistsForEDSException', 'The event data store has a channel; delete the channel first.')
    const imports = await tx.list(Import)
    if (
      imports.some(
        ({ destination, status }) => destination === store.arn && /^(INITIALIZING|IN_PROGRESS)$/.test(status),
      )
    )
      throw fail('EventDataStoreHasOngoingImportException', 'The event data store has an ongoing import.')
    const now = ctx.now().getTime()
    tx.put(EventDataStore, {
      ...store,
      status: 'PENDING_DELETION',
      spans: closed(store, now),
      updated: now,
      expires: now + PENDING,
    })
    tx.wake('cloudtrail.expireStore', store.id, { in: PENDING })
  })
  return {}
}

/** Takes a store back that is about to be deleted; it takes events in again. */
export const RestoreEventDataStore: Operation<'RestoreEventDataStore'> = async (ctx, { EventDataStore: arn }) => {
  const restored = await ctx.write(async (tx) => {
    const { expires: _, ...store } = await getStore(ctx, tx, arn)
    if (store.status !== 'PENDING_DELETION')
      throw fail('InvalidEventDataStoreStatusException', 'The event data store is not pending deletion.')
    await checkFree(ctx, tx, store.name)
    const now = ctx.now().getTime()
    watch(tx)
    return tx.put(EventDataStore, { ...store, status: 'ENABLED', spans: [...store.spans, { from: now }], updated: now })
  })
  return toStore(restored)
}

const setIngestion = async (ctx: Ctx, tx: WriteTx, arn: string, on: boolean): Promise<void> => {
  const store = await getStore(ctx, tx, arn)
  const from = on ? 'STOPPED_INGESTION' : 'ENABLED'
  if (store.status !== from)
    throw fail(
      'InvalidEventDataStoreStatusException',
      `The event data store must have the status ${from}; it has ${store.status}.`,
    )
  if (!['Management', 'Data', 'NetworkActivity'].includes(categoryOf(store)))
    throw fail(
      'InvalidEventDataStoreCategoryException',
      'Ingestion can be started and stopped for CloudTrail events only.',
    )
  const now = ctx.now().getTime()
  const spans = on ? [...store.spans, { from: now }] : closed(store, now)
  tx.put(EventDataStore, { ...store, status: on ? 'ENABLED' : 'STOPPED_INGESTION', spans, updated: now })
  watch(tx)
}

export const StartEventDataStoreIngestion: Operation<'StartEventDataStoreIngestion'> = async (ctx, input) => {
  await ctx.write((tx) => setIngestion(ctx, tx, input.EventDataStore, true))
  return {}
}

export const StopEventDataStoreIngestion: Operation<'StopEventDataStoreIngestion'> = async (ctx, input) => {
  await ctx.write((tx) => setIngestion(ctx, tx, input.EventDataStore, false))
  return {}
}

/** A store whose seven days are over goes with all it has. Key: its id. */
export const expireStore: Reconciler = {
  name: 'cloudtrail.expireStore',
  step: async (ctx, id) => {
    const store = await ctx.read((tx) => tx.get(EventDataStore, id))
    if (store?.status !== 'PENDING_DELETION' || (store.expires ?? 0) > ctx.now().getTime()) return done()
    for (const stream of await ctx.append.streams(storePrefix(store))) await ctx.append.drop(stream)
    await ctx.write(async (tx) => {
      tx.delete(EventDataStore, id)
      await stopOwner(tx, store.arn)
    })
    return done()
  },
}
