import { auditStream } from '../../../kernel/audit.ts'
import type { Ctx } from '../../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../../store/store.ts'
import { fail, type Input, type Output } from '../operation.ts'
import type { Tag } from '../tags.ts'

// Jobs of S3 Batch Operations and their tasks ("Performing object operations in bulk with Batch Operations", S3 user guide).

export type JobOperation = Input<'CreateJob'>['Operation']
export type JobReport = Input<'CreateJob'>['Report']
export type JobManifest = NonNullable<Input<'CreateJob'>['Manifest']>
export type JobGenerator = NonNullable<NonNullable<Input<'CreateJob'>['ManifestGenerator']>['S3JobManifestGenerator']>
export type JobStatus = NonNullable<NonNullable<Output<'DescribeJob'>['Job']>['Status']>

/** Epoch milliseconds throughout. */
export type JobRecord = {
  readonly id: string
  readonly account: string
  readonly region: string
  readonly created: number
  readonly token: string
  /** What was asked under the token. */
  readonly asked: string
  /** JSON: times as ISO text. */
  readonly operation: JobOperation
  readonly manifest?: JobManifest
  readonly generator?: JobGenerator
  readonly report: JobReport
  readonly description?: string
  readonly priority: number
  readonly role: string
  readonly confirm: boolean
  readonly tags: readonly Tag[]
  readonly status: JobStatus
  readonly reason?: string
  readonly failure?: { readonly code: string; readonly reason: string }
  readonly suspended?: number
  readonly terminated?: number
  /** When it became active, and for how long it has been before. */
  readonly activeSince?: number
  readonly active: number
  readonly total: number
  readonly succeeded: number
  readonly failed: number
  /** How far the manifest has been read: file and byte, or where a list of objects goes on. */
  readonly reading?: { readonly file: number; readonly offset: number; readonly after?: string }
  /** A list of objects that the job made and put somewhere. */
  readonly generated?: { readonly arn: string; readonly etag: string }
  /** How far the report has come. */
  readonly reporting?: { readonly after: number; readonly files: readonly ReportFile[] }
}
export type ReportFile = { readonly status: 'succeeded' | 'failed'; readonly key: string; readonly md5: string }

export const Job = table<JobRecord>('s3control.job', {
  scope: 'region',
  key: ({ id }) => id,
  index: { token: ({ token }) => token },
})

export type TaskRecord = {
  readonly job: string
  readonly index: number
  readonly bucket: string
  readonly key: string
  readonly versionId?: string
  readonly outcome?: { readonly code?: string; readonly status: number; readonly message: string }
}
export const taskKey = (job: string, index: number): string => `${job}\0${String(index).padStart(12, '0')}`
export const Task = table<TaskRecord>('s3control.job-task', {
  scope: 'region',
  key: ({ job, index }) => taskKey(job, index),
})

export const jobArn = ({ account, region, id }: Pick<JobRecord, 'account' | 'region' | 'id'>): string =>
  `arn:aws:s3:${region}:${account}:job/${id}`

export const operationOf = ({ operation }: Pick<JobRecord, 'operation'>) =>
  (Object.keys(operation)[0] ?? '') as NonNullable<NonNullable<Output<'ListJobs'>['Jobs']>[number]['Operation']>

const ended = new Set<JobStatus>(['Complete', 'Failed', 'Cancelled'])
export const isOver = ({ status }: Pick<JobRecord, 'status'>): boolean => ended.has(status)

/** Throws NotFoundException. */
export const getJob = async (tx: ReadTx, id: string): Promise<JobRecord> => {
  const job = await tx.get(Job, id)
  if (!job) throw fail('NotFoundException', 'The specified job does not exist.')
  return job
}

/** Puts a job into another status; its clock of activity goes on or stops with that. */
export const moved = (tx: WriteTx, now: number, job: JobRecord, status: JobStatus, more: Partial<JobRecord> = {}) => {
  const { activeSince, ...rest } = job
  const active = job.active + (activeSince === undefined ? 0 : now - activeSince)
  return tx.put(Job, {
    ...rest,
    active,
    status,
    ...(status === 'Active' ? { activeSince: now } : {}),
    ...(ended.has(status) ? { terminated: now } : {}),
    ...more,
  })
}

/** To the event history; from there CloudTrail takes it to trails and EventBridge ("Tracking a Batch Operations job in EventBridge"). */
export const recordEvent = async (
  ctx: Ctx,
  job: JobRecord,
  eventName: 'JobCreated' | 'JobStatusChanged' = 'JobStatusChanged',
): Promise<void> => {
  const host = 's3.amazonaws.com'
  const time = ctx.now()
  const body = {
    eventVersion: '1.11',
    userIdentity: { accountId: job.account, invokedBy: host },
    eventTime: `${time.toISOString().slice(0, 19)}Z`,
    eventSource: host,
    eventName,
    awsRegion: job.region,
    sourceIPAddress: host,
    userAgent: host,
    requestParameters: null,
    responseElements: null,
    eventID: ctx.newId(),
    readOnly: false,
    eventType: 'AwsServiceEvent',
    managementEvent: true,
    recipientAccountId: job.account,
    serviceEventDetails: {
      jobId: job.id,
      jobArn: jobArn(job),
      status: job.status,
      jobEventId: ctx.random(32),
      failureCodes: job.failure ? [job.failure.code] : [],
      statusChangeReason: job.failure ? [job.failure.reason] : job.reason === undefined ? [] : [job.reason],
    },
    eventCategory: 'Management',
  }
  await ctx.append.append(auditStream(job.account, job.region), [{ time: time.getTime(), body }])
}
