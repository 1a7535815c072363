import type { MetricAlarm, Operator, StateValue, Treatment } from './alarm.ts'

// What the datapoints of an alarm's evaluation range say ("Evaluating an alarm" and "Configuring how CloudWatch alarms
// treat missing data", CloudWatch user guide). Pure.

/** A period of the evaluation range: when it begins (epoch milliseconds), and its value where there are data. */
export type Point = { readonly time: number; readonly value?: number; readonly samples?: number }

export type Decision = {
  readonly value: StateValue
  readonly reason: string
  /** Those that decided, oldest first. */
  readonly decisive: readonly Point[]
}

/** Periods looked at beyond the evaluation periods, in case some have no data. */
const extra = 2

/** How many periods an alarm looks back. */
export const rangeOf = ({ evaluationPeriods }: Pick<MetricAlarm, 'evaluationPeriods'>): number =>
  evaluationPeriods + extra

const crosses: Readonly<Record<Operator, (value: number, threshold: number) => boolean>> = {
  GreaterThanOrEqualToThreshold: (value, threshold) => value >= threshold,
  GreaterThanThreshold: (value, threshold) => value > threshold,
  LessThanThreshold: (value, threshold) => value < threshold,
  LessThanOrEqualToThreshold: (value, threshold) => value <= threshold,
}
const words: Readonly<Record<Operator, string>> = {
  GreaterThanOrEqualToThreshold: 'greater than or equal to',
  GreaterThanThreshold: 'greater than',
  LessThanThreshold: 'less than',
  LessThanOrEqualToThreshold: 'less than or equal to',
}

/** Alarms on DynamoDB's metrics always ignore missing data. */
const treatmentOf = ({ treatMissing = 'missing', queries }: MetricAlarm): Treatment => {
  const metrics = queries.flatMap((query) => ('stat' in query ? [query.stat.metric.namespace] : []))
  return metrics.length > 0 && metrics.every((namespace) => namespace === 'AWS/DynamoDB') ? 'ignore' : treatMissing
}

/** Fewer samples than these say nothing of a percentile ("Percentile-based alarms and low data samples"). */
const fewest = (statistic: string): number => {
  const share = Number(/^p([\d.]+)$/i.exec(statistic)?.[1] ?? Number.NaN) / 100
  if (Number.isNaN(share)) return 0
  return 10 / (share >= 0.5 ? 1 - share : share)
}

/**
 * Decides by the points of the evaluation range (oldest first, `rangeOf` of them), from the present state on. `undefined`:
 * the state is kept.
 */
export const decide = (alarm: MetricAlarm, points: readonly Point[], present: StateValue): Decision | undefined => {
  const needed = alarm.evaluationPeriods
  const toAlarm = alarm.datapointsToAlarm ?? needed
  const breaches = ({ value }: Point): boolean => value !== undefined && crosses[alarm.operator](value, alarm.threshold)
  const existing = points.filter(({ value }) => value !== undefined).slice(-needed)
  const breaching = existing.filter(breaches).length
  const missing = needed - existing.length
  const [only] = alarm.queries
  if (
    alarm.lowSamples === 'ignore' &&
    only &&
    'stat' in only &&
    existing.some(({ samples }) => samples !== undefined && samples < fewest(only.stat.statistic))
  )
    return undefined

  const decision = (value: 'OK' | 'ALARM', filled?: 'Breaching' | 'NonBreaching'): Decision => ({
    value,
    reason: filled
      ? filledReason(existing.length, needed, missing, filled)
      : reasonOf(alarm, value, existing, breaches),
    decisive: existing,
  })
  const byCount = breaching >= toAlarm ? 'ALARM' : 'OK'
  if (missing === 0) return decision(byCount)
  const treatment = treatmentOf(alarm)
  if (treatment === 'breaching') return decision(breaching + missing >= toAlarm ? 'ALARM' : 'OK', 'Breaching')
  if (treatment === 'notBreaching') return decision(byCount, 'NonBreaching')
  if (existing.length === 0)
    return treatment === 'ignore'
      ? undefined
      : {
          value: 'INSUFFICIENT_DATA',
          reason: `Insufficient Data: ${needed === 1 ? '1 datapoint was' : `${needed} datapoints were`} unknown.`,
          decisive: [],
        }
  if (byCount === 'ALARM' || breaching < existing.length) return decision(byCount)
  // All there are breach and they are too few: an alarm once the oldest is old enough ("premature alarm state").
  const oldest = points.findIndex(breaches)
  const age = points.length - oldest
  if (treatment === 'ignore') return undefined
  if (age >= toAlarm) return decision('ALARM')
  return present === 'ALARM' ? undefined : decision('OK')
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`

const filledReason = (received: number, periods: number, missing: number, as: string): string =>
  `Threshold Crossed: ${received === 0 ? 'no datapoints were' : received === 1 ? '1 datapoint was' : `${received} datapoints were`} received for ${count(periods, 'period')} and ${count(missing, 'missing datapoint')} ${missing === 1 ? 'was' : 'were'} treated as [${as}].`

const reasonOf = (
  alarm: MetricAlarm,
  value: 'OK' | 'ALARM',
  existing: readonly Point[],
  breaches: (point: Point) => boolean,
): string => {
  const told = existing.filter((point) => breaches(point) === (value === 'ALARM'))
  // Too few to alarm, and none that says otherwise.
  const [shown, crossed] = told.length > 0 ? [told, value === 'ALARM'] : [existing, true]
  const list = shown
    .toReversed()
    .map((point) => `${javaDouble(point.value ?? 0)} (${stamp(point.time)})`)
    .join(', ')
  const verb = `${shown.length === 1 ? 'was' : 'were'} ${crossed ? '' : 'not '}${words[alarm.operator]}`
  const than = `the threshold (${javaDouble(alarm.threshold)})`
  if (alarm.datapointsToAlarm === undefined)
    return `Threshold Crossed: ${count(shown.length, 'datapoint')} [${list}] ${verb} ${than}.`
  const least = crossed ? alarm.datapointsToAlarm : alarm.evaluationPeriods - alarm.datapointsToAlarm + 1
  return `Threshold Crossed: ${shown.length} out of the last ${alarm.evaluationPeriods} datapoints [${list}] ${verb} ${than} (minimum ${count(least, 'datapoint')} for ${crossed ? 'OK -> ALARM' : 'ALARM -> OK'} transition).`
}

const two = (number: number): string => String(number).padStart(2, '0')

/** `02/10/19 16:59:00` */
const stamp = (time: number): string => {
  const date = new Date(time)
  return `${two(date.getUTCDate())}/${two(date.getUTCMonth() + 1)}/${two(date.getUTCFullYear() % 100)} ${date.toISOString().slice(11, 19)}`
}

/** A number as AWS's sentences write it: `50.0`, `1.0E7`. */
export const javaDouble = (value: number): string => {
  const size = Math.abs(value)
  if (size !== 0 && (size >= 1e7 || size < 1e-3)) {
    const [mantissa = '', exponent = ''] = value.toExponential().split('e')
    return `${mantissa.includes('.') ? mantissa : `${mantissa}.0`}E${Number(exponent)}`
  }
  return Number.isInteger(value) ? `${value}.0` : String(value)
}
