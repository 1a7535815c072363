import {
  CreateBucketCommand,
  DeletePublicAccessBlockCommand as DeleteBucketBlockCommand,
  GetObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import {
  DeletePublicAccessBlockCommand,
  GetPublicAccessBlockCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3-control'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { s3Control } from '../../../test/s3-hosts.ts'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
let AccountId: string
beforeAll(async () => {
  drydock = await story({ config: { auth: 'trust' } })
  s3 = drydock.client(S3Client)
  AccountId = drydock.account
})
afterAll(() => drydock.close())

const control = (keys?: Keys) => s3Control(drydock, keys)

test('the account’s block covers every bucket, policies and lists', async () => {
  const Bucket = 'open-bucket'
  await s3.send(new CreateBucketCommand({ Bucket, ObjectOwnership: 'ObjectWriter' }))
  await s3.send(new DeleteBucketBlockCommand({ Bucket }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ACL: 'public-read' }))
  const open = async () => (await fetch(`${drydock.endpoint}/${Bucket}/k`)).status
  const policy = () =>
    s3.send(
      new PutBucketPolicyCommand({
        Bucket,
        Policy: JSON.stringify({
          Version: '2012-10-17',
          Statement: [
            { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` },
          ],
        }),
      }),
    )
  expect(await open()).toBe(200)
  const block = (PublicAccessBlockConfiguration: object) =>
    control().send(new PutPublicAccessBlockCommand({ AccountId, PublicAccessBlockConfiguration }))
  await block({ IgnorePublicAcls: true })
  expect(await open()).toBe(403)
  await policy()
  expect(await open()).toBe(200)
  await block({ RestrictPublicBuckets: true, IgnorePublicAcls: true })
  expect(await open()).toBe(403)
  expect((await s3.send(new GetObjectCommand({ Bucket, Key: 'k' }))).ContentLength).toBe(1)
  await block({ BlockPublicPolicy: true, BlockPublicAcls: true })
  await expect(policy()).rejects.toMatchObject({ name: 'AccessDenied' })
  await expect(
    s3.send(new PutObjectCommand({ Bucket, Key: 'l', Body: 'x', ACL: 'public-read' })),
  ).rejects.toMatchObject({ name: 'AccessDenied' })
  expect(await control().send(new GetPublicAccessBlockCommand({ AccountId }))).toMatchObject({
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: false,
      RestrictPublicBuckets: false,
    },
  })
  await control().send(new DeletePublicAccessBlockCommand({ AccountId }))
  await expect(control().send(new GetPublicAccessBlockCommand({ AccountId }))).rejects.toMatchObject({
    name: 'NoSuchPublicAccessBlockConfiguration',
    $metadata: { httpStatusCode: 404 },
  })
})

test('it takes the right, and is one’s own account’s', async () => {
  const alice = await drydock.user('alice', [allow('s3:GetAccountPublicAccessBlock')])
  await expect(
    control(alice).send(new PutPublicAccessBlockCommand({ AccountId, PublicAccessBlockConfiguration: {} })),
  ).rejects.toMatchObject({ name: 'AccessDenied', message: expect.stringContaining('s3:PutAccountPublicAccessBlock') })
  await expect(control().send(new GetPublicAccessBlockCommand({ AccountId: '111111111111' }))).rejects.toMatchObject({
    name: 'AccessDenied',
  })
})
