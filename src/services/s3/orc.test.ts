import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readOrc } from '../../../test/orc.ts'
import { type OrcCell, type OrcColumn, orcWriter } from './orc.ts'

// The same columns, some thousand rows in many stripes, have been read by pyarrow.orc with the same result.

const columns: readonly OrcColumn[] = [
  { name: 'key', type: 'STRING' },
  { name: 'size', type: 'INT64' },
  { name: 'is_latest', type: 'BOOLEAN' },
  { name: 'last_modified_date', type: 'TIMESTAMP' },
]
const fileOf = async (rows: readonly OrcCell[][], atOnce: number): Promise<Buffer> => {
  const writer = orcWriter(columns)
  const pieces: Buffer[] = [writer.start]
  for (let at = 0; at < rows.length; at += atOnce) pieces.push(await writer.stripe(rows.slice(at, at + atOnce)))
  return Buffer.concat([...pieces, await writer.end()])
}

test('a file of no rows', async () => {
  expect(readOrc(await fileOf([], 1))).toEqual({
    names: ['key', 'size', 'is_latest', 'last_modified_date'],
    rows: [],
    stripes: 0,
    counts: [0, 0, 0, 0, 0],
  })
})

test('rows of many stripes, with nulls, text beyond US-ASCII and times of milliseconds', async () => {
  const orNull = <T extends OrcCell>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined })
  const row = fc.tuple(
    orNull(fc.string({ unit: 'grapheme' })),
    orNull(fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n })),
    orNull(fc.boolean()),
    orNull(fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { minLength: 1, maxLength: 400 }),
      fc.integer({ min: 1, max: 200 }),
      async (rows, atOnce) => {
        const read = readOrc(await fileOf(rows, atOnce))
        expect(read.rows).toEqual(rows)
        expect(read.stripes).toBe(Math.ceil(rows.length / atOnce))
        expect(read.counts[1]).toBe(rows.filter(([key]) => key !== undefined).length)
      },
    ),
    { numRuns: 40 },
  )
})

test('what repeats is compressed, what does not is left as it is', async () => {
  const same = await fileOf(
    Array.from({ length: 5000 }, () => ['a/long/key/of/many/objects', 1n, true, undefined]),
    5000,
  )
  expect(same.length).toBeLessThan(2000)
  const [only] = readOrc(await fileOf([['é', 5n, false, new Date(0)]], 1)).rows
  expect(only).toEqual(['é', 5n, false, new Date(0)])
})
