import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules, Requirement } from '../../kernel/service.ts'
import { bypassesGovernance } from './annotation.ts'
import { Bucket, bucketArn } from './bucket.ts'
import { bucketTagKeys } from './bucket-abac.ts'
import { comparesTag } from './conditions.ts'
import { type Granting, grantKeys, grants } from './grant-keys.ts'
import { parseCopySource } from './object.ts'
import { fail, type Input, type NS } from './operation.ts'
import { bucketKeys, type Keys, requestKeys } from './request-keys.ts'
import { daysOf } from './retention.ts'
import { parseTagging, type Tag } from './tags.ts'
import { findCurrent, findVersion } from './versions.ts'

// What who reads, writes and deletes objects must be allowed ("Actions, resources, and condition keys for Amazon S3", service
// authorization reference).

type OfObject = { Bucket: string; Key: string; VersionId?: string | undefined }

const objectArn = ({ Bucket: bucket, Key }: { Bucket: string; Key: string }) => `${bucketArn(bucket)}/${Key}`

type Existing = { readonly keys: Keys; readonly tags: readonly Tag[]; readonly annotated?: boolean }

/**
 * Whose the object's bucket is, and the tags it has, for conditions on them. Tags are not looked up where no policy could
 * have any: root, no bucket policy.
 */
const existing = (ctx: Ctx, { Bucket: name, Key, VersionId }: OfObject): Promise<Existing> =>
  ctx.read(async (tx) => {
    const bucket = await tx.get(Bucket, name)
    const keys = { ...requestKeys(ctx), ...bucketTagKeys(bucket), 's3:ResourceAccount': bucket?.account }
    const { kind, account } = ctx.principal
    if (!bucket || (kind === 'root' && account === bucket.account && bucket.policy === undefined))
      return { keys, tags: [] }
    const found =
      VersionId === undefined ? await findCurrent(tx, name, Key) : await findVersion(tx, name, Key, VersionId)
    if (!found || found.marker) return { keys, tags: [] }
    return { keys, tags: found.tags ?? [], annotated: found.annotations !== undefined }
  })

const tagKeys = (prefix: string, tags: readonly Tag[]): Requirement['context'] =>
  Object.fromEntries(tags.map(({ key, value }) => [`s3:${prefix}/${key}`, value]))

/** An action, with its twin for a version that is named. */
type Pair = readonly [action: string, versionAction: string]

/** Actions that may depend on the object's tags. */
const onTagged =
  (...pairs: Pair[]): AccessRule<OfObject> =>
  async (input, ctx) => {
    const { keys, tags } = await existing(ctx, input)
    return pairs.map((pair) => objectRequirement(keys, input, pair, tagKeys('ExistingObjectTag', tags)))
  }

const onObject =
  (action: string, versionAction = action): AccessRule<OfObject & { IfMatch?: string | undefined }> =>
  async (input, ctx) => [
    objectRequirement(await bucketKeys(ctx, input.Bucket), input, [action, versionAction], {
      's3:if-match': input.IfMatch,
    }),
  ]

const objectRequirement = (
  keys: Keys,
  input: OfObject,
  [action, versionAction]: Pair,
  context: Requirement['context'] = {},
): Requirement => ({
  action: input.VersionId === undefined ? action : versionAction,
  resources: [objectArn(input)],
  context: { ...keys, 's3:VersionId': input.VersionId, ...context },
})

type OnAnnotation = {
  ObjectIfMatch?: string | undefined
  AnnotationPrefix?: string | undefined
  MaxAnnotationResults?: number | undefined
}

/** An action on an object's annotations. */
const annotationRequirement = async (ctx: Ctx, input: OfObject & OnAnnotation, pair: Pair): Promise<Requirement> => {
  const { keys, tags } = await existing(ctx, input)
  const max = input.MaxAnnotationResults
  return objectRequirement(keys, input, pair, {
    ...tagKeys('ExistingObjectTag', tags),
    's3:x-amz-object-if-match': input.ObjectIfMatch,
    's3:annotation-prefix': input.AnnotationPrefix,
    's3:max-annotation-results': max === undefined ? undefined : String(max),
  })
}

const onAnnotation =
  (...pair: Pair): AccessRule<OfObject & OnAnnotation> =>
  async (input, ctx) => [await annotationRequirement(ctx, input, pair)]

type Writing = OfObject &
  Granting & {
    ServerSideEncryption?: string | undefined
    SSEKMSKeyId?: string | undefined
    SSECustomerAlgorithm?: string | undefined
    StorageClass?: string | undefined
    Tagging?: string | undefined
    WebsiteRedirectLocation?: string | undefined
    ObjectLockMode?: string | undefined
    ObjectLockRetainUntilDate?: Date | undefined
    ObjectLockLegalHoldStatus?: string | undefined
    ObjectLockEventHold?: string | undefined
    ObjectLockEventHoldDurationDays?: number | undefined
    ObjectLockEventHoldDurationYears?: number | undefined
    IfMatch?: string | undefined
    IfNoneMatch?: string | undefined
  }

const DAY = 86_400_000
const lockKeys = (ctx: Ctx, { ObjectLockMode: mode, ObjectLockRetainUntilDate: until, ...input }: Writing): Keys => ({
  's3:object-lock-mode': mode,
  's3:object-lock-retain-until-date': until?.toISOString(),
  's3:object-lock-remaining-retention-days': until && String(Math.ceil((until.getTime() - ctx.now().getTime()) / DAY)),
  's3:object-lock-legal-hold': input.ObjectLockLegalHoldStatus,
  's3:object-lock-event-hold': input.ObjectLockEventHold,
  's3:object-lock-event-hold-duration-days': holdDays(input),
})

const holdDays = ({ ObjectLockEventHoldDurationDays: days, ObjectLockEventHoldDurationYears: years }: Writing) =>
  days !== undefined ? String(days) : years !== undefined ? String(daysOf({ years })) : undefined

/**
 * An access control list needs the right to set it. Log delivery of AWS's services does not: their documented bucket policies allow
 * `s3:PutObject` on the condition of `bucket-owner-full-control`, and no more.
 */
const needsAclRight = ({ principal }: Ctx, input: Granting): boolean =>
  grants(input) &&
  !(
    principal.kind === 'service' &&
    // The log service sets what grants the target's owner has asked for.
    (input.ACL === 'bucket-owner-full-control' || principal.arn === 'logging.s3.amazonaws.com')
  )

/** Writing with tags, an access control list or a lock needs the right to that as well. */
const writing = async (ctx: Ctx, input: Writing, more: Requirement['context'] = {}): Promise<Requirement[]> => {
  const tags = parseTagging(input.Tagging)
  const context: Requirement['context'] = {
    ...(await bucketKeys(ctx, input.Bucket)),
    ...grantKeys(input),
    ...lockKeys(ctx, input),
    's3:ObjectCreationOperation': 'true',
    's3:x-amz-server-side-encryption': input.ServerSideEncryption,
    's3:x-amz-server-side-encryption-aws-kms-key-id': input.SSEKMSKeyId,
    's3:x-amz-server-side-encryption-customer-algorithm': input.SSECustomerAlgorithm,
    's3:x-amz-storage-class': input.StorageClass,
    's3:x-amz-website-redirect-location': input.WebsiteRedirectLocation,
    's3:if-match': input.IfMatch,
    's3:if-none-match': input.IfNoneMatch,
    ...tagKeys('RequestObjectTag', tags),
    's3:RequestObjectTagKeys': tags.length > 0 ? tags.map(({ key }) => key) : undefined,
    ...more,
  }
  const locked =
    input.ObjectLockMode !== undefined ||
    input.ObjectLockRetainUntilDate !== undefined ||
    input.ObjectLockEventHold !== undefined
  const actions = [
    's3:PutObject',
    ...(tags.length > 0 ? ['s3:PutObjectTagging'] : []),
    ...(needsAclRight(ctx, input) ? ['s3:PutObjectAcl'] : []),
    ...(locked ? ['s3:PutObjectRetention'] : []),
    ...(input.ObjectLockLegalHoldStatus === undefined ? [] : ['s3:PutObjectLegalHold']),
  ]
  return [
    ...actions.map((action) => ({ action, resources: [objectArn(input)], context })),
    ...comparing(input, context),
  ]
}

/** Parts of an upload and its beginning make no object yet: conditions on creating one do not bind them. */
const beginning = { 's3:ObjectCreationOperation': 'false' }

type Copying = Writing & {
  CopySource: string
  MetadataDirective?: string | undefined
  TaggingDirective?: string | undefined
  AnnotationDirective?: string | undefined
}

/**
 * A copy reads its source and writes its target. The source's tags and annotations come along, which needs the right to read
 * and to put them.
 */
const copying = async (ctx: Ctx, input: Copying, more: Requirement['context'] = {}): Promise<Requirement[]> => {
  const source = parseCopySource(input.CopySource)
  const { keys, tags, annotated } = await existing(ctx, source)
  const target = await writing(ctx, input, {
    's3:x-amz-copy-source': `${source.Bucket}/${source.Key}`,
    's3:x-amz-metadata-directive': input.MetadataDirective,
    ...more,
  })
  const taken = tags.length > 0 && input.TaggingDirective !== 'REPLACE'
  const tagged = tagKeys('ExistingObjectTag', tags)
  return [
    objectRequirement(keys, source, ['s3:GetObject', 's3:GetObjectVersion'], tagged),
    ...target,
    ...(taken
      ? [
          objectRequirement(keys, source, ['s3:GetObjectTagging', 's3:GetObjectVersionTagging'], tagged),
          {
            action: 's3:PutObjectTagging',
            resources: [objectArn(input)],
            context: { ...target[0]?.context, ...tagKeys('RequestObjectTag', tags) },
          },
        ]
      : []),
    ...(annotated && input.AnnotationDirective !== 'EXCLUDE'
      ? [
          objectRequirement(keys, source, ['s3:GetObjectAnnotation', 's3:GetObjectVersionAnnotation'], tagged),
          {
            action: 's3:PutObjectAnnotation',
            resources: [objectArn(input)],
            ...(target[0]?.context ? { context: target[0].context } : {}),
          },
        ]
      : []),
  ]
}

/** What an upload needs, whether it comes as PutObject or as a form. */
export const putRequirements = (input: Writing, ctx: Ctx): Promise<Requirement[]> => writing(ctx, input)
const putObject: AccessRule<Writing> = putRequirements

const tagging: AccessRule<Input<'PutObjectTagging'>> = async (input, ctx) => {
  const { keys, tags: before } = await existing(ctx, input)
  // Not validated yet: the body may lack anything.
  const given: Partial<typeof input.Tagging> | undefined = input.Tagging
  const tags = (given?.TagSet ?? []).map(({ Key = '', Value = '' }) => ({ key: Key, value: Value }))
  const context = {
    ...tagKeys('ExistingObjectTag', before),
    ...tagKeys('RequestObjectTag', tags),
    's3:RequestObjectTagKeys': tags.map(({ key }) => key),
  }
  return [objectRequirement(keys, input, ['s3:PutObjectTagging', 's3:PutObjectVersionTagging'], context)]
}

/** Overruling governance needs the right to, whether or not the version is governed. */
const bypassing = (
  input: OfObject & { BypassGovernanceRetention?: boolean | undefined },
  context: Requirement['context'],
) =>
  input.BypassGovernanceRetention
    ? [{ action: 's3:BypassGovernanceRetention', resources: [objectArn(input)], context }]
    : []

/** A condition on an object's tag tells of the object: it needs the right to read it. */
const comparing = (
  input: { Bucket: string; Key: string; IfMatch?: string | undefined },
  context: Requirement['context'],
): Requirement[] =>
  comparesTag(input.IfMatch)
    ? [{ action: 's3:GetObject', resources: [objectArn(input)], ...(context ? { context } : {}) }]
    : []

const deleting: AccessRule<Input<'DeleteObject'>> = async (input, ctx) => {
  const requirement = objectRequirement(
    await bucketKeys(ctx, input.Bucket),
    input,
    ['s3:DeleteObject', 's3:DeleteObjectVersion'],
    { 's3:if-match': input.IfMatch },
  )
  return [requirement, ...comparing(input, requirement.context), ...bypassing(input, requirement.context)]
}

const deletingAnnotation: AccessRule<Input<'DeleteObjectAnnotation'>> = async (input, ctx) => {
  const pair: Pair = ['s3:DeleteObjectAnnotation', 's3:DeleteObjectVersionAnnotation']
  const requirement = await annotationRequirement(ctx, input, pair)
  const BypassGovernanceRetention = bypassesGovernance(ctx)
  return [requirement, ...bypassing({ ...input, BypassGovernanceRetention }, requirement.context)]
}

/** A restore that selects reads the object as well. */
const restoring: AccessRule<Input<'RestoreObject'>> = (input, ctx) => {
  const reads: Pair[] = input.RestoreRequest?.Type === 'SELECT' ? [['s3:GetObject', 's3:GetObjectVersion']] : []
  return onTagged(['s3:RestoreObject', 's3:RestoreObject'], ...reads)(input, ctx)
}

const retaining: AccessRule<Input<'PutObjectRetention'>> = async (input, ctx) => {
  const { keys, tags } = await existing(ctx, input)
  const { Mode, RetainUntilDate, EventHold, EventHoldDuration } = input.Retention ?? {}
  const context = {
    ...tagKeys('ExistingObjectTag', tags),
    ...lockKeys(ctx, {
      ...input,
      ObjectLockMode: Mode,
      ObjectLockRetainUntilDate: RetainUntilDate,
      ObjectLockEventHold: EventHold,
      ObjectLockEventHoldDurationDays: EventHoldDuration?.Days,
      ObjectLockEventHoldDurationYears: EventHoldDuration?.Years,
    }),
  }
  const requirement = objectRequirement(keys, input, ['s3:PutObjectRetention', 's3:PutObjectRetention'], context)
  return [requirement, ...bypassing(input, requirement.context)]
}

const holding: AccessRule<Input<'PutObjectLegalHold'>> = async (input, ctx) => {
  const { keys, tags } = await existing(ctx, input)
  const context = {
    ...tagKeys('ExistingObjectTag', tags),
    ...lockKeys(ctx, { ...input, ObjectLockLegalHoldStatus: input.LegalHold?.Status }),
  }
  return [objectRequirement(keys, input, ['s3:PutObjectLegalHold', 's3:PutObjectLegalHold'], context)]
}

const reencrypting: AccessRule<Input<'UpdateObjectEncryption'>> = async (input, ctx) => {
  const { keys, tags } = await existing(ctx, input)
  // Not validated yet.
  const given: Partial<typeof input.ObjectEncryption> | undefined = input.ObjectEncryption
  const context = {
    ...tagKeys('ExistingObjectTag', tags),
    's3:x-amz-server-side-encryption': given?.SSEKMS && 'aws:kms',
    's3:x-amz-server-side-encryption-aws-kms-key-id': given?.SSEKMS?.KMSKeyArn,
  }
  return [objectRequirement(keys, input, ['s3:UpdateObjectEncryption', 's3:UpdateObjectEncryption'], context)]
}

const objectAcl: AccessRule<Input<'PutObjectAcl'>> = async (input, ctx) => {
  const { keys, tags } = await existing(ctx, input)
  const context = { ...grantKeys(input), ...tagKeys('ExistingObjectTag', tags) }
  return [objectRequirement(keys, input, ['s3:PutObjectAcl', 's3:PutObjectVersionAcl'], context)]
}

/** The rules of the operations on objects, their annotations and their uploads. */
export const objectAccess: NonNullable<AccessRules<NS>['operations']> = {
  GetObject: onTagged(['s3:GetObject', 's3:GetObjectVersion']),
  HeadObject: onTagged(['s3:GetObject', 's3:GetObjectVersion']),
  SelectObjectContent: (input, ctx) => {
    if (ctx.principal.kind === 'anonymous') throw fail('AccessDenied', 'Access Denied')
    return onTagged(['s3:GetObject', 's3:GetObjectVersion'])({ ...input, VersionId: undefined }, ctx)
  },
  GetObjectAttributes: onTagged(
    ['s3:GetObject', 's3:GetObjectVersion'],
    ['s3:GetObjectAttributes', 's3:GetObjectVersionAttributes'],
  ),
  PutObject: putObject,
  CopyObject: (input, ctx) =>
    copying(ctx, input, { 's3:x-amz-object-annotation-directive': input.AnnotationDirective }),
  DeleteObject: deleting,
  GetObjectRetention: onTagged(['s3:GetObjectRetention', 's3:GetObjectRetention']),
  GetObjectLegalHold: onTagged(['s3:GetObjectLegalHold', 's3:GetObjectLegalHold']),
  PutObjectRetention: retaining,
  PutObjectLegalHold: holding,
  RestoreObject: restoring,
  // Each key is authorized by itself, and its denial is part of the answer.
  DeleteObjects: () => [],
  GetObjectAcl: onTagged(['s3:GetObjectAcl', 's3:GetObjectVersionAcl']),
  PutObjectAcl: objectAcl,
  GetObjectTagging: onTagged(['s3:GetObjectTagging', 's3:GetObjectVersionTagging']),
  PutObjectTagging: tagging,
  DeleteObjectTagging: onTagged(['s3:DeleteObjectTagging', 's3:DeleteObjectVersionTagging']),

  GetObjectAnnotation: onAnnotation('s3:GetObjectAnnotation', 's3:GetObjectVersionAnnotation'),
  ListObjectAnnotations: onAnnotation('s3:ListObjectAnnotations', 's3:ListObjectVersionAnnotations'),
  PutObjectAnnotation: onAnnotation('s3:PutObjectAnnotation', 's3:PutObjectVersionAnnotation'),
  DeleteObjectAnnotation: deletingAnnotation,

  UpdateObjectEncryption: reencrypting,
  RenameObject: ({ Bucket, Key }, ctx) => writing(ctx, { Bucket, Key }),
  GetObjectTorrent: (input, ctx) =>
    onTagged(['s3:GetObjectTorrent', 's3:GetObjectVersionTorrent'])({ ...input, VersionId: undefined }, ctx),

  CreateMultipartUpload: (input, ctx) => writing(ctx, input, beginning),
  UploadPart: ({ Bucket, Key, SSECustomerAlgorithm }, ctx) =>
    writing(ctx, { Bucket, Key, SSECustomerAlgorithm }, beginning),
  UploadPartCopy: ({ Bucket, Key, CopySource }, ctx) =>
    copying(ctx, { Bucket, Key, CopySource, TaggingDirective: 'REPLACE', AnnotationDirective: 'EXCLUDE' }, beginning),
  CompleteMultipartUpload: putObject,
  AbortMultipartUpload: onObject('s3:AbortMultipartUpload'),
  ListParts: onObject('s3:ListMultipartUploadParts'),
}
