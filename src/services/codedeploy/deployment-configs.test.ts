import { expect, test } from 'vitest'
import { healthyMinimum } from './deployment-configs.ts'

// "CodeDeploy instance health" and "Predefined deployment configurations", user guide.

test.each([
  ['one at a time', 'MOST_CONCURRENCY', 1, [0, 1, 2, 8]],
  ['half at a time', 'FLEET_PERCENT', 50, [1, 1, 2, 5]],
  ['all at once', 'FLEET_PERCENT', 0, [0, 0, 0, 0]],
  ['six hosts', 'HOST_COUNT', 6, [6, 6, 6, 6]],
  ['40 percent', 'FLEET_PERCENT', 40, [1, 1, 2, 4]],
  ['all', 'FLEET_PERCENT', 100, [1, 2, 3, 9]],
] as const)('%s: of 1, 2, 3 and 9 instances so many stay healthy', (_what, type, value, minimums) => {
  expect([1, 2, 3, 9].map((total) => healthyMinimum({ type, value }, total))).toEqual([...minimums])
})
