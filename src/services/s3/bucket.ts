import { createHash } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { hasAccessPoints } from './access-point.ts'
import { type Acl, aclAsked, grantsOthers, hasGrantHeaders, isPublicAcl } from './acl.ts'
import { dropConfigurations } from './bucket-configuration.ts'
import { fail, type Operation } from './operation.ts'
import type { BucketLock } from './retention.ts'
import { checkTags, type Tag } from './tags.ts'
import { dropUploads } from './upload.ts'
import { isBucketEmpty } from './versions.ts'

export type PublicAccessBlock = {
  readonly blockPublicAcls: boolean
  readonly ignorePublicAcls: boolean
  readonly blockPublicPolicy: boolean
  readonly restrictPublicBuckets: boolean
}

export type BucketRecord = {
  readonly name: string
  readonly account: string
  readonly region: string
  /** Epoch milliseconds. */
  readonly created: number
  /** Absent: never versioned. */
  readonly versioning?: 'Enabled' | 'Suspended'
  /** The policy as it was put, JSON text. */
  readonly policy?: string
  readonly publicAccessBlock?: PublicAccessBlock
  readonly tags?: readonly Tag[]
  /** Events go to EventBridge. */
  readonly eventBridge?: boolean
  /** What objects are encrypted with when nobody says otherwise; AES256 where there is none. */
  readonly encryption?: { readonly algorithm: 'aws:kms' | 'aws:kms:dsse'; readonly keyId?: string }
  readonly bucketKey?: boolean
  /** Absent: BucketOwnerEnforced, under which lists do not count. `none`: its controls were deleted. */
  readonly ownership?: 'BucketOwnerPreferred' | 'ObjectWriter' | 'none'
  /** Absent: the owner has full control, nobody else anything. */
  readonly acl?: Acl
  readonly requesterPays?: boolean
  /** Transfer Acceleration; absent: never turned on. */
  readonly acceleration?: 'Enabled' | 'Suspended'
  /** Kinds of configuration it has, in rows of their own. */
  readonly configured?: readonly string[]
  /** Deleting a version for good takes a code of an MFA device. */
  readonly mfaDelete?: boolean | undefined
  /** Object Lock is on. */
  readonly objectLock?: BucketLock
  /** Its tags are condition keys, and managed by TagResource. */
  readonly abac?: true
  /** New buckets block SSE-C. */
  readonly customerKeys?: 'allowed'
  /** It holds the files of this table of S3 Tables (an ARN): no bucket of anybody's, and in no list. */
  readonly table?: string
}

/** Names of buckets are unique over all accounts and regions. */
export const Bucket = table<BucketRecord>('s3.bucket', {
  scope: 'global',
  key: (bucket) => bucket.name,
  index: { account: ({ table, account }) => (table === undefined ? account : undefined) },
})

export const bucketArn = (name: string): string => `arn:aws:s3:::${name}`

/** The canonical user id of an account: 64 hexadecimal digits that never change. */
export const canonicalId = (account: string): string =>
  createHash('sha256').update(`s3-canonical-user:${account}`).digest('hex')

export const ownerOf = (account: string): { ID: string } => ({ ID: canonicalId(account) })

export const noSuchBucket = (name: string) =>
  fail('NoSuchBucket', 'The specified bucket does not exist', { BucketName: name })

export const bucketAlreadyExists = (name: string) =>
  fail(
    'BucketAlreadyExists',
    'The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.',
    { BucketName: name },
  )

type Addressed = { readonly Bucket: string; readonly ExpectedBucketOwner?: string | undefined }

/** The bucket a request addresses. Throws NoSuchBucket; AccessDenied for another owner than expected; the wrong region's errors. */
export const bucketOf = async (
  ctx: Ctx,
  tx: ReadTx,
  { Bucket: name, ExpectedBucketOwner }: Addressed,
  { anyRegion } = { anyRegion: false },
): Promise<BucketRecord> => {
  const bucket = await tx.get(Bucket, name)
  if (!bucket) throw noSuchBucket(name)
  if (!anyRegion) checkRegion(ctx, bucket)
  checkOwner(bucket, ExpectedBucketOwner)
  return bucket
}

export const checkOwner = (bucket: BucketRecord, expected: string | undefined): void => {
  if (expected !== undefined && expected !== bucket.account) throw fail('AccessDenied', 'Access Denied')
}

/**
 * A signature is made for a region; it must be the bucket's. A path-style request has come to the wrong region's
 * endpoint; one that names the bucket in its host has found the right one with the wrong signature. Calls of Drydock's
 * own services, and those without a signature, name no region.
 */
const checkRegion = ({ region, request: { path, query, headers } }: Ctx, bucket: BucketRecord): void => {
  const inHeader = /^AWS4-/.test(headers.authorization ?? '')
  const inQuery = /(^|&)X-Amz-Credential=/i.test(query)
  if (bucket.region === region || !(inHeader || inQuery)) return
  const named = { 'x-amz-bucket-region': bucket.region }
  if (path === `/${bucket.name}` || path.startsWith(`/${bucket.name}/`))
    throw fail(
      'PermanentRedirect',
      'The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.',
      { Endpoint: `s3.${bucket.region}.amazonaws.com`, Bucket: bucket.name },
      named,
    )
  const wrong = `the region '${region}' is wrong; expecting '${bucket.region}'`
  if (inHeader)
    throw fail(
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; ${wrong}`,
      { Region: bucket.region },
      named,
    )
  throw fail(
    'AuthorizationQueryParametersError',
    `Error parsing the X-Amz-Credential parameter; ${wrong}`,
    { Region: bucket.region },
    named,
  )
}

const reservedPrefixes = ['xn--', 'sthree-', 'amzn-s3-demo-']
const reservedSuffixes = ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3']

/** "General purpose bucket naming rules", S3 user guide. */
export const isBucketName = (name: string): boolean =>
  /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
  !name.includes('..') &&
  !/^\d+\.\d+\.\d+\.\d+$/.test(name) &&
  !reservedPrefixes.some((prefix) => name.startsWith(prefix)) &&
  !reservedSuffixes.some((suffix) => name.endsWith(suffix))

const regionAsked = (ctx: Ctx, constraint: string | undefined): string => {
  if (constraint === undefined || constraint === '') {
    if (ctx.region === 'us-east-1') return ctx.region
    throw fail(
      'IllegalLocationConstraintException',
      'The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.',
    )
  }
  const region = constraint === 'EU' ? 'eu-west-1' : constraint
  if (region === 'us-east-1' || !/^[a-z]{2,}(-[a-z]+)+-\d+$/.test(region))
    throw fail('InvalidLocationConstraint', 'The specified location-constraint is not valid', {
      LocationConstraint: constraint,
    })
  if (ctx.region !== 'us-east-1' && ctx.region !== region)
    throw fail(
      'IllegalLocationConstraintException',
      `The ${constraint} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    )
  return region
}

/** An account's own part of all names ends in its number, the Region and `-an` ("Namespaces for general purpose buckets"). */
const checkNamespace = (name: string, namespace: string | undefined, suffix: string): void => {
  const own = namespace === 'account-regional'
  if (own ? !name.endsWith(suffix) : /-\d{12}-[a-z]{2,}(-[a-z]+)+-\d+-an$/.test(name))
    throw fail('InvalidBucketName', 'The specified bucket is not valid.', { BucketName: name })
}

/** "Amazon S3 quotas": general purpose buckets of an account. */
const mostBuckets = 10_000

export const CreateBucket: Operation<'CreateBucket'> = async (ctx, input) => {
  const { Bucket: name, CreateBucketConfiguration: configuration } = input
  if (!isBucketName(name)) throw fail('InvalidBucketName', 'The specified bucket is not valid.', { BucketName: name })
  if (configuration?.Location || configuration?.Bucket) throw notImplemented('S3 directory buckets')
  const ownership = input.ObjectOwnership ?? 'BucketOwnerEnforced'
  const acl = aclAsked(input, ctx.account)
  if (ownership === 'BucketOwnerEnforced' && acl && (hasGrantHeaders(input) || grantsOthers(acl, ctx.account)))
    throw fail(
      'InvalidBucketAclWithObjectOwnership',
      "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    )
  // Every new bucket has the whole block.
  if (acl && isPublicAcl(acl))
    throw fail(
      'InvalidBucketAclWithBlockPublicAccessError',
      'Bucket cannot have public ACLs set with BlockPublicAccess enabled',
    )
  const tags = configuration?.Tags && checkTags(configuration.Tags, 'bucket')
  const region = regionAsked(ctx, configuration?.LocationConstraint)
  checkNamespace(name, input.BucketNamespace, `-${ctx.account}-${region}-an`)
  const bucket: BucketRecord = {
    name,
    account: ctx.account,
    region,
    created: Math.floor(ctx.now().getTime() / 1000) * 1000,
    publicAccessBlock: {
      blockPublicAcls: true,
      ignorePublicAcls: true,
      blockPublicPolicy: true,
      restrictPublicBuckets: true,
    },
    ...(tags?.length ? { tags } : {}),
    ...(ownership === 'BucketOwnerEnforced' ? {} : { ownership, ...(acl ? { acl } : {}) }),
    ...(input.ObjectLockEnabledForBucket ? { versioning: 'Enabled' as const, objectLock: {} } : {}),
  }
  await ctx.write(async (tx) => {
    const existing = await tx.get(Bucket, name)
    if (existing && existing.account !== ctx.account) throw bucketAlreadyExists(name)
    // In us-east-1 alone, creating one's own bucket again succeeds and changes nothing.
    if (existing && (region !== 'us-east-1' || existing.region !== region))
      throw fail(
        'BucketAlreadyOwnedByYou',
        'Your previous request to create the named bucket succeeded and you already own it.',
        {
          BucketName: name,
        },
      )
    if (existing) return
    const others = await tx.list(Bucket, { index: 'account', equals: ctx.account, limit: mostBuckets })
    if (others.length >= mostBuckets)
      throw fail('TooManyBuckets', 'You have attempted to create more buckets than allowed')
    tx.put(Bucket, bucket)
    tx.wake('s3.storage-metrics', name, {
      in: 86_400_000 - (ctx.now().getTime() % 86_400_000),
      at: { account: bucket.account, region },
    })
  })
  return {
    Location: region === 'us-east-1' ? `/${name}` : `http://${name}.s3.amazonaws.com/`,
    BucketArn: bucketArn(name),
  }
}

export const HeadBucket: Operation<'HeadBucket'> = async (ctx, input) => {
  const bucket = await ctx.read((tx) => tx.get(Bucket, input.Bucket))
  if (!bucket) throw fail('NotFound', 'Not Found')
  checkRegion(ctx, bucket)
  checkOwner(bucket, input.ExpectedBucketOwner)
  return { BucketArn: bucketArn(bucket.name), BucketRegion: bucket.region, AccessPointAlias: false }
}

export const DeleteBucket: Operation<'DeleteBucket'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    const { name } = bucket
    if (!(await isBucketEmpty(tx, name)))
      throw fail('BucketNotEmpty', 'The bucket you tried to delete is not empty', { BucketName: name })
    if (await hasAccessPoints(tx, bucket))
      throw fail(
        'BucketHasAccessPointsAttached',
        'The bucket you tried to delete has access points attached. Delete your access points before deleting your bucket.',
        { BucketName: name },
      )
    await dropUploads(tx, name)
    await dropConfigurations(tx, name)
    tx.delete(Bucket, name)
    return {}
  })

/** A page of the caller's buckets, by name. Errors: InvalidArgument for another Region than the endpoint's, or a token of nobody's. */
export const ListBuckets: Operation<'ListBuckets'> = async (ctx, input) => {
  const { MaxBuckets, ContinuationToken, Prefix, BucketRegion } = input
  if (BucketRegion !== undefined && BucketRegion !== ctx.region)
    throw fail('InvalidArgument', `Argument value ${BucketRegion} is not the Region of the endpoint.`, {
      ArgumentName: 'bucket-region',
      ArgumentValue: BucketRegion,
    })
  const after = ContinuationToken === undefined ? undefined : Buffer.from(ContinuationToken, 'base64url').toString()
  if (after !== undefined && !isBucketName(after))
    throw fail('InvalidArgument', 'The continuation token provided is incorrect', {
      ArgumentName: 'continuation-token',
    })
  const all = await ctx.read((tx) =>
    tx.list(Bucket, { index: 'account', equals: ctx.account, ...(after === undefined ? {} : { after }) }),
  )
  const found = all.filter(
    ({ name, region }) => name.startsWith(Prefix ?? '') && (!BucketRegion || region === BucketRegion),
  )
  const shown = found.slice(0, MaxBuckets ?? mostBuckets)
  const last = shown.at(-1)
  return {
    Owner: ownerOf(ctx.account),
    Buckets: shown.map(({ name, region, created }) => ({
      Name: name,
      CreationDate: new Date(created),
      BucketRegion: region,
      BucketArn: bucketArn(name),
    })),
    ...(shown.length < found.length && last ? { ContinuationToken: Buffer.from(last.name).toString('base64url') } : {}),
    ...(Prefix === undefined ? {} : { Prefix }),
  }
}

/** Answered whatever region it is asked in: that is what it is for. */
export const GetBucketLocation: Operation<'GetBucketLocation'> = async (ctx, input) => {
  const bucket = await ctx.read((tx) => tx.get(Bucket, input.Bucket))
  if (!bucket) throw noSuchBucket(input.Bucket)
  checkOwner(bucket, input.ExpectedBucketOwner)
  return { LocationConstraint: bucket.region === 'us-east-1' ? undefined : (bucket.region as 'eu-west-1') }
}
