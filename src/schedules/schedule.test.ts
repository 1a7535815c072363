import { describe, expect, test } from 'vitest'
import { parseSchedule } from './schedule.ts'

const monday = new Date('2026-11-23T05:00:30Z')

// prettier-ignore
const next: [string, string | undefined][] = [
  ['rate(1 minute)', '2026-11-23T05:01:30.000Z'],
  ['rate(5 minutes)', '2026-11-23T05:05:30.000Z'],
  ['rate(1 day)', '2026-11-24T05:00:30.000Z'],
  ['cron(15 10 ? * 6L *)', '2026-11-27T10:15:00.000Z'],
  ['cron(0 12 L * ? *)', '2026-11-30T12:00:00.000Z'],
  ['cron(0 12 15W * ? *)', '2026-12-15T12:00:00.000Z'],
  ['cron(0 12 ? * 2#1 *)', '2026-12-07T12:00:00.000Z'],
  ['cron(0 12 ? * L *)', '2026-11-28T12:00:00.000Z'],
  ['cron(0/5 8-17 ? * MON-FRI *)', '2026-11-23T08:00:00.000Z'],
  ['cron(0 9 ? * FRI-SUN *)', '2026-11-27T09:00:00.000Z'],
  ['cron(1/20 * * * ? *)', '2026-11-23T05:01:00.000Z'],
  ['cron(0 18 ? JAN,feb 2-6 *)', '2027-01-01T18:00:00.000Z'],
  ['cron(0 0 29 2 ? *)', '2028-02-29T00:00:00.000Z'],
  ['cron(0 0 31 2 ? *)', undefined],
  ['cron(0 0 1 1 ? 2020)', undefined],
  ['cron(0 0 1 1 ? 2030-2040)', '2030-01-01T00:00:00.000Z'],
]

describe('schedules fire when AWS fires them', () => {
  test.each(next)('%s', (expression, expected) => {
    const schedule = parseSchedule(expression)
    expect(schedule).toBeDefined()
    expect(schedule?.next(monday, monday)?.toISOString()).toBe(expected)
  })
  test('a rate keeps its beat however late it is looked at', () => {
    const late = new Date(monday.getTime() + 7 * 60_000 + 1)
    expect(parseSchedule('rate(5 minutes)')?.next(late, monday)?.toISOString()).toBe('2026-11-23T05:10:30.000Z')
  })
})

// prettier-ignore
test.each([
  'rate(1 minutes)',
  'rate(5 minute)',
  'rate(0 minutes)',
  'rate(-1 minutes)',
  'rate(1.5 hours)',
  'rate(5 seconds)',
  'rate(5)',
  'cron(0 12 * * * *)',
  'cron(0 12 ? * ? *)',
  'cron(0 12 * * ?)',
  'cron(60 12 * * ? *)',
  'cron(0 24 * * ? *)',
  'cron(0 0 ? * 8 *)',
  'cron(0 0 0 * ? *)',
  'cron(0 0 ? * MON#6 *)',
  'cron(0 0 ? FOO 1 *)',
  'cron(0 0 * * ? 1969)',
  'cron(* * * * ? * *)',
  'at(2026-01-01T00:00:00)',
  '',
])('%s is no schedule', (expression) => {
  expect(parseSchedule(expression)).toBeUndefined()
})
