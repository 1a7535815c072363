import { readdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { CloudWatchClient, ListMetricsCommand } from '@aws-sdk/client-cloudwatch'
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  FilterLogEventsCommand,
  PutResourcePolicyCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import { CodeBuildClient, CreateProjectCommand, StartBuildCommand } from '@aws-sdk/client-codebuild'
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge'
import { DeleteRolePolicyCommand, IAMClient } from '@aws-sdk/client-iam'
import { describe, expect, it } from 'vitest'
import { story } from '../../../test/story.ts'
import { Build as BuildTable } from './build.ts'
import {
  contextOf,
  drydock,
  ended,
  folder,
  logOf,
  logsPolicy,
  onBench,
  phasesOf,
  project,
  run,
  start,
  when,
} from './builds-bench.ts'
import { runsOnHost } from './host-runner.ts'

onBench()

describe('a build', () => {
  it("goes through AWS's phases and writes AWS's log", async () => {
    await project({
      buildspec: `version: 0.2
env: {variables: {WHO: nobody, GREETING: hello}, exported-variables: [TAG]}
phases:
  pre_build: {commands: ['export TAG=v$CODEBUILD_BUILD_NUMBER']}
  build: {commands: ['echo $GREETING $WHO', 'echo $AWS_REGION $CODEBUILD_BUILD_ID']}
`,
      environment: {
        type: 'LINUX_CONTAINER',
        image: 'aws/codebuild/standard:7.0',
        computeType: 'BUILD_GENERAL1_SMALL',
        environmentVariables: [{ name: 'WHO', value: 'project' }],
      },
    })
    const started = await start({ environmentVariablesOverride: [{ name: 'WHO', value: 'world', type: 'PLAINTEXT' }] })
    expect(started).toMatchObject({
      buildStatus: 'IN_PROGRESS',
      currentPhase: 'QUEUED',
      buildNumber: 1,
      initiator: 'root',
    })
    expect(started?.id).toMatch(/^app:[0-9a-f-]{36}$/)
    const build = await when(started?.id, ended)
    expect(phasesOf(build)).toEqual([
      'SUBMITTED SUCCEEDED',
      'QUEUED SUCCEEDED',
      'PROVISIONING SUCCEEDED',
      'DOWNLOAD_SOURCE SUCCEEDED',
      'INSTALL SUCCEEDED',
      'PRE_BUILD SUCCEEDED',
      'BUILD SUCCEEDED',
      'POST_BUILD SUCCEEDED',
      'UPLOAD_ARTIFACTS SUCCEEDED',
      'FINALIZING SUCCEEDED',
      'COMPLETED',
    ])
    expect(build).toMatchObject({
      buildStatus: 'SUCCEEDED',
      currentPhase: 'COMPLETED',
      arn: `arn:aws:codebuild:us-east-1:${drydock.account}:build/${build.id}`,
      exportedEnvironmentVariables: [{ name: 'TAG', value: 'v1' }],
      logs: { groupName: '/aws/codebuild/app', streamName: build.id?.split(':')[1] },
    })
    const log = await logOf(build)
    expect(log.slice(log.indexOf('# Entering phase BUILD'))).toEqual([
      '# Entering phase BUILD',
      '# Running command echo $GREETING $WHO',
      'hello world',
      '# Running command echo $AWS_REGION $CODEBUILD_BUILD_ID',
      `us-east-1 ${build.id}`,
      '# Phase complete: BUILD State: SUCCEEDED',
      '# Phase context status code:  Message: ',
      '# Entering phase POST_BUILD',
      '# Phase complete: POST_BUILD State: SUCCEEDED',
      '# Phase context status code:  Message: ',
      '# Phase complete: UPLOAD_ARTIFACTS State: SUCCEEDED',
      '# Phase context status code:  Message: ',
    ])
    await drydock.settled()
    expect(await readdir(join(drydock.server.kernel.folder, 'codebuild/builds'))).toEqual([])
    expect(drydock.compute.running()).toEqual([])
  })

  it('fails with its command', async () => {
    await project({
      buildspec: 'version: 0.2\nphases: {build: {commands: ["exit 7", echo never], finally: [echo cleaned]}}',
    })
    const build = await run()
    expect(build.buildStatus).toBe('FAILED')
    expect(contextOf(build, 'BUILD')).toEqual({
      statusCode: 'COMMAND_EXECUTION_ERROR',
      message: 'Error while executing command: exit 7. Reason: exit status 7',
    })
    expect(phasesOf(build)?.slice(-5)).toEqual([
      'BUILD FAILED',
      'POST_BUILD SUCCEEDED',
      'UPLOAD_ARTIFACTS SUCCEEDED',
      'FINALIZING SUCCEEDED',
      'COMPLETED',
    ])
    const log = await logOf(build)
    expect(log).toContain('# Command did not exit successfully exit 7 exit status 7')
    expect(log).toContain('# Phase complete: BUILD State: FAILED')
    expect(log).toContain('cleaned')
    expect(log).not.toContain('never')
  })

  it('ends after a failed pre_build, and is failed even when on-failure says CONTINUE', async () => {
    await project({
      buildspec: 'version: 0.2\nphases: {pre_build: {commands: ["false"]}, build: {commands: [echo no]}}',
    })
    expect(phasesOf(await run())?.slice(-4)).toEqual([
      'INSTALL SUCCEEDED',
      'PRE_BUILD FAILED',
      'FINALIZING SUCCEEDED',
      'COMPLETED',
    ])
    const build = await run({
      buildspecOverride:
        'version: 0.2\nphases: {pre_build: {on-failure: CONTINUE, commands: ["false"]}, build: {commands: [echo yes]}}',
    })
    expect(phasesOf(build)).toContain('BUILD SUCCEEDED')
    expect(build.buildStatus).toBe('FAILED')
  })

  it('shows what is wrong with a buildspec', async () => {
    await project()
    const build = await run({ buildspecOverride: 'version: 0.2\nphases:\n  deploy: {commands: [a]}\n' })
    expect(build.buildStatus).toBe('FAILED')
    expect(contextOf(build, 'DOWNLOAD_SOURCE')).toEqual({
      statusCode: 'YAML_FILE_ERROR',
      message: 'Invalid buildspec phase name: deploy. Expecting: BUILD,INSTALL,POST_BUILD,PRE_BUILD at line 3',
    })
  })

  it('fails rather than leave out a parameter or a secret that cannot be read', async () => {
    await project()
    for (const [type, code] of [
      ['PARAMETER_STORE', 'Decrypted Variables Error'],
      ['SECRETS_MANAGER', 'Secrets Manager Error'],
    ] as const) {
      const build = await run({ environmentVariablesOverride: [{ name: 'TOKEN', value: 'no-such', type }] })
      expect(build.buildStatus).toBe('FAILED')
      expect(contextOf(build, 'DOWNLOAD_SOURCE')?.statusCode).toBe(code)
    }
  })

  it('needs no task when its role may not write logs', async () => {
    await project()
    await drydock.client(IAMClient).send(new DeleteRolePolicyCommand({ RoleName: 'builder', PolicyName: 'policy-0' }))
    const build = await run()
    expect(build.buildStatus).toBe('FAILED')
    expect(contextOf(build, 'PROVISIONING')).toMatchObject({
      statusCode: 'ACCESS_DENIED',
      message: expect.stringMatching(
        /^Service role arn:aws:iam::\d+:role\/builder does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams for build arn:.*Error message: .*logs:CreateLogStream/,
      ),
    })
    expect(drydock.compute.started).toEqual([])
  })

  it('needs no logs when they are disabled', async () => {
    await project({ logsConfig: { cloudWatchLogs: { status: 'DISABLED' } } })
    const build = await run()
    expect(build.buildStatus).toBe('SUCCEEDED')
    expect(build.logs?.groupName).toBeUndefined()
  })

  it("gets its role's credentials by their URL, for its token only", async () => {
    await project({
      buildspec: `version: 0.2
phases:
  build:
    commands:
      - 'curl -s -H "Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN" "$AWS_CONTAINER_CREDENTIALS_FULL_URI" > answer'
      - 'curl -s -H "Authorization: x" "$AWS_CONTAINER_CREDENTIALS_FULL_URI"'
      - grep -o '"AccessKeyId":"ASIA' answer
      - 'echo token $AWS_CONTAINER_AUTHORIZATION_TOKEN'
`,
    })
    const build = await run()
    const log = await logOf(build)
    expect(build.buildStatus).toBe('SUCCEEDED')
    expect(log).toContain('"AccessKeyId":"ASIA')
    expect(log).toContain('{"code":"AccessDenied","message":"The token is wrong."}')
    expect(log).toContain('token ***')
    const uri = drydock.compute.started[0]?.env.AWS_CONTAINER_CREDENTIALS_FULL_URI ?? ''
    const token = drydock.compute.started[0]?.env.AWS_CONTAINER_AUTHORIZATION_TOKEN ?? ''
    await drydock.settled()
    expect((await fetch(uri, { headers: { authorization: token } })).status).toBe(403)
  })

  it('acts under its role through an unmodified SDK', async () => {
    const script = join(folder, 'who.mjs')
    const sdk = createRequire(import.meta.url).resolve('@aws-sdk/client-sts')
    await writeFile(
      script,
      `import sts from '${sdk}'
console.log((await new sts.STSClient().send(new sts.GetCallerIdentityCommand())).Arn)
`,
    )
    await project({ buildspec: `version: 0.2\nphases: {build: {commands: ['${process.execPath} ${script}']}}` })
    const build = await run()
    const session = `AWSCodeBuild-${build.id?.split(':')[1]}`
    expect(await logOf(build)).toContain(`arn:aws:sts::${drydock.account}:assumed-role/builder/${session}`)
  })

  it('has the runtimes it asks for, or is refused', async () => {
    const spec = (version: string) =>
      `version: 0.2\nphases: {install: {runtime-versions: ${version}}, build: {commands: [echo built]}}`
    await project()
    expect((await run({ buildspecOverride: spec('{nodejs: latest}') })).buildStatus).toBe('SUCCEEDED')
    const wrong = await run({ buildspecOverride: spec('{nodejs: 4.x}') })
    expect(wrong.buildStatus).toBe('FAILED')
    expect(contextOf(wrong, 'INSTALL')).toEqual({
      statusCode: 'YAML_FILE_ERROR',
      message: expect.stringMatching(
        /^Unknown runtime version named '4\.x' of nodejs\. This build image has the following versions: \d+\./,
      ),
    })
    const unknown = await run({ buildspecOverride: spec('{cobol: 1}') })
    expect(contextOf(unknown, 'DOWNLOAD_SOURCE')?.message).toMatch(/^Unknown runtime named 'cobol'/)
  })

  it('has the memory, the processors and the privilege that its environment says', async () => {
    await project()
    await run({ computeTypeOverride: 'BUILD_GENERAL1_LARGE', privilegedModeOverride: true })
    expect(drydock.compute.started.at(-1)).toMatchObject({
      limits: { memoryMiB: 16 * 1024, cpus: 8 },
      privileged: true,
    })
    const found = await drydock.compute.probe()
    drydock.compute.probe = async () => ({ ...found, limits: false })
    const build = await run()
    expect(drydock.compute.started.at(-1)?.privileged).toBeUndefined()
    expect(await logOf(build)).toContain('# The compute driver fake sets no limits: the compute type has no effect')
  })

  it('needs an engine for other images', async () => {
    await project()
    const found = await drydock.compute.probe()
    drydock.compute.probe = async () => ({ ...found, images: ['host'] })
    const build = await run({ imageOverride: 'node:24' })
    expect(contextOf(build, 'PROVISIONING')).toMatchObject({ statusCode: 'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE' })
  })
})

it('a build outlives the server that started it', async () => {
  const first = await story({ durable: true })
  first.compute.on('build-', runsOnHost)
  const server = first.client(CodeBuildClient)
  const gate = join(folder, 'gate')
  await server.send(
    new CreateProjectCommand({
      name: 'app',
      source: {
        type: 'NO_SOURCE',
        buildspec: `version: 0.2\nphases: {build: {commands: [echo one, 'while [ ! -e ${gate} ]; do sleep 0.01; done', echo two]}}`,
      },
      artifacts: { type: 'NO_ARTIFACTS' },
      environment: {
        type: 'LINUX_CONTAINER',
        image: 'aws/codebuild/standard:7.0',
        computeType: 'BUILD_GENERAL1_SMALL',
      },
      serviceRole: await first.role('builder', 'codebuild.amazonaws.com', [logsPolicy]),
    }),
  )
  const { build } = await server.send(new StartBuildCommand({ projectName: 'app' }))
  const place = { account: first.account, region: first.region }
  const read = async () => {
    const record = await first.server.kernel.store.read(place, (tx) => tx.get(BuildTable, build?.id ?? ''))
    const text = first.compute.running().map((id) => first.compute.text(id))[0] ?? ''
    return text.includes('one') && record?.run?.offset === Buffer.byteLength(text)
  }
  while (!(await read())) await new Promise((turn) => setTimeout(turn, 5))
  const second = await first.restart()
  await writeFile(gate, '')
  await second.advance({ seconds: 1 })
  const done = await when(build?.id, ended, second.client(CodeBuildClient))
  expect(done.buildStatus).toBe('SUCCEEDED')
  const log = await logOf(done, second)
  expect(log.filter((line) => ['one', 'two'].includes(line))).toEqual(['one', 'two'])
  await second.close()
})

it('every phase and state is an event', async () => {
  const events = drydock.client(EventBridgeClient)
  const logs = drydock.client(CloudWatchLogsClient)
  await logs.send(new CreateLogGroupCommand({ logGroupName: '/aws/events/builds' }))
  await logs.send(
    new PutResourcePolicyCommand({
      policyName: 'events',
      policyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { Service: ['events.amazonaws.com', 'delivery.logs.amazonaws.com'] },
            Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
            Resource: '*',
          },
        ],
      }),
    }),
  )
  await events.send(new PutRuleCommand({ Name: 'builds', EventPattern: JSON.stringify({ source: ['aws.codebuild'] }) }))
  await events.send(
    new PutTargetsCommand({
      Rule: 'builds',
      Targets: [{ Id: 'log', Arn: `arn:aws:logs:us-east-1:${drydock.account}:log-group:/aws/events/builds` }],
    }),
  )
  await project()
  const build = await run()
  await drydock.settled()
  const found = await logs.send(new FilterLogEventsCommand({ logGroupName: '/aws/events/builds' }))
  const seen = (found.events ?? []).map(({ message = '' }) => JSON.parse(message))
  const states = seen.filter((event) => event['detail-type'] === 'CodeBuild Build State Change')
  expect(states.map(({ detail }) => detail['build-status']).sort()).toEqual(['IN_PROGRESS', 'SUCCEEDED'])
  expect(states.find(({ detail }) => detail['build-status'] === 'SUCCEEDED')).toMatchObject({
    source: 'aws.codebuild',
    resources: [build.arn],
    detail: {
      'build-id': build.arn,
      'project-name': 'app',
      'current-phase': 'COMPLETED',
      'additional-information': {
        'build-complete': true,
        initiator: 'root',
        'build-start-time': 'Nov 23, 2026 9:00:00 AM',
        logs: { 'group-name': '/aws/codebuild/app' },
      },
      version: '1',
    },
  })
  const phases = seen.filter((event) => event['detail-type'] === 'CodeBuild Build Phase Change')
  expect(phases.map(({ detail }) => detail['completed-phase']).sort()).toEqual(
    (build.phases ?? [])
      .map(({ phaseType }) => phaseType)
      .filter((type) => type !== 'COMPLETED')
      .sort(),
  )
  const metrics = await drydock.client(CloudWatchClient).send(new ListMetricsCommand({ Namespace: 'AWS/CodeBuild' }))
  expect(metrics.Metrics?.map(({ MetricName }) => MetricName)).toEqual(
    expect.arrayContaining(['Builds', 'Duration', 'SucceededBuilds', 'BuildDuration']),
  )
})
