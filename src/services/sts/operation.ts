import type { Ctx } from '../../kernel/context.ts'
import { AwsError, errorsOf } from '../../kernel/errors.ts'
import type { Operation as KernelOperation } from '../../kernel/service.ts'
import type { OperationName } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-sts')
export type Operation<O extends OperationName<NS>> = KernelOperation<NS, O>

export const fail = errorsOf<NS>()

/**
 * Sessions of GetSessionToken may call nothing of STS but GetCallerIdentity and AssumeRole, those of GetFederationToken only
 * the former (STS API reference, both of them). Throws AccessDenied.
 */
export const refuseTokens = ({ principal: { kind, session } }: Ctx, operation: string): void => {
  const isToken = session && (kind === 'user' || (kind === 'root' && session.policyArns.length === 0))
  if (kind === 'federated' || (isToken && operation !== 'AssumeRole'))
    throw refused(`Cannot call ${operation} with session credentials`)
}

/** STS's errors that its model does not list. */
export const invalid = (message: string): AwsError => new AwsError('ValidationError', message, { status: 400 })
export const refused = (message: string): AwsError => new AwsError('AccessDenied', message, { status: 403 })
