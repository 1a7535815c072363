import type { Ctx } from '../../kernel/context.ts'
import type { Connections } from '../capabilities.ts'
import { Connection, type ConnectionRecord } from './connection.ts'
import { Host, isInstalled, notThere } from './hosts.ts'
import { fail, invalid, newArn, type Operation, type Output } from './operation.ts'
import { pageOf } from './page.ts'
import { checkedTags } from './tag.ts'

// A connection made by the API is PENDING until somebody logs in at the provider, in AWS's console, and lets AWS in. There is
// no such door here, so every connection stays as it is made.

type Wire = NonNullable<Output<'GetConnection'>['Connection']>

/** Most connections of an account ("Quotas for connections", Developer Tools console user guide). */
const most = 250

const toConnection = (connection: ConnectionRecord, { account }: Pick<Ctx, 'account'>): Wire => ({
  ConnectionName: connection.name,
  ConnectionArn: connection.arn,
  ProviderType: connection.provider,
  OwnerAccountId: account,
  ConnectionStatus: 'PENDING',
  ...(connection.host === undefined ? {} : { HostArn: connection.host }),
})

const noConnection = (arn: string) =>
  fail('ResourceNotFoundException', `Resource not found. Verify the connection resource and try again: ${arn}`)

/**
 * AWS API: "CreateConnection". For a provider, or for the host of one that its customer runs. Raises
 * ResourceNotFoundException, ResourceUnavailableException for a host whose setup is not finished, LimitExceededException.
 */
export const CreateConnection: Operation<'CreateConnection'> = (ctx, { ConnectionName, ProviderType, HostArn, Tags }) =>
  ctx.write(async (tx) => {
    if ((ProviderType === undefined) === (HostArn === undefined))
      throw invalid('A connection has either a ProviderType or a HostArn.')
    if (HostArn !== undefined) {
      if (!(await tx.get(Host, HostArn))) throw notThere(HostArn)
      throw fail('ResourceUnavailableException', `The host ${HostArn} is not in an available state.`)
    }
    if (ProviderType === undefined || isInstalled(ProviderType))
      throw invalid(`A connection to ${ProviderType} needs the HostArn of its host.`)
    const connection: ConnectionRecord = {
      arn: newArn(ctx, 'connection', ctx.newId()),
      name: ConnectionName,
      provider: ProviderType,
      tags: checkedTags(Tags),
    }
    if ((await tx.list(Connection, { limit: most })).length >= most)
      throw fail('LimitExceededException', `An account cannot have more than ${most} connections.`)
    tx.put(Connection, connection)
    return { ConnectionArn: connection.arn, Tags: Tags ?? [] }
  })

/** AWS API: "GetConnection". Raises ResourceNotFoundException. */
export const GetConnection: Operation<'GetConnection'> = async (ctx, { ConnectionArn }) => {
  const connection = await ctx.read((tx) => tx.get(Connection, ConnectionArn))
  if (!connection) throw noConnection(ConnectionArn)
  return { Connection: toConnection(connection, ctx) }
}

/** AWS API: "DeleteConnection". Raises ResourceNotFoundException. */
export const DeleteConnection: Operation<'DeleteConnection'> = (ctx, { ConnectionArn }) =>
  ctx.write(async (tx) => {
    if (!(await tx.get(Connection, ConnectionArn))) throw noConnection(ConnectionArn)
    tx.delete(Connection, ConnectionArn)
    return {}
  })

/** AWS API: "ListConnections". */
export const ListConnections: Operation<'ListConnections'> = async (ctx, input) => {
  const { ProviderTypeFilter, HostArnFilter } = input
  const all = await ctx.read((tx) => tx.list(Connection))
  const found = all.filter(
    ({ provider, host }) =>
      (ProviderTypeFilter === undefined || provider === ProviderTypeFilter) &&
      (HostArnFilter === undefined || host === HostArnFilter),
  )
  const { items, ...rest } = pageOf(found, Connection.key, input)
  return { Connections: items.map((connection) => toConnection(connection, ctx)), ...rest }
}

export const makeConnections = (at: (place: Ctx['place']) => Ctx): Connections => ({
  statusOf: async (place, arn) => ((await at(place).read((tx) => tx.get(Connection, arn))) ? 'PENDING' : undefined),
})
