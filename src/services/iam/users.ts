import type { User as WireUser } from '@aws-sdk/client-iam'
import { foldAccesses } from './access-notes.ts'
import { LoginProfiles, MfaDevices, SigningCertificates } from './credential-records.ts'
import { stamp, uniqueId } from './ids.ts'
import { checkBoundary } from './managed.ts'
import { namedOrCaller } from './names.ts'
import { fail, type Operation } from './operation.ts'
import { pageOfTable, tail } from './page.ts'
import { checkQuota } from './quotas.ts'
import {
  AccessKeys,
  Attachments,
  change,
  getEntity,
  Memberships,
  nameKey,
  ServiceCredentials,
  SshKeys,
  User,
  type UserRecord,
} from './records.ts'
import { boundaryOf, toUser } from './shapes.ts'
import { tagPage, toTags, withoutTags, withTags } from './tags.ts'

/** What GetUser and CreateUser say beyond lists. */
const toFullUser = (account: string, user: UserRecord): WireUser => ({
  ...toUser(account, user),
  ...boundaryOf(user),
  ...(Object.keys(user.tags).length > 0 ? { Tags: toTags(user.tags) } : {}),
})

const CreateUser: Operation<'CreateUser'> = async (ctx, input) => {
  await checkBoundary(ctx, input.PermissionsBoundary)
  return change(ctx, async (tx) => {
    if (await tx.get(User, nameKey(input.UserName)))
      throw fail('EntityAlreadyExistsException', `User with name ${input.UserName} already exists.`)
    await checkQuota(tx, 'UsersPerAccount')
    const user = tx.put(User, {
      name: input.UserName,
      path: input.Path ?? '/',
      id: uniqueId(ctx, 'AIDA'),
      created: stamp(ctx),
      inline: {},
      tags: withTags({}, input.Tags),
      ...(input.PermissionsBoundary ? { boundary: input.PermissionsBoundary } : {}),
    })
    return { User: toFullUser(ctx.account, user) }
  })
}

/** Without a name: who calls. The root user is a user here too. */
const GetUser: Operation<'GetUser'> = async (ctx, { UserName }) => {
  if (UserName === undefined && ctx.principal.kind === 'root')
    return {
      User: {
        Path: '/',
        UserName: '<root_account>',
        UserId: ctx.account,
        Arn: ctx.principal.arn,
        CreateDate: new Date(0),
      },
    }
  const user = await ctx.read((tx) => namedOrCaller(ctx, tx, UserName))
  return { User: toFullUser(ctx.account, user) }
}

const ListUsers: Operation<'ListUsers'> = async (ctx, input) => {
  const start = input.PathPrefix ?? '/'
  const page = await ctx.read((tx) => pageOfTable(tx, User, input, ({ path }) => path.startsWith(start)))
  return { Users: page.items.map((user) => toUser(ctx.account, user)), ...tail(page) }
}

const UpdateUser: Operation<'UpdateUser'> = async (ctx, input) => {
  await change(ctx, async (tx) => {
    const user = await getEntity(tx, 'user', input.UserName)
    const name = input.NewUserName ?? user.name
    if (nameKey(name) !== nameKey(user.name)) {
      if (await tx.get(User, nameKey(name)))
        throw fail('EntityAlreadyExistsException', `User with name ${name} already exists.`)
      tx.delete(User, nameKey(user.name))
    }
    tx.put(User, { ...user, name, path: input.NewPath ?? user.path })
  })
  return {}
}

/** Refused while something of the user's is left, in AWS's order. */
const DeleteUser: Operation<'DeleteUser'> = async (ctx, { UserName }) => {
  await change(ctx, async (tx) => {
    const user = await getEntity(tx, 'user', UserName)
    const owner = `${ctx.account}/${user.id}`
    const left = (what: string) => fail('DeleteConflictException', `Cannot delete entity, ${what} first.`)
    if ((await tx.list(AccessKeys, { index: 'user', equals: owner, limit: 1 })).length > 0)
      throw left('must delete access keys')
    if (await tx.get(LoginProfiles, user.id)) throw left('must delete login profile')
    if ((await tx.list(SigningCertificates, { index: 'user', equals: user.id, limit: 1 })).length > 0)
      throw left('must delete signing certificates')
    if ((await tx.list(MfaDevices, { index: 'user', equals: user.id, limit: 1 })).length > 0)
      throw left('must delete MFA device')
    if (Object.keys(user.inline).length > 0) throw left('must delete policies')
    if ((await tx.list(Attachments, { index: 'entity', equals: user.id, limit: 1 })).length > 0)
      throw left('must detach all policies')
    if ((await tx.list(Memberships, { index: 'user', equals: user.id, limit: 1 })).length > 0)
      throw left('must remove users from group')
    if ((await tx.list(ServiceCredentials, { index: 'user', equals: owner, limit: 1 })).length > 0)
      throw left('must delete service specific credentials')
    if ((await tx.list(SshKeys, { index: 'user', equals: user.id, limit: 1 })).length > 0)
      throw left('must delete SSH public keys')
    await foldAccesses(tx, user.id)
    tx.delete(User, nameKey(user.name))
  })
  return {}
}

const TagUser: Operation<'TagUser'> = async (ctx, { UserName, Tags }) => {
  await change(ctx, async (tx) => {
    const user = await getEntity(tx, 'user', UserName)
    tx.put(User, { ...user, tags: withTags(user.tags, Tags) })
  })
  return {}
}

const UntagUser: Operation<'UntagUser'> = async (ctx, { UserName, TagKeys }) => {
  await change(ctx, async (tx) => {
    const user = await getEntity(tx, 'user', UserName)
    tx.put(User, { ...user, tags: withoutTags(user.tags, TagKeys) })
  })
  return {}
}

const ListUserTags: Operation<'ListUserTags'> = async (ctx, input) =>
  tagPage((await ctx.read((tx) => getEntity(tx, 'user', input.UserName))).tags, input)

export const users = { CreateUser, GetUser, ListUsers, UpdateUser, DeleteUser, TagUser, UntagUser, ListUserTags }
