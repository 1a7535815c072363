import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { ImportSource, ImportStatus } from '@aws-sdk/client-cloudtrail'
import type { AuditRecord } from '../../../kernel/audit.ts'
import type { Caller, Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import { type ReadTx, table } from '../../../store/store.ts'
import { again, done, type Reconciler } from '../../../work/reconciler.ts'
import { fail, type Operation, page, toDate } from '../operation.ts'
import { matcher } from '../selectors.ts'
import { EventDataStore, getActiveStore, storePrefix } from './event-data-store.ts'
import { categoryOf } from './stores.ts'

// Trail events that lie in a bucket, copied into an event data store ("Copy trail events to CloudTrail Lake").

export type ImportRecord = {
  readonly id: string
  readonly destination: string
  readonly source: { readonly uri: string; readonly region: string; readonly role: string }
  /** Milliseconds since the epoch: of events that are wanted. */
  readonly from?: number
  readonly to?: number
  readonly status: ImportStatus
  readonly created: number
  readonly updated: number
  /** Key of the last file that is done with. */
  readonly last?: string
  readonly files: number
  readonly events: number
  readonly failed: number
}
export const Import = table<ImportRecord>('cloudtrail.import', { scope: 'region', key: ({ id }) => id })

type FailureRecord = {
  readonly import: string
  readonly location: string
  readonly type: string
  readonly message: string
  readonly updated: number
}
export const ImportFailure = table<FailureRecord>('cloudtrail.importFailure', {
  scope: 'region',
  key: (failure) => `${failure.import}|${failure.location}`,
})

const FILES_PER_STEP = 20
/** Largest file that is opened, compressed and not, in bytes. */
const LARGEST = 64 * 1024 * 1024
const open = promisify(gunzip)

const isActive = ({ status }: Pick<ImportRecord, 'status'>) => status === 'INITIALIZING' || status === 'IN_PROGRESS'

const toImport = (record: ImportRecord) => ({
  ImportId: record.id,
  Destinations: [record.destination],
  ImportSource: {
    S3: {
      S3LocationUri: record.source.uri,
      S3BucketRegion: record.source.region,
      S3BucketAccessRoleArn: record.source.role,
    },
  },
  StartEventTime: toDate(record.from),
  EndEventTime: toDate(record.to),
  ImportStatus: record.status,
  CreatedTimestamp: new Date(record.created),
  UpdatedTimestamp: new Date(record.updated),
})
const toStatistics = ({ status, files, events, failed }: ImportRecord) => ({
  ImportStatistics: {
    PrefixesFound: 1,
    PrefixesCompleted: status === 'COMPLETED' ? 1 : 0,
    FilesCompleted: files,
    EventsCompleted: events,
    FailedEntries: failed,
  },
})

const getImport = async (tx: ReadTx, id: string): Promise<ImportRecord> => {
  const record = await tx.get(Import, id)
  if (!record) throw fail('ImportNotFoundException', `The import ${id} was not found.`)
  return record
}

const locationOf = (uri: string): { bucket: string; prefix: string } | undefined => {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/(.*)$/s.exec(uri)
  return match ? { bucket: match[1] ?? '', prefix: match[2] ?? '' } : undefined
}

const checkSource = ({ S3 }: ImportSource): ImportRecord['source'] => {
  const { S3LocationUri: uri = '', S3BucketRegion: region = '', S3BucketAccessRoleArn: role = '' } = S3 ?? {}
  const location = locationOf(uri)
  if (!location || !/(^|\/)CloudTrail(\/|$)/.test(location.prefix))
    throw fail(
      'InvalidImportSourceException',
      'The S3 location must be a prefix that contains CloudTrail, below which the log files are.',
    )
  if (!/^arn:aws:iam::\d{12}:role\/.+/.test(role))
    throw fail('InvalidImportSourceException', 'S3BucketAccessRoleArn is not the ARN of a role.')
  return { uri, region, role }
}

/** Begins an import, or goes on with one that failed or was stopped. One at a time (API reference, StartImport). */
export const StartImport: Operation<'StartImport'> = async (ctx, input) => {
  const { ImportId, Destinations, ImportSource: given, StartEventTime, EndEventTime } = input
  const now = ctx.now().getTime()
  if (ImportId !== undefined) {
    if (Destinations || given || StartEventTime || EndEventTime)
      throw fail('InvalidParameterException', 'ImportId cannot be given together with anything else.')
    return toImport(
      await ctx.write(async (tx) => {
        const known = await getImport(tx, ImportId)
        await checkIdle(tx)
        tx.wake('cloudtrail.import', ImportId)
        return tx.put(Import, { ...known, status: 'INITIALIZING', updated: now })
      }),
    )
  }
  const [destination] = Destinations ?? []
  if (!destination || !given)
    throw fail('InvalidParameterException', 'Destinations and ImportSource are needed for a new import.')
  if (StartEventTime && EndEventTime && StartEventTime > EndEventTime)
    throw fail('InvalidParameterException', 'StartEventTime must be before EndEventTime.')
  const source = checkSource(given)
  await ctx.authorize('iam:PassRole', source.role, { 'iam:PassedToService': ['cloudtrail.amazonaws.com'] })
  const record = await ctx.write(async (tx) => {
    const store = await getActiveStore(ctx, tx, destination)
    if (!['Management', 'Data', 'NetworkActivity'].includes(categoryOf(store)))
      throw fail(
        'InvalidEventDataStoreCategoryException',
        'Trail events can be copied to a store of CloudTrail events only.',
      )
    await checkIdle(tx)
    const id = ctx.newId()
    tx.wake('cloudtrail.import', id)
    return tx.put(Import, {
      id,
      destination: store.arn,
      source,
      ...(StartEventTime ? { from: StartEventTime.getTime() } : {}),
      ...(EndEventTime ? { to: EndEventTime.getTime() } : {}),
      status: 'INITIALIZING',
      created: now,
      updated: now,
      files: 0,
      events: 0,
      failed: 0,
    })
  })
  return toImport(record)
}

const checkIdle = async (tx: ReadTx): Promise<void> => {
  if ((await tx.list(Import)).some(isActive))
    throw fail('AccountHasOngoingImportException', 'An import is running; wait for it or stop it.')
}

export const GetImport: Operation<'GetImport'> = async (ctx, { ImportId }) => {
  const record = await ctx.read((tx) => getImport(tx, ImportId))
  return { ...toImport(record), ...toStatistics(record) }
}

export const StopImport: Operation<'StopImport'> = async (ctx, { ImportId }) => {
  const record = await ctx.write(async (tx) => {
    const known = await getImport(tx, ImportId)
    return isActive(known) ? tx.put(Import, { ...known, status: 'STOPPED', updated: ctx.now().getTime() }) : known
  })
  return { ...toImport(record), ...toStatistics(record) }
}

export const ListImports: Operation<'ListImports'> = async (
  ctx,
  { Destination, ImportStatus: status, NextToken, MaxResults = 100 },
) => {
  const all = await ctx.read((tx) => tx.list(Import))
  const wanted = all
    .filter(
      (record) =>
        (Destination === undefined || record.destination === Destination) &&
        (status === undefined || record.status === status),
    )
    .sort((a, b) => b.created - a.created)
  const { items, ...more } = page(wanted, NextToken, MaxResults)
  return {
    Imports: items.map(({ id, destination, status: ImportStatus, created, updated }) => ({
      ImportId: id,
      ImportStatus,
      Destinations: [destination],
      CreatedTimestamp: new Date(created),
      UpdatedTimestamp: new Date(updated),
    })),
    ...more,
  }
}

export const ListImportFailures: Operation<'ListImportFailures'> = async (
  ctx,
  { ImportId, NextToken, MaxResults = 100 },
) => {
  const failures = await ctx.read(async (tx) => {
    await getImport(tx, ImportId).catch(() => {
      throw fail('InvalidParameterException', `The import ${ImportId} was not found.`)
    })
    return tx.list(ImportFailure, { prefix: `${ImportId}|` })
  })
  const { items, ...more } = page(failures, NextToken, MaxResults)
  return {
    Failures: items.map(({ location, type, message, updated }) => ({
      Location: location,
      Status: 'FAILED' as const,
      ErrorType: type,
      ErrorMessage: message,
      LastUpdatedTime: new Date(updated),
    })),
    ...more,
  }
}

const bytesOf = async (body: unknown): Promise<Buffer> => {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body as AsyncIterable<Uint8Array>) {
    size += part.length
    if (size > LARGEST) throw new Error('The file is too large.')
    parts.push(Buffer.from(part))
  }
  return Buffer.concat(parts)
}

/** The records of a log file. Throws for what is none. */
const recordsIn = async (s3: Caller['s3'], bucket: string, key: string): Promise<AuditRecord[]> => {
  const { Body } = await s3.getObject({ Bucket: bucket, Key: key })
  const content = Body instanceof Uint8Array ? Buffer.from(Body) : await bytesOf(Body)
  const text = await open(content, { maxOutputLength: LARGEST })
  const { Records } = JSON.parse(text.toString()) as { Records?: unknown }
  if (!Array.isArray(Records)) throw new Error('The file has no Records.')
  return Records.filter(
    (record): record is AuditRecord =>
      typeof record === 'object' &&
      record !== null &&
      typeof record.eventID === 'string' &&
      !Number.isNaN(Date.parse(record.eventTime)),
  )
}

/** Takes in one file; a file that the store has already (a server died over it) is not taken twice. */
const importFile = async (
  ctx: Ctx,
  record: ImportRecord,
  s3: Caller['s3'],
  bucket: string,
  key: string,
): Promise<number> => {
  const id = record.destination.split('/').at(-1) ?? ''
  const store = await ctx.read((tx) => tx.get(EventDataStore, id))
  if (!store) throw new Error('The event data store is gone.')
  const stream = `${storePrefix(store)}import-${record.id}`
  const [last] = await ctx.append.range(stream, { reverse: true, limit: 1 })
  const records = await recordsIn(s3, bucket, key)
  if ((last?.body as { file?: string } | undefined)?.file === key) return records.length
  const selected = matcher(store.selectors)
  const wanted = records.filter((event) => {
    const time = Date.parse(event.eventTime)
    return (
      (record.from === undefined || time >= record.from) &&
      (record.to === undefined || time <= record.to) &&
      selected(event)
    )
  })
  await ctx.append.append(
    stream,
    wanted.map((event) => ({ time: Date.parse(event.eventTime), body: { file: key, event } })),
  )
  return wanted.length
}

/** The next files of an import, under its role. Key: its id. */
export const runImports: Reconciler = {
  name: 'cloudtrail.import',
  step: async (ctx, id) => {
    const record = await ctx.read((tx) => tx.get(Import, id))
    if (!record || !isActive(record)) return done()
    const { bucket = '', prefix = '' } = locationOf(record.source.uri) ?? {}
    const role = ctx.as(record.source.role, { region: record.source.region })
    const save = (facts: Partial<ImportRecord>, failures: readonly FailureRecord[] = []) =>
      ctx.write(async (tx) => {
        const present = await tx.get(Import, id)
        if (!present) return
        const status = isActive(present) ? (facts.status ?? 'IN_PROGRESS') : present.status
        tx.put(Import, { ...present, ...facts, status, updated: ctx.now().getTime() })
        for (const failure of failures) tx.put(ImportFailure, failure)
      })
    const failureOf = (location: string, error: unknown): FailureRecord => ({
      import: id,
      location,
      type: error instanceof AwsError ? error.code : 'InvalidFile',
      message: error instanceof Error ? error.message.slice(0, 500) : String(error),
      updated: ctx.now().getTime(),
    })
    let keys: string[]
    try {
      const listed = await role.s3.listObjectsV2({
        Bucket: bucket,
        Prefix: prefix,
        MaxKeys: FILES_PER_STEP,
        ...(record.last === undefined ? {} : { StartAfter: record.last }),
      })
      keys = (listed.Contents ?? []).map(({ Key = '' }) => Key)
    } catch (error) {
      if (!(error instanceof AwsError)) throw error
      await save({ status: 'FAILED', failed: record.failed + 1 }, [failureOf(record.source.uri, error)])
      return done()
    }
    let { files, events, failed } = record
    for (const key of keys) {
      const failures: FailureRecord[] = []
      try {
        if (!/\.json\.gz$/.test(key)) continue
        events += await importFile(ctx, record, role.s3, bucket, key)
        files += 1
      } catch (error) {
        failed += 1
        failures.push(failureOf(`s3://${bucket}/${key}`, error))
      }
      await save({ last: key, files, events, failed }, failures)
    }
    if (keys.length === FILES_PER_STEP) return again({ in: 0 })
    await save({ status: failed > 0 ? 'FAILED' : 'COMPLETED' })
    return done()
  },
}
