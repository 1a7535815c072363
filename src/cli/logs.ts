import { setTimeout as pause } from 'node:timers/promises'
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import { type ConnectionOptions, connection } from './connection.ts'

/** How much later than newer events of other streams an event may arrive and still be shown (ms). */
const LATE = 60_000

/** `drydock logs GROUP [--follow]`: prints a log group's events, oldest first. */
export const logs = async (group: string, options: ConnectionOptions & { follow?: boolean }): Promise<void> => {
  const { endpoint, region, accessKeyId, secretAccessKey } = await connection(options)
  const client = new CloudWatchLogsClient({ endpoint, region, credentials: { accessKeyId, secretAccessKey } })
  /** Ids of the events printed, with their times, as far back as they are asked for again. */
  const seen = new Map<string, number>()
  let newest = 0
  do {
    const from = Math.max(0, newest - LATE)
    for (const [id, time] of seen) if (time < from) seen.delete(id)
    let nextToken: string | undefined
    do {
      const page = await client.send(new FilterLogEventsCommand({ logGroupName: group, startTime: from, nextToken }))
      for (const { eventId = '', timestamp = 0, message = '' } of page.events ?? []) {
        if (seen.has(eventId)) continue
        seen.set(eventId, timestamp)
        newest = Math.max(newest, timestamp)
        console.log(`${new Date(timestamp).toISOString()} ${message.trimEnd()}`)
      }
      nextToken = page.nextToken
    } while (nextToken)
    if (options.follow) await pause(500)
  } while (options.follow)
}
