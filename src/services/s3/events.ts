import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import type { ArchiveTier } from './access-tier.ts'
import type { AnnotationRecord } from './annotation-record.ts'
import { type BucketRecord, bucketArn } from './bucket.ts'
import { journal } from './metadata-journal.ts'
import type { ObjectRecord, VersionRecord } from './versions.ts'

const emit = (
  ctx: Ctx,
  tx: WriteTx,
  bucket: BucketRecord,
  detailType: string,
  object: Readonly<Record<string, unknown>>,
  facts: Readonly<Record<string, unknown>>,
): void => {
  if (!bucket.eventBridge) return
  tx.emit({
    source: 'aws.s3',
    'detail-type': detailType,
    account: bucket.account,
    region: bucket.region,
    resources: [bucketArn(bucket.name)],
    detail: {
      version: '0',
      'event-version': '1.1',
      bucket: { name: bucket.name },
      object,
      'request-id': ctx.request.id,
      requester: ctx.request.invokedBy ?? (ctx.principal.account || ctx.principal.arn),
      ...(ctx.request.sourceIp ? { 'source-ip-address': ctx.request.sourceIp } : {}),
      ...facts,
    },
  })
}

const versionOf = (bucket: BucketRecord, { versionId }: VersionRecord) =>
  bucket.versioning ? { 'version-id': versionId } : {}

/** Hexadecimal; of two events of one key the later has the greater. */
const sequencerOf = ({ modified, sequence }: VersionRecord): string =>
  (modified.toString(16).padStart(12, '0') + sequence.toString(16).padStart(6, '0')).toUpperCase()

/** "Event message structure for EventBridge", S3 user guide. */
export const emitCreated = async (
  ctx: Ctx,
  tx: WriteTx,
  bucket: BucketRecord,
  record: ObjectRecord,
  reason: 'PutObject' | 'CopyObject' | 'CompleteMultipartUpload',
): Promise<void> => {
  emit(
    ctx,
    tx,
    bucket,
    'Object Created',
    {
      key: record.key,
      size: record.size,
      etag: record.etag,
      ...versionOf(bucket, record),
      sequencer: sequencerOf(record),
      ...(reason === 'CopyObject' ? { 'has-object-annotation': record.annotations !== undefined } : {}),
    },
    { reason },
  )
  await journal(ctx, tx, bucket, record, 'CREATE')
}

export const emitDeleted = async (
  ctx: Ctx,
  tx: WriteTx,
  bucket: BucketRecord,
  version: VersionRecord,
  deletionType: 'Permanently Deleted' | 'Delete Marker Created',
  reason: 'DeleteObject' | 'Lifecycle Expiration' = 'DeleteObject',
): Promise<void> => {
  emit(
    ctx,
    tx,
    bucket,
    'Object Deleted',
    { key: version.key, ...versionOf(bucket, version), sequencer: sequencerOf(version) },
    { reason, 'deletion-type': deletionType },
  )
  await journal(ctx, tx, bucket, version, deletionType === 'Permanently Deleted' ? 'DELETE' : 'MARK')
}

export const emitAclUpdated = (ctx: Ctx, tx: WriteTx, bucket: BucketRecord, record: ObjectRecord): void =>
  emit(ctx, tx, bucket, 'Object ACL Updated', { key: record.key, etag: record.etag, ...versionOf(bucket, record) }, {})

export const emitMoved = async (
  ctx: Ctx,
  tx: WriteTx,
  bucket: BucketRecord,
  record: ObjectRecord,
  storageClass: string,
): Promise<void> => {
  emit(
    ctx,
    tx,
    bucket,
    'Object Storage Class Changed',
    { key: record.key, size: record.size, etag: record.etag, ...versionOf(bucket, record) },
    { 'destination-storage-class': storageClass },
  )
  await journal(ctx, tx, bucket, record, 'UPDATE_METADATA')
}

export const emitTiered = (
  ctx: Ctx,
  tx: WriteTx,
  bucket: BucketRecord,
  record: ObjectRecord,
  tier: ArchiveTier,
): void =>
  emit(
    ctx,
    tx,
    bucket,
    'Object Access Tier Changed',
    { key: record.key, size: record.size, etag: record.etag, ...versionOf(bucket, record) },
    { 'destination-access-tier': tier },
  )

export const emitRestore = (
  ctx: Ctx,
  tx: WriteTx,
  bucket: BucketRecord,
  record: ObjectRecord,
  what: 'Initiated' | 'Completed' | 'Expired',
): void =>
  emit(
    ctx,
    tx,
    bucket,
    `Object Restore ${what}`,
    { key: record.key, size: record.size, etag: record.etag, ...versionOf(bucket, record) },
    what === 'Expired'
      ? {}
      : {
          'source-storage-class': record.storageClass,
          ...(record.restore?.expires === undefined
            ? {}
            : { 'restore-expiry-time': new Date(record.restore.expires).toISOString() }),
        },
  )

export const emitTagsChanged = async (
  ctx: Ctx,
  tx: WriteTx,
  bucket: BucketRecord,
  record: ObjectRecord,
  what: 'Added' | 'Deleted',
): Promise<void> => {
  emit(ctx, tx, bucket, `Object Tags ${what}`, { key: record.key, etag: record.etag, ...versionOf(bucket, record) }, {})
  await journal(ctx, tx, bucket, record, 'UPDATE_METADATA')
}

export const emitAnnotation = (
  ctx: Ctx,
  tx: WriteTx,
  bucket: BucketRecord,
  record: ObjectRecord,
  what: 'Created' | 'Removed',
  { name, size, etag }: AnnotationRecord,
): void =>
  emit(
    ctx,
    tx,
    bucket,
    `Object Annotation ${what}`,
    {
      key: record.key,
      etag: record.etag,
      ...versionOf(bucket, record),
      sequencer: sequencerOf({ ...record, modified: ctx.now().getTime() }),
    },
    what === 'Created'
      ? { reason: 'PutObjectAnnotation', 'object-annotation': { name, size, etag } }
      : { reason: 'DeleteObjectAnnotation', 'object-annotation': { name } },
  )
