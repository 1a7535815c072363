import { dirname } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { ComputeError, type Exit, type RunningTask, type TaskSpec } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { type MachineAgent, machineAgents } from '../capabilities.ts'
import { releasePublicAddress } from './addresses.ts'
import { stateChanged } from './events.ts'
import { taskImage } from './images.ts'
import { initProgram } from './init.ts'
import { Instance, Machine, taskOf } from './instance.ts'
import { instanceTypes } from './instance-types.ts'
import { privateDns } from './instance-view.ts'
import { KeyPair } from './key-pairs.ts'
import { forgetCredentials } from './role-credentials.ts'
import { groupsThatAdmit, ingressOf } from './security-groups.ts'
import { dropTags } from './tag.ts'

/** A running machine's end wakes its instance; that it is looked at now and then keeps it known over restarts. */
const lookAgain = 3_600_000
/** A terminated instance stays visible for a while ("Terminate your instance", EC2 user guide: about an hour). */
const visibleAfterEnd = 3_600_000
/** What init gets to end the machine's programs, in seconds; see `init.ts`. */
const grace = 10

/** Brings an instance to where its owner wants it. */
export const instanceReconciler: Reconciler = {
  name: 'ec2.instance',
  atStart: true,
  step: async (ctx, id) => {
    const instance = await ctx.read((tx) => tx.get(Instance, id))
    if (!instance) return done()
    if (instance.wanted === 'stopped') return instance.state === 'stopped' ? done() : stop(ctx, instance)
    if (instance.wanted === 'terminated')
      return instance.state === 'terminated' ? forget(ctx, instance) : terminate(ctx, instance)
    if (instance.state !== 'running') return boot(ctx, instance)
    return instance.rebooting ? reboot(ctx, instance) : watch(ctx, instance)
  },
}

/**
 * A security group has changed, in its rules or in who is in it: the running machines that it concerns get the packet
 * rules of now. Those are its members, and the members of groups that let its members in.
 */
export const ingressReconciler: Reconciler = {
  name: 'ec2.ingress',
  step: async (ctx, groupId) => {
    const concerned = await ctx.read(async (tx) => {
      const groups = new Set([groupId, ...(await groupsThatAdmit(tx, groupId))])
      const machines = (await tx.list(Instance)).filter(
        ({ state, groupIds }) => state === 'running' && groupIds.some((id) => groups.has(id)),
      )
      return Promise.all(
        machines.map(async ({ id, handle, groupIds }) => ({ id, handle, ingress: await ingressOf(tx, groupIds) })),
      )
    })
    for (const { id, handle, ingress } of concerned) {
      const task = handle && (await ctx.compute.attach(handle))
      if (!task || (await exitSoFar(task))) continue
      try {
        await task.admit(ingress)
      } catch (error) {
        // It may have ended meanwhile; what starts again starts with the rules of then.
        if (!(error instanceof ComputeError)) throw error
        ctx.log.warn('packet rules could not be given to an instance', { instance: id, why: error.message })
      }
    }
    return done()
  },
}

/** How a task has ended, if it has. */
const exitSoFar = (task: RunningTask): Promise<Exit | undefined> =>
  Promise.race([task.wait(), new Promise<undefined>((resolve) => setImmediate(() => setImmediate(resolve, undefined)))])

const specOf = async (ctx: Ctx, instance: Instance): Promise<TaskSpec> => {
  const { ingress, publicKey } = await ctx.read(async (tx) => ({
    ingress: await ingressOf(tx, instance.groupIds),
    publicKey: instance.keyName ? (await tx.get(KeyPair, instance.keyName))?.publicKey : undefined,
  }))
  const network = {
    vpc: instance.vpcId,
    subnet: instance.subnetId,
    cidr: instance.subnetCidr,
    address: instance.privateIp,
    ...(instance.publicIp ? { publicAddress: instance.publicIp } : {}),
    ingress,
  }
  const agents = ctx.use(machineAgents).agents()
  const type = instanceTypes[instance.type]
  return {
    id: taskOf(instance.id),
    kind: 'machine',
    image: taskImage(ctx, instance.imageId),
    hostname: privateDns(instance, ctx.region).split('.')[0] ?? instance.id,
    command: ['/bin/sh', '/opt/drydock/init'],
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/drydock/node',
      HOME: '/root',
      AWS_ENDPOINT_URL: ctx.compute.endpointFor(network),
      AWS_REGION: ctx.region,
      AWS_DEFAULT_REGION: ctx.region,
    },
    files: [
      { path: '/opt/drydock/init', content: initProgram(agents), mode: 0o755 },
      ...userDataFile(instance),
      ...(publicKey ? [{ path: '/opt/drydock/authorized_keys', content: `${publicKey}\n`, mode: 0o644 }] : []),
    ],
    mounts: [
      { source: dirname(process.execPath), target: '/opt/drydock/node' },
      ...agents.flatMap((agent: MachineAgent) => agent.mounts),
    ],
    ...(type ? { limits: { memoryMiB: type.memoryMiB, cpus: type.cpus } } : {}),
    network,
  }
}

const userDataFile = ({ userData }: Instance): { path: string; content: string; mode: number }[] => {
  if (!userData) return []
  const bytes = Buffer.from(userData, 'base64')
  return [{ path: '/opt/drydock/user-data', content: unpacked(bytes).toString('utf8'), mode: 0o700 }]
}

/** User data may be gzipped; what cannot be unpacked is left for init to refuse. */
const unpacked = (bytes: Buffer): Buffer => {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes
  try {
    return gunzipSync(bytes, { maxOutputLength: 1024 * 1024 })
  } catch {
    return bytes
  }
}

/** The machine's end wakes its instance. */
const follow = (ctx: Ctx, { id }: Instance, task: RunningTask): void => {
  task
    .wait()
    .then(() => ctx.write(async (tx) => tx.wake('ec2.instance', id)))
    // The server has closed: the next one looks.
    .catch(() => {})
}

const start = async (ctx: Ctx, instance: Instance): Promise<void> => {
  const task = await ctx.compute.start(await specOf(ctx, instance))
  follow(ctx, instance, task)
  await ctx.write(async (tx) => {
    const now = await tx.get(Instance, instance.id)
    if (!now) return
    const { rebooting: _done, ...rest } = now
    const running = now.wanted === 'running' && now.state !== 'running'
    tx.put(Instance, { ...rest, ...(running ? { state: 'running' } : {}), handle: task.handle })
    if (!running) return
    tx.emit(stateChanged(ctx, { id: now.id, state: 'running' }))
    for (const group of now.groupIds) tx.wake('ec2.ingress', group)
  })
}

const boot = async (ctx: Ctx, instance: Instance) => {
  try {
    await start(ctx, instance)
    return again({ in: lookAgain })
  } catch (error) {
    if (!(error instanceof ComputeError)) throw error
    ctx.log.warn('an instance could not be started', { instance: instance.id, why: error.message })
    const stateReason = { code: 'Server.InternalError', message: `Server.InternalError: ${error.message}` }
    // One that has run keeps its files; one that never ran is gone ("Troubleshoot instance launch issues").
    if (instance.handle) {
      await ended(ctx, instance, 'stopped', stateReason)
      return done()
    }
    await ctx.compute.remove({ id: taskOf(instance.id), driver: ctx.compute.name, data: {} })
    await ended(ctx, instance, 'terminated', stateReason)
    return again({ in: visibleAfterEnd })
  }
}

const reboot = async (ctx: Ctx, instance: Instance) => {
  if (instance.handle) await ctx.compute.stop(instance.handle, grace)
  return boot(ctx, instance)
}

const watch = async (ctx: Ctx, instance: Instance) => {
  const task = instance.handle && (await ctx.compute.attach(instance.handle))
  const exit = task && (await exitSoFar(task))
  if (task && !exit) {
    follow(ctx, instance, task)
    return again({ in: lookAgain })
  }
  if (!exit || exit.reason === 'lost') {
    await ended(ctx, instance, 'stopped', {
      code: 'Server.InternalError',
      message: 'Server.InternalError: The machine was gone: its host has restarted, or it was killed from outside',
    })
    return done()
  }
  const stateReason =
    exit.reason === 'out-of-memory'
      ? { code: 'Server.InternalError', message: 'Server.InternalError: The machine ran out of memory' }
      : {
          code: 'Client.InstanceInitiatedShutdown',
          message: 'Client.InstanceInitiatedShutdown: Instance initiated shutdown',
        }
  if (instance.shutdownBehavior === 'stop') {
    await ended(ctx, instance, 'stopped', stateReason)
    return done()
  }
  if (instance.handle) await ctx.compute.remove(instance.handle)
  await ended(ctx, instance, 'terminated', stateReason)
  return again({ in: visibleAfterEnd })
}

const stop = async (ctx: Ctx, instance: Instance) => {
  if (instance.handle) await ctx.compute.stop(instance.handle, grace)
  await ended(ctx, instance, 'stopped')
  return done()
}

const terminate = async (ctx: Ctx, instance: Instance) => {
  const handle = instance.handle ?? { id: taskOf(instance.id), driver: ctx.compute.name, data: {} }
  await ctx.compute.stop(handle, 2)
  await ctx.compute.remove(handle)
  await ended(ctx, instance, 'terminated')
  return again({ in: visibleAfterEnd })
}

const ended = (
  ctx: Ctx,
  { id }: Instance,
  state: 'stopped' | 'terminated',
  stateReason?: Instance['stateReason'],
): Promise<void> =>
  ctx.write(async (tx) => {
    const instance = await tx.get(Instance, id)
    if (!instance || instance.state === state) return
    // Terminated while it was being stopped: the next step does that.
    if (state === 'stopped' && instance.wanted === 'terminated') return
    releasePublicAddress(tx, instance.publicIp)
    const { publicIp: _released, rebooting: _forgotten, ...rest } = instance
    tx.put(Instance, {
      ...rest,
      state,
      wanted: state,
      ...(stateReason ? { stateReason } : {}),
      ...(state === 'terminated' ? { ended: ctx.now().getTime() } : {}),
    })
    tx.emit(stateChanged(ctx, { id, state }))
    if (state === 'terminated') for (const group of instance.groupIds) tx.wake('ec2.ingress', group)
  })

const forget = async (ctx: Ctx, instance: Instance) => {
  const remaining = (instance.ended ?? 0) + visibleAfterEnd - ctx.now().getTime()
  if (remaining > 0) return again({ in: remaining })
  await ctx.write(async (tx) => {
    tx.delete(Instance, instance.id)
    tx.delete(Machine, taskOf(instance.id))
    forgetCredentials(tx, instance.id)
    await dropTags(tx, instance.id)
    await dropTags(tx, instance.networkInterfaceId)
  })
  return done()
}
