import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DeleteSecurityGroupCommand,
  DescribeSecurityGroupRulesCommand,
  DescribeSecurityGroupsCommand,
  type IpPermission,
  ModifyInstanceAttributeCommand,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type InstancesBench, instancesBench } from './instances-bench.ts'

let bench: InstancesBench
beforeEach(async () => {
  bench = await instancesBench()
})
afterEach(() => bench.drydock.close())

const create = async (GroupName: string) =>
  (await bench.ec2.send(new CreateSecurityGroupCommand({ GroupName, Description: GroupName }))).GroupId ?? ''
const admit = (GroupId: string, ...IpPermissions: IpPermission[]) =>
  bench.ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }))
const port = (number: number, ...cidrs: string[]): IpPermission => ({
  IpProtocol: 'tcp',
  FromPort: number,
  ToPort: number,
  IpRanges: cidrs.map((CidrIp) => ({ CidrIp })),
})
const ingress = (id: string) => bench.drydock.compute.ingress(`ec2-${id}`)

test('packet rules follow the security groups of a running machine', async () => {
  const GroupId = await create('web')
  const id = await bench.launch({ SecurityGroupIds: [GroupId] })
  expect(ingress(id)).toEqual([])
  await admit(GroupId, port(80, '0.0.0.0/0'))
  await bench.drydock.settled()
  const http = { protocol: 'tcp', fromPort: 80, toPort: 80, sources: ['0.0.0.0/0'] }
  expect(ingress(id)).toEqual([http])
  const other = await create('ssh')
  await admit(other, port(22, '10.1.2.3/8'))
  await bench.ec2.send(new ModifyInstanceAttributeCommand({ InstanceId: id, Groups: [GroupId, other] }))
  await bench.drydock.settled()
  expect(ingress(id)).toEqual([http, { protocol: 'tcp', fromPort: 22, toPort: 22, sources: ['10.0.0.0/8'] }])
  await bench.ec2.send(new RevokeSecurityGroupIngressCommand({ GroupId, IpPermissions: [port(80, '0.0.0.0/0')] }))
  await bench.drydock.settled()
  expect(ingress(id).length).toBe(1)
})

test('a group as source is the addresses of its members, as they come and go', async () => {
  const [web, store] = [await create('web'), await create('store')]
  await admit(store, { IpProtocol: 'tcp', FromPort: 5432, ToPort: 5432, UserIdGroupPairs: [{ GroupId: web }] })
  const id = await bench.launch({ SecurityGroupIds: [store] })
  expect(ingress(id)).toEqual([])
  const member = await bench.launch({ SecurityGroupIds: [web] })
  const address = (await bench.see(member)).PrivateIpAddress
  expect(ingress(id)).toEqual([{ protocol: 'tcp', fromPort: 5432, toPort: 5432, sources: [`${address}/32`] }])
  expect(ingress(member)).toEqual([])
  await bench.ec2.send(new TerminateInstancesCommand({ InstanceIds: [member] }))
  await bench.drydock.settled()
  expect(ingress(id)).toEqual([])
})

test('the default group lets its members reach each other', async () => {
  const id = await bench.launch()
  const { SecurityGroups = [] } = await bench.ec2.send(new DescribeSecurityGroupsCommand({ GroupNames: ['default'] }))
  const [group] = SecurityGroups
  expect(group).toMatchObject({
    Description: 'default VPC security group',
    IpPermissions: [{ IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: group?.GroupId }] }],
    IpPermissionsEgress: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
  })
  expect(ingress(id)).toEqual([{ protocol: '-1', fromPort: 0, toPort: 65_535, sources: ['172.31.0.4/32'] }])
  await expect(bench.ec2.send(new DeleteSecurityGroupCommand({ GroupId: group?.GroupId }))).rejects.toMatchObject({
    name: 'CannotDelete',
  })
})

test('a rule is there once, and is found by its id', async () => {
  const GroupId = await create('web')
  const { SecurityGroupRules = [] } = await bench.ec2.send(
    new AuthorizeSecurityGroupIngressCommand({
      GroupId,
      IpPermissions: [port(80, '10.0.0.0/8', '192.168.0.0/16')],
      TagSpecifications: [{ ResourceType: 'security-group-rule', Tags: [{ Key: 'why', Value: 'lan' }] }],
    }),
  )
  expect(SecurityGroupRules).toMatchObject([
    { CidrIpv4: '10.0.0.0/8', IsEgress: false, FromPort: 80, Tags: [{ Key: 'why', Value: 'lan' }] },
    { CidrIpv4: '192.168.0.0/16' },
  ])
  await expect(admit(GroupId, port(80, '10.9.9.9/8'))).rejects.toMatchObject({
    name: 'InvalidPermission.Duplicate',
    message: 'the specified rule "peer: 10.0.0.0/8, TCP, from port: 80, to port: 80, ALLOW" already exists',
  })
  await expect(admit(GroupId, port(81, '1.2.3.4/32', '1.2.3.4/32'))).rejects.toMatchObject({
    name: 'InvalidParameterValue',
    message: 'The same permission must not appear multiple times',
  })
  const SecurityGroupRuleIds = SecurityGroupRules.map(({ SecurityGroupRuleId = '' }) => SecurityGroupRuleId)
  const rules = await bench.ec2.send(
    new DescribeSecurityGroupRulesCommand({ Filters: [{ Name: 'tag:why', Values: ['lan'] }] }),
  )
  expect(rules.SecurityGroupRules?.map((rule) => rule.SecurityGroupRuleId)).toEqual(SecurityGroupRuleIds)
  await bench.ec2.send(new RevokeSecurityGroupIngressCommand({ GroupId, SecurityGroupRuleIds }))
  const { SecurityGroups } = await bench.ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [GroupId] }))
  expect(SecurityGroups?.[0]?.IpPermissions).toEqual([])
  await expect(
    bench.ec2.send(new RevokeSecurityGroupIngressCommand({ GroupId, SecurityGroupRuleIds })),
  ).rejects.toMatchObject({ name: 'InvalidSecurityGroupRuleId.NotFound' })
  await expect(
    bench.ec2.send(new RevokeSecurityGroupIngressCommand({ GroupId, IpPermissions: [port(80, '10.0.0.0/8')] })),
  ).rejects.toMatchObject({ name: 'InvalidPermission.NotFound' })
})

test('egress rules are kept and shown', async () => {
  const GroupId = await create('web')
  const all = [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }]
  await bench.ec2.send(new RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: all }))
  await bench.ec2.send(new AuthorizeSecurityGroupEgressCommand({ GroupId, IpPermissions: [port(443, '0.0.0.0/0')] }))
  const { SecurityGroups } = await bench.ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [GroupId] }))
  expect(SecurityGroups?.[0]?.IpPermissionsEgress).toMatchObject([{ IpProtocol: 'tcp', FromPort: 443 }])
})

test.each([
  [{ IpProtocol: 'tcp', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }, 'InvalidParameterValue'],
  [port(80, '10.0.0.300/8'), 'InvalidParameterValue'],
  [port(80, '10.0.0.0'), 'InvalidParameterValue'],
  [port(80, '0x0a000001/8'), 'InvalidParameterValue'],
  [port(70_000, '0.0.0.0/0'), 'InvalidParameterValue'],
  [{ ...port(80), Ipv6Ranges: [{ CidrIpv6: '::1' }] }, 'InvalidParameterValue'],
  [{ IpProtocol: 'carrier-pigeon', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }, 'InvalidParameterValue'],
  [{ ...port(80), UserIdGroupPairs: [{ GroupId: 'sg-1' }] }, 'InvalidGroup.NotFound'],
  [{ ...port(80), PrefixListIds: [{ PrefixListId: 'pl-1' }] }, 'UnsupportedOperation'],
  [{ ...port(80), UserIdGroupPairs: [{ UserId: '111122223333', GroupId: 'sg-1' }] }, 'UnsupportedOperation'],
  [port(80), 'MissingParameter'],
])('the permission %j is refused', async (permission, name) => {
  const GroupId = await create('web')
  await expect(admit(GroupId, permission)).rejects.toMatchObject({ name })
  const { SecurityGroups } = await bench.ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [GroupId] }))
  expect(SecurityGroups?.[0]?.IpPermissions).toEqual([])
})

test('names are taken once; what is used stays', async () => {
  const web = await create('web')
  await expect(create('web')).rejects.toMatchObject({ name: 'InvalidGroup.Duplicate' })
  await expect(create('sg-web')).rejects.toMatchObject({ name: 'InvalidParameterValue' })
  await expect(
    bench.ec2.send(new CreateSecurityGroupCommand({ GroupName: 'x', Description: 'x', VpcId: 'vpc-1' })),
  ).rejects.toMatchObject({ name: 'InvalidVpcID.NotFound', message: "The vpc ID 'vpc-1' does not exist" })
  const id = await bench.launch({ SecurityGroups: ['web'] })
  const remove = () => bench.ec2.send(new DeleteSecurityGroupCommand({ GroupName: 'web' }))
  await expect(remove()).rejects.toMatchObject({
    name: 'DependencyViolation',
    message: `resource ${web} has a dependent object`,
  })
  await bench.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
  await bench.drydock.settled()
  await remove()
  await expect(remove()).rejects.toMatchObject({ name: 'InvalidGroup.NotFound' })
  const six = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => create(`g${n}`)))
  await expect(bench.launch({ SecurityGroupIds: six })).rejects.toMatchObject({
    name: 'SecurityGroupsPerInterfaceLimitExceeded',
  })
})
