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
import { deploymentReconciler, onInstanceEvent } from './deployment-run.ts'
import { BatchGetDeployments, CreateDeployment, GetDeployment, ListDeployments, StopDeployment } from './deployments.ts'
import { access } from './iam.ts'
import { codedeployAgent } from './machine-agent.ts'
import type { NS } from './operation.ts'
import * as revisions from './revisions.ts'
import { ListTagsForResource, TagResource, Tags, UntagResource } from './tags.ts'
import * as targets from './target.ts'

export const service = defineService<NS>()({
  id: 'codedeploy',
  tables: [
    applications.Application,
    Deployment,
    DeploymentConfig,
    groups.Group,
    revisions.Registered,
    Tags,
    targets.Target,
  ],
  operations: {
    BatchGetApplicationRevisions: revisions.BatchGetApplicationRevisions,
    BatchGetApplications: applications.BatchGetApplications,
    BatchGetDeploymentGroups: groups.BatchGetDeploymentGroups,
    BatchGetDeploymentInstances: targets.BatchGetDeploymentInstances,
    BatchGetDeployments,
    BatchGetDeploymentTargets: targets.BatchGetDeploymentTargets,
    CreateApplication: applications.CreateApplication,
    CreateDeployment,
    CreateDeploymentConfig,
    CreateDeploymentGroup: groups.CreateDeploymentGroup,
    DeleteApplication: applications.DeleteApplication,
    DeleteDeploymentConfig,
    DeleteDeploymentGroup: groups.DeleteDeploymentGroup,
    GetApplication: applications.GetApplication,
    GetApplicationRevision: revisions.GetApplicationRevision,
    GetDeployment,
    GetDeploymentConfig,
    GetDeploymentGroup: groups.GetDeploymentGroup,
    GetDeploymentInstance: targets.GetDeploymentInstance,
    GetDeploymentTarget: targets.GetDeploymentTarget,
    ListApplicationRevisions: revisions.ListApplicationRevisions,
    ListApplications: applications.ListApplications,
    ListDeploymentConfigs,
    ListDeploymentGroups: groups.ListDeploymentGroups,
    ListDeploymentInstances: targets.ListDeploymentInstances,
    ListDeployments,
    ListDeploymentTargets: targets.ListDeploymentTargets,
    ListTagsForResource,
    RegisterApplicationRevision: revisions.RegisterApplicationRevision,
    StopDeployment,
    TagResource,
    UntagResource,
    UpdateApplication: applications.UpdateApplication,
    UpdateDeploymentGroup: groups.UpdateDeploymentGroup,
  },
  partial: {
    CreateApplication:
      'The compute platform is Server; Lambda and ECS are refused until they come with their services.',
    CreateDeployment:
      'Revisions from S3 only. Stopped instances are left out instead of failing. Alarms, target instances, blue/green and outdated-instances-only deployments are refused.',
    CreateDeploymentConfig: 'Minimum healthy hosts only; zonal and traffic-shifting configurations are refused.',
    CreateDeploymentGroup:
      'EC2 tags only; Auto Scaling, on-premises tags, load balancers, alarms, triggers, ECS services and blue/green are refused. The strategy for outdated instances is kept and shown: instances that come during a deployment are not brought up to date after it.',
    RegisterApplicationRevision: 'Revisions in S3 only.',
    UpdateDeploymentGroup:
      'EC2 tags only; Auto Scaling, on-premises tags, load balancers, alarms, triggers, ECS services and blue/green are refused. The strategy for outdated instances is kept and shown: instances that come during a deployment are not brought up to date after it.',
  },
  access,
  routes: [hostCommands],
  reconcilers: [deploymentReconciler],
  provides: [provide(machineAgents, () => ({ agents: () => [codedeployAgent()] }))],
  uses: [instances],
  onEvent: onInstanceEvent,
})
