import type { Caller, Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import { identity } from '../../kernel/identity.ts'
import { servicePrincipal } from '../../kernel/principal.ts'
import { table, type WriteTx } from '../../store/store.ts'
import { done, type Reconciler } from '../../work/reconciler.ts'
import type { AlarmRecord, MetricAlarm, Query, StateValue } from './alarm.ts'
import { note } from './alarm-history.ts'
import { invalid } from './operation.ts'

// What alarms do when they change: stop, terminate, reboot or recover the EC2 instance their metric is about ("Stop,
// terminate, reboot, or recover an EC2 instance", CloudWatch user guide). Who else could be told is not here yet.

type Ec2Action = 'stop' | 'terminate' | 'reboot' | 'recover'

const automate = /^arn:aws:automate:([a-z0-9-]+):ec2:(stop|terminate|reboot|recover)$/
const workflow =
  /^arn:aws:swf:([a-z0-9-]+):\d{12}:action\/actions\/AWS_EC2\.InstanceId\.(Stop|Terminate|Reboot|Recover)\/1\.0$/

const ec2ActionOf = (arn: string): { region: string; action: Ec2Action } | undefined => {
  const [, region, action] = automate.exec(arn) ?? workflow.exec(arn) ?? []
  return region && action ? { region, action: action.toLowerCase() as Ec2Action } : undefined
}

/** Which services' ARNs AWS takes as actions, and what of ours would have to take them. */
const absent: Readonly<Record<string, string>> = {
  sns: 'alarm actions that publish to SNS topics',
  lambda: 'alarm actions that invoke Lambda functions',
  autoscaling: 'alarm actions that scale Auto Scaling groups',
  'application-autoscaling': 'alarm actions that scale',
  ssm: 'alarm actions that create OpsItems',
  'ssm-incidents': 'alarm actions that create incidents',
  aiops: 'alarm actions that start investigations',
}

/**
 * Refuses actions that no alarm takes, with AWS's error, and those that nobody here would carry out. Throws
 * ValidationError, NotImplemented.
 */
export const checkActions = (ctx: Ctx, actions: readonly string[], queries: readonly Query[] | undefined): void => {
  for (const arn of actions) {
    const ec2 = ec2ActionOf(arn)
    if (!ec2) {
      const what = absent[arn.split(':')[2] ?? '']
      throw arn.startsWith('arn:') && what ? notImplemented(what) : invalid(`Invalid arn syntax: ${arn}`)
    }
    if (ec2.region !== ctx.region)
      throw invalid(`Invalid region ${ec2.region} specified. Only ${ctx.region} is supported.`)
    if (!queries) throw invalid(`Composite alarms do not support the action ${arn}.`)
    const [only, ...others] = queries
    if (others.length > 0 || !only || instanceOf(only) === undefined)
      throw invalid(`The action ${arn} needs an alarm on a single metric with the dimension InstanceId.`)
  }
}

const instanceOf = (query: Query): string | undefined =>
  'stat' in query ? query.stat.metric.dimensions.find(([name]) => name === 'InstanceId')?.[1] : undefined

/** The role under which CloudWatch acts on instances, and what it is named in the call that makes it. */
const linkedService = 'events.amazonaws.com'
const linkedRole = (account: string): string =>
  `arn:aws:iam::${account}:role/aws-service-role/${linkedService}/AWSServiceRoleForCloudWatchEvents`

const asLinkedRole = async (ctx: Ctx): Promise<Caller> =>
  ctx.as(
    await ctx.use(identity).assume({
      roleArn: linkedRole(ctx.account),
      sessionName: 'CloudWatchAlarms',
      by: servicePrincipal(linkedService),
    }),
  )

/** Makes the service-linked role for actions on instances where it is not there yet, by the caller's right to. */
export const ensureLinkedRole = async (ctx: Ctx, actions: readonly string[]): Promise<void> => {
  if (!actions.some(ec2ActionOf)) return
  try {
    await asLinkedRole(ctx)
    return
  } catch (error) {
    if (!(error instanceof AwsError)) throw error
  }
  try {
    await ctx.as(ctx.principal).iam.createServiceLinkedRole({ AWSServiceName: linkedService })
  } catch (error) {
    // Somebody else was faster.
    if (!(error instanceof AwsError && /has been taken/.test(error.message))) throw error
  }
}

/** An action that is to be taken: what the alarm was when it became due. */
type Due = {
  readonly id: string
  readonly action: string
  readonly alarm: MetricAlarm
}
export const DueAction = table<Due>('cloudwatch.due-action', { scope: 'region', key: ({ id }) => id })

/** Has the actions of an alarm's present state taken. */
export const queueActions = (ctx: Ctx, tx: WriteTx, alarm: AlarmRecord): void => {
  if (!alarm.actionsEnabled || alarm.kind !== 'metric') return
  for (const action of alarm.actions[alarm.state.value satisfies StateValue]) {
    const { id } = tx.put(DueAction, { id: ctx.newId(), action, alarm })
    tx.wake('cloudwatch.alarm-action', id)
  }
}

/** Takes one action, and notes what came of it. Key: its id. At least once: all of them may be repeated. */
export const takeAction: Reconciler = {
  name: 'cloudwatch.alarm-action',
  step: async (ctx, id) => {
    const due = await ctx.read((tx) => tx.get(DueAction, id))
    if (!due) return done()
    const { alarm, action } = due
    const error = await take(ctx, due).then(
      () => undefined,
      (problem: unknown) => {
        if (problem instanceof AwsError) return problem.message
        throw problem
      },
    )
    await ctx.write(async (tx) => {
      tx.delete(DueAction, id)
      const facts = { notificationResource: action, stateUpdateTimestamp: alarm.state.updated }
      if (error === undefined)
        await note(ctx, tx, alarm, 'Action', `Successfully executed action ${action}`, {
          actionState: 'Succeeded',
          ...facts,
        })
      else
        await note(ctx, tx, alarm, 'Action', `Failed to execute action ${action}`, {
          actionState: 'Failed',
          ...facts,
          error,
        })
    })
    return done()
  },
}

const take = async (ctx: Ctx, { action: arn, alarm }: Due): Promise<void> => {
  const [query] = alarm.queries
  const instance = query && instanceOf(query)
  const ec2 = ec2ActionOf(arn)
  if (!instance || !ec2) return
  const role = await asLinkedRole(ctx)
  const input = { InstanceIds: [instance] }
  if (ec2.action === 'stop') await role.ec2.stopInstances(input)
  else if (ec2.action === 'terminate') await role.ec2.terminateInstances(input)
  // A recovered instance is the same on another host: to what runs in it, a reboot.
  else await role.ec2.rebootInstances(input)
}
