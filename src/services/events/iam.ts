import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules } from '../../kernel/service.ts'
import { busAddress, busArn, findBus } from './buses.ts'
import type { NS } from './operation.ts'
import { exactValues } from './pattern.ts'
import { ruleArn } from './rules.ts'
import { findTagged } from './tags.ts'

/** An ARN of another account's bus keeps its place, so that both sides are asked. */
const bus = (ctx: Ctx, nameOrArn: string | undefined) => {
  const { account, region, name } = busAddress(ctx, nameOrArn)
  return { at: ctx.at({ account, region }), name }
}

const rule: AccessRule<{ Name?: string; Rule?: string; EventBusName?: string | undefined }> = (input, ctx) => {
  const { at, name } = bus(ctx, input.EventBusName)
  return { resources: [ruleArn(at, name, input.Name ?? input.Rule ?? '')] }
}

const onBus: AccessRule<{ Name?: string | undefined; EventBusName?: string | undefined }> = (input, ctx) => {
  const { at, name } = bus(ctx, input.EventBusName ?? input.Name)
  return { resources: [busArn(at, name)] }
}

const patternValues = (pattern: string | undefined, name: string): readonly string[] | undefined => {
  try {
    return pattern === undefined ? undefined : exactValues(pattern, name)
  } catch {
    return undefined
  }
}

export const access: AccessRules<NS> = {
  operations: {
    PutRule: (input, ctx) => {
      const { at, name } = bus(ctx, input.EventBusName)
      return {
        resources: [ruleArn(at, name, input.Name)],
        context: {
          'events:source': patternValues(input.EventPattern, 'source'),
          'events:detail-type': patternValues(input.EventPattern, 'detail-type'),
        },
      }
    },
    PutTargets: (input, ctx) => {
      const { at, name } = bus(ctx, input.EventBusName)
      return {
        resources: [ruleArn(at, name, input.Rule)],
        context: { 'events:TargetArn': input.Targets.map(({ Arn }) => Arn) },
      }
    },
    DescribeRule: rule,
    DeleteRule: rule,
    EnableRule: rule,
    DisableRule: rule,
    ListTargetsByRule: rule,
    RemoveTargets: rule,
    ListRules: (_, ctx) => ({ resources: [ctx.arn('rule/*')] }),
    ListRuleNamesByTarget: (_, ctx) => ({ resources: [ctx.arn('rule/*')] }),
    PutEvents: ({ Entries }, ctx) =>
      Entries.map((entry) => {
        const { at, name } = bus(ctx, entry.EventBusName)
        return {
          action: 'events:PutEvents',
          resources: [busArn(at, name)],
          context: { 'events:source': entry.Source, 'events:detail-type': entry.DetailType },
        }
      }),
    CreateEventBus: onBus,
    DescribeEventBus: onBus,
    UpdateEventBus: onBus,
    DeleteEventBus: onBus,
    PutPermission: onBus,
    RemovePermission: onBus,
    ListEventBuses: (_, ctx) => ({ resources: [busArn(ctx, '*')] }),
    TestEventPattern: () => ({ resources: ['*'] }),
    TagResource: ({ ResourceARN }) => ({ resources: [ResourceARN] }),
    UntagResource: ({ ResourceARN }) => ({ resources: [ResourceARN] }),
    ListTagsForResource: ({ ResourceARN }) => ({ resources: [ResourceARN] }),
  },
  resourcePolicy: async (ctx, arn) => {
    const [, , service, region = '', account = '', resource = ''] = arn.split(':')
    if (service !== 'events' || !resource.startsWith('event-bus/') || resource.endsWith('*')) return undefined
    const found = await ctx.at({ account, region }).read((tx) => findBus(tx, resource.slice('event-bus/'.length)))
    return { account, ...(found?.policy ? { document: found.policy } : {}) }
  },
  resourceTags: async (ctx, arn) => {
    const [, , service, region = '', account = '', resource = ''] = arn.split(':')
    if (service !== 'events') return undefined
    return (await ctx.at({ account, region }).read((tx) => findTagged(tx, resource)))?.tags
  },
}
