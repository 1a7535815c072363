import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import type { BucketRecord } from './bucket.ts'
import { memberOf } from './checksum.ts'
import { type ByteRange, parseRange, readCondition } from './conditions.ts'
import { type Loaded, load, type PartContent, Parts, stream } from './content.ts'
import { checkCustomerKey, openKey, toEncryption } from './encryption.ts'
import { noteAccess } from './intelligent-tiering.ts'
import { expirationOf } from './lifecycle.ts'
import { pageSize } from './listing.ts'
import { toMetadata } from './metadata.ts'
import { find, missing, preconditionFailed, quoted, toChecksum, versionIdOf } from './object.ts'
import { toLock } from './object-lock.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { toReplicationStatus } from './replication.ts'
import { checkReadable, storageClassOf, toArchiveStatus, toRestore, toStorageClass } from './storage-class.ts'
import type { ObjectRecord } from './versions.ts'

type ReadInput = Input<'GetObject'> | Input<'HeadObject'>

/** An object and its content, or the error why not; conditions checked, range applied. */
const readObject = async (ctx: Ctx, input: ReadInput, { head } = { head: false }) => {
  const found = await ctx.read(async (tx) => {
    const found = await find(ctx, tx, input)
    return found.record
      ? {
          ...found,
          record: found.record,
          loaded: await load(tx, found.record.content, found.record.size),
          parts: await partsWithChecksums(tx, found.record, input),
          expiration: input.VersionId === undefined ? await expirationOf(tx, found.bucket, found.record) : {},
        }
      : found
  })
  if (!('loaded' in found)) throw await missing(ctx, found, input, { head })
  const { bucket, record, loaded, expiration } = found
  const whole = { start: 0, end: record.size }
  if (!head) checkReadable(record)
  checkCustomerKey(record, input)
  checkConditions(bucket, record, input)
  const { range, parts } = rangeOf(input, record, loaded)
  if (range) ctx.response.status = 206
  const { start, end } = range ?? whole
  return {
    record,
    loaded,
    range: { start, end },
    output: {
      ...describe(ctx, input, record),
      ...versionIdOf(bucket, record),
      ...expiration,
      ...toStorageClass(record),
      ...toRestore(record),
      ...toArchiveStatus(record),
      ...(await toLock(ctx, bucket, record)),
      ...toReplicationStatus(record),
      AcceptRanges: 'bytes',
      ContentLength: end - start,
      ...(range ? { ContentRange: `bytes ${start}-${end - 1}/${record.size}` } : {}),
      ...(parts === undefined ? {} : { PartsCount: parts }),
      ...(input.ChecksumMode === 'ENABLED' ? checksumOf(record, { start, end }, found.parts) : {}),
    },
  }
}

/** The parts of an object that has checksums of them, where they are asked for. */
const partsWithChecksums = async (tx: ReadTx, { checksum, content }: ObjectRecord, { ChecksumMode }: ReadInput) =>
  ChecksumMode === 'ENABLED' && checksum.type === 'COMPOSITE' && content?.in === 'parts'
    ? ((await tx.get(Parts, content.id))?.parts ?? [])
    : []

/** That of the whole, or of the one part that the range is ("Using part-level checksums for multipart uploads", S3 user guide). */
const checksumOf = (record: ObjectRecord, { start, end }: ByteRange, parts: readonly PartContent[]) => {
  let at = 0
  for (const { size, checksum } of parts) {
    if (at === start && at + size === end && end - start < record.size)
      return checksum === undefined
        ? {}
        : { [memberOf(record.checksum.algorithm)]: checksum, ChecksumType: record.checksum.type }
    at += size
  }
  return end - start === record.size ? toChecksum(record) : {}
}

const checkConditions = (bucket: BucketRecord, record: ObjectRecord, input: ReadInput): void => {
  const condition = readCondition(
    {
      ifMatch: input.IfMatch,
      ifNoneMatch: input.IfNoneMatch,
      ifModifiedSince: input.IfModifiedSince,
      ifUnmodifiedSince: input.IfUnmodifiedSince,
    },
    record,
  )
  if (condition === 'NotModified')
    throw fail(
      'NotModified',
      'Not Modified',
      {},
      {
        etag: quoted(record.etag),
        'last-modified': new Date(record.modified).toUTCString(),
        ...(record.headers.cacheControl ? { 'cache-control': record.headers.cacheControl } : {}),
        ...(bucket.versioning ? { 'x-amz-version-id': record.versionId } : {}),
      },
    )
  if (condition !== 'holds') throw preconditionFailed(condition)
}

const rangeOf = (input: ReadInput, record: ObjectRecord, loaded: Loaded) => {
  if (input.PartNumber === undefined) {
    const range = parseRange(input.Range, record.size)
    if (range === 'unsatisfiable')
      throw fail(
        'InvalidRange',
        'The requested range is not satisfiable',
        { RangeRequested: input.Range, ActualObjectSize: record.size },
        { 'content-range': `bytes */${record.size}` },
      )
    return { range, parts: undefined }
  }
  if (input.Range !== undefined)
    throw fail('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter')
  const sizes = 'parts' in loaded ? loaded.parts.map((part) => part.size) : [record.size]
  const size = sizes[input.PartNumber - 1]
  if (size === undefined)
    throw fail('InvalidPartNumber', 'The requested partnumber is not satisfiable', {
      PartNumberRequested: input.PartNumber,
      ActualPartCount: sizes.length,
    })
  const start = sizes.slice(0, input.PartNumber - 1).reduce((sum, each) => sum + each, 0)
  // An empty object has no byte to name in a range.
  return { range: record.size === 0 ? undefined : { start, end: start + size }, parts: record.parts }
}

const describe = (ctx: Ctx, input: ReadInput, record: ObjectRecord) => {
  const overrides = [
    input.ResponseCacheControl,
    input.ResponseContentDisposition,
    input.ResponseContentEncoding,
    input.ResponseContentLanguage,
    input.ResponseContentType,
    input.ResponseExpires,
  ]
  if (ctx.principal.kind === 'anonymous' && overrides.some((override) => override !== undefined))
    throw fail('InvalidRequest', 'Request specific response headers cannot be used for anonymous GET requests.')
  const { headers } = record
  const expires = input.ResponseExpires?.toUTCString() ?? headers.expires
  // The member is a time; the header is whatever was put.
  if (expires !== undefined) ctx.response.headers.expires = expires
  return {
    ETag: quoted(record.etag),
    LastModified: new Date(record.modified),
    ContentType: input.ResponseContentType ?? headers.contentType,
    CacheControl: input.ResponseCacheControl ?? headers.cacheControl,
    ContentDisposition: input.ResponseContentDisposition ?? headers.contentDisposition,
    ContentEncoding: input.ResponseContentEncoding ?? headers.contentEncoding,
    ContentLanguage: input.ResponseContentLanguage ?? headers.contentLanguage,
    WebsiteRedirectLocation: headers.websiteRedirectLocation,
    ...toMetadata(record.metadata),
    ...toEncryption(record, input),
    ...(record.tags ? { TagCount: record.tags.length } : {}),
  }
}

export const GetObject: Operation<'GetObject'> = async (ctx, input) => {
  const { record, loaded, range, output } = await readObject(ctx, input)
  const key = await openKey(ctx, record, input)
  await noteAccess(ctx, record)
  return { ...output, Body: stream(ctx, loaded, key, range) }
}

/** Its checksum tells of the bytes: who asks for it must be able to decrypt them. */
export const HeadObject: Operation<'HeadObject'> = async (ctx, input) => {
  const { record, output } = await readObject(ctx, input, { head: true })
  if (input.ChecksumMode === 'ENABLED') await openKey(ctx, record, input)
  return output
}

const attributes = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize']

export const GetObjectAttributes: Operation<'GetObjectAttributes'> = async (ctx, input) => {
  const { found, parts } = await ctx.read(async (tx) => {
    const found = await find(ctx, tx, input)
    const content = found.record?.content
    return { found, parts: content?.in === 'parts' ? await tx.get(Parts, content.id) : undefined }
  })
  const { bucket, record } = found
  if (!record) throw await missing(ctx, found, input)
  checkCustomerKey(record, input)
  const wants = new Set<string>(input.ObjectAttributes.flatMap((names) => names.split(',')).map((name) => name.trim()))
  for (const name of wants)
    if (!attributes.includes(name))
      throw fail('InvalidArgument', 'Invalid attribute name specified.', {
        ArgumentName: 'x-amz-object-attributes',
        ArgumentValue: name,
      })
  return {
    LastModified: new Date(record.modified),
    ...versionIdOf(bucket, record),
    ...(wants.has('ETag') ? { ETag: record.etag } : {}),
    ...(wants.has('Checksum') ? { Checksum: toChecksum(record) } : {}),
    ...(wants.has('StorageClass') ? { StorageClass: storageClassOf(record) } : {}),
    ...(wants.has('ObjectSize') ? { ObjectSize: record.size } : {}),
    ...(wants.has('ObjectParts') && record.parts !== undefined
      ? { ObjectParts: toParts(record, parts?.parts ?? [], input) }
      : {}),
  }
}

type AttributesInput = Pick<Input<'GetObjectAttributes'>, 'MaxParts' | 'PartNumberMarker'>

/** S3 lists the parts themselves only where each has a checksum of its own. */
const toParts = (
  record: ObjectRecord,
  parts: readonly { number: number; size: number; checksum?: string }[],
  { MaxParts, PartNumberMarker }: AttributesInput,
) => {
  const max = pageSize(MaxParts, 'max-parts')
  const total = { TotalPartsCount: record.parts }
  if (record.checksum.type !== 'COMPOSITE') return total
  const marker = Number(PartNumberMarker ?? 0)
  const rest = parts.filter((part) => part.number > marker)
  const shown = rest.slice(0, max)
  const truncated = max > 0 && rest.length > max
  return {
    ...total,
    PartNumberMarker: String(marker),
    ...(truncated ? { NextPartNumberMarker: String(shown.at(-1)?.number) } : {}),
    MaxParts: max,
    IsTruncated: truncated,
    Parts: shown.map(({ number, size, checksum }) => ({
      PartNumber: number,
      Size: size,
      ...(checksum === undefined ? {} : { [memberOf(record.checksum.algorithm)]: checksum }),
    })),
  }
}
