import type { TaskKind } from '../actions/action.ts'
import { codebuildTest } from '../actions/codebuild.ts'
import { commandsRule } from '../actions/commands.ts'
import type { RuleDeclaration } from '../operation.ts'
import { cloudwatchAlarm } from './cloudwatch-alarm.ts'
import { deploymentWindow } from './deployment-window.ts'
import { variableCheck } from './variable-check.ts'

const codebuildRule: TaskKind = { ...codebuildTest, inputs: [0, 5], outputs: [0, 0] }

/** Every kind of rule that works here, all of owner AWS and version 1. */
export const ruleKinds: readonly TaskKind[] = [
  variableCheck,
  deploymentWindow,
  cloudwatchAlarm,
  codebuildRule,
  commandsRule,
]

export const ruleKindOf = ({ owner = 'AWS', provider, version = '1' }: RuleDeclaration['ruleTypeId']) =>
  owner === 'AWS' && version === '1' ? ruleKinds.find((kind) => kind.provider === provider) : undefined
