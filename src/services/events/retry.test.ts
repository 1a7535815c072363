import { expect, test } from 'vitest'
import { AwsError } from '../../kernel/errors.ts'
import { pauseAfter, type RetryPolicy } from './retry.ts'

const busy = new AwsError('ThrottlingException', 'Rate exceeded')
const HOUR = 3_600_000

// prettier-ignore
test.each<[string, unknown, number, number, RetryPolicy, number | undefined]>([
  ['first failure', busy, 1, 0, {}, 1000],
  ['ever more slowly', busy, 5, 0, {}, 16_000],
  ['never more than five minutes', busy, 100, HOUR, {}, 300_000],
  ['the last retry', busy, 185, HOUR, {}, 300_000],
  ['retries are over', busy, 186, HOUR, {}, undefined],
  ['age is over', busy, 2, 24 * HOUR, {}, undefined],
  ['policy: no retries', busy, 1, 0, { attempts: 0 }, undefined],
  ['policy: one retry', busy, 1, 0, { attempts: 1 }, 1000],
  ['policy: age', busy, 7, 59_000, { ageSeconds: 60 }, undefined],
  ['our own fault is tried again', new TypeError('oops'), 1, 0, {}, 1000],
  ['denied', new AwsError('AccessDeniedException', ''), 1, 0, {}, undefined],
  ['gone', new AwsError('PipelineNotFoundException', ''), 1, 0, {}, undefined],
  ['not what it takes', new AwsError('InvalidInputException', ''), 1, 0, {}, undefined],
])('%s', (_, error, failed, age, policy, expected) => {
  expect(pauseAfter(error, failed, age, policy)).toBe(expected)
})
