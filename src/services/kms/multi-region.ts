import { copiesOf, getCustomerKey, Key, type KeyRecord, keyArn, placeOf, refuseStates, toMetadata } from './key.ts'
import { checkLockout, defaultPolicy, parseKeyPolicy } from './key-policy.ts'
import { fail, type Operation } from './operation.ts'
import { tagsOf, toTags } from './tags.ts'
import { wakeFor } from './upkeep.ts'

const regionText = /^[a-z]{2}(-[a-z]+)+-\d$/

/** Raises UnsupportedOperationException. */
const primary = (key: KeyRecord): KeyRecord & { multiRegion: NonNullable<KeyRecord['multiRegion']> } => {
  const { multiRegion } = key
  if (!multiRegion) throw fail('UnsupportedOperationException', `${keyArn(key)} is not a multi-Region key.`)
  if (multiRegion.primary !== key.region)
    throw fail('UnsupportedOperationException', `${keyArn(key)} is not a multi-Region primary key.`)
  return { ...key, multiRegion }
}

/** The same key, material and id, in another Region, with a policy, tags and state of its own. */
export const ReplicateKey: Operation<'ReplicateKey'> = async (ctx, input) => {
  const region = input.ReplicaRegion
  const policy = input.Policy ?? defaultPolicy(ctx.account)
  const document = await parseKeyPolicy(ctx, policy)
  const tags = tagsOf(input.Tags)
  const seen = primary(await ctx.read((tx) => getCustomerKey(tx, ctx.place, input.KeyId)))
  if (!regionText.test(region)) throw fail('UnsupportedOperationException', `${region} is not a valid Region.`)
  if (input.Policy !== undefined && !input.BypassPolicyLockoutSafetyCheck)
    await checkLockout(ctx, { account: ctx.account, region, id: seen.id }, document)
  const replica = await ctx.write(async (tx) => {
    const key = primary(
      refuseStates(
        await getCustomerKey(tx, ctx.place, seen.id),
        'PendingDeletion',
        'PendingReplicaDeletion',
        'PendingImport',
      ),
    )
    const { multiRegion, rotation: _, ...rest } = key
    if (region === key.region || multiRegion.replicas.includes(region))
      throw fail('AlreadyExistsException', `Key ${keyArn({ ...key, region })} already exists.`)
    const shared = { primary: multiRegion.primary, replicas: [...multiRegion.replicas, region].toSorted() }
    for (const copy of await copiesOf(tx, key)) tx.put(Key, { ...copy, multiRegion: shared }, placeOf(copy))
    const external = key.origin === 'EXTERNAL'
    const made: KeyRecord = {
      ...rest,
      region,
      created: ctx.now().getTime(),
      description: input.Description ?? '',
      enabled: true,
      policy,
      tags,
      multiRegion: shared,
      // Imported material has to be imported into each replica.
      materials: external ? key.materials.map(({ sealed: __, ...material }) => material) : key.materials,
    }
    return tx.put(Key, made, placeOf(made))
  })
  return { ReplicaKeyMetadata: toMetadata(replica), ReplicaPolicy: policy, ReplicaTags: toTags(tags) }
}

/** A replica becomes the primary key, and the primary a replica. Asked in the Region of the present primary. */
export const UpdatePrimaryRegion: Operation<'UpdatePrimaryRegion'> = async (ctx, { KeyId, PrimaryRegion }) => {
  await ctx.write(async (tx) => {
    const key = primary(
      refuseStates(await getCustomerKey(tx, ctx.place, KeyId), 'PendingDeletion', 'PendingReplicaDeletion'),
    )
    const { multiRegion, rotation } = key
    if (!multiRegion.replicas.includes(PrimaryRegion))
      throw fail('NotFoundException', `Key '${keyArn({ ...key, region: PrimaryRegion })}' does not exist`)
    const replicas = [...multiRegion.replicas.filter((region) => region !== PrimaryRegion), key.region].toSorted()
    const shared = { primary: PrimaryRegion, replicas }
    for (const copy of await copiesOf(tx, key)) {
      const { rotation: _, ...rest } = copy
      // Rotation goes with the primary key.
      const next: KeyRecord = {
        ...rest,
        ...(copy.region === PrimaryRegion && rotation ? { rotation } : {}),
        multiRegion: shared,
      }
      wakeFor(ctx, tx, tx.put(Key, next, placeOf(copy)))
    }
  })
  return {}
}
