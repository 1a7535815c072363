import { AwsError, errorsOf } from '../../kernel/errors.ts'
import type { Operation as Op } from '../../kernel/service.ts'
import type { OperationInput, OperationName } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-cloudwatch')
export type Operation<O extends OperationName<NS>> = Op<NS, O>
export type Input<O extends OperationName<NS>> = OperationInput<NS, O>
export const fail = errorsOf<NS>()

/** What CloudWatch answers where its model lists no error for bad input. */
export const invalid = (message: string): AwsError => new AwsError('ValidationError', message)
