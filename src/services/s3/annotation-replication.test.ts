import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectAnnotationCommand,
  DeleteObjectCommand,
  GetObjectAnnotationCommand,
  HeadObjectCommand,
  ListObjectAnnotationsCommand,
  PutBucketPolicyCommand,
  PutBucketReplicationCommand,
  PutBucketVersioningCommand,
  PutObjectAnnotationCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { batchObjects } from '../capabilities.ts'

let drydock: Story
let s3: S3Client
let Role: string
const rights = [
  's3:GetReplicationConfiguration',
  's3:ListBucket',
  's3:GetObjectVersionForReplication',
  's3:GetObjectVersionAcl',
  's3:GetObjectVersionTagging',
  's3:ReplicateObject',
]
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  Role = await drydock.role('replicator', 's3.amazonaws.com', [
    allow([...rights, 's3:GetObjectVersionAnnotationForReplication']),
  ])
})
afterAll(() => drydock.close())

/** A bucket of this name that replicates to `NAME-copy`. */
const pair = async (name: string, role = Role) => {
  for (const Bucket of [name, `${name}-copy`]) {
    await s3.send(new CreateBucketCommand({ Bucket }))
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  }
  const rule = { ID: 'all', Priority: 1, Status: 'Enabled', Filter: { Prefix: '' } } as const
  const Destination = { Bucket: `arn:aws:s3:::${name}-copy` }
  const Rules = [{ ...rule, DeleteMarkerReplication: { Status: 'Disabled' as const }, Destination }]
  return { Bucket: name, ReplicationConfiguration: { Role: role, Rules } }
}
const annotate = (Bucket: string, Key: string, AnnotationName: string, AnnotationPayload = AnnotationName) =>
  s3.send(new PutObjectAnnotationCommand({ Bucket, Key, AnnotationName, AnnotationPayload }))
const read = async (Bucket: string, Key: string, AnnotationName: string) => {
  const found = await s3.send(new GetObjectAnnotationCommand({ Bucket, Key, AnnotationName }))
  return { ...found, text: await found.AnnotationPayload?.transformToString() }
}
const states = async (Bucket: string, Key: string) => {
  const { Annotations = [] } = await s3.send(new ListObjectAnnotationsCommand({ Bucket, Key }))
  return Object.fromEntries(
    Annotations.map(({ AnnotationName = '', ReplicationStatus }) => [AnnotationName, ReplicationStatus]),
  )
}

test('annotations follow their object, each by itself, and stay when they are removed', async () => {
  await s3.send(new PutBucketReplicationCommand(await pair('follow')))
  await s3.send(new PutObjectCommand({ Bucket: 'follow', Key: 'a', Body: 'x' }))
  await annotate('follow', 'a', 'early')
  expect(['PENDING', 'COMPLETED']).toContain((await states('follow', 'a')).early)
  await drydock.settled()
  await annotate('follow', 'a', 'late', 'long '.repeat(10_000))
  await drydock.settled()
  expect(await states('follow', 'a')).toEqual({ early: 'COMPLETED', late: 'COMPLETED' })
  expect(await read('follow-copy', 'a', 'early')).toMatchObject({ text: 'early', ReplicationStatus: 'REPLICA' })
  expect((await read('follow-copy', 'a', 'late')).text).toBe('long '.repeat(10_000))
  await annotate('follow', 'a', 'early', 'changed')
  await s3.send(new DeleteObjectAnnotationCommand({ Bucket: 'follow', Key: 'a', AnnotationName: 'late' }))
  await drydock.settled()
  expect((await read('follow-copy', 'a', 'early')).text).toBe('changed')
  expect(await states('follow-copy', 'a')).toEqual({ early: 'REPLICA', late: 'REPLICA' })
  await annotate('follow-copy', 'a', 'own')
  await drydock.settled()
  expect(await states('follow', 'a')).toEqual({ early: 'COMPLETED' })
})

test('a copy goes with the annotations it brought', async () => {
  await s3.send(new PutBucketReplicationCommand(await pair('brought')))
  await s3.send(new CreateBucketCommand({ Bucket: 'elsewhere' }))
  await s3.send(new PutObjectCommand({ Bucket: 'elsewhere', Key: 'a', Body: 'x' }))
  await annotate('elsewhere', 'a', 'note')
  await s3.send(new CopyObjectCommand({ Bucket: 'brought', Key: 'a', CopySource: 'elsewhere/a' }))
  await drydock.settled()
  expect(await states('brought', 'a')).toEqual({ note: 'COMPLETED' })
  expect((await read('brought-copy', 'a', 'note')).text).toBe('note')
})

test('who may not read or bring annotations replicates the objects alone', async () => {
  const less = await drydock.role('less', 's3.amazonaws.com', [allow(rights)])
  await s3.send(new PutBucketReplicationCommand(await pair('unread', less)))
  await s3.send(new PutBucketReplicationCommand(await pair('unwanted')))
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: {
      Effect: 'Deny',
      Principal: { AWS: Role },
      Action: 's3:ReplicateObjectAnnotation',
      Resource: 'arn:aws:s3:::unwanted-copy/*',
    },
  })
  await s3.send(new PutBucketPolicyCommand({ Bucket: 'unwanted-copy', Policy }))
  for (const Bucket of ['unread', 'unwanted']) {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }))
    await annotate(Bucket, 'a', 'note')
    await drydock.settled()
    expect(await states(Bucket, 'a')).toEqual({ note: 'FAILED' })
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'a' }))).ReplicationStatus).toBe('COMPLETED')
    expect(await states(`${Bucket}-copy`, 'a')).toEqual({})
  }
  await s3.send(new DeleteBucketPolicyCommand({ Bucket: 'unwanted-copy' }))
  await annotate('unwanted', 'a', 'note', 'again')
  await drydock.settled()
  expect((await read('unwanted-copy', 'a', 'note')).text).toBe('again')
})

test('what has no replica is not annotated there', async () => {
  await s3.send(new PutBucketReplicationCommand(await pair('lost')))
  const { VersionId } = await s3.send(new PutObjectCommand({ Bucket: 'lost', Key: 'a', Body: 'x' }))
  await drydock.settled()
  await s3.send(new DeleteObjectCommand({ Bucket: 'lost-copy', Key: 'a', VersionId }))
  await annotate('lost', 'a', 'note')
  await drydock.settled()
  expect(await states('lost', 'a')).toEqual({ note: 'FAILED' })
})

test('what was there before goes with its annotations on demand', async () => {
  const configuration = await pair('before')
  await s3.send(new PutObjectCommand({ Bucket: 'before', Key: 'a', Body: 'x' }))
  await annotate('before', 'a', 'note')
  await s3.send(new PutBucketReplicationCommand(configuration))
  await annotate('before', 'a', 'more')
  await drydock.settled()
  expect(await states('before', 'a')).toEqual({ note: undefined, more: undefined })
  const { kernel } = drydock.server
  const s3Service = kernel.services.get('s3')
  if (!s3Service) throw new Error('There is no S3.')
  await kernel
    .ownContext(s3Service, { account: drydock.account, region: drydock.region })
    .use(batchObjects)
    .replicate({ bucket: 'before', key: 'a' })
  expect(await states('before', 'a')).toEqual({ note: 'COMPLETED', more: 'COMPLETED' })
  expect(await states('before-copy', 'a')).toEqual({ note: 'REPLICA', more: 'REPLICA' })
})
