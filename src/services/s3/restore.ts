import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { bucketOf } from './bucket.ts'
import { emitRestore } from './events.ts'
import { find, missing } from './object.ts'
import { fail, type Input, malformedXml, type Operation } from './operation.ts'
import { beginJob, type Selection, SelectJob, selectionOf, selectJobs } from './restore-select.ts'
import { archiveOf } from './storage-class.ts'
import { findVersion, type ObjectRecord, replaceVersion } from './versions.ts'

// Archived objects come back for some days ("Restoring an archived object", "Archive retrieval options", S3 user guide).

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** How long each tier takes here: the longest that S3 says it typically takes. */
type Waits = Readonly<Record<string, number>>
const waits: Readonly<Record<string, Waits>> = {
  GLACIER: { Expedited: HOUR / 12, Standard: 5 * HOUR, Bulk: 12 * HOUR },
  DEEP_ARCHIVE: { Standard: 12 * HOUR, Bulk: 48 * HOUR },
  ARCHIVE_ACCESS: { Expedited: HOUR / 12, Standard: 5 * HOUR, Bulk: 12 * HOUR },
  DEEP_ARCHIVE_ACCESS: { Standard: 12 * HOUR, Bulk: 48 * HOUR },
}
const faster = ['Bulk', 'Standard', 'Expedited']

/** The end of the day in which the last of `days` days ends, in UTC. */
const expiryAfter = (time: number, days: number): number => Math.ceil((time + days * DAY) / DAY) * DAY

/** How long the tiers of an archived object take. Throws InvalidObjectState. */
const waitsOf = (record: ObjectRecord): Waits => {
  const wait = waits[archiveOf(record) ?? '']
  if (!wait)
    throw fail('InvalidObjectState', "Restore is not allowed for the object's current storage class", {
      StorageClass: record.storageClass ?? 'STANDARD',
    })
  return wait
}

const waitIn = (wait: Waits, record: ObjectRecord, tier: string): number => {
  const length = wait[tier]
  if (length === undefined)
    throw fail('InvalidArgument', `The ${tier} retrieval tier is not available for ${archiveOf(record)} objects.`, {
      ArgumentName: 'Tier',
      ArgumentValue: tier,
    })
  return length
}

/** Has a query run over an archived object when its tier's time is over; there may be any number of them. */
const selectFrom = async (ctx: Ctx, input: Input<'RestoreObject'>, selection: Selection, tier: string) => {
  const found = await ctx.read((tx) => find(ctx, tx, input))
  if (!found.record) throw await missing(ctx, found, input)
  const length = waitIn(waitsOf(found.record), found.record, tier)
  const { job, path } = await beginJob(ctx, found.record, selection)
  await ctx.write(async (tx) => {
    tx.put(SelectJob, job)
    tx.wake(selectJobs.name, job.id, { in: length })
  })
  ctx.response.status = 202
  return { RestoreOutputPath: path }
}

/**
 * Has an archived object brought back for some days, prolongs how long it stays, or hurries what is under way; or has it
 * queried. Throws InvalidObjectState, RestoreAlreadyInProgress, MalformedXML, and what a query throws.
 */
export const RestoreObject: Operation<'RestoreObject'> = async (ctx, input) => {
  const request = input.RestoreRequest
  if (!request) throw malformedXml()
  const { Days: days } = request
  const selection = selectionOf(request)
  const tier = request.GlacierJobParameters?.Tier ?? request.Tier ?? 'Standard'
  if (!faster.includes(tier) || (days !== undefined && days < 1)) throw malformedXml()
  if (selection) return selectFrom(ctx, input, selection, tier)
  const now = ctx.now().getTime()
  const found = await ctx.write(async (tx) => {
    const found = await find(ctx, tx, input)
    const { bucket, record } = found
    if (!record) return { ...found, status: 0 }
    const wait = waitsOf(record)
    // Objects of INTELLIGENT_TIERING come back for good, into the frequent tier; all others for some days.
    if (record.archive && days !== undefined)
      throw fail('InvalidArgument', 'The Days element is not allowed for objects in S3 Intelligent-Tiering.', {
        ArgumentName: 'Days',
        ArgumentValue: days,
      })
    if (!record.archive && days === undefined) throw malformedXml()
    const { restore } = record
    if (restore?.expires !== undefined && days !== undefined) {
      await restored(ctx, tx, { ...record, restore: { ...restore, days, expires: expiryAfter(now, days) } })
      return { ...found, status: 200 }
    }
    if (restore && faster.indexOf(tier) <= faster.indexOf(restore.tier))
      throw fail('RestoreAlreadyInProgress', 'Object restore is already in progress')
    const length = waitIn(wait, record, tier)
    await replaceVersion(tx, { ...record, restore: { tier, days: days ?? 0, ready: now + length } })
    tx.wake(restores.name, nameOf(record), { in: length })
    if (!restore) emitRestore(ctx, tx, bucket, record, 'Initiated')
    return { ...found, status: 202 }
  })
  if (!found.record) throw await missing(ctx, found, input)
  ctx.response.status = found.status
  return {}
}

const nameOf = ({ bucket, key, versionId }: ObjectRecord): string => JSON.stringify([bucket, key, versionId])

const restored = async (ctx: Ctx, tx: WriteTx, record: ObjectRecord): Promise<void> => {
  await replaceVersion(tx, record)
  tx.wake(restores.name, nameOf(record), { in: Math.max(0, (record.restore?.expires ?? 0) - ctx.now().getTime()) })
}

/** Brings an object back once its tier's time is over, and takes the copy away after its days. */
export const restores: Reconciler = {
  name: 's3.restores',
  step: (ctx, name) =>
    ctx.write(async (tx) => {
      const [bucketName = '', key = '', versionId = ''] = JSON.parse(name) as string[]
      const record = await findVersion(tx, bucketName, key, versionId)
      if (!record || record.marker || !record.restore) return done()
      const bucket = await bucketOf(ctx, tx, { Bucket: bucketName }, { anyRegion: true })
      const now = ctx.now().getTime()
      const { restore, ...archived } = record
      if (restore.expires === undefined) {
        if (now < restore.ready) return again({ in: restore.ready - now })
        if (archived.archive) {
          const { archive: _, ...frequent } = archived
          await replaceVersion(tx, { ...frequent, accessed: now })
          emitRestore(ctx, tx, bucket, record, 'Completed')
          return done()
        }
        const back = { ...record, restore: { ...restore, expires: expiryAfter(now, restore.days) } }
        await restored(ctx, tx, back)
        emitRestore(ctx, tx, bucket, back, 'Completed')
        return done()
      }
      if (now < restore.expires) return again({ in: restore.expires - now })
      await replaceVersion(tx, archived)
      emitRestore(ctx, tx, bucket, record, 'Expired')
      return done()
    }),
}
