import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { WriteTx } from '../../store/store.ts'
import { pipelineChange, stageChange } from './events.ts'
import {
  Execution,
  type ExecutionRecord,
  executionReconciler,
  isActive,
  type SourceOverride,
  type Trigger,
} from './execution.ts'
import { type Declaration, fail, type Operation } from './operation.ts'
import { declarationOf, getPipeline, Pipeline, type PipelineRecord } from './pipeline.ts'
import { arrive, Stage, stageOf } from './stage.ts'

/** Most executions of one pipeline at a time ("Quotas in CodePipeline"). */
const mostActive = 50

type Request = {
  readonly trigger: Trigger
  readonly variables?: readonly { readonly name: string; readonly value: string }[]
  readonly overrides?: readonly SourceOverride[]
  readonly token?: string
  /** One stage anew, by index, with what this execution had. */
  readonly rollback?: { readonly target: ExecutionRecord; readonly stage: number }
}

/** Pipeline variables that have neither a value nor a default. */
export const missingVariables = ({ variables = [] }: Declaration, given: Request['variables'] = []): string[] =>
  variables
    .filter(({ name, defaultValue }) => defaultValue === undefined && !given.some((one) => one.name === name))
    .map(({ name }) => name)

/**
 * Begins an execution of the pipeline's present version. The same token again is the same execution. Raises
 * ValidationException and ConcurrentPipelineExecutionsLimitExceededException.
 */
export const startExecution = async (
  ctx: Ctx,
  tx: WriteTx,
  pipeline: PipelineRecord,
  { trigger, variables = [], overrides = [], token, rollback }: Request,
): Promise<ExecutionRecord> => {
  if (token !== undefined) {
    const [known] = await tx.list(Execution, { index: 'token', equals: `${pipeline.name}/${token}`, limit: 1 })
    if (known) return known
  }
  const declaration = await declarationOf(tx, pipeline.name, pipeline.version)
  if (!rollback) checkVariables(declaration, variables)
  const active = await tx.list(Execution, { index: 'active', equals: pipeline.name, limit: mostActive })
  if (active.length >= mostActive)
    throw fail(
      'ConcurrentPipelineExecutionsLimitExceededException',
      `The pipeline ${pipeline.name} has reached the limit of ${mostActive} concurrent executions.`,
    )
  const now = ctx.now().getTime()
  const defaults = (declaration.variables ?? []).map(({ name, defaultValue = '' }) => [name, defaultValue] as const)
  const ordinal = pipeline.executions + 1
  const execution = tx.put<ExecutionRecord>(Execution, {
    id: ctx.newId(),
    pipeline: pipeline.name,
    ordinal,
    version: pipeline.version,
    mode: declaration.executionMode ?? 'SUPERSEDED',
    status: 'InProgress',
    started: now,
    updated: now,
    trigger,
    ...(token === undefined ? {} : { token }),
    variables:
      rollback?.target.variables ??
      Object.fromEntries([...defaults, ...variables.map(({ name, value }) => [name, value] as const)]),
    overrides,
    stage: rollback?.stage ?? 0,
    entered: false,
    since: 0,
    succeeded: [],
    attempt: 1,
    artifacts: rollback?.target.artifacts ?? {},
    revisions: rollback?.target.revisions ?? [],
    outputs: rollback?.target.outputs ?? {},
    ...(rollback ? { rollbackTo: rollback.target.id } : {}),
  })
  tx.put(Pipeline, { ...pipeline, executions: ordinal })
  tx.emit(pipelineChange(ctx, execution, 'STARTED'))
  const first = declaration.stages[execution.stage]
  if (first) await arrive(ctx, tx, execution, first.name)
  return execution
}

/** Starts a pipeline whose source has changed. What hinders it, nobody asked for: the log says so. */
export const startByItself = async (ctx: Ctx, tx: WriteTx, name: string, request: Request): Promise<void> => {
  const pipeline = await tx.get(Pipeline, name)
  if (!pipeline) return
  const missing = missingVariables(await declarationOf(tx, name, pipeline.version))
  if (missing.length > 0) {
    ctx.log.warn('a pipeline cannot start by itself: variables have no value', { pipeline: name, missing })
    return
  }
  try {
    await startExecution(ctx, tx, pipeline, request)
  } catch (error) {
    if (!(error instanceof AwsError)) throw error
    ctx.log.warn('a pipeline could not start by itself', { pipeline: name, error: error.message })
  }
}

const checkVariables = (declaration: Declaration, given: NonNullable<Request['variables']>): void => {
  const unknown = given.find(({ name }) => !declaration.variables?.some((one) => one.name === name))
  if (unknown)
    throw fail(
      'ValidationException',
      `The variable ${unknown.name} is not declared by the pipeline ${declaration.name}`,
    )
  const missing = missingVariables(declaration, given)
  if (missing.length > 0)
    throw fail('ValidationException', `Pipeline variables without a default value need a value: ${missing.join(', ')}`)
}

/** Revisions that a start may name, by provider of the source. */
const revisionTypes: Readonly<Record<string, readonly string[]>> = {
  CodeCommit: ['COMMIT_ID'],
  CodeStarSourceConnection: ['COMMIT_ID'],
  S3: ['S3_OBJECT_VERSION_ID', 'S3_OBJECT_KEY'],
}

const checkOverrides = ({ stages }: Declaration, overrides: readonly SourceOverride[]): void => {
  // An S3 source takes a key and a version together.
  const given = overrides.map(({ action, type }) => `${action} ${type}`)
  const twice = overrides.find(({ action, type }, index) => given.indexOf(`${action} ${type}`) !== index)
  if (twice)
    throw fail(
      'ValidationException',
      `The source action ${twice.action} is given more than one revision of type ${twice.type}`,
    )
  for (const { action, type } of overrides) {
    const declared = stages[0]?.actions.find(({ name }) => name === action)
    if (!declared) throw fail('ValidationException', `The pipeline has no source action ${action}`)
    const { owner, provider } = declared.actionTypeId
    const types = owner === 'AWS' ? (revisionTypes[provider] ?? []) : []
    if (!types.includes(type))
      throw fail('ValidationException', `The source action ${action} of ${provider} takes no revision of type ${type}`)
    if (type === 'S3_OBJECT_KEY' && !/^true$/i.test(declared.configuration?.AllowOverrideForS3ObjectKey ?? ''))
      throw fail('ValidationException', `The source action ${action} does not set AllowOverrideForS3ObjectKey to true`)
  }
}

/** Who asks: a rule of EventBridge, or anybody else. */
const triggerOf = ({ principal, request }: Ctx): Trigger =>
  principal.session?.invokedBy === 'events.amazonaws.com'
    ? { type: 'CloudWatchEvent', detail: request.stated?.['aws:SourceArn']?.[0] ?? principal.arn }
    : { type: 'StartPipelineExecution', detail: principal.arn }

/** AWS API: "StartPipelineExecution". */
export const StartPipelineExecution: Operation<'StartPipelineExecution'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const pipeline = await getPipeline(ctx, tx, input.name)
    const overrides = (input.sourceRevisions ?? []).map(({ actionName, revisionType, revisionValue }) => ({
      action: actionName,
      type: revisionType,
      value: revisionValue,
    }))
    checkOverrides(await declarationOf(tx, pipeline.name, pipeline.version), overrides)
    const execution = await startExecution(ctx, tx, pipeline, {
      trigger: triggerOf(ctx),
      overrides,
      ...(input.variables ? { variables: input.variables } : {}),
      ...(input.clientRequestToken ? { token: input.clientRequestToken } : {}),
    })
    return { pipelineExecutionId: execution.id }
  })

/** AWS API: "StopPipelineExecution". What runs is waited for, or abandoned: it goes on, and nobody looks. */
export const StopPipelineExecution: Operation<'StopPipelineExecution'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { name } = await getPipeline(ctx, tx, input.pipelineName)
    const execution = await tx.get(Execution, input.pipelineExecutionId)
    if (execution?.pipeline !== name || !isActive(execution))
      throw fail(
        'PipelineExecutionNotStoppableException',
        `The pipeline execution ${input.pipelineExecutionId} of the pipeline ${name} cannot be stopped: it is not in progress.`,
      )
    const abandon = input.abandon ?? false
    if (execution.stop && (!abandon || execution.stop.abandon))
      throw fail(
        'DuplicatedStopRequestException',
        `The pipeline execution ${execution.id} is already in a Stopping state.`,
      )
    const reason = input.reason ?? execution.stop?.reason
    const stopping = tx.put<ExecutionRecord>(Execution, {
      ...execution,
      status: 'Stopping',
      updated: ctx.now().getTime(),
      stop: { abandon, ...(reason === undefined ? {} : { reason }) },
      ...(reason === undefined ? {} : { summary: reason }),
    })
    if (!execution.stop) {
      tx.emit(pipelineChange(ctx, stopping, 'STOPPING'))
      const { stages } = await declarationOf(tx, name, execution.version)
      const stage = execution.entered ? stages[execution.stage] : undefined
      if (stage) {
        const record = await stageOf(tx, name, stage.name)
        if (record.latest?.execution === execution.id)
          tx.put(Stage, { ...record, latest: { execution: execution.id, status: 'Stopping' as const } })
        tx.emit(stageChange(ctx, stopping, stage.name, 'STOPPING'))
      }
    }
    tx.wake(executionReconciler, execution.id)
    return { pipelineExecutionId: execution.id }
  })
