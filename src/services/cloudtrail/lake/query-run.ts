import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { DeliveryStatus } from '@aws-sdk/client-cloudtrail'
import type { Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import { again, done, type Reconciler } from '../../../work/reconciler.ts'
import { ALGORITHM, signWith } from '../digest.ts'
import { cloudtrail, toText as timeText } from '../operation.ts'
import { EventDataStore, storeArn, storePrefix } from './event-data-store.ts'
import type { StoredEvent } from './ingest.ts'
import { isOver, Query, type QueryRecord, resultStream } from './query.ts'
import { type Events, runQuery } from './sql/run.ts'
import { StatementError } from './sql/text.ts'
import { toText } from './sql/value.ts'

const DAY = 86_400_000
/** How long a query and its results are kept, in milliseconds. */
const KEPT = 7 * DAY
const CHUNK = 500
/** Events one query looks at before it is ended as timed out. */
const MOST_SCANNED = 2_000_000

const compress = promisify(gzip)

class Ended extends Error {}

type Counts = { scanned: number; matched: number; bytes: number }

/** Reads stores a piece at a time, with a turn of the event loop between pieces, and looks whether the query was cancelled. */
const eventsOf = (ctx: Ctx, query: QueryRecord, counts: Counts): Events =>
  async function* (store, { from = 0, ...range }) {
    const { retention = 0 } = (await ctx.read((tx) => tx.get(EventDataStore, store))) ?? {}
    const oldest = Math.max(from, ctx.now().getTime() - retention * DAY)
    for (const stream of await ctx.append.streams(storePrefix({ id: store }))) {
      let after = 0
      for (;;) {
        const entries = await ctx.append.range(stream, { ...range, from: oldest, after, limit: CHUNK })
        after = entries.at(-1)?.position ?? after
        const events = entries.map(({ body }) => (body as StoredEvent).event)
        counts.scanned += events.length
        for (const event of events) counts.bytes += JSON.stringify(event).length
        if (counts.scanned > MOST_SCANNED) throw new Ended('TIMED_OUT')
        yield events
        if (entries.length < CHUNK) break
        await new Promise(setImmediate)
        const present = await ctx.read((tx) => tx.get(Query, query.id))
        if (!present || isOver(present)) throw new Ended('CANCELLED')
      }
    }
  }

const run = async (ctx: Ctx, query: QueryRecord): Promise<void> => {
  const began = ctx.now().getTime()
  const counts: Counts = { scanned: 0, matched: 0, bytes: 0 }
  const finish = (outcome: Partial<QueryRecord>, results = 0) =>
    ctx.write(async (tx) => {
      const present = await tx.get(Query, query.id)
      if (!present || isOver(present)) return
      const statistics = { ...counts, results, milliseconds: ctx.now().getTime() - began }
      tx.put(Query, { ...present, ...outcome, statistics })
    })
  // A run that a dying server left behind begins anew.
  await ctx.append.drop(resultStream(query.id))
  try {
    const { parseStatement } = await import('./sql/parse.ts')
    const statement = parseStatement(query.statement, query.parameters)
    const { columns, rows } = await runQuery(statement, eventsOf(ctx, query, counts), ctx.now(), (count) => {
      counts.matched += count
    })
    const texts = rows.map((row) => row.map(toText))
    for (let at = 0; at < texts.length; at += CHUNK)
      await ctx.append.append(
        resultStream(query.id),
        texts.slice(at, at + CHUNK).map((body) => ({ time: began, body })),
      )
    await finish({ status: 'FINISHED', columns }, texts.length)
  } catch (error) {
    const failed = query.delivery ? { delivery: { ...query.delivery, status: 'FAILED' as const } } : {}
    if (error instanceof StatementError) await finish({ status: 'FAILED', error: error.message, ...failed })
    else if (error instanceof Ended)
      await finish({ status: 'TIMED_OUT', error: 'The query looked at too many events.', ...failed })
    else throw error
  }
}

const csvField = (text: string) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/** Result and sign file ("CloudTrail Lake query results file and sign file"). */
const deliver = async (ctx: Ctx, query: QueryRecord, uri: string): Promise<DeliveryStatus> => {
  const [, bucket = '', prefix = ''] = /^s3:\/\/([^/]+)\/?(.*?)\/?$/s.exec(uri) ?? []
  const day = new Date(query.created).toISOString().slice(0, 10).replaceAll('-', '/')
  const folder = `${prefix ? `${prefix}/` : ''}AWSLogs/${ctx.account}/CloudTrail-Lake/Query/${day}/${query.id}`
  const { s3 } = ctx.as(cloudtrail, { context: { 'aws:SourceArn': [storeArn(ctx.place, query.stores[0] ?? '')] } })
  const put = (name: string, content: Uint8Array, ContentType: string) =>
    s3.putObject({
      Bucket: bucket,
      Key: `${folder}/${name}`,
      Body: Readable.from([content]),
      ACL: 'bucket-owner-full-control',
      ContentType,
    })
  const lines = [query.columns.map(csvField).join(',')]
  let after = 0
  for (;;) {
    const rows = await ctx.append.range(resultStream(query.id), { after, limit: CHUNK })
    for (const { body } of rows) lines.push((body as string[]).map(csvField).join(','))
    after = rows.at(-1)?.position ?? after
    if (rows.length < CHUNK) break
  }
  const fileName = 'result_1.csv.gz'
  try {
    const content = await compress(`${lines.join('\n')}\n`)
    await put(fileName, content, 'application/x-gzip')
    const fileHashValue = createHash('sha256').update(content).digest('hex')
    const { signature, fingerprint } = await signWith(ctx, ctx.region, fileHashValue)
    const sign = {
      version: '1.0',
      region: ctx.region,
      files: [{ fileHashValue, fileName }],
      hashAlgorithm: 'SHA-256',
      signatureAlgorithm: ALGORITHM,
      queryCompleteTime: timeText(ctx.now().getTime()),
      hashSignature: signature,
      publicKeyFingerprint: fingerprint,
    }
    await put('result_sign.json', Buffer.from(JSON.stringify(sign)), 'application/json')
    return 'SUCCESS'
  } catch (error) {
    if (!(error instanceof AwsError)) throw error
    return /AccessDenied/.test(error.code)
      ? 'ACCESS_DENIED'
      : error.code === 'NoSuchBucket'
        ? 'RESOURCE_NOT_FOUND'
        : 'FAILED'
  }
}

/** One query: run, delivered, forgotten after seven days. Key: its id. */
export const runQueries: Reconciler = {
  name: 'cloudtrail.query',
  step: async (ctx, id) => {
    const query = await ctx.read((tx) => tx.get(Query, id))
    if (!query) return done()
    const left = query.created + KEPT - ctx.now().getTime()
    if (left <= 0) {
      await ctx.append.drop(resultStream(id))
      await ctx.write(async (tx) => tx.delete(Query, id))
      return done()
    }
    if (!isOver(query)) {
      await ctx.write(async (tx) => {
        const present = await tx.get(Query, id)
        if (present?.status === 'QUEUED') tx.put(Query, { ...present, status: 'RUNNING' })
      })
      await run(ctx, query)
    }
    const ended = await ctx.read((tx) => tx.get(Query, id))
    if (ended?.status === 'FINISHED' && ended.delivery?.status === 'PENDING') {
      const { uri } = ended.delivery
      const status = await deliver(ctx, ended, uri)
      await ctx.write(async (tx) => tx.put(Query, { ...ended, delivery: { uri, status } }))
    }
    return again({ in: left })
  },
}
