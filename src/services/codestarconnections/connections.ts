import type { Ctx } from '../../kernel/context.ts'
import type { ProviderAccess } from '../../remotes/provider.ts'
import type { ReadTx } from '../../store/store.ts'
import type { Connections } from '../capabilities.ts'
import { Connection, type ConnectionRecord, isAvailable, kindOf } from './connection.ts'
import { Host, notThere } from './host.ts'
import { isInstalled } from './hosts.ts'
import { fail, invalid, newArn, type Operation, type Output } from './operation.ts'
import { pageOf } from './page.ts'
import { checkedTags } from './tag.ts'

// A connection made by the API is PENDING until somebody completes it: on AWS by a login at the provider in the console, here
// with a token of the provider's (`setup.ts`).

type Wire = NonNullable<Output<'GetConnection'>['Connection']>

/** Most connections of an account ("Quotas for connections", Developer Tools console user guide). */
const most = 250

const toConnection = async (
  tx: ReadTx,
  connection: ConnectionRecord,
  { account }: Pick<Ctx, 'account'>,
): Promise<Wire> => ({
  ConnectionName: connection.name,
  ConnectionArn: connection.arn,
  ProviderType: connection.provider,
  OwnerAccountId: account,
  ConnectionStatus: (await isAvailable(tx, connection)) ? 'AVAILABLE' : 'PENDING',
  ...(connection.host === undefined ? {} : { HostArn: connection.host }),
})

export const noConnection = (arn: string) =>
  fail('ResourceNotFoundException', `Resource not found. Verify the connection resource and try again: ${arn}`)

/**
 * AWS API: "CreateConnection". For a provider, or for the host of one that its customer runs. Raises
 * ResourceNotFoundException, ResourceUnavailableException for a host whose setup is not finished, LimitExceededException.
 */
export const CreateConnection: Operation<'CreateConnection'> = (ctx, { ConnectionName, ProviderType, HostArn, Tags }) =>
  ctx.write(async (tx) => {
    if ((ProviderType === undefined) === (HostArn === undefined))
      throw invalid('A connection has either a ProviderType or a HostArn.')
    const host = HostArn === undefined ? undefined : await tx.get(Host, HostArn)
    if (HostArn !== undefined && !host) throw notThere(HostArn)
    if (host && !host.reached)
      throw fail('ResourceUnavailableException', `The host ${HostArn} is not in an available state.`)
    const provider = host?.provider ?? ProviderType
    if (provider === undefined || (!host && isInstalled(provider)))
      throw invalid(`A connection to ${ProviderType} needs the HostArn of its host.`)
    const connection: ConnectionRecord = {
      arn: newArn(ctx, 'connection', ctx.newId()),
      name: ConnectionName,
      provider,
      ...(host ? { host: host.arn } : {}),
      tags: checkedTags(Tags),
    }
    if ((await tx.list(Connection, { limit: most })).length >= most)
      throw fail('LimitExceededException', `An account cannot have more than ${most} connections.`)
    tx.put(Connection, connection)
    return { ConnectionArn: connection.arn, Tags: Tags ?? [] }
  })

/** AWS API: "GetConnection". Raises ResourceNotFoundException. */
export const GetConnection: Operation<'GetConnection'> = (ctx, { ConnectionArn }) =>
  ctx.read(async (tx) => {
    const connection = await tx.get(Connection, ConnectionArn)
    if (!connection) throw noConnection(ConnectionArn)
    return { Connection: await toConnection(tx, connection, ctx) }
  })

/** AWS API: "DeleteConnection". Its token goes with it. Raises ResourceNotFoundException. */
export const DeleteConnection: Operation<'DeleteConnection'> = (ctx, { ConnectionArn }) =>
  ctx.write(async (tx) => {
    if (!(await tx.get(Connection, ConnectionArn))) throw noConnection(ConnectionArn)
    tx.delete(Connection, ConnectionArn)
    return {}
  })

/** AWS API: "ListConnections". */
export const ListConnections: Operation<'ListConnections'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { ProviderTypeFilter, HostArnFilter } = input
    const found = (await tx.list(Connection)).filter(
      ({ provider, host }) =>
        (ProviderTypeFilter === undefined || provider === ProviderTypeFilter) &&
        (HostArnFilter === undefined || host === HostArnFilter),
    )
    const { items, ...rest } = pageOf(found, Connection.key, input)
    const Connections: Wire[] = []
    for (const connection of items) Connections.push(await toConnection(tx, connection, ctx))
    return { Connections, ...rest }
  })

const accessOf = (ctx: Ctx, connection: ConnectionRecord): ProviderAccess | undefined => {
  const [kind, { login }] = [kindOf(connection), connection]
  if (kind === undefined || !login) return undefined
  const { base, user, sealed } = login
  return {
    kind,
    ...(base === undefined ? { reach: 'world' as const } : { base, reach: 'own' as const }),
    ...(user === undefined ? {} : { user }),
    token: ctx.unseal(sealed),
  }
}

const originOf = (url: string): string => new URL(url).origin

export const makeConnections = (at: (place: Ctx['place']) => Ctx): Connections => ({
  find: async (place, arn) => {
    const ctx = at(place)
    const found = await ctx.read(async (tx) => {
      const connection = await tx.get(Connection, arn)
      return connection && { connection, available: await isAvailable(tx, connection) }
    })
    if (!found) return undefined
    const access = found.available ? accessOf(ctx, found.connection) : undefined
    const { provider: providerType, tags } = found.connection
    return { providerType, tags, ...(access ? { access } : {}) }
  },
  isOwn: (place, { origin }) =>
    at(place).read(async (tx) => {
      const hosts = await tx.list(Host)
      if (hosts.some(({ endpoint, reached }) => reached && originOf(endpoint) === origin)) return true
      for (const connection of await tx.list(Connection)) {
        const base = connection.login?.base
        if (base !== undefined && originOf(base) === origin && (await isAvailable(tx, connection))) return true
      }
      return false
    }),
})
