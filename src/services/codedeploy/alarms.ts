import type { Caller } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { fail, type Input } from './operation.ts'

/** CloudWatch alarms that stop a deployment ("Monitoring deployments with CloudWatch alarms in CodeDeploy", user guide). */
export type Alarms = {
  readonly enabled: boolean
  readonly names: readonly string[]
  /** Go on when CloudWatch does not tell. */
  readonly ignorePollFailure: boolean
}

/** "CodeDeploy quotas", user guide. */
const mostAlarms = 50
const longestName = 255

/** Reads an alarm configuration. Throws InvalidAlarmConfigException, AlarmsLimitExceededException. */
export const readAlarms = (wire: Input<'CreateDeploymentGroup'>['alarmConfiguration']): Alarms | undefined => {
  if (!wire) return undefined
  const { alarms = [], enabled = false, ignorePollAlarmFailure: ignorePollFailure = false } = wire
  const names = alarms.map(({ name }) => name ?? '')
  if (names.length > mostAlarms)
    throw fail(
      'AlarmsLimitExceededException',
      `The maximum number of alarms for a deployment group (${mostAlarms}) was exceeded.`,
    )
  if (names.some((name) => name === '' || name.length > longestName))
    throw fail('InvalidAlarmConfigException', `The name of an alarm has 1 to ${longestName} characters.`)
  if (new Set(names).size < names.length)
    throw fail('InvalidAlarmConfigException', 'Two alarms with the same name have been specified.')
  if (enabled && names.length === 0)
    throw fail('InvalidAlarmConfigException', 'The alarm configuration is enabled, but the alarm list is empty.')
  return { enabled, names, ignorePollFailure }
}

export const toAlarms = ({ enabled, names, ignorePollFailure }: Alarms) => ({
  enabled,
  ignorePollAlarmFailure: ignorePollFailure,
  alarms: names.map((name) => ({ name })),
})

/** Why the alarms say that a deployment is to stop; `undefined` while they do not. Asked for under the service role. */
export const whyStop = async (role: Caller, { names, ignorePollFailure }: Alarms): Promise<string | undefined> => {
  try {
    const { MetricAlarms = [], CompositeAlarms = [] } = await role.cloudwatch.describeAlarms({
      AlarmNames: [...names],
      AlarmTypes: ['MetricAlarm', 'CompositeAlarm'],
    })
    const active = [...MetricAlarms, ...CompositeAlarms].filter(({ StateValue }) => StateValue === 'ALARM')
    if (active.length === 0) return undefined
    return `One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected deployments have been stopped. Activated alarms: <${active.map(({ AlarmName }) => AlarmName).join(', ')}>`
  } catch (error) {
    if (!(error instanceof AwsError)) throw error
    return ignorePollFailure
      ? undefined
      : `The status of the alarms could not be read from Amazon CloudWatch. ${error.message}`
  }
}
