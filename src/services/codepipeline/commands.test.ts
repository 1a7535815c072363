import { CloudWatchLogsClient, DescribeLogGroupsCommand, GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import { CodeBuildClient, ListBuildsCommand } from '@aws-sdk/client-codebuild'
import {
  type ActionDeclaration,
  ListActionExecutionsCommand,
  type PipelineDeclaration,
} from '@aws-sdk/client-codepipeline'
import { CreateSecurityGroupCommand, DescribeSubnetsCommand, EC2Client } from '@aws-sdk/client-ec2'
import { CreateRoleCommand, DeleteRolePolicyCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { CreateOrganizationCommand, OrganizationsClient } from '@aws-sdk/client-organizations'
import { GetObjectCommand, PutBucketPolicyCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createAccount, enter } from '../../../test/member-accounts.ts'
import { approval, publish, refused, releaseStory, source } from '../../../test/release-pipeline.ts'
import { allow } from '../../../test/story.ts'
import { runsOnHost } from '../codebuild/host-runner.ts'

// Shell commands as an action and as a rule, under the pipeline's role.

let release: Awaited<ReturnType<typeof releaseStory>>
const permit = (policy: object) =>
  release.bench.drydock
    .client(IAMClient)
    .send(
      new PutRolePolicyCommand({ RoleName: 'pipeline', PolicyName: 'logs', PolicyDocument: JSON.stringify(policy) }),
    )
beforeEach(async () => {
  release = await releaseStory()
  release.bench.drydock.compute.on('build-', runsOnHost)
  await release.upload({ 'index.html': 'hello' })
  await permit(
    allow(
      ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
      `arn:aws:logs:*:${release.bench.drydock.account}:log-group:/aws/codepipeline/release*`,
    ),
  )
})
afterEach(() => release.bench.drydock.close())

const run = (commands: string[], change: Partial<ActionDeclaration> = {}): ActionDeclaration => ({
  name: 'Run',
  actionTypeId: { category: 'Compute', owner: 'AWS', provider: 'Commands', version: '1' },
  commands,
  inputArtifacts: [{ name: 'App' }],
  namespace: 'Run',
  ...change,
})

const stages = (action: ActionDeclaration): Partial<PipelineDeclaration> => ({
  pipelineType: 'V2',
  stages: [
    { name: 'Source', actions: [source()] },
    { name: 'Run', actions: [action] },
    { name: 'Publish', actions: [publish({ inputArtifacts: [{ name: 'Site' }] })] },
  ],
})
/** The commands run as a process of this host: turns of the event loop until it has ended. */
const ended = async (): Promise<void> => {
  for (let turn = 0; turn < 100_000; turn++) {
    await new Promise(setImmediate)
    if (turn % 50 > 0) continue
    await release.bench.drydock.settled()
    const stage = (await release.stages())[1]
    const states = [stage?.beforeEntryConditionState?.latestExecution, stage?.actionStates?.[0]?.latestExecution]
    const [first] = states.filter((state) => state !== undefined)
    if (first && first.status !== 'InProgress') return
  }
  throw new Error('The commands do not end.')
}

it('commands see the artifact and give files and variables on', async () => {
  const id = await release.create({
    variables: [{ name: 'NAME', defaultValue: 'loud' }],
    ...stages(
      run(
        [
          'mkdir site',
          'tr a-z A-Z < index.html > site/$NAME',
          'export SIZE=$(wc -c < site/$NAME)',
          'echo #{codepipeline.PipelineExecutionId} > site/id.txt',
        ],
        {
          outputArtifacts: [{ name: 'Site', files: ['site/*'] }],
          outputVariables: ['SIZE'],
          environmentVariables: [{ name: 'NAME', value: '#{variables.NAME}.html' }],
        },
      ),
    ),
  })
  await ended()
  expect(await release.action('Run', 'Run')).toMatchObject({ status: 'Succeeded' })
  expect(await release.statusOf(id)).toBe('Succeeded')
  const page = await release.bench.s3.send(new GetObjectCommand({ Bucket: 'site', Key: 'site/loud.html' }))
  expect(await page.Body?.transformToString()).toBe('HELLO')
  const told = await release.bench.s3.send(new GetObjectCommand({ Bucket: 'site', Key: 'site/id.txt' }))
  expect(await told.Body?.transformToString()).toBe(`${id}\n`)
  const { actionExecutionDetails } = await release.bench.codepipeline.send(
    new ListActionExecutionsCommand({ pipelineName: 'release' }),
  )
  const details = actionExecutionDetails?.find(({ actionName }) => actionName === 'Run')
  expect(details?.output?.outputVariables).toEqual({ SIZE: '5' })
  const [, group = '', stream = ''] =
    /log-group:(.*):log-stream:(.*)/.exec(details?.output?.executionResult?.logStreamARN ?? '') ?? []
  expect(group).toBe('/aws/codepipeline/release')
  const { events } = await release.bench.drydock
    .client(CloudWatchLogsClient)
    .send(new GetLogEventsCommand({ logGroupName: group, logStreamName: stream, startFromHead: true }))
  expect(events?.map(({ message }) => message).join('\n')).toMatch(/Running command mkdir site/)
  // It is no build of anybody's project.
  expect((await release.bench.drydock.client(CodeBuildClient).send(new ListBuildsCommand({}))).ids).toEqual([])
  expect(release.bench.drydock.events.filter((event) => event.source === 'aws.codebuild')).toEqual([])
})

it('all files are an artifact as AWS’s examples word it, on a machine of the size that is wanted', async () => {
  await release.create(
    stages(
      run(['mkdir site', 'mv index.html site/'], {
        configuration: { EnvironmentType: 'LINUX_CONTAINER', ComputeType: 'BUILD_GENERAL1_MEDIUM' },
        outputArtifacts: [{ name: 'Site', files: ['**/'] }],
      }),
    ),
  )
  await ended()
  const page = await release.bench.s3.send(new GetObjectCommand({ Bucket: 'site', Key: 'site/index.html' }))
  expect(await page.Body?.transformToString()).toBe('hello')
})

it('commands under a role of another account run there', async () => {
  const { drydock } = release.bench
  await drydock.client(OrganizationsClient).send(new CreateOrganizationCommand({}))
  const other = await createAccount(drydock, 'live')
  const keys = await enter(drydock, await drydock.user('admin', [allow('*')]), other)
  const theirs = drydock.client(IAMClient, keys)
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: release.bench.role }, Action: 'sts:AssumeRole' }],
  }
  const { Role } = await theirs.send(
    new CreateRoleCommand({ RoleName: 'runner', AssumeRolePolicyDocument: JSON.stringify(trust) }),
  )
  const roleArn = Role?.Arn ?? ''
  const rights = JSON.stringify(allow(['s3:GetObject', 'kms:Decrypt', 'logs:*']))
  await theirs.send(new PutRolePolicyCommand({ RoleName: 'runner', PolicyName: 'all', PolicyDocument: rights }))
  await permit(allow(['sts:AssumeRole', 'kms:*']))
  const admit = (Resource: string, Action: string, more: object[] = []) =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: roleArn }, Action, Resource }, ...more],
    })
  await release.bench.s3.send(
    new PutBucketPolicyCommand({ Bucket: 'artifacts', Policy: admit('arn:aws:s3:::artifacts/*', 's3:GetObject') }),
  )
  const owner = { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${drydock.account}:root` }, Action: 'kms:*' }
  const { KeyMetadata } = await drydock
    .client(KMSClient)
    .send(new CreateKeyCommand({ Policy: admit('*', 'kms:Decrypt', [{ ...owner, Resource: '*' }]) }))
  const encryptionKey = { id: KeyMetadata?.Arn, type: 'KMS' } as const
  await release.create({
    pipelineType: 'V2',
    artifactStore: { type: 'S3', location: 'artifacts', encryptionKey },
    stages: [
      { name: 'Source', actions: [source()] },
      { name: 'Run', actions: [run(['grep hello index.html'], { roleArn })] },
    ],
  })
  await ended()
  expect(await release.action('Run', 'Run')).toMatchObject({
    status: 'Succeeded',
    logStreamARN: expect.stringContaining(`:${other}:log-group:/aws/codepipeline/release`),
  })
  const groups = await drydock.client(CloudWatchLogsClient, keys).send(new DescribeLogGroupsCommand({}))
  expect(groups.logGroups?.map(({ logGroupName }) => logGroupName)).toEqual(['/aws/codepipeline/release'])
})

it('commands in a VPC have a network interface there, as the role may make it', async () => {
  const { drydock } = release.bench
  const ec2 = drydock.client(EC2Client)
  const { Subnets: [subnet] = [] } = await ec2.send(new DescribeSubnetsCommand({}))
  const { GroupId = '' } = await ec2.send(new CreateSecurityGroupCommand({ GroupName: 'run', Description: 'x' }))
  const configuration = { VpcId: subnet?.VpcId ?? '', Subnets: `${subnet?.SubnetId}, `, SecurityGroupIds: GroupId }
  const id = await release.create(stages(run(['true'], { configuration, outputArtifacts: [{ name: 'Site' }] })))
  await ended()
  expect((await release.action('Run', 'Run'))?.errorDetails?.message).toMatch(/Not authorized to perform DescribeVpcs/)
  await permit(allow(['ec2:*', 'logs:*']))
  await release.retry(id, 'Run')
  await ended()
  expect(await release.action('Run', 'Run')).toMatchObject({ status: 'Succeeded' })
  expect(drydock.compute.started.at(-1)?.network).toMatchObject({ vpc: subnet?.VpcId, subnet: subnet?.SubnetId })
})

it('commands that fail say which', async () => {
  const id = await release.create(stages(run(['true', 'exit 7'], { outputArtifacts: [{ name: 'Site' }] })))
  await ended()
  expect(await release.statusOf(id)).toBe('Failed')
  expect((await release.action('Run', 'Run'))?.errorDetails).toMatchObject({
    code: 'JobFailed',
    message: expect.stringMatching(/state: FAILED\. Phase: BUILD.*exit 7/),
  })
})

it('commands have no more rights than the pipeline’s role', async () => {
  await release.bench.drydock
    .client(IAMClient)
    .send(new DeleteRolePolicyCommand({ RoleName: 'pipeline', PolicyName: 'logs' }))
  const id = await release.create(stages(run(['true'], { outputArtifacts: [{ name: 'Site' }] })))
  await ended()
  expect(await release.statusOf(id)).toBe('Failed')
  expect((await release.action('Run', 'Run'))?.errorDetails?.message).toMatch(/ACCESS_DENIED/)
})

it('are a rule, met when they succeed', async () => {
  const check = (command: string): Partial<PipelineDeclaration> => ({
    pipelineType: 'V2',
    stages: [
      { name: 'Source', actions: [source()] },
      {
        name: 'Review',
        actions: [approval()],
        beforeEntry: {
          conditions: [
            {
              result: 'FAIL',
              rules: [
                {
                  name: 'Look',
                  ruleTypeId: { category: 'Rule', owner: 'AWS', provider: 'Commands', version: '1' },
                  commands: [command],
                  inputArtifacts: [{ name: 'App' }],
                },
              ],
            },
          ],
        },
      },
    ],
  })
  await release.create(check('grep hello index.html'))
  await ended()
  expect((await release.stage('Review'))?.beforeEntryConditionState?.latestExecution?.status).toBe('Succeeded')
  expect((await release.action('Review', 'Approve'))?.status).toBe('InProgress')
})

it.each([
  ['no command', run([], { commands: undefined }), /commands is required/],
  ['several lines', run(['a\nb']), /more than one line/],
  ['Windows', run(['a'], { configuration: { EnvironmentType: 'WINDOWS_SERVER_2022_CONTAINER' } }), /no Windows/],
  ['a size that is none', run(['a'], { configuration: { ComputeType: 'HUGE' } }), /ComputeType HUGE/],
  ['half a VPC', run(['a'], { configuration: { VpcId: 'vpc-1' } }), /belong together/],
  ['a variable that nobody sets', run(['echo #{Nobody.X}']), /namespace that does not exist.*commands/],
  ['commands of an approval', approval('Run', { commands: ['a'] }), /do not take/],
] as const)('refuses %s', async (_what, action, message) => {
  const change = stages(action as ActionDeclaration)
  await expect(release.create({ ...change, stages: change.stages?.slice(0, 2) })).rejects.toEqual(
    expect.objectContaining({
      name: expect.stringMatching(/^Invalid(ActionDeclaration|Structure)Exception$/),
      message: expect.stringMatching(message),
    }),
  )
})

it('is of V2 pipelines only', async () => {
  const change = stages(run(['a'], { outputArtifacts: [{ name: 'Site' }] }))
  await expect(release.create({ ...change, pipelineType: 'V1' })).rejects.toEqual(
    refused('InvalidActionDeclarationException', /V2/),
  )
})
