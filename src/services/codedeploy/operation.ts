import { errorsOf } from '../../kernel/errors.ts'
import type { Operation as KernelOperation } from '../../kernel/service.ts'
import type { OperationInput, OperationName } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-codedeploy')
export type Operation<O extends OperationName<NS>> = KernelOperation<NS, O>
export type Input<O extends OperationName<NS>> = OperationInput<NS, O>

export const fail = errorsOf<NS>()

/** Names have letters, digits and `. _ + = , @ -` ("CodeDeploy limits", user guide); they are parts of ARNs. */
export const checkName = (
  code:
    | 'InvalidApplicationNameException'
    | 'InvalidDeploymentGroupNameException'
    | 'InvalidDeploymentConfigNameException',
  what: string,
  name: string,
): void => {
  if (!/^[\w.+=,@-]+$/.test(name)) throw fail(code, `${what} name is not valid: ${name}`)
}

/** Most characters of a deployment's or revision's description ("CodeDeploy quotas", user guide). */
const longestDescription = 256

/** Throws DescriptionTooLongException. */
export const checkDescription = (description: string | undefined): void => {
  if (description !== undefined && description.length > longestDescription)
    throw fail('DescriptionTooLongException', `The description has more than ${longestDescription} characters.`)
}
