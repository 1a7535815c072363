import type { PacketRule } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { filtered, page } from './filters.ts'
import { Instance } from './instance.ts'
import { dryRun, fail, newId, type Operation } from './operation.ts'
import { allTags, dropTags, putTags, specified, toTags } from './tags.ts'
import { defaultVpc, Vpc } from './vpcs.ts'

/** One rule: a protocol and ports from, or to, one CIDR block or one other group. Ports are -1 where the protocol has none. */
type Rule = {
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

const byName = async (tx: ReadTx, vpcId: string, name: string): Promise<SecurityGroup> => {
  const [group] = await tx.list(SecurityGroup, { index: 'name', equals: `${vpcId}\0${name}` })
  if (!group) throw fail('InvalidGroup.NotFound', `The security group '${name}' does not exist in VPC '${vpcId}'`)
  return group
}

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
  return groups.length > 0 ? groups.map(({ id }) => id) : [(await byName(tx, vpcId, 'default')).id]
}

/** What these groups let in, as packet rules; a group as source means the private addresses of its running instances. */
export const ingressOf = async (tx: ReadTx, groupIds: readonly string[]): Promise<PacketRule[]> => {
  const instances = await tx.list(Instance)
  const rules: PacketRule[] = []
  for (const id of groupIds)
    for (const rule of (await tx.get(SecurityGroup, id))?.rules ?? []) {
      if (rule.egress) continue
      const sources = rule.cidr
        ? [rule.cidr]
        : instances
            .filter(
              (instance) => rule.groupId && instance.groupIds.includes(rule.groupId) && instance.state !== 'terminated',
            )
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
  const tags = specified(input.TagSpecifications, 'security-group')
  dryRun(input)
  return ctx.write(async (tx) => {
    const vpcId = input.VpcId ?? (await defaultVpc(ctx, tx)).id
    if (!(await tx.get(Vpc, vpcId))) throw fail('InvalidVpcID.NotFound', `The vpc ID '${vpcId}' does not exist`)
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
      others.some(({ rules }) => rules.some(({ groupId }) => groupId === group.id))
    )
      throw fail('DependencyViolation', `resource ${group.id} has a dependent object`)
    tx.delete(SecurityGroup, group.id)
    await dropTags(tx, group.id)
    return { Return: true, GroupId: group.id }
  })
}

type Permission = {
  readonly IpProtocol?: string | undefined
  readonly FromPort?: number | undefined
  readonly ToPort?: number | undefined
  readonly IpRanges?: readonly { CidrIp?: string | undefined; Description?: string | undefined }[] | undefined
  readonly Ipv6Ranges?: readonly { CidrIpv6?: string | undefined; Description?: string | undefined }[] | undefined
  readonly PrefixListIds?: readonly unknown[] | undefined
  readonly UserIdGroupPairs?:
    | readonly { GroupId?: string | undefined; GroupName?: string | undefined; Description?: string | undefined }[]
    | undefined
}
type Flat = Permission & {
  readonly CidrIp?: string | undefined
  readonly SourceSecurityGroupName?: string | undefined
  readonly IpPermissions?: readonly Permission[] | undefined
}

const protocols: Record<string, string> = { '6': 'tcp', '17': 'udp', '1': 'icmp', '58': 'icmpv6', all: '-1' }

/** Reads the permissions of an Authorize or Revoke call, in their list or their flat old form. Throws AWS's complaints. */
const rulesOf = async (tx: ReadTx, group: SecurityGroup, input: Flat, egress: boolean): Promise<Omit<Rule, 'id'>[]> => {
  const flat: Permission[] = input.IpProtocol
    ? [
        {
          IpProtocol: input.IpProtocol,
          FromPort: input.FromPort,
          ToPort: input.ToPort,
          ...(input.CidrIp ? { IpRanges: [{ CidrIp: input.CidrIp }] } : {}),
          ...(input.SourceSecurityGroupName
            ? { UserIdGroupPairs: [{ GroupName: input.SourceSecurityGroupName }] }
            : {}),
        },
      ]
    : []
  const rules: Omit<Rule, 'id'>[] = []
  for (const permission of [...flat, ...(input.IpPermissions ?? [])]) {
    const protocol = protocols[permission.IpProtocol ?? ''] ?? (permission.IpProtocol ?? '').toLowerCase()
    if (!['tcp', 'udp', 'icmp', 'icmpv6', '-1'].includes(protocol))
      throw fail('InvalidParameterValue', `Invalid value '${permission.IpProtocol}' for IP protocol. Unknown protocol.`)
    if (permission.PrefixListIds?.length) throw fail('UnsupportedOperation', 'Prefix lists are not supported.')
    const [fromPort, toPort] =
      protocol === '-1' ? [-1, -1] : [permission.FromPort ?? -1, permission.ToPort ?? permission.FromPort ?? -1]
    if ((protocol === 'tcp' || protocol === 'udp') && (fromPort < 0 || toPort > 65_535 || fromPort > toPort))
      throw fail(
        'InvalidParameterValue',
        `Invalid value for portRange. Must specify both from and to ports with TCP/UDP.`,
      )
    const base = { egress, protocol, fromPort, toPort }
    const described = (text: string | undefined) => (text ? { description: text } : {})
    for (const { CidrIp = '', Description } of permission.IpRanges ?? []) {
      if (!isCidr(CidrIp)) throw fail('InvalidParameterValue', `CIDR block ${CidrIp} is malformed`)
      rules.push({ ...base, cidr: CidrIp, ...described(Description) })
    }
    for (const { CidrIpv6 = '', Description } of permission.Ipv6Ranges ?? [])
      rules.push({ ...base, cidr6: CidrIpv6, ...described(Description) })
    for (const { GroupId, GroupName, Description } of permission.UserIdGroupPairs ?? []) {
      const source = GroupId ? await getGroup(tx, GroupId) : await byName(tx, group.vpcId, GroupName ?? '')
      rules.push({ ...base, groupId: source.id, ...described(Description) })
    }
  }
  if (rules.length === 0) throw fail('MissingParameter', 'The request must contain the parameter ipPermissions')
  return rules
}

const isCidr = (text: string): boolean => {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text)
  return match !== null && match.slice(1, 5).every((part) => Number(part) < 256) && Number(match[5]) <= 32
}

const sameRule = (a: Omit<Rule, 'id'>, b: Omit<Rule, 'id'>): boolean =>
  a.egress === b.egress &&
  a.protocol === b.protocol &&
  a.fromPort === b.fromPort &&
  a.toPort === b.toPort &&
  a.cidr === b.cidr &&
  a.cidr6 === b.cidr6 &&
  a.groupId === b.groupId

const target = async (
  ctx: Ctx,
  tx: WriteTx,
  input: { GroupId?: string | undefined; GroupName?: string | undefined },
): Promise<SecurityGroup> =>
  input.GroupId ? getGroup(tx, input.GroupId) : byName(tx, (await defaultVpc(ctx, tx)).id, input.GroupName ?? '')

const authorizeRules = (
  ctx: Ctx,
  input: Flat & { GroupId?: string | undefined; GroupName?: string | undefined; TagSpecifications?: unknown },
  egress: boolean,
) =>
  ctx.write(async (tx) => {
    const group = await target(ctx, tx, input)
    const asked = await rulesOf(tx, group, input, egress)
    for (const rule of asked)
      if (group.rules.some((present) => sameRule(present, rule)))
        throw fail(
          'InvalidPermission.Duplicate',
          `the specified rule "peer: ${rule.cidr ?? rule.cidr6 ?? rule.groupId}, ${rule.protocol.toUpperCase()}, from port: ${rule.fromPort}, to port: ${rule.toPort}, ALLOW" already exists`,
        )
    const added = asked.map((rule): Rule => ({ ...rule, id: newId(ctx, 'sgr') }))
    if (group.rules.length + added.length > 120)
      throw fail(
        'RulesPerSecurityGroupLimitExceeded',
        'The maximum number of rules per security group has been reached.',
      )
    tx.put(SecurityGroup, { ...group, rules: [...group.rules, ...added] })
    tx.wake('ec2.ingress', group.vpcId)
    return { Return: true, SecurityGroupRules: added.map((rule) => toRule(ctx, group, rule)) }
  })

const revokeRules = (
  ctx: Ctx,
  input: Flat & {
    GroupId?: string | undefined
    GroupName?: string | undefined
    SecurityGroupRuleIds?: readonly string[] | undefined
  },
  egress: boolean,
) =>
  ctx.write(async (tx) => {
    const group = await target(ctx, tx, input)
    for (const id of input.SecurityGroupRuleIds ?? [])
      if (!group.rules.some((rule) => rule.id === id && rule.egress === egress))
        throw fail('InvalidSecurityGroupRuleId.NotFound', `The security group rule ID '${id}' does not exist`)
    const asked = input.SecurityGroupRuleIds?.length ? [] : await rulesOf(tx, group, input, egress)
    for (const rule of asked)
      if (!group.rules.some((present) => sameRule(present, rule)))
        throw fail('InvalidPermission.NotFound', 'The specified rule does not exist in this security group.')
    const rules = group.rules.filter(
      (rule) => !input.SecurityGroupRuleIds?.includes(rule.id) && !asked.some((one) => sameRule(one, rule)),
    )
    tx.put(SecurityGroup, { ...group, rules })
    tx.wake('ec2.ingress', group.vpcId)
    return { Return: true }
  })

export const AuthorizeSecurityGroupIngress: Operation<'AuthorizeSecurityGroupIngress'> = (ctx, input) => {
  dryRun(input)
  return authorizeRules(ctx, input, false)
}
export const AuthorizeSecurityGroupEgress: Operation<'AuthorizeSecurityGroupEgress'> = (ctx, input) => {
  dryRun(input)
  return authorizeRules(ctx, input, true)
}
export const RevokeSecurityGroupIngress: Operation<'RevokeSecurityGroupIngress'> = (ctx, input) => {
  dryRun(input)
  return revokeRules(ctx, input, false)
}
export const RevokeSecurityGroupEgress: Operation<'RevokeSecurityGroupEgress'> = (ctx, input) => {
  dryRun(input)
  return revokeRules(ctx, input, true)
}

const toRule = (ctx: Ctx, group: SecurityGroup, rule: Rule) => ({
  SecurityGroupRuleId: rule.id,
  GroupId: group.id,
  GroupOwnerId: ctx.account,
  IsEgress: rule.egress,
  IpProtocol: rule.protocol,
  FromPort: rule.fromPort,
  ToPort: rule.toPort,
  CidrIpv4: rule.cidr,
  CidrIpv6: rule.cidr6,
  Description: rule.description,
  ...(rule.groupId ? { ReferencedGroupInfo: { GroupId: rule.groupId, UserId: ctx.account } } : {}),
})

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

export const DescribeSecurityGroupRules: Operation<'DescribeSecurityGroupRules'> = (
  ctx,
  { SecurityGroupRuleIds, Filters, MaxResults, NextToken },
) =>
  ctx.write(async (tx) => {
    await defaultVpc(ctx, tx)
    const all = (await tx.list(SecurityGroup)).flatMap((group) => group.rules.map((rule) => ({ group, rule })))
    for (const id of SecurityGroupRuleIds ?? [])
      if (!all.some(({ rule }) => rule.id === id))
        throw fail('InvalidSecurityGroupRuleId.NotFound', `The security group rule ID '${id}' does not exist`)
    const chosen = all.filter(({ rule }) => !SecurityGroupRuleIds?.length || SecurityGroupRuleIds.includes(rule.id))
    const rows = filtered(chosen, Filters, ['group-id', 'security-group-rule-id'], ({ group, rule }) => ({
      facts: { 'group-id': group.id, 'security-group-rule-id': rule.id },
      tags: {},
    }))
    const { page: cut, ...more } = page(rows, MaxResults, NextToken)
    return { SecurityGroupRules: cut.map(({ group, rule }) => toRule(ctx, group, rule)), ...more }
  })
