import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { ActionExecution, type ActionRecord, toErrorDetails } from './action-execution.ts'
import { kindOf } from './actions/kinds.ts'
import { conditionOf, RuleExecution, rulesOf } from './condition.ts'
import { findType, linkOf } from './custom-type.ts'
import { Execution, executionType } from './execution.ts'
import type { ActionDeclaration, Operation, Output, StageDeclaration } from './operation.ts'
import { declarationOf, getPipeline } from './pipeline.ts'
import { masked } from './secrets.ts'
import { type ConditionKind, type StageRecord, stageOf } from './stage.ts'

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
    ...(external?.log ? { logStreamARN: external.log } : {}),
    ...(record.percent === undefined ? {} : { percentComplete: record.percent }),
    ...toErrorDetails(record),
  }
}

/** PARALLEL mode has no pipeline state: what ran in it is in the history alone ("Set or change the pipeline execution mode"). */
const hasState = async (tx: ReadTx, execution: string): Promise<boolean> =>
  (await tx.get(Execution, execution))?.mode !== 'PARALLEL'

const latestOf = async (tx: ReadTx, prefix: string): Promise<ActionRecord | undefined> => {
  const records = { index: 'action', prefix, reverse: true } as const
  const [newest] = await tx.list(ActionExecution, { ...records, limit: 1 })
  if (!newest || (await hasState(tx, newest.execution))) return newest
  for (const record of await tx.list(ActionExecution, records)) if (await hasState(tx, record.execution)) return record
  return undefined
}

const toActionState = async (
  ctx: Ctx,
  tx: ReadTx,
  prefix: string,
  action: ActionDeclaration,
  stateful: boolean,
): Promise<ActionState> => {
  const latest = stateful ? await latestOf(tx, `${prefix}${action.name}/`) : undefined
  const configuration = masked(latest?.resolved ?? action.configuration ?? {})
  const type = action.actionTypeId.owner === 'AWS' ? undefined : await findType(tx, action.actionTypeId)
  const entityUrl = type
    ? linkOf(type.settings.entityUrlTemplate, configuration)
    : kindOf(action.actionTypeId)?.urls?.entity?.(ctx, configuration)
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

type ConditionState = NonNullable<StageState['onSuccessConditionState']>

/** How the condition turned out for the execution that was in the stage last. */
const toConditionState = async (
  tx: ReadTx,
  { pipeline, name, conditions }: StageRecord,
  declared: StageDeclaration,
  kind: ConditionKind,
  stateful: boolean,
): Promise<ConditionState | undefined> => {
  const condition = conditionOf(declared, kind)
  if (!condition) return undefined
  const known = stateful ? conditions?.[kind] : undefined
  const state = known && (await hasState(tx, known.execution)) ? known : undefined
  const ruleStates: NonNullable<NonNullable<ConditionState['conditionStates']>[number]['ruleStates']> = []
  for (const rule of rulesOf(condition)) {
    const prefix = `${pipeline}/${name}/${kind}/${rule.name}/`
    const [latest] = await tx.list(RuleExecution, { index: 'rule', prefix, reverse: true, limit: 1 })
    if (!latest || latest.execution !== state?.execution) {
      ruleStates.push({ ruleName: rule.name })
      continue
    }
    const { actionExecutionId, percentComplete: _percent, logStreamARN: _log, ...rest } = toLatest(latest)
    ruleStates.push({
      ruleName: rule.name,
      latestExecution: { ruleExecutionId: actionExecutionId, ...rest },
    })
  }
  if (!state) return { conditionStates: [{ ruleStates }] }
  const { status, summary, at } = state
  const told = { status, ...(summary === undefined ? {} : { summary }) }
  return {
    latestExecution: told,
    conditionStates: [{ latestExecution: { ...told, lastStatusChange: new Date(at) }, ruleStates }],
  }
}

const toRetries = ({ retries, autoRetries, lastRetry }: StageRecord): Pick<StageState, 'retryStageMetadata'> =>
  retries || autoRetries
    ? {
        retryStageMetadata: {
          ...(autoRetries ? { autoStageRetryAttempt: autoRetries } : {}),
          ...(retries ? { manualStageRetryAttempt: retries } : {}),
          latestRetryTrigger: lastRetry ?? 'ManualStageRetry',
        },
      }
    : {}

const typeOf = async (tx: ReadTx, id: string) => executionType((await tx.get(Execution, id)) ?? {})

/** AWS API: "GetPipelineState". In PARALLEL mode it tells the structure and the transitions only. */
export const GetPipelineState: Operation<'GetPipelineState'> = (ctx, { name }) =>
  ctx.read(async (tx) => {
    const pipeline = await getPipeline(ctx, tx, name)
    const { stages, executionMode } = await declarationOf(tx, name, pipeline.version)
    const stateful = executionMode !== 'PARALLEL'
    const stageStates: StageState[] = []
    for (const declared of stages) {
      const stage = await stageOf(tx, name, declared.name)
      const inbound: NonNullable<StageState['inboundExecutions']> = []
      for (const id of stateful ? stage.inbound : [])
        inbound.push({ pipelineExecutionId: id, status: 'InProgress', type: await typeOf(tx, id) })
      const [beforeEntry, onSuccess, onFailure] = [
        await toConditionState(tx, stage, declared, 'beforeEntry', stateful),
        await toConditionState(tx, stage, declared, 'onSuccess', stateful),
        await toConditionState(tx, stage, declared, 'onFailure', stateful),
      ]
      const actionStates: ActionState[] = []
      for (const action of declared.actions)
        actionStates.push(await toActionState(ctx, tx, `${name}/${declared.name}/`, action, stateful))
      const { transition } = stage
      const latest = stateful ? stage.latest : undefined
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
                type: await typeOf(tx, latest.execution),
              },
            }
          : {}),
        ...(beforeEntry ? { beforeEntryConditionState: beforeEntry } : {}),
        ...(onSuccess ? { onSuccessConditionState: onSuccess } : {}),
        ...(onFailure ? { onFailureConditionState: onFailure } : {}),
        ...(stateful ? toRetries(stage) : {}),
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
