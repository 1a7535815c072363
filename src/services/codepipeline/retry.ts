import type { WriteTx } from '../../store/store.ts'
import { attemptsOf, resume, type Scene } from './attempts.ts'
import { abandonRules, conditionOf, noteCondition, runningRules } from './condition.ts'
import { stageChange } from './events.ts'
import { Execution, executionReconciler, isActive } from './execution.ts'
import { fail, type Operation } from './operation.ts'
import { declarationOf, getPipeline } from './pipeline.ts'
import { stageOf } from './stage.ts'

type Place = { readonly pipelineName: string; readonly stageName: string; readonly pipelineExecutionId: string }

/** The execution that was in the stage last, in that stage, by the present structure. */
const latestIn = async (
  ctx: Parameters<typeof getPipeline>[0],
  tx: WriteTx,
  { pipelineName, stageName, pipelineExecutionId: id }: Place,
): Promise<Scene & { readonly index: number; readonly outdated: boolean }> => {
  const pipeline = await getPipeline(ctx, tx, pipelineName)
  const declaration = await declarationOf(tx, pipelineName, pipeline.version)
  const index = declaration.stages.findIndex(({ name }) => name === stageName)
  const stage = declaration.stages[index]
  if (!stage)
    throw fail('StageNotFoundException', `Stage with name '${stageName}' does not exist in pipeline '${pipelineName}'`)
  const record = await stageOf(tx, pipelineName, stageName)
  const execution = await tx.get(Execution, id)
  const latest = execution?.mode === 'PARALLEL' ? id : record.latest?.execution
  if (execution?.pipeline !== pipelineName || latest !== id)
    throw fail(
      'NotLatestPipelineExecutionException',
      `The pipeline execution ${id} is not the latest one in the stage ${stageName} of the pipeline ${pipelineName}.`,
    )
  return { execution, declaration, stage, index, outdated: execution.version !== pipeline.version }
}

/**
 * AWS API: "RetryStageExecution". Only the execution that was in the stage last, and only one that failed or was
 * stopped there, by the structure it has begun with.
 */
export const RetryStageExecution: Operation<'RetryStageExecution'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { pipelineName, stageName, pipelineExecutionId: id, retryMode: mode } = input
    const scene = await latestIn(ctx, tx, input)
    const { execution, index, outdated } = scene
    const notRetryable = (why: string) =>
      fail(
        'StageNotRetryableException',
        `Unable to retry the stage ${stageName} of the pipeline ${pipelineName}: ${why}`,
      )
    if (isActive(execution)) throw notRetryable('the pipeline execution is in progress')
    if (outdated) throw notRetryable('the structure of the pipeline has changed since the execution began')
    const here = execution.stage === index && execution.entered
    if (!here || (execution.status !== 'Failed' && execution.status !== 'Stopped'))
      throw notRetryable('the stage contains no failed actions')
    const attempts = [...(await attemptsOf(tx, scene)).values()]
    if (!attempts.some(({ status }) => status === 'Failed' || status === 'Abandoned'))
      throw notRetryable('the stage contains no failed actions')
    const passed = (execution.passed ?? []).filter((kind) => kind === 'beforeEntry')
    await resume(ctx, tx, scene, { mode, why: 'ManualStageRetry', change: { passed } })
    tx.wake(executionReconciler, id)
    return { pipelineExecutionId: id }
  })

/**
 * AWS API: "OverrideStageCondition". The execution goes on as if the condition were met: while its rules run, or after it
 * failed by it. A condition whose result is SKIP cannot be overridden.
 */
export const OverrideStageCondition: Operation<'OverrideStageCondition'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { pipelineName, stageName, pipelineExecutionId: id } = input
    const kind = input.conditionType === 'BEFORE_ENTRY' ? ('beforeEntry' as const) : ('onSuccess' as const)
    const scene = await latestIn(ctx, tx, input)
    const { execution, stage, index, outdated } = scene
    const refuse = (why: string) =>
      fail(
        'ConditionNotOverridableException',
        `Unable to override the ${input.conditionType} condition of the stage ${stageName} of the pipeline ${pipelineName}: ${why}`,
      )
    const condition = conditionOf(stage, kind)
    if (!condition) throw refuse('the stage has no such condition')
    if (condition.result === 'SKIP') throw refuse('a condition with the result SKIP cannot be overridden')
    if (outdated) throw refuse('the structure of the pipeline has changed since the execution began')
    const runs = isActive(execution) && execution.check?.condition === kind
    const fell = execution.status === 'Failed' && execution.failedBy === kind && execution.stage === index
    if (!runs && !fell) throw refuse('it is neither in progress nor has the execution failed by it')
    const passed = [...(execution.passed ?? []), kind]
    if (runs) {
      abandonRules(ctx, tx, await runningRules(tx, execution))
      const { check: _check, ...rest } = execution
      const after = tx.put(Execution, { ...rest, passed, updated: ctx.now().getTime() })
      if (kind === 'beforeEntry') tx.emit(stageChange(ctx, after, stageName, 'STARTED'))
    } else await resume(ctx, tx, scene, { mode: 'FAILED_ACTIONS', why: 'override', change: { passed } })
    await noteCondition(ctx, tx, execution, stageName, kind, 'Overridden', `Overridden by ${ctx.principal.arn}`)
    tx.wake(executionReconciler, id)
    return {}
  })
