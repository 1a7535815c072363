import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { Deployment, type ErrorCode, unfinished } from './deployment.ts'
import { getConfig, healthyMinimum } from './deployment-configs.ts'
import { Group, getGroup, type TagFilter } from './deployment-groups.ts'
import { begin } from './deployments.ts'
import { deploymentChanged, targetChanged } from './events.ts'
import { newTarget, Target, targetsOf } from './target.ts'

/** An instance whose agent takes up nothing for this long has none ("Troubleshoot deployment issues", user guide). */
const pickUpTime = 5 * 60_000
/** The scripts of one lifecycle event have an hour; the agent ends them before that. */
const eventTime = 65 * 60_000
const lookAgain = 30_000

/** Brings a deployment forward: finds its instances, sends as many on their way as health allows, and sums up. */
export const deploymentReconciler: Reconciler = {
  name: 'codedeploy.deployment',
  step: async (ctx, id) => {
    const deployment = await ctx.read((tx) => tx.get(Deployment, id))
    if (!deployment || !unfinished(deployment)) return done()
    if (deployment.stop && deployment.status === 'Created') {
      await ctx.write((tx) => finish(ctx, tx, id, 'Stopped', stopped))
      return done()
    }
    if (deployment.status === 'Created') await findInstances(ctx, deployment)
    return (await ctx.write((tx) => advance(ctx, tx, id))) ? done() : again({ in: lookAgain })
  },
}

const stopped = { code: 'MANUAL_STOP' as const, message: 'The deployment was stopped by a user.' }
const tooFewHealthy = {
  code: 'HEALTH_CONSTRAINTS' as const,
  message:
    'The overall deployment failed because too many individual instances failed deployment, too few healthy instances are available for deployment, or some instances in your deployment group are experiencing problems.',
}

/** The running instances that the group's tags choose, asked for under its service role. */
const findInstances = async (ctx: Ctx, deployment: Deployment): Promise<void> => {
  const tagSet = await ctx.read(
    async (tx) => (await tx.get(Group, `${deployment.application}/${deployment.group}`))?.tagSet ?? [],
  )
  let found: string[] = []
  let error: { code: ErrorCode; message: string } | undefined
  try {
    const { ec2 } = ctx.as(deployment.serviceRoleArn, { sessionName: deployment.id })
    const { Reservations = [] } = await ec2.describeInstances({
      Filters: [{ Name: 'instance-state-name', Values: ['running'] }],
    })
    const instances = Reservations.flatMap(({ Instances = [] }) => Instances)
    found = instances
      .filter(
        ({ Tags = [] }) =>
          tagSet.length > 0 && tagSet.every((filters) => filters.some((filter) => matches(filter, Tags))),
      )
      .flatMap(({ InstanceId }) => InstanceId ?? [])
    if (found.length === 0)
      error = {
        code: 'NO_INSTANCES',
        message:
          'The deployment failed because no instances were found for your deployment group. Check your deployment group settings to make sure the tags for your EC2 instances or Auto Scaling groups correctly identify the instances you want to deploy to, and then try again.',
      }
  } catch (thrown) {
    if (!(thrown instanceof AwsError)) throw thrown
    error = {
      code: 'IAM_ROLE_PERMISSIONS',
      message: `The IAM role ${deployment.serviceRoleArn} does not give you permission to perform operations in the following AWS service: AmazonEC2. ${thrown.message}`,
    }
  }
  await ctx.write(async (tx) => {
    const now = await tx.get(Deployment, deployment.id)
    if (now?.status !== 'Created') return
    if (error) return finish(ctx, tx, now.id, 'Failed', error)
    const config = await getConfig(tx, now.config)
    const started: Deployment = {
      ...now,
      status: 'InProgress',
      started: ctx.now().getTime(),
      healthyMinimum: healthyMinimum(config, found.length),
    }
    tx.put(Deployment, started)
    tx.emit(deploymentChanged(ctx, started))
    for (const instanceId of found) tx.put(Target, newTarget(ctx, now.id, instanceId))
  })
}

const matches = (
  { key, value, type }: TagFilter,
  tags: readonly { Key?: string | undefined; Value?: string | undefined }[],
): boolean =>
  tags.some(({ Key, Value }) => (type === 'VALUE_ONLY' || Key === key) && (type === 'KEY_ONLY' || Value === value))

/** One look at a deployment in progress. Returns whether it has ended. */
const advance = async (ctx: Ctx, tx: WriteTx, id: string): Promise<boolean> => {
  const deployment = await tx.get(Deployment, id)
  if (!deployment || !unfinished(deployment)) return true
  if (deployment.status !== 'InProgress') return false
  const targets = (await targetsOf(tx, id)).map((target) => overdue(ctx, target))
  const change = (target: Target, status: Target['status']): void => {
    const events =
      status === 'Skipped' ? target.events.map((event) => ({ ...event, status: 'Skipped' as const })) : target.events
    const changed = { ...target, status, events, updated: ctx.now().getTime() }
    tx.put(Target, changed)
    tx.emit(targetChanged(ctx, deployment, changed))
    targets[targets.indexOf(target)] = changed
  }
  for (const target of targets) if (target.status === 'Failed') tx.put(Target, target)
  const of = (status: Target['status']) => targets.filter((target) => target.status === status)

  const minimum = deployment.healthyMinimum ?? 0
  const mayBeUnhealthy = Math.max(1, targets.length - minimum)
  const failing = of('Failed').length > targets.length - minimum || (of('Failed').length > 0 && targets.length === 1)
  if (deployment.stop || failing) for (const target of of('Pending')) change(target, 'Skipped')
  else
    for (const target of of('Pending'))
      if (of('InProgress').length + of('Failed').length < mayBeUnhealthy) change(target, 'InProgress')
  if (of('InProgress').length > 0) return false

  const succeeded = of('Succeeded').length
  if (deployment.stop) await finish(ctx, tx, id, 'Stopped', stopped)
  else if (succeeded >= Math.max(1, minimum)) await finish(ctx, tx, id, 'Succeeded')
  else await finish(ctx, tx, id, 'Failed', tooFewHealthy)
  return true
}

/** An instance that is silent for too long has failed. */
const overdue = (ctx: Ctx, target: Target): Target => {
  if (target.status !== 'InProgress') return target
  const now = ctx.now().getTime()
  const at = target.events.findIndex(({ status }) => status === 'Pending' || status === 'InProgress')
  const event = target.events[at]
  if (!event) return target
  const silent =
    event.status === 'Pending' ? now - target.updated > pickUpTime : now - (event.started ?? now) > eventTime
  if (!silent) return target
  const message =
    'CodeDeploy agent was not able to receive the lifecycle event. Check the CodeDeploy agent logs on your host and make sure the agent is running and can connect to the CodeDeploy server.'
  return failedAt(target, at, now, { errorCode: 'UnknownError', scriptName: '', message, logTail: '' })
}

/** The target with one event failed and those after it skipped. */
export const failedAt = (
  target: Target,
  at: number,
  now: number,
  diagnostics: NonNullable<Target['events'][number]['diagnostics']>,
): Target => ({
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

/** Ends a deployment, and rolls back where that is asked for. */
const finish = async (
  ctx: Ctx,
  tx: WriteTx,
  id: string,
  status: 'Succeeded' | 'Failed' | 'Stopped',
  error?: Deployment['error'],
): Promise<void> => {
  const deployment = await tx.get(Deployment, id)
  if (!deployment) return
  const group = await tx.get(Group, `${deployment.application}/${deployment.group}`)
  const now = ctx.now().getTime()
  const ended: Deployment = {
    ...deployment,
    status,
    completed: now,
    started: deployment.started ?? now,
    ...(error ? { error } : {}),
  }
  tx.put(Deployment, ended)
  tx.emit(deploymentChanged(ctx, ended))
  if (status === 'Succeeded') {
    if (group) tx.put(Group, { ...group, lastSuccessful: id })
    return
  }
  const { enabled, events } = deployment.autoRollback
  const wanted = status === 'Stopped' ? deployment.stop?.rollback : enabled && events.includes('DEPLOYMENT_FAILURE')
  if (!wanted || deployment.creator === 'codeDeployRollback' || !group) return
  await rollBack(ctx, tx, ended, group)
}

const rollBack = async (ctx: Ctx, tx: WriteTx, failed: Deployment, group: Group): Promise<void> => {
  const last = group.lastSuccessful === undefined ? undefined : await tx.get(Deployment, group.lastSuccessful)
  if (!last) {
    tx.put(Deployment, {
      ...failed,
      rollback: { message: 'The rollback failed: there is no previous successful deployment to roll back to.' },
    })
    return
  }
  const deployment = await begin(ctx, tx, await getGroup(tx, failed.application, failed.group), last.revision, {
    config: failed.config,
    creator: 'codeDeployRollback',
    // A version that does not run need not stop properly.
    ignoreStopFailures: true,
    fileExists: 'OVERWRITE',
    autoRollback: { enabled: false, events: [] },
    description: `Automatic rollback of ${failed.id} to the revision of ${last.id}`,
    rollback: { triggeringId: failed.id, message: `Rollback of the deployment ${failed.id}` },
  })
  tx.put(Deployment, {
    ...failed,
    rollback: { deploymentId: deployment.id, message: `Deployment ${failed.id} was rolled back by ${deployment.id}` },
  })
}
