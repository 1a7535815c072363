import type { Ctx } from '../../../kernel/context.ts'
import { accountOf, type Input, type Operation } from '../operation.ts'
import { checkTags } from '../tags.ts'
import { granteeOf } from './data-access.ts'
import {
  Grant,
  type GrantRecord,
  getGrant,
  getInstance,
  getLocation,
  grantArn,
  grantsError,
  homeOf,
  type LocationRecord,
  pageOf,
  refuseIdentityCenter,
  s3Uri,
  scopeBelow,
} from './grant.ts'

const principalText = /^arn:aws:iam::\d{12}:(user|role)\/.+$/

/** An IAM user or role. Throws InvalidIdentityCenterInstance for a directory's, InvalidAccessGrant for what is nobody's. */
const granteeIn = ({ Grantee: { GranteeType: type, GranteeIdentifier: id } }: Input<'CreateAccessGrant'>): string => {
  if (type !== 'IAM') throw grantsError('InvalidIdentityCenterInstance')
  if (id === undefined || !principalText.test(id)) throw grantsError('InvalidAccessGrant')
  return id
}

/** The scope of a grant: never all buckets, nor all whose names begin so. Throws InvalidAccessGrant. */
export const grantScope = (location: string, subPrefix: string | undefined, type: 'Object' | undefined): string => {
  const scope = scopeBelow(location, subPrefix)
  if (!/^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/./s.test(scope)) throw grantsError('InvalidAccessGrant')
  if (type === 'Object' && scope.endsWith('*')) throw grantsError('InvalidAccessGrant')
  return scope
}

const toGrant = (ctx: Ctx, grant: GrantRecord) => ({
  CreatedAt: new Date(grant.created),
  AccessGrantId: grant.id,
  AccessGrantArn: grantArn(ctx.place, grant.id),
  Grantee: { GranteeType: 'IAM' as const, GranteeIdentifier: grant.grantee },
  Permission: grant.permission,
  AccessGrantsLocationId: grant.location,
  ...(grant.subPrefix === undefined ? {} : { AccessGrantsLocationConfiguration: { S3SubPrefix: grant.subPrefix } }),
  GrantScope: grant.scope,
})

const grantIn = (ctx: Ctx, input: Input<'CreateAccessGrant'>, location: LocationRecord): GrantRecord => {
  const subPrefix = input.AccessGrantsLocationConfiguration?.S3SubPrefix
  return {
    id: ctx.newId(),
    created: ctx.now().getTime(),
    location: location.id,
    ...(subPrefix === undefined ? {} : { subPrefix }),
    scope: grantScope(location.scope, subPrefix, input.S3PrefixType),
    grantee: granteeIn(input),
    permission: input.Permission,
    tags: checkTags(input.Tags ?? []),
  }
}

/** Errors: InvalidAccessGrant, InvalidIdentityCenterInstance, AccessGrantAlreadyExists, NoSuchAccessGrantsLocationError. */
export const CreateAccessGrant: Operation<'CreateAccessGrant'> = async (ctx, input) => {
  accountOf(ctx, input)
  refuseIdentityCenter(input.ApplicationArn)
  const grant = await ctx.write(async (tx) => {
    const made = grantIn(ctx, input, await getLocation(tx, input.AccessGrantsLocationId))
    const others = await tx.list(Grant, { index: 'grantee', equals: made.grantee })
    if (others.some(({ scope, permission }) => scope === made.scope && permission === made.permission))
      throw grantsError('AccessGrantAlreadyExists')
    return tx.put(Grant, made)
  })
  return toGrant(ctx, grant)
}

export const GetAccessGrant: Operation<'GetAccessGrant'> = async (ctx, input) => {
  accountOf(ctx, input)
  return toGrant(ctx, await ctx.read((tx) => getGrant(tx, input.AccessGrantId)))
}

/** Credentials that were given out under it stay good until they expire. */
export const DeleteAccessGrant: Operation<'DeleteAccessGrant'> = async (ctx, input) => {
  accountOf(ctx, input)
  await ctx.write(async (tx) => tx.delete(Grant, (await getGrant(tx, input.AccessGrantId)).id))
  return {}
}

export const ListAccessGrants: Operation<'ListAccessGrants'> = async (ctx, input) => {
  const home = homeOf(ctx, input)
  const { GranteeIdentifier: grantee, GranteeType: type, Permission: permission, ApplicationArn: application } = input
  const grants = await home.read(async (tx) => {
    await getInstance(tx)
    return grantee === undefined ? tx.list(Grant) : tx.list(Grant, { index: 'grantee', equals: grantee })
  })
  const asked = input.GrantScope === undefined ? undefined : s3Uri(input.GrantScope)
  const wanted = grants.filter(
    (grant) =>
      (type ?? 'IAM') === 'IAM' &&
      application === undefined &&
      (permission === undefined || grant.permission === permission) &&
      (asked === undefined || grant.scope === asked),
  )
  const { page, tail } = pageOf(wanted, input)
  return { AccessGrantsList: page.map((grant) => toGrant(home, grant)), ...tail }
}

/** Those to the caller, of one account's data; `GrantScope` is the beginning of their scopes. */
export const ListCallerAccessGrants: Operation<'ListCallerAccessGrants'> = async (ctx, input) => {
  const asked = s3Uri(input.GrantScope ?? 's3://')
  const grants = await homeOf(ctx, input).read(async (tx) => {
    await getInstance(tx)
    return tx.list(Grant, { index: 'grantee', equals: granteeOf(ctx) })
  })
  const { page, tail } = pageOf(
    grants.filter(({ scope }) => scope.startsWith(asked)),
    input,
  )
  return {
    CallerAccessGrantsList: page.map(({ permission, scope }) => ({ Permission: permission, GrantScope: scope })),
    ...tail,
  }
}
