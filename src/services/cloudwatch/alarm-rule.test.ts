import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StateValue } from './alarm.ts'
import { alarmsOf, holds, parseRule } from './alarm-rule.ts'

const states: Readonly<Record<string, StateValue>> = { a: 'ALARM', b: 'OK', c: 'INSUFFICIENT_DATA', 'x (y)': 'ALARM' }

test.each([
  ['ALARM(a)', true],
  ['ALARM("a")', true],
  ['ALARM( "x (y)" )', true],
  ['OK(b)', true],
  ['OK(a)', false],
  ['INSUFFICIENT_DATA(c)', true],
  ['TRUE', true],
  ['false', false],
  ['NOT ALARM(b)', true],
  ['NOT NOT ALARM(a)', true],
  ['ALARM(b) OR ALARM(a) AND OK(b)', true],
  ['(ALARM(b) OR ALARM(a)) AND OK(a)', false],
  ['ALARM(a) AND NOT (OK(a) OR OK(c))', true],
  ['ALARM(arn:aws:cloudwatch:us-east-1:1:alarm:a) OR\n\tALARM(a)', true],
  ['ALARM(gone)', false],
] as const)('%s: %s', (text, expected) => {
  expect(holds(parseRule(text), (name) => states[name])).toBe(expected)
})

test.each([
  '',
  'ALARM',
  'ALARM()',
  'ALARM(a',
  'ALARM("a)',
  'ALARM(a) ALARM(b)',
  'ALARM(a) AND',
  'AND ALARM(a)',
  '(ALARM(a)',
  'ALARM(a))',
  'FIRE(a)',
  'ALARM(a) && OK(b)',
  `${'NOT '.repeat(200)}TRUE`,
  `${'('.repeat(200)}TRUE${')'.repeat(200)}`,
  Array.from({ length: 101 }, (_, nth) => `ALARM(a${nth})`).join(' OR '),
  Array.from({ length: 501 }, () => 'TRUE').join(' OR '),
])('%s is no rule', (text) => {
  expect(() => parseRule(text)).toThrow(/AlarmRule/)
})

test('names are told once each', () => {
  expect(alarmsOf(parseRule('ALARM(a) OR NOT (OK("a") AND OK(b))'))).toEqual(['a', 'b'])
})

describe('any text', () => {
  test('is read or refused, never worse', () => {
    const words = fc.constantFrom('ALARM(a)', 'OK("b")', 'AND', 'OR', 'NOT', '(', ')', 'TRUE', '"', ' ', 'ALARM', '\\')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words).map((some) => some.join(' ')),
        ),
        (text) => {
          try {
            holds(parseRule(text), (name) => states[name])
          } catch (error) {
            expect(error).toMatchObject({ code: 'ValidationError' })
          }
        },
      ),
    )
  })
})
