import { randomUUID } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import type { Place } from '../../store/store.ts'
import type { AwsManagedKeys } from '../capabilities.ts'
import { Alias, Key, type KeyRecord, keyArn, materialOf } from './key.ts'
import { keySpecs, newMaterial } from './key-spec.ts'
import { wakeFor } from './upkeep.ts'

const DAY = 86_400_000
/** Services whose keys AWS makes on first use, by the name in `alias/aws/…` ("AWS managed keys", KMS developer guide). */
const services = new Set(
  'acm backup codebuild codecommit codeartifact dynamodb ebs ecr elasticfilesystem es kinesis lambda logs rds secretsmanager s3 sns sqs ssm xray'.split(
    ' ',
  ),
)
const hosts: Readonly<Record<string, string>> = { ebs: 'ec2' }

/** Whoever may use the service in this account may use its key through it, and only through it. */
const managedPolicy = (account: string, region: string, service: string): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Id: `auto-${service}-1`,
    Statement: [
      {
        Sid: `Allow access through ${service} for all principals in the account that are authorized to use it`,
        Effect: 'Allow',
        Principal: { AWS: '*' },
        Action: [
          'kms:Encrypt',
          'kms:Decrypt',
          'kms:ReEncrypt*',
          'kms:GenerateDataKey*',
          'kms:CreateGrant',
          'kms:DescribeKey',
        ],
        Resource: '*',
        Condition: {
          StringEquals: {
            'kms:CallerAccount': account,
            'kms:ViaService': `${hosts[service] ?? service}.${region}.amazonaws.com`,
          },
        },
      },
      {
        Sid: 'Allow direct access to key metadata to the account',
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${account}:root` },
        Action: ['kms:Describe*', 'kms:Get*', 'kms:List*', 'kms:RevokeGrant'],
        Resource: '*',
      },
    ],
  })

/** The AWS managed key of an alias (`alias/aws/s3`) in this account and Region, made on first use; rotated every year. */
export const findManaged = async (ctx: Ctx, alias: string): Promise<KeyRecord | undefined> => {
  const service = alias.slice('alias/aws/'.length)
  if (!services.has(service)) return undefined
  const known = await ctx.read(async (tx) => {
    const found = await tx.get(Alias, alias)
    return found && tx.get(Key, found.key)
  })
  if (known) return known
  const id = randomUUID()
  const now = ctx.now().getTime()
  const material = materialOf(ctx, id, await newMaterial(keySpecs.SYMMETRIC_DEFAULT), now)
  return ctx.write(async (tx) => {
    const other = await tx.get(Alias, alias)
    if (other) return tx.get(Key, other.key)
    tx.put(Alias, { name: alias, key: id, created: now, updated: now })
    const key = tx.put(Key, {
      id,
      ...ctx.place,
      created: now,
      description: `Default key that protects my ${service} data when no other key is defined`,
      spec: 'SYMMETRIC_DEFAULT',
      usage: 'ENCRYPT_DECRYPT',
      origin: 'AWS_KMS',
      enabled: true,
      policy: managedPolicy(ctx.account, ctx.region, service),
      tags: {},
      managedFor: service,
      rotation: { days: 365, next: now + 365 * DAY },
      materials: [material],
      current: material.id,
    })
    wakeFor(ctx, tx, key)
    return key
  })
}

export const managedKeysProvider = (at: (place: Place) => Ctx): AwsManagedKeys => ({
  arnOf: async (place, service) => {
    const key = await findManaged(at(place), `alias/aws/${service}`)
    if (!key) throw new TypeError(`AWS has no managed key for ${service}.`)
    return keyArn(key)
  },
})
