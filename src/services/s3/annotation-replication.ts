import type { Caller } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { attachAnnotation, copyAnnotation, type LoadedAnnotation } from './annotation-content.ts'
import { bucketArn } from './bucket.ts'
import { keeping } from './content.ts'
import { fail } from './operation.ts'
import type { ReplicationJob } from './replication.ts'
import { findVersion, type ObjectRecord } from './versions.ts'

// "Replicating annotations", S3 user guide: each goes by itself, after its object; deletions do not go.

/** The right to replicate objects covers their annotations: only who is denied that by name is. */
const checkNotDenied = async (role: Caller, to: string): Promise<void> => {
  try {
    await role.authorize('s3:ReplicateObjectAnnotation', to)
  } catch (error) {
    if (!(error instanceof AwsError) || error.message.includes('explicit deny')) throw error
  }
}

/** Sends an annotation to the replica of its object. Throws AccessDenied, NoSuchVersion, AnnotationLimitExceeded. */
export const sendAnnotation = async (
  { ctx, role, source, target }: ReplicationJob,
  { key, versionId }: ObjectRecord,
  loaded: LoadedAnnotation,
): Promise<void> => {
  const to = `${bucketArn(target.name)}/${key}`
  await role.authorize('s3:GetReplicationConfiguration', bucketArn(source.name))
  await role.authorize('s3:ListBucket', bucketArn(source.name))
  await role.authorize('s3:GetObjectVersionAnnotationForReplication', `${bucketArn(source.name)}/${key}`)
  await role.authorize('s3:ReplicateObject', to)
  await checkNotDenied(role, to)
  const noReplica = () =>
    fail('NoSuchVersion', 'The specified version does not exist.', { Key: key, VersionId: versionId })
  const replica = await ctx.read((tx) => findVersion(tx, target.name, key, versionId))
  if (!replica || replica.marker) throw noReplica()
  const taken = await copyAnnotation(ctx, loaded, target, replica)
  await keeping(taken, () =>
    ctx.write(async (tx) => {
      const present = await findVersion(tx, target.name, key, versionId)
      if (!present || present.marker) throw noReplica()
      await attachAnnotation(tx, present, loaded.annotation.name, taken, { replication: 'REPLICA' })
    }),
  )
}
