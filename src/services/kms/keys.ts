import { randomUUID } from 'node:crypto'
import type { KeySpec, KeyUsageType } from '@aws-sdk/client-kms'
import type { Ctx } from '../../kernel/context.ts'
import { findManaged } from './aws-managed.ts'
import { externalKeyFor } from './external-keys.ts'
import { invalidInput } from './invalid-input.ts'
import {
  getCustomerKey,
  getKey,
  Key,
  type KeyRecord,
  keyArn,
  materialOf,
  partsOf,
  refuseStates,
  stateOf,
  toMetadata,
} from './key.ts'
import { checkLockout, defaultPolicy, parseKeyPolicy } from './key-policy.ts'
import { keySpecs, newMaterial } from './key-spec.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import { tagsOf } from './tags.ts'
import { wakeFor } from './upkeep.ts'

const DAY = 86_400_000

/** Spec and usage as asked; a spec with one usage needs none to be named, but for asymmetric ones. Raises ValidationException. */
const specOf = (input: Input<'CreateKey'>): { spec: KeySpec; usage: KeyUsageType } => {
  if (input.KeySpec !== undefined && input.CustomerMasterKeySpec !== undefined)
    throw fail(
      'UnsupportedOperationException',
      'You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.',
    )
  const spec: KeySpec = input.KeySpec ?? input.CustomerMasterKeySpec ?? 'SYMMETRIC_DEFAULT'
  const usage = input.KeyUsage ?? 'ENCRYPT_DECRYPT'
  if (!keySpecs[spec].usages.includes(usage))
    throw fail('UnsupportedOperationException', `KeyUsage ${usage} is not compatible with KeySpec ${spec}`)
  return { spec, usage }
}

/** A UUID, or `mrk-` and 32 digits for a key that may be in several Regions. */
const newKeyId = (multiRegion: boolean): string =>
  multiRegion ? `mrk-${randomUUID().replaceAll('-', '')}` : randomUUID()

/** A new key of this account and Region, its material made here or still to be imported. */
export const CreateKey: Operation<'CreateKey'> = async (ctx, input) => {
  const { spec, usage } = specOf(input)
  const tags = tagsOf(input.Tags)
  const id = newKeyId(input.MultiRegion ?? false)
  const policy = input.Policy ?? defaultPolicy(ctx.account)
  const document = await parseKeyPolicy(ctx, policy)
  if (input.Policy !== undefined && !input.BypassPolicyLockoutSafetyCheck)
    await checkLockout(ctx, { ...ctx.place, id }, document)
  const found = await externalKeyFor(ctx, input)
  const now = ctx.now().getTime()
  const origin = input.Origin ?? 'AWS_KMS'
  const material = origin === 'EXTERNAL' ? undefined : materialOf(ctx, id, await newMaterial(keySpecs[spec]), now)
  const key: KeyRecord = {
    id,
    ...ctx.place,
    created: now,
    description: input.Description ?? '',
    spec,
    usage,
    origin,
    enabled: true,
    ...(found ? { external: found.external } : {}),
    policy,
    tags,
    ...(input.MultiRegion ? { multiRegion: { primary: ctx.region, replicas: [] } } : {}),
    materials: material ? [material] : [],
    ...(material ? { current: material.id } : {}),
  }
  await ctx.write(async (tx) => {
    await found?.settle(tx)
    tx.put(Key, key)
  })
  return { KeyMetadata: toMetadata(key) }
}

/** Describing a predefined alias (`alias/aws/s3`) makes the AWS managed key that it stands for, as on AWS. */
export const DescribeKey: Operation<'DescribeKey'> = async (ctx, { KeyId }) => {
  const { alias, place } = partsOf(ctx.place, KeyId)
  if (alias?.startsWith('alias/aws/') && place.account === ctx.account) await findManaged(ctx, alias)
  return { KeyMetadata: toMetadata(await ctx.read((tx) => getKey(tx, ctx.place, KeyId))) }
}

export const ListKeys: Operation<'ListKeys'> = async (ctx, input) => {
  const keys = await ctx.read((tx) => tx.list(Key))
  const { items, tail } = pageOf(keys, input, ({ id }) => id)
  return { Keys: items.map((key) => ({ KeyId: key.id, KeyArn: keyArn(key) })), ...tail }
}

const change = async (ctx: Ctx, keyId: string, body: (key: KeyRecord) => KeyRecord): Promise<KeyRecord> =>
  ctx.write(async (tx) => {
    const key = tx.put(Key, body(await getCustomerKey(tx, ctx.place, keyId)))
    wakeFor(ctx, tx, key)
    return key
  })

const pending = ['PendingDeletion', 'PendingReplicaDeletion']

export const EnableKey: Operation<'EnableKey'> = async (ctx, { KeyId }) => {
  await change(ctx, KeyId, (key) => ({ ...refuseStates(key, ...pending, 'PendingImport'), enabled: true }))
  return {}
}

export const DisableKey: Operation<'DisableKey'> = async (ctx, { KeyId }) => {
  await change(ctx, KeyId, (key) => ({ ...refuseStates(key, ...pending, 'PendingImport'), enabled: false }))
  return {}
}

export const UpdateKeyDescription: Operation<'UpdateKeyDescription'> = async (ctx, { KeyId, Description }) => {
  await change(ctx, KeyId, (key) => ({ ...refuseStates(key, ...pending), description: Description }))
  return {}
}

/** Nothing can be done with the key any more; after the waiting period (7 to 30 days) it is gone. */
export const ScheduleKeyDeletion: Operation<'ScheduleKeyDeletion'> = async (ctx, { KeyId, PendingWindowInDays }) => {
  const days = PendingWindowInDays ?? 30
  if (days < 7 || days > 30) throw invalidInput('PendingWindowInDays must be between 7 and 30 days (inclusive).')
  const key = await change(ctx, KeyId, (found) => {
    refuseStates(found, ...pending)
    const waits = found.multiRegion?.primary === found.region && found.multiRegion.replicas.length > 0
    return waits
      ? { ...found, awaitsReplicas: days }
      : { ...found, deletion: { at: ctx.now().getTime() + days * DAY, days } }
  })
  return {
    KeyId: keyArn(key),
    ...(key.deletion ? { DeletionDate: new Date(key.deletion.at) } : {}),
    KeyState: stateOf(key),
    PendingWindowInDays: days,
  }
}

/** The key is disabled then: who wants to use it enables it. */
export const CancelKeyDeletion: Operation<'CancelKeyDeletion'> = async (ctx, { KeyId }) => {
  const key = await change(ctx, KeyId, (found) => {
    if (!pending.includes(stateOf(found)))
      throw fail('KMSInvalidStateException', `${keyArn(found)} is not pending deletion.`)
    const { deletion: _, awaitsReplicas: __, ...rest } = found
    return { ...rest, enabled: false }
  })
  return { KeyId: keyArn(key) }
}
