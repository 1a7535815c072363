import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'

/** Throws InvalidClientTokenId for sessions that AWS does not let call IAM. */
const checkToken = ({ principal }: Ctx): void => {
  const { kind, session } = principal
  // Sessions of AssumeRoot have a task policy, and IAM is what they are for.
  const bare = (kind === 'user' || kind === 'root') && session?.mfa === false && session.policyArns.length === 0
  if (bare || kind === 'federated')
    throw new AwsError('InvalidClientTokenId', 'The security token included in the request is invalid', { status: 403 })
}

/**
 * IAM's operations for those who may call them: not for sessions of GetSessionToken that did not prove MFA, and not for
 * those of GetFederationToken (STS API reference, both of them: "You cannot call any IAM API operations …").
 */
export const withoutBareTokens = <T extends Readonly<Record<string, unknown>>>(operations: T): T =>
  Object.fromEntries(
    Object.entries(operations as Readonly<Record<string, (ctx: Ctx, input: never) => unknown>>).map(
      ([name, operation]) => [
        name,
        (ctx: Ctx, input: never) => {
          checkToken(ctx)
          return operation(ctx, input)
        },
      ],
    ),
  ) as T
