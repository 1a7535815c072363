import type { DescribeSecretResponse, SecretListEntry } from '@aws-sdk/client-secrets-manager'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import { done, type Reconciler } from '../../work/reconciler.ts'
import { fail, invalid, type Operation, refused } from './operation.ts'
import { replicate, toStatus } from './replication.ts'
import {
  findSecret,
  forget,
  getPrimary,
  getSecret,
  placeOf,
  putSecret,
  Secret,
  type SecretRecord,
  secretArn,
  stagesOf,
  type Tags,
} from './secret.ts'
import { type Plain, plainOf } from './value.ts'
import { moveToKey, putVersion, underItsKey, versionId } from './versions.ts'

const DAY = 86_400_000
const MOST_TAGS = 50
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Raises InvalidParameterException, InvalidRequestException. */
const tagsOf = (given: readonly { Key?: string | undefined; Value?: string | undefined }[] | undefined): Tags => {
  const tags = Object.fromEntries((given ?? []).map(({ Key = '', Value: value = '' }) => [Key, value]))
  if (Object.keys(tags).length < (given?.length ?? 0)) throw refused('Duplicate tag keys.')
  for (const key of Object.keys(tags)) if (/^aws:/i.test(key)) throw invalid('Tag keys cannot start with aws:.')
  return within(tags)
}
const within = (tags: Tags): Tags => {
  if (Object.keys(tags).length > MOST_TAGS) throw invalid(`A secret can have at most ${MOST_TAGS} tags.`)
  return tags
}

const checkName = (name: string): void => {
  if (!/^[A-Za-z0-9/_+=.@-]{1,512}$/.test(name))
    throw new AwsError(
      'ValidationException',
      'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
      { status: 400 },
    )
}

/** External partners' secrets are made and rotated by services that are not here. */
const refuseManaged = (type: string | undefined): void => {
  if (type !== undefined) throw notImplemented('managed external secrets (Type)')
}

export const CreateSecret: Operation<'CreateSecret'> = async (ctx, input) => {
  refuseManaged(input.Type)
  checkName(input.Name)
  const tags = tagsOf(input.Tags)
  const plain = plainOf(input)
  const id = versionId(ctx, input.ClientRequestToken)
  const now = ctx.now().getTime()
  const { made, fresh } = await ctx.write(async (tx) => {
    const there = await findSecret(tx, ctx.place, input.Name)
    if (there?.deletion)
      throw refused("You can't create this secret because a secret with this name is already scheduled for deletion.")
    // The same request made again is answered as the first was.
    if (there && plain && Object.hasOwn(there.versions, id)) return { made: there, fresh: false }
    if (there)
      throw fail('ResourceExistsException', `The operation failed because the secret ${input.Name} already exists.`)
    const secret: SecretRecord = {
      name: input.Name,
      ...ctx.place,
      suffix: ctx.random(6, letters),
      ...(input.Description === undefined ? {} : { description: input.Description }),
      ...(input.KmsKeyId ? { keyId: input.KmsKeyId } : {}),
      created: now,
      changed: now,
      tags,
      versions: {},
      replicas: [],
    }
    return { made: tx.put(Secret, secret), fresh: true }
  })
  const secret = await furnish(ctx, made, fresh, { id, plain, input })
  return {
    ARN: secretArn(secret),
    Name: secret.name,
    ...(plain ? { VersionId: id } : {}),
    ...(secret.replicas.length > 0 ? { ReplicationStatus: secret.replicas.map(toStatus) } : {}),
  }
}

/** Value and replicas of a new secret; it is not there where they cannot be had. */
const furnish = async (
  ctx: Ctx,
  made: SecretRecord,
  fresh: boolean,
  { id, plain, input }: { id: string; plain: Plain | undefined; input: Parameters<Operation<'CreateSecret'>>[1] },
): Promise<SecretRecord> => {
  try {
    const valued = plain ? await putVersion(ctx, made, id, plain, ['AWSCURRENT']) : made
    if (!input.AddReplicaRegions?.length || !fresh) return valued
    return await replicate(ctx, valued, input.AddReplicaRegions, input.ForceOverwriteReplicaSecret ?? false)
  } catch (error) {
    if (fresh) await ctx.write(async (tx) => forget(tx, made))
    throw error
  }
}

/**
 * Description, key, and with a value a new current version. With another key, the versions in use go under that one, as far
 * as the caller may encrypt with it. Raises ResourceExistsException for the token of a version that is there.
 */
export const UpdateSecret: Operation<'UpdateSecret'> = async (ctx, input) => {
  refuseManaged(input.Type)
  const plain = plainOf(input)
  const seen = await ctx.read((tx) => getPrimary(tx, ctx.place, input.SecretId))
  const change = ({ keyId, ...secret }: SecretRecord): SecretRecord => {
    const key = input.KmsKeyId ?? keyId
    return {
      ...secret,
      ...(input.Description === undefined ? {} : { description: input.Description }),
      // An empty one is that of the service again.
      ...(key ? { keyId: key } : {}),
      changed: ctx.now().getTime(),
    }
  }
  const moved = input.KmsKeyId === undefined ? [] : await underItsKey(ctx, change(seen))
  if (!plain) {
    const secret = await ctx.write(async (tx) =>
      moveToKey(tx, change(await getPrimary(tx, ctx.place, input.SecretId)), moved),
    )
    return { ARN: secretArn(secret), Name: secret.name }
  }
  const id = versionId(ctx, input.ClientRequestToken)
  if (Object.hasOwn(seen.versions, id))
    throw fail('ResourceExistsException', `The secret ${secretArn(seen)} has a version ${id} already.`)
  await putVersion(ctx, seen, id, plain, ['AWSCURRENT'], change)
  const secret = await ctx.write(async (tx) => moveToKey(tx, await getPrimary(tx, ctx.place, secretArn(seen)), moved))
  return { ARN: secretArn(secret), Name: secret.name, VersionId: id }
}

const accessedOf = ({ versions }: SecretRecord): { LastAccessedDate?: Date } => {
  const days = Object.values(versions).flatMap(({ accessed }) => (accessed === undefined ? [] : [accessed]))
  return days.length > 0 ? { LastAccessedDate: new Date(Math.max(...days)) } : {}
}

const facts = (
  secret: SecretRecord,
): Omit<DescribeSecretResponse & SecretListEntry, 'VersionIdsToStages' | 'SecretVersionsToStages'> => {
  const { rotation, deletion } = secret
  return {
    ARN: secretArn(secret),
    Name: secret.name,
    ...(secret.description === undefined ? {} : { Description: secret.description }),
    ...(secret.keyId === undefined ? {} : { KmsKeyId: secret.keyId }),
    ...(rotation
      ? {
          RotationEnabled: rotation.enabled,
          RotationLambdaARN: rotation.lambda,
          RotationRules: rotation.rules,
          ...(rotation.last === undefined ? {} : { LastRotatedDate: new Date(rotation.last) }),
          ...(rotation.enabled && rotation.next !== undefined ? { NextRotationDate: new Date(rotation.next) } : {}),
        }
      : {}),
    LastChangedDate: new Date(secret.changed),
    ...accessedOf(secret),
    ...(deletion ? { DeletedDate: new Date(deletion.asked) } : {}),
    Tags: Object.entries(secret.tags).map(([Key, value]) => ({ Key, Value: value })),
    CreatedDate: new Date(secret.created),
    ...(secret.primaryRegion !== undefined || secret.replicas.length > 0
      ? { PrimaryRegion: secret.primaryRegion ?? secret.region }
      : {}),
  }
}

export const toListEntry = (secret: SecretRecord): SecretListEntry => ({
  ...facts(secret),
  SecretVersionsToStages: stagesOf(secret),
})

export const DescribeSecret: Operation<'DescribeSecret'> = async (ctx, { SecretId }) => {
  const secret = await ctx.read((tx) => getSecret(tx, ctx.place, SecretId))
  return {
    ...facts(secret),
    VersionIdsToStages: stagesOf(secret),
    ...(secret.replicas.length > 0 ? { ReplicationStatus: secret.replicas.map(toStatus) } : {}),
  }
}

/** Marks it; after the recovery window, or at once when forced, it is gone for ever. */
export const DeleteSecret: Operation<'DeleteSecret'> = async (ctx, input) => {
  const { RecoveryWindowInDays, ForceDeleteWithoutRecovery } = input
  if (RecoveryWindowInDays !== undefined && ForceDeleteWithoutRecovery)
    throw invalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
  if (RecoveryWindowInDays !== undefined && (RecoveryWindowInDays < 7 || RecoveryWindowInDays > 30))
    throw invalid('The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).')
  const now = ctx.now().getTime()
  const at = ForceDeleteWithoutRecovery ? now : now + (RecoveryWindowInDays ?? 30) * DAY
  const secret = await ctx.write(async (tx) => {
    const found = await (ForceDeleteWithoutRecovery ? findSecret : getSecret)(tx, ctx.place, input.SecretId)
    if (!found) return undefined
    if (found.primaryRegion !== undefined)
      throw refused("Operation not permitted on a replica secret. Call must be made in primary secret's region.")
    if (found.replicas.length > 0)
      throw refused(
        `You can't delete secret ${found.name} that still has replica regions [${found.replicas.map(({ region }) => region).join(', ')}]`,
      )
    if (found.deletion && !ForceDeleteWithoutRecovery)
      throw refused("You can't perform this operation on the secret because it was already scheduled for deletion.")
    if (ForceDeleteWithoutRecovery) forget(tx, found)
    else {
      tx.put(Secret, { ...found, deletion: { asked: now, at } }, placeOf(found))
      tx.wake('secretsmanager.deletion', found.name, { in: at - now, at: placeOf(found) })
    }
    return found
  })
  // Who forces gets what he wants where it was so before ("DeleteSecret", Secrets Manager API reference).
  if (!secret) {
    const { SecretId } = input
    return { ARN: SecretId.startsWith('arn:') ? SecretId : ctx.arn(`secret:${SecretId}`), DeletionDate: new Date(at) }
  }
  return { ARN: secretArn(secret), Name: secret.name, DeletionDate: new Date(at) }
}

export const RestoreSecret: Operation<'RestoreSecret'> = async (ctx, { SecretId }) => {
  const secret = await ctx.write(async (tx) => {
    const { deletion: _, ...found } = await getSecret(tx, ctx.place, SecretId)
    return tx.put(Secret, found, placeOf(found))
  })
  return { ARN: secretArn(secret), Name: secret.name }
}

export const deletion: Reconciler = {
  name: 'secretsmanager.deletion',
  step: (ctx, name) =>
    ctx.write(async (tx) => {
      const secret = await tx.get(Secret, name)
      if (secret?.deletion && secret.deletion.at <= ctx.now().getTime()) forget(tx, secret)
      return done()
    }),
}

export const TagResource: Operation<'TagResource'> = async (ctx, { SecretId, Tags }) => {
  const more = tagsOf(Tags)
  await ctx.write(async (tx) => {
    const secret = await getPrimary(tx, ctx.place, SecretId)
    await putSecret(tx, { ...secret, tags: within({ ...secret.tags, ...more }) })
  })
  return {}
}

export const UntagResource: Operation<'UntagResource'> = async (ctx, { SecretId, TagKeys }) => {
  await ctx.write(async (tx) => {
    const secret = await getPrimary(tx, ctx.place, SecretId)
    const tags = Object.fromEntries(Object.entries(secret.tags).filter(([key]) => !TagKeys.includes(key)))
    await putSecret(tx, { ...secret, tags })
  })
  return {}
}
