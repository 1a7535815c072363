import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler, type StepResult } from '../../work/reconciler.ts'
import { ActionExecution, type ActionRecord } from './action-execution.ts'
import type { Artifact } from './actions/action.ts'
import { advance } from './advance.ts'
import { actionChange, pipelineChange, stageChange } from './events.ts'
import { Execution, type ExecutionRecord, type ExecutionStatus, executionReconciler, isActive } from './execution.ts'
import type { ActionDeclaration, Declaration, StageDeclaration } from './operation.ts'
import { declarationOf, Pipeline } from './pipeline.ts'
import { arrive, enter, isOpenTo, leave, type StageStatus, stageOf } from './stage.ts'
import { bucketOf, groupsOf } from './structure.ts'

// An execution waits before a stage, goes in, runs the stage's actions group by group, and goes on to the next one.
// Every step reads the rows, asks the providers of what runs, and takes one decision in one commit; so it may die
// between any two, and a restart goes on from the rows.

/** An execution that runs is looked at this often at least; milliseconds. */
const longest = 24 * 60 * 60_000

type Scene = {
  readonly execution: ExecutionRecord
  readonly declaration: Declaration
  readonly stage: StageDeclaration
}

const sceneOf = async (tx: ReadTx, id: string): Promise<Scene | undefined> => {
  const execution = await tx.get(Execution, id)
  if (!execution || !isActive(execution)) return undefined
  const declaration = await declarationOf(tx, execution.pipeline, execution.version)
  const stage = declaration.stages[execution.stage]
  return stage && { execution, declaration, stage }
}

/** The latest attempt at each action of the stage the execution is in. */
const attemptsOf = async (tx: ReadTx, { execution, stage }: Scene): Promise<Map<string, ActionRecord>> => {
  const records = await tx.list(ActionExecution, { prefix: `${execution.id}/` })
  return new Map(
    records
      .filter((record) => record.stage === stage.name && record.sequence >= execution.since)
      .map((record) => [record.action, record]),
  )
}

/** Carries out one execution. Key: its id. */
export const executions: Reconciler = {
  name: executionReconciler,
  step: async (ctx, id): Promise<StepResult> => {
    const found = await ctx.read(async (tx) => {
      const scene = await sceneOf(tx, id)
      if (!scene) return undefined
      const running = scene.execution.entered
        ? [...(await attemptsOf(tx, scene)).values()].filter(({ status }) => status === 'InProgress')
        : []
      return { ...scene, running }
    })
    if (!found) return done()
    const pauses = found.execution.stop?.abandon
      ? []
      : await Promise.all(found.running.map((record) => advance(ctx, found, record)))
    const decision = await ctx.write((tx) => decide(ctx, tx, id))
    if (decision === 'on') return again({ in: 0 })
    if (decision !== 'running') return done()
    return again({ in: Math.min(longest, ...pauses.filter((pause) => pause !== undefined)) })
  },
}

/** What the rows say comes next. `waiting`: something else will wake the execution. */
const decide = async (ctx: Ctx, tx: WriteTx, id: string): Promise<'on' | 'running' | 'waiting' | 'over'> => {
  const scene = await sceneOf(tx, id)
  if (!scene) return 'over'
  const { execution, stage } = scene
  const pipeline = await tx.get(Pipeline, execution.pipeline)
  if (!execution.entered) {
    if (execution.stop) return end(ctx, tx, scene, 'Stopped')
    if (pipeline?.version !== execution.version) return end(ctx, tx, scene, 'Cancelled')
    return (await goIn(ctx, tx, scene)) ? 'on' : 'waiting'
  }
  const attempts = await attemptsOf(tx, scene)
  const all = [...attempts.values()]
  if (execution.stop?.abandon) {
    for (const record of all) if (record.status === 'InProgress') abandon(ctx, tx, scene, record)
    return end(ctx, tx, scene, 'Stopped')
  }
  if (all.some(({ status }) => status === 'InProgress')) return 'running'
  if (execution.stop) return end(ctx, tx, scene, 'Stopped')
  if (all.some(({ status }) => status !== 'Succeeded')) return end(ctx, tx, scene, 'Failed')
  const next = groupsOf(stage).find((group) => group.some(({ name }) => !attempts.has(name)))
  if (!next) return goOn(ctx, tx, scene)
  if (pipeline?.version !== execution.version) return end(ctx, tx, scene, 'Cancelled')
  await begin(
    ctx,
    tx,
    scene,
    next.filter(({ name }) => !attempts.has(name)),
  )
  return 'on'
}

const goIn = async (ctx: Ctx, tx: WriteTx, { execution, stage }: Scene): Promise<boolean> => {
  const record = await stageOf(tx, execution.pipeline, stage.name)
  if (!isOpenTo(record, execution)) return false
  enter(tx, record, execution)
  const pipeline = await tx.get(Pipeline, execution.pipeline)
  const since = (pipeline?.actions ?? 0) + 1
  const inside = tx.put(Execution, { ...execution, entered: true, since, updated: ctx.now().getTime() })
  tx.emit(stageChange(ctx, inside, stage.name, 'STARTED'))
  return true
}

/** Twenty characters of the pipeline's name, ten of the artifact's, seven at random: as AWS names them. */
const artifactAt = (ctx: Ctx, declaration: Declaration, name: string): Artifact => {
  const random = ctx.random(7, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789')
  const key = `${declaration.name.slice(0, 20)}/${name.slice(0, 10)}/${random}`
  return { name, bucket: bucketOf(declaration, ctx.region), key }
}

/** Action executions of these actions: InProgress, their providers not asked yet. */
export const begin = async (
  ctx: Ctx,
  tx: WriteTx,
  { execution, declaration, stage }: Scene,
  actions: readonly ActionDeclaration[],
): Promise<void> => {
  const pipeline = await tx.get(Pipeline, execution.pipeline)
  if (!pipeline) return
  const now = ctx.now().getTime()
  let sequence = pipeline.actions
  for (const action of actions) {
    sequence += 1
    const record = tx.put<ActionRecord>(ActionExecution, {
      id: ctx.newId(),
      sequence,
      pipeline: pipeline.name,
      execution: execution.id,
      version: execution.version,
      stage: stage.name,
      action: action.name,
      status: 'InProgress',
      begun: false,
      started: now,
      updated: now,
      inputs: (action.inputArtifacts ?? []).flatMap(({ name }) => execution.artifacts[name] ?? []),
      outputs: (action.outputArtifacts ?? []).map(({ name }) => artifactAt(ctx, declaration, name)),
      faults: 0,
    })
    tx.emit(actionChange(ctx, execution, action, record, 'STARTED'))
  }
  tx.put(Pipeline, { ...pipeline, actions: sequence })
}

const abandon = (ctx: Ctx, tx: WriteTx, { execution, stage }: Scene, record: ActionRecord): void => {
  const after = tx.put<ActionRecord>(ActionExecution, { ...record, status: 'Abandoned', updated: ctx.now().getTime() })
  const action = stage.actions.find(({ name }) => name === record.action)
  if (action) tx.emit(actionChange(ctx, execution, action, after, 'ABANDONED'))
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

/** The stage succeeded: to the next one, or to the end. */
const goOn = async (ctx: Ctx, tx: WriteTx, { execution, declaration, stage }: Scene): Promise<'on' | 'over'> => {
  await leave(tx, execution, stage.name, 'Succeeded')
  tx.emit(stageChange(ctx, execution, stage.name, 'SUCCEEDED'))
  const updated = ctx.now().getTime()
  const after: ExecutionRecord = { ...execution, updated, succeeded: [...execution.succeeded, stage.name] }
  const next = declaration.stages[execution.stage + 1]
  if (!next) {
    const ended = tx.put<ExecutionRecord>(Execution, { ...after, status: 'Succeeded' })
    tx.emit(pipelineChange(ctx, ended, 'SUCCEEDED'))
    return 'over'
  }
  const onward = tx.put(Execution, { ...after, stage: execution.stage + 1, entered: false })
  await arrive(ctx, tx, onward, next.name)
  return 'on'
}
