import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import {
  Command,
  type CommandRecord,
  commandMoment,
  findInvocation,
  getCommand,
  Invocation,
  type InvocationRecord,
  invocationMoment,
  invocationsOf,
  toCommand,
} from './command.ts'
import { fail, type Input, type Operation, type Output } from './operation.ts'

/** The plugin of AWS-RunShellScript. */
export const plugin = 'aws:runShellScript'

/** How much of a script's output the API shows ("GetCommandInvocation": 24,000 and 8,000 characters; in lists 2,500). */
export const mostOutput = { stdout: 24_000, stderr: 8_000 }
const mostListed = 2_500

type Filter = NonNullable<Input<'ListCommands'>['Filters']>[number]

const fits = (one: CommandRecord | InvocationRecord, document: string, { key, value }: Filter): boolean => {
  if (key === 'InvokedAfter') return one.requested >= Date.parse(value)
  if (key === 'InvokedBefore') return one.requested < Date.parse(value)
  if (key === 'Status') return one.status === value
  if (key === 'DocumentName') return document === value
  if (key === 'ExecutionStage')
    return (value === 'Executing') === ['Pending', 'InProgress', 'Cancelling'].includes(one.status)
  throw fail('InvalidFilterKey', `The filter key ${key} is not valid.`)
}

const pageOf = <T>(all: readonly T[], keyOf: (one: T) => string, token: string | undefined, size = 50) => {
  const after = token === undefined ? undefined : Buffer.from(token, 'base64url').toString()
  if (after !== undefined && !/^\d{4}-/.test(after)) throw fail('InvalidNextToken', 'The specified token is not valid.')
  const rest = all
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? 1 : -1))
    .filter((one) => after === undefined || keyOf(one) < after)
  const page = rest.slice(0, size)
  const last = page.at(-1)
  return {
    page,
    ...(last === undefined || page.length === rest.length
      ? {}
      : { NextToken: Buffer.from(keyOf(last)).toString('base64url') }),
  }
}

/** AWS API: "ListCommands". Newest first. Raises InvalidCommandId, InvalidFilterKey, InvalidNextToken. */
export const ListCommands: Operation<'ListCommands'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { CommandId, InstanceId, Filters = [] } = input
    const all = CommandId === undefined ? await tx.list(Command) : [await getCommand(tx, CommandId)]
    const whole: { command: CommandRecord; invocations: InvocationRecord[] }[] = []
    for (const command of all)
      if (Filters.every((filter) => fits(command, command.document, filter)))
        whole.push({ command, invocations: await invocationsOf(tx, command) })
    const found = whole.filter(
      ({ invocations }) => InstanceId === undefined || invocations.some(({ instanceId }) => instanceId === InstanceId),
    )
    const { page, ...rest } = pageOf(found, ({ command }) => commandMoment(command), input.NextToken, input.MaxResults)
    return { Commands: page.map(({ command, invocations }) => toCommand(command, invocations)), ...rest }
  })

type Wire = NonNullable<Output<'ListCommandInvocations'>['CommandInvocations']>[number]

const date = (time: number | undefined) => (time === undefined ? undefined : new Date(time))
const outputUrl = (ctx: Ctx, { output }: CommandRecord, { command, instanceId }: InvocationRecord, name: string) =>
  output
    ? `https://s3.${ctx.region}.amazonaws.com/${output.bucket}/${outputKey(output.prefix, command, instanceId, name)}`
    : ''

/** Where output in S3 lies. */
export const outputKey = (prefix: string, command: string, instanceId: string, name: string): string =>
  [prefix, command, instanceId, 'awsrunShellScript', '0.awsrunShellScript', name].filter(Boolean).join('/')

const toInvocation = (ctx: Ctx, command: CommandRecord, one: InvocationRecord, details: boolean): Wire => {
  const [StandardOutputUrl, StandardErrorUrl] = ['stdout', 'stderr'].map((name) => outputUrl(ctx, command, one, name))
  return {
    CommandId: one.command,
    InstanceId: one.instanceId,
    InstanceName: one.instanceName,
    Comment: command.comment,
    DocumentName: command.document,
    DocumentVersion: '$DEFAULT',
    RequestedDateTime: new Date(one.requested),
    Status: one.status,
    StatusDetails: one.statusDetails,
    StandardOutputUrl,
    StandardErrorUrl,
    CommandPlugins: details
      ? [
          {
            Name: plugin,
            Status: one.status === 'Cancelling' ? 'InProgress' : one.status,
            StatusDetails: one.statusDetails,
            ResponseCode: one.code,
            ResponseStartDateTime: date(one.started),
            ResponseFinishDateTime: date(one.ended),
            Output: `${one.stdout}${one.stderr === '' ? '' : `\n----------ERROR-------\n${one.stderr}`}`.slice(
              0,
              mostListed,
            ),
            StandardOutputUrl,
            StandardErrorUrl,
          },
        ]
      : [],
    ServiceRole: '',
  }
}

const invocationsBy = async (tx: ReadTx, { CommandId, InstanceId }: Input<'ListCommandInvocations'>) => {
  const ofInstance = ({ instanceId }: InvocationRecord) => InstanceId === undefined || instanceId === InstanceId
  if (CommandId !== undefined) return (await invocationsOf(tx, await getCommand(tx, CommandId))).filter(ofInstance)
  return InstanceId === undefined
    ? tx.list(Invocation)
    : tx.list(Invocation, { index: 'instance', prefix: `${InstanceId}/` })
}

/** AWS API: "ListCommandInvocations". Newest first. Raises InvalidCommandId, InvalidFilterKey, InvalidNextToken. */
export const ListCommandInvocations: Operation<'ListCommandInvocations'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const found: { one: InvocationRecord; command: CommandRecord }[] = []
    for (const one of await invocationsBy(tx, input)) {
      const command = await getCommand(tx, one.command)
      if ((input.Filters ?? []).every((filter) => fits(one, command.document, filter))) found.push({ one, command })
    }
    const { page, ...rest } = pageOf(found, ({ one }) => invocationMoment(one), input.NextToken, input.MaxResults)
    return {
      CommandInvocations: page.map(({ one, command }) => toInvocation(ctx, command, one, input.Details ?? false)),
      ...rest,
    }
  })

const elapsed = ({ started, ended }: InvocationRecord): string =>
  started === undefined || ended === undefined ? '' : `PT${(ended - started) / 1000}S`
const text = (time: number | undefined) => (time === undefined ? '' : new Date(time).toISOString())

/** AWS API: "GetCommandInvocation". Raises InvalidPluginName, InvocationDoesNotExist. */
export const GetCommandInvocation: Operation<'GetCommandInvocation'> = (ctx, { CommandId, InstanceId, PluginName }) =>
  ctx.read(async (tx) => {
    const command = await tx.get(Command, CommandId)
    const one = command && (await findInvocation(tx, CommandId, InstanceId))
    if (!command || !one)
      throw fail('InvocationDoesNotExist', `The command ${CommandId} has no invocation on ${InstanceId}.`)
    if (PluginName !== undefined && PluginName !== plugin)
      throw fail('InvalidPluginName', `The document has no plugin ${PluginName}.`)
    return {
      CommandId,
      InstanceId,
      Comment: command.comment,
      DocumentName: command.document,
      DocumentVersion: '$DEFAULT',
      PluginName: plugin,
      ResponseCode: one.code,
      ExecutionStartDateTime: text(one.started),
      ExecutionElapsedTime: elapsed(one),
      ExecutionEndDateTime: text(one.ended),
      Status: one.status,
      StatusDetails: one.statusDetails,
      StandardOutputContent: one.stdout,
      StandardOutputUrl: outputUrl(ctx, command, one, 'stdout'),
      StandardErrorContent: one.stderr,
      StandardErrorUrl: outputUrl(ctx, command, one, 'stderr'),
      CloudWatchOutputConfig: { CloudWatchLogGroupName: '', CloudWatchOutputEnabled: false },
    }
  })
