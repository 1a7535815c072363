import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { getApplication } from './applications.ts'
import { Deployment, type Deployment as DeploymentRecord, getDeployment, unfinished } from './deployment.ts'
import { getConfig } from './deployment-configs.ts'
import { Group, getGroup, readRollback, underWay } from './deployment-groups.ts'
import { deploymentChanged } from './events.ts'
import { fail, type Operation } from './operation.ts'
import { checkBatch, page } from './page.ts'
import { noteUse, type Revision, readRevision, toRevision } from './revisions.ts'
import { targetsOf } from './target.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'

/** Puts a new deployment of a group on its way. */
export const begin = async (
  ctx: Ctx,
  tx: WriteTx,
  group: Group,
  revision: Revision,
  more: Pick<DeploymentRecord, 'config' | 'creator' | 'ignoreStopFailures' | 'fileExists' | 'autoRollback'> &
    Partial<Pick<DeploymentRecord, 'description' | 'rollback'>>,
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
  await noteUse(ctx, tx, group.application, revision, group.name)
  tx.emit(deploymentChanged(ctx, deployment))
  tx.wake('codedeploy.deployment', deployment.id)
  return deployment
}

export const CreateDeployment: Operation<'CreateDeployment'> = (ctx, input) => {
  const { applicationName, deploymentGroupName, revision: wire, deploymentConfigName } = input
  if (!deploymentGroupName)
    throw fail('DeploymentGroupNameRequiredException', 'The deployment group name was not specified.')
  if (input.targetInstances)
    throw fail('InvalidTargetInstancesException', 'Target instances are for blue/green deployments.')
  if (input.overrideAlarmConfiguration?.alarms?.length)
    throw fail('InvalidAlarmConfigException', 'Alarms do not stop deployments yet.')
  if (input.updateOutdatedInstancesOnly)
    throw fail('InvalidUpdateOutdatedInstancesOnlyValueException', 'Drydock deploys to all instances of a group.')
  const autoRollback = readRollback(input.autoRollbackConfiguration)
  const given = wire ? readRevision(wire) : undefined
  return ctx.write(async (tx) => {
    await getApplication(tx, applicationName)
    const group = await getGroup(tx, applicationName, deploymentGroupName)
    const config = deploymentConfigName ?? group.config
    await getConfig(tx, config)
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
      ignoreStopFailures: input.ignoreApplicationStopFailures ?? false,
      fileExists: input.fileExistsBehavior ?? 'DISALLOW',
      autoRollback: autoRollback ?? group.autoRollback,
      ...(input.description ? { description: input.description } : {}),
    })
    return { deploymentId: deployment.id }
  })
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
      Ready: 0,
    },
    description: deployment.description,
    creator: deployment.creator,
    ignoreApplicationStopFailures: deployment.ignoreStopFailures,
    autoRollbackConfiguration: {
      enabled: deployment.autoRollback.enabled,
      events: [...deployment.autoRollback.events],
    },
    updateOutdatedInstancesOnly: false,
    ...(rollback
      ? {
          rollbackInfo: {
            rollbackDeploymentId: rollback.deploymentId,
            rollbackTriggeringDeploymentId: rollback.triggeringId,
            rollbackMessage: rollback.message,
          },
        }
      : {}),
    deploymentStyle: { deploymentType: 'IN_PLACE' as const, deploymentOption: 'WITHOUT_TRAFFIC_CONTROL' as const },
    instanceTerminationWaitTimeStarted: false,
    fileExistsBehavior: deployment.fileExists,
    deploymentStatusMessages: [],
    computePlatform: 'Server' as const,
  }
}

export const GetDeployment: Operation<'GetDeployment'> = (ctx, { deploymentId }) =>
  ctx.read(async (tx) => ({ deploymentInfo: await toInfo(tx, await getDeployment(tx, deploymentId)) }))

export const BatchGetDeployments: Operation<'BatchGetDeployments'> = (ctx, { deploymentIds }) => {
  checkBatch(deploymentIds, 25)
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
        ({ created }) =>
          created >= (createTimeRange?.start?.getTime() ?? 0) &&
          created < (createTimeRange?.end?.getTime() ?? Number.POSITIVE_INFINITY),
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
