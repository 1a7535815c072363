import { stamp, uniqueId } from './ids.ts'
import { fail, type Operation } from './operation.ts'
import { pageOfTable, tail } from './page.ts'
import { checkQuota } from './quotas.ts'
import { Attachments, change, findById, Group, getEntity, Memberships, nameKey, User } from './records.ts'
import { toGroup, toUser } from './shapes.ts'

const exists = (name: string) => fail('EntityAlreadyExistsException', `Group with name ${name} already exists.`)

const CreateGroup: Operation<'CreateGroup'> = (ctx, { GroupName, Path }) =>
  change(ctx, async (tx) => {
    if (await tx.get(Group, nameKey(GroupName))) throw exists(GroupName)
    await checkQuota(tx, 'GroupsPerAccount')
    const group = tx.put(Group, {
      name: GroupName,
      path: Path ?? '/',
      id: uniqueId(ctx, 'AGPA'),
      created: stamp(ctx),
      inline: {},
    })
    return { Group: toGroup(ctx.account, group) }
  })

/** The group with a page of its members. */
const GetGroup: Operation<'GetGroup'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const group = await getEntity(tx, 'group', input.GroupName)
    const page = await pageOfTable(tx, Memberships, input, () => true, { prefix: `${group.id}/` })
    const members = await Promise.all(page.items.map(({ user }) => findById(tx, User, user)))
    return {
      Group: toGroup(ctx.account, group),
      Users: members.flatMap((user) => (user ? [toUser(ctx.account, user)] : [])),
      ...tail(page),
    }
  })

const ListGroups: Operation<'ListGroups'> = async (ctx, input) => {
  const start = input.PathPrefix ?? '/'
  const page = await ctx.read((tx) => pageOfTable(tx, Group, input, ({ path }) => path.startsWith(start)))
  return { Groups: page.items.map((group) => toGroup(ctx.account, group)), ...tail(page) }
}

const UpdateGroup: Operation<'UpdateGroup'> = async (ctx, input) => {
  await change(ctx, async (tx) => {
    const group = await getEntity(tx, 'group', input.GroupName)
    const name = input.NewGroupName ?? group.name
    if (nameKey(name) !== nameKey(group.name)) {
      if (await tx.get(Group, nameKey(name))) throw exists(name)
      tx.delete(Group, nameKey(group.name))
    }
    tx.put(Group, { ...group, name, path: input.NewPath ?? group.path })
  })
  return {}
}

const DeleteGroup: Operation<'DeleteGroup'> = async (ctx, { GroupName }) => {
  await change(ctx, async (tx) => {
    const group = await getEntity(tx, 'group', GroupName)
    const left = (what: string) => fail('DeleteConflictException', `Cannot delete entity, ${what} first.`)
    if ((await tx.list(Memberships, { prefix: `${group.id}/`, limit: 1 })).length > 0)
      throw left('must remove users from group')
    if (Object.keys(group.inline).length > 0) throw left('must delete policies')
    if ((await tx.list(Attachments, { index: 'entity', equals: group.id, limit: 1 })).length > 0)
      throw left('must detach all policies')
    tx.delete(Group, nameKey(group.name))
  })
  return {}
}

/** Adding a member again changes nothing. */
const AddUserToGroup: Operation<'AddUserToGroup'> = async (ctx, { GroupName, UserName }) => {
  await change(ctx, async (tx) => {
    const group = await getEntity(tx, 'group', GroupName)
    const user = await getEntity(tx, 'user', UserName)
    const memberships = await tx.list(Memberships, { index: 'user', equals: user.id })
    if (memberships.some((membership) => membership.group === group.id)) return
    if (memberships.length >= 10) throw fail('LimitExceededException', 'Cannot exceed quota for GroupsPerUser: 10')
    tx.put(Memberships, { group: group.id, user: user.id })
  })
  return {}
}

const RemoveUserFromGroup: Operation<'RemoveUserFromGroup'> = async (ctx, { GroupName, UserName }) => {
  await change(ctx, async (tx) => {
    const group = await getEntity(tx, 'group', GroupName)
    const user = await getEntity(tx, 'user', UserName)
    tx.delete(Memberships, Memberships.key({ group: group.id, user: user.id }))
  })
  return {}
}

const ListGroupsForUser: Operation<'ListGroupsForUser'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const user = await getEntity(tx, 'user', input.UserName)
    const page = await pageOfTable(tx, Memberships, input, () => true, { index: 'user', equals: user.id })
    const groups = await Promise.all(page.items.map(({ group }) => findById(tx, Group, group)))
    return { Groups: groups.flatMap((group) => (group ? [toGroup(ctx.account, group)] : [])), ...tail(page) }
  })

export const groups = {
  CreateGroup,
  GetGroup,
  ListGroups,
  UpdateGroup,
  DeleteGroup,
  AddUserToGroup,
  RemoveUserFromGroup,
  ListGroupsForUser,
}
