import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import type { ManagedRow, ManagedTables } from '../capabilities.ts'
import { inventoryRow } from './metadata-columns.ts'
import { Current, Older, sortable, type VersionRecord } from './versions.ts'

// The inventory of a bucket, in segments of its keys' order, a file each: what changes in one has that one written anew.

type Segment = {
  readonly configuration: string
  /** Its first place in the order of keys, as `sortable` writes them; the first begins with nothing. */
  readonly from: string
  /** When it is to be written anew, epoch milliseconds; absent while nothing in it has changed. */
  readonly due?: number
}
/** In the order of bytes, whatever the characters. */
const tagOf = (from: string): string => Buffer.from(from).toString('hex')
/** Beyond all tags. */
const lastTag = 'g'
const time = (due: number): string => String(due).padStart(16, '0')

export const MetadataSegment = table<Segment>('s3.metadata-segment', {
  scope: 'global',
  key: ({ configuration, from }) => `${configuration}\0${tagOf(from)}`,
  index: {
    due: ({ configuration, due }) => (due === undefined ? undefined : `${configuration}\0${time(due)}`),
  },
})

/** Rows of a file, about: all versions of a key are in one. */
export const rowsOfSegment = 5000

/** In milliseconds: "updates to your objects are typically reflected in the inventory table within one hour". */
const freshness = 15 * 60_000

const placeIn = (version: VersionRecord): string => sortable(version.key)

/** All versions of some keys, from a place on, and the place behind them; none where they end. */
const readChunk = async (
  tx: ReadTx,
  bucket: string,
  from: string,
  rowsAtOnce: number,
): Promise<{ versions: readonly VersionRecord[]; next?: string }> => {
  const options = { prefix: `${bucket}\0`, from: `${bucket}\0${from}`, limit: rowsAtOnce }
  const current = await tx.list(Current, options)
  const older = await tx.list(Older, options)
  const ends = [current, older]
    .filter((rows) => rows.length === rowsAtOnce)
    .flatMap((rows) => rows.slice(-1))
    .map(placeIn)
    .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const [end] = ends
  const all: VersionRecord[] = [...current, ...older]
  if (end === undefined) return { versions: all }
  const before = all.filter((version) => Buffer.compare(Buffer.from(placeIn(version)), Buffer.from(end)) < 0)
  if (before.length > 0) return { versions: before, next: end }
  // One key fills the page: all that it has, and on with what is behind it.
  const own = all.filter((version) => placeIn(version) === end)
  const prefix = `${bucket}\0${end}\0`
  for (let last = older.at(-1); last && placeIn(last) === end; ) {
    const page: VersionRecord[] = await tx.list(Older, { prefix, after: Older.key(last), limit: rowsAtOnce })
    own.push(...page)
    last = page.length === rowsAtOnce ? page.at(-1) : undefined
  }
  return { versions: own, next: `${end}\x01` }
}

/** Time, and rows. */
type Around = Pick<Ctx, 'read' | 'write' | 'now'>

type Target = {
  readonly ctx: Around
  readonly tables: Pick<ManagedTables, 'write'>
  readonly bucket: { readonly name: string; readonly account: string; readonly region: string }
  readonly configuration: string
  readonly arn: string
  /** About so many in a file. */
  readonly rows: number
}

type File = { readonly from: string; readonly rows: readonly ManagedRow[] }

const write = ({ tables, bucket, arn }: Target, from: string, before: string | undefined, files: readonly File[]) =>
  tables.write({ account: bucket.account, region: bucket.region }, arn, {
    from: tagOf(from),
    before: before === undefined ? lastTag : tagOf(before),
    files: files
      .filter(({ rows }) => rows.length > 0)
      .map((file) => ({ tag: tagOf(file.from), newest: 0, rows: file.rows })),
  })

/** Fills in the next segment. Returns where to go on; 'filled' at the end, 'gone' where there is no table. */
export const backfill = async (target: Target, from: string): Promise<'filled' | 'gone' | { next: string }> => {
  const { ctx, bucket, configuration } = target
  const { versions, next } = await ctx.read((tx) => readChunk(tx, bucket.name, from, target.rows))
  const file = { from, rows: versions.map(inventoryRow) }
  if (!(await write(target, from, next, [file]))) return 'gone'
  await ctx.write(async (tx) => {
    const before = await tx.get(MetadataSegment, MetadataSegment.key({ configuration, from }))
    tx.put(MetadataSegment, before ?? { configuration, from })
  })
  return next === undefined ? 'filled' : { next }
}

/** Has the segment of a key written anew, before long. */
export const touch = async (ctx: Around, tx: WriteTx, configuration: string, key: string): Promise<void> => {
  const place = MetadataSegment.key({ configuration, from: sortable(key) })
  const prefix = `${configuration}\0`
  const [segment] = await tx.list(MetadataSegment, { prefix, after: `${place}0`, reverse: true, limit: 1 })
  if (segment && segment.due === undefined)
    tx.put(MetadataSegment, { ...segment, due: ctx.now().getTime() + freshness })
}

/** When the next segment is to be written anew. */
export const nextDue = async (tx: ReadTx, configuration: string): Promise<Segment | undefined> =>
  (await tx.list(MetadataSegment, { index: 'due', prefix: `${configuration}\0`, limit: 1 }))[0]

/** Writes a segment anew, as one or, where it has grown, as several. False where there is no table. */
export const refresh = async (target: Target, segment: Segment): Promise<boolean> => {
  const { ctx, bucket, configuration } = target
  const prefix = `${configuration}\0`
  const { files, end } = await ctx.read(async (tx) => {
    const [behind] = await tx.list(MetadataSegment, { prefix, after: MetadataSegment.key(segment), limit: 1 })
    const limit = behind && Buffer.from(behind.from)
    const found: File[] = []
    for (let from: string | undefined = segment.from; from !== undefined; ) {
      const chunk: Awaited<ReturnType<typeof readChunk>> = await readChunk(tx, bucket.name, from, target.rows)
      const within = chunk.versions.filter(
        (version) => !limit || Buffer.compare(Buffer.from(placeIn(version)), limit) < 0,
      )
      found.push({ from, rows: within.map(inventoryRow) })
      const beyond = within.length < chunk.versions.length
      from =
        beyond || (limit && chunk.next && Buffer.compare(Buffer.from(chunk.next), limit) >= 0) ? undefined : chunk.next
    }
    return { files: found, end: behind?.from }
  })
  if (!(await write(target, segment.from, end, files))) return false
  await ctx.write(async (tx) => {
    tx.delete(MetadataSegment, MetadataSegment.key(segment))
    for (const { from, rows } of files)
      if (from === '' || rows.length > 0) tx.put(MetadataSegment, { configuration, from })
  })
  return true
}
