import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import { takePublicAddress } from './addresses.ts'
import { stateChanged } from './events.ts'
import { getInstances, Instance, type InstanceState, toState, userInitiated } from './instance.ts'
import { dryRun, fail, type Operation } from './operation.ts'

/** Moves instances on and says what they were and are; the reconciler does the work. */
const change = (
  ctx: Ctx,
  ids: readonly string[],
  next: (instance: Instance, tx: WriteTx) => Promise<Instance> | Instance,
): Promise<
  { InstanceId: string; PreviousState: ReturnType<typeof toState>; CurrentState: ReturnType<typeof toState> }[]
> =>
  ctx.write(async (tx) => {
    const before = await getInstances(tx, ids)
    const after: Instance[] = []
    for (const instance of before) after.push(await next(instance, tx))
    return before.map((instance, index) => {
      const moved = after[index] ?? instance
      if (moved !== instance) {
        tx.put(Instance, moved)
        tx.wake('ec2.instance', moved.id)
        if (moved.state !== instance.state) tx.emit(stateChanged(ctx, moved))
      }
      return { InstanceId: instance.id, PreviousState: toState(instance.state), CurrentState: toState(moved.state) }
    })
  })

const incorrect = ({ id }: Instance, what: string) =>
  fail('IncorrectInstanceState', `The instance '${id}' is not in a state from which it can be ${what}.`)

/** Starts stopped instances; one that runs is left as it is. Errors: IncorrectInstanceState, InvalidInstanceID.NotFound. */
export const StartInstances: Operation<'StartInstances'> = async (ctx, input) => {
  dryRun(input)
  const StartingInstances = await change(ctx, input.InstanceIds, async (instance, tx) => {
    if (instance.state === 'running' || instance.state === 'pending') return instance
    if (instance.state !== 'stopped') throw incorrect(instance, 'started')
    const { stateReason: _reason, rebooting: _reboot, ...rest } = instance
    return {
      ...rest,
      ...(instance.hasPublicIp ? { publicIp: await takePublicAddress(ctx, tx, instance.id) } : {}),
      state: 'pending',
      wanted: 'running',
      transitionReason: '',
      launched: ctx.now().getTime(),
    }
  })
  return { StartingInstances }
}

/** Stops running instances; their files stay, their public addresses go. Errors: IncorrectInstanceState, OperationNotPermitted. */
export const StopInstances: Operation<'StopInstances'> = async (ctx, input) => {
  if (input.Hibernate) throw fail('UnsupportedHibernationConfiguration', 'Drydock does not hibernate instances.')
  dryRun(input)
  const StoppingInstances = await change(ctx, input.InstanceIds, (instance) => {
    if (instance.state === 'stopped' || instance.state === 'stopping') return instance
    if (instance.state !== 'running') throw incorrect(instance, 'stopped')
    if (instance.disableApiStop)
      throw fail(
        'OperationNotPermitted',
        `The instance '${instance.id}' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.`,
      )
    return { ...instance, ...ending(ctx, 'stopping', 'stopped') }
  })
  return { StoppingInstances }
}

/** Ends instances and forgets their files. Errors: OperationNotPermitted for one that is protected; then none is terminated. */
export const TerminateInstances: Operation<'TerminateInstances'> = async (ctx, input) => {
  dryRun(input)
  const TerminatingInstances = await change(ctx, input.InstanceIds, (instance) => {
    if (instance.state === 'terminated' || instance.state === 'shutting-down') return instance
    if (instance.disableApiTermination)
      throw fail(
        'OperationNotPermitted',
        `The instance '${instance.id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.`,
      )
    return { ...instance, ...ending(ctx, 'shutting-down', 'terminated') }
  })
  return { TerminatingInstances }
}

const ending = (ctx: Ctx, state: InstanceState, wanted: Instance['wanted']) => ({
  state,
  wanted,
  transitionReason: userInitiated(ctx),
  stateReason: {
    code: 'Client.UserInitiatedShutdown',
    message: 'Client.UserInitiatedShutdown: User initiated shutdown',
  },
})

/** Restarts machines; files, private and public addresses stay. */
export const RebootInstances: Operation<'RebootInstances'> = async (ctx, input) => {
  dryRun(input)
  await change(ctx, input.InstanceIds, (instance) => {
    if (instance.state !== 'running') throw incorrect(instance, 'rebooted')
    return { ...instance, rebooting: true }
  })
  return {}
}
