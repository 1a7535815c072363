import { isLoopback } from '../../remotes/reach.ts'
import { Connection } from './connection.ts'
import { Host, type HostRecord, notThere } from './host.ts'
import { fail, invalid, newArn, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import { checkedTags } from './tag.ts'

/** Most hosts of an account ("Quotas for connections", Developer Tools console user guide). */
const most = 50

const installed = ['GitHubEnterpriseServer', 'GitLabSelfManaged'] as const
export const isInstalled = (provider: string): provider is HostRecord['provider'] =>
  installed.some((one) => one === provider)

/** An https URL, as on AWS; what is installed on this host may do without. */
const checkedEndpoint = (endpoint: string): string => {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (!url || !(url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url))))
    throw invalid(`The provider endpoint ${endpoint} is not an https URL.`)
  return endpoint
}

const toHost = ({ name, provider, endpoint, vpc, reached }: HostRecord) => ({
  Name: name,
  Status: reached ? 'AVAILABLE' : 'PENDING',
  ProviderType: provider,
  ProviderEndpoint: endpoint,
  ...(vpc ? { VpcConfiguration: vpc } : {}),
})

/** AWS API: "CreateHost". Raises LimitExceededException. */
export const CreateHost: Operation<'CreateHost'> = (
  ctx,
  { Name, ProviderType, ProviderEndpoint, VpcConfiguration, Tags },
) =>
  ctx.write(async (tx) => {
    if (!isInstalled(ProviderType)) throw invalid(`${ProviderType} has no hosts: ${installed.join(' and ')} have.`)
    const host: HostRecord = {
      arn: newArn(ctx, 'host', `${Name}-${ctx.random(8)}`),
      name: Name,
      provider: ProviderType,
      endpoint: checkedEndpoint(ProviderEndpoint),
      ...(VpcConfiguration ? { vpc: VpcConfiguration } : {}),
      tags: checkedTags(Tags),
    }
    if ((await tx.list(Host, { limit: most })).length >= most)
      throw fail('LimitExceededException', `An account cannot have more than ${most} hosts.`)
    tx.put(Host, host)
    return { HostArn: host.arn, Tags: Tags ?? [] }
  })

/** AWS API: "GetHost". Raises ResourceNotFoundException. */
export const GetHost: Operation<'GetHost'> = async (ctx, { HostArn }) => {
  const host = await ctx.read((tx) => tx.get(Host, HostArn))
  if (!host) throw notThere(HostArn)
  return toHost(host)
}

/** AWS API: "UpdateHost". A host that moves is to be set up anew. Raises ResourceNotFoundException. */
export const UpdateHost: Operation<'UpdateHost'> = (ctx, { HostArn, ProviderEndpoint, VpcConfiguration }) =>
  ctx.write(async (tx) => {
    const host = await tx.get(Host, HostArn)
    if (!host) throw notThere(HostArn)
    const endpoint = ProviderEndpoint === undefined ? host.endpoint : checkedEndpoint(ProviderEndpoint)
    tx.put(Host, {
      ...host,
      endpoint,
      reached: host.reached === true && endpoint === host.endpoint,
      ...(VpcConfiguration ? { vpc: VpcConfiguration } : {}),
    })
    return {}
  })

/** AWS API: "DeleteHost". Its connections are deleted before. Raises ResourceNotFoundException and ResourceUnavailableException. */
export const DeleteHost: Operation<'DeleteHost'> = (ctx, { HostArn }) =>
  ctx.write(async (tx) => {
    if (!(await tx.get(Host, HostArn))) throw notThere(HostArn)
    const [connection] = await tx.list(Connection, { index: 'host', equals: HostArn, limit: 1 })
    if (connection)
      throw fail('ResourceUnavailableException', `The host ${HostArn} has connections: delete them before it.`)
    tx.delete(Host, HostArn)
    return {}
  })

/** AWS API: "ListHosts". */
export const ListHosts: Operation<'ListHosts'> = async (ctx, input) => {
  const { items, ...rest } = pageOf(await ctx.read((tx) => tx.list(Host)), Host.key, input)
  return { Hosts: items.map((host) => ({ HostArn: host.arn, ...toHost(host) })), ...rest }
}
