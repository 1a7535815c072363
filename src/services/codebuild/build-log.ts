import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { type BuildRecord, buildArn, logNames, s3LogOf, serviceRoleOf } from './build.ts'
import { spool } from './s3-log.ts'

/** Most bytes of one line, and of one request, that CloudWatch Logs takes. */
const lineLimit = 250_000
const batchLimit = 1_000_000
const batchCount = 10_000
/** What CloudWatch Logs counts for an event beside its text. */
const lineOverhead = 26

/** Shorter secrets are not masked: nearly every line would be. */
const shortestSecret = 4

/** A build may not write its log: AWS's `ACCESS_DENIED` of PROVISIONING. */
export class LogDenied extends Error {}

export type BuildLog = {
  /** Makes group and stream as the service role may; throws LogDenied when it may not. */
  open(): Promise<void>
  /** Lines in CodeBuild's own voice. */
  say(...lines: readonly string[]): void
  /** Lines of the build's output. */
  print(line: string): void
  /** Sends what has been said; waits until it is there. */
  flush(): Promise<void>
}

const two = (value: number) => String(value).padStart(2, '0')

/** `[Container] 2026/11/23 04:49:15 `, in UTC. */
export const stamp = (time: Date): string =>
  `[Container] ${time.getUTCFullYear()}/${two(time.getUTCMonth() + 1)}/${two(time.getUTCDate())} ` +
  `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())} `

/**
 * The log of a build, written to CloudWatch Logs under its service role, and kept for S3 where that is asked for. `secrets`
 * never appear in it.
 */
export const buildLog = (ctx: Ctx, build: BuildRecord, secrets: readonly string[]): BuildLog => {
  const names = logNames(build)
  const hidden = secrets.filter((secret) => secret.length >= shortestSecret).sort((a, b) => b.length - a.length)
  const role = serviceRoleOf(ctx, build)
  let waiting: { timestamp: number; message: string }[] = []
  const spooled = s3LogOf(build) !== undefined
  let kept: string[] = []
  let spooling: Promise<void> = Promise.resolve()

  const masked = (line: string) => hidden.reduce((text, secret) => text.replaceAll(secret, '***'), line)
  const add = (line: string) => {
    const message = masked(line)
    if (spooled) kept.push(message)
    if (!names) return
    const timestamp = ctx.now().getTime()
    // CloudWatch Logs takes no empty message.
    if (message === '') waiting.push({ timestamp, message: ' ' })
    for (let at = 0; at < message.length; at += lineLimit / 4)
      waiting.push({ timestamp, message: message.slice(at, at + lineLimit / 4) })
  }

  const open = async () => {
    if (!names) return
    const stream = { logGroupName: names.group, logStreamName: names.stream }
    const tolerate = (error: unknown) => {
      if (!(error instanceof AwsError) || error.code !== 'ResourceAlreadyExistsException') throw error
    }
    try {
      try {
        await role.logs.createLogStream(stream).catch(tolerate)
      } catch (error) {
        if (!(error instanceof AwsError) || error.code !== 'ResourceNotFoundException') throw error
        await role.logs.createLogGroup({ logGroupName: names.group }).catch(tolerate)
        await role.logs.createLogStream(stream).catch(tolerate)
      }
    } catch (error) {
      if (!(error instanceof AwsError) || error.code === 'InternalFailure') throw error
      throw new LogDenied(
        `Service role ${build.serviceRole} does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams ` +
          `for build ${buildArn(ctx, build.id)}. Error message: ${error.message}`,
      )
    }
  }

  const flush = async () => {
    if (kept.length > 0) {
      const lines = kept
      kept = []
      spooling = spooling.then(() => spool(ctx, build, lines))
      await spooling
    }
    if (!names) return
    while (waiting.length > 0) {
      let bytes = 0
      let count = 0
      while (count < waiting.length && count < batchCount) {
        bytes += Buffer.byteLength(waiting[count]?.message ?? '') + lineOverhead
        if (bytes > batchLimit && count > 0) break
        count += 1
      }
      const logEvents = waiting.slice(0, count)
      waiting = waiting.slice(count)
      try {
        await role.logs.putLogEvents({ logGroupName: names.group, logStreamName: names.stream, logEvents })
      } catch (error) {
        // A log that is taken away in the middle of a build does not end the build.
        if (!(error instanceof AwsError) || error.code === 'ServiceUnavailable') throw error
        ctx.log.warn('log lines of a build were refused', { build: build.id, error: error.message })
      }
    }
  }

  return {
    open,
    say: (...lines) => {
      for (const line of lines) add(`${stamp(ctx.now())}${line}`)
    },
    print: add,
    flush,
  }
}
