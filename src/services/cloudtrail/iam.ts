import { requestTags } from '../../kernel/authorize.ts'
import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules, Requirement } from '../../kernel/service.ts'
import { Query } from './lake/query.ts'
import { documentOf } from './lake/resource-policies.ts'
import type { NS, Operation } from './operation.ts'
import { tagsOf } from './tags.ts'
import { trailArn } from './trail.ts'

// Actions and resources ("Actions, resources, and condition keys for AWS CloudTrail", service authorization reference).

const everything = () => ({ resources: ['*'] })
/** Rules read what nobody has validated yet. */
const text = (value: unknown): string => (typeof value === 'string' ? value : '')

const trail = ({ Name }: { Name: string }, ctx: Ctx) => ({
  resources: [text(Name).startsWith('arn:') ? Name : trailArn(ctx.place, text(Name))],
})
const trailOf = ({ TrailName }: { TrailName?: string | undefined }, ctx: Ctx) => trail({ Name: TrailName ?? '*' }, ctx)

const withPrefix = (prefix: string) => (nameOrArn: string | undefined, ctx: Ctx) => ({
  resources: [text(nameOrArn).startsWith('arn:') ? text(nameOrArn) : ctx.arn(`${prefix}/${text(nameOrArn) || '*'}`)],
})
const store = withPrefix('eventdatastore')
const channel = withPrefix('channel')
const dashboard = withPrefix('dashboard')

const uuids = /[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}/g
const storesNamed = (statement: string): string[] => {
  const found = [...new Set(statement.slice(0, 10_000).match(uuids) ?? [])]
  return found.length > 0 ? found.map((id) => id.toLowerCase()) : ['*']
}

/** A query is about the stores it reads. */
const ofQuery = async ({ QueryId }: { QueryId?: string | undefined }, ctx: Ctx) => {
  const query = await ctx.read((tx) => tx.get(Query, text(QueryId)))
  return { resources: (query?.stores ?? ['*']).map((id) => ctx.arn(`eventdatastore/${id}`)) }
}
const ofStore = ({ EventDataStore }: { EventDataStore?: string | undefined }, ctx: Ctx) => store(EventDataStore, ctx)
const trailOrStore = (input: { TrailName?: string | undefined; EventDataStore?: string | undefined }, ctx: Ctx) =>
  input.EventDataStore === undefined ? trailOf(input, ctx) : ofStore(input, ctx)

/** Tags given while something is made need the right to add tags. */
const creating =
  <I>(action: string, rule: (input: I, ctx: Ctx) => { resources: string[] }): AccessRule<I> =>
  (input, ctx): Requirement[] => {
    const { TagsList, Tags = TagsList } = input as { TagsList?: unknown; Tags?: unknown }
    const own = { ...rule(input, ctx), context: requestTags({ Tags }) }
    return [action, ...(Array.isArray(Tags) && Tags.length > 0 ? ['AddTags'] : [])].map((name) => ({
      action: `cloudtrail:${name}`,
      ...own,
    }))
  }

type Tagging = Parameters<Operation<'AddTags'>>[1]
const tagged = ({ ResourceId, TagsList }: Tagging) => ({
  resources: [ResourceId],
  context: requestTags({ tags: TagsList }),
})

export const access: AccessRules<NS> = {
  operations: {
    LookupEvents: everything,
    CreateTrail: creating('CreateTrail', trail),
    UpdateTrail: trail,
    DeleteTrail: trail,
    GetTrail: trail,
    GetTrailStatus: trail,
    StartLogging: trail,
    StopLogging: trail,
    DescribeTrails: everything,
    ListTrails: everything,
    ListPublicKeys: everything,
    PutEventSelectors: trailOf,
    GetEventSelectors: trailOf,
    PutInsightSelectors: trailOrStore,
    GetInsightSelectors: trailOrStore,
    ListInsightsMetricData: everything,
    ListInsightsData: ({ InsightSource }, ctx) => trail({ Name: InsightSource }, ctx),
    PutEventConfiguration: trailOrStore,
    GetEventConfiguration: trailOrStore,
    RegisterOrganizationDelegatedAdmin: everything,
    DeregisterOrganizationDelegatedAdmin: everything,
    CreateEventDataStore: creating('CreateEventDataStore', (_, ctx) => store('*', ctx)),
    GetEventDataStore: ofStore,
    UpdateEventDataStore: ofStore,
    DeleteEventDataStore: ofStore,
    RestoreEventDataStore: ofStore,
    StartEventDataStoreIngestion: ofStore,
    StopEventDataStoreIngestion: ofStore,
    ListEventDataStores: everything,
    // The statement names the stores.
    StartQuery: ({ QueryStatement }, ctx) => ({
      resources: storesNamed(text(QueryStatement)).map((id) => ctx.arn(`eventdatastore/${id}`)),
    }),
    DescribeQuery: ofQuery,
    GetQueryResults: ofQuery,
    CancelQuery: ofQuery,
    ListQueries: ofStore,
    SearchSampleQueries: everything,
    CreateChannel: creating('CreateChannel', (_, ctx) => channel('*', ctx)),
    GetChannel: ({ Channel }, ctx) => channel(Channel, ctx),
    UpdateChannel: ({ Channel }, ctx) => channel(Channel, ctx),
    DeleteChannel: ({ Channel }, ctx) => channel(Channel, ctx),
    ListChannels: everything,
    CreateDashboard: creating<{ Name: string }>('CreateDashboard', ({ Name }, ctx) => dashboard(Name, ctx)),
    GetDashboard: ({ DashboardId }, ctx) => dashboard(DashboardId, ctx),
    UpdateDashboard: ({ DashboardId }, ctx) => dashboard(DashboardId, ctx),
    DeleteDashboard: ({ DashboardId }, ctx) => dashboard(DashboardId, ctx),
    StartDashboardRefresh: ({ DashboardId }, ctx) => dashboard(DashboardId, ctx),
    ListDashboards: everything,
    StartImport: everything,
    GetImport: everything,
    StopImport: everything,
    ListImports: everything,
    ListImportFailures: everything,
    PutResourcePolicy: ({ ResourceArn }) => ({ resources: [ResourceArn] }),
    GetResourcePolicy: ({ ResourceArn }) => ({ resources: [ResourceArn] }),
    DeleteResourcePolicy: ({ ResourceArn }) => ({ resources: [ResourceArn] }),
    AddTags: tagged,
    RemoveTags: tagged,
    ListTags: ({ ResourceIdList }) => ({ resources: Array.isArray(ResourceIdList) ? ResourceIdList : ['*'] }),
  },
  resourcePolicy: async (ctx, arn) => {
    const [, account = '', kind] = /^arn:aws:cloudtrail:[a-z0-9-]+:(\d{12}):([a-z]+)\//.exec(arn) ?? []
    if (kind === undefined) return undefined
    const document = kind === 'trail' ? undefined : await documentOf(ctx, arn)
    return { account, ...(document ? { document } : {}) }
  },
  resourceTags: async (ctx, arn) => tagsOf(ctx, arn),
}
