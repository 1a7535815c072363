import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Table, WriteTx } from '../../store/store.ts'
import { ActionExecution, type ActionRecord } from './action-execution.ts'
import { ActionFailure, copySource, encryptionOf, type Job, type Progress, type TaskKind } from './actions/action.ts'
import { kindOf } from './actions/kinds.ts'
import type { Scene } from './attempts.ts'
import { RuleExecution, type RuleRecord, ruleIn } from './condition.ts'
import { actionChange } from './events.ts'
import { Execution, type ExecutionRecord } from './execution.ts'
import type { ActionDeclaration, Task } from './operation.ts'
import { noteHead } from './remote-watch.ts'
import { callerOf } from './role.ts'
import { ruleKindOf } from './rules/kinds.ts'
import type { ConditionKind } from './stage.ts'
import { resolve, UnresolvedVariableError, type Variables } from './variables.ts'
import { noteRevision } from './watch.ts'

/** After so many failures of a step that are nobody's fault the action fails. */
const mostFaults = 5

/** How often a provider is asked that has not told by an event; milliseconds. */
const patience = 5_000

/** An attempt under way: what its author wrote, how that is carried out, where it is written down. */
type Attempt<R extends ActionRecord> = {
  readonly task: Task
  readonly kind: TaskKind
  readonly record: R
  readonly table: Table<R>
  readonly condition?: ConditionKind
  /** What else follows when it has ended, in the same commit. */
  readonly ended: (ctx: Ctx, tx: WriteTx, execution: ExecutionRecord, after: R) => Promise<void>
}

/**
 * Asks the provider of an action that runs, and writes down what it says. Returns when to look again, in milliseconds;
 * `undefined` when the action has ended.
 */
export const advance = async (ctx: Ctx, scene: Scene, record: ActionRecord): Promise<number | undefined> => {
  const action = scene.stage.actions.find(({ name }) => name === record.action)
  const kind = action && kindOf(action.actionTypeId)
  if (!action || !kind)
    throw new Error(`The action ${record.action} of ${record.pipeline} is of a kind that is not known.`)
  return step(ctx, scene, {
    task: action,
    kind,
    record,
    table: ActionExecution,
    ended: (ctx, tx, execution, after) => afterAction(ctx, tx, execution, action, after),
  })
}

const afterAction = async (
  ctx: Ctx,
  tx: WriteTx,
  execution: ExecutionRecord,
  action: ActionDeclaration,
  after: ActionRecord,
): Promise<void> => {
  tx.emit(actionChange(ctx, execution, action, after, after.status === 'Failed' ? 'FAILED' : 'SUCCEEDED'))
  if (after.status === 'Failed') return
  tx.put(Execution, gained(execution, action, after))
  if (!after.revision) return
  await noteRevision(tx, after.pipeline, action.name, after.revision.id)
  if (!execution.overrides.some((one) => one.action === action.name))
    await noteHead(tx, after.pipeline, action.name, after.variables?.BranchName ?? '', after.revision.id)
}

/** An action whose end is told from outside: by a job's worker. The caller wakes the execution. */
export const endAction = (
  ctx: Ctx,
  tx: WriteTx,
  execution: ExecutionRecord,
  action: ActionDeclaration,
  record: ActionRecord,
  progress: Exclude<Progress, { state: 'running' }>,
): Promise<void> => {
  const external = { ...record.external, ...progress.external }
  const ended = endedBy({ ...record, external }, progress, ctx.now().getTime())
  return afterAction(ctx, tx, execution, action, tx.put<ActionRecord>(ActionExecution, ended))
}

/** The same for a rule of the condition that is being looked at. */
export const advanceRule = async (ctx: Ctx, scene: Scene, record: RuleRecord): Promise<number | undefined> => {
  const rule = ruleIn(scene.stage, record.condition, record.action)
  const kind = rule && ruleKindOf(rule.ruleTypeId)
  if (!rule || !kind) throw new Error(`The rule ${record.action} of ${record.pipeline} is of a kind that is not known.`)
  return step(ctx, scene, {
    task: rule,
    kind,
    record,
    table: RuleExecution,
    condition: record.condition,
    ended: async () => {},
  })
}

const step = async <R extends ActionRecord>(
  ctx: Ctx,
  scene: Scene,
  attempt: Attempt<R>,
): Promise<number | undefined> => {
  const { task, kind, record } = attempt
  const outcome = await ask(ctx, scene, attempt)
  if ('fault' in outcome) return faulted(ctx, attempt, outcome.fault)
  await settle(ctx, attempt, outcome)
  if (outcome.progress.state !== 'running') return undefined
  const left = Math.max(0, deadlineOf(task, kind, record) - ctx.now().getTime())
  if (!kind.poll) return left
  // What ended before its id was written down has woken nobody: it is asked once more, at once.
  if (!record.begun) return 0
  return Math.min(left, kind.pause?.({ ctx, configuration: outcome.resolved ?? {} }) ?? patience)
}

const deadlineOf = (task: Task, kind: TaskKind, { started }: ActionRecord): number =>
  started + (task.timeoutInMinutes ?? kind.timeoutMinutes) * 60_000

/** Nobody's fault: tried again, ever more slowly, and not for ever. */
const faulted = async <R extends ActionRecord>(
  ctx: Ctx,
  attempt: Attempt<R>,
  fault: unknown,
): Promise<number | undefined> => {
  const { record, table } = attempt
  const faults = record.faults + 1
  ctx.log.warn('an action of a pipeline could not be stepped', {
    pipeline: record.pipeline,
    action: record.action,
    attempt: faults,
    error: fault instanceof Error ? (fault.stack ?? fault.message) : String(fault),
  })
  if (faults >= mostFaults) {
    const message = 'An internal error occurred. Retry the action; the server log has the cause.'
    await settle(ctx, attempt, { progress: failed('SystemUnavailable', message) })
    return undefined
  }
  await ctx.write(async (tx) => {
    const present = await tx.get(table, table.key(record))
    if (present?.status === 'InProgress') tx.put<R>(table, { ...present, faults })
  })
  return 1000 * 2 ** record.faults
}

type Outcome = { readonly progress: Progress; readonly resolved?: Readonly<Record<string, string>> }

const failed = (code: string, message: string): Progress => ({ state: 'failed', code, message })

const ask = async <R extends ActionRecord>(
  ctx: Ctx,
  scene: Scene,
  { task, kind, record, condition }: Attempt<R>,
): Promise<Outcome | { readonly fault: unknown }> => {
  const { execution, declaration, stage } = scene
  const limit = deadlineOf(task, kind, record)
  if (record.begun && ctx.now().getTime() >= limit)
    return {
      progress: failed('JobTimedOut', `The action timed out after ${(limit - record.started) / 60_000} minutes.`),
    }
  let resolved = record.resolved
  try {
    const known = variablesOf(execution)
    resolved ??= configurationOf(known, task)
    const job: Job = {
      ctx: task.region === undefined ? ctx : ctx.at({ account: ctx.account, region: task.region }),
      id: record.id,
      pipeline: record.pipeline,
      stage: stage.name,
      execution: execution.id,
      task: resolvedTask(known, task),
      started: record.started,
      configuration: resolved,
      inputs: record.inputs,
      outputs: record.outputs,
      overrides: execution.overrides.filter(({ action }) => action === task.name),
      role: (session) => callerOf(ctx, declaration, task, session ?? execution.id),
      ...(condition ? { condition } : {}),
      ...(record.external ? { external: record.external } : {}),
    }
    if (!record.begun) {
      checkInputs(kind, record)
      await fetchInputs(ctx, scene, record)
    }
    const progress = record.begun ? await kind.poll?.(job) : await kind.start(job)
    return { progress: progress ?? { state: 'running' }, resolved }
  } catch (error) {
    const progress = failureOf(error)
    return progress ? { progress, ...(resolved ? { resolved } : {}) } : { fault: error }
  }
}

/** A commit that is to be cloned is for CodeBuild, and for workers, who may know what to do with it. */
const checkInputs = ({ takesClones }: TaskKind, { inputs }: ActionRecord): void => {
  const reference = inputs.find(({ clone }) => clone)
  if (reference && !takesClones)
    throw new ActionFailure(
      'ConfigurationError',
      `The input artifact ${reference.name} is a reference to a commit (CODEBUILD_CLONE_REF), which only CodeBuild actions can use.`,
    )
}

/** Copies artifacts of another Region into the action's own, under the pipeline's role. */
const fetchInputs = async (ctx: Ctx, { execution, declaration }: Scene, { inputs }: ActionRecord): Promise<void> => {
  const far = inputs.flatMap((input) => (input.from ? [{ ...input, from: input.from }] : []))
  if (far.length === 0) return
  const { s3 } = await callerOf(ctx, declaration, {}, execution.id)
  for (const { from, ...input } of far)
    await s3.copyObject({
      Bucket: input.bucket,
      Key: input.key,
      CopySource: copySource(from),
      ...encryptionOf(input),
    })
}

const variablesOf = (execution: ExecutionRecord): Variables => ({
  ...execution.outputs,
  variables: execution.variables,
  codepipeline: { PipelineExecutionId: execution.id },
})

const configurationOf = (variables: Variables, { configuration = {} }: Task): Record<string, string> =>
  Object.fromEntries(Object.entries(configuration).map(([key, value]) => [key, resolve(value, variables)]))

/** With what references in commands and their environment stand for. */
const resolvedTask = (variables: Variables, task: Task): Task => ({
  ...task,
  ...(task.commands ? { commands: task.commands.map((command) => resolve(command, variables)) } : {}),
  ...(task.environmentVariables
    ? {
        environmentVariables: task.environmentVariables.map((one) => ({
          ...one,
          value: resolve(one.value ?? '', variables),
        })),
      }
    : {}),
})

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
const settle = <R extends ActionRecord>(
  ctx: Ctx,
  { record, table, ended }: Attempt<R>,
  { progress, resolved }: Outcome,
): Promise<void> =>
  ctx.write(async (tx) => {
    const present = await tx.get(table, table.key(record))
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
    } as R
    if (progress.state === 'running') {
      const next: R = {
        ...known,
        ...(progress.token === undefined ? {} : { token: progress.token }),
        ...(progress.job === undefined ? {} : { job: progress.job }),
        ...(progress.percent === undefined ? {} : { percent: progress.percent }),
      }
      if (JSON.stringify(next) !== JSON.stringify(present)) tx.put<R>(table, { ...next, updated: ctx.now().getTime() })
      return
    }
    await ended(ctx, tx, execution, tx.put<R>(table, endedBy(known, progress, ctx.now().getTime())))
  })

/** The record of what has ended. */
const endedBy = <R extends ActionRecord>(
  record: R,
  progress: Exclude<Progress, { state: 'running' }>,
  updated: number,
): R => {
  if (progress.state === 'failed') {
    const { code, message } = progress
    return { ...record, status: 'Failed', updated, error: { code, message } }
  }
  const { revision, variables, clone } = progress
  return {
    ...record,
    ...(clone ? { outputs: record.outputs.map((output) => ({ ...output, clone })) } : {}),
    status: 'Succeeded',
    updated,
    ...(variables ? { variables } : {}),
    ...(revision ? { revision } : {}),
  }
}

/** The execution with what this action has given it. */
const gained = (execution: ExecutionRecord, action: Task, record: ActionRecord): ExecutionRecord => {
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
