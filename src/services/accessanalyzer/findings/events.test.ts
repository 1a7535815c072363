import {
  AccessAnalyzerClient,
  CreateAccessPreviewCommand,
  CreateAnalyzerCommand,
  type CreateAnalyzerCommandInput,
  DeleteAnalyzerCommand,
  ListFindingsV2Command,
  UpdateFindingsCommand,
} from '@aws-sdk/client-accessanalyzer'
import { DeleteRolePolicyCommand, IAMClient } from '@aws-sdk/client-iam'
import { CreateBucketCommand, DeleteBucketPolicyCommand, PutBucketPolicyCommand, S3Client } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../../test/story.ts'

let drydock: Story
let analyzer: AccessAnalyzerClient
let s3: S3Client
const analyzerArn = 'arn:aws:access-analyzer:us-east-1:000000000000:analyzer/own'
const other = '111122223333'
const bucket = 'arn:aws:s3:::shared'

beforeEach(async () => {
  drydock = await story()
  analyzer = drydock.client(AccessAnalyzerClient)
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'shared' }))
})
afterEach(() => drydock.close())

const create = async (
  type: CreateAnalyzerCommandInput['type'],
  configuration?: CreateAnalyzerCommandInput['configuration'],
) => {
  await analyzer.send(new CreateAnalyzerCommand({ analyzerName: 'own', type, configuration }))
  await drydock.settled()
}
const told = () => drydock.events.filter(({ source }) => source === 'aws.access-analyzer')
/** What a change wakes comes after the call's answer. */
const heard = async (count: number) => {
  for (let at = 0; at < 50 && told().length < count; at++) {
    await drydock.settled()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return told()
}
const statuses = () => told().map(({ detail }) => [detail.status, detail.isDeleted])
const share = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: other }, Action: 's3:GetObject', Resource: `${bucket}/*` }],
})

test('a finding of external access is told of when it is made, changes status, and goes', async () => {
  await create('ACCOUNT')
  await s3.send(new PutBucketPolicyCommand({ Bucket: 'shared', Policy: share }))
  const [made] = await heard(1)
  const { findings } = await analyzer.send(new ListFindingsV2Command({ analyzerArn }))
  const id = findings?.[0]?.id ?? ''
  expect(made).toMatchObject({
    'detail-type': 'Access Analyzer Finding',
    account: '000000000000',
    region: 'us-east-1',
    resources: [analyzerArn],
    detail: {
      accountId: '000000000000',
      action: ['s3:GetObject'],
      analyzedAt: '2026-11-23T09:00:00.000Z',
      condition: {},
      createdAt: '2026-11-23T09:00:00.000Z',
      id,
      isDeleted: false,
      isPublic: false,
      principal: { AWS: other },
      region: 'us-east-1',
      resource: bucket,
      resourceType: 'AWS::S3::Bucket',
      resourceControlPolicyRestriction: 'NOT_APPLICABLE',
      status: 'ACTIVE',
      updatedAt: '2026-11-23T09:00:00.000Z',
      version: '1.0',
    },
  })
  const update = (status: 'ACTIVE' | 'ARCHIVED') =>
    analyzer.send(new UpdateFindingsCommand({ analyzerArn, ids: [id], status }))
  await update('ACTIVE')
  await update('ARCHIVED')
  await heard(2)
  await s3.send(new DeleteBucketPolicyCommand({ Bucket: 'shared' }))
  await heard(3)
  await drydock.advance({ days: 91 })
  await heard(4)
  expect(statuses()).toEqual([
    ['ACTIVE', false],
    ['ARCHIVED', false],
    ['RESOLVED', false],
    ['RESOLVED', true],
  ])
})

test('findings go with their analyzer, as they were', async () => {
  await s3.send(new PutBucketPolicyCommand({ Bucket: 'shared', Policy: share }))
  await create('ACCOUNT')
  await analyzer.send(new DeleteAnalyzerCommand({ analyzerName: 'own' }))
  await heard(2)
  expect(statuses()).toEqual([
    ['ACTIVE', false],
    ['ACTIVE', true],
  ])
})

test('a finding of unused access has its own kind of event', async () => {
  await drydock.role('idle', 'ec2.amazonaws.com')
  await drydock.user('lazy', [allow('s3:*')])
  await create('ACCOUNT_UNUSED_ACCESS', { unusedAccess: { unusedAccessAge: 30 } })
  await drydock.advance({ days: 31 })
  const detailOf = (type: string) => told().find(({ detail }) => detail.findingType === type)?.detail
  expect(new Set(told().map((event) => event['detail-type']))).toEqual(
    new Set(['Unused Access Finding for IAM entities']),
  )
  expect(detailOf('UnusedIAMRole')).toMatchObject({
    findingId: expect.any(String),
    resource: 'arn:aws:iam::000000000000:role/idle',
    resourceType: 'AWS::IAM::Role',
    accountId: '000000000000',
    previousStatus: '',
    status: 'ACTIVE',
    isDeleted: false,
  })
  expect(detailOf('UnusedPermission')).toMatchObject({ numberOfUnusedServices: 1, numberOfUnusedActions: 0 })
})

test('a finding of internal access has another, and says whom it is about', async () => {
  const role = await drydock.role('reader', 'ec2.amazonaws.com', [allow('s3:GetObject', `${bucket}/*`)])
  await create('ACCOUNT_INTERNAL_ACCESS', {
    internalAccess: { analysisRule: { inclusions: [{ resourceArns: [bucket] }] } },
  })
  await drydock.client(IAMClient).send(new DeleteRolePolicyCommand({ RoleName: 'reader', PolicyName: 'policy-0' }))
  const [made, resolved] = await heard(2)
  expect(made).toMatchObject({
    'detail-type': 'Internal Access Finding',
    detail: {
      accessType: 'INTRA_ACCOUNT',
      action: ['s3:GetObject'],
      condition: {},
      findingType: 'InternalAccess',
      principal: { AWS: role },
      principalOwnerAccount: '000000000000',
      principalType: 'IAM_ROLE',
      resource: bucket,
      resourceControlPolicyRestrictionType: 'NOT_APPLICABLE',
      serviceControlPolicyRestrictionType: 'NOT_APPLICABLE',
      status: 'ACTIVE',
      isDeleted: false,
    },
  })
  expect(resolved?.detail).toMatchObject({ id: made?.detail.id, status: 'RESOLVED' })
})

test('an access preview tells of its state', async () => {
  await create('ACCOUNT')
  const preview = async (bucketPolicy: string) => {
    const { id } = await analyzer.send(
      new CreateAccessPreviewCommand({ analyzerArn, configurations: { [bucket]: { s3Bucket: { bucketPolicy } } } }),
    )
    await drydock.settled()
    return told().flatMap((event) => (event.detail.accessPreviewId === id ? [event] : []))
  }
  const [creating, completed] = await preview(share)
  expect(creating).toMatchObject({
    'detail-type': 'Access Preview State Change',
    resources: [analyzerArn],
    detail: { configuredResources: [bucket], status: 'CREATING', region: 'us-east-1', version: '1.0' },
  })
  expect(creating?.detail).not.toHaveProperty('previousStatus')
  expect(completed?.detail).toMatchObject({ status: 'COMPLETED', previousStatus: 'CREATING' })
  const [, failed] = await preview('{')
  expect(failed?.detail).toMatchObject({ status: 'FAILED', statusReason: { code: 'INVALID_CONFIGURATION' } })
})
