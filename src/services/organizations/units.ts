import type { OrganizationalUnit } from '@aws-sdk/client-organizations'
import type { ReadTx } from '../../store/store.ts'
import { attachManaged, detachAll } from './attachments.ts'
import { asManagement, asReader } from './caller.ts'
import { newId, unitArn } from './ids.ts'
import { fail, type Operation, violates } from './operation.ts'
import { pageOf } from './page.ts'
import { Accounts, change, type OrganizationRecord, type UnitRecord, Units } from './records.ts'
import { withTags } from './tags.ts'
import { chainTo, checkParent, findMember, findUnit, getUnit, pathOf } from './tree.ts'

/** Levels of units below a root, and units in an organization ("Quotas and service limits"). */
const deepest = 5
const most = 2000

const toUnit = async (
  tx: ReadTx,
  organization: OrganizationRecord,
  { id, name }: UnitRecord,
): Promise<OrganizationalUnit> => ({
  Id: id,
  Arn: unitArn(organization, id),
  Name: name,
  Path: pathOf(organization, await chainTo(tx, organization, id)),
})

const unitsIn = (tx: ReadTx, parent: string): Promise<UnitRecord[]> =>
  tx.list(Units, { index: 'parent', equals: parent })

const checkName = (siblings: readonly UnitRecord[], name: string) => {
  if (siblings.some((sibling) => sibling.name === name))
    throw fail('DuplicateOrganizationalUnitException', 'An OU with the same name already exists.')
}

/** Names are unique among siblings. Errors: ParentNotFoundException, DuplicateOrganizationalUnitException, ConstraintViolationException. */
export const CreateOrganizationalUnit: Operation<'CreateOrganizationalUnit'> = (ctx, { ParentId, Name, Tags }) =>
  change(ctx, async (tx) => {
    const organization = await asManagement(tx, ctx)
    await checkParent(tx, organization, ParentId)
    checkName(await unitsIn(tx, ParentId), Name)
    if ((await chainTo(tx, organization, ParentId)).length > deepest)
      throw violates('OU_DEPTH_LIMIT_EXCEEDED', 'You attempted to create an OU tree that is too many levels deep.')
    if ((await tx.list(Units, { index: 'organization', equals: organization.id, limit: most })).length >= most)
      throw violates(
        'OU_NUMBER_LIMIT_EXCEEDED',
        'You attempted to exceed the number of OUs that you can have in an organization.',
      )
    const unit = tx.put(Units, {
      id: newId.unit(ctx, organization.root),
      organization: organization.id,
      parent: ParentId,
      name: Name,
      tags: withTags({}, Tags),
    })
    await attachManaged(tx, ctx, organization, unit.id)
    return { OrganizationalUnit: await toUnit(tx, organization, unit) }
  })

export const UpdateOrganizationalUnit: Operation<'UpdateOrganizationalUnit'> = (ctx, { OrganizationalUnitId, Name }) =>
  ctx.write(async (tx) => {
    const organization = await asManagement(tx, ctx)
    const unit = await getUnit(tx, organization, OrganizationalUnitId)
    if (Name === undefined || Name === unit.name) return { OrganizationalUnit: await toUnit(tx, organization, unit) }
    checkName(await unitsIn(tx, unit.parent), Name)
    return { OrganizationalUnit: await toUnit(tx, organization, tx.put(Units, { ...unit, name: Name })) }
  })

/** Errors: OrganizationalUnitNotFoundException, OrganizationalUnitNotEmptyException. */
export const DeleteOrganizationalUnit: Operation<'DeleteOrganizationalUnit'> = (ctx, { OrganizationalUnitId }) =>
  change(ctx, async (tx) => {
    const { id } = await getUnit(tx, await asManagement(tx, ctx), OrganizationalUnitId)
    const inside = [
      ...(await tx.list(Units, { index: 'parent', equals: id, limit: 1 })),
      ...(await tx.list(Accounts, { index: 'parent', equals: id, limit: 1 })),
    ]
    if (inside.length > 0)
      throw fail('OrganizationalUnitNotEmptyException', 'You must first remove all accounts and OUs from this OU.')
    await detachAll(tx, id)
    tx.delete(Units, id)
    return {}
  })

export const DescribeOrganizationalUnit: Operation<'DescribeOrganizationalUnit'> = (ctx, { OrganizationalUnitId }) =>
  ctx.read(async (tx) => {
    const organization = await asReader(tx, ctx)
    const unit = await getUnit(tx, organization, OrganizationalUnitId)
    return { OrganizationalUnit: await toUnit(tx, organization, unit) }
  })

export const ListOrganizationalUnitsForParent: Operation<'ListOrganizationalUnitsForParent'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const organization = await asReader(tx, ctx)
    await checkParent(tx, organization, input.ParentId)
    const { page, NextToken } = pageOf(await unitsIn(tx, input.ParentId), ({ id }) => id, input)
    return {
      OrganizationalUnits: await Promise.all(page.map((unit) => toUnit(tx, organization, unit))),
      NextToken,
    }
  })

export const ListChildren: Operation<'ListChildren'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { ParentId, ChildType } = input
    await checkParent(tx, await asReader(tx, ctx), ParentId)
    const inside = { index: 'parent', equals: ParentId }
    const children = ChildType === 'ACCOUNT' ? await tx.list(Accounts, inside) : await tx.list(Units, inside)
    const { page, NextToken } = pageOf<{ readonly id: string }>(children, ({ id }) => id, input)
    return { Children: page.map(({ id }) => ({ Id: id, Type: ChildType })), NextToken }
  })

export const ListParents: Operation<'ListParents'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const organization = await asReader(tx, ctx)
    const { ChildId } = input
    const unit = ChildId.startsWith('ou-') ? await findUnit(tx, organization, ChildId) : undefined
    const parent = unit?.parent ?? (await findMember(tx, organization, ChildId))?.joined.parent
    if (parent === undefined) throw fail('ChildNotFoundException', "You specified a child that doesn't exist.")
    const Type = parent === organization.root ? ('ROOT' as const) : ('ORGANIZATIONAL_UNIT' as const)
    const { page, NextToken } = pageOf([{ Id: parent, Type }], ({ Id }) => Id, input)
    return { Parents: page, NextToken }
  })
