import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import { type ExecutionRecord, getExecution, newestExecution } from './execution.ts'
import { type Declaration, fail, type Operation } from './operation.ts'
import { declarationOf, getPipeline, type PipelineRecord } from './pipeline.ts'
import { checkStageName, stageOf } from './stage.ts'
import { startExecution } from './start.ts'

// "Configuring stage rollback", CodePipeline user guide: a new execution that runs one stage with the revisions, artifacts
// and variables of an execution which succeeded there.

/** By the present structure, no rollback itself, and good in the stage. */
const isTarget = (execution: ExecutionRecord, pipeline: PipelineRecord, stage: string) =>
  execution.version === pipeline.version && execution.rollbackTo === undefined && execution.succeeded.includes(stage)

/** The stage failed and is to be rolled back: to where it was good last, if ever. */
export const rollBackAfter = async (
  ctx: Ctx,
  tx: WriteTx,
  failed: ExecutionRecord,
  declaration: Declaration,
  stage: string,
): Promise<void> => {
  // A rollback that fails is not rolled back.
  if (failed.rollbackTo !== undefined) return
  const pipeline = await getPipeline(ctx, tx, failed.pipeline)
  const target = await newestExecution(
    tx,
    pipeline.name,
    (execution) => execution.id !== failed.id && isTarget(execution, pipeline, stage),
  )
  if (!target) {
    ctx.log.info('a stage cannot be rolled back: no execution has succeeded in it', { pipeline: pipeline.name, stage })
    return
  }
  await startExecution(ctx, tx, pipeline, {
    trigger: {
      type: 'AutomatedRollback',
      detail: JSON.stringify({ FailedPipelineExecutionId: failed.id }),
    },
    rollback: { target, stage: declaration.stages.findIndex(({ name }) => name === stage) },
  })
}

/** AWS API: "RollbackStage". Raises PipelineExecutionOutdatedException and UnableToRollbackStageException. */
export const RollbackStage: Operation<'RollbackStage'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { pipelineName, stageName, targetPipelineExecutionId: id } = input
    const pipeline = await getPipeline(ctx, tx, pipelineName)
    await checkStageName(ctx, tx, pipelineName, stageName)
    const declaration = await declarationOf(tx, pipelineName, pipeline.version)
    const target = await getExecution(tx, pipelineName, id)
    const stage = declaration.stages.findIndex(({ name }) => name === stageName)
    const refuse = (why: string) =>
      fail('UnableToRollbackStageException', `Unable to roll back the stage ${stageName} of ${pipelineName}: ${why}`)
    if (target.version !== pipeline.version)
      throw fail(
        'PipelineExecutionOutdatedException',
        `The pipeline execution ${id} was started by version ${target.version} of the pipeline ${pipelineName}, whose version is ${pipeline.version} now`,
      )
    if ((declaration.pipelineType ?? 'V1') !== 'V2') throw refuse('only pipelines of type V2 have stage rollback')
    if (declaration.executionMode === 'PARALLEL') throw refuse('the execution mode PARALLEL has no stage rollback')
    if (stage === 0) throw refuse('a source stage cannot be rolled back')
    if (target.rollbackTo !== undefined) throw refuse(`the pipeline execution ${id} is a rollback itself`)
    if (!target.succeeded.includes(stageName)) throw refuse(`the pipeline execution ${id} did not succeed in it`)
    if ((await stageOf(tx, pipelineName, stageName)).occupant !== undefined)
      throw refuse('the stage is currently running')
    const execution = await startExecution(ctx, tx, pipeline, {
      trigger: { type: 'ManualRollback', detail: ctx.principal.arn },
      rollback: { target, stage },
    })
    return { pipelineExecutionId: execution.id }
  })
