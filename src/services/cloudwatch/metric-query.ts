import type { MetricStat, Query } from './alarm.ts'
import { evaluate, type Grid, plan, type Series } from './metric-math.ts'
import { parseStatistic, type Samples } from './statistics.ts'

// Metrics and expressions over them, as GetMetricData and alarms ask for them.

const shortest = 60

/** The period of an expression, in seconds: that it names, or the longest of the metrics below it. */
const periodOf = (queries: readonly Query[], id: string, metrics: readonly string[]): number => {
  const own = queries.find((query) => query.id === id)
  if (own && 'expression' in own && own.period !== undefined) return own.period
  const below = queries.filter((query) => metrics.includes(query.id))
  return Math.max(0, ...below.flatMap((query) => ('stat' in query ? [query.stat.period] : []))) || shortest
}

const labelOf = (query: Query): string => query.label ?? ('stat' in query ? query.stat.metric.name : query.id)

const seriesOf = (query: Query & { readonly stat: MetricStat }, samples: ReadonlyMap<number, Samples>): Series => {
  const statistic = parseStatistic(query.stat.statistic)
  const points = new Map<number, number>()
  for (const [time, some] of [...samples].sort(([a], [b]) => a - b)) {
    const value = statistic?.(some)
    if (value !== undefined) points.set(time, value)
  }
  return { label: labelOf(query), points }
}

/**
 * What each query stands for, by id. `samplesOf` looks a metric's samples up by period, `gridOf` gives the times of a
 * period (seconds). Throws ValidationError for expressions that cannot be computed.
 */
export const compute = async (
  queries: readonly Query[],
  samplesOf: (stat: MetricStat) => Promise<ReadonlyMap<number, Samples>>,
  gridOf: (period: number) => Grid,
): Promise<ReadonlyMap<string, Series | readonly Series[]>> => {
  const order = plan(queries)
  const values = new Map<string, Series | readonly Series[]>()
  for (const query of queries) if ('stat' in query) values.set(query.id, seriesOf(query, await samplesOf(query.stat)))
  const metrics = [...values.keys()]
  for (const { id, metrics: below } of order) {
    const query = queries.find((one) => one.id === id)
    if (!query || !('expression' in query)) continue
    const result = evaluate(id, query.expression, { grid: gridOf(periodOf(queries, id, below)), values, metrics })
    // Several series keep their own names; a single one is the query's.
    values.set(id, 'points' in result ? { ...result, label: labelOf(query) } : result)
  }
  return values
}
