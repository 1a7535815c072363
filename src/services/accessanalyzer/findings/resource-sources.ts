import type { ResourceType } from '@aws-sdk/client-accessanalyzer'
import type { Caller } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'

// What can be shared with others, by type of resource, read through the APIs of its own service under the service-linked role.

/** A grant to a grantee outside any policy (bucket ACLs, KMS grants). */
export type Grant = {
  readonly principal: Readonly<Record<string, string>>
  readonly isPublic: boolean
  readonly actions: readonly string[]
  /** Under which it may be used: encryption contexts of KMS grants. */
  readonly condition?: Readonly<Record<string, string>>
  readonly source: 'BUCKET_ACL' | 'POLICY'
}
export type AccessPointExposure = {
  readonly arn: string
  readonly account: string
  readonly policy: string
  /** A public policy gives nobody outside anything. */
  readonly restrictPublic: boolean
  /** Only from within a VPC: nothing of it is public. */
  readonly vpcOnly: boolean
}
export type Exposure = {
  /** JSON text of the resource's policy. */
  readonly policy?: string
  readonly grants?: readonly Grant[]
  /** Access points of the bucket in its own account, and what their policies say. */
  readonly accessPoints?: readonly AccessPointExposure[]
  /** Bucket settings: a policy that is public gives nobody outside anything. */
  readonly restrictPublic?: boolean
}

export type ResourceSource = {
  readonly type: ResourceType
  /** IAM prefix and resource types whose actions a policy of this resource may allow. */
  readonly actions: { readonly prefix: string; readonly types: readonly string[] }
  /** ARNs of the account's resources in the Region. */
  readonly list: (caller: Caller, place: { account: string; region: string }) => Promise<readonly string[]>
  readonly read: (caller: Caller, arn: string) => Promise<Exposure>
}

const without = async <T>(codes: RegExp, call: Promise<T>): Promise<T | undefined> => {
  try {
    return await call
  } catch (error) {
    if (error instanceof AwsError && codes.test(error.code)) return undefined
    throw error
  }
}

/** All pages of a list. */
const pages = async <P>(
  ask: (token: string | undefined) => Promise<P>,
  next: (page: P) => string | undefined,
): Promise<P[]> => {
  const all: P[] = []
  let token: string | undefined
  do {
    const page = await ask(token)
    all.push(page)
    token = next(page)
  } while (token !== undefined && all.length < 1000)
  return all
}

const aclActions: Readonly<Record<string, readonly string[]>> = {
  READ: ['s3:ListBucket', 's3:ListBucketMultipartUploads', 's3:ListBucketVersions'],
  WRITE: ['s3:DeleteObject', 's3:PutObject'],
  READ_ACP: ['s3:GetBucketAcl'],
  WRITE_ACP: ['s3:PutBucketAcl'],
}
const everyGroup = 'http://acs.amazonaws.com/groups/global/'

/** An ACL's grant, unless it is to the owner. */
export const aclGrant = (
  grantee: { readonly ID?: string | undefined; readonly URI?: string | undefined } | undefined,
  permission: string | undefined,
  owner: string | undefined,
): Grant[] => {
  const actions =
    permission === 'FULL_CONTROL' ? Object.values(aclActions).flat() : (aclActions[permission ?? ''] ?? [])
  if (grantee?.URI?.startsWith(everyGroup))
    return [{ principal: { AWS: '*' }, isPublic: true, actions, source: 'BUCKET_ACL' }]
  if (grantee?.ID === undefined || grantee.ID === owner) return []
  return [{ principal: { CanonicalUser: grantee.ID }, isPublic: false, actions, source: 'BUCKET_ACL' }]
}

/** Access points with a policy. */
const accessPointsOf = async (
  { s3control }: Caller,
  AccountId: string,
  Bucket: string,
): Promise<AccessPointExposure[]> => {
  const all = await pages(
    (NextToken) => s3control.listAccessPoints({ AccountId, Bucket, ...(NextToken === undefined ? {} : { NextToken }) }),
    ({ NextToken }) => NextToken,
  )
  const exposures: AccessPointExposure[] = []
  for (const { Name = '', AccessPointArn: arn = '', NetworkOrigin } of all.flatMap(
    ({ AccessPointList = [] }) => AccessPointList,
  )) {
    const at = { AccountId, Name }
    const found = await without(/^NoSuchAccessPoint(Policy)?$/, s3control.getAccessPointPolicy(at))
    if (found?.Policy === undefined) continue
    const { PublicAccessBlockConfiguration: block } = await s3control.getAccessPoint(at)
    exposures.push({
      arn,
      account: AccountId,
      policy: found.Policy,
      restrictPublic: block?.RestrictPublicBuckets ?? false,
      vpcOnly: NetworkOrigin === 'VPC',
    })
  }
  return exposures
}

const buckets: ResourceSource = {
  type: 'AWS::S3::Bucket',
  actions: { prefix: 's3', types: ['bucket', 'object'] },
  list: async ({ s3 }, { region }) => {
    const { Buckets = [] } = await s3.listBuckets({})
    const located = await Promise.all(
      Buckets.map(async ({ Name = '' }) => {
        const { LocationConstraint } = await s3.getBucketLocation({ Bucket: Name })
        return { Name, region: LocationConstraint || 'us-east-1' }
      }),
    )
    return located.filter((one) => one.region === region).map(({ Name }) => `arn:aws:s3:::${Name}`)
  },
  read: async (caller, arn) => {
    const { s3 } = caller
    const Bucket = arn.slice('arn:aws:s3:::'.length)
    const policy = await without(/^NoSuchBucketPolicy$/, s3.getBucketPolicy({ Bucket }))
    const block = await without(/^NoSuchPublicAccessBlockConfiguration$/, s3.getPublicAccessBlock({ Bucket }))
    const { Grants = [], Owner } = await s3.getBucketAcl({ Bucket })
    const { IgnorePublicAcls, RestrictPublicBuckets } = block?.PublicAccessBlockConfiguration ?? {}
    const grants = Grants.flatMap(({ Grantee, Permission }) => aclGrant(Grantee, Permission, Owner?.ID))
    return {
      ...(policy?.Policy === undefined ? {} : { policy: policy.Policy }),
      grants: IgnorePublicAcls ? grants.filter(({ isPublic }) => !isPublic) : grants,
      restrictPublic: RestrictPublicBuckets ?? false,
      accessPoints: await accessPointsOf(caller, (await caller.principal()).account, Bucket),
    }
  },
}

const roles: ResourceSource = {
  type: 'AWS::IAM::Role',
  actions: { prefix: 'sts', types: ['role'] },
  list: async ({ iam }) => {
    const all = await pages(
      (Marker) => iam.listRoles({ ...(Marker === undefined ? {} : { Marker }) }),
      ({ IsTruncated, Marker }) => (IsTruncated ? Marker : undefined),
    )
    return all.flatMap(({ Roles = [] }) =>
      Roles.flatMap(({ Arn, Path }) => (Path?.startsWith('/aws-service-role/') ? [] : (Arn ?? []))),
    )
  },
  read: async ({ iam }, arn) => {
    const { Role } = await iam.getRole({ RoleName: arn.slice(arn.lastIndexOf('/') + 1) })
    return { policy: decodeURIComponent(Role?.AssumeRolePolicyDocument ?? '') }
  },
}

/** A grant of a KMS key, unless it is to a service. */
export const keyGrant = (
  grantee: string | undefined,
  operations: readonly string[],
  context: Readonly<Record<string, string | undefined>>,
): Grant[] =>
  grantee?.startsWith('arn:')
    ? [
        {
          principal: { AWS: grantee },
          isPublic: false,
          actions: operations.map((operation) => `kms:${operation}`),
          condition: Object.fromEntries(
            Object.entries(context).map(([key, value = '']) => [`kms:EncryptionContext:${key}`, value]),
          ),
          source: 'POLICY',
        },
      ]
    : []

const keys: ResourceSource = {
  type: 'AWS::KMS::Key',
  actions: { prefix: 'kms', types: ['key'] },
  list: async ({ kms }) => {
    const all = await pages(
      (Marker) => kms.listKeys({ ...(Marker === undefined ? {} : { Marker }) }),
      ({ Truncated, NextMarker }) => (Truncated ? NextMarker : undefined),
    )
    return all.flatMap(({ Keys = [] }) => Keys.flatMap(({ KeyArn }) => KeyArn ?? []))
  },
  read: async ({ kms }, arn) => {
    const { Policy } = await kms.getKeyPolicy({ KeyId: arn, PolicyName: 'default' })
    const listed = await pages(
      (Marker) => kms.listGrants({ KeyId: arn, ...(Marker === undefined ? {} : { Marker }) }),
      ({ Truncated, NextMarker }) => (Truncated ? NextMarker : undefined),
    )
    return {
      ...(Policy === undefined ? {} : { policy: Policy }),
      grants: listed.flatMap(({ Grants = [] }) =>
        Grants.flatMap(({ GranteePrincipal, Operations = [], Constraints }) =>
          keyGrant(GranteePrincipal, Operations, {
            ...Constraints?.EncryptionContextEquals,
            ...Constraints?.EncryptionContextSubset,
          }),
        ),
      ),
    }
  },
}

const queues: ResourceSource = {
  type: 'AWS::SQS::Queue',
  actions: { prefix: 'sqs', types: ['queue'] },
  list: async ({ sqs }, { account, region }) => {
    const all = await pages(
      (NextToken) => sqs.listQueues({ MaxResults: 1000, ...(NextToken === undefined ? {} : { NextToken }) }),
      ({ NextToken }) => NextToken,
    )
    return all.flatMap(({ QueueUrls = [] }) =>
      QueueUrls.map((url) => `arn:aws:sqs:${region}:${account}:${url.slice(url.lastIndexOf('/') + 1)}`),
    )
  },
  read: async ({ sqs }, arn) => {
    const { QueueUrl = '' } = await sqs.getQueueUrl({ QueueName: arn.split(':')[5] ?? '' })
    const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['Policy'] })
    return Attributes?.Policy ? { policy: Attributes.Policy } : {}
  },
}

const secrets: ResourceSource = {
  type: 'AWS::SecretsManager::Secret',
  actions: { prefix: 'secretsmanager', types: ['Secret'] },
  list: async ({ secretsmanager }) => {
    const all = await pages(
      (NextToken) => secretsmanager.listSecrets({ ...(NextToken === undefined ? {} : { NextToken }) }),
      ({ NextToken }) => NextToken,
    )
    return all.flatMap(({ SecretList = [] }) => SecretList.flatMap(({ ARN }) => ARN ?? []))
  },
  read: async ({ secretsmanager }, arn) => {
    const { ResourcePolicy } = await secretsmanager.getResourcePolicy({ SecretId: arn })
    return ResourcePolicy ? { policy: ResourcePolicy } : {}
  },
}

const functions: ResourceSource = {
  type: 'AWS::Lambda::Function',
  actions: { prefix: 'lambda', types: ['function'] },
  list: async ({ lambda }) => {
    const all = await pages(
      (Marker) => lambda.listFunctions({ ...(Marker === undefined ? {} : { Marker }) }),
      ({ NextMarker }) => NextMarker,
    )
    return all.flatMap(({ Functions = [] }) => Functions.flatMap(({ FunctionArn }) => FunctionArn ?? []))
  },
  read: async ({ lambda }, arn) => {
    const found = await without(/^ResourceNotFoundException$/, lambda.getPolicy({ FunctionName: arn }))
    return found?.Policy ? { policy: found.Policy } : {}
  },
}

/** Types whose service is absent here have no resources. */
export const resourceSources: readonly ResourceSource[] = [buckets, roles, keys, queues, secrets, functions]

export const isAbsent = (error: unknown): boolean => error instanceof AwsError && error.code === 'NotImplemented'
