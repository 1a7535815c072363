import type { Config } from './config.ts'
import type { Logger } from './kernel/context.ts'

const levels = ['debug', 'info', 'warn', 'error'] as const

/** Log lines on standard error: for people, or as JSON. */
export const logger = (
  options: Pick<Config, 'json' | 'logLevel'>,
  write = (line: string) => process.stderr.write(line),
): Logger => {
  const lowest = options.logLevel === 'silent' ? levels.length : levels.indexOf(options.logLevel)
  const line =
    (level: (typeof levels)[number]) =>
    (message: string, facts: Record<string, unknown> = {}) => {
      if (levels.indexOf(level) < lowest) return
      const time = new Date().toISOString()
      if (options.json) write(`${JSON.stringify({ time, level, message, ...facts })}\n`)
      else {
        const rest = Object.entries(facts).map(
          ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
        )
        write(`${time.slice(11, 23)} ${level.padEnd(5)} ${message}${rest.join('')}\n`)
      }
    }
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
}
