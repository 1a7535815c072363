import type { MetricDatum, Metric as WireMetric } from '@aws-sdk/client-cloudwatch'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import type { Present } from '../../kernel/types.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import type { VendedMetrics } from '../capabilities.ts'
import { wakeIdle } from './alarm-evaluation.ts'
import {
  datapointsOf,
  hashOf,
  keyOf,
  Metric,
  type MetricId,
  type MetricRecord,
  metricId,
  type StoredDatum,
} from './metric.ts'
import { fail, type Operation } from './operation.ts'

const SECOND = 1000
const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 86_400_000
/** Data are kept this long, as AWS keeps them at a resolution of an hour. */
export const KEPT = 455 * DAY
/** ListMetrics shows what has had data within two weeks; `seen` is this inexact to spare writes. */
const LISTED = 14 * DAY
const INEXACT = 5 * MINUTE

type Datum = { readonly id: MetricId; readonly time: number; readonly body: StoredDatum }

/** Appends datapoints and remembers that their metrics exist. */
const store = async (ctx: Ctx, data: readonly Datum[]): Promise<void> => {
  const now = ctx.now().getTime()
  const metrics = Map.groupBy(data, ({ id }) => keyOf(id))
  const unseen = await ctx.read(async (tx) => {
    const found: MetricId[] = []
    for (const [key, [first]] of metrics) {
      const record = await tx.get(Metric, key)
      if (first && (record?.seen ?? 0) < now - INEXACT) found.push(first.id)
    }
    return found
  })
  if (unseen.length > 0)
    await ctx.write(async (tx) => {
      for (const id of unseen) {
        if (!(await tx.get(Metric, keyOf(id)))) tx.wake('cloudwatch.expire', keyOf(id), { in: KEPT })
        tx.put(Metric, { ...id, seen: now })
      }
    })
  await Promise.all(
    [...metrics.values()].map((some) => {
      const [first] = some
      return (
        first &&
        ctx.append.append(
          datapointsOf(ctx, first.id),
          some.map(({ time, body }) => ({ time, body })),
        )
      )
    }),
  )
  await wakeIdle(ctx, new Set(data.map(({ id }) => hashOf(id))))
}

/** Forgets datapoints after 455 days, and a metric with its last. Key: the metric's. */
export const expire: Reconciler = {
  name: 'cloudwatch.expire',
  step: async (ctx, key) => {
    const metric = await ctx.read((tx) => tx.get(Metric, key))
    if (!metric) return done()
    const points = datapointsOf(ctx, metric)
    await ctx.append.drop(points, ctx.now().getTime() - KEPT)
    if ((await ctx.append.range(points, { limit: 1 })).length > 0) return again({ in: DAY })
    await ctx.write(async (tx) => tx.delete(Metric, key))
    return done()
  },
}

const MOST_DATA = 1000
const MOST_VALUES = 150
const LARGEST = 2 ** 360

/** Publishes custom metrics: all of a call or, when one datum is wrong, none. */
export const PutMetricData: Operation<'PutMetricData'> = async (
  ctx,
  { Namespace, MetricData = [], EntityMetricData },
) => {
  if (EntityMetricData?.length) throw notImplemented('PutMetricData with entities')
  if (/^AWS\//i.test(Namespace))
    throw fail('InvalidParameterValueException', `The value ${Namespace} for parameter Namespace is invalid.`)
  if (MetricData.length === 0) throw fail('MissingRequiredParameterException', 'The parameter MetricData is required.')
  if (MetricData.length > MOST_DATA)
    throw fail(
      'InvalidParameterValueException',
      `The collection MetricData must not have a size greater than ${MOST_DATA}.`,
    )
  const data = MetricData.map((datum, at) => readDatum(ctx, Namespace, datum, `MetricData.member.${at + 1}`))
  await store(ctx, data)
  return {}
}

const readDatum = (ctx: Ctx, namespace: string, datum: Present<MetricDatum>, where: string): Datum => {
  const now = ctx.now().getTime()
  const time = (datum.Timestamp ?? ctx.now()).getTime()
  if (time < now - LISTED)
    throw fail(
      'InvalidParameterValueException',
      `The parameter ${where}.Timestamp must specify a time no more than two weeks in the past.`,
    )
  if (time > now + 2 * HOUR)
    throw fail(
      'InvalidParameterValueException',
      `The parameter ${where}.Timestamp must specify a time no more than two hours in the future.`,
    )
  if (datum.StorageResolution !== undefined && datum.StorageResolution !== 1 && datum.StorageResolution !== 60)
    throw wrong(`${where}.StorageResolution`, datum.StorageResolution)
  const names = (datum.Dimensions ?? []).map(({ Name }) => Name)
  if (new Set(names).size < names.length)
    throw fail('InvalidParameterValueException', `The parameter ${where}.Dimensions must not name a dimension twice.`)
  const grain = datum.StorageResolution === 1 ? SECOND : MINUTE
  return {
    id: metricId(namespace, datum.MetricName, datum.Dimensions),
    time: Math.floor(time / grain) * grain,
    body: { u: datum.Unit ?? 'None', ...readValues(datum, where) },
  }
}

const wrong = (parameter: string, value: unknown) =>
  fail('InvalidParameterValueException', `The value ${String(value)} for parameter ${parameter} is invalid.`)

const checkedNumber = (value: number, parameter: string): number => {
  if (!Number.isFinite(value) || Math.abs(value) > LARGEST) throw wrong(parameter, value)
  return value
}

type Body = { v: number[]; c?: number[] } | { s: [number, number, number, number] }

const readValues = ({ Value, Values, Counts, StatisticValues: set }: Present<MetricDatum>, where: string): Body => {
  const given = [Value, Values, set].filter((one) => one !== undefined).length
  if (given === 0)
    throw fail(
      'MissingRequiredParameterException',
      `At least one of the parameters ${where}.Value, ${where}.Values, ${where}.StatisticValues must be specified.`,
    )
  if (given > 1)
    throw fail(
      'InvalidParameterCombinationException',
      `The parameters ${where}.Value, ${where}.Values and ${where}.StatisticValues are mutually exclusive and you have specified more than one.`,
    )
  if (Value !== undefined) return { v: [checkedNumber(Value, `${where}.Value`)] }
  if (set) {
    const [count, sum, min, max] = [set.SampleCount, set.Sum, set.Minimum, set.Maximum].map((value) =>
      checkedNumber(value, `${where}.StatisticValues`),
    ) as [number, number, number, number]
    if (count <= 0 || min > max) throw wrong(`${where}.StatisticValues`, count <= 0 ? count : min)
    return { s: [count, sum, min, max] }
  }
  const values = Values ?? []
  if (values.length === 0 || values.length > MOST_VALUES)
    throw fail(
      'InvalidParameterValueException',
      `The collection ${where}.Values must have a size between 1 and ${MOST_VALUES}.`,
    )
  if (Counts !== undefined && Counts.length !== values.length)
    throw fail(
      'InvalidParameterValueException',
      `The parameters ${where}.Values and ${where}.Counts must be of the same size.`,
    )
  for (const [at, value] of values.entries()) checkedNumber(value, `${where}.Values.member.${at + 1}`)
  for (const [at, count] of (Counts ?? []).entries())
    if (!(checkedNumber(count, `${where}.Counts.member.${at + 1}`) > 0))
      throw wrong(`${where}.Counts.member.${at + 1}`, count)
  return { v: values, ...(Counts ? { c: Counts } : {}) }
}

/** Metrics of services themselves. A failure is logged, not thrown: their work does not depend on it. */
export const vended = (at: (place: Ctx['place']) => Ctx): VendedMetrics => ({
  put: async (place, namespace, data) => {
    const ctx = at(place)
    const read = ({ name, dimensions, value, unit, time }: (typeof data)[number]): Datum => ({
      id: metricId(
        namespace,
        name,
        Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
      ),
      time: Math.floor(time.getTime() / MINUTE) * MINUTE,
      body: { u: unit, v: [value] },
    })
    try {
      await store(ctx, data.map(read))
    } catch (error) {
      ctx.log.error('Metrics could not be stored', { namespace, error: String(error) })
    }
  },
})

const toMetric = ({ namespace, name, dimensions }: MetricRecord): WireMetric => ({
  Namespace: namespace,
  MetricName: name,
  Dimensions: dimensions.map(([Name, Value]) => ({ Name, Value })),
})

const PAGE = 500

/** Metrics with data within two weeks (or three hours); each dimension filter must be met. */
export const ListMetrics: Operation<'ListMetrics'> = async (ctx, input) => {
  const { Namespace: namespace, MetricName: name, Dimensions: filters = [], NextToken } = input
  if (input.IncludeLinkedAccounts || (input.OwningAccount ?? ctx.account) !== ctx.account)
    throw notImplemented('ListMetrics of other accounts')
  const since = ctx.now().getTime() - (input.RecentlyActive ? 3 * HOUR : LISTED)
  const prefix = namespace === undefined ? '' : name === undefined ? `${namespace}\n` : `${namespace}\n${name}\n`
  const fits = (metric: MetricRecord): boolean =>
    metric.seen > since &&
    (name === undefined || metric.name === name) &&
    filters.every(({ Name, Value }) =>
      metric.dimensions.some(([dimension, value]) => dimension === Name && (Value === undefined || value === Value)),
    )
  const after = NextToken === undefined ? undefined : Buffer.from(NextToken, 'base64url').toString()
  if (after === '') throw fail('InvalidParameterValueException', 'Invalid next token.')
  const found = await ctx.read(async (tx) => {
    const metrics: MetricRecord[] = []
    let from = after
    while (metrics.length <= PAGE) {
      const some = await tx.list(Metric, { prefix, limit: PAGE, ...(from === undefined ? {} : { after: from }) })
      metrics.push(...some.filter(fits))
      const last = some.at(-1)
      if (!last || some.length < PAGE) break
      from = keyOf(last)
    }
    return metrics
  })
  const page = found.slice(0, PAGE)
  const last = page.at(-1)
  return {
    Metrics: page.map(toMetric),
    NextToken: found.length > PAGE && last ? Buffer.from(keyOf(last)).toString('base64url') : undefined,
  }
}
