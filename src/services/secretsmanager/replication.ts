import type { ReplicationStatusType } from '@aws-sdk/client-secrets-manager'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Place, ReadTx, WriteTx } from '../../store/store.ts'
import { fail, invalid, type Operation, refused } from './operation.ts'
import {
  findReplica,
  forget,
  getLiving,
  getPrimary,
  placeOf,
  putSecret,
  type ReplicaFacts,
  Secret,
  type SecretRecord,
  type SecretValue,
  secretArn,
  Value,
  valueKey,
} from './secret.ts'
import { decrypt, encrypt, type Plain } from './value.ts'

// Replicas are written in the call that changes their primary, with the rights of who makes it, so they are never behind.

export const toStatus = ({ region, keyId, status, message }: ReplicaFacts): ReplicationStatusType => ({
  Region: region,
  KmsKeyId: keyId ?? 'alias/aws/secretsmanager',
  Status: status,
  ...(message === undefined ? {} : { StatusMessage: message }),
})

/** A value for one replica; or why it could not be encrypted there. */
export type Copy = { readonly region: string; readonly value?: SecretValue; readonly failure?: string }

const copyFor = async (
  ctx: Ctx,
  secret: SecretRecord,
  { region, keyId }: Pick<ReplicaFacts, 'region' | 'keyId'>,
  version: string,
  plain: Plain,
): Promise<Copy> => {
  const { keyId: _, ...shared } = secret
  try {
    return { region, value: await encrypt(ctx, { ...shared, region, ...(keyId ? { keyId } : {}) }, version, plain) }
  } catch (error) {
    if (error instanceof AwsError) return { region, failure: error.message }
    throw error
  }
}

export const encryptForReplicas = (ctx: Ctx, secret: SecretRecord, version: string, plain: Plain): Promise<Copy[]> =>
  Promise.all(secret.replicas.map((replica) => copyFor(ctx, secret, replica, version, plain)))

/** Whether a version with a stage has its value here and not there: one that could not be encrypted for the replica. */
const lacksValue = async (tx: ReadTx, secret: SecretRecord, there: Place): Promise<boolean> => {
  for (const [id, { stages }] of Object.entries(secret.versions)) {
    const key = valueKey(secret.name, id)
    if (stages.length > 0 && (await tx.get(Value, key, placeOf(secret))) && !(await tx.get(Value, key, there)))
      return true
  }
  return false
}

/** Gives the replicas the versions of their primary, and the values that were encrypted for them. Returns the primary with their status. */
export const putReplicaVersions = async (
  tx: WriteTx,
  secret: SecretRecord,
  copies: readonly Copy[],
  gone: readonly string[],
): Promise<SecretRecord> => {
  if (secret.replicas.length === 0) return secret
  const replicas: ReplicaFacts[] = []
  for (const replica of secret.replicas) {
    const place = { account: secret.account, region: replica.region }
    const copy = copies.find(({ region }) => region === replica.region)
    if (copy?.failure !== undefined) {
      replicas.push({ ...replica, status: 'Failed', message: copy.failure })
      continue
    }
    const there = await findReplica(tx, secret, replica.region)
    if (!there) {
      replicas.push(replica)
      continue
    }
    if (copy?.value) tx.put(Value, copy.value, place)
    for (const id of gone) tx.delete(Value, valueKey(secret.name, id), place)
    tx.put(Secret, { ...there, versions: secret.versions }, place)
    const { message: _, ...facts } = replica
    replicas.push((await lacksValue(tx, secret, place)) ? replica : { ...facts, status: 'InSync' })
  }
  return tx.put(Secret, { ...secret, replicas }, placeOf(secret))
}

type Asked = readonly { readonly Region?: string | undefined; readonly KmsKeyId?: string | undefined }[]

const regionText = /^[a-z]{2}(-[a-z]+)+-\d$/

/** Makes replicas in more Regions: each with every version that has a stage. Raises InvalidParameterException. */
export const replicate = async (
  ctx: Ctx,
  secret: SecretRecord,
  asked: Asked,
  overwrite: boolean,
): Promise<SecretRecord> => {
  const wanted = asked.map(({ Region = '', KmsKeyId }) => {
    if (!regionText.test(Region)) throw invalid(`Invalid region: ${Region}.`)
    if (Region === secret.region) throw invalid('Invalid replica region.')
    return { region: Region, ...(KmsKeyId === undefined ? {} : { keyId: KmsKeyId }) }
  })
  const values = await ctx.read((tx) =>
    Promise.all(
      Object.entries(secret.versions)
        .filter(([, { stages }]) => stages.length > 0)
        .map(([id]) => tx.get(Value, valueKey(secret.name, id), placeOf(secret))),
    ),
  )
  const copies: Copy[] = []
  for (const value of values)
    if (value) {
      const plain = await decrypt(ctx, secret, value)
      for (const replica of wanted) copies.push(await copyFor(ctx, secret, replica, value.version, plain))
    }
  return ctx.write(async (tx) => {
    let latest = await getPrimary(tx, ctx.place, secretArn(secret))
    for (const replica of wanted) {
      const place = { account: latest.account, region: replica.region }
      const own = copies.filter(({ region }) => region === replica.region)
      const failure = own.find((copy) => copy.failure !== undefined)?.failure
      const stranger = (await findReplica(tx, latest, replica.region))
        ? undefined
        : await tx.get(Secret, latest.name, place)
      const taken = stranger && !overwrite
      const { keyId: _, replicas: __, policy: ___, ...shared } = latest
      if (!taken && failure === undefined) {
        if (stranger) forget(tx, stranger)
        tx.put(Secret, { ...shared, ...replica, primaryRegion: latest.region, replicas: [] }, place)
        for (const { value } of own) if (value) tx.put(Value, value, place)
      }
      const status: ReplicaFacts = taken
        ? {
            ...replica,
            status: 'Failed',
            message: `Replication failed: Secret name simple conflict. A secret with the name ${latest.name} exists in ${replica.region}.`,
          }
        : failure === undefined
          ? { ...replica, status: 'InSync' }
          : { ...replica, status: 'Failed', message: failure }
      latest = { ...latest, replicas: [...latest.replicas.filter(({ region }) => region !== replica.region), status] }
    }
    return putSecret(tx, latest)
  })
}

export const ReplicateSecretToRegions: Operation<'ReplicateSecretToRegions'> = async (ctx, input) => {
  const seen = await ctx.read((tx) => getPrimary(tx, ctx.place, input.SecretId))
  const secret = await replicate(ctx, seen, input.AddReplicaRegions, input.ForceOverwriteReplicaSecret ?? false)
  return { ARN: secretArn(secret), ReplicationStatus: secret.replicas.map(toStatus) }
}

export const RemoveRegionsFromReplication: Operation<'RemoveRegionsFromReplication'> = async (ctx, input) => {
  const secret = await ctx.write(async (tx) => {
    const found = await getPrimary(tx, ctx.place, input.SecretId)
    for (const region of input.RemoveReplicaRegions) {
      if (!found.replicas.some((replica) => replica.region === region))
        throw fail('ResourceNotFoundException', `The secret has no replica in ${region}.`)
      const replica = await findReplica(tx, found, region)
      if (replica) forget(tx, replica)
    }
    const replicas = found.replicas.filter(({ region }) => !input.RemoveReplicaRegions.includes(region))
    return tx.put(Secret, { ...found, replicas }, placeOf(found))
  })
  return { ARN: secretArn(secret), ReplicationStatus: secret.replicas.map(toStatus) }
}

/** A replica becomes a secret of its own. Asked in the replica's Region. */
export const StopReplicationToReplica: Operation<'StopReplicationToReplica'> = async (ctx, input) => {
  const secret = await ctx.write(async (tx) => {
    const { primaryRegion, ...found } = await getLiving(tx, ctx.place, input.SecretId)
    if (primaryRegion === undefined) throw refused('Secret is not a replica.')
    const place = { account: found.account, region: primaryRegion }
    const primary = await tx.get(Secret, found.name, place)
    if (primary)
      tx.put(Secret, { ...primary, replicas: primary.replicas.filter(({ region }) => region !== found.region) }, place)
    return tx.put(Secret, found, placeOf(found))
  })
  return { ARN: secretArn(secret) }
}
