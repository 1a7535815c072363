import { gunzipSync } from 'node:zlib'
import * as z from 'zod'
import { InvalidMetadataError } from './invalid.ts'
import { parseJson, toJson } from './json.ts'
import { type Schema, SchemaShape } from './schema.ts'

// Table metadata as the files have them, format version 2 ("Table Metadata Fields", Apache Iceberg table specification).

/** 64 bits: a number where it holds it. */
export type Long = number | bigint
export const LongShape = z.union([z.int(), z.bigint()])

const transform = /^(identity|year|month|day|hour|void|bucket\[[1-9]\d{0,8}\]|truncate\[[1-9]\d{0,8}\])$/
const Transform = z.string().regex(transform, 'is no transform')

export const PartitionFieldShape = z.object({
  'source-id': z.int(),
  'field-id': z.int().optional(),
  name: z.string().min(1),
  transform: Transform,
})
export const SpecShape = z.object({ 'spec-id': z.int().default(0), fields: z.array(PartitionFieldShape) })
export type PartitionField = z.infer<typeof PartitionFieldShape> & { readonly 'field-id': number }
export type PartitionSpec = { readonly 'spec-id': number; readonly fields: readonly PartitionField[] }

export const SortFieldShape = z.object({
  'source-id': z.int(),
  transform: Transform,
  direction: z.enum(['asc', 'desc']),
  'null-order': z.enum(['nulls-first', 'nulls-last']),
})
export const SortOrderShape = z.object({ 'order-id': z.int().default(0), fields: z.array(SortFieldShape) })
export type SortOrder = z.infer<typeof SortOrderShape>

export const SnapshotShape = z.looseObject({
  'snapshot-id': LongShape,
  'parent-snapshot-id': LongShape.nullish(),
  'sequence-number': LongShape.optional(),
  'timestamp-ms': LongShape,
  'manifest-list': z.string().min(1),
  summary: z.record(z.string(), z.string()).optional(),
  'schema-id': z.int().optional(),
})
export type Snapshot = z.infer<typeof SnapshotShape>

export const RefShape = z.object({
  'snapshot-id': LongShape,
  type: z.enum(['branch', 'tag']),
  'min-snapshots-to-keep': z.int().positive().nullish(),
  'max-snapshot-age-ms': LongShape.nullish(),
  'max-ref-age-ms': LongShape.nullish(),
})
export type Ref = z.infer<typeof RefShape>

export const StatisticsShape = z.looseObject({ 'snapshot-id': LongShape, 'statistics-path': z.string() })

const MetadataShape = z.looseObject({
  'format-version': z.int(),
  'table-uuid': z.string(),
  location: z.string(),
  'last-sequence-number': LongShape.default(0),
  'last-updated-ms': LongShape,
  'last-column-id': z.int(),
  'current-schema-id': z.int(),
  schemas: z.array(SchemaShape),
  'default-spec-id': z.int(),
  'partition-specs': z.array(
    z.object({ 'spec-id': z.int(), fields: z.array(PartitionFieldShape.extend({ 'field-id': z.int() })) }),
  ),
  'last-partition-id': z.int().default(999),
  'default-sort-order-id': z.int(),
  'sort-orders': z.array(z.object({ 'order-id': z.int(), fields: z.array(SortFieldShape) })),
  properties: z.record(z.string(), z.string()).default({}),
  'current-snapshot-id': LongShape.nullish(),
  snapshots: z.array(SnapshotShape).default([]),
  refs: z.record(z.string(), RefShape).default({}),
  'snapshot-log': z.array(z.object({ 'timestamp-ms': LongShape, 'snapshot-id': LongShape })).default([]),
  'metadata-log': z.array(z.object({ 'timestamp-ms': LongShape, 'metadata-file': z.string() })).default([]),
  statistics: z.array(StatisticsShape).default([]),
  'partition-statistics': z.array(StatisticsShape).default([]),
})
export type Metadata = z.infer<typeof MetadataShape>

/** "Accessing tables using the Amazon S3 Tables Iceberg REST endpoint", S3 user guide: larger files of metadata are refused. */
const largestFile = 50 * 1024 * 1024

/** What a file of metadata holds: `.metadata.json.gz` files are compressed. */
const unpacked = (file: Uint8Array): Uint8Array => {
  if (file[0] !== 0x1f || file[1] !== 0x8b) return file
  try {
    return gunzipSync(file, { maxOutputLength: largestFile + 1 })
  } catch {
    throw new InvalidMetadataError('The metadata file is no gzip file, or larger than 50 MB.')
  }
}

/** Throws InvalidMetadataError. */
export const parseMetadata = (file: Uint8Array): Metadata => {
  const bytes = unpacked(file)
  if (bytes.length > largestFile) throw new InvalidMetadataError('The metadata file is larger than 50 MB.')
  let json: unknown
  try {
    json = parseJson(Buffer.from(bytes).toString())
  } catch (error) {
    if (error instanceof SyntaxError) throw new InvalidMetadataError('The metadata file is no JSON.')
    throw error
  }
  return checked(MetadataShape, json, 'The metadata file')
}

/** A value of a shape, or InvalidMetadataError with what is wrong with it. */
export const checked = <T>(shape: z.ZodType<T>, value: unknown, what: string): T => {
  const result = shape.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new InvalidMetadataError(`${what} is not valid: ${issue?.path.map(String).join('.')}: ${issue?.message}`)
}

export const toText = (metadata: Metadata): string => toJson(metadata)

/** Throws InvalidMetadataError where the metadata name one that is not there. */
export const currentSchema = (metadata: Metadata): Schema => {
  const found = metadata.schemas.find((schema) => schema['schema-id'] === metadata['current-schema-id'])
  if (!found) throw new InvalidMetadataError('The current schema is not among the schemas.')
  return found
}
