import { isIPv4, isIPv6 } from 'node:net'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { blockOf } from './addresses.ts'
import { filtered, page } from './filters.ts'
import { dryRun, fail, newId, type Operation } from './operation.ts'
import { byName, getGroup, type Rule, SecurityGroup } from './security-groups.ts'
import { allTags, dropTags, putTags, specified, toTags } from './tag.ts'
import { defaultVpc } from './vpcs.ts'

type Permission = {
  readonly IpProtocol?: string | undefined
  readonly FromPort?: number | undefined
  readonly ToPort?: number | undefined
  readonly IpRanges?: readonly { CidrIp?: string | undefined; Description?: string | undefined }[] | undefined
  readonly Ipv6Ranges?: readonly { CidrIpv6?: string | undefined; Description?: string | undefined }[] | undefined
  readonly PrefixListIds?: readonly unknown[] | undefined
  readonly UserIdGroupPairs?:
    | readonly {
        GroupId?: string | undefined
        GroupName?: string | undefined
        UserId?: string | undefined
        VpcPeeringConnectionId?: string | undefined
        Description?: string | undefined
      }[]
    | undefined
}
type Flat = Permission & {
  readonly CidrIp?: string | undefined
  readonly SourceSecurityGroupName?: string | undefined
  readonly SourceSecurityGroupOwnerId?: string | undefined
  readonly IpPermissions?: readonly Permission[] | undefined
}

const protocols: Record<string, string> = { '6': 'tcp', '17': 'udp', '1': 'icmp', '58': 'icmpv6', all: '-1' }

/** Reads the permissions of an Authorize or Revoke call, in their list or their flat old form. Throws AWS's complaints. */
const rulesOf = async (
  ctx: Ctx,
  tx: ReadTx,
  group: SecurityGroup,
  input: Flat,
  egress: boolean,
): Promise<Omit<Rule, 'id'>[]> => {
  const flat: Permission[] = input.IpProtocol
    ? [
        {
          IpProtocol: input.IpProtocol,
          FromPort: input.FromPort,
          ToPort: input.ToPort,
          ...(input.CidrIp ? { IpRanges: [{ CidrIp: input.CidrIp }] } : {}),
          ...(input.SourceSecurityGroupName
            ? {
                UserIdGroupPairs: [
                  { GroupName: input.SourceSecurityGroupName, UserId: input.SourceSecurityGroupOwnerId },
                ],
              }
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
      rules.push({ ...base, cidr: canonical(CidrIp), ...described(Description) })
    }
    for (const { CidrIpv6 = '', Description } of permission.Ipv6Ranges ?? [])
      rules.push({ ...base, cidr6: canonical6(CidrIpv6), ...described(Description) })
    for (const { GroupId, GroupName, UserId, VpcPeeringConnectionId, Description } of permission.UserIdGroupPairs ??
      []) {
      if ((UserId || ctx.account) !== ctx.account || VpcPeeringConnectionId)
        throw fail('UnsupportedOperation', 'Security groups of other accounts and peered VPCs are not supported.')
      const source = GroupId ? await getGroup(tx, GroupId) : await byName(tx, group.vpcId, GroupName ?? '')
      rules.push({ ...base, groupId: source.id, ...described(Description) })
    }
  }
  if (rules.some((rule, index) => rules.slice(0, index).some((before) => sameRule(before, rule))))
    throw fail('InvalidParameterValue', 'The same permission must not appear multiple times')
  if (rules.length === 0) throw fail('MissingParameter', 'The request must contain the parameter ipPermissions')
  return rules
}

const malformed = (cidr: string) => fail('InvalidParameterValue', `CIDR block ${cidr} is malformed`)

/** An IPv4 block with the bits beyond its prefix cleared, as EC2 keeps it. */
const canonical = (cidr: string): string => {
  const [address = '', bits = '', ...more] = cidr.split('/')
  if (!isIPv4(address) || !/^\d{1,2}$/.test(bits) || Number(bits) > 32 || more.length > 0) throw malformed(cidr)
  return blockOf(cidr)
}
const canonical6 = (cidr: string): string => {
  const [address = '', bits = '', ...more] = cidr.split('/')
  if (!isIPv6(address) || !/^\d{1,3}$/.test(bits) || Number(bits) > 128 || more.length > 0) throw malformed(cidr)
  return cidr.toLowerCase()
}

const sameRule = (a: Omit<Rule, 'id'>, b: Omit<Rule, 'id'>): boolean =>
  a.egress === b.egress &&
  a.protocol === b.protocol &&
  a.fromPort === b.fromPort &&
  a.toPort === b.toPort &&
  a.cidr === b.cidr &&
  a.cidr6 === b.cidr6 &&
  a.groupId === b.groupId

type Target = {
  readonly GroupId?: string | undefined
  readonly GroupName?: string | undefined
  readonly DryRun?: boolean | undefined
}
const target = async (ctx: Ctx, tx: WriteTx, { GroupId, GroupName }: Target): Promise<SecurityGroup> => {
  if (GroupId) return getGroup(tx, GroupId)
  if (GroupName) return byName(tx, (await defaultVpc(ctx, tx)).id, GroupName)
  throw fail('MissingParameter', 'The request must contain the parameter groupName or groupId')
}

const authorizeRules = (
  ctx: Ctx,
  input: Flat & Target & { readonly TagSpecifications?: Parameters<typeof specified>[0] },
  egress: boolean,
) => {
  const { 'security-group-rule': tags } = specified(input.TagSpecifications, 'security-group-rule')
  dryRun(input)
  return ctx.write(async (tx) => {
    const group = await target(ctx, tx, input)
    const asked = await rulesOf(ctx, tx, group, input, egress)
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
    for (const { id } of added) putTags(tx, id, tags)
    tx.wake('ec2.ingress', group.id)
    const given = Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [Key, Value]))
    return { Return: true, SecurityGroupRules: added.map((rule) => toRule(ctx, group, rule, given)) }
  })
}

const revokeRules = (
  ctx: Ctx,
  input: Flat & Target & { readonly SecurityGroupRuleIds?: readonly string[] | undefined },
  egress: boolean,
) => {
  dryRun(input)
  return ctx.write(async (tx) => {
    const group = await target(ctx, tx, input)
    for (const id of input.SecurityGroupRuleIds ?? [])
      if (!group.rules.some((rule) => rule.id === id && rule.egress === egress)) throw missing(id)
    const asked = input.SecurityGroupRuleIds?.length ? [] : await rulesOf(ctx, tx, group, input, egress)
    for (const rule of asked)
      if (!group.rules.some((present) => sameRule(present, rule)))
        throw fail('InvalidPermission.NotFound', 'The specified rule does not exist in this security group.')
    const rules = group.rules.filter(
      (rule) => !input.SecurityGroupRuleIds?.includes(rule.id) && !asked.some((one) => sameRule(one, rule)),
    )
    tx.put(SecurityGroup, { ...group, rules })
    for (const { id } of group.rules) if (!rules.some((rule) => rule.id === id)) await dropTags(tx, id)
    tx.wake('ec2.ingress', group.id)
    return { Return: true }
  })
}

export const AuthorizeSecurityGroupIngress: Operation<'AuthorizeSecurityGroupIngress'> = (ctx, input) =>
  authorizeRules(ctx, input, false)
export const AuthorizeSecurityGroupEgress: Operation<'AuthorizeSecurityGroupEgress'> = (ctx, input) =>
  authorizeRules(ctx, input, true)
export const RevokeSecurityGroupIngress: Operation<'RevokeSecurityGroupIngress'> = (ctx, input) =>
  revokeRules(ctx, input, false)
export const RevokeSecurityGroupEgress: Operation<'RevokeSecurityGroupEgress'> = (ctx, input) =>
  revokeRules(ctx, input, true)

const toRule = (ctx: Ctx, group: SecurityGroup, rule: Rule, tags: Readonly<Record<string, string>>) => ({
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
  SecurityGroupRuleArn: ctx.arn(`security-group-rule/${rule.id}`),
  Tags: toTags(tags),
  ...(rule.groupId ? { ReferencedGroupInfo: { GroupId: rule.groupId, UserId: ctx.account } } : {}),
})

const missing = (id: string) =>
  fail('InvalidSecurityGroupRuleId.NotFound', `The security group rule ID '${id}' does not exist`)

export const getRule = async (tx: ReadTx, id: string): Promise<Rule> => {
  const rule = (await tx.list(SecurityGroup)).flatMap(({ rules }) => rules).find((one) => one.id === id)
  if (!rule) throw missing(id)
  return rule
}

export const DescribeSecurityGroupRules: Operation<'DescribeSecurityGroupRules'> = (
  ctx,
  { SecurityGroupRuleIds, Filters, MaxResults, NextToken },
) =>
  ctx.write(async (tx) => {
    await defaultVpc(ctx, tx)
    const tags = await allTags(tx)
    const all = (await tx.list(SecurityGroup)).flatMap((group) => group.rules.map((rule) => ({ group, rule })))
    for (const id of SecurityGroupRuleIds ?? []) if (!all.some(({ rule }) => rule.id === id)) throw missing(id)
    const chosen = all.filter(({ rule }) => !SecurityGroupRuleIds?.length || SecurityGroupRuleIds.includes(rule.id))
    const rows = filtered(chosen, Filters, ['group-id', 'security-group-rule-id'], ({ group, rule }) => ({
      facts: { 'group-id': group.id, 'security-group-rule-id': rule.id },
      tags: tags(rule.id),
    }))
    const { page: cut, ...more } = page(rows, MaxResults, NextToken)
    return { SecurityGroupRules: cut.map(({ group, rule }) => toRule(ctx, group, rule, tags(rule.id))), ...more }
  })
