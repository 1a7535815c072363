import type { TaskKind } from './actions/action.ts'
import { kindOf } from './actions/kinds.ts'
import { rulesOf } from './condition.ts'
import { type ActionDeclaration, type Declaration, fail, type StageDeclaration, type Task } from './operation.ts'
import { ruleKindOf } from './rules/kinds.ts'
import type { ConditionKind } from './stage.ts'
import { checkTriggers } from './triggers.ts'
import { referencesIn } from './variables.ts'

// What makes a declaration a pipeline ("CodePipeline pipeline structure reference", user guide).

const structure = (message: string) => fail('InvalidStructureException', message)
const stageError = (message: string) => fail('InvalidStageDeclarationException', message)
const actionError = (message: string) => fail('InvalidActionDeclarationException', message)

/** AWS's quotas per pipeline and stage. */
const mostStages = 50
const mostActions = 1000
const mostActionsOfStage = 100

export const runOrderOf = ({ runOrder }: ActionDeclaration): number => runOrder ?? 1

/** Actions of a stage in groups that run one after the other; those of a group run at the same time. */
export const groupsOf = ({ actions }: StageDeclaration): ActionDeclaration[][] => {
  const groups = new Map<number, ActionDeclaration[]>()
  for (const action of actions) {
    const order = runOrderOf(action)
    groups.set(order, [...(groups.get(order) ?? []), action])
  }
  return [...groups].sort(([a], [b]) => a - b).map(([, actions]) => actions)
}

type Store = NonNullable<Declaration['artifactStore']>

/** Where a pipeline's artifacts lie in a Region. */
export const storeOf = ({ artifactStore, artifactStores }: Declaration, region: string): Store | undefined =>
  artifactStore ?? artifactStores?.[region]

export const bucketOf = (declaration: Declaration, region: string): string =>
  storeOf(declaration, region)?.location ?? ''

type TypeId = ActionDeclaration['actionTypeId']

/** What of an action type its declarations are checked by. */
export type TypeFinder = (
  id: TypeId,
) =>
  | (Pick<TaskKind, 'check' | 'inputs' | 'outputs' | 'properties'> &
      Partial<Pick<TaskKind, 'atHome' | 'onlyV2' | 'takesCommands' | 'timeoutSettable'>>)
  | undefined

const ofAws: TypeFinder = (id) => (id.owner === 'AWS' ? kindOf(id) : undefined)

const duplicate = (names: readonly string[]): string | undefined =>
  names.find((name, index) => names.indexOf(name) !== index)

/**
 * Checks a pipeline's structure as AWS does, and refuses what is not done here instead of ignoring it. Raises
 * InvalidStructureException, InvalidStageDeclarationException, InvalidActionDeclarationException and
 * InvalidBlockerDeclarationException.
 */
export const checkStructure = (
  declaration: Declaration,
  region: string,
  others: TypeFinder = () => undefined,
): void => {
  checkFrame(declaration, region)
  const { stages } = declaration
  if (stages.length < 2)
    throw structure(`Pipeline has only ${stages.length} stage(s). There should be a minimum of 2 stages in a pipeline`)
  if (stages.length > mostStages) throw structure(`Pipeline has more than ${mostStages} stages`)
  const twice = duplicate(stages.map(({ name }) => name))
  if (twice !== undefined)
    throw structure(`Stage names must be unique within a pipeline: ${twice} is used more than once`)
  if (stages.flatMap(({ actions }) => actions).length > mostActions)
    throw structure(`Pipeline has more than ${mostActions} actions`)
  for (const [index, stage] of stages.entries()) {
    checkStage(declaration, stage, region, (id) => ofAws(id) ?? others(id))
    checkConditions(declaration, stage, index)
  }
  checkSources(stages)
  checkTriggers(declaration)
  checkArtifacts(stages)
  checkVariables(declaration)
}

const checkFrame = (declaration: Declaration, region: string): void => {
  const {
    artifactStore,
    artifactStores,
    pipelineType = 'V1',
    executionMode = 'SUPERSEDED',
    variables = [],
  } = declaration
  if (artifactStore && artifactStores)
    throw structure('Pipeline cannot have both artifactStore and artifactStores: specify one of them')
  if (!artifactStore && !artifactStores) throw structure('Pipeline must have an artifactStore or artifactStores')
  if (artifactStores) {
    if (!artifactStores[region]) throw structure(`artifactStores must have an artifact store for the Region ${region}`)
  }
  if (executionMode !== 'SUPERSEDED' && pipelineType !== 'V2')
    throw structure(`Execution mode ${executionMode} is only supported for pipelines of type V2`)
  if (variables.length > 0 && pipelineType !== 'V2')
    throw structure('Pipeline variables are only supported for pipelines of type V2')
  const twice = duplicate(variables.map(({ name }) => name))
  if (twice !== undefined) throw structure(`Pipeline variable names must be unique: ${twice} is used more than once`)
}

const checkStage = (declaration: Declaration, stage: StageDeclaration, region: string, typeOf: TypeFinder): void => {
  const { name, actions, blockers } = stage
  if (blockers?.length)
    throw fail('InvalidBlockerDeclarationException', `Stage ${name} has blockers: they are reserved for future use`)
  if (actions.length === 0) throw stageError(`Stage ${name} must have at least one action`)
  if (actions.length > mostActionsOfStage) throw stageError(`Stage ${name} has more than ${mostActionsOfStage} actions`)
  const twice = duplicate(actions.map((action) => action.name))
  if (twice !== undefined)
    throw stageError(`Action names must be unique within a stage: ${twice} is used more than once in stage ${name}`)
  for (const action of actions) checkAction(declaration, action, region, typeOf)
}

const allowed: Readonly<Record<ConditionKind, readonly string[]>> = {
  beforeEntry: ['FAIL', 'SKIP'],
  onSuccess: ['FAIL', 'ROLLBACK'],
  onFailure: ['FAIL', 'ROLLBACK'],
}

/** Rules that a stage may be skipped by ("Considerations for the results configured for stage conditions"). */
const skipping = ['LambdaInvoke', 'VariableCheck']

/** AWS's rules that stand on services which are not here. */
const missing: Readonly<Record<string, string>> = {
  LambdaInvoke: 'AWS Lambda',
}

const checkConditions = (declaration: Declaration, stage: StageDeclaration, index: number): void => {
  const { name, onFailure } = stage
  const kinds = (['beforeEntry', 'onSuccess', 'onFailure'] as const).filter((kind) => stage[kind] !== undefined)
  const [first] = kinds
  if (first === undefined) return
  if ((declaration.pipelineType ?? 'V1') !== 'V2')
    throw structure(`Stage ${name} has ${first}, which is only supported for pipelines of type V2`)
  const rollsBack =
    onFailure?.result === 'ROLLBACK' ||
    kinds.some((kind) => stage[kind]?.conditions?.some(({ result }) => result === 'ROLLBACK'))
  if (rollsBack && declaration.executionMode === 'PARALLEL')
    throw structure(`Stage ${name} has the result ROLLBACK, which the execution mode PARALLEL does not support`)
  if (rollsBack && index === 0) throw structure(`Stage ${name} is a source stage, which cannot be rolled back`)
  if (index === 0 && stage.beforeEntry) throw structure(`Stage ${name} is a source stage: it has no entry conditions`)
  if (onFailure?.result !== undefined && !['RETRY', 'ROLLBACK'].includes(onFailure.result))
    throw structure(`The result ${onFailure.result} is not valid for onFailure of stage ${name}`)
  if (onFailure?.retryConfiguration && onFailure.result !== 'RETRY')
    throw structure(`Stage ${name} has a retryConfiguration, which needs the result RETRY`)
  for (const kind of kinds)
    for (const condition of stage[kind]?.conditions ?? []) {
      const { result } = condition
      if (result !== undefined && !allowed[kind].includes(result))
        throw structure(`The result ${result} is not valid for a ${kind} condition of stage ${name}`)
      const rules = rulesOf(condition)
      if (rules.length === 0) throw structure(`The ${kind} condition of stage ${name} must have at least one rule`)
      const twice = duplicate(rules.map((rule) => rule.name))
      if (twice !== undefined)
        throw structure(`Rule names must be unique within a condition: ${twice} is used more than once`)
      for (const rule of rules) {
        const { provider } = rule.ruleTypeId
        if (result === 'SKIP' && !skipping.includes(provider))
          throw structure(`The result SKIP is only supported with the rules ${skipping.join(' and ')}: stage ${name}`)
        const service = missing[provider]
        if (service !== undefined)
          throw structure(`Rules of ${provider} are not implemented by Drydock: there is no ${service} yet`)
        const ruleKind = ruleKindOf(rule.ruleTypeId)
        if (!ruleKind) throw structure(`Rule type (Provider: '${provider}') in rule '${rule.name}' is not available`)
        if (rule.region !== undefined) checkRegion(declaration, rule)
        if (rule.commands?.length && !ruleKind.takesCommands)
          throw structure(`Rule ${rule.name} has commands, which rules of ${provider} do not take`)
        checkTask(rule, ruleKind, 'Rule')
      }
    }
}

const checkAction = (declaration: Declaration, action: ActionDeclaration, region: string, typeOf: TypeFinder): void => {
  const { name, actionTypeId } = action
  const { category, owner, provider, version } = actionTypeId
  const kind = typeOf(actionTypeId)
  if (!kind)
    throw actionError(
      `ActionType (Category: '${category}', Provider: '${provider}', Owner: '${owner}', Version: '${version}') in action '${name}' is not available in region '${region.toUpperCase().replaceAll('-', '_')}'`,
    )
  if (kind.onlyV2 && (declaration.pipelineType ?? 'V1') !== 'V2')
    throw actionError(`Action ${name} of ${provider} is only supported for pipelines of type V2`)
  if (action.region !== undefined && action.region !== region) {
    if (kind.atHome) throw actionError(`Action ${name} of ${provider} cannot be in another Region than its pipeline`)
    checkRegion(declaration, action)
  }
  for (const [member, value] of Object.entries({
    commands: kind.takesCommands ? [] : action.commands,
    outputVariables: kind.takesCommands ? [] : action.outputVariables,
    environmentVariables: kind.takesCommands ? [] : action.environmentVariables,
  }))
    if (value?.length)
      throw actionError(`Action ${name} has ${member}, which ${category} actions of ${provider} do not take`)
  if (action.timeoutInMinutes !== undefined && !kind.timeoutSettable)
    throw actionError(`Action ${name} cannot have timeoutInMinutes: only manual approval actions do`)
  if (!kind.takesCommands && action.outputArtifacts?.some(({ files }) => files?.length))
    throw actionError(`Action ${name} names files of an output artifact, which only Commands actions do`)
  checkTask(action, kind, 'Action')
}

/** Configuration and artifacts of an action or rule. */
const checkTask = (task: Task, kind: NonNullable<ReturnType<TypeFinder>>, what: 'Action' | 'Rule'): void => {
  const { name, configuration = {} } = task
  const its = `${what} configuration for ${what.toLowerCase()} '${name}'`
  for (const property of kind.properties)
    if (property.required && !configuration[property.name])
      throw actionError(`${its} is missing required configuration '${property.name}'`)
  for (const key of Object.keys(configuration))
    if (!kind.properties.some((property) => property.name === key))
      throw actionError(`${its} contains unknown configuration '${key}'`)
  checkCount(name, 'input', task.inputArtifacts?.length ?? 0, kind.inputs)
  checkCount(name, 'output', task.outputArtifacts?.length ?? 0, kind.outputs)
  const wrong = kind.check?.(task)
  if (wrong !== undefined) throw actionError(`${its} is not valid: ${wrong}`)
}

const checkRegion = (declaration: Declaration, { name, region = '' }: Pick<Task, 'name' | 'region'>): void => {
  if (!declaration.artifactStores?.[region])
    throw structure(`Action ${name} is in Region ${region}: artifactStores must have an artifact store for it`)
}

const checkCount = (name: string, what: string, count: number, [min, max]: readonly [number, number]): void => {
  if (count < min)
    throw actionError(
      `Action ${name} declares ${count} ${what} artifacts which is less than the minimum count (${min})`,
    )
  if (count > max)
    throw actionError(
      `Action ${name} declares ${count} ${what} artifacts which is more than the maximum count (${max})`,
    )
}

const isSource = ({ actionTypeId }: ActionDeclaration) => actionTypeId.category === 'Source'

const checkSources = ([first, ...others]: readonly StageDeclaration[]): void => {
  if (!first?.actions.every(isSource))
    throw structure('Pipeline should start with a stage that only contains source actions')
  for (const { name, actions } of others)
    if (actions.some(isSource))
      throw structure(`Source actions are only allowed in the first stage: stage ${name} contains one`)
}

/** Every input is an output of an action that comes before; every output has a name of its own. */
const checkArtifacts = (stages: readonly StageDeclaration[]): void => {
  const known = new Set<string>()
  const checkRules = (stage: StageDeclaration, kind: ConditionKind) => {
    for (const condition of stage[kind]?.conditions ?? [])
      for (const { name, inputArtifacts = [] } of rulesOf(condition))
        for (const artifact of inputArtifacts)
          if (!known.has(artifact.name))
            throw structure(
              `Input Artifact Bundle ${artifact.name} in rule ${name} is not declared as Output Artifact Bundle in any of the preceding actions`,
            )
  }
  for (const stage of stages) {
    checkRules(stage, 'beforeEntry')
    for (const group of groupsOf(stage)) {
      for (const { name, inputArtifacts = [] } of group) {
        for (const artifact of inputArtifacts)
          if (!known.has(artifact.name))
            throw structure(
              `Input Artifact Bundle ${artifact.name} in action ${name} is not declared as Output Artifact Bundle in any of the preceding actions`,
            )
        const twice = duplicate(inputArtifacts.map((artifact) => artifact.name))
        if (twice !== undefined)
          throw structure(`Input Artifact Bundle ${twice} is used more than once in action ${name}`)
      }
      for (const { outputArtifacts = [] } of group)
        for (const artifact of outputArtifacts) {
          if (known.has(artifact.name))
            throw structure(
              `Output Artifact Bundle name must be unique within the pipeline. ${artifact.name} has been used more than once.`,
            )
          known.add(artifact.name)
        }
    }
    checkRules(stage, 'onSuccess')
    checkRules(stage, 'onFailure')
  }
}

/** Everything in an action or rule that may refer to variables, by what it is called. */
const textsOf = ({ configuration = {}, commands = [], environmentVariables = [] }: Task): [string, string][] => [
  ...Object.entries(configuration),
  ...commands.map((command): [string, string] => ['commands', command]),
  ...environmentVariables.map(({ name, value }): [string, string] => [name, value]),
]

/** Namespaces are unique, and references name one that is there before the action or rule runs. */
const checkVariables = ({ stages, variables = [] }: Declaration): void => {
  const namespaces = new Set(['codepipeline', 'variables'])
  const check = (stage: StageDeclaration, task: Task) => {
    for (const [key, text] of textsOf(task))
      for (const reference of referencesIn(text)) {
        const where = `StageName=[${stage.name}], ActionName=[${task.name}], ActionConfigurationKey=[${key}], VariableReferenceText=[${reference.text}]`
        const advice =
          'Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.). The following pipeline execution variables are referencing a'
        if (!namespaces.has(reference.namespace)) throw structure(`${advice} namespace that does not exist. ${where}`)
        const unknown =
          (reference.namespace === 'codepipeline' && reference.key !== 'PipelineExecutionId') ||
          (reference.namespace === 'variables' && !variables.some((one) => one.name === reference.key))
        if (unknown) throw structure(`${advice} variable that does not exist. ${where}`)
      }
  }
  const checkRules = (stage: StageDeclaration, kind: ConditionKind) => {
    for (const condition of stage[kind]?.conditions ?? []) for (const rule of rulesOf(condition)) check(stage, rule)
  }
  for (const stage of stages) {
    checkRules(stage, 'beforeEntry')
    for (const group of groupsOf(stage)) {
      for (const action of group) check(stage, action)
      for (const { name, namespace } of group) {
        if (namespace === undefined) continue
        if (namespaces.has(namespace))
          throw structure(`Namespace ${namespace} of action ${name} is already in use: namespaces must be unique`)
        namespaces.add(namespace)
      }
    }
    checkRules(stage, 'onSuccess')
    checkRules(stage, 'onFailure')
  }
}
