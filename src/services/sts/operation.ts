import { AwsError, errorsOf } from '../../kernel/errors.ts'
import type { Operation as KernelOperation } from '../../kernel/service.ts'
import type { OperationName } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-sts')
export type Operation<O extends OperationName<NS>> = KernelOperation<NS, O>

export const fail = errorsOf<NS>()

/** STS's errors that its model does not list. */
export const invalid = (message: string): AwsError => new AwsError('ValidationError', message, { status: 400 })
export const refused = (message: string): AwsError => new AwsError('AccessDenied', message, { status: 403 })
