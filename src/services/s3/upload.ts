import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import type { Acl } from './acl.ts'
import type { ChecksumAlgorithm, ChecksumType } from './checksum.ts'
import { type Content, drop } from './content.ts'
import type { Encryption } from './encryption.ts'
import type { Lock } from './retention.ts'
import type { Tag } from './tags.ts'
import { type Headers, placeOf } from './versions.ts'

/** A multipart upload in progress. */
export type UploadRecord = {
  readonly bucket: string
  readonly key: string
  /** Begins with the time, so that the uploads of a key list in the order in which they began. */
  readonly id: string
  /** Epoch milliseconds, whole seconds. */
  readonly initiated: number
  /** ARN and, for an account, canonical id of who began it. */
  readonly initiator: { readonly arn: string; readonly account: string }
  readonly headers: Headers
  readonly metadata: Readonly<Record<string, string>>
  readonly tags?: readonly Tag[]
  /** Absent for uploads that began before there was encryption at rest. */
  readonly encryption?: Encryption
  /** Whose the object will be, and its list. */
  readonly owner?: string
  readonly acl?: Acl
  readonly storageClass?: string
  readonly lock?: Lock
  /** `asked`: the caller named the algorithm, and must stay with it. */
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType; readonly asked: boolean }
}

export const Upload = table<UploadRecord>('s3.upload', {
  scope: 'global',
  key: ({ bucket, key, id }) => `${placeOf(bucket, key)}\0${id}`,
})

export type PartRecord = {
  readonly upload: string
  readonly number: number
  readonly size: number
  /** MD5 in hexadecimal; under a KMS or customer's key it only looks like one. */
  readonly etag: string
  readonly checksum: string
  readonly content?: Content
  /** Epoch milliseconds, whole seconds. */
  readonly modified: number
}

const partKey = (upload: string, number: number) => `${upload}\0${String(number).padStart(5, '0')}`

export const Part = table<PartRecord>('s3.part', {
  scope: 'global',
  key: ({ upload, number }) => partKey(upload, number),
})

export const findUpload = (tx: ReadTx, bucket: string, key: string, id: string): Promise<UploadRecord | undefined> =>
  tx.get(Upload, `${placeOf(bucket, key)}\0${id}`)

export const findPart = (tx: ReadTx, upload: string, number: number): Promise<PartRecord | undefined> =>
  tx.get(Part, partKey(upload, number))

/** Parts of an upload beyond a number, in order. */
export const listParts = (tx: ReadTx, upload: string, after = 0, limit = 10_001): Promise<PartRecord[]> =>
  tx.list(Part, { prefix: `${upload}\0`, after: partKey(upload, after), limit })

/** Ends an upload: its parts go, but for the content of those that became an object. */
export const endUpload = async (
  tx: WriteTx,
  upload: UploadRecord,
  used: ReadonlySet<number> = new Set(),
): Promise<void> => {
  for (const part of await listParts(tx, upload.id)) {
    if (!used.has(part.number)) await drop(tx, part.content)
    tx.delete(Part, Part.key(part))
  }
  tx.delete(Upload, Upload.key(upload))
}

/** A bucket goes with its unfinished uploads. */
export const dropUploads = async (tx: WriteTx, bucket: string): Promise<void> => {
  for (const upload of await tx.list(Upload, { prefix: `${bucket}\0` })) await endUpload(tx, upload)
}
