import * as z from 'zod'
import { InvalidMetadataError } from './invalid.ts'
import { checkSchema, fieldsById, highestId, type Schema, SchemaShape, withFreshIds } from './schema.ts'
import {
  checked,
  type Metadata,
  type PartitionField,
  PartitionFieldShape,
  type PartitionSpec,
  SortFieldShape,
  type SortOrder,
} from './table-metadata.ts'

// The first metadata of a table. A pure engine.

export type Asked = {
  readonly schema: unknown
  readonly spec?: unknown
  readonly order?: unknown
  readonly properties: Readonly<Record<string, string>>
}

/** Field ids of partitions begin here. */
const firstPartitionId = 1000

/** A specification or order names fields of primitive types that are there. Throws InvalidMetadataError. */
export const checkSources = (schema: Schema, fields: readonly { readonly 'source-id': number }[]): void => {
  const known = fieldsById(schema)
  for (const { 'source-id': source } of fields)
    if (typeof known.get(source) !== 'string')
      throw new InvalidMetadataError(`The source id ${source} names no field of a primitive type.`)
}

/** Fields without ids get the next ones. Throws InvalidMetadataError. */
export const numberedSpec = (
  fields: readonly z.infer<typeof PartitionFieldShape>[],
  specId: number,
  last: number,
): PartitionSpec => {
  let next = last
  const numbered: PartitionField[] = fields.map((field) => ({ ...field, 'field-id': field['field-id'] ?? ++next }))
  for (const key of ['field-id', 'name'] as const)
    if (new Set(numbered.map((field) => field[key])).size < numbered.length)
      throw new InvalidMetadataError('The fields of a partition specification must differ in name and id.')
  return { 'spec-id': specId, fields: numbered }
}

/** Schemas of the API may leave out ids and whether fields are required. */
const complete = (schema: unknown): unknown => {
  if (typeof schema !== 'object' || schema === null || !('fields' in schema) || !Array.isArray(schema.fields))
    return schema
  const fields = schema.fields as readonly Record<string, unknown>[]
  const numbered = fields.every((field) => field?.id !== undefined)
  return {
    ...schema,
    fields: fields.map((field, at) => ({
      ...field,
      id: numbered ? field.id : at + 1,
      required: field?.required ?? false,
    })),
  }
}

/**
 * What a new table's first file of metadata says. Field ids are given anew, from 1. Throws InvalidMetadataError.
 */
export const newMetadata = (
  asked: Asked,
  { location, uuid, now }: { readonly location: string; readonly uuid: string; readonly now: number },
): Metadata => {
  const { 'format-version': version = '2', ...properties } = asked.properties
  if (version !== '2')
    throw new InvalidMetadataError(`Tables of format version ${version} cannot be made here: only 2.`)
  const given = checked(SchemaShape, complete(asked.schema), 'The schema')
  checkSchema(given)
  const { schema, fresh } = withFreshIds({ ...given, 'schema-id': 0 })
  const renumbered = <F extends { 'source-id': number }>(field: F): F => ({
    ...field,
    'source-id': fresh.get(field['source-id']) ?? -1,
  })
  const partitions = checked(z.array(PartitionFieldShape), asked.spec ?? [], 'The partition specification').map(
    renumbered,
  )
  const sorting = checked(z.array(SortFieldShape), asked.order ?? [], 'The sort order').map(renumbered)
  checkSources(schema, [...partitions, ...sorting])
  const spec = numberedSpec(
    partitions.map(({ 'field-id': _, ...field }) => field),
    0,
    firstPartitionId - 1,
  )
  const order: SortOrder = { 'order-id': sorting.length > 0 ? 1 : 0, fields: sorting }
  return {
    'format-version': 2,
    'table-uuid': uuid,
    location,
    'last-sequence-number': 0,
    'last-updated-ms': now,
    'last-column-id': highestId(schema),
    'current-schema-id': 0,
    schemas: [checked(SchemaShape, schema, 'The schema')],
    'default-spec-id': 0,
    'partition-specs': [{ ...spec, fields: [...spec.fields] }],
    'last-partition-id': firstPartitionId - 1 + spec.fields.length,
    'default-sort-order-id': order['order-id'],
    'sort-orders': [order],
    properties,
    'current-snapshot-id': -1,
    snapshots: [],
    refs: {},
    'snapshot-log': [],
    'metadata-log': [],
    statistics: [],
    'partition-statistics': [],
  }
}
