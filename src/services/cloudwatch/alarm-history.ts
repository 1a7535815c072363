import type { AlarmHistoryItem, AlarmType, HistoryItemType } from '@aws-sdk/client-cloudwatch'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { table, type WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import type { AlarmRecord } from './alarm.ts'
import { fail, type Operation } from './operation.ts'

const DAY = 86_400_000
/** "The alarm history is available for 30 days" (DescribeAlarmHistory, API reference). */
const kept = 30 * DAY

type Item = {
  /** Epoch milliseconds. */
  readonly time: number
  /** Counts what was noted at one moment. */
  readonly nth: number
  readonly alarm: string
  readonly kind: AlarmRecord['kind']
  readonly type: 'ConfigurationUpdate' | 'StateUpdate' | 'Action'
  readonly summary: string
  /** JSON. */
  readonly data: string
}

const timeKey = (time: number): string => String(time).padStart(15, '0')
const keyOf = ({ time, nth }: Pick<Item, 'time' | 'nth'>): string => `${timeKey(time)}/${String(nth).padStart(6, '0')}`

/** What happened to alarms; it outlives them. */
export const AlarmHistory = table<Item>('cloudwatch.alarm-history', {
  scope: 'region',
  key: keyOf,
  index: { alarm: ({ alarm }) => alarm },
})

/** Notes what happened to an alarm. */
export const note = async (
  ctx: Ctx,
  tx: WriteTx,
  { name, kind }: AlarmRecord,
  type: Item['type'],
  summary: string,
  data: object,
): Promise<void> => {
  const time = ctx.now().getTime()
  const [last] = await tx.list(AlarmHistory, { prefix: `${timeKey(time)}/`, reverse: true, limit: 1 })
  const nth = (last?.nth ?? -1) + 1
  const text = JSON.stringify({ version: '1.0', ...data })
  tx.put(AlarmHistory, { time, nth, alarm: name, kind, type, summary, data: text })
  tx.wake('cloudwatch.alarm-history', new Date(time).toISOString().slice(0, 10), { in: kept + DAY })
}

/** Forgets a day of all alarms' history once it is 30 days old. Key: the date. */
export const forgetHistory: Reconciler = {
  name: 'cloudwatch.alarm-history',
  step: async (ctx, date) => {
    const end = timeKey(Date.parse(date) + DAY)
    const left = await ctx.write(async (tx) => {
      const oldest = await tx.list(AlarmHistory, { limit: 1000 })
      const old = oldest.filter((item) => keyOf(item) < end)
      for (const item of old) tx.delete(AlarmHistory, keyOf(item))
      return old.length === 1000
    })
    return left ? again({ in: 0 }) : done()
  },
}

const types: Readonly<Record<Item['kind'], AlarmType>> = { metric: 'MetricAlarm', composite: 'CompositeAlarm' }

const toItem = (item: Item): AlarmHistoryItem => ({
  AlarmName: item.alarm,
  AlarmType: types[item.kind],
  Timestamp: new Date(item.time),
  HistoryItemType: item.type satisfies HistoryItemType,
  HistorySummary: item.summary,
  HistoryData: item.data,
})

/** The history of one alarm or of all, of metric alarms unless told, newest first unless told. Errors: InvalidNextToken. */
export const DescribeAlarmHistory: Operation<'DescribeAlarmHistory'> = async (ctx, input) => {
  if (input.AlarmContributorId !== undefined || input.HistoryItemType?.startsWith('AlarmContributor'))
    throw notImplemented('the history of alarms’ contributors')
  const wanted = input.AlarmTypes ?? ['MetricAlarm']
  const from = Math.max(input.StartDate?.getTime() ?? 0, ctx.now().getTime() - kept)
  const to = input.EndDate?.getTime() ?? Number.MAX_SAFE_INTEGER
  const ascending = input.ScanBy === 'TimestampAscending'
  const fits = (item: Item): boolean =>
    item.time >= from &&
    item.time <= to &&
    wanted.includes(types[item.kind]) &&
    (input.HistoryItemType === undefined || item.type === input.HistoryItemType)
  const after = input.NextToken === undefined ? undefined : Buffer.from(input.NextToken, 'base64url').toString()
  if (after !== undefined && !/^\d{15}\/\d{6,}$/.test(after)) throw fail('InvalidNextToken', 'Invalid next token.')
  const most = input.MaxRecords ?? 100
  const found = await ctx.read(async (tx) => {
    const items: Item[] = []
    let last = after
    for (;;) {
      const some = await tx.list(AlarmHistory, {
        limit: 500,
        reverse: !ascending,
        ...(last === undefined ? {} : { after: last }),
        ...(input.AlarmName === undefined ? {} : { index: 'alarm', equals: input.AlarmName }),
      })
      items.push(...some.filter(fits))
      const end = some.at(-1)
      if (!end || some.length < 500 || items.length > most) return items
      last = keyOf(end)
    }
  })
  const page = found.slice(0, most)
  const last = page.at(-1)
  return {
    AlarmHistoryItems: page.map(toItem),
    NextToken: found.length > most && last ? Buffer.from(keyOf(last)).toString('base64url') : undefined,
  }
}
