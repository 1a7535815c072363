import type { PacketRule } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { filtered, page } from './filters.ts'
import { Instance } from './instance.ts'
import { ManagedInterface } from './managed-interface.ts'
import { dryRun, fail, newId, type Operation } from './operation.ts'
import { allTags, dropTags, putTags, specified, toTags } from './tag.ts'
import { defaultVpc, getVpc } from './vpcs.ts'

/** One rule: a protocol and ports from, or to, one CIDR block or one other group. Ports are -1 where the protocol has none. */
export type Rule = {
  readonly id: string
  readonly egress: boolean
  readonly protocol: string
  readonly fromPort: number
  readonly toPort: number
  readonly cidr?: string
  readonly cidr6?: string
  readonly groupId?: string
  readonly description?: string
}
export type SecurityGroup = {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly vpcId: string
  readonly rules: readonly Rule[]
}

export const SecurityGroup = table<SecurityGroup>('ec2.security-group', {
  scope: 'region',
  key: ({ id }) => id,
  index: { name: ({ vpcId, name }) => `${vpcId}\0${name}` },
})

const everything = { protocol: '-1', fromPort: -1, toPort: -1 }

/** The group every VPC has: its members reach each other, and all goes out. */
export const makeDefaultGroup = (ctx: Ctx, tx: WriteTx, vpcId: string): void => {
  const id = newId(ctx, 'sg')
  tx.put(SecurityGroup, {
    id,
    name: 'default',
    description: 'default VPC security group',
    vpcId,
    rules: [
      { id: newId(ctx, 'sgr'), egress: false, ...everything, groupId: id },
      { id: newId(ctx, 'sgr'), egress: true, ...everything, cidr: '0.0.0.0/0' },
    ],
  })
}

export const getGroup = async (tx: ReadTx, id: string): Promise<SecurityGroup> => {
  const group = await tx.get(SecurityGroup, id)
  if (!group) throw fail('InvalidGroup.NotFound', `The security group '${id}' does not exist`)
  return group
}

export const byName = async (tx: ReadTx, vpcId: string, name: string): Promise<SecurityGroup> => {
  const [group] = await tx.list(SecurityGroup, { index: 'name', equals: `${vpcId}\0${name}` })
  if (!group) throw fail('InvalidGroup.NotFound', `The security group '${name}' does not exist in VPC '${vpcId}'`)
  return group
}

/** Security groups of one network interface ("Amazon VPC quotas"). */
export const mostGroups = 5

/** The groups an instance gets: those named by id or name, else the default group of its VPC. All belong to that VPC. */
export const chooseGroups = async (
  tx: ReadTx,
  vpcId: string,
  ids: readonly string[],
  names: readonly string[],
): Promise<string[]> => {
  const groups = [
    ...(await Promise.all(ids.map((id) => getGroup(tx, id)))),
    ...(await Promise.all(names.map((name) => byName(tx, vpcId, name)))),
  ]
  for (const group of groups)
    if (group.vpcId !== vpcId)
      throw fail('InvalidParameter', `Security group ${group.id} and subnet belong to different networks.`)
  if (groups.length > mostGroups)
    throw fail(
      'SecurityGroupsPerInterfaceLimitExceeded',
      `The maximum number of security groups per interface has been reached.`,
    )
  return groups.length > 0 ? groups.map(({ id }) => id) : [(await byName(tx, vpcId, 'default')).id]
}

/** The groups that let another group's members in: their rules follow who is in it. */
export const groupsThatAdmit = async (tx: ReadTx, groupId: string): Promise<string[]> =>
  (await tx.list(SecurityGroup))
    .filter(({ rules }) => rules.some((rule) => !rule.egress && rule.groupId === groupId))
    .map(({ id }) => id)

/** What these groups let in, as packet rules; a group as source means the private addresses of its members. */
export const ingressOf = async (tx: ReadTx, groupIds: readonly string[]): Promise<PacketRule[]> => {
  const members = [
    ...(await tx.list(Instance)).filter(({ state }) => state !== 'terminated'),
    ...(await tx.list(ManagedInterface)),
  ]
  const rules: PacketRule[] = []
  for (const id of groupIds)
    for (const rule of (await tx.get(SecurityGroup, id))?.rules ?? []) {
      if (rule.egress) continue
      const sources = rule.cidr
        ? [rule.cidr]
        : members
            .filter(({ groupIds: own }) => rule.groupId && own.includes(rule.groupId))
            .map(({ privateIp }) => `${privateIp}/32`)
      const anyPort = rule.protocol === '-1' || rule.fromPort === -1
      if (sources.length > 0)
        rules.push({
          protocol: rule.protocol,
          fromPort: anyPort ? 0 : rule.fromPort,
          toPort: anyPort ? 65_535 : rule.toPort,
          sources,
        })
    }
  return rules
}

export const CreateSecurityGroup: Operation<'CreateSecurityGroup'> = (ctx, input) => {
  const { GroupName: name = '', Description: description = '' } = input
  if (/^sg-/.test(name))
    throw fail(
      'InvalidParameterValue',
      `Value (${name}) for parameter GroupName is invalid. Group names may not be in the format sg-*.`,
    )
  const { 'security-group': tags } = specified(input.TagSpecifications, 'security-group')
  dryRun(input)
  return ctx.write(async (tx) => {
    const vpcId = input.VpcId ?? (await defaultVpc(ctx, tx)).id
    await getVpc(tx, vpcId)
    if ((await tx.list(SecurityGroup, { index: 'name', equals: `${vpcId}\0${name}` })).length > 0)
      throw fail('InvalidGroup.Duplicate', `The security group '${name}' already exists for VPC '${vpcId}'`)
    const id = newId(ctx, 'sg')
    tx.put(SecurityGroup, {
      id,
      name,
      description,
      vpcId,
      rules: [{ id: newId(ctx, 'sgr'), egress: true, ...everything, cidr: '0.0.0.0/0' }],
    })
    putTags(tx, id, tags)
    return {
      GroupId: id,
      SecurityGroupArn: ctx.arn(`security-group/${id}`),
      Tags: tags.map(({ Key, Value }) => ({ Key, Value })),
    }
  })
}

export const DeleteSecurityGroup: Operation<'DeleteSecurityGroup'> = (ctx, input) => {
  dryRun(input)
  return ctx.write(async (tx) => {
    const vpc = await defaultVpc(ctx, tx)
    const group = input.GroupId ? await getGroup(tx, input.GroupId) : await byName(tx, vpc.id, input.GroupName ?? '')
    if (group.name === 'default')
      throw fail('CannotDelete', `the specified group: "${group.id}" name: "default" cannot be deleted by a user`)
    const instances = await tx.list(Instance)
    const others = (await tx.list(SecurityGroup)).filter(({ id }) => id !== group.id)
    if (
      instances.some(({ groupIds, state }) => groupIds.includes(group.id) && state !== 'terminated') ||
      (await tx.list(ManagedInterface)).some(({ groupIds }) => groupIds.includes(group.id)) ||
      others.some(({ rules }) => rules.some(({ groupId }) => groupId === group.id))
    )
      throw fail('DependencyViolation', `resource ${group.id} has a dependent object`)
    tx.delete(SecurityGroup, group.id)
    await dropTags(tx, group.id)
    return { Return: true, GroupId: group.id }
  })
}

/** Rules of one direction, grouped by protocol and ports as DescribeSecurityGroups shows them. */
const toPermissions = (ctx: Ctx, rules: readonly Rule[]) =>
  [...Map.groupBy(rules, ({ protocol, fromPort, toPort }) => `${protocol} ${fromPort} ${toPort}`).values()].map(
    (same) => {
      const [first] = same as [Rule]
      const described = ({ description }: Rule) => (description ? { Description: description } : {})
      return {
        IpProtocol: first.protocol,
        ...(first.protocol === '-1' ? {} : { FromPort: first.fromPort, ToPort: first.toPort }),
        IpRanges: same.flatMap((rule) => (rule.cidr ? [{ CidrIp: rule.cidr, ...described(rule) }] : [])),
        Ipv6Ranges: same.flatMap((rule) => (rule.cidr6 ? [{ CidrIpv6: rule.cidr6, ...described(rule) }] : [])),
        PrefixListIds: [],
        UserIdGroupPairs: same.flatMap((rule) =>
          rule.groupId ? [{ GroupId: rule.groupId, UserId: ctx.account, ...described(rule) }] : [],
        ),
      }
    },
  )

export const DescribeSecurityGroups: Operation<'DescribeSecurityGroups'> = (
  ctx,
  { GroupIds, GroupNames, Filters, MaxResults, NextToken },
) =>
  ctx.write(async (tx) => {
    await defaultVpc(ctx, tx)
    const tags = await allTags(tx)
    const all = await tx.list(SecurityGroup)
    for (const id of GroupIds ?? []) await getGroup(tx, id)
    for (const name of GroupNames ?? [])
      if (!all.some((group) => group.name === name))
        throw fail('InvalidGroup.NotFound', `The security group '${name}' does not exist`)
    const chosen = all.filter(
      ({ id, name }) =>
        (!GroupIds?.length && !GroupNames?.length) || GroupIds?.includes(id) || GroupNames?.includes(name),
    )
    const names = [
      'group-id',
      'group-name',
      'vpc-id',
      'description',
      'owner-id',
      'ip-permission.cidr',
      'ip-permission.protocol',
      'ip-permission.from-port',
      'ip-permission.to-port',
      'ip-permission.group-id',
    ]
    const rows = filtered(chosen, Filters, names, ({ id, name, vpcId, description, rules }) => {
      const ingress = rules.filter(({ egress }) => !egress)
      return {
        facts: {
          'group-id': id,
          'group-name': name,
          'vpc-id': vpcId,
          description,
          'owner-id': ctx.account,
          'ip-permission.cidr': ingress.flatMap(({ cidr }) => cidr ?? []),
          'ip-permission.protocol': ingress.map(({ protocol }) => protocol),
          'ip-permission.from-port': ingress.map(({ fromPort }) => String(fromPort)),
          'ip-permission.to-port': ingress.map(({ toPort }) => String(toPort)),
          'ip-permission.group-id': ingress.flatMap(({ groupId }) => groupId ?? []),
        },
        tags: tags(id),
      }
    })
    const { page: cut, ...more } = page(rows, MaxResults, NextToken)
    const SecurityGroups = cut.map(({ id, name, vpcId, description, rules }) => ({
      GroupId: id,
      GroupName: name,
      Description: description,
      VpcId: vpcId,
      OwnerId: ctx.account,
      SecurityGroupArn: ctx.arn(`security-group/${id}`),
      IpPermissions: toPermissions(
        ctx,
        rules.filter(({ egress }) => !egress),
      ),
      IpPermissionsEgress: toPermissions(
        ctx,
        rules.filter(({ egress }) => egress),
      ),
      Tags: toTags(tags(id)),
    }))
    return { SecurityGroups, ...more }
  })
