import { ActionExecution } from './action-execution.ts'
import { Target, type TargetRecord, targetsOf } from './deploy-target.ts'
import { fail, type Operation, type Output } from './operation.ts'
import { pageOf, positionOf } from './page.ts'
import { getPipeline } from './pipeline.ts'

type Wire = NonNullable<Output<'ListDeployActionExecutionTargets'>['targets']>[number]

const date = (time: number | undefined) => (time === undefined ? undefined : new Date(time))

const toTarget = ({ instanceId, status, started, ended, events }: TargetRecord): Wire => ({
  targetId: instanceId,
  targetType: 'INSTANCE',
  status,
  startTime: date(started),
  endTime: date(ended),
  events: events.map((event) => ({
    name: event.name,
    status: event.status,
    startTime: date(event.started),
    endTime: date(event.ended),
    context: { ssmCommandId: event.command, message: event.message },
  })),
})

/**
 * AWS API: "ListDeployActionExecutionTargets". Machines of an EC2 deployment; other actions have none. Raises
 * ActionExecutionNotFoundException.
 */
export const ListDeployActionExecutionTargets: Operation<'ListDeployActionExecutionTargets'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const after = positionOf(input.nextToken)
    const { pipelineName, actionExecutionId, filters = [] } = input
    if (pipelineName !== undefined) await getPipeline(ctx, tx, pipelineName)
    const [record] = await tx.list(ActionExecution, { index: 'id', equals: actionExecutionId, limit: 1 })
    if (!record || (pipelineName !== undefined && record.pipeline !== pipelineName))
      throw fail(
        'ActionExecutionNotFoundException',
        `The action execution ${actionExecutionId} was not found${pipelineName === undefined ? '' : ` in the pipeline ${pipelineName}`}`,
      )
    const found = (await targetsOf(tx, record.id)).filter(
      (target) =>
        (after === undefined || Target.key(target) > after) &&
        filters.every(({ name, values = [] }) => name !== 'TARGET_STATUS' || values.includes(target.status)),
    )
    const { page, ...rest } = pageOf(found, input.maxResults ?? 100, Target.key)
    return { targets: page.map(toTarget), ...rest }
  })
