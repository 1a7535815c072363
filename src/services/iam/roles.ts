import type { Role as WireRole } from '@aws-sdk/client-iam'
import type { Ctx } from '../../kernel/context.ts'
import type { PolicyDocument } from '../../policy/policy.ts'
import { accessNotes, foldAccesses } from './access-notes.ts'
import { checkDocument, documentSize } from './documents.ts'
import { stamp, uniqueId } from './ids.ts'
import { checkBoundary } from './managed.ts'
import { fail, type Operation } from './operation.ts'
import { pageOfTable, tail } from './page.ts'
import { principalExists } from './principals.ts'
import { checkQuota } from './quotas.ts'
import {
  Attachments,
  change,
  getEntity,
  InstanceProfiles,
  nameKey,
  Role,
  type RoleRecord,
  refuseLinked,
} from './records.ts'
import { boundaryOf, toLastUsed, toRole } from './shapes.ts'
import { tagPage, toTags, withoutTags, withTags } from './tags.ts'

const toFullRole = (account: string, role: RoleRecord): WireRole => ({
  ...toRole(account, role),
  ...boundaryOf(role),
  ...(Object.keys(role.tags).length > 0 ? { Tags: toTags(role.tags) } : {}),
})

/**
 * Users and roles that a trust policy names must be there (IAM user guide, "AWS JSON policy elements: Principal").
 * Throws MalformedPolicyDocument.
 */
const checkTrust = async (ctx: Ctx, text: string): Promise<void> => {
  const document = checkDocument(text, 'trust')
  if (documentSize(text) > 2048) throw fail('LimitExceededException', 'Cannot exceed quota for ACLSizePerRole: 2048')
  if (!principals(document, 'Federated').every(isFederated))
    throw fail(
      'MalformedPolicyDocumentException',
      'Federated principals must be valid domain names or SAML metadata ARNs',
    )
  for (const name of principals(document, 'AWS')) {
    if (!(await principalExists((place) => ctx.at(place), ctx.place, name)))
      throw fail('MalformedPolicyDocumentException', `Invalid principal in policy: "AWS":"${name}"`)
  }
}

/** A provider that AWS knows by itself, or the ARN of an account's own; whether it is there is not looked at. */
const isFederated = (name: string): boolean =>
  /^arn:aws:iam::\d{12}:(saml|oidc)-provider\/./.test(name) || /^([a-z0-9-]+\.)+[a-z]{2,}$/i.test(name)

const principals = (document: PolicyDocument, type: 'AWS' | 'Federated'): string[] =>
  [document.Statement].flat().flatMap(({ Principal, NotPrincipal }) =>
    [Principal, NotPrincipal].flatMap((element) => {
      const value = typeof element === 'object' ? element[type] : undefined
      return value === undefined ? [] : typeof value === 'string' ? [value] : [...value]
    }),
  )

const CreateRole: Operation<'CreateRole'> = async (ctx, input) => {
  await checkTrust(ctx, input.AssumeRolePolicyDocument)
  await checkBoundary(ctx, input.PermissionsBoundary)
  return change(ctx, async (tx) => {
    if (await tx.get(Role, nameKey(input.RoleName)))
      throw fail('EntityAlreadyExistsException', `Role with name ${input.RoleName} already exists.`)
    await checkQuota(tx, 'RolesPerAccount')
    const role = tx.put(Role, {
      name: input.RoleName,
      path: input.Path ?? '/',
      id: uniqueId(ctx, 'AROA'),
      created: stamp(ctx),
      inline: {},
      tags: withTags({}, input.Tags),
      trust: input.AssumeRolePolicyDocument,
      maxSessionDuration: input.MaxSessionDuration ?? 3600,
      ...(input.Description === undefined ? {} : { description: input.Description }),
      ...(input.PermissionsBoundary === undefined ? {} : { boundary: input.PermissionsBoundary }),
    })
    return { Role: toFullRole(ctx.account, role) }
  })
}

const GetRole: Operation<'GetRole'> = async (ctx, { RoleName }) => {
  await ctx.use(accessNotes).written()
  return ctx.read(async (tx) => {
    const role = await getEntity(tx, 'role', RoleName)
    return { Role: { ...toFullRole(ctx.account, role), RoleLastUsed: await toLastUsed(tx, role, ctx.now()) } }
  })
}

const ListRoles: Operation<'ListRoles'> = async (ctx, input) => {
  const start = input.PathPrefix ?? '/'
  const page = await ctx.read((tx) => pageOfTable(tx, Role, input, ({ path }) => path.startsWith(start)))
  return { Roles: page.items.map((role) => toRole(ctx.account, role)), ...tail(page) }
}

const UpdateRole: Operation<'UpdateRole'> = async (ctx, input) => {
  await change(ctx, async (tx) => {
    const role = refuseLinked(await getEntity(tx, 'role', input.RoleName))
    tx.put(Role, {
      ...role,
      maxSessionDuration: input.MaxSessionDuration ?? role.maxSessionDuration,
      ...(input.Description === undefined ? {} : { description: input.Description }),
    })
  })
  return {}
}

const UpdateRoleDescription: Operation<'UpdateRoleDescription'> = async (ctx, { RoleName, Description }) => {
  const role = await change(ctx, async (tx) =>
    tx.put(Role, { ...(await getEntity(tx, 'role', RoleName)), description: Description }),
  )
  return { Role: toRole(ctx.account, role) }
}

const UpdateAssumeRolePolicy: Operation<'UpdateAssumeRolePolicy'> = async (ctx, input) => {
  await checkTrust(ctx, input.PolicyDocument)
  await change(ctx, async (tx) => {
    const role = refuseLinked(await getEntity(tx, 'role', input.RoleName))
    tx.put(Role, { ...role, trust: input.PolicyDocument })
  })
  return {}
}

const DeleteRole: Operation<'DeleteRole'> = async (ctx, { RoleName }) => {
  await change(ctx, async (tx) => {
    const role = refuseLinked(await getEntity(tx, 'role', RoleName))
    const left = (what: string) => fail('DeleteConflictException', `Cannot delete entity, ${what} first.`)
    if ((await tx.list(InstanceProfiles, { index: 'role', equals: role.id, limit: 1 })).length > 0)
      throw left('must remove roles from instance profile')
    if (Object.keys(role.inline).length > 0) throw left('must delete policies')
    if ((await tx.list(Attachments, { index: 'entity', equals: role.id, limit: 1 })).length > 0)
      throw left('must detach all policies')
    await foldAccesses(tx, role.id)
    tx.delete(Role, nameKey(role.name))
  })
  return {}
}

const TagRole: Operation<'TagRole'> = async (ctx, { RoleName, Tags }) => {
  await change(ctx, async (tx) => {
    const role = await getEntity(tx, 'role', RoleName)
    tx.put(Role, { ...role, tags: withTags(role.tags, Tags) })
  })
  return {}
}

const UntagRole: Operation<'UntagRole'> = async (ctx, { RoleName, TagKeys }) => {
  await change(ctx, async (tx) => {
    const role = await getEntity(tx, 'role', RoleName)
    tx.put(Role, { ...role, tags: withoutTags(role.tags, TagKeys) })
  })
  return {}
}

const ListRoleTags: Operation<'ListRoleTags'> = async (ctx, input) =>
  tagPage((await ctx.read((tx) => getEntity(tx, 'role', input.RoleName))).tags, input)

export const roles = {
  CreateRole,
  GetRole,
  ListRoles,
  UpdateRole,
  UpdateRoleDescription,
  UpdateAssumeRolePolicy,
  DeleteRole,
  TagRole,
  UntagRole,
  ListRoleTags,
}
