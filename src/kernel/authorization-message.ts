import type { AccessRequest, Decision } from '../policy/policy.ts'
import type { Ctx } from './context.ts'

/** Told apart from everything else that is sealed under the same key: no other secret can be had through it. */
const mark = 'authorization-message '

/**
 * Why a request was denied, for those who may know: part of EC2's denials, opened by sts:DecodeAuthorizationMessage
 * ("DecodeAuthorizationMessage", STS API reference).
 */
export const encodeAuthorizationMessage = (
  ctx: Pick<Ctx, 'seal' | 'principal'>,
  request: AccessRequest,
  decision: Decision,
): string => {
  const items = <T>(list: readonly T[]) => ({ items: list })
  const telling = decision.decision === 'explicitDeny' ? 'Deny' : 'Allow'
  const message = {
    allowed: false,
    explicitDeny: decision.decision === 'explicitDeny',
    matchedStatements: items(
      decision.matched
        .filter(({ effect }) => effect === telling)
        .map(({ id, sid, effect }) => ({ statementId: sid ?? '', effect: effect.toUpperCase(), policyId: id })),
    ),
    failures: items([]),
    context: {
      principal: { id: ctx.principal.id, name: ctx.principal.name, arn: request.principal.arn },
      action: request.action,
      resource: request.resource,
      conditions: items(
        Object.entries(request.context).map(([key, values]) => ({
          key,
          values: items(values.map((value) => ({ value }))),
        })),
      ),
    },
  }
  return Buffer.from(ctx.seal(mark + JSON.stringify(message)), 'base64').toString('base64url')
}

/** The JSON text within; `undefined` for what this server has not encoded. */
export const decodeAuthorizationMessage = (ctx: Pick<Ctx, 'unseal'>, encoded: string): string | undefined => {
  try {
    const text = ctx.unseal(Buffer.from(encoded, 'base64url').toString('base64'))
    return text.startsWith(mark) ? text.slice(mark.length) : undefined
  } catch {
    return undefined
  }
}
