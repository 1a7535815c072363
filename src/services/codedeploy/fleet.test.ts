import { rm, writeFile } from 'node:fs/promises'
import { CreateDeploymentConfigCommand, StopDeploymentCommand } from '@aws-sdk/client-codedeploy'
import { EC2Client, StopInstancesCommand } from '@aws-sdk/client-ec2'
import { afterEach, expect, test, vi } from 'vitest'
import { manualClock } from '../../work/clock.ts'
import { appspec, type Fleet, fleet } from './fleet-bench.ts'

// Every step starts processes: a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000 })

// Several machines, and what interrupts a deployment.

let it: Fleet
afterEach(() => it.close())

/** A revision whose BeforeInstall waits, on the instance, for the file `go`. */
const waiting = {
  'appspec.yml': appspec({ BeforeInstall: 'wait.sh' }),
  'wait.sh': '#!/bin/sh\ntouch "$ROOT/began"\nuntil [ -e "$ROOT/go" ] || [ ! -e "$ROOT" ]; do sleep 0.05; done',
  'app/a': 'new',
}
const began = (id: string) => it.eventually(`the hook on ${id}`, async () => (await it.read(id, 'began')) === '')
const go = (id: string) => writeFile(`${it.rootOf(id)}/go`, '')
const statuses = async (deploymentId: string) => (await it.targets(deploymentId)).map(({ status }) => status)

test('one at a time: the second instance waits for the first, and a first that fails spares the others', async () => {
  it = await fleet()
  const [a = '', b = ''] = await it.launch(2)
  await it.group({ deploymentConfigName: 'CodeDeployDefault.OneAtATime' })
  await it.put('one.zip', waiting)
  const deployment = await it.start('one.zip')
  await began(a)
  expect(await statuses(deployment)).toEqual(['InProgress', 'Pending'])
  await expect(it.start('one.zip')).rejects.toMatchObject({
    name: 'DeploymentLimitExceededException',
    message: `The Deployment Group 'group' already has an active Deployment '${deployment}'`,
  })
  await go(a)
  await began(b)
  expect(await statuses(deployment)).toEqual(['Succeeded', 'InProgress'])
  await go(b)
  expect(await it.ended(deployment)).toMatchObject({ status: 'Succeeded' })

  const fails = (which: string) => ({
    'appspec.yml': appspec({ BeforeInstall: 'fail.sh' }),
    'fail.sh': `#!/bin/sh\ncase "$ROOT" in *${which}) exit 1;; esac`,
    'app/a': '',
  })
  await it.put('first.zip', fails(a))
  const first = await it.deploy('first.zip')
  expect(first).toMatchObject({ status: 'Failed', deploymentOverview: { Failed: 1, Skipped: 1, Succeeded: 0 } })
  expect(first.errorInformation?.message).toContain('too many individual instances failed deployment')
  await it.put('last.zip', fails(b))
  const last = await it.deploy('last.zip')
  expect(last).toMatchObject({ status: 'Succeeded', deploymentOverview: { Failed: 1, Succeeded: 1 } })
})

test('a deployment that is stopped ends after the running event, and rolls back if told to', async () => {
  it = await fleet()
  const [a = '', b = ''] = await it.launch(2)
  await it.group({ deploymentConfigName: 'CodeDeployDefault.OneAtATime' })
  await it.put('good.zip', { 'appspec.yml': appspec(), 'app/a': 'good' })
  await it.put('wait.zip', waiting)
  expect(await it.deploy('good.zip')).toMatchObject({ status: 'Succeeded' })
  const deploymentId = await it.start('wait.zip')
  await began(a)
  expect(
    await it.codedeploy.send(new StopDeploymentCommand({ deploymentId, autoRollbackEnabled: true })),
  ).toMatchObject({
    status: 'Pending',
    statusMessage: 'No more commands will be scheduled for execution in the deployment instances',
  })
  await it.story.settled()
  expect((await it.get(deploymentId)).status).toBe('InProgress')
  await go(a)
  const stopped = await it.ended(deploymentId)
  expect(stopped).toMatchObject({ status: 'Stopped', errorInformation: { code: 'MANUAL_STOP' } })
  expect(await it.targets(deploymentId)).toMatchObject([
    { id: a, status: 'Failed', events: expect.arrayContaining(['BeforeInstall Succeeded', 'Install Skipped']) },
    { id: b, status: 'Skipped' },
  ])
  expect(await it.ended(stopped.rollbackInfo?.rollbackDeploymentId ?? '')).toMatchObject({ status: 'Succeeded' })
  expect(await it.read(a, 'srv/app/a')).toBe('good')
  await expect(it.codedeploy.send(new StopDeploymentCommand({ deploymentId }))).rejects.toMatchObject({
    name: 'DeploymentAlreadyCompletedException',
  })
})

test('an agent that is killed in a hook fails the event when it is back; an instance that is stopped fails at once', async () => {
  it = await fleet()
  const [a = ''] = await it.launch()
  await it.group()
  await it.put('wait.zip', waiting)
  const killed = await it.start('wait.zip')
  await began(a)
  await it.killAgent(a)
  await go(a)
  it.startAgent(a)
  expect(await it.ended(killed)).toMatchObject({ status: 'Failed' })
  expect((await it.targets(killed))[0]?.diagnostics).toMatchObject({
    errorCode: 'UnknownError',
    message: 'Failed: Failing in-progress lifecycle event after an agent restart.',
  })

  await rm(`${it.rootOf(a)}/go`)
  await rm(`${it.rootOf(a)}/began`)
  const cut = await it.start('wait.zip')
  await began(a)
  await it.story.client(EC2Client).send(new StopInstancesCommand({ InstanceIds: [a] }))
  expect(await it.ended(cut)).toMatchObject({ status: 'Failed' })
  await go(a)
  const { status, errorInformation } = await it.deploy('wait.zip')
  expect([status, errorInformation?.code]).toEqual(['Failed', 'HEALTH_CONSTRAINTS'])
})

test('a server that restarts in the middle finds the deployment going on', async () => {
  it = await fleet({ durable: true })
  const [a = ''] = await it.launch()
  await it.group()
  await it.put('wait.zip', waiting)
  const deployment = await it.start('wait.zip')
  await began(a)
  await it.restart()
  await go(a)
  expect(await it.ended(deployment)).toMatchObject({ status: 'Succeeded' })
  expect(await it.read(a, 'srv/app/a')).toBe('new')
})

test('health that no instance may be taken from fails before anything is done', async () => {
  it = await fleet()
  await it.launch(1, { agent: false })
  await it.codedeploy.send(
    new CreateDeploymentConfigCommand({
      deploymentConfigName: 'all',
      minimumHealthyHosts: { type: 'HOST_COUNT', value: 1 },
    }),
  )
  await it.group({ deploymentConfigName: 'all' })
  const { deploymentId = '', ...info } = await it.deploy('any.zip')
  expect(info).toMatchObject({ status: 'Failed', errorInformation: { code: 'HEALTH_CONSTRAINTS_INVALID' } })
  expect(await it.targets(deploymentId)).toEqual([])
})

test('an instance whose agent is silent fails after five minutes, and then the deployment', async () => {
  const clock = manualClock(new Date())
  it = await fleet({ clock })
  const [a = ''] = await it.launch(1, { agent: false })
  await it.group()
  const deploymentId = await it.start('any.zip')
  await it.story.advance({ minutes: 4 })
  expect((await it.get(deploymentId)).status).toBe('InProgress')
  await it.story.advance({ minutes: 2 })
  expect((await it.get(deploymentId)).status).toBe('Failed')
  expect(await it.targets(deploymentId)).toMatchObject([
    {
      id: a,
      events: expect.arrayContaining(['ApplicationStop Failed', 'ValidateService Skipped']),
      diagnostics: { message: expect.stringContaining('make sure the agent is running') },
    },
  ])
})

test('an instance that is stopped before the deployment begins is one of it, and fails', async () => {
  it = await fleet()
  const [a = '', b = ''] = await it.launch(2)
  await it.group()
  await it.put('one.zip', { 'appspec.yml': appspec(), 'app/a': '' })
  await it.story.client(EC2Client).send(new StopInstancesCommand({ InstanceIds: [a] }))
  await it.story.settled()
  const { deploymentId = '', status } = await it.deploy('one.zip')
  expect(status).toBe('Succeeded')
  expect((await it.targets(deploymentId)).map(({ id, status }) => [id, status])).toEqual([
    [a, 'Failed'],
    [b, 'Succeeded'],
  ])
})
