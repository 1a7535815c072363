import { gunzipSync } from 'node:zlib'
import {
  CloudTrailClient,
  CreateTrailCommand,
  type CreateTrailCommandInput,
  StartLoggingCommand,
} from '@aws-sdk/client-cloudtrail'
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import type { Story } from '../../../test/story.ts'

/** The policy that AWS documents for a trail's bucket. */
export const trailBucketPolicy = (bucket: string, sourceArn: string, root = 'AWSLogs') => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: 'cloudtrail.amazonaws.com' },
      Action: 's3:GetBucketAcl',
      Resource: `arn:aws:s3:::${bucket}`,
      Condition: { StringEquals: { 'aws:SourceArn': sourceArn } },
    },
    {
      Effect: 'Allow',
      Principal: { Service: 'cloudtrail.amazonaws.com' },
      Action: 's3:PutObject',
      Resource: `arn:aws:s3:::${bucket}/${root}/*`,
      Condition: { StringEquals: { 's3:x-amz-acl': 'bucket-owner-full-control', 'aws:SourceArn': sourceArn } },
    },
  ],
})

export const arnOf = (name: string, region = 'us-east-1') => `arn:aws:cloudtrail:${region}:000000000000:trail/${name}`

/** A bucket that takes what the trail of this name delivers. */
export const trailBucket = async (drydock: Story, bucket: string, trail: string, root?: string): Promise<void> => {
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: bucket }))
  const Policy = JSON.stringify(trailBucketPolicy(bucket, arnOf(trail), root))
  await s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
}

/** A trail with its bucket, that logs. */
export const loggingTrail = async (
  drydock: Story,
  name: string,
  options: Partial<CreateTrailCommandInput> = {},
): Promise<void> => {
  const trail = drydock.client(CloudTrailClient)
  await trailBucket(drydock, `${name}-logs`, name)
  await trail.send(new CreateTrailCommand({ Name: name, S3BucketName: `${name}-logs`, ...options }))
  await trail.send(new StartLoggingCommand({ Name: name }))
}

export type Delivered = { readonly key: string; readonly records: readonly Record<string, unknown>[] }

/** Every object below a prefix, opened. */
export const deliveredTo = async (drydock: Story, bucket: string, prefix = ''): Promise<Delivered[]> => {
  const s3 = drydock.client(S3Client)
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }))
  return Promise.all(
    Contents.map(async ({ Key = '' }) => {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }))
      const text = gunzipSync(await (Body?.transformToByteArray() ?? new Uint8Array())).toString()
      return { key: Key, records: JSON.parse(text).Records ?? [] }
    }),
  )
}

export const errorOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'no error',
    (error: unknown) => (error as Error).name,
  )
