import type { Ctx } from '../../kernel/context.ts'
import type { PolicyDocument, Statement } from '../../policy/policy.ts'
import type { ReadTx } from '../../store/store.ts'
import { tableGuards } from '../capabilities.ts'
import { accessPointByArn, blockOf } from './access-point.ts'
import { publicAccessOf } from './account.ts'
import { aclActions, bucketStatements, objectStatements, ownersAcl } from './acl.ts'
import { Bucket, type BucketRecord } from './bucket.ts'
import { policyOf } from './bucket-policy.ts'
import { isPublic } from './public-policy.ts'
import { findCurrent, findVersion, isVersionId, type ObjectRecord } from './versions.ts'

// What a bucket and its objects say of who may use them: the bucket's policy, and where lists count, those as statements.

type Owned = { readonly account: string; readonly document?: PolicyDocument }

const statementsOf = (document: PolicyDocument | undefined): readonly Statement[] =>
  document === undefined ? [] : [document.Statement].flat()

const documentOf = (statements: readonly Statement[]): { document?: PolicyDocument } =>
  statements.length > 0 ? { document: { Version: '2012-10-17', Statement: statements } } : {}

/** The version a request names: of the object itself, or of the source of a copy. */
const versionAsked = ({ request: { query, headers } }: Ctx, action: string): string | undefined => {
  const source = headers['x-amz-copy-source']
  const text = source !== undefined && action.startsWith('s3:GetObject') ? source : `?${query}`
  const id = /[?&]versionId=([^&]+)/.exec(text)?.[1]
  return id !== undefined && isVersionId(id) ? id : undefined
}

const objectOf = async (ctx: Ctx, tx: ReadTx, bucket: string, key: string, action: string) => {
  const version = versionAsked(ctx, action)
  const found = version === undefined ? await findCurrent(tx, bucket, key) : await findVersion(tx, bucket, key, version)
  return found?.marker ? undefined : found
}

/** Actions by which the bucket's owner rules over objects that are not his. */
const rulesOver =
  /^s3:(PutObject|DeleteObject|DeleteObjectVersion|AbortMultipartUpload|ListMultipartUploadParts|RestoreObject)$/

/**
 * A table's files are opened by rights to the table, and by no right of S3's, by whatever way somebody comes. That a file is not
 * there is told to who may list buckets, as always.
 */
const tablesOnly: PolicyDocument = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Deny', Principal: '*', NotAction: 's3:ListBucket', Resource: '*' }],
}

/** The policy of a bucket or object for one action, and the account it belongs to; undefined where there is no such bucket. */
export const resourcePolicy = async (ctx: Ctx, arn: string, action: string): Promise<Owned | undefined> => {
  if (arn.startsWith('arn:aws:s3tables:')) return ctx.use(tableGuards).find(arn)
  if (arn.includes(':accesspoint/')) return accessPointPolicy(ctx, arn.replace(/\/object\/.*$/s, ''))
  const [, name, key] = /^arn:aws:s3:::([^/*?]+)(?:\/(.*))?$/s.exec(arn) ?? []
  if (name === undefined) return undefined
  return ctx.read(async (tx) => {
    const bucket = await tx.get(Bucket, name)
    if (!bucket) return undefined
    if (bucket.table !== undefined) return { account: bucket.account, document: tablesOnly }
    const { restrictPublicBuckets, ignorePublicAcls } = await publicAccessOf(tx, bucket)
    const document = policyOf(bucket)
    // The owner's root user can always get at the policy: no bucket is lost by one ("DeleteBucketPolicy", S3 API reference).
    const owner = ctx.principal.kind === 'root' && ctx.principal.account === bucket.account
    if (owner && /^s3:(Get|Put|Delete)BucketPolicy$/.test(action)) return { account: bucket.account }
    // RestrictPublicBuckets: a public policy speaks to the owner's own users and to AWS services only.
    const stranger = ctx.principal.kind !== 'service' && ctx.principal.account !== bucket.account
    const restricted = stranger && restrictPublicBuckets && document !== undefined && isPublic(document)
    const told = restricted ? [] : statementsOf(document)
    if (bucket.ownership === undefined) return { account: bucket.account, ...documentOf(told) }
    const reading = { caller: ctx.principal.account, ignorePublic: ignorePublicAcls }
    const record = key === undefined ? undefined : await objectOf(ctx, tx, name, key, action)
    return byLists(bucket, record, arn, action, told, reading)
  })
}

/** What an access point says of who may come through it. */
const accessPointPolicy = (ctx: Ctx, arn: string): Promise<Owned | undefined> =>
  ctx.read(async (tx) => {
    const point = await accessPointByArn(tx, arn)
    if (!point) return undefined
    const document = point.policy === undefined ? undefined : (JSON.parse(point.policy) as PolicyDocument)
    const stranger = ctx.principal.kind !== 'service' && ctx.principal.account !== point.account
    const restricted = stranger && document && isPublic(document) && (await blockOf(tx, point)).restrictPublicBuckets
    return { account: point.account, ...documentOf(restricted ? [] : statementsOf(document)) }
  })

const byLists = (
  bucket: BucketRecord,
  record: ObjectRecord | undefined,
  arn: string,
  action: string,
  told: readonly Statement[],
  reading: Parameters<typeof bucketStatements>[2],
): Owned => {
  const owner = record?.owner ?? bucket.account
  const foreign = owner !== bucket.account
  const ofObject =
    record && aclActions.has(action) ? objectStatements(record.acl ?? ownersAcl(owner), arn, reading) : []
  // A bucket's policy allows nothing on objects of other owners, but may deny.
  if (foreign && !rulesOver.test(action))
    return { account: owner, ...documentOf([...told.filter(({ Effect }) => Effect === 'Deny'), ...ofObject]) }
  const ofBucket = bucketStatements(bucket.acl ?? ownersAcl(bucket.account), bucket.name, reading)
  // Who may write to the bucket may also delete what is his there.
  const his: readonly Statement[] =
    foreign &&
    owner === reading.caller &&
    ofBucket.some((statement) => [statement.Action].flat().includes('s3:PutObject'))
      ? [{ Effect: 'Allow', Principal: { AWS: owner }, Action: ['s3:DeleteObject', 's3:PutObject'], Resource: arn }]
      : []
  return { account: bucket.account, ...documentOf([...told, ...ofBucket, ...ofObject, ...his]) }
}
