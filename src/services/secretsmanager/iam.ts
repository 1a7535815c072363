import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules, Requirement } from '../../kernel/service.ts'
import type { NS } from './operation.ts'
import { policyDocuments } from './resource-policy.ts'
import { findSecret, Secret, type SecretRecord, secretArn } from './secret.ts'

// "Actions, resources, and condition keys for AWS Secrets Manager", service authorization reference.

type Context = NonNullable<Requirement['context']>

const look = (ctx: Ctx, id: string): Promise<SecretRecord | undefined> =>
  ctx.read((tx) => findSecret(tx, ctx.place, id))

/** A secret that is not there is named as it was asked for; nobody knows its last six characters. */
const arnFor = (ctx: Ctx, id: string, secret: SecretRecord | undefined): string => {
  if (secret) return secretArn(secret)
  return id.startsWith('arn:') ? id : ctx.arn(`secret:${id}-??????`)
}

const ofSecret = async (ctx: Ctx, id: string): Promise<{ resources: string[]; context: Context }> => {
  const secret = await look(ctx, id)
  const arn = arnFor(ctx, id, secret)
  return {
    resources: [arn],
    context: {
      'secretsmanager:SecretId': arn,
      'secretsmanager:resource/AllowRotationLambdaArn': secret?.rotation?.lambda,
      'secretsmanager:SecretPrimaryRegion': secret && (secret.primaryRegion ?? secret.region),
    },
  }
}

const onSecret =
  <I extends { SecretId: string }>(more: (input: I) => Context = () => ({})): AccessRule<I> =>
  async (input, ctx) => {
    const { resources, context } = await ofSecret(ctx, input.SecretId)
    return { resources, context: { ...context, ...more(input) } }
  }
const plain = onSecret()

/** Throws AccessDeniedException unless the caller may read the current value, as by a call for it. */
export const authorizeRead = async (ctx: Ctx, id: string): Promise<void> => {
  const { resources, context } = await ofSecret(ctx, id)
  const keys = Object.entries({ ...context, 'secretsmanager:VersionStage': 'AWSCURRENT' }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, [value].flat()] as const],
  )
  for (const arn of resources) await ctx.authorize('secretsmanager:GetSecretValue', arn, Object.fromEntries(keys))
}

const known = policyDocuments()
const flag = (value: boolean | undefined) => (value === undefined ? undefined : String(value))
const regionsOf = (regions: readonly { Region?: string | undefined }[] | undefined) =>
  regions?.flatMap(({ Region }) => (Region === undefined ? [] : [Region]))

const placeIn = (arn: string) => {
  const found = /^arn:[\w-]+:secretsmanager:([\w-]+):(\d{12}):secret:(.+)-[A-Za-z0-9]{6}$/.exec(arn)
  return found && { region: found[1] ?? '', account: found[2] ?? '', name: found[3] ?? '' }
}

export const access: AccessRules<NS> = {
  operations: {
    CreateSecret: (input, ctx) => {
      const context: Context = {
        'secretsmanager:Name': input.Name,
        'secretsmanager:Description': input.Description,
        'secretsmanager:KmsKeyArn': input.KmsKeyId,
        'secretsmanager:KmsKeyId': input.KmsKeyId,
        'secretsmanager:AddReplicaRegions': regionsOf(input.AddReplicaRegions),
        'secretsmanager:ForceOverwriteReplicaSecret': flag(input.ForceOverwriteReplicaSecret),
        ...Object.fromEntries((input.Tags ?? []).map(({ Key, Value }) => [`aws:RequestTag/${Key}`, Value ?? ''])),
        'aws:TagKeys': input.Tags?.flatMap(({ Key }) => (Key === undefined ? [] : [Key])),
      }
      const resources = [ctx.arn(`secret:${input.Name}-??????`)]
      const more = [
        ...(input.Tags?.length ? ['secretsmanager:TagResource'] : []),
        ...(input.AddReplicaRegions?.length ? ['secretsmanager:ReplicateSecretToRegions'] : []),
      ]
      return ['secretsmanager:CreateSecret', ...more].map((action) => ({ action, resources, context }))
    },
    ...{ DescribeSecret: plain, GetResourcePolicy: plain, DeleteResourcePolicy: plain, ListSecretVersionIds: plain },
    ...{ RestoreSecret: plain, CancelRotateSecret: plain, PutSecretValue: plain, StopReplicationToReplica: plain },
    ...{ TagResource: plain, UntagResource: plain },
    GetSecretValue: onSecret(({ VersionId, VersionStage }) => ({
      'secretsmanager:VersionId': VersionId,
      'secretsmanager:VersionStage': VersionStage ?? (VersionId === undefined ? 'AWSCURRENT' : undefined),
    })),
    UpdateSecret: onSecret(({ Description, KmsKeyId }) => ({
      'secretsmanager:Description': Description,
      'secretsmanager:KmsKeyArn': KmsKeyId,
      'secretsmanager:KmsKeyId': KmsKeyId,
    })),
    UpdateSecretVersionStage: onSecret(({ VersionStage }) => ({ 'secretsmanager:VersionStage': VersionStage })),
    DeleteSecret: onSecret(({ RecoveryWindowInDays, ForceDeleteWithoutRecovery }) => ({
      'secretsmanager:RecoveryWindowInDays':
        RecoveryWindowInDays === undefined ? undefined : String(RecoveryWindowInDays),
      'secretsmanager:ForceDeleteWithoutRecovery': flag(ForceDeleteWithoutRecovery),
    })),
    RotateSecret: onSecret(({ RotationLambdaARN, RotateImmediately, RotationRules }) => ({
      'secretsmanager:RotationLambdaARN': RotationLambdaARN,
      'secretsmanager:ModifyRotationRules': String(RotationRules !== undefined),
      'secretsmanager:RotateImmediately': flag(RotateImmediately),
    })),
    PutResourcePolicy: onSecret(({ BlockPublicPolicy }) => ({
      'secretsmanager:BlockPublicPolicy': flag(BlockPublicPolicy),
    })),
    ReplicateSecretToRegions: onSecret(({ AddReplicaRegions, ForceOverwriteReplicaSecret }) => ({
      'secretsmanager:AddReplicaRegions': regionsOf(AddReplicaRegions),
      'secretsmanager:ForceOverwriteReplicaSecret': flag(ForceOverwriteReplicaSecret),
    })),
    RemoveRegionsFromReplication: plain,
    // "Required permissions: secretsmanager:ValidateResourcePolicy and secretsmanager:PutResourcePolicy."
    ValidateResourcePolicy: async ({ SecretId }, ctx) => {
      const on = SecretId === undefined ? { resources: ['*'] } : await ofSecret(ctx, SecretId)
      return ['secretsmanager:ValidateResourcePolicy', 'secretsmanager:PutResourcePolicy'].map((action) => ({
        action,
        ...on,
      }))
    },
    ...{
      ListSecrets: () => ({ resources: ['*'] }),
      BatchGetSecretValue: () => ({ resources: ['*'] }),
      GetRandomPassword: () => ({ resources: ['*'] }),
    },
  },
  resourcePolicy: async (ctx, arn) => {
    const at = placeIn(arn)
    const secret = at && (await ctx.read((tx) => tx.get(Secret, at.name, at)))
    if (!secret || secretArn(secret) !== arn) return undefined
    return { account: secret.account, ...(secret.policy === undefined ? {} : { document: known(secret.policy) }) }
  },
  resourceTags: async (ctx, arn) => {
    const at = placeIn(arn)
    const secret = at && (await ctx.read((tx) => tx.get(Secret, at.name, at)))
    if (!secret) return undefined
    return secret.tags
  },
}
