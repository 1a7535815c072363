import { mkdir } from 'node:fs/promises'
import { ComputeError } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { again, done, type Reconciler, type StepResult } from '../../work/reconciler.ts'
import type { BuildRecord, PhaseContext, Status } from './build.ts'
import { parseBuildspec } from './buildspec.ts'
import { closeDoors, openDoor } from './credentials.ts'
import {
  builtInVariables,
  checkHost,
  imageOf,
  limitsOf,
  networkOf,
  PhaseFailure,
  userVariables,
} from './environment.ts'
import { folders, removeFolder } from './plan.ts'
import {
  Command,
  commandReconciler,
  roleOfSandbox,
  Sandbox,
  type SandboxPhase,
  type SandboxRecord,
  sandboxReconciler,
} from './sandbox.ts'
import { fetchSources } from './source.ts'
import { releasePlace, takePlace } from './vpc.ts'

/** A running sandbox is looked at this often (ms). */
const lookEvery = 10_000

/** Most characters of a command's output that are kept: its end. */
const outputLimit = 256 * 1024

const now = (ctx: Ctx) => ctx.now().getTime()

const change = (ctx: Ctx, id: string, to: (sandbox: SandboxRecord) => SandboxRecord) =>
  ctx.write(async (tx) => {
    const before = await tx.get(Sandbox, id)
    return before && tx.put(Sandbox, to(before))
  })

/** Ends the open phase and begins the next. */
const pass = (
  sandbox: SandboxRecord,
  next: SandboxPhase,
  at: number,
  status: Status = 'SUCCEEDED',
  context?: PhaseContext,
): SandboxRecord => ({
  ...sandbox,
  phases: [
    ...sandbox.phases.map((phase) =>
      phase.end === undefined ? { ...phase, status, end: at, ...(context ? { context } : {}) } : phase,
    ),
    next === 'COMPLETED' ? { type: next, start: at, end: at, status: 'SUCCEEDED' } : { type: next, start: at },
  ],
})

/** Carries a sandbox from request to end. Every step may be repeated. */
export const sandboxRun: Reconciler = {
  name: sandboxReconciler,
  step: async (ctx, id) => {
    const sandbox = await ctx.read((tx) => tx.get(Sandbox, id))
    if (!sandbox || sandbox.ended !== undefined) return done()
    if (sandbox.interrupted) return end(ctx, sandbox, sandbox.interrupted)
    if (sandbox.status !== 'RUN_SANDBOX') return begin(ctx, sandbox)
    const over = (sandbox.started ?? sandbox.created) + sandbox.settings.timeoutInMinutes * 60_000
    if (now(ctx) >= over) return end(ctx, sandbox, 'TIMED_OUT')
    if (sandbox.task && !(await ctx.compute.attach(sandbox.task)))
      return end(ctx, sandbox, 'FAILED', {
        code: 'INTERNAL_SERVICE_ERROR',
        message: 'The task of the sandbox is gone.',
      })
    return again({ in: Math.max(1, Math.min(lookEvery, over - now(ctx))) })
  },
}

/** What of a build a sandbox has: its variables are made from it. */
const asBuild = (sandbox: SandboxRecord): BuildRecord => ({
  ...sandbox.settings,
  ...{ id: sandbox.id, uuid: sandbox.uuid, number: 0, created: sandbox.created, status: 'IN_PROGRESS', phases: [] },
  ...{ stored: [], exported: [], stage: 'new', logging: false },
})

const nothing = parseBuildspec('version: 0.2\nphases: {build: {commands: [":"]}}')

const begin = async (ctx: Ctx, queued: SandboxRecord): Promise<StepResult> => {
  try {
    const sandbox = await change(ctx, queued.id, (fresh) =>
      fresh.status === 'QUEUED' ? { ...pass(fresh, 'PROVISIONING', now(ctx)), status: 'PROVISIONING' } : fresh,
    )
    if (!sandbox) return done()
    const role = roleOfSandbox(ctx, sandbox)
    await role.principal()
    await checkHost(ctx, sandbox.settings)
    const { all, view, scratch } = folders(ctx, sandbox)
    await removeFolder(all)
    await mkdir(scratch, { recursive: true, mode: 0o700 })
    await mkdir(view.outside)
    const build = asBuild(sandbox)
    const network = (await takePlace(ctx, role, build))?.attachment ?? (await networkOf(ctx, build))
    const fetched = await fetchSources(ctx, role, build, view, scratch, network)
    const variables = await userVariables(role, build, nothing)
    const door = await openDoor(ctx, sandbox.id, network)
    const env = { ...variables.values, ...builtInVariables(ctx, build, fetched, network, door.variables) }
    const task = await ctx.compute.start({
      id: `sandbox-${sandbox.uuid}`,
      kind: 'task',
      image: imageOf(ctx, build.environment.image),
      command: ['/bin/sh', '-c', 'trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done'],
      env,
      workdir: fetched.folder,
      mounts: [{ source: view.outside, target: '/codebuild', writable: true }],
      ...limitsOf(build.environment),
      ...(build.environment.privilegedMode ? { privileged: true } : {}),
      network,
    })
    const version = fetched.resolvedVersion
    await change(ctx, queued.id, (fresh) => ({
      ...pass(pass(fresh, 'DOWNLOAD_SOURCE', now(ctx)), 'RUN_SANDBOX', now(ctx)),
      status: 'RUN_SANDBOX',
      started: now(ctx),
      task: task.handle,
      folder: fetched.folder,
      sealed: ctx.seal(JSON.stringify({ env, secrets: [...variables.secrets, ...door.secrets] })),
      ...(version ? { resolvedSourceVersion: version } : {}),
    }))
    return again({ in: lookEvery })
  } catch (error) {
    if (error instanceof PhaseFailure) return end(ctx, queued, 'FAILED', { code: error.code, message: error.message })
    if (error instanceof ComputeError)
      return end(ctx, queued, 'FAILED', { code: 'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE', message: error.message })
    if (error instanceof AwsError && error.code !== 'InternalFailure')
      return end(ctx, queued, 'FAILED', { code: 'CLIENT_ERROR', message: `${error.code}: ${error.message}` })
    throw error
  }
}

const end = async (
  ctx: Ctx,
  sandbox: SandboxRecord,
  status: 'STOPPED' | 'TIMED_OUT' | 'FAILED',
  context?: PhaseContext,
): Promise<StepResult> => {
  if (sandbox.task) await ctx.compute.remove(sandbox.task)
  await releasePlace(ctx, asBuild(sandbox))
  await removeFolder(folders(ctx, sandbox).all)
  await ctx.write(async (tx) => {
    const fresh = await tx.get(Sandbox, sandbox.id)
    if (!fresh || fresh.ended !== undefined) return
    const { sealed, ...rest } = fresh
    tx.put(Sandbox, { ...pass(rest, 'COMPLETED', now(ctx), status, context), status, ended: now(ctx) })
    await closeDoors(ctx, tx, sandbox.id)
  })
  return done()
}

/** Which commands this process runs: one that nobody follows any more has been lost with its server. */
const followed = new WeakMap<object, Set<string>>()

/** Runs a command once, and notes how it ended. */
export const commandRun: Reconciler = {
  name: commandReconciler,
  atStart: true,
  step: async (ctx, key) => {
    const found = await ctx.read(async (tx) => {
      const command = await tx.get(Command, key)
      return { command, sandbox: command && (await tx.get(Sandbox, command.sandbox)) }
    })
    const { command, sandbox } = found
    if (!command || command.ended !== undefined) return done()
    const running = followed.get(ctx.compute) ?? new Set()
    followed.set(ctx.compute, running)
    if (running.has(key)) return again({ in: lookEvery })
    if (command.status === 'IN_PROGRESS' || !sandbox?.task || !sandbox.sealed)
      return finish(ctx, key, -1, 'The command was lost with its server or its sandbox.')
    await ctx.write(async (tx) => {
      const fresh = await tx.get(Command, key)
      if (fresh) tx.put(Command, { ...fresh, status: 'IN_PROGRESS', started: now(ctx) })
    })
    running.add(key)
    run(ctx, key, sandbox, ctx.unseal(command.command))
      .catch((error: unknown) => finish(ctx, key, -1, error instanceof Error ? error.message : String(error)))
      // The server is closing, or the state was reset.
      .catch(() => undefined)
      .finally(() => running.delete(key))
    return again({ in: lookEvery })
  },
}

const run = async (ctx: Ctx, key: string, sandbox: SandboxRecord, command: string): Promise<void> => {
  const task = sandbox.task && (await ctx.compute.attach(sandbox.task))
  if (!task || !sandbox.sealed) {
    await finish(ctx, key, -1, 'The task of the sandbox is gone.')
    return
  }
  const { env, secrets } = JSON.parse(ctx.unseal(sandbox.sealed)) as { env: Record<string, string>; secrets: string[] }
  const execution = await task.exec(['/bin/sh', '-c', command], {
    env,
    ...(sandbox.folder ? { workdir: sandbox.folder } : {}),
  })
  let output = ''
  for await (const chunk of execution.output) output = (output + String(chunk)).slice(-outputLimit)
  const { code } = await execution.wait()
  const hidden = secrets.filter((secret) => secret.length >= 4)
  await finish(
    ctx,
    key,
    code,
    hidden.reduce((text, secret) => text.replaceAll(secret, '***'), output),
  )
}

const finish = async (ctx: Ctx, key: string, code: number, output: string): Promise<StepResult> => {
  await ctx.write(async (tx) => {
    const fresh = await tx.get(Command, key)
    if (!fresh || fresh.ended !== undefined) return
    tx.put(Command, { ...fresh, status: code === 0 ? 'SUCCEEDED' : 'FAILED', code, output, ended: now(ctx) })
  })
  return done()
}
