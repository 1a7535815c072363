import {
  CreateDeploymentConfigCommand,
  GetDeploymentConfigCommand,
  StopDeploymentCommand,
  type ZonalConfig,
} from '@aws-sdk/client-codedeploy'
import { afterEach, expect, test, vi } from 'vitest'
import { systemClock, type TurnableClock } from '../../work/clock.ts'
import { appspec, type Fleet, fleet } from './fleet-bench.ts'

// Every step starts processes: a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000 })

// Zonal configurations, instances that are up to date already, and instances that come later.

let it: Fleet
let clock: TurnableClock
afterEach(() => it.close())

const config = async (zonalConfig: ZonalConfig, percent = 0) => {
  await it.codedeploy.send(
    new CreateDeploymentConfigCommand({
      deploymentConfigName: 'zonal',
      minimumHealthyHosts: { type: 'FLEET_PERCENT', value: percent },
      zonalConfig,
    }),
  )
  await it.group({ deploymentConfigName: 'zonal' })
}
const begin = async () => {
  clock = systemClock()
  it = await fleet({ clock })
  return {
    a: await it.launch(2, { zone: 'us-east-1a' }),
    b: await it.launch(1, { zone: 'us-east-1b' }),
    c: await it.launch(1, { zone: 'us-east-1c' }),
  }
}
const statuses = async (deploymentId: string, ids: string[]) =>
  (await it.targets(deploymentId)).filter(({ id }) => ids.includes(id)).map(({ status }) => status)

test('zone after zone, each looked at for its time', async () => {
  const { a, b, c } = await begin()
  await config({ firstZoneMonitorDurationInSeconds: 7200, monitorDurationInSeconds: 3600 })
  const { deploymentConfigInfo } = await it.codedeploy.send(
    new GetDeploymentConfigCommand({ deploymentConfigName: 'zonal' }),
  )
  expect(deploymentConfigInfo?.zonalConfig).toEqual({
    firstZoneMonitorDurationInSeconds: 7200,
    monitorDurationInSeconds: 3600,
  })
  await it.put('one.zip', { 'appspec.yml': appspec(), 'app/a': '' })
  const id = await it.start('one.zip')
  const succeeded = (ids: string[]) =>
    it.eventually('a zone', async () => (await statuses(id, ids)).every((status) => status === 'Succeeded'))
  await succeeded(a)
  expect(await statuses(id, [...b, ...c])).toEqual(['Pending', 'Pending'])
  clock.advance(7_100_000)
  await it.story.settled()
  expect(await statuses(id, [...b, ...c])).toEqual(['Pending', 'Pending'])
  clock.advance(100_000)
  await succeeded(b)
  expect(await statuses(id, c)).toEqual(['Pending'])
  expect((await it.get(id)).status).toBe('InProgress')
  clock.advance(3_600_000)
  expect(await it.ended(id)).toMatchObject({ status: 'Succeeded', deploymentOverview: { Succeeded: 4 } })
})

test('a zone with too few healthy instances ends the deployment before the next zone', async () => {
  const { a, b, c } = await begin()
  await config({ minimumHealthyHostsPerZone: { type: 'HOST_COUNT', value: 1 } })
  await it.put('one.zip', {
    'appspec.yml': appspec({ AfterInstall: 'fail.sh' }),
    'app/a': '',
    'fail.sh': '#!/bin/sh\nexit 1',
  })
  const { deploymentId = '', ...info } = await it.deploy('one.zip')
  expect(info).toMatchObject({ status: 'Failed', errorInformation: { code: 'HEALTH_CONSTRAINTS' } })
  // One of the two had to stay healthy: the other was not touched.
  expect((await statuses(deploymentId, a)).toSorted()).toEqual(['Failed', 'Skipped'])
  expect(await statuses(deploymentId, [...b, ...c])).toEqual(['Skipped', 'Skipped'])
})

test('a zonal configuration is for deployments in place to EC2', async () => {
  clock = systemClock()
  it = await fleet({ clock })
  await config({})
  await it.group({
    deploymentGroupName: 'racks',
    deploymentConfigName: 'zonal',
    onPremisesInstanceTagFilters: [{ Key: 'a', Type: 'KEY_ONLY' }],
  })
  await expect(it.start('one.zip', { deploymentGroupName: 'racks' })).rejects.toMatchObject({
    name: 'InvalidDeploymentConfigNameException',
  })
  await expect(
    it.codedeploy.send(
      new CreateDeploymentConfigCommand({
        deploymentConfigName: 'bad',
        minimumHealthyHosts: { type: 'HOST_COUNT', value: 1 },
        zonalConfig: { minimumHealthyHostsPerZone: { type: 'FLEET_PERCENT', value: 101 } },
      }),
    ),
  ).rejects.toMatchObject({ name: 'InvalidZonalDeploymentConfigurationException' })
})

test('instances that are up to date can be left out; those that came meanwhile are brought up to date', async () => {
  it = await fleet()
  const [old = ''] = await it.launch()
  await it.group()
  await it.put('one.zip', {
    'appspec.yml': appspec({ BeforeInstall: 'wait.sh' }),
    'app/a': 'one',
    'wait.sh':
      '#!/bin/sh\ntouch "$ROOT/began"\necho x >>"$ROOT/runs"\nuntil [ -e "$ROOT/../go" ] || [ ! -e "$ROOT" ]; do sleep 0.05; done',
  })
  const first = await it.start('one.zip')
  await it.eventually('the hook', async () => (await it.read(old, 'began')) === '')
  const [late = ''] = await it.launch()
  await it.touch('go')
  expect(await it.ended(first)).toMatchObject({ status: 'Succeeded', deploymentOverview: { Succeeded: 1 } })
  const update = await it.eventually(
    'the update',
    async () => (await it.get(first)).relatedDeployments?.autoUpdateOutdatedInstancesDeploymentIds?.[0],
  )
  expect(await it.ended(update)).toMatchObject({
    status: 'Succeeded',
    creator: 'CodeDeployAutoUpdate',
    updateOutdatedInstancesOnly: true,
    relatedDeployments: { autoUpdateOutdatedInstancesRootDeploymentId: first },
  })
  expect(await it.targets(update)).toMatchObject([{ id: late, status: 'Succeeded' }])
  expect(await it.read(late, 'srv/app/a')).toBe('one')
  expect(await it.deploy('one.zip', { updateOutdatedInstancesOnly: true })).toMatchObject({
    status: 'Failed',
    errorInformation: { code: 'NO_INSTANCES' },
  })
  expect(await it.read(old, 'runs')).toBe('x\n')
})

test('a deployment that takes more than twelve hours fails', async () => {
  const { a, b, c } = await begin()
  await config({ firstZoneMonitorDurationInSeconds: 50_000 })
  await it.put('one.zip', { 'appspec.yml': appspec(), 'app/a': '' })
  const id = await it.start('one.zip')
  await it.eventually('the first zone', async () => (await statuses(id, a)).every((status) => status === 'Succeeded'))
  clock.advance(12 * 3_600_000)
  expect(await it.ended(id)).toMatchObject({ status: 'Failed', errorInformation: { code: 'TIMEOUT' } })
  expect(await statuses(id, [...b, ...c])).toEqual(['Skipped', 'Skipped'])
})

test('a deployment that is stopped is rolled back only where somebody asked for it', async () => {
  it = await fleet()
  const [id = ''] = await it.launch()
  await it.group({ autoRollbackConfiguration: { enabled: true, events: ['DEPLOYMENT_STOP_ON_REQUEST'] } })
  await it.put('good.zip', { 'appspec.yml': appspec(), 'app/a': 'good' })
  await it.deploy('good.zip')
  await it.put('bad.zip', {
    'appspec.yml': appspec({ BeforeInstall: 'slow.sh' }),
    'app/a': 'bad',
    'slow.sh': '#!/bin/sh\ntouch "$ROOT/began"\nsleep 0.5',
  })
  const stop = async (autoRollbackEnabled?: boolean) => {
    const deploymentId = await it.start('bad.zip')
    await it.eventually('the hook', async () => (await it.read(id, 'began')) === '')
    await it.codedeploy.send(
      new StopDeploymentCommand({
        deploymentId,
        ...(autoRollbackEnabled === undefined ? {} : { autoRollbackEnabled }),
      }),
    )
    return it.ended(deploymentId)
  }
  const kept = await stop(false)
  expect(kept).toMatchObject({ status: 'Stopped' })
  expect(kept.rollbackInfo).toBeUndefined()
  const rolled = await stop()
  expect(await it.ended(rolled.rollbackInfo?.rollbackDeploymentId ?? '')).toMatchObject({
    status: 'Succeeded',
    revision: { s3Location: { key: 'good.zip' } },
  })
})
