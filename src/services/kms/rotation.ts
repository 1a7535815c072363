import type { KeyMaterialState, RotationsListEntry } from '@aws-sdk/client-kms'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import {
  copiesOf,
  getCustomerKey,
  getKey,
  getOwnKey,
  isWaiting,
  Key,
  type KeyRecord,
  keyArn,
  type Material,
  partsOf,
  placeOf,
  stateOf,
  usable,
} from './key.ts'
import { keySpecs, newMaterial } from './key-spec.ts'
import { fail, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import { rotate, wakeFor } from './upkeep.ts'

const DAY = 86_400_000
const MOST_ON_DEMAND = 25

/** Raises UnsupportedOperationException: only symmetric encryption keys have generations of material, and none in a custom key store. */
const rotatable = (key: KeyRecord): KeyRecord => {
  if (key.spec !== 'SYMMETRIC_DEFAULT')
    throw fail(
      'UnsupportedOperationException',
      `${keyArn(key)} key spec is ${key.spec} which does not support rotation.`,
    )
  if (key.external)
    throw fail(
      'UnsupportedOperationException',
      `${keyArn(key)} origin is ${key.origin} which is not valid for this operation.`,
    )
  return key
}

/** Rotation is a matter of the primary key; its replicas follow. Raises UnsupportedOperationException. */
const primaryOnly = (key: KeyRecord): KeyRecord => {
  if (key.multiRegion && key.multiRegion.primary !== key.region)
    throw fail('UnsupportedOperationException', `${keyArn(key)} is a replica key; rotation is set on its primary key.`)
  return key
}

const primaryOf = async (tx: ReadTx, key: KeyRecord): Promise<KeyRecord> =>
  key.multiRegion && key.multiRegion.primary !== key.region
    ? ((await tx.get(Key, key.id, { account: key.account, region: key.multiRegion.primary })) ?? key)
    : key

/** Every `RotationPeriodInDays` (90 to 2560, a year unless told) from now on. */
export const EnableKeyRotation: Operation<'EnableKeyRotation'> = async (ctx, { KeyId, RotationPeriodInDays }) => {
  await ctx.write(async (tx) => {
    const key = usable(primaryOnly(rotatable(await getCustomerKey(tx, ctx.place, KeyId))))
    if (key.origin !== 'AWS_KMS')
      throw fail(
        'UnsupportedOperationException',
        `${keyArn(key)} origin is ${key.origin} which is not valid for this operation.`,
      )
    const days = RotationPeriodInDays ?? key.rotation?.days ?? 365
    const next = key.rotation && key.rotation.days === days ? key.rotation.next : ctx.now().getTime() + days * DAY
    wakeFor(ctx, tx, tx.put(Key, { ...key, rotation: { days, next } }))
  })
  return {}
}

export const DisableKeyRotation: Operation<'DisableKeyRotation'> = async (ctx, { KeyId }) => {
  await ctx.write(async (tx) => {
    const { rotation: _, ...key } = usable(primaryOnly(rotatable(await getCustomerKey(tx, ctx.place, KeyId))))
    tx.put(Key, key)
  })
  return {}
}

/** Of a key of any account; while it waits for its deletion, rotation is off. */
export const GetKeyRotationStatus: Operation<'GetKeyRotationStatus'> = async (ctx, { KeyId }) => {
  const { key, rotation } = await ctx.read(async (tx) => {
    if (partsOf(ctx.place, KeyId).alias !== undefined) throw fail('InvalidArnException', `Invalid keyId '${KeyId}'`)
    const found = rotatable(await getKey(tx, ctx.place, KeyId))
    const pending = /^Pending.*Deletion$/.test(stateOf(found))
    return { key: found, rotation: pending ? undefined : (await primaryOf(tx, found)).rotation }
  })
  return {
    KeyId: keyArn(key),
    KeyRotationEnabled: rotation !== undefined,
    ...(rotation ? { RotationPeriodInDays: rotation.days, NextRotationDate: new Date(rotation.next) } : {}),
  }
}

/** The imported generation that waits to become the current one. */
const waitingImport = (key: KeyRecord): Material | undefined =>
  key.materials.findLast((material) => isWaiting(key, material) && material.sealed !== undefined)

const everywhere = (copies: readonly KeyRecord[], { id }: Material): boolean =>
  copies.every(({ materials }) => materials.some((one) => one.id === id && one.sealed !== undefined))

/** New material at once; a key of imported material takes the generation that was imported for it. */
export const RotateKeyOnDemand: Operation<'RotateKeyOnDemand'> = async (ctx, { KeyId }) => {
  const bytes = await newMaterial(keySpecs.SYMMETRIC_DEFAULT)
  const arn = await ctx.write(async (tx) => {
    const key = usable(primaryOnly(rotatable(await getCustomerKey(tx, ctx.place, KeyId))))
    if (key.materials.filter(({ rotated }) => rotated?.type === 'ON_DEMAND').length >= MOST_ON_DEMAND)
      throw fail('LimitExceededException', 'You have reached the limit of on-demand rotations for this key.')
    if (key.origin === 'AWS_KMS') await rotate(ctx, tx, key, bytes, 'ON_DEMAND')
    else {
      const waiting = waitingImport(key)
      if (!waiting)
        throw fail('KMSInvalidStateException', `${keyArn(key)} has no imported key material that is pending rotation.`)
      const copies = await copiesOf(tx, key)
      if (!everywhere(copies, waiting))
        throw fail(
          'KMSInvalidStateException',
          `${keyArn(key)} has key material that has not been imported into all of its replica keys.`,
        )
      const rotated = { at: ctx.now().getTime(), type: 'ON_DEMAND' as const }
      for (const copy of copies) {
        const materials = copy.materials.map((one) => (one.id === waiting.id ? { ...one, rotated } : one))
        tx.put(Key, { ...copy, materials, current: waiting.id }, placeOf(copy))
      }
    }
    return keyArn(key)
  })
  return { KeyId: arn }
}

const materialState = (key: KeyRecord, copies: readonly KeyRecord[], material: Material): KeyMaterialState => {
  if (material.id === key.current) return 'CURRENT'
  if (!isWaiting(key, material)) return 'NON_CURRENT'
  return everywhere(copies, material) ? 'PENDING_ROTATION' : 'PENDING_MULTI_REGION_IMPORT_AND_ROTATION'
}

const toEntry = (
  ctx: Ctx,
  { key, copies }: { key: KeyRecord; copies: readonly KeyRecord[] },
  material: Material,
): RotationsListEntry => ({
  KeyId: keyArn({ ...ctx.place, id: key.id }),
  KeyMaterialId: material.id,
  ...(material.description === undefined ? {} : { KeyMaterialDescription: material.description }),
  KeyMaterialState: materialState(key, copies, material),
  ...(key.origin === 'EXTERNAL'
    ? {
        ImportState: material.sealed === undefined ? 'PENDING_IMPORT' : 'IMPORTED',
        ExpirationModel: material.expires === undefined ? 'KEY_MATERIAL_DOES_NOT_EXPIRE' : 'KEY_MATERIAL_EXPIRES',
        ...(material.expires === undefined ? {} : { ValidTo: new Date(material.expires) }),
      }
    : {}),
  ...(material.rotated ? { RotationDate: new Date(material.rotated.at), RotationType: material.rotated.type } : {}),
})

/** Completed rotations, or all generations of material. */
export const ListKeyRotations: Operation<'ListKeyRotations'> = async (ctx, input) => {
  const { key, copies } = await ctx.read(async (tx) => {
    const key = rotatable(await getOwnKey(tx, ctx.place, input.KeyId))
    return { key, copies: await copiesOf(tx, key) }
  })
  const wanted = key.materials.filter(({ rotated }) => input.IncludeKeyMaterial === 'ALL_KEY_MATERIAL' || rotated)
  const ranked = wanted.map((material, index) => ({ material, rank: String(index).padStart(6, '0') }))
  const { items, tail } = pageOf(ranked, input, ({ rank }) => rank)
  return { Rotations: items.map(({ material }) => toEntry(ctx, { key, copies }, material)), ...tail }
}
