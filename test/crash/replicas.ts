import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { CreateRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketReplicationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { type Actor, certain, type World } from './world.ts'

const Bucket = 'crash-source'
const replica = 'crash-replica'
const Role = 'arn:aws:iam::000000000000:role/crash-replicator'
/** How long the last replicas may take to arrive, in milliseconds. */
const PATIENCE = 30_000

/**
 * Objects that are replicated while lifecycle rules go over their bucket again and again: the server dies in the midst of
 * both. Every acknowledged object is there and in the other bucket, byte by byte; what rules expire is nobody else's.
 */
export const replicas = (): Actor => {
  const promised = new Map<string, string>()
  const seen = new Set<string>()
  const shaOf = ({ aws }: World, from: string, Key: string) =>
    aws.s3.send(new GetObjectCommand({ Bucket: from, Key })).then(
      async ({ Body }) =>
        createHash('sha256')
          .update((await Body?.transformToByteArray()) ?? '')
          .digest('hex'),
      (error: Error) => (error.name === 'NoSuchKey' ? 'absent' : Promise.reject(error)),
    )
  const arrived = async (world: World, Key: string, sha: string): Promise<string> => {
    const until = Date.now() + PATIENCE
    for (;;) {
      const found = await shaOf(world, replica, Key)
      if (found !== 'absent' || Date.now() > until) return found === sha ? '' : found
      await pause(100)
    }
  }
  return {
    name: 'replicas',
    setUp: async ({ aws }) => {
      const Statement = { Effect: 'Allow', Principal: { Service: 's3.amazonaws.com' }, Action: 'sts:AssumeRole' }
      const all = { Effect: 'Allow', Action: 's3:*', Resource: '*' }
      const text = (statement: object) => JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
      const RoleName = 'crash-replicator'
      await aws.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: text(Statement) }))
      await aws.iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'all', PolicyDocument: text(all) }))
      for (const name of [Bucket, replica]) {
        await aws.s3.send(new CreateBucketCommand({ Bucket: name }))
        const VersioningConfiguration = { Status: 'Enabled' } as const
        await aws.s3.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration }))
      }
      const rule = {
        ID: 'all',
        Priority: 1,
        Status: 'Enabled',
        Filter: { Prefix: '' },
        DeleteMarkerReplication: { Status: 'Disabled' },
        Destination: { Bucket: `arn:aws:s3:::${replica}` },
      } as const
      await aws.s3.send(new PutBucketReplicationCommand({ Bucket, ReplicationConfiguration: { Role, Rules: [rule] } }))
    },
    act: async ({ aws, random, next }) => {
      if (random.chance(0.2)) {
        const today = new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000)
        const rule = {
          ID: 'gone',
          Status: 'Enabled',
          Filter: { Prefix: 'gone/' },
          Expiration: { Date: today },
        } as const
        const LifecycleConfiguration = { Rules: [rule] }
        await certain(aws.s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration })))
        return
      }
      const Body = randomBytes(random.chance(0.5) ? random.below(2_000) : 20_000 + random.below(400_000))
      const kept = random.chance(0.7)
      const Key = `${kept ? 'kept' : 'gone'}/${next()}`
      const put = await certain(aws.s3.send(new PutObjectCommand({ Bucket, Key, Body })))
      if (put && kept) promised.set(Key, createHash('sha256').update(Body).digest('hex'))
    },
    check: async (world, everything) => {
      const wrong: string[] = []
      for (const [Key, sha] of promised) {
        if (!everything && seen.has(Key)) continue
        if ((await shaOf(world, Bucket, Key)) !== sha) wrong.push(`object ${Key} is not what was put`)
        const found = await arrived(world, Key, sha)
        if (found) wrong.push(`the replica of ${Key} is ${found}`)
        seen.add(Key)
      }
      return wrong
    },
  }
}
