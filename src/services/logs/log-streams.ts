import type { LogStream as WireLogStream } from '@aws-sdk/client-cloudwatch-logs'
import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { getGroup, groupArn, groupName, LogGroup, type LogGroupRecord } from './log-groups.ts'
import { fail, fromToken, type Operation, toToken } from './operation.ts'

export type LogStreamRecord = {
  readonly groupId: string
  readonly name: string
  readonly id: string
  readonly created: number
  readonly firstEvent?: number
  readonly lastEvent?: number
  readonly lastIngestion?: number
  /** The last position in the stream of events that this record knows of. */
  readonly position: number
  /** Some events are earlier than others before them, so positions do not tell the order of times. */
  readonly disordered: boolean
}

const byLastEvent = ({ groupId, lastEvent, name }: LogStreamRecord): string =>
  `${groupId}/${String(lastEvent ?? 0).padStart(16, '0')}/${name}`

export const LogStream = table<LogStreamRecord>('logs.stream', {
  scope: 'region',
  key: ({ groupId, name }) => `${groupId}/${name}`,
  index: { lastEvent: byLastEvent, id: ({ id }) => id },
})

const PAGE = 50

/** Where the events of a stream, or of all streams of a group, are kept. */
export const eventsOf = (ctx: Pick<Ctx, 'account' | 'region'>, groupId: string, streamId = ''): string =>
  `logs/${ctx.account}/${ctx.region}/${groupId}/${streamId}`

/** The stream, or ResourceNotFoundException. */
export const getStream = async (tx: ReadTx, group: LogGroupRecord, name: string): Promise<LogStreamRecord> => {
  const stream = await tx.get(LogStream, `${group.id}/${name}`)
  if (!stream) throw fail('ResourceNotFoundException', 'The specified log stream does not exist.')
  return stream
}

const toLogStream = (ctx: Ctx, group: string, stream: LogStreamRecord): WireLogStream => ({
  logStreamName: stream.name,
  creationTime: stream.created,
  firstEventTimestamp: stream.firstEvent,
  lastEventTimestamp: stream.lastEvent,
  lastIngestionTime: stream.lastIngestion,
  arn: `${groupArn(ctx, group)}:log-stream:${stream.name}`,
  storedBytes: 0,
})

export const CreateLogStream: Operation<'CreateLogStream'> = async (ctx, { logGroupName, logStreamName }) => {
  await ctx.write(async (tx) => {
    const group = await getGroup(tx, logGroupName)
    if (await tx.get(LogStream, `${group.id}/${logStreamName}`))
      throw fail('ResourceAlreadyExistsException', 'The specified log stream already exists')
    tx.put(LogStream, {
      groupId: group.id,
      name: logStreamName,
      id: ctx.newId(),
      created: ctx.now().getTime(),
      position: 0,
      disordered: false,
    })
  })
  return {}
}

/** Lists a group's streams by name, or by the time of their last event (which excludes a prefix). */
export const DescribeLogStreams: Operation<'DescribeLogStreams'> = async (ctx, input) => {
  const name = groupName(ctx, input)
  const byTime = input.orderBy === 'LastEventTime'
  const prefix = input.logStreamNamePrefix ?? ''
  if (byTime && prefix !== '')
    throw fail('InvalidParameterException', 'Cannot order by LastEventTime with a logStreamNamePrefix.')
  const limit = input.limit ?? PAGE
  const after = fromToken(input.nextToken)
  const found = await ctx.read(async (tx) => {
    const group = await getGroup(tx, name)
    return tx.list(LogStream, {
      prefix: `${group.id}/${prefix}`,
      reverse: input.descending ?? false,
      limit: limit + 1,
      ...(byTime ? { index: 'lastEvent' } : {}),
      ...(after === undefined ? {} : { after: `${group.id}/${after}` }),
    })
  })
  const page = found.slice(0, limit)
  const last = page.at(-1)
  const cursor = last && (byTime ? byLastEvent(last).slice(last.groupId.length + 1) : last.name)
  return {
    logStreams: page.map((stream) => toLogStream(ctx, name, stream)),
    nextToken: found.length > limit && cursor ? toToken(cursor) : undefined,
  }
}

/** Deletes a stream with its events. */
export const DeleteLogStream: Operation<'DeleteLogStream'> = async (ctx, { logGroupName, logStreamName }) => {
  await ctx.write(async (tx) => {
    const group = await getGroup(tx, logGroupName)
    const stream = await getStream(tx, group, logStreamName)
    tx.delete(LogStream, `${group.id}/${logStreamName}`)
    tx.wake('logs.forget', `${group.id}/${stream.id}`)
  })
  return {}
}

/** Deletes a group with its streams and their events. */
export const DeleteLogGroup: Operation<'DeleteLogGroup'> = async (ctx, { logGroupName }) => {
  await ctx.write(async (tx) => {
    const group = await getGroup(tx, logGroupName)
    if (group.protected)
      throw fail('ValidationException', 'The log group cannot be deleted because deletion protection is enabled.')
    for (const { name } of await tx.list(LogStream, { prefix: `${group.id}/` }))
      tx.delete(LogStream, `${group.id}/${name}`)
    tx.delete(LogGroup, logGroupName)
    tx.wake('logs.forget', `${group.id}/`)
  })
  return {}
}
