import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules } from '../../kernel/service.ts'
import { groupArn, LogGroup, nameOfIdentifier } from './log-groups.ts'
import type { NS } from './operation.ts'
import { combined } from './resource-policies.ts'

type Named = {
  logGroupName?: string | undefined
  logGroupIdentifier?: string | undefined
  logGroupNamePrefix?: string | undefined
}

/** AWS asks for a group as `…:log-group:NAME:log-stream:`, which policies match with `…:NAME:*` (as its denials show). */
const groupResource = (ctx: Ctx, name: string): string => `${groupArn(ctx, name)}:log-stream:`

const group: AccessRule<Named> = (input, ctx) => ({
  resources: [
    groupResource(
      ctx,
      input.logGroupName ?? nameOfIdentifier(ctx, input.logGroupIdentifier ?? input.logGroupNamePrefix ?? ''),
    ),
  ],
})

const stream: AccessRule<Named & { logStreamName: string }> = (input, ctx) => ({
  resources: [
    groupResource(ctx, input.logGroupName ?? nameOfIdentifier(ctx, input.logGroupIdentifier ?? '')) +
      input.logStreamName,
  ],
})

/** Tags are of the group itself: its ARN without `:*`. */
const tagged: AccessRule<{ resourceArn: string }> = (input, ctx) => ({
  resources: [groupArn(ctx, nameOfIdentifier(ctx, input.resourceArn))],
})

export const access: AccessRules<NS> = {
  operations: {
    CreateLogGroup: group,
    DeleteLogGroup: group,
    DescribeLogGroups: group,
    DescribeLogStreams: group,
    FilterLogEvents: group,
    StartLiveTail: ({ logGroupIdentifiers }, ctx) => ({
      resources: logGroupIdentifiers.map((identifier) => groupResource(ctx, nameOfIdentifier(ctx, identifier))),
    }),
    PutRetentionPolicy: group,
    DeleteRetentionPolicy: group,
    PutLogGroupDeletionProtection: group,
    TagLogGroup: group,
    UntagLogGroup: group,
    ListTagsLogGroup: group,
    CreateLogStream: stream,
    DeleteLogStream: stream,
    PutLogEvents: stream,
    GetLogEvents: stream,
    TagResource: tagged,
    UntagResource: tagged,
    ListTagsForResource: tagged,
    PutResourcePolicy: () => ({ resources: ['*'] }),
    DescribeResourcePolicies: () => ({ resources: ['*'] }),
    DeleteResourcePolicy: () => ({ resources: ['*'] }),
  },
  resourcePolicy: async (ctx, arn) => {
    const [, , , region = '', account = ''] = arn.split(':')
    if (region === '' || account === '') return undefined
    const document = await ctx.at({ account, region }).read(combined)
    return { account, ...(document ? { document } : {}) }
  },
  resourceTags: async (ctx, arn) => {
    const [, , , region = '', account = '', kind, name = ''] = arn.split(':')
    if (kind !== 'log-group') return undefined
    const found = await ctx.at({ account, region }).read((tx) => tx.get(LogGroup, name))
    return found?.tags
  },
}
