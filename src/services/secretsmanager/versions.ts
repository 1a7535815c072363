import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import { fail, type Input, invalid, type Operation, refused } from './operation.ts'
import { pageOf } from './page.ts'
import { encryptForReplicas, putReplicaVersions } from './replication.ts'
import {
  dayOf,
  getLiving,
  getPrimary,
  getSecret,
  moveStage,
  placeOf,
  putSecret,
  Secret,
  type SecretRecord,
  type SecretValue,
  secretArn,
  stageHolder,
  Value,
  type VersionFacts,
  valueKey,
} from './secret.ts'
import { decrypt, defaultKey, encrypt, type Plain, plainOf, rewrap, sameValue, wireValue } from './value.ts'

const MOST_VERSIONS = 100
const MOST_STAGES = 20

/** Versions without a stage are there until there are too many of them, the oldest going first. */
const pruned = (
  versions: Record<string, VersionFacts>,
  keep: string,
): { kept: Record<string, VersionFacts>; gone: string[] } => {
  const spare = Object.entries(versions)
    .filter(([id, { stages }]) => stages.length === 0 && id !== keep)
    .toSorted(([, a], [, b]) => a.created - b.created)
  const gone = spare.slice(0, Math.max(0, Object.keys(versions).length - MOST_VERSIONS)).map(([id]) => id)
  return { kept: Object.fromEntries(Object.entries(versions).filter(([id]) => !gone.includes(id))), gone }
}

/** Puts a version with its stages; the first one is current whatever it asks for. */
const withVersion = (
  ctx: Pick<Ctx, 'now'>,
  secret: SecretRecord,
  version: string,
  asked: readonly string[],
): { next: SecretRecord; gone: string[] } => {
  const first = stageHolder(secret, 'AWSCURRENT') === undefined
  const stages = [...new Set([...asked, ...(first ? ['AWSCURRENT'] : [])])]
  const now = ctx.now().getTime()
  let versions: Record<string, VersionFacts> = {
    ...secret.versions,
    [version]: {
      stages: secret.versions[version]?.stages ?? [],
      created: secret.versions[version]?.created ?? now,
      keyId: secret.keyId ?? defaultKey,
    },
  }
  for (const stage of stages) versions = moveStage(versions, stage, version)
  const { kept, gone } = pruned(versions, version)
  return { next: { ...secret, versions: kept, changed: now }, gone }
}

/** The version of a token may be there already: with the same value nothing happens, with another it is refused. */
const known = (ctx: Ctx, secret: SecretRecord, existing: SecretValue | undefined, plain: Plain): boolean => {
  if (!existing) return false
  if (sameValue(ctx, existing, plain)) return true
  throw fail(
    'ResourceExistsException',
    `You can't use ClientRequestToken ${existing.version} because that value is already in use for a version of secret ${secretArn(secret)}.`,
  )
}

/** Encrypts and stores a version, in the replicas' Regions too. Encryption is not for inside a transaction. */
export const putVersion = async (
  ctx: Ctx,
  seen: SecretRecord,
  version: string,
  plain: Plain,
  stages: readonly string[],
  change: (secret: SecretRecord) => SecretRecord = (secret) => secret,
): Promise<SecretRecord> => {
  const changed = change(seen)
  const existing = await ctx.read((tx) => tx.get(Value, valueKey(seen.name, version), placeOf(seen)))
  if (known(ctx, seen, existing, plain)) {
    if (changed === seen) return seen
    return ctx.write(async (tx) => putSecret(tx, change(await getPrimary(tx, ctx.place, secretArn(seen)))))
  }
  const value = await encrypt(ctx, changed, version, plain)
  const copies = await encryptForReplicas(ctx, changed, version, plain)
  return ctx.write(async (tx) => {
    const latest = change(await getPrimary(tx, ctx.place, secretArn(seen)))
    const { next, gone } = withVersion(ctx, latest, version, stages)
    const place = placeOf(next)
    tx.put(Value, value, place)
    for (const id of gone) tx.delete(Value, valueKey(next.name, id), place)
    const put = await putSecret(tx, next)
    return putReplicaVersions(tx, put, copies, gone)
  })
}

/** A version's id is the token that the client made for it. Raises InvalidParameterException. */
export const versionId = (ctx: Pick<Ctx, 'newId'>, token: string | undefined): string => {
  if (token !== undefined && (token.length < 32 || token.length > 64))
    throw invalid('ClientRequestToken must be 32-64 characters long.')
  return token ?? ctx.newId()
}

/** Stages whose versions go under a new key with their secret ("UpdateSecret", Secrets Manager API reference). */
const inUse = ['AWSCURRENT', 'AWSPENDING', 'AWSPREVIOUS']

/** The values in use that were under another key, under the secret's present one. Not for inside a transaction. */
export const underItsKey = async (ctx: Ctx, secret: SecretRecord): Promise<SecretValue[]> => {
  const key = secret.keyId ?? defaultKey
  const ids = Object.entries(secret.versions)
    .filter(([, { stages, keyId }]) => keyId !== key && stages.some((stage) => inUse.includes(stage)))
    .map(([id]) => id)
  const moved: SecretValue[] = []
  for (const id of ids) {
    const value = await ctx.read((tx) => tx.get(Value, valueKey(secret.name, id), placeOf(secret)))
    const wrapped = value && (await rewrap(ctx, secret, value))
    if (wrapped) moved.push(wrapped)
  }
  return moved
}

/** Writes a secret and those of its values that came under its key. */
export const moveToKey = (tx: WriteTx, secret: SecretRecord, moved: readonly SecretValue[]): Promise<SecretRecord> => {
  const versions = { ...secret.versions }
  for (const value of moved) {
    const facts = versions[value.version]
    if (!facts) continue
    tx.put(Value, value, placeOf(secret))
    versions[value.version] = { ...facts, keyId: secret.keyId ?? defaultKey }
  }
  return putSecret(tx, { ...secret, versions })
}

export const PutSecretValue: Operation<'PutSecretValue'> = async (ctx, input) => {
  const plain = plainOf(input)
  if (!plain) throw refused('You must provide either SecretString or SecretBinary.')
  const id = versionId(ctx, input.ClientRequestToken)
  const stages = input.VersionStages ?? ['AWSCURRENT']
  if (stages.length > MOST_STAGES)
    throw fail('LimitExceededException', `A version can have at most ${MOST_STAGES} staging labels.`)
  const seen = await ctx.read((tx) => getPrimary(tx, ctx.place, input.SecretId))
  const secret = await putVersion(ctx, seen, id, plain, stages)
  return {
    ARN: secretArn(secret),
    Name: secret.name,
    VersionId: id,
    VersionStages: [...(secret.versions[id]?.stages ?? [])],
  }
}

/** Which version is meant, by id, by stage, or the current one. Raises ResourceNotFoundException, InvalidRequestException. */
export const versionAsked = (
  secret: SecretRecord,
  { VersionId, VersionStage }: Pick<Input<'GetSecretValue'>, 'VersionId' | 'VersionStage'>,
): string => {
  const stage = VersionStage ?? (VersionId === undefined ? 'AWSCURRENT' : undefined)
  const id = VersionId ?? stageHolder(secret, stage ?? '')
  if (id === undefined || !Object.hasOwn(secret.versions, id))
    throw fail(
      'ResourceNotFoundException',
      VersionId === undefined
        ? `Secrets Manager can't find the specified secret value for staging label: ${stage}`
        : `Secrets Manager can't find the specified secret value for VersionId: ${VersionId}`,
    )
  if (VersionId !== undefined && stage !== undefined && !secret.versions[id]?.stages.includes(stage))
    throw refused('You provided a VersionStage that is not associated to the provided VersionId.')
  return id
}

/** Reading is noted once a day, as "last accessed" is told. */
const noteRead = async (ctx: Ctx, secret: SecretRecord, id: string): Promise<void> => {
  const day = dayOf(ctx)
  if (secret.versions[id]?.accessed === day) return
  await ctx.write(async (tx) => {
    const latest = await tx.get(Secret, secret.name, placeOf(secret))
    const facts = latest?.versions[id]
    if (latest && facts)
      tx.put(
        Secret,
        { ...latest, versions: { ...latest.versions, [id]: { ...facts, accessed: day } } },
        placeOf(secret),
      )
  })
}

export const GetSecretValue: Operation<'GetSecretValue'> = async (ctx, input) => {
  const { secret, id, value } = await ctx.read(async (tx) => {
    const found = await getSecret(tx, ctx.place, input.SecretId)
    if (found.deletion)
      throw refused("You can't perform this operation on the secret because it was marked for deletion.")
    const version = versionAsked(found, input)
    return { secret: found, id: version, value: await tx.get(Value, valueKey(found.name, version), placeOf(found)) }
  })
  // A rotation has begun this version, and its function has not put a value yet.
  if (!value)
    throw fail(
      'ResourceNotFoundException',
      `Secrets Manager can't find the specified secret value for VersionId: ${id}`,
    )
  const plain = await decrypt(ctx, secret, value)
  await noteRead(ctx, secret, id)
  const facts = secret.versions[id]
  return {
    ARN: secretArn(secret),
    Name: secret.name,
    VersionId: id,
    ...wireValue(plain),
    VersionStages: [...(facts?.stages ?? [])],
    CreatedDate: new Date(facts?.created ?? 0),
  }
}

/** Moves a stage from one version to another, both named so that nobody moves what he does not know. */
export const UpdateSecretVersionStage: Operation<'UpdateSecretVersionStage'> = async (ctx, input) => {
  const { VersionStage: stage, RemoveFromVersionId: from, MoveToVersionId: to } = input
  const secret = await ctx.write(async (tx: WriteTx) => {
    const found = await getPrimary(tx, ctx.place, input.SecretId)
    for (const id of [from, to])
      if (id !== undefined && !Object.hasOwn(found.versions, id))
        throw fail(
          'ResourceNotFoundException',
          `Secrets Manager can't find the specified secret value for VersionId: ${id}`,
        )
    const holder = stageHolder(found, stage)
    if (stage === 'AWSCURRENT' && to === undefined)
      throw invalid(
        "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
      )
    if (from !== undefined && from !== holder)
      throw invalid(`The staging label ${stage} isn't currently attached to version ${from}.`)
    if (to !== undefined && holder !== undefined && holder !== to && from === undefined)
      throw invalid(
        `The parameter RemoveFromVersionId can't be empty. Staging label ${stage} is currently attached to version ${holder}, so you must explicitly reference that version in RemoveFromVersionId.`,
      )
    const versions = moveStage(found.versions, stage, to)
    if ((versions[to ?? '']?.stages.length ?? 0) > MOST_STAGES)
      throw fail('LimitExceededException', `A version can have at most ${MOST_STAGES} staging labels.`)
    const next = await putSecret(tx, { ...found, versions, changed: ctx.now().getTime() })
    return putReplicaVersions(tx, next, [], [])
  })
  return { ARN: secretArn(secret), Name: secret.name }
}

export const ListSecretVersionIds: Operation<'ListSecretVersionIds'> = async (ctx, input) => {
  const secret = await ctx.read((tx) => getLiving(tx, ctx.place, input.SecretId))
  const listed = Object.entries(secret.versions)
    .filter(([, { stages }]) => input.IncludeDeprecated || stages.length > 0)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  const { items, next } = pageOf(listed, input, ([id]) => id)
  return {
    Versions: items.map(([id, { stages, created, accessed, keyId }]) => ({
      VersionId: id,
      ...(stages.length > 0 ? { VersionStages: [...stages] } : {}),
      ...(accessed === undefined ? {} : { LastAccessedDate: new Date(accessed) }),
      CreatedDate: new Date(created),
      KmsKeyIds: [keyId === defaultKey ? 'DefaultEncryptionKey' : keyId],
    })),
    ARN: secretArn(secret),
    Name: secret.name,
    ...next,
  }
}
