import type { Ctx } from '../../kernel/context.ts'
import type { Place } from '../../store/store.ts'
import type { Principals } from '../capabilities.ts'
import { iamArn, nameInArn } from './ids.ts'
import { findRoleByArn } from './names.ts'
import { findById, nameKey, Role, User } from './records.ts'

/**
 * Whether a policy may name this principal. Accounts and sessions are taken at their word; ids and ARNs of identities must be
 * of ones that are there, ids in this account (IAM user guide, "AWS JSON policy elements: Principal").
 */
export const principalExists = async (
  at: (place: Place) => Pick<Ctx, 'read'>,
  place: Place,
  name: string,
): Promise<boolean> => {
  if (/^A[A-Z0-9]{15,}$/.test(name))
    return at(place).read(
      async (tx) => ((await findById(tx, User, name)) ?? (await findById(tx, Role, name))) !== undefined,
    )
  const account = name.split(':')[4]
  if (account === undefined || !/^arn:aws:iam::\d{12}:(user|role)\//.test(name)) return true
  return at({ account, region: place.region }).read(async (tx) => {
    if (nameInArn(name, account, 'role') !== undefined) return (await findRoleByArn(tx, account, name)) !== undefined
    const user = await tx.get(User, nameKey(nameInArn(name, account, 'user') ?? ''))
    return user !== undefined && iamArn(account, 'user', user) === name
  })
}

export const principalsProvider = (at: (place: Place) => Ctx): Principals => ({
  exists: (place, name) => principalExists(at, place, name),
})
