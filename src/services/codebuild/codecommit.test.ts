import {
  AccessAnalyzerClient,
  GetGeneratedPolicyCommand,
  StartPolicyGenerationCommand,
} from '@aws-sdk/client-accessanalyzer'
import { CloudTrailClient, CreateTrailCommand, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
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
import { DeleteRolePolicyCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { CreateBucketCommand, PutBucketPolicyCommand, S3Client } from '@aws-sdk/client-s3'
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

it('is recorded as the pull of a git client, by the role', async () => {
  await run()
  const serviceRoleOverride = await drydock.role('blind', 'codebuild.amazonaws.com', [policy(['logs:*'])])
  await run({ serviceRoleOverride })
  const { Events = [] } = await drydock
    .client(CloudTrailClient)
    .send(new LookupEventsCommand({ LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'GitPull' }] }))
  const records = Events.map(({ CloudTrailEvent = '' }) => JSON.parse(CloudTrailEvent))
  const recordOf = (role: string) =>
    records.find(({ userIdentity }) => userIdentity.sessionContext.sessionIssuer.userName === role)
  expect(records.length).toBe(2)
  expect(recordOf('builder')).toMatchObject({
    eventSource: 'codecommit.amazonaws.com',
    readOnly: true,
    managementEvent: true,
    additionalEventData: { protocol: 'HTTP', dataTransferred: true, repositoryName: 'site' },
    resources: [{ ARN: 'arn:aws:codecommit:us-east-1:000000000000:site' }],
  })
  expect(recordOf('blind')).toMatchObject({
    errorCode: 'AccessDenied',
    additionalEventData: { dataTransferred: false },
  })
})

it('is in the policy generated of what a build did, with which it runs again', async () => {
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'trail' }))
  const trailMay = { Effect: 'Allow', Principal: { Service: 'cloudtrail.amazonaws.com' } }
  await s3.send(
    new PutBucketPolicyCommand({
      Bucket: 'trail',
      Policy: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          { ...trailMay, Action: 's3:GetBucketAcl', Resource: 'arn:aws:s3:::trail' },
          { ...trailMay, Action: 's3:PutObject', Resource: 'arn:aws:s3:::trail/*' },
        ],
      }),
    }),
  )
  const { TrailARN } = await drydock
    .client(CloudTrailClient)
    .send(new CreateTrailCommand({ Name: 'all', S3BucketName: 'trail' }))
  const reads = ['s3:GetObject', 's3:ListBucket', 'cloudtrail:GetTrail', 'iam:*ServiceLastAccessedDetails']
  const accessRole = await drydock.role('reader', 'access-analyzer.amazonaws.com', [policy(reads)])
  expect((await run()).buildStatus).toBe('SUCCEEDED')

  const analyzer = drydock.client(AccessAnalyzerClient)
  const { jobId } = await analyzer.send(
    new StartPolicyGenerationCommand({
      policyGenerationDetails: { principalArn: 'arn:aws:iam::000000000000:role/builder' },
      cloudTrailDetails: {
        accessRole,
        startTime: new Date('2026-11-23T00:00:00Z'),
        trails: [{ cloudTrailArn: TrailARN }],
      },
    }),
  )
  await drydock.settled()
  const { generatedPolicyResult } = await analyzer.send(new GetGeneratedPolicyCommand({ jobId }))
  const PolicyDocument = generatedPolicyResult?.generatedPolicies?.[0]?.policy ?? ''
  expect(generatedPolicyResult?.properties?.isComplete).toBe(true)
  expect(JSON.parse(PolicyDocument).Statement).toContainEqual({
    Sid: expect.any(String),
    Effect: 'Allow',
    Action: ['codecommit:GitPull'],
    Resource: 'arn:aws:codecommit:us-east-1:000000000000:site',
  })
  const iam = drydock.client(IAMClient)
  await iam.send(new PutRolePolicyCommand({ RoleName: 'builder', PolicyName: 'generated', PolicyDocument }))
  await iam.send(new DeleteRolePolicyCommand({ RoleName: 'builder', PolicyName: 'policy-0' }))
  expect((await run()).buildStatus).toBe('SUCCEEDED')
})
