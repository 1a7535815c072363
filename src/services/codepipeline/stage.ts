import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { pipelineChange } from './events.ts'
import { Execution, type ExecutionRecord, executionReconciler, isActive } from './execution.ts'
import { fail, type Operation } from './operation.ts'
import { declarationOf, getPipeline } from './pipeline.ts'

export type StageStatus = 'Cancelled' | 'Failed' | 'InProgress' | 'Skipped' | 'Stopped' | 'Stopping' | 'Succeeded'

export type ConditionKind = 'beforeEntry' | 'onSuccess' | 'onFailure'
export type ConditionStatus =
  | 'Abandoned'
  | 'Cancelled'
  | 'Errored'
  | 'Failed'
  | 'InProgress'
  | 'Overridden'
  | 'Succeeded'

/** How a condition of the stage last turned out. */
export type ConditionState = {
  readonly execution: string
  readonly status: ConditionStatus
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly summary?: string
}

/** What a stage holds: the execution that locks it, those that wait before it, and its door. */
export type StageRecord = {
  readonly pipeline: string
  readonly name: string
  /** The door to this stage, if anybody ever touched it. */
  readonly transition?: {
    readonly enabled: boolean
    readonly by: string
    /** ISO 8601. */
    readonly at: string
    readonly reason?: string
  }
  /** The execution inside; not in PARALLEL mode. */
  readonly occupant?: string
  /** Executions that wait, the oldest first; at most one in SUPERSEDED mode. */
  readonly inbound: readonly string[]
  /** The execution inside, or that was there last; not in PARALLEL mode. */
  readonly latest?: { readonly execution: string; readonly status: StageStatus }
  readonly conditions?: Partial<Record<ConditionKind, ConditionState>>
  /** Retries of the latest execution by hand and by itself, and which came last. */
  readonly retries?: number
  readonly autoRetries?: number
  readonly lastRetry?: 'AutomatedStageRetry' | 'ManualStageRetry'
}

const stageKey = (pipeline: string, stage: string) => `${pipeline}/${stage}`

export const Stage = table<StageRecord>('codepipeline.stage', {
  scope: 'region',
  key: ({ pipeline, name }) => stageKey(pipeline, name),
})

export const stageOf = async (tx: ReadTx, pipeline: string, name: string): Promise<StageRecord> =>
  (await tx.get(Stage, stageKey(pipeline, name))) ?? { pipeline, name, inbound: [] }

/** The execution comes to the stage's door and waits there. In SUPERSEDED mode the newest that waits replaces the others. */
export const arrive = async (ctx: Ctx, tx: WriteTx, execution: ExecutionRecord, name: string): Promise<void> => {
  const stage = await stageOf(tx, execution.pipeline, name)
  let inbound: ExecutionRecord[] = []
  for (const id of stage.inbound) {
    const other = await tx.get(Execution, id)
    if (other && isActive(other) && id !== execution.id) inbound.push(other)
  }
  let waits = true
  if (execution.mode === 'SUPERSEDED') {
    for (const other of inbound) if (other.ordinal < execution.ordinal) supersede(ctx, tx, other)
    inbound = inbound.filter((other) => other.ordinal > execution.ordinal)
    if (inbound.length > 0) {
      supersede(ctx, tx, execution)
      waits = false
    }
  }
  if (waits) inbound.push(execution)
  inbound.sort((a, b) => a.ordinal - b.ordinal)
  tx.put(Stage, { ...stage, inbound: inbound.map(({ id }) => id) })
  if (waits) tx.wake(executionReconciler, execution.id)
}

const supersede = (ctx: Ctx, tx: WriteTx, execution: ExecutionRecord): void => {
  const after = tx.put(Execution, { ...execution, status: 'Superseded' as const, updated: ctx.now().getTime() })
  tx.emit(pipelineChange(ctx, after, 'SUPERSEDED'))
}

/** May the execution that waits before the stage go in now? */
export const isOpenTo = (stage: StageRecord, { id, mode }: ExecutionRecord): boolean => {
  if (stage.transition?.enabled === false) return false
  if (mode === 'PARALLEL') return true
  if (stage.occupant !== undefined && stage.occupant !== id) return false
  return mode !== 'QUEUED' || (stage.inbound[0] ?? id) === id
}

/** The execution is inside. */
export const enter = (tx: WriteTx, stage: StageRecord, { id, mode }: ExecutionRecord): void => {
  const {
    retries: _retries,
    autoRetries: _autoRetries,
    lastRetry: _lastRetry,
    conditions: _conditions,
    ...rest
  } = stage
  tx.put(Stage, {
    ...rest,
    ...(mode === 'PARALLEL' ? {} : { occupant: id, latest: { execution: id, status: 'InProgress' as const } }),
    inbound: stage.inbound.filter((waiting) => waiting !== id),
  })
}

/** The execution is inside or at the door no more; those that wait look again. */
export const leave = async (
  tx: WriteTx,
  { id, pipeline }: ExecutionRecord,
  name: string,
  status: StageStatus | undefined,
): Promise<void> => {
  const { occupant, ...stage } = await stageOf(tx, pipeline, name)
  const inbound = stage.inbound.filter((waiting) => waiting !== id)
  tx.put(Stage, {
    ...stage,
    ...(occupant === undefined || occupant === id ? {} : { occupant }),
    inbound,
    ...(status !== undefined && stage.latest?.execution === id ? { latest: { execution: id, status } } : {}),
  })
  for (const waiting of inbound) tx.wake(executionReconciler, waiting)
}

/** Throws StageNotFoundException. */
export const checkStageName = async (ctx: Ctx, tx: ReadTx, pipelineName: string, name: string): Promise<void> => {
  const pipeline = await getPipeline(ctx, tx, pipelineName)
  const { stages } = await declarationOf(tx, pipeline.name, pipeline.version)
  if (!stages.some((stage) => stage.name === name))
    throw fail('StageNotFoundException', `Stage with name '${name}' does not exist in pipeline '${pipelineName}'`)
}

/** Stages that a transition leads to: itself by its inbound one, the next one by its outbound one. */
const stageBehind = async (
  ctx: Ctx,
  tx: ReadTx,
  { pipelineName, stageName, transitionType }: { pipelineName: string; stageName: string; transitionType: string },
): Promise<StageRecord> => {
  await checkStageName(ctx, tx, pipelineName, stageName)
  if (transitionType === 'Inbound') return stageOf(tx, pipelineName, stageName)
  const { version } = await getPipeline(ctx, tx, pipelineName)
  const { stages } = await declarationOf(tx, pipelineName, version)
  const next = stages[stages.findIndex(({ name }) => name === stageName) + 1]
  if (!next) throw fail('ValidationException', `The stage ${stageName} is the last one: it has no outbound transition`)
  return stageOf(tx, pipelineName, next.name)
}

export const DisableStageTransition: Operation<'DisableStageTransition'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const stage = await stageBehind(ctx, tx, input)
    const { reason } = input
    tx.put(Stage, {
      ...stage,
      transition: { enabled: false, by: ctx.principal.arn, at: ctx.now().toISOString(), reason },
    })
    return {}
  })

export const EnableStageTransition: Operation<'EnableStageTransition'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const stage = await stageBehind(ctx, tx, input)
    tx.put(Stage, { ...stage, transition: { enabled: true, by: ctx.principal.arn, at: ctx.now().toISOString() } })
    for (const waiting of stage.inbound) tx.wake(executionReconciler, waiting)
    return {}
  })
