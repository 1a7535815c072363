import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler, type StepResult } from '../../work/reconciler.ts'
import type { ActionRecord } from './action-execution.ts'
import { advance, advanceRule } from './advance.ts'
import { abandon, attemptsOf, begin, resume, type Scene } from './attempts.ts'
import { abandonRules, beginRules, conditionOf, noteCondition, runningRules, verdictOf } from './condition.ts'
import { pipelineChange, stageChange } from './events.ts'
import { Execution, type ExecutionRecord, type ExecutionStatus, executionReconciler, isActive } from './execution.ts'
import { publishMetrics } from './metrics.ts'
import { declarationOf, Pipeline } from './pipeline.ts'
import { rollBackAfter } from './rollback.ts'
import { arrive, type ConditionKind, enter, isOpenTo, leave, type StageStatus, stageOf } from './stage.ts'
import { groupsOf } from './structure.ts'

// An execution waits before a stage, goes in, has the stage's entry condition looked at, runs its actions group by group,
// has the condition of success or failure looked at, and goes on to the next stage. Every step reads the rows, asks the
// providers of what runs, and decides in one commit what follows; so it may die between any two, and a restart goes on from
// the rows.

/** An execution that runs is looked at this often at least; milliseconds. */
const longest = 24 * 60 * 60_000

const sceneOf = async (tx: ReadTx, id: string): Promise<Scene | undefined> => {
  const execution = await tx.get(Execution, id)
  if (!execution || !isActive(execution)) return undefined
  const declaration = await declarationOf(tx, execution.pipeline, execution.version)
  const stage = declaration.stages[execution.stage]
  return stage && { execution, declaration, stage }
}

/** Carries out one execution. Key: its id. */
export const executions: Reconciler = {
  name: executionReconciler,
  step: async (ctx, id): Promise<StepResult> => {
    const found = await ctx.read(async (tx) => {
      const scene = await sceneOf(tx, id)
      if (!scene) return undefined
      const inside = scene.execution.entered
      const actions = inside ? [...(await attemptsOf(tx, scene)).values()] : []
      const rules = inside ? await runningRules(tx, scene.execution) : []
      return { ...scene, actions: actions.filter(isRunning), rules: rules.filter(isRunning) }
    })
    if (!found) return done()
    const pauses = found.execution.stop?.abandon
      ? []
      : await Promise.all([
          ...found.actions.map((record) => advance(ctx, found, record)),
          ...found.rules.map((record) => advanceRule(ctx, found, record)),
        ])
    const decision = await ctx.write((tx) => decideAll(ctx, tx, id))
    if (decision === 'over') await publishMetrics(ctx, id)
    if (decision === 'begun') return again({ in: 0 })
    if (decision !== 'running') return done()
    return again({ in: Math.min(longest, ...pauses.filter((pause) => pause !== undefined)) })
  },
}

const isRunning = ({ status }: Pick<ActionRecord, 'status'>) => status === 'InProgress'

/** What comes next. `on`: another decision; `begun`: providers are to be asked; `waiting`: something else will wake the execution. */
type Next = 'begun' | 'on' | 'running' | 'waiting' | 'over'

/** All decisions that need nobody to be asked, in one commit. */
const decideAll = async (ctx: Ctx, tx: WriteTx, id: string): Promise<Exclude<Next, 'on'>> => {
  for (;;) {
    const next = await decide(ctx, tx, id)
    if (next !== 'on') return next
  }
}

/**
 * The structure was updated since the execution began, which is then cancelled; in PARALLEL mode it goes on by the structure it
 * has ("Set or change the pipeline execution mode", user guide).
 */
const isOutdated = async (tx: ReadTx, { pipeline, version, mode }: ExecutionRecord): Promise<boolean> =>
  mode !== 'PARALLEL' && (await tx.get(Pipeline, pipeline))?.version !== version

/** What the rows say comes next. */
const decide = async (ctx: Ctx, tx: WriteTx, id: string): Promise<Next> => {
  const scene = await sceneOf(tx, id)
  if (!scene) return 'over'
  const { execution, stage } = scene
  const outdated = await isOutdated(tx, execution)
  if (!execution.entered) {
    if (execution.stop) return end(ctx, tx, scene, 'Stopped')
    if (outdated) return end(ctx, tx, scene, 'Cancelled')
    return (await goIn(ctx, tx, scene)) ? 'on' : 'waiting'
  }
  const attempts = await attemptsOf(tx, scene)
  const all = [...attempts.values()]
  const rules = await runningRules(tx, execution)
  if (execution.stop?.abandon) {
    for (const record of all) if (isRunning(record)) abandon(ctx, tx, scene, record)
    abandonRules(ctx, tx, rules)
    if (execution.check) await noteCondition(ctx, tx, execution, stage.name, execution.check.condition, 'Abandoned')
    return end(ctx, tx, scene, 'Stopped')
  }
  if (all.some(isRunning) || rules.some(isRunning)) return 'running'
  if (execution.check) return judge(ctx, tx, scene, execution.check.condition)
  if (execution.stop) return end(ctx, tx, scene, 'Stopped')
  if (all.some(({ status }) => status !== 'Succeeded')) return failed(ctx, tx, scene)
  const next = groupsOf(stage).find((group) => group.some(({ name }) => !attempts.has(name)))
  if (next && outdated) return end(ctx, tx, scene, 'Cancelled')
  if (isAhead(scene, 'beforeEntry')) return check(ctx, tx, scene, 'beforeEntry')
  if (next) {
    const ahead = next.filter(({ name }) => !attempts.has(name))
    await begin(ctx, tx, scene, ahead)
    return 'begun'
  }
  if (isAhead(scene, 'onSuccess')) return check(ctx, tx, scene, 'onSuccess')
  return goOn(ctx, tx, scene, 'Succeeded')
}

/** There is such a condition, and it is neither met nor overridden. */
const isAhead = ({ execution, stage }: Scene, kind: ConditionKind): boolean =>
  conditionOf(stage, kind) !== undefined && !execution.passed?.includes(kind)

const goIn = async (ctx: Ctx, tx: WriteTx, { execution, stage }: Scene): Promise<boolean> => {
  const record = await stageOf(tx, execution.pipeline, stage.name)
  if (!isOpenTo(record, execution)) return false
  enter(tx, record, execution)
  const pipeline = await tx.get(Pipeline, execution.pipeline)
  const since = (pipeline?.actions ?? 0) + 1
  const inside = tx.put(Execution, { ...execution, entered: true, since, updated: ctx.now().getTime() })
  if (!conditionOf(stage, 'beforeEntry')) tx.emit(stageChange(ctx, inside, stage.name, 'STARTED'))
  return true
}

/** The rules of a condition are asked. */
const check = async (ctx: Ctx, tx: WriteTx, scene: Scene, kind: ConditionKind): Promise<'begun'> => {
  const { execution } = scene
  const since = await beginRules(ctx, tx, scene, kind)
  tx.put(Execution, { ...execution, check: { condition: kind, since }, updated: ctx.now().getTime() })
  return 'begun'
}

/** All rules of the condition have ended: it is met or not, and what follows is its result. */
const judge = async (ctx: Ctx, tx: WriteTx, scene: Scene, kind: ConditionKind): Promise<Next> => {
  const { stage } = scene
  const { check: _check, ...rest } = scene.execution
  const { status, why } = verdictOf(await runningRules(tx, scene.execution))
  await noteCondition(ctx, tx, rest, stage.name, kind, status, why)
  const met = status === 'Succeeded'
  const result = conditionOf(stage, kind)?.result
  if (rest.stop) return end(ctx, tx, { ...scene, execution: rest }, 'Stopped')
  if (kind === 'onFailure') return fall(ctx, tx, { ...scene, execution: rest }, met && result === 'ROLLBACK')
  if (met) {
    const passed = tx.put<ExecutionRecord>(Execution, {
      ...rest,
      passed: [...(rest.passed ?? []), kind],
      updated: ctx.now().getTime(),
    })
    if (kind === 'beforeEntry') tx.emit(stageChange(ctx, passed, stage.name, 'STARTED'))
    return 'on'
  }
  if (kind === 'beforeEntry' && result === 'SKIP') return goOn(ctx, tx, { ...scene, execution: rest }, 'Skipped')
  const summary = `The ${kind} condition of the stage ${stage.name} is not met. ${why ?? ''}`.trim()
  return fall(ctx, tx, { ...scene, execution: { ...rest, failedBy: kind, summary } }, result === 'ROLLBACK')
}

/** An action failed: a retry that the stage is told to do by itself, its failure condition, or the end. */
const failed = async (ctx: Ctx, tx: WriteTx, scene: Scene): Promise<Next> => {
  const { execution, stage } = scene
  const { result, retryConfiguration } = stage.onFailure ?? {}
  if (result === 'RETRY' && !execution.retried && !(await isOutdated(tx, execution))) {
    const mode = retryConfiguration?.retryMode ?? 'FAILED_ACTIONS'
    await resume(ctx, tx, scene, { mode, why: 'AutomatedStageRetry', change: { retried: true } })
    return 'on'
  }
  if (isAhead(scene, 'onFailure')) return check(ctx, tx, scene, 'onFailure')
  return fall(ctx, tx, scene, result === 'ROLLBACK')
}

/** The execution fails in its stage, which is rolled back where that is wanted. */
const fall = async (ctx: Ctx, tx: WriteTx, scene: Scene, rollBack: boolean): Promise<'over'> => {
  await end(ctx, tx, scene, 'Failed')
  if (rollBack) await rollBackAfter(ctx, tx, scene.execution, scene.declaration, scene.stage.name)
  return 'over'
}

const states = { Succeeded: 'SUCCEEDED', Failed: 'FAILED', Stopped: 'STOPPED', Cancelled: 'CANCELED' } as const

/** The execution ends, in the stage it is in or before it. */
const end = async (
  ctx: Ctx,
  tx: WriteTx,
  { execution, stage }: Scene,
  status: ExecutionStatus & StageStatus & keyof typeof states,
): Promise<'over'> => {
  await leave(tx, execution, stage.name, execution.entered ? status : undefined)
  const ended = tx.put(Execution, { ...execution, status, updated: ctx.now().getTime() })
  if (execution.entered) tx.emit(stageChange(ctx, ended, stage.name, states[status]))
  tx.emit(pipelineChange(ctx, ended, states[status]))
  return 'over'
}

/** The stage succeeded or is skipped: to the next one, or to the end. A rollback ends with its stage. */
const goOn = async (
  ctx: Ctx,
  tx: WriteTx,
  { execution, declaration, stage }: Scene,
  how: 'Skipped' | 'Succeeded',
): Promise<'on' | 'over'> => {
  await leave(tx, execution, stage.name, how)
  if (how === 'Succeeded') tx.emit(stageChange(ctx, execution, stage.name, 'SUCCEEDED'))
  const { passed: _passed, retried: _retried, ...rest } = execution
  const updated = ctx.now().getTime()
  const succeeded = how === 'Succeeded' ? [...execution.succeeded, stage.name] : execution.succeeded
  const after: ExecutionRecord = { ...rest, updated, succeeded }
  const next = execution.rollbackTo === undefined ? declaration.stages[execution.stage + 1] : undefined
  if (!next) {
    const ended = tx.put<ExecutionRecord>(Execution, { ...after, status: 'Succeeded' })
    tx.emit(pipelineChange(ctx, ended, 'SUCCEEDED'))
    return 'over'
  }
  const onward = tx.put(Execution, { ...after, stage: execution.stage + 1, entered: false })
  await arrive(ctx, tx, onward, next.name)
  return 'on'
}
