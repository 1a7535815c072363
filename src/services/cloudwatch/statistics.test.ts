import { describe, expect, test } from 'vitest'
import { parseStatistic, type Samples, type StatisticSet } from './statistics.ts'

const samples = (values: Record<number, number>, sets: StatisticSet[] = []): Samples => ({
  values: new Map(Object.entries(values).map(([value, count]) => [Number(value), count])),
  sets,
})
const oneToHundred = samples(Object.fromEntries(Array.from({ length: 100 }, (_, at) => [at + 1, 1])))
const mixed = samples({ 1: 2, 4: 1 }, [{ count: 4, sum: 40, min: 5, max: 20 }])

// prettier-ignore
const table: [string, Samples, number | undefined][] = [
  ['SampleCount', mixed, 7],
  ['Sum', mixed, 46],
  ['Average', mixed, 46 / 7],
  ['Minimum', mixed, 1],
  ['Maximum', mixed, 20],
  ['p50', oneToHundred, 50],
  ['p99', oneToHundred, 99],
  ['p99.5', oneToHundred, 100],
  ['p0', oneToHundred, 1],
  ['p100', oneToHundred, 100],
  ['p50', samples({ 1: 9, 100: 1 }), 1],
  ['p95', samples({ 1: 9, 100: 1 }), 100],
  ['p90', mixed, undefined],
  ['p90', samples({ 1: 1 }, [{ count: 3, sum: 6, min: 2, max: 2 }]), 2],
  ['tm90', oneToHundred, 45.5],
  ['TM(10%:90%)', oneToHundred, 50.5],
  ['TM(90:)', oneToHundred, 95.5],
  ['TC(10%:90%)', oneToHundred, 80],
  ['TC(80:90)', oneToHundred, 10],
  ['ts50', oneToHundred, 1275],
  ['WM(10%:90%)', oneToHundred, 50.4],
  ['PR(:30)', oneToHundred, 30],
  ['PR(50:75)', oneToHundred, 25],
  ['IQM', oneToHundred, 50.5],
]

describe('statistics', () => {
  test.each(table)('%s', (name, of, expected) => {
    const value = parseStatistic(name)?.(of)
    if (expected === undefined) expect(value).toBeUndefined()
    else expect(value).toBeCloseTo(expected, 9)
  })
})

test.each([
  'average',
  'p',
  'p101',
  'p-1',
  'px',
  'TM',
  'TM()',
  'TM(:)',
  'TM(90%:10%)',
  'TM(10%:90)',
  'PR(10%:20%)',
  'toString',
  '',
])('%s is no statistic', (name) => {
  expect(parseStatistic(name)).toBeUndefined()
})
