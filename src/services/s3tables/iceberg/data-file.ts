import type { SchemaElement } from 'hyparquet-writer'
import type { Field, Schema } from './schema.ts'

// Data files as Parquet, their columns known by the ids of the table's schema ("Parquet", Apache Iceberg table specification).

/** Times in epoch milliseconds. */
export type Value = string | number | boolean | Readonly<Record<string, string>> | null | undefined
export type Row = Readonly<Record<string, Value>>

const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const

const elementsOf = ({ id, name, type, required }: Field): SchemaElement[] => {
  const own = { name, field_id: id, repetition_type: required ? ('REQUIRED' as const) : ('OPTIONAL' as const) }
  if (type === 'string') return [{ ...own, ...text }]
  if (type === 'long') return [{ ...own, type: 'INT64' }]
  if (type === 'boolean') return [{ ...own, type: 'BOOLEAN' }]
  if (type === 'timestamp')
    return [{ ...own, type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: false, unit: 'MICROS' } }]
  if (typeof type === 'object' && type.type === 'map')
    return [
      { ...own, converted_type: 'MAP', num_children: 1 },
      { name: 'key_value', repetition_type: 'REPEATED', num_children: 2 },
      { name: 'key', field_id: type['key-id'], repetition_type: 'REQUIRED', ...text },
      { name: 'value', field_id: type['value-id'], repetition_type: 'OPTIONAL', ...text },
    ]
  throw new TypeError(`Columns of type ${JSON.stringify(type)} are not written.`)
}

const cellOf = ({ type }: Field, value: Value): unknown => {
  if (value === undefined || value === null) return null
  if (type === 'long') return BigInt(Number(value))
  if (type === 'timestamp') return BigInt(Number(value)) * 1000n
  return value
}

/** A Parquet file, compressed with Snappy. */
export const writeDataFile = async (schema: Schema, rows: readonly Row[]): Promise<Buffer> => {
  // Few servers ever make one.
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const file = parquetWriteBuffer({
    schema: [{ name: 'root', num_children: schema.fields.length }, ...schema.fields.flatMap(elementsOf)],
    columnData: schema.fields.map((field) => ({
      name: field.name,
      data: rows.map((row) => cellOf(field, row[field.name])),
    })),
    createdBy: 'Amazon S3 Metadata (Drydock)',
  })
  return Buffer.from(file)
}

/** The rows of a file that we wrote. */
export const readDataFile = async (file: Uint8Array): Promise<Row[]> => {
  const { parquetReadObjects } = await import('hyparquet')
  const buffer = new Uint8Array(file).buffer
  const rows: Record<string, unknown>[] = await parquetReadObjects({ file: buffer })
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])))
}

const plain = (value: unknown): Value =>
  typeof value === 'bigint' ? Number(value) : value instanceof Date ? value.getTime() : (value as Value)
