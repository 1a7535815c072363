// Statistics over what was published in one period ("CloudWatch statistics definitions"). Pure: exact over the values,
// where AWS may approximate.

/** A pre-aggregated datum: its single values are unknown. */
export type StatisticSet = { readonly count: number; readonly sum: number; readonly min: number; readonly max: number }

/** Everything published to a metric in one period. */
export type Samples = {
  /** How often each value came. */
  readonly values: Map<number, number>
  readonly sets: StatisticSet[]
}

export const noSamples = (): Samples => ({ values: new Map(), sets: [] })

/** Computes one number; `undefined` when these samples have none (a percentile of statistic sets). */
export type Statistic = (samples: Samples) => number | undefined

type Weighted = readonly (readonly [value: number, count: number])[]

export const summary = ({ values, sets }: Samples): StatisticSet => {
  let [count, sum, min, max] = [0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const [value, times] of values) {
    count += times
    sum += value * times
    min = Math.min(min, value)
    max = Math.max(max, value)
  }
  for (const set of sets) {
    count += set.count
    sum += set.sum
    min = Math.min(min, set.min)
    max = Math.max(max, set.max)
  }
  return { count, sum, min, max }
}

const basic: Readonly<Record<string, Statistic>> = {
  SampleCount: (samples) => summary(samples).count,
  Sum: (samples) => summary(samples).sum,
  Minimum: (samples) => summary(samples).min,
  Maximum: (samples) => summary(samples).max,
  Average: (samples) => {
    const { sum, count } = summary(samples)
    return count === 0 ? undefined : sum / count
  },
}

/** Single values in ascending order. A set counts only when it can be but one value. */
const sorted = ({ values, sets }: Samples): Weighted | undefined => {
  const all = new Map(values)
  for (const { count, min, max } of sets) {
    if (min !== max) return undefined
    all.set(min, (all.get(min) ?? 0) + count)
  }
  return [...all].sort(([a], [b]) => a - b)
}

const total = (weighted: Weighted): number => weighted.reduce((sum, [, count]) => sum + count, 0)

/** The smallest value that at least `share` (0 to 1) of the samples do not exceed. */
const percentile = (weighted: Weighted, share: number): number | undefined => {
  const wanted = share * total(weighted)
  let seen = 0
  for (const [value, count] of weighted) {
    seen += count
    if (seen >= wanted - 1e-9) return value
  }
  return weighted.at(-1)?.[0]
}

type Bound = { readonly value: number; readonly percent: boolean }
type Range = { readonly low?: Bound; readonly high?: Bound }

/** The samples inside a range of values, or of shares: the lowest `low` and the highest beyond `high` cut off. */
const trimmed = (weighted: Weighted, { low, high }: Range): Weighted => {
  const all = total(weighted)
  const from = low?.percent ? (low.value / 100) * all : 0
  const to = high?.percent ? (high.value / 100) * all : all
  let seen = 0
  const kept: [number, number][] = []
  for (const [value, count] of weighted) {
    const inside = Math.min(seen + count, to) - Math.max(seen, from)
    seen += count
    if (inside <= 1e-9) continue
    if (low && !low.percent && value <= low.value) continue
    if (high && !high.percent && value > high.value) continue
    kept.push([value, inside])
  }
  return kept
}

const sumOf = (weighted: Weighted): number => weighted.reduce((sum, [value, count]) => sum + value * count, 0)
const meanOf = (weighted: Weighted): number | undefined => {
  const count = total(weighted)
  return count === 0 ? undefined : sumOf(weighted) / count
}

/** Values outside are not cut off but counted as the bound ("winsorized mean"). */
const winsorized = (weighted: Weighted, { low, high }: Range): number | undefined => {
  const bound = (limit: Bound | undefined) =>
    limit && (limit.percent ? percentile(weighted, limit.value / 100) : limit.value)
  const [least, most] = [bound(low) ?? Number.NEGATIVE_INFINITY, bound(high) ?? Number.POSITIVE_INFINITY]
  return meanOf(weighted.map(([value, count]) => [Math.min(most, Math.max(least, value)), count]))
}

const ranged: Readonly<Record<string, (weighted: Weighted, range: Range) => number | undefined>> = {
  TM: (weighted, range) => meanOf(trimmed(weighted, range)),
  TC: (weighted, range) => total(trimmed(weighted, range)),
  TS: (weighted, range) => sumOf(trimmed(weighted, range)),
  WM: winsorized,
  PR: (weighted, range) => {
    const all = total(weighted)
    return all === 0 ? undefined : (100 * total(trimmed(weighted, range))) / all
  },
}

const onValues =
  (compute: (weighted: Weighted) => number | undefined): Statistic =>
  (samples) => {
    const weighted = sorted(samples)
    return weighted && compute(weighted)
  }

const percent = (text: string): number | undefined => {
  const value = /^\d{1,3}(\.\d{1,10})?$/.test(text) ? Number(text) : Number.NaN
  return value >= 0 && value <= 100 ? value : undefined
}

const boundOf = (text: string): Bound | undefined | 'wrong' => {
  if (text === '') return undefined
  if (text.endsWith('%')) {
    const value = percent(text.slice(0, -1))
    return value === undefined ? 'wrong' : { value, percent: true }
  }
  return /^-?\d+(\.\d+)?$/.test(text) ? { value: Number(text), percent: false } : 'wrong'
}

/**
 * Reads the name of a statistic: `Average`, `p99.9`, `tm90`, `TM(2%:98%)`, `TC(0.005:0.030)`, `PR(:300)`, `IQM` and the
 * like. `undefined` for any other text.
 */
export const parseStatistic = (name: string): Statistic | undefined => {
  if (Object.hasOwn(basic, name)) return basic[name]
  if (/^iqm$/i.test(name)) return parseStatistic('TM(25%:75%)')
  const short = /^(p|tm|tc|ts|wm)(\d[\d.]*)$/i.exec(name)
  if (short) {
    const [, kind = '', text = ''] = short
    const share = percent(text)
    if (share === undefined) return undefined
    if (/^p$/i.test(kind)) return onValues((weighted) => percentile(weighted, share / 100))
    const compute = ranged[kind.toUpperCase()]
    return compute && onValues((weighted) => compute(weighted, { high: { value: share, percent: true } }))
  }
  const range = /^(TM|TC|TS|WM|PR)\(([^:()]*):([^:()]*)\)$/i.exec(name)
  if (!range) return undefined
  const [low, high] = [boundOf((range[2] ?? '').trim()), boundOf((range[3] ?? '').trim())]
  const compute = ranged[(range[1] ?? '').toUpperCase()]
  if (low === 'wrong' || high === 'wrong' || !compute || (!low && !high)) return undefined
  if (low && high && (low.percent !== high.percent || low.value >= high.value)) return undefined
  if (/^pr$/i.test(range[1] ?? '') && (low?.percent || high?.percent)) return undefined
  return onValues((weighted) => compute(weighted, { ...(low ? { low } : {}), ...(high ? { high } : {}) }))
}
