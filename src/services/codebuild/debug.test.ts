import {
  BatchGetBuildsCommand,
  StartBuildCommand,
  StartSandboxCommand,
  StartSandboxConnectionCommand,
  StopSandboxCommand,
} from '@aws-sdk/client-codebuild'
import { IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import {
  DescribeSessionsCommand,
  GetConnectionStatusCommand,
  SSMClient,
  StartSessionCommand,
} from '@aws-sdk/client-ssm'
import { expect, it } from 'vitest'
import { lineShell } from '../../../test/line-shell.ts'
import { connectSession } from '../../../test/session-client.ts'
import { allow } from '../../../test/story.ts'
import { codebuild, drydock, onBench, project } from './builds-bench.ts'

onBench()

const sessionActions = ['CreateControlChannel', 'CreateDataChannel', 'OpenControlChannel', 'OpenDataChannel']
const permit = (PolicyName: string, document: object) =>
  drydock
    .client(IAMClient)
    .send(new PutRolePolicyCommand({ RoleName: 'builder', PolicyName, PolicyDocument: JSON.stringify(document) }))
const permitSessions = () => permit('sessions', allow(sessionActions.map((name) => `ssmmessages:${name}`)))
const debugSession = async (id: string | undefined) => {
  const { builds } = await codebuild.send(new BatchGetBuildsCommand({ ids: [id ?? ''] }))
  return builds?.[0]?.debugSession
}
const forever = () => drydock.compute.on('build-', () => new Promise<number>(() => {}))

it('a build with a session is a target while it runs, as far as its role lets it', async () => {
  await project()
  forever()
  drydock.compute.onTerminal(
    'build-',
    lineShell((word, { spec }) => `${word} in ${spec.id}\n`),
  )
  const { build } = await codebuild.send(new StartBuildCommand({ projectName: 'app', debugSessionEnabled: true }))
  expect(build?.debugSession).toEqual({ sessionEnabled: true })
  await drydock.settled()
  const uuid = build?.id?.split(':')[1]
  const Target = `codebuild:${uuid}`
  expect(await debugSession(build?.id)).toEqual({ sessionEnabled: true, sessionTarget: Target })
  const ssm = drydock.client(SSMClient)
  await expect(ssm.send(new StartSessionCommand({ Target }))).rejects.toThrow(`${Target} is not connected.`)
  await permitSessions()
  expect((await ssm.send(new GetConnectionStatusCommand({ Target }))).Status).toBe('connected')
  const onBuilds = allow('ssm:StartSession', `arn:aws:codebuild:us-east-1:${drydock.account}:build/app:*`)
  const mine = drydock.client(SSMClient, await drydock.user('mine', [onBuilds]))
  const client = await connectSession(await mine.send(new StartSessionCommand({ Target })))
  client.type('look\n')
  await client.shows(new RegExp(`look in build-${uuid}\r\n`))
  const others = drydock.client(
    SSMClient,
    await drydock.user('others', [
      allow('ssm:StartSession', `arn:aws:codebuild:us-east-1:${drydock.account}:build/web:*`),
    ]),
  )
  await expect(others.send(new StartSessionCommand({ Target }))).rejects.toMatchObject({
    name: 'AccessDeniedException',
  })
  // The session ends with the build.
  await drydock.compute.end(`build-${uuid}`, 0)
  expect((await client.closed).output).toBe('')
  await drydock.settled()
  expect(await debugSession(build?.id)).toEqual({ sessionEnabled: true })
  expect((await ssm.send(new GetConnectionStatusCommand({ Target }))).Status).toBe('notconnected')
})

it('a build without a session is no target', async () => {
  await project()
  await permitSessions()
  forever()
  const { build } = await codebuild.send(new StartBuildCommand({ projectName: 'app' }))
  await drydock.settled()
  expect(await debugSession(build?.id)).toEqual({ sessionEnabled: false })
  const Target = `codebuild:${build?.id?.split(':')[1]}`
  await expect(drydock.client(SSMClient).send(new StartSessionCommand({ Target }))).rejects.toMatchObject({
    name: 'TargetNotConnected',
  })
})

it('a sandbox is connected to under the service role', async () => {
  await project()
  drydock.compute.on('sandbox-', () => new Promise<number>(() => {}))
  drydock.compute.onTerminal(
    'sandbox-',
    lineShell((word) => `${word} it is\n`),
  )
  const { sandbox } = await codebuild.send(new StartSandboxCommand({ projectName: 'app' }))
  const connect = () => codebuild.send(new StartSandboxConnectionCommand({ sandboxId: sandbox?.arn ?? '' }))
  await drydock.settled()
  await expect(connect()).rejects.toMatchObject({
    name: 'InvalidInputException',
    message: expect.stringMatching(
      /^Failed to start SSM session for sandbox arn:aws:codebuild:.*: User: arn:aws:sts::.*:assumed-role\/builder\/AWSCodeBuild-.* is not authorized to perform: ssm:StartSession/,
    ),
  })
  await permit('start', allow('ssm:StartSession', `arn:aws:codebuild:us-east-1:${drydock.account}:build/*`))
  await expect(connect()).rejects.toThrow(`codebuild:${sandbox?.id?.split(':')[1]} is not connected.`)
  await permitSessions()
  const { ssmSession } = await connect()
  expect(ssmSession?.sessionId).toMatch(/^AWSCodeBuild-/)
  const client = await connectSession({ TokenValue: ssmSession?.tokenValue, StreamUrl: ssmSession?.streamUrl })
  client.type('here\n')
  await client.shows(/here it is\r\n/)
  const { Sessions = [] } = await drydock.client(SSMClient).send(new DescribeSessionsCommand({ State: 'Active' }))
  expect(Sessions[0]?.Owner).toMatch(/:assumed-role\/builder\/AWSCodeBuild-/)
  await codebuild.send(new StopSandboxCommand({ id: sandbox?.id ?? '' }))
  await drydock.settled()
  expect((await client.closed).code).toBe(1000)
  await expect(connect()).rejects.toMatchObject({ name: 'InvalidInputException' })
  await expect(
    codebuild.send(new StartSandboxConnectionCommand({ sandboxId: 'app:00000000-0000-0000-0000-000000000000' })),
  ).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
})
