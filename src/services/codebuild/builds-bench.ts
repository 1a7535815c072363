import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CloudWatchLogsClient, GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import {
  BatchGetBuildsCommand,
  type Build,
  CodeBuildClient,
  CreateProjectCommand,
  type CreateProjectCommandInput,
  ListBuildsCommand,
  StartBuildCommand,
  type StartBuildCommandInput,
  StopBuildCommand,
} from '@aws-sdk/client-codebuild'
import { afterEach, beforeEach } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { runsOnHost } from './host-runner.ts'

// What stories of builds share: a server on which builds run for real, on this host, and a project to build.

export let drydock: Story
export let codebuild: CodeBuildClient
export let role = ''
/** A folder of the story's own. */
export let folder = ''

export const allow = (actions: string[], resource: string | string[] = '*') => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: actions, Resource: resource }],
})
export const logsPolicy = allow(['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'])

/** Opens the bench before every story of a file, and clears it after. */
export const onBench = (): void => {
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
}

export const project = async (
  more: Partial<CreateProjectCommandInput> & { buildspec?: string } = {},
  server = codebuild,
) => {
  const { buildspec = 'version: 0.2\nphases: {build: {commands: [echo hello]}}', ...rest } = more
  const { project } = await server.send(
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

export const look = async (id: string | undefined, server = codebuild): Promise<Build> => {
  const { builds } = await server.send(new BatchGetBuildsCommand({ ids: [id ?? ''] }))
  if (!builds?.[0]) throw new Error(`no build ${id}`)
  return builds[0]
}

/** The build once `until` holds. */
export const when = async (
  id: string | undefined,
  until: (build: Build) => boolean,
  server = codebuild,
): Promise<Build> => {
  for (;;) {
    const build = await look(id, server)
    if (until(build)) return build
    await new Promise((turn) => setTimeout(turn, 5))
  }
}
export const ended = (build: Build) => build.buildComplete === true

export const start = async (input: Partial<StartBuildCommandInput> = {}) => {
  const { build } = await codebuild.send(new StartBuildCommand({ projectName: 'app', ...input }))
  return build
}
export const run = async (input: Partial<StartBuildCommandInput> = {}) => when((await start(input))?.id, ended)

export const logOf = async (build: Build, server = drydock) => {
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
export const phasesOf = (build: Build) =>
  build.phases?.map(({ phaseType, phaseStatus }) => (phaseStatus ? `${phaseType} ${phaseStatus}` : phaseType))
export const contextOf = (build: Build, type: string) =>
  build.phases?.find(({ phaseType }) => phaseType === type)?.contexts?.[0]

/** A buildspec whose build goes on until it is ended. */
export const waits =
  'version: 0.2\nphases: {build: {commands: [echo begun, sleep 600]}, post_build: {commands: [echo no]}}'
