import { CodeBuildClient, CreateProjectCommand } from '@aws-sdk/client-codebuild'
import { CodeCommitClient, CreateRepositoryCommand, PutFileCommand } from '@aws-sdk/client-codecommit'
import {
  CodePipelineClient,
  GetPipelineExecutionCommand,
  GetPipelineStateCommand,
  ListActionExecutionsCommand,
  ListPipelineExecutionsCommand,
  type PipelineDeclaration,
  PutApprovalResultCommand,
} from '@aws-sdk/client-codepipeline'
import { CreateBucketCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterEach } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { runsOnHost } from '../codebuild/host-runner.ts'

// Push, build, approve, deploy: the whole way through the services it uses, each under its own role.

export let drydock: Story

/** Each story has a server of its own. */
export const onBench = () => {
  afterEach(() => drydock.close())
}

export const buildspec = `version: 0.2
env: {exported-variables: [RELEASE]}
phases:
  build:
    commands:
      - test ! -e fail
      - export RELEASE=r-$CODEBUILD_BUILD_NUMBER
      - mkdir site && cp index.html site/ && echo "$WHO" > site/who.txt
artifacts: {base-directory: site, files: ['**/*']}
`

export const begin = async (options: Parameters<typeof story>[0] = {}) => {
  head = undefined
  drydock = await story(options)
  drydock.compute.on('build-', runsOnHost)
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'artifacts' }))
  await s3.send(new CreateBucketCommand({ Bucket: 'site' }))
  const codecommit = drydock.client(CodeCommitClient)
  await codecommit.send(new CreateRepositoryCommand({ repositoryName: 'app' }))
  const builder = await drydock.role('builder', 'codebuild.amazonaws.com', [
    allow(['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents']),
    allow(['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject'], 'arn:aws:s3:::artifacts/*'),
  ])
  await drydock.client(CodeBuildClient).send(
    new CreateProjectCommand({
      name: 'app',
      source: { type: 'CODEPIPELINE' },
      artifacts: { type: 'CODEPIPELINE' },
      environment: {
        type: 'LINUX_CONTAINER',
        image: 'aws/codebuild/standard:7.0',
        computeType: 'BUILD_GENERAL1_SMALL',
      },
      serviceRole: builder,
    }),
  )
  const role = await drydock.role('pipeline', 'codepipeline.amazonaws.com', [
    allow(['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject'], ['arn:aws:s3:::artifacts/*', 'arn:aws:s3:::site/*']),
    allow([
      'codecommit:GetBranch',
      'codecommit:GetCommit',
      'codecommit:UploadArchive',
      'codecommit:GetUploadArchiveStatus',
    ]),
    allow(['codebuild:StartBuild', 'codebuild:BatchGetBuilds']),
  ])
  return { role }
}

export const push = async (files: Record<string, string>, message = 'A change') => {
  const codecommit = drydock.client(CodeCommitClient)
  let parent: string | undefined
  for (const [filePath, content] of Object.entries(files)) {
    const sent = new PutFileCommand({
      repositoryName: 'app',
      branchName: 'main',
      filePath,
      fileContent: Buffer.from(content),
      commitMessage: message,
      name: 'Ada',
      email: 'ada@example.com',
      ...((parent ?? head) ? { parentCommitId: parent ?? head } : {}),
    })
    parent = (await codecommit.send(sent)).commitId
  }
  head = parent
  return parent ?? ''
}
export let head: string | undefined

export const declaration = (roleArn: string, change: Partial<PipelineDeclaration> = {}): PipelineDeclaration => ({
  name: 'release-of-the-application',
  roleArn,
  artifactStore: { type: 'S3', location: 'artifacts' },
  pipelineType: 'V2',
  variables: [{ name: 'WHO', defaultValue: 'world' }],
  stages: [
    {
      name: 'Source',
      actions: [
        {
          name: 'Checkout',
          actionTypeId: { category: 'Source', owner: 'AWS', provider: 'CodeCommit', version: '1' },
          configuration: { RepositoryName: 'app', BranchName: 'main' },
          outputArtifacts: [{ name: 'SourceOutput' }],
          namespace: 'Source',
        },
      ],
    },
    {
      name: 'Build',
      actions: [
        {
          name: 'Compile',
          actionTypeId: { category: 'Build', owner: 'AWS', provider: 'CodeBuild', version: '1' },
          configuration: {
            ProjectName: 'app',
            EnvironmentVariables: JSON.stringify([
              { name: 'WHO', value: '#{variables.WHO} #{Source.CommitMessage}', type: 'PLAINTEXT' },
            ]),
          },
          inputArtifacts: [{ name: 'SourceOutput' }],
          outputArtifacts: [{ name: 'BuildOutput' }],
          namespace: 'Build',
        },
      ],
    },
    {
      name: 'Release',
      actions: [
        {
          name: 'Approve',
          actionTypeId: { category: 'Approval', owner: 'AWS', provider: 'Manual', version: '1' },
          configuration: { CustomData: 'Release #{Build.RELEASE}?' },
          runOrder: 1,
        },
        {
          name: 'Publish',
          actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' },
          configuration: { BucketName: 'site', Extract: 'true', ObjectKey: '#{Build.RELEASE}' },
          inputArtifacts: [{ name: 'BuildOutput' }],
          runOrder: 2,
        },
      ],
    },
  ],
  ...change,
})

export const pipelines = () => drydock.client(CodePipelineClient)
export const name = 'release-of-the-application'

export const executionsOf = async () =>
  (await pipelines().send(new ListPipelineExecutionsCommand({ pipelineName: name }))).pipelineExecutionSummaries ?? []

/** Turns of the event loop until `look` finds something. */
export const when = async <T>(look: () => Promise<T | undefined | false>): Promise<T> => {
  for (;;) {
    const found = await look()
    if (found) return found
    await new Promise((turn) => setTimeout(turn, 5))
  }
}

export const ended = (id: string | undefined) =>
  when(async () => {
    const sent = new GetPipelineExecutionCommand({ pipelineName: name, pipelineExecutionId: id })
    const { pipelineExecution } = await pipelines().send(sent)
    return !['InProgress', 'Stopping'].includes(pipelineExecution?.status ?? '') && pipelineExecution
  })

export const stageStates = async () => (await pipelines().send(new GetPipelineStateCommand({ name }))).stageStates ?? []
export const actionState = async (stage: string, action: string) =>
  (await stageStates())
    .find(({ stageName }) => stageName === stage)
    ?.actionStates?.find((one) => one.actionName === action)?.latestExecution
export const openApproval = () => when(async () => (await actionState('Release', 'Approve'))?.token)
export const answer = (token: string, status: 'Approved' | 'Rejected', summary = 'Looks right') =>
  pipelines().send(
    new PutApprovalResultCommand({
      pipelineName: name,
      stageName: 'Release',
      actionName: 'Approve',
      token,
      result: { status, summary },
    }),
  )
export const text = async (Key: string) =>
  (await drydock.client(S3Client).send(new GetObjectCommand({ Bucket: 'site', Key }))).Body?.transformToString()

export const actions = async (pipelineExecutionId: string | undefined) =>
  (
    await pipelines().send(
      new ListActionExecutionsCommand({
        pipelineName: name,
        ...(pipelineExecutionId ? { filter: { pipelineExecutionId } } : {}),
      }),
    )
  ).actionExecutionDetails ?? []

export const states = () =>
  drydock.events
    .filter(({ source }) => source === 'aws.codepipeline')
    .map(({ detail, ...event }) =>
      [event['detail-type'].split(' ')[1], detail.stage, detail.action, detail.state].filter((part) => part).join(' '),
    )

export const restart = async (): Promise<void> => {
  drydock = await drydock.restart()
}
