import { defineService, provide } from '../../kernel/service.ts'
import { instances, machineAgents } from '../capabilities.ts'
import * as applications from './applications.ts'
import { hostCommands } from './commands.ts'
import { Deployment } from './deployment.ts'
import {
  CreateDeploymentConfig,
  DeleteDeploymentConfig,
  DeploymentConfig,
  GetDeploymentConfig,
  ListDeploymentConfigs,
} from './deployment-configs.ts'
import * as groups from './deployment-groups.ts'
import { deploymentReconciler, onInstanceEvent, outdatedReconciler } from './deployment-run.ts'
import * as deployments from './deployments.ts'
import * as github from './github.ts'
import { access } from './iam.ts'
import { Installed } from './installed.ts'
import { codedeployAgent } from './machine-agent.ts'
import * as onPremises from './on-premises.ts'
import type { NS } from './operation.ts'
import * as others from './other-platforms.ts'
import * as revisions from './revisions.ts'
import { Signer, signerAuthority } from './signer.ts'
import { ListTagsForResource, TagResource, Tags, UntagResource } from './tags.ts'
import * as targets from './target.ts'

export const service = defineService<NS>()({
  id: 'codedeploy',
  tables: [
    applications.Application,
    Deployment,
    DeploymentConfig,
    groups.Group,
    Installed,
    onPremises.OnPremisesInstance,
    revisions.Registered,
    Signer,
    Tags,
    targets.Target,
  ],
  operations: {
    AddTagsToOnPremisesInstances: onPremises.AddTagsToOnPremisesInstances,
    BatchGetOnPremisesInstances: onPremises.BatchGetOnPremisesInstances,
    ContinueDeployment: deployments.ContinueDeployment,
    DeleteResourcesByExternalId: others.DeleteResourcesByExternalId,
    PutLifecycleEventHookExecutionStatus: others.PutLifecycleEventHookExecutionStatus,
    DeregisterOnPremisesInstance: onPremises.DeregisterOnPremisesInstance,
    GetOnPremisesInstance: onPremises.GetOnPremisesInstance,
    ListGitHubAccountTokenNames: github.ListGitHubAccountTokenNames,
    ListOnPremisesInstances: onPremises.ListOnPremisesInstances,
    RegisterOnPremisesInstance: onPremises.RegisterOnPremisesInstance,
    RemoveTagsFromOnPremisesInstances: onPremises.RemoveTagsFromOnPremisesInstances,
    SkipWaitTimeForInstanceTermination: deployments.SkipWaitTimeForInstanceTermination,
    BatchGetApplicationRevisions: revisions.BatchGetApplicationRevisions,
    BatchGetApplications: applications.BatchGetApplications,
    BatchGetDeploymentGroups: groups.BatchGetDeploymentGroups,
    BatchGetDeploymentInstances: targets.BatchGetDeploymentInstances,
    BatchGetDeployments: deployments.BatchGetDeployments,
    BatchGetDeploymentTargets: targets.BatchGetDeploymentTargets,
    CreateApplication: applications.CreateApplication,
    CreateDeployment: deployments.CreateDeployment,
    CreateDeploymentConfig,
    CreateDeploymentGroup: groups.CreateDeploymentGroup,
    DeleteApplication: applications.DeleteApplication,
    DeleteDeploymentConfig,
    DeleteGitHubAccountToken: github.DeleteGitHubAccountToken,
    DeleteDeploymentGroup: groups.DeleteDeploymentGroup,
    GetApplication: applications.GetApplication,
    GetApplicationRevision: revisions.GetApplicationRevision,
    GetDeployment: deployments.GetDeployment,
    GetDeploymentConfig,
    GetDeploymentGroup: groups.GetDeploymentGroup,
    GetDeploymentInstance: targets.GetDeploymentInstance,
    GetDeploymentTarget: targets.GetDeploymentTarget,
    ListApplicationRevisions: revisions.ListApplicationRevisions,
    ListApplications: applications.ListApplications,
    ListDeploymentConfigs,
    ListDeploymentGroups: groups.ListDeploymentGroups,
    ListDeploymentInstances: targets.ListDeploymentInstances,
    ListDeployments: deployments.ListDeployments,
    ListDeploymentTargets: targets.ListDeploymentTargets,
    ListTagsForResource,
    RegisterApplicationRevision: revisions.RegisterApplicationRevision,
    StopDeployment: deployments.StopDeployment,
    TagResource,
    UntagResource,
    UpdateApplication: applications.UpdateApplication,
    UpdateDeploymentGroup: groups.UpdateDeploymentGroup,
  },
  partial: {
    DeleteResourcesByExternalId:
      'Deletes nothing: only CloudFormation gives resources an external ID, for blue/green deployments of ECS, and there are none.',
    PutLifecycleEventHookExecutionStatus:
      'Refused for every deployment that there can be: hooks with results are those of Lambda and ECS.',
    CreateApplication:
      'The compute platform is Server; Lambda and ECS are refused until they come with their services.',
    CreateDeployment:
      'Revisions from S3 and from public repositories on GitHub. Replacement instances are chosen by tags, not by Auto Scaling groups.',
    CreateDeploymentConfig:
      'The compute platform is Server; traffic-shifting configurations of Lambda and ECS are refused.',
    CreateDeploymentGroup:
      'Auto Scaling, load balancers, triggers and ECS services are refused; blue/green deployments go without traffic control, to existing instances.',
    RegisterApplicationRevision: 'Revisions in S3 and commits on GitHub; AppSpec content of Lambda and ECS is refused.',
    UpdateDeploymentGroup:
      'Auto Scaling, load balancers, triggers and ECS services are refused; blue/green deployments go without traffic control, to existing instances.',
  },
  access,
  routes: [hostCommands, signerAuthority],
  reconcilers: [deploymentReconciler, outdatedReconciler],
  provides: [provide(machineAgents, () => ({ agents: () => [codedeployAgent()] }))],
  uses: [instances],
  onEvent: onInstanceEvent,
})
