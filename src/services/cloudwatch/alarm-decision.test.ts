import { describe, expect, test } from 'vitest'
import type { MetricAlarm, StateValue, Treatment } from './alarm.ts'
import { decide, javaDouble, rangeOf } from './alarm-decision.ts'

const start = Date.UTC(2019, 9, 2, 16, 55)
const alarm = (more: Partial<MetricAlarm> = {}): MetricAlarm => ({
  kind: 'metric',
  name: 'cpu',
  actionsEnabled: true,
  actions: { OK: [], ALARM: [], INSUFFICIENT_DATA: [] },
  tags: {},
  configured: 0,
  state: { value: 'OK', reason: '', updated: 0, transitioned: 0 },
  single: true,
  queries: [
    {
      id: 'm',
      returned: true,
      stat: { metric: { namespace: 'Shop', name: 'Cpu', dimensions: [] }, period: 60, statistic: 'Average' },
    },
  ],
  evaluationPeriods: 3,
  threshold: 50,
  operator: 'GreaterThanThreshold',
  ...more,
})

/** `0 X - -`: within the threshold, beyond it, missing; the newest last. */
const points = (row: string) =>
  row.split(' ').map((mark, nth) => ({
    time: start + nth * 60_000,
    ...(mark === '-' ? {} : { value: mark === 'X' ? 99.5 : 0, samples: 1 }),
  }))
const outcome = (row: string, datapointsToAlarm: number, treatMissing: Treatment, present: StateValue = 'OK') =>
  decide(alarm({ datapointsToAlarm, treatMissing }), points(row), present)?.value ?? 'kept'

// "Configuring how CloudWatch alarms treat missing data", CloudWatch user guide: both tables.
describe.each([
  [3, '0 - X - X', 'OK', 'OK', 'OK', 'OK'],
  [3, '0 - - - -', 'OK', 'OK', 'OK', 'OK'],
  [3, '- - - - -', 'INSUFFICIENT_DATA', 'kept', 'ALARM', 'OK'],
  [3, '0 X X - X', 'ALARM', 'ALARM', 'ALARM', 'ALARM'],
  [3, '- - X - -', 'ALARM', 'kept', 'ALARM', 'OK'],
  [2, '0 - X - X', 'ALARM', 'ALARM', 'ALARM', 'ALARM'],
  [2, '0 0 X 0 X', 'ALARM', 'ALARM', 'ALARM', 'ALARM'],
  [2, '0 - X - -', 'OK', 'OK', 'ALARM', 'OK'],
  [2, '- - - - 0', 'OK', 'OK', 'ALARM', 'OK'],
  [2, '- - - X -', 'ALARM', 'kept', 'ALARM', 'OK'],
] as const)('%d out of 3: %s', (toAlarm, row, missing, ignore, breaching, notBreaching) => {
  test.each([
    ['missing', missing],
    ['ignore', ignore],
    ['breaching', breaching],
    ['notBreaching', notBreaching],
  ] as const)('%s: %s', (treatment, expected) => {
    expect(outcome(row, toAlarm, treatment)).toBe(expected)
  })
})

test('a breach that is too young raises no alarm, and ends none', () => {
  for (const row of ['- - - - X', '- - - X -']) {
    expect(outcome(row, 3, 'missing', 'INSUFFICIENT_DATA')).toBe('OK')
    expect(outcome(row, 3, 'missing', 'ALARM')).toBe('kept')
    expect(outcome(row, 3, 'ignore', 'INSUFFICIENT_DATA')).toBe('kept')
  }
})

test('alarms on DynamoDB ignore missing data whatever they say', () => {
  const [query] = alarm().queries
  if (!query || !('stat' in query)) throw new Error('no query')
  const metric = { ...query.stat.metric, namespace: 'AWS/DynamoDB' }
  const queries = [{ ...query, stat: { ...query.stat, metric } }]
  expect(decide(alarm({ treatMissing: 'breaching', queries }), points('- - - - -'), 'OK')).toBeUndefined()
})

test.each([
  ['GreaterThanThreshold', false, true],
  ['GreaterThanOrEqualToThreshold', true, true],
  ['LessThanThreshold', false, false],
  ['LessThanOrEqualToThreshold', true, false],
] as const)('%s', (operator, equal, more) => {
  const at = (value: number) =>
    decide(alarm({ evaluationPeriods: 1, operator }), [{ time: start, value }], 'OK')?.value === 'ALARM'
  expect([at(50), at(51), at(49)]).toEqual([equal, more, operator.startsWith('Less')])
})

test('percentiles of too few samples change nothing when told so', () => {
  const percentile = (samples: number, lowSamples: 'ignore' | 'evaluate') => {
    const stat = { metric: { namespace: 'Shop', name: 'Cpu', dimensions: [] }, period: 60, statistic: 'p95' }
    const queries = [{ id: 'm', returned: true, stat }]
    return decide(alarm({ evaluationPeriods: 1, queries, lowSamples }), [{ time: start, value: 99, samples }], 'OK')
      ?.value
  }
  expect([percentile(199, 'ignore'), percentile(201, 'ignore'), percentile(1, 'evaluate')]).toEqual([
    undefined,
    'ALARM',
    'ALARM',
  ])
})

describe('reasons', () => {
  const reason = (more: Partial<MetricAlarm>, row: string, present: StateValue = 'OK') =>
    decide(alarm(more), points(row), present)?.reason
  test.each<[Partial<MetricAlarm>, string, string]>([
    [
      { evaluationPeriods: 1, datapointsToAlarm: 1 },
      '- - - - X',
      'Threshold Crossed: 1 out of the last 1 datapoints [99.5 (02/10/19 16:59:00)] was greater than the threshold (50.0) (minimum 1 datapoint for OK -> ALARM transition).',
    ],
    [
      { evaluationPeriods: 1, datapointsToAlarm: 1 },
      '- - - - 0',
      'Threshold Crossed: 1 out of the last 1 datapoints [0.0 (02/10/19 16:59:00)] was not greater than the threshold (50.0) (minimum 1 datapoint for ALARM -> OK transition).',
    ],
    [
      { evaluationPeriods: 2 },
      '0 0 0 X X',
      'Threshold Crossed: 2 datapoints [99.5 (02/10/19 16:59:00), 99.5 (02/10/19 16:58:00)] were greater than the threshold (50.0).',
    ],
    [
      { evaluationPeriods: 1, threshold: 5, operator: 'GreaterThanOrEqualToThreshold' },
      '0',
      'Threshold Crossed: 1 datapoint [0.0 (02/10/19 16:55:00)] was not greater than or equal to the threshold (5.0).',
    ],
    [
      { treatMissing: 'breaching' },
      '- - - - -',
      'Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as [Breaching].',
    ],
    [
      { treatMissing: 'breaching' },
      '- - - - X',
      'Threshold Crossed: 1 datapoint was received for 3 periods and 2 missing datapoints were treated as [Breaching].',
    ],
    [
      { evaluationPeriods: 1, treatMissing: 'notBreaching' },
      '- - -',
      'Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching].',
    ],
    [{ evaluationPeriods: 1 }, '- - -', 'Insufficient Data: 1 datapoint was unknown.'],
    [{ evaluationPeriods: 5 }, '- - - - - - -', 'Insufficient Data: 5 datapoints were unknown.'],
    [
      { datapointsToAlarm: 3 },
      '- - - - X',
      'Threshold Crossed: 1 out of the last 3 datapoints [99.5 (02/10/19 16:59:00)] was greater than the threshold (50.0) (minimum 3 datapoints for OK -> ALARM transition).',
    ],
  ])('%j %s', (more, row, sentence) => {
    expect(reason(more, row)).toBe(sentence)
  })
})

test('an alarm looks a little further back than its evaluation periods', () => {
  expect(rangeOf({ evaluationPeriods: 3 })).toBe(5)
})

test.each([
  [50, '50.0'],
  [0.02, '0.02'],
  [99.50160229693434, '99.50160229693434'],
  [10_000_000, '1.0E7'],
  [12_345_678, '1.2345678E7'],
  [0.0001, '1.0E-4'],
  [0, '0.0'],
  [-3, '-3.0'],
])('%d is written %s', (value, text) => {
  expect(javaDouble(value)).toBe(text)
})
