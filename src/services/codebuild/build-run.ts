import { RE2JS } from 're2js'
import { ComputeError } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { again, done, type Reconciler, type StepResult } from '../../work/reconciler.ts'
import { uploadArtifacts } from './artifacts.ts'
import {
  Build,
  type BuildRecord,
  beginPhase,
  changeBuild,
  emitChanges,
  endOpenPhase,
  endPhase,
  type PhaseContext,
  type PhaseType,
  type Status,
  type StoredArtifact,
  serviceRoleOf,
  startOf,
} from './build.ts'
import { type BuildLog, buildLog, LogDenied } from './build-log.ts'
import { type Buildspec, phaseNames } from './buildspec.ts'
import { saveCache } from './cache.ts'
import { closeDoors } from './credentials.ts'
import { checkHost, hostRemarks, networkOf, PhaseFailure } from './environment.ts'
import { publishMetrics } from './events.ts'
import { busyOf, capacityOf, Fleet, fleetNameOf, onFleet } from './fleet.ts'
import { follow } from './follow.ts'
import { folders, Plan, type PlanRecord, prepare, secretsOf, sweep, taskOf } from './plan.ts'
import { uploadReports } from './report-upload.ts'
import { deliverLog, dropSpool } from './s3-log.ts'
import { batchReconciler, buildReconciler, retryAutomatically } from './start.ts'
import { measure } from './usage.ts'
import { inVpc, releasePlace, takePlace } from './vpc.ts'

/** A running build is looked at this often (ms): the net below the follower, and what finds it again after a restart. */
const lookEvery = 1000

/** A queued build is woken by the one that ends before it; this often (ms) it looks by itself. */
const queueLook = 60_000

/** What a stopped task gets to end by itself, in seconds. */
const stopGrace = 1

const minutes = 60_000

/** Carries a build through its phases. Every step may be repeated; the record's `stage` says where it stands. */
export const buildRun: Reconciler = {
  name: buildReconciler,
  atStart: true,
  step: async (ctx, id) => {
    const found = await ctx.read(async (tx) => ({ build: await tx.get(Build, id), plan: await tx.get(Plan, id) }))
    const { plan } = found
    const build = found.build && (await timed(ctx, found.build))
    if (!build) return done()
    if (build.ended !== undefined) return clean(ctx, build)
    switch (build.stage) {
      case 'new':
        return build.interrupted ? interrupt(ctx, build, plan) : provision(ctx, build)
      case 'ready':
        // A server that died may have started the task without a word of it: starting it again is finding it.
        return plan ? begin(ctx, build, plan) : interrupt(ctx, build, plan)
      case 'running':
        return watch(ctx, build, plan)
      case 'over':
        return conclude(ctx, build, plan)
      case 'done':
        return done()
    }
  },
}

/** Builds of one account and region that run at a time; AWS's default quota for small Linux environments. Others wait in the queue. */
const concurrentBuilds = 60

const deadlineOf = (build: BuildRecord) => {
  const start = startOf(build)
  return start === undefined
    ? build.created + build.queuedTimeoutInMinutes * minutes
    : start + build.timeoutInMinutes * minutes
}

/** The build, marked as timed out once its time is over. */
const timed = async (ctx: Ctx, build: BuildRecord): Promise<BuildRecord | undefined> =>
  build.ended === undefined && !build.interrupted && build.stage !== 'over' && ctx.now().getTime() >= deadlineOf(build)
    ? changeBuild(ctx, build.id, (fresh) => (fresh.interrupted ? fresh : { ...fresh, interrupted: 'TIMED_OUT' }))
    : build

const now = (ctx: Ctx) => ctx.now().getTime()

/** Ends the present phase and begins the next. */
const pass = (build: BuildRecord, from: PhaseType, to: PhaseType, at: number): BuildRecord =>
  beginPhase(endPhase(build, from, 'SUCCEEDED', at), to, at)

/** What of an error belongs into a phase's context; our own bugs are told as AWS tells its own. */
const contextOf = (ctx: Ctx, build: BuildRecord, error: unknown): PhaseContext => {
  if (error instanceof PhaseFailure) return { code: error.code, message: error.message }
  if (error instanceof LogDenied) return { code: 'ACCESS_DENIED', message: error.message }
  if (error instanceof AwsError && error.code !== 'InternalFailure')
    return { code: 'CLIENT_ERROR', message: `${error.code}: ${error.message}` }
  if (error instanceof ComputeError)
    return error.code === 'image'
      ? {
          code: 'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE',
          message: `Unable to pull customer's container image. ${error.message}`,
        }
      : { code: 'INTERNAL_SERVICE_ERROR', message: error.message }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  ctx.log.error('a build failed by a fault of its own service', { build: build.id, stack })
  return { code: 'INTERNAL_SERVICE_ERROR', message: 'CodeBuild is experiencing an internal problem.' }
}

/** Moves a build out of the queue if there is room; it stays as it is when there is none. */
const leaveQueue = (ctx: Ctx, id: string): Promise<BuildRecord | undefined> =>
  ctx.write(async (tx) => {
    const before = await tx.get(Build, id)
    if (!before || startOf(before) !== undefined) return before
    const running = await tx.list(Build, { index: 'running', equals: 'running', limit: concurrentBuilds })
    if (running.length >= concurrentBuilds) return before
    const arn = before.environment.fleet?.fleetArn
    let placed = before
    if (arn) {
      const fleet = await tx.get(Fleet, fleetNameOf(arn))
      if (!fleet) throw new PhaseFailure('CLIENT_ERROR', `Fleet cannot be found: ${arn}`)
      const full = busyOf(running, arn) >= capacityOf(fleet)
      if (full && fleet.overflowBehavior === 'QUEUE') return before
      placed = onFleet(before, fleet, full)
    }
    const after = tx.put(Build, pass(placed, 'QUEUED', 'PROVISIONING', now(ctx)))
    emitChanges(ctx, tx, before, after)
    return after
  })

/** QUEUED, PROVISIONING and DOWNLOAD_SOURCE, up to the task's start. */
const provision = async (ctx: Ctx, queued: BuildRecord): Promise<StepResult> => {
  const log = buildLog(ctx, queued, [])
  const role = serviceRoleOf(ctx, queued)
  let build: BuildRecord | undefined = queued
  let opened = false
  try {
    build = await leaveQueue(ctx, queued.id)
    if (!build) return done()
    if (startOf(build) === undefined)
      return again({ in: Math.max(1, Math.min(queueLook, deadlineOf(build) - now(ctx))) })
    await role.principal().catch((error: unknown) => {
      if (!(error instanceof AwsError) || error.code === 'InternalFailure') throw error
      throw new PhaseFailure(
        'ACCESS_DENIED',
        `CodeBuild is not authorized to perform: sts:AssumeRole on ${queued.serviceRole}. Error message: ${error.message}`,
      )
    })
    if (!inVpc(build.vpcConfig) && (await networkOf(ctx, build)) === 'outbound')
      // Whoever is the first spares the others the time; what is wrong with it shows when the task starts.
      ctx.compute.open?.('outbound').catch(() => undefined)
    await log.open()
    opened = true
    await checkHost(ctx, role, build)
    const place = await takePlace(ctx, role, build)
    log.say('Waiting for agent ping', 'Waiting for DOWNLOAD_SOURCE', 'Phase is DOWNLOAD_SOURCE')
    build = await changeBuild(ctx, queued.id, (fresh) => ({
      ...pass(fresh, 'PROVISIONING', 'DOWNLOAD_SOURCE', now(ctx)),
      logging: true,
      ...(place
        ? { networkInterface: { networkInterfaceId: place.networkInterfaceId, subnetId: place.subnetId } }
        : {}),
    }))
    if (!build) return done()
    const { plan, fetched, said } = await prepare(ctx, role, build)
    log.say(...said, ...(await hostRemarks(ctx, build)))
    const version = fetched.resolvedVersion
    build = await changeBuild(
      ctx,
      queued.id,
      (fresh) => ({ ...fresh, stage: 'ready', ...(version ? { resolvedSourceVersion: version } : {}) }),
      (tx) => tx.put(Plan, plan),
    )
    if (!build) return done()
    if (build.interrupted) return interrupt(ctx, build, plan)
    // The log waits for no one: the task starts while the lines are on their way.
    const [result] = await Promise.all([begin(ctx, build, plan, log), log.flush()])
    return result
  } catch (error) {
    if (opened) build = await changeBuild(ctx, queued.id, (fresh) => ({ ...fresh, logging: true }))
    return giveUp(ctx, build ?? queued, error, log)
  }
}

/** A build that ends between two phases shows it in the next one: there is always a phase to blame. */
const withOpenPhase = (build: BuildRecord, at: number): BuildRecord =>
  build.phases.some(({ end }) => end === undefined)
    ? build
    : beginPhase(
        build,
        phaseNames.find((name) => !build.phases.some(({ type }) => type === name)) ?? 'UPLOAD_ARTIFACTS',
        at,
      )

/** The present phase fails and the build with it. */
const giveUp = async (ctx: Ctx, build: BuildRecord, error: unknown, log: BuildLog): Promise<StepResult> => {
  const context = contextOf(ctx, build, error)
  const phase = withOpenPhase(build, now(ctx)).phases.find(({ end }) => end === undefined)?.type ?? ''
  if (!(error instanceof LogDenied) && build.logging) {
    log.say(
      `Phase complete: ${phase} State: FAILED`,
      `Phase context status code: ${context.code} Message: ${context.message}`,
    )
    await log.flush()
  }
  return finish(ctx, build, (fresh) => endOpenPhase(withOpenPhase(fresh, now(ctx)), 'FAILED', now(ctx), context))
}

/** Starts the task, and follows it. */
const begin = async (ctx: Ctx, build: BuildRecord, plan: PlanRecord, opened?: BuildLog): Promise<StepResult> => {
  const log = opened ?? buildLog(ctx, build, secretsOf(ctx, plan))
  try {
    const task = await ctx.compute.start(taskOf(ctx, build, plan))
    const began = now(ctx)
    log.say('Phase complete: DOWNLOAD_SOURCE State: SUCCEEDED', 'Phase context status code:  Message: ')
    const running = await changeBuild(
      ctx,
      build.id,
      (fresh) => ({
        ...endPhase(fresh, 'DOWNLOAD_SOURCE', 'SUCCEEDED', began),
        stage: 'running',
        run: { task: task.handle, offset: 0, began, finished: false, values: {} },
      }),
      measure,
    )
    if (!running) {
      await ctx.compute.remove(task.handle)
      return done()
    }
    await log.flush()
    return watch(ctx, running, plan)
  } catch (error) {
    if (error instanceof ComputeError) return giveUp(ctx, build, error, log)
    throw error
  }
}

/** The task runs: follows its output, and ends it when it must end. */
const watch = async (ctx: Ctx, build: BuildRecord, plan: PlanRecord | undefined): Promise<StepResult> => {
  if (!build.run || !plan) return interrupt(ctx, build, plan)
  follow(ctx, build, plan)
  if (build.interrupted) {
    await ctx.compute.stop(build.run.task, stopGrace)
    return again({ in: lookEvery })
  }
  return again({ in: Math.max(1, Math.min(lookEvery, deadlineOf(build) - now(ctx))) })
}

const interruptions = {
  STOPPED: { code: '', message: '' },
  TIMED_OUT: { code: 'BUILD_TIMED_OUT', message: 'Build has timed out. ' },
} as const

/** Ends a build before its time: stopped, timed out, or its plan is lost. */
const interrupt = async (ctx: Ctx, build: BuildRecord, plan: PlanRecord | undefined): Promise<StepResult> => {
  const { interrupted } = build
  if (build.logging) {
    const log = buildLog(ctx, build, plan ? secretsOf(ctx, plan) : [])
    const phase = build.phases.find(({ end }) => end === undefined)?.type
    if (phase && interrupted) log.say(`Phase complete: ${phase} State: ${interrupted}`)
    await log.flush()
  }
  const context = interrupted
    ? interruptions[interrupted]
    : { code: 'INTERNAL_SERVICE_ERROR', message: 'The plan of the build is lost.' }
  return finish(ctx, build, (fresh) =>
    endOpenPhase(withOpenPhase(fresh, now(ctx)), interrupted ?? 'FAILED', now(ctx), context),
  )
}

/** The task has ended: what it did is judged, its artifacts are uploaded. */
const conclude = async (ctx: Ctx, build: BuildRecord, plan: PlanRecord | undefined): Promise<StepResult> => {
  const { run } = build
  if (!run || !plan) return interrupt(ctx, build, plan)
  if (build.interrupted && !run.finished) return interrupt(ctx, build, plan)
  const log = buildLog(ctx, build, secretsOf(ctx, plan))
  const ended = (type: PhaseType) => build.phases.some((phase) => phase.type === type && phase.end !== undefined)
  const failed = build.phases.some(({ status }) => status === 'FAILED')
  if (!run.finished || !(failed || ended('POST_BUILD'))) {
    const reason =
      run.exit?.reason === 'out-of-memory'
        ? 'Build container died because it was out of memory.'
        : run.exit?.reason === 'lost'
          ? 'The task is gone and left no result.'
          : `ErrorCode: ${run.exit?.code ?? -1}`
    const error = new PhaseFailure(
      'BUILD_CONTAINER_FOUND_DEAD',
      `Build container found dead before completing the build. ${reason}`,
    )
    return giveUp(ctx, build, error, log)
  }
  if (!ended('POST_BUILD')) return finish(ctx, build, (fresh) => fresh)

  if (!(await changeBuild(ctx, build.id, (fresh) => beginPhase(fresh, 'UPLOAD_ARTIFACTS', now(ctx))))) return done()
  const { view, abroad, scratch } = folders(ctx, build)
  const expand = (text: string) => {
    const index = plan.expansions.indexOf(text)
    const value = index < 0 ? text : run.values[index]
    // An empty name or folder would mean another place than was meant.
    if (!value) throw new PhaseFailure('CLIENT_ERROR', `${text} expands to nothing`)
    return value
  }
  const role = serviceRoleOf(ctx, build)
  const reports: string[] = []
  let stored: StoredArtifact[] = []
  let failure: unknown
  try {
    const at = { views: [view, abroad], sourceFolder: plan.sourceFolder, scratch }
    await uploadReports(ctx, role, build, plan.spec, expand, at, log, (arn) => reports.push(arn)).catch((error) => {
      // Artifacts are uploaded all the same.
      failure = error
    })
    stored = await uploadArtifacts(role, build, plan.spec, expand, [view, abroad], plan.sourceFolder, scratch, log)
  } catch (error) {
    failure ??= error
  }
  if (failure === undefined && !failed) {
    const { cache, sourceFolder } = plan
    await saveCache(ctx, role, build, plan.spec, cache, expand, [view, abroad], sourceFolder, scratch, log)
  }
  const noted = await changeBuild(ctx, build.id, (fresh) => ({ ...fresh, stored, reports }))
  if (!noted) return done()
  if (failure !== undefined) return giveUp(ctx, noted, failure, log)
  log.say('Phase complete: UPLOAD_ARTIFACTS State: SUCCEEDED', 'Phase context status code:  Message: ')
  await log.flush()
  return finish(ctx, noted, (fresh) => endPhase(fresh, 'UPLOAD_ARTIFACTS', 'SUCCEEDED', now(ctx)))
}

/** How often a failed build is tried again: the project's limit, or what the failed phase's `on-failure` says. */
const retryLimit = (build: BuildRecord, spec: Buildspec | undefined): number => {
  if (build.initiator.startsWith('codepipeline/')) return 0
  const limit = build.autoRetry?.limit ?? 0
  const failed = build.phases.find(({ status }) => status === 'FAILED')
  for (const [name, phase] of Object.entries(spec?.phases ?? {})) {
    if (name !== failed?.type || phase.onFailure.action !== 'retry') continue
    return matches(phase.onFailure.pattern, failed.context?.message ?? '') ? phase.onFailure.count : 0
  }
  return limit
}

/** The user's pattern, by an engine that never backtracks. One that is no pattern matches nothing. */
const matches = (pattern: string, text: string): boolean => {
  try {
    return RE2JS.compile(pattern).matcher(text).find()
  } catch {
    return false
  }
}

/** What the phases say. Only a build whose last phase succeeded has. */
const statusOf = ({ phases }: BuildRecord): Status => {
  const statuses = phases.map(({ status }) => status)
  for (const status of ['STOPPED', 'TIMED_OUT', 'FAILED'] as const) if (statuses.includes(status)) return status
  return phases.some(({ type, status }) => type === 'UPLOAD_ARTIFACTS' && status === 'SUCCEEDED')
    ? 'SUCCEEDED'
    : 'FAILED'
}

/** FINALIZING and COMPLETED: the status is what the phases say. */
const finish = async (ctx: Ctx, build: BuildRecord, last: (fresh: BuildRecord) => BuildRecord): Promise<StepResult> => {
  const plan = await ctx.read((tx) => tx.get(Plan, build.id))
  const unlogged = await deliverLog(ctx, build)
  const at = now(ctx)
  const ended = await ctx.write(async (tx) => {
    const before = await tx.get(Build, build.id)
    if (!before || before.ended !== undefined) return before
    const closed = last(before)
    const final = endPhase(
      beginPhase(closed, 'FINALIZING', at),
      'FINALIZING',
      unlogged ? 'FAILED' : 'SUCCEEDED',
      at,
      unlogged,
    )
    let after: BuildRecord = {
      ...beginPhase(final, 'COMPLETED', at),
      stage: 'over',
      status: statusOf(final),
      ended: at,
    }
    const limit = retryLimit(after, plan?.spec)
    const number = after.autoRetry?.number ?? 0
    if (after.status === 'FAILED' && number < limit) {
      tx.put(Build, after)
      const next = await retryAutomatically(ctx, tx, after, limit)
      after = { ...after, autoRetry: { ...after.autoRetry, limit, number, next } }
    }
    tx.put(Build, after)
    emitChanges(ctx, tx, before, after)
    if (after.batch) tx.wake(batchReconciler, after.batch.id)
    // Not only the first: those before it may wait for a fleet that is still busy.
    for (const next of await tx.list(Build, { index: 'queued', limit: concurrentBuilds }))
      tx.wake(buildReconciler, next.id)
    return after
  })
  return ended ? clean(ctx, ended) : done()
}

/** Nothing of an ended build is left but its record. */
const clean = async (ctx: Ctx, build: BuildRecord): Promise<StepResult> => {
  if (build.stage !== 'over') return done()
  if (build.run) await ctx.compute.remove(build.run.task)
  await releasePlace(ctx, build)
  await sweep(ctx, build)
  await dropSpool(ctx, build)
  await publishMetrics(ctx, build).catch((error: unknown) =>
    ctx.log.warn('metrics of a build were not published', { build: build.id, error: String(error) }),
  )
  await ctx.write(async (tx) => {
    const fresh = await tx.get(Build, build.id)
    if (fresh) tx.put(Build, { ...fresh, stage: 'done' as const })
    tx.delete(Plan, build.id)
    await closeDoors(ctx, tx, build.id)
  })
  return done()
}
