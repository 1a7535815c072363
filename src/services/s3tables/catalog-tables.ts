import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { tableStores } from '../capabilities.ts'
import { authorizeData } from './iam.ts'
import { applyUpdates, parseCommit, unmetRequirement } from './iceberg/commit.ts'
import { InvalidMetadataError } from './iceberg/invalid.ts'
import { type Metadata, parseMetadata } from './iceberg/table-metadata.ts'
import { fail } from './operation.ts'
import { findTable, noSuchTable, type TableName, type TableRecord, tableArn } from './table.ts'
import { keyWithin, moveMetadata, writeMetadata } from './tables.ts'

// What the Iceberg REST endpoint does with a table's metadata: it reads them, and puts others in their place.

/** Somebody was faster, or what a commit requires does not hold: the client reads the table anew, and tries again. */
export const commitFailed = (message: string): AwsError =>
  new AwsError('CommitFailedException', message, { status: 409 })

const placeOf = ({ account, region }: TableRecord) => ({ account, region })

/** The metadata a table has now, read with the caller's rights to the key. Throws NotFoundException where it has none. */
const read = async (ctx: Ctx, table: TableRecord): Promise<{ metadata: Metadata; location: string }> => {
  const { metadataLocation: location } = table
  const key = location === undefined ? undefined : keyWithin(table, location)
  if (location === undefined || key === undefined) throw noSuchTable()
  const bytes = await ctx.use(tableStores).get(placeOf(table), table.store, key, ctx.principal)
  if (!bytes) throw fail('NotFoundException', 'The metadata file of the specified table does not exist.')
  return { metadata: parseMetadata(bytes), location }
}

const tableOf = async (ctx: Ctx, named: TableName): Promise<TableRecord> => {
  const table = await ctx.read((tx) => findTable(tx, named))
  if (!table) throw noSuchTable()
  return table
}

export type Loaded = { readonly 'metadata-location': string; readonly metadata: Metadata }

/** Reads a table. The caller needs the right to its data, but for one that he has just made. */
export const loadTable = async (ctx: Ctx, named: TableName, { made } = { made: false }): Promise<Loaded> => {
  const table = await tableOf(ctx, named)
  if (!made) await authorizeData(ctx, 'GetTableData', table)
  const { metadata, location } = await read(ctx, table)
  return { 'metadata-location': location, metadata }
}

/**
 * Changes a table as a commit says, if what it requires holds. Throws CommitFailedException (409) where that does not, or where
 * another commit was faster; InvalidMetadataError.
 */
export const commitTable = async (ctx: Ctx, named: TableName, body: unknown): Promise<Loaded> => {
  const { requirements, updates } = parseCommit(body)
  const table = await tableOf(ctx, named)
  await authorizeData(ctx, 'GetTableData', table)
  await authorizeData(ctx, 'PutTableData', table)
  await authorizeData(ctx, 'UpdateTableMetadataLocation', table)
  if (table.type === 'aws')
    throw fail('ForbiddenException', 'This operation is not allowed on a table that an AWS service manages.')
  const { metadata: before, location: file } = await read(ctx, table)
  const reason = unmetRequirement(before, requirements)
  if (reason !== undefined) throw commitFailed(`Requirement failed: ${reason}.`)
  const metadata = applyUpdates(before, updates, { file, now: ctx.now().getTime() })
  const { location, forget } = await writeMetadata(ctx, table, metadata, ctx.principal)
  const moved = await moveMetadata(ctx, tableArn(table), location, table.versionToken)
  if (!moved) {
    await forget()
    throw commitFailed('The table was changed by another commit. Load it again, and try again.')
  }
  return { 'metadata-location': location, metadata }
}

/** As the endpoint's errors are: what is wrong with metadata is wrong with the request. */
export const asRequestError = (error: unknown): unknown =>
  error instanceof InvalidMetadataError ? fail('BadRequestException', error.message) : error
