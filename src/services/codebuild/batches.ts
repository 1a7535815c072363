import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import {
  Batch,
  type BatchRecord,
  batchIdOf,
  batchMoment,
  beginBatchPhase,
  endBatchPhase,
  noBatch,
  toBatch,
} from './batch.ts'
import { Build, buildArn } from './build.ts'
import { reportBatch } from './build-reported.ts'
import { fail, type Input, type Operation, pageSize, positionOf, tokenOf } from './operation.ts'
import { type BatchConfig, checkBatchConfig, checkRole, getProject, Project, projectArn } from './project.ts'
import { batchReconciler, once, refuse, type Settings, settingsOf } from './start.ts'

const invalid = (message: string) => fail('InvalidInputException', message)

/** A new batch of these settings, submitted, its reconciler woken. */
export const startBatch = async (
  ctx: Ctx,
  tx: WriteTx,
  settings: Settings,
  config: BatchConfig | undefined,
): Promise<BatchRecord> => {
  if (!config?.serviceRole) throw invalid('Invalid build batch config: a service role for batch builds is required')
  const project = await tx.get(Project, settings.project)
  if (!project) throw fail('ResourceNotFoundException', `Project cannot be found: ${projectArn(ctx, settings.project)}`)
  const number = (project.batches ?? 0) + 1
  tx.put(Project, { ...project, batches: number })
  const uuid = ctx.newId()
  const now = ctx.now().getTime()
  const record: BatchRecord = {
    ...{ id: `${project.name}:${uuid}`, uuid, project: project.name, number, created: now, begun: now },
    ...{ status: 'IN_PROGRESS', phases: [], settings, config, fastFail: false, groups: [], reports: [], stored: [] },
  }
  tx.wake(batchReconciler, record.id)
  const submitted = endBatchPhase(beginBatchPhase(record, 'SUBMITTED', now), 'SUCCEEDED', now)
  return tx.put(Batch, beginBatchPhase(submitted, 'DOWNLOAD_BATCHSPEC', now))
}

/** AWS API: "StartBuildBatch". Needs a role for batches, of the project or of the request. */
export const StartBuildBatch: Operation<'StartBuildBatch'> = async (ctx, input) => {
  const {
    buildBatchConfigOverride,
    buildTimeoutInMinutesOverride: timeout,
    reportBuildBatchStatusOverride: reports,
    ...same
  } = input
  const asBuild: Input<'StartBuild'> = {
    ...same,
    ...(timeout === undefined ? {} : { timeoutInMinutesOverride: timeout }),
    ...(reports === undefined ? {} : { reportBuildStatusOverride: reports }),
  }
  refuse(asBuild)
  const project = await getProject(ctx, input.projectName)
  // What is not overridden is the project's: CodePipeline overrides combineArtifacts alone.
  const config = { ...project.buildBatchConfig, ...buildBatchConfigOverride }
  if (!config.serviceRole) throw invalid('Invalid build batch config: a service role for batch builds is required')
  if (buildBatchConfigOverride) await checkBatchConfig(ctx, buildBatchConfigOverride, project.name)
  const settings = settingsOf(ctx, project, asBuild)
  if (input.serviceRoleOverride) await checkRole(ctx, input.serviceRoleOverride, project.name)
  const batch = await once(ctx, Batch, input.idempotencyToken, input, (tx) => startBatch(ctx, tx, settings, config))
  return { buildBatch: toBatch(ctx, batch) }
}

/** AWS API: "StopBuildBatch". It ends as STOPPED once its builds are stopped; one that has ended stays as it is. */
export const StopBuildBatch: Operation<'StopBuildBatch'> = async (ctx, { id }) => {
  const batch = await ctx.write(async (tx) => {
    const present = await tx.get(Batch, batchIdOf(id))
    if (!present) throw noBatch(id)
    if (present.ended !== undefined || present.interrupted) return present
    tx.wake(batchReconciler, present.id)
    return tx.put(Batch, { ...present, interrupted: 'STOPPED' as const })
  })
  return { buildBatch: toBatch(ctx, batch) }
}

/** AWS API: "RetryBuildBatch". Only a batch that did not succeed is retried: all its builds, or those that did not succeed. */
export const RetryBuildBatch: Operation<'RetryBuildBatch'> = async (ctx, input) => {
  const { id, retryType = 'RETRY_FAILED_BUILDS' } = input
  if (id === undefined) throw invalid('Invalid build batch ID: a build batch ID is required')
  const batch = await once(ctx, Batch, input.idempotencyToken, input, async (tx) => {
    const before = await tx.get(Batch, batchIdOf(id))
    if (!before) throw noBatch(id)
    if (before.ended === undefined) throw invalid(`Build batch ${before.id} has not completed`)
    if (before.status === 'SUCCEEDED') throw invalid(`Build batch ${before.id} has succeeded: it cannot be retried`)
    if (before.groups.length === 0) throw invalid(`Build batch ${before.id} has no builds to retry`)
    const now = ctx.now().getTime()
    const { ended, interrupted, refusal, ...kept } = before
    const groups = before.groups.map((group) => {
      if (!group.current || (retryType === 'RETRY_FAILED_BUILDS' && group.current.status === 'SUCCEEDED')) return group
      const { current, ...rest } = group
      return { ...rest, prior: [...group.prior, current] }
    })
    const phases = before.phases.filter(({ type }) => type === 'SUBMITTED' || type === 'DOWNLOAD_BATCHSPEC')
    tx.wake(batchReconciler, before.id)
    const fresh: BatchRecord = { ...kept, status: 'IN_PROGRESS', begun: now, phases, groups, stored: [] }
    return reportBatch(tx, tx.put(Batch, beginBatchPhase(fresh, 'IN_PROGRESS', now)))
  })
  return { buildBatch: toBatch(ctx, batch) }
}

/** AWS API: "DeleteBuildBatch". Its builds go with it. */
export const DeleteBuildBatch: Operation<'DeleteBuildBatch'> = (ctx, { id }) =>
  ctx.write(async (tx) => {
    const batch = await tx.get(Batch, batchIdOf(id))
    if (!batch) throw invalid(`Build batch ${batchIdOf(id)} cannot be found`)
    if (batch.ended === undefined) throw invalid(`Build batch ${batch.id} is in progress and cannot be deleted`)
    const buildsDeleted: string[] = []
    for (const { current, prior } of batch.groups)
      for (const attempt of current ? [current, ...prior] : prior) {
        if (!(await tx.get(Build, attempt.build))) continue
        tx.delete(Build, attempt.build)
        buildsDeleted.push(buildArn(ctx, attempt.build))
      }
    tx.delete(Batch, batch.id)
    return { statusCode: 'BATCH_DELETED', buildsDeleted, buildsNotDeleted: [] }
  })

/** AWS API: "BatchGetBuildBatches". Takes ids and ARNs. */
export const BatchGetBuildBatches: Operation<'BatchGetBuildBatches'> = (ctx, { ids }) =>
  ctx.read(async (tx) => {
    const buildBatches: ReturnType<typeof toBatch>[] = []
    const buildBatchesNotFound: string[] = []
    for (const id of new Set(ids)) {
      const batch = await tx.get(Batch, batchIdOf(id))
      if (batch) buildBatches.push(toBatch(ctx, batch))
      else buildBatchesNotFound.push(id)
    }
    return { buildBatches, buildBatchesNotFound }
  })

type Listing = Input<'ListBuildBatches'>

const page = (batches: readonly BatchRecord[], input: Listing) => {
  const fitting = batches.filter(({ status }) => !input.filter?.status || status === input.filter.status)
  const after = positionOf(input.nextToken)
  const ascending = input.sortOrder === 'ASCENDING'
  const rest =
    after === undefined
      ? fitting
      : fitting.filter((batch) => (ascending ? batchMoment(batch) > after : batchMoment(batch) < after))
  const shown = rest.slice(0, input.maxResults ?? pageSize)
  const last = shown.at(-1)
  return {
    ids: shown.map(({ id }) => id),
    ...(last && rest.length > shown.length ? { nextToken: tokenOf(batchMoment(last)) } : {}),
  }
}

/** AWS API: "ListBuildBatches". Newest first unless told otherwise. */
export const ListBuildBatches: Operation<'ListBuildBatches'> = async (ctx, input) =>
  page(await ctx.read((tx) => tx.list(Batch, { index: 'time', reverse: input.sortOrder !== 'ASCENDING' })), input)

/** AWS API: "ListBuildBatchesForProject". Newest first unless told otherwise. */
export const ListBuildBatchesForProject: Operation<'ListBuildBatchesForProject'> = async (ctx, input) => {
  if (input.projectName === undefined) throw invalid('Invalid project name: a project name is required')
  const { name } = await getProject(ctx, input.projectName)
  const options = { index: 'project', prefix: `${name}/`, reverse: input.sortOrder !== 'ASCENDING' }
  return page(await ctx.read((tx) => tx.list(Batch, options)), input)
}
