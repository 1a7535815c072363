import {
  AccessAnalyzerClient,
  CancelPolicyGenerationCommand,
  GetGeneratedPolicyCommand,
  ListPolicyGenerationsCommand,
  StartPolicyGenerationCommand,
  ValidatePolicyCommand,
} from '@aws-sdk/client-accessanalyzer'
import {
  CloudTrailClient,
  CreateTrailCommand,
  ListInsightsMetricDataCommand,
  StartLoggingCommand,
} from '@aws-sdk/client-cloudtrail'
import { CloudWatchLogsClient, CreateLogGroupCommand, CreateLogStreamCommand } from '@aws-sdk/client-cloudwatch-logs'
import { DeleteRolePolicyCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allow, type Keys, type Story, story } from '../../../../test/story.ts'

let drydock: Story
let analyzer: AccessAnalyzerClient
const trailArn = 'arn:aws:cloudtrail:us-east-1:000000000000:trail/all'
const readsTrail = [
  allow(['s3:GetObject', 's3:ListBucket'], ['arn:aws:s3:::trail', 'arn:aws:s3:::trail/*']),
  allow(['cloudtrail:GetTrail', 'iam:GenerateServiceLastAccessedDetails', 'iam:GetServiceLastAccessedDetails']),
]

beforeEach(async () => {
  drydock = await story()
  analyzer = drydock.client(AccessAnalyzerClient)
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'trail' }))
  const Principal = { Service: 'cloudtrail.amazonaws.com' }
  await s3.send(
    new PutBucketPolicyCommand({
      Bucket: 'trail',
      Policy: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          { Effect: 'Allow', Principal, Action: 's3:GetBucketAcl', Resource: 'arn:aws:s3:::trail' },
          { Effect: 'Allow', Principal, Action: 's3:PutObject', Resource: 'arn:aws:s3:::trail/*' },
        ],
      }),
    }),
  )
  const trails = drydock.client(CloudTrailClient)
  await trails.send(new CreateTrailCommand({ Name: 'all', S3BucketName: 'trail', IsMultiRegionTrail: true }))
  await trails.send(new StartLoggingCommand({ Name: 'all' }))
  await s3.send(new CreateBucketCommand({ Bucket: 'work' }))
})
afterEach(() => drydock.close())

const trusting = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: '000000000000' }, Action: 'sts:AssumeRole' }],
}

const sessionOf = async (RoleArn: string): Promise<Keys> => {
  const caller = await drydock.user(`caller-${RoleArn.split('/').at(-1)}`, [allow('sts:AssumeRole')])
  const { Credentials } = await drydock
    .client(STSClient, caller)
    .send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'session' }))
  return {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
}

const generate = async (
  principalArn: string,
  accessRole: string,
  more: { startTime?: Date; arn?: string; clientToken?: string } = {},
) => {
  const { jobId = '' } = await analyzer.send(
    new StartPolicyGenerationCommand({
      policyGenerationDetails: { principalArn },
      cloudTrailDetails: {
        accessRole,
        startTime: more.startTime ?? new Date('2026-11-22T00:00:00Z'),
        trails: [{ cloudTrailArn: more.arn ?? trailArn, allRegions: true }],
      },
      ...(more.clientToken ? { clientToken: more.clientToken } : {}),
    }),
  )
  return jobId
}
const resultOf = (jobId: string, more: object = {}) => analyzer.send(new GetGeneratedPolicyCommand({ jobId, ...more }))
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => (error as Error).name,
  )

test('what a role called becomes a policy that lets the same calls pass, and no others', async () => {
  const accessRole = await drydock.role('reader', 'access-analyzer.amazonaws.com', readsTrail)
  const worker = await drydock.role('worker', trusting, [allow('*')])
  const keys = await sessionOf(worker)
  const s3 = drydock.client(S3Client, keys)
  const logs = drydock.client(CloudWatchLogsClient, keys)
  const work = async (run: string) => {
    await s3.send(new PutObjectCommand({ Bucket: 'work', Key: `${run}/a`, Body: 'a' }))
    await s3.send(new HeadObjectCommand({ Bucket: 'work', Key: `${run}/a` }))
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'work', Key: `${run}/a` }))
    await Body?.transformToString()
    await s3.send(new CopyObjectCommand({ Bucket: 'work', Key: `${run}/b`, CopySource: `work/${run}/a` }))
    await s3.send(new ListObjectsV2Command({ Bucket: 'work' }))
    await s3.send(new DeleteObjectsCommand({ Bucket: 'work', Delete: { Objects: [{ Key: `${run}/b` }] } }))
    await logs.send(new CreateLogStreamCommand({ logGroupName: 'app', logStreamName: run }))
  }
  await logs.send(new CreateLogGroupCommand({ logGroupName: 'app' }))
  await work('first')

  const jobId = await generate(worker, accessRole)
  expect((await resultOf(jobId)).jobDetails?.status).toMatch(/IN_PROGRESS|SUCCEEDED/)
  await drydock.settled()
  const { jobDetails, generatedPolicyResult } = await resultOf(jobId)
  expect(jobDetails).toMatchObject({ status: 'SUCCEEDED', completedOn: expect.any(Date) })
  expect(generatedPolicyResult?.properties).toMatchObject({
    principalArn: worker,
    isComplete: true,
    cloudTrailProperties: { trailProperties: [{ cloudTrailArn: trailArn, allRegions: true }] },
  })
  const policy = generatedPolicyResult?.generatedPolicies?.[0]?.policy ?? ''
  expect(JSON.parse(policy)).toEqual({
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'SupportedServiceSid0',
        Effect: 'Allow',
        Action: ['logs:CreateLogGroup'],
        Resource: 'arn:aws:logs:us-east-1:000000000000:log-group:app:*',
      },
      {
        Sid: 'SupportedServiceSid1',
        Effect: 'Allow',
        Action: ['logs:CreateLogStream'],
        Resource: expect.stringMatching(/log-group:app(:\*|:log-stream:\*)$/),
      },
      {
        Sid: 'SupportedServiceSid2',
        Effect: 'Allow',
        Action: ['s3:DeleteObject', 's3:GetObject', 's3:PutObject'],
        Resource: 'arn:aws:s3:::work/*',
      },
      { Sid: 'SupportedServiceSid3', Effect: 'Allow', Action: ['s3:ListBucket'], Resource: 'arn:aws:s3:::work' },
    ],
  })
  const { findings } = await analyzer.send(
    new ValidatePolicyCommand({ policyDocument: policy, policyType: 'IDENTITY_POLICY' }),
  )
  expect(findings).toEqual([])

  const iam = drydock.client(IAMClient)
  await iam.send(new PutRolePolicyCommand({ RoleName: 'worker', PolicyName: 'generated', PolicyDocument: policy }))
  await iam.send(new DeleteRolePolicyCommand({ RoleName: 'worker', PolicyName: 'policy-0' }))
  await work('second')
  expect(await errorOf(s3.send(new CreateBucketCommand({ Bucket: 'other' })))).toBe('AccessDenied')
  expect(await errorOf(s3.send(new PutObjectCommand({ Bucket: 'trail', Key: 'a', Body: 'a' })))).toBe('AccessDenied')
  expect(await errorOf(logs.send(new CreateLogGroupCommand({ logGroupName: 'other' })))).toBe('AccessDeniedException')

  const withPlaceholders = await resultOf(jobId, { includeResourcePlaceholders: true })
  const text = withPlaceholders.generatedPolicyResult?.generatedPolicies?.[0]?.policy ?? ''
  expect(text).toContain('"arn:aws:s3:::${BucketName}"')
  expect(text).toContain('"arn:aws:s3:::${BucketName}/${ObjectName}"')
})

test('denied calls and calls outside the times are not used', async () => {
  const accessRole = await drydock.role('reader', 'access-analyzer.amazonaws.com', readsTrail)
  const worker = await drydock.role('worker', trusting, [allow('s3:ListBucket')])
  const s3 = drydock.client(S3Client, await sessionOf(worker))
  await s3.send(new ListObjectsV2Command({ Bucket: 'work' }))
  await s3.send(new PutObjectCommand({ Bucket: 'work', Key: 'a', Body: 'a' })).catch(() => undefined)
  const first = await generate(worker, accessRole)
  await drydock.settled()
  expect((await resultOf(first)).generatedPolicyResult?.generatedPolicies?.[0]?.policy).toContain('["s3:ListBucket"]')
  await drydock.advance({ hours: 2 })
  const second = await generate(worker, accessRole, { startTime: new Date('2026-11-23T10:00:00Z') })
  await drydock.settled()
  expect((await resultOf(second)).generatedPolicyResult?.generatedPolicies).toEqual([])
  const { policyGenerations } = await analyzer.send(new ListPolicyGenerationsCommand({ principalArn: worker }))
  expect(policyGenerations?.map(({ jobId }) => jobId)).toEqual([second, first])
})

test('a policy that lacks a call because IAM has no action for it is not complete', async () => {
  const accessRole = await drydock.role('reader', 'access-analyzer.amazonaws.com', readsTrail)
  const worker = await drydock.role('worker', trusting, [allow('*')])
  const keys = await sessionOf(worker)
  await drydock.client(S3Client, keys).send(new ListObjectsV2Command({ Bucket: 'work' }))
  const first = await generate(worker, accessRole)
  await drydock.settled()
  expect((await resultOf(first)).generatedPolicyResult?.properties?.isComplete).toBe(true)
  await drydock.client(CloudTrailClient, keys).send(
    new ListInsightsMetricDataCommand({
      EventSource: 's3.amazonaws.com',
      EventName: 'PutObject',
      InsightType: 'ApiCallRateInsight',
    }),
  )
  const second = await generate(worker, accessRole)
  await drydock.settled()
  const { properties, generatedPolicies } = (await resultOf(second)).generatedPolicyResult ?? {}
  expect(properties?.isComplete).toBe(false)
  expect(generatedPolicies?.[0]?.policy).toContain('["s3:ListBucket"]')
})

test.each<[string, object[], string, string, string]>([
  ['the role does not trust the service', readsTrail, 'ec2.amazonaws.com', trailArn, 'AUTHORIZATION_ERROR'],
  [
    'the role may not read the bucket',
    readsTrail.slice(1),
    'access-analyzer.amazonaws.com',
    trailArn,
    'AUTHORIZATION_ERROR',
  ],
  [
    'there is no such trail',
    readsTrail,
    'access-analyzer.amazonaws.com',
    `${trailArn}-not`,
    'RESOURCE_NOT_FOUND_ERROR',
  ],
  [
    'the name of the trail is none',
    readsTrail,
    'access-analyzer.amazonaws.com',
    'arn:aws:cloudtrail:us-east-1:000000000000:trail/t',
    'RESOURCE_NOT_FOUND_ERROR',
  ],
])('the job fails where %s', async (_, policies, trusted, arn, code) => {
  const accessRole = await drydock.role('reader', trusted, policies)
  const worker = await drydock.role('worker', trusting)
  const jobId = await generate(worker, accessRole, { arn })
  await drydock.settled()
  const { jobDetails, generatedPolicyResult } = await resultOf(jobId)
  expect(jobDetails).toMatchObject({ status: 'FAILED', jobError: { code } })
  expect(generatedPolicyResult?.generatedPolicies).toEqual([])
})

test('one job at a time, once per token, cancelled only while it runs', async () => {
  const accessRole = await drydock.role('reader', 'access-analyzer.amazonaws.com', readsTrail)
  const worker = await drydock.role('worker', trusting)
  const first = await generate(worker, accessRole, { clientToken: 'once' })
  await drydock.settled()
  expect(await generate(worker, accessRole, { clientToken: 'once' })).toBe(first)
  expect(await errorOf(analyzer.send(new CancelPolicyGenerationCommand({ jobId: first })))).toBe('ValidationException')
  expect(await errorOf(resultOf('nothing'))).toBe('ValidationException')
  expect(await errorOf(generate('arn:aws:iam::111122223333:role/other', accessRole))).toBe('ValidationException')
  expect(await errorOf(generate(worker, accessRole, { startTime: new Date('2026-01-01T00:00:00Z') }))).toBe(
    'ValidationException',
  )
  const nobody = drydock.client(AccessAnalyzerClient, await drydock.user('nobody', [allow('access-analyzer:*')]))
  analyzer = nobody
  expect(await errorOf(generate(worker, accessRole))).toBe('AccessDeniedException')
})
