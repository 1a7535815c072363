import { defineService } from '../../kernel/service.ts'
import { Bucket, CreateBucket, DeleteBucket, GetBucketLocation, HeadBucket, ListBuckets } from './bucket.ts'
import {
  DeleteBucketPolicy,
  DeletePublicAccessBlock,
  GetBucketPolicy,
  GetBucketPolicyStatus,
  GetPublicAccessBlock,
  PutBucketPolicy,
  PutPublicAccessBlock,
} from './bucket-policy.ts'
import * as settings from './bucket-settings.ts'
import { Bytes, Parts, UsedBlob, unusedBlobs } from './content.ts'
import { access } from './iam.ts'
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
import { DeleteObjectTagging, GetObjectTagging, PutObjectTagging } from './object-tagging.ts'
import { GetObject, GetObjectAttributes, HeadObject } from './read.ts'
import { Part, Upload } from './upload.ts'
import { Current, Older } from './versions.ts'

const neverConfigured = 'This cannot be configured yet; the answer is that of a bucket without it.'
const ownersOnly = 'Object ownership is BucketOwnerEnforced for every bucket: there are no access control lists.'
const atRest = 'Encryption is recorded and answered; objects are not encrypted on disk.'

export const service = defineService<typeof import('@aws-sdk/client-s3')>()({
  id: 's3',
  tables: [Bucket, Current, Older, Bytes, UsedBlob, Parts, Upload, Part],
  operations: {
    CreateBucket,
    DeleteBucket,
    GetBucketLocation,
    HeadBucket,
    ListBuckets,
    ...{ DeleteBucketPolicy, GetBucketPolicy, GetBucketPolicyStatus, PutBucketPolicy },
    ...{ DeletePublicAccessBlock, GetPublicAccessBlock, PutPublicAccessBlock },
    ...settings,
    ...{ ListMultipartUploads, ListObjectVersions, ListObjects, ListObjectsV2 },
    ...{ CopyObject, DeleteObject, DeleteObjects, GetObject, GetObjectAttributes, HeadObject, PutObject },
    ...{ DeleteObjectTagging, GetObjectTagging, PutObjectTagging },
    ...{ AbortMultipartUpload, CompleteMultipartUpload, CreateMultipartUpload, ListParts, UploadPart, UploadPartCopy },
  },
  partial: {
    CreateBucket: `${ownersOnly} No Object Lock, no directory buckets.`,
    PutObject: `${atRest} No KMS or customer keys, storage classes other than STANDARD, Object Lock; checksums CRC32, CRC32C, CRC64NVME, SHA1, SHA256.`,
    CopyObject: `${atRest} No KMS or customer keys, storage classes other than STANDARD, Object Lock.`,
    CreateMultipartUpload: `${atRest} No KMS or customer keys, storage classes other than STANDARD, Object Lock.`,
    CompleteMultipartUpload: 'An upload that was completed is forgotten: completing it again answers NoSuchUpload.',
    PutBucketEncryption: `${atRest} Only SSE-S3 (AES256).`,
    GetBucketEncryption: atRest,
    DeleteBucketEncryption: atRest,
    PutBucketNotificationConfiguration: 'Events to EventBridge only; SNS, SQS and Lambda targets are refused.',
    PutBucketOwnershipControls: ownersOnly,
    GetBucketOwnershipControls: ownersOnly,
    GetBucketAcl: ownersOnly,
    GetObjectAcl: ownersOnly,
    PutBucketAcl: ownersOnly,
    PutObjectAcl: ownersOnly,
    PutBucketVersioning: 'No MFA delete.',
    PutBucketPolicy: 'Principals named in the policy are not checked to exist.',
    GetBucketCors: neverConfigured,
    GetBucketLifecycleConfiguration: neverConfigured,
    GetBucketWebsite: neverConfigured,
    GetBucketReplication: neverConfigured,
    GetObjectLockConfiguration: neverConfigured,
    GetBucketLogging: neverConfigured,
    GetBucketAccelerateConfiguration: neverConfigured,
    GetBucketRequestPayment: neverConfigured,
  },
  access,
  reconcilers: [unusedBlobs],
})
