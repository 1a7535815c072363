import { createHash } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { table } from '../../store/store.ts'

/** That a metric exists. Its datapoints are in the append store. */
export type MetricRecord = MetricId & {
  /** About when data last came, in milliseconds since the epoch. */
  readonly seen: number
}

export type MetricId = {
  readonly namespace: string
  readonly name: string
  /** Sorted by name. */
  readonly dimensions: readonly (readonly [name: string, value: string])[]
}

/** Namespaces, names and dimension names hold no control characters; JSON keeps the rest apart. */
export const keyOf = ({ namespace, name, dimensions }: MetricId): string =>
  `${namespace}\n${name}\n${JSON.stringify(dimensions)}`

export const Metric = table<MetricRecord>('cloudwatch.metric', { scope: 'region', key: keyOf })

/** A datapoint as stored: values with counts, or a statistic set; its unit. Times are whole minutes, whole seconds at high resolution. */
export type StoredDatum = { readonly u: string } & (
  | { readonly v: readonly number[]; readonly c?: readonly number[] }
  | { readonly s: readonly [count: number, sum: number, min: number, max: number] }
)

/** A short name of a metric that is no other's. */
export const hashOf = (id: MetricId): string => createHash('sha256').update(keyOf(id)).digest('hex').slice(0, 40)

/** The append stream of a metric's datapoints. */
export const datapointsOf = (ctx: Pick<Ctx, 'account' | 'region'>, id: MetricId): string =>
  `metrics/${ctx.account}/${ctx.region}/${hashOf(id)}`

/** What names a metric: dimensions in any order are the same metric. */
export const metricId = (
  namespace: string,
  name: string,
  dimensions: readonly { readonly Name?: string | undefined; readonly Value?: string | undefined }[] = [],
): MetricId => ({
  namespace,
  name,
  dimensions: dimensions
    .map(({ Name = '', Value = '' }) => [Name, Value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1)),
})
