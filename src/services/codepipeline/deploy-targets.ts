import { ActionExecution } from './action-execution.ts'
import { fail, type Operation } from './operation.ts'
import { positionOf } from './page.ts'
import { getPipeline } from './pipeline.ts'

/** AWS API: "ListDeployActionExecutionTargets". Of actions that deploy to targets of their own (EC2), of which there are none here. */
export const ListDeployActionExecutionTargets: Operation<'ListDeployActionExecutionTargets'> = (ctx, input) =>
  ctx.read(async (tx) => {
    positionOf(input.nextToken)
    const { pipelineName } = input
    if (pipelineName !== undefined) await getPipeline(ctx, tx, pipelineName)
    const [record] = await tx.list(ActionExecution, { index: 'id', equals: input.actionExecutionId, limit: 1 })
    if (!record || (pipelineName !== undefined && record.pipeline !== pipelineName))
      throw fail(
        'ActionExecutionNotFoundException',
        `The action execution ${input.actionExecutionId} was not found${pipelineName === undefined ? '' : ` in the pipeline ${pipelineName}`}`,
      )
    return { targets: [] }
  })
