import type { ReadTx } from '../../store/store.ts'
import { actionIn } from './action-execution.ts'
import { Execution, type ExecutionRecord, newestExecution } from './execution.ts'
import { fail, type Operation } from './operation.ts'
import { declarationOf, getPipeline } from './pipeline.ts'
import { checkStageName } from './stage.ts'
import { startExecution } from './start.ts'

/** The execution that was started for this revision, or took it. */
const usedBy = async (
  tx: ReadTx,
  pipeline: string,
  action: string,
  revision: string,
  token: string,
): Promise<ExecutionRecord | undefined> => {
  const [told] = await tx.list(Execution, { index: 'token', equals: `${pipeline}/${token}`, limit: 1 })
  if (told) return told
  return newestExecution(tx, pipeline, ({ revisions }) =>
    revisions.some((one) => one.action === action && one.id === revision),
  )
}

/** AWS API: "PutActionRevision". A revision that no execution has used starts the pipeline. */
export const PutActionRevision: Operation<'PutActionRevision'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { pipelineName, stageName, actionName, actionRevision } = input
    const pipeline = await getPipeline(ctx, tx, pipelineName)
    await checkStageName(ctx, tx, pipelineName, stageName)
    const action = actionIn(await declarationOf(tx, pipelineName, pipeline.version), stageName, actionName)
    if (action?.actionTypeId.category !== 'Source')
      throw fail(
        'ActionNotFoundException',
        `Source action with name '${actionName}' does not exist in stage '${stageName}' of pipeline '${pipelineName}'`,
      )
    const { revisionId, revisionChangeId } = actionRevision
    const token = `revision:${actionName}:${revisionId}:${revisionChangeId}`
    const used = await usedBy(tx, pipelineName, actionName, revisionId, token)
    if (used) return { newRevision: false, pipelineExecutionId: used.id }
    const { id } = await startExecution(ctx, tx, pipeline, {
      trigger: { type: 'PutActionRevision', detail: actionName },
      token,
    })
    return { newRevision: true, pipelineExecutionId: id }
  })
