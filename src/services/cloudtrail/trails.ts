import type { Ctx } from '../../kernel/context.ts'
import type { OperationInput } from '../../kernel/types.ts'
import { stopOwner } from './cursor.ts'
import { checkBucket, checkBucketName, checkLogs, checkPrefix } from './destinations.ts'
import { startDigests } from './digest.ts'
import { watch } from './follower.ts'
import { trailKey } from './kms-key.ts'
import { fail, type NS, type Operation, page, readTags } from './operation.ts'
import { ownOrganization } from './organization.ts'
import {
  arnOfTrail,
  checkTrailName,
  getOwnTrail,
  getTrail,
  Status,
  Trail,
  type TrailRecord,
  toTrail,
  toTrailBasics,
  trailArn,
  visibleTrails,
} from './trail.ts'

/** Trails per Region (service quota). */
const MOST_TRAILS = 5
const PAGE = 100

/** There are no SNS topics: what does not exist is refused with AWS's error. */
const refuseTopic = ({ SnsTopicName }: { SnsTopicName?: string | undefined }) => {
  if (SnsTopicName)
    throw fail(
      'InsufficientSnsTopicPolicyException',
      `SNS Topic does not exist or the topic policy is incorrect: ${SnsTopicName}`,
    )
}

const combination = (message: string) => fail('InvalidParameterCombinationException', message)

/** Who may have an organization trail, and its organization's id. `undefined`: not asked for. */
const organizationOf = async (ctx: Ctx, asked: boolean | undefined): Promise<string | undefined> =>
  asked ? await ownOrganization(ctx) : undefined

const withoutUndefined = <T extends object>(record: T): T =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T

/**
 * A trail; it logs once StartLogging is called. The bucket's policy is asked as deliveries will ask it. Errors as AWS's;
 * SNS topics do not exist here and are refused as such (API reference, CreateTrail).
 */
export const CreateTrail: Operation<'CreateTrail'> = async (ctx, input) => {
  checkTrailName(input.Name)
  checkBucketName(input.S3BucketName)
  checkPrefix(input.S3KeyPrefix)
  const multiRegion = input.IsMultiRegionTrail ?? false
  const globalEvents = input.IncludeGlobalServiceEvents ?? true
  if (multiRegion && !globalEvents) throw combination('Multi-Region trail must include global service events.')
  const trail: TrailRecord = withoutUndefined({
    arn: trailArn(ctx.place, input.Name),
    name: input.Name,
    account: ctx.account,
    region: ctx.region,
    bucket: input.S3BucketName,
    prefix: input.S3KeyPrefix || undefined,
    kmsKey: input.KmsKeyId
      ? await trailKey(ctx, { ...ctx.place, arn: trailArn(ctx.place, input.Name) }, input.KmsKeyId)
      : undefined,
    globalEvents,
    multiRegion,
    validation: input.EnableLogFileValidation ?? false,
    logGroupArn: input.CloudWatchLogsLogGroupArn || undefined,
    logRoleArn: input.CloudWatchLogsRoleArn || undefined,
    organization: await organizationOf(ctx, input.IsOrganizationTrail),
    insights: [],
    logging: false,
    spans: [],
    tags: readTags(input.TagsList),
    created: ctx.now().getTime(),
  }) as TrailRecord
  refuseTopic(input)
  const checkFree = async (own: readonly TrailRecord[]) => {
    if (own.some(({ name }) => name === trail.name))
      throw fail('TrailAlreadyExistsException', `Trail ${trail.name} already exists for customer: ${ctx.account}`)
    if (own.length >= MOST_TRAILS)
      throw fail(
        'MaximumNumberOfTrailsExceededException',
        `User: ${ctx.account} already has ${MOST_TRAILS} trails in ${ctx.region}.`,
      )
  }
  await ctx.read(async (tx) => checkFree(await visibleTrails(ctx, tx)))
  await checkBucket(ctx, trail)
  await checkLogs(ctx, trail)
  await ctx.write(async (tx) => {
    await checkFree(await visibleTrails(ctx, tx))
    tx.put(Trail, trail)
    tx.put(Status, { arn: trail.arn })
    watch(tx)
  })
  return toTrailBasics(trail)
}

type Updating = OperationInput<NS, 'UpdateTrail'>

const changed = async (ctx: Ctx, trail: TrailRecord, input: Updating): Promise<TrailRecord> => {
  // An empty text takes away what was there.
  const text = (given: string | undefined, known: string | undefined) =>
    given === undefined ? known : given || undefined
  return withoutUndefined({
    ...trail,
    bucket: input.S3BucketName ?? trail.bucket,
    prefix: text(input.S3KeyPrefix, trail.prefix),
    kmsKey: input.KmsKeyId ? await trailKey(ctx, trail, input.KmsKeyId) : text(input.KmsKeyId, trail.kmsKey),
    globalEvents: input.IncludeGlobalServiceEvents ?? trail.globalEvents,
    multiRegion: input.IsMultiRegionTrail ?? trail.multiRegion,
    validation: input.EnableLogFileValidation ?? trail.validation,
    logGroupArn: text(input.CloudWatchLogsLogGroupArn, trail.logGroupArn),
    logRoleArn: text(input.CloudWatchLogsRoleArn, trail.logRoleArn),
    organization:
      input.IsOrganizationTrail === undefined
        ? trail.organization
        : await organizationOf(ctx, input.IsOrganizationTrail),
  }) as TrailRecord
}

/** Changes what is given; an empty text removes. In the home Region only (API reference, UpdateTrail). */
export const UpdateTrail: Operation<'UpdateTrail'> = async (ctx, input) => {
  const before = await ctx.read((tx) => getOwnTrail(ctx, tx, input.Name))
  if (input.S3BucketName !== undefined) checkBucketName(input.S3BucketName)
  checkPrefix(input.S3KeyPrefix || undefined)
  const asked = await changed(ctx, before, input)
  refuseTopic(input)
  if (asked.multiRegion && !asked.globalEvents)
    throw combination('Multi-Region trail must include global service events.')
  await checkBucket(ctx, asked)
  if (input.CloudWatchLogsLogGroupArn || input.CloudWatchLogsRoleArn) await checkLogs(ctx, asked)
  else if ((asked.logGroupArn === undefined) !== (asked.logRoleArn === undefined)) await checkLogs(ctx, asked)
  const trail = await ctx.write(async (tx) => {
    const present = await getOwnTrail(ctx, tx, input.Name)
    const { logging, spans, selectors, insights, tags } = present
    const next = { ...asked, logging, spans, insights, tags, ...(selectors ? { selectors } : {}) }
    tx.put(Trail, next)
    if (next.validation && !present.validation && next.logging) startDigests(ctx, tx, next)
    watch(tx)
    return next
  })
  return toTrailBasics(trail)
}

/** Deletes a trail; what it delivered stays in its bucket. */
export const DeleteTrail: Operation<'DeleteTrail'> = async (ctx, input) => {
  await ctx.write(async (tx) => {
    const { arn } = await getOwnTrail(ctx, tx, input.Name)
    tx.delete(Trail, arn)
    tx.delete(Status, arn)
    await stopOwner(tx, arn)
  })
  return {}
}

/** Trails of this Region and shadows of those elsewhere; by names, what is unknown is left out. */
export const DescribeTrails: Operation<'DescribeTrails'> = async (
  ctx,
  { trailNameList = [], includeShadowTrails = true },
) => {
  const arns = trailNameList.map((name) => ({ name, arn: arnOfTrail(ctx, name) }))
  const trails = await ctx.read(async (tx) => {
    const visible = (await visibleTrails(ctx, tx)).filter(({ region }) => includeShadowTrails || region === ctx.region)
    if (trailNameList.length === 0) return visible
    return visible.filter((trail) => arns.some(({ name, arn }) => arn === trail.arn || name === trail.name))
  })
  return { trailList: trails.map(toTrail) }
}

export const GetTrail: Operation<'GetTrail'> = async (ctx, { Name }) => ({
  Trail: toTrail(await ctx.read((tx) => getTrail(ctx, tx, Name))),
})

/** All trails of the account, of every Region. */
export const ListTrails: Operation<'ListTrails'> = async (ctx, { NextToken }) => {
  const trails = await ctx.read((tx) => tx.list(Trail, { index: 'account', equals: ctx.account }))
  const { items, ...more } = page(trails, NextToken, PAGE)
  return { Trails: items.map(({ arn, name, region }) => ({ TrailARN: arn, Name: name, HomeRegion: region })), ...more }
}
