import type { Permission } from '@aws-sdk/client-s3-control'
import type { Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import { type Place, type ReadTx, table } from '../../../store/store.ts'
import type { Tag } from '../tags.ts'

// S3 Access Grants: an instance per account and Region, locations with the roles that reach them, and grants to users and
// roles ("Managing access with S3 Access Grants", S3 user guide).

export type InstanceRecord = {
  readonly account: string
  readonly region: string
  /** Epoch milliseconds, as all times here. */
  readonly created: number
  readonly tags: readonly Tag[]
  readonly policy?: { readonly text: string; readonly organization?: string; readonly created: number }
}

export type LocationRecord = {
  /** `default` for `s3://`, else a UUID. */
  readonly id: string
  readonly created: number
  /** `s3://`, or with a bucket, or with a bucket and the beginning of keys. */
  readonly scope: string
  readonly role: string
  readonly tags: readonly Tag[]
}

export type GrantRecord = {
  readonly id: string
  readonly created: number
  readonly location: string
  readonly subPrefix?: string
  /** `s3://bucket/…`: one object, or with a `*` at its end all whose keys begin so. */
  readonly scope: string
  /** ARN of an IAM user or role. */
  readonly grantee: string
  readonly permission: Permission
  readonly tags: readonly Tag[]
}

const instanceKey = 'default'

export const Instance = table<InstanceRecord>('s3control.access-grants-instance', {
  scope: 'region',
  key: () => instanceKey,
})
export const Location = table<LocationRecord>('s3control.access-grants-location', {
  scope: 'region',
  key: ({ id }) => id,
  index: { scope: ({ scope }) => scope },
})
export const Grant = table<GrantRecord>('s3control.access-grant', {
  scope: 'region',
  key: ({ id }) => id,
  index: { location: ({ location }) => location, grantee: ({ grantee }) => grantee },
})

export const instanceArn = ({ account, region }: Place): string =>
  `arn:aws:s3:${region}:${account}:access-grants/default`
export const locationArn = (place: Place, id: string): string => `${instanceArn(place)}/location/${id}`
export const grantArn = (place: Place, id: string): string => `${instanceArn(place)}/grant/${id}`

/** Codes, statuses and sentences of "List of Amazon S3 Access Grants error codes" ("Error responses", S3 API reference). */
const errors = {
  AccessGrantAlreadyExists: [409, 'The specified access grant already exists'],
  AccessGrantsInstanceAlreadyExists: [409, 'Access Grants Instance already exists'],
  AccessGrantsInstanceNotEmptyError: [400, 'Please clean up locations before deleting the access grants instance'],
  AccessGrantsInstanceNotExistsError: [404, 'Access Grants Instance does not exist'],
  AccessGrantsInstanceResourcePolicyNotExists: [404, 'Access Grants Instance Resource Policy does not exist'],
  AccessGrantsLocationAlreadyExistsError: [409, 'The specified access grants location already exists'],
  AccessGrantsLocationNotEmptyError: [400, 'Please clean up access grants before deleting access grants location'],
  AccessGrantsLocationsQuotaExceededError: [
    409,
    'The access grants location quota has been exceeded. Access Grants Locations Quota: 1000. Please reach out to S3 if an increase is required.',
  ],
  InvalidAccessGrant: [400, 'The specified Access Grant is invalid'],
  InvalidAccessGrantsLocation: [400, 'The specified Access Grants Location is invalid'],
  InvalidIamRole: [400, 'The specified IAM Role is invalid'],
  InvalidIdentityCenterInstance: [400, 'The specified identity center instance is invalid'],
  InvalidResourcePolicy: [400, 'The specified Resource Policy is invalid'],
  NoSuchAccessGrantError: [404, 'The specified access grant does not exist'],
  NoSuchAccessGrantsLocationError: [404, 'The specified access grants location does not exist'],
  StsPackedPolicyTooLargeError: [400, 'Serialized token too large for session'],
} as const satisfies Record<string, readonly [number, string]>

export const grantsError = (code: keyof typeof errors): AwsError => {
  const [status, message] = errors[code]
  return new AwsError(code, message, { status })
}

/** Throws AccessGrantsInstanceNotExistsError. */
export const getInstance = async (tx: ReadTx): Promise<InstanceRecord> => {
  const found = await tx.get(Instance, instanceKey)
  if (!found) throw grantsError('AccessGrantsInstanceNotExistsError')
  return found
}

/** Throws NoSuchAccessGrantsLocationError, AccessGrantsInstanceNotExistsError. */
export const getLocation = async (tx: ReadTx, id: string): Promise<LocationRecord> => {
  await getInstance(tx)
  const found = await tx.get(Location, id)
  if (!found) throw grantsError('NoSuchAccessGrantsLocationError')
  return found
}

/** Throws NoSuchAccessGrantError, AccessGrantsInstanceNotExistsError. */
export const getGrant = async (tx: ReadTx, id: string): Promise<GrantRecord> => {
  await getInstance(tx)
  const found = await tx.get(Grant, id)
  if (!found) throw grantsError('NoSuchAccessGrantError')
  return found
}

/** The account of an instance that other accounts may be given rights on: the policy of the instance has let the caller in. */
export const homeOf = (ctx: Ctx, { AccountId }: { readonly AccountId?: string | undefined }): Ctx =>
  AccountId === undefined || AccountId === ctx.account ? ctx : ctx.at({ account: AccountId, region: ctx.region })

/** There is no IAM Identity Center here, so no instance of one is valid. Throws InvalidIdentityCenterInstance. */
export const refuseIdentityCenter = (...given: unknown[]): void => {
  if (given.some((one) => one !== undefined)) throw grantsError('InvalidIdentityCenterInstance')
}

type Asked = { readonly MaxResults?: number | undefined; readonly NextToken?: string | undefined }

/** One page of what is listed by id. */
export const pageOf = <T extends { readonly id: string }>(
  items: readonly T[],
  { MaxResults, NextToken }: Asked,
): { page: readonly T[]; tail: { NextToken?: string } } => {
  const after = NextToken === undefined ? undefined : Buffer.from(NextToken, 'base64url').toString()
  const rest = after === undefined ? items : items.filter(({ id }) => id > after)
  const page = rest.slice(0, MaxResults || 1000)
  const last = page.at(-1)
  const more = last !== undefined && rest.length > page.length
  return { page, tail: more ? { NextToken: Buffer.from(last.id).toString('base64url') } : {} }
}

/** Lower-case scheme, whatever the caller wrote. */
export const s3Uri = (text: string): string => text.replace(/^s3:/i, 's3:')

/**
 * The location's scope, and the prefix below it. A location stands for all that begins with it; a grant says so by a `*` at
 * its end, and names one object without it.
 */
export const scopeBelow = (location: string, subPrefix: string | undefined): string =>
  (/^s3:\/\/[^/]+$/.test(location) ? `${location}/` : location.replace(/\*$/, '')) + (subPrefix ?? '*')
