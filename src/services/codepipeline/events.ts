import type { Ctx } from '../../kernel/context.ts'
import type { DomainEvent } from '../../work/outbox.ts'
import type { ActionRecord } from './action-execution.ts'
import type { Artifact } from './actions/action.ts'
import type { ExecutionRecord } from './execution.ts'
import type { ActionDeclaration } from './operation.ts'
import { pipelineArn } from './pipeline.ts'

// "Monitoring CodePipeline events", CodePipeline user guide.

type State =
  | 'ABANDONED'
  | 'CANCELED'
  | 'FAILED'
  | 'RESUMED'
  | 'STARTED'
  | 'STOPPED'
  | 'STOPPING'
  | 'SUCCEEDED'
  | 'SUPERSEDED'

const event = (
  ctx: Ctx,
  what: 'Pipeline' | 'Stage' | 'Action',
  { pipeline, id, version, attempt }: ExecutionRecord,
  detail: Readonly<Record<string, unknown>>,
): DomainEvent => ({
  source: 'aws.codepipeline',
  'detail-type': `CodePipeline ${what} Execution State Change`,
  account: ctx.account,
  region: ctx.region,
  resources: [pipelineArn(ctx, pipeline)],
  detail: { pipeline, 'execution-id': id, ...detail, version, 'pipeline-execution-attempt': attempt },
})

export const pipelineChange = (ctx: Ctx, execution: ExecutionRecord, state: State): DomainEvent =>
  event(ctx, 'Pipeline', execution, {
    'start-time': new Date(execution.started).toISOString(),
    state,
    ...(state === 'STARTED'
      ? { 'execution-trigger': { 'trigger-type': execution.trigger.type, 'trigger-detail': execution.trigger.detail } }
      : {}),
    ...(state === 'STOPPING' && execution.stop?.reason ? { 'stop-execution-comments': execution.stop.reason } : {}),
  })

export const stageChange = (ctx: Ctx, execution: ExecutionRecord, stage: string, state: State): DomainEvent =>
  event(ctx, 'Stage', execution, {
    'start-time': new Date(execution.started).toISOString(),
    ...(execution.resumed === undefined
      ? {}
      : { 'stage-last-retry-attempt-time': new Date(execution.resumed).toISOString() }),
    stage,
    state,
  })

const artifacts = (all: readonly Artifact[]) =>
  all.map(({ name, bucket, key }) => ({ name, s3location: { bucket, key } }))

export const actionChange = (
  ctx: Ctx,
  execution: ExecutionRecord,
  declaration: ActionDeclaration,
  record: ActionRecord,
  state: State,
): DomainEvent => {
  const { external, error } = record
  return event(ctx, 'Action', execution, {
    'action-execution-id': record.id,
    'start-time': new Date(record.started).toISOString(),
    stage: record.stage,
    action: record.action,
    ...(record.inputs.length > 0 ? { 'input-artifacts': artifacts(record.inputs) } : {}),
    ...(state === 'SUCCEEDED' && record.outputs.length > 0 ? { 'output-artifacts': artifacts(record.outputs) } : {}),
    ...(state === 'STARTED'
      ? {}
      : {
          'execution-result': {
            ...(external?.url ? { 'external-execution-url': external.url } : {}),
            ...(external?.summary ? { 'external-execution-summary': external.summary } : {}),
            ...(external?.id ? { 'external-execution-id': external.id } : {}),
            ...(error ? { 'error-code': error.code } : {}),
          },
        }),
    state,
    region: declaration.region ?? ctx.region,
    type: declaration.actionTypeId,
  })
}
