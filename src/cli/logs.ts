import { setTimeout as pause } from 'node:timers/promises'
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import { type ConnectionOptions, connection } from './connection.ts'

/** `drydock logs GROUP [--follow]`: prints a log group's events, oldest first. */
export const logs = async (group: string, options: ConnectionOptions & { follow?: boolean }): Promise<void> => {
  const { endpoint, region, accessKeyId, secretAccessKey } = connection(options)
  const client = new CloudWatchLogsClient({ endpoint, region, credentials: { accessKeyId, secretAccessKey } })
  const seen = new Set<string>()
  let from = 0
  do {
    let nextToken: string | undefined
    do {
      const page = await client.send(new FilterLogEventsCommand({ logGroupName: group, startTime: from, nextToken }))
      for (const { eventId = '', timestamp = 0, message = '' } of page.events ?? []) {
        if (seen.has(eventId)) continue
        seen.add(eventId)
        from = Math.max(from, timestamp)
        console.log(`${new Date(timestamp).toISOString()} ${message.trimEnd()}`)
      }
      nextToken = page.nextToken
    } while (nextToken)
    if (options.follow) await pause(500)
  } while (options.follow)
}
