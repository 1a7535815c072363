import { requestTags } from '../../kernel/authorize.ts'
import type { Ctx } from '../../kernel/context.ts'
import type { AccessRules, Requirement } from '../../kernel/service.ts'
import { alarmArn } from './alarm.ts'
import { tagsOf } from './alarm-tags.ts'
import type { Input, NS } from './operation.ts'

/** Alarms by their names, or all of them. */
const alarms = (ctx: Ctx, names: readonly string[] | undefined): { resources: string[] } => ({
  resources: names?.length ? [...new Set(names)].map((name) => alarmArn(ctx, name)) : [alarmArn(ctx, '*')],
})
const named = ({ AlarmName }: { readonly AlarmName?: string | undefined }, ctx: Ctx) =>
  alarms(ctx, AlarmName === undefined ? undefined : [AlarmName])
const listed = ({ AlarmNames }: { readonly AlarmNames?: readonly string[] | undefined }, ctx: Ctx) =>
  alarms(ctx, AlarmNames)

const putting =
  (action: string) =>
  (input: Input<'PutMetricAlarm'> | Input<'PutCompositeAlarm'>, ctx: Ctx): Requirement[] => {
    const actions = [
      ...(input.OKActions ?? []),
      ...(input.AlarmActions ?? []),
      ...(input.InsufficientDataActions ?? []),
    ]
    const { resources } = alarms(ctx, [input.AlarmName])
    const context = requestTags({ Tags: input.Tags })
    return [
      {
        action,
        resources,
        context: { ...context, 'cloudwatch:AlarmActions': actions.length > 0 ? actions : undefined },
      },
      ...(input.Tags?.length ? [{ action: 'cloudwatch:TagResource', resources, context }] : []),
    ]
  }

const tagged = ({ ResourceARN }: { readonly ResourceARN: string }) => ({ resources: [ResourceARN] })

/** Metrics are no resources for IAM: every statement about them says `*`; a namespace can be a condition of putting. */
export const access: AccessRules<NS> = {
  operations: {
    PutMetricData: ({ Namespace }) => ({ resources: ['*'], context: { 'cloudwatch:namespace': Namespace } }),
    GetMetricData: () => ({ resources: ['*'] }),
    GetMetricStatistics: () => ({ resources: ['*'] }),
    ListMetrics: () => ({ resources: ['*'] }),
    PutMetricAlarm: putting('cloudwatch:PutMetricAlarm'),
    PutCompositeAlarm: putting('cloudwatch:PutCompositeAlarm'),
    DescribeAlarms: listed,
    DescribeAlarmsForMetric: () => ({ resources: ['*'] }),
    DescribeAlarmHistory: named,
    DeleteAlarms: listed,
    SetAlarmState: named,
    EnableAlarmActions: listed,
    DisableAlarmActions: listed,
    TagResource: tagged,
    UntagResource: tagged,
    ListTagsForResource: tagged,
  },
  resourceTags: tagsOf,
}
