import type {
  ConstraintViolationExceptionReason,
  HandshakeConstraintViolationExceptionReason,
  InvalidInputExceptionReason,
} from '@aws-sdk/client-organizations'
import { type AwsError, errorsOf } from '../../kernel/errors.ts'
import type { Operation as KernelOperation } from '../../kernel/service.ts'
import type { OperationInput, OperationName } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-organizations')
export type Operation<O extends OperationName<NS>> = KernelOperation<NS, O>
export type Input<O extends OperationName<NS>> = OperationInput<NS, O>

export const fail = errorsOf<NS>()

/** ConstraintViolationException with the reason that programs look at. */
export const violates = (Reason: ConstraintViolationExceptionReason, message: string): AwsError =>
  fail('ConstraintViolationException', message, { Reason })

/** InvalidInputException with its reason. */
export const invalid = (Reason: InvalidInputExceptionReason, message: string): AwsError =>
  fail('InvalidInputException', message, { Reason })

/** HandshakeConstraintViolationException with its reason. */
export const handshakeViolates = (Reason: HandshakeConstraintViolationExceptionReason, message: string): AwsError =>
  fail('HandshakeConstraintViolationException', message, { Reason })

export const denied = (): AwsError =>
  fail('AccessDeniedException', "You don't have permissions to access this resource.")
