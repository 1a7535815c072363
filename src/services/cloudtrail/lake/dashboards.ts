import type { RefreshSchedule, RequestWidget, Widget } from '@aws-sdk/client-cloudtrail'
import type { Ctx } from '../../../kernel/context.ts'
import type { Present } from '../../../kernel/types.ts'
import { type ReadTx, table, type WriteTx } from '../../../store/store.ts'
import { again, done, type Reconciler } from '../../../work/reconciler.ts'
import { fail, type Operation, page, readTags, type Tags, toTags } from '../operation.ts'
import { checkStatement, checkStores, enqueue } from './query.ts'

export type DashboardRecord = {
  readonly arn: string
  readonly name: string
  readonly widgets: readonly Widget[]
  readonly schedule?: RefreshSchedule
  readonly protected: boolean
  readonly tags: Tags
  readonly created: number
  readonly updated: number
  readonly lastRefresh?: string
  readonly lastFailure?: string
}
/** Dashboards of one's own; CloudTrail's managed ones are not here. */
export const Dashboard = table<DashboardRecord>('cloudtrail.dashboard', { scope: 'region', key: ({ arn }) => arn })

const MOST_DASHBOARDS = 100
const MOST_WIDGETS = 10
const HOUR = 3_600_000
const DAY = 24 * HOUR

const toDashboard = (dashboard: DashboardRecord) => ({
  DashboardArn: dashboard.arn,
  Name: dashboard.name,
  Type: 'CUSTOM' as const,
  Widgets: [...dashboard.widgets],
  RefreshSchedule: dashboard.schedule,
  TerminationProtectionEnabled: dashboard.protected,
})

/** By ARN or name. Throws ResourceNotFoundException. */
export const getDashboard = async (ctx: Ctx, tx: ReadTx, id: string): Promise<DashboardRecord> => {
  const dashboard = await tx.get(Dashboard, id.startsWith('arn:') ? id : ctx.arn(`dashboard/${id}`))
  if (!dashboard) throw fail('ResourceNotFoundException', `The dashboard ${id} was not found.`)
  return dashboard
}

const placeholders = ['$StartTime$', '$EndTime$', '$Period$', '$EventDataStoreId$']
/** What stands for the values of a refresh while a widget's statement is looked at. */
const samples: Readonly<Record<string, string>> = {
  $StartTime$: '2026-01-01 00:00:00',
  $EndTime$: '2026-01-02 00:00:00',
  $Period$: 'hour',
}

const valuesOf = (widget: Widget, given: Readonly<Record<string, string>>): string[] =>
  (widget.QueryParameters ?? []).map((parameter) => given[parameter] ?? parameter)

const readWidgets = async (ctx: Ctx, given: readonly Present<RequestWidget>[]): Promise<Widget[]> => {
  if (given.length > MOST_WIDGETS)
    throw fail('ServiceQuotaExceededException', `A dashboard can have no more than ${MOST_WIDGETS} widgets.`)
  const widgets: Widget[] = []
  for (const { QueryStatement, QueryParameters, ViewProperties } of given) {
    const widget: Widget = {
      QueryAlias: `w${ctx.random(15)}`,
      QueryStatement,
      ...(QueryParameters ? { QueryParameters } : {}),
      ViewProperties,
    }
    const stores = await checkStatement(ctx, QueryStatement, valuesOf(widget, samples))
    await ctx.read((tx) => checkStores(ctx, tx, stores))
    widgets.push(widget)
  }
  return widgets
}

const checkSchedule = ({ Frequency, TimeOfDay, Status }: RefreshSchedule): void => {
  const invalid = (message: string) => fail('InvalidParameterException', message)
  if (Status === 'ENABLED' && !Frequency) throw invalid('An enabled refresh schedule needs a frequency.')
  if (!Frequency) return
  const { Unit, Value } = Frequency
  const right = Unit === 'HOURS' ? [1, 6, 12, 24].includes(Value ?? 0) : Unit === 'DAYS' && Value === 1
  if (!right) throw invalid('A dashboard is refreshed every 1, 6, 12 or 24 hours, or every day.')
  if (TimeOfDay !== undefined && !/^([01]\d|2[0-3]):[0-5]\d$/.test(TimeOfDay))
    throw invalid('TimeOfDay must be a time such as 06:00.')
}

/** Milliseconds until the next refresh of a schedule: at its time of day, or that many hours on. */
const untilRefresh = (now: number, { Frequency, TimeOfDay }: RefreshSchedule): number => {
  const every = Frequency?.Unit === 'DAYS' ? DAY : (Frequency?.Value ?? 24) * HOUR
  if (TimeOfDay === undefined) return every
  const [hour = 0, minute = 0] = TimeOfDay.split(':').map(Number)
  const first = Math.floor(now / DAY) * DAY + hour * HOUR + minute * 60_000
  return every - ((((now - first) % every) + every) % every)
}

const schedule = (ctx: Ctx, tx: WriteTx, { arn, schedule: given }: DashboardRecord): void => {
  if (given?.Status === 'ENABLED')
    tx.wake('cloudtrail.dashboard', arn, { in: untilRefresh(ctx.now().getTime(), given) })
}

/** Errors: ConflictException for a name that is taken, InvalidQueryStatementException for a widget's query. */
export const CreateDashboard: Operation<'CreateDashboard'> = async (ctx, input) => {
  if (input.RefreshSchedule) checkSchedule(input.RefreshSchedule)
  const widgets = await readWidgets(ctx, input.Widgets ?? [])
  const now = ctx.now().getTime()
  const dashboard: DashboardRecord = {
    arn: ctx.arn(`dashboard/${input.Name}`),
    name: input.Name,
    widgets,
    ...(input.RefreshSchedule ? { schedule: input.RefreshSchedule } : {}),
    protected: input.TerminationProtectionEnabled ?? false,
    tags: readTags(input.TagsList),
    created: now,
    updated: now,
  }
  await ctx.write(async (tx) => {
    const known = await tx.list(Dashboard)
    if (known.some(({ arn }) => arn === dashboard.arn))
      throw fail('ConflictException', `The dashboard ${input.Name} already exists.`)
    if (known.length >= MOST_DASHBOARDS)
      throw fail('ServiceQuotaExceededException', `There can be no more than ${MOST_DASHBOARDS} dashboards.`)
    tx.put(Dashboard, dashboard)
    schedule(ctx, tx, dashboard)
  })
  return { ...toDashboard(dashboard), TagsList: toTags(dashboard.tags) }
}

export const GetDashboard: Operation<'GetDashboard'> = async (ctx, { DashboardId }) => {
  const dashboard = await ctx.read((tx) => getDashboard(ctx, tx, DashboardId))
  const { Name: _, ...wire } = toDashboard(dashboard)
  return {
    ...wire,
    Status: dashboard.updated === dashboard.created ? 'CREATED' : 'UPDATED',
    CreatedTimestamp: new Date(dashboard.created),
    UpdatedTimestamp: new Date(dashboard.updated),
    LastRefreshId: dashboard.lastRefresh,
    LastRefreshFailureReason: dashboard.lastFailure,
  }
}

export const ListDashboards: Operation<'ListDashboards'> = async (
  ctx,
  { NamePrefix = '', Type, NextToken, MaxResults = 100 },
) => {
  const all = Type === 'MANAGED' ? [] : await ctx.read((tx) => tx.list(Dashboard))
  const { items, ...more } = page(
    all.filter(({ name }) => name.startsWith(NamePrefix)),
    NextToken,
    MaxResults,
  )
  return { Dashboards: items.map(({ arn }) => ({ DashboardArn: arn, Type: 'CUSTOM' as const })), ...more }
}

export const UpdateDashboard: Operation<'UpdateDashboard'> = async (ctx, input) => {
  await ctx.read((tx) => getDashboard(ctx, tx, input.DashboardId))
  if (input.RefreshSchedule) checkSchedule(input.RefreshSchedule)
  const widgets = input.Widgets ? await readWidgets(ctx, input.Widgets) : undefined
  const dashboard = await ctx.write(async (tx) => {
    const known = await getDashboard(ctx, tx, input.DashboardId)
    const next = tx.put(Dashboard, {
      ...known,
      widgets: widgets ?? known.widgets,
      ...(input.RefreshSchedule ? { schedule: input.RefreshSchedule } : {}),
      protected: input.TerminationProtectionEnabled ?? known.protected,
      updated: ctx.now().getTime(),
    })
    schedule(ctx, tx, next)
    return next
  })
  return {
    ...toDashboard(dashboard),
    CreatedTimestamp: new Date(dashboard.created),
    UpdatedTimestamp: new Date(dashboard.updated),
  }
}

export const DeleteDashboard: Operation<'DeleteDashboard'> = async (ctx, { DashboardId }) => {
  await ctx.write(async (tx) => {
    const { arn, protected: kept } = await getDashboard(ctx, tx, DashboardId)
    if (kept)
      throw fail(
        'ConflictException',
        'The dashboard cannot be deleted because termination protection is enabled for it.',
      )
    tx.delete(Dashboard, arn)
  })
  return {}
}

/** Queues the queries of all widgets. */
const refresh = async (ctx: Ctx, arn: string, given: Readonly<Record<string, string>>): Promise<string> => {
  const dashboard = await ctx.read((tx) => getDashboard(ctx, tx, arn))
  const id = ctx.random(15, '0123456789')
  const queries: { alias: string; statement: string; parameters: string[]; stores: string[] }[] = []
  for (const widget of dashboard.widgets) {
    const { QueryAlias: alias = '', QueryStatement: statement = '' } = widget
    const parameters = valuesOf(widget, given)
    const missing = parameters.find((value) => placeholders.includes(value))
    if (missing) throw fail('InvalidParameterException', `A value for ${missing} is needed.`)
    queries.push({ alias, statement, parameters, stores: await checkStatement(ctx, statement, parameters) })
  }
  await ctx.write(async (tx) => {
    const { lastFailure: _, ...present } = await getDashboard(ctx, tx, arn)
    for (const query of queries) await enqueue(ctx, tx, { ...query, refresh: id })
    tx.put(Dashboard, { ...present, lastRefresh: id })
  })
  return id
}

/** Runs the widgets' queries; DescribeQuery finds each by the refresh and the widget's alias. */
export const StartDashboardRefresh: Operation<'StartDashboardRefresh'> = async (
  ctx,
  { DashboardId, QueryParameterValues = {} },
) => {
  const { arn } = await ctx.read((tx) => getDashboard(ctx, tx, DashboardId))
  return { RefreshId: await refresh(ctx, arn, QueryParameterValues) }
}

/** Refreshes a dashboard by its schedule. Key: its ARN. */
export const refreshDashboards: Reconciler = {
  name: 'cloudtrail.dashboard',
  step: async (ctx, arn) => {
    const dashboard = await ctx.read((tx) => tx.get(Dashboard, arn))
    if (dashboard?.schedule?.Status !== 'ENABLED') return done()
    const now = ctx.now().getTime()
    const every = untilRefresh(now, dashboard.schedule)
    const text = (time: number) => new Date(time).toISOString().slice(0, 19).replace('T', ' ')
    const values = { $StartTime$: text(now - DAY), $EndTime$: text(now), $Period$: 'hour' }
    try {
      await refresh(ctx, arn, values)
    } catch (error) {
      const lastFailure = error instanceof Error ? error.message : String(error)
      await ctx.write(async (tx) => tx.put(Dashboard, { ...dashboard, lastFailure }))
    }
    return again({ in: every })
  },
}
