import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import type { Requirement } from '../../kernel/service.ts'
import { type AccessPointRecord, accessPointArn, accessPointNamed, blockOf } from './access-point.ts'
import { Bucket, noSuchBucket } from './bucket.ts'
import { fail } from './operation.ts'
import type { Keys } from './request-keys.ts'

// Requests through access points: the operation is the bucket's, and both must allow it ("Configuring IAM policies for using
// access points", S3 user guide).

/** "Access point compatibility", S3 user guide. */
const compatible = new Set([
  'AbortMultipartUpload',
  'CompleteMultipartUpload',
  'CopyObject',
  'CreateMultipartUpload',
  'DeleteObject',
  'DeleteObjectAnnotation',
  'DeleteObjects',
  'DeleteObjectTagging',
  'GetBucketAcl',
  'GetBucketCors',
  'GetBucketLocation',
  'GetBucketNotificationConfiguration',
  'GetBucketPolicy',
  'GetObject',
  'GetObjectAcl',
  'GetObjectAnnotation',
  'GetObjectAttributes',
  'GetObjectLegalHold',
  'GetObjectRetention',
  'GetObjectTagging',
  'HeadBucket',
  'HeadObject',
  'ListMultipartUploads',
  'ListObjectAnnotations',
  'ListObjects',
  'ListObjectsV2',
  'ListObjectVersions',
  'ListParts',
  'PutObject',
  'PutObjectAcl',
  'PutObjectAnnotation',
  'PutObjectLegalHold',
  'PutObjectRetention',
  'PutObjectTagging',
  'RestoreObject',
  'UploadPart',
  'UploadPartCopy',
])

type Input = Readonly<Record<string, unknown>>

/** The access points a request goes through: to what it is about, and to the source of a copy. */
type Points = { readonly target?: AccessPointRecord | undefined; readonly source?: AccessPointRecord | undefined }
type Redirected = { readonly input: Input; readonly points: Points; readonly copies: boolean }

/** Throws unless this caller may come through it at all. */
const checkOrigin = ({ principal, request }: Ctx, { vpc }: AccessPointRecord): void => {
  const denied = () => fail('AccessDenied', 'Access Denied')
  if (principal.kind === 'anonymous') throw denied()
  if (vpc === undefined) return
  if (request.inside) throw notImplemented('access points of a VPC: which VPC a request came from is not told')
  throw denied()
}

const through = async (ctx: Ctx, name: string): Promise<AccessPointRecord | undefined> => {
  const point = await accessPointNamed(ctx, name)
  if (!point) return undefined
  checkOrigin(ctx, point)
  const bucket = await ctx.read((tx) => tx.get(Bucket, point.bucket))
  // Somebody else's bucket of the same name is not the one it was made for.
  if (bucket?.account !== point.bucketAccount) throw noSuchBucket(point.bucket)
  return point
}

/** `…:accesspoint/NAME/object/KEY` or `ALIAS/KEY`, with what comes behind. */
const sourcePattern = /^\/?(?:(arn(?::|%3A).+?)(?:\/|%2F)object(?:\/|%2F)|([a-z0-9-]+-s3alias)(?:\/|%2F))(.*)$/is

const sourceOf = async (ctx: Ctx, source: unknown) => {
  const [, arn, alias, rest] = typeof source === 'string' ? (sourcePattern.exec(source) ?? []) : []
  if (rest === undefined) return undefined
  const point = await through(ctx, arn === undefined ? (alias ?? '') : decoded(arn))
  return point && { point, CopySource: `${point.bucket}/${rest}` }
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The request as one to the bucket, where it is one through an access point. Throws what hinders it. */
const redirect = async (ctx: Ctx, operation: string, input: Input): Promise<Redirected | undefined> => {
  const { Bucket: name } = input
  // What is to be made is named by what it will be.
  const target = typeof name === 'string' && operation !== 'CreateBucket' ? await through(ctx, name) : undefined
  const source = await sourceOf(ctx, input.CopySource)
  if (!target && !source) return undefined
  if (target && !compatible.has(operation))
    throw fail('MethodNotAllowed', 'The specified method is not allowed against this resource.', {
      ResourceType: 'ACCESSPOINT',
    })
  return {
    input: {
      ...input,
      ...(target ? { Bucket: target.bucket } : {}),
      ...(source ? { CopySource: source.CopySource } : {}),
    },
    points: { target, source: source?.point },
    copies: input.CopySource !== undefined,
  }
}

const keysOf = (point: AccessPointRecord): Keys => ({
  's3:DataAccessPointArn': accessPointArn(point),
  's3:DataAccessPointAccount': point.account,
  's3:AccessPointNetworkOrigin': point.vpc === undefined ? 'Internet' : 'VPC',
  ...Object.fromEntries((point.tags ?? []).map(({ key, value }) => [`s3:AccessPointTag/${key}`, value])),
})

const resourceTags = ({ tags = [] }: AccessPointRecord): Keys =>
  Object.fromEntries(tags.map(({ key, value }) => [`aws:ResourceTag/${key}`, value]))

const resourceAt = (point: AccessPointRecord, arn: string): string => {
  const [, key] = /^arn:aws:s3:::[^/]+(?:\/(.*))?$/s.exec(arn) ?? []
  return key === undefined ? accessPointArn(point) : `${accessPointArn(point)}/object/${key}`
}

/** A copy reads through one and writes through the other. */
const pointFor = ({ points: { target, source }, copies }: Redirected, action: string) =>
  copies && /^s3:(GetObject|ListBucket)/.test(action) ? source : target

/** The access point must allow it, and the bucket. */
const both = (redirected: Redirected, requirement: Requirement): Requirement[] => {
  const point = pointFor(redirected, requirement.action)
  if (!point) return [requirement]
  const context = { ...requirement.context, ...keysOf(point) }
  return [
    {
      action: requirement.action,
      resources: requirement.resources.map((arn) => resourceAt(point, arn)),
      context: { ...context, ...resourceTags(point), 's3:ResourceAccount': point.account },
    },
    { ...requirement, context },
  ]
}

/** Each operation has an input of its own. */
type Operations = Readonly<Record<string, (...args: never[]) => unknown>>
type Run = (ctx: Ctx, input: Input) => unknown
type Ask = (input: Input, ctx: Ctx) => Promise<readonly Requirement[]>

/** Rules that ask for both where a request comes through an access point. */
export const guardingAccessPoints = <R extends Operations>(rules: R): R =>
  Object.fromEntries(
    Object.entries(rules).map(([operation, rule]) => [
      operation,
      async (input: Input, ctx: Ctx) => {
        const redirected = await redirect(ctx, operation, input)
        const asked = await (rule as Ask)(redirected?.input ?? input, ctx)
        return redirected ? asked.flatMap((requirement) => both(redirected, requirement)) : asked
      },
    ]),
  ) as unknown as R

const everyone = /\/groups\/global\/(AllUsers|AuthenticatedUsers)\b/
const opens = ({ ACL, ...input }: Input): boolean =>
  /^(public-|authenticated-read$)/.test(String(ACL)) ||
  Object.entries(input).some(
    ([name, value]) => /^(Grant|AccessControlPolicy)/.test(name) && everyone.test(JSON.stringify(value)),
  )

/** Public lists are blocked by an access point as by a bucket. */
const checkLists = async (ctx: Ctx, { input, points: { target } }: Redirected): Promise<void> => {
  if (target && opens(input) && (await ctx.read((tx) => blockOf(tx, target))).blockPublicAcls)
    throw fail('AccessDenied', 'Access Denied')
}

/** Operations that work through access points too. */
export const throughAccessPoints = <O extends Operations>(operations: O): O =>
  Object.fromEntries(
    Object.entries(operations).map(([name, operation]) => [
      name,
      async (ctx: Ctx, input: Input) => {
        const redirected = await redirect(ctx, name, input)
        const run = operation as Run
        if (!redirected) return run(ctx, input)
        if (/^(PutObject|PutObjectAcl|CopyObject|CreateMultipartUpload)$/.test(name)) await checkLists(ctx, redirected)
        const authorize: Ctx['authorize'] = async (action, resource, context = {}) => {
          for (const { action: each, resources, context: keys } of both(redirected, {
            action,
            resources: [resource],
            context,
          }))
            for (const arn of resources) await ctx.authorize(each, arn, listed(keys))
        }
        const output = await run({ ...ctx, authorize }, redirected.input)
        return name === 'HeadBucket' ? { ...(output as object), AccessPointAlias: true } : output
      },
    ]),
  ) as unknown as O

const listed = (context: Requirement['context']): Record<string, readonly string[]> =>
  Object.fromEntries(
    Object.entries(context ?? {}).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, typeof value === 'string' ? [value] : value]],
    ),
  )
