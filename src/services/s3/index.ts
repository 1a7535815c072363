import { defineService, provide } from '../../kernel/service.ts'
import {
  accessPoints,
  accountBlocks,
  awsManagedKeys,
  batchObjects,
  buckets,
  managedTables,
  principals,
  tableGuards,
  tableStores,
  vendedMetrics,
} from '../capabilities.ts'
import {
  checkAcceleration,
  GetBucketAccelerateConfiguration,
  PutBucketAccelerateConfiguration,
} from './acceleration.ts'
import { deliverLogs, GetBucketLogging, LogLine, logAccess, PutBucketLogging } from './access-log.ts'
import { AccessPoint, calledBucket, makeAccessPoints } from './access-point.ts'
import { AccountBlock, makeAccountBlocks, makeBuckets } from './account.ts'
import {
  AccessCount,
  AnalysedDay,
  AnalysisPass,
  analyse,
  countAccess,
  DeleteBucketAnalyticsConfiguration,
  GetBucketAnalyticsConfiguration,
  ListBucketAnalyticsConfigurations,
  PutBucketAnalyticsConfiguration,
} from './analytics.ts'
import {
  DeleteObjectAnnotation,
  GetObjectAnnotation,
  ListObjectAnnotations,
  PutObjectAnnotation,
} from './annotation.ts'
import { Annotation } from './annotation-record.ts'
import { auditFacts, dataEvents } from './audit.ts'
import { makeBatchObjects } from './batch-objects.ts'
import { intact, proved } from './body-integrity.ts'
import { Bucket, CreateBucket, DeleteBucket, GetBucketLocation, HeadBucket, ListBuckets } from './bucket.ts'
import { GetBucketAbac, PutBucketAbac } from './bucket-abac.ts'
import { Configuration } from './bucket-configuration.ts'
import { DeleteBucketEncryption, GetBucketEncryption, PutBucketEncryption } from './bucket-encryption.ts'
import {
  DeleteBucketPolicy,
  DeletePublicAccessBlock,
  GetBucketPolicy,
  GetBucketPolicyStatus,
  GetPublicAccessBlock,
  PutBucketPolicy,
  PutPublicAccessBlock,
} from './bucket-policy.ts'
import { DeleteBucketTagging, GetBucketTagging, PutBucketTagging } from './bucket-settings.ts'
import { Bytes, Parts, UsedBlob, unusedBlobs } from './content.ts'
import { DeleteBucketCors, GetBucketCors, PutBucketCors, preflightRoute, tellOrigin } from './cors.ts'
import { CreateSession, GetObjectTorrent, RenameObject } from './directory-bucket.ts'
import { BucketKey, bucketKeys } from './encryption.ts'
import { access } from './iam.ts'
import {
  archiveIdle,
  DeleteBucketIntelligentTieringConfiguration,
  GetBucketIntelligentTieringConfiguration,
  ListBucketIntelligentTieringConfigurations,
  PutBucketIntelligentTieringConfiguration,
  TieringPass,
} from './intelligent-tiering.ts'
import {
  DeleteBucketInventoryConfiguration,
  GetBucketInventoryConfiguration,
  InventoryReport,
  ListBucketInventoryConfigurations,
  makeInventories,
  PutBucketInventoryConfiguration,
} from './inventory.ts'
import {
  DeleteBucketLifecycle,
  expireAndMove,
  GetBucketLifecycleConfiguration,
  LifecyclePass,
  PutBucketLifecycleConfiguration,
} from './lifecycle.ts'
import { ListMultipartUploads, ListObjects, ListObjectsV2, ListObjectVersions } from './list.ts'
import {
  CreateBucketMetadataConfiguration,
  CreateBucketMetadataTableConfiguration,
  DeleteBucketMetadataConfiguration,
  DeleteBucketMetadataTableConfiguration,
  GetBucketMetadataConfiguration,
  GetBucketMetadataTableConfiguration,
  UpdateBucketMetadataInventoryTableConfiguration,
  UpdateBucketMetadataJournalTableConfiguration,
} from './metadata-configuration.ts'
import { deliverMetadata } from './metadata-delivery.ts'
import { MetadataSegment } from './metadata-inventory.ts'
import { MetadataChange, MetadataCount } from './metadata-journal.ts'
import {
  counting,
  countRequest,
  countStorage,
  DeleteBucketMetricsConfiguration,
  GetBucketMetricsConfiguration,
  ListBucketMetricsConfigurations,
  PutBucketMetricsConfiguration,
  StorageCount,
} from './metrics.ts'
import {
  AbortMultipartUpload,
  CompleteMultipartUpload,
  CreateMultipartUpload,
  ListParts,
  UploadPart,
  UploadPartCopy,
} from './multipart.ts'
import { GetBucketNotificationConfiguration, PutBucketNotificationConfiguration } from './notification.ts'
import { CopyObject, PutObject } from './object.ts'
import { DeleteObject, DeleteObjects } from './object-deletion.ts'
import { UpdateObjectEncryption } from './object-encryption.ts'
import {
  GetObjectLegalHold,
  GetObjectLockConfiguration,
  GetObjectRetention,
  PutObjectLegalHold,
  PutObjectLockConfiguration,
  PutObjectRetention,
} from './object-lock.ts'
import { DeleteObjectTagging, GetObjectTagging, PutObjectTagging } from './object-tagging.ts'
import {
  DeleteBucketOwnershipControls,
  GetBucketAcl,
  GetBucketOwnershipControls,
  GetObjectAcl,
  PutBucketAcl,
  PutBucketOwnershipControls,
  PutObjectAcl,
} from './ownership.ts'
import { postForm } from './post-form.ts'
import { GetObject, GetObjectAttributes, HeadObject } from './read.ts'
import {
  DeleteBucketReplication,
  GetBucketReplication,
  PutBucketReplication,
  ReplicationFlow,
  ReplicationTask,
  replicate,
} from './replication.ts'
import { checkPayer, GetBucketRequestPayment, PutBucketRequestPayment } from './requester-pays.ts'
import { RestoreObject, restores } from './restore.ts'
import { SelectJob, selectJobs } from './restore-select.ts'
import { SelectObjectContent } from './select/select-object-content.ts'
import { makeTableStores } from './table-store.ts'
import { throughAccessPoints } from './through-access-point.ts'
import { Part, Upload } from './upload.ts'
import { checkHead } from './upload-request.ts'
import { GetBucketVersioning, PutBucketVersioning } from './versioning.ts'
import { Current, Older } from './versions.ts'
import { DeleteBucketWebsite, GetBucketWebsite, PutBucketWebsite, websiteByHost, websiteByPath } from './website.ts'

const operations = {
  AbortMultipartUpload,
  CompleteMultipartUpload,
  CopyObject,
  CreateBucket,
  CreateBucketMetadataConfiguration: intact(CreateBucketMetadataConfiguration),
  CreateBucketMetadataTableConfiguration: intact(CreateBucketMetadataTableConfiguration),
  DeleteBucketMetadataConfiguration,
  DeleteBucketMetadataTableConfiguration,
  GetBucketMetadataConfiguration,
  GetBucketMetadataTableConfiguration,
  UpdateBucketMetadataInventoryTableConfiguration: intact(UpdateBucketMetadataInventoryTableConfiguration),
  UpdateBucketMetadataJournalTableConfiguration: intact(UpdateBucketMetadataJournalTableConfiguration),
  CreateMultipartUpload,
  CreateSession,
  DeleteBucket,
  DeleteBucketAnalyticsConfiguration,
  DeleteBucketCors,
  DeleteBucketEncryption,
  DeleteBucketIntelligentTieringConfiguration,
  DeleteBucketInventoryConfiguration,
  DeleteBucketLifecycle,
  DeleteBucketMetricsConfiguration,
  DeleteBucketOwnershipControls,
  DeleteBucketPolicy,
  DeleteBucketReplication,
  DeleteBucketTagging,
  DeleteBucketWebsite,
  DeleteObject,
  DeleteObjectAnnotation,
  DeleteObjectTagging,
  DeleteObjects: intact(proved(DeleteObjects)),
  DeletePublicAccessBlock,
  GetBucketAccelerateConfiguration,
  GetBucketAbac,
  GetBucketAcl,
  GetBucketAnalyticsConfiguration,
  GetBucketCors,
  GetBucketEncryption,
  GetBucketIntelligentTieringConfiguration,
  GetBucketLifecycleConfiguration,
  GetBucketLocation,
  GetBucketLogging,
  GetBucketMetricsConfiguration,
  GetBucketNotificationConfiguration,
  GetBucketOwnershipControls,
  GetBucketPolicy,
  GetBucketPolicyStatus,
  GetBucketReplication,
  GetBucketRequestPayment,
  GetBucketTagging,
  GetBucketVersioning,
  GetBucketWebsite,
  GetObject,
  GetObjectAcl,
  GetObjectAnnotation,
  GetObjectAttributes,
  GetObjectLockConfiguration,
  GetObjectLegalHold,
  GetObjectRetention,
  GetObjectTagging,
  GetObjectTorrent,
  GetPublicAccessBlock,
  HeadBucket,
  HeadObject,
  GetBucketInventoryConfiguration,
  ListBucketAnalyticsConfigurations,
  ListBucketIntelligentTieringConfigurations,
  ListBucketInventoryConfigurations,
  ListBucketMetricsConfigurations,
  ListBuckets,
  ListMultipartUploads,
  ListObjectAnnotations,
  ListObjectVersions,
  ListObjects,
  ListObjectsV2,
  ListParts,
  PutBucketAccelerateConfiguration: intact(PutBucketAccelerateConfiguration),
  PutBucketAbac: intact(PutBucketAbac),
  PutBucketAcl,
  PutBucketAnalyticsConfiguration,
  PutBucketCors: intact(PutBucketCors),
  PutBucketEncryption: intact(PutBucketEncryption),
  PutBucketIntelligentTieringConfiguration,
  PutBucketInventoryConfiguration,
  PutBucketLifecycleConfiguration: intact(PutBucketLifecycleConfiguration),
  PutBucketLogging: intact(PutBucketLogging),
  PutBucketMetricsConfiguration,
  PutBucketRequestPayment: intact(PutBucketRequestPayment),
  PutBucketNotificationConfiguration: intact(PutBucketNotificationConfiguration),
  PutBucketOwnershipControls: intact(PutBucketOwnershipControls),
  PutBucketPolicy: intact(PutBucketPolicy),
  PutBucketReplication: intact(PutBucketReplication),
  PutBucketTagging: intact(PutBucketTagging),
  PutBucketVersioning: intact(PutBucketVersioning),
  PutBucketWebsite: intact(PutBucketWebsite),
  PutObject,
  PutObjectAcl,
  PutObjectAnnotation,
  PutObjectLegalHold: intact(PutObjectLegalHold),
  PutObjectLockConfiguration: intact(PutObjectLockConfiguration),
  PutObjectRetention: intact(PutObjectRetention),
  PutObjectTagging: intact(PutObjectTagging),
  PutPublicAccessBlock: intact(PutPublicAccessBlock),
  RenameObject,
  RestoreObject: intact(RestoreObject),
  SelectObjectContent: counting(SelectObjectContent),
  UpdateObjectEncryption: intact(UpdateObjectEncryption),
  UploadPart,
  UploadPartCopy,
}

export const service = defineService<typeof import('@aws-sdk/client-s3')>()({
  id: 's3',
  tables: [
    AccessPoint,
    AccountBlock,
    Bucket,
    Configuration,
    LifecyclePass,
    ReplicationFlow,
    ReplicationTask,
    LogLine,
    InventoryReport,
    StorageCount,
    AccessCount,
    AnalysedDay,
    AnalysisPass,
    TieringPass,
    Current,
    Older,
    Annotation,
    Bytes,
    UsedBlob,
    Parts,
    Upload,
    Part,
    BucketKey,
    SelectJob,
    MetadataChange,
    MetadataCount,
    MetadataSegment,
  ],
  operations: throughAccessPoints(operations),
  partial: {
    PutBucketAnalyticsConfiguration:
      'AWS does not publish by what it recommends an age for a transition: those two columns stay empty.',
    CreateBucket: 'No directory buckets.',
    CreateBucketMetadataConfiguration: 'No annotation tables; the journal does not tell of annotations.',
    PutObject: 'No appends.',
    CreateSession: 'There are no directory buckets: refused as by general purpose buckets.',
    RenameObject: 'There are no directory buckets: refused as by general purpose buckets.',
    GetObjectTorrent: 'S3 has ceased to give torrents: refused.',
    PutBucketNotificationConfiguration:
      'Events to EventBridge only: there are no topics, queues and functions yet, so configurations that name one are refused.',
    PutBucketReplication:
      'Events of replication go to topics, queues and functions, and there are none yet; what was there before goes by batch replication only.',
    PutBucketPolicy:
      'ConfirmRemoveSelfBucketAccess confirms nothing: a policy that shuts its author out is taken without it.',
    RestoreObject: 'Every tier takes as long as AWS says it may.',
  },
  access,
  provides: [
    provide(accountBlocks, makeAccountBlocks),
    provide(accessPoints, makeAccessPoints),
    provide(buckets, makeBuckets),
    provide(batchObjects, makeBatchObjects),
    provide(tableStores, makeTableStores),
  ],
  before: async (ctx, { operation, input }) => {
    checkHead(ctx, operation, input.Key)
    const bucket = await calledBucket(ctx, input.Bucket)
    await checkAcceleration(ctx, bucket)
    if (bucket === undefined) return
    await tellOrigin(ctx, bucket)
    await checkPayer(ctx, bucket)
  },
  after: async (ctx, call) => {
    const name = await calledBucket(ctx, call.input.Bucket)
    const bucket = name === undefined ? undefined : await ctx.read((tx) => tx.get(Bucket, name))
    if (!bucket) return
    await logAccess(ctx, bucket, call)
    await countRequest(ctx, bucket, call)
    await countAccess(ctx, bucket, call)
  },
  routes: [websiteByHost, websiteByPath, preflightRoute, postForm],
  auditFacts,
  dataEvents,
  longAnswers: ['CompleteMultipartUpload', 'CopyObject', 'UploadPartCopy'],
  reconcilers: [
    unusedBlobs,
    bucketKeys,
    restores,
    selectJobs,
    expireAndMove,
    replicate,
    deliverLogs,
    countStorage,
    makeInventories,
    analyse,
    archiveIdle,
    deliverMetadata,
  ],
  uses: [awsManagedKeys, managedTables, principals, tableGuards, vendedMetrics],
})
