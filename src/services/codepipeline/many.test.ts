import {
  CodePipelineClient,
  CreatePipelineCommand,
  ListPipelineExecutionsCommand,
  type PipelineDeclaration,
} from '@aws-sdk/client-codepipeline'
import {
  CreateBucketCommand,
  ListObjectsV2Command,
  PutBucketNotificationConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { zipOf } from '../../../test/release-pipeline.ts'
import { allow, type Story, story } from '../../../test/story.ts'

// Many pipelines at the same time: each goes its way, and what they hold in memory is bounded.

const count = 200

let drydock: Story
beforeAll(async () => {
  drydock = await story()
})
afterAll(() => drydock.close())

const nameOf = (number: number) => `p${number}`

const declaration = (number: number, roleArn: string): PipelineDeclaration => ({
  name: nameOf(number),
  roleArn,
  artifactStore: { type: 'S3', location: 'artifacts' },
  stages: [
    {
      name: 'Source',
      actions: [
        {
          name: 'Checkout',
          actionTypeId: { category: 'Source', owner: 'AWS', provider: 'S3', version: '1' },
          configuration: { S3Bucket: 'source', S3ObjectKey: nameOf(number) },
          outputArtifacts: [{ name: 'App' }],
        },
      ],
    },
    {
      name: 'Publish',
      actions: ['a', 'b'].map((folder) => ({
        name: folder,
        actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' },
        configuration: { BucketName: 'site', Extract: 'true', ObjectKey: `${nameOf(number)}/${folder}` },
        inputArtifacts: [{ name: 'App' }],
      })),
    },
  ],
})

it(`${count} pipelines, each by an upload of its own, finish`, async () => {
  const s3 = drydock.client(S3Client)
  const codepipeline = drydock.client(CodePipelineClient)
  for (const Bucket of ['artifacts', 'source', 'site']) await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutBucketVersioningCommand({ Bucket: 'source', VersioningConfiguration: { Status: 'Enabled' } }))
  await s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: 'source',
      NotificationConfiguration: { EventBridgeConfiguration: {} },
    }),
  )
  const role = await drydock.role('pipeline', 'codepipeline.amazonaws.com', [
    allow(['s3:GetObject', 's3:GetObjectVersion', 's3:GetBucketVersioning', 's3:PutObject', 's3:ListBucket']),
  ])
  const numbers = Array.from({ length: count }, (_, number) => number)
  // There is no such object yet: the execution that comes with a new pipeline fails.
  for (const number of numbers)
    await codepipeline.send(new CreatePipelineCommand({ pipeline: declaration(number, role) }))
  await drydock.settled()

  const archive = await zipOf({ 'index.html': 'hello' })
  const before = process.memoryUsage().rss
  const began = performance.now()
  await Promise.all(
    numbers.map((number) => s3.send(new PutObjectCommand({ Bucket: 'source', Key: nameOf(number), Body: archive }))),
  )
  await drydock.settled()
  const seconds = (performance.now() - began) / 1000
  const grown = (process.memoryUsage().rss - before) / 1024 ** 2
  console.log(`${count} pipelines of 2 stages and 3 actions: ${seconds.toFixed(1)} s, ${grown.toFixed(0)} MB more`)

  for (const number of numbers) {
    const { pipelineExecutionSummaries } = await codepipeline.send(
      new ListPipelineExecutionsCommand({ pipelineName: nameOf(number) }),
    )
    expect(pipelineExecutionSummaries?.map(({ status, trigger }) => [status, trigger?.triggerType])).toEqual([
      ['Succeeded', 'PollForSourceChanges'],
      ['Failed', 'CreatePipeline'],
    ])
  }
  const { KeyCount } = await s3.send(new ListObjectsV2Command({ Bucket: 'site' }))
  expect(KeyCount).toBe(2 * count)
  expect(grown).toBeLessThan(500)
}, 60_000)
