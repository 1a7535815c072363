import { errorsOf } from '../../kernel/errors.ts'
import type { Operation as KernelOperation } from '../../kernel/service.ts'
import type { OperationInput, OperationName, OperationOutput } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-codepipeline')
export type Operation<O extends OperationName<NS>> = KernelOperation<NS, O>
export type Input<O extends OperationName<NS>> = OperationInput<NS, O>
export type Output<O extends OperationName<NS>> = OperationOutput<NS, O>

/** A pipeline's structure as its author wrote it. */
export type Declaration = Input<'CreatePipeline'>['pipeline']
export type StageDeclaration = Declaration['stages'][number]
export type ActionDeclaration = StageDeclaration['actions'][number]

export type RuleDeclaration = NonNullable<
  NonNullable<StageDeclaration['onSuccess']>['conditions'][number]['rules']
>[number]

/** What an execution has carried out: an action, or a rule of a stage's condition, which is like one in all that matters. */
export type Task = Pick<ActionDeclaration, 'name'> &
  Partial<
    Pick<
      ActionDeclaration,
      | 'commands'
      | 'configuration'
      | 'environmentVariables'
      | 'inputArtifacts'
      | 'namespace'
      | 'outputArtifacts'
      | 'outputVariables'
      | 'region'
      | 'roleArn'
      | 'timeoutInMinutes'
    >
  >

export const fail = errorsOf<NS>()
