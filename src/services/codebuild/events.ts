import type { Ctx } from '../../kernel/context.ts'
import type { DomainEvent } from '../../work/outbox.ts'
import { vendedMetrics } from '../capabilities.ts'
import { type BuildRecord, buildArn, currentPhase, logNames, type PhaseRecord } from './build.ts'

// AWS documentation: "Build notifications input format reference", "CodeBuild CloudWatch metrics".

/** `Sep 1, 2017 4:12:29 PM`, in UTC. */
const written = (milliseconds: number): string =>
  new Intl.DateTimeFormat('en-US', {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
    second: '2-digit',
    timeZone: 'UTC',
  })
    .format(new Date(milliseconds))
    // Newer ICU data puts a comma before the time and a narrow no-break space before AM and PM.
    .replace(/(\d{4}),/, '$1')
    .replace(/\s(?=[AP]M$)/u, ' ')

/** `[CODE: message]`, `[]` where nothing is to be said. */
const contextOf = (phase: PhaseRecord | undefined) =>
  phase?.context ? `[${phase.context.code}: ${phase.context.message}]` : '[]'

const phaseFacts = (phase: PhaseRecord) => ({
  'phase-type': phase.type,
  'start-time': written(phase.start),
  ...(phase.end === undefined
    ? {}
    : {
        'phase-context': phase.context ? [`${phase.context.code}: ${phase.context.message}`] : [],
        'end-time': written(phase.end),
        'duration-in-seconds': Math.floor((phase.end - phase.start) / 1000),
        'phase-status': phase.status ?? '',
      }),
})

const additional = (build: BuildRecord) => {
  const { environment, stored } = build
  const names = logNames(build)
  const primary = stored.find(({ identifier }) => identifier === build.artifacts.artifactIdentifier)
  return {
    ...(primary
      ? {
          artifact: {
            ...(primary.md5 ? { md5sum: primary.md5 } : {}),
            ...(primary.sha256 ? { sha256sum: primary.sha256 } : {}),
            location: primary.location,
          },
        }
      : {}),
    cache: { type: build.cache.type },
    'build-number': build.number,
    'timeout-in-minutes': build.timeoutInMinutes,
    'queued-timeout-in-minutes': build.queuedTimeoutInMinutes,
    'build-complete': build.ended !== undefined,
    initiator: build.initiator,
    'build-start-time': written(build.created),
    environment: {
      image: environment.image,
      'privileged-mode': environment.privilegedMode ?? false,
      'image-pull-credentials-type': environment.imagePullCredentialsType ?? 'CODEBUILD',
      'compute-type': environment.computeType,
      type: environment.type,
      'environment-variables': environment.environmentVariables ?? [],
    },
    source: {
      ...(build.source.buildspec ? { buildspec: build.source.buildspec } : {}),
      ...(build.source.location ? { location: build.source.location } : {}),
      type: build.source.type,
    },
    ...(build.sourceVersion ? { 'source-version': build.sourceVersion } : {}),
    ...(names && build.logging ? { logs: { 'group-name': names.group, 'stream-name': names.stream } } : {}),
    phases: build.phases.map(phaseFacts),
  }
}

/** A build began or ended. */
export const stateChange = (ctx: Ctx, build: BuildRecord): DomainEvent => {
  const arn = buildArn(ctx, build.id)
  return {
    source: 'aws.codebuild',
    'detail-type': 'CodeBuild Build State Change',
    account: ctx.account,
    region: ctx.region,
    resources: [arn],
    detail: {
      'build-status': build.status,
      'project-name': build.project,
      'build-id': arn,
      'additional-information': additional(build),
      'current-phase': currentPhase(build),
      'current-phase-context': contextOf(build.phases.at(-1)),
      version: '1',
    },
  }
}

/** A phase ended. */
export const phaseChange = (ctx: Ctx, build: BuildRecord, phase: PhaseRecord): DomainEvent => {
  const arn = buildArn(ctx, build.id)
  const end = phase.end ?? phase.start
  return {
    source: 'aws.codebuild',
    'detail-type': 'CodeBuild Build Phase Change',
    account: ctx.account,
    region: ctx.region,
    resources: [arn],
    detail: {
      'completed-phase': phase.type,
      'project-name': build.project,
      'build-id': arn,
      'completed-phase-context': contextOf(phase),
      'additional-information': additional(build),
      'completed-phase-status': phase.status ?? '',
      'completed-phase-duration-seconds': Math.floor((end - phase.start) / 1000),
      version: '1',
      'completed-phase-start': written(phase.start),
      'completed-phase-end': written(end),
    },
  }
}

const durationMetrics = {
  SUBMITTED: 'SubmittedDuration',
  QUEUED: 'QueuedDuration',
  PROVISIONING: 'ProvisioningDuration',
  DOWNLOAD_SOURCE: 'DownloadSourceDuration',
  INSTALL: 'InstallDuration',
  PRE_BUILD: 'PreBuildDuration',
  BUILD: 'BuildDuration',
  POST_BUILD: 'PostBuildDuration',
  UPLOAD_ARTIFACTS: 'UploadArtifactsDuration',
  FINALIZING: 'FinalizingDuration',
} as const

/** Publishes the metrics of a build that has ended, for its project and for the account. */
export const publishMetrics = async (ctx: Ctx, build: BuildRecord): Promise<void> => {
  if (build.managed) return
  const end = build.ended ?? build.created
  const facts: { name: string; value: number; unit: string }[] = [
    { name: 'Builds', value: 1, unit: 'Count' },
    { name: 'Duration', value: (end - build.created) / 1000, unit: 'Seconds' },
  ]
  // Failed is what a client's error or the time ended; what was stopped counts as neither.
  if (build.status === 'SUCCEEDED') facts.push({ name: 'SucceededBuilds', value: 1, unit: 'Count' })
  else if (build.status !== 'STOPPED') facts.push({ name: 'FailedBuilds', value: 1, unit: 'Count' })
  for (const { type, start, end: until } of build.phases)
    if (type !== 'COMPLETED' && until !== undefined)
      facts.push({ name: durationMetrics[type], value: (until - start) / 1000, unit: 'Seconds' })
  const time = new Date(end)
  const whose: Record<string, string>[] = [{ ProjectName: build.project }, {}]
  const data = whose.flatMap((dimensions) => facts.map((fact) => ({ ...fact, dimensions, time })))
  await ctx.use(vendedMetrics).put(ctx.place, 'AWS/CodeBuild', data)
}
