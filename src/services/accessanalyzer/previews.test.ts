import {
  AccessAnalyzerClient,
  type Configuration,
  CreateAccessPreviewCommand,
  CreateAnalyzerCommand,
  GetAccessPreviewCommand,
  ListAccessPreviewFindingsCommand,
  type ListAccessPreviewFindingsCommandInput,
  ListAccessPreviewsCommand,
} from '@aws-sdk/client-accessanalyzer'
import {
  CreateBucketCommand,
  DeletePublicAccessBlockCommand,
  PutBucketPolicyCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let analyzer: AccessAnalyzerClient
const analyzerArn = 'arn:aws:access-analyzer:us-east-1:000000000000:analyzer/own'
const bucketArn = 'arn:aws:s3:::shared'
const other = '111122223333'

beforeEach(async () => {
  drydock = await story()
  analyzer = drydock.client(AccessAnalyzerClient)
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'shared' }))
  await s3.send(new DeletePublicAccessBlockCommand({ Bucket: 'shared' }))
  await s3.send(new PutBucketPolicyCommand({ Bucket: 'shared', Policy: policy({ AWS: other }) }))
  await analyzer.send(new CreateAnalyzerCommand({ analyzerName: 'own', type: 'ACCOUNT' }))
  await drydock.settled()
})
afterEach(() => drydock.close())

const policy = (Principal: unknown, Action: unknown = 's3:GetObject', Resource: unknown = `${bucketArn}/*`) =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal, Action, Resource }] })
const preview = async (resource: string, configuration: Configuration) => {
  const { id = '' } = await analyzer.send(
    new CreateAccessPreviewCommand({ analyzerArn, configurations: { [resource]: configuration } }),
  )
  await drydock.settled()
  return id
}
const findings = async (accessPreviewId: string, filter: ListAccessPreviewFindingsCommandInput['filter'] = {}) =>
  (await analyzer.send(new ListAccessPreviewFindingsCommand({ analyzerArn, accessPreviewId, filter }))).findings ?? []
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => (error as Error).name,
  )

test('a proposed bucket policy is held against what is there', async () => {
  const changed = await preview(bucketArn, {
    s3Bucket: { bucketPolicy: policy({ AWS: [other, '444455556666'] }, ['s3:GetObject', 's3:PutObject']) },
  })
  const { accessPreview } = await analyzer.send(new GetAccessPreviewCommand({ analyzerArn, accessPreviewId: changed }))
  expect(accessPreview).toMatchObject({
    id: changed,
    analyzerArn,
    status: 'COMPLETED',
    configurations: { [bucketArn]: {} },
  })
  const found = await findings(changed)
  expect(found.map(({ principal, changeType, status }) => [principal?.AWS, changeType, status])).toEqual([
    [other, 'CHANGED', 'ACTIVE'],
    ['444455556666', 'NEW', 'ACTIVE'],
  ])
  expect(found[0]).toMatchObject({
    existingFindingStatus: 'ACTIVE',
    action: ['s3:GetObject', 's3:PutObject'],
    resourceType: 'AWS::S3::Bucket',
    resourceOwnerAccount: '000000000000',
  })
  expect((await findings(changed, { changeType: { eq: ['NEW'] } })).length).toBe(1)

  expect((await findings(await preview(bucketArn, { s3Bucket: {} }))).map(({ changeType }) => changeType)).toEqual([
    'UNCHANGED',
  ])
  const removed = await findings(await preview(bucketArn, { s3Bucket: { bucketPolicy: '' } }))
  expect(removed.map(({ changeType, status }) => [changeType, status])).toEqual([['CHANGED', 'RESOLVED']])
  const open = await preview(bucketArn, {
    s3Bucket: {
      bucketPolicy: '',
      bucketAclGrants: [{ permission: 'READ', grantee: { uri: 'http://acs.amazonaws.com/groups/global/AllUsers' } }],
    },
  })
  expect((await findings(open, { changeType: { eq: ['NEW'] } }))[0]).toMatchObject({
    isPublic: true,
    sources: [{ type: 'BUCKET_ACL' }],
  })
  const { accessPreviews } = await analyzer.send(new ListAccessPreviewsCommand({ analyzerArn }))
  expect(accessPreviews?.length).toBe(4)
})

test('a proposed access point opens a bucket that leaves requests to it', async () => {
  const door = 'arn:aws:s3:us-east-1:000000000000:accesspoint/door'
  const bucketPolicy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: '*',
        Action: '*',
        Resource: `${bucketArn}/*`,
        Condition: { StringEquals: { 's3:DataAccessPointAccount': '000000000000' } },
      },
    ],
  })
  const accessPointPolicy = policy('*', 's3:GetObject', `${door}/object/*`)
  const through = async (point: object) =>
    (
      await findings(await preview(bucketArn, { s3Bucket: { bucketPolicy, accessPoints: { [door]: point } } }), {
        changeType: { eq: ['NEW'] },
      })
    ).map(({ isPublic, sources }) => [isPublic, sources?.[0]?.type])
  expect(await through({ accessPointPolicy })).toEqual([[true, 'S3_ACCESS_POINT']])
  expect(await through({ accessPointPolicy, networkOrigin: { vpcConfiguration: { vpcId: 'vpc-12345678' } } })).toEqual([
    [false, 'S3_ACCESS_POINT'],
  ])
  const publicAccessBlock = { restrictPublicBuckets: true, ignorePublicAcls: true }
  expect(await through({ accessPointPolicy, publicAccessBlock })).toEqual([])
  expect(await through({ accessPointPolicy: '' })).toEqual([])
})

test('a role or queue that is not there yet', async () => {
  const trustPolicy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: other }, Action: 'sts:AssumeRole' }],
  })
  const role = await preview('arn:aws:iam::000000000000:role/planned', { iamRole: { trustPolicy } })
  expect(await findings(role)).toMatchObject([
    { changeType: 'NEW', action: ['sts:AssumeRole'], principal: { AWS: other } },
  ])
  const queueArn = 'arn:aws:sqs:us-east-1:000000000000:planned'
  const queue = await preview(queueArn, { sqsQueue: { queuePolicy: policy('*', 'sqs:SendMessage', queueArn) } })
  expect(await findings(queue)).toMatchObject([{ isPublic: true, action: ['sqs:SendMessage'] }])
})

test('what cannot be previewed is refused', async () => {
  const broken = await preview(bucketArn, { s3Bucket: { bucketPolicy: '{' } })
  const { accessPreview } = await analyzer.send(new GetAccessPreviewCommand({ analyzerArn, accessPreviewId: broken }))
  expect(accessPreview).toMatchObject({ status: 'FAILED', statusReason: { code: 'INVALID_CONFIGURATION' } })
  expect(await errorOf(preview(bucketArn, { iamRole: {} }))).toBe('ValidationException')
  expect(await errorOf(preview('arn:aws:ec2:us-east-1:000000000000:snapshot/snap-1', { ebsSnapshot: {} }))).toBe(
    'NotImplemented',
  )
  expect(await errorOf(findings('00000000-0000-0000-0000-000000000000'))).toBe('ResourceNotFoundException')
})
