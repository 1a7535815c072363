import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock, type TurnableClock } from '../../work/clock.ts'
import { callCommands, type Host } from './agent/host.ts'
import { type Fleet, fleet } from './fleet-bench.ts'

// The host command service, asked by hand on machines without an agent.

let it: Fleet
let clock: TurnableClock
beforeEach(async () => {
  clock = systemClock()
  it = await fleet({ clock })
  await it.group()
})
afterEach(() => it.close())

type Command = { HostCommand?: { HostCommandIdentifier: string; CommandName: string; DeploymentExecutionId: string } }

/** An instance's credentials, used through the door of an instance (its own unless told). */
const hostOf = async (instanceId: string, through = instanceId): Promise<Host> => {
  const { metadata } = it.doorsOf(instanceId)
  const token = await (
    await fetch(`${metadata}/latest/api/token`, {
      method: 'PUT',
      headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' },
    })
  ).text()
  const answer = await fetch(`${metadata}/latest/meta-data/iam/security-credentials/machine`, {
    headers: { 'x-aws-ec2-metadata-token': token },
  })
  const { AccessKeyId, SecretAccessKey, Token } = (await answer.json()) as Record<string, string>
  return {
    endpoint: it.doorsOf(through).endpoint,
    region: it.story.region,
    identifier: instanceId,
    keys: async () => ({
      accessKeyId: AccessKeyId ?? '',
      secretAccessKey: SecretAccessKey ?? '',
      sessionToken: Token ?? '',
      expires: Number.POSITIVE_INFINITY,
    }),
    forgetKeys: () => {},
  }
}
const poll = async (host: Host, AgentSession: string) =>
  (await callCommands<Command>(host, 'PollHostCommand', { HostIdentifier: host.identifier, AgentSession })).HostCommand
const acknowledge = (host: Host, HostCommandIdentifier: string | undefined, AgentSession: string) =>
  callCommands<{ CommandStatus: string }>(host, 'PutHostCommandAcknowledgement', {
    HostCommandIdentifier,
    AgentSession,
  })
const complete = (host: Host, HostCommandIdentifier: string | undefined, CommandStatus = 'Succeeded') =>
  callCommands(host, 'PutHostCommandComplete', {
    HostCommandIdentifier,
    CommandStatus,
    Diagnostics: { Format: 'JSON', Payload: 'not JSON' },
  })

test('an acknowledgement whose answer was lost is made again; what another run left has failed', async () => {
  const [id = ''] = await it.launch(1, { agent: false })
  const host = await hostOf(id)
  expect(await poll(host, 'first')).toBeUndefined()
  const deployment = await it.start('any.zip')
  await it.story.settled()
  const command = await poll(host, 'first')
  expect(command).toMatchObject({ CommandName: 'ApplicationStop', DeploymentExecutionId: deployment })
  for (let round = 0; round < 2; round++) {
    expect(await acknowledge(host, command?.HostCommandIdentifier, 'first')).toEqual({ CommandStatus: 'InProgress' })
    expect(await poll(host, 'first')).toEqual(command)
  }
  await complete(host, command?.HostCommandIdentifier)
  await complete(host, command?.HostCommandIdentifier, 'Failed')
  const next = await poll(host, 'first')
  expect(next?.CommandName).toBe('DownloadBundle')
  await acknowledge(host, next?.HostCommandIdentifier, 'first')
  expect(await poll(host, 'second')).toBeUndefined()
  expect(await it.ended(deployment)).toMatchObject({ status: 'Failed' })
  expect((await it.targets(deployment))[0]?.events.slice(0, 3)).toEqual([
    'ApplicationStop Succeeded',
    'DownloadBundle Failed',
    'BeforeInstall Skipped',
  ])
})

test('a failed ApplicationStop is forgiven where that is asked for', async () => {
  const [id = ''] = await it.launch(1, { agent: false })
  const host = await hostOf(id)
  const deployment = await it.start('any.zip', { ignoreApplicationStopFailures: true })
  await it.story.settled()
  const command = await poll(host, 'one')
  await acknowledge(host, command?.HostCommandIdentifier, 'one')
  await complete(host, command?.HostCommandIdentifier, 'Failed')
  expect(await poll(host, 'one')).toMatchObject({ CommandName: 'DownloadBundle' })
  expect((await it.targets(deployment))[0]).toMatchObject({
    status: 'InProgress',
    diagnostics: { message: 'The agent sent diagnostics that cannot be read.' },
  })
})

test('failed scripts around the traffic’s end are forgiven where that is asked for', async () => {
  const [blue = ''] = await it.launch(1, { agent: false })
  const [green = ''] = await it.launch(1, { agent: false, tag: 'green' })
  await it.group({
    deploymentGroupName: 'swap',
    deploymentStyle: { deploymentType: 'BLUE_GREEN', deploymentOption: 'WITHOUT_TRAFFIC_CONTROL' },
    blueGreenDeploymentConfiguration: { greenFleetProvisioningOption: { action: 'DISCOVER_EXISTING' } },
  })
  const deployment = await it.start('any.zip', {
    deploymentGroupName: 'swap',
    ignoreApplicationStopFailures: true,
    targetInstances: { tagFilters: [{ Key: 'Application', Value: 'green', Type: 'KEY_AND_VALUE' }] },
  })
  const answerAll = async (instanceId: string, status: string) => {
    const host = await hostOf(instanceId)
    for (;;) {
      await it.story.settled()
      const command = await poll(host, 'one')
      if (!command) return
      await acknowledge(host, command.HostCommandIdentifier, 'one')
      await complete(host, command.HostCommandIdentifier, status)
    }
  }
  await answerAll(green, 'Succeeded')
  await answerAll(blue, 'Failed')
  expect(await it.ended(deployment)).toMatchObject({ status: 'Succeeded' })
  expect((await it.targets(deployment)).find(({ id }) => id === blue)).toMatchObject({
    status: 'Succeeded',
    events: ['BeforeBlockTraffic Failed', 'BlockTraffic Skipped', 'AfterBlockTraffic Failed'],
  })
})

test('a host has its own commands and nobody else’s', async () => {
  const [a = '', b = ''] = await it.launch(2, { agent: false })
  await it.start('any.zip')
  await it.story.settled()
  const [own, other] = [await hostOf(a), await hostOf(b)]
  const command = await poll(own, 'one')
  await expect(acknowledge(other, command?.HostCommandIdentifier, 'one')).rejects.toThrow('not one of this host')
  await expect(complete(other, command?.HostCommandIdentifier)).rejects.toThrow('not one of this host')
  for (const made of ['e30', '', 'null', Buffer.from('[1,2,3]').toString('base64url')])
    await expect(acknowledge(own, made, 'one')).rejects.toMatchObject({ status: made ? 403 : 400 })
  await expect(poll(await hostOf(a, b), 'one')).rejects.toThrow('The credentials are those of another instance.')
  await expect(
    callCommands(own, 'GetDeploymentSpecification', { DeploymentExecutionId: 'd-ABCDEFGHI' }),
  ).rejects.toThrow('The deployment is not one of this host.')
  await expect(callCommands(own, 'GetDeploymentSpecification', {})).rejects.toThrow(
    'DeploymentExecutionId is required.',
  )
  const root = {
    ...own,
    endpoint: it.story.endpoint,
    keys: async () => ({ ...it.story.root, expires: Number.POSITIVE_INFINITY }),
  }
  await expect(poll(root, 'one')).rejects.toThrow('Only an instance under its instance profile, or a registered')
})

test('an event takes no longer than its agent said it would', async () => {
  const [id = ''] = await it.launch(1, { agent: false })
  const host = await hostOf(id)
  const deployment = await it.start('any.zip')
  await it.story.settled()
  const command = await poll(host, 'run')
  const HostCommandMaxDurationInSeconds = 120
  await callCommands(host, 'PutHostCommandAcknowledgement', {
    HostCommandIdentifier: command?.HostCommandIdentifier,
    AgentSession: 'run',
    HostCommandMaxDurationInSeconds,
  })
  clock.advance(6 * 60_000)
  await it.story.settled()
  expect((await it.get(deployment)).status).toBe('InProgress')
  clock.advance(2 * 60_000)
  expect(await it.ended(deployment)).toMatchObject({ status: 'Failed' })
})
