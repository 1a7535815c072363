import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluate, plan, type Scope, type Series } from './metric-math.ts'

const start = Date.UTC(2026, 10, 23, 9, 0)
const series = (label: string, ...values: (number | undefined)[]): Series => ({
  label,
  points: new Map(
    values.flatMap((value, nth) => (value === undefined ? [] : [[start + nth * 60_000, value] as const])),
  ),
})
const scope: Scope = {
  grid: { start, end: start + 4 * 60_000, period: 60_000 },
  values: new Map<string, Series | readonly Series[]>([
    ['m1', series('m1', 1, 2, 4, 8)],
    ['m2', series('m2', 10, undefined, 30, 40)],
    ['errors', series('errors', 0, 1, 0, 2)],
    ['empty', series('empty')],
    ['both', [series('m1', 1, 2, 4, 8), series('m2', 10, undefined, 30, 40)]],
  ]),
  metrics: ['m1', 'm2', 'errors', 'empty'],
}
const valuesOf = ({ points }: Series) => [0, 1, 2, 3].map((nth) => points.get(start + nth * 60_000))
const _ = undefined

describe('an expression', () => {
  test.each<[string, (number | undefined)[]]>([
    ['m1 + m2', [11, _, 34, 48]],
    ['m1 * 100 / 4', [25, 50, 100, 200]],
    ['-m1 ^ 2', [-1, -4, -16, -64]],
    ['2 ^ 3 ^ 2 + m1 * 0', [512, 512, 512, 512]],
    ['10 - m1 - 1', [8, 7, 5, 1]],
    ['m1 / errors', [_, 2, _, 4]],
    ['m1 >= 2 && errors == 0', [0, 0, 1, 0]],
    ['m1 < 2 OR m1 > 4', [1, 0, 0, 1]],
    ['ABS(0 - m1)', [1, 2, 4, 8]],
    ['CEIL(m1 / 3)', [1, 1, 2, 3]],
    ['FLOOR(m1 / 3)', [0, 0, 1, 2]],
    ['LOG10(m1 * 0 + 1000)', [3, 3, 3, 3]],
    ['DIFF(m1)', [_, 1, 2, 4]],
    ['RATE(m1)', [_, 1 / 60, 2 / 60, 4 / 60]],
    ['DIFF_TIME(m2)', [_, _, 120, 60]],
    ['RUNNING_SUM(m1)', [1, 3, 7, 15]],
    ['FILL(m2, 0)', [10, 0, 30, 40]],
    ['FILL(m2, REPEAT)', [10, 10, 30, 40]],
    ['FILL(m2, LINEAR)', [10, 20, 30, 40]],
    ['FILL(m2, m1)', [10, 2, 30, 40]],
    ['FILL(empty, 7)', [7, 7, 7, 7]],
    ['FILL(empty, REPEAT)', [_, _, _, _]],
    ['IF(errors, m1, 0)', [0, 2, 0, 8]],
    ['IF(1, m1, m2)', [1, 2, 4, 8]],
    ['AVG([m1, m2])', [5.5, 2, 17, 24]],
    ['SUM(both)', [11, 2, 34, 48]],
    ['MAX(METRICS("m"))', [10, 2, 30, 40]],
    ['MIN(METRICS())', [0, 1, 0, 2]],
    ['DATAPOINT_COUNT(both)', [2, 1, 2, 2]],
    ['STDDEV(both)', [4.5, 0, 13, 16]],
    ['m1 / SUM(m1) * 15', [1, 2, 4, 8]],
    ['m1 - AVG(m1)', [-2.75, -1.75, 0.25, 4.25]],
    ['FIRST(SORT(both, MAX, DESC))', [10, _, 30, 40]],
    ['LAST(both)', [10, _, 30, 40]],
    ['SUM(SLICE(both, 0, 1))', [1, 2, 4, 8]],
    ['TIME_SERIES(METRIC_COUNT(METRICS()))', [4, 4, 4, 4]],
    ['MINUTE(m2)', [0, 1, 2, 3]],
    ['HOUR(m1)', [9, 9, 9, 9]],
    ['DAY(m1) * 10000 + DATE(m1) * 100 + MONTH(m1)', [12_311, 12_311, 12_311, 12_311]],
    ['m1 * PERIOD(m1)', [60, 120, 240, 480]],
    ['SUM(REMOVE_EMPTY(METRICS()))', [11, 3, 34, 50]],
  ])('%s', (text, expected) => {
    const result = evaluate('e', text, scope)
    expect('points' in result ? valuesOf(result) : result).toEqual(expected)
  })

  test('of an array is an array, each with its name', () => {
    const result = evaluate('e', 'both * 2', scope) as readonly Series[]
    expect(result.map((one) => [one.label, valuesOf(one)])).toEqual([
      ['m1', [2, 4, 8, 16]],
      ['m2', [20, _, 60, 80]],
    ])
  })

  test.each([
    ['', /ends too early/],
    ['1 + 1', /no time series/],
    ['AVG(m1)', /no time series/],
    ['m1 +', /ends too early/],
    ['(m1', /'\)' was expected/],
    ['m1 m2', /'m2' was not expected/],
    ['m3', /m3 is the id of no query/],
    ['BEST(m1)', /no function BEST/],
    ['both + both', /two arrays/],
    ['IF(m1 > 2, m2)', /argument is missing/],
    ['m1 ; m2', /was not expected/],
    ['SORT(both, BEST, ASC)', /AVG or MIN/],
    ['"text" + m1', /not for text/],
    ['toString(m1)', /no function toString/],
    [`${'('.repeat(300)}m1${')'.repeat(300)}`, /nested too deeply/],
    [`${'-'.repeat(300)}m1`, /nested too deeply/],
    ['SEARCH("{AWS/EC2}", "Sum", 300)', /does not implement/],
    ['ANOMALY_DETECTION_BAND(m1, 2)', /does not implement/],
  ])('%s is refused', (text, sentence) => {
    expect(() => evaluate('e', text, scope)).toThrow(sentence)
  })

  test('of any text is computed or refused, never worse', () => {
    const words = [
      'm1',
      'both',
      '(',
      ')',
      '+',
      '-',
      '^',
      ',',
      'FILL',
      'REPEAT',
      'SUM',
      'SORT',
      '[',
      ']',
      '1',
      '"',
      '&&',
    ]
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(...words)).map((some) => some.join(' ')),
    )
    fc.assert(
      fc.property(text, (given) => {
        try {
          evaluate('e', given, scope)
        } catch (error) {
          expect(['ValidationError', 'NotImplemented']).toContain((error as { code?: string }).code)
        }
      }),
    )
  })
})

describe('expressions over expressions', () => {
  const metric = (id: string) => ({ id, stat: {} })
  test('come after what they are about, with the metrics below them', () => {
    const queries = [{ id: 'e2', expression: 'e1 * 2' }, { id: 'e1', expression: 'm1 + 1' }, metric('m1'), metric('m2')]
    expect(plan(queries)).toEqual([
      { id: 'e1', metrics: ['m1'] },
      { id: 'e2', metrics: ['m1'] },
    ])
    expect(plan([{ id: 'e', expression: 'SUM(METRICS())' }, metric('m1'), metric('m2')])).toEqual([
      { id: 'e', metrics: ['m1', 'm2'] },
    ])
  })

  test('are not about themselves, nor about what is not there', () => {
    expect(() =>
      plan([
        { id: 'a', expression: 'b' },
        { id: 'b', expression: 'a' },
      ]),
    ).toThrow(/about itself/)
    expect(() => plan([{ id: 'a', expression: 'x' }])).toThrow(/x is the id of no query/)
  })
})
