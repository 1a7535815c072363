import { createHash } from 'node:crypto'
import type { Ctx } from '../../../kernel/context.ts'
import { notImplemented } from '../../../kernel/errors.ts'
import { accountOf, fail, type Input, type Operation, type Output } from '../operation.ts'
import { checkTags } from '../tags.ts'
import { getJob, isOver, Job, type JobRecord, jobArn, moved, operationOf, recordEvent } from './job.ts'
import { runJobs } from './run.ts'

const bad = (message: string) => fail('BadRequestException', message)

/** Rows are plain JSON. */
const plain = <T>(document: T): T => JSON.parse(JSON.stringify(document)) as T

const timeNames = /(SinceConstraint|UntilDate|ExpiresDate|^Created(After|Before))$/
/** A document as the wire has it: its times are times again. */
const revived = <T>(document: T): T =>
  JSON.parse(JSON.stringify(document), (name, value) =>
    typeof value === 'string' && timeNames.test(name) ? new Date(value) : value,
  ) as T

const checkOperation = (operation: Input<'CreateJob'>['Operation']): void => {
  const names = Object.entries(operation).filter(([, value]) => value !== undefined)
  if (names.length !== 1) throw bad('Exactly one operation must be specified.')
  const [name = ''] = names[0] ?? []
  if (name === 'LambdaInvoke' || name === 'S3ComputeObjectChecksum')
    throw notImplemented(`s3control:CreateJob of ${name}`)
  if (operation.S3PutObjectCopy && !operation.S3PutObjectCopy.TargetResource)
    throw bad('The target resource of the copy must be specified.')
  const target = operation.S3PutObjectCopy?.TargetResource ?? 'arn:aws:s3:::'
  if (!/^arn:aws:s3:(::[^:/]*|[a-z0-9-]+:\d{12}:accesspoint\/[^/]+)$/.test(target))
    throw notImplemented(`s3control:CreateJob of copies to ${target}`)
}

const checkManifest = ({ Manifest: manifest, ManifestGenerator: generator }: Input<'CreateJob'>): void => {
  const list = generator?.S3JobManifestGenerator
  if ((manifest === undefined) === (list === undefined))
    throw bad('Exactly one of manifest and manifest generator must be specified.')
  if (list?.EnableManifestOutput && !list.ManifestOutputLocation)
    throw bad('The location of the manifest output must be specified.')
  if (!manifest) return
  if (!/^arn:aws:s3:::[^/]+\/.+$/.test(manifest.Location.ObjectArn)) throw bad('The manifest object ARN is invalid.')
  const { Format, Fields = [] } = manifest.Spec
  if (Format === 'S3BatchOperations_CSV_20180820' && !(Fields.includes('Bucket') && Fields.includes('Key')))
    throw bad('The manifest fields must contain Bucket and Key.')
  if (Format === 'S3InventoryReport_CSV_20161130' && Fields.length > 0)
    throw bad('Fields cannot be specified for a manifest of this format.')
}

const checkReport = ({ Enabled, Bucket, Format, ReportScope }: Input<'CreateJob'>['Report']): void => {
  if (!Enabled) return
  if (!Bucket || !Format || !ReportScope) throw bad('Bucket, format and scope of the report must be specified.')
  if (!/^arn:aws:s3:::[^/]+$/.test(Bucket)) throw bad('The bucket ARN of the report is invalid.')
}

/** The job begins to be prepared at once. Errors: BadRequestException, IdempotencyException; 501 for operations that are not here. */
export const CreateJob: Operation<'CreateJob'> = async (ctx, input) => {
  const account = accountOf(ctx, input)
  checkOperation(input.Operation)
  checkManifest(input)
  checkReport(input.Report)
  const tags = checkTags(input.Tags ?? [])
  const token = input.ClientRequestToken ?? ctx.newId()
  const asked = createHash('sha256').update(JSON.stringify(input)).digest('hex')
  const { job, made } = await ctx.write(async (tx) => {
    const [before] = await tx.list(Job, { index: 'token', equals: token, limit: 1 })
    if (before && before.asked !== asked)
      throw fail('IdempotencyException', 'The client request token was used for a different request.')
    if (before) return { job: before, made: false }
    const job: JobRecord = {
      id: ctx.newId(),
      account,
      region: ctx.region,
      created: ctx.now().getTime(),
      token,
      asked,
      operation: plain(input.Operation),
      ...(input.Manifest ? { manifest: plain(input.Manifest) } : {}),
      ...(input.ManifestGenerator?.S3JobManifestGenerator
        ? { generator: plain(input.ManifestGenerator.S3JobManifestGenerator) }
        : {}),
      report: plain(input.Report),
      ...(input.Description === undefined ? {} : { description: input.Description }),
      priority: input.Priority,
      role: input.RoleArn,
      confirm: input.ConfirmationRequired ?? false,
      tags,
      status: 'New',
      active: 0,
      total: 0,
      succeeded: 0,
      failed: 0,
    }
    tx.put(Job, job)
    tx.wake(runJobs.name, job.id)
    return { job, made: true }
  })
  if (made) await recordEvent(ctx, job, 'JobCreated')
  return { JobId: job.id }
}

const progressOf = (ctx: Ctx, job: JobRecord) => ({
  TotalNumberOfTasks: job.total,
  NumberOfTasksSucceeded: job.succeeded,
  NumberOfTasksFailed: job.failed,
  Timers: {
    ElapsedTimeInActiveSeconds: Math.floor(
      (job.active + (job.activeSince === undefined ? 0 : ctx.now().getTime() - job.activeSince)) / 1000,
    ),
  },
})

const timeOf = (time: number | undefined) => (time === undefined ? undefined : new Date(time))

type Described = NonNullable<Output<'DescribeJob'>['Job']>

const toJob = (ctx: Ctx, job: JobRecord): Described => ({
  JobId: job.id,
  JobArn: jobArn(job),
  ConfirmationRequired: job.confirm,
  Description: job.description,
  Status: job.status,
  StatusUpdateReason: job.reason,
  Manifest: job.manifest,
  ...(job.generator
    ? { ManifestGenerator: { S3JobManifestGenerator: revived(job.generator) } as Described['ManifestGenerator'] }
    : {}),
  ...(job.generated
    ? {
        GeneratedManifestDescriptor: {
          Format: 'S3InventoryReport_CSV_20211130' as const,
          Location: { ObjectArn: job.generated.arn, ETag: job.generated.etag },
        },
      }
    : {}),
  Operation: revived(job.operation),
  Priority: job.priority,
  ProgressSummary: progressOf(ctx, job),
  FailureReasons: job.failure ? [{ FailureCode: job.failure.code, FailureReason: job.failure.reason }] : [],
  Report: job.report,
  CreationTime: new Date(job.created),
  TerminationDate: timeOf(job.terminated),
  RoleArn: job.role,
  SuspendedDate: timeOf(job.suspended),
  SuspendedCause: job.suspended === undefined ? undefined : 'AwaitingConfirmation',
})

export const DescribeJob: Operation<'DescribeJob'> = async (ctx, input) => {
  accountOf(ctx, input)
  return { Job: toJob(ctx, await ctx.read((tx) => getJob(tx, input.JobId))) }
}

/** Newest first. Errors: InvalidNextTokenException. */
export const ListJobs: Operation<'ListJobs'> = async (ctx, input) => {
  accountOf(ctx, input)
  const { JobStatuses: statuses = [], MaxResults: most = 1000, NextToken: token } = input
  const all = (await ctx.read((tx) => tx.list(Job)))
    .filter(({ status }) => statuses.length === 0 || statuses.includes(status))
    .toSorted((a, b) => b.created - a.created || (a.id < b.id ? -1 : 1))
  const from = token === undefined ? 0 : all.findIndex(({ id }) => id === token) + 1
  if (token !== undefined && from === 0) throw fail('InvalidNextTokenException', 'The next token is invalid.')
  const shown = all.slice(from, from + most)
  return {
    Jobs: shown.map((job) => ({
      JobId: job.id,
      Description: job.description,
      Operation: operationOf(job),
      Priority: job.priority,
      Status: job.status,
      CreationTime: new Date(job.created),
      TerminationDate: timeOf(job.terminated),
      ProgressSummary: progressOf(ctx, job),
    })),
    ...(from + most < all.length && shown.length > 0 ? { NextToken: shown.at(-1)?.id } : {}),
  }
}

export const UpdateJobPriority: Operation<'UpdateJobPriority'> = async (ctx, input) => {
  accountOf(ctx, input)
  await ctx.write(async (tx) => {
    const job = await getJob(tx, input.JobId)
    if (isOver(job)) throw bad(`The priority of a job in status ${job.status} cannot be changed.`)
    tx.put(Job, { ...job, priority: input.Priority })
  })
  return { JobId: input.JobId, Priority: input.Priority }
}

/** Confirms a job that waits for it, or cancels one that is not over. Errors: JobStatusException, NotFoundException. */
export const UpdateJobStatus: Operation<'UpdateJobStatus'> = async (ctx, input) => {
  accountOf(ctx, input)
  const { RequestedJobStatus: requested, StatusUpdateReason: reason } = input
  const job = await ctx.write(async (tx) => {
    const job = await getJob(tx, input.JobId)
    const may =
      requested === 'Ready'
        ? job.status === 'Suspended'
        : !isOver(job) && !/^(Cancelling|Failing|Completing)$/.test(job.status)
    if (!may) throw fail('JobStatusException', `A job in status ${job.status} cannot be put into status ${requested}.`)
    tx.wake(runJobs.name, job.id)
    return moved(tx, ctx.now().getTime(), job, requested === 'Ready' ? 'Ready' : 'Cancelling', {
      ...(reason === undefined ? {} : { reason }),
    })
  })
  await recordEvent(ctx, job)
  return { JobId: job.id, Status: job.status, StatusUpdateReason: job.reason }
}
