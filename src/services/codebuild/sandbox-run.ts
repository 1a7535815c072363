import { mkdir } from 'node:fs/promises'
import { ComputeError } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { again, done, type Reconciler, type StepResult } from '../../work/reconciler.ts'
import type { PhaseContext, Status } from './build.ts'
import { buildLog, LogDenied } from './build-log.ts'
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
import { deliverLog, dropSpool } from './s3-log.ts'
import {
  asBuild,
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

/** No work at import: reading it costs a start some milliseconds. */
const nothing = () => parseBuildspec('version: 0.2\nphases: {build: {commands: [":"]}}')

const begin = async (ctx: Ctx, queued: SandboxRecord): Promise<StepResult> => {
  try {
    const sandbox = await change(ctx, queued.id, (fresh) =>
      fresh.status === 'QUEUED' ? { ...pass(fresh, 'PROVISIONING', now(ctx)), status: 'PROVISIONING' } : fresh,
    )
    if (!sandbox) return done()
    const role = roleOfSandbox(ctx, sandbox)
    await role.principal()
    const log = buildLog(ctx, asBuild(sandbox), [])
    await log.open()
    await change(ctx, queued.id, (fresh) => ({ ...fresh, logging: true }))
    await checkHost(ctx, role, sandbox.settings)
    const { all, view, scratch } = folders(ctx, sandbox)
    await removeFolder(all)
    await mkdir(scratch, { recursive: true, mode: 0o700 })
    await mkdir(view.outside)
    const build = asBuild(sandbox)
    const network = (await takePlace(ctx, role, build))?.attachment ?? (await networkOf(ctx, build))
    const fetched = await fetchSources(ctx, role, build, view, scratch, network)
    const variables = await userVariables(role, build, nothing())
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
    log.say('Phase is DOWNLOAD_SOURCE', `CODEBUILD_SRC_DIR=${fetched.folder}`, 'Phase is RUN_SANDBOX')
    await log.flush()
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
    if (error instanceof LogDenied) return end(ctx, queued, 'FAILED', { code: 'ACCESS_DENIED', message: error.message })
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
  const unlogged = await deliverLog(ctx, asBuild(sandbox))
  if (unlogged) ctx.log.warn('the log of a sandbox was refused', { sandbox: sandbox.id, why: unlogged.message })
  await dropSpool(ctx, sandbox)
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
  const nonce = ctx.random(16)
  const execution = await task.exec(['/bin/sh', '-c', apart, 'command', command, nonce, String(outputLimit)], {
    env,
    ...(sandbox.folder ? { workdir: sandbox.folder } : {}),
  })
  const mark = `\x1e${nonce}\n`
  let written = ''
  for await (const chunk of execution.output)
    written = (written + String(chunk)).slice(-(2 * outputLimit + mark.length))
  const { code } = await execution.wait()
  const at = written.lastIndexOf(mark)
  const hidden = secrets.filter((secret) => secret.length >= 4)
  const masked = (text: string) => hidden.reduce((all, secret) => all.replaceAll(secret, '***'), text)
  const output = masked((at < 0 ? written : written.slice(0, at)).slice(-outputLimit))
  const errors = at < 0 ? '' : masked(written.slice(at + mark.length))
  const log = buildLog(ctx, asBuild(sandbox), secrets)
  log.say(`Running command ${command}`)
  for (const text of [output, errors])
    for (const line of text.replace(/\n$/, '').split('\n')) if (text !== '') log.print(line)
  if (code !== 0) log.say(`Command did not exit successfully ${command} exit status ${code}`)
  await log.flush()
  await finish(ctx, key, code, output, errors)
}

/** Runs a command ($1) whose errors are told after its output, behind a mark ($2): as much of their end as is kept ($3). */
const apart = `errors=$(mktemp) || exit 126
/bin/sh -c "$1" 2>"$errors"
code=$?
printf '\\036%s\\n' "$2"
tail -c "$3" "$errors"
rm -f "$errors"
exit $code`

const finish = async (ctx: Ctx, key: string, code: number, output: string, errors = ''): Promise<StepResult> => {
  await ctx.write(async (tx) => {
    const fresh = await tx.get(Command, key)
    if (!fresh || fresh.ended !== undefined) return
    tx.put(Command, { ...fresh, status: code === 0 ? 'SUCCEEDED' : 'FAILED', code, output, errors, ended: now(ctx) })
  })
  return done()
}
