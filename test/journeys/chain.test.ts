import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch'
import {
  BatchGetReportsCommand,
  CodeBuildClient,
  CreateProjectCommand,
  ListReportsCommand,
} from '@aws-sdk/client-codebuild'
import { CodeCommitClient, CreateRepositoryCommand } from '@aws-sdk/client-codecommit'
import {
  type ActionDeclaration,
  CodePipelineClient,
  CreatePipelineCommand,
  ListActionExecutionsCommand,
  ListPipelineExecutionsCommand,
} from '@aws-sdk/client-codepipeline'
import { CreateServiceSpecificCredentialCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { CreateBucketCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runsOnHost } from '../../src/services/codebuild/host-runner.ts'
import { type Fleet, fleet } from '../../src/services/codedeploy/fleet-bench.ts'
import { allow } from '../story.ts'
import { run } from './clients.ts'

// The whole chain seen from outside: a push by git, a build with a secret, a report and a cache, a deployment to a bucket and one
// to a machine whose agent is real, all of it under one customer's key; and what events, metrics and CloudTrail say of it.

let it: Fleet
let folder: string
beforeAll(async () => {
  it = await fleet({ builds: runsOnHost })
  folder = mkdtempSync(join(tmpdir(), 'drydock-chain-'))
})
afterAll(async () => {
  await it.close()
  rmSync(folder, { recursive: true, force: true })
})

const files = {
  'buildspec.yml': `version: 0.2
env:
  secrets-manager: {TOKEN: chain/token:value}
  exported-variables: [VERSION]
phases:
  build:
    commands:
      - test "$TOKEN" = hunter2
      - test ! -e deps/one || echo kept >> app/index.html
      - mkdir -p deps && echo dependency > deps/one
      - export VERSION=v$CODEBUILD_BUILD_NUMBER
      - echo '<testsuite name="s"><testcase classname="c" name="works" time="0.1"/></testsuite>' > report.xml
reports:
  unit: {files: [report.xml], file-format: JUNITXML}
artifacts: {files: [appspec.yml, 'app/**/*']}
cache: {paths: ['deps/**/*']}
`,
  'appspec.yml': 'version: 0.0\nos: linux\nfiles:\n  - source: /app\n    destination: /srv/app\n',
  'app/index.html': 'hello\n',
}

const action = (
  name: string,
  category: 'Build' | 'Deploy' | 'Source',
  provider: string,
  configuration: Record<string, string>,
  more: Partial<ActionDeclaration>,
): ActionDeclaration => ({
  name,
  actionTypeId: { category, owner: 'AWS', provider, version: '1' },
  configuration,
  ...more,
})

/** What CodeCommit, S3 and Secrets Manager ask KMS for on behalf of whoever calls them. */
const keyRights = (key: string) =>
  allow(['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:DescribeKey'], key)

const setUp = async () => {
  const { story } = it
  const key = (await story.client(KMSClient).send(new CreateKeyCommand({}))).KeyMetadata?.Arn ?? ''
  const useKey = keyRights(key)
  const s3 = story.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'site' }))
  await story
    .client(SecretsManagerClient)
    .send(new CreateSecretCommand({ Name: 'chain/token', SecretString: '{"value":"hunter2"}', KmsKeyId: key }))
  await story.client(CodeCommitClient).send(new CreateRepositoryCommand({ repositoryName: 'chain', kmsKeyId: key }))
  await story
    .client(IAMClient)
    .send(new PutRolePolicyCommand({ RoleName: 'machine', PolicyName: 'key', PolicyDocument: JSON.stringify(useKey) }))
  const serviceRole = await story.role('builder', 'codebuild.amazonaws.com', [
    allow(['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents']),
    allow(['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject'], 'arn:aws:s3:::bundles/*'),
    allow([
      'codebuild:CreateReportGroup',
      'codebuild:CreateReport',
      'codebuild:UpdateReport',
      'codebuild:BatchPutTestCases',
    ]),
    allow('secretsmanager:GetSecretValue'),
    useKey,
  ])
  await story.client(CodeBuildClient).send(
    new CreateProjectCommand({
      name: 'chain',
      source: { type: 'CODEPIPELINE' },
      artifacts: { type: 'CODEPIPELINE' },
      environment: {
        type: 'LINUX_CONTAINER',
        image: 'aws/codebuild/standard:7.0',
        computeType: 'BUILD_GENERAL1_SMALL',
      },
      cache: { type: 'S3', location: 'bundles/cache' },
      encryptionKey: key,
      serviceRole,
    }),
  )
  const [machine = ''] = await it.launch()
  await it.group()
  const roleArn = await story.role('pipeline', 'codepipeline.amazonaws.com', [
    allow(['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject'], ['arn:aws:s3:::bundles/*', 'arn:aws:s3:::site/*']),
    allow([
      ...['codecommit:GetBranch', 'codecommit:GetCommit'],
      ...['codecommit:UploadArchive', 'codecommit:GetUploadArchiveStatus'],
      ...['codebuild:StartBuild', 'codebuild:BatchGetBuilds'],
      ...['codedeploy:CreateDeployment', 'codedeploy:GetDeployment', 'codedeploy:GetDeploymentConfig'],
      ...['codedeploy:GetApplicationRevision', 'codedeploy:RegisterApplicationRevision'],
    ]),
    useKey,
  ])
  await story.client(CodePipelineClient).send(
    new CreatePipelineCommand({
      pipeline: {
        name: 'chain',
        roleArn,
        pipelineType: 'V2',
        artifactStore: { type: 'S3', location: 'bundles', encryptionKey: { id: key, type: 'KMS' } },
        stages: [
          {
            name: 'Source',
            actions: [
              action(
                'Checkout',
                'Source',
                'CodeCommit',
                { RepositoryName: 'chain', BranchName: 'main' },
                {
                  outputArtifacts: [{ name: 'Code' }],
                },
              ),
            ],
          },
          {
            name: 'Build',
            actions: [
              action(
                'Compile',
                'Build',
                'CodeBuild',
                { ProjectName: 'chain' },
                {
                  inputArtifacts: [{ name: 'Code' }],
                  outputArtifacts: [{ name: 'App' }],
                  namespace: 'Build',
                },
              ),
            ],
          },
          {
            name: 'Release',
            actions: [
              action(
                'Publish',
                'Deploy',
                'S3',
                { BucketName: 'site', Extract: 'true', ObjectKey: '#{Build.VERSION}', KMSEncryptionKeyARN: key },
                { inputArtifacts: [{ name: 'App' }] },
              ),
              action(
                'Roll',
                'Deploy',
                'CodeDeploy',
                { ApplicationName: 'app', DeploymentGroupName: 'group' },
                {
                  inputArtifacts: [{ name: 'App' }],
                },
              ),
            ],
          },
        ],
      },
    }),
  )
  return { key, machine }
}

/** Commits what has changed and pushes it with the Git credentials of a user. */
const pusher = async (key: string) => {
  await it.story.user('ada', [allow('codecommit:GitPush'), keyRights(key)])
  const { ServiceSpecificCredential: login } = await it.story
    .client(IAMClient)
    .send(new CreateServiceSpecificCredentialCommand({ UserName: 'ada', ServiceName: 'codecommit.amazonaws.com' }))
  const [user, password] = [login?.ServiceUserName ?? '', login?.ServicePassword ?? ''].map(encodeURIComponent)
  const url = `${it.story.endpoint.replace('http://', `http://${user}:${password}@`)}/v1/repos/chain`
  const git = (...args: string[]) =>
    run('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...args], {
      cwd: folder,
      env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_TERMINAL_PROMPT: '0' },
    })
  await git('init', '-q', '-b', 'main')
  return async (changed: Readonly<Record<string, string>>, message: string) => {
    for (const [name, content] of Object.entries(changed)) {
      mkdirSync(join(folder, name, '..'), { recursive: true })
      writeFileSync(join(folder, name), content)
    }
    await git('add', '-A')
    await git('commit', '-qm', message)
    await git('push', '-q', url, 'HEAD:main')
  }
}

const pushed = async (count: number) => {
  const list = new ListPipelineExecutionsCommand({ pipelineName: 'chain' })
  return it.eventually(`execution ${count}`, async () => {
    const { pipelineExecutionSummaries: all = [] } = await it.story.client(CodePipelineClient).send(list)
    const started = all.filter(({ trigger }) => trigger?.triggerType === 'PollForSourceChanges')
    return started.length === count && started[0]?.status !== 'InProgress' && started[0]
  })
}

/** Who made the calls of this name, by session name, as CloudTrail has it. */
const callersOf = async (AttributeValue: string) => {
  const LookupAttributes = [{ AttributeKey: 'EventName', AttributeValue } as const]
  const { Events = [] } = await it.story.client(CloudTrailClient).send(new LookupEventsCommand({ LookupAttributes }))
  return Events.map(({ CloudTrailEvent = '{}' }): string => JSON.parse(CloudTrailEvent).userIdentity.arn)
}

test('a push goes all the way to a bucket and a machine, under one key', { timeout: 120_000 }, async () => {
  const { key, machine } = await setUp()
  const push = await pusher(key)
  await push(files, 'One')
  const execution = await pushed(1)
  const { actionExecutionDetails: actions = [] } = await it.story.client(CodePipelineClient).send(
    new ListActionExecutionsCommand({
      pipelineName: 'chain',
      filter: { pipelineExecutionId: execution.pipelineExecutionId },
    }),
  )
  expect(
    actions.map(({ actionName, status, output }) => [actionName, status, output?.executionResult?.errorDetails]),
  ).toEqual(
    expect.arrayContaining(['Checkout', 'Compile', 'Publish', 'Roll'].map((name) => [name, 'Succeeded', undefined])),
  )
  expect(await it.read(machine, 'srv/app/index.html')).toBe('hello\n')

  // Everything that was stored is under the key: artifacts, the cache, the site.
  const s3 = it.story.client(S3Client)
  for (const Bucket of ['bundles', 'site']) {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }))
    expect(Contents.length).toBeGreaterThan(1)
    for (const { Key } of Contents)
      expect(await s3.send(new HeadObjectCommand({ Bucket, Key })), Key).toMatchObject({ SSEKMSKeyId: key })
  }

  const codebuild = it.story.client(CodeBuildClient)
  const { reports: reportArns = [] } = await codebuild.send(new ListReportsCommand({}))
  const { reports } = await codebuild.send(new BatchGetReportsCommand({ reportArns }))
  expect(reports?.map(({ status, testSummary }) => [status, testSummary?.total])).toEqual([['SUCCEEDED', 1]])

  await it.story.settled()
  const told = it.story.events
    .filter(({ source }) => ['aws.codecommit', 'aws.codebuild', 'aws.codedeploy', 'aws.codepipeline'].includes(source))
    .filter(
      ({ detail }) => detail['execution-id'] === undefined || detail['execution-id'] === execution.pipelineExecutionId,
    )
    .map(
      ({ source, detail }) =>
        `${source} ${detail.action ?? detail.stage ?? ''} ${detail.state ?? detail['build-status'] ?? detail.event}`,
    )
  for (const event of [
    'aws.codecommit  referenceCreated',
    'aws.codepipeline  STARTED',
    'aws.codepipeline Checkout SUCCEEDED',
    'aws.codebuild  IN_PROGRESS',
    'aws.codebuild  SUCCEEDED',
    'aws.codepipeline Compile SUCCEEDED',
    'aws.codedeploy  START',
    'aws.codedeploy  SUCCESS',
    'aws.codepipeline Roll SUCCEEDED',
    'aws.codepipeline Publish SUCCEEDED',
    'aws.codepipeline Release SUCCEEDED',
    'aws.codepipeline  SUCCEEDED',
  ])
    expect(told).toContain(event)

  const session = (role: string, name: string) => `arn:aws:sts::${it.story.account}:assumed-role/${role}/${name}`
  const build = actions.find(({ actionName }) => actionName === 'Compile')?.output?.executionResult?.externalExecutionId
  const byBuild = session('builder', `AWSCodeBuild-${build?.split(':')[1]}`)
  const byPipeline = session('pipeline', execution.pipelineExecutionId ?? '')
  expect(await callersOf('GitPush')).toEqual([`arn:aws:iam::${it.story.account}:user/ada`])
  expect(await callersOf('UploadArchive')).toContain(byPipeline)
  expect(await callersOf('StartBuild')).toEqual([session('pipeline', 'chain')])
  expect(await callersOf('GetSecretValue')).toEqual([byBuild])
  expect(await callersOf('CreateDeployment')).toEqual([byPipeline])
  const decrypted = await callersOf('Decrypt')
  for (const who of [byPipeline, byBuild, session('machine', machine)]) expect(decrypted).toContain(who)

  // The next one finds what the first has kept.
  await push({ 'app/index.html': 'again\n' }, 'Two')
  expect((await pushed(2)).status).toBe('Succeeded')
  expect(await it.read(machine, 'srv/app/index.html')).toBe('again\nkept\n')

  const metric = async (Namespace: string, MetricName: string, name: string, Value: string) => {
    const now = Date.now()
    const { Datapoints } = await it.story.client(CloudWatchClient).send(
      new GetMetricStatisticsCommand({
        ...{ Namespace, MetricName, Dimensions: [{ Name: name, Value }], Period: 86_400, Statistics: ['SampleCount'] },
        StartTime: new Date(now - 3_600_000),
        EndTime: new Date(now + 60_000),
      }),
    )
    return Datapoints?.reduce((sum, { SampleCount = 0 }) => sum + SampleCount, 0)
  }
  expect(await metric('AWS/CodePipeline', 'PipelineDuration', 'PipelineName', 'chain')).toBe(2)
  expect(await metric('AWS/CodeBuild', 'SucceededBuilds', 'ProjectName', 'chain')).toBe(2)
})
