import {
  CreateBucketCommand,
  DeleteObjectsCommand,
  GetBucketTaggingCommand,
  GetObjectAttributesCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
const Bucket = 'intact-bodies'
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'kept', Body: 'kept' }))
})
afterAll(() => drydock.close())

/** A client that sends this header in place of the SDK's own. */
const sending = (name: string, value: string): S3Client => {
  const client = drydock.client(S3Client)
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> }
      headers[name] = value
      return next(args)
    },
    { step: 'build', priority: 'low' },
  )
  return client
}

const tagging = () => new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } })

test('a body that is not what its headers say changes nothing', async () => {
  const md5 = Buffer.alloc(16, 1).toString('base64')
  await expect(sending('content-md5', md5).send(tagging())).rejects.toMatchObject({ name: 'BadDigest' })
  await expect(sending('content-md5', 'short').send(tagging())).rejects.toMatchObject({ name: 'InvalidDigest' })
  await expect(sending('x-amz-checksum-crc32', 'AAAAAA==').send(tagging())).rejects.toMatchObject({
    name: 'BadDigest',
    message: 'The CRC32 you specified did not match the calculated checksum.',
  })
  await expect(s3.send(new GetBucketTaggingCommand({ Bucket }))).rejects.toMatchObject({ name: 'NoSuchTagSet' })
  await s3.send(tagging())
  expect((await s3.send(new GetBucketTaggingCommand({ Bucket }))).TagSet).toEqual([{ Key: 'a', Value: 'b' }])

  const deletion = new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'kept' }] } })
  await expect(sending('content-md5', md5).send(deletion)).rejects.toMatchObject({ name: 'BadDigest' })
  const ask = { Bucket, Key: 'kept', ObjectAttributes: ['ObjectSize' as const] }
  expect((await s3.send(new GetObjectAttributesCommand(ask))).ObjectSize).toBe(4)
})

test('a customer’s key opens no object: none is encrypted with one', async () => {
  const key = Buffer.alloc(32, 7)
  const ask = new GetObjectAttributesCommand({
    Bucket,
    Key: 'kept',
    ObjectAttributes: ['ETag'],
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: key.toString('base64'),
  })
  await expect(s3.send(ask)).rejects.toMatchObject({ name: 'InvalidRequest' })
})
