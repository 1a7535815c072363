import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { nameInArn } from './ids.ts'
import { invalid } from './operation.ts'
import { findById, getEntity, nameKey, Role, type RoleRecord, User, type UserRecord } from './records.ts'
import { roleArn } from './shapes.ts'

/** The user of this name; without one, the user who calls. Throws NoSuchEntity, ValidationError. */
export const namedOrCaller = async (ctx: Ctx, tx: ReadTx, name: string | undefined): Promise<UserRecord> => {
  if (name !== undefined) return getEntity(tx, 'user', name)
  const caller = ctx.principal.kind === 'user' ? await findById(tx, User, ctx.principal.id) : undefined
  if (!caller) throw invalid('Must specify userName when calling with non-User credentials')
  return caller
}

/** The role with this ARN, path and all, in this transaction's account. */
export const findRoleByArn = async (tx: ReadTx, account: string, arn: string): Promise<RoleRecord | undefined> => {
  const name = nameInArn(arn, account, 'role')
  const role = name === undefined ? undefined : await tx.get(Role, nameKey(name))
  return role && roleArn(account, role) === arn ? role : undefined
}
