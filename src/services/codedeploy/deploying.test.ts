import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { appspec, type Fleet, fleet } from './fleet-bench.ts'

// Every step starts processes: a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000 })

// Deployments as they go, carried out by the real agent on machines that are folders of this host.

let it: Fleet
beforeEach(async () => {
  it = await fleet()
})
afterEach(() => it.close())

const all = (status: string) =>
  [
    'ApplicationStop',
    'DownloadBundle',
    'BeforeInstall',
    'Install',
    'AfterInstall',
    'ApplicationStart',
    'ValidateService',
  ].map((event) => `${event} ${status}`)

test('a deployment copies files and runs every hook in order with its environment', async () => {
  const [id = ''] = await it.launch()
  await it.group()
  const events = ['ApplicationStop', 'BeforeInstall', 'AfterInstall', 'ApplicationStart', 'ValidateService']
  await it.put('one.zip', {
    'appspec.yml': appspec(Object.fromEntries(events.map((event) => [event, 'scripts/note.sh']))),
    'app/index.html': 'one',
    'app/bin/run.sh': '#!/bin/sh\n',
    'scripts/note.sh': `#!/bin/sh
echo "$LIFECYCLE_EVENT $APPLICATION_NAME $DEPLOYMENT_GROUP_NAME $DEPLOYMENT_ID $BUNDLE_KEY" >>"$ROOT/notes"
echo "said by $LIFECYCLE_EVENT"`,
  })
  const { deploymentId = '', ...info } = await it.deploy('one.zip')
  expect(await it.targets(deploymentId)).toMatchObject([{ id, status: 'Succeeded', events: all('Succeeded') }])
  expect(info).toMatchObject({
    status: 'Succeeded',
    creator: 'user',
    deploymentOverview: { Pending: 0, InProgress: 0, Succeeded: 1, Failed: 0, Skipped: 0, Ready: 0 },
  })
  expect(await it.read(id, 'srv/app/index.html')).toBe('one')
  // ApplicationStop is the previous revision's, and there is none.
  expect((await it.read(id, 'notes')).trim().split('\n')).toEqual(
    events.slice(1).map((event) => `${event} app group ${deploymentId} one.zip`),
  )
  const groups = (await readdir(join(it.rootOf(id), 'opt/codedeploy-agent/deployment-root'))).filter((name) =>
    /^[0-9a-f-]{36}$/.test(name),
  )
  const log = await it.read(id, `opt/codedeploy-agent/deployment-root/${groups[0]}/${deploymentId}/logs/scripts.log`)
  expect(log.split('\n')[0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d LifecycleEvent - BeforeInstall$/)
  expect(log).toContain(' [stdout]said by ValidateService\n')

  await it.story.settled()
  const details = it.story.events.filter(({ source }) => source === 'aws.codedeploy')
  expect(details.map(({ detail }) => `${detail.instanceId ?? 'deployment'} ${detail.state}`)).toEqual([
    'deployment CREATED',
    'deployment START',
    `${id} START`,
    `${id} SUCCESS`,
    'deployment SUCCESS',
  ])
  const [application, group] = ['application:app', 'deploymentgroup:app/group'].map(
    (resource) => `arn:aws:codedeploy:us-east-1:${it.story.account}:${resource}`,
  )
  const detail = {
    instanceGroupId: groups[0],
    region: 'us-east-1',
    application: 'app',
    deploymentId,
    deploymentGroup: 'group',
    state: 'SUCCESS',
  }
  expect(details.at(-1)).toMatchObject({
    'detail-type': 'CodeDeploy Deployment State-change Notification',
    resources: [application, group],
    detail,
  })
  expect(details.at(-2)).toMatchObject({
    'detail-type': 'CodeDeploy Instance State-change Notification',
    resources: [`arn:aws:ec2:us-east-1:${it.story.account}:instance/${id}`, group, application],
    detail: { ...detail, instanceId: id },
  })
})

test('the next revision stops the last one by its own script, and replaces its files', async () => {
  const [id = ''] = await it.launch()
  await it.group()
  const revision = (name: string, file: string) => ({
    'appspec.yml': appspec({ ApplicationStop: 'stop.sh' }),
    'stop.sh': `#!/bin/sh\necho "${name} stops" >>"$ROOT/notes"`,
    [`app/${file}`]: name,
  })
  await it.put('one.zip', revision('one', 'one.txt'))
  await it.put('two.zip', revision('two', 'two.txt'))
  expect(await it.deploy('one.zip')).toMatchObject({ status: 'Succeeded' })
  expect(await it.deploy('two.zip')).toMatchObject({
    status: 'Succeeded',
    previousRevision: { s3Location: { key: 'one.zip' } },
  })
  expect(await it.read(id, 'notes')).toBe('one stops\n')
  expect(await readdir(join(it.rootOf(id), 'srv/app'))).toEqual(['two.txt'])
  // Its own files never are in its way; without a revision the last good one is deployed again.
  expect(await it.deploy('', { revision: undefined })).toMatchObject({
    status: 'Succeeded',
    revision: { s3Location: { key: 'two.zip' } },
  })
})

test('a failing hook fails the deployment with its log, and the last good revision comes back', async () => {
  const [id = ''] = await it.launch()
  await it.group({ autoRollbackConfiguration: { enabled: true, events: ['DEPLOYMENT_FAILURE'] } })
  await it.put('good.zip', { 'appspec.yml': appspec(), 'app/version': 'good' })
  await it.put('bad.zip', {
    'appspec.yml': appspec({ ValidateService: 'check.sh' }),
    'app/version': 'bad',
    'check.sh': '#!/bin/sh\necho looking\necho "it is bad" >&2\nexit 7',
  })
  const good = await it.deploy('good.zip', { fileExistsBehavior: 'OVERWRITE' })
  const bad = await it.deploy('bad.zip', { fileExistsBehavior: 'RETAIN' })
  expect(bad).toMatchObject({ status: 'Failed', errorInformation: { code: 'HEALTH_CONSTRAINTS' } })
  const [target] = await it.targets(bad.deploymentId ?? '')
  expect(target).toMatchObject({
    status: 'Failed',
    diagnostics: {
      errorCode: 'ScriptFailed',
      scriptName: 'check.sh',
      message: 'Script at specified location: check.sh failed with exit code 7',
    },
  })
  expect(target?.diagnostics?.logTail?.split('\n').toSorted()).toEqual(
    ['LifecycleEvent - ValidateService', 'Script - check.sh', '[stderr]it is bad', '[stdout]looking', ''].toSorted(),
  )
  const rollback = await it.ended(bad.rollbackInfo?.rollbackDeploymentId ?? '')
  expect(rollback).toMatchObject({
    status: 'Succeeded',
    creator: 'codeDeployRollback',
    revision: good.revision,
    fileExistsBehavior: 'OVERWRITE',
    rollbackInfo: { rollbackTriggeringDeploymentId: bad.deploymentId },
  })
  expect(await it.read(id, 'srv/app/version')).toBe('good')
})

test.each([
  [
    'a script that takes too long',
    { 'slow.sh': '#!/bin/sh\necho started\nsleep 60' },
    'ScriptTimedOut',
    'Script at specified location: slow.sh failed to complete in 1 seconds',
  ],
  [
    'a service that keeps the output of its script',
    { 'slow.sh': '#!/bin/sh\nsleep 8 &\necho started' },
    'ScriptTimedOut',
    'Script at specified location: slow.sh failed to close STDOUT',
  ],
  [
    'a script that is not there',
    {},
    'ScriptMissing',
    /^Script does not exist at specified location: .*\/deployment-archive\/slow\.sh$/,
  ],
  [
    'an interpreter that is not there',
    { 'slow.sh': '#!/no/such/shell\n' },
    'UnknownError',
    /^No such file or directory - .*slow\.sh$/,
  ],
])('%s', async (_what, files, errorCode, message) => {
  await it.launch()
  await it.group()
  await it.put('one.zip', {
    'appspec.yml': 'version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: slow.sh\n      timeout: 1\n',
    ...files,
  })
  const { deploymentId = '', status } = await it.deploy('one.zip')
  expect(status).toBe('Failed')
  const [target] = await it.targets(deploymentId)
  expect(target?.events).toEqual([
    'ApplicationStop Succeeded',
    'DownloadBundle Succeeded',
    'BeforeInstall Succeeded',
    'Install Succeeded',
    'AfterInstall Failed',
    'ApplicationStart Skipped',
    'ValidateService Skipped',
  ])
  expect(target?.diagnostics).toMatchObject({ errorCode, scriptName: 'slow.sh' })
  expect(target?.diagnostics?.message).toMatch(message)
})

test('scripts without an interpreter line or an executable bit run; a daemon that lets go of its output survives', async () => {
  const [id = ''] = await it.launch()
  await it.group()
  await it.put('one.zip', {
    'appspec.yml': appspec({ BeforeInstall: 'plain', ApplicationStart: 'start.sh' }),
    'app/x': '',
    plain: 'echo plain >"$ROOT/plain"',
    'start.sh': '#!/bin/sh\nsleep 30 >/dev/null 2>&1 </dev/null &\necho $! >"$ROOT/pid"',
  })
  expect(await it.deploy('one.zip')).toMatchObject({ status: 'Succeeded' })
  expect(await it.read(id, 'plain')).toBe('plain\n')
  const pid = Number(await it.read(id, 'pid'))
  expect(() => process.kill(pid, 0)).not.toThrow()
  process.kill(pid)
})

test('a user who does not exist cannot run a script', async () => {
  await it.launch()
  await it.group()
  await it.put('one.zip', {
    'appspec.yml': 'version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: a.sh\n      runas: nobody-here\n',
    'a.sh': '#!/bin/sh\n',
  })
  const { deploymentId = '' } = await it.deploy('one.zip')
  expect((await it.targets(deploymentId))[0]?.diagnostics).toMatchObject({
    errorCode: 'ScriptFailed',
    message: 'Script at specified location: a.sh run as user nobody-here failed with exit code 1',
  })
})
