import { Cron } from 'croner'

// Schedule expressions of rules ("Setting a schedule pattern for scheduled rules (legacy) in Amazon EventBridge"):
// rate(value unit) counts from the rule's creation, cron(fields) is UTC with the precision of a minute.

/** When the rule fires next after `after`; `undefined` when never again. For rates, `since` is where counting began. */
export type Schedule = { next(after: Date, since: Date): Date | undefined }

const milliseconds = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }
const months = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

/** Reads `rate(…)` or `cron(…)`; `undefined` for what is neither. */
export const parseSchedule = (expression: string): Schedule | undefined => {
  const rate = /^rate\(([1-9]\d{0,8}) (minute|hour|day)(s?)\)$/.exec(expression)
  if (rate) {
    const [, count = '', unit = '', plural] = rate
    if ((count === '1') !== (plural === '')) return undefined
    return every(Number(count) * milliseconds[unit as keyof typeof milliseconds])
  }
  const cron = /^cron\((.*)\)$/.exec(expression)
  return cron ? parseCron(cron[1] ?? '') : undefined
}

const every = (interval: number): Schedule => ({
  next: (after, since) => {
    const passed = Math.max(0, Math.floor((after.getTime() - since.getTime()) / interval))
    return new Date(since.getTime() + (passed + 1) * interval)
  },
})

const parseCron = (text: string): Schedule | undefined => {
  const fields = text.trim().split(/ +/)
  const [minutes = '', hours = '', day = '', month = '', weekday = '', year = ''] = fields
  // AWS: one of the two day fields is `?`, never both.
  if (fields.length !== 6 || (day === '?') === (weekday === '?')) return undefined
  const normal = [
    plain(minutes, 0, 59),
    plain(hours, 0, 23),
    day === '?' ? '*' : /^(L|LW|WL|([1-9]|[12]\d|3[01])W)$/.test(day) ? day.replace('WL', 'LW') : plain(day, 1, 31),
    plain(month, 1, 12, months),
    weekday === '?' ? '*' : weekdayField(weekday),
    plain(year, 1970, 2199),
  ]
  if (normal.includes(undefined)) return undefined
  const cron = new Cron(`0 ${normal.join(' ')}`, {
    mode: '7-part',
    alternativeWeekdays: true,
    sloppyRanges: true,
    timezone: 'UTC',
  })
  return { next: (after) => cron.nextRun(after) ?? undefined }
}

const weekdayField = (text: string): string | undefined => {
  if (text === 'L') return '7'
  const one = numbered(text.replace(/(L|#[1-5])$/, ''), weekdays, 1)
  if (/(L|#[1-5])$/.test(text)) return /^[1-7]$/.test(one) ? one + (/L$|#\d$/.exec(text)?.[0] ?? '') : undefined
  return plain(text, 1, 7, weekdays)
}

/** A list of values, ranges and steps, names as numbers; a range that wraps around (`FRI-MON`) as two. */
const plain = (text: string, low: number, high: number, names: readonly string[] = []): string | undefined => {
  const parts: string[] = []
  for (const part of text.split(',')) {
    const match = /^(\*|([A-Za-z0-9]+)(?:-([A-Za-z0-9]+))?)(?:\/([1-9]\d{0,3}))?$/.exec(part)
    if (!match) return undefined
    const [, whole, first = '', last, step] = match
    const suffix = step ? `/${step}` : ''
    if (whole === '*') {
      parts.push(`*${suffix}`)
      continue
    }
    const from = numbered(first, names, low)
    const to = last === undefined ? undefined : numbered(last, names, low)
    if (![from, to ?? from].every((value) => /^\d+$/.test(value) && Number(value) >= low && Number(value) <= high))
      return undefined
    if (to === undefined) parts.push(step ? `${from}-${high}${suffix}` : from)
    else if (Number(from) <= Number(to)) parts.push(`${from}-${to}${suffix}`)
    else if (step) return undefined
    else parts.push(`${from}-${high}`, `${low}-${to}`)
  }
  return parts.join(',')
}

const numbered = (text: string, names: readonly string[], low: number): string => {
  const index = names.indexOf(text.toUpperCase())
  return index < 0 ? text : String(index + low)
}
