import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { Bucket, type BucketRecord, bucketOf } from './bucket.ts'
import { configuration } from './bucket-configuration.ts'
import { emitDeleted, emitMoved } from './events.ts'
import {
  abortOf,
  checkRules,
  expiryOf,
  type LifecycleDocument,
  type LifecycleRule,
  loneMarkerExpires,
  noncurrentExpires,
  noncurrentTransitionOf,
  rulesOf,
  type TransitionClass,
  transitionOf,
} from './lifecycle-rules.ts'
import { fail, type Operation, type Output } from './operation.ts'
import { toReplicationStatus } from './replication.ts'
import { isProtected } from './retention.ts'
import { endUpload, Upload, type UploadRecord } from './upload.ts'
import {
  Current,
  findCurrent,
  findVersion,
  hide,
  type ObjectRecord,
  Older,
  placeOf,
  removeVersion,
  replaceVersion,
  type VersionRecord,
} from './versions.ts'

export const lifecycle = configuration<LifecycleDocument>('lifecycle')

const DAY = 86_400_000
/** Rows looked at in a step, and changed in a transaction: so that a bucket of any size holds nobody up. */
const rowsAtOnce = 1000
const changesAtOnce = 100

type Phase = 'current' | 'older' | 'uploads'
/** How far the present pass over a bucket has come. */
type Pass = {
  readonly bucket: string
  readonly phase: Phase
  /** The last row's key. */
  readonly after?: string
  /** Among older versions, of the key last looked at: when its next version became noncurrent, how many are newer. */
  readonly group?: { readonly key: string; readonly since: number; readonly newer: number }
}
export const LifecyclePass = table<Pass>('s3.lifecycle-pass', { scope: 'global', key: ({ bucket }) => bucket })

export const PutBucketLifecycleConfiguration: Operation<'PutBucketLifecycleConfiguration'> = async (ctx, input) => {
  const rules = checkRules(input.LifecycleConfiguration?.Rules, () => Buffer.from(ctx.newId()).toString('base64url'))
  const minimumSize = input.TransitionDefaultMinimumObjectSize ?? 'all_storage_classes_128K'
  await ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    tx.put(Bucket, lifecycle.put(tx, bucket, { rules, minimumSize }))
    // A new pass: the one under way may have gone by what the new rules are about.
    tx.put(LifecyclePass, { bucket: bucket.name, phase: 'current' })
    tx.wake(expireAndMove.name, bucket.name, { at: bucket })
  })
  return { TransitionDefaultMinimumObjectSize: minimumSize }
}

type WireRules = NonNullable<Output<'GetBucketLifecycleConfiguration'>['Rules']>

export const GetBucketLifecycleConfiguration: Operation<'GetBucketLifecycleConfiguration'> = async (ctx, input) => {
  const found = await ctx.read(async (tx) => lifecycle.find(tx, await bucketOf(ctx, tx, input)))
  if (!found)
    throw fail('NoSuchLifecycleConfiguration', 'The lifecycle configuration does not exist', {
      BucketName: input.Bucket,
    })
  const dated = <T extends { Date?: Date | undefined }>(action: T): T =>
    action.Date === undefined ? action : { ...action, Date: new Date(action.Date) }
  return {
    Rules: (found.rules as WireRules).map((rule) => ({
      ...rule,
      ...(rule.Expiration ? { Expiration: dated(rule.Expiration) } : {}),
      ...(rule.Transitions ? { Transitions: rule.Transitions.map(dated) } : {}),
    })),
    TransitionDefaultMinimumObjectSize: found.minimumSize,
  }
}

export const DeleteBucketLifecycle: Operation<'DeleteBucketLifecycle'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    tx.put(Bucket, await lifecycle.remove(tx, bucket))
    tx.delete(LifecyclePass, bucket.name)
    return {}
  })

const toHeader = (when: { at: number; rule: string }): string =>
  `expiry-date="${new Date(when.at).toUTCString()}", rule-id="${encodeURIComponent(when.rule)}"`

/** `x-amz-expiration` of a current object, where a rule will expire it. */
export const expirationOf = async (
  tx: ReadTx,
  bucket: BucketRecord,
  record: ObjectRecord,
): Promise<{ Expiration?: string }> => {
  const found = await lifecycle.find(tx, bucket)
  const expiry = found && expiryOf(rulesOf(found), record)
  return expiry ? { Expiration: toHeader(expiry) } : {}
}

/** `x-amz-abort-date` and `x-amz-abort-rule-id` of an upload that a rule will abort. */
export const abortionOf = async (
  tx: ReadTx,
  bucket: BucketRecord,
  upload: UploadRecord,
): Promise<{ AbortDate?: Date; AbortRuleId?: string }> => {
  const found = await lifecycle.find(tx, bucket)
  const abort = found && abortOf(rulesOf(found), upload.key, upload.initiated)
  return abort ? { AbortDate: new Date(abort.at), AbortRuleId: abort.rule } : {}
}

type Looking = {
  readonly ctx: Ctx
  readonly bucket: BucketRecord
  readonly rules: readonly LifecycleRule[]
  readonly minimum: LifecycleDocument['minimumSize']
  readonly now: number
}
/** Something due, to be done in a transaction that looks again whether it still is. */
type Change = (tx: WriteTx) => Promise<void>
type Looked = { readonly changes: Change[]; readonly next: Pass | undefined }

const expire = async ({ ctx, bucket }: Looking, tx: WriteTx, key: string): Promise<void> => {
  const gone = await hide(ctx, tx, bucket, key)
  if (gone)
    await emitDeleted(
      ctx,
      tx,
      bucket,
      gone,
      gone.marker ? 'Delete Marker Created' : 'Permanently Deleted',
      'Lifecycle Expiration',
    )
}

const remove = async ({ ctx, bucket }: Looking, tx: WriteTx, { key, versionId }: VersionRecord): Promise<void> => {
  const doomed = await findVersion(tx, bucket.name, key, versionId)
  if (doomed && !doomed.marker && isProtected(doomed, { now: ctx.now().getTime(), bypass: false })) return
  const gone = await removeVersion(tx, bucket.name, key, versionId)
  if (gone) await emitDeleted(ctx, tx, bucket, gone, 'Permanently Deleted', 'Lifecycle Expiration')
}

const move = async ({ ctx, bucket }: Looking, tx: WriteTx, record: ObjectRecord, to: TransitionClass) => {
  const { archive: _, accessed: __, ...kept } = record
  const moved = {
    ...kept,
    storageClass: to,
    // It begins in the frequent tier.
    ...(to === 'INTELLIGENT_TIERING' ? { accessed: ctx.now().getTime() } : {}),
  }
  await replaceVersion(tx, moved)
  await emitMoved(ctx, tx, bucket, moved, to)
}

/** Nothing is done to what has not been replicated yet ("How S3 Lifecycle interacts with other bucket configurations", S3 user guide). */
const awaitsReplication = (version: VersionRecord): boolean =>
  !version.marker && /^(PENDING|FAILED)$/.test(toReplicationStatus(version).ReplicationStatus ?? '')

const lookAtCurrent = async (looking: Looking, tx: ReadTx, { bucket: name, after }: Pass): Promise<Looked> => {
  const { bucket, rules, now, minimum } = looking
  const due = (record: ObjectRecord) =>
    awaitsReplication(record)
      ? { expires: false, to: undefined }
      : {
          expires: (expiryOf(rules, record)?.at ?? Number.POSITIVE_INFINITY) <= now,
          to: transitionOf(rules, record, now, minimum),
        }
  const rows = await tx.list(Current, { prefix: `${name}\0`, limit: rowsAtOnce, ...(after ? { after } : {}) })
  const changes = rows
    .filter((row) => {
      const { expires, to } = due(row)
      return expires || to
    })
    .map(
      ({ key }): Change =>
        async (tx) => {
          const record = await findCurrent(tx, bucket.name, key)
          if (!record) return
          const { expires, to } = due(record)
          // A deletion for good comes before a transition, and that before a delete marker.
          if (to && !(expires && !bucket.versioning)) await move(looking, tx, record, to)
          if (expires) await expire(looking, tx, key)
        },
    )
  return { changes, next: nextPage(Current.key, rows) ?? { bucket: name, phase: 'older' } }
}

const nextPage = <R extends { bucket: string }>(
  keyOf: (row: R) => string,
  rows: readonly R[],
  phase: Phase = 'current',
) => {
  const last = rows.at(-1)
  return rows.length === rowsAtOnce && last ? { bucket: last.bucket, phase, after: keyOf(last) } : undefined
}

const isLone = async (tx: ReadTx, bucket: string, key: string): Promise<boolean> =>
  (await tx.list(Older, { prefix: `${placeOf(bucket, key)}\0`, limit: 2 })).length === 1 &&
  !(await findCurrent(tx, bucket, key))

const lookAtOlder = async (
  looking: Looking,
  tx: ReadTx,
  { bucket: name, after, group: before }: Pass,
): Promise<Looked> => {
  const { rules, now, minimum } = looking
  const rows = await tx.list(Older, { prefix: `${name}\0`, limit: rowsAtOnce, ...(after ? { after } : {}) })
  const changes: Change[] = []
  let group = before
  for (const row of rows) {
    if (row.key !== group?.key) {
      const current = await findCurrent(tx, name, row.key)
      group = { key: row.key, since: (current ?? row).modified, newer: 0 }
      if (!current) {
        // It is the newest itself: a delete marker, which goes when nothing is left under it.
        if (loneMarkerExpires(rules, row, now) && (await isLone(tx, name, row.key)))
          changes.push(async (tx) => {
            if (await isLone(tx, name, row.key)) await remove(looking, tx, row)
          })
        continue
      }
    }
    const version = { ...row, since: group.since, newer: group.newer }
    group = { key: row.key, since: row.modified, newer: group.newer + 1 }
    const to = row.marker ? undefined : noncurrentTransitionOf(rules, version, now, minimum)
    if (awaitsReplication(row) || (!noncurrentExpires(rules, version, now) && !to)) continue
    changes.push(async (tx) => {
      const there = await findVersion(tx, name, row.key, row.versionId)
      const current = await findCurrent(tx, name, row.key)
      // It may have become current again meanwhile, and then no rule for noncurrent versions is about it.
      if (!there || there.sequence !== row.sequence || current?.versionId === row.versionId) return
      if (awaitsReplication(there)) return
      if (noncurrentExpires(rules, version, now)) await remove(looking, tx, there)
      else if (to && !there.marker) await move(looking, tx, there, to)
    })
  }
  const next = nextPage(Older.key, rows, 'older')
  return { changes, next: next ? { ...next, ...(group ? { group } : {}) } : { bucket: name, phase: 'uploads' } }
}

const lookAtUploads = async ({ rules, now }: Looking, tx: ReadTx, { bucket: name, after }: Pass): Promise<Looked> => {
  const rows = await tx.list(Upload, { prefix: `${name}\0`, limit: rowsAtOnce, ...(after ? { after } : {}) })
  const changes = rows
    .filter(({ key, initiated }) => (abortOf(rules, key, initiated)?.at ?? Number.POSITIVE_INFINITY) <= now)
    .map(
      (upload): Change =>
        async (tx) => {
          if (await tx.get(Upload, Upload.key(upload))) await endUpload(tx, upload)
        },
    )
  return { changes, next: nextPage(Upload.key, rows, 'uploads') }
}

const look = { current: lookAtCurrent, older: lookAtOlder, uploads: lookAtUploads }

const nextMidnight = (now: number): number => DAY - (now % DAY)

/**
 * Does what lifecycle rules say, once a day at midnight UTC and when rules are put: a page of rows per step. The key is
 * the bucket. What a killed step had not committed is found again.
 */
export const expireAndMove: Reconciler = {
  name: 's3.lifecycle',
  step: async (ctx, name) => {
    const now = ctx.now().getTime()
    const looked = await ctx.read(async (tx) => {
      const bucket = await tx.get(Bucket, name)
      const found = bucket && (await lifecycle.find(tx, bucket))
      if (!bucket || !found) return undefined
      const pass = (await tx.get(LifecyclePass, name)) ?? { bucket: name, phase: 'current' as const }
      const looking = { ctx, bucket, rules: rulesOf(found), minimum: found.minimumSize, now }
      return { pass, ...(await look[pass.phase](looking, tx, pass)) }
    })
    if (!looked) return done()
    const { pass, changes, next } = looked
    for (let at = 0; at < changes.length; at += changesAtOnce)
      await ctx.write(async (tx) => {
        for (const change of changes.slice(at, at + changesAtOnce)) await change(tx)
      })
    await ctx.write(async (tx) => {
      // Rules that were put meanwhile have begun a pass of their own.
      const present = await tx.get(LifecyclePass, name)
      if (present && (present.phase !== pass.phase || present.after !== pass.after)) return
      if (next) tx.put(LifecyclePass, next)
      else tx.delete(LifecyclePass, name)
    })
    return again({ in: next ? 0 : nextMidnight(now) })
  },
}
