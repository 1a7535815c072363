import type { Ctx } from '../../kernel/context.ts'
import { organization } from '../../kernel/organization.ts'
import type { ReadTx } from '../../store/store.ts'
import { foldAccesses } from './access-notes.ts'
import { awsManagedPolicies } from './aws-managed.ts'
import { stamp, uniqueId } from './ids.ts'
import { fail, type Operation } from './operation.ts'
import { Attachments, change, Deletions, getEntity, nameKey, Role, type RoleRecord } from './records.ts'
import { toRole } from './shapes.ts'

/** Services with such a role: its name after `AWSServiceRoleFor`, and the AWS managed policy that comes with it. */
type Linked = Readonly<Record<string, { readonly role: string; readonly policy: string; readonly suffix?: boolean }>>

/**
 * Names that AWS gives: AWS managed policies that let somebody make or pass these roles, and each service's page on its
 * role.
 */
const load = async (): Promise<Linked> =>
  (await import('./data/service-linked-roles.json', { with: { type: 'json' } })).default

/** Throws InvalidInput for a service that has no such role, or when it exists already. */
const CreateServiceLinkedRole: Operation<'CreateServiceLinkedRole'> = async (ctx, input) => {
  const linked = await load()
  const service = Object.hasOwn(linked, input.AWSServiceName) ? linked[input.AWSServiceName] : undefined
  if (!service)
    throw fail('InvalidInputException', `Service role name ${input.AWSServiceName} is not a valid service principal.`)
  if (input.CustomSuffix !== undefined && !service.suffix)
    throw fail('InvalidInputException', `Custom suffix is not allowed for ${input.AWSServiceName}`)
  const suffix = input.CustomSuffix === undefined ? '' : `_${input.CustomSuffix}`
  const name = `AWSServiceRoleFor${service.role}${suffix}`
  const policy = (await awsManagedPolicies()).find((one) => one.name === service.policy)
  return change(ctx, async (tx) => {
    if (await tx.get(Role, nameKey(name)))
      throw fail(
        'InvalidInputException',
        `Service role name ${name} has been taken in this account, please try a different suffix.`,
      )
    const role = tx.put(Role, {
      name,
      path: `/aws-service-role/${input.AWSServiceName}/`,
      id: uniqueId(ctx, 'AROA'),
      created: stamp(ctx),
      inline: {},
      tags: {},
      trust: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { Service: input.AWSServiceName }, Action: 'sts:AssumeRole' }],
      }),
      maxSessionDuration: 3600,
      linkedTo: input.AWSServiceName,
      ...(input.Description === undefined ? {} : { description: input.Description }),
    })
    if (policy) tx.put(Attachments, { policy: policy.arn, entity: role.id, kind: 'role' as const })
    return { Role: toRole(ctx.account, role) }
  })
}

/** Why a service still needs its role; the one service that is asked is Organizations. */
const usageOf = async (ctx: Ctx, role: RoleRecord): Promise<string | undefined> => {
  if (role.linkedTo !== 'organizations.amazonaws.com') return undefined
  return (await ctx.use(organization).membershipOf(ctx.account))
    ? 'The account is a member of an organization, which uses this role.'
    : undefined
}

/** Done, or refused by the service, when it answers; the task id is for GetServiceLinkedRoleDeletionStatus. */
const DeleteServiceLinkedRole: Operation<'DeleteServiceLinkedRole'> = async (ctx, { RoleName }) => {
  const usage = await usageOf(ctx, await ctx.read((tx) => getLinked(tx, RoleName)))
  return change(ctx, async (tx) => {
    const role = await getLinked(tx, RoleName)
    const id = `task/aws-service-role/${role.linkedTo}/${role.name}/${ctx.newId()}`
    tx.put(Deletions, { id, ...(usage === undefined ? {} : { usage }) })
    if (usage !== undefined) return { DeletionTaskId: id }
    for (const attachment of await tx.list(Attachments, { index: 'entity', equals: role.id }))
      tx.delete(Attachments, Attachments.key(attachment))
    await foldAccesses(tx, role.id)
    tx.delete(Role, nameKey(role.name))
    return { DeletionTaskId: id }
  })
}

const getLinked = async (tx: ReadTx, name: string): Promise<RoleRecord> => {
  const role = await getEntity(tx, 'role', name)
  if (role.linkedTo === undefined)
    throw fail('NoSuchEntityException', `The service-linked role with name ${name} cannot be found.`)
  return role
}

const GetServiceLinkedRoleDeletionStatus: Operation<'GetServiceLinkedRoleDeletionStatus'> = async (
  ctx,
  { DeletionTaskId },
) => {
  const task = await ctx.read((tx) => tx.get(Deletions, DeletionTaskId))
  if (!task) throw fail('NoSuchEntityException', `Deletion task ${DeletionTaskId} cannot be found.`)
  return task.usage === undefined ? { Status: 'SUCCEEDED' } : { Status: 'FAILED', Reason: { Reason: task.usage } }
}

export const serviceLinkedRoles = {
  CreateServiceLinkedRole,
  DeleteServiceLinkedRole,
  GetServiceLinkedRoleDeletionStatus,
}
