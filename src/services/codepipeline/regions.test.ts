import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch'
import { ListActionExecutionsCommand, type PipelineDeclaration } from '@aws-sdk/client-codepipeline'
import { IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { CreateKeyCommand, DisableKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { CreateBucketCommand, GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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
const newKey = async () =>
  (await release.bench.drydock.client(KMSClient).send(new CreateKeyCommand({}))).KeyMetadata?.Arn ?? ''

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
})
