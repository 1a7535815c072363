import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { ActionExecution, type ActionRecord } from './action-execution.ts'
import type { Artifact } from './actions/action.ts'
import { actionChange, pipelineChange, stageChange } from './events.ts'
import { Execution, type ExecutionRecord } from './execution.ts'
import type { ActionDeclaration, Declaration, StageDeclaration, Task } from './operation.ts'
import { Pipeline } from './pipeline.ts'
import { Stage, stageOf } from './stage.ts'
import { bucketOf, storeOf } from './structure.ts'

/** An execution, the structure it goes by, and the stage it is in or waits for. */
export type Scene = {
  readonly execution: ExecutionRecord
  readonly declaration: Declaration
  readonly stage: StageDeclaration
}

/** The latest attempt at each action of the stage the execution is in. */
export const attemptsOf = async (tx: ReadTx, { execution, stage }: Scene): Promise<Map<string, ActionRecord>> => {
  const records = await tx.list(ActionExecution, { prefix: `${execution.id}/` })
  return new Map(
    records
      .filter((record) => record.stage === stage.name && record.sequence >= execution.since)
      .map((record) => [record.action, record]),
  )
}

/** Twenty characters of the pipeline's name, ten of the artifact's, seven at random: as AWS names them. */
const artifactAt = (ctx: Ctx, declaration: Declaration, name: string, region: string): Artifact => {
  const random = ctx.random(7, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789')
  const key = `${declaration.name.slice(0, 20)}/${name.slice(0, 10)}/${random}`
  return { name, bucket: bucketOf(declaration, region), key, ...keyOf(declaration, region) }
}

const keyOf = (declaration: Declaration, region: string): Pick<Artifact, 'kmsKey'> => {
  const kmsKey = storeOf(declaration, region)?.encryptionKey?.id
  return kmsKey === undefined ? {} : { kmsKey }
}

/** An artifact as an action in this Region finds it: in the Region's own bucket, copied there where it is not. */
const inputAt = (declaration: Declaration, artifact: Artifact, region: string): Artifact => {
  const { name, bucket, key, clone } = artifact
  const own = bucketOf(declaration, region)
  if (own === bucket) return artifact
  return {
    name,
    bucket: own,
    key,
    ...keyOf(declaration, region),
    ...(clone ? { clone } : {}),
    from: { bucket, key },
  }
}

/** The inputs of an action or rule, as it finds them. */
export const inputsOf = (
  ctx: Ctx,
  { execution, declaration }: Pick<Scene, 'declaration' | 'execution'>,
  { inputArtifacts = [], region = ctx.region }: Pick<Task, 'inputArtifacts' | 'region'>,
): Artifact[] =>
  inputArtifacts.flatMap(({ name }) => {
    const artifact = execution.artifacts[name]
    return artifact ? [inputAt(declaration, artifact, region)] : []
  })

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
      inputs: inputsOf(ctx, { execution, declaration }, action),
      outputs: (action.outputArtifacts ?? []).map(({ name }) =>
        artifactAt(ctx, declaration, name, action.region ?? ctx.region),
      ),
      faults: 0,
    })
    tx.emit(actionChange(ctx, execution, action, record, 'STARTED'))
  }
  tx.put(Pipeline, { ...pipeline, actions: sequence })
}

export const abandon = (ctx: Ctx, tx: WriteTx, { execution, stage }: Scene, record: ActionRecord): void => {
  const after = tx.put<ActionRecord>(ActionExecution, { ...record, status: 'Abandoned', updated: ctx.now().getTime() })
  const action = stage.actions.find(({ name }) => name === record.action)
  if (action) tx.emit(actionChange(ctx, execution, action, after, 'ABANDONED'))
}

type Resume = {
  readonly mode: 'ALL_ACTIONS' | 'FAILED_ACTIONS'
  /** Retried by itself, by hand, or past a condition that somebody overrode. */
  readonly why: 'AutomatedStageRetry' | 'ManualStageRetry' | 'override'
  readonly change?: Partial<ExecutionRecord>
}

/** An execution that ended in this stage goes on in it. The caller wakes it. */
export const resume = async (ctx: Ctx, tx: WriteTx, scene: Scene, { mode, why, change }: Resume): Promise<void> => {
  const { execution, stage } = scene
  const { stop: _stop, summary: _summary, check: _check, failedBy: _failedBy, ...rest } = execution
  const pipeline = await tx.get(Pipeline, execution.pipeline)
  const attempts = await attemptsOf(tx, scene)
  const resumed = tx.put<ExecutionRecord>(Execution, {
    ...rest,
    status: 'InProgress',
    attempt: execution.attempt + 1,
    updated: ctx.now().getTime(),
    ...(why === 'override' ? {} : { resumed: ctx.now().getTime() }),
    since: mode === 'ALL_ACTIONS' ? (pipeline?.actions ?? 0) + 1 : execution.since,
    ...change,
  })
  const record = await stageOf(tx, execution.pipeline, stage.name)
  const { occupant: _occupant, retries = 0, autoRetries = 0, ...kept } = record
  const counted =
    why === 'override'
      ? { ...(retries ? { retries } : {}), ...(autoRetries ? { autoRetries } : {}) }
      : {
          retries: why === 'ManualStageRetry' ? retries + 1 : retries,
          autoRetries: why === 'AutomatedStageRetry' ? autoRetries + 1 : autoRetries,
          lastRetry: why,
        }
  tx.put(Stage, {
    ...kept,
    ...counted,
    ...(execution.mode === 'PARALLEL'
      ? {}
      : { occupant: execution.id, latest: { execution: execution.id, status: 'InProgress' as const } }),
  })
  tx.emit(pipelineChange(ctx, resumed, 'RESUMED'))
  tx.emit(stageChange(ctx, resumed, stage.name, 'RESUMED'))
  const failed = stage.actions.filter(({ name }) => {
    const status = attempts.get(name)?.status
    return status === 'Failed' || status === 'Abandoned'
  })
  if (mode === 'FAILED_ACTIONS') await begin(ctx, tx, { ...scene, execution: resumed }, failed)
}
