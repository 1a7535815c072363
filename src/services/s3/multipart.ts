import { createHash } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import type { Principal } from '../../kernel/principal.ts'
import type { ReadTx } from '../../store/store.ts'
import { type BucketRecord, bucketOf, canonicalId, ownerOf } from './bucket.ts'
import {
  allowsType,
  type ChecksumAlgorithm,
  compositeChecksum,
  defaultType,
  isChecksum,
  joinedChecksum,
  memberOf,
} from './checksum.ts'
import { drop, keeping, Parts, type Received, receive, stream } from './content.ts'
import { newKey, opaqueEtag, openKey, partKey, toEncryption, toNewEncryption } from './encryption.ts'
import { emitCreated } from './events.ts'
import { abortionOf, expirationOf } from './lifecycle.ts'
import { largestNumber, pageSize } from './listing.ts'
import { metadataOf } from './metadata.ts'
import {
  checkCopySize,
  checkWriteConditionForm,
  checkWriteConditions,
  copySource,
  quoted,
  toChecksum,
  versionIdOf,
  withContent,
  withTags,
} from './object.ts'
import { fail, type Input, malformedXml, type Operation } from './operation.ts'
import { ownedAs } from './ownership.ts'
import { replicating } from './replication.ts'
import { asksForLock, type LockAsked, lockOf } from './retention.ts'
import type { ObjectKey } from './segments.ts'
import { storageClassOf, withStorageClass } from './storage-class.ts'
import { parseTagging } from './tags.ts'
import {
  endUpload,
  findPart,
  findUpload,
  listParts,
  Part,
  type PartRecord,
  Upload,
  type UploadRecord,
} from './upload.ts'
import { algorithmNamed, checkKey, checksumGiven, headersOf, integrityOf, refuseUnsupported } from './upload-request.ts'
import { findCurrent, type ObjectRecord, putCurrent } from './versions.ts'

const smallestPart = 5 * 1024 ** 2
const largestPart = 10_000

const noSuchUpload = (id: string) =>
  fail(
    'NoSuchUpload',
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
    { UploadId: id },
  )

type Addressed = { Bucket: string; Key: string; UploadId: string; ExpectedBucketOwner?: string | undefined }

const uploadOf = async (ctx: Ctx, tx: ReadTx, input: Addressed) => {
  const bucket = await bucketOf(ctx, tx, input)
  const upload = await findUpload(tx, bucket.name, input.Key, input.UploadId)
  if (!upload) throw noSuchUpload(input.UploadId)
  return { bucket, upload }
}

export const toInitiator = ({ arn, account }: UploadRecord['initiator']) =>
  arn.endsWith(':root') ? { ID: canonicalId(account) } : { ID: arn, DisplayName: arn.split('/').at(-1) }

const initiatorOf = ({ arn, account }: Principal) => ({ arn, account })

const secondsOf = (time: Date) => Math.floor(time.getTime() / 1000) * 1000

export const CreateMultipartUpload: Operation<'CreateMultipartUpload'> = async (ctx, input) => {
  checkKey(input.Key)
  refuseUnsupported(input)
  const asked = algorithmNamed(input.ChecksumAlgorithm)
  if (!asked && input.ChecksumType)
    throw fail(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    )
  const algorithm = asked ?? 'CRC64NVME'
  if (!['COMPOSITE', 'FULL_OBJECT', undefined].includes(input.ChecksumType))
    throw fail('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.')
  const type = input.ChecksumType ?? defaultType(algorithm)
  if (!allowsType(algorithm, type))
    throw fail(
      'InvalidRequest',
      `The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    )
  const described = {
    headers: headersOf(ctx, input),
    metadata: metadataOf(input.Metadata),
    ...withTags(parseTagging(input.Tagging)),
  }
  const bucket = await ctx.read(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    await ownedAs(ctx, tx, bucket, input)
    return bucket
  })
  const { encryption } = await newKey(ctx, bucket, input.Key, input)
  const now = ctx.now()
  const upload: UploadRecord = {
    bucket: input.Bucket,
    key: input.Key,
    id: `${now.getTime().toString(36).padStart(9, '0')}${ctx.random(51, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789')}`,
    initiated: secondsOf(now),
    initiator: initiatorOf(ctx.principal),
    ...described,
    ...withStorageClass(input.StorageClass),
    ...askedLock(bucket, input, now.getTime()),
    encryption,
    checksum: { algorithm, type, asked: asked !== undefined },
  }
  const abortion = await ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    tx.put(Upload, { ...upload, ...(await ownedAs(ctx, tx, bucket, input)) })
    return abortionOf(tx, bucket, upload)
  })
  return {
    Bucket: input.Bucket,
    Key: input.Key,
    UploadId: upload.id,
    ...toNewEncryption(upload, input),
    ...abortion,
    ...(asked ? { ChecksumAlgorithm: algorithm, ChecksumType: type } : {}),
  }
}

/** What the upload itself asks for; the bucket's default is given when it becomes an object. */
const askedLock = (bucket: BucketRecord, input: LockAsked, now: number) => {
  const asked = lockOf(bucket, input, now)
  return asksForLock(input) ? asked : {}
}

const checkPartNumber = (number: number): void => {
  if (!Number.isInteger(number) || number < 1 || number > largestPart)
    throw fail('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive', {
      ArgumentName: 'partNumber',
      ArgumentValue: number,
    })
}

const typeMismatch = (expected: ChecksumAlgorithm, actual: ChecksumAlgorithm) =>
  fail(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${expected.toLowerCase()}, actual checksum Type: ${actual.toLowerCase()}`,
  )

/** Stores received bytes as a part, in place of an earlier one with its number. */
const putPart = (
  ctx: Ctx,
  input: Addressed & { PartNumber: number },
  received: Received,
  key: ObjectKey | undefined,
): Promise<PartRecord> =>
  keeping(received, () =>
    ctx.write(async (tx) => {
      const { upload } = await uploadOf(ctx, tx, input)
      const before = await findPart(tx, upload.id, input.PartNumber)
      await drop(tx, before?.content)
      return tx.put(Part, {
        upload: upload.id,
        number: input.PartNumber,
        size: received.size,
        etag: opaqueEtag(upload.encryption, key, received.md5),
        checksum: received.checksum,
        modified: secondsOf(ctx.now()),
        ...withContent(received.keep(tx)),
      })
    }),
  )

export const UploadPart: Operation<'UploadPart'> = async (ctx, input) => {
  checkPartNumber(input.PartNumber)
  refuseUnsupported(input)
  const { upload } = await ctx.read((tx) => uploadOf(ctx, tx, input))
  const { algorithm } = upload.checksum
  const integrity = integrityOf(ctx, input)
  if (integrity.algorithm && integrity.algorithm !== algorithm && upload.checksum.asked)
    throw typeMismatch(algorithm, integrity.algorithm)
  const other = integrity.algorithm && integrity.algorithm !== algorithm ? integrity.algorithm : undefined
  const key = await partKey(ctx, upload, input)
  const received = await receive(ctx, input.Body, { algorithm, key, check: integrity.check, checkedIn: other })
  const part = await putPart(ctx, input, received, key)
  return { ETag: quoted(part.etag), ...toEncryption(upload, input), [memberOf(algorithm)]: part.checksum }
}

/** `bytes=first-last`, both there and within the source. */
export const copyRange = (header: string | undefined, size: number) => {
  if (header === undefined) {
    checkCopySize(size)
    return { start: 0, end: size }
  }
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(header) ?? []
  const named = { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header }
  if (first === undefined || last === undefined || Number(first) > Number(last))
    throw fail(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      named,
    )
  checkCopySize(Number(last) - Number(first) + 1)
  if (Number(last) >= size)
    throw fail('InvalidArgument', `Range specified is not valid for source object of size: ${size}`, named)
  return { start: Number(first), end: Number(last) + 1 }
}

export const UploadPartCopy: Operation<'UploadPartCopy'> = async (ctx, input) => {
  checkPartNumber(input.PartNumber)
  refuseUnsupported(input)
  const { upload } = await ctx.read((tx) => uploadOf(ctx, tx, input))
  const source = await copySource(ctx, input)
  const range = copyRange(input.CopySourceRange, source.record.size)
  const key = await partKey(ctx, upload, input)
  const bytes = stream(ctx, source.loaded, source.key, range)
  const received = await receive(ctx, bytes, { algorithm: upload.checksum.algorithm, key })
  const part = await putPart(ctx, input, received, key)
  return {
    CopyPartResult: {
      ETag: quoted(part.etag),
      LastModified: new Date(part.modified),
      [memberOf(upload.checksum.algorithm)]: part.checksum,
    },
    ...toEncryption(upload, input),
    ...(source.bucket.versioning ? { CopySourceVersionId: source.record.versionId } : {}),
  }
}

const invalidPart = (members: Readonly<Record<string, unknown>>) =>
  fail(
    'InvalidPart',
    "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    members,
  )

type Listed = NonNullable<NonNullable<Input<'CompleteMultipartUpload'>['MultipartUpload']>['Parts']>

/** Checks the caller's list against the parts there are. Throws InvalidPartOrder, InvalidPart, EntityTooSmall, InvalidRequest. */
const chosenParts = (upload: UploadRecord, listed: Listed, there: ReadonlyMap<number, PartRecord>): PartRecord[] => {
  if (listed.length === 0) throw malformedXml()
  const { algorithm, type, asked } = upload.checksum
  const chosen = listed.map((entry, at) => {
    const { PartNumber: number } = entry
    if (number === undefined || entry.ETag === undefined) throw malformedXml()
    if (at > 0 && number <= (listed[at - 1]?.PartNumber ?? 0))
      throw fail(
        'InvalidPartOrder',
        'The list of parts was not in ascending order. The parts list must be specified in order by part number.',
        { UploadId: upload.id },
      )
    const part = there.get(number)
    const etag = unquoted(entry.ETag)
    const given = checksumGiven(entry)
    if (asked && type === 'COMPOSITE' && !given)
      throw fail(
        'InvalidRequest',
        `The upload was created using a ${algorithm.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${number} in the request.`,
      )
    const wrongSum = part && given && given.algorithm === algorithm && given.value !== part.checksum
    if (!part || part.etag !== etag || wrongSum || (given && !isChecksum(given.algorithm, given.value)))
      throw invalidPart({ UploadId: upload.id, PartNumber: number, ETag: etag })
    return part
  })
  for (const part of chosen.slice(0, -1))
    if (part.size < smallestPart)
      throw fail('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', {
        ProposedSize: part.size,
        MinSizeAllowed: smallestPart,
        PartNumber: part.number,
        ETag: part.etag,
      })
  return chosen
}

const wholeChecksum = (
  { checksum: { algorithm, type } }: UploadRecord,
  parts: readonly PartRecord[],
): Promise<string> | string =>
  type === 'FULL_OBJECT'
    ? joinedChecksum(algorithm, parts)
    : compositeChecksum(
        algorithm,
        parts.map((part) => part.checksum),
      )

const unquoted = (etag: string): string => etag.replace(/^"(.*)"$/, '$1')

const joinedEtag = (etags: readonly string[]): string => {
  const md5 = createHash('md5')
  for (const etag of etags) md5.update(Buffer.from(etag, 'hex'))
  return `${md5.digest('hex')}-${etags.length}`
}

/**
 * The object an upload has become: who did not hear that it was completed may complete it again, of the same parts. Throws
 * InvalidPart.
 */
const completed = async (tx: ReadTx, input: Input<'CompleteMultipartUpload'>, bucket: BucketRecord) => {
  const current = await findCurrent(tx, bucket.name, input.Key)
  if (current?.upload !== input.UploadId) return undefined
  const etags = input.MultipartUpload?.Parts?.map(({ ETag = '' }) => unquoted(ETag)) ?? []
  if (joinedEtag(etags) !== current.etag) throw invalidPart({ UploadId: input.UploadId })
  return { bucket, record: current }
}

const toCompleted = async (ctx: Ctx, bucket: BucketRecord, record: ObjectRecord) => ({
  ...(await ctx.read((tx) => expirationOf(tx, bucket, record))),
  Location: `${ctx.request.endpoint}/${bucket.name}/${record.key.split('/').map(encodeURIComponent).join('/')}`,
  Bucket: bucket.name,
  Key: record.key,
  ETag: quoted(record.etag),
  ...toEncryption(record),
  ...toChecksum(record),
  ...versionIdOf(bucket, record),
})

export const CompleteMultipartUpload: Operation<'CompleteMultipartUpload'> = async (ctx, input) => {
  checkWriteConditionForm(input)
  const begun = await ctx.read(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    const done = await completed(tx, input, bucket)
    if (done) return done
    const { upload } = await uploadOf(ctx, tx, input)
    await checkWriteConditions(tx, bucket, input)
    return { upload, there: new Map((await listParts(tx, upload.id)).map((part) => [part.number, part])) }
  })
  if ('record' in begun) return toCompleted(ctx, begun.bucket, begun.record)
  const { upload, there } = begun
  // S3 reads the parts before it joins them: who may not decrypt them may not complete.
  if (upload.encryption?.mode !== 'customer') await openKey(ctx, upload, {})
  else if (input.SSECustomerKey !== undefined) await partKey(ctx, upload, input)
  const parts = chosenParts(upload, input.MultipartUpload?.Parts ?? [], there)
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  if (input.MpuObjectSize !== undefined && input.MpuObjectSize !== size)
    throw fail('InvalidRequest', `The provided 'x-amz-mp-object-size' header does not match what was computed.`)
  if (input.ChecksumType !== undefined && input.ChecksumType !== upload.checksum.type)
    throw fail(
      'InvalidRequest',
      `The upload was created using the ${upload.checksum.type} checksum mode. The complete request must use the same checksum mode.`,
    )
  const { algorithm, type } = upload.checksum
  const checksum = { algorithm, type, value: await wholeChecksum(upload, parts) }
  const given = checksumGiven(input)
  if (given && given.algorithm !== algorithm) throw typeMismatch(algorithm, given.algorithm)
  if (given && given.value !== checksum.value)
    throw fail('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`)
  const etag = joinedEtag(parts.map((part) => part.etag))
  const id = ctx.newId()
  const { bucket, record } = await ctx.write(async (tx) => {
    const { bucket, upload } = await uploadOf(ctx, tx, input)
    await checkWriteConditions(tx, bucket, input)
    for (const part of parts) {
      const now = await findPart(tx, upload.id, part.number)
      if (now?.content?.id !== part.content?.id || now?.etag !== part.etag)
        throw invalidPart({ UploadId: upload.id, PartNumber: part.number, ETag: part.etag })
    }
    tx.put(Parts, {
      id,
      parts: parts.map(({ number, size, content, checksum }) => ({ number, size, checksum, ...withContent(content) })),
    })
    await endUpload(tx, upload, new Set(parts.map((part) => part.number)))
    const { headers, metadata, tags, encryption, owner, acl, storageClass, lock } = upload
    const put = await putCurrent(ctx, tx, bucket, upload.key, {
      etag,
      size,
      content: { in: 'parts', id },
      ...(owner ? { owner } : {}),
      ...(acl ? { acl } : {}),
      headers,
      metadata,
      ...withTags(tags ?? []),
      ...(encryption ? { encryption } : {}),
      ...withStorageClass(storageClass),
      ...(lock ? { lock } : lockOf(bucket, {}, ctx.now().getTime())),
      checksum,
      parts: parts.length,
      upload: upload.id,
    })
    const record = await replicating(tx, bucket, put)
    await emitCreated(ctx, tx, bucket, record, 'CompleteMultipartUpload')
    return { bucket, record }
  })
  return toCompleted(ctx, bucket, record)
}

export const AbortMultipartUpload: Operation<'AbortMultipartUpload'> = (ctx, input) =>
  ctx.write(async (tx) => {
    if (input.IfMatchInitiatedTime !== undefined)
      throw fail('InvalidArgument', 'Conditions on the time of initiation are for directory buckets only.')
    const { upload } = await uploadOf(ctx, tx, input)
    await endUpload(tx, upload)
    return {}
  })

export const ListParts: Operation<'ListParts'> = async (ctx, input) => {
  const max = pageSize(input.MaxParts, 'max-parts')
  const marker = Number(input.PartNumberMarker ?? 0)
  if (!Number.isInteger(marker) || marker < 0 || marker > largestNumber)
    throw fail('InvalidArgument', 'Provided part-number-marker not an integer or within integer range', {
      ArgumentName: 'part-number-marker',
      ArgumentValue: input.PartNumberMarker,
    })
  return ctx.read(async (tx) => {
    const { bucket, upload } = await uploadOf(ctx, tx, input)
    const parts = await listParts(tx, upload.id, marker, max + 1)
    const shown = parts.slice(0, max)
    const truncated = max > 0 && parts.length > max
    const { algorithm, type, asked } = upload.checksum
    return {
      Bucket: bucket.name,
      Key: upload.key,
      UploadId: upload.id,
      PartNumberMarker: String(marker),
      // Only where there is more: some paginators go on as long as they are told where.
      ...(truncated ? { NextPartNumberMarker: String(shown.at(-1)?.number) } : {}),
      MaxParts: max,
      IsTruncated: truncated,
      ...(await abortionOf(tx, bucket, upload)),
      Parts: shown.map((part) => ({
        PartNumber: part.number,
        LastModified: new Date(part.modified),
        ETag: quoted(part.etag),
        Size: part.size,
        [memberOf(algorithm)]: part.checksum,
      })),
      Initiator: toInitiator(upload.initiator),
      Owner: ownerOf(bucket.account),
      StorageClass: storageClassOf(upload),
      ...(asked ? { ChecksumAlgorithm: algorithm, ChecksumType: type } : {}),
    }
  })
}
