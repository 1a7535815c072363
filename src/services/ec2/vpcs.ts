import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { filtered, page } from './filters.ts'
import { fail, newId, type Operation } from './operation.ts'
import { makeDefaultGroup } from './security-groups.ts'
import { allTags, toTags } from './tag.ts'

type Vpc = { readonly id: string; readonly cidr: string; readonly isDefault: boolean }
type Subnet = {
  readonly id: string
  readonly vpcId: string
  readonly cidr: string
  readonly zone: string
  readonly defaultForZone: boolean
}

export const Vpc = table<Vpc>('ec2.vpc', {
  scope: 'region',
  key: ({ id }) => id,
  index: { isDefault: (vpc) => (vpc.isDefault ? 'yes' : undefined) },
})
export const Subnet = table<Subnet>('ec2.subnet', {
  scope: 'region',
  key: ({ id }) => id,
  index: { zone: ({ zone }) => zone },
})

export const getVpc = async (tx: ReadTx, id: string): Promise<Vpc> => {
  const vpc = await tx.get(Vpc, id)
  if (!vpc) throw fail('InvalidVpcID.NotFound', `The vpc ID '${id}' does not exist`)
  return vpc
}
export const getSubnet = async (tx: ReadTx, id: string): Promise<Subnet> => {
  const subnet = await tx.get(Subnet, id)
  if (!subnet) throw fail('InvalidSubnetID.NotFound', `The subnet ID '${id}' does not exist`)
  return subnet
}

const zoneLetters = ['a', 'b', 'c']

/**
 * The default VPC of this account and region, with a subnet per zone and a default security group, made on first use
 * ("Default VPCs", VPC user guide).
 */
export const defaultVpc = async (ctx: Ctx, tx: WriteTx): Promise<Vpc> => {
  const [found] = await tx.list(Vpc, { index: 'isDefault', equals: 'yes' })
  if (found) return found
  const vpc = tx.put(Vpc, { id: newId(ctx, 'vpc'), cidr: '172.31.0.0/16', isDefault: true })
  for (const [index, letter] of zoneLetters.entries())
    tx.put(Subnet, {
      id: newId(ctx, 'subnet'),
      vpcId: vpc.id,
      cidr: `172.31.${index * 16}.0/20`,
      zone: `${ctx.region}${letter}`,
      defaultForZone: true,
    })
  makeDefaultGroup(ctx, tx, vpc.id)
  return vpc
}

/** The subnet an instance goes to: the one named, else the default one of the zone, else of the first zone. */
export const chooseSubnet = async (
  ctx: Ctx,
  tx: WriteTx,
  subnetId: string | undefined,
  zone: string | undefined,
): Promise<Subnet> => {
  await defaultVpc(ctx, tx)
  if (subnetId !== undefined) {
    const subnet = await getSubnet(tx, subnetId)
    if (zone !== undefined && zone !== subnet.zone)
      throw fail(
        'InvalidParameterValue',
        `The availability zone '${zone}' is not that of the subnet '${subnetId}', '${subnet.zone}'`,
      )
    return subnet
  }
  const [subnet] = (await tx.list(Subnet, { index: 'zone', equals: zone ?? `${ctx.region}a` })).filter(
    ({ defaultForZone }) => defaultForZone,
  )
  if (!subnet) throw fail('InvalidParameterValue', `Invalid availability zone: [${zone}]`)
  return subnet
}

export const DescribeVpcs: Operation<'DescribeVpcs'> = (ctx, { VpcIds, Filters, MaxResults, NextToken }) =>
  ctx.write(async (tx) => {
    await defaultVpc(ctx, tx)
    const tags = await allTags(tx)
    const all = await tx.list(Vpc)
    for (const id of VpcIds ?? []) await getVpc(tx, id)
    const chosen = all.filter(({ id }) => !VpcIds?.length || VpcIds.includes(id))
    const names = ['vpc-id', 'cidr', 'cidr-block', 'is-default', 'isDefault', 'owner-id', 'state']
    const rows = filtered(chosen, Filters, names, ({ id, cidr, isDefault }) => ({
      facts: {
        'vpc-id': id,
        cidr,
        'cidr-block': cidr,
        'is-default': String(isDefault),
        isDefault: String(isDefault),
        'owner-id': ctx.account,
        state: 'available',
      },
      tags: tags(id),
    }))
    const { page: cut, ...more } = page(rows, MaxResults, NextToken)
    const Vpcs = cut.map(({ id, cidr, isDefault }) => ({
      VpcId: id,
      CidrBlock: cidr,
      IsDefault: isDefault,
      OwnerId: ctx.account,
      State: 'available' as const,
      InstanceTenancy: 'default' as const,
      DhcpOptionsId: 'default',
      Tags: toTags(tags(id)),
    }))
    return { Vpcs, ...more }
  })

export const DescribeSubnets: Operation<'DescribeSubnets'> = (ctx, { SubnetIds, Filters, MaxResults, NextToken }) =>
  ctx.write(async (tx) => {
    await defaultVpc(ctx, tx)
    const tags = await allTags(tx)
    const all = await tx.list(Subnet)
    for (const id of SubnetIds ?? []) await getSubnet(tx, id)
    const chosen = all.filter(({ id }) => !SubnetIds?.length || SubnetIds.includes(id))
    const names = [
      'subnet-id',
      'vpc-id',
      'availability-zone',
      'availabilityZone',
      'cidr',
      'cidr-block',
      'cidrBlock',
      'default-for-az',
      'defaultForAz',
      'owner-id',
      'state',
    ]
    const rows = filtered(chosen, Filters, names, ({ id, vpcId, zone, cidr, defaultForZone }) => ({
      facts: {
        'subnet-id': id,
        'vpc-id': vpcId,
        'availability-zone': zone,
        availabilityZone: zone,
        cidr,
        'cidr-block': cidr,
        cidrBlock: cidr,
        'default-for-az': String(defaultForZone),
        defaultForAz: String(defaultForZone),
        'owner-id': ctx.account,
        state: 'available',
      },
      tags: tags(id),
    }))
    const { page: cut, ...more } = page(rows, MaxResults, NextToken)
    const Subnets = cut.map(({ id, vpcId, zone, cidr, defaultForZone }) => ({
      SubnetId: id,
      SubnetArn: ctx.arn(`subnet/${id}`),
      VpcId: vpcId,
      CidrBlock: cidr,
      AvailabilityZone: zone,
      AvailabilityZoneId: zoneId(zone),
      DefaultForAz: defaultForZone,
      MapPublicIpOnLaunch: defaultForZone,
      OwnerId: ctx.account,
      State: 'available' as const,
      Tags: toTags(tags(id)),
    }))
    return { Subnets, ...more }
  })

/** `us-east-1a` → `use1-az1`. */
export const zoneId = (zone: string): string => {
  const [, area = '', direction = '', number = '', letter = 'a'] = /^([a-z]{2})-([a-z-]+)-(\d)([a-z])$/.exec(zone) ?? []
  const short = direction
    .split('-')
    .map((word) =>
      word.replace(/^(north|south|east|west|central)/g, (c) => c[0] ?? '').replace(/east|west/g, (c) => c[0] ?? ''),
    )
    .join('')
  return `${area}${short}${number}-az${letter.charCodeAt(0) - 96}`
}

export const DescribeAvailabilityZones: Operation<'DescribeAvailabilityZones'> = (
  ctx,
  { ZoneNames, ZoneIds, Filters },
) => {
  const all = zoneLetters.map((letter) => `${ctx.region}${letter}`)
  for (const name of ZoneNames ?? [])
    if (!all.includes(name)) throw fail('InvalidParameterValue', `Invalid availability zone: [${name}]`)
  for (const id of ZoneIds ?? [])
    if (!all.some((name) => zoneId(name) === id))
      throw fail('InvalidParameterValue', `Invalid availability zone-id: [${id}]`)
  const chosen = all
    .filter((name) => !ZoneNames?.length || ZoneNames.includes(name))
    .filter((name) => !ZoneIds?.length || ZoneIds.includes(zoneId(name)))
  const rows = filtered(
    chosen,
    Filters,
    ['zone-name', 'zone-id', 'region-name', 'state', 'zone-type', 'opt-in-status'],
    (name) => ({
      facts: {
        'zone-name': name,
        'zone-id': zoneId(name),
        'region-name': ctx.region,
        state: 'available',
        'zone-type': 'availability-zone',
        'opt-in-status': 'opt-in-not-required',
      },
      tags: {},
    }),
  )
  return {
    AvailabilityZones: rows.map((name) => ({
      ZoneName: name,
      ZoneId: zoneId(name),
      RegionName: ctx.region,
      State: 'available' as const,
      ZoneType: 'availability-zone',
      OptInStatus: 'opt-in-not-required' as const,
      NetworkBorderGroup: ctx.region,
      GroupName: ctx.region,
    })),
  }
}
