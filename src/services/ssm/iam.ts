import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules } from '../../kernel/service.ts'
import { machines } from '../capabilities.ts'
import { instanceArn } from './command.ts'
import type { Input, NS } from './operation.ts'
import { addressOf, findByArn, parameterArn, parseName } from './parameter.ts'
import { targetsOf } from './send-command.ts'
import { sharedPolicy } from './sharing.ts'

// "Actions, resources, and condition keys for AWS Systems Manager", service authorization reference.

const arnOf = (ctx: Ctx, given: string): string => {
  const { place, selector } = addressOf(ctx, given) ?? {}
  if (place === undefined || place.account === ctx.account) return parameterArn(ctx, parseName(ctx, given).name)
  return selector === undefined ? given : given.slice(0, -(selector.length + 1))
}

const onName: AccessRule<{ Name: string }> = ({ Name }, ctx) => ({ resources: [arnOf(ctx, Name)] })
const onNames: AccessRule<{ Names: string[] }> = ({ Names }, ctx) => ({
  resources: Names.map((name) => arnOf(ctx, name)),
})
const onTagged: AccessRule<{ ResourceType: string; ResourceId: string }> = ({ ResourceType, ResourceId }, ctx) => ({
  resources: ResourceType === 'Parameter' ? [arnOf(ctx, ResourceId)] : ['*'],
})

const onResource: AccessRule<{ ResourceArn: string }> = ({ ResourceArn }) => ({ resources: [ResourceArn] })
const anything = () => ({ resources: ['*'] })

/** Run Command is allowed on the document, on each machine, and on the bucket that the output goes to. */
const sendCommand: AccessRule<Input<'SendCommand'>> = async (input, ctx) => {
  const { DocumentName, InstanceIds = [], OutputS3BucketName } = input
  const machines =
    InstanceIds.length > 0 ? InstanceIds : (await targetsOf(ctx, input)).map(({ instanceId }) => instanceId)
  const document = DocumentName.startsWith('arn:')
    ? DocumentName
    : `arn:aws:ssm:${ctx.region}:${DocumentName.startsWith('AWS-') ? '' : ctx.account}:document/${DocumentName}`
  return {
    resources: [
      document,
      ...machines.map((id) => instanceArn(ctx, id)),
      ...(OutputS3BucketName ? [`arn:aws:s3:::${OutputS3BucketName}`] : []),
    ],
    context: { 'ssm:DocumentType': 'Command' },
  }
}

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
    SendCommand: sendCommand,
    ...{ CancelCommand: anything, ListCommands: anything, ListCommandInvocations: anything },
    ...{ GetCommandInvocation: anything, DescribeInstanceInformation: anything },
    DescribeParameters: (_, ctx) => ({ resources: [ctx.arn('*')] }),
    ...{ PutResourcePolicy: onResource, GetResourcePolicies: onResource, DeleteResourcePolicy: onResource },
    ...{ AddTagsToResource: onTagged, RemoveTagsFromResource: onTagged, ListTagsForResource: onTagged },
  },
  // AWS's public parameters are every account's.
  resourcePolicy: async (ctx, arn) =>
    // And so are its documents.
    arn.includes(':parameter/aws/service/') || /^arn:aws:ssm:[^:]*::document\//.test(arn)
      ? { account: ctx.principal.account }
      : sharedPolicy(ctx, arn),
  resourceTags: async (ctx, arn) => {
    const instance = /^arn:aws:ec2:[^:]+:\d+:instance\/(.+)$/.exec(arn)?.[1]
    if (instance !== undefined) return (await ctx.use(machines).find(ctx.place, instance))?.tags
    if (!arn.includes(':parameter/')) return undefined
    return (await ctx.read((tx) => findByArn(ctx, tx, arn)))?.tags
  },
}
