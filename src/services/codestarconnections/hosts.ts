import { table } from '../../store/store.ts'
import { Connection } from './connection.ts'
import { fail, invalid, newArn, type Operation, type Output } from './operation.ts'
import { pageOf } from './page.ts'
import { checkedTags, type Tags } from './tag.ts'

// Where a provider that a customer runs himself is installed. What proves that somebody there agrees is a web page of that
// installation, in a browser: a host made by the API is PENDING until then, here for good.

type Vpc = NonNullable<Output<'GetHost'>['VpcConfiguration']>

type HostRecord = {
  readonly arn: string
  readonly name: string
  readonly provider: 'GitHubEnterpriseServer' | 'GitLabSelfManaged'
  readonly endpoint: string
  readonly vpc?: Vpc
  readonly tags: Tags
}

export const Host = table<HostRecord>('codestarconnections.host', { scope: 'region', key: ({ arn }) => arn })

/** Most hosts of an account ("Quotas for connections", Developer Tools console user guide). */
const most = 50

const installed = ['GitHubEnterpriseServer', 'GitLabSelfManaged'] as const
export const isInstalled = (provider: string): provider is HostRecord['provider'] =>
  installed.some((one) => one === provider)

const checkedEndpoint = (endpoint: string): string => {
  if (!URL.canParse(endpoint) || new URL(endpoint).protocol !== 'https:')
    throw invalid(`The provider endpoint ${endpoint} is not an https URL.`)
  return endpoint
}

const toHost = ({ name, provider, endpoint, vpc }: HostRecord) => ({
  Name: name,
  Status: 'PENDING',
  ProviderType: provider,
  ProviderEndpoint: endpoint,
  ...(vpc ? { VpcConfiguration: vpc } : {}),
})

export const notThere = (arn: string) =>
  fail('ResourceNotFoundException', `Resource not found. Verify the host resource and try again: ${arn}`)

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

/** AWS API: "UpdateHost". Raises ResourceNotFoundException. */
export const UpdateHost: Operation<'UpdateHost'> = (ctx, { HostArn, ProviderEndpoint, VpcConfiguration }) =>
  ctx.write(async (tx) => {
    const host = await tx.get(Host, HostArn)
    if (!host) throw notThere(HostArn)
    tx.put(Host, {
      ...host,
      ...(ProviderEndpoint === undefined ? {} : { endpoint: checkedEndpoint(ProviderEndpoint) }),
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
