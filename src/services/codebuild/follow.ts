import type { ComputeDriver } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { type BuildRecord, beginPhase, changeBuild, endPhase, type Run } from './build.ts'
import { type BuildLog, buildLog } from './build-log.ts'
import { type PlanRecord, secretsOf } from './plan.ts'
import { type Mark, type OutputItem, outputReader } from './runner.ts'
import { buildReconciler } from './start.ts'

/** Which builds this process follows. Not state: a follower that is lost is begun anew where its build's record stands. */
const followed = new WeakMap<ComputeDriver, Set<string>>()

/** Output read ahead of what is dealt with, in bytes. */
const readAhead = 4 * 1024 * 1024

/**
 * Reads the output of a build's task as it comes, into its log and its record, until the task ends; then wakes the
 * reconciler. Returns at once; does nothing when the build is followed already.
 */
export const follow = (ctx: Ctx, build: BuildRecord, plan: PlanRecord): void => {
  const builds = followed.get(ctx.compute) ?? new Set()
  followed.set(ctx.compute, builds)
  if (builds.has(build.id)) return
  builds.add(build.id)
  read(ctx, build, plan)
    .catch(async (error: unknown) => {
      builds.delete(build.id)
      await ctx.write(async (tx) => tx.wake(buildReconciler, build.id, { in: 1000 }))
      ctx.log.warn('following a build was broken off', { build: build.id, error: String(error) })
    })
    // The server is closing, or the state was reset: there is nothing to wake.
    .catch(() => undefined)
    .finally(() => builds.delete(build.id))
}

const read = async (ctx: Ctx, build: BuildRecord, plan: PlanRecord): Promise<void> => {
  const { run } = build
  if (!run) return
  const task = await ctx.compute.attach(run.task)
  if (!task) {
    await close(ctx, build.id, { code: -1, reason: 'lost' })
    return
  }
  const log = buildLog(ctx, build, secretsOf(ctx, plan))
  const reader = outputReader(plan.nonce, run.offset)
  let present = build
  for await (const { bytes, last } of gathered(task.output(run.offset))) {
    const items = reader.push(bytes, last)
    for (const item of items) present = take(ctx, present, plan, item, log)
    if (items.length === 0) continue
    await log.flush()
    const { phases, exported } = present
    const after = await changeBuild(ctx, build.id, (fresh) => ({ ...fresh, phases, exported, run: present.run ?? run }))
    if (!after) return
  }
  const exit = await task.wait()
  await close(ctx, build.id, { code: exit.code, reason: exit.reason })
}

const close = (ctx: Ctx, id: string, exit: { code: number; reason: string }) =>
  changeBuild(
    ctx,
    id,
    (fresh) =>
      fresh.run && fresh.stage === 'running' ? { ...fresh, stage: 'over', run: { ...fresh.run, exit } } : fresh,
    (tx) => tx.wake(buildReconciler, id),
  )

/** Pieces of a stream, as large as came in while the last one was dealt with. */
async function* gathered(output: AsyncIterable<Uint8Array>): AsyncGenerator<{ bytes: Uint8Array; last: boolean }> {
  let chunks: Uint8Array[] = []
  let size = 0
  let ended = false
  let failed: unknown
  let turn = Promise.withResolvers<void>()
  let room = Promise.withResolvers<void>()
  const reading = (async () => {
    for await (const chunk of output) {
      chunks.push(chunk)
      size += chunk.length
      turn.resolve()
      if (size > readAhead) await room.promise
    }
  })()
    .catch((error: unknown) => {
      failed = error
    })
    .finally(() => {
      ended = true
      turn.resolve()
    })
  for (;;) {
    await turn.promise
    turn = Promise.withResolvers()
    const bytes = Buffer.concat(chunks)
    const last = ended
    chunks = []
    size = 0
    room.resolve()
    room = Promise.withResolvers()
    if (failed !== undefined) throw failed
    yield { bytes, last }
    if (last) break
    if (ended || chunks.length > 0) turn.resolve()
  }
  await reading
}

/** The build after one more line or mark; what the log shall say of it is said. */
const take = (ctx: Ctx, build: BuildRecord, plan: PlanRecord, item: OutputItem, log: BuildLog): BuildRecord => {
  const { run } = build
  if (!run) return build
  const read = { ...run, offset: item.end }
  if ('line' in item) {
    log.print(item.line)
    return { ...build, run: read }
  }
  return apply(ctx, { ...build, run: read }, read, plan, item.mark, log)
}

const apply = (ctx: Ctx, build: BuildRecord, run: Run, plan: PlanRecord, mark: Mark, log: BuildLog): BuildRecord => {
  /** The runner's wall clock told in this server's time, never before the last phase's end nor in the future. */
  const at = (wall: number) => Math.min(ctx.now().getTime(), Math.max(run.began, run.began + wall - (run.wall ?? wall)))
  switch (mark.kind) {
    case 'start':
      return { ...build, run: { ...run, wall: run.wall ?? mark.wall } }
    case 'done':
      return { ...build, run: { ...run, finished: true } }
    case 'phase': {
      log.say(`Entering phase ${mark.phase}`)
      const { failure: _before, refused: _why, ...clean } = run
      return beginPhase({ ...build, run: clean }, mark.phase, at(mark.wall))
    }
    case 'command':
      log.say(`Running command ${plan.commands[mark.command - 1] ?? ''}`)
      return build
    case 'exit': {
      if (mark.code === 0) return build
      const command = plan.commands[mark.command - 1] ?? ''
      log.say(`Command did not exit successfully ${command} exit status ${mark.code}`)
      return { ...build, run: { ...run, failure: run.failure ?? { command, code: mark.code } } }
    }
    case 'runtime': {
      const version = plan.spec.phases.INSTALL?.runtimeVersions[mark.name] ?? ''
      const message = mark.found
        ? `Unknown runtime version named '${version}' of ${mark.name}. This build image has the following versions: ${mark.found}`
        : `Unknown runtime named '${mark.name}'. This build image does not have it`
      return { ...build, run: { ...run, refused: message } }
    }
    case 'end': {
      const context = run.refused
        ? { code: 'YAML_FILE_ERROR', message: run.refused }
        : mark.succeeded || !run.failure
          ? undefined
          : {
              code: 'COMMAND_EXECUTION_ERROR',
              message: `Error while executing command: ${run.failure.command}. Reason: exit status ${run.failure.code}`,
            }
      log.say(
        `Phase complete: ${mark.phase} State: ${mark.succeeded ? 'SUCCEEDED' : 'FAILED'}`,
        `Phase context status code: ${context?.code ?? ''} Message: ${context?.message ?? ''}`,
      )
      return endPhase(build, mark.phase, mark.succeeded ? 'SUCCEEDED' : 'FAILED', at(mark.wall), context)
    }
    case 'export': {
      const others = build.exported.filter(({ name }) => name !== mark.name)
      if (!plan.spec.env.exportedVariables.includes(mark.name)) return build
      return { ...build, exported: [...others, { name: mark.name, value: mark.value }] }
    }
    case 'value':
      return { ...build, run: { ...run, values: { ...run.values, [mark.index]: mark.value } } }
  }
}
