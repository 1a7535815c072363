import {
  BatchGetProjectsCommand,
  CodeBuildClient,
  CreateProjectCommand,
  UpdateProjectCommand,
} from '@aws-sdk/client-codebuild'
import { CreatePipelineCommand, type StageDeclaration } from '@aws-sdk/client-codepipeline'
import { CodeStarConnectionsClient, CreateConnectionCommand } from '@aws-sdk/client-codestar-connections'
import { IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { describe, expect, it } from 'vitest'
import { gitProvider } from '../../../test/git-provider.ts'
import { allow } from '../../../test/story.ts'
import { callServer } from '../../cli/connection.ts'
import {
  actionState,
  actions,
  begin,
  declaration,
  drydock,
  ended,
  executionsOf,
  head,
  onBench,
  pipelines,
  push,
  text,
  when,
} from './delivery-bench.ts'

// What CodePipeline has CodeBuild do: batches, clones, several artifacts.

onBench()

describe('a build action', () => {
  it.each([
    ['as one', { CombineArtifacts: 'true' }, ['BuildOutput'], ['BuildOutput']],
    ['one by one', {}, ['left', 'right_page'], ['left', 'right_page']],
    ['and wants one that no build makes', {}, ['left', 'middle'], []],
  ])('builds a batch, and takes its artifacts %s', async (_how, combined, outputs, published) => {
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
artifacts:
  files: ['*.txt']
  secondary-artifacts: {page: {files: ['*.txt']}}
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
          {
            ...compile,
            configuration: { ProjectName: 'app', BatchEnabled: 'true', ...combined },
            outputArtifacts: outputs.map((name) => ({ name })),
          },
        ],
      },
      {
        name: 'Publish',
        actions: outputs.map((name) => ({
          name,
          actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' },
          configuration: { BucketName: 'site', Extract: 'true' },
          inputArtifacts: [{ name }],
        })),
      },
    ] as StageDeclaration[]
    await pipelines().send(new CreatePipelineCommand({ pipeline: { ...pipeline, stages } }))
    await when(async () => {
      await drydock.advance({ seconds: 1 })
      return (await executionsOf())[0]?.status !== 'InProgress'
    })
    if (published.length === 0) {
      expect((await actionState('Build', 'Compile'))?.errorDetails?.message).toMatch(
        /middle is of no build of the batch/,
      )
      return
    }
    expect((await executionsOf())[0]?.status).toBe('Succeeded')
    expect([await text('left.txt'), await text('right.txt')]).toEqual(['built\n', 'built\n'])
  })

  it('builds by a buildspec of the pipeline’s own', async () => {
    const { role } = await begin()
    await push({ 'buildspec.yml': 'version: 0.2\nphases: {build: {commands: [exit 1]}}' })
    await drydock.settled()
    const pipeline = declaration(role)
    const [source, build] = pipeline.stages ?? []
    const [compile] = build?.actions ?? []
    const spec = `version: 0.2
phases: {build: {commands: ['mkdir site && echo own > site/index.html']}}
artifacts: {base-directory: site, files: ['**/*']}
`
    const configuration = { ProjectName: 'app', BuildspecOverride: spec }
    const stages = [source, { name: 'Build', actions: [{ ...compile, configuration }] }] as StageDeclaration[]
    await pipelines().send(new CreatePipelineCommand({ pipeline: { ...pipeline, stages } }))
    const [first] = await executionsOf()
    expect((await ended(first?.pipelineExecutionId)).status).toBe('Succeeded')
  })

  it('lets CodeBuild clone the repository, history and all', async () => {
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

  it('clones a repository elsewhere by itself, by the connection of the source', async () => {
    const { role } = await begin()
    const provider = await gitProvider()
    try {
      const hub = drydock.client(CodeStarConnectionsClient)
      const made = await hub.send(new CreateConnectionCommand({ ConnectionName: 'hub', ProviderType: 'GitHub' }))
      const arn = made.ConnectionArn ?? ''
      const login = { arn, token: provider.token, url: provider.url }
      await callServer({ endpoint: drydock.endpoint }, 'POST', '/_drydock/codestarconnections/connection', login)
      const may = (RoleName: string, action: string) => {
        const document = allow('codestar-connections:UseConnection', arn, {
          StringEquals: { 'codestar-connections:ProviderAction': action },
        })
        const sent = { RoleName, PolicyName: action, PolicyDocument: JSON.stringify(document) }
        return drydock.client(IAMClient).send(new PutRolePolicyCommand(sent))
      }
      await Promise.all([may('pipeline', 'GetBranch'), may('pipeline', 'GetCommit'), may('builder', 'GitPull')])
      const buildspec = `version: 0.2
env: {exported-variables: [LOG]}
phases: {build: {commands: ['export LOG="$(git log --format=%s | tr "\\n" ,) $CODEBUILD_RESOLVED_SOURCE_VERSION"', 'mkdir site && touch site/a']}}
artifacts: {base-directory: site, files: ['**/*']}
`
      await provider.push({ 'index.html': '1' }, { message: 'One' })
      const commit = await provider.push({ 'buildspec.yml': buildspec }, { message: 'Two' })
      const pipeline = declaration(role)
      const [source, build] = pipeline.stages ?? []
      const configuration = {
        ...{ ConnectionArn: arn, FullRepositoryId: 'me/app', BranchName: 'main' },
        OutputArtifactFormat: 'CODEBUILD_CLONE_REF',
      }
      const actionTypeId = { category: 'Source', owner: 'AWS', provider: 'CodeStarSourceConnection', version: '1' }
      const checkout = { ...source?.actions?.[0], configuration, actionTypeId }
      const stages = [{ name: 'Source', actions: [checkout] }, build] as StageDeclaration[]
      await pipelines().send(new CreatePipelineCommand({ pipeline: { ...pipeline, stages } }))
      const [first] = await executionsOf()
      const { status } = await ended(first?.pipelineExecutionId)
      const built = (await actions(first?.pipelineExecutionId)).find(({ actionName }) => actionName === 'Compile')
      expect(status, JSON.stringify(built?.output)).toBe('Succeeded')
      expect(built?.output?.outputVariables).toEqual({ LOG: `Two,One, ${commit}` })
    } finally {
      await provider.close()
    }
  })

  it('is the only one that a reference to a commit is for', async () => {
    const { role } = await begin()
    const policy = JSON.stringify(allow('codecommit:GetRepository'))
    await drydock
      .client(IAMClient)
      .send(new PutRolePolicyCommand({ RoleName: 'pipeline', PolicyName: 'git', PolicyDocument: policy }))
    await push({ 'index.html': '1' })
    await drydock.settled()
    const pipeline = declaration(role)
    const [checkout] = pipeline.stages?.[0]?.actions ?? []
    const configuration = { ...checkout?.configuration, OutputArtifactFormat: 'CODEBUILD_CLONE_REF' }
    const stages = [
      { name: 'Source', actions: [{ ...checkout, configuration }] },
      {
        name: 'Publish',
        actions: [
          {
            name: 'Publish',
            actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' },
            configuration: { BucketName: 'site', Extract: 'false', ObjectKey: 'app.zip' },
            inputArtifacts: checkout?.outputArtifacts,
          },
        ],
      },
    ] as StageDeclaration[]
    await pipelines().send(new CreatePipelineCommand({ pipeline: { ...pipeline, stages } }))
    const [first] = await executionsOf()
    expect((await ended(first?.pipelineExecutionId)).status).toBe('Failed')
    expect((await actionState('Publish', 'Publish'))?.errorDetails).toMatchObject({
      code: 'ConfigurationError',
      message: expect.stringContaining('CODEBUILD_CLONE_REF'),
    })
  })

  it('hands several artifacts to a build and takes several from it', async () => {
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
