import { requestTags } from '../../kernel/authorize.ts'
import type { AccessRule, AccessRules } from '../../kernel/service.ts'
import { Bucket, bucketAlreadyExists, bucketArn } from './bucket.ts'
import { resourceTags } from './bucket-abac.ts'
import { grantKeys, grants } from './grant-keys.ts'
import { objectAccess } from './object-access.ts'
import type { Input, NS } from './operation.ts'
import { bucketKeys, requestKeys } from './request-keys.ts'
import { resourcePolicy } from './resource-policy.ts'
import { guardingTables } from './table-store.ts'
import { guardingAccessPoints } from './through-access-point.ts'

// Actions, resources and condition keys ("Actions, resources, and condition keys for Amazon S3", service authorization
// reference). An operation that is not here needs `s3:` and its own name.

type InBucket = { Bucket: string }
const onBucket =
  (action: string): AccessRule<InBucket> =>
  async (input, ctx) => [{ action, resources: [bucketArn(input.Bucket)], context: await bucketKeys(ctx, input.Bucket) }]

type Listing = InBucket & { Prefix?: string | undefined; Delimiter?: string | undefined; MaxKeys?: number | undefined }

const onListing =
  (action: string): AccessRule<Listing> =>
  async (input, ctx) => [
    {
      action,
      resources: [bucketArn(input.Bucket)],
      context: {
        ...(await bucketKeys(ctx, input.Bucket)),
        's3:prefix': input.Prefix,
        's3:delimiter': input.Delimiter,
        's3:max-keys': input.MaxKeys === undefined ? undefined : String(input.MaxKeys),
      },
    },
  ]

/** A name that another account has taken is no resource of the caller's that he could be allowed to make. */
const creatingBucket: AccessRule<Input<'CreateBucket'>> = async (input, ctx) => {
  const existing = await ctx.read((tx) => tx.get(Bucket, input.Bucket))
  if (existing && existing.account !== ctx.account) throw bucketAlreadyExists(input.Bucket)
  const { LocationConstraint, Tags = [] } = input.CreateBucketConfiguration ?? {}
  const context = {
    ...requestKeys(ctx),
    's3:ResourceAccount': ctx.account,
    ...grantKeys(input),
    's3:LocationConstraint': LocationConstraint,
    's3:x-amz-object-ownership': input.ObjectOwnership,
    's3:x-amz-bucket-namespace': input.BucketNamespace,
    ...requestTags({ Tags }),
  }
  const actions = [
    's3:CreateBucket',
    ...(Tags.length > 0 ? ['s3:TagResource'] : []),
    ...((input.ACL ?? 'private') !== 'private' || grants({ ...input, ACL: undefined }) ? ['s3:PutBucketAcl'] : []),
    ...(input.ObjectOwnership === undefined ? [] : ['s3:PutBucketOwnershipControls']),
    ...(input.ObjectLockEnabledForBucket ? ['s3:PutBucketObjectLockConfiguration', 's3:PutBucketVersioning'] : []),
  ]
  return actions.map((action) => ({ action, resources: [bucketArn(input.Bucket)], context }))
}

/**
 * S3 puts the resource in quotes, names none where there is only `*`, and tells the anonymous nothing ("Troubleshoot access
 * denied (403 Forbidden) errors in Amazon S3").
 */
const denial: NonNullable<AccessRules<NS>['denial']> = ({ principal, resource }, sentence) => {
  if (principal.kind === 'anonymous') return 'Access Denied'
  return sentence.replace(` on resource: ${resource}`, () => (resource === '*' ? '' : ` on resource: "${resource}"`))
}

export const access: AccessRules<NS> = {
  operations: guardingTables(
    guardingAccessPoints({
      ListBuckets: (_, ctx) => [
        {
          action: 's3:ListAllMyBuckets',
          resources: ['*'],
          context: { ...requestKeys(ctx), 's3:ResourceAccount': ctx.account },
        },
      ],
      CreateBucket: creatingBucket,
      DeleteBucket: onBucket('s3:DeleteBucket'),
      HeadBucket: onBucket('s3:ListBucket'),
      GetBucketLocation: onBucket('s3:GetBucketLocation'),
      ListObjects: onListing('s3:ListBucket'),
      ListObjectsV2: onListing('s3:ListBucket'),
      ListObjectVersions: onListing('s3:ListBucketVersions'),
      ListMultipartUploads: onListing('s3:ListBucketMultipartUploads'),

      ...objectAccess,

      GetBucketAbac: onBucket('s3:GetBucketAbac'),
      PutBucketAbac: onBucket('s3:PutBucketAbac'),
      CreateSession: ({ Bucket }, ctx) => [
        {
          action: 's3express:CreateSession',
          resources: [`arn:aws:s3express:${ctx.region}:${ctx.account}:bucket/${Bucket}`],
        },
      ],
      GetBucketAcl: onBucket('s3:GetBucketAcl'),
      PutBucketAcl: async (input, ctx) => [
        {
          action: 's3:PutBucketAcl',
          resources: [bucketArn(input.Bucket)],
          context: { ...(await bucketKeys(ctx, input.Bucket)), ...grantKeys(input) },
        },
      ],
      GetBucketPolicy: onBucket('s3:GetBucketPolicy'),
      PutBucketPolicy: onBucket('s3:PutBucketPolicy'),
      DeleteBucketPolicy: onBucket('s3:DeleteBucketPolicy'),
      GetBucketPolicyStatus: onBucket('s3:GetBucketPolicyStatus'),
      GetPublicAccessBlock: onBucket('s3:GetBucketPublicAccessBlock'),
      PutPublicAccessBlock: onBucket('s3:PutBucketPublicAccessBlock'),
      DeletePublicAccessBlock: onBucket('s3:PutBucketPublicAccessBlock'),
      GetBucketOwnershipControls: onBucket('s3:GetBucketOwnershipControls'),
      PutBucketOwnershipControls: onBucket('s3:PutBucketOwnershipControls'),
      DeleteBucketOwnershipControls: onBucket('s3:PutBucketOwnershipControls'),
      GetBucketVersioning: onBucket('s3:GetBucketVersioning'),
      PutBucketVersioning: onBucket('s3:PutBucketVersioning'),
      GetBucketTagging: onBucket('s3:GetBucketTagging'),
      PutBucketTagging: onBucket('s3:PutBucketTagging'),
      DeleteBucketTagging: onBucket('s3:PutBucketTagging'),
      GetBucketNotificationConfiguration: onBucket('s3:GetBucketNotification'),
      PutBucketNotificationConfiguration: onBucket('s3:PutBucketNotification'),
      GetBucketEncryption: onBucket('s3:GetEncryptionConfiguration'),
      PutBucketEncryption: onBucket('s3:PutEncryptionConfiguration'),
      DeleteBucketEncryption: onBucket('s3:PutEncryptionConfiguration'),
      GetBucketCors: onBucket('s3:GetBucketCORS'),
      GetBucketLifecycleConfiguration: onBucket('s3:GetLifecycleConfiguration'),
      PutBucketLifecycleConfiguration: onBucket('s3:PutLifecycleConfiguration'),
      DeleteBucketLifecycle: onBucket('s3:PutLifecycleConfiguration'),
      PutBucketCors: onBucket('s3:PutBucketCORS'),
      DeleteBucketCors: onBucket('s3:PutBucketCORS'),
      GetBucketWebsite: onBucket('s3:GetBucketWebsite'),
      PutBucketWebsite: onBucket('s3:PutBucketWebsite'),
      DeleteBucketWebsite: onBucket('s3:DeleteBucketWebsite'),
      PutBucketReplication: async (input, ctx) => {
        // Not validated yet: the body may lack anything.
        const given: Partial<typeof input.ReplicationConfiguration> | undefined = input.ReplicationConfiguration
        const pauses = given?.Rules?.every(({ Status }) => Status === 'Disabled')
        return [
          {
            action: 's3:PutReplicationConfiguration',
            resources: [bucketArn(input.Bucket)],
            context: {
              ...(await bucketKeys(ctx, input.Bucket)),
              's3:isReplicationPauseRequest': String(pauses ?? false),
            },
          },
          ...(!/^arn:aws:iam::\d{12}:role\/./.test(given?.Role ?? '')
            ? []
            : [
                {
                  action: 'iam:PassRole',
                  resources: [given?.Role ?? ''],
                  context: { 'iam:PassedToService': 's3.amazonaws.com' },
                },
              ]),
        ]
      },
      DeleteBucketReplication: onBucket('s3:PutReplicationConfiguration'),
      GetBucketReplication: onBucket('s3:GetReplicationConfiguration'),
      PutObjectLockConfiguration: onBucket('s3:PutBucketObjectLockConfiguration'),
      GetObjectLockConfiguration: onBucket('s3:GetBucketObjectLockConfiguration'),
      PutBucketLogging: onBucket('s3:PutBucketLogging'),
      PutBucketRequestPayment: onBucket('s3:PutBucketRequestPayment'),
      PutBucketMetricsConfiguration: onBucket('s3:PutMetricsConfiguration'),
      GetBucketMetricsConfiguration: onBucket('s3:GetMetricsConfiguration'),
      ListBucketMetricsConfigurations: onBucket('s3:GetMetricsConfiguration'),
      DeleteBucketMetricsConfiguration: onBucket('s3:PutMetricsConfiguration'),
      PutBucketAnalyticsConfiguration: onBucket('s3:PutAnalyticsConfiguration'),
      GetBucketAnalyticsConfiguration: onBucket('s3:GetAnalyticsConfiguration'),
      ListBucketAnalyticsConfigurations: onBucket('s3:GetAnalyticsConfiguration'),
      DeleteBucketAnalyticsConfiguration: onBucket('s3:PutAnalyticsConfiguration'),
      PutBucketIntelligentTieringConfiguration: onBucket('s3:PutIntelligentTieringConfiguration'),
      GetBucketIntelligentTieringConfiguration: onBucket('s3:GetIntelligentTieringConfiguration'),
      ListBucketIntelligentTieringConfigurations: onBucket('s3:GetIntelligentTieringConfiguration'),
      DeleteBucketIntelligentTieringConfiguration: onBucket('s3:PutIntelligentTieringConfiguration'),
      PutBucketInventoryConfiguration: async (input, ctx) => {
        // Not validated yet: the body may lack anything.
        const given: Partial<typeof input.InventoryConfiguration> | undefined = input.InventoryConfiguration
        return [
          {
            action: 's3:PutInventoryConfiguration',
            resources: [bucketArn(input.Bucket)],
            context: {
              ...(await bucketKeys(ctx, input.Bucket)),
              's3:InventoryAccessibleOptionalFields': given?.OptionalFields,
            },
          },
        ]
      },
      GetBucketInventoryConfiguration: onBucket('s3:GetInventoryConfiguration'),
      ListBucketInventoryConfigurations: onBucket('s3:GetInventoryConfiguration'),
      DeleteBucketInventoryConfiguration: onBucket('s3:PutInventoryConfiguration'),
      CreateBucketMetadataConfiguration: onBucket('s3:CreateBucketMetadataTableConfiguration'),
      CreateBucketMetadataTableConfiguration: onBucket('s3:CreateBucketMetadataTableConfiguration'),
      GetBucketMetadataConfiguration: onBucket('s3:GetBucketMetadataTableConfiguration'),
      GetBucketMetadataTableConfiguration: onBucket('s3:GetBucketMetadataTableConfiguration'),
      DeleteBucketMetadataConfiguration: onBucket('s3:DeleteBucketMetadataTableConfiguration'),
      DeleteBucketMetadataTableConfiguration: onBucket('s3:DeleteBucketMetadataTableConfiguration'),
      UpdateBucketMetadataJournalTableConfiguration: onBucket('s3:UpdateBucketMetadataJournalTableConfiguration'),
      UpdateBucketMetadataInventoryTableConfiguration: onBucket('s3:UpdateBucketMetadataInventoryTableConfiguration'),
      GetBucketLogging: onBucket('s3:GetBucketLogging'),
      GetBucketAccelerateConfiguration: onBucket('s3:GetAccelerateConfiguration'),
      PutBucketAccelerateConfiguration: onBucket('s3:PutAccelerateConfiguration'),
      GetBucketRequestPayment: onBucket('s3:GetBucketRequestPayment'),
    }),
  ),

  resourcePolicy,
  resourceTags,
  denial,
}
