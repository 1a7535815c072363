import { ActionFailure, type Job, type Progress, type TaskKind } from '../actions/action.ts'

// "CloudWatchAlarm", rule reference of the CodePipeline user guide. Before a stage and after its failure the rule waits for
// the alarm to leave the states that are monitored; after its success it watches whether the alarm gets into one of them.

const minute = 60_000
const states = ['ALARM', 'OK', 'INSUFFICIENT_DATA']

/** The rule is looked at this often at least, besides when the alarm changes its state; milliseconds. */
const interval = minute

const statesOf = ({ AlarmStates = 'ALARM' }: Job['configuration']): string[] =>
  AlarmStates.split(',').map((state) => state.trim())

const waitOf = ({ WaitTime = '0' }: Job['configuration']): number => Number(WaitTime) * minute

const look = async (job: Job): Promise<Progress> => {
  const { ctx, configuration, role, started, condition } = job
  const { AlarmName = '' } = configuration
  const { cloudwatch } = await role()
  const { MetricAlarms = [], CompositeAlarms = [] } = await cloudwatch.describeAlarms({
    AlarmNames: [AlarmName],
    AlarmTypes: ['MetricAlarm', 'CompositeAlarm'],
  })
  const [alarm] = [...MetricAlarms, ...CompositeAlarms]
  if (!alarm) throw new ActionFailure('ConfigurationError', `The alarm ${AlarmName} does not exist.`)
  const state = alarm.StateValue ?? ''
  const monitored = statesOf(configuration).includes(state)
  const over = ctx.now().getTime() >= started + waitOf(configuration)
  const external = { id: alarm.AlarmArn ?? AlarmName, summary: `The alarm ${AlarmName} is in the state ${state}.` }
  const watches = condition === 'onSuccess'
  if (monitored && (watches || over)) return { state: 'failed', code: 'JobFailed', message: external.summary, external }
  if (!monitored && (!watches || over)) return { state: 'succeeded', external }
  return { state: 'running', external }
}

export const cloudwatchAlarm: TaskKind = {
  provider: 'CloudWatchAlarm',
  properties: [
    { name: 'AlarmName', required: true, description: 'The alarm.' },
    {
      name: 'AlarmStates',
      required: false,
      description: 'The states to monitor, separated by commas: ALARM unless told.',
    },
    {
      name: 'WaitTime',
      required: false,
      description: 'How long to wait for a change of state, in minutes: 0 unless told.',
    },
  ],
  inputs: [0, 0],
  outputs: [0, 0],
  timeoutMinutes: 7 * 24 * 60,
  check: ({ configuration = {} }) => {
    const { AlarmStates = '', WaitTime = '0' } = configuration
    const unknown = statesOf(configuration).find((state) => !states.includes(state))
    if (!AlarmStates.includes('#{') && unknown !== undefined)
      return `AlarmStates ${unknown} is not one of ${states.join(', ')}`
    return WaitTime.includes('#{') || /^\d{1,5}$/.test(WaitTime)
      ? undefined
      : `WaitTime ${WaitTime} is not a number of minutes`
  },
  start: look,
  poll: look,
  pause: ({ configuration }) => Math.min(interval, Math.max(1000, waitOf(configuration))),
}
