import { identity } from '../../kernel/identity.ts'
import { defineService } from '../../kernel/service.ts'
import { repositoryObjects } from '../capabilities.ts'
import { ActionExecution, ListActionExecutions } from './action-execution.ts'
import { ListActionTypes } from './action-types.ts'
import { PutApprovalResult } from './approval.ts'
import { executions } from './engine.ts'
import { Execution, GetPipelineExecution, ListPipelineExecutions } from './execution.ts'
import { access } from './iam.ts'
import type { NS } from './operation.ts'
import { Pipeline, Version } from './pipeline.ts'
import { CreatePipeline, DeletePipeline, GetPipeline, ListPipelines, UpdatePipeline } from './pipelines.ts'
import { RetryStageExecution } from './retry.ts'
import { DisableStageTransition, EnableStageTransition, Stage } from './stage.ts'
import { StartPipelineExecution, StopPipelineExecution } from './start.ts'
import { GetPipelineState } from './state.ts'
import { ListTagsForResource, TagResource, UntagResource } from './tags.ts'
import { onEvent, polling, Watch } from './watch.ts'

const structure =
  'Actions: Source CodeCommit and S3, Build and Test CodeBuild, Deploy CodeDeploy and S3, manual approval. Triggers with filters, stage conditions, automatic retry, rollback, actions in other Regions and KMS keys are refused.'

export const service = defineService<NS>()({
  id: 'codepipeline',
  tables: [Pipeline, Version, Stage, Execution, ActionExecution, Watch],
  operations: {
    CreatePipeline,
    DeletePipeline,
    GetPipeline,
    ListPipelines,
    UpdatePipeline,
    GetPipelineState,
    GetPipelineExecution,
    ListPipelineExecutions,
    ListActionExecutions,
    StartPipelineExecution,
    StopPipelineExecution,
    RetryStageExecution,
    DisableStageTransition,
    EnableStageTransition,
    PutApprovalResult,
    ListTagsForResource,
    TagResource,
    UntagResource,
    ListActionTypes,
  },
  partial: {
    CreatePipeline: structure,
    UpdatePipeline: structure,
    ListActionTypes: 'Lists the action types that work here, not every one of AWS.',
  },
  access,
  reconcilers: [executions, polling],
  uses: [identity, repositoryObjects],
  onEvent,
})
