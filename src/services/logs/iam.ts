import { requestTags } from '../../kernel/authorize.ts'
import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules, Requirement } from '../../kernel/service.ts'
import { groupArn, LogGroup, nameOfIdentifier } from './log-groups.ts'
import type { NS } from './operation.ts'
import { combined } from './resource-policies.ts'

type Named = {
  logGroupName?: string | undefined
  logGroupIdentifier?: string | undefined
}

/** AWS asks for a group as `…:log-group:NAME:log-stream:`, which policies match with `…:NAME:*` (as its denials show). */
const groupResource = (ctx: Ctx, name: string): string => `${groupArn(ctx, name)}:log-stream:`

const group: AccessRule<Named> = (input, ctx) => ({
  resources: [groupResource(ctx, input.logGroupName ?? nameOfIdentifier(ctx, input.logGroupIdentifier ?? ''))],
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

/** Tags given while a group is made need the right to tag it too. */
const creating: AccessRule<{ logGroupName: string; tags?: Record<string, string> | undefined }> = (input, ctx) => {
  const { logGroupName: name, tags = {} } = input
  const context = requestTags(input)
  const own: Requirement = { action: 'logs:CreateLogGroup', resources: [groupResource(ctx, name)], context }
  const tagging = { action: 'logs:TagResource', resources: [groupArn(ctx, name)], context }
  return Object.keys(tags).length > 0 ? [own, tagging] : [own]
}

export const access: AccessRules<NS> = {
  operations: {
    CreateLogGroup: creating,
    DeleteLogGroup: group,
    // Of no group in particular, whatever prefix is asked for: its denials say so.
    DescribeLogGroups: (_, ctx) => ({ resources: [groupResource(ctx, '')] }),
    DescribeLogStreams: group,
    FilterLogEvents: group,
    StartLiveTail: ({ logGroupIdentifiers }, ctx) => ({
      resources: logGroupIdentifiers.map((identifier) => groupResource(ctx, nameOfIdentifier(ctx, identifier))),
    }),
    PutRetentionPolicy: group,
    DeleteRetentionPolicy: group,
    PutLogGroupDeletionProtection: group,
    TagLogGroup: group,
    UntagLogGroup: ({ logGroupName, tags }, ctx) => ({
      resources: [groupResource(ctx, logGroupName)],
      context: { 'aws:TagKeys': tags },
    }),
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
