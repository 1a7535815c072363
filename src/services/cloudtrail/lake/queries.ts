import type { Ctx } from '../../../kernel/context.ts'
import { notImplemented } from '../../../kernel/errors.ts'
import type { ReadTx } from '../../../store/store.ts'
import { fail, type Operation, page } from '../operation.ts'
import { getActiveStore } from './event-data-store.ts'
import { checkStatement, enqueue, isOver, Query, type QueryRecord, resultStream } from './query.ts'

const PAGE = 1000

const getQuery = async (tx: ReadTx, id: string): Promise<QueryRecord> => {
  const query = await tx.get(Query, id)
  if (!query) throw fail('QueryIdNotFoundException', `The query ID ${id} does not exist or does not map to a query.`)
  return query
}

const refuseOthers = (ctx: Ctx, owner: string | undefined): void => {
  if (owner !== undefined && owner !== ctx.account)
    throw notImplemented('queries of event data stores of other accounts')
}

/** Queues a query; what is wrong with the statement is said at once. Results are kept for seven days. */
export const StartQuery: Operation<'StartQuery'> = async (ctx, input) => {
  refuseOthers(ctx, input.EventDataStoreOwnerAccountId)
  const { QueryStatement: statement, QueryParameters: parameters = [] } = input
  if (statement === undefined)
    throw fail(
      'InvalidParameterException',
      'QueryStatement is needed: there are no predefined queries that QueryAlias could name.',
    )
  if (input.QueryAlias !== undefined)
    throw fail('InvalidParameterException', 'QueryStatement and QueryAlias cannot be given together.')
  const stores = await checkStatement(ctx, statement, parameters)
  const uri = input.DeliveryS3Uri
  const { id } = await ctx.write((tx) =>
    enqueue(ctx, tx, { statement, parameters, stores, ...(uri === undefined ? {} : { uri }) }),
  )
  return { QueryId: id }
}

const findByAlias = async (tx: ReadTx, alias: string, refresh = ''): Promise<QueryRecord> => {
  const found = await tx.list(Query, { index: 'alias', equals: `${refresh}/${alias}` })
  const latest = found.sort((a, b) => b.created - a.created)[0]
  if (!latest) throw fail('QueryIdNotFoundException', `There is no query of the alias ${alias}.`)
  return latest
}

/** How a query stands, by its id or by the alias of a dashboard's widget. */
export const DescribeQuery: Operation<'DescribeQuery'> = async (ctx, input) => {
  refuseOthers(ctx, input.EventDataStoreOwnerAccountId)
  const { QueryId, QueryAlias } = input
  if ((QueryId === undefined) === (QueryAlias === undefined))
    throw fail('InvalidParameterException', 'Exactly one of QueryId and QueryAlias is needed.')
  const query = await ctx.read(async (tx) => {
    if (input.EventDataStore !== undefined) await getActiveStore(ctx, tx, input.EventDataStore)
    return QueryId === undefined ? findByAlias(tx, QueryAlias ?? '', input.RefreshId) : getQuery(tx, QueryId)
  })
  const { matched, scanned, bytes, milliseconds } = query.statistics
  return {
    QueryId: query.id,
    QueryString: query.statement,
    QueryStatus: query.status,
    QueryStatistics: {
      EventsMatched: matched,
      EventsScanned: scanned,
      BytesScanned: bytes,
      ExecutionTimeInMillis: milliseconds,
      CreationTime: new Date(query.created),
    },
    ErrorMessage: query.error,
    DeliveryS3Uri: query.delivery?.uri,
    DeliveryStatus: query.delivery?.status,
  }
}

/** A page of rows, each a list of one name and value per column. */
export const GetQueryResults: Operation<'GetQueryResults'> = async (ctx, input) => {
  refuseOthers(ctx, input.EventDataStoreOwnerAccountId)
  const size = input.MaxQueryResults ?? PAGE
  if (size < 1 || size > PAGE)
    throw fail('InvalidMaxResultsException', `MaxQueryResults must be between 1 and ${PAGE}.`)
  const query = await ctx.read((tx) => getQuery(tx, input.QueryId))
  const after = input.NextToken === undefined ? 0 : Number(Buffer.from(input.NextToken, 'base64url').toString())
  if (!Number.isInteger(after) || after < 0 || after > query.statistics.results)
    throw fail('InvalidNextTokenException', 'The token is invalid.')
  const rows = query.status === 'FINISHED' ? await ctx.append.range(resultStream(query.id), { after, limit: size }) : []
  const seen = after + rows.length
  return {
    QueryStatus: query.status,
    QueryStatistics: {
      ResultsCount: rows.length,
      TotalResultsCount: query.statistics.results,
      BytesScanned: query.statistics.bytes,
    },
    QueryResultRows: rows.map(({ body }) =>
      query.columns.map((name, at) => ({ [name]: (body as string[])[at] ?? '' })),
    ),
    ErrorMessage: query.error,
    ...(rows.length > 0 && seen < query.statistics.results
      ? { NextToken: Buffer.from(String(seen).padStart(6, '0')).toString('base64url') }
      : {}),
  }
}

/** Ends a query that has not ended. */
export const CancelQuery: Operation<'CancelQuery'> = async (ctx, input) => {
  refuseOthers(ctx, input.EventDataStoreOwnerAccountId)
  return ctx.write(async (tx) => {
    const query = await getQuery(tx, input.QueryId)
    if (isOver(query))
      throw fail('InactiveQueryException', 'The specified query cannot be canceled because it is in a terminal state.')
    const { delivery } = query
    tx.put(Query, {
      ...query,
      status: 'CANCELLED',
      ...(delivery ? { delivery: { ...delivery, status: 'CANCELLED' } } : {}),
    })
    return { QueryId: query.id, QueryStatus: 'CANCELLED' as const }
  })
}

/** Queries of the last seven days that read a store, newest first. */
export const ListQueries: Operation<'ListQueries'> = async (ctx, input) => {
  const { StartTime, EndTime, QueryStatus, NextToken, MaxResults = 1000 } = input
  if (StartTime && EndTime && StartTime > EndTime)
    throw fail('InvalidDateRangeException', 'The start time must be before the end time.')
  const found = await ctx.read(async (tx) => {
    const { id } = await getActiveStore(ctx, tx, input.EventDataStore)
    return (await tx.list(Query)).filter(({ stores }) => stores.includes(id))
  })
  const wanted = found
    .filter(
      ({ created }) => (!StartTime || created >= StartTime.getTime()) && (!EndTime || created <= EndTime.getTime()),
    )
    .filter(({ status }) => QueryStatus === undefined || status === QueryStatus)
    .sort((a, b) => b.created - a.created)
  const { items, ...more } = page(wanted, NextToken, MaxResults)
  return {
    Queries: items.map(({ id, status, created }) => ({
      QueryId: id,
      QueryStatus: status,
      CreationTime: new Date(created),
    })),
    ...more,
  }
}
