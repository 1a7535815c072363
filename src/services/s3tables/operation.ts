import { errorsOf } from '../../kernel/errors.ts'
import type { Operation as AnyOperation } from '../../kernel/service.ts'
import type { OperationInput, OperationName, OperationOutput } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-s3tables')
export type Operation<O extends OperationName<NS>> = AnyOperation<NS, O>
export type Input<O extends OperationName<NS>> = OperationInput<NS, O>
export type Output<O extends OperationName<NS>> = OperationOutput<NS, O>
export const fail = errorsOf<NS>()
