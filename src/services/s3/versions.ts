import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { afterPrefix } from '../../store/text-order.ts'
import type { ArchiveTier } from './access-tier.ts'
import type { Acl } from './acl.ts'
import { dropAnnotations } from './annotation-record.ts'
import type { BucketRecord } from './bucket.ts'
import type { ChecksumAlgorithm, ChecksumType } from './checksum.ts'
import { type Content, drop } from './content.ts'
import type { Encryption } from './encryption.ts'
import { placeOf, sortable } from './place.ts'
import type { Lock } from './retention.ts'
import type { Tag } from './tags.ts'

/** What the uploader said of an object besides its bytes. */
export type Headers = {
  readonly contentType: string
  readonly cacheControl?: string
  readonly contentDisposition?: string
  readonly contentEncoding?: string
  readonly contentLanguage?: string
  /** As sent: S3 does not read it. */
  readonly expires?: string
  readonly websiteRedirectLocation?: string
}

type Place = {
  readonly bucket: string
  readonly key: string
  /** `null` for what was put while versioning was not enabled. */
  readonly versionId: string
  /** Rises with every version of a key: time alone would not tell the newest. */
  readonly sequence: number
  /** Epoch milliseconds, whole seconds. */
  readonly modified: number
}

export type ObjectFacts = {
  /**
   * Without quotes: MD5 in hexadecimal, or for a multipart upload that of the parts' tags and their number. Under a KMS or
   * customer's key it only looks like one.
   */
  readonly etag: string
  readonly size: number
  readonly content?: Content
  /** Absent for what was stored before there was encryption at rest. */
  readonly encryption?: Encryption
  readonly headers: Headers
  readonly metadata: Readonly<Record<string, string>>
  readonly tags?: readonly Tag[]
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType; readonly value: string }
  /** The account that owns it, where that is not the bucket's. */
  readonly owner?: string
  /** Absent: the owner has full control, nobody else anything. */
  readonly acl?: Acl
  /** A replica, or how far it has got to each destination bucket. */
  readonly replication?: 'REPLICA' | Readonly<Record<string, 'PENDING' | 'COMPLETED' | 'FAILED'>>
  /** STANDARD unless told. */
  readonly storageClass?: string
  /** In INTELLIGENT_TIERING: the archive tier it is in. */
  readonly archive?: ArchiveTier
  /** In INTELLIGENT_TIERING: when it was last asked for, epoch milliseconds; absent when never since it was put. */
  readonly accessed?: number
  /** Retention and legal hold, in a bucket with Object Lock. */
  readonly lock?: Lock
  /** An archived object that is being brought back, or has been. Times in epoch milliseconds. */
  readonly restore?: {
    readonly tier: string
    readonly days: number
    readonly ready: number
    /** When the copy goes again; absent until it is there. */
    readonly expires?: number
  }
  /** Number of parts, for an object that was uploaded in parts. */
  readonly parts?: number
  /** The multipart upload it came from. */
  readonly upload?: string
  /** How many annotations it has; absent: none. */
  readonly annotations?: number
}

export type ObjectRecord = Place & ObjectFacts & { readonly marker?: false }
export type MarkerRecord = Place & { readonly marker: true }
export type VersionRecord = ObjectRecord | MarkerRecord

export { placeOf, sortable }

/** Newest first: a larger sequence number sorts before. */
const newestFirst = (sequence: number): string => (Number.MAX_SAFE_INTEGER - sequence).toString(16).padStart(14, '0')

/** Every key's current object; none for a key whose newest version is a delete marker. */
export const Current = table<ObjectRecord>('s3.object', {
  scope: 'global',
  key: ({ bucket, key }) => placeOf(bucket, key),
})

/** Versions that are not current, and all delete markers. Each version is in one of the two tables. */
export const Older = table<VersionRecord>('s3.version', {
  scope: 'global',
  key: ({ bucket, key, sequence }) => `${placeOf(bucket, key)}\0${newestFirst(sequence)}`,
  index: { id: ({ bucket, key, versionId }) => `${placeOf(bucket, key)}\0${versionId}` },
})

/** Where a pass over every version of a bucket is: in one table, then the other. `after`: the last key that was read, or ''. */
export type VersionsPass = { readonly phase: 'current' | 'older'; readonly after: string }

/** The next versions of a pass, and the key of the last one; fewer than `limit` end a phase. */
export const versionsPage = async (
  tx: ReadTx,
  bucket: string,
  { phase, after }: VersionsPass,
  limit: number,
): Promise<{ rows: readonly VersionRecord[]; last: string | undefined }> => {
  const options = { prefix: `${bucket}\0`, limit, ...(after === '' ? {} : { after }) }
  if (phase === 'current') {
    const rows = await tx.list(Current, options)
    const last = rows.at(-1)
    return { rows, last: last && Current.key(last) }
  }
  const rows = await tx.list(Older, options)
  const last = rows.at(-1)
  return { rows, last: last && Older.key(last) }
}

export const isBucketEmpty = async (tx: ReadTx, bucket: string): Promise<boolean> => {
  const options = { prefix: `${bucket}\0`, limit: 1 }
  return (await tx.list(Current, options)).length === 0 && (await tx.list(Older, options)).length === 0
}

const newestOlder = async (tx: ReadTx, bucket: string, key: string) =>
  (await tx.list(Older, { prefix: `${placeOf(bucket, key)}\0`, limit: 1 }))[0]

export const findCurrent = (tx: ReadTx, bucket: string, key: string): Promise<ObjectRecord | undefined> =>
  tx.get(Current, placeOf(bucket, key))

/** The delete marker that hides the key, where there is one. */
export const findMarker = async (tx: ReadTx, bucket: BucketRecord, key: string): Promise<MarkerRecord | undefined> => {
  if (!bucket.versioning) return undefined
  const newest = await newestOlder(tx, bucket.name, key)
  return newest?.marker ? newest : undefined
}

export const findVersion = async (
  tx: ReadTx,
  bucket: string,
  key: string,
  versionId: string,
): Promise<VersionRecord | undefined> => {
  const current = await findCurrent(tx, bucket, key)
  if (current?.versionId === versionId) return current
  return (await tx.list(Older, { index: 'id', equals: `${placeOf(bucket, key)}\0${versionId}`, limit: 1 }))[0]
}

/** Makes room for a new newest version of a key: keeps or drops the present ones as the bucket's versioning says. */
const advance = async (tx: WriteTx, bucket: BucketRecord, key: string): Promise<number> => {
  const current = await findCurrent(tx, bucket.name, key)
  const older = bucket.versioning ? await newestOlder(tx, bucket.name, key) : undefined
  if (current) tx.delete(Current, Current.key(current))
  if (current && keeps(bucket, current)) tx.put(Older, current)
  else if (current) await dropObject(tx, current)
  if (bucket.versioning === 'Suspended' && current?.versionId !== 'null') {
    const unversioned = await findVersion(tx, bucket.name, key, 'null')
    if (unversioned && unversioned !== current) await forget(tx, unversioned)
  }
  return Math.max(current?.sequence ?? 0, older?.sequence ?? 0) + 1
}

const keeps = (bucket: BucketRecord, current: ObjectRecord): boolean =>
  bucket.versioning === 'Enabled' || (bucket.versioning === 'Suspended' && current.versionId !== 'null')

/** What an object's version held goes with it. */
const dropObject = async (tx: WriteTx, record: ObjectRecord): Promise<void> => {
  await drop(tx, record.content)
  if (record.annotations) await dropAnnotations(tx, record)
}

const forget = async (tx: WriteTx, version: VersionRecord): Promise<void> => {
  tx.delete(Older, Older.key(version))
  if (!version.marker) await dropObject(tx, version)
}

const newPlace = (ctx: Ctx, bucket: BucketRecord, key: string, sequence: number): Place => ({
  bucket: bucket.name,
  key,
  versionId: bucket.versioning === 'Enabled' ? ctx.random(32, versionIdAlphabet) : 'null',
  sequence,
  modified: Math.floor(ctx.now().getTime() / 1000) * 1000,
})

const versionIdAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._'
export const isVersionId = (text: string): boolean => text === 'null' || /^[A-Za-z0-9._]{32}$/.test(text)

/** Puts a new current object: over the old one, or as its newest version. */
export const putCurrent = async (
  ctx: Ctx,
  tx: WriteTx,
  bucket: BucketRecord,
  key: string,
  facts: ObjectFacts,
): Promise<ObjectRecord> => {
  const sequence = await advance(tx, bucket, key)
  return tx.put(Current, { ...newPlace(ctx, bucket, key, sequence), ...facts })
}

/**
 * Puts a version that was made elsewhere: it keeps its id and time, and its place among the key's versions; what was made
 * after it stays newer.
 */
export const putReplica = async (tx: WriteTx, bucket: BucketRecord, record: ObjectRecord): Promise<ObjectRecord> => {
  const current = await findCurrent(tx, bucket.name, record.key)
  const older = await tx.list(Older, { prefix: `${placeOf(bucket.name, record.key)}\0` })
  const newer = [...(current ? [current] : []), ...older]
    .filter(({ modified }) => modified > record.modified)
    .toSorted((a, b) => b.sequence - a.sequence)
  const last = newer.at(-1)
  if (!last) return tx.put(Current, { ...record, sequence: await advance(tx, bucket, record.key) })
  for (const version of newer) {
    const moved = { ...version, sequence: version.sequence + 1 }
    if (version === current) tx.put(Current, { ...current, sequence: moved.sequence })
    else {
      tx.delete(Older, Older.key(version))
      tx.put(Older, moved)
    }
  }
  const put = { ...record, sequence: last.sequence }
  tx.put(Older, put)
  return put
}

export const putMarkerReplica = async (tx: WriteTx, bucket: BucketRecord, marker: MarkerRecord) =>
  tx.put(Older, { ...marker, sequence: await advance(tx, bucket, marker.key) })

/** Deletes without naming a version: the object itself where nothing was ever versioned, else a delete marker hides it. */
export const hide = async (
  ctx: Ctx,
  tx: WriteTx,
  bucket: BucketRecord,
  key: string,
): Promise<VersionRecord | undefined> => {
  if (!bucket.versioning) {
    const current = await findCurrent(tx, bucket.name, key)
    if (!current) return undefined
    tx.delete(Current, Current.key(current))
    await dropObject(tx, current)
    return current
  }
  const sequence = await advance(tx, bucket, key)
  return tx.put(Older, { ...newPlace(ctx, bucket, key, sequence), marker: true })
}

/** Deletes one version for good; the newest one left becomes current again. */
export const removeVersion = async (
  tx: WriteTx,
  bucket: string,
  key: string,
  versionId: string,
): Promise<VersionRecord | undefined> => {
  const version = await findVersion(tx, bucket, key, versionId)
  if (!version) return undefined
  const current = await findCurrent(tx, bucket, key)
  if (current && current.versionId === versionId) {
    tx.delete(Current, Current.key(current))
    await dropObject(tx, current)
  } else await forget(tx, version)
  if (current && current.versionId !== versionId) return version
  const newest = await newestOlder(tx, bucket, key)
  if (newest && !newest.marker) {
    tx.delete(Older, Older.key(newest))
    tx.put(Current, newest)
  }
  return version
}

/** Whether a version is what it was before, not another that has been put in its place. */
export const isStill = (version: VersionRecord | undefined, before: ObjectRecord): version is ObjectRecord =>
  version !== undefined &&
  !version.marker &&
  version.sequence === before.sequence &&
  version.content?.id === before.content?.id

/** Writes back an object whose tags changed, wherever it is. */
export const replaceVersion = async (tx: WriteTx, record: ObjectRecord): Promise<void> => {
  const current = await findCurrent(tx, record.bucket, record.key)
  if (current?.versionId === record.versionId) tx.put(Current, record)
  else tx.put(Older, record)
}

/** A place in the listing of versions: the key as it sorts, then how new. Current objects come before all others of the key. */
export const positionOf = (version: VersionRecord, isCurrent: boolean): string =>
  `${sortable(version.key)}\0${isCurrent ? '' : newestFirst(version.sequence)}`

/** The least position beyond all versions of a key. */
export const beyondKey = (key: string): string => `${sortable(key)}\x01`

/** The least position beyond all keys with this prefix; undefined when nothing can be. */
export const beyondPrefix = (prefix: string): string | undefined => afterPrefix(sortable(prefix))
