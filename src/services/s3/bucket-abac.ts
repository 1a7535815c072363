import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { tableGuards } from '../capabilities.ts'
import { accessPointByArn } from './access-point.ts'
import { Bucket, type BucketRecord, bucketOf } from './bucket.ts'
import { malformedXml, type Operation } from './operation.ts'

// Access by the tags of buckets, where that is switched on ("Enabling ABAC in general purpose buckets", S3 user guide).

export const PutBucketAbac: Operation<'PutBucketAbac'> = (ctx, input) => {
  const status = input.AbacStatus.Status
  if (status !== 'Enabled' && status !== 'Disabled') throw malformedXml()
  return ctx.write(async (tx) => {
    const { abac: _, ...bucket } = await bucketOf(ctx, tx, input)
    tx.put(Bucket, status === 'Enabled' ? { ...bucket, abac: true } : bucket)
    return {}
  })
}

export const GetBucketAbac: Operation<'GetBucketAbac'> = async (ctx, input) => {
  const { abac } = await ctx.read((tx) => bucketOf(ctx, tx, input))
  return { AbacStatus: { Status: abac ? 'Enabled' : 'Disabled' } }
}

/** `s3:BucketTag/…`, of a bucket whose tags count. */
export const bucketTagKeys = (bucket: BucketRecord | undefined): Record<string, string> =>
  bucket?.abac ? Object.fromEntries((bucket.tags ?? []).map(({ key, value }) => [`s3:BucketTag/${key}`, value])) : {}

const taggedBy = async (tx: ReadTx, arn: string) => {
  if (arn.includes(':accesspoint/')) return (await accessPointByArn(tx, arn.replace(/\/object\/.*$/s, '')))?.tags
  const [, name] = /^arn:aws:s3:::([^/*?]+)/.exec(arn) ?? []
  const bucket = name === undefined ? undefined : await tx.get(Bucket, name)
  return bucket?.abac ? bucket.tags : undefined
}

/** Tags for `aws:ResourceTag/…`: those of the bucket, for its objects too, where they count; access points' always do. */
export const resourceTags = async (ctx: Ctx, arn: string): Promise<Readonly<Record<string, string>> | undefined> => {
  if (arn.startsWith('arn:aws:s3tables:')) return (await ctx.use(tableGuards).find(arn))?.tags
  return ctx.read(async (tx) => {
    const tags = await taggedBy(tx, arn)
    return tags && Object.fromEntries(tags.map(({ key, value }) => [key, value]))
  })
}
