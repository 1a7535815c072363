import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { isCommitId } from '../../remotes/git.ts'
import { type CommitState, type CommitStatus, providerOf } from '../../remotes/provider.ts'
import { RemoteError } from '../../remotes/reach.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { Batch, type BatchRecord } from './batch.ts'
import { Build, type BuildRecord, type Status, serviceRoleOf } from './build.ts'
import { speaksAlone, statusReconciler } from './build-reported.ts'
import { builtInVariables, PhaseFailure } from './environment.ts'
import { gitUrl } from './location.ts'
import type { Source } from './project.ts'
import { accessOf, repositoryOf } from './source-access.ts'

// What the provider of a source is told of builds and batches: that they have begun, and how they ended (`reportBuildStatus`).
// A provider that will not hear it never fails a build.

/** How often it is tried, by a reconciler that waits twice as long each time. */
const mostTries = 5

const states: Readonly<Record<Status, CommitState>> = {
  ...{ IN_PROGRESS: 'pending', SUCCEEDED: 'success', FAILED: 'failure' },
  ...{ FAULT: 'error', STOPPED: 'stopped', TIMED_OUT: 'error' },
}

const words: Readonly<Record<CommitState, string>> = {
  ...{ error: 'did not complete', failure: 'failed', pending: 'started', stopped: 'stopped', success: 'succeeded' },
}

/** `$NAME` and `${NAME}` of CodeBuild's own variables; what is not known stays as it is written. */
const expand = (text: string, variables: Readonly<Record<string, string>>): string =>
  text.replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced: string | undefined, bare: string | undefined) => {
    const name = braced ?? bare ?? ''
    return Object.hasOwn(variables, name) ? (variables[name] ?? whole) : whole
  })

type Report = {
  readonly source: Source
  readonly commit: string
  readonly status: CommitStatus
}

type Facts = {
  readonly what: string
  readonly label: string
  readonly project: string
  readonly source: Source
  readonly status: Status
  readonly sourceVersion: string | undefined
  readonly variables: Readonly<Record<string, string>>
}

const reportOf = (ctx: Ctx, facts: Facts): Report | undefined => {
  const { source, sourceVersion: commit = '', variables } = facts
  if (!isCommitId(commit)) return undefined
  const config = source.type.startsWith('GITLAB') ? undefined : source.buildStatusConfig
  const url = config?.targetUrl ? expand(config.targetUrl, variables) : undefined
  const state = states[facts.status]
  return {
    source,
    commit,
    status: {
      state,
      name: config?.context ? expand(config.context, variables) : `AWS CodeBuild ${ctx.region} (${facts.label})`,
      description: `${facts.what} ${words[state]} for project ${facts.project}`,
      ...(url ? { url } : {}),
    },
  }
}

const ofBuild = (ctx: Ctx, build: BuildRecord): Report | undefined => {
  const version = build.resolvedSourceVersion
  const fetched = { folder: '', secondary: {}, ...(version ? { resolvedVersion: version } : {}) }
  const all = builtInVariables(ctx, build, fetched, 'host', {})
  return reportOf(ctx, {
    ...{ what: 'Build', project: build.project, source: build.source, status: build.status },
    label: build.batch ? `${build.project} ${build.batch.identifier}` : build.project,
    sourceVersion: version ?? build.sourceVersion,
    variables: Object.fromEntries(Object.entries(all).filter(([name]) => /^(CODEBUILD_|AWS_REGION$)/.test(name))),
  })
}

const ofBatch = (ctx: Ctx, batch: BatchRecord): Report | undefined => {
  const { settings, project } = batch
  const version = batch.resolvedSourceVersion ?? settings.sourceVersion
  return reportOf(ctx, {
    ...{ what: 'Build batch', label: project, project, source: settings.source, status: batch.status },
    sourceVersion: version,
    variables: {
      AWS_REGION: ctx.region,
      CODEBUILD_BUILD_ID: batch.id,
      CODEBUILD_BUILD_NUMBER: String(batch.number),
      CODEBUILD_INITIATOR: settings.initiator,
      ...settings.webhook,
      ...(version ? { CODEBUILD_RESOLVED_SOURCE_VERSION: version } : {}),
    },
  })
}

/** What is to be told of a build or batch, in whose name, and what was told last. */
const find = async (ctx: Ctx, id: string) => {
  const { build, batch } = await ctx.read(async (tx) => {
    const build = await tx.get(Build, id)
    return { build, batch: await tx.get(Batch, build?.batch?.id ?? id) }
  })
  if (build) {
    if (batch && !speaksAlone(batch.config)) return undefined
    return { report: ofBuild(ctx, build), told: build.told, tries: build.toldInVain ?? 0, by: build }
  }
  if (!batch) return undefined
  const { settings, uuid } = batch
  return { report: ofBatch(ctx, batch), told: batch.told, tries: batch.toldInVain ?? 0, by: { ...settings, uuid } }
}

/** Writes down what was told, or that it was not heard. */
const note = (ctx: Ctx, id: string, change: { told?: CommitState; toldInVain?: number }): Promise<void> =>
  ctx.write(async (tx) => {
    const [build, batch] = [await tx.get(Build, id), await tx.get(Batch, id)]
    if (build) tx.put(Build, { ...build, ...change })
    else if (batch) tx.put(Batch, { ...batch, ...change })
  })

/** Tells providers. Key: id of a build or batch. */
export const statusReports: Reconciler = {
  name: statusReconciler,
  step: async (ctx, id) => {
    const found = await find(ctx, id)
    const { report, told, tries = 0 } = found ?? {}
    if (!found || !report || report.status.state === told) return done()
    const { source, commit, status } = report
    const url = gitUrl(source.location)
    try {
      const access = await accessOf(ctx, serviceRoleOf(ctx, found.by), source, {
        initiator: found.by.initiator,
        action: 'CreateCommitStatus',
      })
      if (!access || !url) return done()
      await providerOf(access).setStatus(repositoryOf(url), commit, status)
      await note(ctx, id, { told: status.state, toldInVain: 0 })
      return done()
    } catch (error) {
      if (!(error instanceof RemoteError || error instanceof PhaseFailure || error instanceof AwsError)) throw error
      ctx.log.warn('a build’s status could not be reported', { build: id, error: error.message })
      const transient =
        error instanceof RemoteError && (error.status === undefined || error.status === 429 || error.status >= 500)
      if (!transient || tries + 1 >= mostTries) return done()
      await note(ctx, id, { toldInVain: tries + 1 })
      return again({ in: 2_000 * 2 ** tries })
    }
  },
}
