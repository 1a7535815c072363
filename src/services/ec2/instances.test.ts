import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  EC2Client,
  type Instance,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let ec2: EC2Client
beforeEach(async () => {
  drydock = await story()
  ec2 = drydock.client(EC2Client)
})
afterEach(() => drydock.close())

const imageId = async () =>
  (await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }))).Images?.[0]?.ImageId ?? ''
const describe = async (id: string): Promise<Instance | undefined> =>
  (await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))).Reservations?.[0]?.Instances?.[0]
const launch = async (more: object = {}): Promise<string> => {
  const { Instances } = await ec2.send(
    new RunInstancesCommand({ ImageId: await imageId(), MinCount: 1, MaxCount: 1, ...more }),
  )
  expect(Instances?.[0]?.State?.Name).toBe('pending')
  await drydock.settled()
  return Instances?.[0]?.InstanceId ?? ''
}

test('an instance boots with a private and a public address', async () => {
  const id = await launch({
    InstanceType: 't3.micro',
    TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'Name', Value: 'web' }] }],
  })
  const instance = await describe(id)
  expect(instance).toMatchObject({
    State: { Code: 16, Name: 'running' },
    PrivateIpAddress: '172.31.0.4',
    Tags: [{ Key: 'Name', Value: 'web' }],
  })
  expect(instance?.PublicIpAddress).toMatch(/^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./)
  expect(drydock.compute.running()).toEqual([`ec2-${id}`])
})

test('stop keeps the machine, start gives it a new public address, terminate removes it', async () => {
  const id = await launch()
  await ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))
  await drydock.settled()
  const stopped = await describe(id)
  expect(stopped).toMatchObject({ State: { Name: 'stopped' }, StateReason: { Code: 'Client.UserInitiatedShutdown' } })
  expect(stopped?.PublicIpAddress).toBeUndefined()
  expect(drydock.compute.running()).toEqual([])
  await ec2.send(new StartInstancesCommand({ InstanceIds: [id] }))
  await drydock.settled()
  expect((await describe(id))?.State?.Name).toBe('running')
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
  await drydock.settled()
  expect((await describe(id))?.State?.Name).toBe('terminated')
  await drydock.advance({ hours: 2 })
  await expect(describe(id)).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound' })
})

test('packet rules follow the security groups of a running machine', async () => {
  const { GroupId = '' } = await ec2.send(new CreateSecurityGroupCommand({ GroupName: 'web', Description: 'web' }))
  const id = await launch({ SecurityGroupIds: [GroupId] })
  expect(drydock.compute.ingress(`ec2-${id}`)).toEqual([])
  const permission = { IpProtocol: 'tcp', FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }
  await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [permission] }))
  await drydock.settled()
  expect(drydock.compute.ingress(`ec2-${id}`)).toEqual([
    { protocol: 'tcp', fromPort: 80, toPort: 80, sources: ['0.0.0.0/0'] },
  ])
  await expect(
    ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [permission] })),
  ).rejects.toMatchObject({
    name: 'InvalidPermission.Duplicate',
  })
})
