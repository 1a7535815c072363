import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { type AccessPointFacts, accessPoints, buckets } from '../capabilities.ts'
import { accountOf, type Operation, type Output, refuse } from './operation.ts'
import { checkTags } from './tags.ts'

// Access points of general-purpose buckets ("Managing access to shared datasets with access points", S3 user guide).

export const accessPointArn = ({
  account,
  region,
  name,
}: Pick<AccessPointFacts, 'account' | 'region' | 'name'>): string =>
  `arn:aws:s3:${region}:${account}:accesspoint/${name}`

export const noSuchAccessPoint = (name: string) =>
  refuse('NoSuchAccessPoint', 'The specified accesspoint does not exist', { AccessPointName: name })

/** Throws NoSuchAccessPoint; AccessDenied for another account's. */
export const getAccessPoint = async (
  ctx: Ctx,
  input: { readonly AccountId?: string | undefined; readonly Name: string },
): Promise<AccessPointFacts> => {
  const found = await ctx.use(accessPoints).find(accountOf(ctx, input), ctx.region, input.Name)
  if (!found) throw noSuchAccessPoint(input.Name)
  return found
}

/** "Naming rules for Amazon S3 access points for general purpose buckets". */
const isName = (name: string): boolean => /^[a-z0-9][a-z0-9-]{1,48}[a-z0-9]$/.test(name) && !name.endsWith('-s3alias')

const lowercase = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** 63 characters at most, as a bucket's name. */
const aliasOf = (ctx: Ctx, name: string): string => `${name.slice(0, 20)}-${ctx.random(34, lowercase)}-s3alias`

const wholeBlock = {
  blockPublicAcls: true,
  ignorePublicAcls: true,
  blockPublicPolicy: true,
  restrictPublicBuckets: true,
}

/** Errors: InvalidAccessPoint, InvalidRequest, AccessPointAlreadyOwnedByYou, AccessDenied. */
export const CreateAccessPoint: Operation<'CreateAccessPoint'> = async (ctx, input) => {
  const account = accountOf(ctx, input)
  const { Name: name, Bucket: bucket, PublicAccessBlockConfiguration: block, VpcConfiguration: network } = input
  if (name.endsWith('--xa-s3') || bucket.endsWith('--x-s3')) throw notImplemented('access points of directory buckets')
  if (!isName(name)) throw refuse('InvalidAccessPoint', 'The specified access point name or account is not valid.')
  if (input.Scope?.Prefixes || input.Scope?.Permissions)
    throw notImplemented('scopes of access points: only directory buckets have them')
  const tags = checkTags(input.Tags ?? [])
  const found = await ctx.use(buckets).find(bucket)
  if (found?.region !== ctx.region)
    throw refuse('InvalidRequest', 'An access point can be created only for an existing bucket.')
  // Whose bucket it is must be said, where it is not one's own.
  if (found.account !== (input.BucketAccountId ?? account)) throw refuse('AccessDenied', 'Access Denied')
  const point: AccessPointFacts = {
    name,
    account,
    region: ctx.region,
    bucket,
    bucketAccount: found.account,
    alias: aliasOf(ctx, name),
    created: ctx.now().getTime(),
    ...(network ? { vpc: network.VpcId } : {}),
    publicAccessBlock: block
      ? {
          blockPublicAcls: block.BlockPublicAcls ?? false,
          ignorePublicAcls: block.IgnorePublicAcls ?? false,
          blockPublicPolicy: block.BlockPublicPolicy ?? false,
          restrictPublicBuckets: block.RestrictPublicBuckets ?? false,
        }
      : wholeBlock,
    ...(tags.length > 0 ? { tags } : {}),
  }
  if (!(await ctx.use(accessPoints).create(point)))
    throw refuse(
      'AccessPointAlreadyOwnedByYou',
      'An access point with an identical name already exists in your account.',
      { AccessPointName: name },
    )
  return { AccessPointArn: accessPointArn(point), Alias: point.alias }
}

const toAccessPoint = (point: AccessPointFacts) => ({
  Name: point.name,
  Bucket: point.bucket,
  BucketAccountId: point.bucketAccount,
  NetworkOrigin: point.vpc === undefined ? ('Internet' as const) : ('VPC' as const),
  ...(point.vpc === undefined ? {} : { VpcConfiguration: { VpcId: point.vpc } }),
  Alias: point.alias,
  AccessPointArn: accessPointArn(point),
})

export const GetAccessPoint: Operation<'GetAccessPoint'> = async (ctx, input) => {
  const point = await getAccessPoint(ctx, input)
  const block = point.publicAccessBlock
  const host = (kind: string) => `s3-accesspoint${kind}.${point.region}.amazonaws.com`
  return {
    ...toAccessPoint(point),
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: block.blockPublicAcls,
      IgnorePublicAcls: block.ignorePublicAcls,
      BlockPublicPolicy: block.blockPublicPolicy,
      RestrictPublicBuckets: block.restrictPublicBuckets,
    },
    CreationDate: new Date(point.created),
    Endpoints: {
      ipv4: host(''),
      dualstack: host('.dualstack'),
      fips: host('-fips'),
      fips_dualstack: host('-fips.dualstack'),
    },
  }
}

const pageSize = 1000

/** Those of the caller's account and Region, of one bucket where it is named. Errors: InvalidRequest. */
export const ListAccessPoints: Operation<'ListAccessPoints'> = async (ctx, input) => {
  const account = accountOf(ctx, input)
  if (input.DataSourceId !== undefined || input.DataSourceType !== undefined)
    throw notImplemented('access points of other data sources than buckets')
  const { Bucket: bucket, MaxResults: most = pageSize, NextToken: token } = input
  if (bucket !== undefined && !(await ctx.use(buckets).find(bucket)))
    throw refuse('InvalidRequest', 'An access point can be listed only for an existing bucket.')
  let after = token === undefined ? undefined : Buffer.from(token, 'base64url').toString()
  const shown: AccessPointFacts[] = []
  let more = true
  while (more && shown.length < most) {
    const page = await ctx.use(accessPoints).list(account, ctx.region, after, pageSize)
    more = page.length === pageSize
    for (const point of page) {
      if (shown.length === most) {
        more = true
        break
      }
      after = point.name
      if (bucket === undefined || point.bucket === bucket) shown.push(point)
    }
  }
  return {
    AccessPointList: shown.map(toAccessPoint),
    ...(more && after !== undefined ? { NextToken: Buffer.from(after).toString('base64url') } : {}),
  } satisfies Output<'ListAccessPoints'>
}

export const DeleteAccessPoint: Operation<'DeleteAccessPoint'> = async (ctx, input) => {
  const deleted = await ctx.use(accessPoints).change(accountOf(ctx, input), ctx.region, input.Name, () => undefined)
  if (!deleted) throw noSuchAccessPoint(input.Name)
  ctx.response.status = 204
  return {}
}
