import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import type { DeliveredEvent } from '../../work/outbox.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { instances } from '../capabilities.ts'
import { Application } from './applications.ts'
import { Deployment, type ErrorCode, unfinished } from './deployment.ts'
import { getConfig, healthyMinimum } from './deployment-configs.ts'
import { Group, getGroup, type TagFilter } from './deployment-groups.ts'
import { begin } from './deployments.ts'
import { deploymentChanged, targetChanged } from './events.ts'
import { findRevision } from './revisions.ts'
import { failedAt, newTarget, presentEvent, Target, targetsOf } from './target.ts'

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
    const gone = await goneInstances(ctx, id)
    return (await ctx.write((tx) => advance(ctx, tx, id, gone))) ? done() : again({ in: lookAgain })
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
  const found: string[] = []
  let error: { code: ErrorCode; message: string } | undefined
  const role = ctx.as(deployment.serviceRoleArn, { sessionName: deployment.id })
  try {
    await role.principal()
  } catch (thrown) {
    if (!(thrown instanceof AwsError)) throw thrown
    await ctx.write((tx) =>
      finish(ctx, tx, deployment.id, 'Failed', {
        code: 'IAM_ROLE_MISSING',
        message: `The service role ${deployment.serviceRoleArn} cannot be accessed. ${thrown.message}`,
      }),
    )
    return
  }
  try {
    let NextToken: string | undefined
    do {
      const page = await role.ec2.describeInstances({
        Filters: [{ Name: 'instance-state-name', Values: ['running'] }],
        ...(NextToken ? { NextToken } : {}),
      })
      const instances = (page.Reservations ?? []).flatMap(({ Instances = [] }) => Instances)
      for (const { InstanceId, Tags = [] } of instances)
        if (InstanceId && tagSet.length > 0 && tagSet.every((filters) => filters.some((one) => matches(one, Tags))))
          found.push(InstanceId)
      NextToken = page.NextToken
    } while (NextToken)
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
    const missing = await missingPart(tx, now)
    if (missing) return finish(ctx, tx, now.id, 'Failed', missing)
    const minimum = healthyMinimum(await getConfig(tx, now.config), found.length)
    // With none to spare not one instance could be worked on.
    if (minimum >= found.length)
      return finish(ctx, tx, now.id, 'Failed', {
        code: 'HEALTH_CONSTRAINTS_INVALID',
        message: `The revision cannot be successfully deployed within the instance health constraints specified: ${minimum} instances must stay healthy, and the deployment has ${found.length}.`,
      })
    const started: Deployment = {
      ...now,
      status: 'InProgress',
      started: ctx.now().getTime(),
      healthyMinimum: minimum,
    }
    tx.put(Deployment, started)
    tx.emit(deploymentChanged(ctx, started))
    for (const instanceId of found) tx.put(Target, newTarget(ctx, now.id, instanceId))
  })
}

/** What a deployment needs and was deleted since it was created. */
const missingPart = async (tx: ReadTx, { application, group, revision }: Deployment): Promise<Deployment['error']> => {
  if (!(await tx.get(Application, application)))
    return { code: 'APPLICATION_MISSING', message: `The application ${application} was deleted.` }
  if (!(await tx.get(Group, `${application}/${group}`)))
    return { code: 'DEPLOYMENT_GROUP_MISSING', message: `The deployment group ${group} was deleted.` }
  if (!(await findRevision(tx, application, revision)))
    return { code: 'REVISION_MISSING', message: 'The revision was deleted after the deployment was created.' }
  return undefined
}

const matches = (
  { key, value, type }: TagFilter,
  tags: readonly { Key?: string | undefined; Value?: string | undefined }[],
): boolean =>
  tags.some(({ Key, Value }) => (type === 'VALUE_ONLY' || Key === key) && (type === 'KEY_ONLY' || Value === value))

/** Instances that a deployment is working on and that do not run any more. */
const goneInstances = async (ctx: Ctx, id: string): Promise<Set<string>> => {
  const targets = await ctx.read((tx) => targetsOf(tx, id))
  const gone = new Set<string>()
  for (const { instanceId, status } of targets)
    if (status === 'InProgress') {
      const found = await ctx.use(instances).describe(ctx.place, instanceId)
      if (found?.state !== 'running' && found?.state !== 'pending') gone.add(instanceId)
    }
  return gone
}

/** A stopped or ended instance wakes the deployments that work on it: it counts as failed at once. */
export const onInstanceEvent = async (ctx: Ctx, { source, detail, ...event }: DeliveredEvent): Promise<void> => {
  if (source !== 'aws.ec2' || event['detail-type'] !== 'EC2 Instance State-change Notification') return
  const instanceId = detail['instance-id']
  if (typeof instanceId !== 'string') return
  await ctx.write(async (tx) => {
    for (const { deploymentId } of await tx.list(Target, { index: 'active', equals: instanceId }))
      tx.wake('codedeploy.deployment', deploymentId)
  })
}

/** One look at a deployment in progress. Returns whether it has ended. */
const advance = async (ctx: Ctx, tx: WriteTx, id: string, gone: ReadonlySet<string>): Promise<boolean> => {
  const deployment = await tx.get(Deployment, id)
  if (!deployment || !unfinished(deployment)) return true
  if (deployment.status !== 'InProgress') return false
  const targets = await targetsOf(tx, id)
  const change = (changed: Target): void => {
    tx.put(Target, changed)
    tx.emit(targetChanged(ctx, deployment, changed))
    targets[targets.findIndex(({ instanceId }) => instanceId === changed.instanceId)] = changed
  }
  const of = (status: Target['status']) => targets.filter((target) => target.status === status)
  const now = ctx.now().getTime()

  for (const target of of('InProgress')) {
    const ended = deployment.stop ? interrupted(target, now) : overdue(target, now, gone)
    if (ended) change(ended)
  }
  const spare = targets.length - (deployment.healthyMinimum ?? 0)
  if (deployment.stop) for (const target of of('Pending')) change(skipped(target, now))
  for (const target of of('Pending'))
    if (of('InProgress').length + of('Failed').length < spare) change({ ...target, status: 'InProgress', updated: now })
  if (of('InProgress').length > 0) return false
  // Those that failed take all the room there is, and yet none too many: the others are not tried.
  for (const target of of('Pending')) change(skipped(target, now))

  const succeeded = of('Succeeded').length
  if (deployment.stop) await finish(ctx, tx, id, 'Stopped', stopped)
  else if (succeeded >= Math.max(1, deployment.healthyMinimum ?? 0)) await finish(ctx, tx, id, 'Succeeded')
  else await finish(ctx, tx, id, 'Failed', tooFewHealthy)
  return true
}

const skipped = (target: Target, now: number): Target => ({
  ...target,
  status: 'Skipped',
  updated: now,
  events: target.events.map((event) => ({ ...event, status: 'Skipped' })),
})

/** In a deployment that is stopped, an instance ends after the event it is in; those that follow are skipped. */
const interrupted = (target: Target, now: number): Target | undefined => {
  if (target.events.some(({ status }) => status === 'InProgress')) return undefined
  if (target.events.every(({ status }) => status === 'Pending')) return skipped(target, now)
  const events = target.events.map((event) =>
    event.status === 'Pending' ? { ...event, status: 'Skipped' as const } : event,
  )
  return { ...target, status: 'Failed', updated: now, events }
}

const noAgent =
  'CodeDeploy agent was not able to receive the lifecycle event. Check the CodeDeploy agent logs on your host and make sure the agent is running and can connect to the CodeDeploy server.'

/** An instance that is silent for too long, or that does not run any more, has failed. */
const overdue = (target: Target, now: number, gone: ReadonlySet<string>): Target | undefined => {
  const at = presentEvent(target)
  const event = target.events[at]
  if (!event) return undefined
  const silent =
    event.status === 'Pending' ? now - target.updated > pickUpTime : now - (event.started ?? now) > eventTime
  if (!silent && !gone.has(target.instanceId)) return undefined
  return failedAt(target, at, now, { errorCode: 'UnknownError', scriptName: '', message: noAgent, logTail: '' })
}

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
    fileExists: failed.fileExists,
    autoRollback: { enabled: false, events: [] },
    description: `Automatic rollback of ${failed.id} to the revision of ${last.id}`,
    rollback: { triggeringId: failed.id, message: `Rollback of the deployment ${failed.id}` },
  })
  tx.put(Deployment, {
    ...failed,
    rollback: { deploymentId: deployment.id, message: `Deployment ${failed.id} was rolled back by ${deployment.id}` },
  })
}
