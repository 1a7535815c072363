import {
  type ActionDeclaration,
  CodePipelineClient,
  CreatePipelineCommand,
  DisableStageTransitionCommand,
  EnableStageTransitionCommand,
  GetPipelineExecutionCommand,
  GetPipelineStateCommand,
  ListPipelineExecutionsCommand,
  type ListPipelineExecutionsCommandInput,
  type PipelineDeclaration,
  PutApprovalResultCommand,
  RetryStageExecutionCommand,
  type StageRetryMode,
  StartPipelineExecutionCommand,
  type StartPipelineExecutionCommandInput,
  StopPipelineExecutionCommand,
} from '@aws-sdk/client-codepipeline'
import { CreateBucketCommand, PutBucketVersioningCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { expect } from 'vitest'
import { ZipFile } from 'yazl'
import { allow, type Story, type StoryOptions, story } from './story.ts'

// The pipeline `release` of CodePipeline's stories: sources in S3, approvals and deployments to S3, so that no other
// service works while executions go through its stages.

export const zipOf = async (files: Record<string, string>): Promise<Buffer> => {
  const zip = new ZipFile()
  for (const [name, content] of Object.entries(files)) zip.addBuffer(Buffer.from(content), name)
  zip.end()
  const chunks: Buffer[] = []
  for await (const chunk of zip.outputStream) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}

export const source = (change: Partial<ActionDeclaration> = {}): ActionDeclaration => ({
  name: 'Fetch',
  actionTypeId: { category: 'Source', owner: 'AWS', provider: 'S3', version: '1' },
  configuration: { S3Bucket: 'source', S3ObjectKey: 'app.zip', PollForSourceChanges: 'false' },
  outputArtifacts: [{ name: 'App' }],
  namespace: 'Source',
  ...change,
})

export const approval = (name = 'Approve', change: Partial<ActionDeclaration> = {}): ActionDeclaration => ({
  name,
  actionTypeId: { category: 'Approval', owner: 'AWS', provider: 'Manual', version: '1' },
  ...change,
})

export const publish = (change: Partial<ActionDeclaration> = {}): ActionDeclaration => ({
  name: 'Publish',
  actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' },
  configuration: { BucketName: 'site', Extract: 'true' },
  inputArtifacts: [{ name: 'App' }],
  ...change,
})

export const refused = (name: string, message?: string | RegExp) =>
  expect.objectContaining({ name, ...(message ? { message: expect.stringMatching(message) } : {}) })

type Bench = { drydock: Story; codepipeline: CodePipelineClient; s3: S3Client; role: string }

const open = async (options: StoryOptions): Promise<Bench> => {
  const drydock = await story(options)
  const s3 = drydock.client(S3Client)
  for (const Bucket of ['artifacts', 'source', 'site']) await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutBucketVersioningCommand({ Bucket: 'source', VersioningConfiguration: { Status: 'Enabled' } }))
  const role = await drydock.role('pipeline', 'codepipeline.amazonaws.com', [
    allow(['s3:GetObject', 's3:GetObjectVersion', 's3:GetBucketVersioning', 's3:PutObject', 's3:ListBucket']),
  ])
  return { drydock, codepipeline: drydock.client(CodePipelineClient), s3, role }
}

/** A server with the buckets `source`, `artifacts` and `site`, and what one does to the pipeline `release` on it. */
export const releaseStory = async (options: StoryOptions = {}) => {
  const bench = await open(options)
  const upload = async (files: Record<string, string> = { 'index.html': 'hello' }) =>
    (await bench.s3.send(new PutObjectCommand({ Bucket: 'source', Key: 'app.zip', Body: await zipOf(files) })))
      .VersionId

  const declare = (change: Partial<PipelineDeclaration> = {}): PipelineDeclaration => ({
    name: 'release',
    roleArn: bench.role,
    artifactStore: { type: 'S3', location: 'artifacts' },
    stages: [
      { name: 'Source', actions: [source()] },
      { name: 'Review', actions: [approval()] },
    ],
    ...change,
  })
  /** Creates the pipeline and returns the first execution's id, once everything that can run has. */
  const create = async (change: Partial<PipelineDeclaration> = {}): Promise<string> => {
    await bench.codepipeline.send(new CreatePipelineCommand({ pipeline: declare(change) }))
    await bench.drydock.settled()
    return (await list())[0]?.pipelineExecutionId ?? ''
  }
  const list = async (more: Partial<ListPipelineExecutionsCommandInput> = {}) =>
    (await bench.codepipeline.send(new ListPipelineExecutionsCommand({ pipelineName: 'release', ...more })))
      .pipelineExecutionSummaries ?? []
  const start = async (more: Partial<StartPipelineExecutionCommandInput> = {}): Promise<string> => {
    const started = await bench.codepipeline.send(new StartPipelineExecutionCommand({ name: 'release', ...more }))
    await bench.drydock.settled()
    return started.pipelineExecutionId ?? ''
  }
  const get = async (pipelineExecutionId: string) =>
    (await bench.codepipeline.send(new GetPipelineExecutionCommand({ pipelineName: 'release', pipelineExecutionId })))
      .pipelineExecution
  const statusOf = async (id: string) => (await get(id))?.status
  const stages = async () =>
    (await bench.codepipeline.send(new GetPipelineStateCommand({ name: 'release' }))).stageStates ?? []
  const stage = async (name: string) => (await stages()).find(({ stageName }) => stageName === name)
  const action = async (stageName: string, name: string) =>
    (await stage(stageName))?.actionStates?.find(({ actionName }) => actionName === name)?.latestExecution
  const answer = async (status: 'Approved' | 'Rejected', actionName = 'Approve', stageName = 'Review') => {
    const token = (await action(stageName, actionName))?.token
    await bench.codepipeline.send(
      new PutApprovalResultCommand({
        pipelineName: 'release',
        stageName,
        actionName,
        token,
        result: { status, summary: status },
      }),
    )
    await bench.drydock.settled()
  }
  const stop = async (pipelineExecutionId: string, abandon: boolean, reason?: string) => {
    await bench.codepipeline.send(
      new StopPipelineExecutionCommand({ pipelineName: 'release', pipelineExecutionId, abandon, reason }),
    )
    await bench.drydock.settled()
  }
  const retry = async (
    pipelineExecutionId: string,
    stageName: string,
    retryMode: StageRetryMode = 'FAILED_ACTIONS',
  ) => {
    await bench.codepipeline.send(
      new RetryStageExecutionCommand({ pipelineName: 'release', stageName, pipelineExecutionId, retryMode }),
    )
    await bench.drydock.settled()
  }
  const door = async (stageName: string, open: boolean) => {
    const of = { pipelineName: 'release', stageName, transitionType: 'Inbound' } as const
    if (open) await bench.codepipeline.send(new EnableStageTransitionCommand(of))
    else await bench.codepipeline.send(new DisableStageTransitionCommand({ ...of, reason: 'Holidays' }))
    await bench.drydock.settled()
  }
  const states = (what: string) =>
    bench.drydock.events
      .filter((event) => event['detail-type'] === `CodePipeline ${what} Execution State Change`)
      .map(({ detail }) => detail.state)
  const restart = async () => {
    bench.drydock = await bench.drydock.restart()
    bench.codepipeline = bench.drydock.client(CodePipelineClient)
    bench.s3 = bench.drydock.client(S3Client)
    await bench.drydock.settled()
  }
  return {
    bench,
    upload,
    declare,
    create,
    list,
    start,
    get,
    statusOf,
    stages,
    stage,
    action,
    answer,
    stop,
    retry,
    door,
    states,
    restart,
  }
}
