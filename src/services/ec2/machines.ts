import { buffer } from 'node:stream/consumers'
import { ComputeError, type RunningTask } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { identity } from '../../kernel/identity.ts'
import { servicePrincipal } from '../../kernel/principal.ts'
import type { Place } from '../../store/store.ts'
import type { MachineFacts, Machines } from '../capabilities.ts'
import { Instance } from './instance.ts'
import { privateDns } from './instance-view.ts'
import { roleOf } from './role-credentials.ts'
import { allTags } from './tag.ts'

const toFacts = async (ctx: Ctx, instance: Instance, tags: Readonly<Record<string, string>>): Promise<MachineFacts> => {
  const roleArn = await roleOf(ctx, instance)
  return {
    instanceId: instance.id,
    running: instance.state === 'running',
    tags,
    privateIp: instance.privateIp,
    hostname: privateDns(instance, ctx.region),
    ...(roleArn === undefined ? {} : { roleArn }),
    launched: instance.launched,
  }
}

/** What runs as this instance; `undefined` where nothing does. */
const taskOf = async (ctx: Ctx, instanceId: string): Promise<RunningTask | undefined> => {
  const instance = await ctx.read((tx) => tx.get(Instance, instanceId))
  return instance?.state === 'running' && instance.handle ? ctx.compute.attach(instance.handle) : undefined
}

/** Instances from within, for Systems Manager. */
export const makeMachines = (at: (place: Place) => Ctx): Machines => ({
  list: async (place) => {
    const ctx = at(place)
    const { found, tags } = await ctx.read(async (tx) => ({
      found: (await tx.list(Instance)).filter(({ state }) => state === 'running'),
      tags: await allTags(tx),
    }))
    return Promise.all(found.map((instance) => toFacts(ctx, instance, tags(instance.id))))
  },
  find: async (place, instanceId) => {
    const ctx = at(place)
    const { found, tags } = await ctx.read(async (tx) => ({
      found: await tx.get(Instance, instanceId),
      tags: await allTags(tx),
    }))
    return found && toFacts(ctx, found, tags(instanceId))
  },
  principal: async (place, instanceId) => {
    const ctx = at(place)
    const instance = await ctx.read((tx) => tx.get(Instance, instanceId))
    const roleArn = instance && (await roleOf(ctx, instance))
    if (roleArn === undefined) return undefined
    return ctx.use(identity).assume({ roleArn, sessionName: instanceId, by: servicePrincipal('ec2.amazonaws.com') })
  },
  exec: async (place, instanceId, command, input) => {
    const task = await taskOf(at(place), instanceId)
    if (!task) return undefined
    try {
      const execution = await task.exec(command, input ? { input } : {})
      const [output, { code, reason }] = await Promise.all([buffer(execution.output), execution.wait()])
      return reason === 'lost' ? undefined : { code, output }
    } catch (error) {
      // It has ended meanwhile.
      if (error instanceof ComputeError) return undefined
      throw error
    }
  },
  terminal: async (place, instanceId, command, size, env) =>
    (await taskOf(at(place), instanceId))?.terminal(command, size, { env }),
})
