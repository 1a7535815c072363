import { ActionExecution, type ActionRecord, actionIn } from './action-execution.ts'
import { actionChange } from './events.ts'
import { Execution, executionReconciler } from './execution.ts'
import { fail, type Operation } from './operation.ts'
import { declarationOf, getPipeline } from './pipeline.ts'
import { checkStageName } from './stage.ts'

/**
 * AWS API: "PutApprovalResult". The token is the one that GetPipelineState shows while the approval is open, and
 * in PARALLEL mode the `externalExecutionId` that ListActionExecutions tells.
 */
export const PutApprovalResult: Operation<'PutApprovalResult'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { pipelineName, stageName, actionName, token, result } = input
    const pipeline = await getPipeline(ctx, tx, pipelineName)
    const prefix = `${pipelineName}/${stageName}/${actionName}/`
    const records = await tx.list(ActionExecution, { index: 'action', prefix, reverse: true })
    const record = records.find((one) => one.token === token)
    // A parallel execution waits by the structure that it began with.
    const version = record?.version ?? pipeline.version
    if (!record) await checkStageName(ctx, tx, pipelineName, stageName)
    const action = actionIn(await declarationOf(tx, pipelineName, version), stageName, actionName)
    if (action?.actionTypeId.category !== 'Approval')
      throw fail(
        'ActionNotFoundException',
        `Approval action with name '${actionName}' does not exist in stage '${stageName}' of pipeline '${pipelineName}'`,
      )
    if (!record)
      throw fail('InvalidApprovalTokenException', 'The approval token is not valid for this approval request.')
    const execution = await tx.get(Execution, record.execution)
    if (record.status !== 'InProgress' || !execution)
      throw fail('ApprovalAlreadyCompletedException', 'The approval action has already been approved or rejected.')
    const approved = result.status === 'Approved'
    const updated = ctx.now().getTime()
    const after = tx.put<ActionRecord>(ActionExecution, {
      ...record,
      status: approved ? 'Succeeded' : 'Failed',
      updated,
      updatedBy: ctx.principal.arn,
      ...(result.summary ? { summary: result.summary } : {}),
    })
    tx.emit(actionChange(ctx, execution, action, after, approved ? 'SUCCEEDED' : 'FAILED'))
    tx.wake(executionReconciler, execution.id)
    return { approvedAt: new Date(updated) }
  })
