import type { GrantConstraints, GrantListEntry, GrantOperation, KeyUsageType } from '@aws-sdk/client-kms'
import type { Ctx } from '../../kernel/context.ts'
import type { Statement } from '../../policy/policy.ts'
import { table } from '../../store/store.ts'
import { principals } from '../capabilities.ts'
import { dryRun } from './dry-run.ts'
import { invalidInput } from './invalid-input.ts'
import { getKey, type KeyRecord, keyArn, stateOf, usable } from './key.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { pageOf } from './page.ts'

export type GrantRecord = {
  readonly id: string
  /** The key's ARN: grants are asked for by key, whoever's account asks. */
  readonly key: string
  readonly name?: string
  readonly created: number
  /** An ARN, or a service's host name. */
  readonly grantee: string
  readonly retiring?: string
  readonly issuer: string
  readonly operations: readonly GrantOperation[]
  readonly constraints?: GrantConstraints
}
export const Grant = table<GrantRecord>('kms.grant', {
  scope: 'region',
  key: ({ id }) => id,
  index: { key: ({ key }) => key, retiring: ({ retiring }) => retiring },
})

const isService = (principal: string) => /^[a-z0-9.-]+\.amazonaws\.com$/.test(principal)
const tokenMark = 'kms-grant '

/** A token by which a grant can be retired; it is in force at once, so that nobody needs it to use the grant. */
const tokenOf = (ctx: Ctx, { id, key }: GrantRecord): string =>
  Buffer.from(ctx.seal(tokenMark + JSON.stringify({ id, key })), 'base64').toString('base64url')

/** Raises InvalidGrantTokenException. */
export const openToken = (ctx: Ctx, token: string): { id: string; key: string } => {
  try {
    const text = ctx.unseal(Buffer.from(token, 'base64url').toString('base64'))
    if (text.startsWith(tokenMark)) return JSON.parse(text.slice(tokenMark.length)) as { id: string; key: string }
  } catch {
    // Whatever it is, it is no token of ours.
  }
  throw fail('InvalidGrantTokenException', 'The grant token is invalid.')
}

export const checkTokens = (ctx: Ctx, tokens: readonly string[] | undefined): void => {
  for (const token of tokens ?? []) openToken(ctx, token)
}

type Conditions = Record<string, Record<string, string | string[]>>

/** Conditions on the encryption context, as a constraint has them. */
const onContext = ({
  EncryptionContextEquals: exactly,
  EncryptionContextSubset: subset,
}: GrantConstraints): { equal: Conditions[string]; among: Conditions[string] } => {
  const pairs = Object.entries(exactly ?? subset ?? {})
  return {
    equal: Object.fromEntries(pairs.map(([key, value]) => [`kms:EncryptionContext:${key}`, value])),
    among: exactly ? { 'kms:EncryptionContextKeys': Object.keys(exactly) } : {},
  }
}

/**
 * A grant as statements of the key's policy: so the one engine decides on it ("Grants in AWS KMS", KMS developer guide).
 * Constraints on the encryption context are for what has one; a grant made by right of this one gives none of what this does
 * not, under constraints as strict at least. RetireGrant is a right on the grant, not on the key: see `mayRetire`.
 */
export const statementsOf = (grant: GrantRecord): Statement[] => {
  const { grantee, operations, constraints = {} } = grant
  const { equal, among } = onContext(constraints)
  const source: Conditions = constraints.SourceArn ? { ArnLike: { 'aws:SourceArn': constraints.SourceArn } } : {}
  const allow = (allowed: readonly GrantOperation[], conditions: Conditions): Statement[] => {
    const held = Object.entries({ ...source, ...conditions }).filter(([, keys]) => Object.keys(keys).length > 0)
    if (allowed.length === 0) return []
    return [
      {
        Sid: grant.id,
        Effect: 'Allow',
        Principal: isService(grantee) ? { Service: grantee } : { AWS: grantee },
        Action: allowed.map((operation) => `kms:${operation}`),
        Resource: '*',
        ...(held.length > 0 ? { Condition: Object.fromEntries(held) } : {}),
      },
    ]
  }
  const grants = operations.filter((operation) => operation === 'CreateGrant')
  const rest = operations.filter((operation) => operation !== 'CreateGrant' && operation !== 'RetireGrant')
  return [
    ...allow(
      rest.filter((operation) => withContext.includes(operation)),
      { StringEquals: equal, 'ForAllValues:StringEquals': among },
    ),
    ...allow(
      rest.filter((operation) => !withContext.includes(operation)),
      {},
    ),
    ...allow(grants, {
      StringEquals: {
        ...equal,
        ...(constraints.EncryptionContextEquals ? { 'kms:GrantConstraintType': 'EncryptionContextEquals' } : {}),
        ...(constraints.SourceArn ? { 'kms:GrantConstraintSourceArn': constraints.SourceArn } : {}),
      },
      'ForAllValues:StringEquals': { ...among, 'kms:GrantOperations': [...operations] },
    }),
  ]
}

const always: readonly GrantOperation[] = ['CreateGrant', 'RetireGrant', 'DescribeKey']
/** Operations with an encryption context: those of symmetric encryption keys. */
const withContext: readonly GrantOperation[] = [
  ...(['Encrypt', 'Decrypt', 'ReEncryptFrom', 'ReEncryptTo', 'GenerateDataKey'] as const),
  ...(['GenerateDataKeyWithoutPlaintext', 'GenerateDataKeyPair', 'GenerateDataKeyPairWithoutPlaintext'] as const),
]
/** What a grant may give on an asymmetric or HMAC key, by its usage. */
const byUsage: Readonly<Record<KeyUsageType, readonly string[]>> = {
  ENCRYPT_DECRYPT: ['Encrypt', 'Decrypt', 'ReEncryptFrom', 'ReEncryptTo', 'GetPublicKey'],
  SIGN_VERIFY: ['Sign', 'Verify', 'GetPublicKey'],
  GENERATE_VERIFY_MAC: ['GenerateMac', 'VerifyMac'],
  KEY_AGREEMENT: ['DeriveSharedSecret', 'GetPublicKey'],
  ENCAPSULATE_DECAPSULATE: ['Encapsulate', 'Decapsulate', 'GetPublicKey'],
}

/** "The operation must be supported on the KMS key" ("CreateGrant", KMS API reference). Raises ValidationException. */
const checkOperations = ({ spec, usage }: KeyRecord, { Operations, Constraints }: Input<'CreateGrant'>): void => {
  const symmetric = spec === 'SYMMETRIC_DEFAULT'
  const known: readonly string[] = symmetric ? withContext : byUsage[usage]
  for (const operation of Operations)
    if (!known.includes(operation) && !always.includes(operation))
      throw invalidInput(`Operation ${operation} is not supported by a key of spec ${spec} and usage ${usage}.`)
  if (!symmetric && (Constraints?.EncryptionContextEquals || Constraints?.EncryptionContextSubset))
    throw invalidInput(`A key of spec ${spec} has no encryption context that a grant could constrain.`)
}

/** Whether this principal may retire the grant by the grant itself: as its retiring principal, or as its grantee where it says so. */
export const mayRetire = (
  { arn, roleArn }: Ctx['principal'],
  { retiring, grantee, operations }: GrantRecord,
): boolean =>
  [retiring, operations.includes('RetireGrant') ? grantee : undefined].some(
    (name) => name !== undefined && [arn, roleArn].includes(name),
  )

const principalText = /^arn:[\w-]+:(iam|sts)::\d{12}:(root|user\/.+|role\/.+|assumed-role\/.+|federated-user\/.+)$/

/** Raises ValidationException's kin: InvalidArnException. */
const principalOf = (arn: string | undefined, service: string | undefined): string | undefined => {
  if (arn !== undefined && service !== undefined)
    throw fail('InvalidArnException', 'A principal and a service principal cannot be given together.')
  if (service !== undefined && !isService(service))
    throw fail('InvalidArnException', `Invalid service principal: ${service}`)
  if (arn !== undefined && !principalText.test(arn) && !isService(arn))
    throw fail('InvalidArnException', `Invalid ARN: ${arn}`)
  return arn ?? service
}

const constraintsOf = ({ Constraints: given }: Input<'CreateGrant'>): GrantConstraints | undefined => {
  if (!given) return undefined
  if (given.EncryptionContextEquals && given.EncryptionContextSubset)
    throw fail(
      'UnsupportedOperationException',
      'Only one of EncryptionContextEquals and EncryptionContextSubset may be given.',
    )
  return given
}

/** The same grant by the same name is the same grant: retries make no second one. */
const same = (a: GrantRecord, b: GrantRecord): boolean => {
  const shape = ({ name, grantee, retiring, operations, constraints }: GrantRecord) =>
    JSON.stringify([name, grantee, retiring, operations.toSorted(), constraints])
  return shape(a) === shape(b)
}

export const CreateGrant: Operation<'CreateGrant'> = async (ctx, input) => {
  const grantee = principalOf(input.GranteePrincipal, input.GranteeServicePrincipal)
  if (grantee === undefined) throw fail('InvalidArnException', 'A grant needs a grantee principal.')
  const retiring = principalOf(input.RetiringPrincipal, input.RetiringServicePrincipal)
  for (const name of [grantee, retiring])
    if (name !== undefined && !(await ctx.use(principals).exists(ctx.place, name)))
      throw fail('InvalidArnException', `ARN does not refer to a valid principal: ${name}`)
  const constraints = constraintsOf(input)
  checkTokens(ctx, input.GrantTokens)
  const grant = await ctx.write(async (tx) => {
    const key = await getKey(tx, ctx.place, input.KeyId)
    // A key whose store is disconnected may still be granted.
    if (stateOf(key) !== 'Unavailable') usable(key)
    checkOperations(key, input)
    dryRun(input)
    const place = { account: key.account, region: key.region }
    const made: GrantRecord = {
      id: ctx.random(64),
      key: keyArn(key),
      ...(input.Name === undefined ? {} : { name: input.Name }),
      created: ctx.now().getTime(),
      grantee,
      ...(retiring === undefined ? {} : { retiring }),
      issuer: ctx.account,
      operations: input.Operations,
      ...(constraints ? { constraints } : {}),
    }
    if (input.Name !== undefined)
      for (const other of await tx.list(Grant, { index: 'key', equals: made.key }, place))
        if (same(other, made)) return other
    return tx.put(Grant, made, place)
  })
  return { GrantId: grant.id, GrantToken: tokenOf(ctx, grant) }
}

const toEntry = ({
  id,
  key,
  name,
  created,
  grantee,
  retiring,
  issuer,
  operations,
  constraints,
}: GrantRecord): GrantListEntry => ({
  KeyId: key,
  GrantId: id,
  ...(name === undefined ? {} : { Name: name }),
  CreationDate: new Date(created),
  ...(isService(grantee) ? { GranteeServicePrincipal: grantee } : {}),
  GranteePrincipal: grantee,
  ...(retiring === undefined ? {} : { RetiringPrincipal: retiring }),
  ...(retiring !== undefined && isService(retiring) ? { RetiringServicePrincipal: retiring } : {}),
  IssuingAccount: `arn:aws:iam::${issuer}:root`,
  Operations: [...operations],
  ...(constraints ? { Constraints: constraints } : {}),
})

export const ListGrants: Operation<'ListGrants'> = async (ctx, input) => {
  const grants = await ctx.read(async (tx) => {
    const key = await getKey(tx, ctx.place, input.KeyId)
    return tx.list(Grant, { index: 'key', equals: keyArn(key) }, { account: key.account, region: key.region })
  })
  const asked = input.GranteePrincipal ?? input.GranteeServicePrincipal
  const wanted = grants.filter(
    ({ id, grantee }) =>
      (input.GrantId === undefined || id === input.GrantId) && (asked === undefined || grantee === asked),
  )
  const { items, tail } = pageOf(wanted, input, ({ id }) => id, 50)
  return { Grants: items.map(toEntry), ...tail }
}

/** The caller's own account's grants that this principal may retire. */
export const ListRetirableGrants: Operation<'ListRetirableGrants'> = async (ctx, input) => {
  const equals = principalOf(input.RetiringPrincipal, input.RetiringServicePrincipal)
  if (equals === undefined) throw fail('InvalidArnException', 'A retiring principal is needed.')
  const grants = await ctx.read((tx) => tx.list(Grant, { index: 'retiring', equals }))
  const { items, tail } = pageOf(grants, input, ({ id }) => id, 50)
  return { Grants: items.map(toEntry), ...tail }
}

export const RevokeGrant: Operation<'RevokeGrant'> = async (ctx, input) => {
  await ctx.write(async (tx) => {
    const key = await getKey(tx, ctx.place, input.KeyId)
    const place = { account: key.account, region: key.region }
    const grant = await tx.get(Grant, input.GrantId, place)
    if (grant?.key !== keyArn(key)) throw fail('NotFoundException', `Grant ID ${input.GrantId} not found`)
    dryRun(input)
    tx.delete(Grant, grant.id, place)
  })
  return {}
}

/** The grant that a request to retire names, by its token or by key and id. Raises ValidationException's kin. */
export const retiredGrant = async (ctx: Ctx, input: Input<'RetireGrant'>): Promise<GrantRecord> => {
  const named =
    input.GrantToken === undefined
      ? { key: input.KeyId ?? '', id: input.GrantId ?? '' }
      : openToken(ctx, input.GrantToken)
  const [, , , region = ctx.region, account = ctx.account] = named.key.split(':')
  const grant = await ctx.read((tx) => tx.get(Grant, named.id, { account, region }))
  if (!grant || (named.key.startsWith('arn:') && grant.key !== named.key))
    throw fail('NotFoundException', `Grant ID ${named.id} not found`)
  return grant
}

export const RetireGrant: Operation<'RetireGrant'> = async (ctx, input) => {
  const { id, key } = await retiredGrant(ctx, input)
  dryRun(input)
  const [, , , region = ctx.region, account = ctx.account] = key.split(':')
  await ctx.write(async (tx) => tx.delete(Grant, id, { account, region }))
  return {}
}
