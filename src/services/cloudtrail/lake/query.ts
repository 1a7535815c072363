import type { DeliveryStatus, QueryStatus } from '@aws-sdk/client-cloudtrail'
import type { Ctx } from '../../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../../store/store.ts'
import { fail } from '../operation.ts'
import { getActiveStore } from './event-data-store.ts'
import { checkQuery, storesIn } from './sql/run.ts'
import { StatementError } from './sql/text.ts'

export type QueryRecord = {
  readonly id: string
  readonly statement: string
  readonly parameters: readonly string[]
  /** Ids of the event data stores it reads. */
  readonly stores: readonly string[]
  readonly status: QueryStatus
  /** Milliseconds since the epoch. */
  readonly created: number
  readonly alias?: string
  /** The refresh of a dashboard it belongs to. */
  readonly refresh?: string
  readonly delivery?: { readonly uri: string; readonly status: DeliveryStatus }
  readonly error?: string
  readonly columns: readonly string[]
  readonly statistics: {
    readonly matched: number
    readonly scanned: number
    readonly bytes: number
    readonly milliseconds: number
    readonly results: number
  }
}

export const Query = table<QueryRecord>('cloudtrail.query', {
  scope: 'region',
  key: ({ id }) => id,
  index: { alias: ({ alias, refresh }) => (alias === undefined ? undefined : `${refresh ?? ''}/${alias}`) },
})

/** Rows of a result, each a list of texts. */
export const resultStream = (id: string): string => `lake-result/${id}`

const MOST_RUNNING = 10
export const isOver = ({ status }: Pick<QueryRecord, 'status'>): boolean => status !== 'QUEUED' && status !== 'RUNNING'

/** The stores of a statement that is right. Throws InvalidQueryStatementException, EventDataStoreNotFoundException. */
export const checkStatement = async (
  ctx: Ctx,
  statement: string,
  parameters: readonly string[] = [],
): Promise<string[]> => {
  let stores: string[]
  try {
    const { parseStatement } = await import('./sql/parse.ts')
    const parsed = parseStatement(statement, parameters)
    stores = storesIn(parsed)
    await checkQuery(parsed, ctx.now())
  } catch (error) {
    if (error instanceof StatementError) throw fail('InvalidQueryStatementException', error.message)
    throw error
  }
  if (stores.length === 0) throw fail('InvalidQueryStatementException', 'A query must read from an event data store.')
  return stores
}

const nothing = { matched: 0, scanned: 0, bytes: 0, milliseconds: 0, results: 0 }

/** Queues a query whose stores exist. Throws MaxConcurrentQueriesException. */
export const enqueue = async (
  ctx: Ctx,
  tx: WriteTx,
  asked: Pick<QueryRecord, 'statement' | 'parameters' | 'stores'> & { alias?: string; refresh?: string; uri?: string },
): Promise<QueryRecord> => {
  await checkStores(ctx, tx, asked.stores)
  const running = (await tx.list(Query)).filter((query) => !isOver(query))
  if (running.length >= MOST_RUNNING && asked.refresh === undefined)
    throw fail('MaxConcurrentQueriesException', 'You are already running the maximum number of concurrent queries.')
  const { uri, ...rest } = asked
  const query: QueryRecord = {
    ...rest,
    id: ctx.newId(),
    status: 'QUEUED',
    created: ctx.now().getTime(),
    ...(uri === undefined ? {} : { delivery: { uri, status: 'PENDING' } }),
    columns: [],
    statistics: nothing,
  }
  tx.put(Query, query)
  tx.wake('cloudtrail.query', query.id)
  return query
}

export const checkStores = async (ctx: Ctx, tx: ReadTx, stores: readonly string[]): Promise<void> => {
  for (const store of stores) {
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(store))
      throw fail(
        'InvalidQueryStatementException',
        `FROM must name an event data store by its id; ${store.slice(0, 100)} is none.`,
      )
    await getActiveStore(ctx, tx, store)
  }
}
