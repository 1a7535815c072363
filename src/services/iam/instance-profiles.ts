import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { iamArn, stamp, uniqueId } from './ids.ts'
import { fail, type Operation } from './operation.ts'
import { pageOfTable, tail } from './page.ts'
import { checkQuota } from './quotas.ts'
import { change, getEntity, type InstanceProfileRecord, InstanceProfiles, nameKey, refuseLinked } from './records.ts'
import { toProfile } from './shapes.ts'
import { tagPage, withoutTags, withTags } from './tags.ts'

const getProfile = async (tx: ReadTx, name: string): Promise<InstanceProfileRecord> => {
  const profile = await tx.get(InstanceProfiles, nameKey(name))
  if (!profile) throw fail('NoSuchEntityException', `Instance Profile ${name} cannot be found.`)
  return profile
}

const CreateInstanceProfile: Operation<'CreateInstanceProfile'> = (ctx, input) =>
  ctx.write(async (tx) => {
    if (await tx.get(InstanceProfiles, nameKey(input.InstanceProfileName)))
      throw fail('EntityAlreadyExistsException', `Instance Profile ${input.InstanceProfileName} already exists.`)
    await checkQuota(tx, 'InstanceProfilesPerAccount')
    const profile: InstanceProfileRecord = tx.put(InstanceProfiles, {
      name: input.InstanceProfileName,
      path: input.Path ?? '/',
      id: uniqueId(ctx, 'AIPA'),
      created: stamp(ctx),
      tags: withTags({}, input.Tags),
    })
    return { InstanceProfile: await toProfile(tx, ctx.account, profile) }
  })

const GetInstanceProfile: Operation<'GetInstanceProfile'> = (ctx, { InstanceProfileName }) =>
  ctx.read(async (tx) => ({
    InstanceProfile: await toProfile(tx, ctx.account, await getProfile(tx, InstanceProfileName)),
  }))

const listed = async (ctx: Ctx, tx: ReadTx, page: Awaited<ReturnType<typeof pageOfTable<InstanceProfileRecord>>>) => ({
  InstanceProfiles: await Promise.all(page.items.map((profile) => toProfile(tx, ctx.account, profile))),
  ...tail(page),
})

const ListInstanceProfiles: Operation<'ListInstanceProfiles'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const start = input.PathPrefix ?? '/'
    return listed(ctx, tx, await pageOfTable(tx, InstanceProfiles, input, ({ path }) => path.startsWith(start)))
  })

const ListInstanceProfilesForRole: Operation<'ListInstanceProfilesForRole'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const role = await getEntity(tx, 'role', input.RoleName)
    const options = { index: 'role', equals: role.id }
    return listed(ctx, tx, await pageOfTable(tx, InstanceProfiles, input, () => true, options))
  })

/** One role at most. The caller must be allowed to pass it to EC2. */
const AddRoleToInstanceProfile: Operation<'AddRoleToInstanceProfile'> = async (ctx, input) => {
  const named = await ctx.read((tx) => getEntity(tx, 'role', input.RoleName))
  await ctx.authorize('iam:PassRole', iamArn(ctx.account, 'role', named), {
    'iam:PassedToService': ['ec2.amazonaws.com'],
  })
  await ctx.write(async (tx) => {
    const profile = await getProfile(tx, input.InstanceProfileName)
    const role = refuseLinked(await getEntity(tx, 'role', input.RoleName))
    if (profile.role !== undefined)
      throw fail('LimitExceededException', 'Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1')
    tx.put(InstanceProfiles, { ...profile, role: role.id })
  })
  return {}
}

const RemoveRoleFromInstanceProfile: Operation<'RemoveRoleFromInstanceProfile'> = async (ctx, input) => {
  await ctx.write(async (tx) => {
    const { role: held, ...profile } = await getProfile(tx, input.InstanceProfileName)
    const role = await getEntity(tx, 'role', input.RoleName)
    if (held !== role.id)
      throw fail('NoSuchEntityException', `Role ${input.RoleName} in Instance Profile ${profile.name} cannot be found.`)
    tx.put(InstanceProfiles, profile)
  })
  return {}
}

const DeleteInstanceProfile: Operation<'DeleteInstanceProfile'> = async (ctx, { InstanceProfileName }) => {
  await ctx.write(async (tx) => {
    const profile = await getProfile(tx, InstanceProfileName)
    if (profile.role !== undefined)
      throw fail('DeleteConflictException', 'Cannot delete entity, must remove roles from instance profile first.')
    tx.delete(InstanceProfiles, nameKey(profile.name))
  })
  return {}
}

const TagInstanceProfile: Operation<'TagInstanceProfile'> = async (ctx, { InstanceProfileName, Tags }) => {
  await change(ctx, async (tx) => {
    const profile = await getProfile(tx, InstanceProfileName)
    tx.put(InstanceProfiles, { ...profile, tags: withTags(profile.tags, Tags) })
  })
  return {}
}

const UntagInstanceProfile: Operation<'UntagInstanceProfile'> = async (ctx, { InstanceProfileName, TagKeys }) => {
  await change(ctx, async (tx) => {
    const profile = await getProfile(tx, InstanceProfileName)
    tx.put(InstanceProfiles, { ...profile, tags: withoutTags(profile.tags, TagKeys) })
  })
  return {}
}

const ListInstanceProfileTags: Operation<'ListInstanceProfileTags'> = async (ctx, input) =>
  tagPage((await ctx.read((tx) => getProfile(tx, input.InstanceProfileName))).tags, input)

export const instanceProfiles = {
  CreateInstanceProfile,
  GetInstanceProfile,
  ListInstanceProfiles,
  ListInstanceProfilesForRole,
  AddRoleToInstanceProfile,
  RemoveRoleFromInstanceProfile,
  DeleteInstanceProfile,
  TagInstanceProfile,
  UntagInstanceProfile,
  ListInstanceProfileTags,
}
