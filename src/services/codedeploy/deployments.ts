import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { readAlarms, toAlarms } from './alarms.ts'
import { getApplication } from './applications.ts'
import { toBlueGreen, toStyle } from './blue-green.ts'
import { checkId, Deployment, type Deployment as DeploymentRecord, getDeployment, unfinished } from './deployment.ts'
import { getConfig } from './deployment-configs.ts'
import { Group, getGroup, readRollback, underWay } from './deployment-groups.ts'
import { deploymentChanged } from './events.ts'
import { checkDescription, fail, type Input, type Operation } from './operation.ts'
import { checkBatch, page } from './page.ts'
import { noteUse, type Revision, readRevision, toRevision } from './revisions.ts'
import { readTagSet, type TagSet, toFilter } from './tag-filters.ts'
import { targetsOf } from './target.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'

/** Puts a new deployment of a group on its way. */
export const begin = async (
  ctx: Ctx,
  tx: WriteTx,
  group: Group,
  revision: Revision,
  more: Pick<DeploymentRecord, 'config' | 'creator' | 'style' | 'ignoreStopFailures' | 'fileExists' | 'autoRollback'> &
    Partial<
      Pick<
        DeploymentRecord,
        | 'blueGreen'
        | 'replacements'
        | 'description'
        | 'rollback'
        | 'alarms'
        | 'ownAlarms'
        | 'outdatedOnly'
        | 'autoUpdateRoot'
      >
    >,
): Promise<DeploymentRecord> => {
  const last = group.lastSuccessful === undefined ? undefined : await tx.get(Deployment, group.lastSuccessful)
  const deployment: DeploymentRecord = {
    ...more,
    id: `d-${ctx.random(9, alphabet)}`,
    application: group.application,
    group: group.name,
    groupId: group.id,
    serviceRoleArn: group.serviceRoleArn,
    revision,
    ...(last ? { previousRevision: last.revision } : {}),
    status: 'Created',
    created: ctx.now().getTime(),
  }
  tx.put(Deployment, deployment)
  tx.put(Group, { ...group, target: revision, lastAttempted: deployment.id })
  await noteUse(ctx, tx, group.application, revision)
  tx.emit(deploymentChanged(ctx, deployment))
  tx.wake('codedeploy.deployment', deployment.id)
  return deployment
}

export const CreateDeployment: Operation<'CreateDeployment'> = async (ctx, input) => {
  const { applicationName, deploymentGroupName, revision: wire, deploymentConfigName } = input
  if (!deploymentGroupName)
    throw fail('DeploymentGroupNameRequiredException', 'The deployment group name was not specified.')
  const replacements = readReplacements(input.targetInstances)
  const ownAlarms = readAlarms(input.overrideAlarmConfiguration)
  const autoRollback = readRollback(input.autoRollbackConfiguration)
  const given = wire ? readRevision(wire) : undefined
  checkDescription(input.description)
  return ctx.write(async (tx) => {
    await getApplication(tx, applicationName)
    const group = await getGroup(tx, applicationName, deploymentGroupName)
    const config = deploymentConfigName ?? group.config
    const { zonal } = await getConfig(tx, config)
    checkReplacements(group, replacements)
    if (input.updateOutdatedInstancesOnly && group.style.type === 'BLUE_GREEN')
      throw fail(
        'InvalidUpdateOutdatedInstancesOnlyValueException',
        'Only deployments in place can leave out instances that are up to date.',
      )
    if (zonal && (group.style.type === 'BLUE_GREEN' || group.onPremises.groups.length > 0))
      throw fail(
        'InvalidDeploymentConfigNameException',
        `The zonal configuration of ${config} is for deployments in place to Amazon EC2 instances only.`,
      )
    const running = await underWay(tx, group)
    if (running)
      throw fail(
        'DeploymentLimitExceededException',
        `The Deployment Group '${group.name}' already has an active Deployment '${running.id}'`,
      )
    const last = group.lastSuccessful === undefined ? undefined : await tx.get(Deployment, group.lastSuccessful)
    const revision = given ?? last?.revision
    if (!revision) throw fail('RevisionRequiredException', 'A revision location must be specified.')
    const deployment = await begin(ctx, tx, group, revision, {
      config,
      creator: 'user',
      style: group.style,
      ...(group.style.type === 'BLUE_GREEN' && group.blueGreen ? { blueGreen: group.blueGreen } : {}),
      ...(replacements ? { replacements } : {}),
      ...(input.updateOutdatedInstancesOnly ? { outdatedOnly: true } : {}),
      ignoreStopFailures: input.ignoreApplicationStopFailures ?? false,
      fileExists: input.fileExistsBehavior ?? 'DISALLOW',
      autoRollback: autoRollback ?? group.autoRollback,
      ...(ownAlarms ? { alarms: ownAlarms, ownAlarms: true } : group.alarms ? { alarms: group.alarms } : {}),
      ...(input.description ? { description: input.description } : {}),
    })
    return { deploymentId: deployment.id }
  })
}

/** Reads which instances are to be the replacements. Throws InvalidTargetInstancesException. */
const readReplacements = (targets: Input<'CreateDeployment'>['targetInstances']): TagSet | undefined => {
  if (!targets) return undefined
  if (targets.autoScalingGroups?.length)
    throw fail('InvalidTargetInstancesException', 'Auto Scaling groups come with their service.')
  try {
    return readTagSet(targets.tagFilters, targets.ec2TagSet?.ec2TagSetList, {
      filter: 'InvalidEC2TagException',
      both: 'InvalidEC2TagCombinationException',
    })
  } catch (error) {
    throw fail('InvalidTargetInstancesException', error instanceof Error ? error.message : String(error))
  }
}

const toReplacements = ({ groups, flat }: TagSet) =>
  flat
    ? { tagFilters: groups.flat().map(toFilter) }
    : { ec2TagSet: { ec2TagSetList: groups.map((filters) => filters.map(toFilter)) } }

/** Replacements are there for blue/green deployments, and for them only. */
const checkReplacements = ({ style }: Group, replacements: TagSet | undefined): void => {
  if (style.type === 'IN_PLACE' && replacements)
    throw fail('InvalidTargetInstancesException', 'Target instances are for blue/green deployments.')
  if (style.type === 'BLUE_GREEN' && !replacements?.groups.length)
    throw fail(
      'InvalidTargetInstancesException',
      'A blue/green deployment to existing instances must say which ones are its replacements.',
    )
}

const toInfo = async (tx: ReadTx, deployment: DeploymentRecord) => {
  const { rollback, error } = deployment
  const targets = await targetsOf(tx, deployment.id)
  const count = (wanted: string) => targets.filter(({ status }) => status === wanted).length
  const time = (at: number | undefined) => (at === undefined ? undefined : new Date(at))
  return {
    applicationName: deployment.application,
    deploymentGroupName: deployment.group,
    deploymentConfigName: deployment.config,
    deploymentId: deployment.id,
    ...(deployment.previousRevision ? { previousRevision: toRevision(deployment.previousRevision) } : {}),
    revision: toRevision(deployment.revision),
    status: deployment.status,
    ...(error ? { errorInformation: { code: error.code, message: error.message } } : {}),
    createTime: time(deployment.created),
    startTime: time(deployment.started),
    completeTime: time(deployment.completed),
    deploymentOverview: {
      Pending: count('Pending'),
      InProgress: count('InProgress'),
      Succeeded: count('Succeeded'),
      Failed: count('Failed'),
      Skipped: count('Skipped'),
      Ready: count('Ready'),
    },
    description: deployment.description,
    creator: deployment.creator,
    ignoreApplicationStopFailures: deployment.ignoreStopFailures,
    autoRollbackConfiguration: {
      enabled: deployment.autoRollback.enabled,
      events: [...deployment.autoRollback.events],
    },
    updateOutdatedInstancesOnly: deployment.outdatedOnly ?? false,
    ...(deployment.autoUpdateRoot || deployment.autoUpdates
      ? {
          relatedDeployments: {
            autoUpdateOutdatedInstancesRootDeploymentId: deployment.autoUpdateRoot,
            autoUpdateOutdatedInstancesDeploymentIds: deployment.autoUpdates && [...deployment.autoUpdates],
          },
        }
      : {}),
    ...(rollback
      ? {
          rollbackInfo: {
            rollbackDeploymentId: rollback.deploymentId,
            rollbackTriggeringDeploymentId: rollback.triggeringId,
            rollbackMessage: rollback.message,
          },
        }
      : {}),
    deploymentStyle: toStyle(deployment.style),
    ...(deployment.blueGreen ? { blueGreenDeploymentConfiguration: toBlueGreen(deployment.blueGreen) } : {}),
    ...(deployment.replacements ? { targetInstances: toReplacements(deployment.replacements) } : {}),
    ...(deployment.alarms && deployment.ownAlarms ? { overrideAlarmConfiguration: toAlarms(deployment.alarms) } : {}),
    instanceTerminationWaitTimeStarted: deployment.phase?.name === 'termination',
    fileExistsBehavior: deployment.fileExists,
    deploymentStatusMessages: [],
    computePlatform: 'Server' as const,
  }
}

export const GetDeployment: Operation<'GetDeployment'> = (ctx, { deploymentId }) =>
  ctx.read(async (tx) => ({ deploymentInfo: await toInfo(tx, await getDeployment(tx, deploymentId)) }))

export const BatchGetDeployments: Operation<'BatchGetDeployments'> = (ctx, { deploymentIds }) => {
  checkBatch(deploymentIds, 25, 'DeploymentIdRequiredException')
  for (const id of deploymentIds) checkId(id)
  return ctx.read(async (tx) => {
    const found = await Promise.all(deploymentIds.map((id) => tx.get(Deployment, id)))
    return {
      deploymentsInfo: await Promise.all(found.flatMap((deployment) => (deployment ? [toInfo(tx, deployment)] : []))),
    }
  })
}

export const ListDeployments: Operation<'ListDeployments'> = (ctx, input) => {
  const { applicationName, deploymentGroupName, includeOnlyStatuses, createTimeRange, nextToken, externalId } = input
  if ((applicationName === undefined) !== (deploymentGroupName === undefined))
    throw applicationName === undefined
      ? fail('ApplicationNameRequiredException', 'Must specify an application name with a deployment group name.')
      : fail('DeploymentGroupNameRequiredException', 'Must specify a deployment group name with an application name.')
  const { start, end } = createTimeRange ?? {}
  if (start && end && start > end)
    throw fail('InvalidTimeRangeException', 'The start of the time range is after its end.')
  return ctx.read(async (tx) => {
    if (applicationName !== undefined) {
      await getApplication(tx, applicationName)
      await getGroup(tx, applicationName, deploymentGroupName ?? '')
    }
    const all = (await tx.list(Deployment, { index: 'created', reverse: true }))
      .filter(
        ({ application, group }) =>
          applicationName === undefined || (application === applicationName && group === deploymentGroupName),
      )
      // Only deployments that AWS CloudFormation makes have an external id, and there are none yet.
      .filter(() => externalId === undefined)
      .filter(({ status }) => !includeOnlyStatuses?.length || includeOnlyStatuses.some((wanted) => wanted === status))
      .filter(
        ({ created }) => created >= (start?.getTime() ?? 0) && created < (end?.getTime() ?? Number.POSITIVE_INFINITY),
      )
    const { items, ...more } = page(all, nextToken)
    return { deployments: items.map(({ id }) => id), ...more }
  })
}

export const StopDeployment: Operation<'StopDeployment'> = (ctx, { deploymentId, autoRollbackEnabled }) =>
  ctx.write(async (tx) => {
    const deployment = await getDeployment(tx, deploymentId)
    if (!unfinished(deployment))
      throw fail('DeploymentAlreadyCompletedException', `The deployment ${deploymentId} is already completed`)
    const rollback =
      autoRollbackEnabled ??
      (deployment.autoRollback.enabled && deployment.autoRollback.events.includes('DEPLOYMENT_STOP_ON_REQUEST'))
    tx.put(Deployment, { ...deployment, stop: { rollback } })
    tx.wake('codedeploy.deployment', deploymentId)
    const working = (await targetsOf(tx, deploymentId)).some(({ events }) =>
      events.some(({ status }) => status === 'InProgress'),
    )
    return {
      status: working ? 'Pending' : 'Succeeded',
      statusMessage: 'No more commands will be scheduled for execution in the deployment instances',
    }
  })

/** Throws what ContinueDeployment and SkipWaitTimeForInstanceTermination have in common; returns the blue/green deployment. */
const waitingDeployment = async (tx: ReadTx, deploymentId: string | undefined): Promise<DeploymentRecord> => {
  if (!deploymentId) throw fail('DeploymentIdRequiredException', 'A deployment ID must be specified.')
  const deployment = await getDeployment(tx, deploymentId)
  if (deployment.style.type !== 'BLUE_GREEN')
    throw fail('UnsupportedActionForDeploymentTypeException', 'The action is for blue/green deployments only.')
  if (!unfinished(deployment))
    throw fail('DeploymentAlreadyCompletedException', `The deployment ${deploymentId} is already completed`)
  return deployment
}

const putGoOn = (tx: WriteTx, deployment: DeploymentRecord, more: NonNullable<DeploymentRecord['goOn']>): void => {
  tx.put(Deployment, { ...deployment, goOn: { ...deployment.goOn, ...more } })
  tx.wake('codedeploy.deployment', deployment.id)
}

/** Has traffic rerouted to replacement instances that are ready, or original instances terminated, without more waiting. */
export const ContinueDeployment: Operation<'ContinueDeployment'> = (
  ctx,
  { deploymentId, deploymentWaitType = 'READY_WAIT' },
) =>
  ctx.write(async (tx) => {
    if (deploymentWaitType !== 'READY_WAIT' && deploymentWaitType !== 'TERMINATION_WAIT')
      throw fail('InvalidDeploymentWaitTypeException', `The wait type is not valid: ${deploymentWaitType}`)
    const deployment = await waitingDeployment(tx, deploymentId)
    const ready = deploymentWaitType === 'READY_WAIT'
    if (deployment.phase?.name !== (ready ? 'ready' : 'termination'))
      throw fail(
        'DeploymentIsNotInReadyStateException',
        `The deployment ${deployment.id} does not wait for its ${ready ? 'traffic to be rerouted' : 'original instances to be terminated'}.`,
      )
    putGoOn(tx, deployment, ready ? { ready } : { termination: true })
    return {}
  })

export const SkipWaitTimeForInstanceTermination: Operation<'SkipWaitTimeForInstanceTermination'> = (
  ctx,
  { deploymentId },
) =>
  ctx.write(async (tx) => {
    const deployment = await waitingDeployment(tx, deploymentId)
    if (deployment.phase?.name !== 'termination')
      throw fail(
        'DeploymentNotStartedException',
        `The deployment ${deployment.id} has not begun to wait for the termination of its original instances.`,
      )
    putGoOn(tx, deployment, { termination: true })
    return {}
  })
