import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import type { ActionRecord } from './action-execution.ts'
import { inputsOf, type Scene } from './attempts.ts'
import type { ExecutionRecord } from './execution.ts'
import type { RuleDeclaration, StageDeclaration } from './operation.ts'
import { ordered, Pipeline } from './pipeline.ts'
import { type ConditionKind, type ConditionStatus, Stage, stageOf } from './stage.ts'

// Conditions of stages ("How do stage conditions work?", CodePipeline user guide): before an execution enters, after its
// actions succeeded, after one failed. A condition is met when all of its rules succeed; they run at the same time.

/** One evaluation of a rule. `action` is the rule's name. */
export type RuleRecord = ActionRecord & { readonly condition: ConditionKind }

export const rulePosition = ({ pipeline, sequence }: RuleRecord) => `${pipeline}/${ordered(sequence)}`

export const RuleExecution = table<RuleRecord>('codepipeline.rule', {
  scope: 'region',
  key: ({ execution, sequence }) => `${execution}/${ordered(sequence)}`,
  index: {
    pipeline: rulePosition,
    rule: ({ pipeline, stage, condition, action, sequence }) =>
      `${pipeline}/${stage}/${condition}/${action}/${ordered(sequence)}`,
    external: ({ status, external }) => (status === 'InProgress' ? external?.id : undefined),
  },
})

export type Condition = NonNullable<NonNullable<StageDeclaration['onSuccess']>['conditions']>[number]

/** At most one of each kind, as the API has it. */
export const conditionOf = (stage: StageDeclaration, kind: ConditionKind): Condition | undefined =>
  stage[kind]?.conditions?.[0]

export const rulesOf = (condition: Condition | undefined): readonly RuleDeclaration[] => condition?.rules ?? []

export const ruleIn = (stage: StageDeclaration, kind: ConditionKind, name: string): RuleDeclaration | undefined =>
  rulesOf(conditionOf(stage, kind)).find((rule) => rule.name === name)

/** The rules of the check that is under way. */
export const runningRules = async (tx: ReadTx, { id, check }: ExecutionRecord): Promise<RuleRecord[]> =>
  check ? (await tx.list(RuleExecution, { prefix: `${id}/` })).filter(({ sequence }) => sequence >= check.since) : []

/** Evaluations of all rules of the condition: InProgress, nobody asked yet. Returns the sequence of the first. */
export const beginRules = async (
  ctx: Ctx,
  tx: WriteTx,
  { execution, declaration, stage }: Scene,
  kind: ConditionKind,
): Promise<number> => {
  const pipeline = await tx.get(Pipeline, execution.pipeline)
  const first = (pipeline?.actions ?? 0) + 1
  if (!pipeline) return first
  const now = ctx.now().getTime()
  const rules = rulesOf(conditionOf(stage, kind))
  for (const [index, rule] of rules.entries())
    tx.put<RuleRecord>(RuleExecution, {
      id: ctx.newId(),
      sequence: first + index,
      pipeline: pipeline.name,
      execution: execution.id,
      version: execution.version,
      stage: stage.name,
      action: rule.name,
      condition: kind,
      status: 'InProgress',
      begun: false,
      started: now,
      updated: now,
      inputs: inputsOf(ctx, { execution, declaration }, rule),
      outputs: [],
      faults: 0,
    })
  tx.put(Pipeline, { ...pipeline, actions: pipeline.actions + rules.length })
  await noteCondition(ctx, tx, execution, stage.name, kind, 'InProgress')
  return first
}

/** What GetPipelineState shows of a condition. */
export const noteCondition = async (
  ctx: Ctx,
  tx: WriteTx,
  { pipeline, id }: ExecutionRecord,
  stageName: string,
  kind: ConditionKind,
  status: ConditionStatus,
  summary?: string,
): Promise<void> => {
  const stage = await stageOf(tx, pipeline, stageName)
  const state = { execution: id, status, at: ctx.now().getTime(), ...(summary === undefined ? {} : { summary }) }
  tx.put(Stage, { ...stage, conditions: { ...stage.conditions, [kind]: state } })
}

/** Nobody looks at these any more. */
export const abandonRules = (ctx: Ctx, tx: WriteTx, rules: readonly RuleRecord[]): void => {
  for (const rule of rules)
    if (rule.status === 'InProgress')
      tx.put<RuleRecord>(RuleExecution, { ...rule, status: 'Abandoned', updated: ctx.now().getTime() })
}

/** What the rules that ended say: met, not met, or that they could not be asked. */
export const verdictOf = (
  rules: readonly RuleRecord[],
): { status: 'Succeeded' | 'Failed' | 'Errored'; why?: string } => {
  const wrong = rules.find(({ status }) => status !== 'Succeeded')
  if (!wrong) return { status: 'Succeeded' }
  const why = `Rule ${wrong.action}: ${wrong.error?.message ?? wrong.status}`.slice(0, 2048)
  return { status: wrong.error && wrong.error.code !== 'JobFailed' ? 'Errored' : 'Failed', why }
}
