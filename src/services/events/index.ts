import { defineService } from '../../kernel/service.ts'
import { vendedMetrics } from '../capabilities.ts'
import * as buses from './buses.ts'
import { Delivery, deliver, envelope, route } from './delivery.ts'
import { access } from './iam.ts'
import type { NS } from './operation.ts'
import { PutEvents, TestEventPattern } from './put-events.ts'
import * as targets from './rule-targets.ts'
import * as rules from './rules.ts'
import { schedule } from './scheduled.ts'
import * as tags from './tags.ts'

/** EventBridge: buses, rules, targets, and the delivery of every service's events. */
export const service = defineService<NS>()({
  id: 'events',
  tables: [buses.Bus, rules.Rule, targets.Target, Delivery],
  operations: {
    CreateEventBus: buses.CreateEventBus,
    DescribeEventBus: buses.DescribeEventBus,
    UpdateEventBus: buses.UpdateEventBus,
    ListEventBuses: buses.ListEventBuses,
    DeleteEventBus: buses.DeleteEventBus,
    PutPermission: buses.PutPermission,
    RemovePermission: buses.RemovePermission,
    PutRule: rules.PutRule,
    DescribeRule: rules.DescribeRule,
    ListRules: rules.ListRules,
    DeleteRule: rules.DeleteRule,
    EnableRule: rules.EnableRule,
    DisableRule: rules.DisableRule,
    PutTargets: targets.PutTargets,
    ListTargetsByRule: targets.ListTargetsByRule,
    ListRuleNamesByTarget: targets.ListRuleNamesByTarget,
    RemoveTargets: targets.RemoveTargets,
    PutEvents,
    TestEventPattern,
    TagResource: tags.TagResource,
    UntagResource: tags.UntagResource,
    ListTagsForResource: tags.ListTagsForResource,
  },
  partial: {
    PutTargets:
      'Targets are CodePipeline pipelines, CodeBuild projects, CloudWatch Logs groups and event buses; any other is refused, and so are dead-letter queues.',
    PutEvents: 'Global endpoints (EndpointId) are refused; an X-Ray trace header is accepted and goes nowhere.',
    CreateEventBus: 'Partner event sources, KMS keys, dead-letter queues and logging are refused.',
    UpdateEventBus: 'KMS keys, dead-letter queues and logging are refused.',
    PutRule: 'State ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS is refused.',
  },
  access,
  dataEvents: ['PutEvents'],
  reconcilers: [deliver, schedule],
  uses: [vendedMetrics],
  onEvent: (ctx, event) => route(ctx, [{ bus: event.bus ?? 'default', event: envelope(event) }]),
})
