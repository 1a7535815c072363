import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { getDeployment } from './deployment.ts'
import { fail, type Operation } from './operation.ts'
import { checkBatch, page } from './page.ts'

/** What happens on an instance, in order ("AppSpec hooks section: lifecycle event hook availability", user guide). */
export const lifecycle = [
  'ApplicationStop',
  'DownloadBundle',
  'BeforeInstall',
  'Install',
  'AfterInstall',
  'ApplicationStart',
  'ValidateService',
] as const

export type EventStatus = 'Pending' | 'InProgress' | 'Succeeded' | 'Failed' | 'Skipped' | 'Unknown'
export type Diagnostics = {
  readonly errorCode: string
  readonly scriptName: string
  readonly message: string
  readonly logTail: string
}
export type LifecycleEvent = {
  readonly name: (typeof lifecycle)[number]
  readonly status: EventStatus
  readonly started?: number
  readonly ended?: number
  readonly diagnostics?: Diagnostics
  /** Which run of the agent took it up: another one cannot bring it to its end. */
  readonly session?: string
}

/** One instance of a deployment. */
export type Target = {
  readonly deploymentId: string
  readonly instanceId: string
  readonly status: 'Pending' | 'InProgress' | 'Succeeded' | 'Failed' | 'Skipped'
  readonly events: readonly LifecycleEvent[]
  readonly updated: number
}
export const Target = table<Target>('codedeploy.target', {
  scope: 'region',
  key: ({ deploymentId, instanceId }) => `${deploymentId}/${instanceId}`,
  index: { active: ({ instanceId, status }) => (status === 'InProgress' ? instanceId : undefined) },
})

/** An instance before its turn. */
export const newTarget = (ctx: Ctx, deploymentId: string, instanceId: string): Target => ({
  deploymentId,
  instanceId,
  status: 'Pending',
  events: lifecycle.map((name) => ({ name, status: 'Pending' })),
  updated: ctx.now().getTime(),
})

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

/** Where the event is that a target waits for or is in; -1 when all have ended. */
export const presentEvent = ({ events }: Target): number =>
  events.findIndex(({ status }) => status === 'Pending' || status === 'InProgress')

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

const arnOf = (ctx: Ctx, instanceId: string) => `arn:aws:ec2:${ctx.region}:${ctx.account}:instance/${instanceId}`

const toTarget = (ctx: Ctx, { deploymentId, instanceId, status, events, updated }: Target) => ({
  deploymentTargetType: 'InstanceTarget' as const,
  instanceTarget: {
    deploymentId,
    targetId: instanceId,
    targetArn: arnOf(ctx, instanceId),
    status,
    lastUpdatedAt: new Date(updated),
    lifecycleEvents: events.map(toEvent),
    instanceLabel: 'Blue' as const,
  },
})

const toSummary = (ctx: Ctx, { deploymentId, instanceId, status, events, updated }: Target) => ({
  deploymentId,
  instanceId: arnOf(ctx, instanceId),
  status,
  lastUpdatedAt: new Date(updated),
  lifecycleEvents: events.map(toEvent),
  instanceType: 'Blue' as const,
})

const idOf = (nameOrArn: string): string => nameOrArn.split('/').at(-1) ?? nameOrArn

export const ListDeploymentTargets: Operation<'ListDeploymentTargets'> = (
  ctx,
  { deploymentId = '', nextToken, targetFilters },
) =>
  ctx.read(async (tx) => {
    await getDeployment(tx, deploymentId)
    const wanted = targetFilters?.TargetStatus
    for (const name of Object.keys(targetFilters ?? {}))
      if (name !== 'TargetStatus' && name !== 'ServerInstanceLabel')
        throw fail('InvalidTargetFilterNameException', `The target filter name is invalid: ${name}`)
    // In a deployment in place every instance has the label Blue.
    const labels = targetFilters?.ServerInstanceLabel
    const all = (await targetsOf(tx, deploymentId)).filter(
      ({ status }) => (!wanted || wanted.includes(status)) && (!labels || labels.includes('Blue')),
    )
    const { items, ...more } = page(all, nextToken)
    return { targetIds: items.map(({ instanceId }) => instanceId), ...more }
  })

export const BatchGetDeploymentTargets: Operation<'BatchGetDeploymentTargets'> = (ctx, { deploymentId, targetIds }) => {
  if (targetIds.length > 25)
    throw fail(
      'DeploymentTargetListSizeExceededException',
      'The maximum number of targets that can be associated with this request (25) was exceeded.',
    )
  return ctx.read(async (tx) => {
    await getDeployment(tx, deploymentId)
    const found = await Promise.all(targetIds.map((id) => tx.get(Target, `${deploymentId}/${idOf(id)}`)))
    return { deploymentTargets: found.flatMap((target) => (target ? [toTarget(ctx, target)] : [])) }
  })
}

const getTarget = async (tx: ReadTx, deploymentId: string, id: string): Promise<Target | undefined> => {
  await getDeployment(tx, deploymentId)
  return tx.get(Target, `${deploymentId}/${idOf(id)}`)
}

export const GetDeploymentTarget: Operation<'GetDeploymentTarget'> = (ctx, { deploymentId, targetId }) =>
  ctx.read(async (tx) => {
    const target = await getTarget(tx, deploymentId, targetId)
    if (!target) throw fail('DeploymentTargetDoesNotExistException', `The target ${targetId} could not be found`)
    return { deploymentTarget: toTarget(ctx, target) }
  })

export const ListDeploymentInstances: Operation<'ListDeploymentInstances'> = (
  ctx,
  { deploymentId, nextToken, instanceStatusFilter, instanceTypeFilter },
) =>
  ctx.read(async (tx) => {
    await getDeployment(tx, deploymentId)
    if (instanceTypeFilter?.length)
      throw fail(
        'InvalidDeploymentInstanceTypeException',
        'Instance types are supported for blue/green deployments only.',
      )
    const all = (await targetsOf(tx, deploymentId)).filter(
      ({ status }) => !instanceStatusFilter?.length || instanceStatusFilter.some((wanted) => wanted === status),
    )
    const { items, ...more } = page(all, nextToken)
    return { instancesList: items.map(({ instanceId }) => instanceId), ...more }
  })

export const GetDeploymentInstance: Operation<'GetDeploymentInstance'> = (ctx, { deploymentId, instanceId }) =>
  ctx.read(async (tx) => {
    const target = await getTarget(tx, deploymentId, instanceId)
    if (!target) throw fail('InstanceDoesNotExistException', `The instance ${instanceId} could not be found`)
    return { instanceSummary: toSummary(ctx, target) }
  })

export const BatchGetDeploymentInstances: Operation<'BatchGetDeploymentInstances'> = (
  ctx,
  { deploymentId, instanceIds },
) => {
  checkBatch(instanceIds, 25)
  return ctx.read(async (tx) => {
    await getDeployment(tx, deploymentId)
    const found = await Promise.all(instanceIds.map((id) => tx.get(Target, `${deploymentId}/${idOf(id)}`)))
    return { instancesSummary: found.flatMap((target) => (target ? [toSummary(ctx, target)] : [])), errorMessage: '' }
  })
}
