import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { managedTables } from '../capabilities.ts'
import { Bucket, type BucketRecord } from './bucket.ts'
import { inventoryColumns, journalColumns } from './metadata-columns.ts'
import { backfill, MetadataSegment, nextDue, refresh, rowsOfSegment, touch } from './metadata-inventory.ts'
import {
  changeTag,
  deliverer,
  MetadataChange,
  MetadataCount,
  type MetadataDocument,
  metadataTables,
  nextChanges,
  type TableState,
} from './metadata-journal.ts'

// Takes the changes of a bucket's objects to its metadata tables, and keeps the inventory ("Discovering your data with S3
// Metadata tables", S3 user guide).

const changesAtOnce = 5000
const rowsForgottenAtOnce = 2000
const DAY = 86_400_000

/** "ErrorDetails", S3 API reference. */
const errors = {
  AccessDeniedWritingToTable:
    'Unable to write to the metadata table because of missing resource permissions. To fix the resource policy, Amazon S3 needs to create a new metadata table. To create a new metadata table, you must delete the metadata configuration for this bucket, and then create a new metadata configuration.',
  DestinationTableNotFound:
    "The destination table doesn't exist. To create a new metadata table, you must delete the metadata configuration for this bucket, and then create a new metadata configuration.",
  InventoryTableAlreadyExists:
    "An inventory table already exists in the Amazon Web Services managed table bucket's namespace. Delete the inventory table, and then try again. To create a new metadata table, you must delete the metadata configuration for this bucket, and then create a new metadata configuration.",
  JournalTableAlreadyExists:
    "A journal table already exists in the Amazon Web Services managed table bucket's namespace. Delete the journal table, and then try again. To create a new metadata table, you must delete the metadata configuration for this bucket, and then create a new metadata configuration.",
  JournalTableNotAvailable:
    'The journal table that the inventory table relies on has a FAILED status. An inventory table requires a journal table with an ACTIVE status. To create a new journal or inventory table, you must delete the metadata configuration for this bucket, along with any journal or inventory tables, and then create a new metadata configuration.',
  TableAlreadyExists:
    "The table that you specified already exists in the table bucket's namespace. Specify a different table name. To create a new metadata table, you must delete the metadata configuration for this bucket, and then create a new metadata configuration.",
  TableBucketNotFound:
    "The table bucket that you specified doesn't exist in this Amazon Web Services Region and account. Create or choose a different table bucket. To create a new metadata table, you must delete the metadata configuration for this bucket, and then create a new metadata configuration.",
} as const
type ErrorCode = keyof typeof errors

type Job = { readonly ctx: Ctx; readonly bucket: BucketRecord; readonly document: MetadataDocument }
type Which = 'journal' | 'inventory'

/** Changes the configuration as it is now, if it still is that one. */
const change = ({ ctx, bucket, document }: Job, how: (present: MetadataDocument) => MetadataDocument): Promise<void> =>
  ctx.write(async (tx) => {
    const now = await tx.get(Bucket, bucket.name)
    const present = now && (await metadataTables.find(tx, now))
    if (now && present?.id === document.id) tx.put(Bucket, metadataTables.put(tx, now, how(present)))
  })

const withState = (document: MetadataDocument, which: Which, state: Partial<TableState>): MetadataDocument =>
  which === 'journal'
    ? { ...document, journal: { ...document.journal, ...state } }
    : document.inventory
      ? { ...document, inventory: { ...document.inventory, ...state } }
      : document

/** Without its journal there is no inventory either. */
const failed = (document: MetadataDocument, which: Which, code: ErrorCode): MetadataDocument => {
  const state = (known: ErrorCode) => ({ status: 'FAILED' as const, error: { code: known, message: errors[known] } })
  const own = withState(document, which, state(code))
  return which === 'journal' && own.inventory?.enabled
    ? withState(own, 'inventory', state('JournalTableNotAvailable'))
    : own
}

/** The managed tables refuse nothing but what keys and tables that are gone have them refuse. */
const refused = (error: unknown): boolean => error instanceof AwsError && (error.status ?? 400) < 500

const isUp = (state: TableState | undefined): state is TableState & { arn: string } =>
  state?.arn !== undefined && (state.status === 'ACTIVE' || state.status === 'BACKFILLING')

/** Forgets segments of an inventory that is no more: a new one has others. True while there may be some. */
const forgetSegments = (ctx: Ctx, id: string): Promise<boolean> =>
  ctx.write(async (tx) => {
    const segments = await tx.list(MetadataSegment, { prefix: `${id}\0`, limit: rowsForgottenAtOnce })
    for (const each of segments) tx.delete(MetadataSegment, MetadataSegment.key(each))
    return segments.length === rowsForgottenAtOnce
  })

/** Makes a table that is to be made; returns whether there was one. */
const make = async (job: Job, which: Which): Promise<boolean> => {
  const { ctx, bucket, document } = job
  const state = document[which]
  if (state?.status !== 'CREATING') return false
  const { id, name, kmsKey } = state
  if (which === 'inventory') while (await forgetSegments(ctx, document.id));
  try {
    const made = await ctx.use(managedTables).make(
      { account: bucket.account, region: bucket.region },
      {
        ...(document.version === 1 ? { bucket: document.destination } : {}),
        ...{ id, namespace: document.namespace, name },
        columns: which === 'journal' ? journalColumns : inventoryColumns,
        ...(kmsKey === undefined ? {} : { kmsKey }),
      },
    )
    const exists = which === 'journal' ? 'JournalTableAlreadyExists' : 'InventoryTableAlreadyExists'
    await change(job, (present) =>
      'error' in made
        ? failed(present, which, document.version === 2 && made.error === 'TableAlreadyExists' ? exists : made.error)
        : withState(present, which, { arn: made.arn, status: which === 'journal' ? 'ACTIVE' : 'BACKFILLING' }),
    )
  } catch (error) {
    if (!refused(error)) throw error
    await change(job, (present) => failed(present, which, 'AccessDeniedWritingToTable'))
  }
  return true
}

/** Writes to a table; what it refuses, and that it is gone, becomes its state. */
const writing = async (job: Job, which: Which, write: () => Promise<boolean>): Promise<boolean> => {
  try {
    if (await write()) return true
    await change(job, (present) => failed(present, which, 'DestinationTableNotFound'))
  } catch (error) {
    if (!refused(error)) throw error
    job.ctx.log.warn('a metadata table could not be written', { bucket: job.bucket.name, error: String(error) })
    await change(job, (present) => failed(present, which, 'AccessDeniedWritingToTable'))
  }
  return false
}

/** Takes the next changes to the journal; returns whether there may be more. */
const deliver = async (job: Job, arn: string): Promise<boolean> => {
  const { ctx, bucket, document } = job
  const changes = await ctx.read((tx) => nextChanges(tx, document.id, changesAtOnce))
  const [first] = changes
  const last = changes.at(-1)
  if (!first || !last) return false
  const tag = changeTag(first)
  const newest = Math.max(...changes.map(({ row }) => Number(row.record_timestamp)))
  const written = await writing(job, 'journal', () =>
    // A step that was killed behind this is taken again: the same file gets the same tag, and is one.
    ctx.use(managedTables).write({ account: bucket.account, region: bucket.region }, arn, {
      from: tag,
      before: `${tag}\0`,
      files: [{ tag, newest, rows: changes.map(({ row }) => row) }],
    }),
  )
  if (!written) return true
  const keys = new Set(changes.map(({ key }) => key))
  await ctx.write(async (tx) => {
    for (const each of changes) tx.delete(MetadataChange, MetadataChange.key(each))
    if (document.inventory?.enabled) for (const key of keys) await touch(ctx, tx, document.id, key)
  })
  return changes.length === changesAtOnce
}

/** Takes the next step of filling the inventory, or of keeping it; returns milliseconds until there is another. */
const keepInventory = async (job: Job, arn: string): Promise<number | undefined> => {
  const { ctx, bucket, document } = job
  const target = { ctx, tables: ctx.use(managedTables), bucket, configuration: document.id, arn, rows: rowsOfSegment }
  if (document.inventory?.status === 'BACKFILLING') {
    let reached: Awaited<ReturnType<typeof backfill>> = 'gone'
    await writing(job, 'inventory', async () => {
      reached = await backfill(target, document.inventory?.from ?? '')
      return reached !== 'gone'
    })
    const next = reached as Awaited<ReturnType<typeof backfill>>
    if (next !== 'gone')
      await change(job, (present) => {
        if (!present.inventory) return present
        const { from: _, ...inventory } = present.inventory
        return {
          ...present,
          inventory: next === 'filled' ? { ...inventory, status: 'ACTIVE' } : { ...inventory, from: next.next },
        }
      })
    return 0
  }
  const segment = await ctx.read((tx) => nextDue(tx, document.id))
  if (!segment) return undefined
  const wait = (segment.due ?? 0) - ctx.now().getTime()
  if (wait > 0) return wait
  return (await writing(job, 'inventory', () => refresh(target, segment))) ? 0 : undefined
}

/** Forgets what a configuration that is no more has left. True while there is something. */
const forget = async (ctx: Ctx, id: string): Promise<boolean> => {
  const more = await ctx.write(async (tx) => {
    const changes = await tx.list(MetadataChange, { prefix: `${id}\0`, limit: rowsForgottenAtOnce })
    for (const each of changes) tx.delete(MetadataChange, MetadataChange.key(each))
    tx.delete(MetadataCount, id)
    return changes.length === rowsForgottenAtOnce
  })
  return (await forgetSegments(ctx, id)) || more
}

/** Makes and fills a bucket's metadata tables. The key is bucket and configuration. */
export const deliverMetadata: Reconciler = {
  name: deliverer,
  step: async (ctx, key) => {
    const [name = '', id = ''] = key.split('\0')
    const found = await ctx.read(async (tx) => {
      const bucket = await tx.get(Bucket, name)
      const document = bucket && (await metadataTables.find(tx, bucket))
      return bucket && document?.id === id ? { bucket, document } : undefined
    })
    if (!found) return (await forget(ctx, id)) ? again({ in: 0 }) : done()
    const job: Job = { ctx, ...found }
    const { journal, inventory, days } = job.document
    if (await make(job, 'journal')) return again({ in: 0 })
    if (!isUp(journal)) {
      if (inventory?.enabled && inventory.status === 'CREATING')
        await change(job, (present) => failed(present, 'inventory', 'JournalTableNotAvailable'))
      return again({ in: DAY })
    }
    if (inventory?.enabled && (await make(job, 'inventory'))) return again({ in: 0 })
    if (await deliver(job, journal.arn)) return again({ in: 0 })
    const place = { account: job.bucket.account, region: job.bucket.region }
    let merged = false
    const merging = await writing(job, 'journal', async () => {
      merged = await ctx.use(managedTables).merge(place, journal.arn)
      return true
    })
    if (merged || !merging) return again({ in: 0 })
    if (days !== undefined) {
      const before = ctx.now().getTime() - days * DAY
      if (!(await writing(job, 'journal', () => ctx.use(managedTables).expire(place, journal.arn, before))))
        return again({ in: 0 })
    }
    const wait = inventory?.enabled && isUp(inventory) ? await keepInventory(job, inventory.arn) : undefined
    return again({ in: Math.min(wait ?? DAY, DAY) })
  },
}
