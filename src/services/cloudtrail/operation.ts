import { errorsOf } from '../../kernel/errors.ts'
import type { Operation as Op } from '../../kernel/service.ts'
import type { OperationName } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-cloudtrail')
export type Operation<O extends OperationName<NS>> = Op<NS, O>
export const fail = errorsOf<NS>()
