import { errorsOf } from '../../kernel/errors.ts'
import type { Operation as AnyOperation } from '../../kernel/service.ts'
import type { OperationInput, OperationName } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-secrets-manager')
export type Operation<O extends OperationName<NS>> = AnyOperation<NS, O>
export type Input<O extends OperationName<NS>> = OperationInput<NS, O>
export const fail = errorsOf<NS>()
export const invalid = (message: string) => fail('InvalidParameterException', message)
export const refused = (message: string) => fail('InvalidRequestException', message)
