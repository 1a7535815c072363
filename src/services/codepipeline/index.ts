import { identity } from '../../kernel/identity.ts'
import { defineService } from '../../kernel/service.ts'
import { connections, managedBuilds, repositoryObjects, vendedMetrics } from '../capabilities.ts'
import { ActionExecution, ListActionExecutions } from './action-execution.ts'
import { PutActionRevision } from './action-revision.ts'
import { ListActionTypes } from './action-types.ts'
import { PutApprovalResult } from './approval.ts'
import { RuleExecution } from './condition.ts'
import {
  CreateCustomActionType,
  CustomType,
  DeleteCustomActionType,
  GetActionType,
  UpdateActionType,
} from './custom-type.ts'
import { DeployPlan, Target } from './deploy-target.ts'
import { ListDeployActionExecutionTargets } from './deploy-targets.ts'
import { executions } from './engine.ts'
import { Execution, GetPipelineExecution, ListPipelineExecutions } from './execution.ts'
import { access } from './iam.ts'
import {
  AcknowledgeJob,
  AcknowledgeThirdPartyJob,
  GetJobDetails,
  GetThirdPartyJobDetails,
  PollForJobs,
  PollForThirdPartyJobs,
  PutJobFailureResult,
  PutJobSuccessResult,
  PutThirdPartyJobFailureResult,
  PutThirdPartyJobSuccessResult,
} from './jobs.ts'
import type { NS } from './operation.ts'
import { Pipeline, Version } from './pipeline.ts'
import { CreatePipeline, DeletePipeline, GetPipeline, ListPipelines, UpdatePipeline } from './pipelines.ts'
import { RemotePulls, RemoteWatch, remoteWatching } from './remote-watch.ts'
import { OverrideStageCondition, RetryStageExecution } from './retry.ts'
import { RollbackStage } from './rollback.ts'
import { ListRuleExecutions, ListRuleTypes } from './rule-executions.ts'
import { DisableStageTransition, EnableStageTransition, Stage } from './stage.ts'
import { StartPipelineExecution, StopPipelineExecution } from './start.ts'
import { GetPipelineState } from './state.ts'
import { ListTagsForResource, TagResource, UntagResource } from './tags.ts'
import { onEvent, polling, Watch } from './watch.ts'
import {
  DeleteWebhook,
  DeregisterWebhookWithThirdParty,
  ListWebhooks,
  PutWebhook,
  RegisterWebhookWithThirdParty,
  Webhook,
  WebhookDoor,
  webhookRoute,
} from './webhook.ts'

const structure =
  'Actions of services that are not here (CloudFormation, ECR, ECS, EKS, Elastic Beanstalk, Lambda, Step Functions and others), target groups of EC2 deployments, the rule LambdaInvoke and the NotificationArn of approvals are refused.'

export const service = defineService<NS>()({
  id: 'codepipeline',
  tables: [
    Target,
    DeployPlan,
    Pipeline,
    Version,
    Stage,
    Execution,
    ActionExecution,
    RuleExecution,
    Watch,
    RemoteWatch,
    RemotePulls,
    CustomType,
    Webhook,
    WebhookDoor,
  ],
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
    ListDeployActionExecutionTargets,
    StartPipelineExecution,
    StopPipelineExecution,
    RetryStageExecution,
    RollbackStage,
    OverrideStageCondition,
    ListRuleTypes,
    ListRuleExecutions,
    DisableStageTransition,
    EnableStageTransition,
    PutApprovalResult,
    ListTagsForResource,
    TagResource,
    UntagResource,
    ListActionTypes,
    CreateCustomActionType,
    DeleteCustomActionType,
    GetActionType,
    UpdateActionType,
    PollForJobs,
    AcknowledgeJob,
    GetJobDetails,
    PutJobSuccessResult,
    PutJobFailureResult,
    PollForThirdPartyJobs,
    GetThirdPartyJobDetails,
    AcknowledgeThirdPartyJob,
    PutThirdPartyJobSuccessResult,
    PutThirdPartyJobFailureResult,
    PutActionRevision,
    PutWebhook,
    ListWebhooks,
    DeleteWebhook,
    RegisterWebhookWithThirdParty,
    DeregisterWebhookWithThirdParty,
  },
  partial: {
    CreatePipeline: structure,
    UpdatePipeline: structure,
    ListActionTypes: 'Lists the action types that work here, not every one of AWS.',
    UpdateActionType:
      'The executor Lambda is refused. Polling accounts and principals, the job timeout and the template of policy statements are recorded only: workers poll in the account of the pipeline.',
    DeregisterWebhookWithThirdParty: 'Nothing is ever registered, so there is nothing to take back.',
    RegisterWebhookWithThirdParty: 'Always refused: GitHub is not reached from here.',
    ListRuleTypes: 'Lists the rule types that work here, not every one of AWS.',
  },
  access,
  routes: [webhookRoute],
  reconcilers: [executions, polling, remoteWatching],
  uses: [connections, identity, managedBuilds, repositoryObjects, vendedMetrics],
  onEvent,
})
