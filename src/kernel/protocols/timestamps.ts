import type { TimestampFormat } from '../model/shapes.ts'

type Format = Exclude<TimestampFormat, 'default'>

/** A timestamp as text, in the format its model asks for. Epoch seconds keep milliseconds as a fraction. */
export const formatTimestamp = (date: Date, format: Format): string => {
  switch (format) {
    case 'date-time':
      return date.toISOString()
    case 'http-date':
      return date.toUTCString()
    case 'epoch-seconds':
      return String(date.getTime() / 1000)
  }
}

const isoDate = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|z|[+-]\d\d:?\d\d)?)?$/
const httpDate = /^(?:\w{3,9}),? \d{1,2}[- ]\w{3}[- ]\d{2,4} \d\d:\d\d:\d\d(?:\.\d+)? (?:GMT|UTC)$/
const epoch = /^[+-]?\d{1,16}(?:\.\d{1,9})?(?:[eE][+-]?\d{1,2})?$/

/**
 * A timestamp from text; undefined when it is none. AWS reads every format everywhere that is told apart by its
 * look, and so do we: the CLI sends dates as the user typed them.
 */
export const parseTimestamp = (text: string): Date | undefined => {
  if (epoch.test(text)) return fromEpoch(Number(text))
  const iso = isoDate.exec(text)
  if (iso) {
    const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '0', zone = 'Z'] = iso
    const offset = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase()
    const clock = `${hour}:${minute}:${second === '60' ? '59' : second}.${fraction.padEnd(3, '0').slice(0, 3)}`
    const date = real(new Date(`${year}-${month}-${day}T${clock}${offset}`))
    // 30 February is no date, though the Date constructor may make one of it.
    const last = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
    return Number(day) <= last ? date : undefined
  }
  return httpDate.test(text) ? real(new Date(text)) : undefined
}

export const fromEpoch = (seconds: number): Date | undefined => real(new Date(Math.round(seconds * 1000)))

const real = (date: Date): Date | undefined => (Number.isNaN(date.getTime()) ? undefined : date)
