import type { Ctx } from '../../kernel/context.ts'
import { attachAnnotation, loadAnnotation, mostAnnotations, takeAnnotation } from './annotation-content.ts'
import { dropAnnotation, findAnnotation, listAnnotations } from './annotation-record.ts'
import { bucketOf } from './bucket.ts'
import { namesEtag } from './conditions.ts'
import { keeping, largestAnnotation, stream, tooLarge } from './content.ts'
import { openKey, toEncryption } from './encryption.ts'
import { emitAnnotation } from './events.ts'
import { type Found, find, missing, preconditionFailed, quoted, toChecksum } from './object.ts'
import { fail, type Operation } from './operation.ts'
import { replicatingAnnotation, toReplicationStatus } from './replication.ts'
import { isProtected, lockDenied } from './retention.ts'
import { integrityOf } from './upload-request.ts'
import { findVersion, isStill, type ObjectRecord, replaceVersion } from './versions.ts'

// Annotations: named texts that are attached to a version of an object ("Annotating your objects", S3 user guide).

/** In bytes. */
const longestName = 512
const nameForm = /^[\p{L}0-9_.-]*$/u

/** Throws AnnotationNameTooLong, InvalidAnnotationName ("Annotation naming rules"). */
const checkName = (name: string): void => {
  const size = Buffer.byteLength(name)
  if (size > longestName)
    throw fail('AnnotationNameTooLong', 'The annotation name exceeds 512 bytes.', {
      Size: size,
      MaxSizeAllowed: longestName,
    })
  if (name === '' || !nameForm.test(name) || /^(aws|s3)/i.test(name))
    throw fail('InvalidAnnotationName', 'The annotation name you provided is invalid.', { AnnotationName: name })
}

/** Refuses what is no annotation's payload while it comes. Throws EntityTooLarge, UnsupportedMediaType, InvalidRequest. */
const payloadCheck = () => {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  /** No bytes: there are no more. */
  const decode = (bytes?: Buffer): void => {
    try {
      decoder.decode(bytes, { stream: bytes !== undefined })
    } catch {
      throw fail('UnsupportedMediaType', 'The annotation payload is not valid UTF-8 encoded text.')
    }
  }
  return {
    each: (bytes: Buffer, size: number): void => {
      if (size > largestAnnotation) throw tooLarge(size, largestAnnotation)
      decode(bytes)
    },
    end: ({ size }: { size: number }): void => {
      if (size === 0) throw fail('InvalidRequest', 'The annotation payload must be between 1 byte and 1 MiB in size.')
      decode()
    },
  }
}

const checkObjectTag = ({ etag }: ObjectRecord, ifMatch: string | undefined): void => {
  if (ifMatch !== undefined && !namesEtag(ifMatch, etag)) throw preconditionFailed('x-amz-object-if-match')
}

/** `x-amz-object-version-id`: only where versions were ever kept. */
const objectVersionIdOf = ({ bucket }: Found, { versionId }: ObjectRecord) =>
  bucket.versioning ? { ObjectVersionId: versionId } : {}

/** Attaches an annotation, over one of the same name. Throws AnnotationLimitExceeded, PreconditionFailed, OperationAborted. */
export const PutObjectAnnotation: Operation<'PutObjectAnnotation'> = async (ctx, input) => {
  const { AnnotationName: name } = input
  checkName(name)
  const { algorithm = 'CRC64NVME', check } = integrityOf(ctx, input)
  const found = await ctx.read((tx) => find(ctx, tx, input))
  if (!found.record) throw await missing(ctx, found, input)
  const { bucket, record } = found
  checkObjectTag(record, input.ObjectIfMatch)
  const payload = payloadCheck()
  const taken = await takeAnnotation(ctx, bucket, record, name, input.AnnotationPayload, {
    algorithm,
    each: payload.each,
    check: (received) => {
      payload.end(received)
      check(received)
    },
  })
  const annotation = await keeping(taken, () =>
    ctx.write(async (tx) => {
      const bucket = await bucketOf(ctx, tx, input)
      const version = await findVersion(tx, bucket.name, record.key, record.versionId)
      if (!isStill(version, record))
        throw fail(
          'OperationAborted',
          'A conflicting conditional operation is currently in progress against this resource. Please try again.',
        )
      const attached = await attachAnnotation(tx, version, name, taken)
      const annotation = await replicatingAnnotation(tx, bucket, version, attached)
      emitAnnotation(ctx, tx, bucket, version, 'Created', annotation)
      return annotation
    }),
  )
  return {
    Key: record.key,
    AnnotationName: name,
    ...objectVersionIdOf(found, record),
    ETag: quoted(annotation.etag),
    ...toChecksum(annotation),
    ServerSideEncryption: toEncryption(annotation).ServerSideEncryption,
  }
}

/** Throws NoSuchAnnotation. */
export const GetObjectAnnotation: Operation<'GetObjectAnnotation'> = async (ctx, input) => {
  const { found, there } = await ctx.read(async (tx) => {
    const found = await find(ctx, tx, input)
    const annotation = found.record && (await findAnnotation(tx, found.record, input.AnnotationName))
    return { found, there: annotation && (await loadAnnotation(tx, annotation)) }
  })
  if (!found.record) throw await missing(ctx, found, input)
  if (!there)
    throw fail('NoSuchAnnotation', 'The specified annotation does not exist on this object.', {
      AnnotationName: input.AnnotationName,
    })
  const { annotation, loaded } = there
  const key = await openKey(ctx, annotation, {})
  return {
    ...objectVersionIdOf(found, found.record),
    LastModified: new Date(annotation.modified),
    ContentLength: annotation.size,
    ETag: quoted(annotation.etag),
    ...(input.ChecksumMode === 'ENABLED' ? toChecksum(annotation) : {}),
    ServerSideEncryption: toEncryption(annotation).ServerSideEncryption,
    ...toReplicationStatus(annotation),
    AnnotationPayload: stream(ctx, loaded, key),
  }
}

/** Throws InvalidPrefix, InvalidArgument. */
export const ListObjectAnnotations: Operation<'ListObjectAnnotations'> = async (ctx, input) => {
  const { AnnotationPrefix: prefix = '', MaxAnnotationResults: max = mostAnnotations, ContinuationToken } = input
  if (Buffer.byteLength(prefix) > longestName || !nameForm.test(prefix))
    throw fail('InvalidPrefix', 'The annotation prefix you provided is invalid.', { AnnotationPrefix: prefix })
  if (!Number.isInteger(max) || max < 1 || max > mostAnnotations)
    throw fail(
      'InvalidArgument',
      `Argument max-annotation-results must be an integer between 1 and ${mostAnnotations}`,
      {
        ArgumentName: 'max-annotation-results',
        ArgumentValue: max,
      },
    )
  const after = ContinuationToken === undefined ? undefined : nameIn(ContinuationToken)
  const { found, annotations } = await ctx.read(async (tx) => {
    const found = await find(ctx, tx, input)
    const annotations = found.record?.annotations
      ? await listAnnotations(tx, found.record, { prefix, after, limit: max + 1 })
      : []
    return { found, annotations }
  })
  if (!found.record) throw await missing(ctx, found, input)
  const shown = annotations.slice(0, max)
  return {
    Bucket: found.bucket.name,
    Key: found.record.key,
    ...objectVersionIdOf(found, found.record),
    ...(input.AnnotationPrefix === undefined ? {} : { AnnotationPrefix: prefix }),
    MaxAnnotationResults: max,
    AnnotationCount: shown.length,
    ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
    ...(annotations.length > max ? { NextContinuationToken: tokenOf(shown.at(-1)?.name ?? '') } : {}),
    Annotations: shown.map((annotation) => ({
      AnnotationName: annotation.name,
      LastModified: new Date(annotation.modified),
      ETag: quoted(annotation.etag),
      ChecksumAlgorithm: [annotation.checksum.algorithm],
      Size: annotation.size,
      ...toReplicationStatus(annotation),
    })),
  }
}

const tokenOf = (name: string): string => Buffer.from(name).toString('base64url')

const nameIn = (token: string): string => {
  const name = Buffer.from(token, 'base64url').toString()
  if (name === '' || !nameForm.test(name))
    throw fail('InvalidArgument', 'The continuation token provided is incorrect', {
      ArgumentName: 'continuation-token',
    })
  return name
}

/** The header that overrules governance, which the model of DeleteObjectAnnotation lacks; in the query of presigned requests. */
export const bypassesGovernance = ({ request: { headers, query } }: Ctx): boolean =>
  headers['x-amz-bypass-governance-retention']?.toLowerCase() === 'true' ||
  /(^|&)x-amz-bypass-governance-retention=true(&|$)/i.test(query)

/** Removes an annotation for good; one that is not there is no error. Throws PreconditionFailed, AccessDenied. */
export const DeleteObjectAnnotation: Operation<'DeleteObjectAnnotation'> = async (ctx, input) => {
  const found = await ctx.write(async (tx): Promise<Found> => {
    const found = await find(ctx, tx, input)
    const { bucket, record } = found
    if (!record) return found
    checkObjectTag(record, input.ObjectIfMatch)
    if (isProtected(record, { now: ctx.now().getTime(), bypass: bypassesGovernance(ctx) })) throw lockDenied()
    const annotation = await findAnnotation(tx, record, input.AnnotationName)
    if (!annotation) return found
    await dropAnnotation(tx, annotation)
    const { annotations = 1, ...rest } = record
    await replaceVersion(tx, annotations > 1 ? { ...rest, annotations: annotations - 1 } : rest)
    emitAnnotation(ctx, tx, bucket, record, 'Removed', annotation)
    return found
  })
  if (!found.record) throw await missing(ctx, found, input)
  return objectVersionIdOf(found, found.record)
}
