import {
  ContinueDeploymentCommand,
  type CreateDeploymentCommandInput,
  type CreateDeploymentGroupCommandInput,
  ListDeploymentInstancesCommand,
  ListDeploymentTargetsCommand,
  SkipWaitTimeForInstanceTerminationCommand,
  StopDeploymentCommand,
} from '@aws-sdk/client-codedeploy'
import { DescribeInstancesCommand, EC2Client } from '@aws-sdk/client-ec2'
import { afterEach, expect, test, vi } from 'vitest'
import { systemClock } from '../../work/clock.ts'
import { appspec, type Fleet, fleet } from './fleet-bench.ts'

// Blue/green deployments between two tagged sets of machines.

// Eight agents and their hooks take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

let it: Fleet
afterEach(() => it.close())

const traffic = ['BeforeBlockTraffic', 'AfterBlockTraffic', 'BeforeAllowTraffic', 'AfterAllowTraffic']
const revision = (name: string, more: Readonly<Record<string, string>> = {}) => ({
  'appspec.yml': appspec({
    ...Object.fromEntries(traffic.map((event) => [event, 'note.sh'])),
    ...(more['check.sh'] ? { ValidateService: 'check.sh' } : {}),
  }),
  'app/version': name,
  'note.sh': `#!/bin/sh\necho "$LIFECYCLE_EVENT of ${name}" >>"$ROOT/notes"`,
  ...more,
})
const byTag = (tag: string) => [{ Key: 'Application', Value: tag, Type: 'KEY_AND_VALUE' as const }]
const green: Partial<CreateDeploymentCommandInput> = { targetInstances: { tagFilters: byTag('green') } }

type Options = NonNullable<CreateDeploymentGroupCommandInput['blueGreenDeploymentConfiguration']>
const group = (configuration: Options = {}, more: Partial<CreateDeploymentGroupCommandInput> = {}) =>
  it.group({
    deploymentGroupName: 'swap',
    deploymentStyle: { deploymentType: 'BLUE_GREEN', deploymentOption: 'WITHOUT_TRAFFIC_CONTROL' },
    blueGreenDeploymentConfiguration: {
      greenFleetProvisioningOption: { action: 'DISCOVER_EXISTING' },
      ...configuration,
    },
    ...more,
  })
/** Two original instances that have the revision `old`, and two replacements. */
const twoSets = async () => {
  const blue = await it.launch(2)
  await it.group()
  await it.put('old.zip', revision('old'))
  await it.put('new.zip', revision('new'))
  expect(await it.deploy('old.zip')).toMatchObject({ status: 'Succeeded' })
  return { blue, green: await it.launch(2, { tag: 'green' }) }
}
const state = async (ids: string[]) => {
  const { Reservations = [] } = await it.story
    .client(EC2Client)
    .send(new DescribeInstancesCommand({ InstanceIds: ids }))
  return Reservations.flatMap(({ Instances = [] }) => Instances).map(({ State }) => State?.Name)
}
const start = (more: Partial<CreateDeploymentCommandInput> = {}) =>
  it.start('new.zip', { deploymentGroupName: 'swap', ...green, ...more })
const inState = (deploymentId: string, status: string) =>
  it.eventually(status, async () => {
    const info = await it.get(deploymentId)
    return info.status === status && info
  })

test('replacements take the revision, traffic hooks run on both sides, originals are terminated when somebody says so', async () => {
  it = await fleet()
  const { blue, green: fresh } = await twoSets()
  await group({
    deploymentReadyOption: { actionOnTimeout: 'STOP_DEPLOYMENT', waitTimeInMinutes: 60 },
    terminateBlueInstancesOnDeploymentSuccess: { action: 'TERMINATE', terminationWaitTimeInMinutes: 60 },
  })
  const deploymentId = await start()
  const ready = await inState(deploymentId, 'Ready')
  expect(ready).toMatchObject({
    deploymentStyle: { deploymentType: 'BLUE_GREEN' },
    deploymentOverview: { Pending: 2, Ready: 2 },
    targetInstances: { tagFilters: byTag('green') },
    blueGreenDeploymentConfiguration: { deploymentReadyOption: { waitTimeInMinutes: 60 } },
  })
  for (const id of fresh) {
    expect(await it.read(id, 'srv/app/version')).toBe('new')
    await expect(it.read(id, 'notes')).rejects.toThrow('ENOENT')
  }
  const skip = () => it.codedeploy.send(new SkipWaitTimeForInstanceTerminationCommand({ deploymentId }))
  await expect(skip()).rejects.toMatchObject({ name: 'DeploymentNotStartedException' })
  await it.codedeploy.send(new ContinueDeploymentCommand({ deploymentId, deploymentWaitType: 'READY_WAIT' }))
  await it.eventually(
    'the wait for termination',
    async () => (await it.get(deploymentId)).instanceTerminationWaitTimeStarted,
  )
  await expect(it.codedeploy.send(new ContinueDeploymentCommand({ deploymentId }))).rejects.toMatchObject({
    name: 'DeploymentIsNotInReadyStateException',
  })
  expect(await state(blue)).toEqual(['running', 'running'])
  await skip()
  expect(await it.ended(deploymentId)).toMatchObject({ status: 'Succeeded', deploymentOverview: { Succeeded: 4 } })
  await it.story.settled()
  expect(await state(blue)).toEqual(['terminated', 'terminated'])
  expect(await state(fresh)).toEqual(['running', 'running'])
  for (const id of fresh)
    expect(await it.read(id, 'notes')).toBe('BeforeAllowTraffic of new\nAfterAllowTraffic of new\n')
  // Where traffic is led away from, the scripts are those of the revision that served it; it was another group's here.
  const targets = await it.targets(deploymentId)
  expect(targets.filter(({ id }) => blue.includes(id)).map(({ events }) => events)).toEqual(
    blue.map(() => ['BeforeBlockTraffic Succeeded', 'BlockTraffic Skipped', 'AfterBlockTraffic Succeeded']),
  )
  const labelled = async (ServerInstanceLabel: string) =>
    (
      await it.codedeploy.send(
        new ListDeploymentTargetsCommand({
          deploymentId,
          targetFilters: { ServerInstanceLabel: [ServerInstanceLabel] },
        }),
      )
    ).targetIds
  expect(await labelled('Blue')).toEqual(blue)
  expect(await labelled('Green')).toEqual(fresh)
  expect(
    (await it.codedeploy.send(new ListDeploymentInstancesCommand({ deploymentId, instanceTypeFilter: ['Green'] })))
      .instancesList,
  ).toEqual(fresh)
  const { events } = it.story
  expect(
    events
      .filter(({ detail }) => detail.deploymentId === deploymentId && !detail.instanceId)
      .map(({ detail }) => detail.state),
  ).toEqual(['CREATED', 'START', 'READY', 'START', 'SUCCESS'])
})

test('a replacement that fails leaves the originals alone, and needs no rollback', async () => {
  it = await fleet()
  const { blue } = await twoSets()
  await group(
    { terminateBlueInstancesOnDeploymentSuccess: { action: 'TERMINATE' } },
    { autoRollbackConfiguration: { enabled: true, events: ['DEPLOYMENT_FAILURE'] } },
  )
  await it.put('new.zip', revision('new', { 'check.sh': '#!/bin/sh\nexit 1' }))
  const deploymentId = await start()
  const info = await it.ended(deploymentId)
  expect(info).toMatchObject({
    status: 'Failed',
    errorInformation: { code: 'HEALTH_CONSTRAINTS' },
    rollbackInfo: { rollbackMessage: expect.stringContaining('traffic had not been rerouted') },
  })
  expect(info.rollbackInfo?.rollbackDeploymentId).toBeUndefined()
  expect(await state(blue)).toEqual(['running', 'running'])
  expect((await it.targets(deploymentId)).filter(({ id }) => blue.includes(id))).toMatchObject(
    blue.map(() => ({ status: 'Pending' })),
  )
})

test('after traffic was rerouted, a rollback leads it back to the originals', async () => {
  it = await fleet()
  const { blue, green: fresh } = await twoSets()
  await group({ terminateBlueInstancesOnDeploymentSuccess: { action: 'TERMINATE', terminationWaitTimeInMinutes: 60 } })
  const deploymentId = await start()
  await it.eventually(
    'the wait for termination',
    async () => (await it.get(deploymentId)).instanceTerminationWaitTimeStarted,
  )
  await it.codedeploy.send(new StopDeploymentCommand({ deploymentId, autoRollbackEnabled: true }))
  const stopped = await it.ended(deploymentId)
  expect(stopped).toMatchObject({ status: 'Stopped', errorInformation: { code: 'MANUAL_STOP' } })
  const rollbackId = stopped.rollbackInfo?.rollbackDeploymentId ?? ''
  expect(await it.ended(rollbackId)).toMatchObject({ status: 'Succeeded', creator: 'codeDeployRollback' })
  const targets = await it.targets(rollbackId)
  const of = (ids: string[]) =>
    targets.filter(({ id }) => ids.includes(id)).map(({ events }) => events.map((one) => one.split(' ')[0]))
  expect(of(blue)).toEqual(blue.map(() => ['BeforeAllowTraffic', 'AllowTraffic', 'AfterAllowTraffic']))
  expect(of(fresh)).toEqual(fresh.map(() => ['BeforeBlockTraffic', 'BlockTraffic', 'AfterBlockTraffic']))
  for (const id of fresh)
    expect((await it.read(id, 'notes')).split('\n').slice(2, 4)).toEqual([
      'BeforeBlockTraffic of new',
      'AfterBlockTraffic of new',
    ])
  expect(await state(blue)).toEqual(['running', 'running'])
})

test('one that nobody continues stops when its time is over; waits outlive the server', async () => {
  const clock = systemClock()
  it = await fleet({ durable: true, clock })
  await twoSets()
  await group({
    deploymentReadyOption: { actionOnTimeout: 'STOP_DEPLOYMENT', waitTimeInMinutes: 30 },
    terminateBlueInstancesOnDeploymentSuccess: { action: 'KEEP_ALIVE' },
  })
  const deploymentId = await start()
  await inState(deploymentId, 'Ready')
  await it.restart()
  clock.advance(29 * 60_000)
  await it.story.settled()
  expect((await it.get(deploymentId)).status).toBe('Ready')
  clock.advance(60_000)
  await it.story.settled()
  expect(await it.ended(deploymentId)).toMatchObject({ status: 'Stopped', errorInformation: { code: 'TIMEOUT' } })
  await expect(it.codedeploy.send(new ContinueDeploymentCommand({ deploymentId }))).rejects.toMatchObject({
    name: 'DeploymentAlreadyCompletedException',
  })
})

test('what a blue/green group and its deployments cannot be', async () => {
  it = await fleet()
  await expect(group({ greenFleetProvisioningOption: { action: 'COPY_AUTO_SCALING_GROUP' } })).rejects.toMatchObject({
    name: 'InvalidBlueGreenDeploymentConfigurationException',
  })
  await expect(group({}, { onPremisesInstanceTagFilters: byTag('app') })).rejects.toMatchObject({
    name: 'InvalidBlueGreenDeploymentConfigurationException',
  })
  await expect(
    group({ deploymentReadyOption: { actionOnTimeout: 'STOP_DEPLOYMENT', waitTimeInMinutes: 2_881 } }),
  ).rejects.toMatchObject({ name: 'InvalidBlueGreenDeploymentConfigurationException' })
  await group()
  await it.group()
  await expect(start({ targetInstances: undefined })).rejects.toMatchObject({ name: 'InvalidTargetInstancesException' })
  await expect(start({ deploymentGroupName: 'group' })).rejects.toMatchObject({
    name: 'InvalidTargetInstancesException',
  })
  const deploymentId = await start({ targetInstances: { tagFilters: byTag('nothing') } })
  expect(await it.ended(deploymentId)).toMatchObject({ status: 'Failed', errorInformation: { code: 'NO_INSTANCES' } })
  const inPlace = await it.start('any.zip')
  await expect(
    it.codedeploy.send(new SkipWaitTimeForInstanceTerminationCommand({ deploymentId: inPlace })),
  ).rejects.toMatchObject({ name: 'UnsupportedActionForDeploymentTypeException' })
})
