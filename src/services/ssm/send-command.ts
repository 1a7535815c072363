import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { type MachineFacts, machines } from '../capabilities.ts'
import {
  Command,
  type CommandRecord,
  commandReconciler,
  commandStatusOf,
  emitCommand,
  getCommand,
  Invocation,
  type InvocationRecord,
  invocationsOf,
  isOpen,
  toCommand,
} from './command.ts'
import { isManaged, managedInstances } from './managed-instances.ts'
import { fail, type Input, type Operation } from './operation.ts'

/** The document that is here; documents are named by name or ARN. */
export const shellScript = 'AWS-RunShellScript'
export const documentName = (given: string): string => given.split('document/').at(-1) ?? given

const known: Readonly<Record<string, true>> = { commands: true, workingDirectory: true, executionTimeout: true }

/** Parameters of AWS-RunShellScript. Throws InvalidParameters. */
const parametersOf = (given: Readonly<Record<string, readonly string[]>> = {}) => {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(known, name))
  if (unknown !== undefined) throw fail('InvalidParameters', `The document has no parameter ${unknown}.`)
  if (!given.commands?.length) throw fail('InvalidParameters', 'The parameter commands is required.')
  const executionSeconds = Number(given.executionTimeout?.[0] ?? '3600')
  if (!(Number.isInteger(executionSeconds) && executionSeconds >= 1 && executionSeconds <= 172_800))
    throw fail('InvalidParameters', 'The parameter executionTimeout must be a number of seconds from 1 to 172800.')
  return { parameters: given, executionSeconds }
}

const checkDocument = (input: Input<'SendCommand'>): void => {
  const name = documentName(input.DocumentName)
  if (name === shellScript) {
    const version = input.DocumentVersion ?? '$DEFAULT'
    if (!['$DEFAULT', '$LATEST', '1'].includes(version))
      throw fail('InvalidDocumentVersion', `The document ${name} has no version ${version}.`)
    return
  }
  if (name.startsWith('AWS')) throw notImplemented(`the document ${name}`)
  throw fail('InvalidDocument', `Document with name ${name} does not exist.`)
}

const refuse = (input: Input<'SendCommand'>): void => {
  if (input.NotificationConfig || input.ServiceRoleArn) throw notImplemented('notifications of commands')
  if (input.AlarmConfiguration) throw notImplemented('alarms of commands')
  if (input.CloudWatchOutputConfig?.CloudWatchOutputEnabled)
    throw notImplemented('output of commands to CloudWatch Logs')
  if (input.DocumentHash) throw notImplemented('the hash of a document')
}

const notManaged = (ids: readonly string[]) =>
  fail('InvalidInstanceId', `Instances [[${ids.join(', ')}]] not in a valid state for account`)

/** Whom the command is for. Throws InvalidInstanceId, DuplicateInstanceId, InvalidParameters. */
const recipients = async (
  ctx: Ctx,
  { InstanceIds = [], Targets = [] }: Input<'SendCommand'>,
): Promise<MachineFacts[]> => {
  if (InstanceIds.length > 0 && Targets.length > 0)
    throw fail('InvalidParameters', 'A command has either InstanceIds or Targets.')
  if (InstanceIds.length === 0 && Targets.length === 0)
    throw fail('InvalidParameters', 'A command needs InstanceIds or Targets.')
  if (new Set(InstanceIds).size < InstanceIds.length)
    throw fail('DuplicateInstanceId', 'An instance ID is given more than once.')
  if (InstanceIds.length > 0) {
    const found: MachineFacts[] = []
    const missing: string[] = []
    for (const id of InstanceIds) {
      const machine = await ctx.use(machines).find(ctx.place, id)
      if (machine && (await isManaged(ctx, machine))) found.push(machine)
      else missing.push(id)
    }
    if (missing.length > 0) throw notManaged(missing)
    return found
  }
  return targetsOf(ctx, { Targets })
}

/** The managed instances that all of the targets mean. */
export const targetsOf = async (
  ctx: Ctx,
  { Targets = [] }: Pick<Input<'SendCommand'>, 'Targets'>,
): Promise<MachineFacts[]> => {
  const chosen = (machine: MachineFacts) =>
    Targets.every(({ Key = '', Values = [] }) => {
      if (Key === 'InstanceIds' || Key === 'instanceids') return Values.includes(machine.instanceId)
      if (Key.startsWith('tag:')) return Values.includes(machine.tags[Key.slice(4)] ?? '\0')
      if (Key === 'tag-key') return Values.some((name) => machine.tags[name] !== undefined)
      throw notImplemented(`targets by ${Key}`)
    })
  return (await managedInstances(ctx)).filter(chosen)
}

/** AWS API: "SendCommand", of the document AWS-RunShellScript. */
export const SendCommand: Operation<'SendCommand'> = async (ctx, input) => {
  checkDocument(input)
  refuse(input)
  const { parameters, executionSeconds } = parametersOf(input.Parameters)
  const targets = await recipients(ctx, input)
  const requested = ctx.now().getTime()
  const command: CommandRecord = {
    id: ctx.newId(),
    document: documentName(input.DocumentName),
    parameters,
    comment: input.Comment ?? '',
    instanceIds: input.InstanceIds ?? [],
    targets: input.Targets ?? [],
    requested,
    timeoutSeconds: input.TimeoutSeconds ?? 3600,
    executionSeconds,
    maxConcurrency: input.MaxConcurrency ?? '50',
    maxErrors: input.MaxErrors ?? '0',
    ...(input.OutputS3BucketName
      ? { output: { bucket: input.OutputS3BucketName, prefix: input.OutputS3KeyPrefix ?? '' } }
      : {}),
    targetCount: targets.length,
    ...commandStatusOf([]),
    ...(targets.length > 0 ? { status: 'Pending' as const, statusDetails: 'Pending' } : {}),
  }
  return ctx.write(async (tx) => {
    tx.put(Command, command)
    for (const { instanceId, tags } of targets)
      tx.put<InvocationRecord>(Invocation, {
        command: command.id,
        instanceId,
        instanceName: tags.Name ?? '',
        requested,
        status: 'Pending',
        statusDetails: 'Pending',
        code: -1,
        stdout: '',
        stderr: '',
      })
    emitCommand(ctx, tx, command)
    tx.wake(commandReconciler, command.id)
    return { Command: toCommand(command, []) }
  })
}

/** AWS API: "CancelCommand". What has not begun is cancelled, what runs is ended; what has ended stays as it is. */
export const CancelCommand: Operation<'CancelCommand'> = (ctx, { CommandId, InstanceIds = [] }) =>
  ctx.write(async (tx) => {
    const command = await getCommand(tx, CommandId)
    if (new Set(InstanceIds).size < InstanceIds.length)
      throw fail('DuplicateInstanceId', 'An instance ID is given more than once.')
    const invocations = await invocationsOf(tx, command)
    const unknown = InstanceIds.find((id) => !invocations.some(({ instanceId }) => instanceId === id))
    if (unknown !== undefined) throw fail('InvalidInstanceId', `The command ${CommandId} is not for ${unknown}.`)
    for (const one of invocations)
      if (isOpen(one) && (InstanceIds.length === 0 || InstanceIds.includes(one.instanceId)))
        tx.put(Invocation, { ...one, status: 'Cancelling' as const, statusDetails: 'Cancelling' })
    tx.wake(commandReconciler, command.id)
    return {}
  })
