import {
  DescribeAlarmHistoryCommand,
  DescribeAlarmsCommand,
  PutCompositeAlarmCommand,
  PutMetricAlarmCommand,
  SetAlarmStateCommand,
  type StateValue,
} from '@aws-sdk/client-cloudwatch'
import { type Actor, certain, ledger, type World } from './world.ts'

const names = ['busy', 'slow', 'full']
const states: readonly StateValue[] = ['OK', 'ALARM', 'INSUFFICIENT_DATA']

/**
 * Alarms without data that are set to states, and a composite one above them: whatever the server dies in, each has its
 * last acknowledged state, the composite one is what its rule says, and every change is in the history.
 */
export const alarms = (): Actor => {
  const book = ledger<StateValue>()
  const statesOf = async ({ aws }: World) => {
    const AlarmTypes = ['MetricAlarm', 'CompositeAlarm'] as const
    const { MetricAlarms = [], CompositeAlarms = [] } = await aws.cloudwatch.send(
      new DescribeAlarmsCommand({ AlarmTypes: [...AlarmTypes] }),
    )
    return new Map(
      [...MetricAlarms, ...CompositeAlarms].map(({ AlarmName = '', StateValue }) => [AlarmName, StateValue]),
    )
  }
  return {
    name: 'alarms',
    setUp: async ({ aws }) => {
      for (const AlarmName of names) {
        await aws.cloudwatch.send(
          new PutMetricAlarmCommand({
            AlarmName,
            Namespace: 'Crash',
            MetricName: AlarmName,
            Statistic: 'Sum',
            Period: 60,
            EvaluationPeriods: 1,
            Threshold: 1,
            ComparisonOperator: 'GreaterThanThreshold',
            TreatMissingData: 'ignore',
          }),
        )
        book.surely(AlarmName, 'INSUFFICIENT_DATA')
      }
      const AlarmRule = names.map((name) => `ALARM(${name})`).join(' OR ')
      await aws.cloudwatch.send(new PutCompositeAlarmCommand({ AlarmName: 'any', AlarmRule }))
    },
    act: async ({ aws, random }) => {
      const [AlarmName = '', StateValue = 'OK'] = [names[random.below(names.length)], states[random.below(3)]]
      const [before = 'OK'] = book.values(AlarmName)
      book.maybe(AlarmName, StateValue, before)
      const set = new SetAlarmStateCommand({ AlarmName, StateValue, StateReason: 'crash' })
      if (await certain(aws.cloudwatch.send(set))) book.surely(AlarmName, StateValue)
    },
    check: async (world) => {
      const found = await statesOf(world)
      const wrong = names.flatMap((name) => {
        const state = found.get(name)
        const allowed = book.values(name)
        if (!state || !allowed.includes(state)) return [`alarm ${name} is ${state}, not ${allowed.join(' or ')}`]
        book.surely(name, state)
        return []
      })
      const any = names.some((name) => found.get(name) === 'ALARM') ? 'ALARM' : 'OK'
      if (found.get('any') !== any) wrong.push(`the composite alarm is ${found.get('any')}, not ${any}`)
      for (const name of names) {
        const { AlarmHistoryItems: [last] = [] } = await world.aws.cloudwatch.send(
          new DescribeAlarmHistoryCommand({ AlarmName: name, HistoryItemType: 'StateUpdate', MaxRecords: 1 }),
        )
        const state = last ? JSON.parse(last.HistoryData ?? '{}').newState?.stateValue : 'INSUFFICIENT_DATA'
        if (state !== found.get(name)) wrong.push(`the history of alarm ${name} ends with ${state}`)
      }
      return wrong
    },
  }
}
