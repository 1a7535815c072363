import type { Statement } from '../../policy/policy.ts'
import { bucketArn, canonicalId } from './bucket.ts'
import { fail, malformedXml } from './operation.ts'

// Access control lists, and what they allow as statements of a policy ("Access control list (ACL) overview", S3 user guide).
// A pure engine: the one policy engine decides, with these statements beside the bucket's policy.

export type Permission = 'FULL_CONTROL' | 'READ' | 'WRITE' | 'READ_ACP' | 'WRITE_ACP'
type Group = 'AllUsers' | 'AuthenticatedUsers' | 'LogDelivery'
export type Grant = {
  /** A canonical user id, or a group. */
  readonly grantee: { readonly id: string } | { readonly group: Group }
  readonly permission: Permission
}
export type Acl = readonly Grant[]

const groupUris: Readonly<Record<Group, string>> = {
  AllUsers: 'http://acs.amazonaws.com/groups/global/AllUsers',
  AuthenticatedUsers: 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers',
  LogDelivery: 'http://acs.amazonaws.com/groups/s3/LogDelivery',
}
const permissions: readonly Permission[] = ['FULL_CONTROL', 'READ', 'WRITE', 'READ_ACP', 'WRITE_ACP']

const full = (account: string): Grant => ({ grantee: { id: canonicalId(account) }, permission: 'FULL_CONTROL' })
const toGroup = (group: Group, permission: Permission): Grant => ({ grantee: { group }, permission })

/** What an owner has when nothing was said. */
export const ownersAcl = (account: string): Acl => [full(account)]

/** EC2's, to which `aws-exec-read` grants reading of images ("Canned ACL", S3 user guide). */
const ec2 = '6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c'

/** The list a canned name stands for. `bucketOwner` for objects only. Throws InvalidArgument. */
export const cannedAcl = (name: string, owner: string, bucketOwner?: string): Acl => {
  const own = full(owner)
  switch (name) {
    case 'private':
      return [own]
    case 'public-read':
      return [own, toGroup('AllUsers', 'READ')]
    case 'public-read-write':
      return [own, toGroup('AllUsers', 'READ'), toGroup('AllUsers', 'WRITE')]
    case 'authenticated-read':
      return [own, toGroup('AuthenticatedUsers', 'READ')]
    case 'aws-exec-read':
      return [own, { grantee: { id: ec2 }, permission: 'READ' }]
    // For a bucket these two say nothing ("Canned ACL").
    case 'bucket-owner-read':
      return bucketOwner === undefined || bucketOwner === owner
        ? [own]
        : [own, { grantee: { id: canonicalId(bucketOwner) }, permission: 'READ' }]
    case 'bucket-owner-full-control':
      return bucketOwner === undefined || bucketOwner === owner ? [own] : [own, full(bucketOwner)]
    case 'log-delivery-write':
      if (bucketOwner === undefined) return [own, toGroup('LogDelivery', 'WRITE'), toGroup('LogDelivery', 'READ_ACP')]
  }
  throw fail('InvalidArgument', 'Argument x-amz-acl is invalid.', { ArgumentName: 'x-amz-acl', ArgumentValue: name })
}

const byId = (id: string | undefined): Grant['grantee'] => {
  if (id === undefined || !/^[0-9a-f]{64}$/.test(id))
    throw fail('InvalidArgument', 'Invalid id', { ArgumentName: 'CanonicalUser/ID', ArgumentValue: id ?? '' })
  return { id }
}

const byUri = (uri: string | undefined): Grant['grantee'] => {
  const found = Object.entries(groupUris).find(([, each]) => each === uri)?.[0]
  if (!found) throw fail('InvalidArgument', 'Invalid group uri', { ArgumentName: 'uri', ArgumentValue: uri ?? '' })
  return { group: found as Group }
}

/** Grants to e-mail addresses ended in October 2025 ("PutBucketAcl", S3 API reference). */
const byEmail = (): never => {
  throw fail('MethodNotAllowed', 'The specified method is not allowed against this resource.')
}

export type GrantHeaders = {
  readonly GrantFullControl?: string | undefined
  readonly GrantRead?: string | undefined
  readonly GrantReadACP?: string | undefined
  readonly GrantWrite?: string | undefined
  readonly GrantWriteACP?: string | undefined
}

const headerNames = {
  GrantFullControl: 'FULL_CONTROL',
  GrantRead: 'READ',
  GrantReadACP: 'READ_ACP',
  GrantWrite: 'WRITE',
  GrantWriteACP: 'WRITE_ACP',
} as const

export const hasGrantHeaders = (input: GrantHeaders): boolean =>
  Object.keys(headerNames).some((name) => input[name as keyof GrantHeaders] !== undefined)

/** Grants of `x-amz-grant-…` headers: `id="…", uri="…"`. Throws InvalidArgument. */
const headerAcl = (input: GrantHeaders): Acl =>
  Object.entries(headerNames).flatMap(([name, permission]) =>
    (input[name as keyof GrantHeaders] ?? '')
      .split(',')
      .filter((text) => text.trim() !== '')
      .map((text): Grant => {
        const [, kind, value] = /^\s*(id|uri|emailAddress)\s*=\s*"?([^"]*)"?\s*$/i.exec(text) ?? []
        if (kind === undefined)
          throw fail('InvalidArgument', 'Argument format not recognized', {
            ArgumentName: `x-amz-grant-${permission.toLowerCase().replaceAll('_', '-')}`,
            ArgumentValue: text,
          })
        const lower = kind.toLowerCase()
        const grantee = lower === 'id' ? byId(value) : lower === 'uri' ? byUri(value) : byEmail()
        return { grantee, permission }
      }),
  )

type WireGrant = {
  readonly Grantee?:
    | {
        readonly ID?: string | undefined
        readonly URI?: string | undefined
        readonly EmailAddress?: string | undefined
        readonly Type?: string | undefined
      }
    | undefined
  readonly Permission?: string | undefined
}
export type WireAcl = {
  readonly Owner?: { readonly ID?: string | undefined } | undefined
  readonly Grants?: readonly WireGrant[] | undefined
}

const largestAcl = 100

/** The list of a request's body. Throws MalformedACLError, AccessDenied for another owner than there is. */
const bodyAcl = ({ Owner: owner, Grants: grants }: WireAcl, account: string): Acl => {
  if (owner?.ID === undefined) throw malformedXml()
  if (owner.ID !== canonicalId(account)) throw fail('AccessDenied', 'Access Denied')
  if ((grants?.length ?? 0) > largestAcl)
    throw fail(
      'MalformedACLError',
      'The XML you provided was not well-formed or did not validate against our published schema',
    )
  return (grants ?? []).map(({ Grantee: grantee, Permission }): Grant => {
    const permission = permissions.find((each) => each === Permission)
    if (!permission || !grantee)
      throw fail(
        'MalformedACLError',
        'The XML you provided was not well-formed or did not validate against our published schema',
      )
    if (grantee.URI !== undefined) return { grantee: byUri(grantee.URI), permission }
    if (grantee.EmailAddress !== undefined) return byEmail()
    return { grantee: byId(grantee.ID), permission }
  })
}

export type AclAsked = GrantHeaders & {
  readonly ACL?: string | undefined
  readonly AccessControlPolicy?: WireAcl | undefined
}

/** The list a request gives, by name, by headers or by body; undefined when it gives none. Throws InvalidRequest, UnexpectedContent. */
export const aclAsked = (input: AclAsked, owner: string, bucketOwner?: string): Acl | undefined => {
  const headers = hasGrantHeaders(input)
  if (input.ACL !== undefined && headers)
    throw fail('InvalidRequest', 'Specifying both Canned ACLs and Header Grants is not allowed')
  if (input.AccessControlPolicy && (input.ACL !== undefined || headers))
    throw fail('UnexpectedContent', 'This request does not support content')
  if (input.ACL !== undefined) return cannedAcl(input.ACL, owner, bucketOwner)
  if (headers) return headerAcl(input)
  return input.AccessControlPolicy && bodyAcl(input.AccessControlPolicy, owner)
}

const isPublicGrant = ({ grantee }: Grant): boolean => 'group' in grantee && grantee.group !== 'LogDelivery'

/** Whether it grants anything to everyone, or to everyone with an AWS account ("The meaning of public"). */
export const isPublicAcl = (acl: Acl): boolean => acl.some(isPublicGrant)

/** Whether anyone but the owner has anything of it. */
export const grantsOthers = (acl: Acl, owner: string): boolean =>
  acl.some(({ grantee }) => 'group' in grantee || grantee.id !== canonicalId(owner))

export const toGrants = (acl: Acl) =>
  acl.map(({ grantee, permission }) => ({
    Grantee:
      'id' in grantee
        ? { Type: 'CanonicalUser' as const, ID: grantee.id }
        : { Type: 'Group' as const, URI: groupUris[grantee.group] },
    Permission: permission,
  }))

/** What a permission allows: on the bucket, on new objects in it, on an object ("Mapping of ACL permissions and access policy permissions"). */
const bucketActions: Readonly<Record<Permission, readonly string[]>> = {
  READ: ['s3:ListBucket', 's3:ListBucketVersions', 's3:ListBucketMultipartUploads'],
  WRITE: [],
  READ_ACP: ['s3:GetBucketAcl'],
  WRITE_ACP: ['s3:PutBucketAcl'],
  FULL_CONTROL: [
    's3:ListBucket',
    's3:ListBucketVersions',
    's3:ListBucketMultipartUploads',
    's3:GetBucketAcl',
    's3:PutBucketAcl',
  ],
}
const objectActions: Readonly<Record<Permission, readonly string[]>> = {
  READ: ['s3:GetObject', 's3:GetObjectVersion'],
  WRITE: [],
  READ_ACP: ['s3:GetObjectAcl', 's3:GetObjectVersionAcl'],
  WRITE_ACP: ['s3:PutObjectAcl', 's3:PutObjectVersionAcl'],
  FULL_CONTROL: [
    's3:GetObject',
    's3:GetObjectVersion',
    's3:GetObjectAcl',
    's3:GetObjectVersionAcl',
    's3:PutObjectAcl',
    's3:PutObjectVersionAcl',
  ],
}
/** What lists of objects speak of. */
export const aclActions: ReadonlySet<string> = new Set(objectActions.FULL_CONTROL)

/** Whom a grant names, as far as this caller is concerned; undefined when it is not about him. */
const principalOf = ({ grantee }: Grant, caller: string): Pick<Statement, 'Principal' | 'Condition'> | undefined => {
  if ('id' in grantee)
    return caller !== '' && grantee.id === canonicalId(caller) ? { Principal: { AWS: caller } } : undefined
  if (grantee.group === 'LogDelivery') return { Principal: { Service: 'logging.s3.amazonaws.com' } }
  return {
    Principal: '*',
    ...(grantee.group === 'AuthenticatedUsers' ? { Condition: { Null: { 'aws:PrincipalAccount': 'false' } } } : {}),
  }
}

type Reading = { readonly caller: string; readonly ignorePublic: boolean }

const inForce = (acl: Acl, { ignorePublic }: Reading): Acl =>
  ignorePublic ? acl.filter((grant) => !isPublicGrant(grant)) : acl

/** What a bucket's list allows this account. */
export const bucketStatements = (acl: Acl, bucket: string, reading: Reading): Statement[] =>
  inForce(acl, reading).flatMap((grant) => {
    const whom = principalOf(grant, reading.caller)
    if (!whom) return []
    const actions = bucketActions[grant.permission]
    const writes = grant.permission === 'WRITE' || grant.permission === 'FULL_CONTROL'
    return [
      ...(actions.length > 0
        ? [{ Effect: 'Allow' as const, ...whom, Action: actions, Resource: bucketArn(bucket) }]
        : []),
      ...(writes
        ? [
            {
              Effect: 'Allow' as const,
              ...whom,
              Action: ['s3:PutObject', 's3:PutObjectAcl', 's3:PutObjectTagging', 's3:AbortMultipartUpload'],
              Resource: `${bucketArn(bucket)}/*`,
              // New objects only: what is there has a list of its own.
              Condition: { ...whom.Condition, StringLike: { 's3:ObjectCreationOperation': '*' } },
            },
          ]
        : []),
    ]
  })

/** What an object's list allows this account. */
export const objectStatements = (acl: Acl, arn: string, reading: Reading): Statement[] =>
  inForce(acl, reading).flatMap((grant) => {
    const whom = principalOf(grant, reading.caller)
    const actions = objectActions[grant.permission]
    return whom && actions.length > 0 ? [{ Effect: 'Allow' as const, ...whom, Action: actions, Resource: arn }] : []
  })
