import { CloudTrailClient, CreateEventDataStoreCommand } from '@aws-sdk/client-cloudtrail'
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { expect, test } from 'vitest'
import { story } from '../../../test/story.ts'

test('data events are recorded from when there is something that could take them', async () => {
  const drydock = await story()
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'work' }))
  const recorded = async () => {
    await s3.send(new ListObjectsV2Command({ Bucket: 'work' }))
    const records = await drydock.server.kernel.append.range('audit/000000000000/us-east-1', { limit: 100 })
    return records.map(({ body }) => (body as { eventName: string }).eventName)
  }
  expect(await recorded()).toEqual(['CreateBucket'])
  await drydock.client(CloudTrailClient).send(new CreateEventDataStoreCommand({ Name: 'everything' }))
  expect(await recorded()).toEqual(['CreateBucket', 'CreateEventDataStore', 'ListObjects'])
  await drydock.close()
})
