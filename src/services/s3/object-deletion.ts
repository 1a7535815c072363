import type { Ctx } from '../../kernel/context.ts'
import type { AwsError } from '../../kernel/errors.ts'
import type { WriteTx } from '../../store/store.ts'
import { type BucketRecord, bucketArn, bucketOf } from './bucket.ts'
import { comparesTag, namesEtag } from './conditions.ts'
import { emitDeleted } from './events.ts'
import { checkVersionId, preconditionFailed } from './object.ts'
import { fail, malformedXml, type Operation } from './operation.ts'
import { replicatingMarker } from './replication.ts'
import { present, requestKeys } from './request-keys.ts'
import { isProtected, lockDenied } from './retention.ts'
import { checkKey } from './upload-request.ts'
import { checkMfa } from './versioning.ts'
import { findCurrent, findVersion, hide, removeVersion } from './versions.ts'

type Deletion = {
  Key: string
  VersionId?: string | undefined
  IfMatch?: string | undefined
  BypassGovernanceRetention?: boolean | undefined
}

/** What a deletion did: the version it removed or the marker it placed. */
export const deleteOne = async (
  ctx: Ctx,
  tx: WriteTx,
  bucket: BucketRecord,
  { Key, VersionId, IfMatch, BypassGovernanceRetention: bypass }: Deletion,
): Promise<{ VersionId?: string; DeleteMarker?: boolean }> => {
  if (IfMatch !== undefined) {
    // The current version's tag counts, whichever version is to go ("How to perform conditional deletes", S3 user guide).
    const current = await findCurrent(tx, bucket.name, Key)
    if (!current || !namesEtag(IfMatch, current.etag)) throw preconditionFailed('If-Match')
  }
  if (VersionId === undefined) {
    const result = await hide(ctx, tx, bucket, Key)
    if (!result) return {}
    if (result.marker) await replicatingMarker(tx, bucket, result)
    await emitDeleted(ctx, tx, bucket, result, result.marker ? 'Delete Marker Created' : 'Permanently Deleted')
    return result.marker ? { DeleteMarker: true, VersionId: result.versionId } : {}
  }
  checkVersionId(VersionId)
  const doomed = await findVersion(tx, bucket.name, Key, VersionId)
  if (doomed && !doomed.marker && isProtected(doomed, { now: ctx.now().getTime(), bypass: bypass === true }))
    throw lockDenied()
  const removed = await removeVersion(tx, bucket.name, Key, VersionId)
  if (removed) await emitDeleted(ctx, tx, bucket, removed, 'Permanently Deleted')
  return { VersionId, ...(removed?.marker ? { DeleteMarker: true } : {}) }
}

export const DeleteObject: Operation<'DeleteObject'> = async (ctx, input) => {
  checkKey(input.Key)
  refuseDirectoryConditions(input.IfMatchLastModifiedTime, input.IfMatchSize)
  if (input.VersionId !== undefined) await checkMfa(ctx, await ctx.read((tx) => bucketOf(ctx, tx, input)), input.MFA)
  return ctx.write(async (tx) => deleteOne(ctx, tx, await bucketOf(ctx, tx, input), input))
}

const refuseDirectoryConditions = (...conditions: unknown[]) => {
  if (conditions.some((condition) => condition !== undefined))
    throw fail('InvalidArgument', 'Conditions on time and size are for directory buckets only.')
}

export const DeleteObjects: Operation<'DeleteObjects'> = async (ctx, input) => {
  const { Objects, Quiet } = input.Delete
  if (Objects.length > 1000 || Objects.length === 0 || Objects.some(({ Key }) => Key === '')) throw malformedXml()
  const before = await ctx.read((tx) => bucketOf(ctx, tx, input))
  const { account } = before
  if (Objects.some(({ VersionId }) => VersionId !== undefined)) await checkMfa(ctx, before, input.MFA)
  const errors = new Map<number, { Code: string; Message: string }>()
  for (const [at, { Key, VersionId, ETag, LastModifiedTime, Size }] of Objects.entries()) {
    const error = await refusal(async () => {
      checkKey(Key)
      if (VersionId !== undefined) checkVersionId(VersionId)
      refuseDirectoryConditions(LastModifiedTime, Size)
      const action = VersionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion'
      const keys = {
        ...requestKeys(ctx),
        's3:ResourceAccount': account,
        's3:VersionId': VersionId,
        's3:if-match': ETag,
      }
      await ctx.authorize(action, `${bucketArn(input.Bucket)}/${Key}`, present(keys))
      if (comparesTag(ETag)) await ctx.authorize('s3:GetObject', `${bucketArn(input.Bucket)}/${Key}`, present(keys))
      if (input.BypassGovernanceRetention)
        await ctx.authorize('s3:BypassGovernanceRetention', `${bucketArn(input.Bucket)}/${Key}`, present(keys))
    })
    if (error) errors.set(at, error)
  }
  const failed: NonNullable<Awaited<ReturnType<typeof DeleteObjects>>['Errors']> = []
  const deleted = await ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    const deleted: { Key: string; VersionId?: string; DeleteMarker?: boolean; DeleteMarkerVersionId?: string }[] = []
    failed.length = 0
    for (const [at, { Key, VersionId, ETag }] of Objects.entries()) {
      const named = { Key, ...(VersionId === undefined ? {} : { VersionId }) }
      let error = errors.get(at)
      let result: { VersionId?: string; DeleteMarker?: boolean } = {}
      error ??= await refusal(async () => {
        result = await deleteOne(ctx, tx, bucket, {
          ...named,
          IfMatch: ETag,
          BypassGovernanceRetention: input.BypassGovernanceRetention,
        })
      })
      if (error) failed.push({ ...named, ...error })
      else
        deleted.push({
          ...named,
          ...(result.DeleteMarker && result.VersionId
            ? { DeleteMarker: true, DeleteMarkerVersionId: result.VersionId }
            : {}),
        })
    }
    return deleted
  })
  return { ...(Quiet ? {} : { Deleted: deleted }), ...(failed.length > 0 ? { Errors: failed } : {}) }
}

/** The caller's error that `act` throws, as an entry of a result. Our own bugs pass through. */
const refusal = async (act: () => Promise<void>): Promise<{ Code: string; Message: string } | undefined> => {
  try {
    await act()
    return undefined
  } catch (error) {
    if (isCallersError(error)) return { Code: error.code, Message: error.message }
    throw error
  }
}

const isCallersError = (error: unknown): error is AwsError =>
  error instanceof Error && 'code' in error && 'members' in error && typeof error.code === 'string'
