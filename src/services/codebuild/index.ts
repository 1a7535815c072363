import { defineService, provide } from '../../kernel/service.ts'
import {
  buildEnvironments,
  connections,
  managedBuilds,
  repositoryObjects,
  vendedMetrics,
  vpcPlaces,
} from '../capabilities.ts'
import { Batch } from './batch.ts'
import { batchRun } from './batch-run.ts'
import {
  BatchGetBuildBatches,
  DeleteBuildBatch,
  ListBuildBatches,
  ListBuildBatchesForProject,
  RetryBuildBatch,
  StartBuildBatch,
  StopBuildBatch,
} from './batches.ts'
import { Build } from './build.ts'
import { buildRun } from './build-run.ts'
import { statusReports } from './build-status.ts'
import { BatchDeleteBuilds, BatchGetBuilds, ListBuilds, ListBuildsForProject, StopBuild } from './builds.ts'
import { InvalidateProjectCache } from './cache.ts'
import { credentialsRoutes, Door } from './credentials.ts'
import { makeEnvironments, StartSandboxConnection } from './debug.ts'
import { BatchGetFleets, CreateFleet, DeleteFleet, Fleet, ListFleets, UpdateFleet } from './fleet.ts'
import { access } from './iam.ts'
import { ListCuratedEnvironmentImages } from './images.ts'
import { managed } from './managed.ts'
import type { NS } from './operation.ts'
import { badgeRoute, publicRoute, UpdateProjectVisibility } from './pages.ts'
import { Plan } from './plan.ts'
import {
  BatchGetProjects,
  CreateProject,
  DeleteProject,
  ListProjects,
  Page,
  Project,
  UpdateProject,
} from './project.ts'
import {
  BatchGetReports,
  DeleteReport,
  DeleteReportGroup,
  DescribeCodeCoverages,
  DescribeTestCases,
  Detail,
  GetReportGroupTrend,
  ListReports,
  ListReportsForReportGroup,
  Report,
  reportExpiry,
} from './report.ts'
import {
  BatchGetReportGroups,
  CreateReportGroup,
  ListReportGroups,
  ReportGroup,
  UpdateReportGroup,
} from './report-group.ts'
import {
  DeleteResourcePolicy,
  GetResourcePolicy,
  ListSharedProjects,
  ListSharedReportGroups,
  PutResourcePolicy,
  ResourcePolicy,
} from './resource-policy.ts'
import {
  BatchGetCommandExecutions,
  BatchGetSandboxes,
  Command,
  ListCommandExecutionsForSandbox,
  ListSandboxes,
  ListSandboxesForProject,
  Sandbox,
  StartCommandExecution,
  StartSandbox,
  StopSandbox,
} from './sandbox.ts'
import { commandRun, sandboxRun } from './sandbox-run.ts'
import {
  DeleteSourceCredentials,
  ImportSourceCredentials,
  ListSourceCredentials,
  SourceCredential,
} from './source-credentials.ts'
import { RetryBuild, StartBuild, Token } from './start.ts'
import { Sample, usageRun } from './usage.ts'
import { CreateWebhook, DeleteWebhook, Hook, UpdateWebhook, webhookRoute } from './webhook.ts'

const projectGaps =
  'Refused with NotImplemented: statuses of secondary sources, ' +
  'VPCs where the compute driver has no addresses, file systems, other environments than Linux containers, and of those ' +
  'certificate, instance types, dockerServer and hostKernel.'

export const service = defineService<NS>()({
  id: 'codebuild',
  tables: [
    Project,
    Build,
    Plan,
    Token,
    Door,
    ReportGroup,
    Report,
    Detail,
    Batch,
    SourceCredential,
    Hook,
    Fleet,
    ResourcePolicy,
    Page,
    Sandbox,
    Command,
    Sample,
  ],
  operations: {
    CreateProject,
    UpdateProject,
    DeleteProject,
    BatchGetProjects,
    ListProjects,
    StartBuild,
    StopBuild,
    RetryBuild,
    BatchGetBuilds,
    ListBuilds,
    ListBuildsForProject,
    BatchDeleteBuilds,
    ListCuratedEnvironmentImages,
    CreateReportGroup,
    UpdateReportGroup,
    DeleteReportGroup,
    BatchGetReportGroups,
    ListReportGroups,
    BatchGetReports,
    DeleteReport,
    ListReports,
    ListReportsForReportGroup,
    DescribeTestCases,
    DescribeCodeCoverages,
    GetReportGroupTrend,
    InvalidateProjectCache,
    StartSandbox,
    StopSandbox,
    StartSandboxConnection,
    BatchGetSandboxes,
    ListSandboxes,
    ListSandboxesForProject,
    StartCommandExecution,
    BatchGetCommandExecutions,
    ListCommandExecutionsForSandbox,
    CreateFleet,
    UpdateFleet,
    DeleteFleet,
    BatchGetFleets,
    ListFleets,
    PutResourcePolicy,
    GetResourcePolicy,
    DeleteResourcePolicy,
    ListSharedProjects,
    ListSharedReportGroups,
    UpdateProjectVisibility,
    ImportSourceCredentials,
    ListSourceCredentials,
    DeleteSourceCredentials,
    CreateWebhook,
    UpdateWebhook,
    DeleteWebhook,
    StartBuildBatch,
    StopBuildBatch,
    RetryBuildBatch,
    DeleteBuildBatch,
    BatchGetBuildBatches,
    ListBuildBatches,
    ListBuildBatchesForProject,
  },
  partial: {
    CreateProject: projectGaps,
    UpdateProject: projectGaps,
    StartBuild:
      'Runtimes are those of the host or image, none are installed; curated images stand for the host system. Privileged mode is ' +
      'the container engine’s socket, where there is an engine and the server is started with --privileged; else such builds are refused.',
    RetryBuild: 'As StartBuild: what of a buildspec or environment that does not carry out, this does not either.',
    StartSandbox: 'A sandbox has the sources and variables of its project but no phases of a buildspec.',
    StartSandboxConnection: 'A shell in the sandbox, where AWS makes a connection for SSH clients.',
    CreateFleet:
      'A fleet is a number of builds that run at a time, in its VPC and of its machines’ size: its machines are this host. Refused ' +
      'with NotImplemented: other environments than Linux containers, instance types, proxies, machine images.',
    UpdateFleet: 'As CreateFleet.',
    ImportSourceCredentials: 'Tokens are not tried at the provider.',
    CreateWebhook:
      'The provider is told of it where the server has a public URL (--public-url), else payload URL and secret are to be entered there. Refused with ' +
      'NotImplemented: organizations, workflows of GitHub Actions, Buildkite.',
    UpdateWebhook: 'As CreateWebhook.',
    StartBuildBatch: 'As StartBuild.',
    RetryBuildBatch: 'As StartBuildBatch.',
    ListCuratedEnvironmentImages: 'Lists only images that run on this host.',
  },
  access,
  routes: [...credentialsRoutes, webhookRoute, badgeRoute, publicRoute],
  reconcilers: [buildRun, batchRun, statusReports, reportExpiry, sandboxRun, commandRun, usageRun],
  provides: [provide(managedBuilds, managed), provide(buildEnvironments, makeEnvironments)],
  uses: [connections, repositoryObjects, vendedMetrics, vpcPlaces],
})
