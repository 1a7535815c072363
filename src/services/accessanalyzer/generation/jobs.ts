import type { GeneratedPolicyProperties, JobDetails, PolicyGeneration } from '@aws-sdk/client-accessanalyzer'
import { type AuditRecord, auditStream } from '../../../kernel/audit.ts'
import type { Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import { type ReadTx, table } from '../../../store/store.ts'
import { done, type Reconciler } from '../../../work/reconciler.ts'
import { invalid, type Operation, overQuota } from '../operation.ts'
import { page } from '../page.ts'
import { type Use, usesOf } from './event-actions.ts'
import { gathered, policyOf, serviceTemplate, type UsedAction } from './policy.ts'

// Policies from what a principal really called (IAM user guide, "IAM Access Analyzer policy generation").

type Trail = { readonly arn: string; readonly regions: readonly string[]; readonly allRegions: boolean }
type Job = {
  readonly id: string
  readonly principalArn: string
  readonly status: 'IN_PROGRESS' | 'SUCCEEDED' | 'FAILED' | 'CANCELED'
  /** Epoch milliseconds. */
  readonly started: number
  readonly completed?: number
  readonly token?: string
  readonly source?: {
    readonly accessRole: string
    readonly trails: readonly Trail[]
    readonly from: number
    readonly to: number
  }
  readonly error?: { readonly code: ErrorCode; readonly message: string }
  readonly used?: readonly UsedAction[]
  /** Every call that was found is in `used`. */
  readonly whole?: boolean
  /** Service namespaces that IAM saw used. */
  readonly services?: readonly string[]
}
type ErrorCode = 'AUTHORIZATION_ERROR' | 'RESOURCE_NOT_FOUND_ERROR' | 'SERVICE_QUOTA_EXCEEDED_ERROR' | 'SERVICE_ERROR'

export const Generations = table<Job>('accessanalyzer.generation', {
  scope: 'region',
  key: ({ id }) => id,
  index: {
    token: ({ token }) => token,
    started: ({ started, id }) => `${String(started).padStart(16, '0')} ${id}`,
    status: ({ status }) => status,
  },
})

const reconciler = 'accessanalyzer.generation'
const DAY = 86_400_000
const LONGEST = 90 * DAY
const MOST_A_DAY = 50
/** Records looked at before a job gives up: what AWS counts in log files. */
const MOST_RECORDS = 1_000_000

/** Throws ValidationException for wrong times and principals of other accounts, ServiceQuotaExceededException. */
const StartPolicyGeneration: Operation<'StartPolicyGeneration'> = async (ctx, input) => {
  const { principalArn } = input.policyGenerationDetails
  if (principalArn.split(':')[4] !== ctx.account)
    throw invalid(`The principal ${principalArn} must be in the account ${ctx.account}.`)
  const now = ctx.now().getTime()
  const source = input.cloudTrailDetails && sourceOf(input.cloudTrailDetails, now)
  if (source)
    await ctx.authorize('iam:PassRole', source.accessRole, {
      'iam:PassedToService': ['access-analyzer.amazonaws.com'],
    })
  return ctx.write(async (tx) => {
    if (input.clientToken !== undefined) {
      const [before] = await tx.list(Generations, { index: 'token', equals: input.clientToken, limit: 1 })
      if (before) return { jobId: before.id }
    }
    if ((await tx.list(Generations, { index: 'status', equals: 'IN_PROGRESS', limit: 1 })).length > 0)
      throw overQuota('PolicyGeneration', principalArn, 'The maximum number of concurrent policy generations is 1.')
    const today = await tx.list(Generations, {
      index: 'started',
      from: String(now - DAY).padStart(16, '0'),
      limit: MOST_A_DAY,
    })
    if (today.length >= MOST_A_DAY)
      throw overQuota(
        'PolicyGeneration',
        principalArn,
        `The maximum number of policy generations per day is ${MOST_A_DAY}.`,
      )
    const job = tx.put(Generations, {
      id: ctx.newId(),
      principalArn,
      status: 'IN_PROGRESS' as const,
      started: now,
      ...(input.clientToken === undefined ? {} : { token: input.clientToken }),
      ...(source ? { source } : {}),
    })
    tx.wake(reconciler, job.id)
    return { jobId: job.id }
  })
}

type Details = NonNullable<Parameters<Operation<'StartPolicyGeneration'>>[1]['cloudTrailDetails']>

const sourceOf = ({ trails, accessRole, startTime, endTime }: Details, now: number): NonNullable<Job['source']> => {
  const [from, to] = [startTime.getTime(), endTime?.getTime() ?? now]
  if (trails.length === 0) throw invalid('At least one trail is required.')
  if (trails.length > 1) throw invalid('Only one trail can be analyzed at a time.')
  if (!(from < to)) throw invalid('startTime must be before endTime.')
  if (from > now || to > now + DAY) throw invalid('The time range must not be in the future.')
  if (to - from > LONGEST || now - from > LONGEST + DAY)
    throw invalid('The time range must be within the last 90 days.')
  return {
    accessRole,
    from,
    to,
    trails: trails.map(({ cloudTrailArn, regions = [], allRegions = false }) => ({
      arn: cloudTrailArn,
      regions,
      allRegions,
    })),
  }
}

const getJob = async (tx: ReadTx, id: string): Promise<Job> => {
  const job = await tx.get(Generations, id)
  if (!job) throw invalid(`The job ${id} does not exist.`)
  return job
}

/** Throws ValidationException for a job that has ended, or is none. */
const CancelPolicyGeneration: Operation<'CancelPolicyGeneration'> = (ctx, { jobId }) =>
  ctx.write(async (tx) => {
    const job = await getJob(tx, jobId)
    if (job.status !== 'IN_PROGRESS') throw invalid(`The job ${jobId} is not in progress.`)
    tx.put(Generations, { ...job, status: 'CANCELED', completed: ctx.now().getTime() })
    return {}
  })

const toDetails = ({ id, status, started, completed, error }: Job): JobDetails => ({
  jobId: id,
  status,
  startedOn: new Date(started),
  ...(completed === undefined ? {} : { completedOn: new Date(completed) }),
  ...(error ? { jobError: error } : {}),
})

/** Complete: the policy has all actions of the calls in the trail (API reference, "GeneratedPolicyProperties"). */
const toProperties = ({ principalArn, source, status, whole = false }: Job): GeneratedPolicyProperties => ({
  principalArn,
  isComplete: status === 'SUCCEEDED' && whole,
  ...(source
    ? {
        cloudTrailProperties: {
          startTime: new Date(source.from),
          endTime: new Date(source.to),
          trailProperties: source.trails.map(({ arn, regions, allRegions }) => ({
            cloudTrailArn: arn,
            regions: [...regions],
            allRegions,
          })),
        },
      }
    : {}),
})

/** The policy is there once the job has succeeded. Throws ValidationException for an unknown job. */
const GetGeneratedPolicy: Operation<'GetGeneratedPolicy'> = async (ctx, input) => {
  const job = await ctx.read((tx) => getJob(tx, input.jobId))
  const { used = [], services = [] } = job
  const generatedPolicies =
    job.status === 'SUCCEEDED' && used.length > 0
      ? [{ policy: await policyOf(used, input.includeResourcePlaceholders ?? false) }]
      : []
  const seen = new Set(used.map(({ action }) => action.split(':')[0]))
  const rest = services.filter((service) => !seen.has(service))
  if (input.includeServiceLevelTemplate && job.status === 'SUCCEEDED' && rest.length > 0)
    generatedPolicies.push({ policy: serviceTemplate(rest) })
  return {
    jobDetails: toDetails(job),
    generatedPolicyResult: { properties: toProperties(job), generatedPolicies },
  }
}

/** Newest first. */
const ListPolicyGenerations: Operation<'ListPolicyGenerations'> = async (ctx, input) => {
  const jobs = await ctx.read((tx) => tx.list(Generations, { index: 'started', reverse: true }))
  const wanted = jobs.filter(
    ({ principalArn }) => input.principalArn === undefined || principalArn === input.principalArn,
  )
  const { items, nextToken } = page(wanted, input)
  return {
    policyGenerations: items.map((job): PolicyGeneration => {
      const { jobError: _, ...details } = toDetails(job)
      return { ...details, principalArn: job.principalArn } as PolicyGeneration
    }),
    ...(nextToken === undefined ? {} : { nextToken }),
  }
}

/** A job's end that its user can do something about. */
class JobFailure extends Error {
  override readonly name = 'JobFailure'
  readonly code: ErrorCode
  constructor(code: ErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

const isDenial = (error: unknown): error is AwsError => error instanceof AwsError && /^AccessDenied/.test(error.code)

/** Runs a call under the access role; denials and what is missing end the job in AWS's words. */
const under = async <T>(run: () => Promise<T>): Promise<T> => {
  try {
    return await run()
  } catch (error) {
    if (isDenial(error))
      throw new JobFailure(
        'AUTHORIZATION_ERROR',
        /s3:/.test(error.message)
          ? 'Incorrect permissions assigned to access CloudTrail S3 bucket. Please fix before trying again.'
          : error.message,
      )
    if (error instanceof AwsError && error.code !== 'InternalFailure')
      throw new JobFailure(
        /NotFound|NoSuch|InvalidTrailName|ARNInvalid/.test(error.code) ? 'RESOURCE_NOT_FOUND_ERROR' : 'SERVICE_ERROR',
        error.message,
      )
    throw error
  }
}

/** The trails exist and the role may read what they deliver; returns the regions whose records count. */
const regionsOf = async (ctx: Ctx, { accessRole, trails }: NonNullable<Job['source']>): Promise<string[]> => {
  const regions = new Set<string>()
  for (const { arn, regions: listed, allRegions } of trails) {
    const [, , , home = ctx.region, account = ctx.account] = arn.split(':')
    const role = ctx.as(accessRole, { region: home })
    const { Trail } = await under(() => role.cloudtrail.getTrail({ Name: arn }))
    const bucket = `arn:aws:s3:::${Trail?.S3BucketName}`
    await under(() => role.authorize('s3:ListBucket', bucket))
    const prefix = Trail?.S3KeyPrefix ? `${Trail.S3KeyPrefix}/` : ''
    await under(() => role.authorize('s3:GetObject', `${bucket}/${prefix}AWSLogs/${account}/CloudTrail/${home}/log`))
    if (!allRegions) {
      for (const region of listed.length > 0 ? listed : [home]) regions.add(region)
      continue
    }
    const streams = await ctx.append.streams(auditStream(ctx.account, ''), { limit: 1000 })
    for (const stream of Trail?.IsMultiRegionTrail ? streams : [auditStream(ctx.account, home)])
      regions.add(stream.slice(auditStream(ctx.account, '').length))
  }
  return [...regions]
}

const isBy = ({ userIdentity }: AuditRecord, principalArn: string): boolean => {
  const { type, arn, sessionContext } = userIdentity as {
    type?: unknown
    arn?: unknown
    sessionContext?: { sessionIssuer?: { arn?: unknown } }
  }
  return type === 'AssumedRole' ? sessionContext?.sessionIssuer?.arn === principalArn : arn === principalArn
}

/** Calls that were let through. A call that failed for another reason was allowed before it failed. */
const wasAllowed = ({ errorCode }: AuditRecord) =>
  errorCode === undefined || !/AccessDenied|Unauthorized/i.test(errorCode)

const usedBy = async (
  ctx: Ctx,
  principalArn: string,
  { from, to }: { from: number; to: number },
  regions: readonly string[],
): Promise<Required<Pick<Job, 'used' | 'whole'>>> => {
  const uses: Use[] = []
  let whole = true
  let looked = 0
  for (const region of regions) {
    let after: number | undefined
    for (;;) {
      const entries = await ctx.append.range(auditStream(ctx.account, region), {
        from,
        to: to + 1,
        limit: 1000,
        ...(after === undefined ? {} : { after }),
      })
      looked += entries.length
      if (looked > MOST_RECORDS)
        throw new JobFailure('SERVICE_QUOTA_EXCEEDED_ERROR', 'There are too many CloudTrail events in the time range.')
      for (const { body } of entries) {
        const record = body as AuditRecord
        if (!isBy(record, principalArn) || !wasAllowed(record)) continue
        const found = await usesOf(record)
        uses.push(...found.uses)
        whole &&= found.whole
      }
      if (entries.length < 1000) break
      after = entries.at(-1)?.position
    }
  }
  return { used: gathered(uses), whole }
}

const servicesOf = async (ctx: Ctx, { principalArn, source }: Job): Promise<string[]> => {
  if (!source) return []
  const { iam } = ctx.as(source.accessRole)
  const { JobId = '' } = await under(() => iam.generateServiceLastAccessedDetails({ Arn: principalArn }))
  const { ServicesLastAccessed = [] } = await under(() => iam.getServiceLastAccessedDetails({ JobId }))
  return ServicesLastAccessed.flatMap(({ ServiceNamespace, LastAuthenticated }) =>
    ServiceNamespace !== undefined && LastAuthenticated !== undefined ? [ServiceNamespace] : [],
  )
}

const outcomeOf = async (ctx: Ctx, job: Job): Promise<Partial<Job>> => {
  try {
    if (!job.source) return { status: 'SUCCEEDED', used: [], whole: true, services: [] }
    await under(() => ctx.as(job.source!.accessRole).principal())
    const services = await servicesOf(ctx, job)
    const regions = await regionsOf(ctx, job.source)
    return { status: 'SUCCEEDED', services, ...(await usedBy(ctx, job.principalArn, job.source, regions)) }
  } catch (error) {
    if (!(error instanceof JobFailure)) throw error
    return { status: 'FAILED', error: { code: error.code, message: error.message } }
  }
}

const generate: Reconciler = {
  name: reconciler,
  step: async (ctx, id) => {
    const job = await ctx.read((tx) => tx.get(Generations, id))
    if (job?.status !== 'IN_PROGRESS') return done()
    const outcome = await outcomeOf(ctx, job)
    await ctx.write(async (tx) => {
      const present = await tx.get(Generations, id)
      if (present?.status === 'IN_PROGRESS')
        tx.put(Generations, { ...present, ...outcome, completed: ctx.now().getTime() })
    })
    return done()
  },
}

export const generations = { StartPolicyGeneration, CancelPolicyGeneration, GetGeneratedPolicy, ListPolicyGenerations }
export const generationReconcilers = [generate]
