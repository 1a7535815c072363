import type { Ctx } from '../../kernel/context.ts'
import { checkDocument, documentSize, encodeDocument } from './documents.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { pageOfList, tail } from './page.ts'
import { change, entities, getEntity, type Kind, type Records, refuseLinked } from './records.ts'

/** All inline policies of one entity together, in characters without white space. */
const quota: Readonly<Record<Kind, number>> = { user: 2048, group: 5120, role: 10_240 }

/** A service-linked role's policies are the service's affair. */
const changeable = <K extends Kind>(kind: K, entity: Records[K]): Records[K] => {
  if (kind === 'role') refuseLinked(entity as Records['role'])
  return entity
}

const put = async (ctx: Ctx, kind: Kind, name: string, policy: string, document: string) => {
  checkDocument(document, 'identity')
  await change(ctx, async (tx) => {
    const entity = changeable(kind, await getEntity(tx, kind, name))
    const inline = { ...entity.inline, [policy]: document }
    const size = Object.values(inline).reduce((sum, text) => sum + documentSize(text), 0)
    if (size > quota[kind])
      throw fail(
        'LimitExceededException',
        `Maximum policy size of ${quota[kind]} bytes exceeded for ${kind} ${entity.name}`,
      )
    tx.put(entities[kind] as typeof entities.user, { ...entity, inline } as Records['user'])
  })
  return {}
}

const missing = (kind: Kind, policy: string) =>
  fail('NoSuchEntityException', `The ${kind} policy with name ${policy} cannot be found.`)

const get = async (ctx: Ctx, kind: Kind, name: string, policy: string) => {
  const { inline, name: own } = await ctx.read((tx) => getEntity(tx, kind, name))
  const document = Object.hasOwn(inline, policy) ? inline[policy] : undefined
  if (document === undefined) throw missing(kind, policy)
  return { name: own, PolicyName: policy, PolicyDocument: encodeDocument(document) }
}

const remove = async (ctx: Ctx, kind: Kind, name: string, policy: string) => {
  await change(ctx, async (tx) => {
    const entity = changeable(kind, await getEntity(tx, kind, name))
    if (!Object.hasOwn(entity.inline, policy)) throw missing(kind, policy)
    const { [policy]: _, ...inline } = entity.inline
    tx.put(entities[kind] as typeof entities.user, { ...entity, inline } as Records['user'])
  })
  return {}
}

const list = async (
  ctx: Ctx,
  kind: Kind,
  name: string,
  asked: Pick<Input<'ListUserPolicies'>, 'Marker' | 'MaxItems'>,
) => {
  const { inline } = await ctx.read((tx) => getEntity(tx, kind, name))
  const page = pageOfList(Object.keys(inline), (key) => key, asked)
  return { PolicyNames: page.items, ...tail(page) }
}

const PutUserPolicy: Operation<'PutUserPolicy'> = (ctx, { UserName, PolicyName, PolicyDocument }) =>
  put(ctx, 'user', UserName, PolicyName, PolicyDocument)
const PutGroupPolicy: Operation<'PutGroupPolicy'> = (ctx, { GroupName, PolicyName, PolicyDocument }) =>
  put(ctx, 'group', GroupName, PolicyName, PolicyDocument)
const PutRolePolicy: Operation<'PutRolePolicy'> = (ctx, { RoleName, PolicyName, PolicyDocument }) =>
  put(ctx, 'role', RoleName, PolicyName, PolicyDocument)

const GetUserPolicy: Operation<'GetUserPolicy'> = async (ctx, { UserName, PolicyName }) => {
  const { name, ...policy } = await get(ctx, 'user', UserName, PolicyName)
  return { UserName: name, ...policy }
}
const GetGroupPolicy: Operation<'GetGroupPolicy'> = async (ctx, { GroupName, PolicyName }) => {
  const { name, ...policy } = await get(ctx, 'group', GroupName, PolicyName)
  return { GroupName: name, ...policy }
}
const GetRolePolicy: Operation<'GetRolePolicy'> = async (ctx, { RoleName, PolicyName }) => {
  const { name, ...policy } = await get(ctx, 'role', RoleName, PolicyName)
  return { RoleName: name, ...policy }
}

const DeleteUserPolicy: Operation<'DeleteUserPolicy'> = (ctx, { UserName, PolicyName }) =>
  remove(ctx, 'user', UserName, PolicyName)
const DeleteGroupPolicy: Operation<'DeleteGroupPolicy'> = (ctx, { GroupName, PolicyName }) =>
  remove(ctx, 'group', GroupName, PolicyName)
const DeleteRolePolicy: Operation<'DeleteRolePolicy'> = (ctx, { RoleName, PolicyName }) =>
  remove(ctx, 'role', RoleName, PolicyName)

const ListUserPolicies: Operation<'ListUserPolicies'> = (ctx, input) => list(ctx, 'user', input.UserName, input)
const ListGroupPolicies: Operation<'ListGroupPolicies'> = (ctx, input) => list(ctx, 'group', input.GroupName, input)
const ListRolePolicies: Operation<'ListRolePolicies'> = (ctx, input) => list(ctx, 'role', input.RoleName, input)

export const inlinePolicies = {
  PutUserPolicy,
  PutGroupPolicy,
  PutRolePolicy,
  GetUserPolicy,
  GetGroupPolicy,
  GetRolePolicy,
  DeleteUserPolicy,
  DeleteGroupPolicy,
  DeleteRolePolicy,
  ListUserPolicies,
  ListGroupPolicies,
  ListRolePolicies,
}
