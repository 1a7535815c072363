import { type ReadTx, table } from '../../store/store.ts'
import { Group } from './deployment-groups.ts'
import { checkName, fail, type Input, type Operation } from './operation.ts'
import { page } from './page.ts'

/** `MOST_CONCURRENCY`, which only CodeDeployDefault.OneAtATime has: all but this many stay healthy. */
export type MinimumHealthyHosts = {
  readonly type: 'HOST_COUNT' | 'FLEET_PERCENT' | 'MOST_CONCURRENCY'
  readonly value: number
}
/** One Availability Zone after the other. Pauses after a zone in seconds. */
type Zonal = { readonly firstMonitor?: number; readonly monitor?: number; readonly hosts?: MinimumHealthyHosts }
/** How many instances must stay healthy while a deployment goes on. */
export type Health = { readonly hosts: MinimumHealthyHosts; readonly zonal?: Zonal }
export type DeploymentConfig = {
  readonly name: string
  readonly id: string
  readonly created: number
  readonly minimumHealthyHosts: MinimumHealthyHosts
  readonly zonal?: Zonal
}
export const DeploymentConfig = table<DeploymentConfig>('codedeploy.deployment-config', {
  scope: 'region',
  key: ({ name }) => name,
})

const predefined: Readonly<Record<string, MinimumHealthyHosts>> = {
  'CodeDeployDefault.AllAtOnce': { type: 'FLEET_PERCENT', value: 0 },
  'CodeDeployDefault.HalfAtATime': { type: 'FLEET_PERCENT', value: 50 },
  'CodeDeployDefault.OneAtATime': { type: 'MOST_CONCURRENCY', value: 1 },
}
const predefinedId = (name: string) => `00000000-0000-0000-0000-00000000000${Object.keys(predefined).indexOf(name) + 1}`

/** "CodeDeploy quotas", user guide. */
const mostConfigs = 50

/** What a group has that names none. */
export const defaultConfig = 'CodeDeployDefault.OneAtATime'

/** A deployment configuration, AWS's or one's own. Throws DeploymentConfigDoesNotExistException. */
export const getConfig = async (tx: ReadTx, name: string): Promise<DeploymentConfig> => {
  const given = Object.hasOwn(predefined, name) ? predefined[name] : undefined
  if (given) return { name, id: predefinedId(name), created: 0, minimumHealthyHosts: given }
  const config = await tx.get(DeploymentConfig, name)
  if (!config)
    throw fail('DeploymentConfigDoesNotExistException', `No deployment configuration found for name: ${name}`)
  return config
}

/**
 * How many of `total` instances must stay healthy: percentages are rounded up ("CodeDeploy instance health", user guide).
 * The rest may be worked on at a time, and may fail: so with CodeDeployDefault.OneAtATime the last one may.
 */
export const healthyMinimum = ({ type, value }: MinimumHealthyHosts, total: number): number =>
  type === 'HOST_COUNT'
    ? value
    : type === 'FLEET_PERCENT'
      ? Math.ceil((total * value) / 100)
      : Math.max(0, total - value)

/** `undefined` for what is no minimum of healthy hosts: a percentage is less than 100 ("CodeDeploy quotas", user guide). */
const readHosts = (
  hosts: { readonly type?: string | undefined; readonly value?: number | undefined } | undefined,
): MinimumHealthyHosts | undefined => {
  const { type, value } = hosts ?? {}
  if ((type !== 'HOST_COUNT' && type !== 'FLEET_PERCENT') || value === undefined || value < 0) return undefined
  return type === 'FLEET_PERCENT' && value >= 100 ? undefined : { type, value }
}

/** Reads a zonal configuration. Throws InvalidZonalDeploymentConfigurationException. */
const readZonal = (wire: Input<'CreateDeploymentConfig'>['zonalConfig']): Zonal | undefined => {
  if (!wire) return undefined
  const { firstZoneMonitorDurationInSeconds: firstMonitor, monitorDurationInSeconds: monitor } = wire
  const hosts = readHosts(wire.minimumHealthyHostsPerZone)
  if (wire.minimumHealthyHostsPerZone && !hosts)
    throw fail('InvalidZonalDeploymentConfigurationException', 'The minimum of healthy hosts per zone is not valid.')
  for (const seconds of [firstMonitor, monitor])
    if (seconds !== undefined && (!Number.isInteger(seconds) || seconds < 0))
      throw fail('InvalidZonalDeploymentConfigurationException', 'The monitor duration is not valid.')
  return {
    ...(firstMonitor === undefined ? {} : { firstMonitor }),
    ...(monitor === undefined ? {} : { monitor }),
    ...(hosts ? { hosts } : {}),
  }
}

// MOST_CONCURRENCY, which the documentation has, is not among the SDK's values.
const toHosts = ({ type, value }: MinimumHealthyHosts) => ({ type: type as 'HOST_COUNT', value })

const toZonal = ({ firstMonitor, monitor, hosts }: Zonal) => ({
  firstZoneMonitorDurationInSeconds: firstMonitor,
  monitorDurationInSeconds: monitor,
  ...(hosts ? { minimumHealthyHostsPerZone: toHosts(hosts) } : {}),
})

export const CreateDeploymentConfig: Operation<'CreateDeploymentConfig'> = (ctx, input) => {
  const { deploymentConfigName: name, minimumHealthyHosts: hosts } = input
  checkName('InvalidDeploymentConfigNameException', 'Deployment config', name)
  if (/^CodeDeployDefault\./.test(name))
    throw fail(
      'InvalidDeploymentConfigNameException',
      'Deployment configuration names cannot begin with CodeDeployDefault.',
    )
  if (input.computePlatform !== undefined && input.computePlatform !== 'Server')
    throw fail('InvalidComputePlatformException', 'Drydock deploys to the compute platform Server.')
  if (input.trafficRoutingConfig)
    throw fail(
      'InvalidTrafficRoutingConfigurationException',
      'The compute platform Server has no traffic routing configuration.',
    )
  const minimumHealthyHosts = readHosts(hosts)
  if (!minimumHealthyHosts)
    throw fail('InvalidMinimumHealthyHostValueException', 'The minimum healthy hosts value is not valid.')
  const zonal = readZonal(input.zonalConfig)
  return ctx.write(async (tx) => {
    if (await tx.get(DeploymentConfig, name))
      throw fail('DeploymentConfigAlreadyExistsException', `Deployment configuration already exists: ${name}`)
    if ((await tx.list(DeploymentConfig, { limit: mostConfigs })).length >= mostConfigs)
      throw fail(
        'DeploymentConfigLimitExceededException',
        `The account has reached the limit of ${mostConfigs} deployment configurations.`,
      )
    const { id } = tx.put(DeploymentConfig, {
      name,
      id: ctx.newId(),
      created: ctx.now().getTime(),
      minimumHealthyHosts,
      ...(zonal ? { zonal } : {}),
    })
    return { deploymentConfigId: id }
  })
}

export const GetDeploymentConfig: Operation<'GetDeploymentConfig'> = (ctx, { deploymentConfigName }) => {
  checkName('InvalidDeploymentConfigNameException', 'Deployment config', deploymentConfigName)
  return ctx.read(async (tx) => {
    const { name, id, created, minimumHealthyHosts, zonal } = await getConfig(tx, deploymentConfigName)
    return {
      deploymentConfigInfo: {
        deploymentConfigName: name,
        deploymentConfigId: id,
        createTime: new Date(created),
        minimumHealthyHosts: toHosts(minimumHealthyHosts),
        ...(zonal ? { zonalConfig: toZonal(zonal) } : {}),
        computePlatform: 'Server' as const,
      },
    }
  })
}

export const ListDeploymentConfigs: Operation<'ListDeploymentConfigs'> = (ctx, { nextToken }) =>
  ctx.read(async (tx) => {
    const own = (await tx.list(DeploymentConfig)).map(({ name }) => name)
    const { items, ...more } = page([...Object.keys(predefined), ...own], nextToken)
    return { deploymentConfigsList: items, ...more }
  })

export const DeleteDeploymentConfig: Operation<'DeleteDeploymentConfig'> = (ctx, { deploymentConfigName: name }) => {
  checkName('InvalidDeploymentConfigNameException', 'Deployment config', name)
  if (Object.hasOwn(predefined, name))
    throw fail('InvalidOperationException', 'A predefined deployment configuration cannot be deleted.')
  return ctx.write(async (tx) => {
    if ((await tx.list(Group)).some(({ config }) => config === name))
      throw fail('DeploymentConfigInUseException', `The deployment configuration is still in use: ${name}`)
    tx.delete(DeploymentConfig, name)
    return {}
  })
}
