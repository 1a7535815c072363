import { CloudWatchLogsClient, GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import {
  BatchGetBuildsCommand,
  type Build,
  CodeBuildClient,
  CreateProjectCommand,
  StartBuildCommand,
  type StartBuildCommandInput,
} from '@aws-sdk/client-codebuild'
import { CodeCommitClient, CreateRepositoryCommand, PutFileCommand } from '@aws-sdk/client-codecommit'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { runsOnHost } from './host-runner.ts'

let drydock: Story
let codebuild: CodeBuildClient
let commit = ''

const policy = (actions: string[]) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }],
})

beforeEach(async () => {
  drydock = await story()
  codebuild = drydock.client(CodeBuildClient)
  drydock.compute.on('build-', runsOnHost)
  const codecommit = drydock.client(CodeCommitClient)
  await codecommit.send(new CreateRepositoryCommand({ repositoryName: 'site' }))
  const spec =
    'version: 0.2\nphases: {build: {commands: [git log --format=%H -1, git status --short, cat buildspec.yml]}}'
  const put = await codecommit.send(
    new PutFileCommand({
      repositoryName: 'site',
      branchName: 'main',
      filePath: 'buildspec.yml',
      fileContent: new TextEncoder().encode(spec),
    }),
  )
  commit = put.commitId ?? ''
  await codebuild.send(
    new CreateProjectCommand({
      name: 'site',
      source: { type: 'CODECOMMIT', location: 'https://git-codecommit.us-east-1.amazonaws.com/v1/repos/site' },
      artifacts: { type: 'NO_ARTIFACTS' },
      environment: {
        type: 'LINUX_CONTAINER',
        image: 'aws/codebuild/standard:7.0',
        computeType: 'BUILD_GENERAL1_SMALL',
      },
      serviceRole: await drydock.role('builder', 'codebuild.amazonaws.com', [policy(['logs:*', 'codecommit:GitPull'])]),
    }),
  )
})
afterEach(() => drydock.close())

const run = async (input: Partial<StartBuildCommandInput> = {}): Promise<Build> => {
  const { build } = await codebuild.send(new StartBuildCommand({ projectName: 'site', ...input }))
  for (;;) {
    const { builds } = await codebuild.send(new BatchGetBuildsCommand({ ids: [build?.id ?? ''] }))
    if (builds?.[0]?.buildComplete) return builds[0]
    await new Promise((turn) => setTimeout(turn, 5))
  }
}
const failure = (build: Build) => build.phases?.find(({ phaseType }) => phaseType === 'DOWNLOAD_SOURCE')?.contexts?.[0]

it('builds the commit a branch names, in a clone', async () => {
  for (const sourceVersion of [undefined, 'main', 'refs/heads/main', commit]) {
    const build = await run(sourceVersion ? { sourceVersion } : {})
    expect(build).toMatchObject({ buildStatus: 'SUCCEEDED', resolvedSourceVersion: commit })
    const { events } = await drydock.client(CloudWatchLogsClient).send(
      new GetLogEventsCommand({
        logGroupName: '/aws/codebuild/site',
        logStreamName: build.logs?.streamName,
        startFromHead: true,
      }),
    )
    expect(events?.map(({ message }) => message)).toContain(commit)
  }
  expect(drydock.compute.started[0]?.env).toMatchObject({
    CODEBUILD_RESOLVED_SOURCE_VERSION: commit,
    CODEBUILD_SOURCE_REPO_URL: 'https://git-codecommit.us-east-1.amazonaws.com/v1/repos/site',
    CODEBUILD_SRC_DIR: expect.stringMatching(
      /^\/codebuild\/output\/src\d+\/src\/git-codecommit\.us-east-1\.amazonaws\.com\/v1\/repos\/site$/,
    ),
  })
})

it('says what could not be fetched', async () => {
  expect(failure(await run({ sourceVersion: 'nowhere' }))).toEqual({
    statusCode: 'CLIENT_ERROR',
    message: 'reference not found for primary source and source version nowhere',
  })
  expect(failure(await run({ buildspecOverride: 'other.yml' }))).toMatchObject({
    statusCode: 'YAML_FILE_ERROR',
    message: expect.stringMatching(/^stat \/codebuild\/.*\/other\.yml: no such file or directory$/),
  })
  expect(failure(await run({ buildspecOverride: '../../../../../../../../etc/passwd' }))).toMatchObject({
    statusCode: 'YAML_FILE_ERROR',
  })
})

it('needs codecommit:GitPull', async () => {
  const serviceRoleOverride = await drydock.role('blind', 'codebuild.amazonaws.com', [policy(['logs:*'])])
  const build = await run({ serviceRoleOverride })
  expect(build.buildStatus).toBe('FAILED')
  expect(failure(build)?.message).toMatch(
    /not authorized to perform: codecommit:GitPull on resource: arn:aws:codecommit:us-east-1:\d+:site/,
  )
})
