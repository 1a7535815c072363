import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { AccessRule, AccessRules } from '../../kernel/service.ts'
import { machines } from '../capabilities.ts'
import { instanceArn } from './command.ts'
import type { Input, NS } from './operation.ts'
import { addressOf, findByArn, parameterArn, parseName } from './parameter.ts'
import { targetsOf } from './send-command.ts'
import { Session, sessionArn } from './session.ts'
import { targetArn } from './session-target.ts'
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

const documentArn = (ctx: Ctx, name: string): string =>
  name.startsWith('arn:')
    ? name
    : `arn:aws:ssm:${ctx.region}:${name.startsWith('AWS-') ? '' : ctx.account}:document/${name}`

/** Run Command is allowed on the document, on each machine, and on the bucket that the output goes to. */
const sendCommand: AccessRule<Input<'SendCommand'>> = async (input, ctx) => {
  const { DocumentName, InstanceIds = [], OutputS3BucketName } = input
  const machines =
    InstanceIds.length > 0 ? InstanceIds : (await targetsOf(ctx, input)).map(({ instanceId }) => instanceId)
  return {
    resources: [
      documentArn(ctx, DocumentName),
      ...machines.map((id) => instanceArn(ctx, id)),
      ...(OutputS3BucketName ? [`arn:aws:s3:::${OutputS3BucketName}`] : []),
    ],
    context: { 'ssm:DocumentType': 'Command' },
  }
}

/** A session is started on its target, and on its document where one is named ("Enforce a session document permission check"). */
const startSession: AccessRule<Input<'StartSession'>> = async ({ Target, DocumentName }, ctx) => ({
  resources: [await targetArn(ctx, Target), ...(DocumentName === undefined ? [] : [documentArn(ctx, DocumentName)])],
  context: { 'ssm:SessionDocumentAccessCheck': String(DocumentName !== undefined), 'ssm:DocumentType': 'Session' },
})

/**
 * Policies name one's own sessions by the user's name (`session/${aws:username}-*`) or by the unique id
 * (`session/${aws:userid}-*`), which ids of sessions do not begin with ("Additional sample IAM policies for Session Manager").
 */
const onSession =
  (action: 'ssm:ResumeSession' | 'ssm:TerminateSession'): AccessRule<{ SessionId: string }> =>
  async ({ SessionId }, ctx) => {
    const session = await ctx.read((tx) => tx.get(Session, SessionId))
    const own = sessionArn(ctx, SessionId)
    if (!session) return { resources: [own] }
    const { ownerId, target } = session
    const context = {
      'ssm:resourceTag/aws:ssmmessages:session-id': [ownerId],
      'ssm:resourceTag/aws:ssmmessages:target-id': [target],
    }
    const byId = sessionArn(ctx, `${ownerId}${SessionId.slice(SessionId.lastIndexOf('-'))}`)
    const named =
      ownerId === ctx.principal.id &&
      (await ctx.authorize(action, byId, context).then(
        () => true,
        (error: unknown) => {
          if (error instanceof AwsError) return false
          throw error
        },
      ))
    return { resources: [named ? byId : own], context }
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
    StartSession: startSession,
    ...{ ResumeSession: onSession('ssm:ResumeSession'), TerminateSession: onSession('ssm:TerminateSession') },
    DescribeSessions: anything,
    GetConnectionStatus: async ({ Target }, ctx) => ({ resources: [await targetArn(ctx, Target)] }),
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
