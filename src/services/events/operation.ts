import { AwsError, errorsOf } from '../../kernel/errors.ts'
import type { Operation as Op } from '../../kernel/service.ts'
import type { OperationName } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-eventbridge')
export type Operation<O extends OperationName<NS>> = Op<NS, O>
export const fail = errorsOf<NS>()

/** EventBridge's answer to bad arguments, which its model does not list. */
export const invalid = (message: string): AwsError => new AwsError('ValidationException', message)

/** A list's place as callers pass it back. */
export const toToken = (position: string): string => Buffer.from(position).toString('base64url')

/** The place a token stands for. */
export const fromToken = (token: string | undefined): string | undefined => {
  if (token === undefined) return undefined
  const position = Buffer.from(token, 'base64url').toString()
  if (position === '' || toToken(position) !== token)
    throw invalid('Parameter NextToken is not valid. Reason: Provided token is not in correct format.')
  return position
}
