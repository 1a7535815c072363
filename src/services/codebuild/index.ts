import { defineService, provide } from '../../kernel/service.ts'
import { managedBuilds, repositoryObjects, vendedMetrics } from '../capabilities.ts'
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
import { BatchDeleteBuilds, BatchGetBuilds, ListBuilds, ListBuildsForProject, StopBuild } from './builds.ts'
import { InvalidateProjectCache } from './cache.ts'
import { credentialsRoute, Door } from './credentials.ts'
import { access } from './iam.ts'
import { ListCuratedEnvironmentImages } from './images.ts'
import { managed } from './managed.ts'
import type { NS } from './operation.ts'
import { Plan } from './plan.ts'
import { BatchGetProjects, CreateProject, DeleteProject, ListProjects, Project, UpdateProject } from './project.ts'
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
import { RetryBuild, StartBuild, Token } from './start.ts'

const projectGaps =
  'Refused with NotImplemented: sources other than CODECOMMIT, S3, CODEPIPELINE and NO_SOURCE, source credentials, submodules, ' +
  'VPCs, file systems, badges, fleets, logs in S3, other environments than Linux containers. Caches of Docker layers.'

export const service = defineService<NS>()({
  id: 'codebuild',
  tables: [Project, Build, Plan, Token, Door, ReportGroup, Report, Detail, Batch],
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
      'Runtimes are those of the host or image, none are installed; the compute type sets no limits and privileged mode gives no privilege, artifacts are not encrypted with KMS, curated ' +
      'images stand for the host system.',
    RetryBuild: 'As StartBuild: what of a buildspec or environment that does not carry out, this does not either.',
    StartBuildBatch:
      "As StartBuild. Tasks of a batch have no fleets and no debug sessions, and batches report no status to a source's provider.",
    RetryBuildBatch: 'As StartBuildBatch.',
    ListCuratedEnvironmentImages: 'Lists only images that run on this host.',
  },
  access,
  routes: [credentialsRoute],
  reconcilers: [buildRun, batchRun, reportExpiry],
  provides: [provide(managedBuilds, managed)],
  uses: [repositoryObjects, vendedMetrics],
})
