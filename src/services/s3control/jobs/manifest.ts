import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Caller } from '../../../kernel/context.ts'
import type { BatchObject } from '../../capabilities.ts'
import { decodeKey, parseLine } from './csv.ts'
import type { JobGenerator, JobManifest, JobRecord, TaskRecord } from './job.ts'

// Which objects a job is about ("Specifying a manifest", S3 user guide): read in pieces, so that a restart goes on where it was.

export type Listed = Pick<TaskRecord, 'bucket' | 'key' | 'versionId'>
type Reading = NonNullable<JobRecord['reading']>
/** A piece of a manifest, and where the next begins: nowhere at its end. */
export type Piece = { readonly objects: readonly Listed[]; readonly next?: Reading }

/** A manifest that cannot be used: the job fails with it. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError'
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

const invalid = (message: string) => new ManifestError('InvalidManifestContent', message)

/** Bytes of a manifest that a step reads. */
const pieceSize = 512 * 1024
const largestFile = 256 * 1024 * 1024

const objectOf = (line: string, fields: readonly string[]): Listed => {
  const values = parseLine(line)
  if (values?.length !== fields.length)
    throw invalid(
      `A line of the manifest does not have the ${fields.length} fields of its format: ${line.slice(0, 100)}`,
    )
  const value = (name: string) => values[fields.indexOf(name)] ?? ''
  const [bucket, key, versionId] = [value('Bucket'), decodeKey(value('Key')), value('VersionId')]
  if (bucket === '' || !key) throw invalid(`A line of the manifest names no object: ${line.slice(0, 100)}`)
  return { bucket, key, ...(versionId === '' ? {} : { versionId }) }
}

const objectsOf = (text: string, fields: readonly string[]): Listed[] =>
  text
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
    .filter((line) => line !== '')
    .map((line) => objectOf(line, fields))

const bytesOf = async (body: unknown): Promise<Buffer> => {
  if (body instanceof Uint8Array) return Buffer.from(body)
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of (body ?? []) as AsyncIterable<Uint8Array>) {
    parts.push(part)
    size += part.length
    if (size > largestFile) throw invalid('A file of the manifest is too large.')
  }
  return Buffer.concat(parts)
}

const placeOf = (arn: string) => {
  const [, Bucket = '', Key = ''] = /^arn:aws:s3:::([^/]+)\/(.*)$/s.exec(arn) ?? []
  return { Bucket, Key }
}

const getManifest = async (role: Caller, { Location: location }: JobManifest, Range?: string) => {
  const got = await role.s3.getObject({
    ...placeOf(location.ObjectArn),
    ...(location.ObjectVersionId === undefined ? {} : { VersionId: location.ObjectVersionId }),
    ...(Range === undefined ? {} : { Range }),
  })
  if (got.ETag?.replaceAll('"', '') !== location.ETag.replaceAll('"', ''))
    throw new ManifestError(
      'ManifestETagMismatch',
      'The ETag of the manifest object is not the one that the job names.',
    )
  return got
}

const readCsv = async (role: Caller, manifest: JobManifest, { offset }: Reading): Promise<Piece> => {
  const got = await getManifest(role, manifest, `bytes=${offset}-${offset + pieceSize - 1}`)
  const bytes = await bytesOf(got.Body)
  const total = Number(/\/(\d+)$/.exec(got.ContentRange ?? '')?.[1] ?? bytes.length)
  const last = offset + bytes.length >= total
  const end = last ? bytes.length : bytes.lastIndexOf(10) + 1
  if (end === 0 && !last) throw invalid('A line of the manifest is too long.')
  const objects = objectsOf(bytes.subarray(0, end).toString(), manifest.Spec.Fields ?? [])
  return { objects, ...(last ? {} : { next: { file: 0, offset: offset + end } }) }
}

type Inventory = {
  readonly fileFormat?: unknown
  readonly fileSchema?: unknown
  readonly destinationBucket?: unknown
  readonly files?: unknown
}

const unzip = promisify(gunzip)

const readInventory = async (role: Caller, manifest: JobManifest, { file: at }: Reading): Promise<Piece> => {
  const text = (await bytesOf((await getManifest(role, manifest)).Body)).toString()
  let inventory: Inventory
  try {
    inventory = (JSON.parse(text) ?? {}) as Inventory
  } catch {
    throw invalid('The manifest is not JSON.')
  }
  const { fileFormat, fileSchema, destinationBucket, files } = inventory
  if (
    fileFormat !== 'CSV' ||
    typeof fileSchema !== 'string' ||
    typeof destinationBucket !== 'string' ||
    !Array.isArray(files)
  )
    throw invalid('The manifest is not that of an inventory in CSV.')
  const file: unknown = files[at]
  if (file === undefined) return { objects: [] }
  const key = typeof file === 'object' && file !== null ? Reflect.get(file, 'key') : undefined
  if (typeof key !== 'string') throw invalid('The manifest names a file without a key.')
  const got = await role.s3.getObject({ Bucket: destinationBucket.replace(/^arn:aws:s3:::/, ''), Key: key })
  const zipped = await bytesOf(got.Body)
  const plain = await unzip(zipped, { maxOutputLength: largestFile }).catch(() => {
    throw invalid(`The file ${key} of the manifest cannot be unzipped.`)
  })
  const fields = fileSchema.split(',').map((name) => name.trim())
  const objects = objectsOf(plain.toString(), fields)
  return { objects, ...(at + 1 < files.length ? { next: { file: at + 1, offset: 0 } } : {}) }
}

/** The piece of a manifest at which a job's reading stands. Throws ManifestError, and what S3 says. */
export const readManifest = (role: Caller, manifest: JobManifest, reading: Reading): Promise<Piece> =>
  manifest.Spec.Format === 'S3BatchOperations_CSV_20180820'
    ? readCsv(role, manifest, reading)
    : readInventory(role, manifest, reading)

const matchesEncryption = (
  { encryption }: BatchObject,
  filters: NonNullable<NonNullable<JobGenerator['Filter']>['MatchAnyObjectEncryption']>,
): boolean =>
  filters.some((filter) => {
    if (filter.SSES3) return encryption.mode === 'AES256'
    if (filter.SSEC) return encryption.mode === 'customer'
    if (filter.NOTSSE) return encryption.mode === undefined
    const kms = filter.SSEKMS ?? filter.DSSEKMS
    return (
      kms !== undefined &&
      encryption.mode === (filter.SSEKMS ? 'aws:kms' : 'aws:kms:dsse') &&
      (kms.KmsKeyArn === undefined || kms.KmsKeyArn === encryption.kmsKey) &&
      (filter.SSEKMS?.BucketKeyEnabled === undefined || filter.SSEKMS.BucketKeyEnabled === encryption.bucketKey)
    )
  })

/** Whether a generated list has an object: all conditions, of each any of its values. */
export const isSelected = (object: BatchObject, filter: JobGenerator['Filter'] = {}): boolean => {
  const { KeyNameConstraint: name, ObjectReplicationStatuses: statuses, MatchAnyStorageClass: classes } = filter
  const any = <T>(values: readonly T[] | undefined, fits: (value: T) => boolean) =>
    values === undefined || values.length === 0 || values.some(fits)
  return (
    (filter.EligibleForReplication === undefined || filter.EligibleForReplication === object.replicable) &&
    (filter.CreatedAfter === undefined || object.modified > new Date(filter.CreatedAfter).getTime()) &&
    (filter.CreatedBefore === undefined || object.modified < new Date(filter.CreatedBefore).getTime()) &&
    any(statuses, (status) => status === object.replication) &&
    any(name?.MatchAnyPrefix, (text) => object.key.startsWith(text)) &&
    any(name?.MatchAnySuffix, (text) => object.key.endsWith(text)) &&
    any(name?.MatchAnySubstring, (text) => object.key.includes(text)) &&
    (filter.ObjectSizeGreaterThanBytes === undefined || object.size > filter.ObjectSizeGreaterThanBytes) &&
    (filter.ObjectSizeLessThanBytes === undefined || object.size < filter.ObjectSizeLessThanBytes) &&
    any(classes, (each) => each === object.storageClass) &&
    (filter.MatchAnyObjectEncryption === undefined || matchesEncryption(object, filter.MatchAnyObjectEncryption))
  )
}
