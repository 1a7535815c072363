import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { AnsweredCall } from '../../kernel/service.ts'
import { table, type WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { addCounts, ageGroupOf, analysisCsv, type Counts, type Day, noCounts } from './analysis.ts'
import { Bucket, type BucketRecord } from './bucket.ts'
import { checkFilter, configurationSet, filterOf, fits } from './configuration-set.ts'
import { untilMidnight } from './metrics.ts'
import { type Input, malformedXml, type Operation, type Output } from './operation.ts'
import { checkDestination, deliverReport } from './report.ts'
import { storageClassOf } from './storage-class.ts'
import {
  findCurrent,
  findVersion,
  type ObjectRecord,
  type VersionRecord,
  type VersionsPass,
  versionsPage,
} from './versions.ts'

// "Amazon S3 analytics – Storage Class Analysis", S3 user guide.

type Document = Input<'PutBucketAnalyticsConfiguration'>['AnalyticsConfiguration']
const analyses = configurationSet<Document>('analytics')

const exportOf = ({ StorageClassAnalysis }: Document) => StorageClassAnalysis?.DataExport
const destinationOf = (document: Document) => exportOf(document)?.Destination?.S3BucketDestination

/** Throws MalformedXML, InvalidTag, InvalidS3DestinationBucket, TooManyConfigurations. */
export const PutBucketAnalyticsConfiguration: Operation<'PutBucketAnalyticsConfiguration'> = (ctx, input) => {
  const document = input.AnalyticsConfiguration
  checkFilter(document.Filter)
  const asked = exportOf(document)
  const destination = destinationOf(document)
  if (!document.StorageClassAnalysis) throw malformedXml()
  if (asked && (asked.OutputSchemaVersion !== 'V_1' || destination?.Format !== 'CSV' || !destination.Bucket))
    throw malformedXml()
  return analyses.set(ctx, input, document, async (tx, bucket) => {
    if (destination) await checkDestination(tx, bucket, destination.Bucket, destination.BucketAccountId)
    tx.wake(analyse.name, placeOf(bucket.name, input.Id), {
      in: untilMidnight(ctx.now().getTime()),
      at: { account: bucket.account, region: bucket.region },
    })
  })
}

export const GetBucketAnalyticsConfiguration: Operation<'GetBucketAnalyticsConfiguration'> = async (ctx, input) =>
  ({ AnalyticsConfiguration: await analyses.get(ctx, input) }) as Output<'GetBucketAnalyticsConfiguration'>

export const ListBucketAnalyticsConfigurations: Operation<'ListBucketAnalyticsConfigurations'> = async (ctx, input) => {
  const { shown, tail } = await analyses.page(ctx, input)
  return {
    ...tail,
    ...(shown.length > 0 ? { AnalyticsConfigurationList: shown } : {}),
  } as Output<'ListBucketAnalyticsConfigurations'>
}

/** What was observed goes with it. */
export const DeleteBucketAnalyticsConfiguration: Operation<'DeleteBucketAnalyticsConfiguration'> = (ctx, input) =>
  analyses.drop(ctx, input, (tx, bucket) => forget(tx, bucket.name, input.Id))

const forget = async (tx: WriteTx, bucket: string, id: string): Promise<void> => {
  const prefix = `${placeOf(bucket, id)}\0`
  for (const row of await tx.list(AnalysedDay, { prefix })) tx.delete(AnalysedDay, AnalysedDay.key(row))
  for (const row of await tx.list(AccessCount, { prefix })) tx.delete(AccessCount, AccessCount.key(row))
  tx.delete(AnalysisPass, placeOf(bucket, id))
}

type Place = { readonly bucket: string; readonly id: string }
const placeOf = (bucket: string, id: string): string => `${bucket}\0${id}`

/** What was asked for and put today, per storage class and age group. */
type Accesses = Place & { readonly date: string; readonly name: string; readonly counts: Counts }
export const AccessCount = table<Accesses>('s3.access-count', {
  scope: 'global',
  key: ({ bucket, id, date, name }) => `${placeOf(bucket, id)}\0${date}\0${name}`,
})
export const AnalysedDay = table<Place & Day>('s3.analysed-day', {
  scope: 'global',
  key: ({ bucket, id, date }) => `${placeOf(bucket, id)}\0${date}`,
})

const dateOf = (time: number): string => new Date(time).toISOString().slice(0, 10)

/** The rows that an object counts in. */
const namesOf = (record: ObjectRecord, now: number): string[] => {
  const storageClass = storageClassOf(record)
  const age = ageGroupOf(record, now)
  return [`${storageClass} ALL`, ...(age === undefined ? [] : [`${storageClass} ${age}`])]
}

const textIn = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** Counts an object that was read or put, in the analyses that the bucket is configured with. */
export const countAccess = async (ctx: Ctx, bucket: BucketRecord, call: AnsweredCall): Promise<void> => {
  const { operation, input, status, bytes } = call
  if (!bucket.configured?.includes('analytics') || status >= 300) return
  const key = textIn(input.Key)
  if ((operation !== 'GetObject' && operation !== 'PutObject') || key === undefined) return
  const now = ctx.now().getTime()
  await ctx.write(async (tx) => {
    const version = operation === 'GetObject' ? textIn(input.VersionId) : undefined
    const record = await (version === undefined
      ? findCurrent(tx, bucket.name, key)
      : findVersion(tx, bucket.name, key, version))
    if (!record || record.marker) return
    const counts = operation === 'GetObject' ? { requests: 1, retrieved: bytes } : { uploaded: record.size }
    for (const document of await analyses.list(tx, bucket)) {
      if (!fits(filterOf(document.Filter), record)) continue
      for (const name of namesOf(record, now)) {
        const row = { bucket: bucket.name, id: document.Id ?? '', date: dateOf(now), name, counts: noCounts }
        const before = await tx.get(AccessCount, AccessCount.key(row))
        tx.put(AccessCount, { ...row, counts: addCounts(before?.counts ?? noCounts, counts) })
      }
    }
  })
}

/** How far the present count of a configuration has come. */
type Pass = Place & VersionsPass & { readonly counts: Readonly<Record<string, Counts>> }
export const AnalysisPass = table<Pass>('s3.analysis-pass', {
  scope: 'global',
  key: ({ bucket, id }) => placeOf(bucket, id),
})

const rowsAtOnce = 2000
/** Days that are kept and exported. */
const mostDays = 730
const DAY = 86_400_000

const tally = (document: Document, pass: Pass, rows: readonly VersionRecord[], now: number): Pass['counts'] => {
  const filter = filterOf(document.Filter)
  const counts = { ...pass.counts }
  for (const row of rows) {
    if (row.marker || !fits(filter, row)) continue
    for (const name of namesOf(row, now))
      counts[name] = addCounts(counts[name] ?? noCounts, { objects: 1, stored: row.size })
  }
  return counts
}

/** The day that has ended: what is stored, and what was asked for and put in it. */
const closeDay = async (tx: WriteTx, { bucket, id, counts }: Pass, date: string): Promise<Day[]> => {
  const all = { ...counts }
  for (const row of await tx.list(AccessCount, { prefix: `${placeOf(bucket, id)}\0` })) {
    if (row.date > date) continue
    if (row.date === date) all[row.name] = addCounts(all[row.name] ?? noCounts, row.counts)
    tx.delete(AccessCount, AccessCount.key(row))
  }
  const today = { bucket, id, date, counts: all }
  const before = await tx.list(AnalysedDay, { prefix: `${placeOf(bucket, id)}\0` })
  for (const old of before.slice(0, Math.max(0, before.length + 1 - mostDays)))
    tx.delete(AnalysedDay, AnalysedDay.key(old))
  tx.put(AnalysedDay, today)
  tx.delete(AnalysisPass, placeOf(bucket, id))
  return [...before.filter((day) => day.date !== date).slice(1 - mostDays), today]
}

/** Analyses a bucket by one configuration, daily at midnight UTC, a page of rows per step. The key is bucket and id. */
export const analyse: Reconciler = {
  name: 's3.analytics',
  step: async (ctx, key) => {
    const [name = '', id = ''] = key.split('\0')
    const now = ctx.now().getTime()
    const found = await ctx.read(async (tx) => {
      const bucket = await tx.get(Bucket, name)
      const document = bucket && (await analyses.find(tx, bucket, id))
      if (!bucket || !document) return undefined
      const begun = { bucket: name, id, phase: 'current' as const, after: '', counts: {} }
      const pass: Pass = (await tx.get(AnalysisPass, key)) ?? begun
      return { bucket, document, pass, page: await versionsPage(tx, bucket.name, pass, rowsAtOnce) }
    })
    if (!found) {
      await ctx.write((tx) => forget(tx, name, id))
      return done()
    }
    const { bucket, document, pass, page } = found
    const counts = tally(document, pass, page.rows, now)
    const full = page.rows.length === rowsAtOnce && page.last !== undefined
    if (full || pass.phase === 'current') {
      const next = full ? { after: page.last ?? '' } : { phase: 'older' as const, after: '' }
      await ctx.write(async (tx) => {
        tx.put(AnalysisPass, { ...pass, ...next, counts })
      })
      return again({ in: 0 })
    }
    const days = await ctx.write((tx) => closeDay(tx, { ...pass, counts }, dateOf(now - DAY)))
    await deliver(ctx, bucket, document, days)
    return again({ in: untilMidnight(now) })
  },
}

const deliver = async (ctx: Ctx, bucket: BucketRecord, document: Document, days: readonly Day[]): Promise<void> => {
  const destination = destinationOf(document)
  if (!destination) return
  const id = document.Id ?? ''
  const file = `${destination.Prefix ? `${destination.Prefix.replace(/\/$/, '')}/` : ''}${id}.csv`
  const csv = Buffer.from(analysisCsv(id, filterOf(document.Filter), days))
  try {
    await deliverReport(ctx, bucket, destination.Bucket, file, csv)
  } catch (error) {
    if (!(error instanceof AwsError) || (error.status ?? 400) >= 500) throw error
    ctx.log.warn('a storage class analysis could not be delivered', { bucket: bucket.name, id, error: error.message })
  }
}
