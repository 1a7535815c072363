import { AwsError, errorsOf } from '../../kernel/errors.ts'
import type { Operation as AnyOperation } from '../../kernel/service.ts'
import type { OperationName } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-s3-control')
export type Operation<O extends OperationName<NS>> = AnyOperation<NS, O>
export const fail = errorsOf<NS>()

export const accessDenied = (): AwsError => new AwsError('AccessDenied', 'Access Denied', { status: 403 })
