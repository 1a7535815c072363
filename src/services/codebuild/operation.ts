import { errorsOf } from '../../kernel/errors.ts'
import type { Operation as KernelOperation } from '../../kernel/service.ts'
import type { OperationInput, OperationName } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-codebuild')
export type Operation<O extends OperationName<NS>> = KernelOperation<NS, O>
export type Input<O extends OperationName<NS>> = OperationInput<NS, O>

export const fail = errorsOf<NS>()

/** Entries of one page of any list; AWS returns at most this many too. */
export const pageSize = 100

/** A list's token: where the next page begins, readable by us only. */
export const tokenOf = (position: string): string => Buffer.from(`after:${position}`).toString('base64url')

export const positionOf = (token: string | undefined): string | undefined => {
  if (token === undefined) return undefined
  const text = Buffer.from(token, 'base64url').toString()
  if (!text.startsWith('after:')) throw fail('InvalidInputException', 'Invalid nextToken')
  return text.slice('after:'.length)
}
