import type { Ctx } from '../../kernel/context.ts'
import type { RemoteRepository } from '../../remotes/commits.ts'
import { type ConnectionFacts, connections } from '../capabilities.ts'
import { ActionFailure } from './actions/action.ts'

/** The parts of a connection's ARN that say where it is; `undefined` for what is no connection. */
export const connectionAt = (arn: string) => {
  const found =
    /^arn:aws:(?<prefix>codestar-connections|codeconnections):(?<region>[^:]+):(?<account>\d{12}):connection\//
  const { prefix, region, account } = found.exec(arn)?.groups ?? {}
  return prefix && region && account ? { prefix, place: { region, account } } : undefined
}

/** The right to use a connection, by its name: `codestar-connections:UseConnection`. */
export const connectionAction = (arn: string, name: 'PassConnection' | 'UseConnection'): string =>
  `${connectionAt(arn)?.prefix ?? 'codestar-connections'}:${name}`

/** `undefined` where there is no such connection. */
export const findConnection = async (ctx: Ctx, arn: string): Promise<ConnectionFacts | undefined> => {
  const at = connectionAt(arn)
  return at && ctx.use(connections).find(at.place, arn)
}

/** What a source action's repository is asked with. Throws ActionFailure for a connection that is not complete. */
export const remoteOf = async (
  ctx: Ctx,
  arn: string,
  repository: string,
): Promise<RemoteRepository & { readonly providerType: string }> => {
  const found = await findConnection(ctx, arn)
  if (!found) throw new ActionFailure('ConfigurationError', `Connection ${arn} does not exist`)
  if (!found.access) throw new ActionFailure('ConfigurationError', `Connection ${arn} is not in an available state`)
  return { access: found.access, repository, providerType: found.providerType }
}
