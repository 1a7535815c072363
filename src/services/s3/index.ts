import { defineService } from '../../kernel/service.ts'
import { awsManagedKeys } from '../capabilities.ts'
import { AccountBlock } from './account.ts'
import { auditFacts, dataEvents } from './audit.ts'
import { intact } from './body-integrity.ts'
import { Bucket, CreateBucket, DeleteBucket, GetBucketLocation, HeadBucket, ListBuckets } from './bucket.ts'
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
import {
  DeleteBucketTagging,
  GetBucketAccelerateConfiguration,
  GetBucketLogging,
  GetBucketNotificationConfiguration,
  GetBucketReplication,
  GetBucketRequestPayment,
  GetBucketTagging,
  GetBucketVersioning,
  GetObjectLockConfiguration,
  PutBucketNotificationConfiguration,
  PutBucketTagging,
  PutBucketVersioning,
} from './bucket-settings.ts'
import { Bytes, Parts, UsedBlob, unusedBlobs } from './content.ts'
import { DeleteBucketCors, GetBucketCors, PutBucketCors, preflightRoute, tellOrigin } from './cors.ts'
import { BucketKey, bucketKeys } from './encryption.ts'
import { access } from './iam.ts'
import {
  DeleteBucketLifecycle,
  expireAndMove,
  GetBucketLifecycleConfiguration,
  LifecyclePass,
  PutBucketLifecycleConfiguration,
} from './lifecycle.ts'
import { ListMultipartUploads, ListObjects, ListObjectsV2, ListObjectVersions } from './list.ts'
import {
  AbortMultipartUpload,
  CompleteMultipartUpload,
  CreateMultipartUpload,
  ListParts,
  UploadPart,
  UploadPartCopy,
} from './multipart.ts'
import { CopyObject, DeleteObject, DeleteObjects, PutObject } from './object.ts'
import { UpdateObjectEncryption } from './object-encryption.ts'
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
import { GetObject, GetObjectAttributes, HeadObject } from './read.ts'
import { Part, Upload } from './upload.ts'
import { Current, Older } from './versions.ts'
import { DeleteBucketWebsite, GetBucketWebsite, PutBucketWebsite, websiteByHost, websiteByPath } from './website.ts'

const neverConfigured = 'This cannot be configured yet; the answer is that of a bucket without it.'
const notYet = 'No storage classes other than STANDARD, no Object Lock.'

export const service = defineService<typeof import('@aws-sdk/client-s3')>()({
  id: 's3',
  tables: [
    AccountBlock,
    Bucket,
    Configuration,
    LifecyclePass,
    Current,
    Older,
    Bytes,
    UsedBlob,
    Parts,
    Upload,
    Part,
    BucketKey,
  ],
  operations: {
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CopyObject,
    CreateBucket,
    CreateMultipartUpload,
    DeleteBucket,
    DeleteBucketCors,
    DeleteBucketEncryption,
    DeleteBucketLifecycle,
    DeleteBucketOwnershipControls,
    DeleteBucketPolicy,
    DeleteBucketTagging,
    DeleteBucketWebsite,
    DeleteObject,
    DeleteObjectTagging,
    DeleteObjects: intact(DeleteObjects),
    DeletePublicAccessBlock,
    GetBucketAccelerateConfiguration,
    GetBucketAcl,
    GetBucketCors,
    GetBucketEncryption,
    GetBucketLifecycleConfiguration,
    GetBucketLocation,
    GetBucketLogging,
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
    GetObjectAttributes,
    GetObjectLockConfiguration,
    GetObjectTagging,
    GetPublicAccessBlock,
    HeadBucket,
    HeadObject,
    ListBuckets,
    ListMultipartUploads,
    ListObjectVersions,
    ListObjects,
    ListObjectsV2,
    ListParts,
    PutBucketAcl,
    PutBucketCors: intact(PutBucketCors),
    PutBucketEncryption: intact(PutBucketEncryption),
    PutBucketLifecycleConfiguration: intact(PutBucketLifecycleConfiguration),
    PutBucketNotificationConfiguration: intact(PutBucketNotificationConfiguration),
    PutBucketOwnershipControls: intact(PutBucketOwnershipControls),
    PutBucketPolicy: intact(PutBucketPolicy),
    PutBucketTagging: intact(PutBucketTagging),
    PutBucketVersioning: intact(PutBucketVersioning),
    PutBucketWebsite: intact(PutBucketWebsite),
    PutObject,
    PutObjectAcl,
    PutObjectTagging: intact(PutObjectTagging),
    PutPublicAccessBlock: intact(PutPublicAccessBlock),
    UpdateObjectEncryption: intact(UpdateObjectEncryption),
    UploadPart,
    UploadPartCopy,
  },
  partial: {
    CreateBucket: `No Object Lock, no directory buckets.`,
    PutObject: `${notYet} Checksums CRC32, CRC32C, CRC64NVME, SHA1, SHA256.`,
    CopyObject: notYet,
    CreateMultipartUpload: notYet,
    PutBucketNotificationConfiguration: 'Events to EventBridge only; SNS, SQS and Lambda targets are refused.',
    PutBucketVersioning: 'No MFA delete.',
    PutBucketPolicy: 'Principals named in the policy are not checked to exist.',
    GetBucketReplication: neverConfigured,
    GetObjectLockConfiguration: neverConfigured,
    GetBucketLogging: neverConfigured,
    GetBucketAccelerateConfiguration: neverConfigured,
    GetBucketRequestPayment: neverConfigured,
  },
  access,
  before: async (ctx, { input: { Bucket: bucket } }) => {
    if (typeof bucket === 'string') await tellOrigin(ctx, bucket)
  },
  routes: [websiteByHost, websiteByPath, preflightRoute],
  auditFacts,
  dataEvents,
  reconcilers: [unusedBlobs, bucketKeys, expireAndMove],
  uses: [awsManagedKeys],
})
