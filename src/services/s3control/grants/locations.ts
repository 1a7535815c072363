import type { Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import { accountOf, type Operation } from '../operation.ts'
import { checkTags } from '../tags.ts'
import { actingAs } from './data-access.ts'
import {
  Grant,
  getInstance,
  getLocation,
  grantsError,
  homeOf,
  Location,
  type LocationRecord,
  locationArn,
  pageOf,
  s3Uri,
} from './grant.ts'

/** "S3 Access Grants limitations", S3 user guide. */
const mostLocations = 1000

/** Throws InvalidAccessGrantsLocation. */
const scopeOf = (given: string): string => {
  const scope = s3Uri(given)
  if (!/^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/.*)?)?$/s.test(scope))
    throw grantsError('InvalidAccessGrantsLocation')
  return scope
}

/** S3 must be able to act under the role. Throws InvalidIamRole. */
const checkRole = async (ctx: Ctx, role: string): Promise<void> => {
  try {
    await actingAs(ctx, role).principal()
  } catch (error) {
    throw error instanceof AwsError ? grantsError('InvalidIamRole') : error
  }
}

const toLocation = (ctx: Ctx, { id, created, scope, role }: LocationRecord) => ({
  CreatedAt: new Date(created),
  AccessGrantsLocationId: id,
  AccessGrantsLocationArn: locationArn(ctx.place, id),
  LocationScope: scope,
  IAMRoleArn: role,
})

/** Errors: InvalidAccessGrantsLocation, InvalidIamRole, AccessGrantsLocationAlreadyExistsError. */
export const CreateAccessGrantsLocation: Operation<'CreateAccessGrantsLocation'> = async (ctx, input) => {
  accountOf(ctx, input)
  await ctx.read(getInstance)
  const scope = scopeOf(input.LocationScope)
  const location: LocationRecord = {
    id: scope === 's3://' ? 'default' : ctx.newId(),
    created: ctx.now().getTime(),
    scope,
    role: input.IAMRoleArn,
    tags: checkTags(input.Tags ?? []),
  }
  await checkRole(ctx, location.role)
  await ctx.write(async (tx) => {
    await getInstance(tx)
    if ((await tx.list(Location, { index: 'scope', equals: scope, limit: 1 })).length > 0)
      throw grantsError('AccessGrantsLocationAlreadyExistsError')
    if ((await tx.list(Location)).length >= mostLocations) throw grantsError('AccessGrantsLocationsQuotaExceededError')
    tx.put(Location, location)
  })
  return toLocation(ctx, location)
}

export const GetAccessGrantsLocation: Operation<'GetAccessGrantsLocation'> = async (ctx, input) => {
  accountOf(ctx, input)
  return toLocation(ctx, await ctx.read((tx) => getLocation(tx, input.AccessGrantsLocationId)))
}

/** Another role. Errors: InvalidIamRole. */
export const UpdateAccessGrantsLocation: Operation<'UpdateAccessGrantsLocation'> = async (ctx, input) => {
  accountOf(ctx, input)
  const { AccessGrantsLocationId: id, IAMRoleArn: role } = input
  await ctx.read((tx) => getLocation(tx, id))
  await checkRole(ctx, role)
  return toLocation(ctx, await ctx.write(async (tx) => tx.put(Location, { ...(await getLocation(tx, id)), role })))
}

/** Errors: AccessGrantsLocationNotEmptyError. */
export const DeleteAccessGrantsLocation: Operation<'DeleteAccessGrantsLocation'> = async (ctx, input) => {
  accountOf(ctx, input)
  await ctx.write(async (tx) => {
    const { id } = await getLocation(tx, input.AccessGrantsLocationId)
    if ((await tx.list(Grant, { index: 'location', equals: id, limit: 1 })).length > 0)
      throw grantsError('AccessGrantsLocationNotEmptyError')
    tx.delete(Location, id)
  })
  return {}
}

export const ListAccessGrantsLocations: Operation<'ListAccessGrantsLocations'> = async (ctx, input) => {
  const home = homeOf(ctx, input)
  const locations = await home.read(async (tx) => {
    await getInstance(tx)
    return tx.list(Location)
  })
  const asked = input.LocationScope === undefined ? undefined : s3Uri(input.LocationScope)
  const wanted = locations.filter(({ scope }) => asked === undefined || scope === asked)
  const { page, tail } = pageOf(wanted, input)
  return { AccessGrantsLocationsList: page.map((location) => toLocation(home, location)), ...tail }
}
