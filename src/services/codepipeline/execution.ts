import { type ReadTx, table } from '../../store/store.ts'
import type { Artifact, Revision, RevisionOverride } from './actions/action.ts'
import { fail, type Operation, type Output } from './operation.ts'
import { pageOf, positionOf } from './page.ts'
import { getPipeline, ordered } from './pipeline.ts'
import type { ConditionKind } from './stage.ts'

export type ExecutionStatus =
  | 'Cancelled'
  | 'Failed'
  | 'InProgress'
  | 'Stopped'
  | 'Stopping'
  | 'Succeeded'
  | 'Superseded'

export type Trigger = {
  readonly type:
    | 'AutomatedRollback'
    | 'CloudWatchEvent'
    | 'CreatePipeline'
    | 'ManualRollback'
    | 'PollForSourceChanges'
    | 'PutActionRevision'
    | 'StartPipelineExecution'
    | 'Webhook'
    | 'WebhookV2'
  readonly detail: string
}

export type SourceOverride = RevisionOverride & { readonly action: string }

export type ExecutionRecord = {
  readonly id: string
  readonly pipeline: string
  /** The how-manieth of its pipeline: later executions have greater ones. */
  readonly ordinal: number
  /** The structure it goes by. */
  readonly version: number
  readonly mode: 'SUPERSEDED' | 'QUEUED' | 'PARALLEL'
  readonly status: ExecutionStatus
  readonly summary?: string
  /** Milliseconds since the epoch. */
  readonly started: number
  readonly updated: number
  readonly trigger: Trigger
  /** The client's token: the same request again is the same execution. */
  readonly token?: string
  readonly variables: Readonly<Record<string, string>>
  readonly overrides: readonly SourceOverride[]
  /** Index of the stage it is in, or waits for. */
  readonly stage: number
  readonly entered: boolean
  /** Action executions of this stage before this one no longer count: the stage was begun anew. */
  readonly since: number
  readonly succeeded: readonly string[]
  /** The condition of its stage whose rules run: those from this sequence on. */
  readonly check?: { readonly condition: ConditionKind; readonly since: number }
  /** Conditions of its stage that are met or overridden. */
  readonly passed?: readonly ConditionKind[]
  /** The condition that it failed by. */
  readonly failedBy?: ConditionKind
  /** When a stage of it was last retried; milliseconds since the epoch. */
  readonly resumed?: number
  /** The stage has been retried by itself: once is all. */
  readonly retried?: boolean
  /** A rollback of one stage, to what this execution had there. */
  readonly rollbackTo?: string
  /** 1, and one more with each retry of a stage. */
  readonly attempt: number
  readonly stop?: { readonly abandon: boolean; readonly reason?: string }
  readonly artifacts: Readonly<Record<string, Artifact>>
  readonly revisions: readonly (Revision & { readonly action: string; readonly artifact: string })[]
  /** Output variables of actions, by namespace. */
  readonly outputs: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** It goes on, or is about to end. */
export const isActive = ({ status }: Pick<ExecutionRecord, 'status'>): boolean =>
  status === 'InProgress' || status === 'Stopping'

const position = ({ pipeline, ordinal }: ExecutionRecord) => `${pipeline}/${ordered(ordinal)}`

export const Execution = table<ExecutionRecord>('codepipeline.execution', {
  scope: 'region',
  key: ({ id }) => id,
  index: {
    pipeline: position,
    active: (execution) => (isActive(execution) ? execution.pipeline : undefined),
    token: ({ pipeline, token }) => (token === undefined ? undefined : `${pipeline}/${token}`),
  },
})

/** The reconciler that carries executions out, keyed by their id. */
export const executionReconciler = 'codepipeline.execution'

/** An execution of this very pipeline. Throws PipelineExecutionNotFoundException. */
export const getExecution = async (tx: ReadTx, pipeline: string, id: string): Promise<ExecutionRecord> => {
  const execution = await tx.get(Execution, id)
  if (execution?.pipeline !== pipeline)
    throw fail(
      'PipelineExecutionNotFoundException',
      `Pipeline execution with execution id '${id}' does not exist for pipeline '${pipeline}'`,
    )
  return execution
}

const pageSize = 50

/** The newest execution of the pipeline that fits, looked for page by page. */
export const newestExecution = async (
  tx: ReadTx,
  pipeline: string,
  fits: (execution: ExecutionRecord) => boolean,
): Promise<ExecutionRecord | undefined> => {
  const options = { index: 'pipeline', prefix: `${pipeline}/`, reverse: true, limit: pageSize }
  for (let after: string | undefined; ; ) {
    const page = await tx.list(Execution, { ...options, ...(after === undefined ? {} : { after }) })
    const found = page.find(fits)
    const last = page.at(-1)
    if (found || !last || page.length < pageSize) return found
    after = position(last)
  }
}

type Wire = NonNullable<Output<'GetPipelineExecution'>['pipelineExecution']>
type WireSummary = NonNullable<Output<'ListPipelineExecutions'>['pipelineExecutionSummaries']>[number]

export const executionType = ({ rollbackTo }: Pick<ExecutionRecord, 'rollbackTo'>) =>
  rollbackTo === undefined ? ('STANDARD' as const) : ('ROLLBACK' as const)

const toType = (execution: ExecutionRecord) => ({
  executionType: executionType(execution),
  ...(execution.rollbackTo === undefined
    ? {}
    : { rollbackMetadata: { rollbackTargetPipelineExecutionId: execution.rollbackTo } }),
})

const toTrigger = ({ trigger }: ExecutionRecord) => ({ triggerType: trigger.type, triggerDetail: trigger.detail })

const toExecution = (execution: ExecutionRecord): Wire => ({
  pipelineName: execution.pipeline,
  pipelineVersion: execution.version,
  pipelineExecutionId: execution.id,
  status: execution.status,
  ...(execution.summary ? { statusSummary: execution.summary } : {}),
  artifactRevisions: execution.revisions.map(({ artifact, id, summary, url, changeId, created }) => ({
    name: artifact,
    revisionId: id,
    ...(summary ? { revisionSummary: summary.slice(0, 2048) } : {}),
    ...(changeId ? { revisionChangeIdentifier: changeId } : {}),
    ...(created ? { created: new Date(created) } : {}),
    ...(url ? { revisionUrl: url } : {}),
  })),
  variables: Object.entries(execution.variables).map(([name, resolvedValue]) => ({ name, resolvedValue })),
  trigger: toTrigger(execution),
  executionMode: execution.mode,
  ...toType(execution),
})

const toSummary = (execution: ExecutionRecord): WireSummary => ({
  pipelineExecutionId: execution.id,
  status: execution.status,
  ...(execution.summary ? { statusSummary: execution.summary } : {}),
  startTime: new Date(execution.started),
  lastUpdateTime: new Date(execution.updated),
  sourceRevisions: execution.revisions.map(({ action, id, summary, url }) => ({
    actionName: action,
    revisionId: id,
    ...(summary ? { revisionSummary: summary.slice(0, 2048) } : {}),
    ...(url ? { revisionUrl: url } : {}),
  })),
  trigger: toTrigger(execution),
  ...(execution.stop?.reason ? { stopTrigger: { reason: execution.stop.reason } } : {}),
  executionMode: execution.mode,
  ...toType(execution),
})

export const GetPipelineExecution: Operation<'GetPipelineExecution'> = (ctx, { pipelineName, pipelineExecutionId }) =>
  ctx.read(async (tx) => {
    await getPipeline(ctx, tx, pipelineName)
    return { pipelineExecution: toExecution(await getExecution(tx, pipelineName, pipelineExecutionId)) }
  })

/** Newest first. The filter keeps executions that succeeded in a stage. */
export const ListPipelineExecutions: Operation<'ListPipelineExecutions'> = async (ctx, input) => {
  const after = positionOf(input.nextToken)
  const size = input.maxResults ?? 100
  const stage = input.filter?.succeededInStage?.stageName
  const found = await ctx.read(async (tx) => {
    const { name } = await getPipeline(ctx, tx, input.pipelineName)
    const executions = await tx.list(Execution, {
      index: 'pipeline',
      prefix: `${name}/`,
      reverse: true,
      ...(after === undefined ? {} : { after }),
      ...(stage === undefined ? { limit: size + 1 } : {}),
    })
    return stage === undefined ? executions : executions.filter(({ succeeded }) => succeeded.includes(stage))
  })
  const { page, ...rest } = pageOf(found, size, position)
  return { pipelineExecutionSummaries: page.map(toSummary), ...rest }
}
