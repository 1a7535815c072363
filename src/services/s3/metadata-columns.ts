import type { Ctx } from '../../kernel/context.ts'
import type { ManagedRow, ManagedTable } from '../capabilities.ts'
import { storageClassOf } from './storage-class.ts'
import type { ObjectRecord, VersionRecord } from './versions.ts'

// The columns of metadata tables ("S3 Metadata journal tables schema", "S3 Metadata live inventory tables schema", S3 user
// guide). A pure engine.

type Columns = ManagedTable['columns']

const text = (name: string) => ({ name, type: 'string' as const })
const required = (name: string) => ({ ...text(name), required: true })

const first: Columns = [required('bucket'), required('key'), required('sequence_number')]
const ofObjects: Columns = [
  text('version_id'),
  { name: 'is_delete_marker', type: 'boolean' },
  { name: 'size', type: 'long' },
  { name: 'last_modified_date', type: 'timestamp' },
  text('e_tag'),
  text('storage_class'),
  { name: 'is_multipart', type: 'boolean' },
  text('encryption_status'),
  { name: 'is_bucket_key_enabled', type: 'boolean' },
  text('kms_key_arn'),
  text('checksum_algorithm'),
  { name: 'object_tags', type: 'map' },
  { name: 'user_metadata', type: 'map' },
]

export const inventoryColumns: Columns = [...first, ...ofObjects]
export const journalColumns: Columns = [
  ...first,
  required('record_type'),
  { name: 'record_timestamp', type: 'timestamp', required: true },
  ...ofObjects,
  text('requester'),
  text('source_ip_address'),
  text('request_id'),
]

const encryptionNames: Readonly<Record<string, string>> = {
  AES256: 'SSE-S3',
  'aws:kms': 'SSE-KMS',
  'aws:kms:dsse': 'DSSE-KMS',
  customer: 'SSE-C',
}

const factsOf = (record: ObjectRecord): ManagedRow => {
  const { encryption } = record
  return {
    is_delete_marker: false,
    size: record.size,
    last_modified_date: record.modified,
    e_tag: record.etag,
    storage_class: storageClassOf(record),
    is_multipart: record.parts !== undefined,
    encryption_status: encryptionNames[encryption?.mode ?? ''] ?? null,
    is_bucket_key_enabled: encryption !== undefined && 'wrapped' in encryption && encryption.wrapped !== undefined,
    kms_key_arn: encryption && 'kmsKey' in encryption ? encryption.kmsKey : null,
    checksum_algorithm: record.checksum.algorithm,
    object_tags: Object.fromEntries((record.tags ?? []).map(({ key, value }) => [key, value])),
    user_metadata: record.metadata,
  }
}

/** A delete marker has no bytes, and a time. */
const markerFacts = ({ modified }: VersionRecord): ManagedRow => ({
  is_delete_marker: true,
  size: 0,
  last_modified_date: modified,
})

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')

/** Of two of a key the one that is later is the greater as text. */
const sequenceNumber = (time: number, { sequence }: VersionRecord, count: number): string =>
  `${hex(time, 12)}${hex(count, 14)}${hex(sequence, 14)}`

const named = (version: VersionRecord) => ({
  bucket: version.bucket,
  key: version.key,
  version_id: version.versionId === 'null' ? null : version.versionId,
})

/** A version as the inventory has it. */
export const inventoryRow = (version: VersionRecord): ManagedRow => ({
  ...named(version),
  sequence_number: sequenceNumber(version.modified, version, 0),
  ...(version.marker ? markerFacts(version) : factsOf(version)),
})

/** `MARK`: a delete marker is put, which the journal calls a DELETE as well. */
export type ChangeType = 'CREATE' | 'UPDATE_METADATA' | 'DELETE' | 'MARK'

/** Whose doing it was: the account's, or a service's; services come from nowhere. */
const requesterOf = ({ principal, request }: Ctx): ManagedRow => {
  const service = request.invokedBy ?? (principal.kind === 'service' ? principal.arn : undefined)
  return {
    requester: service ?? (principal.account || null),
    source_ip_address: service === undefined ? request.sourceIp || null : null,
    request_id: request.id || null,
  }
}

/**
 * A change as the journal has it. What is deleted for good has nothing but its name. `count` rises from one change of the
 * bucket to the next.
 */
export const journalRow = (ctx: Ctx, version: VersionRecord, type: ChangeType, count: number): ManagedRow => {
  const time = ctx.now().getTime()
  return {
    ...named(version),
    sequence_number: sequenceNumber(time, version, count),
    record_type: type === 'MARK' ? 'DELETE' : type,
    record_timestamp: time,
    ...(type === 'DELETE'
      ? {}
      : { ...(version.marker ? markerFacts(version) : factsOf(version)), ...requesterOf(ctx) }),
  }
}
