import { Readable } from 'node:stream'
import type { S3Location, SelectParameters } from '@aws-sdk/client-s3'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Principal } from '../../kernel/principal.ts'
import { table } from '../../store/store.ts'
import { done, type Reconciler } from '../../work/reconciler.ts'
import { Bucket } from './bucket.ts'
import { load } from './content.ts'
import { openKey } from './encryption.ts'
import { fail, type Input, malformedXml } from './operation.ts'
import { failure } from './select/failure.ts'
import { isAggregating } from './select/query.ts'
import { planOf, select } from './select/select-object-content.ts'
import { findVersion, type ObjectRecord } from './versions.ts'

// Restores of type SELECT: a query over an archived object, whose results are put into a bucket ("Querying archived objects",
// S3 user guide; "POST Object restore", S3 API reference).

type Request = NonNullable<Input<'RestoreObject'>['RestoreRequest']>
/** What a request asks for, checked. */
export type Selection = { readonly parameters: SelectParameters; readonly location: S3Location }

type Job = Selection & {
  readonly id: string
  readonly bucket: string
  readonly key: string
  readonly versionId: string
  /** What was put under the same name since is another object. */
  readonly content: string
  /** Who asked: his rights read the object and write what is found in it. */
  readonly principal: Principal
}
export const SelectJob = table<Job>('s3.select-job', { scope: 'global', key: ({ id }) => id })

const contentOf = ({ content }: ObjectRecord): string => content?.id ?? ''

/** Bytes. */
const longestExpression = 128 * 1024
const longestPath = 512
const partSize = 16 * 1024 * 1024

/** A query of plain CSV, record by record. */
const planFor = (parameters: SelectParameters) => {
  const { InputSerialization, OutputSerialization, Expression, ExpressionType } = parameters
  if (!InputSerialization || !OutputSerialization || Expression === undefined || ExpressionType === undefined)
    throw failure('MissingRequiredParameter')
  if (Buffer.byteLength(Expression) > longestExpression)
    throw new AwsError('ExpressionTooLong', 'The SQL expression is too long: it may have 128 KB.', { status: 400 })
  const asked = { Expression, ExpressionType, InputSerialization, OutputSerialization }
  const plan = planOf(asked, ['object', 's3object'])
  if (plan.format.kind !== 'csv' || plan.compression !== 'NONE' || !OutputSerialization.CSV)
    throw failure('InvalidRequestParameter')
  if (plan.query.limit !== undefined || isAggregating(plan.query)) throw failure('UnsupportedSqlStructure')
  return plan
}

/** What a restore selects; undefined where it is none that does. Throws MalformedXML, InvalidArgument, and a query's errors. */
export const selectionOf = (request: Request): Selection | undefined => {
  const { Type, SelectParameters: parameters, OutputLocation, Days, GlacierJobParameters } = request
  if (Type === undefined && !parameters && !OutputLocation) return undefined
  const location = OutputLocation?.S3
  if (Type !== 'SELECT' || !parameters || !location || Days !== undefined || GlacierJobParameters) throw malformedXml()
  if (location.BucketName === undefined || location.Prefix === undefined) throw malformedXml()
  if (Buffer.byteLength(`${location.BucketName}/${location.Prefix}`) > longestPath)
    throw fail('InvalidArgument', 'The output location may have 512 bytes.', {
      ArgumentName: 'OutputLocation',
      ArgumentValue: location.Prefix,
    })
  planFor(parameters)
  return { parameters, location }
}

const folderOf = ({ id, location }: Pick<Job, 'id' | 'location'>): string =>
  `${(location.Prefix ?? '').replace(/\/$/, '')}/${id}`.replace(/^\//, '')

const grantHeaders = {
  FULL_CONTROL: 'GrantFullControl',
  READ: 'GrantRead',
  READ_ACP: 'GrantReadACP',
  WRITE_ACP: 'GrantWriteACP',
} as const

const grantsOf = ({ AccessControlList: grants = [] }: S3Location): Record<string, string> => {
  const headers: Record<string, string> = {}
  for (const { Grantee, Permission } of grants) {
    const name = Permission === undefined || Permission === 'WRITE' ? undefined : grantHeaders[Permission]
    const who = Grantee?.ID !== undefined ? `id="${Grantee.ID}"` : `uri="${Grantee?.URI ?? ''}"`
    if (name === undefined || (Grantee?.ID === undefined && Grantee?.URI === undefined)) throw malformedXml()
    headers[name] = headers[name] === undefined ? who : `${headers[name]}, ${who}`
  }
  return headers
}

/** How results are stored, as a location says. */
const storedAs = (location: S3Location) => {
  const { Encryption: encryption, CannedACL, Tagging, UserMetadata, StorageClass } = location
  const tags = new URLSearchParams(Tagging?.TagSet?.map(({ Key = '', Value = '' }): [string, string] => [Key, Value]))
  return {
    ...grantsOf(location),
    ...(CannedACL ? { ACL: CannedACL } : {}),
    ...(StorageClass ? { StorageClass } : {}),
    ...(tags.size > 0 ? { Tagging: tags.toString() } : {}),
    ...(UserMetadata
      ? { Metadata: Object.fromEntries(UserMetadata.map(({ Name = '', Value = '' }) => [Name, Value])) }
      : {}),
    ...(encryption?.EncryptionType ? { ServerSideEncryption: encryption.EncryptionType } : {}),
    ...(encryption?.KMSKeyId === undefined ? {} : { SSEKMSKeyId: encryption.KMSKeyId }),
    ...(encryption?.KMSContext === undefined ? {} : { SSEKMSEncryptionContext: encryption.KMSContext }),
  }
}

/** Puts a file of a job beside its others. Returns where it is. */
const putFile = async (ctx: Ctx, job: Job, name: string, body: string | Buffer): Promise<string> => {
  const Key = `${folderOf(job)}/${name}`
  const Bucket = job.location.BucketName ?? ''
  await ctx.as(job.principal).s3.putObject({
    Bucket,
    Key,
    Body: Readable.from([Buffer.from(body)], { objectMode: false }),
    ...storedAs(job.location),
  })
  return `s3://${Bucket}/${Key}`
}

/**
 * Begins a job: its placeholder `job.txt` proves that its output can be written. Returns where the results will be, and the
 * job, to be kept and woken. Throws InvalidArgument for a bucket elsewhere, and what PutObject throws.
 */
export const beginJob = async (
  ctx: Ctx,
  record: ObjectRecord,
  selection: Selection,
): Promise<{ job: Job; path: string }> => {
  const [target, source] = await ctx.read(async (tx) => [
    await tx.get(Bucket, selection.location.BucketName ?? ''),
    await tx.get(Bucket, record.bucket),
  ])
  if (!target)
    throw fail('NoSuchBucket', 'The specified bucket does not exist', { BucketName: selection.location.BucketName })
  if (target.region !== source?.region)
    throw fail('InvalidArgument', 'The output location must be in the Region of the bucket that is queried.', {
      ArgumentName: 'BucketName',
      ArgumentValue: target.name,
    })
  if (record.encryption?.mode === 'customer')
    throw fail('InvalidRequest', 'Objects encrypted with customer-provided keys cannot be selected from.')
  const { bucket, key, versionId } = record
  const job: Job = {
    ...selection,
    id: ctx.random(92, idAlphabet),
    bucket,
    key,
    versionId,
    content: contentOf(record),
    principal: ctx.principal,
  }
  const told = { JobId: job.id, Bucket: bucket, Key: key, VersionId: versionId, SelectParameters: selection.parameters }
  await putFile(ctx, job, 'job.txt', `${JSON.stringify(told, undefined, 2)}\n`)
  return { job, path: folderOf(job) }
}
const idAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'

/** Writes what a query finds, in parts. Returns where they are. */
const writeResults = async (ctx: Ctx, job: Job): Promise<string[]> => {
  const found = await ctx.read(async (tx) => {
    const record = await findVersion(tx, job.bucket, job.key, job.versionId)
    return record && !record.marker && contentOf(record) === job.content
      ? { record, loaded: await load(tx, record.content, record.size) }
      : undefined
  })
  if (!found) throw fail('NoSuchKey', 'The specified key does not exist.', { Key: job.key })
  const key = await openKey({ ...ctx, principal: job.principal }, found.record, {})
  const places: string[] = []
  let held: Buffer[] = []
  let size = 0
  const flush = async (): Promise<void> => {
    places.push(await putFile(ctx, job, `results/${String(places.length).padStart(6, '0')}`, Buffer.concat(held)))
    held = []
    size = 0
  }
  const plan = { ...planFor(job.parameters), progress: false, scan: undefined }
  for await (const { Records } of select(ctx, { ...plan, loaded: found.loaded, key })) {
    if (!Records?.Payload) continue
    held.push(Buffer.from(Records.Payload))
    size += Records.Payload.length
    if (size >= partSize) await flush()
  }
  if (size > 0 || places.length === 0) await flush()
  return places
}

const isTold = (error: unknown): error is AwsError => error instanceof AwsError && (error.status ?? 400) < 500
const manifest = (places: readonly string[]): string => places.map((place) => `${place}\n`).join('')

/** Runs a query once its tier's time is over. A part that was written before a kill is written again under its name. */
export const selectJobs: Reconciler = {
  name: 's3.select-jobs',
  step: async (ctx, id) => {
    const job = await ctx.read((tx) => tx.get(SelectJob, id))
    if (!job) return done()
    try {
      try {
        await putFile(ctx, job, 'result_manifest.txt', manifest(await writeResults(ctx, job)))
      } catch (error) {
        if (!isTold(error)) throw error
        const place = await putFile(ctx, job, 'errors/000000', `${error.code}: ${error.message}\n`)
        await putFile(ctx, job, 'error_manifest.txt', manifest([place]))
      }
    } catch (error) {
      if (!isTold(error)) throw error
      ctx.log.warn('the results of a restore that selects could not be written', {
        bucket: job.bucket,
        error: error.message,
      })
    }
    await ctx.write(async (tx) => tx.delete(SelectJob, id))
    return done()
  },
}
