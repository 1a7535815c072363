import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules, Requirement } from '../../kernel/service.ts'
import { Bucket, bucketAlreadyExists, bucketArn } from './bucket.ts'
import { policyOf } from './bucket-policy.ts'
import { parseCopySource } from './object.ts'
import type { Input, NS } from './operation.ts'
import { isPublic } from './public-policy.ts'
import { parseTagging, type Tag } from './tags.ts'
import { findCurrent, findVersion } from './versions.ts'

// Actions, resources and condition keys ("Actions, resources, and condition keys for Amazon S3", service authorization
// reference). An operation that is not here needs `s3:` and its own name.

type InBucket = { Bucket: string }
type OfObject = InBucket & { Key: string; VersionId?: string | undefined }

const objectArn = ({ Bucket: bucket, Key }: { Bucket: string; Key: string }) => `${bucketArn(bucket)}/${Key}`

const shared = ({ request: { query, headers } }: Ctx): Requirement['context'] => {
  const inQuery = /(^|&)(X-Amz-Signature|Signature)=/i.test(query)
  const signed = inQuery || headers.authorization !== undefined
  return {
    's3:authType': signed ? (inQuery ? 'REST-QUERY-STRING' : 'REST-HEADER') : undefined,
    's3:signatureversion': signed
      ? /AWS4-HMAC/.test(query + (headers.authorization ?? ''))
        ? 'AWS4-HMAC-SHA256'
        : 'AWS'
      : undefined,
    's3:x-amz-content-sha256': headers['x-amz-content-sha256'],
  }
}

const onBucket =
  (action: string): AccessRule<InBucket> =>
  (input, ctx) => [{ action, resources: [bucketArn(input.Bucket)], context: { ...shared(ctx) } }]

/** The tags an object has, for conditions on them. Not looked up where no policy could have any: root, no bucket policy. */
const existingTags = (ctx: Ctx, { Bucket: name, Key, VersionId }: OfObject): Promise<readonly Tag[]> =>
  ctx.read(async (tx) => {
    const bucket = await tx.get(Bucket, name)
    const { kind, account } = ctx.principal
    if (!bucket || (kind === 'root' && account === bucket.account && bucket.policy === undefined)) return []
    const found =
      VersionId === undefined ? await findCurrent(tx, name, Key) : await findVersion(tx, name, Key, VersionId)
    return found?.marker ? [] : (found?.tags ?? [])
  })

const tagKeys = (prefix: string, tags: readonly Tag[]): Requirement['context'] =>
  Object.fromEntries(tags.map(({ key, value }) => [`s3:${prefix}/${key}`, value]))

/** An action that may depend on the object's tags. */
const onTagged =
  (action: string, versionAction: string): AccessRule<OfObject> =>
  async (input, ctx) => {
    const requirement = objectRequirement(ctx, input, action, versionAction)
    const tags = tagKeys('ExistingObjectTag', await existingTags(ctx, input))
    return [{ ...requirement, context: { ...requirement.context, ...tags } }]
  }

/** An action on an object, with its twin for a version that is named. */
const onObject =
  (action: string, versionAction = action): AccessRule<OfObject> =>
  (input, ctx) => [objectRequirement(ctx, input, action, versionAction)]

const objectRequirement = (ctx: Ctx, input: OfObject, action: string, versionAction: string): Requirement => ({
  action: input.VersionId === undefined ? action : versionAction,
  resources: [objectArn(input)],
  context: { ...shared(ctx), 's3:VersionId': input.VersionId },
})

type Listing = InBucket & { Prefix?: string | undefined; Delimiter?: string | undefined; MaxKeys?: number | undefined }

const onListing =
  (action: string): AccessRule<Listing> =>
  (input, ctx) => [
    {
      action,
      resources: [bucketArn(input.Bucket)],
      context: {
        ...shared(ctx),
        's3:prefix': input.Prefix,
        's3:delimiter': input.Delimiter,
        's3:max-keys': input.MaxKeys === undefined ? undefined : String(input.MaxKeys),
      },
    },
  ]

type Writing = OfObject & {
  ACL?: string | undefined
  ServerSideEncryption?: string | undefined
  StorageClass?: string | undefined
  Tagging?: string | undefined
  IfMatch?: string | undefined
  IfNoneMatch?: string | undefined
}

/**
 * A canned ACL needs the right to set it. Log delivery of AWS's services does not: their documented bucket policies allow
 * `s3:PutObject` on the condition of `bucket-owner-full-control`, and no more.
 */
const needsAclRight = ({ principal }: Ctx, acl: string | undefined): boolean =>
  acl !== undefined && !(principal.kind === 'service' && acl === 'bucket-owner-full-control')

/** Writing with tags needs the right to tag as well. */
const writing = (ctx: Ctx, input: Writing, more: Requirement['context'] = {}): Requirement[] => {
  const tags = parseTagging(input.Tagging)
  const context: Requirement['context'] = {
    ...shared(ctx),
    's3:x-amz-acl': input.ACL,
    's3:x-amz-server-side-encryption': input.ServerSideEncryption,
    's3:x-amz-storage-class': input.StorageClass,
    's3:if-match': input.IfMatch,
    's3:if-none-match': input.IfNoneMatch,
    ...tagKeys('RequestObjectTag', tags),
    's3:RequestObjectTagKeys': tags.length > 0 ? tags.map(({ key }) => key) : undefined,
    ...more,
  }
  const resources = [objectArn(input)]
  return [
    { action: 's3:PutObject', resources, context },
    ...(tags.length > 0 ? [{ action: 's3:PutObjectTagging', resources, context }] : []),
    ...(needsAclRight(ctx, input.ACL) ? [{ action: 's3:PutObjectAcl', resources, context }] : []),
  ]
}

type Copying = Writing & {
  CopySource: string
  MetadataDirective?: string | undefined
  TaggingDirective?: string | undefined
}

/** A copy reads its source and writes its target. The source's tags come along, which needs the right to read and to put them. */
const copying = async (ctx: Ctx, input: Copying): Promise<Requirement[]> => {
  const source = parseCopySource(input.CopySource)
  const tags = await existingTags(ctx, source)
  const reading = objectRequirement(ctx, source, 's3:GetObject', 's3:GetObjectVersion')
  const target = writing(ctx, input, {
    's3:x-amz-copy-source': `${source.Bucket}/${source.Key}`,
    's3:x-amz-metadata-directive': input.MetadataDirective,
  })
  const taken = tags.length > 0 && input.TaggingDirective !== 'REPLACE'
  return [
    { ...reading, context: { ...reading.context, ...tagKeys('ExistingObjectTag', tags) } },
    ...target,
    ...(taken
      ? [
          objectRequirement(ctx, source, 's3:GetObjectTagging', 's3:GetObjectVersionTagging'),
          { action: 's3:PutObjectTagging', resources: [objectArn(input)], context: tagKeys('RequestObjectTag', tags) },
        ]
      : []),
  ]
}

const putObject: AccessRule<Writing> = (input, ctx) => writing(ctx, input)

const tagging: AccessRule<Input<'PutObjectTagging'>> = async (input, ctx) => {
  const requirement = objectRequirement(ctx, input, 's3:PutObjectTagging', 's3:PutObjectVersionTagging')
  // Not validated yet: the body may lack anything.
  const given: Partial<typeof input.Tagging> | undefined = input.Tagging
  const tags = (given?.TagSet ?? []).map(({ Key = '', Value = '' }) => ({ key: Key, value: Value }))
  const context = {
    ...requirement.context,
    ...tagKeys('ExistingObjectTag', await existingTags(ctx, input)),
    ...tagKeys('RequestObjectTag', tags),
    's3:RequestObjectTagKeys': tags.map(({ key }) => key),
  }
  return [{ ...requirement, context }]
}

/** A name that another account has taken is no resource of the caller's that he could be allowed to make. */
const creatingBucket: AccessRule<Input<'CreateBucket'>> = async (input, ctx) => {
  const existing = await ctx.read((tx) => tx.get(Bucket, input.Bucket))
  if (existing && existing.account !== ctx.account) throw bucketAlreadyExists(input.Bucket)
  const context = {
    ...shared(ctx),
    's3:x-amz-acl': input.ACL,
    's3:LocationConstraint': input.CreateBucketConfiguration?.LocationConstraint,
  }
  return [{ action: 's3:CreateBucket', resources: [bucketArn(input.Bucket)], context }]
}

export const access: AccessRules<NS> = {
  operations: {
    ListBuckets: () => [{ action: 's3:ListAllMyBuckets', resources: ['*'] }],
    CreateBucket: creatingBucket,
    DeleteBucket: onBucket('s3:DeleteBucket'),
    HeadBucket: onBucket('s3:ListBucket'),
    GetBucketLocation: onBucket('s3:GetBucketLocation'),
    ListObjects: onListing('s3:ListBucket'),
    ListObjectsV2: onListing('s3:ListBucket'),
    ListObjectVersions: onListing('s3:ListBucketVersions'),
    ListMultipartUploads: onListing('s3:ListBucketMultipartUploads'),

    GetObject: onTagged('s3:GetObject', 's3:GetObjectVersion'),
    HeadObject: onTagged('s3:GetObject', 's3:GetObjectVersion'),
    GetObjectAttributes: (input, ctx) => [
      objectRequirement(ctx, input, 's3:GetObject', 's3:GetObjectVersion'),
      objectRequirement(ctx, input, 's3:GetObjectAttributes', 's3:GetObjectVersionAttributes'),
    ],
    PutObject: putObject,
    CopyObject: (input, ctx) => copying(ctx, input),
    DeleteObject: onObject('s3:DeleteObject', 's3:DeleteObjectVersion'),
    // Each key is authorized by itself, and its denial is part of the answer.
    DeleteObjects: () => [],
    GetObjectAcl: onTagged('s3:GetObjectAcl', 's3:GetObjectVersionAcl'),
    PutObjectAcl: onTagged('s3:PutObjectAcl', 's3:PutObjectVersionAcl'),
    GetObjectTagging: onTagged('s3:GetObjectTagging', 's3:GetObjectVersionTagging'),
    PutObjectTagging: tagging,
    DeleteObjectTagging: onTagged('s3:DeleteObjectTagging', 's3:DeleteObjectVersionTagging'),

    CreateMultipartUpload: putObject,
    UploadPart: (input, ctx) => writing(ctx, { Bucket: input.Bucket, Key: input.Key }),
    UploadPartCopy: (input, ctx) =>
      copying(ctx, { Bucket: input.Bucket, Key: input.Key, CopySource: input.CopySource, TaggingDirective: 'REPLACE' }),
    CompleteMultipartUpload: putObject,
    AbortMultipartUpload: onObject('s3:AbortMultipartUpload'),
    ListParts: onObject('s3:ListMultipartUploadParts'),

    GetBucketAcl: onBucket('s3:GetBucketAcl'),
    PutBucketAcl: onBucket('s3:PutBucketAcl'),
    GetBucketPolicy: onBucket('s3:GetBucketPolicy'),
    PutBucketPolicy: onBucket('s3:PutBucketPolicy'),
    DeleteBucketPolicy: onBucket('s3:DeleteBucketPolicy'),
    GetBucketPolicyStatus: onBucket('s3:GetBucketPolicyStatus'),
    GetPublicAccessBlock: onBucket('s3:GetBucketPublicAccessBlock'),
    PutPublicAccessBlock: onBucket('s3:PutBucketPublicAccessBlock'),
    DeletePublicAccessBlock: onBucket('s3:PutBucketPublicAccessBlock'),
    GetBucketOwnershipControls: onBucket('s3:GetBucketOwnershipControls'),
    PutBucketOwnershipControls: onBucket('s3:PutBucketOwnershipControls'),
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
    GetBucketWebsite: onBucket('s3:GetBucketWebsite'),
    GetBucketReplication: onBucket('s3:GetReplicationConfiguration'),
    GetObjectLockConfiguration: onBucket('s3:GetBucketObjectLockConfiguration'),
    GetBucketLogging: onBucket('s3:GetBucketLogging'),
    GetBucketAccelerateConfiguration: onBucket('s3:GetAccelerateConfiguration'),
    GetBucketRequestPayment: onBucket('s3:GetBucketRequestPayment'),
  },

  resourcePolicy: async (ctx, arn) => {
    const name = /^arn:aws:s3:::([^/*?]+)/.exec(arn)?.[1]
    const bucket = name === undefined ? undefined : await ctx.read((tx) => tx.get(Bucket, name))
    if (!bucket) return undefined
    const document = policyOf(bucket)
    if (!document) return { account: bucket.account }
    // RestrictPublicBuckets: a public policy speaks to the owner's own users and to AWS services only.
    const stranger = ctx.principal.kind !== 'service' && ctx.principal.account !== bucket.account
    const restricted = stranger && bucket.publicAccessBlock?.restrictPublicBuckets && isPublic(document)
    return restricted ? { account: bucket.account } : { account: bucket.account, document }
  },
}
