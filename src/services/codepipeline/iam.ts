import type { AccessRules } from '../../kernel/service.ts'
import type { NS } from './operation.ts'
import { Pipeline, pipelineArn } from './pipeline.ts'

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
    ListRuleExecutions: ({ pipelineName }, ctx) => ({ resources: [pipelineArn(ctx, pipelineName)] }),
    PutApprovalResult: ({ pipelineName, stageName, actionName }, ctx) => ({
      resources: [pipelineArn(ctx, `${pipelineName}/${stageName}/${actionName}`)],
    }),
    TagResource: ({ resourceArn }) => ({ resources: [resourceArn] }),
    UntagResource: ({ resourceArn }) => ({ resources: [resourceArn] }),
    ListTagsForResource: ({ resourceArn }) => ({ resources: [resourceArn] }),
  },
  resourceTags: async (ctx, arn) => {
    const [name = ''] = arn.slice(arn.lastIndexOf(':') + 1).split('/')
    const pipeline = await ctx.read((tx) => tx.get(Pipeline, name))
    return pipeline && Object.fromEntries(pipeline.tags.map(({ key, value }) => [key, value]))
  },
}
