import type { Ctx } from '../../kernel/context.ts'
import { AwsError, type ErrorMembers, errorsOf } from '../../kernel/errors.ts'
import type { Operation as AnyOperation } from '../../kernel/service.ts'
import type { OperationInput, OperationName, OperationOutput } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-s3-control')
export type Operation<O extends OperationName<NS>> = AnyOperation<NS, O>
export type Input<O extends OperationName<NS>> = OperationInput<NS, O>
export type Output<O extends OperationName<NS>> = OperationOutput<NS, O>
export const fail = errorsOf<NS>()

/** S3's error codes that the model of S3 Control does not have ("Error responses", S3 API reference). */
const statuses = {
  AccessDenied: 403,
  AccessPointAlreadyOwnedByYou: 409,
  InvalidAccessPoint: 400,
  InvalidRequest: 400,
  InvalidTag: 400,
  MalformedPolicy: 400,
  NoSuchAccessPoint: 404,
  NoSuchAccessPointPolicy: 404,
  NoSuchBucket: 404,
  TooManyTags: 400,
} as const

export const refuse = (code: keyof typeof statuses, message: string, members: ErrorMembers = {}): AwsError =>
  new AwsError(code, message, { status: statuses[code], members })

export const accessDenied = (): AwsError => refuse('AccessDenied', 'Access Denied')

/** The account a request names must be the caller's. Throws AccessDenied. */
export const accountOf = (ctx: Ctx, { AccountId }: { readonly AccountId?: string | undefined }): string => {
  if (AccountId !== undefined && AccountId !== ctx.account) throw accessDenied()
  return ctx.account
}
