import type { Ctx } from '../../kernel/context.ts'
import type { Place } from '../../store/store.ts'
import type { Instances } from '../capabilities.ts'
import { Instance, Machine } from './instance.ts'
import { allTags } from './tag.ts'

/** Instances for other services: CodeDeploy finds its targets by tags, doors find whose machine asks. */
export const makeInstances = (at: (place: Place) => Ctx): Instances => ({
  byTags: (place, groups) =>
    at(place).read(async (tx) => {
      const tags = await allTags(tx)
      const running = (await tx.list(Instance)).filter(({ state }) => state === 'running')
      return running
        .filter(({ id }) =>
          groups.every((filters) =>
            filters.some(({ key, value, type }) => {
              const own = Object.entries(tags(id))
              if (type === 'KEY_ONLY') return own.some(([name]) => name === key)
              if (type === 'VALUE_ONLY') return own.some(([, text]) => text === value)
              return own.some(([name, text]) => name === key && text === value)
            }),
          ),
        )
        .map(({ id }) => id)
    }),
  describe: (place, instanceId) =>
    at(place).read(async (tx) => {
      const found = await tx.get(Instance, instanceId)
      return (
        found && { instanceId, state: found.state, ...(found.profile ? { instanceProfileArn: found.profile.arn } : {}) }
      )
    }),
  ofTask: async (task) => {
    const machine = await at({ account: '', region: '' }).read((tx) => tx.get(Machine, task))
    return machine && { place: machine.place, instanceId: machine.instanceId, accountId: machine.place.account }
  },
})
