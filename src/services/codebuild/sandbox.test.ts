import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CloudWatchLogsClient, GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import {
  BatchGetBuildsCommand,
  BatchGetSandboxesCommand,
  type Build,
  CodeBuildClient,
  CreateProjectCommand,
  StartBuildCommand,
  type StartBuildCommandInput,
  StartSandboxCommand,
  StartSandboxConnectionCommand,
  StopBuildCommand,
  StopSandboxCommand,
} from '@aws-sdk/client-codebuild'
import { IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { CreateBucketCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { PutParameterCommand, SSMClient, StartSessionCommand } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectSession } from '../../../test/session-client.ts'
import { allow, type Story, story } from '../../../test/story.ts'
import { unzip } from '../../archives/zip.ts'
import { sandboxDriver } from '../../compute/sandbox.ts'
import { systemClock } from '../../work/clock.ts'

// Builds as a user has them: real processes in Linux namespaces, a real clock.

const probed = await mkdtemp(join(tmpdir(), 'drydock-probe-'))
const { available, limits, notes, outbound } = await sandboxDriver({ folder: probed, endpoint: () => '' }).probe()
if (!available) console.log(`Skipped: builds in the sandbox. ${notes.join(' ')}`)
afterAll(() => rm(probed, { recursive: true, force: true }))

describe.skipIf(!available)('in the sandbox', () => {
  let drydock: Story
  let folder = ''
  let role = ''
  let projects = 0
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drydock-sandbox-builds-'))
    drydock = await story({
      durable: true,
      clock: systemClock(),
      driver: (parts) => sandboxDriver({ folder: parts.folder, endpoint: parts.endpoint, door: parts.door }),
    })
    await drydock.client(S3Client).send(new CreateBucketCommand({ Bucket: 'store' }))
    role = await drydock.role('builder', 'codebuild.amazonaws.com', [
      { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: ['logs:*', 's3:*'], Resource: '*' }] },
    ])
  })
  afterAll(async () => {
    await drydock.server.kernel.compute.removeAll()
    await drydock.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** A project of this buildspec. */
  const create = async (buildspec: string, more: { privilegedMode?: boolean } = {}) => {
    const name = `app-${++projects}`
    await drydock.client(CodeBuildClient).send(
      new CreateProjectCommand({
        name,
        source: { type: 'NO_SOURCE', buildspec },
        artifacts: { type: 'S3', location: 'store', name: `${name}.zip`, packaging: 'ZIP' },
        environment: {
          type: 'LINUX_CONTAINER',
          image: 'aws/codebuild/standard:7.0',
          computeType: 'BUILD_GENERAL1_SMALL',
          ...more,
        },
        serviceRole: role,
      }),
    )
    return name
  }
  /** Starts a build of this buildspec in a project of its own. */
  const open = async (
    buildspec: string,
    more: { privilegedMode?: boolean } = {},
    input: Partial<StartBuildCommandInput> = {},
  ) => {
    const projectName = await create(buildspec, more)
    const { build } = await drydock.client(CodeBuildClient).send(new StartBuildCommand({ projectName, ...input }))
    return build?.id ?? ''
  }
  const when = async (id: string, until: (build: Build) => boolean): Promise<Build> => {
    for (;;) {
      const { builds } = await drydock.client(CodeBuildClient).send(new BatchGetBuildsCommand({ ids: [id] }))
      if (builds?.[0] && until(builds[0])) return builds[0]
      await new Promise((turn) => setTimeout(turn, 20))
    }
  }
  const ended = (build: Build) => build.buildComplete === true
  const logOf = async (build: Build) => {
    const { events } = await drydock.client(CloudWatchLogsClient).send(
      new GetLogEventsCommand({
        logGroupName: build.logs?.groupName,
        logStreamName: build.logs?.streamName,
        startFromHead: true,
      }),
    )
    return (events ?? []).map(({ message = '' }) => message)
  }

  it.skipIf(!outbound)('the server is reached by its doors only: the well-known key opens nothing', async () => {
    const { port } = new URL(drydock.endpoint)
    const asTest =
      'curl -s --aws-sigv4 aws:amz:us-east-1:sts -u test:test -d "Action=GetCallerIdentity&Version=2011-06-15"'
    const build = await when(
      await open(`version: 0.2
phases:
  build:
    commands:
      - curl -s -m 5 http://127.0.0.1:${port}/_drydock/health || echo shut $?
      - ${asTest} $AWS_ENDPOINT_URL | grep -o InvalidClientTokenId
      - curl -s $AWS_ENDPOINT_URL/_drydock/health | head -c 1
      - curl -s http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI | grep -o '"RoleArn":"[^"]*"'
      - curl -s -o /dev/null -w '%{http_code}' $AWS_ENDPOINT_URL$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
`),
      ended,
    )
    const log = (await logOf(build)).filter((line) => !line.startsWith('[Container]'))
    expect(log).toEqual(['shut 7', 'InvalidClientTokenId', '{', `"RoleArn":"${role}"`, '403'])
  })

  it('privileged mode is refused in the log and in the phase', async () => {
    const build = await when(
      await open('version: 0.2\nphases: {build: {commands: [id]}}', { privilegedMode: true }),
      ended,
    )
    const phase = build.phases?.find(({ phaseType }) => phaseType === 'PROVISIONING')
    expect(phase).toMatchObject({ phaseStatus: 'FAILED', contexts: [{ statusCode: 'CLIENT_ERROR' }] })
    expect(phase?.contexts?.[0]?.message).toMatch(/^Privileged mode is not available: the compute driver sandbox/)
    expect((await logOf(build)).join('\n')).toContain(phase?.contexts?.[0]?.message)
  })

  it.skipIf(!limits)('the compute type says how much memory and how many processors there are', async () => {
    // Read from outside: a task does not see the groups it is in.
    const id = await open('version: 0.2\nphases: {build: {commands: [sleep 600]}}')
    await when(id, ({ currentPhase }) => currentPhase === 'BUILD')
    const group = `drydock-build-${id.split(':')[1]}`
    const limit = async () => {
      for (const root of ['/sys/fs/cgroup/memory', '/sys/fs/cgroup'])
        for (const path of await readdir(root, { recursive: true }).catch(() => []))
          if (path.endsWith(`${group}/memory.limit_in_bytes`) || path.endsWith(`${group}/memory.max`))
            return Number(await readFile(join(root, path), 'utf8'))
      return undefined
    }
    expect(await limit()).toBe(4 * 1024 ** 3)
    await drydock.client(CodeBuildClient).send(new StopBuildCommand({ id }))
    await when(id, ended)
    expect(await limit()).toBeUndefined()
  })

  it('a build makes artifacts from absolute paths, whatever modes it leaves', async () => {
    const id = await open(`version: 0.2
env: {exported-variables: [VERSION]}
phases:
  build:
    commands:
      - cd /tmp && VERSION=1.2
      - mkdir -p $CODEBUILD_SRC_DIR/dist/closed && date > $CODEBUILD_SRC_DIR/dist/closed/file && chmod 555 $CODEBUILD_SRC_DIR/dist/closed
      - ln -s /etc/passwd $CODEBUILD_SRC_DIR/dist/passwd
      - ln -s $CODEBUILD_SRC_DIR/dist/closed/file $CODEBUILD_SRC_DIR/dist/link
artifacts: {files: ['**/*'], base-directory: $CODEBUILD_SRC_DIR/dist}
`)
    const build = await when(id, ended)
    expect((await logOf(build)).join('\n')).toContain('Found 2 file(s)')
    expect(build).toMatchObject({
      buildStatus: 'SUCCEEDED',
      exportedEnvironmentVariables: [{ name: 'VERSION', value: '1.2' }],
    })
    const object = await drydock
      .client(S3Client)
      .send(new GetObjectCommand({ Bucket: 'store', Key: `${build.projectName}.zip` }))
    await writeFile(join(folder, 'app.zip'), (await object.Body?.transformToByteArray()) ?? '')
    await unzip(join(folder, 'app.zip'), join(folder, 'app'))
    expect(await readFile(join(folder, 'app/link'), 'utf8')).toBe(
      await readFile(join(folder, 'app/closed/file'), 'utf8'),
    )
  })

  it('a build gets parameters and secrets that its role may read, and its log shows none of them', async () => {
    const ssm = drydock.client(SSMClient)
    await ssm.send(new PutParameterCommand({ Name: '/app/token', Value: 'parameter-value', Type: 'SecureString' }))
    const { ARN } = await drydock
      .client(SecretsManagerClient)
      .send(new CreateSecretCommand({ Name: 'app', SecretString: JSON.stringify({ key: 'secret-value' }) }))
    const buildspec = `version: 0.2
env:
  parameter-store: {TOKEN: /app/token}
  secrets-manager: {KEY: 'app:key', SAME: '${ARN}:key:AWSCURRENT'}
phases:
  build:
    commands:
      - echo "token $TOKEN key $KEY"
      - test "$TOKEN $KEY $SAME" = "$(echo cGFyYW1ldGVyLXZhbHVlIHNlY3JldC12YWx1ZSBzZWNyZXQtdmFsdWU= | base64 -d)"
`
    const denied = await when(await open(buildspec), ended)
    expect(denied.buildStatus).toBe('FAILED')
    expect(denied.phases?.flatMap(({ contexts = [] }) => contexts).find(({ statusCode }) => statusCode)).toMatchObject({
      statusCode: 'Decrypted Variables Error',
      message: expect.stringContaining('ssm:GetParameters'),
    })
    await drydock.client(IAMClient).send(
      new PutRolePolicyCommand({
        RoleName: 'builder',
        PolicyName: 'values',
        PolicyDocument: JSON.stringify(allow(['ssm:GetParameters', 'secretsmanager:GetSecretValue'])),
      }),
    )
    const build = await when(await open(buildspec), ended)
    const log = (await logOf(build)).join('\n')
    expect([build.buildStatus, log]).toEqual(['SUCCEEDED', expect.stringContaining('token *** key ***')])
    expect(log).not.toMatch(/parameter-value|secret-value/)
  })

  it('a build makes artifacts of what lies elsewhere in its file system', async () => {
    const id = await open(`version: 0.2
phases: {build: {commands: [mkdir -p /opt/made/sub, echo here > /opt/made/sub/file, ln -s /etc/hostname /opt/made/name]}}
artifacts: {files: ['**/*'], base-directory: /opt/made}
`)
    const build = await when(id, ended)
    expect(build.buildStatus).toBe('SUCCEEDED')
    expect((await logOf(build)).join('\n')).toContain('Found 1 file(s)')
  })

  it('a build goes on while the server is away', async () => {
    const id = await open(`version: 0.2
phases: {build: {commands: [echo one, sleep 1, echo two, date > made]}}
artifacts: {files: [made]}
`)
    await when(id, ({ currentPhase }) => currentPhase === 'BUILD')
    drydock = await drydock.restart()
    const build = await when(id, ended)
    expect(build.buildStatus).toBe('SUCCEEDED')
    expect(await logOf(build)).toEqual(expect.arrayContaining(['one', 'two']))
    const phase = build.phases?.find(({ phaseType }) => phaseType === 'BUILD')
    expect(phase?.durationInSeconds).toBeGreaterThanOrEqual(1)
    expect((phase?.startTime?.getTime() ?? 0) - (build.startTime?.getTime() ?? 0)).toBeGreaterThanOrEqual(0)
  })

  it('a paused build is looked into, and goes on when it is told to, also after a restart', async () => {
    const debug = allow(
      ['CreateControlChannel', 'CreateDataChannel', 'OpenControlChannel', 'OpenDataChannel'].map(
        (name) => `ssmmessages:${name}`,
      ),
    )
    await drydock
      .client(IAMClient)
      .send(
        new PutRolePolicyCommand({ RoleName: 'builder', PolicyName: 'debug', PolicyDocument: JSON.stringify(debug) }),
      )
    const id = await open(
      `version: 0.2
phases:
  build:
    commands:
      - echo hello >/tmp/hello-world
      - codebuild-breakpoint
      - cat /tmp/hello-world
`,
      {},
      { debugSessionEnabled: true },
    )
    const start = async () => {
      const { debugSession } = await when(id, ({ debugSession: found }) => found?.sessionTarget !== undefined)
      const Target = debugSession?.sessionTarget
      return connectSession(await drydock.client(SSMClient).send(new StartSessionCommand({ Target })))
    }
    const client = await start()
    client.type(
      'until [ -e /codebuild/output/tmp/hold/paused ]; do sleep 0.05; done; cat /tmp/hello-world; id -un; tty; pwd\n',
    )
    await client.shows(/hello\r\nroot\r\n\/dev\/pts\/\d\r\n\/codebuild\/output\/src/)
    client.resize(132, 43)
    client.type('stty size; ps -o pid= -p $$\n')
    await client.shows(/43 132\r\n\s*\d+\r\n/)
    drydock = await drydock.restart()
    expect((await client.closed).code).toBe(1006)
    const again = await start()
    again.type('echo changed >/tmp/hello-world; codebuild-resume\n')
    const build = await when(id, ended)
    expect(build.buildStatus).toBe('SUCCEEDED')
    expect(await logOf(build)).toContain('changed')
    expect((await again.closed).output).toBe('')
  }, 60_000)

  it('a sandbox has a shell', async () => {
    const codebuild = drydock.client(CodeBuildClient)
    await drydock.client(IAMClient).send(
      new PutRolePolicyCommand({
        ...{ RoleName: 'builder', PolicyName: 'connect' },
        PolicyDocument: JSON.stringify(allow(['ssm:StartSession', 'ssmmessages:*'])),
      }),
    )
    const projectName = await create('version: 0.2\nphases: {build: {commands: [id]}}')
    const { sandbox } = await codebuild.send(new StartSandboxCommand({ projectName }))
    for (;;) {
      const { sandboxes } = await codebuild.send(new BatchGetSandboxesCommand({ ids: [sandbox?.id ?? ''] }))
      if (sandboxes?.[0]?.status === 'RUN_SANDBOX') break
      await new Promise((turn) => setTimeout(turn, 20))
    }
    const { ssmSession } = await codebuild.send(new StartSandboxConnectionCommand({ sandboxId: sandbox?.id ?? '' }))
    const client = await connectSession({ TokenValue: ssmSession?.tokenValue, StreamUrl: ssmSession?.streamUrl })
    client.type('echo $CODEBUILD_CI $TERM\n')
    client.type(
      `perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(LocalAddr=>"127.0.0.1",LocalPort=>18080,Listen=>9,ReuseAddr=>1) or die; print "up\\n"; while($c=$s->accept){sysread($c,$_,4096);print $c "got $_";close $c}' &\n`,
    )
    await client.shows(/up\r\n/)
    const port = await connectSession(
      await drydock.client(SSMClient).send(
        new StartSessionCommand({
          Target: `codebuild:${sandbox?.id?.split(':')[1]}`,
          DocumentName: 'AWS-StartPortForwardingSession',
          Parameters: { portNumber: ['18080'] },
        }),
      ),
    )
    const bytes = String.fromCharCode(...Array.from({ length: 128 }, (_, at) => at))
    port.type(bytes)
    await port.shows(/got [\s\S]{128}$/)
    expect(port.text()).toBe(`got ${bytes}`)
    port.drop()
    client.type('exit\n')
    await client.shows(/true xterm-256color\r\n/)
    await client.closed
    await codebuild.send(new StopSandboxCommand({ id: sandbox?.id ?? '' }))
  }, 60_000)

  it('a build that kills its own runner has failed', async () => {
    const id = await open('version: 0.2\nphases: {build: {commands: [kill -9 $PPID, echo no]}}')
    const build = await when(id, ended)
    expect(build.buildStatus).toBe('FAILED')
    expect(build.phases?.find(({ phaseType }) => phaseType === 'BUILD')).toMatchObject({
      phaseStatus: 'FAILED',
      contexts: [{ statusCode: 'BUILD_CONTAINER_FOUND_DEAD' }],
    })
  })

  it('a build cannot make the server read its host', async () => {
    const id = await open(`version: 0.2
phases:
  build:
    commands:
      - rm -rf /codebuild/output/tmp && ln -s /etc /codebuild/output/tmp
      - echo no
artifacts: {files: ['**/*', passwd], base-directory: /codebuild/output/tmp}
`)
    const build = await when(id, ended)
    expect(build.buildStatus).toBe('FAILED')
    expect(build.artifacts?.location).toBe('')
  })

  it('a build is stopped with all it started', async () => {
    const id = await open('version: 0.2\nphases: {build: {commands: ["sleep 1000 & sleep 1000"]}}')
    await when(id, ({ currentPhase }) => currentPhase === 'BUILD')
    await drydock.client(CodeBuildClient).send(new StopBuildCommand({ id }))
    const build = await when(id, ended)
    expect(build.buildStatus).toBe('STOPPED')
  })
})
