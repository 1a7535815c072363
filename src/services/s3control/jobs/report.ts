import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Caller } from '../../../kernel/context.ts'
import { encodeKey, toLine } from './csv.ts'
import type { JobRecord, ReportFile, TaskRecord } from './job.ts'

// What became of each task ("Examples: S3 Batch Operations completion reports", S3 user guide).

const schema = 'Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage'

const md5 = (bytes: Buffer | string): string => createHash('md5').update(bytes).digest('hex')

const folderOf = ({ id, report }: JobRecord): string =>
  `${report.Prefix === undefined ? '' : `${report.Prefix}/`}job-${id}`

const put = async (role: Caller, { report }: JobRecord, Key: string, bytes: Buffer): Promise<void> => {
  await role.s3.putObject({
    Bucket: (report.Bucket ?? '').replace(/^arn:aws:s3:::/, ''),
    Key,
    Body: Readable.from([bytes], { objectMode: false }),
    ...(report.ExpectedBucketOwner === undefined ? {} : { ExpectedBucketOwner: report.ExpectedBucketOwner }),
  })
}

const isFailed = ({ outcome }: TaskRecord): boolean => outcome?.code !== undefined

const lineOf = ({ bucket, key, versionId, outcome }: TaskRecord): string =>
  toLine([
    bucket,
    encodeKey(key),
    versionId,
    outcome?.code === undefined ? 'succeeded' : 'failed',
    outcome?.code,
    outcome?.status,
    outcome?.message,
  ])

/** Writes the results of some tasks, each status in a file of its own. The names are the same when it is done again. */
export const writeResults = async (
  role: Caller,
  job: JobRecord,
  tasks: readonly TaskRecord[],
): Promise<ReportFile[]> => {
  const files: ReportFile[] = []
  for (const status of ['succeeded', 'failed'] as const) {
    if (status === 'succeeded' && job.report.ReportScope === 'FailedTasksOnly') continue
    const lines = tasks.filter((task) => isFailed(task) === (status === 'failed')).map(lineOf)
    if (lines.length === 0) continue
    const bytes = Buffer.from(lines.join(''))
    const unique = createHash('sha1').update(`${job.id} ${status} ${tasks[0]?.index}`).digest('hex')
    const key = `${folderOf(job)}/results/${unique}.csv`
    await put(role, job, key, bytes)
    files.push({ status, key, md5: md5(bytes) })
  }
  return files
}

/** Says which files a report has: what a reader begins with. */
export const writeManifest = async (role: Caller, job: JobRecord, created: Date, files: readonly ReportFile[]) => {
  const Bucket = (job.report.Bucket ?? '').replace(/^arn:aws:s3:::/, '')
  const bytes = Buffer.from(
    JSON.stringify({
      Format: job.report.Format,
      ReportCreationDate: created.toISOString(),
      Results: files.map(({ status, key, md5: MD5Checksum }) => ({
        TaskExecutionStatus: status,
        Bucket,
        MD5Checksum,
        Key: key,
      })),
      ReportSchema: schema,
    }),
  )
  await put(role, job, `${folderOf(job)}/manifest.json`, bytes)
  await put(role, job, `${folderOf(job)}/manifest.json.md5`, Buffer.from(md5(bytes)))
}
