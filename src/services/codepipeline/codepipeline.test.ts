import {
  BatchGetBuildsCommand,
  BatchGetProjectsCommand,
  CodeBuildClient,
  CreateProjectCommand,
  UpdateProjectCommand,
} from '@aws-sdk/client-codebuild'
import {
  CodeCommitClient,
  CreateBranchCommand,
  CreateRepositoryCommand,
  PutFileCommand,
} from '@aws-sdk/client-codecommit'
import {
  CodeDeployClient,
  CreateApplicationCommand,
  CreateDeploymentGroupCommand,
  GetDeploymentCommand,
} from '@aws-sdk/client-codedeploy'
import {
  CodePipelineClient,
  CreatePipelineCommand,
  GetPipelineExecutionCommand,
  GetPipelineStateCommand,
  ListActionExecutionsCommand,
  ListPipelineExecutionsCommand,
  type PipelineDeclaration,
  PutApprovalResultCommand,
  RetryStageExecutionCommand,
  type StageDeclaration,
  UpdatePipelineCommand,
} from '@aws-sdk/client-codepipeline'
import { DeleteRolePolicyCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { CreateBucketCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterEach, describe, expect, it } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { runsOnHost } from '../codebuild/host-runner.ts'

// Push, build, approve, deploy: the whole way through the services it uses, each under its own role.

let drydock: Story
afterEach(() => drydock.close())

const buildspec = `version: 0.2
env: {exported-variables: [RELEASE]}
phases:
  build:
    commands:
      - test ! -e fail
      - export RELEASE=r-$CODEBUILD_BUILD_NUMBER
      - mkdir site && cp index.html site/ && echo "$WHO" > site/who.txt
artifacts: {base-directory: site, files: ['**/*']}
`

const begin = async (options: Parameters<typeof story>[0] = {}) => {
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
    allow(['codecommit:GetBranch', 'codecommit:GetCommit', 'codecommit:UploadArchive']),
    allow(['codebuild:StartBuild', 'codebuild:BatchGetBuilds']),
  ])
  return { role }
}

const push = async (files: Record<string, string>, message = 'A change') => {
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
let head: string | undefined

const declaration = (roleArn: string, change: Partial<PipelineDeclaration> = {}): PipelineDeclaration => ({
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

const pipelines = () => drydock.client(CodePipelineClient)
const name = 'release-of-the-application'

const executionsOf = async () =>
  (await pipelines().send(new ListPipelineExecutionsCommand({ pipelineName: name }))).pipelineExecutionSummaries ?? []

/** Turns of the event loop until `look` finds something. */
const when = async <T>(look: () => Promise<T | undefined | false>): Promise<T> => {
  for (;;) {
    const found = await look()
    if (found) return found
    await new Promise((turn) => setTimeout(turn, 5))
  }
}

const ended = (id: string | undefined) =>
  when(async () => {
    const sent = new GetPipelineExecutionCommand({ pipelineName: name, pipelineExecutionId: id })
    const { pipelineExecution } = await pipelines().send(sent)
    return !['InProgress', 'Stopping'].includes(pipelineExecution?.status ?? '') && pipelineExecution
  })

const stageStates = async () => (await pipelines().send(new GetPipelineStateCommand({ name }))).stageStates ?? []
const actionState = async (stage: string, action: string) =>
  (await stageStates())
    .find(({ stageName }) => stageName === stage)
    ?.actionStates?.find((one) => one.actionName === action)?.latestExecution
const openApproval = () => when(async () => (await actionState('Release', 'Approve'))?.token)
const answer = (token: string, status: 'Approved' | 'Rejected', summary = 'Looks right') =>
  pipelines().send(
    new PutApprovalResultCommand({
      pipelineName: name,
      stageName: 'Release',
      actionName: 'Approve',
      token,
      result: { status, summary },
    }),
  )
const text = async (Key: string) =>
  (await drydock.client(S3Client).send(new GetObjectCommand({ Bucket: 'site', Key }))).Body?.transformToString()

const actions = async (pipelineExecutionId: string | undefined) =>
  (
    await pipelines().send(
      new ListActionExecutionsCommand({
        pipelineName: name,
        ...(pipelineExecutionId ? { filter: { pipelineExecutionId } } : {}),
      }),
    )
  ).actionExecutionDetails ?? []

const states = () =>
  drydock.events
    .filter(({ source }) => source === 'aws.codepipeline')
    .map(({ detail, ...event }) =>
      [event['detail-type'].split(' ')[1], detail.stage, detail.action, detail.state].filter((part) => part).join(' '),
    )

describe('a pipeline', () => {
  it('builds a batch, and takes its artifacts as one', async () => {
    head = undefined
    const { role } = await begin()
    const permit = (RoleName: string, actions: string[]) =>
      drydock
        .client(IAMClient)
        .send(
          new PutRolePolicyCommand({ RoleName, PolicyName: 'batch', PolicyDocument: JSON.stringify(allow(actions)) }),
        )
    await permit('builder', ['s3:ListBucket'])
    await permit('pipeline', ['codebuild:StartBuildBatch', 'codebuild:BatchGetBuildBatches'])
    const batches = await drydock.role('batches', 'codebuild.amazonaws.com', [
      allow(['codebuild:StartBuild', 'codebuild:StopBuild', 'codebuild:RetryBuild']),
    ])
    await drydock
      .client(CodeBuildClient)
      .send(new UpdateProjectCommand({ name: 'app', buildBatchConfig: { serviceRole: batches } }))
    const batch = `version: 0.2
batch:
  build-list:
    - {identifier: left}
    - {identifier: right}
phases: {build: {commands: ['echo built > $CODEBUILD_BATCH_BUILD_IDENTIFIER.txt']}}
artifacts: {files: ['*.txt']}
`
    await push({ 'buildspec.yml': batch })
    await drydock.settled()
    const pipeline = declaration(role)
    const [source, build] = pipeline.stages ?? []
    const [compile] = build?.actions ?? []
    const stages = [
      source,
      {
        name: 'Build',
        actions: [
          { ...compile, configuration: { ProjectName: 'app', BatchEnabled: 'true', CombineArtifacts: 'true' } },
        ],
      },
      {
        name: 'Publish',
        actions: [
          {
            name: 'Publish',
            actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' },
            configuration: { BucketName: 'site', Extract: 'true' },
            inputArtifacts: [{ name: 'BuildOutput' }],
          },
        ],
      },
    ] as StageDeclaration[]
    await pipelines().send(new CreatePipelineCommand({ pipeline: { ...pipeline, stages } }))
    await when(async () => {
      await drydock.advance({ seconds: 1 })
      return (await executionsOf())[0]?.status !== 'InProgress'
    })
    expect((await executionsOf())[0]?.status).toBe('Succeeded')
    expect([await text('left.txt'), await text('right.txt')]).toEqual(['built\n', 'built\n'])
  })

  it('lets CodeBuild clone the repository, history and all', async () => {
    head = undefined
    const { role } = await begin()
    const permit = (RoleName: string, action: string) =>
      drydock
        .client(IAMClient)
        .send(new PutRolePolicyCommand({ RoleName, PolicyName: 'git', PolicyDocument: JSON.stringify(allow(action)) }))
    await permit('builder', 'codecommit:GitPull')
    await permit('pipeline', 'codecommit:GetRepository')
    const cloned = `version: 0.2
phases: {build: {commands: ['mkdir site && git log --format=%s > site/log.txt && git rev-parse HEAD >> site/log.txt']}}
artifacts: {base-directory: site, files: ['**/*']}
`
    await push({ 'index.html': '1' }, 'One')
    await push({ 'buildspec.yml': cloned }, 'Two')
    await drydock.settled()
    const pipeline = declaration(role)
    const [source, build] = pipeline.stages ?? []
    const [checkout] = source?.actions ?? []
    const configuration = { ...checkout?.configuration, OutputArtifactFormat: 'CODEBUILD_CLONE_REF' }
    const publish: StageDeclaration = {
      name: 'Publish',
      actions: [
        {
          name: 'Publish',
          actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' },
          configuration: { BucketName: 'site', Extract: 'true' },
          inputArtifacts: [{ name: 'BuildOutput' }],
        },
      ],
    }
    const stages = [
      { ...source, name: 'Source', actions: [{ ...checkout, configuration }] },
      { ...build, name: 'Build', actions: build?.actions ?? [] },
      publish,
    ] as StageDeclaration[]
    await pipelines().send(new CreatePipelineCommand({ pipeline: { ...pipeline, stages } }))
    const [first] = await executionsOf()
    expect((await ended(first?.pipelineExecutionId)).status).toBe('Succeeded')
    expect(await text('log.txt')).toBe(`Two\nOne\n${head}\n`)
  })

  it('goes from a push to a deployment', async () => {
    head = undefined
    const { role } = await begin()
    await push({ 'buildspec.yml': buildspec, 'index.html': '<h1>1</h1>' }, 'One')
    await drydock.settled()
    await pipelines().send(new CreatePipelineCommand({ pipeline: declaration(role) }))
    const token = await openApproval()
    expect(await actionState('Release', 'Approve')).toMatchObject({ status: 'InProgress' })
    await answer(token, 'Approved')
    const [first] = await executionsOf()
    const execution = await ended(first?.pipelineExecutionId)
    expect(execution).toMatchObject({
      status: 'Succeeded',
      pipelineVersion: 1,
      trigger: { triggerType: 'CreatePipeline' },
      variables: [{ name: 'WHO', resolvedValue: 'world' }],
      artifactRevisions: [{ name: 'SourceOutput', revisionId: head, revisionSummary: 'One' }],
      executionMode: 'SUPERSEDED',
    })
    expect(await text('r-1/index.html')).toBe('<h1>1</h1>')
    expect(await text('r-1/who.txt')).toBe('world One\n')

    const details = await actions(execution.pipelineExecutionId)
    expect(details.map(({ actionName, status }) => [actionName, status])).toEqual([
      ['Publish', 'Succeeded'],
      ['Approve', 'Succeeded'],
      ['Compile', 'Succeeded'],
      ['Checkout', 'Succeeded'],
    ])
    const [publish, approve, compile, checkout] = details
    expect(publish?.input?.resolvedConfiguration).toMatchObject({ ObjectKey: 'r-1' })
    expect(publish?.input?.configuration).toMatchObject({ ObjectKey: '#{Build.RELEASE}' })
    expect(approve?.updatedBy).toBe(`arn:aws:iam::${drydock.account}:root`)
    expect(compile?.output?.outputVariables).toEqual({ RELEASE: 'r-1' })
    const buildId = compile?.output?.executionResult?.externalExecutionId ?? ''
    const { builds } = await drydock.client(CodeBuildClient).send(new BatchGetBuildsCommand({ ids: [buildId] }))
    expect(builds?.[0]).toMatchObject({ buildStatus: 'SUCCEEDED', initiator: `codepipeline/${name}` })
    expect(checkout?.output?.outputVariables).toEqual({
      RepositoryName: 'app',
      BranchName: 'main',
      CommitId: head,
      CommitMessage: 'One',
      AuthorDate: '2026-11-23T09:00:00Z',
      CommitterDate: '2026-11-23T09:00:00Z',
    })
    const [artifact] = checkout?.output?.outputArtifacts ?? []
    expect(artifact?.name).toBe('SourceOutput')
    expect(artifact?.s3location?.key).toMatch(/^release-of-the-appli\/SourceOutp\/[A-Za-z0-9]{7}$/)
    await drydock.settled()
    expect(states()).toEqual([
      'Pipeline STARTED',
      'Stage Source STARTED',
      'Action Source Checkout STARTED',
      'Action Source Checkout SUCCEEDED',
      'Stage Source SUCCEEDED',
      'Stage Build STARTED',
      'Action Build Compile STARTED',
      'Action Build Compile SUCCEEDED',
      'Stage Build SUCCEEDED',
      'Stage Release STARTED',
      'Action Release Approve STARTED',
      'Action Release Approve SUCCEEDED',
      'Action Release Publish STARTED',
      'Action Release Publish SUCCEEDED',
      'Stage Release SUCCEEDED',
      'Pipeline SUCCEEDED',
    ])

    // The next push starts it by itself.
    await push({ 'index.html': '<h1>2</h1>' }, 'Two')
    await answer(await openApproval(), 'Approved')
    const [second] = await when(async () => {
      const all = await executionsOf()
      return all.length === 2 && all
    })
    expect((await ended(second?.pipelineExecutionId)).trigger?.triggerType).toBe('PollForSourceChanges')
    expect(await text('r-2/index.html')).toBe('<h1>2</h1>')
  })

  it('fails where a build fails, and goes on from there once it is retried', async () => {
    head = undefined
    const { role } = await begin()
    await push({ 'buildspec.yml': buildspec, 'index.html': '1' })
    await drydock.settled()
    const iam = drydock.client(IAMClient)
    // Without its second policy the build may not read its source.
    await iam.send(new DeleteRolePolicyCommand({ RoleName: 'builder', PolicyName: 'policy-1' }))
    await pipelines().send(new CreatePipelineCommand({ pipeline: declaration(role) }))
    const [first] = await executionsOf()
    expect((await ended(first?.pipelineExecutionId)).status).toBe('Failed')
    const failed = await actionState('Build', 'Compile')
    expect(failed).toMatchObject({ status: 'Failed', errorDetails: { code: 'JobFailed' } })
    expect(failed?.errorDetails?.message).toMatch(
      /^Build terminated with state: FAILED. Phase: DOWNLOAD_SOURCE, Code: CLIENT_ERROR, Message: .*s3:GetObject/,
    )
    const retry = () =>
      pipelines().send(
        new RetryStageExecutionCommand({
          pipelineName: name,
          stageName: 'Build',
          pipelineExecutionId: first?.pipelineExecutionId,
          retryMode: 'FAILED_ACTIONS',
        }),
      )
    const policy = allow(['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject'], 'arn:aws:s3:::artifacts/*')
    await iam.send(
      new PutRolePolicyCommand({ RoleName: 'builder', PolicyName: 'policy-1', PolicyDocument: JSON.stringify(policy) }),
    )
    await retry()
    await expect(retry()).rejects.toMatchObject({ name: 'StageNotRetryableException' })
    await answer(await openApproval(), 'Rejected', 'Not today')
    expect((await ended(first?.pipelineExecutionId)).status).toBe('Failed')
    expect(await actionState('Release', 'Approve')).toMatchObject({ status: 'Failed', summary: 'Not today' })
    expect((await stageStates())[1]?.retryStageMetadata?.manualStageRetryAttempt).toBe(1)
    await expect(retry()).rejects.toMatchObject({ name: 'StageNotRetryableException' })
  })

  it('goes on when the server was gone in the middle of a build', async () => {
    head = undefined
    const { role } = await begin({ durable: true })
    await push({ 'buildspec.yml': buildspec, 'index.html': '1' })
    await drydock.settled()
    const gate = Promise.withResolvers<void>()
    const building = Promise.withResolvers<void>()
    drydock.compute.on('build-', async (spec, task) => {
      building.resolve()
      await gate.promise
      return runsOnHost(spec, task)
    })
    await pipelines().send(new CreatePipelineCommand({ pipeline: declaration(role) }))
    await building.promise
    drydock = await drydock.restart()
    gate.resolve()
    // CodeBuild looks for its tasks every second.
    await drydock.advance({ seconds: 2 })
    await answer(await openApproval(), 'Approved')
    const [only, ...others] = await executionsOf()
    expect((await ended(only?.pipelineExecutionId)).status).toBe('Succeeded')
    expect(others).toEqual([])
    expect((await actions(only?.pipelineExecutionId)).map(({ actionName }) => actionName)).toEqual([
      'Publish',
      'Approve',
      'Compile',
      'Checkout',
    ])
    expect(await text('r-1/index.html')).toBe('1')
  })

  it('is not started by other branches, nor when told not to watch', async () => {
    head = undefined
    const { role } = await begin()
    await push({ 'buildspec.yml': buildspec })
    await drydock.settled()
    const [source, ...stages] = declaration(role).stages ?? []
    const [action] = source?.actions ?? []
    if (!source || !action) throw new Error('no source')
    const watching = (value: string) => ({
      pipeline: declaration(role, {
        stages: [
          {
            ...source,
            actions: [{ ...action, configuration: { ...action.configuration, PollForSourceChanges: value } }],
          },
          ...stages,
        ],
      }),
    })
    await pipelines().send(new CreatePipelineCommand(watching('false')))
    await push({ 'index.html': '1' })
    await drydock.settled()
    expect(await executionsOf()).toHaveLength(1)
    await pipelines().send(new UpdatePipelineCommand(watching('true')))
    const codecommit = drydock.client(CodeCommitClient)
    await codecommit.send(new CreateBranchCommand({ repositoryName: 'app', branchName: 'other', commitId: head }))
    await drydock.settled()
    expect(await executionsOf()).toHaveLength(1)
    await push({ 'index.html': '2' })
    await drydock.settled()
    expect((await executionsOf()).map(({ trigger }) => trigger?.triggerType)).toEqual([
      'PollForSourceChanges',
      'CreatePipeline',
    ])
    await openApproval()
  })

  it('deploys with CodeDeploy, and says what became of it', async () => {
    head = undefined
    const { role } = await begin()
    await push({ 'appspec.yml': 'version: 0.0\nos: linux\n' })
    await drydock.settled()
    const codedeploy = drydock.client(CodeDeployClient)
    await codedeploy.send(new CreateApplicationCommand({ applicationName: 'app' }))
    const serviceRoleArn = await drydock.role('deployer', 'codedeploy.amazonaws.com', [allow(['ec2:*', 'tag:*'])])
    await codedeploy.send(
      new CreateDeploymentGroupCommand({
        applicationName: 'app',
        deploymentGroupName: 'none',
        serviceRoleArn,
        ec2TagFilters: [{ Key: 'role', Value: 'web', Type: 'KEY_AND_VALUE' }],
      }),
    )
    const [source] = declaration(role).stages ?? []
    if (!source) throw new Error('no source')
    const deploy = {
      name: 'Deploy',
      actions: [
        {
          name: 'Roll',
          actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'CodeDeploy', version: '1' } as const,
          configuration: { ApplicationName: 'app', DeploymentGroupName: 'none' },
          inputArtifacts: [{ name: 'SourceOutput' }],
        },
      ],
    }
    await pipelines().send(new CreatePipelineCommand({ pipeline: declaration(role, { stages: [source, deploy] }) }))
    const [first] = await executionsOf()
    await ended(first?.pipelineExecutionId)
    expect((await actionState('Deploy', 'Roll'))?.errorDetails).toMatchObject({
      code: 'PermissionError',
      message: expect.stringMatching(
        /assumed-role\/pipeline\/.* is not authorized to perform: codedeploy:CreateDeployment/,
      ),
    })
    const policy = allow([
      'codedeploy:CreateDeployment',
      'codedeploy:GetDeployment',
      'codedeploy:GetDeploymentConfig',
      'codedeploy:GetApplicationRevision',
      'codedeploy:RegisterApplicationRevision',
    ])
    await drydock.client(IAMClient).send(
      new PutRolePolicyCommand({
        RoleName: 'pipeline',
        PolicyName: 'deploy',
        PolicyDocument: JSON.stringify(policy),
      }),
    )
    await pipelines().send(
      new RetryStageExecutionCommand({
        pipelineName: name,
        stageName: 'Deploy',
        pipelineExecutionId: first?.pipelineExecutionId,
        retryMode: 'FAILED_ACTIONS',
      }),
    )
    expect((await ended(first?.pipelineExecutionId)).status).toBe('Failed')
    const failed = await actionState('Deploy', 'Roll')
    expect(failed).toMatchObject({ status: 'Failed', errorDetails: { code: 'JobFailed' } })
    expect(failed?.externalExecutionId).toMatch(/^d-[A-Z0-9]{9}$/)
    const { deploymentInfo } = await codedeploy.send(
      new GetDeploymentCommand({ deploymentId: failed?.externalExecutionId }),
    )
    expect(deploymentInfo).toMatchObject({ status: 'Failed', revision: { s3Location: { bucket: 'artifacts' } } })
    expect(failed?.errorDetails?.message).toBe(deploymentInfo?.errorInformation?.message)
  })

  it('hands several artifacts to a build and takes several from it', async () => {
    head = undefined
    const { role } = await begin()
    const both = `version: 0.2
phases: {build: {commands: ['mkdir -p a b', 'echo "$CODEBUILD_RESOLVED_SOURCE_VERSION" > a/revision', 'echo two > b/two']}}
artifacts:
  secondary-artifacts:
    One: {base-directory: a, files: ['**/*']}
    Two: {base-directory: b, files: ['**/*']}
`
    const check = `version: 0.2
env: {exported-variables: [FOUND]}
phases: {build: {commands: ['export FOUND=$(cat $CODEBUILD_SRC_DIR_One/revision $CODEBUILD_SRC_DIR_Two/two)', 'test -e only-here']}}
`
    await push({ 'buildspec.yml': both, 'check.yml': check, 'only-here': '' })
    await drydock.settled()
    const codebuild = drydock.client(CodeBuildClient)
    const { projects } = await codebuild.send(new BatchGetProjectsCommand({ names: ['app'] }))
    await codebuild.send(
      new CreateProjectCommand({
        name: 'check',
        source: { type: 'CODEPIPELINE', buildspec: 'check.yml' },
        artifacts: { type: 'CODEPIPELINE' },
        environment: projects?.[0]?.environment,
        serviceRole: projects?.[0]?.serviceRole,
      }),
    )
    const [source] = declaration(role).stages ?? []
    if (!source) throw new Error('no source')
    const run: StageDeclaration = {
      name: 'Run',
      actions: [
        {
          name: 'Make',
          actionTypeId: { category: 'Build', owner: 'AWS', provider: 'CodeBuild', version: '1' } as const,
          configuration: { ProjectName: 'app' },
          inputArtifacts: [{ name: 'SourceOutput' }],
          outputArtifacts: [{ name: 'One' }, { name: 'Two' }],
        },
        {
          name: 'Check',
          actionTypeId: { category: 'Test', owner: 'AWS', provider: 'CodeBuild', version: '1' } as const,
          configuration: { ProjectName: 'check', PrimarySource: 'SourceOutput' },
          inputArtifacts: [{ name: 'One' }, { name: 'SourceOutput' }, { name: 'Two' }],
          runOrder: 2,
        },
      ],
    }
    await pipelines().send(new CreatePipelineCommand({ pipeline: declaration(role, { stages: [source, run] }) }))
    const [only] = await executionsOf()
    await ended(only?.pipelineExecutionId)
    expect((await actionState('Run', 'Check'))?.errorDetails).toBeUndefined()
    const [check_] = await actions(only?.pipelineExecutionId)
    expect(check_).toMatchObject({ actionName: 'Check', output: { outputVariables: { FOUND: `${head}\ntwo` } } })
  })
})
