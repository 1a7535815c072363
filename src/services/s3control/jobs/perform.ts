import type { Caller, Ctx } from '../../../kernel/context.ts'
import { batchObjects, buckets } from '../../capabilities.ts'
import type { Input as ControlInput } from '../operation.ts'
import type { JobOperation, TaskRecord } from './job.ts'

// What a job does to one object: the operation of S3 of that name, with the rights of the job's role ("Operations supported by
// Batch Operations", S3 user guide).

type Copy = NonNullable<JobOperation['S3PutObjectCopy']>
type Grants = NonNullable<Copy['AccessControlGrants']>

const addressOf = ({ bucket, key, versionId }: TaskRecord) => ({
  Bucket: bucket,
  Key: key,
  ...(versionId === undefined ? {} : { VersionId: versionId }),
})

const escaped = (text: string): string => text.split('/').map(encodeURIComponent).join('/')

/** Grants as request headers write them. */
const grantHeaders = (grants: Grants | undefined) => {
  const to = (permission: string): string | undefined => {
    const grantees = (grants ?? []).filter((grant) => grant.Permission === permission)
    if (grantees.length === 0) return undefined
    return grantees.map(({ Grantee: grantee }) => `${grantee?.TypeIdentifier}="${grantee?.Identifier}"`).join(', ')
  }
  return {
    GrantFullControl: to('FULL_CONTROL'),
    GrantRead: to('READ'),
    GrantReadACP: to('READ_ACP'),
    GrantWriteACP: to('WRITE_ACP'),
  }
}

const timeOf = (value: Date | undefined) => (value === undefined ? undefined : new Date(value))

/** Members that are there: what an operation is not told it does not see. */
const told = <T extends object>(members: T): T =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T

const metadataOf = ({ NewObjectMetadata: metadata, MetadataDirective: directive }: Copy) => {
  const replaces = directive === undefined ? metadata !== undefined : directive === 'REPLACE'
  if (!replaces) return { MetadataDirective: 'COPY' as const }
  return {
    MetadataDirective: 'REPLACE' as const,
    CacheControl: metadata?.CacheControl,
    ContentDisposition: metadata?.ContentDisposition,
    ContentEncoding: metadata?.ContentEncoding,
    ContentLanguage: metadata?.ContentLanguage,
    ContentType: metadata?.ContentType,
    Expires: timeOf(metadata?.HttpExpiresDate),
    Metadata: metadata?.UserMetadata,
  }
}

const tagsOf = ({ NewObjectTagging: tags }: Copy) =>
  tags === undefined
    ? {}
    : {
        TaggingDirective: 'REPLACE' as const,
        Tagging: new URLSearchParams(tags.map(({ Key, Value }): [string, string] => [Key, Value])).toString(),
      }

const encryptionOf = ({ SSEAwsKmsKeyId: key, NewObjectMetadata: metadata, BucketKeyEnabled }: Copy) => {
  const kms = key !== undefined || metadata?.SSEAlgorithm === 'KMS'
  return {
    ServerSideEncryption: kms
      ? ('aws:kms' as const)
      : metadata?.SSEAlgorithm === 'AES256'
        ? ('AES256' as const)
        : undefined,
    SSEKMSKeyId: key,
    BucketKeyEnabled,
  }
}

const copyInput = (copy: Copy, { bucket, key, versionId }: TaskRecord) => {
  const target = copy.TargetResource ?? ''
  return {
    Bucket: target.replace(/^arn:aws:s3:::/, ''),
    Key: copy.TargetKeyPrefix === undefined ? key : `${copy.TargetKeyPrefix.replace(/\/$/, '')}/${key}`,
    CopySource: `${bucket}/${escaped(key)}${versionId === undefined ? '' : `?versionId=${versionId}`}`,
    ...told({
      ACL: copy.CannedAccessControlList,
      ...grantHeaders(copy.AccessControlGrants),
      ...metadataOf(copy),
      ...tagsOf(copy),
      ...encryptionOf(copy),
      StorageClass: copy.StorageClass,
      WebsiteRedirectLocation: copy.RedirectLocation,
      CopySourceIfModifiedSince: timeOf(copy.ModifiedSinceConstraint),
      CopySourceIfUnmodifiedSince: timeOf(copy.UnModifiedSinceConstraint),
      ObjectLockLegalHoldStatus: copy.ObjectLockLegalHoldStatus,
      ObjectLockMode: copy.ObjectLockMode,
      ObjectLockRetainUntilDate: timeOf(copy.ObjectLockRetainUntilDate),
      RequestPayer: copy.RequesterPays ? ('requester' as const) : undefined,
      ChecksumAlgorithm: copy.ChecksumAlgorithm,
    }),
  } as Parameters<Caller['s3']['copyObject']>[0]
}

type AclInput = Parameters<Caller['s3']['putObjectAcl']>[0]

const aclOf = (operation: NonNullable<ControlInput<'CreateJob'>['Operation']['S3PutObjectAcl']>) => {
  const { CannedAccessControlList: canned, AccessControlList: list } = operation.AccessControlPolicy ?? {}
  if (canned !== undefined) return { ACL: canned }
  return {
    AccessControlPolicy: {
      Owner: list?.Owner,
      Grants: (list?.Grants ?? []).map(({ Grantee: grantee, Permission }) => ({
        Permission,
        Grantee: told({
          Type:
            grantee?.TypeIdentifier === 'uri'
              ? 'Group'
              : grantee?.TypeIdentifier === 'emailAddress'
                ? 'AmazonCustomerByEmail'
                : 'CanonicalUser',
          ID: grantee?.TypeIdentifier === 'id' ? grantee.Identifier : undefined,
          URI: grantee?.TypeIdentifier === 'uri' ? grantee.Identifier : undefined,
          EmailAddress: grantee?.TypeIdentifier === 'emailAddress' ? grantee.Identifier : undefined,
        }),
      })),
    },
  }
}

const tiers = { BULK: 'Bulk', STANDARD: 'Standard' } as const

/** The caller for a bucket: in its Region, since calls go to where a bucket is. */
export type In = (region: string) => Caller

const regionOf = async (ctx: Ctx, bucket: string): Promise<string> =>
  /^arn:aws:s3:([a-z0-9-]+):/.exec(bucket)?.[1] ?? (await ctx.use(buckets).find(bucket))?.region ?? ctx.region

/** Does the job's operation to one object. Throws what S3 says. */
export const perform = async (ctx: Ctx, within: In, operation: JobOperation, task: TaskRecord): Promise<void> => {
  const at = addressOf(task)
  const { s3, authorize } = within(await regionOf(ctx, task.bucket))
  const {
    S3PutObjectCopy: copy,
    S3PutObjectAcl: acl,
    S3PutObjectTagging: tagging,
    S3InitiateRestoreObject: restore,
    S3PutObjectLegalHold: hold,
    S3PutObjectRetention: retention,
    S3UpdateObjectEncryption: encryption,
  } = operation
  if (copy) {
    const input = copyInput(copy, task)
    await within(await regionOf(ctx, input.Bucket)).s3.copyObject(input)
  } else if (acl) await s3.putObjectAcl({ ...at, ...aclOf(acl) } as AclInput)
  else if (tagging) await s3.putObjectTagging({ ...at, Tagging: { TagSet: tagging.TagSet ?? [] } })
  else if (operation.S3DeleteObjectTagging) await s3.deleteObjectTagging(at)
  else if (restore)
    await s3.restoreObject({
      ...at,
      RestoreRequest: {
        Days: restore.ExpirationInDays,
        GlacierJobParameters: { Tier: tiers[restore.GlacierJobTier ?? 'STANDARD'] },
      },
    })
  else if (hold) await s3.putObjectLegalHold({ ...at, LegalHold: { Status: hold.LegalHold.Status } })
  else if (retention)
    await s3.putObjectRetention({
      ...at,
      ...(retention.BypassGovernanceRetention ? { BypassGovernanceRetention: true } : {}),
      Retention: told({
        Mode: retention.Retention.Mode,
        RetainUntilDate: timeOf(retention.Retention.RetainUntilDate),
      }),
    })
  else if (encryption)
    await s3.updateObjectEncryption({ ...at, ObjectEncryption: encryption.ObjectEncryption } as Parameters<
      Caller['s3']['updateObjectEncryption']
    >[0])
  else {
    await authorize('s3:InitiateReplication', `arn:aws:s3:::${task.bucket}/${task.key}`)
    await ctx.use(batchObjects).replicate(task)
  }
}
