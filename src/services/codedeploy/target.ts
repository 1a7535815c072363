import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { type Deployment, getDeployment } from './deployment.ts'
import { fail, type Operation } from './operation.ts'
import { checkBatch, missingOf, page } from './page.ts'

// What happens on an instance, in order ("AppSpec hooks section: lifecycle event hook availability", user guide).

/** Where the revision is installed: every instance of a deployment in place, the replacements of a blue/green one. */
export const installing = [
  'ApplicationStop',
  'DownloadBundle',
  'BeforeInstall',
  'Install',
  'AfterInstall',
  'ApplicationStart',
  'ValidateService',
] as const
/** Where traffic is led to. */
export const allowing = ['BeforeAllowTraffic', 'AllowTraffic', 'AfterAllowTraffic'] as const
/** Where traffic is led away from. */
export const blocking = ['BeforeBlockTraffic', 'BlockTraffic', 'AfterBlockTraffic'] as const
type EventName = (typeof installing)[number] | (typeof allowing)[number] | (typeof blocking)[number]

/** Done by CodeDeploy at the load balancer, not by the agent. Without one there is nothing to be done. */
const balancers: readonly EventName[] = ['AllowTraffic', 'BlockTraffic']

export type EventStatus = 'Pending' | 'InProgress' | 'Succeeded' | 'Failed' | 'Skipped' | 'Unknown'
export type Diagnostics = {
  readonly errorCode: string
  readonly scriptName: string
  readonly message: string
  readonly logTail: string
}
export type LifecycleEvent = {
  readonly name: EventName
  readonly status: EventStatus
  readonly started?: number
  readonly ended?: number
  readonly diagnostics?: Diagnostics
  /** Which run of the agent took it up: another one cannot bring it to its end. */
  readonly session?: string
  /** How long it may take by what the agent said, in seconds. */
  readonly atMost?: number
}

/** A machine that a deployment found. */
export type Machine = {
  /** The id of an EC2 instance, the name of an on-premises one. */
  readonly instanceId: string
  /** Of an on-premises instance; that of an EC2 instance follows from its id. */
  readonly arn?: string
  readonly zone?: string
}

/** One instance of a deployment. */
export type Target = Machine & {
  readonly deploymentId: string
  /** Original (`Blue`) or replacement. In place, every instance is an original. */
  readonly label?: 'Blue' | 'Green'
  /** `Ready`: it waits for its deployment to go on to the event at `pause`. */
  readonly status: 'Pending' | 'InProgress' | 'Ready' | 'Succeeded' | 'Failed' | 'Skipped'
  readonly events: readonly LifecycleEvent[]
  readonly pause?: number
  readonly updated: number
}
export const Target = table<Target>('codedeploy.target', {
  scope: 'region',
  key: ({ deploymentId, instanceId }) => `${deploymentId}/${instanceId}`,
  index: { active: ({ instanceId, status }) => (status === 'InProgress' ? instanceId : undefined) },
})

/** An instance before its turn. */
export const newTarget = (
  ctx: Ctx,
  deploymentId: string,
  machine: Machine,
  events: readonly EventName[],
  more: Pick<Target, 'label' | 'pause'> = {},
): Target => ({
  ...more,
  ...machine,
  deploymentId,
  status: 'Pending',
  events: events.map((name) => ({ name, status: balancers.includes(name) ? 'Skipped' : 'Pending' })),
  updated: ctx.now().getTime(),
})

/** Whether events of these names are among those of a target. */
export const goesThrough = ({ events }: Target, names: readonly EventName[]): boolean =>
  events.some(({ name }) => names.includes(name))

/** All instances of a deployment, by their ids. */
export const targetsOf = (tx: ReadTx, deploymentId: string): Promise<Target[]> =>
  tx.list(Target, { prefix: `${deploymentId}/` })

/** The target with one event failed and those after it skipped. */
export const failedAt = (target: Target, at: number, now: number, diagnostics: Diagnostics): Target => ({
  ...target,
  status: 'Failed',
  updated: now,
  events: target.events.map((event, index) =>
    index < at
      ? event
      : index === at
        ? { ...event, status: 'Failed', started: event.started ?? now, ended: now, diagnostics }
        : { ...event, status: 'Skipped' },
  ),
})

/** Where the event is that a target waits for or is in; -1 when all have ended, or all up to where it pauses. */
export const presentEvent = ({ events, pause = events.length }: Target): number =>
  events.slice(0, pause).findIndex(({ status }) => status === 'Pending' || status === 'InProgress')

/** The target with one event ended, and where that brings it: on to the next, to its pause, or to its end. */
export const endedAt = (target: Target, at: number, now: number, event: Partial<LifecycleEvent>): Target => {
  const events = target.events.map((one, index) => (index === at ? { ...one, ...event, ended: now } : one))
  const changed = { ...target, events, updated: now }
  if (presentEvent(changed) >= 0) return changed
  const paused = target.pause !== undefined && target.pause < events.length
  return { ...changed, status: paused ? 'Ready' : 'Succeeded' }
}

const time = (at: number | undefined) => (at === undefined ? {} : { at: new Date(at) }).at

const toEvent = ({ name, status, started, ended, diagnostics }: LifecycleEvent) => ({
  lifecycleEventName: name,
  status,
  startTime: time(started),
  endTime: time(ended),
  ...(diagnostics
    ? {
        diagnostics: {
          errorCode: diagnostics.errorCode as never,
          scriptName: diagnostics.scriptName,
          message: diagnostics.message,
          logTail: diagnostics.logTail,
        },
      }
    : {}),
})

export const arnOf = (ctx: Ctx, { instanceId, arn }: Target): string =>
  arn ?? `arn:aws:ec2:${ctx.region}:${ctx.account}:instance/${instanceId}`
const labelOf = ({ label = 'Blue' }: Target) => label

const toTarget = (ctx: Ctx, target: Target) => ({
  deploymentTargetType: 'InstanceTarget' as const,
  instanceTarget: {
    deploymentId: target.deploymentId,
    targetId: target.instanceId,
    targetArn: arnOf(ctx, target),
    status: target.status,
    lastUpdatedAt: new Date(target.updated),
    lifecycleEvents: target.events.map(toEvent),
    instanceLabel: labelOf(target),
  },
})

const toSummary = (ctx: Ctx, target: Target) => ({
  deploymentId: target.deploymentId,
  instanceId: arnOf(ctx, target),
  status: target.status,
  lastUpdatedAt: new Date(target.updated),
  lifecycleEvents: target.events.map(toEvent),
  instanceType: labelOf(target),
})

const statuses = ['Pending', 'InProgress', 'Succeeded', 'Failed', 'Skipped', 'Unknown', 'Ready']

/** Throws InvalidInstanceStatusException. */
const checkStatuses = (wanted: readonly string[] = []): void => {
  const odd = wanted.find((status) => !statuses.includes(status))
  if (odd !== undefined) throw fail('InvalidInstanceStatusException', `The instance status does not exist: ${odd}`)
}

/** Throws InvalidInstanceTypeException, InvalidDeploymentInstanceTypeException. */
const checkLabels = (wanted: readonly string[] | undefined, style: Deployment['style']): void => {
  if (!wanted?.length) return
  const odd = wanted.find((label) => label !== 'Blue' && label !== 'Green')
  if (odd !== undefined)
    throw fail('InvalidInstanceTypeException', `The instance type is neither Blue nor Green: ${odd}`)
  if (style.type !== 'BLUE_GREEN')
    throw fail(
      'InvalidDeploymentInstanceTypeException',
      'Instance types are supported for blue/green deployments only.',
    )
}

/** The id or name in an ARN; those of on-premises instances end in an underscore and ten letters. */
const idOf = (nameOrArn: string): string => {
  const name = nameOrArn.split('/').at(-1) ?? nameOrArn
  return nameOrArn.startsWith('arn:aws:codedeploy:') ? name.replace(/_[A-Za-z0-9]{10}$/, '') : name
}

export const ListDeploymentTargets: Operation<'ListDeploymentTargets'> = (
  ctx,
  { deploymentId = '', nextToken, targetFilters },
) =>
  ctx.read(async (tx) => {
    const { style } = await getStarted(tx, deploymentId)
    const { TargetStatus: wanted, ServerInstanceLabel: labels } = targetFilters ?? {}
    checkStatuses(wanted)
    checkLabels(labels, style)
    const all = (await targetsOf(tx, deploymentId)).filter(
      (target) =>
        (!wanted?.length || wanted.includes(target.status)) && (!labels?.length || labels.includes(labelOf(target))),
    )
    const { items, ...more } = page(all, nextToken)
    return { targetIds: items.map(({ instanceId }) => instanceId), ...more }
  })

export const BatchGetDeploymentTargets: Operation<'BatchGetDeploymentTargets'> = (ctx, { deploymentId, targetIds }) => {
  if (targetIds.length === 0)
    throw fail('DeploymentTargetIdRequiredException', 'A deployment target ID was not provided.')
  if (targetIds.length > 25)
    throw fail(
      'DeploymentTargetListSizeExceededException',
      'The maximum number of targets that can be associated with this request (25) was exceeded.',
    )
  return ctx.read(async (tx) => {
    const found = await Promise.all(targetIds.map((id) => getKnownTarget(tx, deploymentId, id)))
    return { deploymentTargets: found.map((target) => toTarget(ctx, target)) }
  })
}

/** A deployment whose instances have been looked for. Throws DeploymentNotStartedException. */
const getStarted = async (tx: ReadTx, id: string): Promise<Deployment> => {
  const deployment = await getDeployment(tx, id)
  if (deployment.status === 'Created')
    throw fail('DeploymentNotStartedException', `The deployment ${id} has not started.`)
  return deployment
}

/** Throws DeploymentNotStartedException, DeploymentTargetDoesNotExistException. */
const getKnownTarget = async (tx: ReadTx, deploymentId: string, id: string): Promise<Target> => {
  await getStarted(tx, deploymentId)
  const target = await tx.get(Target, `${deploymentId}/${idOf(id)}`)
  if (!target) throw fail('DeploymentTargetDoesNotExistException', `The target ${id} could not be found`)
  return target
}

export const GetDeploymentTarget: Operation<'GetDeploymentTarget'> = (ctx, { deploymentId, targetId }) =>
  ctx.read(async (tx) => ({ deploymentTarget: toTarget(ctx, await getKnownTarget(tx, deploymentId, targetId)) }))

export const ListDeploymentInstances: Operation<'ListDeploymentInstances'> = (
  ctx,
  { deploymentId, nextToken, instanceStatusFilter, instanceTypeFilter },
) =>
  ctx.read(async (tx) => {
    const { style } = await getStarted(tx, deploymentId)
    checkLabels(instanceTypeFilter, style)
    const all = (await targetsOf(tx, deploymentId)).filter(
      (target) =>
        (!instanceStatusFilter?.length || instanceStatusFilter.some((wanted) => wanted === target.status)) &&
        (!instanceTypeFilter?.length || instanceTypeFilter.includes(labelOf(target))),
    )
    const { items, ...more } = page(all, nextToken)
    return { instancesList: items.map(({ instanceId }) => instanceId), ...more }
  })

export const GetDeploymentInstance: Operation<'GetDeploymentInstance'> = (ctx, { deploymentId, instanceId }) =>
  ctx.read(async (tx) => {
    await getDeployment(tx, deploymentId)
    const target = await tx.get(Target, `${deploymentId}/${idOf(instanceId)}`)
    if (!target) throw fail('InstanceDoesNotExistException', `The instance ${instanceId} could not be found`)
    return { instanceSummary: toSummary(ctx, target) }
  })

export const BatchGetDeploymentInstances: Operation<'BatchGetDeploymentInstances'> = (
  ctx,
  { deploymentId, instanceIds },
) => {
  checkBatch(instanceIds, 25, 'InstanceIdRequiredException')
  return ctx.read(async (tx) => {
    await getDeployment(tx, deploymentId)
    const found = await Promise.all(instanceIds.map((id) => tx.get(Target, `${deploymentId}/${idOf(id)}`)))
    return {
      instancesSummary: found.flatMap((target) => (target ? [toSummary(ctx, target)] : [])),
      errorMessage: missingOf('instance', instanceIds, found),
    }
  })
}
