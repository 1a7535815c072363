import type { Caller, Ctx } from '../../kernel/context.ts'
import type { Group } from './deployment-groups.ts'
import { registeredMachines } from './on-premises.ts'
import { matchesTagSet, type TagSet } from './tag-filters.ts'
import type { Machine } from './target.ts'

/** What counts as an instance of a group: a stopped one is there, and a deployment to it fails. */
type States = readonly ('running' | 'stopping' | 'stopped')[]
const present: States = ['running', 'stopping', 'stopped']

/** The EC2 instances that a tag set chooses, asked for under a group's service role. Throws EC2's errors. */
export const ec2Machines = async (role: Caller, tags: TagSet, states: States = present): Promise<Machine[]> => {
  const found: Machine[] = []
  let NextToken: string | undefined
  do {
    const page = await role.ec2.describeInstances({
      Filters: [{ Name: 'instance-state-name', Values: [...states] }],
      ...(NextToken ? { NextToken } : {}),
    })
    for (const { Instances = [] } of page.Reservations ?? [])
      for (const { InstanceId, Placement, Tags = [] } of Instances) {
        const own = Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [Key, Value]))
        if (!InstanceId || !matchesTagSet(tags, own)) continue
        const zone = Placement?.AvailabilityZone
        found.push({ instanceId: InstanceId, ...(zone ? { zone } : {}) })
      }
    NextToken = page.NextToken
  } while (NextToken)
  return found
}

/** The machines of a group: EC2's and on-premises ones. Throws EC2's errors. */
export const groupMachines = async (
  ctx: Ctx,
  role: Caller,
  { ec2, onPremises }: Pick<Group, 'ec2' | 'onPremises'>,
  states: States = present,
): Promise<Machine[]> => {
  const registered = await ctx.read(registeredMachines)
  const chosen = registered.filter(({ tags }) => matchesTagSet(onPremises, tags))
  // EC2 is asked even for a group without tags: whether the role may is part of what a deployment finds out.
  const asked = ec2.groups.length > 0 || onPremises.groups.length === 0
  return [
    ...(asked ? await ec2Machines(role, ec2, states) : []),
    ...chosen.map(({ name, arn }) => ({ instanceId: name, arn })),
  ]
}
