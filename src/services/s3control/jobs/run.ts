import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Caller, Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import { again, done, type Reconciler, type StepResult } from '../../../work/reconciler.ts'
import { batchObjects } from '../../capabilities.ts'
import { encodeKey, toLine } from './csv.ts'
import {
  isOver,
  Job,
  type JobRecord,
  type JobStatus,
  jobArn,
  moved,
  recordEvent,
  Task,
  type TaskRecord,
  taskKey,
} from './job.ts'
import { isSelected, type Listed, ManifestError, readManifest } from './manifest.ts'
import { perform } from './perform.ts'
import { writeManifest, writeResults } from './report.ts'

// How jobs run ("Job statuses", S3 user guide): prepared, confirmed where that is asked, object by object, reported.

const DAY = 86_400_000
/** Tasks of a step, and rows of a page. */
const tasksAtOnce = 20
const rowsAtOnce = 1000
const reportRows = 5000
/** Jobs fail once they have had so many tasks and more than half of them failed. */
const enoughTasks = 1000
const unconfirmed = 30 * DAY
const kept = 90 * DAY

/** Callers with the rights of the job's role, one for each Region. */
const actingFor = (ctx: Ctx, job: JobRecord) => {
  const callers = new Map<string, Caller>()
  return (region: string = job.region): Caller => {
    const caller =
      callers.get(region) ??
      ctx.as(job.role, {
        host: 'batchoperations.s3.amazonaws.com',
        sessionName: `s3-batch-operations_${job.id}`.slice(0, 64),
        region,
        context: { 'aws:SourceArn': [jobArn(job)], 'aws:SourceAccount': [job.account] },
      })
    callers.set(region, caller)
    return caller
  }
}

/** What the caller did wrong, or what is not here: told in the report. Anything else is tried again. */
const isTold = (error: unknown): error is AwsError =>
  error instanceof AwsError && ((error.status ?? 400) < 500 || error.code === 'NotImplemented')

const to = async (ctx: Ctx, id: string, status: JobStatus, more: Partial<JobRecord> = {}): Promise<StepResult> => {
  const job = await ctx.write(async (tx) => {
    const present = await tx.get(Job, id)
    // Whoever cancelled it in the meantime is not overruled.
    if (!present || isOver(present) || (present.status === 'Cancelling' && status !== 'Cancelled')) return undefined
    return moved(tx, ctx.now().getTime(), present, status, more)
  })
  if (job) await recordEvent(ctx, job)
  return again({ in: 0 })
}

const failing = (ctx: Ctx, job: JobRecord, code: string, reason: string): Promise<StepResult> =>
  to(ctx, job.id, 'Failing', { failure: { code, reason: reason.slice(0, 256) } })

type Next = { readonly objects: readonly Listed[]; readonly next?: NonNullable<JobRecord['reading']> }

/** A page of the list that a generator makes. Batch replication is about every version, other operations about current objects. */
const generate = async (ctx: Ctx, role: Caller, job: JobRecord): Promise<Next> => {
  const { generator, reading } = job
  const bucket = (generator?.SourceBucket ?? '').replace(/^arn:aws:s3:::/, '')
  // Its reference asks for this right, and none to list ("Granting permissions for Batch Operations").
  await role.authorize('s3:PutInventoryConfiguration', `arn:aws:s3:::${bucket}`)
  const every = job.operation.S3ReplicateObject !== undefined
  const page = await ctx.use(batchObjects).page(bucket, { every, after: reading?.after, limit: rowsAtOnce })
  return {
    objects: page.objects
      .filter((object) => isSelected(object, generator?.Filter))
      .map(({ key, versionId }) => ({ bucket, key, ...(versionId === undefined ? {} : { versionId }) })),
    ...(page.after === undefined ? {} : { next: { file: 0, offset: 0, after: page.after } }),
  }
}

const compress = promisify(gzip)

/** Puts the list that was made where the job says. */
const putGenerated = async (ctx: Ctx, role: Caller, job: JobRecord): Promise<Partial<JobRecord>> => {
  const { generator } = job
  const location = generator?.ManifestOutputLocation
  if (!generator?.EnableManifestOutput || !location) return {}
  const lines: string[] = []
  for (let after = ''; ; ) {
    const rows = await ctx.read((tx) =>
      tx.list(Task, { prefix: `${job.id}\0`, limit: reportRows, ...(after === '' ? {} : { after }) }),
    )
    lines.push(...rows.map(({ bucket, key, versionId }) => toLine([bucket, encodeKey(key), versionId])))
    const last = rows.at(-1)
    if (!last || rows.length < reportRows) break
    after = Task.key(last)
  }
  const bucket = location.Bucket.replace(/^arn:aws:s3:::/, '')
  const folder = `${location.ManifestPrefix === undefined ? '' : `${location.ManifestPrefix}/`}manifest-${job.id}`
  const key = location.ManifestEncryption?.SSEKMS?.KeyId
  const put = (Key: string, bytes: Buffer) =>
    role.s3.putObject({
      Bucket: bucket,
      Key,
      Body: Readable.from([bytes], { objectMode: false }),
      ...(key === undefined ? {} : { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: key }),
      ...(location.ExpectedManifestBucketOwner === undefined
        ? {}
        : { ExpectedBucketOwner: location.ExpectedManifestBucketOwner }),
    })
  const data = await compress(lines.join(''))
  await put(`${folder}/data.csv.gz`, data)
  const manifest = {
    sourceBucket: generator.SourceBucket.replace(/^arn:aws:s3:::/, ''),
    destinationBucket: location.Bucket,
    version: '2021-11-30',
    creationTimestamp: String(ctx.now().getTime()),
    fileFormat: 'CSV',
    fileSchema: 'Bucket, Key, VersionId',
    files: [
      { key: `${folder}/data.csv.gz`, size: data.length, MD5checksum: createHash('md5').update(data).digest('hex') },
    ],
  }
  const { ETag = '' } = await put(`${folder}/manifest.json`, Buffer.from(JSON.stringify(manifest)))
  return { generated: { arn: `${location.Bucket}/${folder}/manifest.json`, etag: ETag.replaceAll('"', '') } }
}

/** Reads one piece of the manifest. Its tasks have the same places when a piece is read again. */
const prepare = async (ctx: Ctx, job: JobRecord): Promise<StepResult> => {
  const role = actingFor(ctx, job)()
  try {
    const reading = job.reading ?? { file: 0, offset: 0 }
    const { objects, next } = job.manifest
      ? await readManifest(role, job.manifest, reading)
      : await generate(ctx, role, job)
    const total = job.total + objects.length
    for (let from = 0; from < objects.length; from += rowsAtOnce)
      await ctx.write(async (tx) => {
        for (const [i, object] of objects.slice(from, from + rowsAtOnce).entries())
          tx.put(Task, { job: job.id, index: job.total + from + i, ...object })
      })
    if (next) {
      await ctx.write(async (tx) => {
        const present = await tx.get(Job, job.id)
        if (present?.status === 'Preparing') tx.put(Job, { ...present, total, reading: next })
      })
      return again({ in: 0 })
    }
    if (total === 0) return failing(ctx, job, 'ManifestEmpty', 'There are no objects in the manifest.')
    const { reading: _, ...read } = { ...job, total }
    const facts = { total, ...(job.generator ? await putGenerated(ctx, role, read) : {}) }
    if (job.confirm) return to(ctx, job.id, 'Suspended', { ...facts, suspended: ctx.now().getTime() })
    return to(ctx, job.id, 'Ready', facts)
  } catch (error) {
    if (error instanceof ManifestError) return failing(ctx, job, error.code, error.message)
    if (isTold(error)) return failing(ctx, job, error.code, error.message)
    throw error
  }
}

const outcomeOf = async (act: () => Promise<void>): Promise<NonNullable<TaskRecord['outcome']>> => {
  try {
    await act()
    return { status: 200, message: 'Successful' }
  } catch (error) {
    if (!isTold(error)) throw error
    return { code: error.code, status: error.status ?? 400, message: error.message }
  }
}

const fails = ({ succeeded, failed }: JobRecord): boolean =>
  succeeded + failed >= enoughTasks && failed * 2 > succeeded + failed

/** Does some tasks, each kept before the next: after a kill at most one is done again. */
const work = async (ctx: Ctx, job: JobRecord): Promise<StepResult> => {
  const within = actingFor(ctx, job)
  const begun = job.succeeded + job.failed
  const tasks = await ctx.read((tx) =>
    tx.list(Task, { prefix: `${job.id}\0`, from: taskKey(job.id, begun), limit: tasksAtOnce }),
  )
  if (tasks.length === 0) return to(ctx, job.id, 'Completing')
  for (const task of tasks) {
    const outcome = await outcomeOf(() => perform(ctx, within, job.operation, task))
    const present = await ctx.write(async (tx) => {
      const present = await tx.get(Job, job.id)
      if (!present) return undefined
      tx.put(Task, { ...task, outcome })
      const count = outcome.code === undefined ? { succeeded: present.succeeded + 1 } : { failed: present.failed + 1 }
      return tx.put(Job, { ...present, ...count })
    })
    if (present?.status !== 'Active') return again({ in: 0 })
    if (fails(present))
      return failing(ctx, job, 'FailureThresholdExceeded', 'More than half of the tasks of the job have failed.')
  }
  return again({ in: 0 })
}

const endOf = { Completing: 'Complete', Failing: 'Failed', Cancelling: 'Cancelled' } as const

/** Writes one page of the report; what the role may not write is lost, and the job fails with that. */
const report = async (ctx: Ctx, job: JobRecord, status: keyof typeof endOf): Promise<StepResult> => {
  const end = endOf[status]
  // "As long as at least one task has been invoked successfully": nothing was done, nothing is told.
  if (!job.report.Enabled || job.succeeded + job.failed === 0) return to(ctx, job.id, end)
  const role = actingFor(ctx, job)()
  const { after, files } = job.reporting ?? { after: -1, files: [] }
  const rows = await ctx.read((tx) =>
    tx.list(Task, { prefix: `${job.id}\0`, from: taskKey(job.id, after + 1), limit: reportRows }),
  )
  const tasks = rows.filter(({ outcome }) => outcome !== undefined)
  try {
    const all = [...files, ...(await writeResults(role, job, tasks))]
    const last = tasks.at(-1)
    if (last && tasks.length === reportRows) {
      await ctx.write(async (tx) => {
        const present = await tx.get(Job, job.id)
        if (present) tx.put(Job, { ...present, reporting: { after: last.index, files: all } })
      })
      return again({ in: 0 })
    }
    await writeManifest(role, job, ctx.now(), all)
  } catch (error) {
    if (!isTold(error)) throw error
    const failure = { code: error.code, reason: `The report could not be written: ${error.message}`.slice(0, 256) }
    return to(ctx, job.id, status === 'Cancelling' ? 'Cancelled' : 'Failed', { failure: job.failure ?? failure })
  }
  return to(ctx, job.id, end)
}

/** What is left of a job that is over: its tasks go at once, itself after 90 days. */
const forget = async (ctx: Ctx, job: JobRecord): Promise<StepResult> => {
  const more = await ctx.write(async (tx) => {
    const tasks = await tx.list(Task, { prefix: `${job.id}\0`, limit: rowsAtOnce })
    for (const task of tasks) tx.delete(Task, Task.key(task))
    return tasks.length === rowsAtOnce
  })
  if (more) return again({ in: 0 })
  const left = (job.terminated ?? 0) + kept - ctx.now().getTime()
  if (left > 0) return again({ in: left })
  await ctx.write(async (tx) => tx.delete(Job, job.id))
  return done()
}

/** Takes a job one step further. The key is its id. */
export const runJobs: Reconciler = {
  name: 's3control.jobs',
  step: async (ctx, id) => {
    const job = await ctx.read((tx) => tx.get(Job, id))
    if (!job) return done()
    switch (job.status) {
      case 'New':
        return to(ctx, id, 'Preparing')
      case 'Preparing':
        return prepare(ctx, job)
      case 'Ready':
        return to(ctx, id, 'Active')
      case 'Active':
        return work(ctx, job)
      case 'Suspended': {
        const left = (job.suspended ?? 0) + unconfirmed - ctx.now().getTime()
        return left > 0
          ? again({ in: left })
          : failing(ctx, job, 'NotConfirmed', 'The job was not confirmed in 30 days.')
      }
      case 'Completing':
      case 'Failing':
      case 'Cancelling':
        return report(ctx, job, job.status)
      default:
        return isOver(job) ? forget(ctx, job) : done()
    }
  },
}
