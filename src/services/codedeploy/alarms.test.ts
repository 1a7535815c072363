import { expect, test } from 'vitest'
import type { Caller } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { readAlarms, toAlarms, whyStop } from './alarms.ts'

// What alarms say of a deployment; CloudWatch is played here.

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
})
