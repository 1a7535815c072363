import { type AwsError, errorsOf } from '../../kernel/errors.ts'
import type { Operation as KernelOperation } from '../../kernel/service.ts'
import type { OperationInput, OperationName, OperationOutput } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-accessanalyzer')
export type Operation<O extends OperationName<NS>> = KernelOperation<NS, O>
export type Input<O extends OperationName<NS>> = OperationInput<NS, O>
export type Output<O extends OperationName<NS>> = OperationOutput<NS, O>

export const fail = errorsOf<NS>()

/** ValidationException for a member whose value the model accepts and the service does not. */
export const invalid = (message: string): AwsError => fail('ValidationException', message, { reason: 'other' })

/** ResourceNotFoundException with the members its shape requires. */
export const notFound = (resourceType: string, resourceId: string): AwsError =>
  fail('ResourceNotFoundException', `${resourceType} ${resourceId} not found.`, { resourceType, resourceId })

/** ConflictException with the members its shape requires. */
export const conflict = (resourceType: string, resourceId: string, message: string): AwsError =>
  fail('ConflictException', message, { resourceType, resourceId })

/** ServiceQuotaExceededException with the members its shape requires. */
export const overQuota = (resourceType: string, resourceId: string, message: string): AwsError =>
  fail('ServiceQuotaExceededException', message, { resourceType, resourceId })
