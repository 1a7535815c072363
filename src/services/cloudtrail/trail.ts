import type { InsightSelector, Trail as WireTrail } from '@aws-sdk/client-cloudtrail'
import { auditStream } from '../../kernel/audit.ts'
import type { Ctx } from '../../kernel/context.ts'
import { organization } from '../../kernel/organization.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { fail, type Tags } from './operation.ts'
import type { Selectors } from './selectors.ts'

/** When a trail logged: events of these times are its own. Milliseconds, both ends included. */
export type Span = { readonly from: number; readonly to?: number }

export type TrailRecord = {
  readonly arn: string
  readonly name: string
  readonly account: string
  /** Home Region. */
  readonly region: string
  readonly bucket: string
  readonly prefix?: string
  /** ARN of the KMS key that log files are encrypted with. */
  readonly kmsKey?: string
  readonly globalEvents: boolean
  readonly multiRegion: boolean
  /** Digest files are made. */
  readonly validation: boolean
  readonly logGroupArn?: string
  readonly logRoleArn?: string
  /** Id of the organization whose accounts it covers. */
  readonly organization?: string
  readonly selectors?: Selectors
  readonly insights: readonly InsightSelector[]
  readonly logging: boolean
  readonly spans: readonly Span[]
  readonly tags: Tags
  readonly created: number
}

/** Every trail of every account: whoever delivers must find those that cover an account. */
export const Trail = table<TrailRecord>('cloudtrail.trail', {
  scope: 'global',
  key: ({ arn }) => arn,
  index: { account: ({ account }) => account },
})

/** What GetTrailStatus tells of deliveries. Milliseconds since the epoch. */
export type StatusRecord = {
  readonly arn: string
  readonly delivered?: number
  readonly attempted?: number
  readonly error?: string
  readonly logsDelivered?: number
  readonly logsError?: string
  /** When a failed delivery to CloudWatch Logs is tried again. */
  readonly logsRetry?: number
  readonly digestDelivered?: number
  readonly digestError?: string
}
export const Status = table<StatusRecord>('cloudtrail.status', { scope: 'global', key: ({ arn }) => arn })

export const trailArn = ({ account, region }: { account: string; region: string }, name: string): string =>
  `arn:aws:cloudtrail:${region}:${account}:trail/${name}`

const arnForm = /^arn:aws:cloudtrail:[a-z0-9-]+:\d{12}:trail\/[A-Za-z0-9._-]{3,128}$/

/** Throws InvalidTrailNameException for what cannot name a trail (API reference, CreateTrail). */
export const checkTrailName = (name: string): void => {
  const invalid = (message: string) => fail('InvalidTrailNameException', message)
  if (name.length < 3) throw invalid('Trail name too short. Minimum allowed length: 3 characters.')
  if (name.length > 128) throw invalid('Trail name too long. Maximum allowed length: 128 characters.')
  if (!/^[A-Za-z0-9._-]*$/.test(name))
    throw invalid('Trail name can contain only letters, numbers, periods (.), underscores (_) and dashes (-).')
  if (!/^[A-Za-z0-9]/.test(name)) throw invalid('Trail name must start with a letter or number.')
  if (!/[A-Za-z0-9]$/.test(name)) throw invalid('Trail name must end with a letter or number.')
  if (/[._-]{2}/.test(name)) throw invalid('Trail name cannot have adjacent periods, underscores or dashes.')
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) throw invalid('Trail name must not be in IP address format.')
}

/** The ARN that a name or ARN stands for at this place. Throws InvalidTrailNameException, CloudTrailARNInvalidException. */
export const arnOfTrail = (ctx: Pick<Ctx, 'place'>, nameOrArn: string): string => {
  if (nameOrArn.startsWith('arn:')) {
    if (!arnForm.test(nameOrArn))
      throw fail('CloudTrailARNInvalidException', `The trail ARN ${nameOrArn} is not valid.`)
    return nameOrArn
  }
  checkTrailName(nameOrArn)
  return trailArn(ctx.place, nameOrArn)
}

/** Trails that show at a place: its own, and shadows of multi-Region and organization trails. */
export const visibleTrails = async (ctx: Ctx, tx: ReadTx): Promise<TrailRecord[]> => {
  const own = await tx.list(Trail, { index: 'account', equals: ctx.account })
  return own.filter(({ region, multiRegion }) => region === ctx.region || multiRegion)
}

/** A trail by name (in this Region, or a shadow of one elsewhere) or ARN; UnknownTrail as TrailNotFoundException. */
export const getTrail = async (ctx: Ctx, tx: ReadTx, nameOrArn: string): Promise<TrailRecord> => {
  const arn = arnOfTrail(ctx, nameOrArn)
  const exact = await tx.get(Trail, arn)
  const shadow = nameOrArn.startsWith('arn:')
    ? undefined
    : (await visibleTrails(ctx, tx)).find(({ name }) => name === nameOrArn)
  const found = exact ?? shadow
  if (!found || found.account !== ctx.account)
    throw fail('TrailNotFoundException', `Unknown trail: ${arn} for the user: ${ctx.account}`)
  return found
}

/** The same for operations that must be called in the trail's home Region. Throws InvalidHomeRegionException. */
export const getOwnTrail = async (ctx: Ctx, tx: ReadTx, nameOrArn: string): Promise<TrailRecord> => {
  const trail = await getTrail(ctx, tx, nameOrArn)
  if (trail.region !== ctx.region)
    throw fail(
      'InvalidHomeRegionException',
      `The trail ${trail.arn} must be changed in its home Region, ${trail.region}.`,
    )
  return trail
}

/** What Create-, Update- and DescribeTrails have in common. */
export const toTrailBasics = (trail: TrailRecord) => ({
  Name: trail.name,
  S3BucketName: trail.bucket,
  S3KeyPrefix: trail.prefix,
  IncludeGlobalServiceEvents: trail.globalEvents,
  IsMultiRegionTrail: trail.multiRegion,
  TrailARN: trail.arn,
  LogFileValidationEnabled: trail.validation,
  CloudWatchLogsLogGroupArn: trail.logGroupArn,
  CloudWatchLogsRoleArn: trail.logRoleArn,
  KmsKeyId: trail.kmsKey,
  IsOrganizationTrail: trail.organization !== undefined,
})

export const toTrail = (trail: TrailRecord): WireTrail => ({
  ...toTrailBasics(trail),
  HomeRegion: trail.region,
  HasCustomEventSelectors: trail.selectors !== undefined,
  HasInsightSelectors: trail.insights.length > 0,
})

/** Account and Region of a stream's name: `audit/<account>/<region>`, or the same of another kind. */
export const placeOfStream = (stream: string): { account: string; region: string } => {
  const [, account = '', region = ''] = stream.split('/')
  return { account, region }
}

/** Whether a trail covers what happens at a place. */
export const coversPlace = async (
  ctx: Ctx,
  trail: Pick<TrailRecord, 'account' | 'region' | 'multiRegion' | 'organization'>,
  place: { account: string; region: string },
): Promise<boolean> => {
  if (!trail.multiRegion && place.region !== trail.region) return false
  if (place.account === trail.account) return true
  if (trail.organization === undefined) return false
  return (await ctx.use(organization).membershipOf(place.account))?.id === trail.organization
}

/** Streams of records that a trail covers. */
export const coveredStreams = async (
  ctx: Ctx,
  trail: Pick<TrailRecord, 'account' | 'region' | 'multiRegion' | 'organization'>,
  kind = 'audit',
): Promise<string[]> => {
  const prefix = trail.organization === undefined ? `${kind}/${trail.account}/` : `${kind}/`
  const found: string[] = []
  for (const stream of await ctx.append.streams(prefix))
    if (await coversPlace(ctx, trail, placeOfStream(stream))) found.push(stream)
  const home = `${kind}${auditStream(trail.account, trail.region).slice('audit'.length)}`
  return found.includes(home) ? found : [home, ...found]
}

export const loggedAt = (spans: readonly Span[], time: number): boolean =>
  spans.some(({ from, to }) => time >= from && (to === undefined || time <= to))
