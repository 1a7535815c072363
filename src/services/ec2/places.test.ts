import {
  DescribeAccountAttributesCommand,
  DescribeAvailabilityZonesCommand,
  DescribeImagesCommand,
  DescribeInstanceTypesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeRegionsCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  EC2Client,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type InstancesBench, instancesBench } from './instances-bench.ts'

let bench: InstancesBench
beforeEach(async () => {
  bench = await instancesBench()
})
afterEach(() => bench.drydock.close())

test('every account and region has a default VPC with a subnet per zone', async () => {
  const { Vpcs = [] } = await bench.ec2.send(new DescribeVpcsCommand({}))
  expect(Vpcs).toMatchObject([{ CidrBlock: '172.31.0.0/16', IsDefault: true, State: 'available' }])
  const { Subnets = [] } = await bench.ec2.send(new DescribeSubnetsCommand({}))
  expect(Subnets.map(({ CidrBlock, AvailabilityZone }) => [CidrBlock, AvailabilityZone]).toSorted()).toEqual([
    ['172.31.0.0/20', 'us-east-1a'],
    ['172.31.16.0/20', 'us-east-1b'],
    ['172.31.32.0/20', 'us-east-1c'],
  ])
  const ireland = bench.drydock.client(EC2Client, undefined, 'eu-west-1')
  const there = await ireland.send(
    new DescribeSubnetsCommand({ Filters: [{ Name: 'availability-zone', Values: ['*b'] }] }),
  )
  expect(there.Subnets).toMatchObject([{ AvailabilityZone: 'eu-west-1b', AvailabilityZoneId: 'euw1-az2' }])
  expect(there.Subnets?.[0]?.VpcId).not.toBe(Vpcs[0]?.VpcId)
  await expect(bench.ec2.send(new DescribeVpcsCommand({ VpcIds: ['vpc-1'] }))).rejects.toMatchObject({
    name: 'InvalidVpcID.NotFound',
  })
  await expect(bench.ec2.send(new DescribeSubnetsCommand({ SubnetIds: ['subnet-1'] }))).rejects.toMatchObject({
    name: 'InvalidSubnetID.NotFound',
  })
  const b = Subnets.find(({ AvailabilityZone }) => AvailabilityZone === 'us-east-1b')
  const id = await bench.launch({ SubnetId: b?.SubnetId })
  expect(await bench.see(id)).toMatchObject({
    PrivateIpAddress: '172.31.16.4',
    Placement: { AvailabilityZone: 'us-east-1b' },
  })
})

test('zones, regions, types, images, account attributes', async () => {
  const { AvailabilityZones } = await bench.ec2.send(new DescribeAvailabilityZonesCommand({}))
  expect(AvailabilityZones?.map(({ ZoneName, ZoneId }) => [ZoneName, ZoneId])).toEqual([
    ['us-east-1a', 'use1-az1'],
    ['us-east-1b', 'use1-az2'],
    ['us-east-1c', 'use1-az3'],
  ])
  const { Regions = [] } = await bench.ec2.send(new DescribeRegionsCommand({}))
  expect(Regions.length).toBe(17)
  const one = await bench.ec2.send(new DescribeRegionsCommand({ RegionNames: ['eu-central-1'] }))
  expect(one.Regions).toMatchObject([{ RegionName: 'eu-central-1', OptInStatus: 'opt-in-not-required' }])
  await expect(bench.ec2.send(new DescribeRegionsCommand({ RegionNames: ['moon-1'] }))).rejects.toMatchObject({
    name: 'InvalidParameterValue',
  })
  const { InstanceTypes } = await bench.ec2.send(new DescribeInstanceTypesCommand({ InstanceTypes: ['t3.micro'] }))
  expect(InstanceTypes).toMatchObject([{ VCpuInfo: { DefaultVCpus: 2 }, MemoryInfo: { SizeInMiB: 1024 } }])
  await expect(
    bench.ec2.send(new DescribeInstanceTypesCommand({ InstanceTypes: ['p5.48xlarge'] })),
  ).rejects.toMatchObject({ name: 'InvalidInstanceType' })
  const { Images } = await bench.ec2.send(new DescribeImagesCommand({ ImageIds: [bench.imageId] }))
  expect(Images).toMatchObject([{ Name: 'drydock/host-linux', State: 'available', Public: true }])
  expect((await bench.ec2.send(new DescribeImagesCommand({ Owners: ['self'] }))).Images).toEqual([])
  const { AccountAttributes } = await bench.ec2.send(new DescribeAccountAttributesCommand({}))
  expect(AccountAttributes).toContainEqual({
    AttributeName: 'supported-platforms',
    AttributeValues: [{ AttributeValue: 'VPC' }],
  })
})

test('the network interface of an instance', async () => {
  const id = await bench.launch({
    TagSpecifications: [{ ResourceType: 'network-interface', Tags: [{ Key: 'a', Value: 'b' }] }],
  })
  const instance = await bench.see(id)
  const { NetworkInterfaces = [] } = await bench.ec2.send(
    new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'attachment.instance-id', Values: [id] }] }),
  )
  expect(NetworkInterfaces).toMatchObject([
    {
      NetworkInterfaceId: instance.NetworkInterfaces?.[0]?.NetworkInterfaceId,
      PrivateIpAddress: '172.31.0.4',
      Status: 'in-use',
      Attachment: { InstanceId: id, DeviceIndex: 0 },
      Association: { PublicIp: instance.PublicIpAddress },
      TagSet: [{ Key: 'a', Value: 'b' }],
    },
  ])
  await expect(
    bench.ec2.send(new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: ['eni-0123456789abcdef0'] })),
  ).rejects.toMatchObject({ name: 'InvalidNetworkInterfaceID.NotFound' })
})

test('zones are found by name and by id', async () => {
  const zones = async (ask: { ZoneIds: string[] }) =>
    (await bench.ec2.send(new DescribeAvailabilityZonesCommand(ask))).AvailabilityZones?.map(({ ZoneName }) => ZoneName)
  expect(await zones({ ZoneIds: ['use1-az3'] })).toEqual(['us-east-1c'])
  await expect(zones({ ZoneIds: ['use1-az9'] })).rejects.toMatchObject({ name: 'InvalidParameterValue' })
})

test('images are not found by who may launch them', async () => {
  const ask = new DescribeImagesCommand({ ExecutableUsers: ['self'] })
  await expect(bench.ec2.send(ask)).rejects.toMatchObject({ $metadata: { httpStatusCode: 501 } })
})

test('a dry run reads nothing', async () => {
  await expect(bench.ec2.send(new DescribeVpcsCommand({ DryRun: true }))).rejects.toMatchObject({
    name: 'DryRunOperation',
  })
})
