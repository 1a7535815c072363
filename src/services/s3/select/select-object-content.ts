import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import type { Ctx } from '../../../kernel/context.ts'
import { type Loaded, load, stream } from '../content.ts'
import { checkCustomerKey, openKey } from '../encryption.ts'
import { noteAccess } from '../intelligent-tiering.ts'
import { find, missing } from '../object.ts'
import type { Input, Operation, Output } from '../operation.ts'
import type { ObjectKey } from '../segments.ts'
import { isArchived } from '../storage-class.ts'
import type { ObjectRecord } from '../versions.ts'
import { decompressed } from './decompress.ts'
import { failure } from './failure.ts'
import { startSelection } from './input.ts'
import { firstByte, lineReader, type Scan } from './lines.ts'
import { parseQuery } from './parser.ts'
import type { Result } from './query.ts'
import { compressionOf, type InputFormat, inputFormat, outputWriter, scanOf, type TextFormat } from './settings.ts'

type Event = NonNullable<Output<'SelectObjectContent'>['Payload']> extends AsyncIterable<infer E> ? E : never

/** Bytes of results in an event. */
const eventSize = 64 * 1024
/** Bytes processed between two events that tell how far it has come, and between signs of life. */
const progressAfter = 1024 * 1024
const signAfter = 16 * 1024 * 1024
/** Records: a few bytes of Parquet may stand for any number of them, and who asked may have gone. */
const signAfterRecords = 1_000_000
/** How much is worked at a stretch before others have their turn: records, weighed by their and the query's length. */
const stretch = 200_000

/**
 * The records of an object that an expression asks for, as events. What is wrong before the first of them is the answer's
 * error; later, an event of the stream. Errors: "List of SELECT Object Content Error Codes", S3 API reference.
 */
export const SelectObjectContent: Operation<'SelectObjectContent'> = async (ctx, input) => {
  if (ctx.request.headers.range !== undefined) throw failure('UnsupportedRangeHeader')
  const plan = { ...planOf(input), progress: input.RequestProgress?.Enabled === true }
  const { record, loaded } = await readable(ctx, input)
  const scan = scanOf(input.ScanRange, record.size, plan.format, plan.compression)
  const key = await openKey(ctx, record, input)
  await noteAccess(ctx, record)
  const events = select(ctx, { ...plan, loaded, key, scan })
  const first = await events.next()
  return { Payload: resumed(first, events) }
}

type Asked = Pick<
  Input<'SelectObjectContent'>,
  'Expression' | 'ExpressionType' | 'InputSerialization' | 'OutputSerialization'
>

/** A query and its formats, checked. `tables`: what it may call the object. */
export const planOf = (asked: Asked, tables?: readonly string[]) => {
  if (asked.ExpressionType !== 'SQL') throw failure('InvalidExpressionType')
  return {
    query: parseQuery(asked.Expression, tables),
    format: inputFormat(asked.InputSerialization),
    compression: compressionOf(asked.InputSerialization),
    write: outputWriter(asked.OutputSerialization),
  }
}

const readable = async (ctx: Ctx, input: Input<'SelectObjectContent'>) => {
  const found = await ctx.read(async (tx) => {
    const found = await find(ctx, tx, input)
    return { ...found, loaded: found.record && (await load(tx, found.record.content, found.record.size)) }
  })
  const { record, loaded } = found
  if (!record || !loaded) throw await missing(ctx, found, input)
  checkStorageClass(record)
  checkCustomerKey(record, input)
  return { record, loaded }
}

const checkStorageClass = (record: ObjectRecord): void => {
  if (isArchived(record) || record.storageClass === 'REDUCED_REDUNDANCY') throw failure('UnsupportedStorageClass')
}

/** The events, the first of which has been taken already. */
const resumed = (first: IteratorResult<Event>, events: AsyncGenerator<Event>): AsyncIterable<Event> => {
  let taken: IteratorResult<Event> | undefined = first
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const held = taken
        taken = undefined
        return held ?? events.next()
      },
      return: async () => events.return(undefined),
    }),
  }
}

type Selecting = {
  readonly query: ReturnType<typeof parseQuery>
  readonly format: InputFormat
  readonly compression: ReturnType<typeof compressionOf>
  readonly write: ReturnType<typeof outputWriter>
  readonly progress: boolean
  readonly loaded: Loaded
  readonly key: ObjectKey | undefined
  readonly scan: Scan | undefined
}

const bytesOf = (ctx: Ctx, { loaded, key }: Selecting, start: number, end = loaded.size): AsyncIterable<Uint8Array> => {
  const bytes = stream(ctx, loaded, key, { start, end: Math.max(start, end) })
  return bytes instanceof Readable ? bytes : Readable.from(bytes.length > 0 ? [bytes] : [])
}

/** What a query has gone through so far, in bytes of the object and of what was in it before it was compressed. */
type Progress = { scanned: number; processed: number }
/** Records looked at one after the other, each with the result it gave. */
type Steps = AsyncIterable<Iterable<Result | undefined>>

async function* stepsOfParquet(
  ctx: Ctx,
  selecting: Selecting,
  progress: Progress,
): AsyncGenerator<Iterable<Result | undefined>> {
  // Few servers are ever asked.
  const { selectParquet } = await import('./parquet-input.ts')
  const read = async (start: number, end: number) =>
    Buffer.concat(await Array.fromAsync(bytesOf(ctx, selecting, start, end)))
  const source = { size: selecting.loaded.size, read }
  const taken = { read: 0, opened: 0, held: 0 }
  for await (const step of selectParquet(selecting.query, ctx.now(), source, taken, selecting.scan)) {
    progress.scanned = taken.read
    progress.processed = taken.opened
    // Making rows costs too.
    await turn()
    yield step
  }
}

const delimiterOf = (format: TextFormat): string => (format.kind === 'csv' ? format.csv.recordDelimiter : '\n')

/** The first line of an object, for a scan that begins behind it. */
const headerOf = async (ctx: Ctx, selecting: Selecting, format: TextFormat): Promise<string | undefined> => {
  const { scan } = selecting
  if (format.kind !== 'csv' || format.header !== 'USE' || !scan || scan.start === 0) return undefined
  const lines = lineReader(format.csv.recordDelimiter)
  const counts = (line: string): boolean =>
    line.trim() !== '' && (format.csv.comment === '' || !line.startsWith(format.csv.comment))
  for await (const chunk of bytesOf(ctx, selecting, 0))
    for (const line of lines.push(Buffer.from(chunk))) if (counts(line)) return line
  for (const line of lines.finish()) if (counts(line)) return line
  return undefined
}

async function* stepsOfText(
  ctx: Ctx,
  selecting: Selecting,
  format: TextFormat,
  progress: Progress,
): AsyncGenerator<Iterable<Result | undefined>> {
  const { query, compression, scan } = selecting
  const selection = startSelection(query, format, ctx.now(), scan, await headerOf(ctx, selecting, format))
  const counted = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      progress.scanned += chunk.length
      yield chunk
    }
  }
  const source = bytesOf(ctx, selecting, scan ? firstByte(scan, delimiterOf(format)) : 0)
  if (!selection.isOver())
    for await (const chunk of decompressed(counted(source), compression)) {
      progress.processed += chunk.length
      yield selection.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
      if (selection.isOver()) break
    }
  if (!selection.isOver()) yield selection.finish()
  yield [selection.last()]
}

/** What a query finds in an object, as events. */
export async function* select(ctx: Ctx, selecting: Selecting): AsyncGenerator<Event, undefined> {
  const { query, format, write, progress } = selecting
  const so = { scanned: 0, processed: 0 }
  let returned = 0
  const details = () => ({ BytesScanned: so.scanned, BytesProcessed: so.processed, BytesReturned: returned })
  let held: string[] = []
  let size = 0
  const flush = (): Event => {
    const Payload = Buffer.from(held.join(''))
    held = []
    size = 0
    returned += Payload.length
    return { Records: { Payload } }
  }
  let budget = stretch
  let records = 0
  const results = async function* (found: Iterable<Result | undefined>): AsyncGenerator<Event> {
    for (const result of found) {
      records += 1
      budget -= query.size
      if (budget < 0) {
        budget = stretch
        await turn()
      }
      if (result === undefined) continue
      const text = write(result)
      held.push(text)
      size += text.length
      if (size >= eventSize) yield flush()
    }
  }
  let [told, lived] = [0, 0]
  const steps: Steps =
    format.kind === 'parquet' ? stepsOfParquet(ctx, selecting, so) : stepsOfText(ctx, selecting, format, so)
  for await (const step of steps) {
    const before = returned
    yield* results(step)
    if (returned > before) {
      lived = so.processed
      records = 0
    }
    if (progress && so.processed - told >= progressAfter) {
      told = lived = so.processed
      yield { Progress: { Details: details() } }
    } else if (so.processed - lived >= signAfter || records >= signAfterRecords) {
      lived = so.processed
      records = 0
      yield { Cont: {} }
    }
  }
  if (size > 0) yield flush()
  if (progress) yield { Progress: { Details: details() } }
  yield { Stats: { Details: details() } }
  yield { End: {} }
}
