import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { ActionExecution, type ActionRecord, toErrorDetails } from './action-execution.ts'
import { kindOf } from './actions/kinds.ts'
import type { ActionDeclaration, Operation, Output } from './operation.ts'
import { declarationOf, getPipeline } from './pipeline.ts'
import { stageOf } from './stage.ts'

type StageState = NonNullable<Output<'GetPipelineState'>['stageStates']>[number]
type ActionState = NonNullable<StageState['actionStates']>[number]

const toLatest = (record: ActionRecord): NonNullable<ActionState['latestExecution']> => {
  const { external, token, status } = record
  const summary = record.summary ?? external?.summary
  return {
    actionExecutionId: record.id,
    status,
    ...(summary ? { summary: summary.slice(0, 2048) } : {}),
    lastStatusChange: new Date(record.updated),
    ...(token && status === 'InProgress' ? { token } : {}),
    ...(record.updatedBy ? { lastUpdatedBy: record.updatedBy } : {}),
    ...(external?.id ? { externalExecutionId: external.id } : {}),
    ...(external?.url ? { externalExecutionUrl: external.url } : {}),
    ...(record.percent === undefined ? {} : { percentComplete: record.percent }),
    ...toErrorDetails(record),
  }
}

const toActionState = async (
  ctx: Ctx,
  tx: ReadTx,
  pipeline: string,
  stage: string,
  action: ActionDeclaration,
): Promise<ActionState> => {
  const prefix = `${pipeline}/${stage}/${action.name}/`
  const [latest] = await tx.list(ActionExecution, { index: 'action', prefix, reverse: true, limit: 1 })
  const configuration = latest?.resolved ?? action.configuration ?? {}
  const entityUrl = kindOf(action.actionTypeId)?.urls?.entity?.(ctx, configuration)
  const revision = latest?.revision
  return {
    actionName: action.name,
    ...(revision
      ? {
          currentRevision: {
            revisionId: revision.id,
            revisionChangeId: revision.changeId ?? revision.id.slice(0, 100),
            created: new Date(revision.created ?? latest.updated),
          },
          ...(revision.url ? { revisionUrl: revision.url } : {}),
        }
      : {}),
    ...(latest ? { latestExecution: toLatest(latest) } : {}),
    ...(entityUrl ? { entityUrl } : {}),
  }
}

/** AWS API: "GetPipelineState". */
export const GetPipelineState: Operation<'GetPipelineState'> = (ctx, { name }) =>
  ctx.read(async (tx) => {
    const pipeline = await getPipeline(ctx, tx, name)
    const { stages } = await declarationOf(tx, name, pipeline.version)
    const stageStates: StageState[] = []
    for (const declared of stages) {
      const stage = await stageOf(tx, name, declared.name)
      const inbound = stage.inbound.map((id) => ({
        pipelineExecutionId: id,
        status: 'InProgress' as const,
        type: 'STANDARD' as const,
      }))
      const actionStates: ActionState[] = []
      for (const action of declared.actions)
        actionStates.push(await toActionState(ctx, tx, name, declared.name, action))
      const { transition, latest, retries } = stage
      stageStates.push({
        stageName: declared.name,
        ...(inbound[0] ? { inboundExecution: inbound[0] } : {}),
        inboundExecutions: inbound,
        inboundTransitionState: {
          enabled: transition?.enabled ?? true,
          ...(transition
            ? {
                lastChangedBy: transition.by,
                lastChangedAt: new Date(transition.at),
                ...(transition.reason ? { disabledReason: transition.reason } : {}),
              }
            : {}),
        },
        actionStates,
        ...(latest
          ? {
              latestExecution: {
                pipelineExecutionId: latest.execution,
                status: latest.status,
                type: 'STANDARD' as const,
              },
            }
          : {}),
        ...(retries
          ? {
              retryStageMetadata: { manualStageRetryAttempt: retries, latestRetryTrigger: 'ManualStageRetry' as const },
            }
          : {}),
      })
    }
    return {
      pipelineName: name,
      pipelineVersion: pipeline.version,
      stageStates,
      created: new Date(pipeline.created),
      updated: new Date(pipeline.updated),
    }
  })
