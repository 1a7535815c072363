import { CliError, type ConnectionOptions, callServer } from './connection.ts'

const units: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** `31d`, `1h30m`, `45s` to milliseconds. Throws CliError for anything else. */
export const parseDuration = (text: string): number => {
  if (!/^(\d{1,6}[smhdw])+$/.test(text)) throw new CliError(`'${text}' is no duration; write 31d, 12h, 90m or 30s`)
  return [...text.matchAll(/(\d+)([smhdw])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0),
    0,
  )
}

/** `drydock clock`. */
export const show = async (options: ConnectionOptions): Promise<void> => {
  const { now } = (await callServer(options, 'GET', '/_drydock/clock')) as { now: string }
  console.log(now)
}

/** `drydock clock advance DURATION`. */
export const advance = async (duration: string, options: ConnectionOptions): Promise<void> => {
  const { now } = (await callServer(options, 'POST', '/_drydock/clock', { advance: parseDuration(duration) })) as {
    now: string
  }
  console.log(now)
}
