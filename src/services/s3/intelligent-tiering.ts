import type { Ctx } from '../../kernel/context.ts'
import { table, type WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { archiveDue, isNoteworthy } from './access-tier.ts'
import { Bucket, type BucketRecord } from './bucket.ts'
import { checkFilter, configurationSet, filterOf, fits } from './configuration-set.ts'
import { emitTiered } from './events.ts'
import { untilMidnight } from './metrics.ts'
import { fail, type Input, malformedXml, type Operation, type Output } from './operation.ts'
import {
  findVersion,
  type ObjectRecord,
  replaceVersion,
  type VersionRecord,
  type VersionsPass,
  versionsPage,
} from './versions.ts'

// Archiving within INTELLIGENT_TIERING ("Managing storage costs with Amazon S3 Intelligent-Tiering", S3 user guide).

type Document = NonNullable<Input<'PutBucketIntelligentTieringConfiguration'>['IntelligentTieringConfiguration']>
const tierings = configurationSet<Document>('tiering')

const bounds = { ARCHIVE_ACCESS: 90, DEEP_ARCHIVE_ACCESS: 180 } as const
const mostDays = 730

const checkTierings = ({ Status, Tierings = [] }: Document): void => {
  if (Status !== 'Enabled' && Status !== 'Disabled') throw malformedXml()
  if (Tierings.length === 0 || new Set(Tierings.map(({ AccessTier }) => AccessTier)).size < Tierings.length)
    throw malformedXml()
  for (const { AccessTier, Days } of Tierings) {
    const least = AccessTier === undefined ? undefined : bounds[AccessTier]
    if (least === undefined || Days === undefined) throw malformedXml()
    if (!Number.isInteger(Days) || Days < least || Days > mostDays)
      throw fail('InvalidArgument', `'Days' for the ${AccessTier} tier must be between ${least} and ${mostDays}`, {
        ArgumentName: 'Days',
        ArgumentValue: Days,
      })
  }
}

/** Archives objects of the class that nobody has asked for. Throws InvalidArgument, MalformedXML, TooManyConfigurations. */
export const PutBucketIntelligentTieringConfiguration: Operation<'PutBucketIntelligentTieringConfiguration'> = (
  ctx,
  input,
) => {
  const document = input.IntelligentTieringConfiguration
  checkFilter(document.Filter)
  checkTierings(document)
  return tierings.set(ctx, input, document, (tx, bucket) => {
    tx.delete(TieringPass, bucket.name)
    tx.wake(archiveIdle.name, bucket.name, { at: { account: bucket.account, region: bucket.region } })
  })
}

export const GetBucketIntelligentTieringConfiguration: Operation<'GetBucketIntelligentTieringConfiguration'> = async (
  ctx,
  input,
) =>
  ({
    IntelligentTieringConfiguration: await tierings.get(ctx, input),
  }) as Output<'GetBucketIntelligentTieringConfiguration'>

export const ListBucketIntelligentTieringConfigurations: Operation<
  'ListBucketIntelligentTieringConfigurations'
> = async (ctx, input) => {
  const { shown, tail } = await tierings.page(ctx, input)
  return {
    ...tail,
    ...(shown.length > 0 ? { IntelligentTieringConfigurationList: shown } : {}),
  } as Output<'ListBucketIntelligentTieringConfigurations'>
}

export const DeleteBucketIntelligentTieringConfiguration: Operation<'DeleteBucketIntelligentTieringConfiguration'> = (
  ctx,
  input,
) => tierings.drop(ctx, input)

/** Notes that an object was asked for, which keeps or brings it in the frequent tier. */
export const noteAccess = async (ctx: Ctx, record: ObjectRecord): Promise<void> => {
  const now = ctx.now().getTime()
  if (!isNoteworthy(record, now)) return
  await ctx.write(async (tx) => {
    const present = await findVersion(tx, record.bucket, record.key, record.versionId)
    if (!present || present.marker || present.sequence !== record.sequence) return
    await replaceVersion(tx, { ...present, accessed: now })
  })
}

/** How far the present pass over a bucket has come. */
type Pass = VersionsPass & { readonly bucket: string }
export const TieringPass = table<Pass>('s3.tiering-pass', { scope: 'global', key: ({ bucket }) => bucket })

const rowsAtOnce = 1000

const tieringsFor = (documents: readonly Document[], record: ObjectRecord) =>
  documents
    .filter(({ Status, Filter }) => Status === 'Enabled' && fits(filterOf(Filter), record))
    .flatMap(({ Tierings = [] }) =>
      Tierings.flatMap(({ AccessTier: tier, Days: days }) => (tier && days !== undefined ? [{ tier, days }] : [])),
    )

const archive = async (
  ctx: Ctx,
  tx: WriteTx,
  bucket: BucketRecord,
  documents: readonly Document[],
  row: VersionRecord,
): Promise<void> => {
  const present = await findVersion(tx, bucket.name, row.key, row.versionId)
  if (!present || present.marker) return
  const tier = archiveDue(present, tieringsFor(documents, present), ctx.now().getTime())
  if (!tier) return
  const { restore: _, ...kept } = present
  await replaceVersion(tx, { ...kept, archive: tier })
  emitTiered(ctx, tx, bucket, present, tier)
}

/** Moves what is due into the archive tiers, daily at midnight UTC and when a configuration is put. The key is the bucket. */
export const archiveIdle: Reconciler = {
  name: 's3.tiering',
  step: async (ctx, name) => {
    const now = ctx.now().getTime()
    const found = await ctx.read(async (tx) => {
      const bucket = await tx.get(Bucket, name)
      const documents = bucket ? await tierings.list(tx, bucket) : []
      if (!bucket || documents.length === 0) return undefined
      const pass = (await tx.get(TieringPass, name)) ?? { bucket: name, phase: 'current' as const, after: '' }
      return { bucket, documents, pass, page: await versionsPage(tx, name, pass, rowsAtOnce) }
    })
    if (!found) return done()
    const { bucket, documents, pass, page } = found
    const due = page.rows.filter(
      (row) => !row.marker && archiveDue(row, tieringsFor(documents, row), now) !== undefined,
    )
    if (due.length > 0)
      await ctx.write(async (tx) => {
        for (const row of due) await archive(ctx, tx, bucket, documents, row)
      })
    const full = page.rows.length === rowsAtOnce && page.last !== undefined
    const next: Pass | undefined = full
      ? { ...pass, after: page.last ?? '' }
      : pass.phase === 'current'
        ? { bucket: name, phase: 'older', after: '' }
        : undefined
    await ctx.write(async (tx) => {
      if (next) tx.put(TieringPass, next)
      else tx.delete(TieringPass, name)
    })
    return again({ in: next ? 0 : untilMidnight(now) })
  },
}
