import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/work/clock.ts'
import { zipOf } from '../release-pipeline.ts'
import { allow, type Story, story } from '../story.ts'
import { hasCli, rootEnvironment, run } from './clients.ts'

// CodePipeline with the AWS CLI alone: three stages, actions side by side and after one another, an approval, a rollback.

const cli = await hasCli('CodePipeline')

let drydock: Story
let folder: string
let environment: Record<string, string | undefined>
beforeAll(async () => {
  drydock = await story({ clock: systemClock() })
  folder = mkdtempSync(join(tmpdir(), 'drydock-codepipeline-journey-'))
  environment = rootEnvironment(drydock, folder)
})
afterAll(async () => {
  await drydock.close()
  rmSync(folder, { recursive: true, force: true })
})

const aws = async (...args: string[]): Promise<string> =>
  (await run('aws', [...args, '--output', 'text'], { env: environment, cwd: folder })).stdout.trim()
const file = (name: string, content: unknown): string => {
  writeFileSync(join(folder, name), content instanceof Uint8Array ? content : JSON.stringify(content))
  return name
}

const publish = (name: string, runOrder: number) => ({
  name,
  runOrder,
  actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' },
  configuration: { BucketName: 'site', Extract: 'true', ObjectKey: `${name}/#{Source.VersionId}` },
  inputArtifacts: [{ name: 'App' }],
})

const pipeline = (roleArn: string) => ({
  name: 'journey',
  roleArn,
  pipelineType: 'V2',
  artifactStore: { type: 'S3', location: 'artifacts' },
  stages: [
    {
      name: 'Source',
      actions: [
        {
          name: 'Fetch',
          namespace: 'Source',
          actionTypeId: { category: 'Source', owner: 'AWS', provider: 'S3', version: '1' },
          configuration: { S3Bucket: 'source', S3ObjectKey: 'app.zip', PollForSourceChanges: 'false' },
          outputArtifacts: [{ name: 'App' }],
        },
      ],
    },
    { name: 'Test', actions: [publish('left', 1), publish('right', 1), publish('after', 2)] },
    {
      name: 'Release',
      actions: [
        {
          name: 'Approve',
          actionTypeId: { category: 'Approval', owner: 'AWS', provider: 'Manual', version: '1' },
        },
        publish('live', 2),
      ],
    },
  ],
})

const token = () =>
  aws(
    ...['codepipeline', 'get-pipeline-state', '--name', 'journey'],
    ...['--query', "stageStates[?stageName=='Release'].actionStates[0].latestExecution.token"],
  )
const approve = async () =>
  aws(
    ...['codepipeline', 'put-approval-result', '--pipeline-name', 'journey', '--stage-name', 'Release'],
    ...['--action-name', 'Approve', '--token', await token(), '--result', 'status=Approved,summary=good'],
  )
const history = (query: string) =>
  aws('codepipeline', 'list-pipeline-executions', '--pipeline-name', 'journey', '--query', query)

test.skipIf(!cli)(
  'the AWS CLI makes a pipeline, approves, looks and rolls back',
  async () => {
    for (const bucket of ['artifacts', 'source', 'site']) await aws('s3api', 'create-bucket', '--bucket', bucket)
    await aws(
      ...['s3api', 'put-bucket-versioning', '--bucket', 'source', '--versioning-configuration', 'Status=Enabled'],
    )
    file('app.zip', await zipOf({ 'index.html': 'hello' }))
    await aws('s3api', 'put-object', '--bucket', 'source', '--key', 'app.zip', '--body', 'app.zip')
    const role = await drydock.role('pipeline', 'codepipeline.amazonaws.com', [
      allow(['s3:GetObject', 's3:GetObjectVersion', 's3:GetBucketVersioning', 's3:PutObject']),
    ])
    const declared = file('pipeline.json', pipeline(role))
    const made = ['codepipeline', 'create-pipeline', '--pipeline', `file://${declared}`, '--query', 'pipeline.version']
    expect(await aws(...made)).toBe('1')
    await drydock.settled()
    await approve()
    await drydock.settled()
    expect(await history('pipelineExecutionSummaries[].[status,executionType]')).toBe('Succeeded\tSTANDARD')
    const order = await aws(
      ...['codepipeline', 'list-action-executions', '--pipeline-name', 'journey'],
      ...['--query', 'reverse(actionExecutionDetails)[].[actionName,status]'],
    )
    expect(order.split('\n').map((line) => line.split('\t'))).toEqual(
      ['Fetch', 'left', 'right', 'after', 'Approve', 'live'].map((name) => [name, 'Succeeded']),
    )
    const id = await history('pipelineExecutionSummaries[0].pipelineExecutionId')
    const back = ['codepipeline', 'rollback-stage', '--pipeline-name', 'journey', '--stage-name', 'Release']
    await aws(...back, '--target-pipeline-execution-id', id)
    await drydock.settled()
    await approve()
    await drydock.settled()
    expect(await history('pipelineExecutionSummaries[].[status,executionType]')).toBe(
      'Succeeded\tROLLBACK\nSucceeded\tSTANDARD',
    )
    await expect(
      aws(...back, '--target-pipeline-execution-id', '00000000-0000-4000-8000-000000000000'),
    ).rejects.toThrow(/PipelineExecutionNotFoundException/)
  },
  120_000,
)
