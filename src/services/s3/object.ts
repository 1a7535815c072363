import type { Ctx } from '../../kernel/context.ts'
import type { AwsError } from '../../kernel/errors.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import type { AclAsked } from './acl.ts'
import { type BucketRecord, bucketArn, bucketOf } from './bucket.ts'
import { memberOf } from './checksum.ts'
import { comparesTag, namesEtag, readCondition } from './conditions.ts'
import { load, receive, stream } from './content.ts'
import { copySourceKey, etagOf, newKey, openKey, toNewEncryption } from './encryption.ts'
import { emitCreated, emitDeleted } from './events.ts'
import { expirationOf } from './lifecycle.ts'
import { fail, type Input, malformedXml, type Operation } from './operation.ts'
import { ownedAs } from './ownership.ts'
import { replicating, replicatingMarker } from './replication.ts'
import { present, requestKeys } from './request-keys.ts'
import { isProtected, type LockAsked, lockDenied, lockOf } from './retention.ts'
import { checkReadable, withStorageClass } from './storage-class.ts'
import { parseTagging } from './tags.ts'
import { algorithmNamed, checkKey, headersOf, integrityOf, metadataOf, refuseUnsupported } from './upload-request.ts'
import { checkMfa } from './versioning.ts'
import {
  findCurrent,
  findMarker,
  findVersion,
  hide,
  isVersionId,
  type MarkerRecord,
  type ObjectFacts,
  type ObjectRecord,
  putCurrent,
  removeVersion,
} from './versions.ts'

export const quoted = (etag: string): string => `"${etag}"`

/** `x-amz-version-id`: only where versions were ever kept. */
export const versionIdOf = (bucket: BucketRecord, { versionId }: { versionId: string }) =>
  bucket.versioning ? { VersionId: versionId } : {}

export const toChecksum = ({ checksum }: Pick<ObjectFacts, 'checksum'>) => ({
  [memberOf(checksum.algorithm)]: checksum.value,
  ChecksumType: checksum.type,
})

/** What a read found: the object, or what stands in its place. */
export type Found = {
  readonly bucket: BucketRecord
  readonly record?: ObjectRecord | undefined
  readonly marker?: MarkerRecord | undefined
}

type Addressed = {
  Bucket: string
  Key: string
  VersionId?: string | undefined
  ExpectedBucketOwner?: string | undefined
}

export const find = async (
  ctx: Ctx,
  tx: ReadTx,
  input: Addressed,
  options?: { anyRegion: boolean },
): Promise<Found> => {
  const bucket = await bucketOf(ctx, tx, input, options)
  if (input.VersionId === undefined) {
    const record = await findCurrent(tx, bucket.name, input.Key)
    return record ? { bucket, record } : { bucket, marker: await findMarker(tx, bucket, input.Key) }
  }
  checkVersionId(input.VersionId)
  const version = await findVersion(tx, bucket.name, input.Key, input.VersionId)
  return version?.marker ? { bucket, marker: version } : { bucket, record: version }
}

export const checkVersionId = (versionId: string): void => {
  if (!isVersionId(versionId))
    throw fail('InvalidArgument', 'Invalid version id specified', {
      ArgumentName: 'versionId',
      ArgumentValue: versionId,
    })
}

/**
 * The error for an object that is not there. Who may not list the bucket is not told whether it is: AccessDenied
 * ("GetObject", S3 API reference, permissions).
 */
export const missing = async (
  ctx: Ctx,
  { bucket, marker }: Found,
  input: Addressed,
  { head } = { head: false },
): Promise<AwsError> => {
  const keys = present({ ...requestKeys(ctx), 's3:ResourceAccount': bucket.account })
  await ctx.authorize('s3:ListBucket', bucketArn(bucket.name), keys)
  const headers: Record<string, string> = marker
    ? { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker.versionId }
    : {}
  if (marker && input.VersionId !== undefined)
    return fail(
      'MethodNotAllowed',
      'The specified method is not allowed against this resource.',
      { Method: head ? 'HEAD' : 'GET', ResourceType: 'DeleteMarker' },
      { ...headers, allow: 'DELETE', 'last-modified': new Date(marker.modified).toUTCString() },
    )
  if (head) return fail('NotFound', 'Not Found', {}, headers)
  if (input.VersionId !== undefined)
    return fail('NoSuchVersion', 'The specified version does not exist.', {
      Key: input.Key,
      VersionId: input.VersionId,
    })
  return fail('NoSuchKey', 'The specified key does not exist.', { Key: input.Key }, headers)
}

export const preconditionFailed = (condition: string) =>
  fail('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', { Condition: condition })

type WriteConditions = { IfMatch?: string | undefined; IfNoneMatch?: string | undefined; Key: string }

/** Conditional writes: `If-None-Match: *`, `If-Match: etag`. Throws PreconditionFailed; NoSuchKey when there is nothing to match. */
export const checkWriteConditions = async (
  tx: ReadTx,
  bucket: BucketRecord,
  { IfMatch, IfNoneMatch, Key }: WriteConditions,
): Promise<void> => {
  if (IfMatch === undefined && IfNoneMatch === undefined) return
  const current = await findCurrent(tx, bucket.name, Key)
  if (IfNoneMatch !== undefined && current) throw preconditionFailed('If-None-Match')
  if (IfMatch === undefined) return
  if (!current) throw fail('NoSuchKey', 'The specified key does not exist.', { Key })
  if (!namesEtag(IfMatch, current.etag)) throw preconditionFailed('If-Match')
}

/** S3 knows no other conditions for writes, and says so as we would. */
export const checkWriteConditionForm = ({ IfMatch, IfNoneMatch }: Omit<WriteConditions, 'Key'>): void => {
  if ((IfNoneMatch !== undefined && IfNoneMatch !== '*') || (IfMatch !== undefined && IfNoneMatch !== undefined))
    throw fail('InvalidArgument', 'If-None-Match must be * and cannot be combined with If-Match.', {
      ArgumentName: 'If-None-Match',
    })
}

export const PutObject: Operation<'PutObject'> = async (ctx, input) => {
  checkKey(input.Key)
  refuseUnsupported(input)
  checkWriteConditionForm(input)
  const { algorithm = 'CRC64NVME', check } = integrityOf(ctx, input)
  requireDigest(ctx, input)
  const described = {
    headers: headersOf(ctx, input),
    metadata: metadataOf(input.Metadata),
    ...withStorageClass(input.StorageClass),
    ...withTags(parseTagging(input.Tagging)),
  }
  checkLength(ctx)
  // Before the body is read: a caller who waits for `100 Continue` need not send it in vain.
  const made = await newKey(ctx, await target(ctx, input), input.Key, input)
  const received = await receive(ctx, input.Body, { algorithm, key: made.key, check })
  const facts = {
    etag: etagOf(made, received.md5),
    size: received.size,
    encryption: made.encryption,
    ...described,
    checksum: { algorithm, type: 'FULL_OBJECT' as const, value: received.checksum },
  }
  const { bucket, record, expiration } = await keeping(received, () =>
    ctx.write(async (tx) => {
      const bucket = await bucketOf(ctx, tx, input)
      await checkWriteConditions(tx, bucket, input)
      const owned = await ownedAs(ctx, tx, bucket, input)
      const content = withContent(received.keep(tx))
      const put = await putCurrent(ctx, tx, bucket, input.Key, {
        ...facts,
        ...owned,
        ...lockOf(bucket, input, ctx.now().getTime()),
        ...content,
      })
      const record = await replicating(tx, bucket, put)
      emitCreated(ctx, tx, bucket, record, 'PutObject')
      return { bucket, record, expiration: await expirationOf(tx, bucket, record) }
    }),
  )
  return {
    ETag: quoted(record.etag),
    ...toNewEncryption(record, input),
    ...toChecksum(record),
    ...versionIdOf(bucket, record),
    ...expiration,
  }
}

/** With a lock of its own, an object must be proved to be what was sent. Throws InvalidRequest. */
const requireDigest = ({ request: { headers } }: Ctx, input: Input<'PutObject'>): void => {
  const locks = input.ObjectLockMode !== undefined || input.ObjectLockLegalHoldStatus !== undefined
  const proved = Object.keys(headers).some((name) => /^(content-md5|x-amz-checksum-.*|x-amz-trailer)$/.test(name))
  if (locks && !proved && Object.keys(headers).length > 0)
    throw fail(
      'InvalidRequest',
      'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters',
    )
}

/** The bucket of an object to be, its conditions checked a first time. */
const target = (ctx: Ctx, input: Addressed & WriteConditions & AclAsked & LockAsked): Promise<BucketRecord> =>
  ctx.read(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    await checkWriteConditions(tx, bucket, input)
    await ownedAs(ctx, tx, bucket, input)
    lockOf(bucket, input, ctx.now().getTime())
    return bucket
  })

/** The length of a body that comes in HTTP chunks must have been announced. */
export const checkLength = ({ request: { headers } }: Ctx): void => {
  if (
    headers['transfer-encoding'] !== undefined &&
    headers['content-length'] === undefined &&
    headers['x-amz-decoded-content-length'] === undefined
  )
    throw fail('MissingContentLength', 'You must provide the Content-Length HTTP header.')
}

/** Runs the transaction that keeps received bytes; when it fails they are discarded. */
export const keeping = async <T>(received: { discard: () => Promise<void> }, write: () => Promise<T>): Promise<T> => {
  try {
    return await write()
  } catch (error) {
    await received.discard()
    throw error
  }
}

export const withContent = <C>(content: C | undefined): { content?: C } => (content === undefined ? {} : { content })
export const withTags = <T>(tags: readonly T[]): { tags?: readonly T[] } => (tags.length > 0 ? { tags } : {})

/** `bucket/key?versionId=…`, percent-encoded, with or without a slash before it. Throws InvalidArgument. */
export const parseCopySource = (source: string): { Bucket: string; Key: string; VersionId?: string } => {
  const invalid = () =>
    fail('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey', {
      ArgumentName: 'x-amz-copy-source',
      ArgumentValue: source,
    })
  const [, path = '', VersionId] = /^\/?(.*?)(?:\?versionId=([^?]*))?$/s.exec(source) ?? []
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    throw invalid()
  }
  const slash = decoded.indexOf('/')
  if (slash < 1 || slash === decoded.length - 1) throw invalid()
  return {
    Bucket: decoded.slice(0, slash),
    Key: decoded.slice(slash + 1),
    ...(VersionId === undefined ? {} : { VersionId }),
  }
}

type CopyConditions = Pick<
  Input<'CopyObject'>,
  | 'CopySource'
  | 'CopySourceIfMatch'
  | 'CopySourceIfNoneMatch'
  | 'CopySourceIfModifiedSince'
  | 'CopySourceIfUnmodifiedSince'
  | 'ExpectedSourceBucketOwner'
  | 'CopySourceSSECustomerAlgorithm'
  | 'CopySourceSSECustomerKey'
  | 'CopySourceSSECustomerKeyMD5'
>

/** The source of a copy, its content and key, its conditions checked. */
export const copySource = async (ctx: Ctx, input: CopyConditions) => {
  const address = { ...parseCopySource(input.CopySource), ExpectedBucketOwner: input.ExpectedSourceBucketOwner }
  const found = await ctx.read(async (tx) => {
    const found = await find(ctx, tx, address, { anyRegion: true })
    return found.record
      ? { ...found, record: found.record, loaded: await load(tx, found.record.content, found.record.size) }
      : found
  })
  if (!('loaded' in found)) {
    if (found.marker && address.VersionId !== undefined)
      throw fail(
        'InvalidRequest',
        'The source of a copy request may not specifically refer to a delete marker by version id.',
      )
    throw await missing(ctx, found, address)
  }
  const condition = readCondition(
    {
      ifMatch: input.CopySourceIfMatch,
      ifNoneMatch: input.CopySourceIfNoneMatch,
      ifModifiedSince: input.CopySourceIfModifiedSince,
      ifUnmodifiedSince: input.CopySourceIfUnmodifiedSince,
    },
    found.record,
  )
  if (condition !== 'holds')
    throw preconditionFailed(
      condition === 'NotModified'
        ? input.CopySourceIfNoneMatch === undefined
          ? 'x-amz-copy-source-If-Modified-Since'
          : 'x-amz-copy-source-If-None-Match'
        : `x-amz-copy-source-${condition}`,
    )
  checkReadable(found.record)
  return { ...found, address, key: await openKey(ctx, found.record, copySourceKey(input)) }
}

const checkDirective = (directive: string | undefined, kind: 'metadata' | 'tagging'): void => {
  if (directive !== undefined && directive !== 'COPY' && directive !== 'REPLACE')
    throw fail('InvalidArgument', `Unknown ${kind} directive.`, {
      ArgumentName: `x-amz-${kind}-directive`,
      ArgumentValue: directive,
    })
}

const largestCopy = 5 * 1024 ** 3

export const CopyObject: Operation<'CopyObject'> = async (ctx, input) => {
  checkKey(input.Key)
  refuseUnsupported(input)
  checkWriteConditionForm(input)
  checkDirective(input.MetadataDirective, 'metadata')
  checkDirective(input.TaggingDirective, 'tagging')
  const replaceMetadata = input.MetadataDirective === 'REPLACE'
  const source = await copySource(ctx, input)
  const { record: from } = source
  if (from.size > largestCopy)
    throw fail(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${largestCopy}`,
    )
  const onto = from.bucket === input.Bucket && from.key === input.Key
  if (
    onto &&
    !replaceMetadata &&
    source.address.VersionId === undefined &&
    !input.WebsiteRedirectLocation &&
    !input.StorageClass &&
    !input.ServerSideEncryption &&
    !input.SSECustomerAlgorithm
  )
    throw fail(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    )
  const { websiteRedirectLocation: _, ...headersThere } = from.headers
  const described = {
    headers: replaceMetadata
      ? headersOf(ctx, input)
      : {
          ...headersThere,
          ...(input.WebsiteRedirectLocation ? { websiteRedirectLocation: input.WebsiteRedirectLocation } : {}),
        },
    metadata: replaceMetadata ? metadataOf(input.Metadata) : from.metadata,
    ...withStorageClass(input.StorageClass),
    ...withTags(input.TaggingDirective === 'REPLACE' ? parseTagging(input.Tagging) : (from.tags ?? [])),
  }
  const algorithm = algorithmNamed(input.ChecksumAlgorithm) ?? from.checksum.algorithm
  const made = await newKey(ctx, await target(ctx, input), input.Key, input)
  const content = stream(ctx, source.loaded, source.key)
  const received = await receive(ctx, content, { algorithm, key: made.key })
  const facts = {
    etag: etagOf(made, received.md5),
    size: received.size,
    encryption: made.encryption,
    ...described,
    checksum: { algorithm, type: 'FULL_OBJECT' as const, value: received.checksum },
  }
  const { bucket, record, expiration } = await keeping(received, () =>
    ctx.write(async (tx) => {
      const bucket = await bucketOf(ctx, tx, input)
      await checkWriteConditions(tx, bucket, input)
      const owned = await ownedAs(ctx, tx, bucket, input)
      const content = withContent(received.keep(tx))
      const put = await putCurrent(ctx, tx, bucket, input.Key, {
        ...facts,
        ...owned,
        ...lockOf(bucket, input, ctx.now().getTime()),
        ...content,
      })
      const record = await replicating(tx, bucket, put)
      emitCreated(ctx, tx, bucket, record, 'CopyObject')
      return { bucket, record, expiration: await expirationOf(tx, bucket, record) }
    }),
  )
  return {
    CopyObjectResult: { ETag: quoted(record.etag), LastModified: new Date(record.modified), ...toChecksum(record) },
    ...toNewEncryption(record, input),
    ...versionIdOf(bucket, record),
    ...expiration,
    ...(source.bucket.versioning ? { CopySourceVersionId: from.versionId } : {}),
  }
}

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
    emitDeleted(ctx, tx, bucket, result, result.marker ? 'Delete Marker Created' : 'Permanently Deleted')
    return result.marker ? { DeleteMarker: true, VersionId: result.versionId } : {}
  }
  checkVersionId(VersionId)
  const doomed = await findVersion(tx, bucket.name, Key, VersionId)
  if (doomed && !doomed.marker && isProtected(doomed, { now: ctx.now().getTime(), bypass: bypass === true }))
    throw lockDenied()
  const removed = await removeVersion(tx, bucket.name, Key, VersionId)
  if (removed) emitDeleted(ctx, tx, bucket, removed, 'Permanently Deleted')
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
  if (Objects.length > 1000 || Objects.length === 0) throw malformedXml()
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
