import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { type Alarms, readAlarms, toAlarms } from './alarms.ts'
import { getApplication } from './applications.ts'
import { type BlueGreen, inPlace, readBlueGreen, readStyle, type Style, toBlueGreen, toStyle } from './blue-green.ts'
import { Deployment, unfinished } from './deployment.ts'
import { defaultConfig, getConfig } from './deployment-configs.ts'
import { checkName, fail, type Input, type Operation } from './operation.ts'
import { checkBatch, missingOf, page } from './page.ts'
import { type Revision, toRevision } from './revisions.ts'
import { readTagSet, type TagSet, toFilter } from './tag-filters.ts'
import { moveTags, putTags, Tags } from './tags.ts'

export type AutoRollback = {
  readonly enabled: boolean
  readonly events: readonly ('DEPLOYMENT_FAILURE' | 'DEPLOYMENT_STOP_ON_ALARM' | 'DEPLOYMENT_STOP_ON_REQUEST')[]
}

/** A deployment group. `last…` are deployment ids. */
export type Group = {
  readonly application: string
  readonly name: string
  readonly id: string
  readonly config: string
  readonly serviceRoleArn: string
  /** Which machines it is for: EC2's by their tags, on-premises ones by theirs. */
  readonly ec2: TagSet
  readonly onPremises: TagSet
  readonly style: Style
  readonly blueGreen?: BlueGreen
  readonly autoRollback: AutoRollback
  readonly alarms?: Alarms
  readonly outdatedInstances?: 'IGNORE' | 'UPDATE'
  readonly target?: Revision
  readonly lastAttempted?: string
  readonly lastSuccessful?: string
}
export const Group = table<Group>('codedeploy.deployment-group', {
  scope: 'region',
  key: ({ application, name }) => `${application}/${name}`,
  version: 2,
  upgrade: (old) => {
    const { tagSet, flat, ...rest } = old as Group & { tagSet: TagSet['groups']; flat: boolean }
    return { ...rest, ec2: { groups: tagSet, flat }, onPremises: noTags, style: inPlace }
  },
})
const noTags: TagSet = { groups: [], flat: true }

/** Throws DeploymentGroupDoesNotExistException. */
export const getGroup = async (tx: ReadTx, application: string, name: string): Promise<Group> => {
  const group = await tx.get(Group, `${application}/${name}`)
  if (!group) throw fail('DeploymentGroupDoesNotExistException', `No Deployment Group found for name: ${name}`)
  return group
}

/** Gives a group another application's name or a name of its own; its tags and deployments go with it. */
export const renameGroup = async (
  ctx: Ctx,
  tx: WriteTx,
  group: Group,
  names: Partial<Pick<Group, 'application' | 'name'>>,
): Promise<Group> => {
  const renamed = { ...group, ...names }
  const arn = ({ application, name }: Group) => ctx.arn(`deploymentgroup:${application}/${name}`)
  tx.delete(Group, `${group.application}/${group.name}`)
  tx.put(Group, renamed)
  await moveTags(tx, arn(group), arn(renamed))
  for (const deployment of await tx.list(Deployment, { index: 'group', equals: group.id }))
    tx.put(Deployment, { ...deployment, application: renamed.application, group: renamed.name })
  return renamed
}

type Settings = Partial<
  Pick<
    Input<'CreateDeploymentGroup'>,
    Exclude<keyof Input<'CreateDeploymentGroup'>, 'applicationName' | 'deploymentGroupName' | 'tags'>
  >
>

/** What would change how a deployment goes and is not carried out: refused rather than ignored. */
const refuseUnsupported = (input: Settings): void => {
  if (input.autoScalingGroups?.length)
    throw fail('InvalidAutoScalingGroupException', 'Auto Scaling groups come with their service.')
  if (input.triggerConfigurations?.length) throw fail('InvalidTriggerConfigException', 'Triggers come with Amazon SNS.')
  if (input.loadBalancerInfo || input.deploymentStyle?.deploymentOption === 'WITH_TRAFFIC_CONTROL')
    throw fail('InvalidLoadBalancerInfoException', 'Traffic control comes with load balancers.')
  if (input.ecsServices?.length)
    throw fail('InvalidECSServiceException', 'Amazon ECS services come with their service.')
  if (input.terminationHookEnabled)
    throw fail('InvalidAutoScalingGroupException', 'Auto Scaling groups come with their service.')
}

/** The parts of a group that say which machines it is for, as far as the request names them. */
const readTags = (input: Settings): Partial<Pick<Group, 'ec2' | 'onPremises'>> => {
  const ec2 = readTagSet(input.ec2TagFilters, input.ec2TagSet?.ec2TagSetList, {
    filter: 'InvalidEC2TagException',
    both: 'InvalidEC2TagCombinationException',
  })
  const onPremises = readTagSet(input.onPremisesInstanceTagFilters, input.onPremisesTagSet?.onPremisesTagSetList, {
    filter: 'InvalidTagException',
    both: 'InvalidOnPremisesTagCombinationException',
  })
  return { ...(ec2 ? { ec2 } : {}), ...(onPremises ? { onPremises } : {}) }
}

/** What must hold of a group as a whole. Throws InvalidBlueGreenDeploymentConfigurationException. */
const checkStyle = ({ style, blueGreen, onPremises }: Pick<Group, 'style' | 'blueGreen' | 'onPremises'>): void => {
  if (style.type !== 'BLUE_GREEN') return
  if (!blueGreen)
    throw fail(
      'InvalidBlueGreenDeploymentConfigurationException',
      'A blue/green deployment group needs a blue/green deployment configuration.',
    )
  if (onPremises.groups.length > 0)
    throw fail(
      'InvalidBlueGreenDeploymentConfigurationException',
      'Blue/green deployments are not available to on-premises instances.',
    )
}

/** Reads an automatic rollback configuration. Throws InvalidAutoRollbackConfigException. */
export const readRollback = (
  configuration: { enabled?: boolean | undefined; events?: readonly string[] | undefined } | undefined,
): AutoRollback | undefined => {
  if (!configuration) return undefined
  const { enabled = false, events = [] } = configuration
  if (enabled && events.length === 0)
    throw fail(
      'InvalidAutoRollbackConfigException',
      'At least one event type must be specified when automatic rollback is enabled.',
    )
  const read = events.map((event) => {
    if (
      event !== 'DEPLOYMENT_FAILURE' &&
      event !== 'DEPLOYMENT_STOP_ON_ALARM' &&
      event !== 'DEPLOYMENT_STOP_ON_REQUEST'
    )
      throw fail('InvalidAutoRollbackConfigException', `There is no rollback event named ${event}.`)
    return event
  })
  return { enabled, events: read }
}

/** May the caller hand this role to CodeDeploy, and does the role let CodeDeploy assume it? Throws InvalidRoleException. */
const passRole = async (ctx: Ctx, roleArn: string, application: string, group: string): Promise<void> => {
  if (!/^arn:aws:iam::\d{12}:role\/.+/.test(roleArn))
    throw fail('InvalidRoleException', 'The service role ARN was specified in an invalid format.')
  await ctx.authorize('iam:PassRole', roleArn, {
    'iam:PassedToService': ['codedeploy.amazonaws.com'],
    'iam:AssociatedResourceArn': [ctx.arn(`deploymentgroup:${application}/${group}`)],
  })
  try {
    await ctx.as(roleArn, { sessionName: 'codedeploy' }).principal()
  } catch (error) {
    if (!(error instanceof AwsError) || error.code === 'InternalFailure') throw error
    throw fail('InvalidRoleException', 'Cannot assume role provided.')
  }
}

/** "CodeDeploy quotas", user guide. */
const mostGroups = 1000

export const CreateDeploymentGroup: Operation<'CreateDeploymentGroup'> = async (ctx, input) => {
  const {
    applicationName,
    deploymentGroupName: name,
    deploymentConfigName: config = defaultConfig,
    serviceRoleArn,
  } = input
  checkName('InvalidDeploymentGroupNameException', 'Deployment group', name)
  refuseUnsupported(input)
  const blueGreen = readBlueGreen(input.blueGreenDeploymentConfiguration)
  const alarms = readAlarms(input.alarmConfiguration)
  const settings = {
    ...(alarms ? { alarms } : {}),
    ec2: noTags,
    onPremises: noTags,
    ...readTags(input),
    style: readStyle(input.deploymentStyle) ?? inPlace,
    ...(blueGreen ? { blueGreen } : {}),
  }
  checkStyle(settings)
  const autoRollback = readRollback(input.autoRollbackConfiguration) ?? { enabled: false, events: [] }
  await passRole(ctx, serviceRoleArn, applicationName, name)
  return ctx.write(async (tx) => {
    await getApplication(tx, applicationName)
    await getConfig(tx, config)
    if (await tx.get(Group, `${applicationName}/${name}`))
      throw fail('DeploymentGroupAlreadyExistsException', `Deployment group already exists: ${name}`)
    if ((await tx.list(Group, { prefix: `${applicationName}/`, limit: mostGroups })).length >= mostGroups)
      throw fail(
        'DeploymentGroupLimitExceededException',
        `The application has reached the limit of ${mostGroups} deployment groups.`,
      )
    const group = tx.put(Group, {
      application: applicationName,
      name,
      id: ctx.newId(),
      config,
      serviceRoleArn,
      autoRollback,
      ...(input.outdatedInstancesStrategy ? { outdatedInstances: input.outdatedInstancesStrategy } : {}),
      ...settings,
    })
    await putTags(tx, ctx.arn(`deploymentgroup:${applicationName}/${name}`), input.tags)
    return { deploymentGroupId: group.id }
  })
}

export const UpdateDeploymentGroup: Operation<'UpdateDeploymentGroup'> = async (ctx, input) => {
  refuseUnsupported(input)
  const blueGreen = readBlueGreen(input.blueGreenDeploymentConfiguration)
  const style = readStyle(input.deploymentStyle)
  const alarms = readAlarms(input.alarmConfiguration)
  const changed = {
    ...readTags(input),
    ...(alarms ? { alarms } : {}),
    ...(style ? { style } : {}),
    ...(blueGreen ? { blueGreen } : {}),
  }
  const autoRollback = readRollback(input.autoRollbackConfiguration)
  if (input.newDeploymentGroupName !== undefined)
    checkName('InvalidDeploymentGroupNameException', 'Deployment group', input.newDeploymentGroupName)
  if (input.serviceRoleArn)
    await passRole(ctx, input.serviceRoleArn, input.applicationName, input.currentDeploymentGroupName)
  return ctx.write(async (tx) => {
    await getApplication(tx, input.applicationName)
    let group = await getGroup(tx, input.applicationName, input.currentDeploymentGroupName)
    if (input.deploymentConfigName) await getConfig(tx, input.deploymentConfigName)
    const name = input.newDeploymentGroupName ?? group.name
    if (name !== group.name) {
      if (await tx.get(Group, `${group.application}/${name}`))
        throw fail('DeploymentGroupAlreadyExistsException', `Deployment group already exists: ${name}`)
      group = await renameGroup(ctx, tx, group, { name })
    }
    checkStyle({ ...group, ...changed })
    tx.put(Group, {
      ...group,
      ...changed,
      ...(autoRollback ? { autoRollback } : {}),
      ...(input.outdatedInstancesStrategy ? { outdatedInstances: input.outdatedInstancesStrategy } : {}),
      ...(input.deploymentConfigName ? { config: input.deploymentConfigName } : {}),
      ...(input.serviceRoleArn ? { serviceRoleArn: input.serviceRoleArn } : {}),
    })
    return { hooksNotCleanedUp: [] }
  })
}

export const DeleteDeploymentGroup: Operation<'DeleteDeploymentGroup'> = (
  ctx,
  { applicationName, deploymentGroupName },
) => {
  checkName('InvalidApplicationNameException', 'Application', applicationName)
  checkName('InvalidDeploymentGroupNameException', 'Deployment group', deploymentGroupName)
  return ctx.write(async (tx) => {
    tx.delete(Group, `${applicationName}/${deploymentGroupName}`)
    tx.delete(Tags, ctx.arn(`deploymentgroup:${applicationName}/${deploymentGroupName}`))
    return { hooksNotCleanedUp: [] }
  })
}

const toInfo = async (tx: ReadTx, group: Group) => {
  const summary = async (id: string | undefined) => {
    const deployment = id === undefined ? undefined : await tx.get(Deployment, id)
    if (!deployment) return undefined
    const time = (at: number | undefined) => (at === undefined ? undefined : new Date(at))
    return {
      deploymentId: deployment.id,
      status: deployment.status,
      createTime: time(deployment.created),
      endTime: time(deployment.completed),
    }
  }
  return {
    applicationName: group.application,
    deploymentGroupId: group.id,
    deploymentGroupName: group.name,
    deploymentConfigName: group.config,
    serviceRoleArn: group.serviceRoleArn,
    ...(group.ec2.flat
      ? { ec2TagFilters: group.ec2.groups.flat().map(toFilter) }
      : { ec2TagSet: { ec2TagSetList: group.ec2.groups.map((filters) => filters.map(toFilter)) } }),
    ...(group.onPremises.flat
      ? { onPremisesInstanceTagFilters: group.onPremises.groups.flat().map(toFilter) }
      : { onPremisesTagSet: { onPremisesTagSetList: group.onPremises.groups.map((some) => some.map(toFilter)) } }),
    autoScalingGroups: [],
    triggerConfigurations: [],
    ...(group.target ? { targetRevision: toRevision(group.target) } : {}),
    autoRollbackConfiguration: { enabled: group.autoRollback.enabled, events: [...group.autoRollback.events] },
    deploymentStyle: toStyle(group.style),
    ...(group.blueGreen ? { blueGreenDeploymentConfiguration: toBlueGreen(group.blueGreen) } : {}),
    ...(group.alarms ? { alarmConfiguration: toAlarms(group.alarms) } : {}),
    outdatedInstancesStrategy: group.outdatedInstances ?? 'UPDATE',
    lastSuccessfulDeployment: await summary(group.lastSuccessful),
    lastAttemptedDeployment: await summary(group.lastAttempted),
    computePlatform: 'Server' as const,
    terminationHookEnabled: false,
  }
}

export const GetDeploymentGroup: Operation<'GetDeploymentGroup'> = (ctx, { applicationName, deploymentGroupName }) =>
  ctx.read(async (tx) => {
    await getApplication(tx, applicationName)
    return { deploymentGroupInfo: await toInfo(tx, await getGroup(tx, applicationName, deploymentGroupName)) }
  })

export const BatchGetDeploymentGroups: Operation<'BatchGetDeploymentGroups'> = (
  ctx,
  { applicationName, deploymentGroupNames },
) => {
  checkBatch(deploymentGroupNames, 100, 'DeploymentGroupNameRequiredException')
  return ctx.read(async (tx) => {
    await getApplication(tx, applicationName)
    const found = await Promise.all(deploymentGroupNames.map((name) => tx.get(Group, `${applicationName}/${name}`)))
    return {
      deploymentGroupsInfo: await Promise.all(found.flatMap((group) => (group ? [toInfo(tx, group)] : []))),
      errorMessage: missingOf('Deployment Group', deploymentGroupNames, found),
    }
  })
}

export const ListDeploymentGroups: Operation<'ListDeploymentGroups'> = (ctx, { applicationName, nextToken }) =>
  ctx.read(async (tx) => {
    await getApplication(tx, applicationName)
    const { items, ...more } = page(await tx.list(Group, { prefix: `${applicationName}/` }), nextToken)
    return { applicationName, deploymentGroups: items.map(({ name }) => name), ...more }
  })

/** The deployment of a group that has not ended, if there is one. */
export const underWay = async (tx: ReadTx, group: Group): Promise<Deployment | undefined> => {
  const last = group.lastAttempted === undefined ? undefined : await tx.get(Deployment, group.lastAttempted)
  return last && unfinished(last) ? last : undefined
}
