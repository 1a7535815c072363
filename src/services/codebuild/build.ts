import type { TaskHandle, TaskSpec } from '../../compute/driver.ts'
import type { Caller, Ctx } from '../../kernel/context.ts'
import type { Principal } from '../../kernel/principal.ts'
import type { CommitState } from '../../remotes/provider.ts'
import { table, type WriteTx } from '../../store/store.ts'
import type { ManagedBuild } from '../capabilities.ts'
import { reportBuild } from './build-reported.ts'
import type { PhaseName } from './buildspec.ts'
import { phaseChange, stateChange } from './events.ts'
import { parseS3Location } from './location.ts'
import type { Operation } from './operation.ts'
import { fail } from './operation.ts'
import {
  type Artifacts,
  type Cache,
  type Environment,
  type LogsConfig,
  type Source,
  type SourceVersion,
  trustContext,
  type VpcConfig,
} from './project.ts'

export type Status = 'IN_PROGRESS' | 'SUCCEEDED' | 'FAILED' | 'STOPPED' | 'TIMED_OUT' | 'FAULT'

export type PhaseType =
  | 'SUBMITTED'
  | 'QUEUED'
  | 'PROVISIONING'
  | 'DOWNLOAD_SOURCE'
  | PhaseName
  | 'UPLOAD_ARTIFACTS'
  | 'FINALIZING'
  | 'COMPLETED'

export type PhaseContext = { readonly code: string; readonly message: string }

/** Times in milliseconds. */
export type PhaseRecord<Type = PhaseType> = {
  readonly type: Type
  readonly status?: Status
  readonly start: number
  readonly end?: number
  readonly context?: PhaseContext
}

export type StoredArtifact = {
  readonly identifier?: string
  readonly location: string
  readonly sha256?: string
  readonly md5?: string
  readonly overrideName: boolean
  readonly encryptionDisabled: boolean
}

/** The task that carries the build out, and how far its output has been read. */
export type Run = {
  readonly task: TaskHandle
  /** Bytes of the task's output that are dealt with. */
  readonly offset: number
  /** The runner's wall clock when it began, and ours: the runner's times are told apart from this server's clock. */
  readonly wall?: number
  readonly began: number
  /** The command that failed first in the present phase. */
  readonly failure?: { readonly command: string; readonly code: number }
  /** Why the present phase did not even begin its commands. */
  readonly refused?: string
  /** The runner came to its end. */
  readonly finished: boolean
  /** The output has been read to its end, and how the task ended. */
  readonly exit?: { readonly code: number; readonly reason: string }
  /** What the build's shell made of names and patterns, by their position in the plan. */
  readonly values: Readonly<Record<string, string>>
}

/** What a source is fetched for: a build, or the batch whose builds' source it is. */
export type Sourced = Pick<
  BuildRecord,
  'initiator' | 'uuid' | 'project' | 'source' | 'secondarySources' | 'secondarySourceVersions' | 'sourceVersion'
> &
  Partial<Pick<BuildRecord, 'cache' | 'cacheId'>>

export type BuildRecord = {
  /** `project:uuid`. */
  readonly id: string
  readonly uuid: string
  readonly project: string
  readonly number: number
  readonly created: number
  readonly ended?: number
  readonly status: Status
  readonly phases: readonly PhaseRecord[]
  readonly initiator: string
  readonly source: Source
  readonly secondarySources: readonly Source[]
  readonly secondarySourceVersions: readonly SourceVersion[]
  readonly sourceVersion?: string
  readonly resolvedSourceVersion?: string
  readonly artifacts: Artifacts
  readonly secondaryArtifacts: readonly Artifacts[]
  readonly stored: readonly StoredArtifact[]
  readonly cache: Cache
  /** What the cache is kept under, unless projects share it. */
  readonly cacheId?: string
  readonly environment: Environment
  readonly serviceRole: string
  /** Another service's commands: under whose rights they run in place of the service role, and whom their end wakes. */
  readonly managed?: {
    readonly principal: Principal
    readonly wake: ManagedBuild['wake']
  }
  readonly logsConfig?: LogsConfig
  readonly vpcConfig?: VpcConfig
  /** What the fleet gives it on one of whose machines it runs: the role and the machine's size. */
  readonly machine?: { readonly role?: string; readonly limits?: NonNullable<TaskSpec['limits']> }
  /** Its place in the VPC. */
  readonly networkInterface?: { readonly networkInterfaceId: string; readonly subnetId: string }
  /** The log stream has been made. */
  readonly logging: boolean
  readonly timeoutInMinutes: number
  readonly queuedTimeoutInMinutes: number
  readonly encryptionKey: string
  /** ARNs of its reports. */
  readonly reports?: readonly string[]
  readonly exported: readonly { readonly name: string; readonly value: string }[]
  /** What ends it before its time. */
  readonly interrupted?: 'STOPPED' | 'TIMED_OUT'
  /** `ready`: everything lies in the build folder, the task may be started. `over`: the task has ended. `done`: nothing is left of it. */
  readonly stage: 'new' | 'ready' | 'running' | 'over' | 'done'
  readonly run?: Run
  /** It may be paused, and looked into by Session Manager. */
  readonly debug?: boolean
  /** Variables that tell of the event that started it. */
  readonly webhook?: Readonly<Record<string, string>>
  /** The batch it belongs to, and which of its builds it is. */
  readonly batch?: { readonly id: string; readonly identifier: string }
  /** What the provider of its source was told last, and how often since then it did not hear. */
  readonly told?: CommitState
  readonly toldInVain?: number
  readonly autoRetry?: {
    readonly limit: number
    readonly number: number
    readonly previous?: string
    readonly next?: string
  }
}

const complete = (build: BuildRecord) => build.ended !== undefined

/** When it left the queue; `undefined` while it waits. */
export const startOf = (build: BuildRecord): number | undefined =>
  build.phases.find(({ type }) => type === 'PROVISIONING')?.start

/** Sorts by time, unique by id. */
const moment = ({ created, id }: BuildRecord) => `${new Date(created).toISOString()}/${id}`

export const Build = table<BuildRecord>('codebuild.build', {
  scope: 'region',
  key: ({ id }) => id,
  index: {
    time: (build) => (build.managed ? undefined : moment(build)),
    project: (build) => `${build.project}/${moment(build)}`,
    active: (build) => (complete(build) ? undefined : build.project),
    running: (build) => (complete(build) || !startOf(build) ? undefined : 'running'),
    debugged: (build) => (build.debug && build.stage === 'running' ? build.uuid : undefined),
    queued: (build) => (complete(build) || startOf(build) ? undefined : moment(build)),
  },
})

/** AWS's services under a build's service role. */
export const serviceRoleOf = (
  ctx: Ctx,
  build: Pick<BuildRecord, 'managed' | 'project' | 'serviceRole' | 'uuid'>,
): Caller =>
  build.managed
    ? ctx.as(build.managed.principal)
    : ctx.as(build.serviceRole, {
        sessionName: `AWSCodeBuild-${build.uuid}`,
        context: trustContext(ctx, build.project),
      })

export const buildArn = (ctx: Pick<Ctx, 'arn'>, id: string) => ctx.arn(`build/${id}`)

/** By what Session Manager knows a build or sandbox. */
export const sessionTarget = ({ uuid }: Pick<BuildRecord, 'uuid'>): string => `codebuild:${uuid}`

/** The id in a build's id or ARN. */
export const buildIdOf = (idOrArn: string) => /^arn:aws:codebuild:[^:]*:\d*:build\/(.+)$/.exec(idOrArn)?.[1] ?? idOrArn

/** Throws ResourceNotFoundException. */
export const getBuild = async (ctx: Ctx, idOrArn: string): Promise<BuildRecord> => {
  const build = await ctx.read((tx) => tx.get(Build, buildIdOf(idOrArn)))
  if (!build) throw fail('ResourceNotFoundException', `Build ${buildIdOf(idOrArn)} cannot be found`)
  return build
}

export const currentPhase = (build: BuildRecord): PhaseType => build.phases.at(-1)?.type ?? 'SUBMITTED'

/** Opens a phase; one that is there already stays. */
export const beginPhase = (build: BuildRecord, type: PhaseType, at: number): BuildRecord =>
  build.phases.some((phase) => phase.type === type)
    ? build
    : { ...build, phases: [...build.phases, { type, start: Math.max(at, build.phases.at(-1)?.end ?? 0) }] }

/** Ends a phase that is open. */
export const endPhase = (
  build: BuildRecord,
  type: PhaseType,
  status: Status,
  at: number,
  context?: PhaseContext,
): BuildRecord => ({
  ...build,
  phases: build.phases.map((phase) =>
    phase.type === type && phase.end === undefined
      ? { ...phase, status, end: Math.max(at, phase.start), ...(context ? { context } : {}) }
      : phase,
  ),
})

/** Ends whatever phase is open. */
export const endOpenPhase = (build: BuildRecord, status: Status, at: number, context?: PhaseContext): BuildRecord => {
  const open = build.phases.find(({ end }) => end === undefined)
  return open ? endPhase(build, open.type, status, at, context) : build
}

/** Changes a build and emits the events of what changed. Returns the new record; `undefined` when there is no such build. */
export const changeBuild = (
  ctx: Ctx,
  id: string,
  change: (build: BuildRecord) => BuildRecord,
  more?: (tx: WriteTx, after: BuildRecord) => void,
): Promise<BuildRecord | undefined> =>
  ctx.write(async (tx) => {
    const before = await tx.get(Build, id)
    if (!before) return undefined
    const after = change(before)
    if (after !== before) tx.put(Build, after)
    emitChanges(ctx, tx, before, after)
    more?.(tx, after)
    return after
  })

/** The events that lead from one record to the next. */
export const emitChanges = (ctx: Ctx, tx: WriteTx, before: BuildRecord | undefined, after: BuildRecord): void => {
  if (after.managed) {
    const { reconciler, key, at } = after.managed.wake
    if (after.ended !== undefined && before?.ended === undefined) tx.wake(reconciler, key, at ? { at } : {})
    return
  }
  reportBuild(tx, before, after)
  for (const phase of after.phases) {
    const ended = before?.phases.some(({ type, end }) => type === phase.type && end !== undefined)
    if (phase.end !== undefined && !ended) tx.emit(phaseChange(ctx, after, phase))
  }
  if (before?.status !== after.status) tx.emit(stateChange(ctx, after))
}

type Wire = NonNullable<Awaited<ReturnType<Operation<'StartBuild'>>>['build']>
type WireArtifacts = NonNullable<Wire['artifacts']>

/** Name of the log group and stream; `undefined` when the project writes no logs to CloudWatch. */
export const logNames = (build: BuildRecord): { group: string; stream: string } | undefined => {
  const config = build.logsConfig?.cloudWatchLogs
  if (config?.status === 'DISABLED') return undefined
  return {
    group: config?.groupName ?? `/aws/codebuild/${build.project}`,
    stream: config?.streamName ? `${config.streamName}/${build.uuid}` : build.uuid,
  }
}

/** Where the log lies in S3 once the build has ended; `undefined` when none is asked for. */
export const s3LogOf = ({
  logsConfig,
  uuid,
}: Pick<BuildRecord, 'logsConfig' | 'uuid'>): { bucket: string; key: string } | undefined => {
  const { status, location = '' } = logsConfig?.s3Logs ?? {}
  return status === 'ENABLED' ? parseS3Location(`${location.replace(/\/+$/, '')}/${uuid}.gz`) : undefined
}

export const toArtifacts = (build: Pick<BuildRecord, 'stored'>, config: Artifacts): WireArtifacts => {
  const stored = build.stored.find(({ identifier }) => identifier === config.artifactIdentifier)
  return {
    location: stored?.location ?? '',
    ...(stored?.sha256 ? { sha256sum: stored.sha256 } : {}),
    ...(stored?.md5 ? { md5sum: stored.md5 } : {}),
    ...(config.artifactIdentifier ? { artifactIdentifier: config.artifactIdentifier } : {}),
    ...(config.type === 'NO_ARTIFACTS'
      ? {}
      : {
          overrideArtifactName: config.overrideArtifactName ?? false,
          encryptionDisabled: config.encryptionDisabled ?? false,
        }),
  }
}

/** Where the log is, and what was asked of it. */
export const toLogs = (ctx: Ctx, build: BuildRecord): NonNullable<Wire['logs']> => {
  const names = logNames(build)
  const config = build.logsConfig
  const object = s3LogOf(build)
  return {
    ...(names && build.logging
      ? {
          groupName: names.group,
          streamName: names.stream,
          cloudWatchLogsArn: `arn:aws:logs:${ctx.region}:${ctx.account}:log-group:${names.group}:log-stream:${names.stream}`,
        }
      : {}),
    cloudWatchLogs: config?.cloudWatchLogs ?? { status: 'ENABLED' },
    s3Logs: config?.s3Logs ?? { status: 'DISABLED', encryptionDisabled: false },
    ...(object
      ? {
          s3LogsArn: `arn:aws:s3:::${object.bucket}/${object.key}`,
          s3DeepLink: `${ctx.request.endpoint}/${object.bucket}/${object.key}`,
        }
      : {}),
  }
}

/** Phases of a build, a batch or a sandbox. */
export const toPhases = <Type>(phases: readonly PhaseRecord<Type>[]) =>
  phases.map((phase) => ({
    phaseType: phase.type,
    startTime: new Date(phase.start),
    ...(phase.status ? { phaseStatus: phase.status } : {}),
    ...(phase.end === undefined
      ? {}
      : {
          endTime: new Date(phase.end),
          durationInSeconds: Math.floor((phase.end - phase.start) / 1000),
          contexts: [{ statusCode: phase.context?.code ?? '', message: phase.context?.message ?? '' }],
        }),
  }))

/** A build as BatchGetBuilds shows it. */
export const toBuild = (ctx: Ctx, build: BuildRecord): Wire => {
  return {
    id: build.id,
    arn: buildArn(ctx, build.id),
    buildNumber: build.number,
    startTime: new Date(build.created),
    ...(build.ended === undefined ? {} : { endTime: new Date(build.ended) }),
    currentPhase: currentPhase(build),
    buildStatus: build.status,
    ...(build.sourceVersion === undefined ? {} : { sourceVersion: build.sourceVersion }),
    ...(build.resolvedSourceVersion === undefined ? {} : { resolvedSourceVersion: build.resolvedSourceVersion }),
    projectName: build.project,
    phases: toPhases(build.phases),
    source: build.source,
    secondarySources: [...build.secondarySources],
    secondarySourceVersions: [...build.secondarySourceVersions],
    artifacts: toArtifacts(build, build.artifacts),
    ...(build.secondaryArtifacts.length > 0
      ? { secondaryArtifacts: build.secondaryArtifacts.map((artifacts) => toArtifacts(build, artifacts)) }
      : {}),
    cache: build.cache,
    environment: build.environment,
    serviceRole: build.serviceRole,
    ...(build.vpcConfig ? { vpcConfig: build.vpcConfig } : {}),
    ...(build.networkInterface ? { networkInterface: build.networkInterface } : {}),
    logs: toLogs(ctx, build),
    timeoutInMinutes: build.timeoutInMinutes,
    queuedTimeoutInMinutes: build.queuedTimeoutInMinutes,
    buildComplete: complete(build),
    initiator: build.initiator,
    encryptionKey: build.encryptionKey,
    exportedEnvironmentVariables: build.exported.map(({ name, value }) => ({ name, value })),
    reportArns: [...(build.reports ?? [])],
    debugSession: {
      sessionEnabled: build.debug ?? false,
      ...(build.debug && build.stage === 'running' ? { sessionTarget: sessionTarget(build) } : {}),
    },
    ...(build.batch ? { buildBatchArn: ctx.arn(`build-batch/${build.batch.id}`) } : {}),
    ...(build.autoRetry
      ? {
          autoRetryConfig: {
            autoRetryLimit: build.autoRetry.limit,
            autoRetryNumber: build.autoRetry.number,
            ...(build.autoRetry.previous ? { previousAutoRetry: buildArn(ctx, build.autoRetry.previous) } : {}),
            ...(build.autoRetry.next ? { nextAutoRetry: buildArn(ctx, build.autoRetry.next) } : {}),
          },
        }
      : {}),
  }
}
