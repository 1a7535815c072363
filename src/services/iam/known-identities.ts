import type { Ctx } from '../../kernel/context.ts'
import type { Place } from '../../store/store.ts'
import type { KnownIdentities } from '../capabilities.ts'
import { nameKey, Role, User } from './records.ts'

/** What an ARN names: a user by the end of his path, a role by its own or by a session's ARN. */
const named = (arn: string) => {
  const [, account, type, rest] = /^arn:aws:(?:iam|sts)::(\d{12}):(user|role|assumed-role)\/(.+)$/.exec(arn) ?? []
  if (account === undefined || rest === undefined) return undefined
  const parts = rest.split('/')
  const name = (type === 'assumed-role' ? parts[0] : parts.at(-1)) ?? ''
  return { account, table: type === 'user' ? User : Role, name }
}

export const knownIdentitiesProvider = (at: (place: Place) => Ctx): KnownIdentities => ({
  deleted: async (arns) => {
    const gone = new Set<string>()
    for (const arn of new Set(arns)) {
      const identity = named(arn)
      if (!identity) continue
      const { account, table, name } = identity
      const found = await at({ account, region: 'us-east-1' }).read(async (tx) =>
        table === User ? tx.get(User, nameKey(name)) : tx.get(Role, nameKey(name)),
      )
      if (!found) gone.add(arn)
    }
    return gone
  },
})
