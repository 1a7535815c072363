import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { type MachineFacts, machines } from '../capabilities.ts'
import { instanceArn } from './command.ts'
import { fail, invalid, type Operation, type Output } from './operation.ts'

// Machines that Systems Manager manages: those that run, and whose instance profile lets an agent register and fetch
// commands ("Configure instance permissions required for Systems Manager"). There is no agent: the server itself is inside.

/** What an agent needs, one of each line: AmazonSSMManagedInstanceCore has them all. */
const needed = [['ssm:UpdateInstanceInformation'], ['ssmmessages:OpenControlChannel', 'ec2messages:GetMessages']]

export const isManaged = async (ctx: Ctx, { instanceId, running, roleArn }: MachineFacts): Promise<boolean> => {
  if (!running || roleArn === undefined) return false
  try {
    const principal = await ctx.use(machines).principal(ctx.place, instanceId)
    if (!principal) return false
    const role = ctx.as(principal)
    for (const actions of needed) {
      let refusal: unknown
      for (const action of actions) {
        const resource = action.startsWith('ssm:') ? instanceArn(ctx, instanceId) : '*'
        refusal = await role.authorize(action, resource).then(
          () => undefined,
          (error: unknown) => error,
        )
        if (!refusal) break
      }
      if (refusal) throw refusal
    }
    return true
  } catch (error) {
    if (error instanceof AwsError && error.code !== 'InternalFailure') return false
    throw error
  }
}

export const managedInstances = async (ctx: Ctx): Promise<MachineFacts[]> => {
  const found: MachineFacts[] = []
  for (const machine of await ctx.use(machines).list(ctx.place)) if (await isManaged(ctx, machine)) found.push(machine)
  return found.toSorted((a, b) => (a.instanceId < b.instanceId ? -1 : 1))
}

type Wire = NonNullable<Output<'DescribeInstanceInformation'>['InstanceInformationList']>[number]

const toInformation = (ctx: Ctx, machine: MachineFacts): Wire => ({
  InstanceId: machine.instanceId,
  PingStatus: 'Online',
  LastPingDateTime: ctx.now(),
  AgentVersion: '3.3.0.0',
  IsLatestVersion: true,
  PlatformType: 'Linux',
  PlatformName: 'Linux',
  ResourceType: 'EC2Instance',
  IPAddress: machine.privateIp,
  ComputerName: machine.hostname,
  SourceId: machine.instanceId,
  SourceType: 'AWS::EC2::Instance',
})

const fits = (wire: Wire, machine: MachineFacts, key: string, values: readonly string[]): boolean => {
  if (key.startsWith('tag:')) return values.includes(machine.tags[key.slice(4)] ?? '\0')
  if (key === 'tag-key') return values.some((name) => machine.tags[name] !== undefined)
  if (key === 'InstanceIds') return values.includes(machine.instanceId)
  if (key === 'PingStatus') return values.includes('Online')
  if (key === 'PlatformTypes') return values.includes('Linux')
  if (key === 'ResourceType') return values.some((value) => value === 'EC2Instance')
  if (key === 'AgentVersion') return values.includes(wire.AgentVersion ?? '')
  if (key === 'ActivationIds' || key === 'IamRole' || key === 'AssociationStatus') return false
  throw fail('InvalidFilterKey', `The filter key ${key} is not valid.`)
}

/** AWS API: "DescribeInstanceInformation". Raises InvalidFilterKey. */
export const DescribeInstanceInformation: Operation<'DescribeInstanceInformation'> = async (ctx, input) => {
  const filters = [
    ...(input.Filters ?? []).map(({ Key, Values }) => [Key, Values] as const),
    ...(input.InstanceInformationFilterList ?? []).map(({ key, valueSet }) => [key, valueSet] as const),
  ]
  const all = (await managedInstances(ctx)).map((machine) => ({ machine, wire: toInformation(ctx, machine) }))
  const found = all.filter(({ machine, wire }) => filters.every(([key, values]) => fits(wire, machine, key, values)))
  const from =
    input.NextToken === undefined ? 0 : found.findIndex(({ machine }) => machine.instanceId === input.NextToken)
  if (from < 0) throw fail('InvalidNextToken', 'The specified token is not valid.')
  const size = input.MaxResults ?? 50
  if (size < 1) throw invalid('MaxResults must be at least 1.')
  const next = found[from + size]?.machine.instanceId
  return {
    InstanceInformationList: found.slice(from, from + size).map(({ wire }) => wire),
    ...(next === undefined ? {} : { NextToken: next }),
  }
}
