import type { Ctx } from '../../kernel/context.ts'
import { isAwsManaged } from './aws-managed.ts'
import { findLocal, findManaged } from './managed.ts'
import { fail, type Operation } from './operation.ts'
import { pageOfList, tail } from './page.ts'
import { Attachments, change, findById, Group, getEntity, type Kind, Role, refuseLinked, User } from './records.ts'

const nameOf = (arn: string) => arn.slice(arn.lastIndexOf('/') + 1)

/** Attaching again changes nothing. Throws NoSuchEntity, LimitExceeded, PolicyNotAttachable. */
const attach = async (ctx: Ctx, kind: Kind, name: string, arn: string) => {
  if (!(await findManaged(ctx, arn)))
    throw fail('NoSuchEntityException', `Policy ${arn} does not exist or is not attachable.`)
  if (arn.includes(':policy/aws-service-role/'))
    throw fail('PolicyNotAttachableException', `Cannot attach a Service Role Policy to a Customer Role.`)
  await change(ctx, async (tx) => {
    const entity = await getEntity(tx, kind, name)
    if (kind === 'role') refuseLinked(entity as Parameters<typeof refuseLinked>[0])
    const attached = await tx.list(Attachments, { index: 'entity', equals: entity.id })
    if (attached.some(({ policy }) => policy === arn)) return
    // A policy that was deleted since we looked must not come back as an attachment.
    if (!isAwsManaged(arn) && !(await findLocal(tx, ctx.account, arn)))
      throw fail('NoSuchEntityException', `Policy ${arn} does not exist or is not attachable.`)
    if (attached.length >= 10)
      throw fail(
        'LimitExceededException',
        `Cannot exceed quota for PoliciesPer${kind.charAt(0).toUpperCase()}${kind.slice(1)}: 10`,
      )
    tx.put(Attachments, { policy: arn, entity: entity.id, kind })
  })
  return {}
}

const detach = async (ctx: Ctx, kind: Kind, name: string, arn: string) => {
  await change(ctx, async (tx) => {
    const entity = await getEntity(tx, kind, name)
    if (kind === 'role') refuseLinked(entity as Parameters<typeof refuseLinked>[0])
    const key = Attachments.key({ policy: arn, entity: entity.id, kind })
    if (!(await tx.get(Attachments, key))) throw fail('NoSuchEntityException', `Policy ${arn} was not found.`)
    tx.delete(Attachments, key)
  })
  return {}
}

type Asked = { Marker?: string | undefined; MaxItems?: number | undefined; PathPrefix?: string | undefined }

/** `arn:aws:iam::aws:policy/service-role/X` lies under `/service-role/`. */
const underPath = (arn: string, prefix: string | undefined) =>
  prefix === undefined || arn.slice(arn.indexOf(':policy/') + 7).startsWith(prefix)

const listAttached = (ctx: Ctx, kind: Kind, name: string, asked: Asked) =>
  ctx.read(async (tx) => {
    const { id } = await getEntity(tx, kind, name)
    const all = await tx.list(Attachments, { index: 'entity', equals: id })
    const kept = all.filter(({ policy }) => underPath(policy, asked.PathPrefix))
    const page = pageOfList(kept, ({ policy }) => policy, asked)
    const attached = page.items.map(({ policy }) => ({ PolicyName: nameOf(policy), PolicyArn: policy }))
    return { AttachedPolicies: attached, ...tail(page) }
  })

const AttachUserPolicy: Operation<'AttachUserPolicy'> = (ctx, { UserName, PolicyArn }) =>
  attach(ctx, 'user', UserName, PolicyArn)
const AttachGroupPolicy: Operation<'AttachGroupPolicy'> = (ctx, { GroupName, PolicyArn }) =>
  attach(ctx, 'group', GroupName, PolicyArn)
const AttachRolePolicy: Operation<'AttachRolePolicy'> = (ctx, { RoleName, PolicyArn }) =>
  attach(ctx, 'role', RoleName, PolicyArn)

const DetachUserPolicy: Operation<'DetachUserPolicy'> = (ctx, { UserName, PolicyArn }) =>
  detach(ctx, 'user', UserName, PolicyArn)
const DetachGroupPolicy: Operation<'DetachGroupPolicy'> = (ctx, { GroupName, PolicyArn }) =>
  detach(ctx, 'group', GroupName, PolicyArn)
const DetachRolePolicy: Operation<'DetachRolePolicy'> = (ctx, { RoleName, PolicyArn }) =>
  detach(ctx, 'role', RoleName, PolicyArn)

const ListAttachedUserPolicies: Operation<'ListAttachedUserPolicies'> = (ctx, input) =>
  listAttached(ctx, 'user', input.UserName, input)
const ListAttachedGroupPolicies: Operation<'ListAttachedGroupPolicies'> = (ctx, input) =>
  listAttached(ctx, 'group', input.GroupName, input)
const ListAttachedRolePolicies: Operation<'ListAttachedRolePolicies'> = (ctx, input) =>
  listAttached(ctx, 'role', input.RoleName, input)

/** Users, groups and roles that a managed policy is attached to, or bounds. */
const ListEntitiesForPolicy: Operation<'ListEntitiesForPolicy'> = async (ctx, input) => {
  const arn = input.PolicyArn
  if (!(await findManaged(ctx, arn))) throw fail('NoSuchEntityException', `Policy ${arn} was not found.`)
  return ctx.read(async (tx) => {
    const usage = input.PolicyUsageFilter
    const attached = usage === 'PermissionsBoundary' ? [] : await tx.list(Attachments, { prefix: `${arn} ` })
    const found = await Promise.all(
      attached.map(async ({ kind, entity }) => {
        const table = { user: User, group: Group, role: Role }[kind]
        const record = await findById<{ name: string; path: string; id: string }>(tx, table as never, entity)
        return record ? [{ kind, record }] : []
      }),
    )
    const all: { kind: Kind; record: { name: string; path: string; id: string } }[] = found.flat()
    if (usage !== 'PermissionsPolicy') {
      for (const record of await tx.list(User, { index: 'boundary', equals: arn })) all.push({ kind: 'user', record })
      for (const record of await tx.list(Role, { index: 'boundary', equals: arn })) all.push({ kind: 'role', record })
    }
    const wanted = { User: 'user', Group: 'group', Role: 'role' }[input.EntityFilter as string]
    const kept = all
      .filter(({ kind }) => wanted === undefined || kind === wanted)
      .filter(({ record }) => record.path.startsWith(input.PathPrefix ?? '/'))
    const unique = new Map(kept.map((one) => [one.record.id, one]))
    const page = pageOfList([...unique.values()], ({ record }) => record.id, input)
    const of = (kind: Kind) => page.items.filter((item) => item.kind === kind).map(({ record }) => record)
    return {
      PolicyUsers: of('user').map(({ name, id }) => ({ UserName: name, UserId: id })),
      PolicyGroups: of('group').map(({ name, id }) => ({ GroupName: name, GroupId: id })),
      PolicyRoles: of('role').map(({ name, id }) => ({ RoleName: name, RoleId: id })),
      ...tail(page),
    }
  })
}

export const attachments = {
  AttachUserPolicy,
  AttachGroupPolicy,
  AttachRolePolicy,
  DetachUserPolicy,
  DetachGroupPolicy,
  DetachRolePolicy,
  ListAttachedUserPolicies,
  ListAttachedGroupPolicies,
  ListAttachedRolePolicies,
  ListEntitiesForPolicy,
}
