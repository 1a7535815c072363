import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { rootOf } from '../../kernel/principal.ts'
import { cloudtrail, fail } from './operation.ts'
import type { TrailRecord } from './trail.ts'

// Where a trail delivers to, checked with the rights that deliveries will have.

/** CloudTrail itself, for one trail: what `aws:SourceArn` conditions of bucket policies are held against. */
export const asCloudTrail = (ctx: Ctx, { arn, account, region }: Pick<TrailRecord, 'arn' | 'account' | 'region'>) =>
  ctx.as(cloudtrail, { account, region, context: { 'aws:SourceArn': [arn] } })

/** The trail's role for CloudWatch Logs. */
export const asTrailRole = (ctx: Ctx, trail: { arn: string; account: string; region: string; logRoleArn: string }) =>
  ctx.as(trail.logRoleArn, {
    account: trail.account,
    region: trail.region,
    sessionName: 'CLOUDWATCH_LOGS_DELIVERY_SESSION',
    context: { 'aws:SourceArn': [trail.arn], 'aws:SourceAccount': [trail.account] },
  })

const bucketForm = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

export const checkBucketName = (bucket: string): void => {
  if (!bucketForm.test(bucket) || bucket.includes('..'))
    throw fail('InvalidS3BucketNameException', `Bucket name ${bucket} is not valid.`)
}

export const checkPrefix = (prefix: string | undefined): void => {
  if (prefix === undefined) return
  if (prefix.length > 200) throw fail('InvalidS3PrefixException', 'The prefix must not be longer than 200 characters.')
  if (prefix.startsWith('/') || prefix.endsWith('/') || /[^A-Za-z0-9/!_.*'() -]/.test(prefix))
    throw fail('InvalidS3PrefixException', `The prefix ${prefix} is not valid.`)
}

const codeOf = (error: unknown): string => (error instanceof AwsError ? error.code : '')

/** `[prefix/]AWSLogs/[o-id/]account`, below which everything of an account is delivered. */
export const logsRoot = (
  { prefix, organization }: Pick<TrailRecord, 'prefix' | 'organization'>,
  account: string,
): string => [...(prefix ? [prefix] : []), 'AWSLogs', ...(organization ? [organization] : []), account].join('/')

/**
 * The bucket exists, and its policy lets CloudTrail read its ACL and write objects for this trail. Throws
 * S3BucketDoesNotExistException, InsufficientS3BucketPolicyException.
 */
export const checkBucket = async (ctx: Ctx, trail: TrailRecord): Promise<void> => {
  // Only whether there is such a bucket: the answer to a stranger is a denial, which says that there is.
  await ctx
    .as(rootOf(ctx.account))
    .s3.headBucket({ Bucket: trail.bucket })
    .catch((error: unknown) => {
      if (/^(NotFound|NoSuchBucket)$/.test(codeOf(error)))
        throw fail('S3BucketDoesNotExistException', `S3 bucket ${trail.bucket} does not exist!`)
    })
  const insufficient = () =>
    fail('InsufficientS3BucketPolicyException', `Incorrect S3 bucket policy is detected for bucket: ${trail.bucket}`)
  const service = asCloudTrail(ctx, trail)
  const arn = `arn:aws:s3:::${trail.bucket}`
  try {
    await service.authorize('s3:GetBucketAcl', arn)
    const acl = { 's3:x-amz-acl': ['bucket-owner-full-control'] }
    await service.authorize('s3:PutObject', `${arn}/${logsRoot(trail, trail.account)}/`, acl)
    if (trail.organization)
      await service.authorize(
        's3:PutObject',
        `${arn}/${logsRoot({ ...trail, organization: undefined } as never, trail.account)}/`,
        acl,
      )
  } catch (error) {
    if (/AccessDenied/.test(codeOf(error))) throw insufficient()
    throw error
  }
}

/** Name of a log group that `arn:…:log-group:name:*` stands for; `undefined` if it is none. */
export const logGroupName = (arn: string): string | undefined =>
  /^arn:aws:logs:[a-z0-9-]+:\d{12}:log-group:([A-Za-z0-9._/#-]{1,512})(:\*)?$/.exec(arn)?.[1]

/** `account_CloudTrail_region`: the stream of one account and Region ("Sending events to CloudWatch Logs"). */
export const logStreamName = (place: { account: string; region: string }, organization?: string): string =>
  `${organization ? `${organization}_` : ''}${place.account}_CloudTrail_${place.region}`

/**
 * Group and role are given together, the role may be passed and assumed, and may create the trail's stream. Throws
 * InvalidCloudWatchLogsLogGroupArnException, InvalidCloudWatchLogsRoleArnException.
 */
export const checkLogs = async (ctx: Ctx, trail: TrailRecord): Promise<void> => {
  const { logGroupArn, logRoleArn } = trail
  if (logGroupArn === undefined && logRoleArn === undefined) return
  if (logGroupArn === undefined)
    throw fail('InvalidCloudWatchLogsLogGroupArnException', 'You must specify a log group as well as a role.')
  const group = logGroupName(logGroupArn)
  const place = logGroupArn.split(':')
  if (group === undefined || place[3] !== trail.region || place[4] !== trail.account)
    throw fail('InvalidCloudWatchLogsLogGroupArnException', 'CloudTrail cannot validate the specified log group ARN.')
  if (logRoleArn === undefined)
    throw fail('InvalidCloudWatchLogsRoleArnException', 'You must specify a role ARN as well as a log group.')
  if (!/^arn:aws:iam::\d{12}:role\/.+/.test(logRoleArn))
    throw fail('InvalidCloudWatchLogsRoleArnException', 'The role ARN is not valid.')
  await ctx.authorize('iam:PassRole', logRoleArn, { 'iam:PassedToService': ['cloudtrail.amazonaws.com'] })
  const role = asTrailRole(ctx, { ...trail, logRoleArn })
  try {
    await role.principal()
  } catch {
    throw fail(
      'InvalidCloudWatchLogsRoleArnException',
      'Access denied. Verify in IAM that the role has adequate permissions.',
    )
  }
  try {
    await role.logs.createLogStream({ logGroupName: group, logStreamName: logStreamName(trail, trail.organization) })
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ResourceAlreadyExistsException') return
    if (/AccessDenied/.test(code))
      throw fail('InvalidCloudWatchLogsLogGroupArnException', 'Access denied. Check the permissions for your role.')
    throw fail('InvalidCloudWatchLogsLogGroupArnException', 'CloudTrail cannot validate the specified log group ARN.')
  }
}
