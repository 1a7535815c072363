import type { Ctx } from '../../kernel/context.ts'
import type { AccessRules } from '../../kernel/service.ts'
import type { NS } from './operation.ts'
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
const ofStore = ({ EventDataStore }: { EventDataStore?: string | undefined }, ctx: Ctx) => store(EventDataStore, ctx)
const trailOrStore = (input: { TrailName?: string | undefined; EventDataStore?: string | undefined }, ctx: Ctx) =>
  input.EventDataStore === undefined ? trailOf(input, ctx) : ofStore(input, ctx)

export const access: AccessRules<NS> = {
  operations: {
    LookupEvents: everything,
    CreateTrail: trail,
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
    ListInsightsData: everything,
    AddTags: ({ ResourceId }) => ({ resources: [ResourceId] }),
    RemoveTags: ({ ResourceId }) => ({ resources: [ResourceId] }),
    ListTags: ({ ResourceIdList }) => ({ resources: Array.isArray(ResourceIdList) ? ResourceIdList : ['*'] }),
  },
}
