import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { filesToMerge } from './managed-merging.ts'

const DAY = 86_400_000
const many = (count: number, newest: number, records = 1) => Array.from({ length: count }, () => ({ newest, records }))

test.each([
  ['nothing', [], 0],
  ['one file of yesterday', many(1, 0), 0],
  ['two files of yesterday', many(2, 0), 2],
  ['few files of today', many(31, DAY), 0],
  ['many files of today', many(32, DAY), 32],
  ['files of different days', [...many(1, 0), ...many(31, DAY)], 0],
  ['files that are full', many(40, 0, 5000), 0],
  ['files that together are full', many(3, 0, 2500), 2],
  ['a full file between', [...many(1, 0), ...many(1, 0, 5000), ...many(2, 0)], 2],
])('%s', (_, files, expected) => {
  expect(filesToMerge(files, DAY + 1).length).toBe(expected)
})

test('merging ends, and leaves few files of a day that is over', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 200 }), (sizes) => {
      let files = sizes.map((records) => ({ newest: 0, records }))
      for (let run = filesToMerge(files, DAY); run.length > 0; run = filesToMerge(files, DAY)) {
        const merged = { newest: 0, records: run.reduce((sum, { records }) => sum + records, 0) }
        const at = files.indexOf(run[0] ?? merged)
        files = [...files.slice(0, at), merged, ...files.slice(at + run.length)]
      }
      const total = sizes.reduce((sum, records) => sum + records, 0)
      expect(files.reduce((sum, { records }) => sum + records, 0)).toBe(total)
      expect(files.length).toBeLessThanOrEqual(2 * Math.ceil(total / 5000) + 1)
    }),
  )
})
