import { defineService } from '../../kernel/service.ts'
import { access } from './iam.ts'
import { StartLiveTail } from './live-tail.ts'
import * as events from './log-events.ts'
import * as groups from './log-groups.ts'
import * as streams from './log-streams.ts'
import type { NS } from './operation.ts'
import * as policies from './resource-policies.ts'
import { forget, retention } from './retention.ts'

/** CloudWatch Logs: groups, streams and their events. */
export const service = defineService<NS>()({
  id: 'logs',
  tables: [groups.LogGroup, streams.LogStream, policies.ResourcePolicy],
  operations: {
    CreateLogGroup: groups.CreateLogGroup,
    DescribeLogGroups: groups.DescribeLogGroups,
    DeleteLogGroup: streams.DeleteLogGroup,
    PutRetentionPolicy: groups.PutRetentionPolicy,
    DeleteRetentionPolicy: groups.DeleteRetentionPolicy,
    PutLogGroupDeletionProtection: groups.PutLogGroupDeletionProtection,
    TagResource: groups.TagResource,
    UntagResource: groups.UntagResource,
    ListTagsForResource: groups.ListTagsForResource,
    TagLogGroup: groups.TagLogGroup,
    UntagLogGroup: groups.UntagLogGroup,
    ListTagsLogGroup: groups.ListTagsLogGroup,
    CreateLogStream: streams.CreateLogStream,
    DescribeLogStreams: streams.DescribeLogStreams,
    DeleteLogStream: streams.DeleteLogStream,
    PutLogEvents: events.PutLogEvents,
    GetLogEvents: events.GetLogEvents,
    FilterLogEvents: events.FilterLogEvents,
    StartLiveTail,
    PutResourcePolicy: policies.PutResourcePolicy,
    DescribeResourcePolicies: policies.DescribeResourcePolicies,
    DeleteResourcePolicy: policies.DeleteResourcePolicy,
  },
  partial: {
    CreateLogGroup: 'KMS keys and classes other than STANDARD are refused.',
    DescribeLogGroups: 'Groups of linked accounts are refused.',
    PutLogEvents: 'The entity that events may be associated with is ignored.',
    PutResourcePolicy: 'Policies of one log group (resourceArn) are refused.',
    DescribeResourcePolicies: 'Policies of one log group (resourceArn) are refused.',
    DeleteResourcePolicy: 'Policies of one log group (resourceArn) are refused.',
  },
  access,
  dataEvents: ['PutLogEvents', 'GetLogEvents', 'FilterLogEvents'],
  reconcilers: [retention, forget],
})
