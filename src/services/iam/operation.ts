import { AwsError, errorsOf } from '../../kernel/errors.ts'
import type { Operation as KernelOperation } from '../../kernel/service.ts'
import type { OperationInput, OperationName, OperationOutput } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-iam')
export type Operation<O extends OperationName<NS>> = KernelOperation<NS, O>
export type Input<O extends OperationName<NS>> = OperationInput<NS, O>
export type Output<O extends OperationName<NS>> = OperationOutput<NS, O>

export const fail = errorsOf<NS>()

/** An error that the model does not list; IAM answers it with status 400. */
export const invalid = (message: string): AwsError => new AwsError('ValidationError', message, { status: 400 })

/** AWS's sentence for what is not there: "The user with name alice cannot be found." */
export const notFound = (what: string, name: string): AwsError =>
  fail('NoSuchEntityException', `The ${what} with name ${name} cannot be found.`)
