import type { Ctx } from '../../kernel/context.ts'
import type { AccessRules, Requirement } from '../../kernel/service.ts'
import { Deployment } from './deployment.ts'
import { defaultConfig } from './deployment-configs.ts'
import { Group } from './deployment-groups.ts'
import type { NS } from './operation.ts'
import { Tags } from './tags.ts'

type Named = { readonly applicationName?: string | undefined; readonly deploymentGroupName?: string | undefined }

const application = ({ applicationName = '*' }: Named, ctx: Ctx) => ({
  resources: [ctx.arn(`application:${applicationName}`)],
})
const group = ({ applicationName = '*', deploymentGroupName = '*' }: Named, ctx: Ctx) => ({
  resources: [ctx.arn(`deploymentgroup:${applicationName}/${deploymentGroupName}`)],
})
const config = ({ deploymentConfigName = '*' }: { readonly deploymentConfigName?: string | undefined }, ctx: Ctx) => ({
  resources: [ctx.arn(`deploymentconfig:${deploymentConfigName}`)],
})
/** What a deployment id stands for is its deployment group. */
const groupOf = async ({ deploymentId = '' }: { readonly deploymentId?: string | undefined }, ctx: Ctx) => {
  const deployment = await ctx.read((tx) => tx.get(Deployment, deploymentId))
  return { resources: [ctx.arn(`deploymentgroup:${deployment?.application ?? '*'}/${deployment?.group ?? '*'}`)] }
}
/**
 * One call, several rights: to deploy to the group, by this configuration, a revision that is registered with the application
 * on the way; and to change the group's alarms ("overrideAlarmConfiguration", CreateDeployment).
 */
const deployment = async (
  input: Named & {
    readonly deploymentConfigName?: string | undefined
    readonly revision?: unknown
    readonly overrideAlarmConfiguration?: unknown
  },
  ctx: Ctx,
): Promise<Requirement[]> => {
  const { applicationName, deploymentGroupName, deploymentConfigName: named } = input
  const known = await ctx.read((tx) => tx.get(Group, `${applicationName}/${deploymentGroupName}`))
  const deploymentConfigName = named ?? known?.config ?? defaultConfig
  return [
    { action: 'codedeploy:CreateDeployment', ...group(input, ctx) },
    { action: 'codedeploy:GetDeploymentConfig', ...config({ deploymentConfigName }, ctx) },
    ...(input.revision ? [{ action: 'codedeploy:RegisterApplicationRevision', ...application(input, ctx) }] : []),
    ...(input.overrideAlarmConfiguration ? [{ action: 'codedeploy:UpdateDeploymentGroup', ...group(input, ctx) }] : []),
  ]
}
/** On-premises instances have ARNs of their own in policies, by name. */
const machine = ({ instanceName = '*' }: { readonly instanceName?: string | undefined }, ctx: Ctx) => ({
  resources: [ctx.arn(`instance:${instanceName}`)],
})
const machines = ({ instanceNames }: { readonly instanceNames: readonly string[] }, ctx: Ctx) => ({
  resources: [...new Set(instanceNames)].map((name) => ctx.arn(`instance:${name}`)),
})
const anything = () => ({ resources: ['*'] })
const tagged = ({ ResourceArn }: { readonly ResourceArn: string }) => ({ resources: [ResourceArn] })

export const access: AccessRules<NS> = {
  operations: {
    CreateApplication: application,
    GetApplication: application,
    DeleteApplication: application,
    UpdateApplication: application,
    BatchGetApplications: ({ applicationNames }, ctx) => ({
      resources: applicationNames.map((name) => ctx.arn(`application:${name}`)),
    }),
    ListApplications: (_input, ctx) => ({ resources: [ctx.arn('application:*')] }),
    RegisterApplicationRevision: application,
    GetApplicationRevision: application,
    BatchGetApplicationRevisions: application,
    ListApplicationRevisions: application,
    CreateDeploymentGroup: group,
    GetDeploymentGroup: group,
    DeleteDeploymentGroup: group,
    UpdateDeploymentGroup: ({ applicationName, currentDeploymentGroupName }, ctx) =>
      group({ applicationName, deploymentGroupName: currentDeploymentGroupName }, ctx),
    BatchGetDeploymentGroups: ({ applicationName, deploymentGroupNames }, ctx) => ({
      resources: deploymentGroupNames.map((name) => ctx.arn(`deploymentgroup:${applicationName}/${name}`)),
    }),
    ListDeploymentGroups: application,
    CreateDeployment: deployment,
    GetDeployment: groupOf,
    StopDeployment: anything,
    ContinueDeployment: anything,
    SkipWaitTimeForInstanceTermination: anything,
    RegisterOnPremisesInstance: machine,
    DeregisterOnPremisesInstance: machine,
    GetOnPremisesInstance: machine,
    BatchGetOnPremisesInstances: machines,
    AddTagsToOnPremisesInstances: machines,
    RemoveTagsFromOnPremisesInstances: machines,
    ListOnPremisesInstances: anything,
    DeleteResourcesByExternalId: anything,
    PutLifecycleEventHookExecutionStatus: anything,
    ListGitHubAccountTokenNames: anything,
    DeleteGitHubAccountToken: anything,
    BatchGetDeployments: async ({ deploymentIds }, ctx) => {
      const found = await ctx.read((tx) => Promise.all(deploymentIds.map((id) => tx.get(Deployment, id))))
      const groups = found.map((one) => ctx.arn(`deploymentgroup:${one?.application ?? '*'}/${one?.group ?? '*'}`))
      return { resources: [...new Set(groups)] }
    },
    ListDeployments: group,
    ListDeploymentTargets: groupOf,
    BatchGetDeploymentTargets: groupOf,
    GetDeploymentTarget: groupOf,
    ListDeploymentInstances: groupOf,
    GetDeploymentInstance: groupOf,
    BatchGetDeploymentInstances: groupOf,
    CreateDeploymentConfig: config,
    GetDeploymentConfig: config,
    DeleteDeploymentConfig: config,
    ListDeploymentConfigs: (_input, ctx) => ({ resources: [ctx.arn('deploymentconfig:*')] }),
    TagResource: tagged,
    UntagResource: tagged,
    ListTagsForResource: tagged,
  },
  resourceTags: (ctx, arn) => ctx.read(async (tx) => (await tx.get(Tags, arn))?.tags),
}
