import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { nameInArn } from './ids.ts'
import { findManaged } from './managed.ts'
import { findRoleByArn } from './names.ts'
import {
  Attachments,
  findById,
  Group,
  type GroupRecord,
  type Kind,
  Memberships,
  nameKey,
  type RoleRecord,
  User,
  type UserRecord,
} from './records.ts'
import { groupArn, userArn } from './shapes.ts'

export type Entity =
  | { readonly kind: 'user'; readonly record: UserRecord }
  | { readonly kind: 'group'; readonly record: GroupRecord }
  | { readonly kind: 'role'; readonly record: RoleRecord }

/** The user, group or role with this ARN, path and all. */
export const findEntity = async (tx: ReadTx, account: string, arn: string): Promise<Entity | undefined> => {
  const name = (type: string) => nameKey(nameInArn(arn, account, type) ?? '')
  const user = await tx.get(User, name('user'))
  if (user && userArn(account, user) === arn) return { kind: 'user', record: user }
  const group = await tx.get(Group, name('group'))
  if (group && groupArn(account, group) === arn) return { kind: 'group', record: group }
  const role = await findRoleByArn(tx, account, arn)
  return role && { kind: 'role', record: role }
}

/** A permissions policy and who holds it. Managed ones have an ARN. */
export type HeldPolicy = {
  readonly name: string
  readonly arn?: string
  readonly holder: { readonly kind: Kind; readonly name: string }
  readonly text: string
}

/** The permissions policies of a user (those of his groups too), group or role: inline ones, then managed ones. */
export const policiesHeld = async (ctx: Ctx, entity: Entity): Promise<HeldPolicy[]> => {
  const holders = await ctx.read(async (tx) => {
    const groups =
      entity.kind === 'user'
        ? await Promise.all(
            (await tx.list(Memberships, { index: 'user', equals: entity.record.id })).map(({ group }) =>
              findById(tx, Group, group),
            ),
          )
        : []
    const all: Entity[] = [entity, ...groups.flatMap((record) => (record ? [{ kind: 'group' as const, record }] : []))]
    return Promise.all(
      all.map(async ({ kind, record }) => ({
        holder: { kind, name: record.name },
        inline: record.inline,
        attached: await tx.list(Attachments, { index: 'entity', equals: record.id }),
      })),
    )
  })
  const held = await Promise.all(
    holders.map(async ({ holder, inline, attached }) => [
      ...Object.entries(inline).map(([name, text]) => ({ name, holder, text })),
      ...(await Promise.all(attached.map(({ policy }) => findManaged(ctx, policy)))).flatMap((policy) =>
        policy ? [{ name: policy.name, arn: policy.arn, holder, text: policy.document }] : [],
      ),
    ]),
  )
  return held.flat()
}
