import type { Caller, Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { ReadTx } from '../../store/store.ts'
import type { DeliveredEvent } from '../../work/outbox.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { instances } from '../capabilities.ts'
import { advance } from './advance.ts'
import { whyStop } from './alarms.ts'
import { Application } from './applications.ts'
import { Deployment, type ErrorCode, unfinished } from './deployment.ts'
import { getConfig, type Health, healthyMinimum } from './deployment-configs.ts'
import { Group, underWay } from './deployment-groups.ts'
import { begin } from './deployments.ts'
import { deploymentChanged } from './events.ts'
import { finish, stopped } from './finish.ts'
import { isOutdated } from './installed.ts'
import { ec2Machines, groupMachines } from './machines.ts'
import { isRegistered } from './on-premises.ts'
import { findRevision } from './revisions.ts'
import { allowing, blocking, installing, type Machine, newTarget, Target, targetsOf } from './target.ts'

/** Brings a deployment forward: finds its instances, sends as many on their way as health allows, and sums up. */
export const deploymentReconciler: Reconciler = {
  name: 'codedeploy.deployment',
  step: async (ctx, id) => {
    const deployment = await ctx.read((tx) => tx.get(Deployment, id))
    if (!deployment || !unfinished(deployment)) return done()
    if (deployment.stop && deployment.status === 'Created') {
      await ctx.write((tx) => finish(ctx, tx, id, 'Stopped', stopped(deployment)))
      return done()
    }
    if (deployment.status === 'Created') await start(ctx, deployment)
    await heedAlarms(ctx, deployment)
    const gone = await goneInstances(ctx, id)
    const step = await ctx.write((tx) => advance(ctx, tx, id, gone))
    if (step === 'ended') return done()
    if (step === 'terminate') {
      await terminateOriginals(ctx, deployment)
      return done()
    }
    return again(deployment.alarms?.enabled ? { in: Math.min(step.in, betweenPolls) } : step)
  },
}

/** How often alarms are looked at, in milliseconds. */
const betweenPolls = 10_000

/** Stops a deployment one of whose alarms is active, as somebody's StopDeployment would. */
const heedAlarms = async (ctx: Ctx, { id, alarms, stop, serviceRoleArn }: Deployment): Promise<void> => {
  if (!alarms?.enabled || stop) return
  const alarm = await whyStop(ctx.as(serviceRoleArn, { sessionName: id }), alarms)
  if (alarm === undefined) return
  await ctx.write(async (tx) => {
    const now = await tx.get(Deployment, id)
    if (!now || now.stop || !unfinished(now)) return
    const rollback = now.autoRollback.enabled && now.autoRollback.events.includes('DEPLOYMENT_STOP_ON_ALARM')
    tx.put(Deployment, { ...now, stop: { rollback, alarm } })
  })
}

/**
 * After a deployment that succeeded: EC2 instances of the group that came while it went on get the revision by a deployment
 * of their own (`outdatedInstancesStrategy`, CreateDeploymentGroup).
 */
export const outdatedReconciler: Reconciler = {
  name: 'codedeploy.outdated',
  step: async (ctx, id) => {
    const deployment = await ctx.read((tx) => tx.get(Deployment, id))
    if (!deployment || deployment.autoUpdates) return done()
    const group = await ctx.read((tx) => tx.get(Group, `${deployment.application}/${deployment.group}`))
    if (!group || group.lastSuccessful !== id || group.ec2.groups.length === 0) return done()
    const outcome = await underRole(ctx, deployment, (role) => ec2Machines(role, group.ec2, ['running']))
    if ('problem' in outcome) {
      // There is no deployment yet that could say it.
      ctx.log.warn('instances that missed a deployment could not be looked for', {
        deployment: id,
        problem: outcome.problem.message,
      })
      return done()
    }
    const old = await outdated(ctx, deployment, outcome.found)
    await ctx.write(async (tx) => {
      const [now, present] = [await tx.get(Deployment, id), await tx.get(Group, `${group.application}/${group.name}`)]
      if (!now || now.autoUpdates || present?.lastSuccessful !== id || (await underWay(tx, present))) return
      const known = new Set((await targetsOf(tx, id)).map(({ instanceId }) => instanceId))
      if (!old.some(({ instanceId }) => !known.has(instanceId))) return
      const root = now.autoUpdateRoot ?? now.id
      const update = await begin(ctx, tx, present, now.revision, {
        config: now.config,
        creator: 'CodeDeployAutoUpdate',
        style: now.style,
        outdatedOnly: true,
        autoUpdateRoot: root,
        ...(now.alarms ? { alarms: now.alarms } : {}),
        ignoreStopFailures: now.ignoreStopFailures,
        fileExists: now.fileExists,
        autoRollback: { enabled: false, events: [] },
      })
      const first = (await tx.get(Deployment, root)) ?? now
      tx.put(Deployment, { ...first, autoUpdates: [...(first.autoUpdates ?? []), update.id] })
    })
    return done()
  },
}

type Problem = { readonly code: ErrorCode; readonly message: string }

/** Does something under a deployment's service role; what the role or its rights are wanting is a problem, not an error. */
const underRole = async <T>(
  ctx: Ctx,
  { id, serviceRoleArn }: Deployment,
  work: (role: Caller) => Promise<T>,
): Promise<{ found: T } | { problem: Problem }> => {
  const role = ctx.as(serviceRoleArn, { sessionName: id })
  try {
    await role.principal()
  } catch (thrown) {
    if (!(thrown instanceof AwsError) || thrown.code === 'InternalFailure') throw thrown
    const message = `The service role ${serviceRoleArn} cannot be accessed. ${thrown.message}`
    return { problem: { code: 'IAM_ROLE_MISSING', message } }
  }
  try {
    return { found: await work(role) }
  } catch (thrown) {
    if (!(thrown instanceof AwsError) || thrown.code === 'InternalFailure') throw thrown
    const message = `The IAM role ${serviceRoleArn} does not give you permission to perform operations in the following AWS service: AmazonEC2. ${thrown.message}`
    return { problem: { code: 'IAM_ROLE_PERMISSIONS', message } }
  }
}

/** Finds the instances of a deployment, each with what it is to go through. */
const findTargets = async (ctx: Ctx, deployment: Deployment, role: Caller): Promise<Target[]> => {
  const { id, application, group: name, style, replacements, creator, rollback } = deployment
  const group = await ctx.read((tx) => tx.get(Group, `${application}/${name}`))
  if (!group) return []
  if (style.type === 'IN_PLACE') {
    const machines = await groupMachines(ctx, role, group)
    const chosen = deployment.outdatedOnly ? await outdated(ctx, deployment, machines) : machines
    return chosen.map((machine) => newTarget(ctx, id, machine, installing))
  }
  if (creator === 'codeDeployRollback') {
    // The same machines the other way round: traffic goes back to the originals.
    const before = await ctx.read((tx) => targetsOf(tx, rollback?.triggeringId ?? ''))
    return before.map(({ label = 'Blue', instanceId, zone }) =>
      newTarget(ctx, id, { instanceId, ...(zone ? { zone } : {}) }, label === 'Blue' ? allowing : blocking, { label }),
    )
  }
  const green = replacements ? await ec2Machines(role, replacements) : []
  // No traffic goes to an original that does not run.
  const blue = await groupMachines(ctx, role, group, ['running'])
  return [
    ...green.map((machine) =>
      newTarget(ctx, id, machine, [...installing, ...allowing], { label: 'Green', pause: installing.length }),
    ),
    // Whatever is a replacement is none of the originals, which may be terminated.
    ...blue
      .filter(({ instanceId }) => !green.some((one) => one.instanceId === instanceId))
      .map((machine) => newTarget(ctx, id, machine, blocking, { label: 'Blue' })),
  ]
}

const outdated = (ctx: Ctx, deployment: Deployment, machines: readonly Machine[]): Promise<Machine[]> =>
  ctx.read(async (tx) => {
    const old = await Promise.all(machines.map(({ instanceId }) => isOutdated(tx, deployment, instanceId)))
    return machines.filter((_machine, index) => old[index])
  })

const noInstances: Problem = {
  code: 'NO_INSTANCES',
  message:
    'The deployment failed because no instances were found for your deployment group. Check your deployment group settings to make sure the tags for your EC2 instances or Auto Scaling groups correctly identify the instances you want to deploy to, and then try again.',
}

/** Finds the instances and sets out, or fails the deployment. */
const start = async (ctx: Ctx, deployment: Deployment): Promise<void> => {
  const outcome = await underRole(ctx, deployment, (role) => findTargets(ctx, deployment, role))
  await ctx.write(async (tx) => {
    const now = await tx.get(Deployment, deployment.id)
    if (now?.status !== 'Created') return
    if ('problem' in outcome) return finish(ctx, tx, now.id, 'Failed', outcome.problem)
    const targets = outcome.found
    const first = now.creator === 'codeDeployRollback' && now.style.type === 'BLUE_GREEN' ? 'allow' : 'install'
    const count = targets.filter(({ label }) => first === 'allow' || label !== 'Blue' || now.style.type === 'IN_PLACE')
    const missing = await missingPart(tx, now)
    if (missing) return finish(ctx, tx, now.id, 'Failed', missing)
    if (count.length === 0) return finish(ctx, tx, now.id, 'Failed', noInstances)
    const { minimumHealthyHosts: hosts, zonal } = await getConfig(tx, now.config)
    const health: Health = { hosts, ...(zonal ? { zonal } : {}) }
    const minimum = healthyMinimum(hosts, count.length)
    // With none to spare not one instance could be worked on.
    if (minimum >= count.length)
      return finish(ctx, tx, now.id, 'Failed', {
        code: 'HEALTH_CONSTRAINTS_INVALID',
        message: `The revision cannot be successfully deployed within the instance health constraints specified: ${minimum} instances must stay healthy, and the deployment has ${count.length}.`,
      })
    const at = ctx.now().getTime()
    const started = tx.put(Deployment, {
      ...now,
      status: 'InProgress',
      started: at,
      health,
      phase: { name: first, since: at },
    })
    tx.emit(deploymentChanged(ctx, started))
    for (const target of targets) tx.put(Target, target)
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

/** Machines that a deployment is working on and that do not run any more, or are registered no longer. */
const goneInstances = async (ctx: Ctx, id: string): Promise<Set<string>> => {
  const targets = await ctx.read((tx) => targetsOf(tx, id))
  const gone = new Set<string>()
  for (const { instanceId, arn, status } of targets) {
    if (status !== 'InProgress') continue
    if (arn) {
      if (!(await ctx.read((tx) => isRegistered(tx, instanceId)))) gone.add(instanceId)
      continue
    }
    const found = await ctx.use(instances).describe(ctx.place, instanceId)
    if (found?.state !== 'running' && found?.state !== 'pending') gone.add(instanceId)
  }
  return gone
}

/** The last step of a blue/green deployment whose original instances are not to be kept. */
const terminateOriginals = async (ctx: Ctx, deployment: Deployment): Promise<void> => {
  const targets = await ctx.read((tx) => targetsOf(tx, deployment.id))
  const alive: string[] = []
  for (const { instanceId, label } of targets) {
    const found = label === 'Blue' && (await ctx.use(instances).describe(ctx.place, instanceId))
    if (found && found.state !== 'terminated' && found.state !== 'shutting-down') alive.push(instanceId)
  }
  const outcome = await underRole(ctx, deployment, async (role) => {
    if (alive.length > 0) await role.ec2.terminateInstances({ InstanceIds: alive })
  })
  await ctx.write((tx) =>
    'problem' in outcome
      ? finish(ctx, tx, deployment.id, 'Failed', outcome.problem)
      : finish(ctx, tx, deployment.id, 'Succeeded'),
  )
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
