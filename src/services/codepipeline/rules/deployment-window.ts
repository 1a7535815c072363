import { parseSchedule, type Schedule } from '../../../schedules/schedule.ts'
import { ActionFailure, type Job, type TaskKind } from '../actions/action.ts'

// "DeploymentWindow", rule reference of the CodePipeline user guide: seven fields, of which the seconds are always `*` and
// the year may be left out. The window is open in every minute that the expression names; the rule waits for it.

const minute = 60_000

/** The window as a schedule in local time; `undefined` for what is no such expression. */
const windowOf = (cron: string): Schedule | undefined => {
  const [seconds = '', ...fields] = cron.trim().split(/\s+/)
  if (!/^(\*|0)$/.test(seconds) || fields.length < 5 || fields.length > 6) return undefined
  const [minutes = '', hours = '', day = '', month = '', weekday = '', year = '*'] = fields
  // Where neither day is `?`, one of them is `*`: EventBridge's expressions want it said.
  const days = [day, weekday].includes('?')
    ? [day, weekday]
    : day === '*'
      ? ['?', weekday]
      : [day, weekday === '*' ? '?' : weekday]
  return parseSchedule(`cron(${[minutes, hours, days[0], month, days[1], year].join(' ')})`)
}

/** `UTC+05:30` as the runtime names it. */
const zoneOf = (zone: string): string => /^UTC([+-]\d\d:\d\d)$/.exec(zone)?.[1] ?? zone

const isZone = (zone: string): boolean => {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: zoneOf(zone) })
    return true
  } catch {
    return false
  }
}

/** What a clock on the wall of that zone shows, as if it were UTC. */
const wallTime = (time: Date, zone: string): Date => {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zoneOf(zone),
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(time)
  const of = (type: string) => Number(parts.find((part) => part.type === type)?.value)
  return new Date(Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second')))
}

/** Milliseconds until the window opens, 0 while it is open, `undefined` when it never opens again. */
const opensIn = ({ Cron = '', TimeZone = 'UTC' }: Readonly<Record<string, string>>, now: Date): number | undefined => {
  const window = windowOf(Cron)
  if (!window) throw new ActionFailure('ConfigurationError', `Cron ${Cron} is not a cron expression.`)
  if (!isZone(TimeZone)) throw new ActionFailure('ConfigurationError', `TimeZone ${TimeZone} is not a time zone.`)
  const wall = wallTime(now, TimeZone)
  const begun = Math.floor(wall.getTime() / minute) * minute
  const before = new Date(begun - 1)
  const next = window.next(before, before)
  return next && Math.max(0, next.getTime() - begun === 0 ? 0 : next.getTime() - wall.getTime())
}

const look = async ({ ctx, configuration }: Job) => {
  const wait = opensIn(configuration, ctx.now())
  if (wait === undefined) throw new ActionFailure('JobFailed', 'The deployment window does not open again.')
  return wait === 0 ? ({ state: 'succeeded' } as const) : ({ state: 'running' } as const)
}

export const deploymentWindow: TaskKind = {
  provider: 'DeploymentWindow',
  properties: [
    { name: 'Cron', required: true, description: 'When deployments are allowed.' },
    { name: 'TimeZone', required: false, description: 'The time zone of the expression: UTC unless told.' },
  ],
  inputs: [0, 0],
  outputs: [0, 0],
  timeoutMinutes: 7 * 24 * 60,
  check: ({ configuration = {} }) => {
    const { Cron = '', TimeZone = 'UTC' } = configuration
    if (!Cron.includes('#{') && !windowOf(Cron)) return `Cron ${Cron} is not a valid cron expression`
    if (!TimeZone.includes('#{') && !isZone(TimeZone)) return `TimeZone ${TimeZone} is not a valid time zone`
    return undefined
  },
  start: look,
  poll: look,
  // A zone may change its clocks on the way: an hour is the longest it is trusted.
  pause: ({ ctx, configuration }) => Math.min(60 * minute, opensIn(configuration, ctx.now()) ?? 60 * minute),
}
