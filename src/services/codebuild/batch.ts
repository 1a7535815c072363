import type { Ctx } from '../../kernel/context.ts'
import type { CommitState } from '../../remotes/provider.ts'
import { table } from '../../store/store.ts'
import type { BatchTask } from './batchspec.ts'
import { buildArn, type PhaseContext, type Status, type StoredArtifact, toArtifacts, toPhases } from './build.ts'
import { fail, type Operation } from './operation.ts'
import type { BatchConfig } from './project.ts'
import type { Settings } from './start.ts'

export type BatchPhaseType =
  | 'SUBMITTED'
  | 'DOWNLOAD_BATCHSPEC'
  | 'IN_PROGRESS'
  | 'COMBINE_ARTIFACTS'
  | 'SUCCEEDED'
  | 'FAILED'
  | 'STOPPED'

type BatchPhase = {
  readonly type: BatchPhaseType
  readonly status?: Status
  readonly start: number
  readonly end?: number
  readonly context?: PhaseContext
}

/** One build as its batch sees it. */
type Attempt = {
  readonly build: string
  readonly requested: number
  readonly status: Status
  readonly artifacts: readonly StoredArtifact[]
}

export type BatchGroup = {
  readonly task: BatchTask
  readonly current?: Attempt
  readonly prior: readonly Attempt[]
}

export type BatchRecord = {
  /** `project:uuid`. */
  readonly id: string
  readonly uuid: string
  readonly project: string
  readonly number: number
  readonly created: number
  /** When it was begun or last retried: its time counts from here. */
  readonly begun: number
  readonly ended?: number
  readonly status: Status
  readonly phases: readonly BatchPhase[]
  /** What its builds have in common. */
  readonly settings: Settings
  readonly config: BatchConfig
  readonly resolvedSourceVersion?: string
  readonly fastFail: boolean
  readonly groups: readonly BatchGroup[]
  readonly reports: readonly string[]
  readonly stored: readonly StoredArtifact[]
  /** What ends it before its time. */
  readonly interrupted?: 'STOPPED' | 'TIMED_OUT' | 'FAILED'
  /** Why its builds cannot be started. */
  readonly refusal?: PhaseContext
  /** What the provider of its source was told last, and how often since then it did not hear. */
  readonly told?: CommitState
  readonly toldInVain?: number
}

/** Sorts by time, unique by id. */
export const batchMoment = ({ created, id }: BatchRecord) => `${new Date(created).toISOString()}/${id}`

export const Batch = table<BatchRecord>('codebuild.batch', {
  scope: 'region',
  key: ({ id }) => id,
  index: { time: batchMoment, project: (batch) => `${batch.project}/${batchMoment(batch)}` },
})

export const batchArn = (ctx: Pick<Ctx, 'arn'>, id: string) => ctx.arn(`build-batch/${id}`)

/** The id in a batch's id or ARN. */
export const batchIdOf = (idOrArn: string) =>
  /^arn:aws:codebuild:[^:]*:\d*:build-batch\/(.+)$/.exec(idOrArn)?.[1] ?? idOrArn

export const noBatch = (idOrArn: string) =>
  fail('ResourceNotFoundException', `Build batch ${batchIdOf(idOrArn)} cannot be found`)

export const beginBatchPhase = (batch: BatchRecord, type: BatchPhaseType, at: number): BatchRecord => ({
  ...batch,
  phases: [...batch.phases, { type, start: at }],
})

/** Ends the phase that is open. */
export const endBatchPhase = (batch: BatchRecord, status: Status, at: number, context?: PhaseContext): BatchRecord => ({
  ...batch,
  phases: batch.phases.map((phase) =>
    phase.end === undefined ? { ...phase, status, end: at, ...(context ? { context } : {}) } : phase,
  ),
})

type Wire = NonNullable<Awaited<ReturnType<Operation<'StartBuildBatch'>>>['buildBatch']>

const toAttempt = (ctx: Ctx, batch: BatchRecord, attempt: Attempt) => {
  const resolved = ({ location, identifier }: StoredArtifact) => ({
    type: batch.settings.artifacts.type,
    location,
    ...(identifier ? { identifier } : {}),
  })
  const primary = attempt.artifacts.find(({ identifier }) => identifier === batch.settings.artifacts.artifactIdentifier)
  return {
    arn: buildArn(ctx, attempt.build),
    requestedOn: new Date(attempt.requested),
    buildStatus: attempt.status,
    primaryArtifact: primary ? resolved(primary) : { type: batch.settings.artifacts.type },
    secondaryArtifacts: attempt.artifacts.filter((one) => one !== primary).map(resolved),
  }
}

/** A batch as BatchGetBuildBatches shows it. */
export const toBatch = (ctx: Ctx, batch: BatchRecord): Wire => {
  const { settings } = batch
  return {
    id: batch.id,
    arn: batchArn(ctx, batch.id),
    startTime: new Date(batch.created),
    ...(batch.ended === undefined ? {} : { endTime: new Date(batch.ended) }),
    currentPhase: batch.phases.at(-1)?.type ?? 'SUBMITTED',
    buildBatchStatus: batch.status,
    ...(settings.sourceVersion === undefined ? {} : { sourceVersion: settings.sourceVersion }),
    ...(batch.resolvedSourceVersion === undefined ? {} : { resolvedSourceVersion: batch.resolvedSourceVersion }),
    projectName: batch.project,
    phases: toPhases(batch.phases),
    source: settings.source,
    secondarySources: [...settings.secondarySources],
    secondarySourceVersions: [...settings.secondarySourceVersions],
    artifacts: toArtifacts(batch, settings.artifacts),
    secondaryArtifacts: settings.secondaryArtifacts.map((artifacts) => toArtifacts(batch, artifacts)),
    cache: settings.cache,
    environment: settings.environment,
    serviceRole: settings.serviceRole,
    ...(settings.vpcConfig ? { vpcConfig: settings.vpcConfig } : {}),
    ...(settings.logsConfig ? { logConfig: settings.logsConfig } : {}),
    buildTimeoutInMinutes: settings.timeoutInMinutes,
    queuedTimeoutInMinutes: settings.queuedTimeoutInMinutes,
    complete: batch.ended !== undefined,
    initiator: settings.initiator,
    encryptionKey: settings.encryptionKey,
    buildBatchNumber: batch.number,
    buildBatchConfig: batch.config,
    buildGroups: batch.groups.map(({ task, current, prior }) => ({
      identifier: task.identifier,
      dependsOn: [...task.dependsOn],
      ignoreFailure: task.ignoreFailure,
      ...(current ? { currentBuildSummary: toAttempt(ctx, batch, current) } : {}),
      ...(prior.length > 0 ? { priorBuildSummaryList: prior.map((one) => toAttempt(ctx, batch, one)) } : {}),
    })),
    debugSessionEnabled: settings.debug ?? false,
    reportArns: [...batch.reports],
  }
}
