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

const incorrect = ({ id, state }: Instance, what: string) =>
  fail(
    'IncorrectInstanceState',
    `The instance '${id}' is not in a state from which it can be ${what}. Its state is ${state}.`,
  )

export const StartInstances: Operation<'StartInstances'> = async (ctx, input) => {
  dryRun(input)
  const StartingInstances = await change(ctx, input.InstanceIds, async (instance, tx) => {
    if (instance.state === 'running' || instance.state === 'pending') return instance
    if (instance.state !== 'stopped') throw incorrect(instance, 'started')
    const { stateReason: _reason, ...rest } = instance
    const publicIp = await takePublicAddress(ctx, tx, instance.id)
    return {
      ...rest,
      publicIp,
      state: 'pending',
      wanted: 'running',
      transitionReason: '',
      launched: ctx.now().getTime(),
    }
  })
  return { StartingInstances }
}

export const StopInstances: Operation<'StopInstances'> = async (ctx, input) => {
  if (input.Hibernate) throw fail('UnsupportedHibernationConfiguration', 'Drydock does not hibernate instances.')
  dryRun(input)
  const StoppingInstances = await change(ctx, input.InstanceIds, (instance) => {
    if (instance.state === 'stopped' || instance.state === 'stopping') return instance
    if (instance.state !== 'running' && instance.state !== 'pending') throw incorrect(instance, 'stopped')
    if (instance.disableApiStop)
      throw fail(
        'OperationNotPermitted',
        `The instance '${instance.id}' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.`,
      )
    return { ...instance, ...ending(ctx, 'stopping', 'stopped') }
  })
  return { StoppingInstances }
}

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

export const RebootInstances: Operation<'RebootInstances'> = async (ctx, input) => {
  dryRun(input)
  await change(ctx, input.InstanceIds, (instance, tx) => {
    if (instance.state !== 'running') throw incorrect(instance, 'rebooted')
    tx.wake('ec2.reboot', instance.id)
    return instance
  })
  return {}
}
