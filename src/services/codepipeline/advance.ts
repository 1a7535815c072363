import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { ActionExecution, type ActionRecord } from './action-execution.ts'
import { ActionFailure, type ActionKind, type Job, type Progress } from './actions/action.ts'
import { kindOf } from './actions/kinds.ts'
import { actionChange } from './events.ts'
import { Execution, type ExecutionRecord } from './execution.ts'
import type { ActionDeclaration, Declaration } from './operation.ts'
import { callerOf } from './role.ts'
import { resolve, UnresolvedVariableError } from './variables.ts'
import { noteRevision } from './watch.ts'

/** After so many failures of a step that are nobody's fault the action fails. */
const mostFaults = 5

type Scene = {
  readonly execution: ExecutionRecord
  readonly declaration: Declaration
  readonly stage: Declaration['stages'][number]
}

/** How often a provider is asked that has not told by an event; milliseconds. */
const patience = 5_000

/**
 * Asks the provider of an action that runs, and writes down what it says. Returns when to look again, in milliseconds;
 * `undefined` when the action has ended.
 */
export const advance = async (ctx: Ctx, scene: Scene, record: ActionRecord): Promise<number | undefined> => {
  const action = scene.stage.actions.find(({ name }) => name === record.action)
  const kind = action && kindOf(action.actionTypeId)
  if (!action || !kind)
    throw new Error(`The action ${record.action} of ${record.pipeline} is of a kind that is not known.`)
  const outcome = await ask(ctx, scene, action, kind, record)
  if ('fault' in outcome) return faulted(ctx, action, record, outcome.fault)
  await settle(ctx, action, record, outcome)
  if (outcome.progress.state !== 'running') return undefined
  if (!kind.poll) return Math.max(0, deadlineOf(action, kind, record) - ctx.now().getTime())
  // What ended before its id was written down has woken nobody: it is asked once more, at once.
  return record.begun ? patience : 0
}

const deadlineOf = (action: ActionDeclaration, kind: ActionKind, { started }: ActionRecord): number =>
  started + (action.timeoutInMinutes ?? kind.timeoutMinutes) * 60_000

/** Nobody's fault: tried again, ever more slowly, and not for ever. */
const faulted = async (
  ctx: Ctx,
  action: ActionDeclaration,
  record: ActionRecord,
  fault: unknown,
): Promise<number | undefined> => {
  const faults = record.faults + 1
  ctx.log.warn('an action of a pipeline could not be stepped', {
    pipeline: record.pipeline,
    action: record.action,
    attempt: faults,
    error: fault instanceof Error ? (fault.stack ?? fault.message) : String(fault),
  })
  if (faults >= mostFaults) {
    const message = 'An internal error occurred. Retry the action; the server log has the cause.'
    await settle(ctx, action, record, { progress: failed('SystemUnavailable', message) })
    return undefined
  }
  await ctx.write(async (tx) => {
    const present = await tx.get(ActionExecution, ActionExecution.key(record))
    if (present?.status === 'InProgress') tx.put(ActionExecution, { ...present, faults })
  })
  return 1000 * 2 ** record.faults
}

type Outcome = { readonly progress: Progress; readonly resolved?: Readonly<Record<string, string>> }

const failed = (code: string, message: string): Progress => ({ state: 'failed', code, message })

const ask = async (
  ctx: Ctx,
  { execution, declaration }: Scene,
  action: ActionDeclaration,
  kind: ActionKind,
  record: ActionRecord,
): Promise<Outcome | { readonly fault: unknown }> => {
  const limit = deadlineOf(action, kind, record)
  if (record.begun && ctx.now().getTime() >= limit)
    return {
      progress: failed('JobTimedOut', `The action timed out after ${(limit - record.started) / 60_000} minutes.`),
    }
  let resolved = record.resolved
  try {
    resolved ??= configurationOf(execution, action)
    const override = execution.overrides.find((one) => one.action === action.name)
    const job: Job = {
      ctx,
      id: record.id,
      pipeline: record.pipeline,
      execution: execution.id,
      started: record.started,
      configuration: resolved,
      inputs: record.inputs,
      outputs: record.outputs,
      role: (session) => callerOf(ctx, declaration, action, session ?? execution.id),
      ...(override ? { override } : {}),
      ...(record.external ? { external: record.external } : {}),
    }
    const progress = record.begun ? await kind.poll?.(job) : await kind.start(job)
    return { progress: progress ?? { state: 'running' }, resolved }
  } catch (error) {
    const progress = failureOf(error)
    return progress ? { progress, ...(resolved ? { resolved } : {}) } : { fault: error }
  }
}

const configurationOf = (
  execution: ExecutionRecord,
  { configuration = {} }: ActionDeclaration,
): Record<string, string> => {
  const variables = {
    ...execution.outputs,
    variables: execution.variables,
    codepipeline: { PipelineExecutionId: execution.id },
  }
  return Object.fromEntries(Object.entries(configuration).map(([key, value]) => [key, resolve(value, variables)]))
}

/** What the author of the pipeline is told; `undefined` for what is no fault of his. */
const failureOf = (error: unknown): Progress | undefined => {
  if (error instanceof ActionFailure) return failed(error.code, error.message)
  if (error instanceof UnresolvedVariableError)
    return failed(
      'ConfigurationError',
      `The action configuration refers to the variable ${error.reference}, which no preceding action has set.`,
    )
  if (!(error instanceof AwsError)) return undefined
  if (/AccessDenied|NotAuthorized|UnauthorizedOperation/.test(error.code) || error.status === 403)
    return failed('PermissionError', error.message)
  if (error.code !== 'NotImplemented' && (error.code === 'InternalFailure' || (error.status ?? 400) >= 500))
    return undefined
  return failed('ConfigurationError', `${error.code}: ${error.message}`)
}

/** Writes down what the provider said, and what the execution gains by it. */
const settle = (
  ctx: Ctx,
  action: ActionDeclaration,
  record: ActionRecord,
  { progress, resolved }: Outcome,
): Promise<void> =>
  ctx.write(async (tx) => {
    const present = await tx.get(ActionExecution, ActionExecution.key(record))
    const execution = await tx.get(Execution, record.execution)
    // Approved, abandoned or deleted in the meantime.
    if (present?.status !== 'InProgress' || !execution) return
    const { percent: _percent, ...rest } = present
    const known = {
      ...rest,
      begun: true,
      faults: 0,
      ...(resolved ? { resolved } : {}),
      ...(progress.external ? { external: { ...present.external, ...progress.external } } : {}),
    }
    if (progress.state === 'running') {
      const next: ActionRecord = {
        ...known,
        ...(progress.token === undefined ? {} : { token: progress.token }),
        ...(progress.percent === undefined ? {} : { percent: progress.percent }),
      }
      if (JSON.stringify(next) !== JSON.stringify(present))
        tx.put(ActionExecution, { ...next, updated: ctx.now().getTime() })
      return
    }
    const updated = ctx.now().getTime()
    if (progress.state === 'failed') {
      const { code, message } = progress
      const after = tx.put<ActionRecord>(ActionExecution, {
        ...known,
        status: 'Failed',
        updated,
        error: { code, message },
      })
      tx.emit(actionChange(ctx, execution, action, after, 'FAILED'))
      return
    }
    const { revision, variables } = progress
    const after = tx.put<ActionRecord>(ActionExecution, {
      ...known,
      status: 'Succeeded',
      updated,
      ...(variables ? { variables } : {}),
      ...(revision ? { revision } : {}),
    })
    tx.emit(actionChange(ctx, execution, action, after, 'SUCCEEDED'))
    tx.put(Execution, gained(execution, action, after))
    if (revision) await noteRevision(tx, record.pipeline, action.name, revision.id)
  })

const gained = (execution: ExecutionRecord, action: ActionDeclaration, record: ActionRecord): ExecutionRecord => {
  const { revision, variables, outputs } = record
  const others = execution.revisions.filter((one) => one.action !== action.name)
  const [output] = outputs
  return {
    ...execution,
    updated: record.updated,
    artifacts: { ...execution.artifacts, ...Object.fromEntries(outputs.map((artifact) => [artifact.name, artifact])) },
    revisions:
      revision && output
        ? [...others, { ...revision, action: action.name, artifact: output.name }]
        : execution.revisions,
    outputs:
      action.namespace === undefined || !variables
        ? execution.outputs
        : { ...execution.outputs, [action.namespace]: variables },
  }
}
