import { startDigests } from './digest.ts'
import { watch } from './follower.ts'
import { type Operation, toDate, toText } from './operation.ts'
import { getOwnTrail, getTrail, Status, Trail } from './trail.ts'

/** How long a past span of logging is kept: until everything of it has surely been delivered. Milliseconds. */
const KEPT = 90 * 86_400_000

/** Begins to log; nothing happens when the trail logs already. In the home Region only. */
export const StartLogging: Operation<'StartLogging'> = async (ctx, { Name }) => {
  await ctx.write(async (tx) => {
    const trail = await getOwnTrail(ctx, tx, Name)
    if (trail.logging) return
    const now = ctx.now().getTime()
    const spans = [...trail.spans.filter(({ to = now }) => to >= now - KEPT), { from: now }]
    const next = tx.put(Trail, { ...trail, logging: true, spans })
    if (next.validation) startDigests(ctx, tx, next)
    watch(tx)
  })
  return {}
}

/** Ends logging; what happened before is still delivered. */
export const StopLogging: Operation<'StopLogging'> = async (ctx, { Name }) => {
  await ctx.write(async (tx) => {
    const trail = await getOwnTrail(ctx, tx, Name)
    if (!trail.logging) return
    const to = ctx.now().getTime()
    tx.put(Trail, { ...trail, logging: false, spans: trail.spans.map((span) => ({ to, ...span })) })
    tx.wake('cloudtrail.deliver', trail.arn)
  })
  return {}
}

/** When the trail logged and delivered, and what went wrong last. */
export const GetTrailStatus: Operation<'GetTrailStatus'> = async (ctx, { Name }) => {
  const { trail, status } = await ctx.read(async (tx) => {
    const trail = await getTrail(ctx, tx, Name)
    return { trail, status: await tx.get(Status, trail.arn) }
  })
  const last = trail.spans.at(-1)
  const stopped = trail.logging ? trail.spans.at(-2)?.to : last?.to
  return {
    IsLogging: trail.logging,
    LatestDeliveryError: status?.error,
    LatestDeliveryTime: toDate(status?.delivered),
    StartLoggingTime: toDate(last?.from),
    StopLoggingTime: toDate(stopped),
    LatestCloudWatchLogsDeliveryError: status?.logsError,
    LatestCloudWatchLogsDeliveryTime: toDate(status?.logsDelivered),
    LatestDigestDeliveryTime: toDate(status?.digestDelivered),
    LatestDigestDeliveryError: status?.digestError,
    LatestDeliveryAttemptTime: toText(status?.attempted),
    LatestNotificationAttemptTime: '',
    LatestNotificationAttemptSucceeded: '',
    LatestDeliveryAttemptSucceeded: status?.error === undefined ? toText(status?.delivered) : '',
    TimeLoggingStarted: toText(last?.from),
    TimeLoggingStopped: toText(stopped),
  }
}
