import { requestTags } from '../../kernel/authorize.ts'
import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules, Requirement } from '../../kernel/service.ts'
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
  return {
    resources: [ruleArn(at, name, input.Name ?? input.Rule ?? '')],
    context: { 'events:creatorAccount': at.account },
  }
}

const onBus: AccessRule<{ Name?: string | undefined; EventBusName?: string | undefined }> = (input, ctx) => {
  const { at, name } = bus(ctx, input.EventBusName ?? input.Name)
  return { resources: [busArn(at, name)] }
}

const patternValues = (pattern: string | undefined, ...path: string[]): readonly string[] | undefined => {
  try {
    return pattern === undefined ? undefined : exactValues(pattern, ...path)
  } catch {
    return undefined
  }
}

/** "To use the PutRule operation and assign tags, you must have both the events:PutRule and events:TagResource permissions." */
const withTags = (
  requirement: Requirement,
  tags: readonly { Key: string | undefined; Value: string | undefined }[] | undefined,
): Requirement[] => {
  const context = { ...requirement.context, ...requestTags({ tags }) }
  const own = { ...requirement, context }
  return tags && tags.length > 0 ? [own, { ...own, action: 'events:TagResource' }] : [own]
}

/** A rule, a bus: what tags are put on. A rule has a creator. */
const tagged: AccessRule<{ ResourceARN: string }> = ({ ResourceARN }) => ({
  resources: [ResourceARN],
  context: { 'events:creatorAccount': ResourceARN.split(':')[4] },
})

export const access: AccessRules<NS> = {
  operations: {
    PutRule: (input, ctx) => {
      const { at, name } = bus(ctx, input.EventBusName)
      const { EventPattern: pattern } = input
      const context = {
        'events:creatorAccount': ctx.account,
        'events:source': patternValues(pattern, 'source'),
        'events:detail-type': patternValues(pattern, 'detail-type'),
        'events:detail.service': patternValues(pattern, 'detail', 'service'),
        'events:detail.eventTypeCode': patternValues(pattern, 'detail', 'eventTypeCode'),
        'events:detail.userIdentity.principalId': patternValues(pattern, 'detail', 'userIdentity', 'principalId'),
      }
      return withTags({ action: 'events:PutRule', resources: [ruleArn(at, name, input.Name)], context }, input.Tags)
    },
    PutTargets: (input, ctx) => {
      const { at, name } = bus(ctx, input.EventBusName)
      return {
        resources: [ruleArn(at, name, input.Rule)],
        context: { 'events:creatorAccount': at.account, 'events:TargetArn': input.Targets.map(({ Arn }) => Arn) },
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
          context: {
            'events:source': entry.Source,
            'events:detail-type': entry.DetailType,
            'events:eventBusInvocation': 'false',
          },
        }
      }),
    CreateEventBus: ({ Name, Tags }, ctx) =>
      withTags({ action: 'events:CreateEventBus', resources: [busArn(ctx, Name)] }, Tags),
    DescribeEventBus: onBus,
    UpdateEventBus: onBus,
    DeleteEventBus: onBus,
    PutPermission: onBus,
    RemovePermission: onBus,
    ListEventBuses: (_, ctx) => ({ resources: [busArn(ctx, '*')] }),
    TestEventPattern: () => ({ resources: ['*'] }),
    TagResource: tagged,
    UntagResource: tagged,
    ListTagsForResource: tagged,
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
