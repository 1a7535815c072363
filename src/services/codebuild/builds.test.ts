import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CloudWatchClient, ListMetricsCommand } from '@aws-sdk/client-cloudwatch'
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  FilterLogEventsCommand,
  GetLogEventsCommand,
  PutResourcePolicyCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import {
  BatchDeleteBuildsCommand,
  BatchGetBuildsCommand,
  type Build,
  CodeBuildClient,
  CreateProjectCommand,
  type CreateProjectCommandInput,
  ListBuildsCommand,
  ListBuildsForProjectCommand,
  RetryBuildCommand,
  StartBuildCommand,
  type StartBuildCommandInput,
  StopBuildCommand,
} from '@aws-sdk/client-codebuild'
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge'
import { DeleteRolePolicyCommand, IAMClient } from '@aws-sdk/client-iam'
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { unzip, zip } from '../../archives/zip.ts'
import { Build as BuildTable } from './build.ts'
import { runsOnHost } from './host-runner.ts'

let drydock: Story
let codebuild: CodeBuildClient
let role = ''
let folder = ''

const allow = (actions: string[], resource: string | string[] = '*') => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: actions, Resource: resource }],
})
const logsPolicy = allow(['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'])

beforeEach(async () => {
  drydock = await story()
  codebuild = drydock.client(CodeBuildClient)
  role = await drydock.role('builder', 'codebuild.amazonaws.com', [
    logsPolicy,
    allow(['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject', 's3:ListBucket']),
  ])
  drydock.compute.on('build-', runsOnHost)
  folder = await mkdtemp(join(tmpdir(), 'drydock-codebuild-'))
})
afterEach(async () => {
  // What a story left running would write into its folder while it is removed.
  const { ids = [] } = await codebuild.send(new ListBuildsCommand({}))
  for (const id of ids) await codebuild.send(new StopBuildCommand({ id }))
  for (const id of ids) await when(id, ended)
  await drydock.settled()
  await drydock.close()
  await rm(folder, { recursive: true, force: true })
})

const project = async (more: Partial<CreateProjectCommandInput> & { buildspec?: string } = {}) => {
  const { buildspec = 'version: 0.2\nphases: {build: {commands: [echo hello]}}', ...rest } = more
  const { project } = await codebuild.send(
    new CreateProjectCommand({
      name: 'app',
      source: { type: 'NO_SOURCE', buildspec },
      artifacts: { type: 'NO_ARTIFACTS' },
      environment: {
        type: 'LINUX_CONTAINER',
        image: 'aws/codebuild/standard:7.0',
        computeType: 'BUILD_GENERAL1_SMALL',
      },
      serviceRole: role,
      ...rest,
    }),
  )
  return project
}

const look = async (id: string | undefined, server = codebuild): Promise<Build> => {
  const { builds } = await server.send(new BatchGetBuildsCommand({ ids: [id ?? ''] }))
  if (!builds?.[0]) throw new Error(`no build ${id}`)
  return builds[0]
}

/** The build once `until` holds. */
const when = async (id: string | undefined, until: (build: Build) => boolean, server = codebuild): Promise<Build> => {
  for (;;) {
    const build = await look(id, server)
    if (until(build)) return build
    await new Promise((turn) => setTimeout(turn, 5))
  }
}
const ended = (build: Build) => build.buildComplete === true

const start = async (input: Partial<StartBuildCommandInput> = {}) => {
  const { build } = await codebuild.send(new StartBuildCommand({ projectName: 'app', ...input }))
  return build
}
const run = async (input: Partial<StartBuildCommandInput> = {}) => when((await start(input))?.id, ended)

const logOf = async (build: Build, server = drydock) => {
  const { events } = await server.client(CloudWatchLogsClient).send(
    new GetLogEventsCommand({
      logGroupName: build.logs?.groupName ?? '',
      logStreamName: build.logs?.streamName ?? '',
      startFromHead: true,
    }),
  )
  return (events ?? []).map(({ message = '' }) =>
    message.replace(/^\[Container\] \d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d /, '# '),
  )
}
const phasesOf = (build: Build) =>
  build.phases?.map(({ phaseType, phaseStatus }) => (phaseStatus ? `${phaseType} ${phaseStatus}` : phaseType))
const contextOf = (build: Build, type: string) =>
  build.phases?.find(({ phaseType }) => phaseType === type)?.contexts?.[0]

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

  it('is told what of its buildspec is not done', async () => {
    await project({
      buildspec: `version: 0.2
phases: {install: {runtime-versions: {nodejs: 20}}, build: {commands: [echo a]}}
reports: {units: {files: ['*']}}
cache: {paths: ['/root/.npm']}
`,
    })
    const log = (await logOf(await run())).join('\n')
    expect(log).toMatch(/installs no runtimes \(nodejs: 20\)/)
    expect(log).toMatch(/no test reports: the reports units/)
    expect(log).toMatch(/keeps no build cache/)
    const refused = await run({ buildspecOverride: 'version: 0.2\nrun-as: jenkins\nphases: {build: {commands: [a]}}' })
    expect(contextOf(refused, 'DOWNLOAD_SOURCE')?.message).toMatch(/run-as: jenkins/)
  })

  it('needs an engine for other images', async () => {
    await project()
    drydock.compute.probe = async () => ({
      driver: 'fake',
      available: true,
      isolation: 'none',
      images: ['host'],
      machines: true,
      addresses: true,
      limits: true,
      notes: [],
      missing: [],
    })
    const build = await run({ imageOverride: 'node:24' })
    expect(contextOf(build, 'PROVISIONING')).toMatchObject({ statusCode: 'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE' })
  })
})

describe('sources and artifacts in S3', () => {
  const archive = async (files: Record<string, string>) => {
    const packed = []
    for (const [name, content] of Object.entries(files)) {
      const source = join(folder, name.replaceAll('/', '_'))
      await writeFile(source, content)
      packed.push({ source, name, mode: 0o644, modified: new Date('2026-01-01T00:00:00Z') })
    }
    const file = join(folder, 'made.zip')
    await zip(packed, file)
    return readFile(file)
  }
  let s3: S3Client
  beforeEach(async () => {
    s3 = drydock.client(S3Client)
    await s3.send(new CreateBucketCommand({ Bucket: 'store' }))
    await s3.send(new PutBucketVersioningCommand({ Bucket: 'store', VersioningConfiguration: { Status: 'Enabled' } }))
  })
  const put = async (key: string, files: Record<string, string>) =>
    (await s3.send(new PutObjectCommand({ Bucket: 'store', Key: key, Body: await archive(files) }))).VersionId
  const keys = async () =>
    ((await s3.send(new ListObjectsV2Command({ Bucket: 'store' }))).Contents ?? []).map(({ Key }) => Key)

  it('are fetched, built and stored, primary and secondary', async () => {
    const version = await put('in/source.zip', {
      'buildspec.yml': `version: 0.2
phases: {build: {commands: ['mkdir -p dist/lib; cp text dist/; cat $CODEBUILD_SRC_DIR_more/extra > dist/lib/extra', 'V=7']}}
artifacts:
  files: ['**/*']
  base-directory: dist
  name: app-$V.zip
  secondary-artifacts:
    docs: {files: [text], discard-paths: yes}
`,
      text: 'first',
    })
    await put('in/source.zip', { 'buildspec.yml': 'version: 0.2' })
    await put('in/more.zip', { extra: 'and more' })
    await project({
      source: { type: 'S3', location: 'store/in/source.zip' },
      secondarySources: [{ type: 'S3', location: 'store/in/more.zip', sourceIdentifier: 'more' }],
      artifacts: { type: 'S3', location: 'store', path: 'out', packaging: 'ZIP', overrideArtifactName: true },
      secondaryArtifacts: [
        { type: 'S3', location: 'store', name: 'docs', namespaceType: 'BUILD_ID', artifactIdentifier: 'docs' },
      ],
    })
    const build = await run({ sourceVersion: version })
    expect(build.buildStatus).toBe('SUCCEEDED')
    expect(build.resolvedSourceVersion).toBe(version)
    const uuid = build.id?.split(':')[1]
    expect((await keys()).filter((key) => !key?.startsWith('in/'))).toEqual(
      [`${uuid}/docs/text`, 'out/app-7.zip'].sort(),
    )
    expect(build.artifacts).toMatchObject({
      location: 'arn:aws:s3:::store/out/app-7.zip',
      sha256sum: expect.any(String),
    })
    expect(build.secondaryArtifacts).toMatchObject([
      { artifactIdentifier: 'docs', location: `arn:aws:s3:::store/${uuid}/docs` },
    ])
    const object = await s3.send(new GetObjectCommand({ Bucket: 'store', Key: 'out/app-7.zip' }))
    await writeFile(join(folder, 'got.zip'), (await object.Body?.transformToByteArray()) ?? '')
    await unzip(join(folder, 'got.zip'), join(folder, 'got'))
    expect(await readFile(join(folder, 'got/lib/extra'), 'utf8')).toBe('and more')
    expect(await readFile(join(folder, 'got/text'), 'utf8')).toBe('first')
  })

  it("stand in for CodePipeline's", async () => {
    await put('pipe/in', {
      'ci/spec.yml': 'version: 0.2\nphases: {build: {commands: [date > made]}}\nartifacts: {files: [made]}',
    })
    await project({
      source: { type: 'CODEPIPELINE', buildspec: 'ci/spec.yml' },
      artifacts: { type: 'CODEPIPELINE' },
    })
    await expect(start()).rejects.toMatchObject({ name: 'InvalidInputException' })
    const build = await run({
      sourceTypeOverride: 'S3',
      sourceLocationOverride: 'store/pipe/in',
      artifactsOverride: { type: 'S3', location: 'store', path: 'pipe', name: 'out', packaging: 'ZIP' },
    })
    expect(build.buildStatus).toBe('SUCCEEDED')
    expect(await keys()).toContain('pipe/out')
  })

  it.each([
    ['nothing matches', 'artifacts: {files: ["*.jar"]}', 'no matching artifact paths found'],
    ['a name of nothing', 'artifacts: {files: [$NOTHING]}', '$NOTHING expands to nothing'],
    [
      'no base folder',
      'artifacts: {files: ["*"], base-directory: dist}',
      'no matching base directory path found for dist',
    ],
  ])('fail UPLOAD_ARTIFACTS: %s', async (_, artifacts, message) => {
    await project({
      buildspec: `version: 0.2\nphases: {build: {commands: ['true']}}\n${artifacts}`,
      artifacts: { type: 'S3', location: 'store' },
    })
    const build = await run()
    expect(build.buildStatus).toBe('FAILED')
    expect(contextOf(build, 'UPLOAD_ARTIFACTS')).toEqual({ statusCode: 'CLIENT_ERROR', message })
  })

  it('are denied with the sentence that names the action', async () => {
    await put('in.zip', {
      'buildspec.yml': 'version: 0.2\nphases: {build: {commands: [date > x]}}\nartifacts: {files: [x]}',
    })
    await project({
      source: { type: 'S3', location: 'store/in.zip' },
      artifacts: { type: 'S3', location: 'store', name: 'out', packaging: 'ZIP' },
      serviceRole: await drydock.role('reader', 'codebuild.amazonaws.com', [logsPolicy, allow(['s3:GetObject'])]),
    })
    const build = await run()
    expect(build.buildStatus).toBe('FAILED')
    expect(contextOf(build, 'UPLOAD_ARTIFACTS')?.message).toMatch(/AccessDenied.*s3:PutObject/)
    const blind = await drydock.role('blind', 'codebuild.amazonaws.com', [logsPolicy])
    const other = await run({ serviceRoleOverride: blind })
    expect(contextOf(other, 'DOWNLOAD_SOURCE')?.message).toMatch(/AccessDenied.*s3:GetObject.*for primary source/)
  })

  it('may be hostile', async () => {
    await s3.send(new PutObjectCommand({ Bucket: 'store', Key: 'in.zip', Body: 'no archive' }))
    await project({ source: { type: 'S3', location: 'store/in.zip' } })
    const build = await run()
    expect(build.buildStatus).toBe('FAILED')
    expect(contextOf(build, 'DOWNLOAD_SOURCE')?.statusCode).toBe('CLIENT_ERROR')
  })
})

const waits = 'version: 0.2\nphases: {build: {commands: [echo begun, sleep 600]}, post_build: {commands: [echo no]}}'

describe('a build ends before its time', () => {
  const begun = (build: Build) => build.currentPhase === 'BUILD'

  it('when it is stopped', async () => {
    await project({ buildspec: waits })
    const id = (await start())?.id
    await when(id, begun)
    await codebuild.send(new StopBuildCommand({ id }))
    const build = await when(id, ended)
    expect(build.buildStatus).toBe('STOPPED')
    expect(phasesOf(build)?.slice(-3)).toEqual(['BUILD STOPPED', 'FINALIZING SUCCEEDED', 'COMPLETED'])
    expect((await codebuild.send(new StopBuildCommand({ id }))).build?.buildStatus).toBe('STOPPED')
    await expect(codebuild.send(new StopBuildCommand({ id: 'app:none' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    })
  })

  it('when its time is over', async () => {
    await project({ buildspec: waits, timeoutInMinutes: 5 })
    const id = (await start())?.id
    await when(id, begun)
    await drydock.advance({ minutes: 6 })
    const build = await when(id, ended)
    expect(build.buildStatus).toBe('TIMED_OUT')
    expect(contextOf(build, 'BUILD')).toMatchObject({ statusCode: 'BUILD_TIMED_OUT' })
  })

  it.each([
    ['INSTALL', 'PRE_BUILD'],
    ['POST_BUILD', 'UPLOAD_ARTIFACTS'],
  ])('when its task is gone right after %s', async (last, blamed) => {
    drydock.compute.on('build-', async (_spec, task) => {
      const nonce = /036([0-9a-f]{16}) /.exec(await task.read('/codebuild/output/tmp/run.sh'))?.[1]
      const mark = (text: string) => task.write(`\x1e${nonce} 1700000000000 ${text}\n`)
      mark('start')
      for (const phase of ['INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD']) {
        mark(`phase ${phase}`)
        mark(`end ${phase} SUCCEEDED`)
        if (phase === last) break
      }
      return 0
    })
    await project()
    const build = await run()
    expect(build.buildStatus).toBe('FAILED')
    expect(contextOf(build, blamed)).toMatchObject({ statusCode: 'BUILD_CONTAINER_FOUND_DEAD' })
  })

  it('when its task is gone', async () => {
    await project({ buildspec: waits })
    const id = (await start())?.id
    await when(id, begun)
    await drydock.compute.end(drydock.compute.running()[0] ?? '', 137)
    const build = await when(id, ended)
    expect(build.buildStatus).toBe('FAILED')
    expect(contextOf(build, 'BUILD')).toMatchObject({ statusCode: 'BUILD_CONTAINER_FOUND_DEAD' })
  })
})

it('a reset ends what runs, and builds work after it', async () => {
  await project({ buildspec: waits })
  const id = (await start())?.id
  await when(id, (build) => build.currentPhase === 'BUILD')
  await drydock.server.reset()
  expect(drydock.compute.running()).toEqual([])
  expect((await codebuild.send(new ListBuildsCommand({}))).ids).toEqual([])
  role = await drydock.role('builder', 'codebuild.amazonaws.com', [logsPolicy])
  await project()
  expect((await run()).buildStatus).toBe('SUCCEEDED')
  expect(drydock.logged).toEqual([])
})

describe('builds', () => {
  it('are listed newest first, retried, deleted', async () => {
    await project()
    const ids: (string | undefined)[] = []
    for (let i = 0; i < 3; i++) {
      ids.push((await run()).id)
      await drydock.advance({ seconds: 1 })
    }
    const listed = await codebuild.send(new ListBuildsForProjectCommand({ projectName: 'app' }))
    expect(listed.ids).toEqual([...ids].reverse())
    expect((await codebuild.send(new ListBuildsCommand({ sortOrder: 'ASCENDING' }))).ids).toEqual(ids)
    const retried = await codebuild.send(new RetryBuildCommand({ id: ids[0] }))
    expect(retried.build?.buildNumber).toBe(4)
    await when(retried.build?.id, ended)
    const deleted = await codebuild.send(new BatchDeleteBuildsCommand({ ids: [ids[0] ?? '', 'app:none'] }))
    expect(deleted.buildsDeleted).toHaveLength(1)
    expect(deleted.buildsNotDeleted).toEqual([{ id: 'app:none', statusCode: 'BUILD_NOT_FOUND' }])
    const { buildsNotFound } = await codebuild.send(new BatchGetBuildsCommand({ ids: [ids[0] ?? ''] }))
    expect(buildsNotFound).toEqual([ids[0]])
  })

  it('are listed page by page', async () => {
    await project()
    const { id = '', projectName } = await run()
    const place = { account: drydock.account, region: drydock.region }
    const made = await drydock.server.kernel.store.write(place, async (tx) => {
      const build = await tx.get(BuildTable, id)
      if (!build) throw new Error('no build')
      const copy = (i: number) => ({ ...build, id: `app:${String(i).padStart(3, '0')}`, created: build.created + i })
      return Array.from({ length: 150 }, (_, i) => tx.put(BuildTable, copy(i + 1)).id)
    })
    const expected = [id, ...made]
    for (const sortOrder of ['ASCENDING', 'DESCENDING'] as const) {
      const wanted = sortOrder === 'ASCENDING' ? expected : [...expected].reverse()
      const first = await codebuild.send(new ListBuildsForProjectCommand({ projectName, sortOrder }))
      const { nextToken } = first
      const second = await codebuild.send(new ListBuildsForProjectCommand({ projectName, sortOrder, nextToken }))
      expect([...(first.ids ?? []), ...(second.ids ?? [])]).toEqual(wanted)
      expect([first.ids?.length, second.nextToken]).toEqual([100, undefined])
      const all = await codebuild.send(new ListBuildsCommand({ sortOrder }))
      const rest = await codebuild.send(new ListBuildsCommand({ sortOrder, nextToken: all.nextToken }))
      expect([...(all.ids ?? []), ...(rest.ids ?? [])]).toEqual(wanted)
    }
    await drydock.server.reset()
  })

  it('are started once for one token', async () => {
    await project()
    const first = await start({ idempotencyToken: 'a' })
    expect((await start({ idempotencyToken: 'a' }))?.id).toBe(first?.id)
    await expect(start({ idempotencyToken: 'a', sourceVersion: 'other' })).rejects.toMatchObject({
      name: 'InvalidInputException',
    })
    await drydock.advance({ minutes: 6 })
    expect((await start({ idempotencyToken: 'a' }))?.id).not.toBe(first?.id)
  })

  it('are as many at a time as the project says', async () => {
    await project({ concurrentBuildLimit: 1, buildspec: waits })
    const id = (await start())?.id
    await expect(start()).rejects.toMatchObject({ name: 'AccountLimitExceededException' })
    await codebuild.send(new StopBuildCommand({ id }))
    await when(id, ended)
    await start()
  })

  it('wait in the queue while sixty others run', async () => {
    drydock.compute.on('build-', () => new Promise<number>(() => {}))
    await project({ logsConfig: { cloudWatchLogs: { status: 'DISABLED' } }, queuedTimeoutInMinutes: 5 })
    const ids: (string | undefined)[] = []
    for (let i = 0; i < 63; i++) {
      ids.push((await start())?.id)
      await drydock.advance({ milliseconds: 1 })
    }
    expect(drydock.compute.running()).toHaveLength(60)
    expect((await look(ids[60])).currentPhase).toBe('QUEUED')
    await codebuild.send(new StopBuildCommand({ id: ids[0] }))
    await when(ids[0], ended)
    await when(ids[60], (build) => build.currentPhase !== 'QUEUED')
    await codebuild.send(new StopBuildCommand({ id: ids[62] }))
    expect(phasesOf(await when(ids[62], ended))).toContain('QUEUED STOPPED')
    await drydock.advance({ minutes: 6 })
    const late = await when(ids[61], ended)
    expect([late.buildStatus, phasesOf(late)?.[1]]).toEqual(['TIMED_OUT', 'QUEUED TIMED_OUT'])
  })

  it('are retried by themselves as often as told', async () => {
    await project({ autoRetryLimit: 1, buildspec: 'version: 0.2\nphases: {build: {commands: ["exit 1"]}}' })
    const first = await run()
    const next = first.autoRetryConfig?.nextAutoRetry
    expect(next).toMatch(/:build\/app:/)
    const second = await when(next, ended)
    expect(second.autoRetryConfig).toMatchObject({ autoRetryNumber: 1, previousAutoRetry: first.arn })
    expect(second.autoRetryConfig?.nextAutoRetry).toBeUndefined()
    const spec = (pattern: string) =>
      `version: 0.2\nphases: {build: {on-failure: 'RETRY-2-${pattern}', commands: ["exit 9"]}}`
    const other = await run({ buildspecOverride: spec('status 8'), autoRetryLimitOverride: 0 })
    expect(other.autoRetryConfig).toBeUndefined()
    const retried = await run({ buildspecOverride: spec('status [9]'), autoRetryLimitOverride: 0 })
    expect(retried.autoRetryConfig?.nextAutoRetry).toBeDefined()
  })

  it('refuse what is not done', async () => {
    await project()
    for (const input of [{ debugSessionEnabled: true }, { sourceTypeOverride: 'GITHUB' as const }])
      await expect(start(input)).rejects.toMatchObject({ $metadata: { httpStatusCode: 501 } })
    await expect(start({ projectName: 'other' })).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
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
