import { describe, expect, it } from 'vitest'
import type { Job } from '../actions/action.ts'
import { cloudwatchAlarm } from './cloudwatch-alarm.ts'

// What an alarm's state means to a rule, minutes after its start; CloudWatch is played here.

type Case = [
  condition: NonNullable<Job['condition']>,
  configuration: Record<string, string>,
  state: string,
  after: number,
  outcome: 'failed' | 'running' | 'succeeded',
]

const outcomeOf = async (condition: Case[0], configuration: Case[1], state: string, after: number) => {
  const described = { MetricAlarms: state === '' ? [] : [{ AlarmName: 'a', AlarmArn: 'arn:a', StateValue: state }] }
  const job = {
    ctx: { now: () => new Date(after * 60_000) },
    started: 0,
    condition,
    configuration: { AlarmName: 'a', ...configuration },
    role: async () => ({ cloudwatch: { describeAlarms: async () => described } }),
  } as unknown as Job
  return (await cloudwatchAlarm.poll?.(job))?.state
}

describe('the rule CloudWatchAlarm', () => {
  it.each<Case>([
    ['beforeEntry', {}, 'OK', 0, 'succeeded'],
    ['beforeEntry', {}, 'INSUFFICIENT_DATA', 0, 'succeeded'],
    ['beforeEntry', {}, 'ALARM', 0, 'failed'],
    ['beforeEntry', { WaitTime: '20' }, 'ALARM', 19, 'running'],
    ['beforeEntry', { WaitTime: '20' }, 'ALARM', 20, 'failed'],
    ['beforeEntry', { WaitTime: '20' }, 'OK', 0, 'succeeded'],
    ['beforeEntry', { AlarmStates: 'ALARM, INSUFFICIENT_DATA' }, 'INSUFFICIENT_DATA', 0, 'failed'],
    ['onSuccess', {}, 'OK', 0, 'succeeded'],
    ['onSuccess', { WaitTime: '60' }, 'OK', 59, 'running'],
    ['onSuccess', { WaitTime: '60' }, 'OK', 60, 'succeeded'],
    ['onSuccess', { WaitTime: '60' }, 'ALARM', 1, 'failed'],
    ['onFailure', { AlarmStates: 'OK' }, 'ALARM', 0, 'succeeded'],
    ['onFailure', { AlarmStates: 'OK' }, 'OK', 0, 'failed'],
  ])('%s %j: %s after %i minutes is %s', async (condition, configuration, state, after, outcome) => {
    expect(await outcomeOf(condition, configuration, state, after)).toBe(outcome)
  })

  it('fails where there is no such alarm', async () => {
    await expect(outcomeOf('beforeEntry', {}, '', 0)).rejects.toThrow('The alarm a does not exist.')
  })

  it.each([
    [{ AlarmStates: 'ALARM,BAD' }, /AlarmStates BAD/],
    [{ WaitTime: 'soon' }, /WaitTime soon/],
  ])('refuses %j', (configuration, message) => {
    expect(
      cloudwatchAlarm.check?.({ name: 'r', configuration: { AlarmName: 'a', ...configuration } as never }),
    ).toMatch(message)
  })
})
