import { requestTags } from '../../kernel/authorize.ts'
import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules, Requirement } from '../../kernel/service.ts'
import type { PolicyDocument } from '../../policy/policy.ts'
import type { EncryptionContext } from './ciphertext.ts'
import { ignoresCiphertext } from './dry-run.ts'
import { keyOfCiphertext } from './encryption.ts'
import { Grant, type GrantRecord, mayRetire, retiredGrant, statementsOf } from './grants.ts'
import { Alias, aliasArn, findKey, Key, type KeyRecord, keyArn, partsOf } from './key.ts'
import { policyDocuments } from './key-policy.ts'
import type { NS } from './operation.ts'

// "Actions, resources, and condition keys for AWS Key Management Service", service authorization reference.

type Context = NonNullable<Requirement['context']>

/** The ARN of a key as far as it can be told: one that is not there is named as it was asked for. */
const arnOf = (ctx: Ctx, given: string, key: KeyRecord | undefined): string => {
  if (key) return keyArn(key)
  const { place, id, alias } = partsOf(ctx.place, given)
  return alias === undefined ? keyArn({ ...place, id: id ?? '' }) : aliasArn(place, alias)
}

/** The service through which the caller came: `s3.us-east-1.amazonaws.com`. */
const viaService = (ctx: Ctx): string | undefined => {
  const [service] = ctx.request.invokedBy?.split('.') ?? []
  return service && `${service}.${ctx.region}.amazonaws.com`
}

const ofKey = (ctx: Ctx, key: KeyRecord | undefined): Context => ({
  'kms:CallerAccount': ctx.principal.account || undefined,
  'kms:ViaService': viaService(ctx),
  'kms:KeySpec': key?.spec,
  'kms:KeyUsage': key?.usage,
  'kms:KeyOrigin': key?.origin,
  'kms:MultiRegion': key && String(key.multiRegion !== undefined),
  'kms:MultiRegionKeyType': key?.multiRegion && (key.multiRegion.primary === key.region ? 'PRIMARY' : 'REPLICA'),
})

const ofContext = (context: EncryptionContext | undefined): Context => ({
  ...Object.fromEntries(Object.entries(context ?? {}).map(([key, value]) => [`kms:EncryptionContext:${key}`, value])),
  'kms:EncryptionContextKeys': context && Object.keys(context).length > 0 ? Object.keys(context) : undefined,
})

const requestAlias = (given: string | undefined): string | undefined => given && /(^|:)(alias\/.+)$/.exec(given)?.[2]

/** A key and its aliases, in one read. */
const look = (ctx: Ctx, given: string) =>
  ctx.read(async (tx) => {
    const key = await findKey(tx, ctx.place, given)
    const place = key && { account: key.account, region: key.region }
    const aliases = key ? await tx.list(Alias, { index: 'key', equals: key.id }, place) : []
    return { key, aliases: aliases.map(({ name }) => name) }
  })

const requirement = async (
  ctx: Ctx,
  given: string,
  more: Context = {},
  action?: string,
): Promise<Partial<Requirement>> => {
  const { key, aliases } = await look(ctx, given)
  return {
    ...(action === undefined ? {} : { action }),
    resources: [arnOf(ctx, given, key)],
    context: {
      ...ofKey(ctx, key),
      'kms:ResourceAliases': aliases.length > 0 ? aliases : undefined,
      'kms:RequestAlias': requestAlias(given),
      ...more,
    },
  }
}

/** An action on the key that `KeyId` names; `more` gives the condition keys of its input. */
const onKey =
  <I extends { KeyId: string }>(more: (input: I) => Context = () => ({})): AccessRule<I> =>
  (input, ctx) =>
    requirement(ctx, input.KeyId, more(input))

const plain = onKey()
const onStores: AccessRule<unknown> = (_, { principal }) => ({
  resources: ['*'],
  context: { 'kms:CallerAccount': principal.account || undefined },
})

/** Whether a service makes the call for its caller. */
const forService = (ctx: Ctx): Context => ({
  'kms:GrantIsForAWSResource': String(ctx.request.invokedBy !== undefined),
})
const onGrants: AccessRule<{ KeyId: string }> = (input, ctx) => requirement(ctx, input.KeyId, forService(ctx))

type Cryptographic = { KeyId: string; EncryptionContext?: EncryptionContext | undefined }
const underKey = <I extends Cryptographic>(more: (input: I) => Context = () => ({})): AccessRule<I> =>
  onKey<I>((input) => ({
    ...ofContext(input.EncryptionContext),
    'kms:EncryptionAlgorithm': 'SYMMETRIC_DEFAULT',
    ...more(input),
  }))

/** Both the alias and the key that it is to stand for. */
const onAlias =
  (action: string): AccessRule<{ AliasName: string; TargetKeyId?: string }> =>
  async ({ AliasName, TargetKeyId }, ctx) => {
    const target = TargetKeyId ?? AliasName
    const { key, aliases } = await look(ctx, target)
    const context = { ...ofKey(ctx, key), 'kms:ResourceAliases': aliases.length > 0 ? aliases : undefined }
    return [
      { action, resources: [aliasArn(ctx.place, AliasName)], context },
      ...(TargetKeyId === undefined && !key ? [] : [{ action, resources: [arnOf(ctx, target, key)], context }]),
    ]
  }

/** An alias that moves needs the right on the key it leaves too. */
const onMovedAlias: AccessRule<{ AliasName: string; TargetKeyId: string }> = async (input, ctx) => {
  const { key } = await look(ctx, input.AliasName)
  const both = await onAlias('kms:UpdateAlias')(input, ctx)
  const requirements = Array.isArray(both) ? both : []
  return key
    ? [...requirements, { action: 'kms:UpdateAlias', resources: [keyArn(key)], context: ofKey(ctx, key) }]
    : requirements
}

const ofGrant = (grant: Pick<GrantRecord, 'constraints'>): Context => {
  const { EncryptionContextEquals, EncryptionContextSubset, SourceArn } = grant.constraints ?? {}
  return {
    ...ofContext(EncryptionContextEquals ?? EncryptionContextSubset),
    'kms:GrantConstraintType': EncryptionContextEquals
      ? 'EncryptionContextEquals'
      : EncryptionContextSubset
        ? 'EncryptionContextSubset'
        : undefined,
    'kms:GrantConstraintSourceArn': SourceArn,
  }
}

const booleanText = (value: boolean | undefined) => (value === undefined ? undefined : String(value))

const known = policyDocuments()

/** Grants to this caller, however it may be named. */
const grantsTo = (ctx: Ctx, grants: readonly GrantRecord[]): readonly GrantRecord[] => {
  const { arn, roleArn, account } = ctx.principal
  const names = [arn, roleArn, `arn:aws:iam::${account}:root`]
  return grants.filter(({ grantee }) => names.includes(grantee))
}

/** The key's policy, and the caller's grants as statements of it: within the account too one of them must allow. */
const resourcePolicy: AccessRules<NS>['resourcePolicy'] = async (ctx, arn) => {
  const found = /^arn:[\w-]+:kms:([\w-]*):(\d{12}):key\/(.+)$/.exec(arn)
  if (!found) return undefined
  const [, region = '', account = '', id = ''] = found
  const place = { region, account }
  const { key, grants } = await ctx.read(async (tx) => ({
    key: await tx.get(Key, id, place),
    grants: await tx.list(Grant, { index: 'key', equals: arn }, place),
  }))
  if (!key) return undefined
  const policy = known(key.policy)
  const own = grantsTo(ctx, grants)
  const document: PolicyDocument =
    own.length === 0 ? policy : { ...policy, Statement: [...[policy.Statement].flat(), ...own.flatMap(statementsOf)] }
  return { account, document, required: true }
}

export const access: AccessRules<NS> = {
  operations: {
    CreateKey: (input, ctx) => {
      const context: Context = {
        ...ofKey(ctx, undefined),
        ...requestTags(input),
        'kms:KeySpec': input.KeySpec ?? input.CustomerMasterKeySpec ?? 'SYMMETRIC_DEFAULT',
        'kms:KeyUsage': input.KeyUsage ?? 'ENCRYPT_DECRYPT',
        'kms:KeyOrigin': input.Origin ?? 'AWS_KMS',
        'kms:MultiRegion': String(input.MultiRegion ?? false),
        'kms:MultiRegionKeyType': input.MultiRegion ? 'PRIMARY' : undefined,
        'kms:BypassPolicyLockoutSafetyCheck': booleanText(input.BypassPolicyLockoutSafetyCheck),
      }
      // "To use this parameter, you must have kms:TagResource permission in an IAM policy."
      const tagging = { action: 'kms:TagResource', resources: [keyArn({ ...ctx.place, id: '*' })], context }
      return [
        { action: 'kms:CreateKey', resources: ['*'], context },
        ...(input.Tags && input.Tags.length > 0 ? [tagging] : []),
      ]
    },
    ...{ DescribeKey: plain, EnableKey: plain, DisableKey: plain, UpdateKeyDescription: plain, GetPublicKey: plain },
    ...{ GetKeyPolicy: plain, ListKeyPolicies: plain, CancelKeyDeletion: plain, ListResourceTags: plain },
    ...{ TagResource: plain, UntagResource: plain, DisableKeyRotation: plain, GetKeyRotationStatus: plain },
    ...{ ListKeyRotations: plain, RotateKeyOnDemand: plain, DeleteImportedKeyMaterial: plain, GetKeyLastUsage: plain },
    ...{ Encapsulate: plain, Decapsulate: plain },
    ...{ CreateCustomKeyStore: onStores, DescribeCustomKeyStores: onStores, UpdateCustomKeyStore: onStores },
    ...{ DeleteCustomKeyStore: onStores, ConnectCustomKeyStore: onStores, DisconnectCustomKeyStore: onStores },
    ListKeys: () => ({ resources: ['*'] }),
    ListAliases: () => ({ resources: ['*'] }),
    ListRetirableGrants: () => ({ resources: ['*'] }),
    GenerateRandom: () => ({ resources: ['*'] }),
    PutKeyPolicy: onKey((input) => ({
      'kms:BypassPolicyLockoutSafetyCheck': booleanText(input.BypassPolicyLockoutSafetyCheck),
    })),
    ScheduleKeyDeletion: onKey((input) => ({
      'kms:ScheduleKeyDeletionPendingWindowInDays': String(input.PendingWindowInDays ?? 30),
    })),
    EnableKeyRotation: onKey((input) => ({ 'kms:RotationPeriodInDays': String(input.RotationPeriodInDays ?? 365) })),
    Encrypt: underKey((input) => ({ 'kms:EncryptionAlgorithm': input.EncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT' })),
    ...{ GenerateDataKey: underKey(), GenerateDataKeyWithoutPlaintext: underKey() },
    GenerateDataKeyPair: underKey((input) => ({ 'kms:DataKeyPairSpec': input.KeyPairSpec })),
    GenerateDataKeyPairWithoutPlaintext: underKey((input) => ({ 'kms:DataKeyPairSpec': input.KeyPairSpec })),
    Decrypt: async (input, ctx) => {
      const algorithm = input.EncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT'
      const key = await ctx.read((tx) =>
        keyOfCiphertext(ctx, tx, input.CiphertextBlob, input.KeyId, algorithm, ignoresCiphertext(input)),
      )
      return requirement(ctx, keyArn(key), {
        ...ofContext(input.EncryptionContext),
        'kms:RequestAlias': requestAlias(input.KeyId),
        'kms:EncryptionAlgorithm': algorithm,
      })
    },
    ReEncrypt: async (input, ctx) => {
      const algorithm = input.SourceEncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT'
      const source = await ctx.read((tx) =>
        keyOfCiphertext(ctx, tx, input.CiphertextBlob, input.SourceKeyId, algorithm, ignoresCiphertext(input)),
      )
      const { key } = await look(ctx, input.DestinationKeyId)
      const same = { 'kms:ReEncryptOnSameKey': String(key !== undefined && keyArn(key) === keyArn(source)) }
      const from = await requirement(ctx, keyArn(source), {
        ...ofContext(input.SourceEncryptionContext),
        'kms:RequestAlias': requestAlias(input.SourceKeyId),
        'kms:EncryptionAlgorithm': algorithm,
        ...same,
      })
      const to = await requirement(ctx, input.DestinationKeyId, {
        ...ofContext(input.DestinationEncryptionContext),
        'kms:EncryptionAlgorithm': input.DestinationEncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT',
        ...same,
      })
      return [
        { resources: [], ...from, action: 'kms:ReEncryptFrom' },
        { resources: [], ...to, action: 'kms:ReEncryptTo' },
      ]
    },
    ...{
      Sign: onKey((input) => ({
        'kms:SigningAlgorithm': input.SigningAlgorithm,
        'kms:MessageType': input.MessageType ?? 'RAW',
      })),
      Verify: onKey((input) => ({
        'kms:SigningAlgorithm': input.SigningAlgorithm,
        'kms:MessageType': input.MessageType ?? 'RAW',
      })),
      GenerateMac: onKey((input) => ({ 'kms:MacAlgorithm': input.MacAlgorithm })),
      VerifyMac: onKey((input) => ({ 'kms:MacAlgorithm': input.MacAlgorithm })),
      DeriveSharedSecret: onKey((input) => ({ 'kms:KeyAgreementAlgorithm': input.KeyAgreementAlgorithm })),
    },
    GetParametersForImport: onKey((input) => ({
      'kms:WrappingAlgorithm': input.WrappingAlgorithm,
      'kms:WrappingKeySpec': input.WrappingKeySpec,
    })),
    ImportKeyMaterial: onKey((input) => ({
      'kms:ExpirationModel': input.ExpirationModel ?? 'KEY_MATERIAL_EXPIRES',
      'kms:ValidTo': input.ValidTo instanceof Date ? input.ValidTo.toISOString() : undefined,
    })),
    // On the primary key, and what a new key needs where the replica will be; both keys where the primary moves.
    ReplicateKey: async (input, ctx) => {
      const context = { 'kms:ReplicaRegion': input.ReplicaRegion }
      const on = await requirement(ctx, input.KeyId, context)
      const made = { ...on.context, ...context, ...requestTags(input), 'kms:MultiRegionKeyType': 'REPLICA' }
      const replica = keyArn({ ...ctx.place, region: input.ReplicaRegion, id: '*' })
      return [
        { resources: [], ...on, action: 'kms:ReplicateKey' },
        { action: 'kms:CreateKey', resources: ['*'], context: made },
        ...(input.Tags?.length ? [{ action: 'kms:TagResource', resources: [replica], context: made }] : []),
      ]
    },
    UpdatePrimaryRegion: async (input, ctx) => {
      const { key } = await look(ctx, input.KeyId)
      const context = { 'kms:PrimaryRegion': input.PrimaryRegion }
      const on = { resources: [], ...(await requirement(ctx, input.KeyId, context)), action: 'kms:UpdatePrimaryRegion' }
      if (!key?.multiRegion?.replicas.includes(input.PrimaryRegion)) return [on]
      const replica = keyArn({ ...key, region: input.PrimaryRegion })
      const keys = { ...on.context, 'kms:MultiRegionKeyType': 'REPLICA', 'kms:ResourceAliases': undefined }
      return [on, { ...on, resources: [replica], context: keys }]
    },
    CreateAlias: onAlias('kms:CreateAlias'),
    DeleteAlias: onAlias('kms:DeleteAlias'),
    UpdateAlias: onMovedAlias,
    CreateGrant: (input, ctx) =>
      requirement(ctx, input.KeyId, {
        ...ofGrant({ ...(input.Constraints ? { constraints: input.Constraints } : {}) }),
        'kms:GrantOperations': input.Operations,
        'kms:GranteePrincipal': input.GranteePrincipal,
        'kms:GranteeServicePrincipal': input.GranteeServicePrincipal,
        'kms:RetiringPrincipal': input.RetiringPrincipal,
        'kms:RetiringServicePrincipal': input.RetiringServicePrincipal,
        ...forService(ctx),
      }),
    ...{ ListGrants: onGrants, RevokeGrant: onGrants },
    // Who may retire a grant is in the grant itself.
    RetireGrant: async (input, ctx) => {
      const grant = await retiredGrant(ctx, input)
      if (mayRetire(ctx.principal, grant)) return []
      return requirement(ctx, grant.key, ofGrant(grant))
    },
  },
  resourcePolicy,
  resourceTags: async (ctx, arn) => {
    const found = /^arn:[\w-]+:kms:([\w-]*):(\d{12}):key\/(.+)$/.exec(arn)
    if (!found) return undefined
    const [, region = '', account = '', id = ''] = found
    return (await ctx.read((tx) => tx.get(Key, id, { region, account })))?.tags
  },
}
