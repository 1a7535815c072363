import type { Caller, Ctx } from '../../kernel/context.ts'
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

/** Reads an alarm configuration. Throws InvalidAlarmConfigException, AlarmsLimitExceededException. */
export const readAlarms = (wire: Input<'CreateDeploymentGroup'>['alarmConfiguration']): Alarms | undefined => {
  if (!wire) return undefined
  const { alarms = [], enabled = false, ignorePollAlarmFailure: ignorePollFailure = false } = wire
  const names = [...new Set(alarms.map(({ name }) => name ?? ''))]
  if (names.length > mostAlarms)
    throw fail(
      'AlarmsLimitExceededException',
      `The maximum number of alarms for a deployment group (${mostAlarms}) was exceeded.`,
    )
  if (names.includes('') || (enabled && names.length === 0))
    throw fail('InvalidAlarmConfigException', 'Alarms that are enabled need names.')
  return { enabled, names, ignorePollFailure }
}

export const toAlarms = ({ enabled, names, ignorePollFailure }: Alarms) => ({
  enabled,
  ignorePollAlarmFailure: ignorePollFailure,
  alarms: names.map((name) => ({ name })),
})

/** Refuses alarms for as long as CloudWatch has none: nothing would ever stop the deployment. */
export const checkAlarms = async (ctx: Ctx, alarms: Alarms | undefined): Promise<void> => {
  if (!alarms?.enabled) return
  try {
    await ctx.as(ctx.principal).cloudwatch.describeAlarms({ AlarmNames: alarms.names.slice(0, 1) })
  } catch (error) {
    if (error instanceof AwsError && error.status === 501)
      throw fail(
        'InvalidAlarmConfigException',
        'Alarms cannot stop deployments before CloudWatch has alarms: DescribeAlarms is not implemented.',
      )
    // Whether the caller may look at alarms is of no matter: deployments look under the service role.
    if (!(error instanceof AwsError)) throw error
  }
}

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
