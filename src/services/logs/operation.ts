import { errorsOf } from '../../kernel/errors.ts'
import type { Operation as Op } from '../../kernel/service.ts'
import type { OperationName } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-cloudwatch-logs')
export type Operation<O extends OperationName<NS>> = Op<NS, O>
export const fail = errorsOf<NS>()

/** A list's place as callers pass it back. */
export const toToken = (position: string): string => Buffer.from(position).toString('base64url')

/** The place a token stands for; InvalidParameterException for text that is none. */
export const fromToken = (token: string | undefined): string | undefined => {
  if (token === undefined) return undefined
  const position = Buffer.from(token, 'base64url').toString()
  if (position === '' || toToken(position) !== token)
    throw fail('InvalidParameterException', 'The specified nextToken is invalid.')
  return position
}
