import { CloudWatchClient, PutCompositeAlarmCommand, SetAlarmStateCommand } from '@aws-sdk/client-cloudwatch'
import { expect, test, vi } from 'vitest'
import { allow } from '../../../test/story.ts'
import type { Caller } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { readAlarms, toAlarms, whyStop } from './alarms.ts'
import { appspec, fleet } from './fleet-bench.ts'

// Every step starts processes: a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000 })

// What alarms say of a deployment: first with CloudWatch played, then with the real one.

const alarms = { enabled: true, names: ['errors', 'slow'], ignorePollFailure: false }
const cloudwatch = (describeAlarms: () => Promise<object>) => ({ cloudwatch: { describeAlarms } }) as unknown as Caller

test.each([
  ['all is well', { MetricAlarms: [{ AlarmName: 'errors', StateValue: 'OK' }] }, undefined],
  ['nobody knows yet', { MetricAlarms: [{ AlarmName: 'errors', StateValue: 'INSUFFICIENT_DATA' }] }, undefined],
  ['one is active', { MetricAlarms: [{ AlarmName: 'slow', StateValue: 'ALARM' }] }, 'Activated alarms: <slow>'],
  [
    'a composite one is',
    { CompositeAlarms: [{ AlarmName: 'errors', StateValue: 'ALARM' }] },
    'Activated alarms: <errors>',
  ],
])('%s', async (_what, answer, why) => {
  const found = await whyStop(
    cloudwatch(async () => answer),
    alarms,
  )
  if (why === undefined) expect(found).toBeUndefined()
  else expect(found).toContain(why)
})

test('an answer that does not come stops the deployment, unless it is to be ignored', async () => {
  const denied = cloudwatch(async () => {
    throw new AwsError('AccessDenied', 'No.', { status: 403 })
  })
  expect(await whyStop(denied, alarms)).toContain('could not be read from Amazon CloudWatch. No.')
  expect(await whyStop(denied, { ...alarms, ignorePollFailure: true })).toBeUndefined()
})

test('a configuration is read and shown again', () => {
  const wire = { enabled: true, ignorePollAlarmFailure: true, alarms: [{ name: 'errors' }] }
  const read = readAlarms(wire)
  expect(read && toAlarms(read)).toEqual(wire)
  const many = Array.from({ length: 51 }, (_one, index) => ({ name: `a${index}` }))
  expect(() => readAlarms({ enabled: true, alarms: many })).toThrow('The maximum number of alarms')
  const [one] = many
  expect(() => readAlarms({ alarms: [{ name: 'x' }, { name: 'x' }] })).toThrow('Two alarms with the same name')
  expect(() => readAlarms({ enabled: true, alarms: [] })).toThrow('the alarm list is empty')
  expect(() => readAlarms({ alarms: [{ name: 'x'.repeat(256) }, { name: one?.name }] })).toThrow('1 to 255 characters')
})

test('an alarm stops a deployment that is under way, and the last good revision comes back', async () => {
  const it = await fleet()
  try {
    const ids = await it.launch(2)
    const cloudwatch = it.story.client(CloudWatchClient)
    await cloudwatch.send(new PutCompositeAlarmCommand({ AlarmName: 'errors', AlarmRule: 'FALSE' }))
    const set = (StateValue: 'OK' | 'ALARM') =>
      cloudwatch.send(new SetAlarmStateCommand({ AlarmName: 'errors', StateValue, StateReason: 'a test' }))
    const alarmConfiguration = { enabled: true, alarms: [{ name: 'errors' }] }
    const serviceRoleArn = await it.story.role('watcher', 'codedeploy.amazonaws.com', [
      allow(['ec2:DescribeInstances', 'cloudwatch:DescribeAlarms']),
    ])
    await it.group({
      serviceRoleArn,
      deploymentConfigName: 'CodeDeployDefault.OneAtATime',
      autoRollbackConfiguration: { enabled: true, events: ['DEPLOYMENT_STOP_ON_ALARM'] },
      alarmConfiguration,
    })
    await it.put('good.zip', { 'appspec.yml': appspec(), 'app/version': 'good' })
    await it.put('bad.zip', {
      'appspec.yml': appspec({ ApplicationStart: 'start.sh' }),
      'app/version': 'bad',
      'start.sh': '#!/bin/sh\ntouch "$ROOT/started"\nwhile [ ! -e "$ROOT/../go" ]; do sleep 0.05; done',
    })
    const good = await it.deploy('good.zip')
    expect(good.status).toBe('Succeeded')
    const bad = await it.start('bad.zip')
    const first = await it.eventually('the first script', async () => {
      for (const id of ids)
        if (
          await it.read(id, 'started').then(
            () => true,
            () => false,
          )
        )
          return id
      return undefined
    })
    await set('ALARM')
    await it.touch('go')
    const ended = await it.ended(bad)
    expect(ended).toMatchObject({ status: 'Stopped', errorInformation: { code: 'ALARM_ACTIVE' } })
    expect(ended.errorInformation?.message).toContain('Activated alarms: <errors>')
    const untouched = (await it.targets(bad)).find(({ id }) => id !== first)
    expect(untouched?.status).toBe('Skipped')
    // The alarm is active still: it does not stop the rollback.
    const rollback = await it.ended(ended.rollbackInfo?.rollbackDeploymentId ?? '')
    expect(rollback).toMatchObject({ status: 'Succeeded', creator: 'codeDeployRollback', revision: good.revision })
    for (const id of ids) expect(await it.read(id, 'srv/app/version')).toBe('good')

    // A role that may not look stops what it cannot watch, unless that is to be ignored.
    await it.group({ deploymentGroupName: 'blind', alarmConfiguration })
    const blind = await it.deploy('good.zip', { deploymentGroupName: 'blind' })
    expect(blind).toMatchObject({ status: 'Stopped', errorInformation: { code: 'ALARM_ACTIVE' } })
    expect(blind.errorInformation?.message).toContain('not authorized to perform: cloudwatch:DescribeAlarms')
    const careless = { ...alarmConfiguration, ignorePollAlarmFailure: true }
    const goes = await it.deploy('good.zip', {
      deploymentGroupName: 'blind',
      overrideAlarmConfiguration: careless,
      fileExistsBehavior: 'OVERWRITE',
    })
    expect(goes).toMatchObject({ status: 'Succeeded', overrideAlarmConfiguration: careless })
    await set('OK')
  } finally {
    await it.close()
  }
})
