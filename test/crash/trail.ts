import { gunzipSync } from 'node:zlib'
import { CreateTrailCommand, StartLoggingCommand, StopLoggingCommand } from '@aws-sdk/client-cloudtrail'
import { CreateLogGroupCommand } from '@aws-sdk/client-cloudwatch-logs'
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, PutBucketPolicyCommand } from '@aws-sdk/client-s3'
import { trailBucketPolicy } from '../../src/services/cloudtrail/story-bench.ts'
import { type Actor, certain, type World } from './world.ts'

const Bucket = 'crash-trail-logs'
const Name = 'crash'
/** How long the end of a trail's logging may take to be delivered, in milliseconds. */
const PATIENCE = 20_000

/**
 * Calls that a trail logs. Logging is stopped and started again and again, for a stop delivers at once what there is: so
 * the server dies in the midst of deliveries. Every acknowledged call is in the log files, once.
 */
export const trailLogs = (): Actor => {
  const acknowledged = new Set<string>()
  const counts = new Map<string, number>()
  const read = new Set<string>()

  const readNew = async ({ aws }: World) => {
    let ContinuationToken: string | undefined
    do {
      const page = await aws.s3.send(
        new ListObjectsV2Command({ Bucket, ...(ContinuationToken ? { ContinuationToken } : {}) }),
      )
      for (const { Key = '' } of page.Contents ?? []) {
        if (read.has(Key)) continue
        const { Body } = await aws.s3.send(new GetObjectCommand({ Bucket, Key }))
        const text = gunzipSync((await Body?.transformToByteArray()) ?? new Uint8Array()).toString()
        for (const record of JSON.parse(text).Records) {
          if (record.eventName !== 'CreateLogGroup' || record.errorCode) continue
          const name = record.requestParameters.logGroupName
          counts.set(name, (counts.get(name) ?? 0) + 1)
        }
        read.add(Key)
      }
      ContinuationToken = page.NextContinuationToken
    } while (ContinuationToken)
  }

  return {
    name: 'trail',
    setUp: async ({ aws }) => {
      await aws.s3.send(new CreateBucketCommand({ Bucket }))
      const arn = `arn:aws:cloudtrail:us-east-1:000000000000:trail/${Name}`
      await aws.s3.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(trailBucketPolicy(Bucket, arn)) }))
      await aws.cloudtrail.send(new CreateTrailCommand({ Name, S3BucketName: Bucket }))
    },
    act: async ({ aws, next, random }) => {
      if (!(await certain(aws.cloudtrail.send(new StartLoggingCommand({ Name }))))) return
      const logGroupName = `trail-${next()}`
      if (!(await certain(aws.logs.send(new CreateLogGroupCommand({ logGroupName }))))) return
      acknowledged.add(logGroupName)
      if (random.below(3) === 0) await certain(aws.cloudtrail.send(new StopLoggingCommand({ Name })))
    },
    check: async (world) => {
      await world.aws.cloudtrail.send(new StopLoggingCommand({ Name }))
      await world.aws.cloudtrail.send(new StartLoggingCommand({ Name }))
      await world.aws.cloudtrail.send(new StopLoggingCommand({ Name }))
      const missing = () => [...acknowledged].filter((name) => !counts.has(name))
      const until = performance.now() + PATIENCE
      do {
        await readNew(world)
        if (missing().length === 0) break
        await new Promise((resolve) => setTimeout(resolve, 50))
      } while (performance.now() < until)
      const twice = [...counts].filter(([, count]) => count > 1)
      return [
        ...missing().map((name) => `the call that created ${name} is in no log file`),
        ...twice.map(([name, count]) => `the call that created ${name} is in the log files ${count} times`),
      ]
    },
  }
}
