import type { Ctx } from '../../kernel/context.ts'
import type { TableSettings } from './maintenance-settings.ts'
import { type Compaction, defaultRemoval, type FileRemoval, type SnapshotManagement } from './maintenance-settings.ts'
import { fail, type Operation } from './operation.ts'
import { getOwnTable, getTable, Table, type TableRecord, tableArn } from './table.ts'
import { getOwnTableBucket, getTableBucket, TableBucket } from './table-buckets.ts'

// What is to be done for tables, and how it went ("S3 Tables maintenance", S3 user guide).

const range = (name: string, value: number | undefined, least: number, most: number): number | undefined => {
  if (value !== undefined && (value < least || value > most))
    throw fail('BadRequestException', `${name} must be between ${least} and ${most}.`)
  return value
}
const anyNumber = 2_147_483_647

const toRemoval = ({ status, ...settings }: FileRemoval) => ({
  status,
  settings: { icebergUnreferencedFileRemoval: settings },
})
const toSnapshots = ({ status, ...settings }: SnapshotManagement) => ({
  status,
  settings: { icebergSnapshotManagement: settings },
})
const toCompaction = ({ status, ...settings }: Compaction) => ({ status, settings: { icebergCompaction: settings } })

export const GetTableBucketMaintenanceConfiguration: Operation<'GetTableBucketMaintenanceConfiguration'> = async (
  ctx,
  input,
) => {
  const { arn, removal } = await ctx.read((tx) => getTableBucket(ctx, tx, input.tableBucketARN))
  return { tableBucketARN: arn, configuration: { icebergUnreferencedFileRemoval: toRemoval(removal) } }
}

/** Settings that are not told are as they were made. Throws BadRequestException. */
export const PutTableBucketMaintenanceConfiguration: Operation<'PutTableBucketMaintenanceConfiguration'> = (
  ctx,
  input,
) => {
  const { status = 'enabled', settings } = input.value
  const { unreferencedDays, nonCurrentDays } = settings?.icebergUnreferencedFileRemoval ?? {}
  return ctx.write(async (tx) => {
    const bucket = await getOwnTableBucket(ctx, tx, input.tableBucketARN)
    const removal: FileRemoval = {
      status,
      unreferencedDays: unreferencedDays ?? defaultRemoval.unreferencedDays,
      nonCurrentDays: nonCurrentDays ?? defaultRemoval.nonCurrentDays,
    }
    tx.put(TableBucket, { ...bucket, removal })
    return {}
  })
}

export const GetTableMaintenanceConfiguration: Operation<'GetTableMaintenanceConfiguration'> = async (ctx, input) => {
  const table = await ctx.read((tx) => getTable(ctx, tx, input))
  return {
    tableARN: tableArn(table),
    configuration: {
      icebergCompaction: toCompaction(table.compaction),
      icebergSnapshotManagement: toSnapshots(table.snapshots),
    },
  }
}

/** Settings that are not told stay as they are. Throws BadRequestException. */
export const PutTableMaintenanceConfiguration: Operation<'PutTableMaintenanceConfiguration'> = (ctx, input) => {
  const { type, value } = input
  const { icebergCompaction: compaction, icebergSnapshotManagement: snapshots } = value.settings ?? {}
  if ((compaction && type !== 'icebergCompaction') || (snapshots && type !== 'icebergSnapshotManagement'))
    throw fail('BadRequestException', 'The settings are not those of the maintenance type.')
  const changed = (table: TableRecord): TableSettings =>
    type === 'icebergCompaction'
      ? {
          compaction: {
            status: value.status ?? table.compaction.status,
            targetFileSizeMB:
              range('targetFileSizeMB', compaction?.targetFileSizeMB, 64, 512) ?? table.compaction.targetFileSizeMB,
            strategy: compaction?.strategy ?? table.compaction.strategy,
          },
        }
      : {
          snapshots: {
            status: value.status ?? table.snapshots.status,
            minSnapshotsToKeep:
              range('minSnapshotsToKeep', snapshots?.minSnapshotsToKeep, 1, anyNumber) ??
              table.snapshots.minSnapshotsToKeep,
            maxSnapshotAgeHours:
              range('maxSnapshotAgeHours', snapshots?.maxSnapshotAgeHours, 1, anyNumber) ??
              table.snapshots.maxSnapshotAgeHours,
          },
        }
  return ctx.write(async (tx) => {
    const table = await getOwnTable(ctx, tx, input)
    tx.put(Table, { ...table, ...changed(table) })
    return {}
  })
}

type Job = NonNullable<TableRecord['jobs']>['snapshots']

const toJob = (status: 'enabled' | 'disabled', job: Job) =>
  status === 'disabled'
    ? { status: 'Disabled' as const }
    : job
      ? {
          status: job.status,
          lastRunTimestamp: new Date(job.at),
          ...(job.message === undefined ? {} : { failureMessage: job.message }),
        }
      : { status: 'Not_Yet_Run' as const }

export const GetTableMaintenanceJobStatus: Operation<'GetTableMaintenanceJobStatus'> = async (ctx: Ctx, input) => {
  const { table, bucket } = await ctx.read(async (tx) => ({
    table: await getTable(ctx, tx, input),
    bucket: await getTableBucket(ctx, tx, input.tableBucketARN),
  }))
  return {
    tableARN: tableArn(table),
    status: {
      icebergCompaction: toJob(table.compaction.status, undefined),
      icebergSnapshotManagement: toJob(table.snapshots.status, table.jobs?.snapshots),
      icebergUnreferencedFileRemoval: toJob(bucket.removal.status, table.jobs?.removal),
    },
  }
}
