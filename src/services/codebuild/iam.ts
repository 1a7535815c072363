import type { Ctx } from '../../kernel/context.ts'
import type { AccessRules } from '../../kernel/service.ts'
import { batchIdOf } from './batch.ts'
import { buildIdOf } from './build.ts'
import { batchKeys, conditionKeys, exportKeys, memberKeys, overrideKeys } from './condition-keys.ts'
import { Fleet } from './fleet.ts'
import type { Input, NS } from './operation.ts'
import { Project, type ProjectRecord, placed, projectArn } from './project.ts'
import { ReportGroup, reportGroupArn } from './report-group.ts'
import { policyOf } from './resource-policy.ts'
import { sandboxArn, sandboxIdOf } from './sandbox.ts'

/** Builds have no ARN of their own in IAM: what may be done to one is said of its project. */
const projectOfBuild = (ctx: Ctx, idOrArn: string) =>
  projectArn(placed(ctx, idOrArn), buildIdOf(idOrArn).split(':')[0] ?? '')

const projectOf = (ctx: Ctx, nameOrArn: string) =>
  nameOrArn.startsWith('arn:') ? nameOrArn : projectArn(ctx, nameOrArn)

const named = ({ name }: { name: string }, ctx: Ctx) => ({ resources: [projectOf(ctx, name)] })
/** What is asked of the project, and how it would be. */
const described = (input: Input<'CreateProject'> | Input<'UpdateProject'>, ctx: Ctx) => ({
  resources: [projectOf(ctx, input.name)],
  context: conditionKeys(input as Partial<Input<'CreateProject'>>),
})
const projectNamed = ({ projectName }: { projectName: string }, ctx: Ctx) => ({
  resources: [projectOf(ctx, projectName)],
})

const ofArn = ({ arn }: { arn: string }) => ({ resources: [arn] })
const ofGroup = ({ reportGroupArn: arn }: { reportGroupArn: string }) => ({ resources: [arn] })
/** What may be done to a report is said of its group. */
const groupOfReport = (arn: string) => arn.replace(/:report\/(.*):[^:]*$/, ':report-group/$1')
const ofReport = ({ reportArn }: { reportArn: string }) => ({ resources: [groupOfReport(reportArn)] })

const ofSandbox = ({ sandboxId }: { sandboxId: string }, ctx: Ctx) => ({
  resources: [sandboxArn(ctx, sandboxIdOf(sandboxId))],
})
const ofResource = ({ resourceArn }: { resourceArn: string }) => ({ resources: [resourceArn] })
const fleetMembers = [
  ...['computeConfiguration', 'computeType', 'environmentType', 'fleetServiceRole', 'imageId'],
  ...['disk', 'instanceType', 'machineType', 'memory', 'vCpu'].map((member) => `computeConfiguration.${member}`),
  ...['vpcConfig', 'vpcConfig.securityGroupIds', 'vpcConfig.subnets', 'vpcConfig.vpcId'],
]
const webhookMembers = [
  'buildType',
  'manualCreation',
  ...['domain', 'name', 'scope'].map((one) => `scopeConfiguration.${one}`),
]

export const access: AccessRules<NS> = {
  operations: {
    CreateProject: described,
    UpdateProject: described,
    DeleteProject: named,
    BatchGetProjects: ({ names }, ctx) => ({ resources: names.map((name) => projectOf(ctx, name)) }),
    ListProjects: () => ({ resources: ['*'] }),
    StartBuild: (input, ctx) => ({ ...projectNamed(input, ctx), context: overrideKeys(input) }),
    ListBuildsForProject: projectNamed,
    StopBuild: ({ id }, ctx) => ({ resources: [projectOfBuild(ctx, id)] }),
    RetryBuild: ({ id }, ctx) => ({ resources: [projectOfBuild(ctx, id ?? '')] }),
    BatchGetBuilds: ({ ids }, ctx) => ({ resources: [...new Set(ids.map((id) => projectOfBuild(ctx, id)))] }),
    BatchDeleteBuilds: ({ ids }, ctx) => ({ resources: [...new Set(ids.map((id) => projectOfBuild(ctx, id)))] }),
    CreateReportGroup: (input, ctx) => ({ resources: [reportGroupArn(ctx, input.name)], context: exportKeys(input) }),
    UpdateReportGroup: (input) => ({ resources: [input.arn], context: exportKeys(input) }),
    DeleteReportGroup: ofArn,
    BatchGetReportGroups: ({ reportGroupArns }) => ({ resources: reportGroupArns }),
    ListReportsForReportGroup: ofGroup,
    GetReportGroupTrend: ofGroup,
    BatchGetReports: ({ reportArns }) => ({ resources: [...new Set(reportArns.map(groupOfReport))] }),
    DeleteReport: ({ arn }) => ({ resources: [groupOfReport(arn)] }),
    DescribeTestCases: ofReport,
    DescribeCodeCoverages: ofReport,
    ListReportGroups: () => ({ resources: ['*'] }),
    ListReports: () => ({ resources: ['*'] }),
    StartBuildBatch: (input, ctx) => ({ ...projectNamed(input, ctx), context: batchKeys(input) }),
    StopBuildBatch: ({ id }, ctx) => ({ resources: [projectOfBuild(ctx, batchIdOf(id))] }),
    RetryBuildBatch: ({ id }, ctx) => ({ resources: [projectOfBuild(ctx, batchIdOf(id ?? ''))] }),
    DeleteBuildBatch: ({ id }, ctx) => ({ resources: [projectOfBuild(ctx, batchIdOf(id))] }),
    BatchGetBuildBatches: ({ ids }, ctx) => ({
      resources: [...new Set(ids.map((id) => projectOfBuild(ctx, batchIdOf(id))))],
    }),
    ListBuildBatchesForProject: ({ projectName = '' }, ctx) => projectNamed({ projectName }, ctx),
    ListBuildBatches: () => ({ resources: ['*'] }),
    CreateWebhook: (input, ctx) => ({ ...projectNamed(input, ctx), context: memberKeys(input, webhookMembers) }),
    UpdateWebhook: (input, ctx) => ({ ...projectNamed(input, ctx), context: memberKeys(input, webhookMembers) }),
    DeleteWebhook: projectNamed,
    InvalidateProjectCache: projectNamed,
    ImportSourceCredentials: (input) => ({
      resources: ['*'],
      context: memberKeys(input, ['authType', 'serverType', 'shouldOverwrite', 'token', 'username']),
    }),
    DeleteSourceCredentials: () => ({ resources: ['*'] }),
    ListSourceCredentials: () => ({ resources: ['*'] }),
    CreateFleet: (input, ctx) => ({
      resources: [ctx.arn(`fleet/${input.name}:*`)],
      context: memberKeys(input, fleetMembers),
    }),
    UpdateFleet: (input) => ({ resources: [input.arn], context: memberKeys(input, fleetMembers) }),
    DeleteFleet: ofArn,
    BatchGetFleets: ({ names }, ctx) => ({
      resources: names.map((name) => (name.startsWith('arn:') ? name : ctx.arn(`fleet/${name}:*`))),
    }),
    ListFleets: () => ({ resources: ['*'] }),
    PutResourcePolicy: ofResource,
    GetResourcePolicy: ofResource,
    DeleteResourcePolicy: ofResource,
    ListSharedProjects: () => ({ resources: ['*'] }),
    ListSharedReportGroups: () => ({ resources: ['*'] }),
    UpdateProjectVisibility: (input) => ({
      resources: [input.projectArn],
      context: memberKeys(input, ['projectVisibility']),
    }),
    StartSandbox: ({ projectName = '' }, ctx) => projectNamed({ projectName }, ctx),
    StopSandbox: ({ id }, ctx) => ({ resources: [projectOfBuild(ctx, sandboxIdOf(id))] }),
    BatchGetSandboxes: ({ ids }, ctx) => ({
      resources: [...new Set(ids.map((id) => projectOfBuild(ctx, sandboxIdOf(id))))],
    }),
    ListSandboxes: () => ({ resources: ['*'] }),
    ListSandboxesForProject: projectNamed,
    StartCommandExecution: ofSandbox,
    BatchGetCommandExecutions: ofSandbox,
    StartSandboxConnection: ofSandbox,
    ListCommandExecutionsForSandbox: ofSandbox,
    ListBuilds: () => ({ resources: ['*'] }),
    ListCuratedEnvironmentImages: () => ({ resources: ['*'] }),
  },
  resourcePolicy: policyOf,
  resourceTags: async (ctx, arn) => {
    const [, kind, name = ''] = /:(project|report-group|fleet)\/([^/:]+)(?::[^/]*)?$/.exec(arn) ?? []
    const tagged = await ctx.read<{ tags: ProjectRecord['tags'] } | undefined>((tx) =>
      kind === 'project' ? tx.get(Project, name) : kind === 'fleet' ? tx.get(Fleet, name) : tx.get(ReportGroup, name),
    )
    return tagged && Object.fromEntries(tagged.tags.map(({ key, value }) => [key ?? '', value ?? '']))
  },
}
