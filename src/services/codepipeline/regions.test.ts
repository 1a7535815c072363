import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch'
import { ListActionExecutionsCommand, type PipelineDeclaration } from '@aws-sdk/client-codepipeline'
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import {
  CreateKeyCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  KMSClient,
  PutKeyPolicyCommand,
} from '@aws-sdk/client-kms'
import { CreateOrganizationCommand, OrganizationsClient } from '@aws-sdk/client-organizations'
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketPolicyCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAccount, enter } from '../../../test/member-accounts.ts'
import { approval, publish, refused, releaseStory, source } from '../../../test/release-pipeline.ts'
import { allow } from '../../../test/story.ts'

// Artifacts in several Regions, artifacts under keys of KMS, and what CloudWatch and CloudTrail hear.

let release: Awaited<ReturnType<typeof releaseStory>>
beforeEach(async () => {
  release = await releaseStory()
  await release.upload({ 'index.html': 'hello' })
})
afterEach(() => release.bench.drydock.close())

const permit = (name: string, policy: object) =>
  release.bench.drydock
    .client(IAMClient)
    .send(new PutRolePolicyCommand({ RoleName: 'pipeline', PolicyName: name, PolicyDocument: JSON.stringify(policy) }))
const objectAt = (Bucket = '', Key = '') => release.bench.s3.send(new HeadObjectCommand({ Bucket, Key }))
const details = async (name: string) =>
  (
    await release.bench.codepipeline.send(new ListActionExecutionsCommand({ pipelineName: 'release' }))
  ).actionExecutionDetails?.find(({ actionName }) => actionName === name)
const newKey = async (region = 'us-east-1') =>
  (await release.bench.drydock.client(KMSClient, undefined, region).send(new CreateKeyCommand({}))).KeyMetadata?.Arn ??
  ''

describe('an action in another Region', () => {
  const far = (region = 'eu-west-1'): Partial<PipelineDeclaration> => ({
    stages: [
      { name: 'Source', actions: [source()] },
      { name: 'Publish', actions: [publish({ region, configuration: { BucketName: 'site-eu', Extract: 'true' } })] },
    ],
  })
  const stores = {
    artifactStore: undefined,
    artifactStores: {
      'us-east-1': { type: 'S3', location: 'artifacts' },
      'eu-west-1': { type: 'S3', location: 'artifacts-eu' },
    },
  } as const

  it('works on a copy in the bucket of its Region', async () => {
    const s3 = release.bench.drydock.client(S3Client, undefined, 'eu-west-1')
    for (const Bucket of ['artifacts-eu', 'site-eu'])
      await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } }))
    const id = await release.create({ ...far(), ...stores })
    expect(await release.statusOf(id)).toBe('Succeeded')
    const page = await s3.send(new GetObjectCommand({ Bucket: 'site-eu', Key: 'index.html' }))
    expect(await page.Body?.transformToString()).toBe('hello')
    const { input } = (await details('Publish')) ?? {}
    const fetched = (await details('Fetch'))?.output?.outputArtifacts?.[0]?.s3location
    expect(fetched?.bucket).toBe('artifacts')
    expect(input).toMatchObject({
      region: 'eu-west-1',
      inputArtifacts: [{ name: 'App', s3location: { bucket: 'artifacts-eu', key: fetched?.key } }],
    })
    const copied = new GetObjectCommand({ Bucket: 'artifacts-eu', Key: fetched?.key })
    expect((await s3.send(copied)).ContentLength).toBeGreaterThan(0)
  })

  it('decrypts by the key of one Region and encrypts by the key of the other, and needs the right to both', async () => {
    const s3 = release.bench.drydock.client(S3Client, undefined, 'eu-west-1')
    for (const Bucket of ['artifacts-eu', 'site-eu'])
      await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } }))
    const [here, there] = [await newKey(), await newKey('eu-west-1')]
    const keyed = (location: string, id: string) =>
      ({ type: 'S3', location, encryptionKey: { id, type: 'KMS' } }) as const
    await permit('kms', allow(['kms:Decrypt', 'kms:GenerateDataKey'], here))
    const id = await release.create({
      ...far(),
      artifactStore: undefined,
      artifactStores: { 'us-east-1': keyed('artifacts', here), 'eu-west-1': keyed('artifacts-eu', there) },
    })
    expect((await release.action('Publish', 'Publish'))?.errorDetails).toMatchObject({
      code: 'PermissionError',
      message: expect.stringContaining(`kms:GenerateDataKey on resource: ${there}`),
    })
    await permit('kms', allow(['kms:Decrypt', 'kms:GenerateDataKey'], [here, there]))
    await release.retry(id, 'Publish')
    expect(await release.statusOf(id)).toBe('Succeeded')
    const { inputArtifacts: [input] = [] } = (await details('Publish'))?.input ?? {}
    const copied = new HeadObjectCommand({ Bucket: 'artifacts-eu', Key: input?.s3location?.key })
    expect(await s3.send(copied)).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: there })
    const fetched = (await details('Fetch'))?.output?.outputArtifacts?.[0]?.s3location
    expect(await objectAt(fetched?.bucket, fetched?.key)).toMatchObject({ SSEKMSKeyId: here })
  })

  it.each([
    ['a Region without a store', far('ap-south-1'), 'InvalidStructureException', /artifact store/],
    [
      'an approval',
      {
        stages: [
          { name: 'Source', actions: [source()] },
          { name: 'Review', actions: [approval('Approve', { region: 'eu-west-1' })] },
        ],
      },
      'InvalidActionDeclarationException',
      /another Region/,
    ],
  ] as const)('is not %s', async (_what, change, code, message) => {
    await expect(release.create({ ...(change as Partial<PipelineDeclaration>), ...stores })).rejects.toEqual(
      refused(code, message),
    )
  })
})

it('artifacts of a store without a key are encrypted under the account’s own key for S3', async () => {
  await release.create()
  const made = (await details('Fetch'))?.output?.outputArtifacts?.[0]?.s3location
  const { KeyMetadata } = await release.bench.drydock
    .client(KMSClient)
    .send(new DescribeKeyCommand({ KeyId: 'alias/aws/s3' }))
  expect(await objectAt(made?.bucket, made?.key)).toMatchObject({
    ServerSideEncryption: 'aws:kms',
    SSEKMSKeyId: KeyMetadata?.Arn,
  })
})

describe('artifacts under a key', () => {
  const encrypted = (id: string): Partial<PipelineDeclaration> => ({
    artifactStore: { type: 'S3', location: 'artifacts', encryptionKey: { id, type: 'KMS' } },
    stages: [
      { name: 'Source', actions: [source()] },
      {
        name: 'Publish',
        actions: [
          publish({
            configuration: { BucketName: 'site', Extract: 'true', KMSEncryptionKeyARN: id, CacheControl: 'no-store' },
          }),
        ],
      },
    ],
  })

  it('are encrypted by who makes them and decrypted by who needs them', async () => {
    const key = await newKey()
    await permit('kms', allow(['kms:Decrypt', 'kms:GenerateDataKey'], key))
    const id = await release.create(encrypted(key))
    expect(await release.statusOf(id)).toBe('Succeeded')
    const made = (await details('Fetch'))?.output?.outputArtifacts?.[0]?.s3location
    expect(await objectAt(made?.bucket, made?.key)).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: key })
    expect(await objectAt('site', 'index.html')).toMatchObject({
      ServerSideEncryption: 'aws:kms',
      SSEKMSKeyId: key,
      CacheControl: 'no-store',
    })
    // Who asked KMS is the pipeline's role.
    const { Events } = await release.bench.drydock
      .client(CloudTrailClient)
      .send(new LookupEventsCommand({ LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'Decrypt' }] }))
    const identity = JSON.parse(Events?.[0]?.CloudTrailEvent ?? '{}').userIdentity
    expect(identity).toMatchObject({
      type: 'AssumedRole',
      arn: `arn:aws:sts::${release.bench.drydock.account}:assumed-role/pipeline/${id}`,
    })
  })

  it('fail without a right to the key, or with a key that is disabled', async () => {
    const key = await newKey()
    const id = await release.create(encrypted(key))
    expect(await release.statusOf(id)).toBe('Failed')
    expect((await release.action('Source', 'Fetch'))?.errorDetails).toMatchObject({
      code: 'PermissionError',
      message: expect.stringMatching(/kms:GenerateDataKey/),
    })
    await permit('kms', allow(['kms:Decrypt', 'kms:GenerateDataKey'], key))
    await release.bench.drydock.client(KMSClient).send(new DisableKeyCommand({ KeyId: key }))
    const disabled = await release.start()
    expect(await release.statusOf(disabled)).toBe('Failed')
    expect((await release.action('Source', 'Fetch'))?.errorDetails?.message).toMatch(/disabled/)
  })
})

it('an action’s role in another account reads an encrypted artifact, as bucket policy and key policy let it', async () => {
  const { drydock } = release.bench
  await drydock.client(OrganizationsClient).send(new CreateOrganizationCommand({}))
  const other = await createAccount(drydock, 'live')
  const admin = await drydock.user('admin', [allow('*')])
  const keys = await enter(drydock, admin, other)
  const theirs = drydock.client(IAMClient, keys)
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: release.bench.role }, Action: 'sts:AssumeRole' }],
  }
  const { Role } = await theirs.send(
    new CreateRoleCommand({ RoleName: 'deployer', AssumeRolePolicyDocument: JSON.stringify(trust) }),
  )
  const roleArn = Role?.Arn ?? ''
  const rights = allow(['s3:GetObject', 's3:PutObject', 'kms:Decrypt'])
  await theirs.send(
    new PutRolePolicyCommand({ RoleName: 'deployer', PolicyName: 'all', PolicyDocument: JSON.stringify(rights) }),
  )
  await drydock.client(S3Client, keys).send(new CreateBucketCommand({ Bucket: 'site-live' }))
  const key = await newKey()
  await permit('kms', allow(['kms:Decrypt', 'kms:GenerateDataKey'], key))
  await permit('assume', allow('sts:AssumeRole', roleArn))
  const id = await release.create({
    artifactStore: { type: 'S3', location: 'artifacts', encryptionKey: { id: key, type: 'KMS' } },
    stages: [
      { name: 'Source', actions: [source()] },
      {
        name: 'Publish',
        actions: [publish({ roleArn, configuration: { BucketName: 'site-live', Extract: 'true' } })],
      },
    ],
  })
  const why = async () => (await release.action('Publish', 'Publish'))?.errorDetails?.message
  // The bucket is not theirs.
  expect(await why()).toMatch(/deployer.* s3:GetObject .*artifacts/)
  const admit = (Action: string, Resource: string) => ({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${drydock.account}:root` }, Action: 'kms:*', Resource: '*' },
      { Effect: 'Allow', Principal: { AWS: roleArn }, Action, Resource },
    ].slice(Action.startsWith('kms') ? 0 : 1),
  })
  await release.bench.s3.send(
    new PutBucketPolicyCommand({
      Bucket: 'artifacts',
      Policy: JSON.stringify(admit('s3:GetObject', 'arn:aws:s3:::artifacts/*')),
    }),
  )
  await release.retry(id, 'Publish')
  // Nor is the key.
  expect(await why()).toMatch(/deployer.* kms:Decrypt/)
  await drydock
    .client(KMSClient)
    .send(new PutKeyPolicyCommand({ KeyId: key, Policy: JSON.stringify(admit('kms:Decrypt', '*')) }))
  await release.retry(id, 'Publish')
  expect(await release.statusOf(id)).toBe('Succeeded')
  const page = await drydock
    .client(S3Client, keys)
    .send(new GetObjectCommand({ Bucket: 'site-live', Key: 'index.html' }))
  expect(await page.Body?.transformToString()).toBe('hello')
})

it('CloudWatch hears how long executions take and which fail', async () => {
  await release.create({ pipelineType: 'V2' })
  await release.bench.drydock.advance({ minutes: 3 })
  await release.answer('Approved')
  await release.start()
  await release.answer('Rejected')
  const statistics = async (MetricName: string, pipeline?: string) => {
    const now = release.bench.drydock.clock.now().getTime()
    const { Datapoints } = await release.bench.drydock.client(CloudWatchClient).send(
      new GetMetricStatisticsCommand({
        Namespace: 'AWS/CodePipeline',
        MetricName,
        ...(pipeline ? { Dimensions: [{ Name: 'PipelineName', Value: pipeline }] } : {}),
        StartTime: new Date(now - 3_600_000),
        EndTime: new Date(now + 60_000),
        Period: 86_400,
        Statistics: ['Sum'],
      }),
    )
    return Datapoints?.map(({ Sum, Unit }) => [Sum, Unit])
  }
  expect(await statistics('PipelineDuration', 'release')).toEqual([[180, 'Seconds']])
  expect(await statistics('FailedPipelineExecutions', 'release')).toEqual([[1, 'Count']])
  expect(await statistics('FailedPipelineExecutions')).toEqual([[1, 'Count']])
  expect(await statistics('PipelineDuration', 'other')).toEqual([])
  expect(await statistics('PipelineDuration')).toEqual([])
})
