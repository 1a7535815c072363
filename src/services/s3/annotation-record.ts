import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import type { ChecksumAlgorithm } from './checksum.ts'
import { type Content, drop } from './content.ts'
import type { Encryption } from './encryption.ts'
import { placeOf } from './place.ts'

/** The version of an object that has an annotation. */
type Annotated = { readonly bucket: string; readonly key: string; readonly versionId: string }

export type AnnotationRecord = Annotated & {
  readonly name: string
  readonly size: number
  /** MD5 in hexadecimal; under a KMS key it only looks like one. */
  readonly etag: string
  readonly content: Content
  readonly encryption: Encryption
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly type: 'FULL_OBJECT'; readonly value: string }
  /** Epoch milliseconds, whole seconds. */
  readonly modified: number
  /** A replica, or how far it has got to each destination bucket. */
  readonly replication?: 'REPLICA' | Readonly<Record<string, 'PENDING' | 'COMPLETED' | 'FAILED'>>
}

const prefixOf = ({ bucket, key, versionId }: Annotated): string => `${placeOf(bucket, key)}\0${versionId}\0`
const keyOf = (version: Annotated, name: string): string => prefixOf(version) + name

export const Annotation = table<AnnotationRecord>('s3.annotation', {
  scope: 'global',
  key: (record) => keyOf(record, record.name),
})

export const findAnnotation = (tx: ReadTx, version: Annotated, name: string): Promise<AnnotationRecord | undefined> =>
  tx.get(Annotation, keyOf(version, name))

/** Annotations of a version by name, those whose names begin with `prefix`, beyond the name `after`. */
export const listAnnotations = (
  tx: ReadTx,
  version: Annotated,
  { prefix = '', after, limit }: { prefix?: string; after?: string | undefined; limit?: number } = {},
): Promise<AnnotationRecord[]> =>
  tx.list(Annotation, {
    prefix: keyOf(version, prefix),
    ...(after === undefined ? {} : { after: keyOf(version, after) }),
    ...(limit === undefined ? {} : { limit }),
  })

export const dropAnnotation = async (tx: WriteTx, annotation: AnnotationRecord): Promise<void> => {
  tx.delete(Annotation, Annotation.key(annotation))
  await drop(tx, annotation.content)
}

/** A version goes with its annotations. */
export const dropAnnotations = async (tx: WriteTx, version: Annotated): Promise<void> => {
  for (const annotation of await listAnnotations(tx, version)) await dropAnnotation(tx, annotation)
}
