import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { fail, type Output } from './operation.ts'

// "AWS Systems Manager Run Command", Systems Manager user guide.

export type InvocationStatus = 'Cancelled' | 'Cancelling' | 'Failed' | 'InProgress' | 'Pending' | 'Success' | 'TimedOut'

export type CommandRecord = {
  readonly id: string
  readonly document: string
  readonly parameters: Readonly<Record<string, readonly string[]>>
  readonly comment: string
  readonly instanceIds: readonly string[]
  readonly targets: readonly { readonly Key?: string | undefined; readonly Values?: string[] | undefined }[]
  /** Milliseconds since the epoch. */
  readonly requested: number
  /** Within so many seconds a machine must have begun. */
  readonly timeoutSeconds: number
  /** And ended within so many more. */
  readonly executionSeconds: number
  readonly maxConcurrency: string
  readonly maxErrors: string
  readonly output?: { readonly bucket: string; readonly prefix: string }
  readonly targetCount: number
  readonly status: InvocationStatus
  readonly statusDetails: string
}

export type InvocationRecord = {
  readonly command: string
  readonly instanceId: string
  readonly instanceName: string
  readonly requested: number
  readonly status: InvocationStatus
  readonly statusDetails: string
  readonly started?: number
  readonly ended?: number
  /** The script's exit code; -1 until there is one. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const moment = (time: number) => new Date(time).toISOString()

export const Command = table<CommandRecord>('ssm.command', {
  scope: 'region',
  key: ({ id }) => id,
  index: { time: ({ requested, id }) => `${moment(requested)}/${id}` },
})
export const commandMoment = ({ requested, id }: CommandRecord): string => `${moment(requested)}/${id}`

const invocationKey = (command: string, instanceId: string) => `${command}/${instanceId}`
export const Invocation = table<InvocationRecord>('ssm.invocation', {
  scope: 'region',
  key: ({ command, instanceId }) => invocationKey(command, instanceId),
  index: {
    time: ({ requested, command, instanceId }) => `${moment(requested)}/${command}/${instanceId}`,
    instance: ({ instanceId, requested, command }) => `${instanceId}/${moment(requested)}/${command}`,
  },
})
export const invocationMoment = ({ requested, command, instanceId }: InvocationRecord): string =>
  `${moment(requested)}/${command}/${instanceId}`

/** The reconciler that carries commands out, keyed by their id. */
export const commandReconciler = 'ssm.command'

export const findInvocation = (tx: ReadTx, command: string, instanceId: string) =>
  tx.get(Invocation, invocationKey(command, instanceId))

/** Throws InvalidCommandId. */
export const getCommand = async (tx: ReadTx, id: string): Promise<CommandRecord> => {
  const command = await tx.get(Command, id)
  if (!command) throw fail('InvalidCommandId', `The command ID ${id} is not valid: there is no such command.`)
  return command
}

export const invocationsOf = (tx: ReadTx, { id }: Pick<CommandRecord, 'id'>): Promise<InvocationRecord[]> =>
  tx.list(Invocation, { prefix: `${id}/` })

export const isOpen = ({ status }: Pick<InvocationRecord, 'status'>): boolean =>
  status === 'Pending' || status === 'InProgress' || status === 'Cancelling'

/** A count or a percentage of the targets, as MaxConcurrency and MaxErrors have it. */
export const portionOf = (text: string, whole: number): number =>
  text.endsWith('%') ? Math.floor((Number(text.slice(0, -1)) * whole) / 100) : Number(text)

/** What the invocations make of their command ("Understanding command statuses"). */
export const commandStatusOf = (
  invocations: readonly InvocationRecord[],
): Pick<CommandRecord, 'status' | 'statusDetails'> => {
  const any = (...statuses: InvocationStatus[]) => invocations.find(({ status }) => statuses.includes(status))
  if (any('Cancelling')) return { status: 'Cancelling', statusDetails: 'Cancelling' }
  if (any('Pending', 'InProgress'))
    return invocations.every(({ status }) => status === 'Pending')
      ? { status: 'Pending', statusDetails: 'Pending' }
      : { status: 'InProgress', statusDetails: 'InProgress' }
  const wrong = any('Failed') ?? any('TimedOut') ?? any('Cancelled')
  return wrong
    ? { status: wrong.status, statusDetails: wrong.statusDetails }
    : { status: 'Success', statusDetails: 'Success' }
}

/** "EC2 Command Status-change Notification" and "… Invocation …" ("Monitoring Run Command status changes using EventBridge"). */
export const emitCommand = (ctx: Ctx, tx: WriteTx, command: CommandRecord, invocation?: InvocationRecord): void =>
  tx.emit({
    source: 'aws.ssm',
    'detail-type': `EC2 Command ${invocation ? 'Invocation ' : ''}Status-change Notification`,
    account: ctx.account,
    region: ctx.region,
    resources: invocation ? [instanceArn(ctx, invocation.instanceId)] : [],
    detail: {
      'command-id': command.id,
      'document-name': command.document,
      ...(invocation
        ? { 'instance-id': invocation.instanceId }
        : { 'expire-after': moment(expiryOf(command)), parameters: command.parameters }),
      'requested-date-time': moment(command.requested),
      status: (invocation ?? command).status,
    },
  })

export const instanceArn = ({ region, account }: Pick<Ctx, 'account' | 'region'>, id: string): string =>
  `arn:aws:ec2:${region}:${account}:instance/${id}`

const expiryOf = ({ requested, timeoutSeconds, executionSeconds }: CommandRecord): number =>
  requested + (timeoutSeconds + executionSeconds) * 1000

type Wire = NonNullable<Output<'SendCommand'>['Command']>

export const toCommand = (command: CommandRecord, invocations: readonly InvocationRecord[]): Wire => ({
  CommandId: command.id,
  DocumentName: command.document,
  DocumentVersion: '$DEFAULT',
  Comment: command.comment,
  ExpiresAfter: new Date(expiryOf(command)),
  Parameters: Object.fromEntries(Object.entries(command.parameters).map(([name, values]) => [name, [...values]])),
  InstanceIds: [...command.instanceIds],
  Targets: command.targets.map(({ Key, Values }) => ({ Key, Values })),
  RequestedDateTime: new Date(command.requested),
  Status: command.status,
  StatusDetails: command.statusDetails,
  OutputS3BucketName: command.output?.bucket ?? '',
  OutputS3KeyPrefix: command.output?.prefix ?? '',
  MaxConcurrency: command.maxConcurrency,
  MaxErrors: command.maxErrors,
  TargetCount: command.targetCount,
  CompletedCount: invocations.filter((one) => !isOpen(one)).length,
  ErrorCount: invocations.filter(({ status }) => status === 'Failed' || status === 'TimedOut').length,
  DeliveryTimedOutCount: invocations.filter(({ statusDetails }) => statusDetails === 'DeliveryTimedOut').length,
  ServiceRole: '',
  TimeoutSeconds: command.timeoutSeconds,
})
