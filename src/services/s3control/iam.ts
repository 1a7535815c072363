import { requestTags } from '../../kernel/authorize.ts'
import type { Ctx } from '../../kernel/context.ts'
import { type Keys, requestKeys } from '../../kernel/s3-request-keys.ts'
import type { AccessRule, AccessRules, Requirement } from '../../kernel/service.ts'
import type { PolicyDocument } from '../../policy/policy.ts'
import { type AccessPointFacts, accessPoints, buckets } from '../capabilities.ts'
import { accessPointArn } from './access-points.ts'
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
    TagResource: onTagged('s3:TagResource'),
    UntagResource: onTagged('s3:UntagResource'),
    ListTagsForResource: onTagged('s3:ListTagsForResource'),
  },
  resourcePolicy: async (ctx, arn) => {
    const [, bucket] = /^arn:aws:s3:::([^/:]+)$/.exec(arn) ?? []
    if (bucket !== undefined) {
      const found = await ctx.use(buckets).find(bucket)
      return found && { account: found.account }
    }
    const [, region = '', account = '', name] = pointPattern.exec(arn) ?? []
    const point = name === undefined ? undefined : await ctx.use(accessPoints).find(account, region, name)
    if (!point) return undefined
    return {
      account,
      ...(point.policy === undefined ? {} : { document: JSON.parse(point.policy) as PolicyDocument }),
    }
  },
}
