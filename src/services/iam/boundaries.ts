import { checkBoundary } from './managed.ts'
import type { Operation } from './operation.ts'
import { change, getEntity, Role, refuseLinked, User } from './records.ts'

const without = <R extends { readonly boundary?: string }>({ boundary: _, ...rest }: R): Omit<R, 'boundary'> => rest

const PutUserPermissionsBoundary: Operation<'PutUserPermissionsBoundary'> = async (ctx, input) => {
  await checkBoundary(ctx, input.PermissionsBoundary)
  await change(ctx, async (tx) =>
    tx.put(User, { ...(await getEntity(tx, 'user', input.UserName)), boundary: input.PermissionsBoundary }),
  )
  return {}
}

const DeleteUserPermissionsBoundary: Operation<'DeleteUserPermissionsBoundary'> = async (ctx, { UserName }) => {
  await change(ctx, async (tx) => tx.put(User, without(await getEntity(tx, 'user', UserName))))
  return {}
}

const PutRolePermissionsBoundary: Operation<'PutRolePermissionsBoundary'> = async (ctx, input) => {
  await checkBoundary(ctx, input.PermissionsBoundary)
  await change(ctx, async (tx) => {
    const role = refuseLinked(await getEntity(tx, 'role', input.RoleName))
    tx.put(Role, { ...role, boundary: input.PermissionsBoundary })
  })
  return {}
}

const DeleteRolePermissionsBoundary: Operation<'DeleteRolePermissionsBoundary'> = async (ctx, { RoleName }) => {
  await change(ctx, async (tx) => tx.put(Role, without(refuseLinked(await getEntity(tx, 'role', RoleName)))))
  return {}
}

export const boundaries = {
  PutUserPermissionsBoundary,
  DeleteUserPermissionsBoundary,
  PutRolePermissionsBoundary,
  DeleteRolePermissionsBoundary,
}
