import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import { Deployment } from './deployment.ts'
import { Group, getGroup } from './deployment-groups.ts'
import { begin } from './deployments.ts'
import { deploymentChanged } from './events.ts'

/** What a deployment that was stopped shows. */
export const stopped = ({ stop }: Deployment): NonNullable<Deployment['error']> =>
  stop?.alarm
    ? { code: 'ALARM_ACTIVE', message: stop.alarm }
    : { code: 'MANUAL_STOP', message: 'The deployment was stopped by a user.' }

/** Ends a deployment, and rolls back where that is asked for. */
export const finish = async (
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
    if (!group) return
    tx.put(Group, { ...group, lastSuccessful: id })
    if (deployment.style.type === 'IN_PLACE' && group.outdatedInstances !== 'IGNORE') tx.wake('codedeploy.outdated', id)
    return
  }
  const { enabled, events } = deployment.autoRollback
  const wanted = status === 'Stopped' ? deployment.stop?.rollback : enabled && events.includes('DEPLOYMENT_FAILURE')
  if (!wanted || deployment.creator === 'codeDeployRollback' || !group) return
  await rollBack(ctx, tx, ended, group)
}

/**
 * Deploys the last good revision again; in a blue/green deployment leads traffic back to the original instances, which
 * still have it ("Redeploy and roll back a deployment", user guide).
 */
const rollBack = async (ctx: Ctx, tx: WriteTx, failed: Deployment, group: Group): Promise<void> => {
  const say = (message: string) => tx.put(Deployment, { ...failed, rollback: { message } })
  const last = group.lastSuccessful === undefined ? undefined : await tx.get(Deployment, group.lastSuccessful)
  const blueGreen = failed.style.type === 'BLUE_GREEN'
  if (blueGreen && (!failed.phase || failed.phase.name === 'install' || failed.phase.name === 'ready'))
    return void say('No rollback was needed: traffic had not been rerouted from the original instances.')
  if (!blueGreen && !last)
    return void say('The rollback failed: there is no previous successful deployment to roll back to.')
  const revision = last?.revision ?? failed.revision
  const what = last ? `the revision of ${last.id}` : 'the original instances'
  const deployment = await begin(ctx, tx, await getGroup(tx, failed.application, failed.group), revision, {
    config: failed.config,
    creator: 'codeDeployRollback',
    style: failed.style,
    ...(failed.blueGreen ? { blueGreen: failed.blueGreen } : {}),
    // A version that does not run need not stop properly.
    ignoreStopFailures: true,
    // Files that are in the way are dealt with as the deployment did that is done again.
    fileExists: (last ?? failed).fileExists,
    autoRollback: { enabled: false, events: [] },
    description: `Automatic rollback of ${failed.id} to ${what}`,
    rollback: { triggeringId: failed.id, message: `Rollback of the deployment ${failed.id}` },
  })
  tx.put(Deployment, {
    ...failed,
    rollback: { deploymentId: deployment.id, message: `Deployment ${failed.id} was rolled back by ${deployment.id}` },
  })
}
