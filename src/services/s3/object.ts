import type { Ctx } from '../../kernel/context.ts'
import type { AwsError } from '../../kernel/errors.ts'
import type { ReadTx } from '../../store/store.ts'
import type { AclAsked } from './acl.ts'
import { copyAnnotations, loadAnnotations } from './annotation-content.ts'
import { type BucketRecord, bucketArn, bucketOf } from './bucket.ts'
import { memberOf } from './checksum.ts'
import { namesEtag, readCondition } from './conditions.ts'
import { keeping, load, type Received, receive, stream } from './content.ts'
import { copySourceKey, etagOf, newKey, openKey, toNewEncryption } from './encryption.ts'
import { emitCreated } from './events.ts'
import { noteAccess } from './intelligent-tiering.ts'
import { expirationOf } from './lifecycle.ts'
import { metadataOf } from './metadata.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { ownedAs } from './ownership.ts'
import { replicating, replicatingAnnotation } from './replication.ts'
import { present, requestKeys } from './request-keys.ts'
import { asksForLock, type LockAsked, lockOf } from './retention.ts'
import { checkReadable, withStorageClass } from './storage-class.ts'
import { parseTagging } from './tags.ts'
import { algorithmNamed, checkKey, headersOf, integrityOf, refuseUnsupported } from './upload-request.ts'
import {
  findCurrent,
  findMarker,
  findVersion,
  isVersionId,
  type MarkerRecord,
  type ObjectFacts,
  type ObjectRecord,
  putCurrent,
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
  // Before the body is read.
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
      await emitCreated(ctx, tx, bucket, record, 'PutObject')
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
  const proved = Object.keys(headers).some((name) => /^(content-md5|x-amz-checksum-.*|x-amz-trailer)$/.test(name))
  if (asksForLock(input) && !proved && Object.keys(headers).length > 0)
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
export const copySource = async (ctx: Ctx, input: CopyConditions, { withAnnotations } = { withAnnotations: false }) => {
  const address = { ...parseCopySource(input.CopySource), ExpectedBucketOwner: input.ExpectedSourceBucketOwner }
  const found = await ctx.read(async (tx) => {
    const found = await find(ctx, tx, address, { anyRegion: true })
    if (!found.record) return found
    return {
      ...found,
      record: found.record,
      loaded: await load(tx, found.record.content, found.record.size),
      annotations: withAnnotations ? await loadAnnotations(tx, found.record) : [],
    }
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
  const key = await openKey(ctx, found.record, copySourceKey(input))
  await noteAccess(ctx, found.record)
  return { ...found, address, key }
}

const checkAnnotationDirective = (directive: string | undefined): void => {
  if (directive !== undefined && directive !== 'COPY' && directive !== 'EXCLUDE')
    throw fail('InvalidArgument', 'Unknown annotation directive.', {
      ArgumentName: 'x-amz-object-annotation-directive',
      ArgumentValue: directive,
    })
}

const checkDirective = (directive: string | undefined, kind: 'metadata' | 'tagging'): void => {
  if (directive !== undefined && directive !== 'COPY' && directive !== 'REPLACE')
    throw fail('InvalidArgument', `Unknown ${kind} directive.`, {
      ArgumentName: `x-amz-${kind}-directive`,
      ArgumentValue: directive,
    })
}

const both = (one: Pick<Received, 'discard'>, other: Pick<Received, 'discard'>): Pick<Received, 'discard'> => ({
  discard: async () => {
    await one.discard()
    await other.discard()
  },
})

const largestCopy = 5 * 1024 ** 3

/** Throws InvalidRequest for more than one request copies. */
export const checkCopySize = (size: number): void => {
  if (size > largestCopy)
    throw fail(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${largestCopy}`,
    )
}

export const CopyObject: Operation<'CopyObject'> = async (ctx, input) => {
  checkKey(input.Key)
  refuseUnsupported(input)
  checkWriteConditionForm(input)
  checkDirective(input.MetadataDirective, 'metadata')
  checkDirective(input.TaggingDirective, 'tagging')
  const replaceMetadata = input.MetadataDirective === 'REPLACE'
  checkAnnotationDirective(input.AnnotationDirective)
  const source = await copySource(ctx, input, { withAnnotations: input.AnnotationDirective !== 'EXCLUDE' })
  const { record: from } = source
  checkCopySize(from.size)
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
  const asked = algorithmNamed(input.ChecksumAlgorithm)
  const algorithm = asked ?? from.checksum.algorithm
  const to = await target(ctx, input)
  const made = await newKey(ctx, to, input.Key, input)
  const parent = { key: input.Key, encryption: made.encryption }
  const annotations = await copyAnnotations(ctx, source.annotations, to, parent, asked)
  const content = stream(ctx, source.loaded, source.key)
  const received = await keeping(annotations, () => receive(ctx, content, { algorithm, key: made.key }))
  const facts = {
    etag: etagOf(made, received.md5),
    size: received.size,
    encryption: made.encryption,
    ...described,
    checksum: { algorithm, type: 'FULL_OBJECT' as const, value: received.checksum },
  }
  const { bucket, record, expiration } = await keeping(both(received, annotations), () =>
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
        ...annotations.facts,
      })
      const record = await replicating(tx, bucket, put)
      for (const annotation of annotations.keep(tx, record)) await replicatingAnnotation(tx, bucket, record, annotation)
      await emitCreated(ctx, tx, bucket, record, 'CopyObject')
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
