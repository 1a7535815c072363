import type { ReadTx } from '../../store/store.ts'
import { compareText } from '../../store/text-order.ts'
import { type BucketRecord, bucketOf, ownerOf } from './bucket.ts'
import { type From, listPage, type Page, pageSize, rolledUp, type Source, urlEncoded } from './listing.ts'
import { toInitiator } from './multipart.ts'
import { checkVersionId, quoted } from './object.ts'
import { fail, type Operation } from './operation.ts'
import { storageClassOf, toRestoreStatus } from './storage-class.ts'
import { Upload, type UploadRecord } from './upload.ts'
import {
  beyondKey,
  beyondPrefix,
  Current,
  findCurrent,
  findVersion,
  type ObjectRecord,
  Older,
  positionOf,
  sortable,
  type VersionRecord,
} from './versions.ts'

const encoderOf = (encoding: string | undefined): ((text: string) => string) => {
  if (encoding !== undefined && encoding !== 'url')
    throw fail('InvalidArgument', 'Invalid Encoding Method specified in Request', {
      ArgumentName: 'encoding-type',
      ArgumentValue: encoding,
    })
  return encoding === 'url' ? urlEncoded : (text) => text
}

/** The same position in a table whose keys begin with the bucket. */
const within = (bucket: string, from: From | undefined) => {
  if (!from) return {}
  return 'after' in from ? { after: `${bucket}\0${from.after}` } : { from: `${bucket}\0${from.from}` }
}

const currentObjects = (tx: ReadTx, bucket: string, prefix: string): Source<ObjectRecord> => ({
  read: (from, limit) => tx.list(Current, { prefix: `${bucket}\0${sortable(prefix)}`, limit, ...within(bucket, from) }),
  keyOf: ({ key }) => key,
  positionOf: ({ key }) => sortable(key),
  beyond: beyondPrefix,
})

/** After a marker: beyond all that rolls up with it when it is itself what keys roll up to, else beyond that key. */
const afterMarker = (marker: string | undefined, prefix: string, delimiter: string | undefined): From | undefined => {
  if (!marker) return undefined
  const jump = rolledUp(marker, prefix, delimiter) === marker ? beyondPrefix(marker) : undefined
  return jump === undefined ? { after: sortable(marker) } : { from: jump }
}

const lastOf = (page: Page<{ key: string }>): string | undefined =>
  page.last && ('item' in page.last ? page.last.item.key : page.last.prefix)

const toContents = (record: ObjectRecord, encode: (text: string) => string) => ({
  Key: encode(record.key),
  LastModified: new Date(record.modified),
  ETag: quoted(record.etag),
  Size: record.size,
  // The SDK's type for versions knows this one only.
  StorageClass: storageClassOf(record) as 'STANDARD',
  ChecksumAlgorithm: [record.checksum.algorithm],
  ChecksumType: record.checksum.type,
})

const restoreStatus = (
  input: { readonly OptionalObjectAttributes?: readonly string[] | undefined },
  record: ObjectRecord,
) => (input.OptionalObjectAttributes?.includes('RestoreStatus') ? toRestoreStatus(record) : {})

const toPrefixes = (prefixes: readonly string[], encode: (text: string) => string) =>
  prefixes.length > 0 ? { CommonPrefixes: prefixes.map((prefix) => ({ Prefix: encode(prefix) })) } : {}

export const ListObjects: Operation<'ListObjects'> = async (ctx, input) => {
  const { Delimiter: delimiter, Marker, Prefix: prefix = '', EncodingType } = input
  const max = pageSize(input.MaxKeys)
  const encode = encoderOf(EncodingType)
  const { bucket, page } = await ctx.read(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    const from = afterMarker(Marker, prefix, delimiter)
    return { bucket, page: await listPage(currentObjects(tx, bucket.name, prefix), { prefix, delimiter, max, from }) }
  })
  const last = lastOf(page)
  return {
    Name: bucket.name,
    Prefix: encode(prefix),
    Marker: encode(Marker ?? ''),
    MaxKeys: max,
    IsTruncated: page.truncated,
    ...(delimiter ? { Delimiter: encode(delimiter) } : {}),
    ...(EncodingType ? { EncodingType } : {}),
    // Without a delimiter the last key is the next marker, and S3 leaves it at that.
    ...(page.truncated && delimiter && last !== undefined ? { NextMarker: encode(last) } : {}),
    ...(page.items.length > 0
      ? {
          Contents: page.items.map((record) => ({
            ...toContents(record, encode),
            ...restoreStatus(input, record),
            Owner: ownerOf(record.owner ?? bucket.account),
          })),
        }
      : {}),
    ...toPrefixes(page.prefixes, encode),
  }
}

const toToken = (last: NonNullable<Page<ObjectRecord>['last']>): string =>
  Buffer.from('item' in last ? `k${last.item.key}` : `p${last.prefix}`).toString('base64url')

const fromToken = (token: string): From | undefined => {
  const text = Buffer.from(token, 'base64url').toString()
  if (!/^[kp]/.test(text) || Buffer.from(text).toString('base64url') !== token)
    throw fail('InvalidArgument', 'The continuation token provided is incorrect', {
      ArgumentName: 'continuation-token',
    })
  const jump = text.startsWith('p') ? beyondPrefix(text.slice(1)) : undefined
  return jump === undefined ? { after: sortable(text.slice(1)) } : { from: jump }
}

export const ListObjectsV2: Operation<'ListObjectsV2'> = async (ctx, input) => {
  const { Delimiter: delimiter, ContinuationToken, StartAfter, Prefix: prefix = '', EncodingType } = input
  const max = pageSize(input.MaxKeys)
  const encode = encoderOf(EncodingType)
  const from =
    ContinuationToken === undefined ? afterMarker(StartAfter, prefix, delimiter) : fromToken(ContinuationToken)
  const { bucket, page } = await ctx.read(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    return { bucket, page: await listPage(currentObjects(tx, bucket.name, prefix), { prefix, delimiter, max, from }) }
  })
  return {
    Name: bucket.name,
    Prefix: encode(prefix),
    MaxKeys: max,
    KeyCount: page.items.length + page.prefixes.length,
    IsTruncated: page.truncated,
    ...(delimiter ? { Delimiter: encode(delimiter) } : {}),
    ...(EncodingType ? { EncodingType } : {}),
    ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
    ...(StartAfter === undefined ? {} : { StartAfter: encode(StartAfter) }),
    ...(page.truncated && page.last ? { NextContinuationToken: toToken(page.last) } : {}),
    ...(page.items.length > 0
      ? {
          Contents: page.items.map((record) => ({
            ...toContents(record, encode),
            ...restoreStatus(input, record),
            ...(input.FetchOwner ? { Owner: ownerOf(record.owner ?? bucket.account) } : {}),
          })),
        }
      : {}),
    ...toPrefixes(page.prefixes, encode),
  }
}

type Listed = { readonly version: VersionRecord; readonly position: string; readonly latest: boolean }

/** All versions of all keys in one order, from the two tables they are kept in. */
const allVersions = (tx: ReadTx, bucket: string, prefix: string, keyBefore: string | undefined): Source<Listed> => {
  let before = keyBefore
  return {
    read: async (from, limit) => {
      const options = { prefix: `${bucket}\0${sortable(prefix)}`, limit }
      const current = await tx.list(Current, { ...options, ...within(bucket, from && inCurrent(from)) })
      const older = await tx.list(Older, { ...options, ...within(bucket, from) })
      const rows = [
        ...current.map((version) => placed(version, true)),
        ...older.map((version) => placed(version, false)),
      ]
      rows.sort((a, b) => compareText(a.position, b.position))
      return rows.slice(0, limit).map((row) => {
        const latest = row.version.key !== before
        before = row.version.key
        return { ...row, latest }
      })
    },
    keyOf: ({ version }) => version.key,
    positionOf: ({ position }) => position,
    beyond: beyondPrefix,
  }
}

const placed = (version: VersionRecord, isCurrent: boolean) => ({ version, position: positionOf(version, isCurrent) })

/** A position after some version of a key is after the key's current object. */
const inCurrent = (from: From): From =>
  'after' in from ? { after: from.after.slice(0, from.after.lastIndexOf('\0')) } : from

const versionsFrom = async (
  tx: ReadTx,
  bucket: BucketRecord,
  {
    keyMarker,
    versionIdMarker,
    prefix,
    delimiter,
  }: {
    keyMarker: string | undefined
    versionIdMarker: string | undefined
    prefix: string
    delimiter: string | undefined
  },
): Promise<From | undefined> => {
  if (!keyMarker) return undefined
  const jump = rolledUp(keyMarker, prefix, delimiter) === keyMarker ? beyondPrefix(keyMarker) : undefined
  if (jump !== undefined) return { from: jump }
  const version = versionIdMarker ? await findVersion(tx, bucket.name, keyMarker, versionIdMarker) : undefined
  if (!version) return { from: beyondKey(keyMarker) }
  const current = await findCurrent(tx, bucket.name, keyMarker)
  return { after: positionOf(version, current?.versionId === version.versionId) }
}

export const ListObjectVersions: Operation<'ListObjectVersions'> = async (ctx, input) => {
  const {
    Delimiter: delimiter,
    KeyMarker: keyMarker,
    VersionIdMarker: versionIdMarker,
    Prefix: prefix = '',
    EncodingType,
  } = input
  const max = pageSize(input.MaxKeys)
  const encode = encoderOf(EncodingType)
  if (versionIdMarker && !keyMarker)
    throw fail('InvalidArgument', 'A version-id marker cannot be specified without a key marker.', {
      ArgumentName: 'version-id-marker',
      ArgumentValue: versionIdMarker,
    })
  if (versionIdMarker === '')
    throw fail('InvalidArgument', 'A version-id marker cannot be empty.', {
      ArgumentName: 'version-id-marker',
      ArgumentValue: '',
    })
  if (versionIdMarker) checkVersionId(versionIdMarker)
  const { bucket, page } = await ctx.read(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    const from = await versionsFrom(tx, bucket, { keyMarker, versionIdMarker, prefix, delimiter })
    const source = allVersions(tx, bucket.name, prefix, from && 'after' in from ? keyMarker : undefined)
    return { bucket, page: await listPage(source, { prefix, delimiter, max, from }) }
  })
  const owner = ownerOf(bucket.account)
  const common = ({ version, latest }: Listed) => ({
    Key: encode(version.key),
    VersionId: version.versionId,
    IsLatest: latest,
    LastModified: new Date(version.modified),
    Owner: owner,
  })
  const versions = page.items.flatMap((item) =>
    item.version.marker ? [] : [{ ...toContents(item.version, encode), ...common(item) }],
  )
  const markers = page.items.filter((item) => item.version.marker).map(common)
  return {
    Name: bucket.name,
    Prefix: encode(prefix),
    KeyMarker: encode(keyMarker ?? ''),
    VersionIdMarker: versionIdMarker ?? '',
    MaxKeys: max,
    IsTruncated: page.truncated,
    ...(delimiter ? { Delimiter: encode(delimiter) } : {}),
    ...(EncodingType ? { EncodingType } : {}),
    ...(page.truncated && page.last
      ? 'item' in page.last
        ? { NextKeyMarker: encode(page.last.item.version.key), NextVersionIdMarker: page.last.item.version.versionId }
        : { NextKeyMarker: encode(page.last.prefix) }
      : {}),
    ...(versions.length > 0 ? { Versions: versions } : {}),
    ...(markers.length > 0 ? { DeleteMarkers: markers } : {}),
    ...toPrefixes(page.prefixes, encode),
  }
}

const uploadsInProgress = (tx: ReadTx, bucket: string, prefix: string): Source<UploadRecord> => ({
  read: (from, limit) => tx.list(Upload, { prefix: `${bucket}\0${sortable(prefix)}`, limit, ...within(bucket, from) }),
  keyOf: ({ key }) => key,
  positionOf: ({ key, id }) => `${sortable(key)}\0${id}`,
  beyond: beyondPrefix,
})

const uploadsFrom = (
  keyMarker: string | undefined,
  uploadIdMarker: string | undefined,
  prefix: string,
  delimiter: string | undefined,
): From | undefined => {
  if (!keyMarker) return undefined
  const jump = rolledUp(keyMarker, prefix, delimiter) === keyMarker ? beyondPrefix(keyMarker) : undefined
  if (jump !== undefined) return { from: jump }
  return uploadIdMarker ? { after: `${sortable(keyMarker)}\0${uploadIdMarker}` } : { from: beyondKey(keyMarker) }
}

export const ListMultipartUploads: Operation<'ListMultipartUploads'> = async (ctx, input) => {
  const {
    Delimiter: delimiter,
    KeyMarker: keyMarker,
    UploadIdMarker: uploadIdMarker,
    Prefix: prefix = '',
    EncodingType,
  } = input
  const max = pageSize(input.MaxUploads, 'max-uploads')
  const encode = encoderOf(EncodingType)
  const { bucket, page } = await ctx.read(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    const from = uploadsFrom(keyMarker, uploadIdMarker, prefix, delimiter)
    return {
      bucket,
      page: await listPage(uploadsInProgress(tx, bucket.name, prefix), { prefix, delimiter, max, from }),
    }
  })
  return {
    Bucket: bucket.name,
    KeyMarker: encode(keyMarker ?? ''),
    UploadIdMarker: uploadIdMarker ?? '',
    MaxUploads: max,
    IsTruncated: page.truncated,
    ...(input.Prefix === undefined ? {} : { Prefix: encode(prefix) }),
    ...(delimiter ? { Delimiter: encode(delimiter) } : {}),
    ...(EncodingType ? { EncodingType } : {}),
    ...(page.truncated && page.last
      ? 'item' in page.last
        ? { NextKeyMarker: encode(page.last.item.key), NextUploadIdMarker: page.last.item.id }
        : { NextKeyMarker: encode(page.last.prefix) }
      : {}),
    ...(page.items.length > 0
      ? {
          Uploads: page.items.map(({ key, id, initiated, initiator, checksum, storageClass }) => ({
            Key: encode(key),
            UploadId: id,
            Initiated: new Date(initiated),
            StorageClass: storageClassOf({ storageClass }) as 'STANDARD',
            Owner: ownerOf(bucket.account),
            Initiator: toInitiator(initiator),
            ...(checksum.asked ? { ChecksumAlgorithm: checksum.algorithm, ChecksumType: checksum.type } : {}),
          })),
        }
      : {}),
    ...toPrefixes(page.prefixes, encode),
  }
}
