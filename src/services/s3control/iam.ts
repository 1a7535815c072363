import { requestTags } from '../../kernel/authorize.ts'
import type { Ctx } from '../../kernel/context.ts'
import { type Keys, requestKeys } from '../../kernel/s3-request-keys.ts'
import type { AccessRule, AccessRules, Requirement } from '../../kernel/service.ts'
import type { PolicyDocument } from '../../policy/policy.ts'
import { type AccessPointFacts, accessPoints, buckets } from '../capabilities.ts'
import { accessPointArn } from './access-points.ts'
import { grantsAccess } from './grants/iam.ts'
import { instancePolicy } from './grants/instances.ts'
import { grantsPattern, tagsOfGrantsResource } from './grants/tagged.ts'
import { Job, type JobRecord, jobArn, operationOf } from './jobs/job.ts'
import type { Input, NS } from './operation.ts'

// Actions, resources and condition keys ("Actions, resources, and condition keys for Amazon S3", service authorization
// reference).

const ownKeys = (ctx: Ctx): Keys => ({ ...requestKeys(ctx), 's3:ResourceAccount': ctx.account })

const everywhere =
  (action: string): AccessRule<unknown> =>
  (_, ctx) => [{ action, resources: ['*'], context: ownKeys(ctx) }]

const pointPattern = /^arn:aws:s3:([a-z0-9-]+):(\d{12}):accesspoint\/([^/]+)$/

const tagKeys = ({ tags = [] }: Pick<AccessPointFacts, 'tags'>): Keys =>
  Object.fromEntries(
    tags.flatMap(({ key, value }) => [
      [`s3:AccessPointTag/${key}`, value],
      [`aws:ResourceTag/${key}`, value],
    ]),
  )

type Named = { readonly Name: string }

const arnOf = (ctx: Ctx, { Name }: Named) => accessPointArn({ account: ctx.account, region: ctx.region, name: Name })

const pointKeys = (ctx: Ctx, input: Named, vpc: string | undefined): Keys => ({
  ...ownKeys(ctx),
  's3:DataAccessPointArn': arnOf(ctx, input),
  's3:DataAccessPointAccount': ctx.account,
  's3:AccessPointNetworkOrigin': vpc === undefined ? 'Internet' : 'VPC',
})

const onPoint =
  (action: string): AccessRule<Named> =>
  async (input, ctx) => {
    const point = await ctx.use(accessPoints).find(ctx.account, ctx.region, input.Name)
    const context = { ...pointKeys(ctx, input, point?.vpc), ...(point ? tagKeys(point) : {}) }
    return [{ action, resources: [arnOf(ctx, input)], context }]
  }

/** A block of its own and tags need the right to them as well. */
const creatingPoint: AccessRule<Input<'CreateAccessPoint'>> = (input, ctx) => {
  const actions = [
    's3:CreateAccessPoint',
    ...(input.PublicAccessBlockConfiguration ? ['s3:PutAccessPointPublicAccessBlock'] : []),
    ...(input.Tags?.length ? ['s3:TagResource'] : []),
  ]
  const context = { ...pointKeys(ctx, input, input.VpcConfiguration?.VpcId), ...requestTags(input) }
  return actions.map((action) => ({ action, resources: [arnOf(ctx, input)], context }))
}

const onTagged =
  (action: string): AccessRule<{ readonly ResourceArn: string }> =>
  async (input, ctx): Promise<Requirement[]> => {
    const [, region, account, Name] = pointPattern.exec(input.ResourceArn) ?? []
    const point =
      region === undefined || account === undefined || Name === undefined
        ? undefined
        : await ctx.use(accessPoints).find(account, region, Name)
    const keys = point ? { ...pointKeys(ctx, { Name: point.name }, point.vpc), ...tagKeys(point) } : ownKeys(ctx)
    return [{ action, resources: [input.ResourceArn], context: { ...keys, ...requestTags(input) } }]
  }

const jobArnOf = (ctx: Ctx, id: string) => jobArn({ account: ctx.account, region: ctx.region, id })

/** The role that a job names must be the caller's to pass; tags need the right to tag jobs as well. */
const creatingJob: AccessRule<Input<'CreateJob'>> = (input, ctx) => {
  const context = {
    ...ownKeys(ctx),
    // Not validated yet: the body may lack anything.
    's3:RequestJobOperation': Object.keys((input.Operation as object | undefined) ?? {})[0],
    's3:RequestJobPriority': input.Priority === undefined ? undefined : String(input.Priority),
    ...requestTags(input),
  }
  return [
    { action: 's3:CreateJob', resources: ['*'], context },
    ...(/^arn:aws:iam::\d{12}:role\/./.test(input.RoleArn ?? '')
      ? [
          {
            action: 'iam:PassRole',
            resources: [input.RoleArn],
            context: { 'iam:PassedToService': 'batchoperations.s3.amazonaws.com' },
          },
        ]
      : []),
    ...(input.Tags?.length
      ? [{ action: 's3:PutJobTagging', resources: [jobArnOf(ctx, '*')], context: existingJob(undefined, context) }]
      : []),
  ]
}

const existingJob = (job: JobRecord | undefined, context: Keys | Requirement['context']): Requirement['context'] => ({
  ...context,
  ...(job ? { 's3:ExistingJobOperation': operationOf(job), 's3:ExistingJobPriority': String(job.priority) } : {}),
})

const onJob =
  (action: string): AccessRule<{ readonly JobId: string; readonly Priority?: number }> =>
  async (input, ctx): Promise<Requirement[]> => {
    const job = await ctx.read((tx) => tx.get(Job, input.JobId ?? ''))
    const context = {
      ...ownKeys(ctx),
      's3:RequestJobPriority': input.Priority === undefined ? undefined : String(input.Priority),
      's3:JobSuspendedCause': job?.status === 'Suspended' ? 'AwaitingConfirmation' : undefined,
      ...Object.fromEntries((job?.tags ?? []).map(({ key, value }) => [`aws:ResourceTag/${key}`, value])),
      ...requestTags(input),
    }
    return [{ action, resources: [jobArnOf(ctx, input.JobId)], context: existingJob(job, context) }]
  }

export const access: AccessRules<NS> = {
  operations: {
    GetPublicAccessBlock: everywhere('s3:GetAccountPublicAccessBlock'),
    PutPublicAccessBlock: everywhere('s3:PutAccountPublicAccessBlock'),
    DeletePublicAccessBlock: everywhere('s3:PutAccountPublicAccessBlock'),
    CreateAccessPoint: creatingPoint,
    GetAccessPoint: onPoint('s3:GetAccessPoint'),
    ListAccessPoints: everywhere('s3:ListAccessPoints'),
    DeleteAccessPoint: onPoint('s3:DeleteAccessPoint'),
    PutAccessPointPolicy: onPoint('s3:PutAccessPointPolicy'),
    GetAccessPointPolicy: onPoint('s3:GetAccessPointPolicy'),
    DeleteAccessPointPolicy: onPoint('s3:DeleteAccessPointPolicy'),
    GetAccessPointPolicyStatus: onPoint('s3:GetAccessPointPolicyStatus'),
    CreateJob: creatingJob,
    DescribeJob: onJob('s3:DescribeJob'),
    ListJobs: everywhere('s3:ListJobs'),
    UpdateJobPriority: onJob('s3:UpdateJobPriority'),
    UpdateJobStatus: onJob('s3:UpdateJobStatus'),
    PutJobTagging: onJob('s3:PutJobTagging'),
    GetJobTagging: onJob('s3:GetJobTagging'),
    DeleteJobTagging: onJob('s3:DeleteJobTagging'),
    TagResource: onTagged('s3:TagResource'),
    UntagResource: onTagged('s3:UntagResource'),
    ListTagsForResource: onTagged('s3:ListTagsForResource'),
    ...grantsAccess,
  },
  resourcePolicy: async (ctx, arn) => {
    const [, bucket] = /^arn:aws:s3:::([^/:]+)$/.exec(arn) ?? []
    if (bucket !== undefined) {
      const found = await ctx.use(buckets).find(bucket)
      return found && { account: found.account }
    }
    if (grantsPattern.test(arn)) return instancePolicy(ctx, arn)
    const [, region = '', account = '', name] = pointPattern.exec(arn) ?? []
    const point = name === undefined ? undefined : await ctx.use(accessPoints).find(account, region, name)
    if (!point) return undefined
    return {
      account,
      ...(point.policy === undefined ? {} : { document: JSON.parse(point.policy) as PolicyDocument }),
    }
  },
  resourceTags: async (ctx, arn) => (grantsPattern.test(arn) ? tagsOfGrantsResource(ctx, arn) : undefined),
}
