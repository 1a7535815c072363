import { type AvroRecord, type RecordType, readAvro, writeAvro } from './avro.ts'
import type { Schema } from './schema.ts'
import type { Long } from './table-metadata.ts'

// Lists of a table's files: a manifest names data files, a manifest list the manifests of a snapshot ("Manifests", "Manifest
// Lists", Apache Iceberg table specification). Ours are of tables without partitions.

export type DataFile = {
  /** `s3://…` */
  readonly path: string
  readonly records: number
  /** In bytes. */
  readonly size: number
  /** Of the snapshot that added it. */
  readonly snapshot: Long
  readonly sequence: Long
}

const statuses = { existing: 0, added: 1, deleted: 2 } as const
type Status = keyof typeof statuses

const optional = (name: string, id: number) => ({ name, type: ['null', 'long'], default: null, 'field-id': id })

const entrySchema: RecordType = {
  type: 'record',
  name: 'manifest_entry',
  fields: [
    { name: 'status', type: 'int', 'field-id': 0 },
    optional('snapshot_id', 1),
    optional('sequence_number', 3),
    optional('file_sequence_number', 4),
    {
      name: 'data_file',
      type: {
        type: 'record',
        name: 'r2',
        fields: [
          { name: 'content', type: 'int', 'field-id': 134 },
          { name: 'file_path', type: 'string', 'field-id': 100 },
          { name: 'file_format', type: 'string', 'field-id': 101 },
          { name: 'partition', type: { type: 'record', name: 'r102', fields: [] }, 'field-id': 102 },
          { name: 'record_count', type: 'long', 'field-id': 103 },
          { name: 'file_size_in_bytes', type: 'long', 'field-id': 104 },
        ],
      },
      'field-id': 2,
    },
  ],
}

const countFields = [
  'added_files_count',
  'existing_files_count',
  'deleted_files_count',
  'added_rows_count',
  'existing_rows_count',
  'deleted_rows_count',
] as const
const countIds = [504, 505, 506, 512, 513, 514]

const listSchema: RecordType = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    { name: 'manifest_path', type: 'string', 'field-id': 500 },
    { name: 'manifest_length', type: 'long', 'field-id': 501 },
    { name: 'partition_spec_id', type: 'int', 'field-id': 502 },
    { name: 'content', type: 'int', 'field-id': 517 },
    { name: 'sequence_number', type: 'long', 'field-id': 515 },
    { name: 'min_sequence_number', type: 'long', 'field-id': 516 },
    { name: 'added_snapshot_id', type: 'long', 'field-id': 503 },
    ...countFields.map((name, at) => ({
      name,
      type: name.includes('files') ? 'int' : 'long',
      'field-id': countIds[at],
    })),
  ],
}

export type Changes = {
  readonly existing: readonly DataFile[]
  readonly added: readonly DataFile[]
  readonly deleted: readonly DataFile[]
}

/** The one manifest of a snapshot: all that it has, and what it no longer has. `id`: the snapshot's. */
export const writeManifest = (changes: Changes, schema: Schema, id: Long, sync: Uint8Array): Buffer => {
  const entryOf =
    (status: Status) =>
    (file: DataFile): AvroRecord => ({
      status: statuses[status],
      snapshot_id: status === 'existing' ? file.snapshot : id,
      sequence_number: file.sequence,
      file_sequence_number: file.sequence,
      data_file: {
        content: 0,
        file_path: file.path,
        file_format: 'PARQUET',
        partition: {},
        record_count: file.records,
        file_size_in_bytes: file.size,
      },
    })
  const metadata = {
    schema: JSON.stringify(schema),
    'schema-id': String(schema['schema-id']),
    'partition-spec': '[]',
    'partition-spec-id': '0',
    'format-version': '2',
    content: 'data',
  }
  const entries = [
    ...changes.existing.map(entryOf('existing')),
    ...changes.added.map(entryOf('added')),
    ...changes.deleted.map(entryOf('deleted')),
  ]
  return writeAvro(entrySchema, metadata, entries, sync)
}

const least = (a: Long, b: Long): Long => (b < a ? b : a)
const rowsOf = (files: readonly DataFile[]): number => files.reduce((sum, { records }) => sum + records, 0)

/** The list of a snapshot's one manifest. */
export const writeManifestList = (
  manifest: { readonly path: string; readonly length: number },
  changes: Changes,
  snapshot: { readonly id: Long; readonly parent: Long | undefined; readonly sequence: Long },
  sync: Uint8Array,
): Buffer => {
  const { existing, added, deleted } = changes
  const { id, parent, sequence } = snapshot
  const record: AvroRecord = {
    manifest_path: manifest.path,
    manifest_length: manifest.length,
    partition_spec_id: 0,
    content: 0,
    sequence_number: sequence,
    min_sequence_number: [...existing, ...added].map((file) => file.sequence).reduce(least, sequence),
    added_snapshot_id: id,
    added_files_count: added.length,
    existing_files_count: existing.length,
    deleted_files_count: deleted.length,
    added_rows_count: rowsOf(added),
    existing_rows_count: rowsOf(existing),
    deleted_rows_count: rowsOf(deleted),
  }
  const metadata = {
    'snapshot-id': String(id),
    'parent-snapshot-id': parent === undefined ? 'null' : String(parent),
    'sequence-number': String(sequence),
    'format-version': '2',
  }
  return writeAvro(listSchema, metadata, [record], sync)
}

const texts = (records: readonly AvroRecord[], path: (record: AvroRecord) => unknown): string[] =>
  records.map(path).filter((text) => typeof text === 'string')

/** The manifests that a list names, whoever wrote it. Throws InvalidMetadataError. */
export const manifestsIn = (list: Uint8Array): string[] => texts(readAvro(list), ({ manifest_path: path }) => path)

/** The files that are in a table by a manifest. Throws InvalidMetadataError. */
export const filesIn = (manifest: Uint8Array): string[] =>
  texts(
    readAvro(manifest).filter(({ status }) => status !== statuses.deleted),
    ({ data_file: file }) => (file as AvroRecord | null)?.file_path,
  )
