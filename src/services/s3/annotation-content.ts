import type { Readable } from 'node:stream'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import {
  Annotation,
  type AnnotationRecord,
  dropAnnotation,
  findAnnotation,
  listAnnotations,
} from './annotation-record.ts'
import type { BucketRecord } from './bucket.ts'
import type { ChecksumAlgorithm } from './checksum.ts'
import { keeping, type Loaded, load, type Received, receive, stream } from './content.ts'
import { type EncryptionAsked, etagOf, newKey, openKey, toNewEncryption } from './encryption.ts'
import { fail } from './operation.ts'
import { type ObjectRecord, replaceVersion } from './versions.ts'

/** The object that an annotation is to be attached to. */
type Parent = Pick<ObjectRecord, 'key' | 'encryption'>

/** Annotations are kept as their object is, under keys of their own ("Annotating your objects", S3 user guide). Throws InvalidRequest. */
const inherited = ({ encryption }: Parent): EncryptionAsked => {
  if (encryption?.mode === 'customer')
    throw fail(
      'InvalidRequest',
      'Objects that are encrypted with customer-provided keys (SSE-C) do not support annotations.',
    )
  return encryption ? toNewEncryption({ encryption }) : { ServerSideEncryption: 'AES256' }
}

/** An annotation whose bytes have arrived, and that belongs to no version yet. */
export type Taken = Pick<Received, 'discard'> & {
  readonly keep: (
    tx: WriteTx,
    version: Pick<ObjectRecord, 'bucket' | 'key' | 'versionId'>,
    facts?: Pick<AnnotationRecord, 'replication'>,
  ) => AnnotationRecord
}

/** Takes an annotation's bytes in. KMS is asked with the caller's own rights. Throws as `newKey` and `receive`. */
export const takeAnnotation = async (
  ctx: Ctx,
  bucket: BucketRecord,
  parent: Parent,
  name: string,
  body: Readable | Uint8Array | undefined,
  how: Omit<Parameters<typeof receive>[2], 'key'>,
): Promise<Taken> => {
  const made = await newKey(ctx, bucket, parent.key, inherited(parent))
  const received = await receive(ctx, body, { ...how, key: made.key })
  const facts = {
    name,
    size: received.size,
    etag: etagOf(made, received.md5),
    encryption: made.encryption,
    checksum: { algorithm: how.algorithm, type: 'FULL_OBJECT' as const, value: received.checksum },
    modified: Math.floor(ctx.now().getTime() / 1000) * 1000,
  }
  return {
    discard: received.discard,
    keep: (tx, { bucket, key, versionId }, more) => {
      const content = received.keep(tx)
      if (!content) throw new TypeError('An annotation is never empty.')
      return tx.put(Annotation, { bucket, key, versionId, ...facts, content, ...more })
    },
  }
}

/** Of one version. */
export const mostAnnotations = 1000

/** Attaches an annotation to a version, over one of the same name. Throws AnnotationLimitExceeded. */
export const attachAnnotation = async (
  tx: WriteTx,
  version: ObjectRecord,
  name: string,
  taken: Taken,
  facts?: Pick<AnnotationRecord, 'replication'>,
): Promise<AnnotationRecord> => {
  const before = await findAnnotation(tx, version, name)
  const annotations = (version.annotations ?? 0) + (before ? 0 : 1)
  if (annotations > mostAnnotations)
    throw fail(
      'AnnotationLimitExceeded',
      'The request would exceed the maximum number of annotations allowed per object.',
      { MaxAnnotationsAllowed: mostAnnotations },
    )
  if (before) await dropAnnotation(tx, before)
  else await replaceVersion(tx, { ...version, annotations })
  return taken.keep(tx, version, facts)
}

/** An annotation as a transaction saw it, ready to be read after it. */
export type LoadedAnnotation = { readonly annotation: AnnotationRecord; readonly loaded: Loaded }

export const loadAnnotation = async (tx: ReadTx, annotation: AnnotationRecord): Promise<LoadedAnnotation> => ({
  annotation,
  loaded: await load(tx, annotation.content, annotation.size),
})

export const loadAnnotations = async (tx: ReadTx, record: ObjectRecord): Promise<LoadedAnnotation[]> => {
  const all: LoadedAnnotation[] = []
  if (record.annotations)
    for (const annotation of await listAnnotations(tx, record)) all.push(await loadAnnotation(tx, annotation))
  return all
}

/** Copies an annotation to another object: its checksum stays, unless another algorithm is asked for. */
export const copyAnnotation = async (
  ctx: Ctx,
  { annotation, loaded }: LoadedAnnotation,
  bucket: BucketRecord,
  parent: Parent,
  algorithm: ChecksumAlgorithm = annotation.checksum.algorithm,
): Promise<Taken> => {
  const bytes = stream(ctx, loaded, await openKey(ctx, annotation, {}))
  return takeAnnotation(ctx, bucket, parent, annotation.name, bytes, { algorithm })
}

/** Copies annotations to an object that is to be: all of them belong to no version until they are kept. */
export const copyAnnotations = async (
  ctx: Ctx,
  annotations: readonly LoadedAnnotation[],
  bucket: BucketRecord,
  parent: Parent,
  algorithm: ChecksumAlgorithm | undefined,
) => {
  const taken: Taken[] = []
  const discard = async (): Promise<void> => {
    for (const each of taken) await each.discard()
  }
  await keeping({ discard }, async () => {
    for (const each of annotations) taken.push(await copyAnnotation(ctx, each, bucket, parent, algorithm))
  })
  return {
    discard,
    /** What the object's record says of them. */
    facts: taken.length > 0 ? { annotations: taken.length } : {},
    keep: (tx: WriteTx, version: ObjectRecord): AnnotationRecord[] => taken.map((each) => each.keep(tx, version)),
  }
}
