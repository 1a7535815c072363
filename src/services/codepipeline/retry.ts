import { ActionExecution, type ActionRecord } from './action-execution.ts'
import { begin } from './engine.ts'
import { pipelineChange, stageChange } from './events.ts'
import { Execution, type ExecutionRecord, executionReconciler, isActive } from './execution.ts'
import { fail, type Operation } from './operation.ts'
import { declarationOf, getPipeline } from './pipeline.ts'
import { Stage, stageOf } from './stage.ts'

/**
 * AWS API: "RetryStageExecution". Only the execution that was in the stage last, and only one that failed or was
 * stopped there, by the structure it has begun with.
 */
export const RetryStageExecution: Operation<'RetryStageExecution'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { pipelineName, stageName, pipelineExecutionId: id } = input
    const pipeline = await getPipeline(ctx, tx, pipelineName)
    const declaration = await declarationOf(tx, pipelineName, pipeline.version)
    const index = declaration.stages.findIndex(({ name }) => name === stageName)
    const stage = declaration.stages[index]
    if (!stage)
      throw fail(
        'StageNotFoundException',
        `Stage with name '${stageName}' does not exist in pipeline '${pipelineName}'`,
      )
    const record = await stageOf(tx, pipelineName, stageName)
    const execution = await tx.get(Execution, id)
    const latest = execution?.mode === 'PARALLEL' ? id : record.latest?.execution
    if (execution?.pipeline !== pipelineName || latest !== id)
      throw fail(
        'NotLatestPipelineExecutionException',
        `The pipeline execution ${id} is not the latest one in the stage ${stageName} of the pipeline ${pipelineName}.`,
      )
    const notRetryable = (why: string) =>
      fail(
        'StageNotRetryableException',
        `Unable to retry the stage ${stageName} of the pipeline ${pipelineName}: ${why}`,
      )
    if (isActive(execution)) throw notRetryable('the pipeline execution is in progress')
    if (execution.version !== pipeline.version)
      throw notRetryable('the structure of the pipeline has changed since the execution began')
    const here = execution.stage === index && execution.entered
    if (!here || (execution.status !== 'Failed' && execution.status !== 'Stopped'))
      throw notRetryable('the stage contains no failed actions')
    const attempts = new Map<string, ActionRecord>()
    for (const one of await tx.list(ActionExecution, { prefix: `${id}/` }))
      if (one.stage === stageName && one.sequence >= execution.since) attempts.set(one.action, one)
    const failed = stage.actions.filter(({ name }) => {
      const status = attempts.get(name)?.status
      return status === 'Failed' || status === 'Abandoned'
    })
    if (failed.length === 0) throw notRetryable('the stage contains no failed actions')

    const { stop: _stop, summary: _summary, ...rest } = execution
    const resumed = tx.put<ExecutionRecord>(Execution, {
      ...rest,
      status: 'InProgress',
      attempt: execution.attempt + 1,
      updated: ctx.now().getTime(),
      since: input.retryMode === 'ALL_ACTIONS' ? pipeline.actions + 1 : execution.since,
    })
    tx.put(Stage, {
      ...record,
      ...(execution.mode === 'PARALLEL' ? {} : { occupant: id }),
      latest: { execution: id, status: 'InProgress' as const },
      retries: (record.retries ?? 0) + 1,
    })
    tx.emit(pipelineChange(ctx, resumed, 'RESUMED'))
    tx.emit(stageChange(ctx, resumed, stageName, 'RESUMED'))
    if (input.retryMode === 'FAILED_ACTIONS') await begin(ctx, tx, { execution: resumed, declaration, stage }, failed)
    tx.wake(executionReconciler, id)
    return { pipelineExecutionId: id }
  })
