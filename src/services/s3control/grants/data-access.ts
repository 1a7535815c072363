import type { Permission } from '@aws-sdk/client-s3-control'
import type { Caller, Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import type { Statement } from '../../../policy/policy.ts'
import { type Operation, refuse } from '../operation.ts'
import { Grant, type GrantRecord, getInstance, getLocation, grantsError, homeOf, instanceArn, s3Uri } from './grant.ts'

// Temporary credentials for what a grant gives: a session of the location's role, narrowed to the grant's scope ("Request
// access to Amazon S3 data through S3 Access Grants", S3 user guide).

/** Of a session policy, in characters. */
const longestPolicy = 2048

/** The IAM user or role that calls: grants are to these. */
export const granteeOf = ({ principal: { kind, arn, roleArn } }: Pick<Ctx, 'principal'>): string =>
  kind === 'role' ? (roleArn ?? arn) : arn

/** The location's role as S3 Access Grants assumes it, which its trust policy must allow; narrowed by `policy`. */
export const actingAs = (
  ctx: Ctx,
  role: string,
  options: { readonly policy?: string; readonly durationSeconds?: number } = {},
): Caller =>
  ctx.as(role, {
    host: 'access-grants.s3.amazonaws.com',
    sessionName: `access-grants-${ctx.newId()}`,
    // Who is behind the session, for CloudTrail.
    sourceIdentity: ctx.principal.id.split(':')[0] ?? ctx.principal.id,
    context: { 'aws:SourceArn': [instanceArn(ctx.place)], 'aws:SourceAccount': [ctx.account] },
    sessionContext: { 's3:AccessGrantsInstanceArn': [instanceArn(ctx.place)] },
    ...(options.policy === undefined ? {} : { policies: [options.policy] }),
    ...(options.durationSeconds === undefined ? {} : { durationSeconds: options.durationSeconds, bounded: true }),
  })

/** A scope that ends in `*` covers all that begins so, any other itself alone. */
export const covers = (scope: string, target: string): boolean =>
  scope.endsWith('*') ? target.startsWith(scope.slice(0, -1)) : target === scope

/** In policies `*`, `?` and `$` mean something; in keys they are characters. */
const literally = (text: string): string => text.replace(/[*?$]/g, (character) => `\${${character}}`)

const readObjects = ['GetObject', 'GetObjectVersion', 'GetObjectAcl', 'GetObjectVersionAcl', 'ListMultipartUploadParts']
const writeObjects = [
  ...['PutObject', 'PutObjectAcl', 'PutObjectVersionAcl', 'DeleteObject', 'DeleteObjectVersion'],
  'AbortMultipartUpload',
]

/** What a session may do for a scope: no more than the location's role may ("Register a location" has the actions). */
export const sessionPolicy = (scope: string, permission: Permission, region: string): string => {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.*)$/s.exec(scope) ?? []
  const open = key.endsWith('*')
  const prefix = literally(open ? key.slice(0, -1) : key)
  const reads = permission !== 'WRITE'
  const writes = permission !== 'READ'
  const objects = `arn:aws:s3:::${bucket}/${prefix}${open ? '*' : ''}`
  const statement = (actions: readonly string[], resource: string, condition?: Statement['Condition']): Statement => ({
    Effect: 'Allow',
    Action: actions.map((action) => (action.includes(':') ? action : `s3:${action}`)),
    Resource: resource,
    ...(condition ? { Condition: condition } : {}),
  })
  const listed = prefix === '' && open ? undefined : { StringLike: { 's3:prefix': `${prefix}${open ? '*' : ''}` } }
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      statement([...(reads ? readObjects : []), ...(writes ? writeObjects : [])], objects),
      ...(reads ? [statement(['ListBucket', 'ListBucketVersions'], `arn:aws:s3:::${bucket}`, listed)] : []),
      statement(['kms:Decrypt', ...(writes ? ['kms:GenerateDataKey'] : [])], '*', {
        StringEquals: { 'kms:ViaService': `s3.${region}.amazonaws.com` },
      }),
    ],
  })
}

/** The narrowest grant that gives this much of the target. */
const bestOf = (grants: readonly GrantRecord[], target: string, permission: Permission): GrantRecord | undefined =>
  grants
    .filter((grant) => covers(grant.scope, target) && ['READWRITE', permission].includes(grant.permission))
    .toSorted((a, b) => b.scope.length - a.scope.length)[0]

/** Errors: AccessDenied, StsNotAuthorizedError, StsValidationError, StsPackedPolicyTooLargeError. */
export const GetDataAccess: Operation<'GetDataAccess'> = async (ctx, input) => {
  const home = homeOf(ctx, input)
  const target = s3Uri(input.Target)
  const { Permission: permission, DurationSeconds: seconds = 3600 } = input
  const found = await home.read(async (tx) => {
    await getInstance(tx)
    const grant = bestOf(await tx.list(Grant, { index: 'grantee', equals: granteeOf(ctx) }), target, permission)
    return grant && { grant, role: (await getLocation(tx, grant.location)).role }
  })
  if (!found)
    throw refuse(
      'AccessDenied',
      `You do not have ${permission} permissions to the requested S3 Prefix: ${input.Target}`,
    )
  const { grant, role } = found
  const scope = input.Privilege === 'Minimal' ? target : grant.scope
  if (input.TargetType === 'Object' && scope === target && scope.endsWith('*')) throw grantsError('InvalidAccessGrant')
  const policy = sessionPolicy(scope, permission, home.region)
  if (policy.length > longestPolicy) throw grantsError('StsPackedPolicyTooLargeError')
  const credentials = await vended(role, () =>
    actingAs(home, role, { policy, durationSeconds: seconds }).credentials(seconds),
  )
  return {
    Credentials: {
      AccessKeyId: credentials.accessKeyId,
      SecretAccessKey: credentials.secretAccessKey,
      SessionToken: credentials.sessionToken,
      Expiration: credentials.expiration,
    },
    MatchedGrantTarget: scope,
    Grantee: { GranteeType: 'IAM', GranteeIdentifier: grant.grantee },
  }
}

/** What STS refuses, in S3's words for it. */
const vended = async <T>(role: string, body: () => Promise<T>): Promise<T> => {
  try {
    return await body()
  } catch (error) {
    if (!(error instanceof AwsError)) throw error
    if (error.code !== 'AccessDenied') throw new AwsError('StsValidationError', error.message, { status: 400 })
    throw new AwsError(
      'StsNotAuthorizedError',
      `User: access-grants.s3.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: ${role}`,
      { status: 403 },
    )
  }
}
