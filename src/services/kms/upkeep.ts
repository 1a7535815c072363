import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { Grant } from './grants.ts'
import { Alias, copiesOf, currentMaterial, Key, type KeyRecord, keyArn, materialOf, placeOf, stateOf } from './key.ts'
import { keySpecs, newMaterial } from './key-spec.ts'
import { LastUsage } from './last-usage.ts'

const DAY = 86_400_000

/** What will happen to a key by itself, earliest first: its deletion, its rotation, the end of imported material. */
const duesOf = (key: KeyRecord): number[] => [
  ...(key.deletion ? [key.deletion.at] : []),
  ...(key.rotation && stateOf(key) === 'Enabled' ? [key.rotation.next] : []),
  ...key.materials.flatMap(({ sealed, expires }) => (sealed !== undefined && expires !== undefined ? [expires] : [])),
]

/** Has the key looked after when something of it is due. */
export const wakeFor = (ctx: Pick<Ctx, 'now'>, tx: WriteTx, key: KeyRecord): void => {
  const dues = duesOf(key)
  if (dues.length === 0) return
  tx.wake('kms.key', key.id, { in: Math.max(0, Math.min(...dues) - ctx.now().getTime()), at: placeOf(key) })
}

const emit = (tx: WriteTx, key: KeyRecord, detailType: string) =>
  tx.emit({
    source: 'aws.kms',
    'detail-type': detailType,
    account: key.account,
    region: key.region,
    resources: [keyArn(key)],
    detail: { 'key-id': key.id },
  })

/** A key and all that hangs on it is gone, its material for ever. */
const deleteKey = async (ctx: Ctx, tx: WriteTx, key: KeyRecord): Promise<void> => {
  tx.delete(Key, key.id)
  tx.delete(LastUsage, key.id)
  for (const { name } of await tx.list(Alias, { index: 'key', equals: key.id })) tx.delete(Alias, name)
  for (const { id } of await tx.list(Grant, { index: 'key', equals: keyArn(key) })) tx.delete(Grant, id)
  emit(tx, key, 'KMS CMK Deletion')
  if (!key.multiRegion) return
  const { account, multiRegion, region } = key
  const replicas = multiRegion.replicas.filter((replica) => replica !== region)
  for (const copy of await copiesOf(tx, key)) {
    if (copy.region === region) continue
    const next: KeyRecord = { ...copy, multiRegion: { ...multiRegion, replicas } }
    // A primary key's own waiting time begins when its last replica is gone.
    const days = copy.awaitsReplicas
    if (days !== undefined && replicas.length === 0) {
      const { awaitsReplicas: _, ...rest } = next
      const deletion = { at: ctx.now().getTime() + days * DAY, days }
      wakeFor(ctx, tx, tx.put(Key, { ...rest, deletion }, { account, region: copy.region }))
    } else tx.put(Key, next, { account, region: copy.region })
  }
}

/** Puts new material at the head of a key, in all its Regions: what was encrypted before stays readable. */
export const rotate = async (
  ctx: Ctx,
  tx: WriteTx,
  key: KeyRecord,
  bytes: Uint8Array,
  type: 'AUTOMATIC' | 'ON_DEMAND',
): Promise<void> => {
  const now = ctx.now().getTime()
  const material = { ...materialOf(ctx, key.id, bytes, now), rotated: { at: now, type } }
  for (const copy of await copiesOf(tx, key)) {
    const rotation =
      copy.rotation && type === 'AUTOMATIC'
        ? { rotation: { ...copy.rotation, next: copy.rotation.next + copy.rotation.days * DAY } }
        : {}
    const next = { ...copy, ...rotation, materials: [...copy.materials, material], current: material.id }
    tx.put(Key, next, placeOf(copy))
    emit(tx, copy, 'KMS CMK Rotation')
  }
}

const expire = (tx: WriteTx, key: KeyRecord, now: number): KeyRecord => {
  const materials = key.materials.map((material) => {
    if (material.sealed === undefined || material.expires === undefined || material.expires > now) return material
    const { sealed: _, ...rest } = material
    return rest
  })
  emit(tx, key, 'KMS Imported Key Material Expiration')
  return tx.put(Key, { ...key, materials })
}

/** Looks after one key: deletes it, rotates it, forgets expired material, each when the clock says so. */
export const upkeep: Reconciler = {
  name: 'kms.key',
  step: async (ctx, id) => {
    const seen = await ctx.read((tx) => tx.get(Key, id))
    if (!seen) return done()
    const now = ctx.now().getTime()
    const material = seen.rotation && seen.rotation.next <= now ? await newMaterial(keySpecs[seen.spec]) : undefined
    return ctx.write(async (tx) => {
      let key = await tx.get(Key, id)
      if (!key) return done()
      if (key.deletion && key.deletion.at <= now) {
        await deleteKey(ctx, tx, key)
        return done()
      }
      if (key.materials.some(({ sealed, expires }) => sealed !== undefined && (expires ?? now + 1) <= now))
        key = expire(tx, key, now)
      // Replicas are rotated with their primary key.
      const primary = !key.multiRegion || key.multiRegion.primary === key.region
      if (
        material &&
        primary &&
        key.rotation &&
        key.rotation.next <= now &&
        currentMaterial(key) &&
        stateOf(key) === 'Enabled'
      ) {
        await rotate(ctx, tx, key, material, 'AUTOMATIC')
        key = (await tx.get(Key, id)) ?? key
      }
      const dues = duesOf(key).filter((due) => primary || due !== key.rotation?.next)
      return dues.length > 0 ? again({ in: Math.max(0, Math.min(...dues) - now) }) : done()
    })
  },
}
