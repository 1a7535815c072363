import type { Ctx } from '../../kernel/context.ts'
import type { Place } from '../../store/store.ts'
import type { InstanceProfiles as Found } from '../capabilities.ts'
import { InstanceProfiles, nameKey } from './records.ts'
import { toProfile } from './shapes.ts'

/** Instance profiles for services that launch machines under them. */
export const instanceProfilesProvider = (at: (place: Place) => Ctx): Found => ({
  find: async (place, arnOrName) => {
    const [, , , , account, path] = arnOrName.startsWith('arn:')
      ? arnOrName.split(':')
      : ['', '', '', '', place.account, arnOrName]
    if (account !== place.account) return undefined
    return at(place).read(async (tx) => {
      const profile = await tx.get(InstanceProfiles, nameKey(path?.split('/').at(-1) ?? ''))
      if (!profile) return undefined
      const { Arn = '', InstanceProfileId = '', Roles = [] } = await toProfile(tx, place.account, profile)
      if (arnOrName.startsWith('arn:') && Arn !== arnOrName) return undefined
      const roleArn = Roles[0]?.Arn
      return { arn: Arn, id: InstanceProfileId, ...(roleArn ? { roleArn } : {}) }
    })
  },
})
