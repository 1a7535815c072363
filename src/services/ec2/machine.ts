import { dirname } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { ComputeError, type TaskSpec } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { type MachineAgent, machineAgents } from '../capabilities.ts'
import { releasePublicAddress } from './addresses.ts'
import { privateDns } from './describe.ts'
import { stateChanged } from './events.ts'
import { taskImage } from './images.ts'
import { initProgram } from './init.ts'
import { Instance, Machine, taskOf } from './instance.ts'
import { instanceTypes } from './instance-types.ts'
import { KeyPair } from './key-pairs.ts'
import { ingressOf } from './security-groups.ts'
import { dropTags } from './tags.ts'

/** How often a running machine is looked at, in case its end went unnoticed. */
const lookAgain = 10_000
/** A terminated instance stays visible for a while ("Terminate your instance", EC2 user guide: about an hour). */
const visibleAfterEnd = 3_600_000

/** Brings an instance to where its owner wants it. */
export const instanceReconciler: Reconciler = {
  name: 'ec2.instance',
  step: async (ctx, id) => {
    const instance = await ctx.read((tx) => tx.get(Instance, id))
    if (!instance) return done()
    if (instance.wanted === 'running') return instance.state === 'running' ? watch(ctx, instance) : boot(ctx, instance)
    if (instance.wanted === 'stopped') return instance.state === 'stopped' ? done() : stop(ctx, instance)
    return instance.state === 'terminated' ? forget(ctx, instance) : terminate(ctx, instance)
  },
}

export const rebootReconciler: Reconciler = {
  name: 'ec2.reboot',
  step: async (ctx, id) => {
    const instance = await ctx.read((tx) => tx.get(Instance, id))
    if (instance?.state !== 'running' || !instance.handle) return done()
    await ctx.compute.stop(instance.handle, 5)
    await start(ctx, instance)
    return done()
  },
}

/** Gives every running machine of a VPC the packet rules its security groups say now. */
export const ingressReconciler: Reconciler = {
  name: 'ec2.ingress',
  step: async (ctx, vpcId) => {
    const running = await ctx.read(async (tx) => {
      const found = (await tx.list(Instance, { index: 'vpc', equals: vpcId })).filter(
        ({ state, handle }) => state === 'running' && handle,
      )
      return Promise.all(
        found.map(async ({ handle, groupIds }) => ({ handle, ingress: await ingressOf(tx, groupIds) })),
      )
    })
    for (const { handle, ingress } of running) {
      const task = handle && (await ctx.compute.attach(handle))
      await task?.admit(ingress)
    }
    return done()
  },
}

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
    image: taskImage(instance.imageId),
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
  const text = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes, { maxOutputLength: 1024 * 1024 }) : bytes
  return [{ path: '/opt/drydock/user-data', content: text.toString('utf8'), mode: 0o700 }]
}

/** Starts the machine and follows it to its end, which wakes the instance. */
const start = async (ctx: Ctx, instance: Instance): Promise<void> => {
  const task = await ctx.compute.start(await specOf(ctx, instance))
  await ctx.write(async (tx) => {
    const now = await tx.get(Instance, instance.id)
    if (now) tx.put(Instance, { ...now, handle: task.handle })
  })
  task.wait().then(
    () => ctx.write(async (tx) => tx.wake('ec2.instance', instance.id)).catch(() => {}),
    () => {},
  )
}

const boot = async (ctx: Ctx, instance: Instance) => {
  try {
    await start(ctx, instance)
  } catch (error) {
    if (!(error instanceof ComputeError)) throw error
    ctx.log.warn('an instance could not be started', { instance: instance.id, why: error.message })
    await ended(ctx, instance, 'terminated', {
      code: 'Server.InternalError',
      message: `Server.InternalError: ${error.message}`,
    })
    return again({ in: visibleAfterEnd })
  }
  await ctx.write(async (tx) => {
    const now = await tx.get(Instance, instance.id)
    if (now?.wanted !== 'running') return
    tx.put(Instance, { ...now, state: 'running' })
    tx.emit(stateChanged(ctx, { id: now.id, state: 'running' }))
    tx.wake('ec2.ingress', now.vpcId)
  })
  return again({ in: lookAgain })
}

const watch = async (ctx: Ctx, instance: Instance) => {
  const task = instance.handle && (await ctx.compute.attach(instance.handle))
  const exit =
    task &&
    (await Promise.race([
      task.wait(),
      new Promise<undefined>((resolve) => setImmediate(() => setImmediate(resolve, undefined))),
    ]))
  if (task && !exit) return again({ in: lookAgain })
  const state = instance.shutdownBehavior === 'terminate' && exit ? ('terminated' as const) : ('stopped' as const)
  const reason = exit
    ? {
        code: 'Client.InstanceInitiatedShutdown',
        message: 'Client.InstanceInitiatedShutdown: Instance initiated shutdown',
      }
    : {
        code: 'Server.InternalError',
        message: 'Server.InternalError: The machine was gone after a restart of the host',
      }
  if (state === 'terminated' && instance.handle) await ctx.compute.remove(instance.handle)
  await ended(ctx, instance, state, reason)
  return state === 'terminated' ? again({ in: visibleAfterEnd }) : done()
}

const stop = async (ctx: Ctx, instance: Instance) => {
  if (instance.handle) await ctx.compute.stop(instance.handle, 10)
  await ended(ctx, instance, 'stopped')
  return done()
}

const terminate = async (ctx: Ctx, instance: Instance) => {
  if (instance.handle) {
    await ctx.compute.stop(instance.handle, 2)
    await ctx.compute.remove(instance.handle)
  }
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
    releasePublicAddress(tx, instance.publicIp)
    const { publicIp: _released, ...rest } = instance
    tx.put(Instance, {
      ...rest,
      state,
      wanted: state,
      ...(stateReason ? { stateReason } : {}),
      ...(state === 'terminated' ? { ended: ctx.now().getTime() } : {}),
    })
    tx.emit(stateChanged(ctx, { id, state }))
    tx.wake('ec2.ingress', instance.vpcId)
  })

const forget = async (ctx: Ctx, instance: Instance) => {
  const remaining = (instance.ended ?? 0) + visibleAfterEnd - ctx.now().getTime()
  if (remaining > 0) return again({ in: remaining })
  await ctx.write(async (tx) => {
    tx.delete(Instance, instance.id)
    tx.delete(Machine, taskOf(instance.id))
    await dropTags(tx, instance.id)
  })
  return done()
}
