import { mkdir } from 'node:fs/promises'
import { auditRecord, auditStream } from '../../kernel/audit.ts'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler, type StepResult } from '../../work/reconciler.ts'
import { Batch, type BatchGroup, type BatchRecord, beginBatchPhase, endBatchPhase } from './batch.ts'
import { combineArtifacts } from './batch-artifacts.ts'
import { type BatchTask, parseBatchspec } from './batchspec.ts'
import { Build, buildArn, type PhaseContext, type Status, serviceRoleOf } from './build.ts'
import { reportBatch } from './build-reported.ts'
import { PhaseFailure } from './environment.ts'
import { Fleet, fleetArn, fleetNameOf } from './fleet.ts'
import { folders, removeFolder } from './plan.ts'
import { type Artifacts, batchLimit, projectArn, trustContext } from './project.ts'
import { fetchSources, findBuildspec } from './source.ts'
import { batchReconciler, buildReconciler, type Settings, submit } from './start.ts'
import { BuildspecError } from './yaml-reader.ts'

/** Most minutes of a batch, unless its configuration says. */
const defaultTimeout = 480

/** A batch is woken by each of its builds that ends; this often (ms) it looks by itself. */
const lookEvery = 30_000

const now = (ctx: Ctx) => ctx.now().getTime()

/** Carries a batch through its phases. Every step may be repeated: the record says where it stands. */
export const batchRun: Reconciler = {
  name: batchReconciler,
  step: async (ctx, id) => {
    const batch = await timed(ctx, id)
    if (!batch || batch.ended !== undefined) return done()
    switch (batch.phases.at(-1)?.type) {
      case 'DOWNLOAD_BATCHSPEC':
        return batch.interrupted ? finish(ctx, batch) : download(ctx, batch)
      case 'IN_PROGRESS':
        return goOn(ctx, batch)
      case 'COMBINE_ARTIFACTS':
        return combine(ctx, batch)
      default:
        return done()
    }
  },
}

const deadlineOf = ({ begun, config }: BatchRecord) => begun + (config.timeoutInMins ?? defaultTimeout) * 60_000

const change = (ctx: Ctx, id: string, to: (batch: BatchRecord, tx: WriteTx) => BatchRecord | Promise<BatchRecord>) =>
  ctx.write(async (tx) => {
    const before = await tx.get(Batch, id)
    return before && tx.put(Batch, await to(before, tx))
  })

/** The batch, marked as timed out once its time is over. */
const timed = async (ctx: Ctx, id: string): Promise<BatchRecord | undefined> => {
  const batch = await ctx.read((tx) => tx.get(Batch, id))
  if (!batch || batch.ended !== undefined || batch.interrupted || now(ctx) < deadlineOf(batch)) return batch
  return change(ctx, id, (fresh) => (fresh.interrupted ? fresh : { ...fresh, interrupted: 'TIMED_OUT' }))
}

/** What of an error belongs into a phase's context. */
const contextOf = (ctx: Ctx, batch: BatchRecord, error: unknown): PhaseContext => {
  if (error instanceof PhaseFailure) return { code: error.code, message: error.message }
  if (error instanceof BuildspecError) return { code: 'YAML_FILE_ERROR', message: error.message }
  if (error instanceof AwsError && error.code !== 'InternalFailure')
    return { code: 'CLIENT_ERROR', message: `${error.code}: ${error.message}` }
  ctx.log.error('a batch failed by a fault of its own service', { batch: batch.id, error: String(error) })
  return { code: 'INTERNAL_SERVICE_ERROR', message: 'CodeBuild is experiencing an internal problem.' }
}

/** DOWNLOAD_BATCHSPEC: the source under the service role, and what its buildspec says of a batch. */
const download = async (ctx: Ctx, batch: BatchRecord): Promise<StepResult> => {
  const { settings, config } = batch
  const sourced = { ...settings, uuid: batch.uuid }
  const { all, view, scratch } = folders(ctx, batch)
  try {
    await removeFolder(all)
    await mkdir(scratch, { recursive: true, mode: 0o700 })
    await mkdir(view.outside)
    const role = serviceRoleOf(ctx, sourced)
    const fetched = await fetchSources(ctx, role, sourced, view, scratch)
    const { text } = await findBuildspec(role, sourced, fetched, view, scratch)
    const { fastFail, tasks: asked } = parseBatchspec(text, config.restrictions?.maximumBuildsAllowed ?? batchLimit)
    const tasks = await Promise.all(asked.map((task) => withFleet(ctx, task)))
    for (const task of tasks) checkTask(batch, task)
    const version = fetched.resolvedVersion
    await change(ctx, batch.id, (fresh, tx) => {
      const known = {
        ...endBatchPhase(fresh, 'SUCCEEDED', now(ctx)),
        fastFail,
        groups: tasks.map((task) => ({ task, prior: [] })),
        ...(version ? { resolvedSourceVersion: version } : {}),
      }
      return reportBatch(tx, beginBatchPhase(known, 'IN_PROGRESS', now(ctx)))
    })
    return again({ in: 0 })
  } catch (error) {
    return finish(ctx, batch, contextOf(ctx, batch, error))
  } finally {
    await removeFolder(all)
  }
}

/** A task names its fleet by name or ARN. */
const withFleet = async (ctx: Ctx, task: BatchTask): Promise<BatchTask> => {
  if (task.fleet === undefined) return task
  const fleet = await ctx.read((tx) => tx.get(Fleet, fleetNameOf(task.fleet ?? '')))
  const arn = fleet && fleetArn(ctx, fleet)
  if (!arn || (task.fleet.startsWith('arn:') && task.fleet !== arn))
    throw new PhaseFailure('CLIENT_ERROR', `Fleet cannot be found: ${task.fleet}`)
  return { ...task, fleet: arn }
}

/** What restrictions forbid, and what builds here cannot have. */
const checkTask = ({ config, settings }: BatchRecord, task: BatchTask): void => {
  const allowed = config.restrictions?.computeTypesAllowed
  const fleets = config.restrictions?.fleetsAllowed
  const fleet = task.fleet ?? settings.environment.fleet?.fleetArn
  if (fleet && fleets?.length && !fleets.some((one) => one === fleet || one === fleetNameOf(fleet)))
    throw new PhaseFailure('CLIENT_ERROR', `Fleet ${fleet} of the build ${task.identifier} is not allowed`)
  const computeType = task.computeType ?? settings.environment.computeType
  if (allowed?.length && !allowed.includes(computeType))
    throw new PhaseFailure('CLIENT_ERROR', `Compute type ${computeType} of the build ${task.identifier} is not allowed`)
  if (task.computeType !== undefined && !computeTypeOf(task.computeType))
    throw new PhaseFailure('CLIENT_ERROR', `Drydock has no compute type ${computeType} (build ${task.identifier})`)
  const type = task.type ?? settings.environment.type
  if (type !== 'LINUX_CONTAINER' && type !== 'ARM_CONTAINER')
    throw new PhaseFailure('CLIENT_ERROR', `Drydock has no environments of type ${type} (build ${task.identifier})`)
}

/** Artifacts of a batch's builds lie side by side, each under its build's identifier. */
const apart = (artifacts: Artifacts, identifier: string): Artifacts =>
  artifacts.type === 'S3' ? { ...artifacts, path: [artifacts.path, identifier].filter(Boolean).join('/') } : artifacts

/**
 * CodePipeline names what it wants of each build: `build` its primary artifact, `build_artifact` a secondary one ("Batch
 * build with individual artifacts", CodeBuild user guide).
 */
const wanted = ({ settings, groups }: BatchRecord, { identifier }: BatchTask): Pick<Settings, ArtifactSettings> => {
  const identifiers = groups.map(({ task }) => task.identifier)
  const all = settings.secondaryArtifacts
  const secondary = all.filter(
    ({ artifactIdentifier: name = '' }) => name.startsWith(`${identifier}_`) && !identifiers.includes(name),
  )
  const named = ({ artifactIdentifier: name = '', ...one }: Artifacts): Artifacts => ({
    ...one,
    artifactIdentifier: name.slice(identifier.length + 1),
  })
  const primary = all.find(({ artifactIdentifier }) => artifactIdentifier === identifier)
  return { artifacts: primary ?? { type: 'NO_ARTIFACTS' }, secondaryArtifacts: secondary.map(named) }
}

const artifactsOf = (batch: BatchRecord, task: BatchTask): Pick<Settings, ArtifactSettings> => {
  const { settings, config } = batch
  if (settings.initiator.startsWith('codepipeline/') && !config.combineArtifacts) return wanted(batch, task)
  return {
    artifacts: apart(settings.artifacts, task.identifier),
    secondaryArtifacts: settings.secondaryArtifacts.map((one) => apart(one, task.identifier)),
  }
}
type ArtifactSettings = 'artifacts' | 'secondaryArtifacts'

const settingsOfTask = (batch: BatchRecord, task: BatchTask): Settings => {
  const { settings } = batch
  const { environment } = settings
  const variables = new Map((environment.environmentVariables ?? []).map((variable) => [variable.name, variable]))
  for (const [name, value] of Object.entries(task.variables)) variables.set(name, { name, value, type: 'PLAINTEXT' })
  const sourceVersion = settings.source.type === 'S3' ? settings.sourceVersion : batch.resolvedSourceVersion
  return {
    ...settings,
    // All builds are of the one commit that the batch found.
    ...(sourceVersion ? { sourceVersion } : {}),
    source: task.buildspec === undefined ? settings.source : { ...settings.source, buildspec: task.buildspec },
    ...artifactsOf(batch, task),
    environment: {
      ...environment,
      type: task.type === 'ARM_CONTAINER' || task.type === 'LINUX_CONTAINER' ? task.type : environment.type,
      computeType: computeTypeOf(task.computeType) ?? environment.computeType,
      image: task.image ?? environment.image,
      ...(task.fleet === undefined ? {} : { fleet: { fleetArn: task.fleet } }),
      privilegedMode: task.privileged ?? environment.privilegedMode,
      environmentVariables: [...variables.values()],
    },
    ...(task.debug ? { debug: true } : {}),
    batch: { id: batch.id, identifier: task.identifier },
  }
}

const computeTypes = [
  ...['BUILD_GENERAL1_SMALL', 'BUILD_GENERAL1_MEDIUM', 'BUILD_GENERAL1_LARGE'],
  ...['BUILD_GENERAL1_XLARGE', 'BUILD_GENERAL1_2XLARGE'],
] as const
const computeTypeOf = (name: string | undefined) => computeTypes.find((type) => type === name)

const over = ({ current }: BatchGroup) => current !== undefined && current.status !== 'IN_PROGRESS'
/** Those that depend on it may go on. */
const passed = (group: BatchGroup) => over(group) && (group.current?.status === 'SUCCEEDED' || group.task.ignoreFailure)
const failed = (group: BatchGroup) => over(group) && !passed(group)

/** What the builds have become: those that were retried by themselves are followed. */
const updated = async (batch: BatchRecord, tx: WriteTx): Promise<BatchRecord> => {
  const reports = new Set(batch.reports)
  const groups: BatchGroup[] = []
  for (const group of batch.groups) {
    let { current, prior } = group
    for (let follow = true; follow && current; ) {
      const build = await tx.get(Build, current.build)
      follow = false
      // A build that was deleted has ended; how, nobody knows any more.
      const status: Status = build ? build.status : current.status === 'IN_PROGRESS' ? 'FAULT' : current.status
      current = { ...current, status, artifacts: build?.stored ?? current.artifacts }
      for (const report of build?.reports ?? []) reports.add(report)
      const next: string | undefined = build?.ended === undefined ? undefined : build.autoRetry?.next
      if (!next) continue
      prior = [...prior, current]
      current = { build: next, requested: build?.ended ?? current.requested, status: 'IN_PROGRESS', artifacts: [] }
      follow = true
    }
    groups.push({ ...group, prior, ...(current ? { current } : {}) })
  }
  return { ...batch, groups, reports: [...reports] }
}

/** IN_PROGRESS: starts what may start, stops what must stop, ends when nothing runs or can. */
const goOn = async (ctx: Ctx, found: BatchRecord): Promise<StepResult> => {
  const denied = found.interrupted ? undefined : await mayStart(ctx, found)
  const batch = await change(ctx, found.id, async (before, tx) => {
    let present = await updated(before, tx)
    if (denied && !present.interrupted) present = { ...present, interrupted: 'FAILED', refusal: denied }
    if (present.fastFail && !present.interrupted && present.groups.some(failed))
      present = { ...present, interrupted: 'FAILED' }
    if (present.interrupted) await stopBuilds(present, tx)
    else present = await startBuilds(ctx, present, tx)
    return present
  })
  if (!batch) return done()
  await recordStarts(ctx, found, batch, denied)
  if (batch.groups.some(({ current }) => current?.status === 'IN_PROGRESS'))
    return again({ in: batch.interrupted ? 1000 : Math.max(1, Math.min(lookEvery, deadlineOf(batch) - now(ctx))) })
  // What waits though nothing runs waits for room in its project, or for a build that failed.
  const waits = batch.groups.some((group) => ready(batch, group))
  if (waits && !batch.interrupted) return again({ in: lookEvery })
  if (!batch.interrupted && !batch.groups.some(failed) && batch.config.combineArtifacts) {
    await change(ctx, batch.id, (fresh) =>
      beginBatchPhase(endBatchPhase(fresh, 'SUCCEEDED', now(ctx)), 'COMBINE_ARTIFACTS', now(ctx)),
    )
    return again({ in: 0 })
  }
  return finish(ctx, batch, batch.refusal)
}

const ready = ({ groups }: BatchRecord, group: BatchGroup): boolean =>
  !group.current &&
  group.task.dependsOn.every((id) => groups.some((other) => other.task.identifier === id && passed(other)))

/** AWS's services under the role that starts a batch's builds. */
const batchRoleOf = (ctx: Ctx, batch: BatchRecord) =>
  ctx.as(batch.config.serviceRole ?? '', {
    sessionName: `AWSCodeBuild-${batch.uuid}`,
    context: trustContext(ctx, batch.project),
  })

/** The batch's own role starts the builds: what is wrong when it may not. */
const mayStart = async (ctx: Ctx, batch: BatchRecord): Promise<PhaseContext | undefined> => {
  if (!batch.groups.some((group) => ready(batch, group))) return undefined
  try {
    await batchRoleOf(ctx, batch).authorize('codebuild:StartBuild', projectArn(ctx, batch.project))
    return undefined
  } catch (error) {
    if (!(error instanceof AwsError) || error.code === 'InternalFailure') throw error
    return { code: 'CLIENT_ERROR', message: `${error.code}: ${error.message}` }
  }
}

/**
 * What the batch's role started, or was refused to, in the event history: the calls that CodeBuild makes under it ("Run
 * builds in batches"). The builds themselves are there by now; a server killed in between leaves out the record, never a build.
 */
const recordStarts = async (
  ctx: Ctx,
  before: BatchRecord,
  after: BatchRecord,
  denied?: PhaseContext,
): Promise<void> => {
  const started = after.groups.flatMap(({ current, task }, index) =>
    current && !before.groups[index]?.current ? [{ id: current.build, task }] : [],
  )
  const refused = denied
    ? after.groups.filter((group) => ready(before, group)).map(({ task }) => ({ id: '', task }))
    : []
  if (started.length + refused.length === 0) return
  const now = ctx.now()
  const principal = await batchRoleOf(ctx, after)
    .principal()
    .catch((error: unknown) => {
      // The role is gone: nobody started them.
      if (error instanceof AwsError) return undefined
      throw error
    })
  if (!principal) return
  const records = [...started, ...refused.slice(0, 1)].map(({ id, task }) =>
    auditRecord({
      ...{ principal, ...ctx.place, now, eventSource: 'codebuild.amazonaws.com', eventName: 'StartBuild' },
      request: { ...ctx.request, id: ctx.newId() },
      ...{ readOnly: false, dataEvent: false },
      requestParameters: { projectName: after.project, buildBatchId: after.id, buildIdentifier: task.identifier },
      responseElements: id === '' ? undefined : { build: { id, arn: buildArn(ctx, id), projectName: after.project } },
      resources: [projectArn(ctx, after.project)],
      error: id === '' ? new AwsError('AccessDeniedException', denied?.message ?? '') : undefined,
    }),
  )
  await ctx.append.append(
    auditStream(ctx.account, ctx.region),
    records.map((body) => ({ time: now.getTime(), body })),
  )
}

const startBuilds = async (ctx: Ctx, batch: BatchRecord, tx: WriteTx): Promise<BatchRecord> => {
  const groups: BatchGroup[] = []
  let room = true
  let refusal: PhaseContext | undefined
  for (const group of batch.groups) {
    if (!room || !ready(batch, group)) {
      groups.push(group)
      continue
    }
    try {
      const build = await submit(ctx, tx, settingsOfTask(batch, group.task))
      groups.push({
        ...group,
        current: { build: build.id, requested: build.created, status: 'IN_PROGRESS', artifacts: [] },
      })
    } catch (error) {
      if (!(error instanceof AwsError) || error.code === 'InternalFailure') throw error
      // As many builds of the project run as it allows: the others wait. For anything else, waiting is of no use.
      if (error.code !== 'AccountLimitExceededException') refusal = contextOf(ctx, batch, error)
      room = false
      groups.push(group)
    }
  }
  return { ...batch, groups, ...(refusal ? { interrupted: 'FAILED', refusal } : {}) }
}

const stopBuilds = async (batch: BatchRecord, tx: WriteTx): Promise<void> => {
  for (const { current } of batch.groups) {
    const build = current && (await tx.get(Build, current.build))
    if (!build || build.ended !== undefined || build.interrupted) continue
    tx.put(Build, { ...build, interrupted: 'STOPPED' })
    tx.wake(buildReconciler, build.id)
  }
}

const combine = async (ctx: Ctx, batch: BatchRecord): Promise<StepResult> => {
  const { all, scratch } = folders(ctx, batch)
  try {
    await mkdir(scratch, { recursive: true, mode: 0o700 })
    const role = serviceRoleOf(ctx, { ...batch.settings, uuid: batch.uuid })
    const stored = await combineArtifacts(role, batch, scratch)
    await change(ctx, batch.id, (fresh) => ({ ...fresh, stored }))
    return finish(ctx, batch)
  } catch (error) {
    return finish(ctx, batch, contextOf(ctx, batch, error))
  } finally {
    await removeFolder(all)
  }
}

/** The last phase is called as the batch ended. */
const finish = async (ctx: Ctx, batch: BatchRecord, context?: PhaseContext): Promise<StepResult> => {
  await change(ctx, batch.id, (fresh, tx) => {
    if (fresh.ended !== undefined) return fresh
    const status: Status = fresh.interrupted ?? (context || fresh.groups.some(failed) ? 'FAILED' : 'SUCCEEDED')
    const at = now(ctx)
    const last = status === 'SUCCEEDED' || status === 'STOPPED' ? status : 'FAILED'
    const final = beginBatchPhase(endBatchPhase(fresh, status, at, context), last, at)
    return reportBatch(tx, { ...endBatchPhase(final, status, at), status, ended: at })
  })
  return done()
}
