import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules } from '../../kernel/service.ts'
import type { NS } from './operation.ts'
import { findByArn, parameterArn, parseName } from './parameter.ts'

// "Actions, resources, and condition keys for AWS Systems Manager", service authorization reference.

const arnOf = (ctx: Ctx, given: string): string => parameterArn(ctx, parseName(ctx, given).name)

const onName: AccessRule<{ Name: string }> = ({ Name }, ctx) => ({ resources: [arnOf(ctx, Name)] })
const onNames: AccessRule<{ Names: string[] }> = ({ Names }, ctx) => ({
  resources: Names.map((name) => arnOf(ctx, name)),
})
const onTagged: AccessRule<{ ResourceType: string; ResourceId: string }> = ({ ResourceType, ResourceId }, ctx) => ({
  resources: ResourceType === 'Parameter' ? [arnOf(ctx, ResourceId)] : ['*'],
})

export const access: AccessRules<NS> = {
  operations: {
    PutParameter: async (input, ctx) => {
      const resources = [arnOf(ctx, input.Name)]
      const context = {
        'ssm:Overwrite': String(input.Overwrite ?? false),
        'ssm:Policies': input.Policies,
        'aws:TagKeys': input.Tags?.map(({ Key }) => Key),
        ...Object.fromEntries((input.Tags ?? []).map(({ Key, Value }) => [`aws:RequestTag/${Key}`, Value])),
      }
      const put = { action: 'ssm:PutParameter', resources, context }
      return input.Tags?.length ? [put, { action: 'ssm:AddTagsToResource', resources, context }] : [put]
    },
    ...{ GetParameter: onName, GetParameterHistory: onName, DeleteParameter: onName },
    ...{ LabelParameterVersion: onName, UnlabelParameterVersion: onName },
    ...{ GetParameters: onNames, DeleteParameters: onNames },
    GetParametersByPath: ({ Path, Recursive }, ctx) => ({
      resources: [arnOf(ctx, Path.length > 1 ? Path.replace(/\/$/, '') : Path)],
      context: { 'ssm:Recursive': String(Recursive ?? false) },
    }),
    DescribeParameters: (_, ctx) => ({ resources: [ctx.arn('*')] }),
    ...{ AddTagsToResource: onTagged, RemoveTagsFromResource: onTagged, ListTagsForResource: onTagged },
  },
  // AWS's public parameters are every account's.
  resourcePolicy: async (ctx, arn) =>
    arn.includes(':parameter/aws/service/') ? { account: ctx.principal.account } : undefined,
  resourceTags: async (ctx, arn) => {
    if (!arn.includes(':parameter/')) return undefined
    return (await ctx.read((tx) => findByArn(ctx, tx, arn)))?.tags
  },
}
