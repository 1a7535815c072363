import type { AccessRules } from '../../kernel/service.ts'
import { typeArn } from './custom-type.ts'
import type { NS } from './operation.ts'
import { pipelineArn } from './pipeline.ts'
import { taggedAt } from './tags.ts'

/** Pipeline ARNs are `arn:aws:codepipeline:REGION:ACCOUNT:NAME`, stages and actions `NAME/STAGE/ACTION` ("Actions, resources, and condition keys for AWS CodePipeline"). */
export const access: AccessRules<NS> = {
  operations: {
    CreatePipeline: ({ pipeline }, ctx) => ({ resources: [pipelineArn(ctx, pipeline.name)] }),
    UpdatePipeline: ({ pipeline }, ctx) => ({ resources: [pipelineArn(ctx, pipeline.name)] }),
    GetPipeline: ({ name }, ctx) => ({ resources: [pipelineArn(ctx, name)] }),
    DeletePipeline: ({ name }, ctx) => ({ resources: [pipelineArn(ctx, name)] }),
    GetPipelineState: ({ name }, ctx) => ({ resources: [pipelineArn(ctx, name)] }),
    StartPipelineExecution: ({ name }, ctx) => ({ resources: [pipelineArn(ctx, name)] }),
    StopPipelineExecution: ({ pipelineName }, ctx) => ({ resources: [pipelineArn(ctx, pipelineName)] }),
    GetPipelineExecution: ({ pipelineName }, ctx) => ({ resources: [pipelineArn(ctx, pipelineName)] }),
    ListPipelineExecutions: ({ pipelineName }, ctx) => ({ resources: [pipelineArn(ctx, pipelineName)] }),
    ListActionExecutions: ({ pipelineName }, ctx) => ({ resources: [pipelineArn(ctx, pipelineName)] }),
    RetryStageExecution: ({ pipelineName, stageName }, ctx) => ({
      resources: [pipelineArn(ctx, `${pipelineName}/${stageName}`)],
    }),
    EnableStageTransition: ({ pipelineName, stageName }, ctx) => ({
      resources: [pipelineArn(ctx, `${pipelineName}/${stageName}`)],
    }),
    DisableStageTransition: ({ pipelineName, stageName }, ctx) => ({
      resources: [pipelineArn(ctx, `${pipelineName}/${stageName}`)],
    }),
    OverrideStageCondition: ({ pipelineName, stageName }, ctx) => ({
      resources: [pipelineArn(ctx, `${pipelineName}/${stageName}`)],
    }),
    RollbackStage: ({ pipelineName, stageName }, ctx) => ({
      resources: [pipelineArn(ctx, `${pipelineName}/${stageName}`)],
    }),
    ListDeployActionExecutionTargets: ({ pipelineName = '*' }, ctx) => ({
      resources: [pipelineArn(ctx, pipelineName)],
    }),
    ListRuleExecutions: ({ pipelineName }, ctx) => ({ resources: [pipelineArn(ctx, pipelineName)] }),
    CreateCustomActionType: (input, ctx) => ({ resources: [typeArn(ctx, { owner: 'Custom', ...input })] }),
    DeleteCustomActionType: (input, ctx) => ({ resources: [typeArn(ctx, { owner: 'Custom', ...input })] }),
    UpdateActionType: ({ actionType }, ctx) => ({ resources: [typeArn(ctx, actionType.id)] }),
    PollForJobs: ({ actionTypeId }, ctx) => ({ resources: [typeArn(ctx, actionTypeId)] }),
    PutActionRevision: ({ pipelineName, stageName, actionName }, ctx) => ({
      resources: [pipelineArn(ctx, `${pipelineName}/${stageName}/${actionName}`)],
    }),
    PutWebhook: ({ webhook }, ctx) => ({
      resources: [pipelineArn(ctx, webhook.targetPipeline), ctx.arn(`webhook:${webhook.name}`)],
    }),
    DeleteWebhook: ({ name }, ctx) => ({ resources: [ctx.arn(`webhook:${name}`)] }),
    ListWebhooks: (_input, ctx) => ({ resources: [ctx.arn('webhook:*')] }),
    RegisterWebhookWithThirdParty: ({ webhookName = '*' }, ctx) => ({ resources: [ctx.arn(`webhook:${webhookName}`)] }),
    DeregisterWebhookWithThirdParty: ({ webhookName = '*' }, ctx) => ({
      resources: [ctx.arn(`webhook:${webhookName}`)],
    }),
    PutApprovalResult: ({ pipelineName, stageName, actionName }, ctx) => ({
      resources: [pipelineArn(ctx, `${pipelineName}/${stageName}/${actionName}`)],
    }),
    TagResource: ({ resourceArn }) => ({ resources: [resourceArn] }),
    UntagResource: ({ resourceArn }) => ({ resources: [resourceArn] }),
    ListTagsForResource: ({ resourceArn }) => ({ resources: [resourceArn] }),
  },
  resourceTags: async (ctx, arn) => {
    const resource = arn.split(':').slice(5).join(':')
    // Stages and actions are of their pipeline.
    const of = resource.includes(':') ? resource : (resource.split('/')[0] ?? '')
    const tagged = await ctx.read((tx) => taggedAt(tx, of))
    return tagged && Object.fromEntries(tagged.tags.map(({ key, value }) => [key, value]))
  },
}
