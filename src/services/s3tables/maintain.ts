import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { servicePrincipal } from '../../kernel/principal.ts'
import { table } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { tableStores } from '../capabilities.ts'
import { applyUpdates } from './iceberg/commit.ts'
import { InvalidMetadataError } from './iceberg/invalid.ts'
import { filesIn, manifestsIn } from './iceberg/manifest.ts'
import { type Metadata, parseMetadata } from './iceberg/table-metadata.ts'
import type { FileRemoval, SnapshotManagement } from './maintenance-settings.ts'
import { findWithBucket, Table, type TableRecord, tableArn } from './table.ts'
import { keyWithin, moveMetadata, writeMetadata } from './tables.ts'

// What S3 Tables does for tables once a day: old snapshots go, and later the files that nothing names any more ("Maintenance for
// tables", "Maintenance for table buckets", S3 user guide).

/** Whose rights KMS is asked with ("Permission requirements for S3 Tables SSE-KMS encryption", S3 user guide). */
const maintainer = servicePrincipal('maintenance.s3tables.amazonaws.com')

/** A file that nothing names: it goes after a while, unless it is named again. */
type Noncurrent = { readonly table: string; readonly key: string /** Epoch milliseconds. */; readonly since: number }
export const NoncurrentFile = table<Noncurrent>('s3tables.noncurrent-file', {
  scope: 'global',
  key: ({ table, key }) => `${table}\0${key}`,
})

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** "Metadata table limitations and restrictions", S3 user guide; how long files of theirs stay is not told. */
const managed = {
  snapshots: { status: 'enabled', minSnapshotsToKeep: 1, maxSnapshotAgeHours: 24 },
  removal: { status: 'enabled', unreferencedDays: 1, nonCurrentDays: 1 },
} as const

const placeOf = ({ account, region }: TableRecord) => ({ account, region })

/** A file of the table's own, by its location. Throws InvalidMetadataError for one that is not there. */
const read = async (ctx: Ctx, table: TableRecord, location: string): Promise<Uint8Array> => {
  const key = keyWithin(table, location)
  const bytes =
    key === undefined ? undefined : await ctx.use(tableStores).get(placeOf(table), table.store, key, maintainer)
  if (!bytes) throw new InvalidMetadataError(`${location} is not there.`)
  return bytes
}

/** Whether the table itself, a branch or a tag says how long snapshots stay: then that is nobody else's business. */
const saysItself = ({ properties, refs }: Metadata, { minSnapshotsToKeep, maxSnapshotAgeHours }: SnapshotManagement) =>
  Number(properties['history.expire.max-snapshot-age-ms'] ?? 0) > maxSnapshotAgeHours * HOUR ||
  Number(properties['history.expire.min-snapshots-to-keep'] ?? 0) > minSnapshotsToKeep ||
  Object.values(refs).some((ref) =>
    [ref['max-ref-age-ms'], ref['max-snapshot-age-ms'], ref['min-snapshots-to-keep']].some((each) => each != null),
  )

/** Snapshots that are too old, and neither among the newest of those that led to the present nor named by a branch or tag. */
const tooOld = (metadata: Metadata, settings: SnapshotManagement, now: number): (number | bigint)[] => {
  const byId = new Map(metadata.snapshots.map((snapshot) => [snapshot['snapshot-id'], snapshot]))
  const kept = new Set(Object.values(metadata.refs).map((ref) => ref['snapshot-id']))
  let id = metadata['current-snapshot-id'] ?? -1
  for (let left = settings.minSnapshotsToKeep; left > 0; left--) {
    const snapshot = byId.get(id)
    if (!snapshot) break
    kept.add(id)
    id = snapshot['parent-snapshot-id'] ?? -1
  }
  return metadata.snapshots
    .filter((snapshot) => Number(snapshot['timestamp-ms']) < now - settings.maxSnapshotAgeHours * HOUR)
    .map((snapshot) => snapshot['snapshot-id'])
    .filter((each) => !kept.has(each))
}

const expireSnapshots = async (ctx: Ctx, table: TableRecord, settings: SnapshotManagement): Promise<void> => {
  const { metadataLocation: file } = table
  if (file === undefined) return
  const metadata = parseMetadata(await read(ctx, table, file))
  const now = ctx.now().getTime()
  const ids = saysItself(metadata, settings) ? [] : tooOld(metadata, settings, now)
  if (ids.length === 0) return
  const next = applyUpdates(metadata, [{ action: 'remove-snapshots', 'snapshot-ids': ids }], { file, now })
  const { location, forget } = await writeMetadata(ctx, table, next, maintainer)
  // A commit that was faster has its own metadata: the next day is another.
  if (!(await moveMetadata(ctx, tableArn(table), location, table.versionToken))) await forget()
}

/** Keys of all files that a table names, in whatever of its snapshots. */
const namedBy = async (ctx: Ctx, table: TableRecord): Promise<ReadonlySet<string>> => {
  const { metadataLocation: file } = table
  if (file === undefined) return new Set()
  const metadata = parseMetadata(await read(ctx, table, file))
  const locations = new Set([file, ...metadata['metadata-log'].map((entry) => entry['metadata-file'])])
  for (const statistics of [...metadata.statistics, ...metadata['partition-statistics']])
    locations.add(statistics['statistics-path'])
  for (const list of new Set(metadata.snapshots.map((snapshot) => snapshot['manifest-list']))) {
    locations.add(list)
    for (const manifest of manifestsIn(await read(ctx, table, list))) {
      if (locations.has(manifest)) continue
      locations.add(manifest)
      for (const data of filesIn(await read(ctx, table, manifest))) locations.add(data)
    }
  }
  return new Set([...locations].flatMap((location) => keyWithin(table, location) ?? []))
}

const filesAtOnce = 1000

const removeFiles = async (ctx: Ctx, table: TableRecord, settings: FileRemoval): Promise<void> => {
  const arn = tableArn(table)
  const named = await namedBy(ctx, table)
  const stores = ctx.use(tableStores)
  const now = ctx.now().getTime()
  const noncurrent = new Map(
    (await ctx.read((tx) => tx.list(NoncurrentFile, { prefix: `${arn}\0` }))).map((file) => [file.key, file]),
  )
  for (let after: string | undefined = ''; after !== undefined; ) {
    const files = await stores.list(placeOf(table), table.store, after, filesAtOnce)
    const unnamed = files.filter(({ key }) => !named.has(key))
    const gone = unnamed.flatMap(({ key }) => {
      const since = noncurrent.get(key)?.since
      return since !== undefined && since <= now - settings.nonCurrentDays * DAY ? [key] : []
    })
    const unreferenced = now - settings.unreferencedDays * DAY
    const marked = unnamed.filter(({ key, modified }) => !noncurrent.has(key) && modified <= unreferenced)
    const back = files.filter(({ key }) => named.has(key) && noncurrent.has(key))
    await stores.delete(placeOf(table), table.store, gone)
    await ctx.write(async (tx) => {
      for (const { key } of marked) tx.put(NoncurrentFile, { table: arn, key, since: now })
      for (const key of [...gone, ...back.map((file) => file.key)])
        tx.delete(NoncurrentFile, NoncurrentFile.key({ table: arn, key, since: 0 }))
    })
    after = files.length === filesAtOnce ? files.at(-1)?.key : undefined
  }
}

type Jobs = NonNullable<TableRecord['jobs']>

/** How a job went; what hinders it is told, and it is tried again the next day. */
const run = async (ctx: Ctx, job: () => Promise<void>): Promise<NonNullable<Jobs['removal']>> => {
  const at = ctx.now().getTime()
  try {
    await job()
    return { status: 'Successful', at }
  } catch (error) {
    if (error instanceof InvalidMetadataError || (error instanceof AwsError && (error.status ?? 400) < 500))
      return { status: 'Failed', at, message: error.message }
    throw error
  }
}

/** Maintains a table, daily. The key is its ARN. */
export const maintain: Reconciler = {
  name: 's3tables.maintain',
  step: async (ctx, arn) => {
    const find = () => ctx.read((tx) => findWithBucket(tx, arn))
    const found = await find()
    if (!found) {
      await ctx.write(async (tx) => {
        for (const file of await tx.list(NoncurrentFile, { prefix: `${arn}\0` }))
          tx.delete(NoncurrentFile, NoncurrentFile.key(file))
      })
      return done()
    }
    const own = found.table.type === 'aws'
    const snapshots = own ? managed.snapshots : found.table.snapshots
    const removal = own ? managed.removal : found.bucket.removal
    const jobs: { -readonly [K in keyof Jobs]: Jobs[K] } = { ...found.table.jobs }
    if (snapshots.status === 'enabled')
      jobs.snapshots = await run(ctx, () => expireSnapshots(ctx, found.table, snapshots))
    const now = await find()
    if (now && removal.status === 'enabled') jobs.removal = await run(ctx, () => removeFiles(ctx, now.table, removal))
    await ctx.write(async (tx) => {
      const present = await findWithBucket(tx, arn)
      if (present) tx.put(Table, { ...present.table, jobs })
    })
    return again({ in: DAY })
  },
}
